//! Key rings: the keys that derive codes, and the keys that sign tokens.
//!
//! A ring is a list of keys with the times between which they are used. It lives in a table of its own, is made on first
//! use from the operating system's generator, and is the same on a laptop and on AWS: nothing to type, nothing to lose.
use std::fmt;

use crate::timestamp::Timestamp;

/// Which ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingName {
    /// The keys that derive codes: 32 random bytes each.
    Codes,
    /// The keys that sign access tokens: ES256, PKCS#8.
    Signing,
    /// The keys that derive refresh tokens: 32 random bytes each.
    Refresh,
}

impl RingName {
    /// Its key in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Codes => "codes",
            Self::Signing => "signing",
            Self::Refresh => "refresh",
        }
    }
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

    /// The live key of that id.
    pub fn find(&self, kid: &str, now: Timestamp) -> Option<&Key> {
        self.live(now).find(|key| key.kid == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
