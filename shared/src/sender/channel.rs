//! Whether messages can be sent, from what the store knows of the session.
use std::time::Duration;

use super::outcome::HUMAN_TAKES;
use super::spacing;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// When it is worth asking again for what comes back by itself: connects follow each other this fast.
const RECOVERY_TAKES: Duration = Duration::from_secs(15);

/// Whether messages can be sent, as far as the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// The state.
    pub state: ChannelState,
    /// Since when; nothing while it is unknown.
    pub since: Option<Timestamp>,
    /// When somebody last looked.
    pub seen_at: Option<Timestamp>,
}

/// The state of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// Messages can be sent.
    Usable,
    /// Not now, and something is being done about it.
    Recovering,
    /// Somebody has to pair the session.
    NeedsPairing,
    /// Somebody has to restart the gateway.
    NeedsRestart,
    /// Not now.
    Down,
    /// WhatsApp keeps the account from sending.
    Restricted,
    /// The same for people that the account never wrote to.
    ColdLocked,
    /// The address or the token of the gateway is wrong.
    Misconfigured,
    /// Nobody has looked yet.
    Unknown,
}

impl ChannelState {
    /// Whether messages go out, as far as anybody has looked.
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Usable | Self::ColdLocked | Self::Unknown)
    }

    /// Whether waiting does not help: only somebody who acts does.
    pub const fn needs_human(self) -> bool {
        matches!(
            self,
            Self::NeedsPairing | Self::NeedsRestart | Self::Restricted | Self::Misconfigured
        )
    }

    /// When it is worth asking again while nothing goes out.
    pub const fn retry_after(self) -> Duration {
        if self.needs_human() {
            HUMAN_TAKES
        } else {
            RECOVERY_TAKES
        }
    }

    /// The place of a state among those of several sessions: what sends, then what comes back, then what nobody knows, then
    /// what somebody has to end.
    const fn rank(self) -> u8 {
        match self {
            Self::Usable => 0,
            Self::ColdLocked => 1,
            Self::Recovering => 2,
            Self::Down => 3,
            Self::NeedsPairing | Self::NeedsRestart | Self::Restricted | Self::Misconfigured => 4,
            Self::Unknown => 5,
        }
    }
}

impl ChannelStatus {
    /// How the channel is whose sessions are as `statuses` say: as the best of them.
    pub(super) fn best(statuses: impl Iterator<Item = Self>) -> Self {
        let unknown = Self {
            state: ChannelState::Unknown,
            since: None,
            seen_at: None,
        };
        // Of those that are alike, the one that was seen last says most.
        statuses
            .min_by_key(|status| (status.state.rank(), std::cmp::Reverse(status.seen_at)))
            .unwrap_or(unknown)
    }

    /// What the session's item says at `now`.
    pub(super) fn new(item: &SessionItem, now: Timestamp) -> Self {
        Self {
            state: state(item, now),
            since: item.seen.map(|seen| seen.since),
            seen_at: item.seen.map(|seen| seen.at),
        }
    }
}

fn state(item: &SessionItem, now: Timestamp) -> ChannelState {
    let Some(seen) = item.seen else {
        return ChannelState::Unknown;
    };
    match seen.state {
        SessionState::Usable => ChannelState::Usable,
        SessionState::NeedsPairing | SessionState::Unlinked => ChannelState::NeedsPairing,
        SessionState::NeedsRestart => ChannelState::NeedsRestart,
        SessionState::Reconnecting
        | SessionState::Starting
        | SessionState::Opening
        | SessionState::Suspect => ChannelState::Recovering,
        SessionState::Down if spacing::stabilising(item, now) => ChannelState::Recovering,
        SessionState::Down | SessionState::Unreachable => ChannelState::Down,
        SessionState::Restricted | SessionState::Banned => ChannelState::Restricted,
        SessionState::ColdLocked => ChannelState::ColdLocked,
        SessionState::Misconfigured => ChannelState::Misconfigured,
    }
}
