//! Daily caps per country: how many codes may go to the numbers of a country between two midnights, UTC. Whoever asks for
//! codes for numbers of far-away countries usually wants something else than to sign in.
//!
//! A cap is counted in shards, so that no item of the store is written by every request: each has at most a hundred places,
//! and a message takes one of them. All shards together have as many places as the cap, so it is never passed. Up to eight
//! shards are looked at before a message is refused: a cap of up to 800 is exact, and a larger one begins to refuse when
//! about 95 of 100 places are taken.
use std::collections::BTreeMap;

use crate::model::limits::DAY;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;

/// The name of the cap over all numbers that no other cap is for.
const REST: &str = "*";

/// The most places of one shard: what takes one has to stay small, since every write rewrites it.
const PLACES_PER_SHARD: usize = 100;

/// How many shards are looked at for one message.
const SHARDS_TRIED_MAX: usize = 8;

/// The caps of a deployment; without any, nothing is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountryCaps {
    /// Codes per day, by the first digits of the number.
    caps: BTreeMap<String, usize>,
    /// What a full cap means.
    pub mode: CapMode,
}

/// What a full cap means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapMode {
    /// A line in the log: to find out what a cap would do.
    #[default]
    Record,
    /// No more codes until the day ends.
    Enforce,
}

/// The cap of one country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryCap<'a> {
    /// The first digits of the numbers that it is for, or `*`.
    pub country: &'a str,
    /// Codes per day.
    pub codes: usize,
}

/// A part of a cap that is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The number of the shard.
    pub number: usize,
    /// The shard's part of the cap.
    pub places: usize,
}

impl CountryCaps {
    /// Reads caps such as `{"62":5000,"1":100,"*":50}`: codes per day by the first digits of the number, `*` for all other
    /// numbers together. `None` when it is no such object.
    pub fn parse(json: &str, mode: CapMode) -> Option<Self> {
        let caps: BTreeMap<String, usize> = serde_json::from_str(json).ok()?;
        let readable = |country: &String| country == REST || begins_a_number(country);
        caps.keys().all(readable).then_some(Self { caps, mode })
    }

    /// The cap that is for `phone`: the one with the longest digits.
    pub fn of(&self, phone: &Phone) -> Option<CountryCap<'_>> {
        let own = self.caps.iter();
        let own = own.filter(|(country, _)| phone.digits().starts_with(country.as_str()));
        let rest = || self.caps.get_key_value(REST);
        let (country, codes) = own.max_by_key(|(country, _)| country.len()).or_else(rest)?;
        Some(CountryCap {
            country,
            codes: *codes,
        })
    }
}

impl CountryCap<'_> {
    /// The shards to look at for one message, in this order. `draw` is a random number, so that all shards fill alike.
    pub fn shards(self, draw: u64) -> impl Iterator<Item = Shard> {
        let count = self.codes.div_ceil(PLACES_PER_SHARD);
        let tried = count.min(SHARDS_TRIED_MAX);
        let draw = usize::try_from(draw >> 1).unwrap_or(usize::MAX >> 1);
        // Another stride for each message, so that a full shard does not fill its neighbours.
        let strides = count.checked_div(tried).unwrap_or(1);
        let (first, stride) = (draw % count.max(1), 1 + draw / count.max(1) % strides);
        (0..tried).map(move |nth| {
            let number = (first + nth * stride) % count;
            Shard {
                number,
                places: self.codes / count + usize::from(number < self.codes % count),
            }
        })
    }
}

/// When the day of `now` ends: midnight, UTC.
pub fn day_ends(now: Timestamp) -> Timestamp {
    let day = DAY.as_millis() as i64;
    Timestamp::from_millis((now.millis().div_euclid(day) + 1) * day)
}

fn begins_a_number(digits: &str) -> bool {
    (1..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::platform::entropy::Entropy;

    fn cap(codes: usize) -> CountryCap<'static> {
        CountryCap {
            country: "62",
            codes,
        }
    }

    #[test]
    fn the_longest_digits_decide_and_the_star_is_for_the_rest() {
        let json = r#"{"62":5000,"6281":40,"1":0,"*":50}"#;
        let caps = CountryCaps::parse(json, CapMode::Enforce).expect("caps");
        for (phone, country, codes) in [
            ("6281234567890", "6281", 40),
            ("6221555123400", "62", 5000),
            ("15551234567", "1", 0),
            ("4915112345678", "*", 50),
        ] {
            let phone = Phone::from_digits(phone).expect("a phone number");
            assert_eq!(caps.of(&phone), Some(CountryCap { country, codes }));
            assert_eq!(CountryCaps::default().of(&phone), None);
        }
    }

    #[test]
    fn what_is_no_cap_is_refused() {
        for json in [
            "62",
            "[]",
            r#"{"62":-1}"#,
            r#"{"62":"5000"}"#,
            r#"{"+62":5}"#,
            r#"{"":5}"#,
            r#"{"062":5}"#,
            r#"{"Indonesia":5}"#,
        ] {
            assert_eq!(CountryCaps::parse(json, CapMode::Record), None, "{json}");
        }
    }

    #[test]
    fn all_shards_together_have_the_places_of_the_cap_and_none_has_more_than_a_hundred() {
        for codes in [0_usize, 1, 99, 100, 101, 799, 800, 801, 5_000, 1_000_003] {
            let shards: BTreeSet<_> = (0..codes.div_ceil(100) as u64)
                .filter_map(|draw| cap(codes).shards(draw << 1).next())
                .map(|shard| (shard.number, shard.places))
                .collect();
            let places: usize = shards.iter().map(|(_, places)| places).sum();
            assert_eq!(places, codes);
            assert!(shards.iter().all(|(_, places)| (1..=100).contains(places)));
        }
    }

    #[test]
    fn no_shard_is_looked_at_twice() {
        for codes in [0_usize, 1, 250, 800, 801, 1_650, 5_000] {
            for draw in [0, 1, 7, u64::MAX] {
                let tried: Vec<_> = cap(codes).shards(draw).map(|shard| shard.number).collect();
                let different: BTreeSet<_> = tried.iter().collect();
                let expected = codes.div_ceil(100).min(8);
                assert_eq!((tried.len(), different.len()), (expected, expected));
            }
        }
    }

    /// How many messages a cap lets through before it refuses the first.
    fn let_through(codes: usize, entropy: &Entropy) -> usize {
        let mut taken = vec![0; codes.div_ceil(PLACES_PER_SHARD)];
        let mut granted = 0;
        while let Some(shard) = cap(codes)
            .shards(u64::from_be_bytes(entropy.bytes()))
            .find(|shard| taken[shard.number] < shard.places)
        {
            taken[shard.number] += 1;
            granted += 1;
        }
        granted
    }

    #[test]
    fn a_small_cap_is_exact_and_a_large_one_nearly() {
        let entropy = Entropy::seeded(1);
        for codes in [1, 100, 250, 800] {
            assert_eq!(let_through(codes, &entropy), codes);
        }
        for codes in [900, 5_000, 20_000] {
            let share = let_through(codes, &entropy) as f64 / codes as f64;
            assert!(share >= 0.94, "{codes}: {share}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight() {
        for (now, ends) in [
            (0, 86_400_000),
            (86_399_999, 86_400_000),
            (86_400_000, 172_800_000),
        ] {
            let ends_at = day_ends(Timestamp::from_millis(now));
            assert_eq!(ends_at, Timestamp::from_millis(ends));
        }
    }
}
