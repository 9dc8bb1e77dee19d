//! What a session's flags mean: the state that an answer of the gateway shows, given what was known before.
use std::time::Duration;

use super::classify::{Observation, classify};
use crate::gateway::{GatewayError, SessionStatus};
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{SeenState, SessionItem, SessionState};

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
/// How many sends without an answer, one after the other, make a session suspect, and within which time.
const UNANSWERED_MIN: i64 = 2;
/// How long a send without an answer counts.
pub const UNANSWERED_LIFE: Duration = Duration::from_secs(120);
/// How long a gateway that came back gets to start its sessions by itself.
pub(super) const GATEWAY_STARTS: Duration = Duration::from_secs(5);

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
pub fn see(item: &SessionItem, glance: Glance, now: Timestamp) -> Option<SeenState> {
    let state = state_of(item, glance, now)?;
    let before = item.seen.filter(|seen| continues(seen, now));
    let seen = SeenState::after(before, state, now);
    Some(if is_stuck(item, &seen, now) {
        stuck(item, now)
    } else {
        seen
    })
}

fn state_of(item: &SessionItem, glance: Glance, now: Timestamp) -> Option<SessionState> {
    let known = item.seen.map(|seen| seen.state);
    if is_banned(item, glance, now) {
        return Some(SessionState::Banned);
    }
    Some(match glance {
        Glance::Flags {
            connected: true,
            logged_in: true,
        } if is_suspect(item, now) => SessionState::Suspect,
        // WhatsApp keeps the account from sending, and its flags do not show that. Only a message shows that it is over.
        Glance::Flags {
            connected: true,
            logged_in: true,
        } => known
            .filter(|state| state.is_open())
            .unwrap_or(SessionState::Usable),
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
        } => without_flags(item, now),
        Glance::NoGateway => SessionState::Unreachable,
        Glance::Misconfigured | Glance::Disturbed | Glance::Nothing => return None,
    })
}

/// Whether a glance shows nothing new of an account that WhatsApp has closed out: it is not let in. Once it is, the ban is
/// over, whatever was said.
fn is_banned(item: &SessionItem, glance: Glance, now: Timestamp) -> bool {
    let banned = item.seen.filter(|seen| seen.state == SessionState::Banned);
    let lasts = banned.is_some_and(|seen| seen.until.is_some_and(|until| now < until));
    let open = Glance::Flags {
        connected: true,
        logged_in: true,
    };
    lasts
        && (glance == Glance::HeldBack || matches!(glance, Glance::Flags { .. }) && glance != open)
}

/// The state of a session that is neither open nor logged in.
fn without_flags(item: &SessionItem, now: Timestamp) -> SessionState {
    let before = item.seen.filter(|seen| now.since(seen.at) <= CONTINUES);
    let was = |state| before.filter(|seen| seen.state == state);
    let known = item.seen.map(|seen| seen.state);
    match was(SessionState::Starting) {
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
    }
}

/// Whether a state goes on that was last seen a while ago. A passing one only if that is not long ago.
fn continues(seen: &SeenState, now: Timestamp) -> bool {
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

fn is_stuck(item: &SessionItem, seen: &SeenState, now: Timestamp) -> bool {
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

fn stuck(item: &SessionItem, now: Timestamp) -> SeenState {
    SeenState::after(item.seen, SessionState::NeedsRestart, now)
}

/// The state of a session whose sends end without an answer, if it is suspect by now.
pub fn suspect(item: &SessionItem, now: Timestamp) -> Option<SeenState> {
    suspect_after(UNANSWERED_MIN, item, now)
}

/// The same for a session that no message waits for. One send without an answer is enough, since others have gone round it
/// meanwhile or none came: to reset it holds up nobody, and the next message does not meet it again.
pub fn suspect_at_rest(item: &SessionItem, now: Timestamp) -> Option<SeenState> {
    let open = item.seen.is_some_and(|seen| seen.state.is_open());
    suspect_after(1, item, now).filter(|_| open)
}

fn suspect_after(sends: i64, item: &SessionItem, now: Timestamp) -> Option<SeenState> {
    let since = item.unanswered_since?;
    let reset = item.connect_at.is_some_and(|connect| connect >= since);
    let counts = item.unanswered >= sends && now.since(since) <= UNANSWERED_LIFE && !reset;
    counts.then_some(SeenState::beginning(SessionState::Suspect, now))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, known};
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
    fn good_flags_do_not_show_that_whatsapp_lets_an_account_send_again() {
        for state in [Restricted, ColdLocked] {
            let item = known(state, -90_000, -60_000);
            check_see("kept", &item, OPEN, Some((state, -90_000)));
            check_see("gone", &item, LIBRARY, Some((Reconnecting, 0)));
        }
        check_see("down", &known(Down, -9, -9), OPEN, Some((Usable, 0)));
    }

    #[test]
    fn a_ban_lasts_until_its_end_unless_the_account_is_let_in() {
        let until = |end| {
            let mut item = known(Banned, -90_000, -60_000);
            item.seen.as_mut().expect("a state").until = Some(at(end));
            item
        };
        for glance in [LIBRARY, ABSENT, LOGGING_IN, Glance::HeldBack] {
            check_see("it lasts", &until(1), glance, Some((Banned, -90_000)));
            let after = see(&until(0), glance, at(0)).map(|seen| seen.state);
            assert_ne!(after, Some(Banned), "{glance:?}");
        }
        check_see("let in", &until(1), OPEN, Some((Usable, 0)));
        check_see(
            "unlinked",
            &until(1),
            Glance::QrCode,
            Some((NeedsPairing, 0)),
        );
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

    /// The state that `glance` shows now.
    #[track_caller]
    fn check_state(case: &str, item: &SessionItem, glance: Glance, expected: SessionState) {
        let state = see(item, glance, at(0)).map(|seen| seen.state);
        assert_eq!(state, Some(expected), "{case}");
    }

    #[test]
    fn a_session_that_refuses_every_connect_is_stuck() {
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
        ] {
            check_state(case, &item, glance, expected);
        }
    }

    #[test]
    fn a_login_or_a_dial_without_an_end_is_stuck() {
        for (case, item, glance, expected) in [
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
            check_state(case, &item, glance, expected);
        }
    }

    #[test]
    fn one_send_without_an_answer_is_enough_while_no_message_waits() {
        let unanswered = SessionItem {
            unanswered: 1,
            unanswered_since: Some(at(-1_000)),
            ..SessionItem::default()
        };
        let at_rest = |state, connect_at: Option<i64>| SessionItem {
            seen: known(state, -9_000, -300).seen,
            connect_at: connect_at.map(at),
            ..unanswered.clone()
        };
        for (case, item, expected) in [
            ("open", at_rest(Usable, None), true),
            ("not open", at_rest(Reconnecting, None), false),
            ("reset since", at_rest(Usable, Some(-500)), false),
        ] {
            assert_eq!(suspect_at_rest(&item, at(0)).is_some(), expected, "{case}");
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
}
