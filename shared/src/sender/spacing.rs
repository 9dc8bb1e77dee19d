//! When a session may be connected, and its gateway restarted. Connects are spaced, since each one can do harm.
use std::time::Duration;

use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::sends::WaitEnd;
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// How long a session may need after a connect.
const STABILISES: Duration = Duration::from_secs(6);
/// When two clients replaced each other, that shows this long after the connect.
const REPLACED_AFTER: Duration = Duration::from_secs(3);
/// The first connect right of an outage, and the longest.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(30);
/// The longest for a session that somebody has to pair: each connect asks WhatsApp for new QR codes.
const CONNECT_WAIT_UNPAIRED_MAX: Duration = Duration::from_secs(5 * 60);
/// After a success the next connect may be made this soon.
const CONNECT_WAIT_AFTER_SUCCESS: Duration = Duration::from_secs(2);
/// So many connects within this are a fight, which success does not end.
const FIGHT: (usize, Duration) = (3, Duration::from_secs(60));
/// Between two restarts of a gateway, and how many a day.
const RESTART_WAIT: Duration = Duration::from_secs(10 * 60);
const RESTARTS_A_DAY: usize = 3;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether somebody may connect the session now.
pub fn connect_is_free(item: &SessionItem, now: Timestamp) -> bool {
    item.connect_after.is_none_or(|after| after <= now) || may_connect_early(item, now)
}

/// When the next connect can be made.
pub fn next_connect(item: &SessionItem, gateway_opens: Option<Timestamp>) -> Timestamp {
    let always = Timestamp::from_millis(0);
    let own = item.connect_after.unwrap_or(always);
    own.max(gateway_opens.unwrap_or(always))
}

/// How long it takes until something new can be tried for the session.
pub fn retry_after(
    item: &SessionItem,
    gateway_opens: Option<Timestamp>,
    now: Timestamp,
) -> Duration {
    const SOON: Duration = Duration::from_secs(5);
    let next = next_connect(item, gateway_opens).since(now);
    next.clamp(SOON, CONNECT_WAIT_MAX)
}

/// Whether the last connect made two clients, one of which has replaced the other: the next one may follow at once.
pub fn may_connect_early(item: &SessionItem, now: Timestamp) -> bool {
    let down = item
        .seen
        .is_some_and(|seen| seen.state == SessionState::Down);
    let replaced = item
        .connect_at
        .is_some_and(|connect| now.since(connect) >= REPLACED_AFTER);
    down && item.over_library && replaced
}

/// Whether a connect was made so recently that it may still help.
pub fn stabilising(item: &SessionItem, now: Timestamp) -> bool {
    item.connect_at
        .is_some_and(|connect| now < connect.plus(STABILISES))
}

/// For how long the next connect right is taken: longer each time while the session stays down.
pub fn connect_wait(item: &SessionItem) -> Duration {
    let unpaired = item
        .seen
        .is_some_and(|seen| seen.state == SessionState::Unlinked);
    let max = if unpaired {
        CONNECT_WAIT_UNPAIRED_MAX
    } else {
        CONNECT_WAIT_MAX
    };
    item.connect_wait
        .map_or(CONNECT_WAIT, |wait| (wait * 2).min(max))
}

/// The end of the wait for the next connect, after a message was taken at `now`. No wait ends while the session is connected
/// again and again.
pub fn wait_end_after_success(item: &SessionItem, now: Timestamp) -> Option<WaitEnd> {
    let connect_at = item.connect_at?;
    let after = now.plus(CONNECT_WAIT_AFTER_SUCCESS);
    let shortens = item.connect_wait.is_some() || item.connect_after.is_some_and(|old| old > after);
    let (connects, within) = FIGHT;
    let recent = item.connects.iter().filter(|at| now.since(**at) <= within);
    (shortens && recent.count() < connects).then_some(WaitEnd {
        connect_at,
        connect_after: after,
    })
}

/// Whether a gateway that was restarted at these times may be restarted again.
pub fn may_restart(restarts: &[Timestamp], now: Timestamp) -> bool {
    let today = restarts.iter().filter(|at| now.since(**at) < DAY).count();
    let last = restarts.last();
    today < RESTARTS_A_DAY && last.is_none_or(|at| now.since(*at) >= RESTART_WAIT)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, known, with_right};
    use super::SessionState::*;
    use super::*;

    #[test]
    fn a_gateway_is_restarted_rarely() {
        let minutes = |ago: i64| at(-ago * 60_000);
        for (case, restarts, expected) in [
            ("never", vec![], true),
            ("a moment ago", vec![minutes(9)], false),
            ("ten minutes ago", vec![minutes(10)], true),
            (
                "three times today",
                vec![minutes(1_400), minutes(700), minutes(90)],
                false,
            ),
            (
                "twice today",
                vec![minutes(1_440), minutes(700), minutes(90)],
                true,
            ),
        ] {
            assert_eq!(may_restart(&restarts, at(0)), expected, "{case}");
        }
    }

    #[test]
    fn the_wait_for_the_next_right_doubles_up_to_half_a_minute() {
        let waits = |mut item: SessionItem, expected: &[u64]| {
            for seconds in expected {
                let wait = connect_wait(&item);
                assert_eq!(wait, Duration::from_secs(*seconds));
                item.connect_wait = Some(wait);
            }
        };
        waits(SessionItem::default(), &[15, 30, 30]);
        // Each connect of a session without a pairing asks WhatsApp for QR codes.
        waits(known(Unlinked, 0, 0), &[15, 30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn a_success_ends_the_wait_unless_the_session_is_connected_again_and_again() {
        let connected = |ago: &[i64]| {
            let connects: Vec<_> = ago.iter().map(|seconds| at(-seconds * 1_000)).collect();
            SessionItem {
                connect_at: connects.last().copied(),
                connect_after: Some(at(12_000)),
                connect_wait: Some(CONNECT_WAIT),
                connects,
                ..SessionItem::default()
            }
        };
        for (case, ago, expected) in [
            ("the first", &[3][..], true),
            ("the second", &[40, 3], true),
            ("a fight", &[60, 40, 3], false),
            ("a fight of yesterday", &[61, 40, 3], true),
        ] {
            let ended = wait_end_after_success(&connected(ago), at(0));
            let expected = expected.then_some(WaitEnd {
                connect_at: at(-3_000),
                connect_after: at(2_000),
            });
            assert_eq!(ended, expected, "{case}");
        }
        assert_eq!(wait_end_after_success(&SessionItem::default(), at(0)), None);
    }

    #[test]
    fn the_next_try_is_told() {
        let seconds = Duration::from_secs;
        for (case, until, gateway, expected) in [
            ("soon", 1_000, None, 5),
            ("the session's", 22_000, None, 22),
            ("the gateway's", 1_000, Some(29_000), 29),
            ("not too late", 300_000, None, 30),
        ] {
            let item = with_right(known(Down, -50, -50), -1_000, until);
            let wait = retry_after(&item, gateway.map(at), at(0));
            assert_eq!(wait, seconds(expected), "{case}");
        }
    }
}
