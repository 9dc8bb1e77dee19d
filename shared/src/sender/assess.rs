//! What a session's flags mean, and what can be done about it: the rules of a recovery, without its calls.
use std::time::Duration;

use super::classify::{Observation, classify};
use crate::gateway::{GatewayError, SessionStatus};
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{Seen, SessionItem, SessionState};

/// How long the gateway's library gets to reconnect by itself. A connect during that time ends the process of some
/// versions while WhatsApp cannot be reached, and in others it makes two clients that replace each other.
const LIBRARY_RECONNECTS: Duration = Duration::from_secs(60);
/// How long a gateway that came back gets to start its sessions by itself.
const GATEWAY_STARTS: Duration = Duration::from_secs(5);
/// How long a gateway that does not answer is watched, and how long when it is down for longer than a restart takes.
const GATEWAY_WATCH: Duration = Duration::from_secs(30);
const GATEWAY_WATCH_LATER: Duration = Duration::from_secs(2);
/// How long a session that is down is watched when nothing is being done about it.
const HOPELESS_AFTER: Duration = Duration::from_secs(2);
/// How long a session may need after a connect.
const STABILISES: Duration = Duration::from_secs(6);
/// A dial or a login that takes longer than this does not end, and neither does a session that refuses connects for so
/// long.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// A single refused connect may have met another one.
const REFUSALS_MIN: i64 = 2;
/// An older look says nothing about how long a passing state lasts.
const CONTINUES: Duration = Duration::from_secs(30);
/// The same for a library that reconnects: while nobody sends, nobody looks.
const RECONNECTING_CONTINUES: Duration = Duration::from_secs(5 * 60);
/// Whoever resets a suspect session is done within this.
const RESET_TAKES: Duration = Duration::from_secs(5);
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
/// How many sends without an answer, one after the other, make a session suspect, and within which time.
const UNANSWERED_MIN: i64 = 2;
/// How long a send without an answer counts.
pub const UNANSWERED_LIFE: Duration = Duration::from_secs(120);
/// Between two restarts of a gateway, and how many a day.
const RESTART_WAIT: Duration = Duration::from_secs(10 * 60);
const RESTARTS_A_DAY: usize = 3;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// The socket is open, and a QR code waits to be scanned.
    QrCode,
    /// The gateway holds its answer back while it dials.
    HeldBack,
    /// There is no gateway.
    NoGateway,
    /// A front answered instead of the gateway, or the connection broke. Once, this says nothing; twice, it is `NoGateway`.
    Disturbed,
    /// The gateway does not know the token, or is none.
    Misconfigured,
    /// Nothing.
    Nothing,
}

impl Glance {
    /// Reads the answer to a status call.
    pub fn new(answer: &Result<SessionStatus, GatewayError>) -> Self {
        match answer {
            Ok(status)
                if status.connected && !status.logged_in && status.has_qr_code == Some(true) =>
            {
                Self::QrCode
            }
            Ok(status) => Self::Flags {
                connected: status.connected,
                logged_in: status.logged_in,
            },
            Err(GatewayError::TimedOut) => Self::HeldBack,
            Err(GatewayError::Broken(_)) => Self::Disturbed,
            Err(error) => match classify(error) {
                // Old gateways answer "no session" instead of two unset flags.
                Observation::SessionTrouble => Self::Flags {
                    connected: false,
                    logged_in: false,
                },
                Observation::GatewayDown => Self::NoGateway,
                Observation::FrontDown | Observation::Lost => Self::Disturbed,
                Observation::Misconfigured => Self::Misconfigured,
                _ => Self::Nothing,
            },
        }
    }
}

/// The state that a glance at `now` shows, given what was known; `None` when it shows nothing.
pub fn see(item: &SessionItem, glance: Glance, now: Timestamp) -> Option<Seen> {
    let state = state_of(item, glance, now)?;
    let since = item
        .seen
        .filter(|seen| seen.state == state && continues(seen, now))
        .map_or(now, |seen| seen.since);
    let seen = Seen {
        state,
        since,
        at: now,
    };
    Some(if is_stuck(item, &seen, now) {
        stuck(item, now)
    } else {
        seen
    })
}

fn state_of(item: &SessionItem, glance: Glance, now: Timestamp) -> Option<SessionState> {
    let before = item.seen.filter(|seen| now.since(seen.at) <= CONTINUES);
    let was = |state| before.filter(|seen| seen.state == state);
    let known = item.seen.map(|seen| seen.state);
    Some(match glance {
        Glance::Flags {
            connected: true,
            logged_in: true,
        } if is_suspect(item, now) => SessionState::Suspect,
        Glance::Flags {
            connected: true,
            logged_in: true,
        } => SessionState::Usable,
        Glance::Flags {
            connected: true,
            logged_in: false,
        }
        | Glance::HeldBack => SessionState::Opening,
        Glance::QrCode => SessionState::NeedsPairing,
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
            _ if matches!(
                known,
                Some(SessionState::NeedsPairing | SessionState::Unlinked)
            ) =>
            {
                SessionState::Unlinked
            }
            _ => SessionState::Down,
        },
        Glance::NoGateway => SessionState::Unreachable,
        Glance::Misconfigured | Glance::Disturbed | Glance::Nothing => return None,
    })
}

/// Whether a state goes on that was last seen a while ago. A passing one only if that is not long ago.
fn continues(seen: &Seen, now: Timestamp) -> bool {
    let age = now.since(seen.at);
    match seen.state {
        SessionState::Starting | SessionState::Opening | SessionState::Unreachable => {
            age <= CONTINUES
        }
        SessionState::Reconnecting => age <= RECONNECTING_CONTINUES,
        _ => true,
    }
}

/// Whether good flags are not believed: sends ended without an answer, and nobody has reset the session since.
fn is_suspect(item: &SessionItem, now: Timestamp) -> bool {
    let suspect = item.seen.filter(|seen| seen.state == SessionState::Suspect);
    suspect.is_some_and(|seen| {
        item.connect_at
            .is_none_or(|reset| reset < seen.since || now.since(reset) < RESET_TAKES)
    })
}

fn is_stuck(item: &SessionItem, seen: &Seen, now: Timestamp) -> bool {
    match seen.state {
        SessionState::Opening => {
            let was_stuck = item.seen.is_some_and(|before| {
                before.state == SessionState::NeedsRestart && now.since(before.at) <= CONTINUES
            });
            was_stuck || now.since(seen.since) >= STUCK_AFTER
        }
        SessionState::Down | SessionState::Reconnecting => {
            let down_since = item.refused_since.map(|since| since.min(seen.since));
            item.refusals >= REFUSALS_MIN
                && down_since.is_some_and(|since| now.since(since) >= STUCK_AFTER)
        }
        _ => false,
    }
}

fn stuck(item: &SessionItem, now: Timestamp) -> Seen {
    let before = item
        .seen
        .filter(|seen| seen.state == SessionState::NeedsRestart);
    Seen {
        state: SessionState::NeedsRestart,
        since: before.map_or(now, |seen| seen.since),
        at: now,
    }
}

/// The state of a session whose sends end without an answer, if it is suspect by now.
pub fn suspect(item: &SessionItem, now: Timestamp) -> Option<Seen> {
    let since = item.unanswered_since?;
    let reset = item.connect_at.is_some_and(|connect| connect >= since);
    let counts = item.unanswered >= UNANSWERED_MIN && now.since(since) <= UNANSWERED_LIFE && !reset;
    counts.then_some(Seen {
        state: SessionState::Suspect,
        since: now,
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
    /// A connect later than this comes too late for a send.
    pub last_connect: Timestamp,
    /// When the gateway takes the next connect, of any session.
    pub gateway_opens: Option<Timestamp>,
    /// Whether the gateway may be restarted now.
    pub may_restart: bool,
}

/// What to do about a session of which `item` is known.
pub fn advise(item: &SessionItem, outlook: &Outlook) -> Advice {
    let Outlook { began, now, .. } = *outlook;
    let Some(seen) = item.seen.filter(|seen| seen.at >= began) else {
        return if now >= began.plus(HOPELESS_AFTER) && !stabilising(item, now) {
            Advice::GiveUp(Observation::SessionStaysDown)
        } else {
            Advice::Watch
        };
    };
    let lasts = now.since(seen.since);
    let free = connect_is_free(item, now);
    match seen.state {
        // What a send has shown that ended elsewhere: the next one of ours shows whether it lasts.
        SessionState::Usable | SessionState::Restricted => Advice::Send,
        SessionState::Misconfigured => Advice::GiveUp(Observation::Misconfigured),
        SessionState::NeedsPairing => Advice::GiveUp(Observation::Unpaired),
        SessionState::Unlinked if free => Advice::Connect,
        SessionState::Unlinked if stabilising(item, now) => Advice::Watch,
        SessionState::Unlinked => Advice::GiveUp(Observation::Unpaired),
        SessionState::NeedsRestart if outlook.may_restart => Advice::Restart,
        // The cause may be over; asking costs nothing.
        SessionState::NeedsRestart if free => Advice::Connect,
        SessionState::NeedsRestart => Advice::GiveUp(Observation::Stuck),
        SessionState::Suspect if free => Advice::Reset,
        SessionState::Reconnecting if free && lasts >= LIBRARY_RECONNECTS => Advice::Connect,
        SessionState::Starting if free && lasts >= GATEWAY_STARTS => Advice::Connect,
        SessionState::Suspect
        | SessionState::Reconnecting
        | SessionState::Starting
        | SessionState::Opening => Advice::Watch,
        SessionState::Unreachable => {
            let old = lasts >= GATEWAY_WATCH && now >= began.plus(GATEWAY_WATCH_LATER);
            if old {
                Advice::GiveUp(Observation::GatewayStaysDown)
            } else {
                Advice::Watch
            }
        }
        SessionState::Down if free => Advice::Connect,
        SessionState::Down => while_down(item, outlook),
    }
}

/// The session is down, and somebody else has the connect right.
fn while_down(item: &SessionItem, outlook: &Outlook) -> Advice {
    let in_reach = next_connect(item, outlook.gateway_opens) < outlook.last_connect;
    let fresh = outlook.now < outlook.began.plus(HOPELESS_AFTER);
    if in_reach || fresh || stabilising(item, outlook.now) {
        Advice::Watch
    } else {
        Advice::GiveUp(Observation::SessionStaysDown)
    }
}

/// When the next connect can be made.
fn next_connect(item: &SessionItem, gateway_opens: Option<Timestamp>) -> Timestamp {
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

fn connect_is_free(item: &SessionItem, now: Timestamp) -> bool {
    item.connect_after.is_none_or(|after| after <= now) || may_connect_early(item, now)
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

/// When the next connect may be made after a message was taken at `now`, and of which connect that ends the wait. Nothing
/// ends while the session is connected again and again.
pub fn window_after_success(item: &SessionItem, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let connect_at = item.connect_at?;
    let after = now.plus(CONNECT_WAIT_AFTER_SUCCESS);
    let shortens = item.connect_wait.is_some() || item.connect_after.is_some_and(|old| old > after);
    let (connects, within) = FIGHT;
    let recent = item.connects.iter().filter(|at| now.since(**at) <= within);
    (shortens && recent.count() < connects).then_some((connect_at, after))
}

/// Whether a gateway that was restarted at these times may be restarted again.
pub fn may_restart(restarts: &[Timestamp], now: Timestamp) -> bool {
    let today = restarts.iter().filter(|at| now.since(**at) < DAY).count();
    let last = restarts.last();
    today < RESTARTS_A_DAY && last.is_none_or(|at| now.since(*at) >= RESTART_WAIT)
}

#[cfg(test)]
mod tests {
    use super::SessionState::*;
    use super::*;

    const OPEN: Glance = flags(true, true);
    const LOGGING_IN: Glance = flags(true, false);
    const LIBRARY: Glance = flags(false, true);
    const ABSENT: Glance = flags(false, false);

    const fn flags(connected: bool, logged_in: bool) -> Glance {
        Glance::Flags {
            connected,
            logged_in,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(10_000_000 + millis)
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

    fn refused(item: SessionItem, refusals: i64, since: i64) -> SessionItem {
        SessionItem {
            refusals,
            refused_since: Some(at(since)),
            ..item
        }
    }

    #[track_caller]
    fn check_see(
        case: &str,
        item: &SessionItem,
        glance: Glance,
        expected: Option<(SessionState, i64)>,
    ) {
        let seen = see(item, glance, at(0)).map(|seen| (seen.state, seen.since));
        let expected = expected.map(|(state, since)| (state, at(since)));
        assert_eq!(seen, expected, "{case}");
    }

    #[test]
    fn what_an_answer_shows_of_a_new_session() {
        let new = SessionItem::default();
        check_see("both flags", &new, OPEN, Some((Usable, 0)));
        check_see("a login", &new, LOGGING_IN, Some((Opening, 0)));
        check_see("a dial", &new, Glance::HeldBack, Some((Opening, 0)));
        check_see("a QR code", &new, Glance::QrCode, Some((NeedsPairing, 0)));
        check_see("the library", &new, LIBRARY, Some((Reconnecting, 0)));
        check_see("no flag", &new, ABSENT, Some((Down, 0)));
        check_see(
            "no gateway",
            &new,
            Glance::NoGateway,
            Some((Unreachable, 0)),
        );
        for glance in [Glance::Nothing, Glance::Disturbed, Glance::Misconfigured] {
            check_see("no answer", &new, glance, None);
        }
    }

    #[test]
    fn a_status_is_read_with_its_qr_code() {
        let status = |connected, logged_in, has_qr_code| {
            Glance::new(&Ok(SessionStatus {
                connected,
                logged_in,
                has_qr_code,
                ..SessionStatus::default()
            }))
        };
        assert_eq!(status(true, false, Some(true)), Glance::QrCode);
        assert_eq!(status(true, false, Some(false)), LOGGING_IN);
        assert_eq!(status(true, false, None), LOGGING_IN);
        assert_eq!(status(false, false, Some(true)), ABSENT, "a stale QR code");
        assert_eq!(status(true, true, Some(true)), OPEN, "a stale QR code");
    }

    #[test]
    fn a_state_keeps_its_beginning_across_functions() {
        for (case, item, glance, expected) in [
            (
                "it lasts",
                known(Down, -90_000, -60_000),
                ABSENT,
                (Down, -90_000),
            ),
            (
                "seen a moment ago",
                known(Opening, -2_000, -400),
                LOGGING_IN,
                (Opening, -2_000),
            ),
            (
                "another login",
                known(Opening, -90_000, -60_000),
                LOGGING_IN,
                (Opening, 0),
            ),
            (
                "nobody looked for a while",
                known(Reconnecting, -90_000, -60_000),
                LIBRARY,
                (Reconnecting, -90_000),
            ),
            (
                "another blip",
                known(Reconnecting, -900_000, -301_000),
                LIBRARY,
                (Reconnecting, 0),
            ),
        ] {
            check_see(case, &item, glance, Some(expected));
        }
    }

    #[test]
    fn a_gateway_that_came_back_starts_its_sessions_first() {
        for (case, item, expected) in [
            ("just back", known(Unreachable, -900, -300), (Starting, 0)),
            (
                "starting",
                known(Starting, -4_900, -300),
                (Starting, -4_900),
            ),
            ("long enough", known(Starting, -5_000, -300), (Down, 0)),
            (
                "back for long",
                known(Unreachable, -90_000, -60_000),
                (Down, 0),
            ),
        ] {
            check_see(case, &item, ABSENT, Some(expected));
        }
    }

    #[test]
    fn a_session_that_waited_for_a_scan_needs_one_still() {
        for state in [NeedsPairing, Unlinked] {
            let item = known(state, -90_000, -60_000);
            check_see(
                "no QR code any more",
                &item,
                ABSENT,
                Some((Unlinked, if state == Unlinked { -90_000 } else { 0 })),
            );
            check_see("paired", &item, OPEN, Some((Usable, 0)));
        }
    }

    #[test]
    fn what_nothing_but_a_restart_ends_is_stuck() {
        let down = || known(Down, -90_000, -300);
        for (case, item, glance, expected) in [
            (
                "refused twice",
                refused(down(), 2, -30_000),
                ABSENT,
                NeedsRestart,
            ),
            (
                "not long enough",
                refused(known(Down, -29_900, -300), 2, -29_900),
                ABSENT,
                Down,
            ),
            (
                "down for long, refused lately",
                refused(down(), 2, -15_000),
                ABSENT,
                NeedsRestart,
            ),
            ("refused once", refused(down(), 1, -90_000), ABSENT, Down),
            (
                "a library that does nothing",
                refused(known(Reconnecting, -90_000, -300), 2, -30_000),
                LIBRARY,
                NeedsRestart,
            ),
            ("it works", refused(down(), 5, -90_000), OPEN, Usable),
            (
                "a login without an end",
                known(Opening, -30_000, -300),
                LOGGING_IN,
                NeedsRestart,
            ),
            (
                "a login",
                known(Opening, -29_900, -300),
                LOGGING_IN,
                Opening,
            ),
            (
                "the same login",
                known(NeedsRestart, -9_000, -300),
                LOGGING_IN,
                NeedsRestart,
            ),
            (
                "another login",
                known(NeedsRestart, -90_000, -31_000),
                LOGGING_IN,
                Opening,
            ),
            (
                "a dial without an end",
                known(Opening, -30_000, -300),
                Glance::HeldBack,
                NeedsRestart,
            ),
        ] {
            let seen = see(&item, glance, at(0)).map(|seen| seen.state);
            assert_eq!(seen, Some(expected), "{case}");
        }
    }

    #[test]
    fn sends_without_an_answer_outweigh_good_flags_until_a_reset() {
        let unanswered = |count, since| SessionItem {
            unanswered: count,
            unanswered_since: Some(at(since)),
            ..SessionItem::default()
        };
        for (case, item, expected) in [
            ("once", unanswered(1, -1_000), false),
            ("twice", unanswered(2, -1_000), true),
            ("long apart", unanswered(2, -120_001), false),
        ] {
            assert_eq!(suspect(&item, at(0)).is_some(), expected, "{case}");
        }
        let reset = |millis| SessionItem {
            connect_at: Some(at(millis)),
            ..known(Suspect, -9_000, -300)
        };
        check_see(
            "no reset",
            &known(Suspect, -9_000, -300),
            OPEN,
            Some((Suspect, -9_000)),
        );
        check_see(
            "a connect before",
            &reset(-9_001),
            OPEN,
            Some((Suspect, -9_000)),
        );
        check_see(
            "a reset under way",
            &reset(-4_900),
            OPEN,
            Some((Suspect, -9_000)),
        );
        check_see("reset", &reset(-5_000), OPEN, Some((Usable, 0)));
    }

    /// What to do about a session that failed a second ago, in a request that can connect for five seconds more.
    fn advice(item: &SessionItem) -> Advice {
        advise(item, &outlook(-1_000))
    }

    fn outlook(began: i64) -> Outlook {
        Outlook {
            began: at(began),
            now: at(0),
            last_connect: at(5_000),
            gateway_opens: None,
            may_restart: false,
        }
    }

    /// The connect right was taken at `from` and is free at `until`.
    fn with_right(item: SessionItem, from: i64, until: i64) -> SessionItem {
        SessionItem {
            connect_at: Some(at(from)),
            connect_after: Some(at(until)),
            ..item
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
            (
                "no gateway",
                known(Unreachable, -29_900, -50),
                Advice::Watch,
            ),
        ] {
            assert_eq!(advice(&item), expected, "{case}");
        }
        let gone = known(Unreachable, -30_000, -50);
        assert_eq!(advice(&gone), Advice::Watch, "two seconds at least");
        let expected = give_up(Observation::GatewayStaysDown);
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
    fn a_stuck_gateway_is_restarted_rarely() {
        let stuck = known(NeedsRestart, -50, -50);
        let restarting = Outlook {
            may_restart: true,
            ..outlook(-1_000)
        };
        assert_eq!(advise(&stuck, &restarting), Advice::Restart);
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
            let ended = window_after_success(&connected(ago), at(0));
            let expected = expected.then_some((at(-3_000), at(2_000)));
            assert_eq!(ended, expected, "{case}");
        }
        assert_eq!(window_after_success(&SessionItem::default(), at(0)), None);
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
