//! How hashes are written: our own, and those of other systems. What is read here is within the bounds of what a function
//! may compute, so that no stored text can stall it or use its memory up.
use std::error::Error;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, pbkdf2};

/// Why a hash cannot be computed; nobody tells the causes apart.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

// The cost of our hashes: OWASP Password Storage Cheat Sheet, the least it recommends for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Length of a hash: the tag length that RFC 9106, section 4, recommends.
const HASH_BYTES: usize = 32;

// The most expensive hashes that are computed. Each takes about a second at a whole core. The memory is the default of
// Argon2's usual libraries; a function has little more.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 16;
const BCRYPT_COST_MAX: u32 = 14;
const PBKDF2_ROUNDS_MAX: u32 = 1_000_000;

/// The memory of all hashes; empty until the first.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Why a hash cannot be checked; `Display` tells what can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// None of the kinds that are understood.
    #[error(
        "The hash is of a kind that cannot be checked. Use bcrypt ($2a$, $2b$, $2y$), or a PHC string of Argon2 \
         ($argon2id$, $argon2i$, $argon2d$) or PBKDF2 ($pbkdf2-sha256$, $pbkdf2-sha512$)"
    )]
    Unknown,
    /// A part is missing or cannot be read.
    #[error("The hash is damaged: a part of it is missing or cannot be read")]
    Damaged,
    /// More work than a function may do.
    #[error(
        "The hash takes too much work to check. The most is cost {BCRYPT_COST_MAX} for bcrypt; m={MEMORY_KIB_MAX}, \
         t={PASSES_MAX}, p={LANES_MAX} for Argon2; i={PBKDF2_ROUNDS_MAX} for PBKDF2"
    )]
    TooExpensive,
}

/// A hash with everything that it takes to check a password against it.
pub(super) enum Scheme {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Salt,
        expected: Output,
    },
    Bcrypt(String),
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        rounds: NonZeroU32,
        salt: Salt,
        expected: Output,
    },
}

impl Scheme {
    /// Reads what a store or an import has.
    pub(super) fn read(text: &str) -> Result<Self, SchemeError> {
        if ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|kind| text.starts_with(kind))
        {
            let parts = bcrypt::HashParts::from_str(text).map_err(|_| SchemeError::Damaged)?;
            return match parts.get_cost() {
                ..4 => Err(SchemeError::Damaged),
                4..=BCRYPT_COST_MAX => Ok(Self::Bcrypt(text.to_owned())),
                _ => Err(SchemeError::TooExpensive),
            };
        }
        let kind = text
            .strip_prefix('$')
            .and_then(|text| text.split('$').next());
        let algorithm = match kind.unwrap_or_default() {
            "argon2id" => Kind::Argon2(Algorithm::Argon2id),
            "argon2i" => Kind::Argon2(Algorithm::Argon2i),
            "argon2d" => Kind::Argon2(Algorithm::Argon2d),
            "pbkdf2-sha256" => Kind::Pbkdf2(pbkdf2::PBKDF2_HMAC_SHA256),
            "pbkdf2-sha512" => Kind::Pbkdf2(pbkdf2::PBKDF2_HMAC_SHA512),
            _ => return Err(SchemeError::Unknown),
        };
        let hash = phc::PasswordHash::new(text).map_err(|_| SchemeError::Damaged)?;
        algorithm.read(&hash)
    }

    /// Whether a new hash would be another: of another scheme, or of more work.
    pub(super) fn is_outdated(&self) -> bool {
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                expected,
                ..
            } => {
                *algorithm != Algorithm::Argon2id
                    || *version != Version::V0x13
                    || params.m_cost() < MEMORY_KIB
                    || params.t_cost() < PASSES
                    || params.p_cost() < LANES
                    || expected.len() < HASH_BYTES
            }
            Self::Bcrypt(_) | Self::Pbkdf2 { .. } => true,
        }
    }

    /// Whether `password` makes this hash. Takes the same time wherever they differ.
    pub(super) fn is_made_of(&self, password: &str) -> Result<bool, BoxError> {
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                salt,
                expected,
            } => {
                let hasher = Argon2::new(*algorithm, *version, params.clone());
                Ok(argon2(&hasher, password, salt)? == *expected)
            }
            Self::Bcrypt(text) => {
                bcrypt::verify(password, text).map_err(|error| error.to_string().into())
            }
            Self::Pbkdf2 {
                algorithm,
                rounds,
                salt,
                expected,
            } => {
                let mut derived = vec![0; expected.len()];
                pbkdf2::derive(*algorithm, *rounds, salt, password.as_bytes(), &mut derived);
                Ok(constant_time::verify_slices_are_equal(&derived, expected.as_bytes()).is_ok())
            }
        }
    }
}

enum Kind {
    Argon2(Algorithm),
    Pbkdf2(pbkdf2::Algorithm),
}

impl Kind {
    fn read(self, hash: &phc::PasswordHash) -> Result<Scheme, SchemeError> {
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            return Err(SchemeError::Damaged);
        };
        match self {
            Self::Argon2(algorithm) => {
                let (version, params) = argon2_settings(hash)?;
                Ok(Scheme::Argon2 {
                    algorithm,
                    version,
                    params,
                    salt,
                    expected,
                })
            }
            Self::Pbkdf2(algorithm) => Ok(Scheme::Pbkdf2 {
                algorithm,
                rounds: pbkdf2_rounds(hash, expected.len())?,
                salt,
                expected,
            }),
        }
    }
}

fn argon2_settings(hash: &phc::PasswordHash) -> Result<(Version, Params), SchemeError> {
    // A string without a version is of the one before versions were written (the reference's encoding.c).
    let version = hash.version.unwrap_or(Version::V0x10.into());
    let version = Version::try_from(version).map_err(|_| SchemeError::Damaged)?;
    let params = Params::try_from(hash).map_err(|_| SchemeError::Damaged)?;
    // Neither is part of the standard any more, and the library leaves them out of its work.
    if !params.keyid().is_empty() || !params.data().is_empty() {
        return Err(SchemeError::Damaged);
    }
    let too_expensive = params.m_cost() > MEMORY_KIB_MAX
        || params.t_cost() > PASSES_MAX
        || params.p_cost() > LANES_MAX;
    if too_expensive {
        return Err(SchemeError::TooExpensive);
    }
    Ok((version, params))
}

fn pbkdf2_rounds(hash: &phc::PasswordHash, hash_bytes: usize) -> Result<NonZeroU32, SchemeError> {
    let rounds = hash.params.get_decimal("i").and_then(NonZeroU32::new);
    let rounds = rounds.ok_or(SchemeError::Damaged)?;
    let length = hash.params.get_decimal("l");
    let has_others = hash
        .params
        .iter()
        .any(|(name, _)| !["i", "l"].contains(&name.as_str()));
    if has_others || length.is_some_and(|length| length as usize != hash_bytes) {
        return Err(SchemeError::Damaged);
    }
    if rounds.get() > PBKDF2_ROUNDS_MAX {
        return Err(SchemeError::TooExpensive);
    }
    Ok(rounds)
}

/// Our hash of `password`, as a PHC string.
pub(super) fn hash(password: &str, salt: &[u8]) -> Result<String, BoxError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))?;
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let hash = phc::PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(version.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(salt)?),
        hash: Some(argon2(
            &Argon2::new(algorithm, version, params),
            password,
            salt,
        )?),
    };
    Ok(hash.to_string())
}

fn argon2(hasher: &Argon2<'_>, password: &str, salt: &[u8]) -> Result<Output, BoxError> {
    let blocks = hasher.params().block_count();
    let length = hasher.params().output_len().unwrap_or(HASH_BYTES);
    // Each hash writes every block before it reads it, so what a panic may have left behind does no harm.
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let mut out = [0; Output::MAX_LENGTH];
    let out = &mut out[..length];
    let hashed =
        hasher.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut *memory);
    // A foreign hash that takes more than ours gives it back.
    memory.truncate(MEMORY_KIB as usize);
    memory.shrink_to_fit();
    hashed?;
    Ok(Output::new(out)?)
}
