//! Passwords: what may be chosen, Argon2id hashes of it as PHC strings, and the hashes that imported users bring along.
//!
//! A hash needs 19 MiB of memory. All hashes of a process share one buffer, one after the other, because a fresh buffer each
//! time leaves the allocator with many times that. They run on a blocking thread, and the caller waits for the end.
//!
//! The same word can be typed as different characters: `é` is one or two, and some keyboards write full-width letters. So
//! what is hashed is the password in Unicode's form NFKC, one of the two that NIST SP 800-63B names. A password that is not
//! in this form is also checked as it was given, because other systems hashed it so.
mod guess;
mod scheme;

use std::borrow::Cow;
use std::fmt;
use std::panic;

use unicode_normalization::UnicodeNormalization;

use crate::model::language::Language;
use crate::model::replies::{self, Text};
pub use scheme::SchemeError;
use scheme::{BoxError, Scheme};

/// The lengths of a password in characters: NIST SP 800-63B asks for at least 8, and for room for 64 or more.
const CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// A password that somebody may have. `Debug` does not show it.
#[derive(Clone)]
pub struct Password(String);

/// Why a password cannot be chosen; `Display` tells whoever chose it the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// Fewer than 8 characters.
    TooShort,
    /// More than 128 characters.
    TooLong,
    /// One of those that are guessed first.
    Common,
    /// The name, the phone number or the e-mail address, and little else.
    Personal,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().written(Language::English))
    }
}

impl std::error::Error for PasswordError {}

impl PasswordError {
    /// What it says to whoever typed it.
    pub const fn text(self) -> Text {
        match self {
            Self::TooShort => replies::PASSWORD_TOO_SHORT,
            Self::TooLong => replies::PASSWORD_TOO_LONG,
            Self::Common => replies::PASSWORD_COMMON,
            Self::Personal => replies::PASSWORD_PERSONAL,
        }
    }

    /// The word by which clients know it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Common => "common",
            Self::Personal => "personal",
        }
    }
}

impl Password {
    /// A newly chosen password: of any characters, 8 to 128 of them, and not one that is guessed first, in upper or lower
    /// case. `known` is what others may know of whoever chooses it.
    ///
    /// # Errors
    /// When it cannot be chosen; the message tells the fix.
    pub fn choose(text: &str, known: &[&str]) -> Result<Self, PasswordError> {
        let characters = text.chars().count();
        if characters < *CHARACTERS.start() {
            return Err(PasswordError::TooShort);
        }
        if characters > *CHARACTERS.end() {
            return Err(PasswordError::TooLong);
        }
        let password = Self(text.to_owned());
        if guess::is_common(&password.normal().to_lowercase()) {
            return Err(PasswordError::Common);
        }
        password.check_against(known)?;
        Ok(password)
    }

    /// Refuses a password that is made of `known`, which others may know of its owner.
    ///
    /// # Errors
    /// When the password is made of that.
    pub fn check_against(&self, known: &[&str]) -> Result<(), PasswordError> {
        if guess::is_personal(&self.normal().to_lowercase(), known) {
            return Err(PasswordError::Personal);
        }
        Ok(())
    }

    /// A password that somebody gives for one chosen earlier. The rules of [`choose`](Self::choose) may have been others
    /// then, so none applies.
    pub fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it is hashed.
    fn normal(&self) -> Cow<'_, str> {
        if self.0.is_ascii() {
            Cow::Borrowed(&self.0)
        } else {
            Cow::Owned(self.0.nfkc().collect())
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// The hash of a password, as a PHC string. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as a store keeps it. Whether it can be read shows when a password is checked against it.
    pub fn stored(phc: &str) -> Self {
        Self(phc.to_owned())
    }

    /// A hash that another system made.
    ///
    /// # Errors
    /// When no password could be checked against it; the message tells which hashes can be.
    pub fn import(text: &str) -> Result<Self, SchemeError> {
        Scheme::read(text).map(|_| Self(text.to_owned()))
    }

    /// The hash as text, for the store and nothing else.
    pub fn phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// Whether a given password is the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The password is the one that was hashed.
    Right,
    /// The same, and a new hash would be better: this one is of another scheme or of less work than ours.
    RightButOutdated,
    /// The password is another one.
    Wrong,
}

/// A hash could not be computed, or not be read from the store.
#[derive(Debug, thiserror::Error)]
#[error("hash a password")]
pub struct HashError(#[source] BoxError);

/// Hashes `password` with `salt`, which is random for each hash.
///
/// # Errors
/// When the hash cannot be computed.
pub async fn hash(password: &Password, salt: [u8; 16]) -> Result<PasswordHash, HashError> {
    let password = password.clone();
    on_blocking_thread(move || scheme::hash(&password.normal(), &salt).map(PasswordHash)).await
}

/// Whether `password` is the one that `hash` was made of, at the cost that is written in the hash: bcrypt, Argon2, or
/// PBKDF2 with SHA-256 or SHA-512.
///
/// # Errors
/// When `hash` is none of these or costs too much, or the hash of `password` cannot be computed.
pub async fn verify(password: &Password, hash: &PasswordHash) -> Result<Match, HashError> {
    let (password, stored) = (password.clone(), hash.clone());
    on_blocking_thread(move || {
        let scheme = Scheme::read(&stored.0)?;
        let normal = password.normal();
        if scheme.is_made_of(&normal)? {
            return Ok(if scheme.is_outdated() {
                Match::RightButOutdated
            } else {
                Match::Right
            });
        }
        // Others may have hashed it as it was typed.
        let is_right_as_typed = normal != password.0 && scheme.is_made_of(&password.0)?;
        Ok(if is_right_as_typed {
            Match::RightButOutdated
        } else {
            Match::Wrong
        })
    })
    .await
}

/// As much work as [`verify`] of one of our hashes, for a user who does not exist or has no password.
///
/// A foreign hash takes another time, so that until their first sign-in imported users can be told from nobody by a
/// stopwatch.
///
/// # Errors
/// When the hash cannot be computed.
pub async fn verify_nobody(password: &Password) -> Result<Match, HashError> {
    let password = password.clone();
    on_blocking_thread(move || {
        let normal = password.normal();
        scheme::hash(&normal, &[0; 16])?;
        if normal != password.0 {
            scheme::hash(&password.0, &[0; 16])?;
        }
        Ok(Match::Wrong)
    })
    .await
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, HashError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(HashError),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(cancelled) => Err(HashError(cancelled.into())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = *b"sixteen bytes ..";

    fn check(rows: &[(&str, Option<PasswordError>)]) {
        for (text, expected) in rows {
            let chosen = Password::choose(text, &["Rahmawati", "628123456789"]);
            assert_eq!(chosen.err(), *expected, "{text:?}");
        }
    }

    #[test]
    fn any_characters_make_a_password_when_there_are_8_to_128() {
        let (longest, longer) = ("é".repeat(128), "é".repeat(129));
        check(&[
            ("hujan di bulan juni", None),
            ("tujuh77", Some(PasswordError::TooShort)),
            ("delapan8", None),
            ("密码密码密码密码", None),
            ("密码密码密码密", Some(PasswordError::TooShort)),
            ("", Some(PasswordError::TooShort)),
            (&longest, None),
            (&longer, Some(PasswordError::TooLong)),
        ]);
    }

    #[test]
    fn what_is_guessed_first_is_refused_in_any_case() {
        check(&[
            ("12345678", Some(PasswordError::Common)),
            ("Password1", Some(PasswordError::Common)),
            ("BISMILLAH", Some(PasswordError::Common)),
            ("SayangKu", Some(PasswordError::Common)),
            ("P@ssword123!", Some(PasswordError::Common)),
            ("RAHMAwati", Some(PasswordError::Personal)),
            ("0812 3456 789", Some(PasswordError::Personal)),
            ("sayangku dan bismillah", None),
        ]);
    }

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let password = Password::choose("hujan di bulan juni", &[]).unwrap();
        let hash = hash(&password, SALT).await.unwrap();
        assert!(hash.phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let stored = PasswordHash::stored(hash.phc());
        assert_eq!(verify(&password, &stored).await.unwrap(), Match::Right);
        for wrong in ["hujan di bulan Juni", "hujan di bulan juni ", ""] {
            let wrong = Password::given(wrong);
            assert_eq!(verify(&wrong, &stored).await.unwrap(), Match::Wrong);
        }
    }

    #[tokio::test]
    async fn a_hash_depends_on_its_salt_and_not_on_what_was_hashed_before() {
        let password = Password::given("hujan di bulan juni");
        let first = hash(&password, SALT).await.unwrap();
        let salted = hash(&password, [7; 16]).await.unwrap();
        assert_ne!(first, salted);
        assert_eq!(first, hash(&password, SALT).await.unwrap());
    }

    /// What `stored` says of the passwords.
    async fn check_stored(stored: &str, passwords: &[(&str, Match)]) {
        let hash = PasswordHash::import(stored).unwrap();
        for (password, expected) in passwords {
            let verdict = verify(&Password::given(password), &hash).await.unwrap();
            assert_eq!(verdict, *expected, "{password:?} {stored}");
        }
    }

    #[tokio::test]
    async fn a_hash_that_another_system_made_is_checked_as_it_was_made() {
        // The first is of Argon2's reference implementation, the others of argon2-cffi 25 and OpenSSL.
        for (stored, right) in [
            (
                "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                Match::Right,
            ),
            (
                "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$Zh/vvW8pvLyPRkarwyqdekZFu1wFlTf4pVh/Ma2+zM0",
                Match::Right,
            ),
            (
                "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$PL01amPyeUuxG7H0vIr5X+qHkZvWnHmGBGXFYvh8z2E",
                Match::Right,
            ),
            (
                "$argon2i$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs",
                Match::RightButOutdated,
            ),
            (
                "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
                Match::RightButOutdated,
            ),
            (
                "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$JcTui6RIBUtJ78gE5Hi52CO+H5vS6Z9R1uxAB6OhUB8",
                Match::RightButOutdated,
            ),
            (
                "$pbkdf2-sha256$i=1000,l=32$c2FsdCBvZiB0aGUgdGVzdA$FBGQhX7EyrBcz2ckC+IBif4hjPKUjAJ/xM8JmTnJ7nA",
                Match::RightButOutdated,
            ),
            (
                "$pbkdf2-sha512$i=1000$c2FsdCBvZiB0aGUgdGVzdA$4YnoyWDFwEs+1CRMVRb5vrRdDwf+YeWjhfI7mq+c0as",
                Match::RightButOutdated,
            ),
        ] {
            check_stored(stored, &[("password", right), ("passwort", Match::Wrong)]).await;
        }
    }

    #[tokio::test]
    async fn bcrypt_hashes_of_each_name_are_checked_and_outdated() {
        for name in ["2a", "2b", "2y"] {
            let stored =
                format!("${name}$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu");
            check_stored(
                &stored,
                &[
                    ("password", Match::RightButOutdated),
                    ("Password", Match::Wrong),
                    ("", Match::Wrong),
                ],
            )
            .await;
        }
        // bcrypt never looked beyond 72 bytes.
        let long = "é".repeat(40);
        check_stored(
            "$2b$05$abcdefghijklmnopqrstuu9CyuiEyTnupb4rnoYIlshaDzoYa6ZaS",
            &[(&long, Match::RightButOutdated)],
        )
        .await;
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_its_characters_are_typed() {
        let hash = hash(&Password::given("\u{C5}ngstr\u{F6}m 12"), SALT)
            .await
            .unwrap();
        check_stored(
            hash.phc(),
            &[
                ("\u{C5}ngstr\u{F6}m 12", Match::Right),
                ("A\u{30A}ngstro\u{308}m 12", Match::Right),
                ("\u{212B}ngstro\u{308}m １２", Match::Right),
                ("Angstrom 12", Match::Wrong),
            ],
        )
        .await;
        // Another system hashed it as it was typed, in decomposed form.
        check_stored(
            "$2b$05$abcdefghijklmnopqrstuuSvm0aHEH3TwVDDp1TFLT3S44sBEAQPS",
            &[("kata sandi e\u{301}", Match::RightButOutdated)],
        )
        .await;
        assert_eq!(
            Password::choose("１２３４５６７８", &[]).err(),
            Some(PasswordError::Common)
        );
    }

    #[tokio::test]
    async fn what_cannot_be_checked_is_refused_and_never_a_wrong_password() {
        use SchemeError::{Damaged, TooExpensive, Unknown};
        const SALT_AND_HASH: &str = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let argon2 = |front: &str| format!("$argon2id$v=19${front}${SALT_AND_HASH}");
        let pbkdf2 = |front: &str| format!("$pbkdf2-sha256${front}${SALT_AND_HASH}");
        let bcrypt = |cost: &str| {
            format!("$2b${cost}$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu")
        };
        for (stored, expected) in [
            (String::new(), Unknown),
            ("hunter2".into(), Unknown),
            ("5f4dcc3b5aa765d61d8327deb882cf99".into(), Unknown),
            ("$1$abcdefgh$ASzLOqJ3Fv9oIAhqdYsUz.".into(), Unknown),
            ("$2x$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu".into(), Unknown),
            ("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E".into(), Unknown),
            ("$pbkdf2-sha1$i=1000$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".into(), Unknown),
            ("$2b$05$abcdefghijklmnopqrstuu".into(), Damaged),
            (bcrypt("03"), Damaged),
            (bcrypt("xx"), Damaged),
            (bcrypt("15"), TooExpensive),
            (bcrypt("31"), TooExpensive),
            ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ".into(), Damaged),
            ("$argon2id$v=20$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8".into(), Damaged),
            (argon2("m=65537,t=2,p=1"), TooExpensive),
            (argon2("m=4294967295,t=2,p=1"), TooExpensive),
            (argon2("m=65536,t=11,p=1"), TooExpensive),
            (argon2("m=65536,t=2,p=17"), TooExpensive),
            (argon2("m=0,t=2,p=1"), Damaged),
            (argon2("m=256,t=2,p=1,data=c29tZQ"), Damaged),
            (pbkdf2("i=1000001"), TooExpensive),
            (pbkdf2("i=0"), Damaged),
            (pbkdf2("l=32"), Damaged),
            (pbkdf2("i=1000,l=64"), Damaged),
        ] {
            assert_eq!(PasswordHash::import(&stored), Err(expected), "{stored}");
            let hash = PasswordHash::stored(&stored);
            assert!(verify(&Password::given("x"), &hash).await.is_err());
        }
    }

    #[test]
    fn neither_a_password_nor_its_hash_is_shown() {
        let password = Password::given("hujan di bulan juni");
        assert_eq!(format!("{password:?}"), "Password(redacted)");
        let hash = PasswordHash::stored("$argon2id$");
        assert_eq!(format!("{hash:?}"), "PasswordHash(redacted)");
    }
}
