//! What a link shows that pairs a session: its QR code, and nothing else of it.
use super::pairing_links::{PairingError, PairingLinks};
use super::sessions::AdminSessions;
use super::sessions::acts::ActError;
use super::sessions::key::SessionKey;
use super::sessions::pairing::{PairedAccount, PairingNow};
use crate::model::admin::AdminSecret;
use crate::model::caller::Caller;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// What a link shows to the browser that asks.
#[derive(Debug)]
pub enum PairingShown {
    /// That the link can be opened.
    ToOpen,
    /// Its session, and how far its pairing is.
    Session(PairedAccount, PairingNow),
}

/// What a link shows.
#[derive(Clone, Debug)]
pub struct PairingPages {
    links: PairingLinks,
    sessions: AdminSessions,
}

impl PairingPages {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            links: PairingLinks::new(backends),
            sessions: AdminSessions::new(backends),
        }
    }

    /// Opens a link, as [`PairingLinks::open`].
    ///
    /// # Errors
    /// When it is another one's or has ended, or the store fails.
    pub async fn open(
        &self,
        link: &AdminSecret,
        browser: &AdminSecret,
        from: (&Caller, Timestamp),
    ) -> Result<(), PairingError> {
        self.links.open(link, browser, from).await
    }

    /// What a link shows now, to the browser whose cookie is `browser`. Once its session is paired, it ends.
    ///
    /// # Errors
    /// When it is another one's or has ended, or the store fails.
    pub async fn show(
        &self,
        link: &AdminSecret,
        browser: Option<&AdminSecret>,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<PairingShown, PairingError> {
        let Some(session) = self.links.session(link, browser, (caller, now)).await? else {
            return Ok(PairingShown::ToOpen);
        };
        let key = SessionKey::Ours(session.clone());
        let target = match self.sessions.target(&key).await {
            Ok(target) => target,
            Err(ActError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(PairingError::Gone),
        };
        let account = target.account();
        let shown = match self.sessions.pairing(target, now).await {
            Ok(shown) => shown,
            Err(ActError::Store(error)) => return Err(error.into()),
            // The gateway may answer in a moment.
            Err(_) => PairingNow::NoCodeYet,
        };
        if matches!(shown, PairingNow::Paired) {
            self.links.end(link, &session, (caller, now)).await?;
        }
        Ok(PairingShown::Session(account, shown))
    }
}
