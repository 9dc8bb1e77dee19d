//! One-time codes: what they are for, and how they are derived.
//!
//! A code is never stored. The store keeps a random nonce and the id of a key; the code is a MAC of nonce, purpose and
//! phone under that key, cut to digits. Whoever reads the table without the key ring learns no code.
use std::fmt;

use aws_lc_rs::{constant_time, hmac};

use crate::model::phone::Phone;
use crate::model::typed;

/// What a code is for. A code for one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Signing in with a code alone.
    Sso,
    /// Confirming the phone of a new account.
    Signup,
    /// Setting a new password.
    PasswordReset,
    /// Signing in as an operator. No public endpoint sends or takes one.
    Admin,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 4] = [Self::Sso, Self::Signup, Self::PasswordReset, Self::Admin];

    /// Its name in the store, in logs and in replies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sso => "sso",
            Self::Signup => "signup",
            Self::PasswordReset => "password-reset",
            Self::Admin => "admin",
        }
    }

    /// The purpose of that name; clients of the earlier system say `reset-password`.
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            "reset-password" => "password-reset",
            name => name,
        };
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Whether a guess counts only with the challenge id that was given to whoever asked for the code.
    pub const fn requires_challenge_id(self) -> bool {
        matches!(self, Self::Signup | Self::Admin)
    }

    /// Whether whoever asks again keeps their challenge id, whatever became of it: a registration is found by it.
    pub const fn keeps_challenge_id(self) -> bool {
        matches!(self, Self::Signup)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Wrong guesses in a row from which a phone's new codes are longer, until one is right. Nobody waits for it.
const FAILURES_SHORT: i64 = 10;

/// How many digits a code has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeLength {
    /// Six.
    #[default]
    Six,
    /// Eight.
    Eight,
}

impl CodeLength {
    /// The length of a new code for `purpose` after so many wrong guesses in a row.
    pub const fn new(purpose: Purpose, failures: i64) -> Self {
        match purpose {
            Purpose::Admin => Self::Eight,
            Purpose::Sso | Purpose::Signup | Purpose::PasswordReset
                if failures < FAILURES_SHORT =>
            {
                Self::Six
            }
            Purpose::Sso | Purpose::Signup | Purpose::PasswordReset => Self::Eight,
        }
    }

    /// The length of `digits` digits.
    pub const fn of(digits: usize) -> Option<Self> {
        match digits {
            6 => Some(Self::Six),
            8 => Some(Self::Eight),
            _ => None,
        }
    }

    /// The digits.
    pub const fn digits(self) -> usize {
        match self {
            Self::Six => 6,
            Self::Eight => 8,
        }
    }
}

/// The random part of one code: 128 bits.
pub type Nonce = [u8; 16];

/// What a code is derived from, beside the secret of its key.
#[derive(Clone, Copy, Debug)]
pub struct CodeSource<'a> {
    /// The code's random part.
    pub nonce: &'a Nonce,
    /// How many digits the code has.
    pub length: CodeLength,
    /// What the code is for.
    pub purpose: Purpose,
    /// The phone that the code goes to.
    pub phone: &'a Phone,
}

/// A one-time code. Shown to nobody but its recipient.
#[derive(Clone)]
pub struct Code(String);

impl Code {
    /// Reads a code as people type or paste it, [cleaned](typed::plain): digits, with spaces or dashes between them. `None`
    /// when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = typed::plain(text)
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(CodeLength::Eight.digits() + 1)
            .collect();
        CodeLength::of(digits.len())?;
        let well_formed = digits.bytes().all(|digit| digit.is_ascii_digit());
        well_formed.then_some(Self(digits))
    }

    /// The code that `source` makes under `key`.
    ///
    /// The first 64 bits of HMAC-SHA-256, modulo 10^6 or 10^8: the bias of the remainder is below 2^-37.
    pub fn derive(key: &[u8], source: &CodeSource<'_>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let mut mac = hmac::Context::with_key(&key);
        for part in [
            b"code",
            source.purpose.name().as_bytes(),
            source.phone.digits().as_bytes(),
        ] {
            mac.update(part);
            mac.update(&[0]);
        }
        mac.update(source.nonce);
        let tag = mac.sign();
        let number = tag.as_ref()[..8]
            .iter()
            .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        Self(match source.length {
            CodeLength::Six => format!("{:06}", number % 1_000_000),
            CodeLength::Eight => format!("{:08}", number % 100_000_000),
        })
    }

    /// Whether both are the same code, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }

    /// The digits, for the message text and nothing else.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(******)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(text: &str) -> Phone {
        Phone::parse(text).expect("a phone number")
    }

    fn derive(key: &[u8], nonce: &Nonce, purpose: Purpose, phone: &Phone) -> Code {
        let source = CodeSource {
            nonce,
            length: CodeLength::Six,
            purpose,
            phone,
        };
        Code::derive(key, &source)
    }

    #[test]
    fn a_code_is_read_with_spaces_and_dashes() {
        for (typed, code) in [
            ("123456", Some("123456")),
            (" 123 456\n", Some("123456")),
            ("123-456", Some("123456")),
            ("12345", None),
            ("1234567", None),
            ("1234 5678", Some("12345678")),
            ("123456789", None),
            ("12345a", None),
            ("１２３４５６", Some("123456")),
            ("", None),
        ] {
            assert_eq!(
                Code::parse(typed).as_ref().map(Code::digits),
                code,
                "{typed}"
            );
        }
    }

    #[test]
    fn codes_of_operators_and_those_after_ten_wrong_guesses_in_a_row_have_eight_digits() {
        let siti = phone("628123456789");
        for (purpose, failures, digits) in [
            (Purpose::Sso, 0, 6),
            (Purpose::Sso, 9, 6),
            (Purpose::Sso, 10, 8),
            (Purpose::Sso, i64::MAX, 8),
            (Purpose::Admin, 0, 8),
        ] {
            let source = CodeSource {
                nonce: &[9; 16],
                length: CodeLength::new(purpose, failures),
                purpose,
                phone: &siti,
            };
            let code = Code::derive(&[7; 32], &source);
            assert_eq!(code.digits().len(), digits, "{purpose} after {failures}");
        }
    }

    #[test]
    fn a_code_depends_on_key_nonce_purpose_and_phone() {
        let (key, nonce) = ([7; 32], [9; 16]);
        let (siti, budi) = (phone("628123456789"), phone("628123456780"));
        let code = derive(&key, &nonce, Purpose::Sso, &siti);
        assert!(code.matches(&derive(&key, &nonce, Purpose::Sso, &siti)));
        for other in [
            derive(&[8; 32], &nonce, Purpose::Sso, &siti),
            derive(&key, &[8; 16], Purpose::Sso, &siti),
            derive(&key, &nonce, Purpose::Signup, &siti),
            derive(&key, &nonce, Purpose::Sso, &budi),
        ] {
            assert!(!code.matches(&other));
        }
    }

    #[test]
    fn whoever_signs_up_or_is_an_operator_guesses_with_a_challenge_id_only() {
        for (purpose, required) in [
            (Purpose::Sso, false),
            (Purpose::Signup, true),
            (Purpose::PasswordReset, false),
            (Purpose::Admin, true),
        ] {
            assert_eq!(purpose.requires_challenge_id(), required, "{purpose}");
        }
    }

    #[test]
    fn codes_are_spread_evenly_over_the_first_digit() {
        let mut counts = [0_u32; 10];
        for n in 0_u128..20_000 {
            let siti = phone("628123456789");
            let code = derive(&[1; 32], &n.to_be_bytes(), Purpose::Sso, &siti);
            counts[usize::from(code.digits().as_bytes()[0] - b'0')] += 1;
        }
        // Chi-square with 9 degrees of freedom: 27.9 is passed by chance once in a thousand seeds; this seed is fixed.
        let chi_square: f64 = counts
            .iter()
            .map(|count| (f64::from(*count) - 2_000.0).powi(2) / 2_000.0)
            .sum();
        assert!(chi_square < 27.9, "{chi_square} {counts:?}");
    }

    #[test]
    fn a_code_never_shows_itself() {
        let code = Code::parse("123456").expect("a code");
        assert!(!format!("{code:?}").contains('1'));
    }
}
