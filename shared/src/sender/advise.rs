//! What to do about a session: the rules of a recovery, without its calls.
use std::time::Duration;

use super::assess::GATEWAY_STARTS;
use super::classify::Observation;
use super::spacing::{connect_is_free, next_connect, stabilising};
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// How long the gateway's library gets to reconnect by itself. A connect during that time ends the process of some
/// versions while WhatsApp cannot be reached, and in others it makes two clients that replace each other.
const LIBRARY_RECONNECTS: Duration = Duration::from_secs(60);
/// How long a gateway is watched that does not answer: a restart takes about so long.
const GATEWAY_WATCH: Duration = Duration::from_secs(30);
/// How long each message still watches a gateway that is gone for longer than [`GATEWAY_WATCH`].
const GATEWAY_WATCH_LATER: Duration = Duration::from_secs(2);
/// How long each message watches a session at least, although nothing is being done about it.
const WATCH_MIN: Duration = Duration::from_secs(2);

/// What to do about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Send: it is usable, or only a send can show whether it is.
    Send,
    /// Try to win the connect right.
    Connect,
    /// Try to win the connect right, and close the session before the connect.
    Reset,
    /// Have the gateway restarted.
    Restart,
    /// Look again soon.
    Watch,
    /// Waiting longer would not help.
    GiveUp(Observation),
}

/// What else counts for an advice.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// When the send failed. Only what was seen since then counts: the failure is newer than anything before.
    pub began: Timestamp,
    /// The time.
    pub now: Timestamp,
    /// A connect at this time or later comes too late for a send.
    pub connect_deadline: Timestamp,
    /// When the gateway takes the next connect, of any session.
    pub gateway_opens: Option<Timestamp>,
    /// Whether the gateway may be restarted now.
    pub may_restart: bool,
}

/// What to do about a session of which `item` is known.
///
/// A session that opens, reconnects, starts or is being reset is watched for as long as the caller has time: `assess` calls
/// it stuck when it takes too long.
pub fn advise(item: &SessionItem, outlook: &Outlook) -> Advice {
    let Outlook { began, now, .. } = *outlook;
    let Some(seen) = item.seen.filter(|seen| seen.at >= began) else {
        return while_unseen(item, outlook);
    };
    let lasts = now.since(seen.since);
    let free = connect_is_free(item, now);
    match seen.state {
        // No status shows a restriction, so only the next send shows whether it lasts.
        SessionState::Usable | SessionState::Restricted | SessionState::ColdLocked => Advice::Send,
        SessionState::Misconfigured => Advice::GiveUp(Observation::Misconfigured),
        SessionState::Banned => Advice::GiveUp(Observation::Restricted),
        SessionState::NeedsPairing => Advice::GiveUp(Observation::Unpaired),
        SessionState::Unlinked if free => Advice::Connect,
        SessionState::Unlinked if stabilising(item, now) => Advice::Watch,
        SessionState::Unlinked => Advice::GiveUp(Observation::Unpaired),
        SessionState::NeedsRestart if outlook.may_restart => Advice::Restart,
        // The cause may be over, and a connect shows it. The right keeps these connects apart.
        SessionState::NeedsRestart if free => Advice::Connect,
        SessionState::NeedsRestart => Advice::GiveUp(Observation::Stuck),
        SessionState::Suspect if free => Advice::Reset,
        SessionState::Reconnecting if free && lasts >= LIBRARY_RECONNECTS => Advice::Connect,
        SessionState::Starting if free && lasts >= GATEWAY_STARTS => Advice::Connect,
        SessionState::Suspect
        | SessionState::Reconnecting
        | SessionState::Starting
        | SessionState::Opening => Advice::Watch,
        SessionState::Unreachable if lasts < GATEWAY_WATCH => Advice::Watch,
        SessionState::Unreachable if now < began.plus(GATEWAY_WATCH_LATER) => Advice::Watch,
        SessionState::Unreachable => Advice::GiveUp(Observation::GatewayStaysDown),
        SessionState::Down if free => Advice::Connect,
        SessionState::Down => while_down(item, outlook),
    }
}

/// No look has shown anything since the send failed: the last thing known is that the session did not send.
fn while_unseen(item: &SessionItem, outlook: &Outlook) -> Advice {
    let Outlook { began, now, .. } = *outlook;
    if now >= began.plus(WATCH_MIN) && !stabilising(item, now) {
        Advice::GiveUp(Observation::SessionStaysDown)
    } else {
        Advice::Watch
    }
}

/// The session is down, and the connect right is taken, by another message or by this one.
fn while_down(item: &SessionItem, outlook: &Outlook) -> Advice {
    let in_reach = next_connect(item, outlook.gateway_opens) < outlook.connect_deadline;
    let fresh = outlook.now < outlook.began.plus(WATCH_MIN);
    if in_reach || fresh || stabilising(item, outlook.now) {
        Advice::Watch
    } else {
        Advice::GiveUp(Observation::SessionStaysDown)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, known, with_right};
    use super::SessionState::*;
    use super::*;

    /// What to do about a session that failed a second ago, in a request that can connect for five seconds more.
    fn advice(item: &SessionItem) -> Advice {
        advise(item, &outlook(-1_000))
    }

    fn outlook(began: i64) -> Outlook {
        Outlook {
            began: at(began),
            now: at(0),
            connect_deadline: at(5_000),
            gateway_opens: None,
            may_restart: false,
        }
    }

    #[test]
    fn each_state_has_its_advice() {
        let give_up = Advice::GiveUp;
        for (case, item, expected) in [
            ("usable", known(Usable, -50, -50), Advice::Send),
            ("restricted", known(Restricted, -50, -50), Advice::Send),
            (
                "a QR code",
                known(NeedsPairing, -50, -50),
                give_up(Observation::Unpaired),
            ),
            (
                "banned",
                known(Banned, -50, -50),
                give_up(Observation::Restricted),
            ),
            ("no QR code", known(Unlinked, -50, -50), Advice::Connect),
            ("down", known(Down, -50, -50), Advice::Connect),
            ("suspect", known(Suspect, -50, -50), Advice::Reset),
            (
                "the library",
                known(Reconnecting, -59_900, -50),
                Advice::Watch,
            ),
            (
                "the library gave up",
                known(Reconnecting, -60_000, -50),
                Advice::Connect,
            ),
            ("starting", known(Starting, -4_900, -50), Advice::Watch),
            (
                "it does not start",
                known(Starting, -5_000, -50),
                Advice::Connect,
            ),
            ("opening", known(Opening, -29_000, -50), Advice::Watch),
            ("stuck", known(NeedsRestart, -50, -50), Advice::Connect),
        ] {
            assert_eq!(advice(&item), expected, "{case}");
        }
    }

    #[test]
    fn a_gateway_that_is_gone_for_long_is_given_up_after_two_seconds() {
        let gone = known(Unreachable, -29_900, -50);
        assert_eq!(advice(&gone), Advice::Watch, "not gone for long");
        let gone = known(Unreachable, -30_000, -50);
        assert_eq!(advice(&gone), Advice::Watch, "two seconds at least");
        let expected = Advice::GiveUp(Observation::GatewayStaysDown);
        assert_eq!(advise(&gone, &outlook(-2_000)), expected);
    }

    #[test]
    fn who_has_not_the_right_waits_for_what_comes_of_it() {
        let give_up = Advice::GiveUp;
        let taken = |state| with_right(known(state, -50, -50), -7_000, 14_000);
        for (case, item, expected) in [
            (
                "a QR code is made elsewhere",
                with_right(known(Unlinked, -50, -50), -1_000, 14_000),
                Advice::Watch,
            ),
            (
                "nothing is made",
                taken(Unlinked),
                give_up(Observation::Unpaired),
            ),
            ("stuck", taken(NeedsRestart), give_up(Observation::Stuck)),
            ("reset elsewhere", taken(Suspect), Advice::Watch),
            (
                "the library gave up",
                with_right(known(Reconnecting, -60_000, -50), -7_000, 14_000),
                Advice::Watch,
            ),
            (
                "passed",
                with_right(known(Down, -50, -50), -15_000, 0),
                Advice::Connect,
            ),
        ] {
            assert_eq!(advice(&item), expected, "{case}");
        }
    }

    #[test]
    fn a_session_that_is_down_is_given_up_when_no_connect_comes_in_time() {
        let given_up = Advice::GiveUp(Observation::SessionStaysDown);
        for (case, began, connect_at, until, expected) in [
            ("nothing comes", -2_000, -6_000, 9_000, given_up),
            ("just begun", -1_999, -6_000, 9_000, Advice::Watch),
            (
                "a connect may still help",
                -5_000,
                -5_999,
                9_000,
                Advice::Watch,
            ),
            (
                "the next one is in reach",
                -5_000,
                -9_000,
                4_900,
                Advice::Watch,
            ),
            ("the next one is too late", -5_000, -9_000, 5_000, given_up),
        ] {
            let item = with_right(known(Down, -9_000, -50), connect_at, until);
            assert_eq!(advise(&item, &outlook(began)), expected, "{case}");
        }
        let item = with_right(known(Down, -9_000, -50), -9_000, 4_000);
        let closed = Outlook {
            gateway_opens: Some(at(30_000)),
            ..outlook(-5_000)
        };
        assert_eq!(advise(&item, &closed), given_up, "the gateway takes none");
    }

    #[test]
    fn what_was_seen_before_the_failure_does_not_count() {
        for state in [Usable, NeedsPairing, Down, Unreachable, NeedsRestart] {
            let item = known(state, -9_000, -1_001);
            assert_eq!(advice(&item), Advice::Watch, "{state:?}");
            let expected = Advice::GiveUp(Observation::SessionStaysDown);
            assert_eq!(
                advise(&known(state, -9_000, -2_001), &outlook(-2_000)),
                expected,
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_client_that_was_replaced_is_connected_again_at_once() {
        let down = |connect_at| SessionItem {
            over_library: true,
            ..with_right(known(Down, -50, -50), connect_at, 12_000)
        };
        assert_eq!(advice(&down(-3_000)), Advice::Connect);
        assert_eq!(advice(&down(-2_900)), Advice::Watch, "it may still come");
        let plain = with_right(known(Down, -50, -50), -3_000, 12_000);
        assert_eq!(advice(&plain), Advice::Watch, "one client only");
    }

    #[test]
    fn a_stuck_gateway_is_restarted_when_it_may_be() {
        let stuck = known(NeedsRestart, -50, -50);
        let restarting = Outlook {
            may_restart: true,
            ..outlook(-1_000)
        };
        assert_eq!(advise(&stuck, &restarting), Advice::Restart);
        assert_eq!(advise(&stuck, &outlook(-1_000)), Advice::Connect);
    }
}
