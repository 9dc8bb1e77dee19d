//! Points in time: milliseconds since the Unix epoch, UTC.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The point `seconds` seconds after the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole seconds since the Unix epoch, rounded up: what a TTL attribute holds.
    pub const fn seconds_up(self) -> i64 {
        -(-self.0).div_euclid(1000)
    }

    /// The number of the day that it lies in, in UTC.
    pub const fn day(self) -> i64 {
        self.seconds().div_euclid(24 * 60 * 60)
    }

    /// This point moved `by` into the future.
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0 + by.as_millis() as i64)
    }

    /// This point moved `by` into the past.
    pub const fn minus(self, by: Duration) -> Self {
        Self(self.0 - by.as_millis() as i64)
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Reads a time with any offset, such as `2026-11-22T18:33:20+07:00`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
        time.to_millis().ok().map(Self)
    }

    /// RFC 3339 in UTC with whole seconds, such as `2026-11-22T11:33:20Z`.
    pub fn rfc3339(self) -> String {
        DateTime::from_secs(self.seconds())
            .fmt(Format::DateTime)
            .unwrap_or_default()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since_epoch.as_millis() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_and_ttl_seconds_round_up() {
        let point = Timestamp::from_millis(1_500);
        assert_eq!((point.seconds(), point.seconds_up()), (1, 2));
        assert_eq!(Timestamp::from_seconds(7).seconds_up(), 7);
    }

    #[test]
    fn an_earlier_point_is_no_time_after_a_later_one() {
        let (early, late) = (Timestamp::from_seconds(1), Timestamp::from_seconds(3));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn a_time_is_read_with_any_offset() {
        for (text, millis) in [
            ("2026-11-22T11:33:20Z", Some(1_795_347_200_000)),
            ("2026-11-22T18:33:20+07:00", Some(1_795_347_200_000)),
            ("2026-11-22T11:33:20.25Z", Some(1_795_347_200_250)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000)),
            ("2026-11-22", None),
            ("2026-13-22T11:33:20Z", None),
            ("", None),
        ] {
            let read = Timestamp::parse_rfc3339(text).map(Timestamp::millis);
            assert_eq!(read, millis, "{text}");
        }
    }

    #[test]
    fn rfc3339_is_utc_with_whole_seconds() {
        assert_eq!(
            Timestamp::from_millis(1_795_347_200_999).rfc3339(),
            "2026-11-22T11:33:20Z"
        );
    }
}
