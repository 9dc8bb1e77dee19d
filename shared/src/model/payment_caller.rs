//! The systems that may call: post events of payments, or ask for their users. They are known by their keys.
use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;

/// What a key begins with, so that whoever finds one knows what it is.
const KEY_PREFIX: &str = "pay_";

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Post events of payments, and read what became of them.
    Payments,
    /// Say for which client it asks, so that the limits of an address are those of the client.
    OnBehalf,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Payments, Self::OnBehalf];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::OnBehalf => "on-behalf",
        }
    }

    /// The scope of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A system that may call, and the hash of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentCaller {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its key.
    pub sha256: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How many notices a day it may cause, where that is limited.
    pub daily_cap: Option<u32>,
    /// From when the key is no key any more.
    pub retire_at: Option<Timestamp>,
}

/// A new key: 256 random bits. Only its owner has it.
pub fn draw_key(entropy: &Entropy) -> String {
    format!(
        "{KEY_PREFIX}{}",
        BASE64_URL_SAFE_NO_PAD.encode(entropy.bytes::<32>())
    )
}

/// What is kept of a key.
pub fn hash_of(key: &str) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, key.as_bytes());
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.as_ref());
    sha256
}

/// Whose `key` it is at `now`. Takes the same time wherever the hashes differ.
pub fn owner<'a>(
    callers: &'a [PaymentCaller],
    key: &str,
    now: Timestamp,
) -> Option<&'a PaymentCaller> {
    let given = hash_of(key);
    let live = callers
        .iter()
        .filter(|caller| caller.retire_at.is_none_or(|at| now < at));
    live.fold(None, |found, caller| {
        let is_it = constant_time::verify_slices_are_equal(&caller.sha256, &given).is_ok();
        if is_it { Some(caller) } else { found }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_until_it_retires_and_no_other_is() {
        let now = Timestamp::from_seconds(1_795_000_000);
        let entropy = Entropy::seeded(7);
        let [key, old, strange] = [(); 3].map(|()| draw_key(&entropy));
        let caller = |name: &str, key: &str, retire_at| PaymentCaller {
            name: name.into(),
            sha256: hash_of(key),
            scopes: Vec::new(),
            daily_cap: None,
            retire_at,
        };
        let callers = [
            caller("shop", &old, Some(now)),
            caller("shop-2", &key, None),
        ];
        let name = |key: &str, at| owner(&callers, key, at).map(|caller| caller.name.as_str());
        assert_eq!(name(&key, now), Some("shop-2"));
        assert_eq!(name(&old, now), None, "it has retired");
        assert_eq!(
            name(&old, Timestamp::from_millis(now.millis() - 1)),
            Some("shop")
        );
        assert_eq!(name(&strange, now), None);
        assert_eq!(name("", now), None);
    }
}
