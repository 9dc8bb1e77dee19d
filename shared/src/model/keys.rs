//! Key rings: the keys that derive codes, those that sign tokens, and those that make the addresses of webhooks.
//!
//! A ring is a list of keys with the times between which they are used. It lives in a table of its own, and is made from the
//! operating system's generator when the system is deployed or started on a laptop: nothing to type, nothing to lose. No
//! endpoint makes one. The public halves of the signing keys are an item beside their ring, for whoever only checks tokens.
use std::fmt;
use std::time::Duration;

use crate::model::token::{Jwk, Jwks, KeyError, SigningKey};
use crate::platform::timestamp::Timestamp;

/// A key is kept this long after it retired, for whoever looks for it.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most keys of a ring that count at a time: whoever checks may try each.
pub const LIVE_KEYS_MAX: usize = 10;

/// The name of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingName {
    /// The keys that derive codes: 32 random bytes each.
    Codes,
    /// The keys that sign access tokens: ES256, PKCS#8.
    Signing,
    /// The keys that derive refresh tokens: 32 random bytes each.
    Refresh,
    /// The keys that make the addresses of webhooks: 32 random bytes each.
    Webhooks,
}

impl RingName {
    /// Every ring.
    pub const ALL: [Self; 4] = [Self::Codes, Self::Refresh, Self::Signing, Self::Webhooks];

    /// Its key in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Codes => "codes",
            Self::Signing => "signing",
            Self::Refresh => "refresh",
            Self::Webhooks => "webhooks",
        }
    }

    /// How its keys take turns so that nobody notices.
    pub const fn turn(self) -> Turn {
        const MINUTE: u64 = 60;
        const DAY: u64 = 24 * 60 * MINUTE;
        // Every function reads a ring again after a minute. The public keys may be a minute old when they are published,
        // and are cached for five. A code works for ten minutes, an access token for a quarter of an hour, a refresh token
        // for thirty days. An address of webhooks counts as long, so that there is time to set the next one on each gateway.
        // Everything has room for clocks that differ.
        let (lead, keep) = match self {
            Self::Codes => (2 * MINUTE, 30 * MINUTE),
            Self::Signing => (10 * MINUTE, 180 * MINUTE),
            Self::Refresh | Self::Webhooks => (2 * MINUTE, 31 * DAY),
        };
        Turn {
            lead: Duration::from_secs(lead),
            keep: Duration::from_secs(keep),
        }
    }
}

/// When a new key is used, and when those before it stop to count.
///
/// Whoever checks a token of a login reads the ring anew, so that a key that was ended counts nowhere from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// From the making of a key to its first use: time in which everybody learns of it.
    pub lead: Duration,
    /// From its first use to the end of the keys before it.
    pub keep: Duration,
}

impl Turn {
    /// The new key is used from now on, and those before it count no more: after one was stolen.
    pub const AT_ONCE: Self = Self {
        lead: Duration::ZERO,
        keep: Duration::ZERO,
    };
}

/// One key of a ring.
#[derive(Clone)]
pub struct Key {
    /// Its id, which is no secret.
    pub kid: String,
    /// The key itself.
    pub secret: Vec<u8>,
    /// From when new codes or tokens are made with it.
    pub use_from: Timestamp,
    /// From when nothing that it made counts any more.
    pub retire_at: Option<Timestamp>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.kid)
    }
}

/// The keys of one purpose.
#[derive(Clone, Debug)]
pub struct Ring {
    /// In the order in which they were made.
    pub keys: Vec<Key>,
}

impl Ring {
    /// The key that new codes or tokens are made with: the newest whose time has come.
    pub fn current(&self, now: Timestamp) -> Option<&Key> {
        self.live(now)
            .filter(|key| key.use_from <= now)
            .max_by_key(|key| key.use_from)
    }

    /// The keys whose codes or tokens count. One whose time has not come is among them: whoever checks may be ahead of
    /// whoever makes.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.keys
            .iter()
            .filter(move |key| key.retire_at.is_none_or(|retired| now < retired))
    }

    /// This ring with one more key, which takes over from the others `keep` before they retire. Those that retired long
    /// ago are gone.
    #[must_use]
    pub fn with(&self, next: Key, keep: Duration, now: Timestamp) -> Self {
        let retire_at = next.use_from.plus(keep);
        let earlier = self.keys.iter().filter(|key| {
            let retired = key.retire_at;
            retired.is_none_or(|retired| now < retired.plus(KEPT))
        });
        let earlier = earlier.map(|key| Key {
            retire_at: Some(key.retire_at.map_or(retire_at, |at| at.min(retire_at))),
            ..key.clone()
        });
        Self {
            keys: earlier.chain([next]).collect(),
        }
    }

    /// The live key of that id.
    pub fn find(&self, kid: &str, now: Timestamp) -> Option<&Key> {
        self.live(now).find(|key| key.kid == kid)
    }

    /// The public halves of a ring that signs.
    ///
    /// # Errors
    /// When a key is none that signs.
    pub fn public(&self) -> Result<PublicRing, KeyError> {
        let keys = self.keys.iter().map(|key| {
            Ok(PublicKey {
                jwk: SigningKey::from_pkcs8(&key.kid, &key.secret)?.public(),
                retire_at: key.retire_at,
            })
        });
        Ok(PublicRing {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }
}

/// The public half of a key that signs.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// The key, as it is published.
    pub jwk: Jwk,
    /// From when nothing that it signed counts any more.
    pub retire_at: Option<Timestamp>,
}

/// The public halves of the keys that sign: enough to check tokens, and to make none.
#[derive(Clone, Debug)]
pub struct PublicRing {
    /// In the order in which they were made.
    pub keys: Vec<PublicKey>,
}

impl PublicRing {
    /// The keys whose tokens count.
    pub fn live(&self, now: Timestamp) -> Jwks {
        let live = self
            .keys
            .iter()
            .filter(|key| key.retire_at.is_none_or(|retired| now < retired));
        Jwks {
            keys: live.map(|key| key.jwk.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::token::SigningAlgorithm;

    #[test]
    fn the_newest_key_whose_time_has_come_is_used_and_all_live_ones_count() {
        let key = |kid: &str, from: i64, retired: Option<i64>| Key {
            kid: kid.into(),
            secret: vec![1],
            use_from: Timestamp::from_seconds(from),
            retire_at: retired.map(Timestamp::from_seconds),
        };
        let ring = Ring {
            keys: vec![
                key("old", 0, Some(50)),
                key("new", 20, None),
                key("next", 90, None),
            ],
        };
        let check = |now: i64, current: &str, live: &[&str]| {
            let now = Timestamp::from_seconds(now);
            assert_eq!(ring.current(now).map(|key| key.kid.as_str()), Some(current));
            assert_eq!(
                ring.live(now)
                    .map(|key| key.kid.as_str())
                    .collect::<Vec<_>>(),
                live
            );
        };
        check(10, "old", &["old", "new", "next"]);
        check(20, "new", &["old", "new", "next"]);
        check(50, "new", &["new", "next"]);
        check(90, "next", &["new", "next"]);
        assert!(ring.find("old", Timestamp::from_seconds(50)).is_none());
    }

    #[test]
    fn a_new_key_sends_the_others_into_retirement_once() {
        let at = Timestamp::from_seconds;
        let key = |kid: &str, from: i64| Key {
            kid: kid.into(),
            secret: vec![1],
            use_from: at(from),
            retire_at: None,
        };
        let keep = Duration::from_secs(50);
        let first = Ring {
            keys: vec![key("a", 0)],
        };
        let second = first.with(key("b", 100), keep, at(90));
        let third = second.with(key("c", 200), keep, at(190));
        let ends = |ring: &Ring| -> Vec<_> {
            let keys = ring.keys.iter();
            keys.map(|key| (key.kid.clone(), key.retire_at.map(Timestamp::seconds)))
                .collect()
        };
        let end = |kid: &str, at| (kid.to_owned(), at);
        assert_eq!(ends(&second), [end("a", Some(150)), end("b", None)]);
        assert_eq!(
            ends(&third),
            [end("a", Some(150)), end("b", Some(250)), end("c", None)]
        );
        let day_later = 150 + 24 * 60 * 60;
        let fourth = third.with(key("d", day_later), keep, at(day_later));
        assert_eq!(fourth.keys[0].kid, "b", "retired a day ago");
        // Nothing may count any longer than this.
        let hasty = second.with(key("e", 110), Duration::ZERO, at(95));
        assert_eq!(
            ends(&hasty),
            [end("a", Some(110)), end("b", Some(110)), end("e", None)]
        );
    }

    #[test]
    fn the_public_half_of_a_key_counts_as_long_as_the_key() {
        let key = |kid: &str, algorithm, retired: Option<i64>| Key {
            kid: kid.into(),
            secret: SigningKey::generate(algorithm),
            use_from: Timestamp::from_seconds(0),
            retire_at: retired.map(Timestamp::from_seconds),
        };
        let ring = Ring {
            keys: vec![
                key("ec", SigningAlgorithm::Es256, Some(50)),
                key("rsa", SigningAlgorithm::Rs256, None),
            ],
        };
        let public = ring.public().expect("keys that sign");
        for now in [0, 49, 50, 51].map(Timestamp::from_seconds) {
            let live: Vec<_> = ring.live(now).map(|key| key.kid.as_str()).collect();
            let published = public.live(now);
            let published = published.keys.iter();
            let published: Vec<_> = published
                .filter_map(|jwk| jwk.common.key_id.as_deref())
                .collect();
            assert_eq!(published, live, "at {now:?}");
        }
        let codes = Ring {
            keys: vec![Key {
                secret: vec![7; 32],
                ..ring.keys[0].clone()
            }],
        };
        assert!(codes.public().is_err(), "keys that sign nothing");
    }

    #[test]
    fn a_key_never_shows_itself() {
        let key = Key {
            kid: "k1".into(),
            secret: vec![77; 32],
            use_from: Timestamp::from_seconds(0),
            retire_at: None,
        };
        assert_eq!(format!("{key:?}"), "Key(k1)");
    }
}
