//! Users, and the sign-ups that may become one.
use std::fmt;

use crate::model::challenge::ChallengeHash;
use crate::model::identifier::Email;
use crate::model::language::Language;
use crate::model::password::{Password, PasswordHash};
use crate::model::phone::Phone;
use crate::model::replies::{self, Text};
use crate::model::typed;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;

/// A user. Exists only once its phone was confirmed.
#[derive(Clone, Debug)]
pub struct User {
    /// 128 random bits in hex; the subject of its tokens. Stays when the phone changes.
    pub id: String,
    /// The confirmed phone.
    pub phone: Phone,
    /// The name of the person.
    pub name: PersonName,
    /// An e-mail address that also names the account. Nobody has proven that it is theirs.
    pub email: Option<Email>,
    /// The e-mail address that was given at sign-up and does not name the account: not yet, or because another user has it.
    pub wanted_email: Option<Email>,
    /// The password, unless there is none.
    pub password: Option<PasswordHash>,
    /// Raised to end every token and login made before.
    pub ver: i64,
    /// What the user may do: `user`.
    pub role: String,
    /// When the user was created.
    pub created_at: Timestamp,
}

/// What somebody gives to sign up.
#[derive(Debug)]
pub struct Applicant {
    /// The phone to confirm.
    pub phone: Phone,
    /// The name.
    pub name: PersonName,
    /// The e-mail address, if any.
    pub email: Option<Email>,
    /// The password.
    pub password: Password,
}

/// One request to sign up: its own name, address and password, under its own challenge id.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The hash of the challenge id that confirms it.
    pub challenge: ChallengeHash,
    /// The phone to confirm.
    pub phone: Phone,
    /// The name of the person.
    pub name: PersonName,
    /// The e-mail address to claim once the user exists.
    pub email: Option<Email>,
    /// The user's password.
    pub password: PasswordHash,
    /// When it ends, unless it is confirmed before.
    pub expires_at: Timestamp,
}

impl Registration {
    /// The user that this becomes at its confirmation.
    pub fn into_user(self, id: String, now: Timestamp) -> User {
        User {
            id,
            phone: self.phone,
            name: self.name,
            email: None,
            wanted_email: self.email,
            password: Some(self.password),
            ver: 1,
            role: "user".into(),
            created_at: now,
        }
    }
}

/// A new user id, or the id of a login: 128 random bits in hex.
pub fn random_id(entropy: &Entropy) -> String {
    format!("{:032x}", u128::from_be_bytes(entropy.bytes()))
}

/// What a user is called: 1 to 100 characters on one line.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(String);

/// Why a text is no name; `Display` tells the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing but spaces.
    Empty,
    /// Over 100 characters.
    TooLong,
    /// Line breaks or other control characters.
    Control,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().written(Language::English))
    }
}

impl std::error::Error for NameError {}

impl NameError {
    /// What it says to whoever typed it.
    pub const fn text(self) -> Text {
        match self {
            Self::Empty => replies::NAME_EMPTY,
            Self::TooLong => replies::NAME_TOO_LONG,
            Self::Control => replies::NAME_CONTROL,
        }
    }

    /// The word by which clients know it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Control => "control_characters",
        }
    }
}

impl PersonName {
    /// Reads a name, [cleaned](typed::name); spaces around it go.
    ///
    /// # Errors
    /// When it is empty, too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = typed::name(text);
        match name.chars().count() {
            0 => Err(NameError::Empty),
            101.. => Err(NameError::TooLong),
            _ if name.chars().any(breaks_the_line) => Err(NameError::Control),
            _ => Ok(Self(name)),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is a control one, or separates lines or paragraphs.
fn breaks_the_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_one_line() {
        for (typed, name) in [
            ("Siti", Ok("Siti")),
            ("  Siti Nurhaliza ", Ok("Siti Nurhaliza")),
            ("   ", Err(NameError::Empty)),
            ("Siti\nhttp://x", Err(NameError::Control)),
            ("Siti\u{2028}http://x", Err(NameError::Control)),
            ("Siti\u{2029}http://x", Err(NameError::Control)),
            ("Si\u{202E}ti", Ok("Siti")),
        ] {
            assert_eq!(
                PersonName::parse(typed).as_ref().map(PersonName::as_str),
                name.as_ref().copied()
            );
        }
        assert_eq!(PersonName::parse(&"é".repeat(100)).map(|_| ()), Ok(()));
        assert_eq!(PersonName::parse(&"é".repeat(101)), Err(NameError::TooLong));
    }
}
