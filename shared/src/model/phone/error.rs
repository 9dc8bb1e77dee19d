//! Why a text is no phone number.
use std::fmt;

use crate::model::language::Language;
use crate::model::replies::{self, Text};

/// Why a text is no phone number; `Display` tells whoever typed it the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneError {
    /// There is no digit in it.
    Empty,
    /// The address of a WhatsApp group.
    Group,
    /// A letter is in it.
    Letters,
    /// A sign is in it that phone numbers do not have, or a `+` that is not in front.
    Signs,
    /// A 0 stands where the country code begins.
    NoCountryCode,
    /// A country code that no country has.
    NoSuchCountry,
    /// A country code that may have been typed twice.
    CountryCodeTwice,
    /// A 0 after a country code whose numbers do not begin with it.
    LeadingZero,
    /// Too few digits.
    TooShort,
    /// Too many digits.
    TooLong,
    /// A length between those that the country's numbers have.
    WrongLength,
}

impl fmt::Display for PhoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().written(Language::English))
    }
}

impl std::error::Error for PhoneError {}

impl PhoneError {
    /// What it says to whoever typed it.
    pub const fn text(self) -> Text {
        match self {
            Self::Empty => replies::PHONE_EMPTY,
            Self::Group => replies::PHONE_GROUP,
            Self::Letters => replies::PHONE_LETTERS,
            Self::Signs => replies::PHONE_SIGNS,
            Self::NoCountryCode => replies::PHONE_NO_COUNTRY_CODE,
            Self::NoSuchCountry => replies::PHONE_NO_SUCH_COUNTRY,
            Self::CountryCodeTwice => replies::PHONE_COUNTRY_CODE_TWICE,
            Self::LeadingZero => replies::PHONE_LEADING_ZERO,
            Self::TooShort => replies::PHONE_TOO_SHORT,
            Self::TooLong => replies::PHONE_TOO_LONG,
            Self::WrongLength => replies::PHONE_WRONG_LENGTH,
        }
    }

    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Empty,
        Self::Group,
        Self::Letters,
        Self::Signs,
        Self::NoCountryCode,
        Self::NoSuchCountry,
        Self::CountryCodeTwice,
        Self::LeadingZero,
        Self::TooShort,
        Self::TooLong,
        Self::WrongLength,
    ];

    /// The word by which clients know it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Group => "group",
            Self::Letters => "letters",
            Self::Signs => "signs",
            Self::NoCountryCode => "no_country_code",
            Self::NoSuchCountry => "unknown_country",
            Self::CountryCodeTwice => "country_code_twice",
            Self::LeadingZero => "leading_zero",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::WrongLength => "wrong_length",
        }
    }
}
