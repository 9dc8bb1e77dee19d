//! What to do about a session that is not logged in: what the deployment has seen of it decides, for the two flags of the gateway
//! look alike in many troubles.
use std::time::Duration;

use shared::platform::timestamp::Timestamp;
use shared::store::whatsapp_sessions::{SeenState, SessionItem, SessionState};

/// An older record says nothing: the deployment looks each minute.
const RECORD_LIFE: Duration = Duration::from_secs(5 * 60);
/// A session that was connected so often within [`TRIED_WITHIN`] and is down all the same does not come back by a connect.
const TRIES_MIN: usize = 3;
const TRIED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Where the docs say how a session is connected and paired.
const PAIRING: &str = "docs/gateway.md, \"A session and its token\"";

/// What was found out, and the fix.
pub(super) struct Advice {
    pub(super) found: String,
    pub(super) fix: String,
}

impl Advice {
    fn new(found: &str, fix: &str) -> Self {
        Self {
            found: found.to_owned(),
            fix: fix.to_owned(),
        }
    }
}

/// What the gateway's flags say of a session that is not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    /// The login goes on.
    LogsIn,
    /// It was logged in, and its connection is lost.
    LostConnection,
    /// Both flags are cleared.
    Closed,
}

/// What is known of the session beside its flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// What the deployment knows of it; nothing of a gateway without a deployment.
    pub(super) item: Option<&'a SessionItem>,
    /// Whether a deployment brings it back.
    pub(super) is_tended: bool,
}

impl Record<'_> {
    /// What the deployment has seen last, unless that is old.
    fn seen(&self, now: Timestamp) -> Option<SeenState> {
        let seen = self.item?.seen?;
        let lasts = seen.until.is_some_and(|until| now < until);
        (lasts || now.since(seen.at) <= RECORD_LIFE).then_some(seen)
    }

    /// How often it was connected in the last minutes.
    fn tries(&self, now: Timestamp) -> usize {
        let connects = self.item.map_or(&[][..], |item| &item.connects);
        let young = connects.iter().filter(|at| now.since(**at) <= TRIED_WITHIN);
        young.count()
    }
}

/// What to do about a session with `flags`, given the `record`.
pub(super) fn for_trouble(flags: Flags, record: Record<'_>, now: Timestamp) -> Advice {
    let by_state = record.seen(now).and_then(|seen| by_state(&seen, now));
    let by_tries = || by_tries(record.tries(now));
    by_state
        .or_else(by_tries)
        .unwrap_or_else(|| by_flags(flags, record.is_tended))
}

/// What to know about a session whose flags are good.
pub(super) fn for_usable(record: Record<'_>, now: Timestamp) -> Option<Advice> {
    let advice = match record.seen(now)?.state {
        SessionState::Restricted => Advice::new(
            "WhatsApp refused the account's last messages, as the deployment has seen",
            "Wait, and send less: docs/gateway.md, \"What the states mean\"",
        ),
        SessionState::ColdLocked => Advice::new(
            "WhatsApp lets the account write to nobody new, as the deployment has seen",
            "Wait, and send less: docs/gateway.md, \"Who writes first\"",
        ),
        SessionState::Suspect => Advice::new(
            "the last messages ended without an answer, as the deployment has seen",
            "The deployment connects it anew. If it lasts, restart the gateway's process",
        ),
        _ => return None,
    };
    Some(advice)
}

/// What the state that the deployment has seen asks for; nothing where it is over, or the flags say as much.
fn by_state(seen: &SeenState, now: Timestamp) -> Option<Advice> {
    let advice = match seen.state {
        SessionState::NeedsPairing | SessionState::Unlinked => Advice::new(
            "no, the account is not linked any more, as the deployment has seen",
            &format!("Connect it, and scan its code with the phone: {PAIRING}"),
        ),
        SessionState::NeedsRestart => Advice::new(
            "no, and no connect helps, as the deployment has seen",
            "Restart the gateway's process. If it comes again, update the gateway: WhatsApp may refuse its library",
        ),
        SessionState::Banned => banned(seen, now)?,
        SessionState::Unreachable | SessionState::Misconfigured => Advice::new(
            &format!(
                "no, and to the deployment it is `{}`, while the gateway answers here",
                seen.state.as_str()
            ),
            "Look at WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN of the deployment, or at the session's gateway and token in \
             `sessions list`, and at the deployment's way to the gateway",
        ),
        _ => return None,
    };
    Some(advice)
}

/// What to do where connects have not helped.
fn by_tries(tries: usize) -> Option<Advice> {
    let advice = Advice::new(
        &format!("no, although the deployment has connected it {tries} times"),
        "Look at the gateway's log: WhatsApp may have banned the account or refuse the library, or may not be reached from the \
         gateway's machine. Then restart the gateway's process",
    );
    (tries >= TRIES_MIN).then_some(advice)
}

fn banned(seen: &SeenState, now: Timestamp) -> Option<Advice> {
    let until = seen.until.filter(|until| now < *until)?;
    Some(Advice::new(
        &format!(
            "no, WhatsApp has banned the account until {}",
            until.rfc3339()
        ),
        "Wait: nothing helps before, and then it is connected by itself. Send less from then on",
    ))
}

/// What to do where nothing is known but the flags: all that may be behind them.
fn by_flags(flags: Flags, is_tended: bool) -> Advice {
    let by_itself = if is_tended {
        "The deployment connects it within a minute: check again then"
    } else {
        "Connect it: `POST /session/connect`"
    };
    match flags {
        Flags::LogsIn => Advice::new(
            "not yet: the login goes on",
            "Check again in a minute. If it lasts, restart the gateway's process",
        ),
        Flags::LostConnection => Advice::new(
            "no, the connection to WhatsApp is lost",
            &format!(
                "Either the gateway's machine does not reach WhatsApp, and it comes back by itself once it does; or WhatsApp has \
                 ended the session (banned, replaced by another client, an outdated library), which the gateway's log says. \
                 {by_itself}. If that does not help, restart the gateway's process"
            ),
        ),
        Flags::Closed => Advice::new(
            "no, the session is closed",
            &format!(
                "{by_itself} ({PAIRING}). If it has a QR code then, the phone has unlinked it: scan the code. If connects are \
                 refused or do not help, look at the gateway's log, and restart its process"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_347_200);
    const MINUTE: Duration = Duration::from_secs(60);

    fn told(item: &SessionItem) -> String {
        let record = Record {
            item: Some(item),
            is_tended: true,
        };
        let advice = for_trouble(Flags::LostConnection, record, NOW);
        format!("{}. {}", advice.found, advice.fix)
    }

    fn seen(state: SessionState, ago: Duration) -> SessionItem {
        SessionItem {
            seen: Some(SeenState::beginning(state, NOW.minus(ago))),
            ..SessionItem::default()
        }
    }

    #[test]
    fn each_state_that_the_deployment_has_seen_has_its_advice_until_it_is_old() {
        let flags = "the connection to WhatsApp is lost";
        for (state, expected) in [
            (SessionState::NeedsPairing, "scan its code"),
            (SessionState::Unlinked, "scan its code"),
            (SessionState::NeedsRestart, "Restart the gateway's process"),
            (
                SessionState::Unreachable,
                "the deployment's way to the gateway",
            ),
            (
                SessionState::Misconfigured,
                "`misconfigured`, while the gateway answers here",
            ),
            (SessionState::Down, flags),
            (SessionState::Reconnecting, flags),
            (SessionState::Usable, flags),
        ] {
            let said = told(&seen(state, MINUTE));
            assert!(said.contains(expected), "{state:?}: {said}");
            let old = told(&seen(state, 6 * MINUTE));
            assert!(old.contains(flags), "{state:?}, old: {old}");
        }
    }

    #[test]
    fn connects_that_did_not_help_are_counted() {
        for (minutes, helps) in [
            (&[1, 2, 3][..], false),
            (&[1, 2], true),
            (&[1, 2, 16], true),
        ] {
            let connects = minutes.iter().map(|minutes| NOW.minus(*minutes * MINUTE));
            let item = SessionItem {
                connects: connects.collect(),
                ..seen(SessionState::Down, MINUTE)
            };
            let said = told(&item);
            let told = said.contains("has connected it 3 times");
            assert_eq!(told, !helps, "{minutes:?}: {said}");
        }
    }

    #[test]
    fn a_ban_is_told_until_its_end() {
        let ban = |until| {
            let seen = SeenState::beginning(SessionState::Banned, NOW.minus(20 * MINUTE));
            let seen = SeenState {
                until: Some(until),
                ..seen
            };
            SessionItem {
                seen: Some(seen),
                ..SessionItem::default()
            }
        };
        let lasts = told(&ban(NOW.plus(MINUTE)));
        assert!(lasts.contains("banned the account until"), "{lasts}");
        let over = told(&ban(NOW.minus(MINUTE)));
        assert!(!over.contains("until"), "{over}");
    }

    #[test]
    fn good_flags_are_not_the_whole_truth() {
        for (state, expected) in [
            (
                SessionState::Restricted,
                Some("refused the account's last messages"),
            ),
            (SessionState::ColdLocked, Some("nobody new")),
            (SessionState::Suspect, Some("without an answer")),
            (SessionState::Usable, None),
        ] {
            let item = seen(state, MINUTE);
            let record = Record {
                item: Some(&item),
                is_tended: true,
            };
            let advice = for_usable(record, NOW);
            let found = advice.map(|advice| advice.found).unwrap_or_default();
            assert!(
                found.contains(expected.unwrap_or_default()),
                "{state:?}: {found}"
            );
            assert_eq!(found.is_empty(), expected.is_none(), "{state:?}");
        }
    }
}
