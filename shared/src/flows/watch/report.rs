//! What one run has found, as facts for the log, for metrics and for alarms.
use std::collections::BTreeMap;
use std::time::Duration;

use super::webhook::WebhookCheck;
use crate::platform::timestamp::Timestamp;
use crate::runtime::metrics::{self, Watched};
use crate::sender::mute::Counts;
use crate::sender::{Repair, Ward};
use crate::store::whatsapp_sessions::SessionState;

/// What a person has to do about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsHuman {
    /// Pair it.
    Pairing,
    /// Restart its gateway.
    Restart,
    /// Wait, or use another account: WhatsApp keeps this one from sending.
    Restricted,
    /// Correct the gateway's address or the session's token.
    Misconfigured,
    /// Find out why WhatsApp takes its messages and delivers none.
    Mute,
}

impl NeedsHuman {
    /// The word for it in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pairing => "needs_pairing",
            Self::Restart => "needs_restart",
            Self::Restricted => "restricted",
            Self::Misconfigured => "misconfigured",
            Self::Mute => "mute",
        }
    }

    fn of(state: Option<SessionState>, mute_since: Option<Timestamp>) -> Option<Self> {
        match state {
            Some(SessionState::NeedsPairing | SessionState::Unlinked) => Some(Self::Pairing),
            Some(SessionState::NeedsRestart) => Some(Self::Restart),
            Some(SessionState::Restricted | SessionState::Banned) => Some(Self::Restricted),
            Some(SessionState::Misconfigured) => Some(Self::Misconfigured),
            _ => mute_since.map(|_| Self::Mute),
        }
    }
}

/// What a run has found of a session beside its state.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What was done for it.
    pub repair: Repair,
    /// Whether it posts its webhooks here.
    pub webhook: WebhookCheck,
    /// How many of its messages of the last minutes arrived.
    pub counts: Counts,
    /// Since when its messages are taken and none arrives.
    pub mute_since: Option<Timestamp>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            repair: Repair::None,
            webhook: WebhookCheck::Unknown,
            counts: Counts::default(),
            mute_since: None,
        }
    }
}

/// A session as a run has found it.
#[derive(Clone, Debug)]
pub struct WatchedSession {
    /// Its name.
    pub name: String,
    /// The name of its gateway's item.
    pub gateway: String,
    /// Whether messages are sent from it.
    pub sends: bool,
    /// Its state as it was seen last; nothing if nobody ever saw it.
    pub state: Option<SessionState>,
    /// Since when it has that state.
    pub since: Option<Timestamp>,
    /// When it was seen last: before the run, when the run could not see it.
    pub seen_at: Option<Timestamp>,
    /// Whether it was seen in this run, or just before it.
    pub seen: bool,
    /// Whether messages can be sent from it, to those at least that it wrote to before.
    pub usable: bool,
    /// What a person has to do.
    pub needs_human: Option<NeedsHuman>,
    /// What else was found.
    pub found: Found,
    /// How long it was looked after.
    pub took: Duration,
}

/// A session that has not been usable for so long is down.
const DOWN_FOR: Duration = Duration::from_secs(120);

/// Whether WhatsApp keeps an account in this state from sending, to all or to new contacts.
const fn is_restricted(state: SessionState) -> bool {
    matches!(
        state,
        SessionState::Restricted | SessionState::ColdLocked | SessionState::Banned
    )
}

/// A look that is not older than this at the end of a run counts as one of the run.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

impl WatchedSession {
    pub(super) fn new(ward: &Ward, found: Found, began: Timestamp, now: Timestamp) -> Self {
        let seen = ward.item().seen;
        let state = seen.map(|seen| seen.state);
        let is_new = seen.is_some_and(|seen| now.since(seen.at) <= SEEN_WITHIN);
        let sends = [SessionState::Usable, SessionState::ColdLocked];
        Self {
            name: ward.name().to_owned(),
            gateway: ward.gateway().to_owned(),
            sends: ward.sends,
            state,
            since: seen.map(|seen| seen.since),
            seen_at: seen.map(|seen| seen.at),
            seen: is_new,
            usable: is_new && state.is_some_and(|state| sends.contains(&state)),
            needs_human: NeedsHuman::of(state, found.mute_since),
            found,
            took: now.since(began),
        }
    }

    fn log(&self) {
        let (session, needs_human) = (&self.name, self.needs_human.map(NeedsHuman::as_str));
        let state = self.state.map_or("unknown", SessionState::as_str);
        let since = self.since.map(Timestamp::rfc3339);
        let recovery = self.found.repair.as_str();
        if needs_human.is_some() {
            tracing::error!(
                session,
                state,
                since,
                needs_human,
                "[WhatsApp System] a person has to act for a session"
            );
        } else if !self.usable {
            tracing::warn!(
                session,
                state,
                since,
                recovery,
                "[WhatsApp System] a session is not usable"
            );
        }
    }
}

/// A gateway as a run has found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedGateway {
    /// The name of its item.
    pub name: String,
    /// Whether it answered for one of its sessions at least.
    pub reachable: bool,
}

/// What a run has found.
#[derive(Clone, Debug)]
pub struct WatchReport {
    /// Every session, by name.
    pub sessions: Vec<WatchedSession>,
    /// Every gateway that has one.
    pub gateways: Vec<WatchedGateway>,
    /// How long the run took.
    pub took: Duration,
}

impl WatchReport {
    pub(super) fn new(mut sessions: Vec<WatchedSession>, took: Duration) -> Self {
        sessions.sort_by(|one, other| one.name.cmp(&other.name));
        let mut gateways: BTreeMap<&str, bool> = BTreeMap::new();
        for session in &sessions {
            let answered = session.seen && session.state != Some(SessionState::Unreachable);
            *gateways.entry(&session.gateway).or_default() |= answered;
        }
        let gateways = gateways
            .into_iter()
            .map(|(name, reachable)| WatchedGateway {
                name: name.to_owned(),
                reachable,
            });
        Self {
            gateways: gateways.collect(),
            sessions,
            took,
        }
    }

    /// The run at `now` in numbers, about the sessions that messages should be sent from.
    pub(super) fn measured(&self, now: Timestamp) -> Watched<'_> {
        let sending = || self.sessions.iter().filter(|session| session.sends);
        let count = |is: &dyn Fn(&WatchedSession) -> bool| sending().filter(|one| is(one)).count();
        let needs = |human| count(&|one| one.needs_human == Some(human));
        let is_down = |one: &WatchedSession| {
            let long_ago = |since| now.since(since) >= DOWN_FOR;
            !one.usable && one.since.is_some_and(long_ago)
        };
        Watched {
            usable_sessions: count(&|one| one.usable),
            needs_pairing: needs(NeedsHuman::Pairing),
            needs_restart: needs(NeedsHuman::Restart),
            restricted: count(&|one| one.state.is_some_and(is_restricted)),
            token_refused: needs(NeedsHuman::Misconfigured),
            mute: count(&|one| one.found.mute_since.is_some()),
            gateways_down: self.gateways.iter().filter(|one| !one.reachable).count(),
            sessions_down: count(&is_down),
            recovery_failing: count(&|one| one.found.repair == Repair::Failed),
            webhook_missing: count(&|one| one.found.webhook == WebhookCheck::Failed),
            silent: sending().map(|one| one.found.counts.silent).sum(),
            sessions: sending()
                .map(|one| metrics::WatchedSession {
                    name: &one.name,
                    usable: one.usable,
                })
                .collect(),
        }
    }

    /// A line for each session that messages should be sent from and cannot, and one for the run.
    pub(super) fn log(&self) {
        let sending = || self.sessions.iter().filter(|session| session.sends);
        sending().for_each(WatchedSession::log);
        let count = |is: fn(&WatchedSession) -> bool| sending().filter(|one| is(one)).count();
        let sum = |of: fn(&Counts) -> usize| -> usize {
            let counts = self.sessions.iter().map(|one| &one.found.counts);
            counts.map(of).sum()
        };
        let unreachable = self.gateways.iter().filter(|gateway| !gateway.reachable);
        tracing::info!(
            sessions = self.sessions.len(),
            sending = sending().count(),
            usable = count(|one| one.usable),
            need_human = count(|one| one.needs_human.is_some()),
            recovered = count(|one| one.found.repair == Repair::Succeeded),
            gateways_unreachable = unreachable.count(),
            taken = sum(|counts| counts.taken),
            delivered = sum(|counts| counts.delivered),
            silent = sum(|counts| counts.silent),
            elapsed_ms = self.took.as_millis() as u64,
            "[WhatsApp System] sessions watched"
        );
    }
}
