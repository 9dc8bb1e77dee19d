//! Chance that replays: every draw follows from the seed and from what it is for, never from what was drawn before elsewhere.
//!
//! So a step or a fault that is left out changes no other one, and a failing schedule can be made shorter.
use std::ops::RangeInclusive;
use std::time::Duration;

/// A stream of draws for one purpose.
#[derive(Clone, Debug)]
pub struct Dice(u64);

/// The gamma of SplitMix64.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dice {
    /// The draws of `seed` for what `purpose` names.
    pub fn of(seed: u64, purpose: &[u64]) -> Self {
        let step = |state: u64, part: &u64| mixed(state.wrapping_add(GAMMA) ^ mixed(*part));
        Self(purpose.iter().fold(mixed(seed.wrapping_add(GAMMA)), step))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mixed(self.0)
    }

    /// A number below `bound`, which is small.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// Whether something happens that happens in `odds` of 1.
    pub fn chance(&mut self, odds: f64) -> bool {
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.number() >> 11) as f64) / STEPS < odds
    }

    /// One of several.
    pub fn one_of<'a, T>(&mut self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len() as u64) as usize]
    }

    /// A number of milliseconds.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(range.start() + self.below(range.end() - range.start() + 1))
    }
}
