//! Times are written as CLDR says, in each zone as the IANA database says.
use icu_datetime::fieldsets::YMD;
use icu_datetime::fieldsets::zone::LocalizedOffsetShort;
use icu_datetime::input::{DateTime, UtcOffset, ZonedDateTime};
use icu_datetime::{DateTimeFormatter, NoCalendarFormatter};
use icu_locale_core::{Locale, locale};
use proptest::prelude::*;
use proptest::sample::select;
use shared::model::language::Language;
use shared::model::payment::zone::Zone;
use shared::platform::timestamp::Timestamp;

const LANGUAGES: [(Language, Locale); 2] = [
    (Language::English, locale!("en")),
    (Language::Indonesian, locale!("id")),
];

/// Zones that keep one time all year, with their offset in minutes.
const STEADY: [(&str, i32); 8] = [
    ("Etc/GMT-7", 420),
    ("Asia/Singapore", 480),
    ("Asia/Tokyo", 540),
    ("Asia/Kolkata", 330),
    ("Asia/Kathmandu", 345),
    ("Asia/Dubai", 240),
    ("Etc/GMT+3", -180),
    ("UTC", 0),
];

/// A day and minute, and an offset from Greenwich, as CLDR says.
fn by_cldr(locale: &Locale, seconds: i64, offset_minutes: i32) -> String {
    let offset = UtcOffset::try_from_seconds(offset_minutes * 60).unwrap();
    let local = ZonedDateTime::from_epoch_milliseconds_and_utc_offset(seconds * 1_000, offset);
    let day = DateTimeFormatter::try_new(locale.into(), YMD::medium().with_time_hm()).unwrap();
    let zone = NoCalendarFormatter::try_new(locale.into(), LocalizedOffsetShort).unwrap();
    let day = day.format(&DateTime {
        date: local.date,
        time: local.time,
    });
    format!("{day} {}", zone.format(&offset))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn times_are_written_as_cldr_says(
        // The years 2000 to 2100.
        seconds in 946_684_800_i64..4_102_444_800,
        (zone, offset) in select(&STEADY[..]),
    ) {
        let zone = Zone::parse(zone).unwrap();
        for (language, locale) in LANGUAGES {
            let written = zone.written(Timestamp::from_seconds(seconds), language);
            prop_assert_eq!(written, by_cldr(&locale, seconds, offset), "{:?}", zone);
        }
    }
}

#[test]
fn a_time_is_that_of_its_zone_and_says_so() {
    let (winter, summer) = ("2026-11-26T09:30:00Z", "2026-06-26T02:30:00Z");
    let new_year = "2026-12-31T15:05:00Z";
    for (zone, time, indonesian, english) in [
        (
            "Asia/Jakarta",
            winter,
            "26 Nov 2026, 16.30 WIB",
            "Nov 26, 2026, 4:30 PM WIB",
        ),
        (
            "asia/pontianak",
            winter,
            "26 Nov 2026, 16.30 WIB",
            "Nov 26, 2026, 4:30 PM WIB",
        ),
        (
            "Asia/Makassar",
            winter,
            "26 Nov 2026, 17.30 WITA",
            "Nov 26, 2026, 5:30 PM WITA",
        ),
        (
            "Asia/Jayapura",
            new_year,
            "1 Jan 2027, 00.05 WIT",
            "Jan 1, 2027, 12:05 AM WIT",
        ),
        (
            "Asia/Kolkata",
            winter,
            "26 Nov 2026, 15.00 GMT+5.30",
            "Nov 26, 2026, 3:00 PM GMT+5:30",
        ),
        (
            "Australia/Sydney",
            winter,
            "26 Nov 2026, 20.30 GMT+11",
            "Nov 26, 2026, 8:30 PM GMT+11",
        ),
        (
            "Australia/Sydney",
            summer,
            "26 Jun 2026, 12.30 GMT+10",
            "Jun 26, 2026, 12:30 PM GMT+10",
        ),
        (
            "America/New_York",
            winter,
            "26 Nov 2026, 04.30 GMT-5",
            "Nov 26, 2026, 4:30 AM GMT-5",
        ),
    ] {
        let (zone, at) = (
            Zone::parse(zone).unwrap(),
            Timestamp::parse_rfc3339(time).unwrap(),
        );
        assert_eq!(
            zone.written(at, Language::Indonesian),
            indonesian,
            "{zone:?}"
        );
        // CLDR's space before AM and PM is a narrow one that does not break.
        let written = zone.written(at, Language::English).replace('\u{202F}', " ");
        assert_eq!(written, english, "{zone:?}");
    }
}
