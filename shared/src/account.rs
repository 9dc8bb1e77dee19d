//! Users, and the sign-ups that may become one.
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::challenge::ChallengeHash;
use crate::entropy::Entropy;
use crate::password::{Password, PasswordHash};
use crate::phone::Phone;
use crate::texts::Language;
use crate::texts::replies::{self, Text};
use crate::timestamp::Timestamp;
use crate::typed;

/// A user. Exists only once its phone was confirmed.
#[derive(Clone, Debug)]
pub struct User {
    /// 128 random bits in hex; the subject of its tokens. Stays when the phone changes.
    pub id: String,
    /// The confirmed phone.
    pub phone: Phone,
    /// What it is called.
    pub name: PersonName,
    /// An unproven alias.
    pub email: Option<Email>,
    /// The alias that was asked for at sign-up and is not claimed: not yet, or because another user has it.
    pub wanted_email: Option<Email>,
    /// The password, unless there is none.
    pub password: Option<PasswordHash>,
    /// Raised to end every token and login made before.
    pub ver: i64,
    /// What it may do; `user`.
    pub role: String,
    /// Since when.
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
    /// What the user will be called.
    pub name: PersonName,
    /// The e-mail address to claim once the user exists.
    pub email: Option<Email>,
    /// The user's password.
    pub password: PasswordHash,
    /// When it ends unconfirmed.
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

/// What somebody names an account by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// Its phone.
    Phone(Phone),
    /// An alias that nobody has proven.
    Email(Email),
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

    /// What clients know it by.
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
            _ if name.chars().any(char::is_control) => Err(NameError::Control),
            _ => Ok(Self(name)),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(****)")
    }
}

/// An e-mail address, cleaned, in lower case and in Unicode's form NFC, so that one address is one text. Nobody has proven that it is theirs.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

/// The text is no e-mail address; `Display` tells the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmailError;

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&replies::EMAIL_INVALID.written(Language::English))
    }
}

impl std::error::Error for EmailError {}

impl Email {
    /// Reads an address, [cleaned](typed::plain): one `@`, something before it, a domain with a dot after it, at most 254 characters
    /// (RFC 5321, section 4.5.3.1).
    ///
    /// # Errors
    /// When it does not look like an address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let address: String = typed::plain(text).to_lowercase().nfc().collect();
        let (local, domain) = address.split_once('@').ok_or(EmailError)?;
        let labels = || domain.split('.');
        let well_formed = address.len() <= 254
            && (1..=64).contains(&local.len())
            && !address.chars().any(|c| c.is_whitespace() || c.is_control())
            && !domain.contains('@')
            && labels().count() >= 2
            && labels().all(|label| (1..=63).contains(&label.len()));
        well_formed.then_some(Self(address)).ok_or(EmailError)
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(****)")
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
        ] {
            assert_eq!(
                PersonName::parse(typed).as_ref().map(PersonName::as_str),
                name.as_ref().copied()
            );
        }
        assert_eq!(PersonName::parse(&"é".repeat(100)).map(|_| ()), Ok(()));
        assert_eq!(PersonName::parse(&"é".repeat(101)), Err(NameError::TooLong));
    }

    #[test]
    fn addresses_look_like_addresses() {
        for (typed, address) in [
            (" Siti@Example.COM ", Some("siti@example.com")),
            (
                "\u{2068}Rene\u{301}\u{200B}＠Example\u{AD}.com\u{FEFF}",
                Some("ren\u{e9}@example.com"),
            ),
            ("a\u{2011}b@example.com", Some("a-b@example.com")),
            ("a.b+c@sub.example.id", Some("a.b+c@sub.example.id")),
            ("siti@example", None),
            ("@example.com", None),
            ("a@b@example.com", None),
            ("a b@example.com", None),
            ("a@.com", None),
            ("", None),
        ] {
            let read = Email::parse(typed).ok();
            assert_eq!(read.as_ref().map(Email::as_str), address, "{typed}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
    }
}
