//! Times, as people read them: how long ago, and exactly.
use std::time::Duration;

use shared::model::language::Language;
use shared::platform::timestamp::Timestamp;

use crate::words::say;

/// What is younger is told as "just now".
const JUST_NOW: Duration = Duration::from_secs(5);
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time on a page.
#[derive(Debug, PartialEq, Eq)]
pub struct When {
    /// How long ago, or in how long.
    pub relative: String,
    /// How far away it is.
    pub span: String,
    /// The time to the second, in UTC.
    pub exact: String,
    /// The time of the day, with the date where that is another one.
    pub clock: String,
    /// The same for programs.
    pub datetime: String,
}

impl When {
    /// `at`, as it is read at `now`.
    pub fn new(at: Timestamp, now: Timestamp, language: Language) -> Self {
        let datetime = at.rfc3339();
        let exact = datetime.replace('T', " ").replace('Z', " UTC");
        let distance = now.since(at).max(at.since(now));
        let length = span(distance, language);
        let today = now.rfc3339();
        let is_today = |day: &str| today.starts_with(day);
        let clock = match exact.split_once(' ') {
            Some((day, clock)) if is_today(day) => clock.to_owned(),
            _ => exact.clone(),
        };
        let relative = if now < at {
            format!("{} {length}", say(language, "in", "dalam"))
        } else if now.since(at) < JUST_NOW {
            say(language, "just now", "baru saja").to_owned()
        } else {
            format!("{length} {}", say(language, "ago", "lalu"))
        };
        Self {
            relative,
            span: length,
            exact,
            clock,
            datetime,
        }
    }
}

/// A span in its largest unit.
fn span(span: Duration, language: Language) -> String {
    let seconds = span.as_secs();
    let (number, english, indonesian) = match seconds {
        0..MINUTE => (seconds, "s", "dtk"),
        MINUTE..HOUR => (seconds / MINUTE, "min", "mnt"),
        HOUR..DAY => (seconds / HOUR, "h", "jam"),
        _ => (seconds / DAY, "d", "hari"),
    };
    format!("{number} {}", say(language, english, indonesian))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit_and_exactly() {
        let now = Timestamp::from_seconds(1_795_347_200);
        for (seconds, english, indonesian) in [
            (-2, "just now", "baru saja"),
            (-59, "59 s ago", "59 dtk lalu"),
            (-61, "1 min ago", "1 mnt lalu"),
            (-7_300, "2 h ago", "2 jam lalu"),
            (-200_000, "2 d ago", "2 hari lalu"),
            (20, "in 20 s", "dalam 20 dtk"),
        ] {
            let at = Timestamp::from_seconds(now.seconds() + seconds);
            let read = |language| When::new(at, now, language).relative;
            assert_eq!(read(Language::English), english);
            assert_eq!(read(Language::Indonesian), indonesian);
        }
        let exact = When::new(now, now, Language::English).exact;
        assert_eq!(exact, "2026-11-22 11:33:20 UTC");
        let clock = |seconds| {
            let at = Timestamp::from_seconds(now.seconds() - seconds);
            When::new(at, now, Language::English).clock
        };
        assert_eq!(clock(20), "11:33:00 UTC");
        assert_eq!(clock(200_000), "2026-11-20 04:00:00 UTC");
        let tomorrow = Timestamp::from_seconds(now.seconds() + 82_800);
        let clock = When::new(tomorrow, now, Language::English).clock;
        assert_eq!(clock, "2026-11-23 10:33:20 UTC", "in 23 hours");
    }
}
