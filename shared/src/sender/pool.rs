//! The sessions that this deployment may send from, and which of them a recipient gets.
use crate::model::phone::Phone;
use crate::runtime::settings::SessionSettings;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// The configured sessions.
#[derive(Clone, Debug)]
pub struct Pool(Vec<SessionSettings>);

impl Pool {
    /// The sessions of `configured`. One whose name cannot be the key of an item is left out and named in the log.
    pub fn new(configured: &[SessionSettings]) -> Self {
        let (named, unnamed): (Vec<_>, Vec<_>) = configured
            .iter()
            .cloned()
            .partition(|session| is_session_name(&session.name));
        for session in unnamed {
            tracing::error!(
                session = session.name,
                "[WhatsApp System] a session's name is 1 to 32 letters, digits, `_` or `-`: it is not used"
            );
        }
        Self(named)
    }

    /// The session for `recipient`. There is one to choose from, so the recipient does not matter yet.
    pub fn pick(&self, _recipient: &Phone) -> Option<&SessionSettings> {
        self.0.first()
    }

    /// The session whose state stands for the whole channel.
    pub fn main(&self) -> Option<&SessionSettings> {
        self.0.first()
    }
}

/// The session for a recipient, and what is known about it.
#[derive(Clone, Debug)]
pub struct Picked {
    pub(super) session: SessionSettings,
    pub(super) item: SessionItem,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// No session is configured.
    #[error("no WhatsApp session is configured")]
    NoSession,
    /// The store failed.
    #[error("the session is not known")]
    Store(#[source] StoreError),
}

impl Picked {
    /// The session's name.
    pub fn session(&self) -> &str {
        &self.session.name
    }

    /// The state in which the session was last seen: a hint, which may be old.
    pub fn state(&self) -> Option<SessionState> {
        self.item.seen.map(|seen| seen.state)
    }
}

/// Whether `name` can be a session's name: 1 to 32 letters, digits, `_` or `-`.
pub fn is_session_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::whatsapp_sessions::GATEWAY;

    #[test]
    fn a_session_name_is_a_short_word_that_no_other_item_has() {
        for (name, expected) in [
            ("system", true),
            ("Sales-2_b", true),
            ("", false),
            ("two words", false),
            (GATEWAY, false),
            ("a-name-that-is-longer-than-32-char", false),
        ] {
            assert_eq!(is_session_name(name), expected, "{name:?}");
        }
    }
}
