//! Passwords: what may be chosen, and Argon2id hashes of it as PHC strings.
//!
//! A hash needs 19 MiB of memory. All hashes of a process share one buffer, one after the other, because a fresh buffer each
//! time leaves the allocator with many times that. They run on a blocking thread, and the caller waits for the end.
use std::error::Error;
use std::fmt;
use std::panic;
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};

/// The lengths of a password in characters: NIST SP 800-63B asks for at least 8, and for room for 64 or more.
const CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// Passwords that are tried first by whoever guesses, in lower case, sorted, one a line.
const COMMON: &str = include_str!("password/common.txt");

// The cost of a hash: OWASP Password Storage Cheat Sheet, the least it recommends for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Length of a hash: the tag length that RFC 9106, section 4, recommends.
const HASH_BYTES: usize = 32;

/// The memory of all hashes; empty until the first.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// A password that somebody may have. `Debug` does not show it.
#[derive(Clone)]
pub struct Password(String);

/// Why a password cannot be chosen; `Display` tells whoever chose it the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than 8 characters.
    #[error(
        "The password is too short. Use at least 8 characters; a few words together are easy to remember"
    )]
    TooShort,
    /// More than 128 characters.
    #[error("The password is too long. Use at most 128 characters")]
    TooLong,
    /// One of those that are guessed first.
    #[error(
        "This password is one of the most common and easily guessed. Use another; a few words together are good"
    )]
    Common,
}

impl Password {
    /// A newly chosen password: of any characters, 8 to 128 of them, and not a common one in upper or lower case.
    ///
    /// # Errors
    /// When it cannot be chosen; the message tells the fix.
    pub fn choose(text: &str) -> Result<Self, PasswordError> {
        let characters = text.chars().count();
        if characters < *CHARACTERS.start() {
            return Err(PasswordError::TooShort);
        }
        if characters > *CHARACTERS.end() {
            return Err(PasswordError::TooLong);
        }
        let lower = text.to_lowercase();
        if COMMON.lines().any(|common| common == lower) {
            return Err(PasswordError::Common);
        }
        Ok(Self(text.to_owned()))
    }

    /// A password that somebody gives for one chosen earlier. The rules of [`choose`](Self::choose) may have been others
    /// then, so none applies.
    pub fn given(text: &str) -> Self {
        Self(text.to_owned())
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

    /// The PHC string, for the store and nothing else.
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
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

/// A hash could not be computed, or not be read from the store.
#[derive(Debug, thiserror::Error)]
#[error("hash a password")]
pub struct HashError(#[source] Box<dyn Error + Send + Sync>);

/// Hashes `password` with `salt`, which is random for each hash.
///
/// # Errors
/// When the hash cannot be computed.
pub async fn hash(password: &Password, salt: [u8; 16]) -> Result<PasswordHash, HashError> {
    let password = password.clone();
    on_blocking_thread(move || {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))?;
        let hash = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(argon2id(&password, &salt, params)?),
        };
        Ok(PasswordHash(hash.to_string()))
    })
    .await
}

/// Whether `password` is the one that `hash` was made of, at the cost that is written in the hash.
///
/// # Errors
/// When `hash` is no Argon2id hash, or the hash of `password` cannot be computed.
pub async fn verify(password: &Password, hash: &PasswordHash) -> Result<Match, HashError> {
    let (password, stored) = (password.clone(), hash.clone());
    on_blocking_thread(move || {
        let stored = phc::PasswordHash::new(stored.phc())?;
        let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
            return Err("the hash has no salt or no value".into());
        };
        if stored.algorithm != ARGON2ID_IDENT || stored.version != Some(Version::V0x13.into()) {
            return Err("the hash is not of Argon2id version 19".into());
        }
        // This comparison takes the same time wherever they differ.
        if argon2id(&password, salt, Params::try_from(&stored)?)? == *expected {
            Ok(Match::Right)
        } else {
            Ok(Match::Wrong)
        }
    })
    .await
}

/// As much work as [`verify`], for a user who does not exist or has no password.
///
/// # Errors
/// When the hash cannot be computed.
pub async fn verify_nobody(password: &Password) -> Result<Match, HashError> {
    hash(password, [0; 16]).await.map(|_| Match::Wrong)
}

fn argon2id(password: &Password, salt: &[u8], params: Params) -> Result<Output, BoxError> {
    let blocks = params.block_count();
    let length = params.output_len().unwrap_or(HASH_BYTES);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    // Each hash writes every block before it reads it, so what a panic may have left behind does no harm.
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let mut out = [0; Output::MAX_LENGTH];
    let out = &mut out[..length];
    argon2.hash_password_into_with_memory(password.0.as_bytes(), salt, out, &mut *memory)?;
    Ok(Output::new(out)?)
}

type BoxError = Box<dyn Error + Send + Sync>;

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
            assert_eq!(Password::choose(text).err(), *expected, "{text:?}");
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
    fn common_passwords_are_refused_in_any_case() {
        check(&[
            ("12345678", Some(PasswordError::Common)),
            ("Password1", Some(PasswordError::Common)),
            ("BISMILLAH", Some(PasswordError::Common)),
            ("SayangKu", Some(PasswordError::Common)),
            ("sayangku dan bismillah", None),
        ]);
    }

    #[test]
    fn the_list_of_common_passwords_is_sorted_and_holds_only_what_could_be_chosen() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.is_sorted_by(|one, next| one < next));
        for line in lines {
            assert!(CHARACTERS.contains(&line.chars().count()), "{line}");
            assert_eq!(line, line.to_lowercase());
        }
    }

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let password = Password::choose("hujan di bulan juni").unwrap();
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

    #[tokio::test]
    async fn a_hash_of_another_cost_is_checked_at_that_cost() {
        // Vector of the Argon2 reference implementation: 64 KiB, 2 passes, "password", "somesalt".
        let stored = PasswordHash::stored(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        );
        let (right, wrong) = (Password::given("password"), Password::given("passwort"));
        assert_eq!(verify(&right, &stored).await.unwrap(), Match::Right);
        assert_eq!(verify(&wrong, &stored).await.unwrap(), Match::Wrong);
    }

    #[tokio::test]
    async fn what_is_no_argon2id_hash_is_an_error_and_not_a_wrong_password() {
        for stored in [
            "",
            "$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m",
            "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ",
        ] {
            let stored = PasswordHash::stored(stored);
            assert!(verify(&Password::given("x"), &stored).await.is_err());
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
