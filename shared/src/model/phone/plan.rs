//! Numbering plans: what the national numbers of a country look like, and what people put before them.
//!
//! A plan knows lengths and first digits, not which numbers are given out: what it accepts is possible, not valid.
use super::error::PhoneError;
use super::spellings;

/// A set of numbers from 0 to 15.
pub(super) struct Set(pub(super) u16);

impl Set {
    fn contains(&self, number: usize) -> bool {
        number < 16 && self.0 >> number & 1 == 1
    }

    fn smallest(&self) -> usize {
        self.0.trailing_zeros() as usize
    }

    fn largest(&self) -> usize {
        self.0.checked_ilog2().unwrap_or(0) as usize
    }
}

/// The numbers of one country code.
pub(super) struct Plan {
    /// The country code.
    pub(super) code: &'static str,
    /// What is dialled at home before a national number, and is no part of it: mostly a 0.
    pub(super) trunks: &'static [&'static str],
    /// Whether the numbers of people may begin with 0, as in Italy and Ivory Coast.
    pub(super) zero: bool,
    /// The lengths that national numbers can have.
    pub(super) possible: Set,
    /// The lengths that the numbers of people have: mobile, fixed and personal ones.
    pub(super) people: Set,
    /// The lengths that mobile numbers have.
    pub(super) mobile: Set,
    /// The digits that mobile numbers begin with.
    pub(super) mobile_starts: Set,
    /// The lengths of those numbers of people that begin with the digits of the country code.
    pub(super) own: Set,
}

impl Plan {
    /// The national number in what somebody typed after the country code: without trunk prefix, without the country code
    /// if it was typed twice, and as the one number that a mobile phone has where it is written in several ways.
    ///
    /// # Errors
    /// When no number of the country looks like that.
    pub(super) fn national(&self, typed: &str) -> Result<String, PhoneError> {
        let national = self.plain(typed);
        let national = self.without_second_code(national)?;
        self.check(&national)?;
        Ok(national)
    }

    /// `typed` without what is dialled at home only, in the spelling that counts.
    fn plain(&self, typed: &str) -> String {
        let national = spellings::without_carrier(self.code, typed);
        spellings::canonical(self.code, self.without_trunk(national))
    }

    fn without_trunk<'a>(&self, typed: &'a str) -> &'a str {
        let national = self.without_zeros(typed);
        self.trunks
            .iter()
            .filter_map(|trunk| Some(self.without_zeros(national.strip_prefix(trunk)?)))
            .find(|rest| self.people.contains(rest.len()))
            .unwrap_or(national)
    }

    /// `typed` without zeros in front, where they are dialled at home. Where the numbers of people may begin with 0, too,
    /// only a number that is too long with it loses it.
    fn without_zeros<'a>(&self, typed: &'a str) -> &'a str {
        let dropped =
            self.trunks.contains(&"0") && !(self.zero && self.possible.contains(typed.len()));
        if dropped {
            typed.trim_start_matches('0')
        } else {
            typed
        }
    }

    /// A country code typed twice counts once, unless both readings are somebody's number.
    fn without_second_code(&self, national: String) -> Result<String, PhoneError> {
        let Some(rest) = national.strip_prefix(self.code) else {
            return Ok(national);
        };
        let rest = self.plain(rest);
        let somebodys_as_typed = self.own.contains(national.len());
        if !somebodys_as_typed && self.people.contains(rest.len()) {
            return Ok(rest);
        }
        if somebodys_as_typed && self.is_mobile(&rest) {
            return Err(PhoneError::CountryCodeTwice);
        }
        Ok(national)
    }

    fn is_mobile(&self, national: &str) -> bool {
        let first = national.bytes().next().unwrap_or_default();
        self.mobile.contains(national.len())
            && self.mobile_starts.contains(first.wrapping_sub(b'0').into())
    }

    fn check(&self, national: &str) -> Result<(), PhoneError> {
        let length = national.len();
        if national.starts_with('0') && !self.zero {
            Err(PhoneError::LeadingZero)
        } else if length < self.possible.smallest() {
            Err(PhoneError::TooShort)
        } else if length > self.possible.largest() {
            Err(PhoneError::TooLong)
        } else if !self.possible.contains(length) {
            Err(PhoneError::WrongLength)
        } else {
            Ok(())
        }
    }
}
