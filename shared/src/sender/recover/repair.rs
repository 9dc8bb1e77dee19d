//! What came of looking after a session that no message waited for.
use std::time::Duration;

use crate::platform::timestamp::Timestamp;
use crate::sender::delivery::StepTaken;
use crate::sender::spacing;
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// What was done for a session, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing was done: it is well, it comes back by itself, or only a person can help.
    None,
    /// It was told to come back, and may still do so.
    Tried,
    /// It was told to come back, and did.
    Succeeded,
    /// It was told to come back, and did not.
    Failed,
}

impl Repair {
    /// The word for it in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tried => "tried",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// What came of it, as `item` is at `now`.
    pub(super) fn of(item: &SessionItem, acted: bool, now: Timestamp) -> Self {
        if !acted {
            return Self::None;
        }
        match item.seen.map(|seen| seen.state) {
            Some(state) if state.is_open() => Self::Succeeded,
            Some(SessionState::NeedsPairing | SessionState::NeedsRestart) => Self::Failed,
            Some(SessionState::Opening) => Self::Tried,
            _ if spacing::stabilising(item, now) => Self::Tried,
            _ => Self::Failed,
        }
    }

    /// Its line in the log, if anything was done.
    pub(super) fn log(self, session: &str, steps: &[StepTaken], took: Duration) {
        let elapsed_ms = took.as_millis() as u64;
        let steps: Vec<_> = steps.iter().map(|step| step.what.as_str()).collect();
        let steps = steps.join(", ");
        match self {
            Self::None => {}
            Self::Succeeded => tracing::info!(
                session,
                steps,
                elapsed_ms,
                "[WhatsApp System] recovery succeeded"
            ),
            Self::Tried => tracing::warn!(
                session,
                steps,
                elapsed_ms,
                "[WhatsApp System] recovery attempted"
            ),
            Self::Failed => tracing::warn!(
                session,
                steps,
                elapsed_ms,
                "[WhatsApp System] recovery failed"
            ),
        }
    }
}
