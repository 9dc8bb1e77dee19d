//! How large the share of a session is.
use std::fmt;

/// A session's share of new recipients, beside that of the others: of two sessions with 30 and 10, the first gets three quarters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u8);

impl Weight {
    /// The smallest share.
    pub const LEAST: Self = Self(1);
    /// What a session has that nobody gave a weight. Others can be lighter than it, and heavier.
    pub const USUAL: Self = Self(10);
    /// The largest share.
    pub const MOST: Self = Self(100);

    /// `number` as a weight, if it is one.
    pub fn new(number: i64) -> Option<Self> {
        let weight = Self(u8::try_from(number).ok()?);
        (Self::LEAST..=Self::MOST)
            .contains(&weight)
            .then_some(weight)
    }

    /// What people and programs type as a weight.
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(text.trim().parse().ok()?)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::USUAL
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_whole_number_from_1_to_100() {
        for (text, expected) in [
            ("1", Some(1)),
            (" 100 ", Some(100)),
            ("0", None),
            ("101", None),
            ("-5", None),
            ("256", None),
            ("1.5", None),
            ("", None),
            ("heavy", None),
        ] {
            let weight = Weight::parse(text).map(Weight::get);
            assert_eq!(weight, expected, "{text:?}");
        }
    }
}
