//! What a session's flags mean, and what can be done about it: the rules of a recovery, without its calls.
use std::time::Duration;

use super::classify::{Observation, classify};
use crate::gateway::{GatewayError, SessionStatus};
use crate::store::whatsapp_sessions::{Seen, SessionItem, SessionState};
use crate::timestamp::Timestamp;

/// How long the gateway's library gets to reconnect by itself.
const LIBRARY_RECONNECTS: Duration = Duration::from_secs(3);
/// How long a gateway that came back gets to start its sessions by itself.
const GATEWAY_STARTS: Duration = Duration::from_secs(5);
/// How long a gateway that does not answer is watched.
const GATEWAY_WATCH: Duration = Duration::from_secs(5);
/// How long a session needs after a connect, as a rule: it may be open before it is logged in.
const STABILISES: Duration = Duration::from_secs(2);
/// How long it may take.
const STABILISES_MAX: Duration = Duration::from_secs(6);
/// An older look says nothing about how long a passing state lasts.
const CONTINUES: Duration = Duration::from_secs(30);
/// The first connect right of an outage, and the longest.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// What the answer to a status call shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// The two flags.
    Flags {
        /// The socket is open.
        connected: bool,
        /// The account is logged in.
        logged_in: bool,
    },
    /// There is no gateway.
    NoGateway,
    /// The gateway does not know the token, or is none.
    Misconfigured,
    /// Nothing: no answer, or one that does not tell.
    Nothing,
}

impl Glance {
    /// Reads the answer to a status call.
    pub fn new(answer: &Result<SessionStatus, GatewayError>) -> Self {
        match answer {
            Ok(status) => Self::Flags {
                connected: status.connected,
                logged_in: status.logged_in,
            },
            Err(error) => match classify(error) {
                // Old gateways answer "no session" instead of two unset flags.
                Observation::SessionTrouble => Self::Flags {
                    connected: false,
                    logged_in: false,
                },
                Observation::GatewayDown => Self::NoGateway,
                Observation::Misconfigured => Self::Misconfigured,
                _ => Self::Nothing,
            },
        }
    }
}

/// The state that a glance at `now` shows, given what was known; `None` when it shows nothing.
pub fn see(item: &SessionItem, glance: Glance, now: Timestamp) -> Option<Seen> {
    let before = item.seen.filter(|seen| now.since(seen.at) <= CONTINUES);
    let was = |state| before.filter(|seen| seen.state == state);
    let state = match glance {
        Glance::Flags {
            connected: true,
            logged_in: true,
        } => SessionState::Usable,
        Glance::Flags {
            connected: true,
            logged_in: false,
        } => match item.connect_at {
            Some(connect) if now.since(connect) < STABILISES => SessionState::Down,
            _ => SessionState::NeedsPairing,
        },
        Glance::Flags {
            connected: false,
            logged_in: true,
        } => SessionState::Reconnecting,
        Glance::Flags {
            connected: false,
            logged_in: false,
        } => match was(SessionState::Starting) {
            Some(seen) if now.since(seen.since) < GATEWAY_STARTS => SessionState::Starting,
            None if was(SessionState::Unreachable).is_some() => SessionState::Starting,
            _ => SessionState::Down,
        },
        Glance::NoGateway => SessionState::Unreachable,
        Glance::Misconfigured | Glance::Nothing => return None,
    };
    // A lasting state goes on whenever it was last seen; a passing one only if it was seen a moment ago.
    let passing = matches!(
        state,
        SessionState::Reconnecting | SessionState::Starting | SessionState::Unreachable
    );
    let since = item
        .seen
        .filter(|seen| seen.state == state && (!passing || before.is_some()))
        .map_or(now, |seen| seen.since);
    Some(Seen {
        state,
        since,
        at: now,
    })
}

/// What to do about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// It is usable.
    Send,
    /// Try to win the connect right.
    Connect,
    /// Look again soon.
    Watch,
    /// Waiting longer would not help.
    GiveUp(Observation),
}

/// What to do at `now` about a session that failed at `began`. Only what was seen since then counts: the failure is
/// newer than anything before.
pub fn advise(item: &SessionItem, began: Timestamp, now: Timestamp) -> Advice {
    let seen = item.seen.filter(|seen| seen.at >= began);
    let state = seen.map(|seen| seen.state);
    let lasts = |span| seen.is_some_and(|seen| now.since(seen.since) >= span);
    let free = item.connect_after.is_none_or(|after| after <= now);
    let in_vain = match state {
        // What a send has shown that ended elsewhere: the next one of ours shows whether it lasts.
        Some(SessionState::Usable | SessionState::Restricted) => return Advice::Send,
        Some(SessionState::Misconfigured) => return Advice::GiveUp(Observation::Misconfigured),
        Some(SessionState::NeedsPairing) => return Advice::GiveUp(Observation::Unpaired),
        Some(SessionState::Unreachable) => {
            return match lasts(GATEWAY_WATCH) {
                true => Advice::GiveUp(Observation::GatewayStaysDown),
                false => Advice::Watch,
            };
        }
        Some(SessionState::Down) => true,
        Some(SessionState::Reconnecting) => lasts(LIBRARY_RECONNECTS),
        Some(SessionState::Starting) => lasts(GATEWAY_STARTS),
        None => false,
    };
    if in_vain && free {
        return Advice::Connect;
    }
    let hopeless = now >= began.plus(STABILISES) && !stabilising(item, now);
    match (in_vain || state.is_none()) && hopeless {
        true => Advice::GiveUp(Observation::SessionStaysDown),
        false => Advice::Watch,
    }
}

/// Whether a connect was made so recently that it may still help.
pub fn stabilising(item: &SessionItem, now: Timestamp) -> bool {
    item.connect_at
        .is_some_and(|connect| now < connect.plus(STABILISES_MAX))
}

/// For how long the next connect right is taken: longer each time while the session stays down.
pub fn connect_wait(item: &SessionItem) -> Duration {
    item.connect_wait
        .map_or(CONNECT_WAIT, |wait| (wait * 2).min(CONNECT_WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::SessionState::*;
    use super::*;

    const OPEN: Glance = Glance::Flags {
        connected: true,
        logged_in: true,
    };
    const QR: Glance = Glance::Flags {
        connected: true,
        logged_in: false,
    };
    const LIBRARY: Glance = Glance::Flags {
        connected: false,
        logged_in: true,
    };
    const ABSENT: Glance = Glance::Flags {
        connected: false,
        logged_in: false,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn known(state: SessionState, since: i64, seen: i64) -> SessionItem {
        SessionItem {
            seen: Some(Seen {
                state,
                since: at(since),
                at: at(seen),
            }),
            ..SessionItem::default()
        }
    }

    #[track_caller]
    fn check_see(item: &SessionItem, glance: Glance, expected: Option<(SessionState, i64)>) {
        let seen = see(item, glance, at(0)).map(|seen| (seen.state, seen.since));
        assert_eq!(seen, expected.map(|(state, since)| (state, at(since))));
    }

    #[test]
    fn the_two_flags_are_four_states() {
        let new = SessionItem::default();
        check_see(&new, OPEN, Some((Usable, 0)));
        check_see(&new, QR, Some((NeedsPairing, 0)));
        check_see(&new, LIBRARY, Some((Reconnecting, 0)));
        check_see(&new, ABSENT, Some((Down, 0)));
        check_see(&new, Glance::NoGateway, Some((Unreachable, 0)));
        check_see(&new, Glance::Nothing, None);
        check_see(&new, Glance::Misconfigured, None);
    }

    #[test]
    fn a_state_keeps_its_beginning_across_functions() {
        check_see(
            &known(Down, -90_000, -60_000),
            ABSENT,
            Some((Down, -90_000)),
        );
        check_see(
            &known(Reconnecting, -2_000, -400),
            LIBRARY,
            Some((Reconnecting, -2_000)),
        );
        // Nobody looked for a minute, so this may be another blip.
        check_see(
            &known(Reconnecting, -90_000, -60_000),
            LIBRARY,
            Some((Reconnecting, 0)),
        );
    }

    #[test]
    fn a_gateway_that_came_back_starts_its_sessions_first() {
        check_see(&known(Unreachable, -900, -300), ABSENT, Some((Starting, 0)));
        check_see(
            &known(Starting, -4_900, -300),
            ABSENT,
            Some((Starting, -4_900)),
        );
        check_see(&known(Starting, -5_000, -300), ABSENT, Some((Down, 0)));
        check_see(
            &known(Unreachable, -90_000, -60_000),
            ABSENT,
            Some((Down, 0)),
        );
    }

    #[test]
    fn an_open_socket_right_after_a_connect_is_not_yet_a_missing_pairing() {
        let connected = |millis| SessionItem {
            connect_at: Some(at(millis)),
            ..SessionItem::default()
        };
        check_see(&connected(-1_900), QR, Some((Down, 0)));
        check_see(&connected(-2_000), QR, Some((NeedsPairing, 0)));
    }

    /// The session failed at -1,000 ms; a `connect` is when the right was taken and until when.
    #[track_caller]
    fn check_advice(item: SessionItem, connect: Option<(i64, i64)>, expected: Advice) {
        let item = SessionItem {
            connect_at: connect.map(|(taken, _)| at(taken)),
            connect_after: connect.map(|(_, until)| at(until)),
            ..item
        };
        assert_eq!(advise(&item, at(-1_000), at(0)), expected);
    }

    #[test]
    fn each_state_has_its_advice() {
        check_advice(known(Usable, -50, -50), None, Advice::Send);
        check_advice(
            known(NeedsPairing, -50, -50),
            None,
            Advice::GiveUp(Observation::Unpaired),
        );
        check_advice(known(Down, -50, -50), None, Advice::Connect);
        check_advice(known(Reconnecting, -2_900, -50), None, Advice::Watch);
        check_advice(known(Reconnecting, -3_000, -50), None, Advice::Connect);
        check_advice(known(Starting, -4_900, -50), None, Advice::Watch);
        check_advice(known(Starting, -5_000, -50), None, Advice::Connect);
        check_advice(known(Unreachable, -4_900, -50), None, Advice::Watch);
        check_advice(
            known(Unreachable, -5_000, -50),
            None,
            Advice::GiveUp(Observation::GatewayStaysDown),
        );
    }

    #[test]
    fn what_was_seen_before_the_failure_does_not_count() {
        for state in [Usable, NeedsPairing, Down, Unreachable] {
            check_advice(known(state, -9_000, -1_001), None, Advice::Watch);
        }
    }

    #[test]
    fn a_taken_right_is_waited_for_and_a_passed_one_is_free() {
        let down = || known(Down, -50, -50);
        check_advice(down(), Some((-1_000, 14_000)), Advice::Watch);
        check_advice(down(), Some((-15_000, 0)), Advice::Connect);
    }

    #[test]
    fn a_session_that_did_not_come_back_in_time_is_given_up() {
        let down = known(Down, -9_000, -50);
        let given_up = Advice::GiveUp(Observation::SessionStaysDown);
        for (began, connect_at, expected) in [
            (-2_000, -6_000, given_up),
            (-1_999, -6_000, Advice::Watch),
            (-5_000, -5_999, Advice::Watch),
        ] {
            let item = SessionItem {
                connect_at: Some(at(connect_at)),
                connect_after: Some(at(9_000)),
                ..down.clone()
            };
            assert_eq!(
                advise(&item, at(began), at(0)),
                expected,
                "{began} {connect_at}"
            );
        }
    }

    #[test]
    fn the_wait_for_the_next_right_doubles_up_to_five_minutes() {
        let mut item = SessionItem::default();
        let waits = [15, 30, 60, 120, 240, 300, 300].map(Duration::from_secs);
        for expected in waits {
            let wait = connect_wait(&item);
            assert_eq!(wait, expected);
            item.connect_wait = Some(wait);
        }
    }
}
