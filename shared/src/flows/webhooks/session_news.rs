//! What happened to the session's connection: its state, until somebody looks at it.
//!
//! Events come in no order, and a gateway that got no answer sends them again minutes later. So an event claims no more than
//! is sure: none of them makes a session usable, which only a look does.
use std::time::Duration;

use super::Webhooks;
use crate::gateway::webhook::{SessionChange, SessionNews};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::SeenState;
use crate::store::whatsapp_sessions::SessionState::{self, *};

/// How often the state is written when others write it in the same moment.
const RACES_MAX: usize = 3;

impl Webhooks {
    /// Keeps the state that the news leave the session in, unless something that was seen later is known.
    pub(super) async fn note(
        &self,
        session: &str,
        news: SessionNews,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut before = self.sessions.read(session).await?.seen;
        for _ in 0..RACES_MAX {
            let Some(after) = state_after(before, news, now) else {
                return Ok(());
            };
            before = self.sessions.record_state(session, after).await?.seen;
            if before == Some(after) {
                log(session, news, after.state);
                return Ok(());
            }
        }
        Err(StoreError::overtaken("keep what happened to a session"))
    }
}

fn log(session: &str, news: SessionNews, state: SessionState) {
    let (change, code, state) = (news.change, news.code, state.as_str());
    match news.change {
        SessionChange::LoggedOut | SessionChange::TemporaryBan | SessionChange::ClientOutdated => {
            tracing::error!(
                session,
                ?change,
                code,
                state,
                "[WhatsApp System] a person has to act"
            );
        }
        _ => tracing::warn!(
            session,
            ?change,
            state,
            "[WhatsApp System] the session changed"
        ),
    }
}

/// The state after the news. `None` when they change nothing, or something was seen later.
fn state_after(before: Option<SeenState>, news: SessionNews, now: Timestamp) -> Option<SeenState> {
    let known = before.map(|seen| seen.state);
    let state = match changed(known, news.change)? {
        Restricted if news.lasts.is_some() => Banned,
        state => state,
    };
    // A ban that was over can be followed by another one.
    let was_over = before.is_some_and(|seen| seen.until.is_some_and(|until| until <= now));
    if known == Some(state) && !was_over {
        return None;
    }
    let seen_at = before.map(|seen| seen.at);
    let at = match (news.at, seen_at) {
        (Some(at), Some(seen_at)) if at <= seen_at => return None,
        (Some(at), _) => at.min(now),
        // It has just come, so it is newer than what is in the table, whatever the clock of whoever wrote that says.
        (None, Some(seen_at)) => now.max(seen_at.plus(Duration::from_millis(1))),
        (None, None) => now,
    };
    Some(SeenState {
        until: news.lasts.map(|lasts| at.plus(lasts)),
        ..SeenState::beginning(state, at)
    })
}

/// The state that a change leads to from the one that is known.
fn changed(known: Option<SessionState>, change: SessionChange) -> Option<SessionState> {
    let from = |states: &[SessionState]| known.is_some_and(|known| states.contains(&known));
    match change {
        SessionChange::LoggedOut => Some(Unlinked),
        SessionChange::TemporaryBan => Some(Restricted),
        // A newer gateway is needed, and that is a restart.
        SessionChange::ClientOutdated => Some(NeedsRestart),
        SessionChange::Disconnected | SessionChange::StreamReplaced => {
            from(&[Usable]).then_some(Reconnecting)
        }
        SessionChange::ConnectFailure => {
            from(&[Usable, Reconnecting, Opening, Starting]).then_some(Down)
        }
        // What kept it down is over. Whether it is usable, whoever looks next says.
        SessionChange::Connected => {
            let over = [
                Down,
                Unreachable,
                NeedsPairing,
                Unlinked,
                NeedsRestart,
                Banned,
            ];
            from(&over).then_some(Opening)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);
    const EARLIER: Timestamp = Timestamp::from_seconds(900);
    const LATER: Timestamp = Timestamp::from_seconds(1_001);

    fn seen(state: SessionState, at: Timestamp) -> SeenState {
        SeenState::beginning(state, at)
    }

    #[test]
    fn no_change_makes_a_session_usable_and_what_needs_a_person_counts_from_every_state() {
        use SessionChange as Change;
        for (change, from, to) in [
            (Change::LoggedOut, None, Some(Unlinked)),
            (Change::LoggedOut, Some(Usable), Some(Unlinked)),
            (Change::LoggedOut, Some(Unlinked), None),
            (Change::TemporaryBan, Some(Reconnecting), Some(Restricted)),
            (Change::ClientOutdated, Some(Usable), Some(NeedsRestart)),
            (Change::Disconnected, Some(Usable), Some(Reconnecting)),
            (Change::Disconnected, Some(Suspect), None),
            (Change::Disconnected, Some(NeedsPairing), None),
            (Change::Disconnected, None, None),
            (Change::StreamReplaced, Some(Usable), Some(Reconnecting)),
            (Change::ConnectFailure, Some(Opening), Some(Down)),
            (Change::ConnectFailure, Some(Unlinked), None),
            (Change::Connected, Some(Unlinked), Some(Opening)),
            (Change::Connected, Some(Reconnecting), None),
            (Change::Connected, Some(Restricted), None),
            (Change::Connected, Some(Usable), None),
        ] {
            let news = SessionNews {
                change,
                at: None,
                lasts: None,
                code: None,
            };
            let after = state_after(from.map(|state| seen(state, EARLIER)), news, NOW);
            let case = format!("{change:?} from {from:?}");
            assert_eq!(after, to.map(|state| seen(state, NOW)), "{case}");
        }
    }

    #[test]
    fn a_ban_lasts_as_long_as_whatsapp_says() {
        let day = Duration::from_secs(24 * 60 * 60);
        let ban = SessionNews {
            change: SessionChange::TemporaryBan,
            at: None,
            lasts: Some(day),
            code: Some(101),
        };
        let until = |at: Timestamp| SeenState {
            until: Some(at.plus(day)),
            ..seen(Banned, at)
        };
        let after = |before| state_after(before, ban, NOW);
        assert_eq!(after(None), Some(until(NOW)));
        assert_eq!(after(Some(seen(Usable, EARLIER))), Some(until(NOW)));
        assert_eq!(after(Some(until(EARLIER))), None, "the same again");
        let over = EARLIER.minus(day);
        assert_eq!(after(Some(until(over))), Some(until(NOW)), "another one");
    }

    #[test]
    fn what_was_seen_later_stays_and_what_has_just_come_is_new() {
        let news = |at| SessionNews {
            change: SessionChange::LoggedOut,
            at,
            lasts: None,
            code: None,
        };
        let just_after = |at: Timestamp| at.plus(Duration::from_millis(1));
        for (case, before, at, expected) in [
            ("an old event", NOW, Some(EARLIER), None),
            ("of the same moment", NOW, Some(NOW), None),
            ("of later", EARLIER, Some(NOW), Some(NOW)),
            ("of a clock ahead", EARLIER, Some(LATER), Some(NOW)),
            ("without a time", EARLIER, None, Some(NOW)),
            ("in the same moment", NOW, None, Some(just_after(NOW))),
            ("beside a clock ahead", LATER, None, Some(just_after(LATER))),
        ] {
            let after = state_after(Some(seen(Usable, before)), news(at), NOW);
            assert_eq!(after, expected.map(|at| seen(Unlinked, at)), "{case}");
        }
    }
}
