//! What somebody names an account by: a phone number, or an e-mail address.
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::language::Language;
use super::phone::Phone;
use super::replies;
use super::typed;

/// What somebody names an account by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// The account's phone.
    Phone(Phone),
    /// An e-mail address of the account. Nobody has proven that it is theirs.
    Email(Email),
}

impl Identifier {
    /// The language for a message when nobody asked for one: that of the phone's country; Indonesian for an e-mail address.
    pub fn language(&self) -> Language {
        match self {
            Self::Phone(phone) if !phone.digits().starts_with("62") => Language::English,
            Self::Phone(_) | Self::Email(_) => Language::Indonesian,
        }
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

    #[test]
    fn without_a_wish_the_language_is_the_country_s() {
        for (phone, language) in [
            ("628123456789", Language::Indonesian),
            ("+15551234567", Language::English),
        ] {
            let phone = Identifier::Phone(Phone::parse(phone).expect("a phone number"));
            assert_eq!(phone.language(), language);
        }
    }
}
