//! How much time is left to pay, as people read it.
use std::time::Duration;

use crate::model::language::Language;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `45 minutes`, `1 hour 5 minutes` or `2 days 3 hours`, always rounded down: nobody is promised time that there is not. `None`
/// where less than a minute is left.
pub fn written(left: Duration, language: Language) -> Option<String> {
    let seconds = left.as_secs();
    let (days, hours, minutes) = (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / MINUTE);
    let (large, small) = if days > 0 {
        ((days, Unit::Day), (hours, Unit::Hour))
    } else {
        ((hours, Unit::Hour), (minutes, Unit::Minute))
    };
    let parts = [large, small].into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, unit)| format!("{count} {}", unit.word(count, language)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[derive(Clone, Copy)]
enum Unit {
    Day,
    Hour,
    Minute,
}

impl Unit {
    const fn word(self, count: u64, language: Language) -> &'static str {
        match (language, self, count) {
            (Language::Indonesian, Self::Day, _) => "hari",
            (Language::Indonesian, Self::Hour, _) => "jam",
            (Language::Indonesian, Self::Minute, _) => "menit",
            (Language::English, Self::Day, 1) => "day",
            (Language::English, Self::Day, _) => "days",
            (Language::English, Self::Hour, 1) => "hour",
            (Language::English, Self::Hour, _) => "hours",
            (Language::English, Self::Minute, 1) => "minute",
            (Language::English, Self::Minute, _) => "minutes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_rounded_down() {
        for (seconds, indonesian, english) in [
            (0, None, None),
            (59, None, None),
            (60, Some("1 menit"), Some("1 minute")),
            (15 * MINUTE - 1, Some("14 menit"), Some("14 minutes")),
            (HOUR - 1, Some("59 menit"), Some("59 minutes")),
            (HOUR, Some("1 jam"), Some("1 hour")),
            (HOUR + 359, Some("1 jam 5 menit"), Some("1 hour 5 minutes")),
            (2 * HOUR, Some("2 jam"), Some("2 hours")),
            (DAY + 59, Some("1 hari"), Some("1 day")),
            (3 * DAY - 1, Some("2 hari 23 jam"), Some("2 days 23 hours")),
        ] {
            let left = Duration::from_secs(seconds);
            let of = |language| written(left, language);
            assert_eq!(of(Language::Indonesian).as_deref(), indonesian, "{seconds}");
            assert_eq!(of(Language::English).as_deref(), english, "{seconds}");
        }
    }
}
