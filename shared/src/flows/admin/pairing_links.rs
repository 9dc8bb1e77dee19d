//! Links that show the QR code of one session, so that whoever holds its phone can scan it without an account. Each works for the
//! first browser that opens it, for a quarter of an hour, until the session is paired.
use super::audit::{Audit, AuditEntry, Who};
use crate::model::admin::{AdminHash, AdminSecret};
use crate::model::caller::Caller;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::pairing_links::{
    LinkOpened, PAIRING_LINK_LIFE, StoredPairingLink, StoredPairingLinks,
};

/// A link that was made.
#[derive(Debug)]
pub struct PairingLink {
    secret: AdminSecret,
    /// When it stops to work.
    pub expires_at: Timestamp,
}

impl PairingLink {
    /// Its path. Whoever opens it first sees the code.
    pub fn path(&self) -> String {
        path_of(&self.secret)
    }

    /// What it is known by to whoever shows it.
    pub const fn secret(&self) -> &AdminSecret {
        &self.secret
    }
}

/// The path of the link whose secret is `secret`.
pub fn path_of(secret: &AdminSecret) -> String {
    format!("/admin/pairing/{}", secret.expose())
}

/// Why a link shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// Another browser has opened it.
    #[error("another browser has opened the link")]
    Used,
    /// It has expired, its session was paired, or it never was.
    #[error("the link has ended")]
    Gone,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes and opens links.
#[derive(Clone, Debug)]
pub struct PairingLinks {
    table: StoredPairingLinks,
    audit: Audit,
    entropy: Entropy,
}

impl PairingLinks {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            table: StoredPairingLinks::new(backends),
            audit: Audit::new(backends),
            entropy: backends.entropy.clone(),
        }
    }

    /// Makes a link of the session called `session`. It and its entry in the audit are one transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn make(
        &self,
        session: &str,
        who: Who<'_>,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<PairingLink, StoreError> {
        let secret = AdminSecret::draw(&self.entropy);
        let expires_at = now.plus(PAIRING_LINK_LIFE);
        let entry = AuditEntry {
            who,
            what: "pairing-link-make",
            whom: Some(session),
            result: "done",
            caller,
        };
        let also = self.audit.recording(entry, now)?;
        let link = (session, expires_at);
        self.table.make(&secret.hash(), link, also).await?;
        Ok(PairingLink { secret, expires_at })
    }

    /// Opens a link for the browser whose cookie is `browser`. Opened twice by the same one, it is open.
    ///
    /// # Errors
    /// When it is another one's or has ended, or the store fails.
    pub async fn open(
        &self,
        link: &AdminSecret,
        browser: &AdminSecret,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<(), PairingError> {
        let (hash, browser) = (link.hash(), browser.hash());
        let found = self.table.read(&hash).await?.ok_or(PairingError::Gone)?;
        let entry = |result| AuditEntry {
            who: Who::LinkHolder(&browser),
            what: "pairing-link-open",
            whom: Some(&found.session),
            result,
            caller,
        };
        let also = self.audit.recording(entry("done"), now)?;
        let link = match self.table.open(&hash, &browser, (also, now)).await? {
            LinkOpened::Now => return Ok(()),
            LinkOpened::Unknown => return Err(PairingError::Gone),
            LinkOpened::Refused(link) => link,
        };
        let refused = match check(&link, Some(&browser), now) {
            Ok(_) => return Ok(()),
            Err(refused) => refused,
        };
        self.keep_late(&hash, (entry("used or expired"), now))
            .await?;
        Err(refused)
    }

    /// The session of a link, for the browser whose cookie is `browser`; nothing while nobody has opened it. Other browsers
    /// that come after that are kept in the audit, the first few.
    ///
    /// # Errors
    /// When it is another one's or has ended, or the store fails.
    pub async fn session(
        &self,
        link: &AdminSecret,
        browser: Option<&AdminSecret>,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<Option<String>, PairingError> {
        let hash = link.hash();
        let found = self.table.read(&hash).await?;
        let found = found.ok_or(PairingError::Gone)?;
        let browser = browser.map(AdminSecret::hash);
        match check(&found, browser.as_ref(), now) {
            Ok(()) => {}
            Err(error) => {
                if matches!(error, PairingError::Used) && found.keeps_late {
                    let late = AuditEntry {
                        who: Who::Unknown,
                        what: "pairing-link-open",
                        whom: Some(&found.session),
                        result: "used or expired",
                        caller,
                    };
                    self.keep_late(&hash, (late, now)).await?;
                }
                return Err(error);
            }
        }
        Ok(found.opened_by.is_some().then_some(found.session))
    }

    /// Keeps that somebody came too late: it may be whoever holds the phone, and the first one a thief.
    async fn keep_late(
        &self,
        hash: &AdminHash,
        (entry, now): (AuditEntry<'_>, Timestamp),
    ) -> Result<(), StoreError> {
        let also = self.audit.recording(entry, now)?;
        self.table.keep_late(hash, also).await
    }

    /// Ends the link of a session that was paired.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(
        &self,
        link: &AdminSecret,
        session: &str,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<(), StoreError> {
        let hash = link.hash();
        let entry = AuditEntry {
            who: Who::Unknown,
            what: "pairing-link-paired",
            whom: Some(session),
            result: "done",
            caller,
        };
        let also = self.audit.recording(entry, now)?;
        self.table.end(&hash, also).await
    }
}

/// Whether `link` is there for the browser whose cookie has the hash `browser`. An unopened one is there for all.
fn check(
    link: &StoredPairingLink,
    browser: Option<&AdminHash>,
    now: Timestamp,
) -> Result<(), PairingError> {
    if !link.lives(now) {
        return Err(PairingError::Gone);
    }
    match &link.opened_by {
        Some(opened_by) if Some(opened_by) != browser => Err(PairingError::Used),
        _ => Ok(()),
    }
}
