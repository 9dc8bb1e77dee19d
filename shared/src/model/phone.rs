//! Phone numbers: what people type, as E.164 digits.
//!
//! The numbers are those of ITU-T E.164: a country code, which never starts with 0, and a national number, together at
//! most 15 digits. `+` and `00` in front say that the country code follows (ITU-T E.123 and E.164).
//!
//! A text is read by its first digits, after everything but digits and `+` is gone:
//!
//! | begins with | is read as | shortest |
//! |---|---|---|
//! | `+`, `00` | country code and national number, never given another country code | 7 digits |
//! | `0` | an Indonesian number as dialled at home | |
//! | `8`, and 9 to 13 digits long | an Indonesian mobile number without its 0 | |
//! | `1` to `9` otherwise | country code and national number without the `+` | 10 digits |
//!
//! So a bare number of 9 to 13 digits that starts with 8 is always Indonesian; numbers of Japan (81), Korea (82), Vietnam
//! (84), China (86) and others need their `+`. A bare number shorter than 10 digits is more often one that lacks its area
//! than one of the few countries with such short numbers, so it is refused rather than sent to a stranger.
//!
//! What follows the country code is read by the country's `plan`: the prefix that is dialled at home goes, a country code
//! typed twice counts once, and the length must be one that the country's numbers have. An Indonesian number that starts
//! with 8 (mobile) has at least 9 digits. Where a phone's number has several `spellings`, all are read as the one that counts.
mod countries;
mod error;
mod plan;
mod plans;
mod spellings;

use std::fmt;

use aws_lc_rs::digest;

use crate::model::typed;
use plan::Plan;

pub use error::PhoneError;

const INDONESIA: &str = "62";

/// A country code that ITU-T E.164 leaves unassigned. Numbers with it stand for accounts that do not exist.
pub const NOBODYS: &str = "999";

/// The most digits of an international number: ITU-T E.164, section 6.
const DIGITS_MAX: usize = 15;

/// The fewest digits with a country code: Niue's 683 and four more. The WhatsApp gateway refuses fewer too.
const DIGITS_MIN: usize = 7;

/// The fewest digits of a bare number that is taken to start with its country code.
const BARE_DIGITS_MIN: usize = 10;

/// The lengths of an Indonesian mobile number from its 8 on.
const MOBILE_DIGITS: std::ops::RangeInclusive<usize> = 9..=13;

/// A phone number in E.164 digits without `+`. `Display` and `Debug` show it masked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// Reads what people type or paste, [cleaned](typed::plain). Spaces, dashes, dots and brackets are dropped.
    ///
    /// # Errors
    /// When it is no phone number; the message tells the fix.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let typed = Typed::read(text)?;
        let digits = typed.digits.as_str();
        let international = match digits.strip_prefix("00") {
            Some(rest) if !typed.plus => Some(rest),
            _ => typed.plus.then_some(digits),
        };
        if let Some(number) = international {
            return Self::with_country_code(number, DIGITS_MIN);
        }
        if digits.starts_with('0') {
            return Self::indonesian(digits);
        }
        if digits.starts_with('8') && MOBILE_DIGITS.contains(&digits.len()) {
            return Self::indonesian(digits);
        }
        Self::with_country_code(digits, BARE_DIGITS_MIN)
    }

    /// Reads [`digits`](Self::digits) back, as a store keeps them, whatever [`parse`](Self::parse) would make of them today.
    ///
    /// # Errors
    /// When they are no E.164 digits.
    pub fn from_digits(digits: &str) -> Result<Self, PhoneError> {
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneError::Signs);
        }
        match digits.len() {
            0 => Err(PhoneError::Empty),
            1..DIGITS_MIN => Err(PhoneError::TooShort),
            DIGITS_MIN..=DIGITS_MAX => Ok(Self(digits.to_owned())),
            _ => Err(PhoneError::TooLong),
        }
    }

    /// The full number, for the gateway, for keys in the store and nothing else.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// What a session's item keeps of it.
    pub fn mark(&self) -> PhoneMark {
        let hash = digest::digest(&digest::SHA256, self.0.as_bytes());
        PhoneMark([hash.as_ref()[0], hash.as_ref()[1]])
    }

    /// The same phone as it was written before its country changed its numbers, if it did. WhatsApp may have the account
    /// under that number.
    pub fn former(&self) -> Option<Self> {
        let (plan, national) = countries::plan_at_start(&self.0)?;
        let former = spellings::former(plan.code, national)?;
        Some(Self(format!("{}{former}", plan.code)))
    }

    fn with_country_code(number: &str, digits_min: usize) -> Result<Self, PhoneError> {
        if number.starts_with('0') {
            return Err(PhoneError::NoCountryCode);
        }
        if number.len() < digits_min {
            return Err(PhoneError::TooShort);
        }
        let (plan, typed) = countries::plan_at_start(number).ok_or(PhoneError::NoSuchCountry)?;
        Self::in_country(plan, typed)
    }

    fn indonesian(typed: &str) -> Result<Self, PhoneError> {
        let plan = countries::plan_of(INDONESIA).ok_or(PhoneError::NoSuchCountry)?;
        Self::in_country(plan, typed)
    }

    fn in_country(plan: &Plan, typed: &str) -> Result<Self, PhoneError> {
        let national = plan.national(typed)?;
        let mobile = plan.code == INDONESIA && national.starts_with('8');
        if mobile && national.len() < *MOBILE_DIGITS.start() {
            return Err(PhoneError::TooShort);
        }
        Self::from_digits(&format!("{}{national}", plan.code))
    }
}

/// Sixteen bits of a phone's hash: enough to know it again among a handful, and too few to tell whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PhoneMark([u8; 2]);

impl PhoneMark {
    /// Reads [`to_bytes`](Self::to_bytes) back.
    pub const fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(bytes)
    }

    /// As a store keeps it.
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0
    }
}

/// What is left of a typed text: ASCII digits, and whether a `+` stood in front.
struct Typed {
    plus: bool,
    digits: String,
}

impl Typed {
    fn read(text: &str) -> Result<Self, PhoneError> {
        let text = typed::plain(text);
        if text.to_ascii_lowercase().ends_with("@g.us") {
            return Err(PhoneError::Group);
        }
        let mut typed = Self {
            plus: false,
            digits: String::new(),
        };
        for c in text.chars() {
            match c {
                '0'..='9' => typed.digits.push(c),
                '+' if !typed.plus && typed.digits.is_empty() => typed.plus = true,
                _ if only_groups(c) => {}
                _ if c.is_alphabetic() => return Err(PhoneError::Letters),
                _ => return Err(PhoneError::Signs),
            }
        }
        if typed.digits.is_empty() {
            return Err(PhoneError::Empty);
        }
        Ok(typed)
    }
}

/// Whether `c` only groups the digits: spaces, dashes (the katakana one among them), dots and brackets.
const fn only_groups(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'
            | '\n'
            | '\r'
            | '-'
            | '.'
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | 'ー'
            | '·'
            | '•'
            | '・'
    )
}

/// Masked: the last three digits and up to five in front, with at least four hidden between them.
impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (front, tail) = self.0.split_at(self.0.len() - 3);
        let shown = front.len().saturating_sub(4).min(5);
        write!(f, "{}****{tail}", &front[..shown])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(&str, Result<&str, PhoneError>)]) {
        for (text, expected) in rows {
            let parsed = Phone::parse(text);
            let digits = parsed.as_ref().map(Phone::digits).map_err(|error| *error);
            assert_eq!(digits, *expected, "{text:?}");
        }
    }

    #[test]
    fn indonesian_mobiles_are_read_in_each_usual_typing() {
        const DIGITS: Result<&str, PhoneError> = Ok("628123456789");
        check(&[
            ("08123456789", DIGITS),
            ("+628123456789", DIGITS),
            ("628123456789", DIGITS),
            ("8123456789", DIGITS),
            ("00628123456789", DIGITS),
            ("+62 08123456789", DIGITS),
            ("+62 (0) 812-3456-789", DIGITS),
            ("0062 0812 3456 789", DIGITS),
            ("6208123456789", DIGITS),
            ("62 812 3456 789", DIGITS),
            ("(+62) 812.3456.789", DIGITS),
            ("[0812] 3456 789", DIGITS),
        ]);
    }

    #[test]
    fn what_groups_the_digits_is_dropped_in_each_script() {
        const DIGITS: Result<&str, PhoneError> = Ok("628123456789");
        check(&[
            ("\u{A0}0812\u{202F}3456\u{2007}789\n", DIGITS),
            ("0812‐3456‑789", DIGITS),
            ("0812–3456—789", DIGITS),
            ("0812−3456－789", DIGITS),
            ("0812·3456・789", DIGITS),
            ("０８１２３４５６７８９", DIGITS),
            ("＋６２　（８１２）　３４５６．７８９", DIGITS),
            ("\u{202A}+62 812-3456-789\u{202C}", DIGITS),
            ("\u{200E}0812\u{200B}3456\u{AD}789\u{FEFF}", DIGITS),
        ]);
    }

    #[test]
    fn a_number_with_its_country_code_keeps_it() {
        check(&[
            ("+15551234567", Ok("15551234567")),
            ("0015551234567", Ok("15551234567")),
            ("15551234567", Ok("15551234567")),
            ("6581234567", Ok("6581234567")),
            ("+819012345678", Ok("819012345678")),
            ("+6834012", Ok("6834012")),
            ("+8123456789", Ok("8123456789")),
            ("008123456789", Ok("8123456789")),
            ("81234567890123", Ok("81234567890123")),
            ("+491512345678901", Ok("491512345678901")),
        ]);
    }

    #[test]
    fn what_is_dialled_at_home_goes_in_every_country() {
        check(&[
            ("+60 012-345 6789", Ok("60123456789")),
            ("60 012-345 6789", Ok("60123456789")),
            ("+44 (0)7700 900501", Ok("447700900501")),
            ("0044 07700 900501", Ok("447700900501")),
            ("+81 090-1234-5678", Ok("819012345678")),
            ("+55 016 99123-4567", Ok("5516991234567")),
            ("+375 8 029 123 45 67", Ok("375291234567")),
            ("+7 8 912 345-67-89", Ok("79123456789")),
            ("+7 812 345-67-89", Ok("78123456789")),
            ("+36 06 20 123 4567", Ok("36201234567")),
            ("+1 1 (212) 555-0123", Ok("12125550123")),
        ]);
    }

    #[test]
    fn zeros_that_belong_to_a_number_stay() {
        check(&[
            ("+39 06 698 12345", Ok("390669812345")),
            ("+225 01 23 45 67 89", Ok("2250123456789")),
            ("+242 06 123 4567", Ok("242061234567")),
            ("+34 0612 345 678", Err(PhoneError::LeadingZero)),
            ("+48 0512345678", Err(PhoneError::LeadingZero)),
        ]);
    }

    #[test]
    fn a_mobile_number_that_is_written_in_several_ways_is_one_number() {
        check(&[
            ("+52 55 1234 5678", Ok("525512345678")),
            ("+52 1 55 1234 5678", Ok("525512345678")),
            ("+52 044 55 1234 5678", Ok("525512345678")),
            ("+52 52 1 55 1234 5678", Ok("525512345678")),
            ("+54 9 11 2345-6789", Ok("5491123456789")),
            ("+54 11 15-2345-6789", Ok("5491123456789")),
            ("+54 011 15 2345 6789", Ok("5491123456789")),
            ("+54 9 011 15 2345 6789", Ok("5491123456789")),
            ("+54 351 15 234-5678", Ok("5493512345678")),
            ("+54 2966 15 23-4567", Ok("5492966234567")),
            ("+54 11 2345-6789", Ok("541123456789")),
        ]);
    }

    #[test]
    fn a_number_from_before_its_country_changed_the_numbers_is_read_as_the_new_one() {
        check(&[
            ("+229 97 12 34 56", Ok("2290197123456")),
            ("+229 01 97 12 34 56", Ok("2290197123456")),
            ("229 97 12 34 56", Ok("2290197123456")),
            ("+229 229 97 12 34 56", Ok("2290197123456")),
            ("+229 20 21 23 45", Ok("2290120212345")),
            ("+55 11 8765-4321", Ok("5511987654321")),
            ("+55 11 98765-4321", Ok("5511987654321")),
            ("+55 011 8765-4321", Ok("5511987654321")),
            ("55 11 8765-4321", Ok("5511987654321")),
            ("+55 55 11 8765-4321", Ok("5511987654321")),
            ("+55 11 3765-4321", Ok("551137654321")),
            ("+55 11 7765-4321", Ok("551177654321")),
            ("+241 06 03 12 34", Ok("24166031234")),
            ("+241 66 03 12 34", Ok("24166031234")),
            ("+241 066 03 12 34", Ok("24166031234")),
            ("+241 6 03 12 34", Ok("24166031234")),
            ("+241 02 03 12 34", Ok("24162031234")),
            ("+241 04 03 12 34", Ok("24174031234")),
            ("+241 05 03 12 34", Ok("24165031234")),
            ("+241 07 03 12 34", Ok("24177031234")),
            ("+241 01 73 12 34", Ok("24111731234")),
            ("+57 1 234 5678", Ok("576012345678")),
            ("+57 601 234 5678", Ok("576012345678")),
            ("+57 321 123 4567", Ok("573211234567")),
        ]);
    }

    #[test]
    fn the_code_of_a_carrier_goes_with_the_zero_before_it() {
        check(&[
            ("+57 03 321 123 4567", Ok("573211234567")),
            ("+57 09 321 123 4567", Ok("573211234567")),
            ("+57 0456 321 123 4567", Ok("573211234567")),
            ("+57 03 601 234 5678", Ok("576012345678")),
            ("+55 015 11 98765-4321", Ok("5511987654321")),
            ("+55 0 15 11 8765-4321", Ok("5511987654321")),
            ("+55 90 15 11 98765-4321", Ok("5511987654321")),
            ("+55 00 55 11 2345-0000", Ok("551123450000")),
            ("+591 010 712 34567", Ok("59171234567")),
            ("+65 09123 4567", Err(PhoneError::LeadingZero)),
            ("+65 09 1234 5678", Err(PhoneError::LeadingZero)),
        ]);
    }

    #[test]
    fn the_former_spelling_of_a_number_is_known() {
        for (digits, former) in [
            ("5511987654321", Some("551187654321")),
            ("2290197123456", Some("22997123456")),
            ("24166031234", Some("24106031234")),
            ("525512345678", Some("5215512345678")),
            ("576012345678", Some("5712345678")),
            // A fixed line, one that was never shorter, and one of a country that changed nothing.
            ("551137654321", None),
            ("5511927654321", None),
            ("24160031234", None),
            ("573211234567", None),
            ("628123456789", None),
        ] {
            let phone = Phone::from_digits(digits).unwrap();
            let known = phone.former();
            assert_eq!(known.as_ref().map(Phone::digits), former, "{digits}");
        }
    }

    #[test]
    fn a_country_code_typed_twice_counts_once() {
        check(&[
            ("+62 62812 3456 789", Ok("628123456789")),
            ("0062 62 812 3456 789", Ok("628123456789")),
            ("062812 3456 789", Ok("628123456789")),
            ("+62 062812 3456 789", Ok("628123456789")),
            ("62628123456789", Ok("628123456789")),
            ("+60 60 12-345 6789", Ok("60123456789")),
            ("+33 33 6 12 34 56 78", Ok("33612345678")),
            ("+49 49 151 12345678", Err(PhoneError::CountryCodeTwice)),
        ]);
    }

    #[test]
    fn a_number_that_begins_like_its_country_code_is_left_alone() {
        check(&[
            ("+62 622 41234", Ok("6262241234")),
            ("+49 4921 12345", Ok("49492112345")),
            ("+55 55 99123-4567", Ok("5555991234567")),
            ("+91 91234 56789", Ok("919123456789")),
            ("+84 84 123 4567", Ok("84841234567")),
            ("+7 771 234 5678", Ok("77712345678")),
        ]);
    }

    #[test]
    fn a_number_has_a_length_of_its_country() {
        check(&[
            ("+15551234567", Ok("15551234567")),
            ("+1555123456", Err(PhoneError::TooShort)),
            ("+155512345678", Err(PhoneError::TooLong)),
            ("+7 9123 456 789 01", Err(PhoneError::WrongLength)),
            ("+210 123 456 789", Err(PhoneError::NoSuchCountry)),
        ]);
    }

    #[test]
    fn indonesian_landlines_are_read_too() {
        check(&[
            ("021 5551234", Ok("62215551234")),
            ("+62 21 5551234", Ok("62215551234")),
            ("62215551234", Ok("62215551234")),
        ]);
    }

    #[test]
    fn the_shortest_and_longest_numbers_are_read_and_no_others() {
        check(&[
            ("081234567", Err(PhoneError::TooShort)),
            ("0812345678", Ok("62812345678")),
            ("0812345678901", Ok("62812345678901")),
            ("08123456789012", Ok("628123456789012")),
            ("081234567890123", Err(PhoneError::TooLong)),
            ("81234567", Err(PhoneError::TooShort)),
            ("812345678", Ok("62812345678")),
            ("8123456789012", Ok("628123456789012")),
            ("+6281234567", Err(PhoneError::TooShort)),
            ("021123", Err(PhoneError::TooShort)),
            ("555123456", Err(PhoneError::TooShort)),
            ("+683401", Err(PhoneError::TooShort)),
            ("12345", Err(PhoneError::TooShort)),
            ("0", Err(PhoneError::TooShort)),
            ("+62", Err(PhoneError::TooShort)),
            ("+123456789012345", Err(PhoneError::TooLong)),
            ("+1234567890123456", Err(PhoneError::TooLong)),
            ("120363025246125486", Err(PhoneError::TooLong)),
        ]);
    }

    #[test]
    fn what_is_no_number_is_refused_for_its_reason() {
        check(&[
            ("", Err(PhoneError::Empty)),
            (" -\u{A0}()", Err(PhoneError::Empty)),
            ("+", Err(PhoneError::Empty)),
            ("0812 CALL ME", Err(PhoneError::Letters)),
            ("budi@example.com", Err(PhoneError::Letters)),
            ("628123456789@s.whatsapp.net", Err(PhoneError::Signs)),
            ("08123456789é", Err(PhoneError::Letters)),
            ("120363025246125486@g.us", Err(PhoneError::Group)),
            ("628123456789-1612345678@G.US ", Err(PhoneError::Group)),
            ("*123#", Err(PhoneError::Signs)),
            ("+999 123 456 789", Err(PhoneError::NoSuchCountry)),
            ("999123456789", Err(PhoneError::NoSuchCountry)),
            ("0812/3456/789", Err(PhoneError::Signs)),
            ("62+8123456789", Err(PhoneError::Signs)),
            ("++628123456789", Err(PhoneError::Signs)),
            ("08123456789 📞", Err(PhoneError::Signs)),
            ("+08123456789", Err(PhoneError::NoCountryCode)),
            ("0008123456789", Err(PhoneError::NoCountryCode)),
            ("+0062812345678", Err(PhoneError::NoCountryCode)),
        ]);
    }

    #[test]
    fn every_refusal_tells_the_fix() {
        for error in PhoneError::ALL {
            let message = error.to_string();
            assert!(message.ends_with("use 62812... or +62812..."), "{message}");
        }
    }

    #[test]
    fn stored_digits_are_read_back_as_they_are() {
        // Among them one that is no longer read so from people, and one that stands for nobody.
        for digits in [
            "628123456789",
            "819012345678",
            "8123456789",
            "6834012",
            "5215512345678",
            "999123456789",
        ] {
            let read = Phone::from_digits(digits).unwrap();
            assert_eq!(read.digits(), digits);
        }
        assert_eq!(Phone::from_digits(""), Err(PhoneError::Empty));
    }

    #[test]
    fn a_number_is_shown_masked_with_at_least_four_digits_hidden() {
        for (digits, masked) in [
            ("628123456789", "62812****789"),
            ("628123456789012", "62812****012"),
            ("15551234567", "1555****567"),
            ("6581234567", "658****567"),
            ("6834012", "****012"),
        ] {
            let phone = Phone::from_digits(digits).unwrap();
            assert_eq!(phone.to_string(), masked);
            assert_eq!(format!("{phone:?}"), format!("Phone({masked})"));
        }
    }
}
