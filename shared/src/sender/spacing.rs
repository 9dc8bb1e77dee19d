//! When a session may be connected, and its gateway restarted. Connects are spaced, since each one can do harm.
use std::time::Duration;

use crate::model::limits::DAY;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::sends::WaitEnd;
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// How long a session may need after a connect.
const STABILISES: Duration = Duration::from_secs(6);
/// When two clients replaced each other, that shows this long after the connect. It is shorter than [`STABILISES`].
const REPLACED_AFTER: Duration = Duration::from_secs(3);
/// How long the first connect right of an outage is taken.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
/// How long a connect right is taken at most.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(30);
/// The same for a session that somebody has to pair: each connect asks WhatsApp for new QR codes.
const CONNECT_WAIT_UNPAIRED_MAX: Duration = Duration::from_secs(5 * 60);
/// After a success the next connect may be made this soon.
const CONNECT_WAIT_AFTER_SUCCESS: Duration = Duration::from_secs(2);
/// So many connects within [`FIGHT_WITHIN`] are a fight: two clients take the session from each other. A success does not
/// end a fight.
const FIGHT_CONNECTS: usize = 3;
/// See [`FIGHT_CONNECTS`].
const FIGHT_WITHIN: Duration = Duration::from_secs(60);
/// The time between two connects to one gateway after a connect that left no gateway behind: an outage must not outlast
/// WhatsApp's.
const WAIT_AFTER_DEATH: Duration = Duration::from_secs(30);
/// The same while another session of the gateway is usable, which would die with it: this long at first, then twice as long
/// each time.
const WAIT_AFTER_DEATH_OF_OTHERS: Duration = Duration::from_secs(60);
/// And this long at most.
const WAIT_AFTER_DEATH_OF_OTHERS_MAX: Duration = Duration::from_secs(15 * 60);
/// The time between two restarts of a gateway.
const RESTART_WAIT: Duration = Duration::from_secs(10 * 60);
/// How many restarts a gateway gets in 24 hours.
const RESTARTS_A_DAY: usize = 3;
/// The earliest time.
const ALWAYS: Timestamp = Timestamp::from_millis(0);

/// How long a gateway takes no connect after one that it died of. `others` are usable sessions that it has besides.
pub fn wait_after_death(gateway: &SessionItem, others: bool) -> Duration {
    if !others {
        return WAIT_AFTER_DEATH;
    }
    let before = gateway.connect_wait.unwrap_or_default();
    (before * 2).clamp(WAIT_AFTER_DEATH_OF_OTHERS, WAIT_AFTER_DEATH_OF_OTHERS_MAX)
}

/// Whether somebody may connect the session now.
pub fn connect_is_free(item: &SessionItem, now: Timestamp) -> bool {
    right_free_at(item) <= now
}

/// When the next connect can be made: the session's right is free, and the gateway takes a connect.
pub fn next_connect(item: &SessionItem, gateway_opens: Option<Timestamp>) -> Timestamp {
    right_free_at(item).max(gateway_opens.unwrap_or(ALWAYS))
}

/// When the session's connect right is free: when it passes, or as soon as two clients have replaced each other.
fn right_free_at(item: &SessionItem) -> Timestamp {
    let passes = item.connect_after.unwrap_or(ALWAYS);
    early_connect_at(item).map_or(passes, |early| early.min(passes))
}

/// How long to wait before the session is asked for again: until the next connect, and at least some seconds.
///
/// At most `CONNECT_WAIT_MAX`. A right is taken for longer only while somebody has to pair the session, and that person
/// can be done long before the right passes.
pub fn retry_after(
    item: &SessionItem,
    gateway_opens: Option<Timestamp>,
    now: Timestamp,
) -> Duration {
    const SOON: Duration = Duration::from_secs(5);
    let next = next_connect(item, gateway_opens).since(now);
    next.clamp(SOON, CONNECT_WAIT_MAX)
}

/// Whether a connect may be made before the right passes. See `early_connect_at`.
pub fn may_connect_early(item: &SessionItem, now: Timestamp) -> bool {
    early_connect_at(item).is_some_and(|early| early <= now)
}

/// When the next connect may be made before the right passes. The last connect may have made two clients, and the session
/// is down: then one client has replaced the other, and a further connect makes only one.
fn early_connect_at(item: &SessionItem) -> Option<Timestamp> {
    let seen = item.seen?;
    let may_be_replaced = item.over_library && seen.state == SessionState::Down;
    let connect = item.connect_at.filter(|_| may_be_replaced)?;
    Some(connect.plus(REPLACED_AFTER))
}

/// Whether a connect was made so recently that it may still help.
pub fn stabilising(item: &SessionItem, now: Timestamp) -> bool {
    item.connect_at
        .is_some_and(|connect| now < connect.plus(STABILISES))
}

/// When a person may connect the session: once the last connect helps no more, and the gateway takes one.
pub fn next_by_hand(item: &SessionItem, gateway_opens: Option<Timestamp>) -> Timestamp {
    let stable = item.connect_at.map(|connect| connect.plus(STABILISES));
    let stable = stable
        .unwrap_or(ALWAYS)
        .min(right_free_at(item).max(ALWAYS));
    stable.max(gateway_opens.unwrap_or(ALWAYS))
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

/// The wait for the next connect that a message shortens which was taken at `now`; `None` when it shortens none. During a
/// fight nothing is shortened.
pub fn wait_end_after_success(item: &SessionItem, now: Timestamp) -> Option<WaitEnd> {
    let connect_at = item.connect_at?;
    let connect_after = now.plus(CONNECT_WAIT_AFTER_SUCCESS);
    let shortens =
        item.connect_wait.is_some() || item.connect_after.is_some_and(|old| old > connect_after);
    (shortens && !is_fight(&item.connects, now)).then_some(WaitEnd {
        connect_at,
        connect_after,
    })
}

/// Whether a session that was connected at these times is connected again and again.
fn is_fight(connects: &[Timestamp], now: Timestamp) -> bool {
    let recent = connects.iter().filter(|at| now.since(**at) <= FIGHT_WITHIN);
    recent.count() >= FIGHT_CONNECTS
}

/// Whether a gateway that was restarted at these times may be restarted again.
pub fn may_restart(restarts: &[Timestamp], now: Timestamp) -> bool {
    let in_a_day = restarts.iter().filter(|at| now.since(**at) < DAY).count();
    let last = restarts.last();
    in_a_day < RESTARTS_A_DAY && last.is_none_or(|at| now.since(*at) >= RESTART_WAIT)
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
    fn the_wait_for_the_next_right_doubles_up_to_its_maximum() {
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
            ("a fight that is over", &[61, 40, 3], true),
        ] {
            let shortened = wait_end_after_success(&connected(ago), at(0));
            let expected = expected.then_some(WaitEnd {
                connect_at: at(-3_000),
                connect_after: at(2_000),
            });
            assert_eq!(shortened, expected, "{case}");
        }
        assert_eq!(wait_end_after_success(&SessionItem::default(), at(0)), None);
    }

    #[test]
    fn the_right_is_free_early_once_two_clients_replaced_each_other() {
        let item = |state, over_library| SessionItem {
            over_library,
            ..with_right(known(state, -50, -50), -1_000, 14_000)
        };
        for (case, item, expected) in [
            ("replaced", item(Down, true), at(2_000)),
            ("one client", item(Down, false), at(14_000)),
            ("not down", item(Reconnecting, true), at(14_000)),
        ] {
            assert_eq!(next_connect(&item, None), expected, "{case}");
            assert!(
                !connect_is_free(&item, expected.minus(Duration::from_millis(1))),
                "{case}"
            );
            assert!(connect_is_free(&item, expected), "{case}");
        }
    }

    #[test]
    fn the_next_try_is_told() {
        let seconds = Duration::from_secs;
        for (case, until, gateway, expected) in [
            ("soon", 1_000, None, 5),
            ("the session's", 22_000, None, 22),
            ("the gateway's", 1_000, Some(29_000), 29),
            ("at most the longest wait of an outage", 300_000, None, 30),
        ] {
            let item = with_right(known(Down, -50, -50), -1_000, until);
            let wait = retry_after(&item, gateway.map(at), at(0));
            assert_eq!(wait, seconds(expected), "{case}");
        }
    }
}
