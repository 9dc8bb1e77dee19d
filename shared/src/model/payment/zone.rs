//! Time zones, and times as people read them: `26 Nov 2026, 16.30 WIB`.
//!
//! The zones and their rules are the IANA database, as the library `jiff` brings it along. It adds 450 KB to a function that
//! writes times, and nothing to any other; a table of zones that keep one time all year would refuse half of the world.
use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::model::language::Language;
use crate::platform::timestamp::Timestamp;

/// The zone of a payment that names none.
const DEFAULT: &str = "Asia/Jakarta";

/// The zones of Indonesia, and what their times are called there.
const INDONESIA: [(&str, &str); 4] = [
    (DEFAULT, "WIB"),
    ("Asia/Pontianak", "WIB"),
    ("Asia/Makassar", "WITA"),
    ("Asia/Jayapura", "WIT"),
];

/// The longest name of a zone that is looked for.
const NAME_MAX: usize = 64;

/// The months as CLDR abbreviates them.
const INDONESIAN_MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des",
];
const ENGLISH_MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Default for Zone {
    /// That of Jakarta.
    fn default() -> Self {
        Self::parse(DEFAULT).unwrap_or_else(|| Self {
            name: DEFAULT.to_owned(),
            rules: TimeZone::fixed(Offset::constant(7)),
        })
    }
}

impl Zone {
    /// The zone of that name in the IANA database, such as `Asia/Makassar` or `UTC`, in letters of any case.
    pub fn parse(name: &str) -> Option<Self> {
        if name.len() > NAME_MAX {
            return None;
        }
        let rules = TimeZone::get(name).ok()?;
        let name = rules.iana_name()?.to_owned();
        (!rules.is_unknown()).then_some(Self { name, rules })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A point in time as people read it here: day and minute as CLDR writes them, and what the zone's time is called.
    pub fn written(&self, at: Timestamp, language: Language) -> String {
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let millis = at
            .millis()
            .clamp(first.as_millisecond(), last.as_millisecond());
        let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
        let offset = self.rules.to_offset(at);
        let time = minute(offset.to_datetime(at), language);
        let local = INDONESIA.iter().find(|(name, _)| *name == self.name);
        match local {
            Some((_, called)) => format!("{time} {called}"),
            None => format!("{time} {}", offset_from_greenwich(offset, language)),
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// `26 Nov 2026, 16.30`, or `Nov 26, 2026, 4:30 PM` with the space before `PM` that CLDR puts there.
fn minute(time: DateTime, language: Language) -> String {
    let month = usize::from(time.month().unsigned_abs() - 1);
    let (day, year, hour, minute) = (time.day(), time.year(), time.hour(), time.minute());
    match language {
        Language::Indonesian => {
            let month = INDONESIAN_MONTHS[month];
            format!("{day} {month} {year}, {hour:02}.{minute:02}")
        }
        Language::English => {
            let month = ENGLISH_MONTHS[month];
            let half = if hour < 12 { "AM" } else { "PM" };
            let hour = (hour + 11) % 12 + 1;
            format!("{month} {day}, {year}, {hour}:{minute:02}\u{202F}{half}")
        }
    }
}

/// `GMT+8`, `GMT+5.30` in Indonesian and `GMT+5:30` in English. Seconds, which no zone has today, are left out.
fn offset_from_greenwich(offset: Offset, language: Language) -> String {
    let sign = if offset.is_negative() { '-' } else { '+' };
    let minutes = offset.seconds().unsigned_abs() / 60;
    let point = match language {
        Language::Indonesian => '.',
        Language::English => ':',
    };
    match (minutes / 60, minutes % 60) {
        (hours, 0) => format!("GMT{sign}{hours}"),
        (hours, minutes) => format!("GMT{sign}{hours}{point}{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_zone_has_is_refused() {
        for name in [
            "",
            "WIB",
            "Asia/Bandung",
            "Etc/Unknown",
            "../zoneinfo",
            "+07:00",
        ] {
            assert_eq!(Zone::parse(name), None, "{name}");
        }
        assert_eq!(Zone::parse(&"a".repeat(10_000)), None);
    }

    #[test]
    fn without_a_name_it_is_jakarta() {
        assert_eq!(Some(Zone::default()), Zone::parse("Asia/Jakarta"));
        assert_eq!(Zone::default().name(), "Asia/Jakarta");
    }

    #[test]
    fn any_point_in_time_can_be_written() {
        for millis in [i64::MIN, -1, i64::MAX] {
            let written =
                Zone::default().written(Timestamp::from_millis(millis), Language::English);
            assert!(written.ends_with(" WIB"), "{written}");
        }
    }
}
