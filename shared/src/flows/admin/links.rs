//! One-time links that sign in, for when no code can arrive.
use super::audit::{Audit, AuditEntry, Who};
use super::logins::{AdminLogins, login_of};
use crate::model::admin::{AdminHash, AdminName, AdminSecret};
use crate::model::caller::Caller;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::admins::{ADMIN_LINK_LIFE, LinkUse, StoredAdminLogin};

/// A link that was made.
#[derive(Debug)]
pub struct AdminLink {
    secret: AdminSecret,
    /// When it stops to work.
    pub expires_at: Timestamp,
}

impl AdminLink {
    /// Its path. Whoever has it may sign in once.
    pub fn path(&self) -> String {
        format!("/admin/link/{}", self.secret.expose())
    }
}

/// Why a link opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It was used, has expired, or never was.
    #[error("the link was used or has expired")]
    Gone,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes and uses links.
#[derive(Clone, Debug)]
pub struct AdminLinks {
    logins: AdminLogins,
    audit: Audit,
    entropy: Entropy,
}

impl AdminLinks {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            logins: AdminLogins::new(backends),
            audit: Audit::new(backends),
            entropy: backends.entropy.clone(),
        }
    }

    /// Makes a link. It and its entry in the audit are one transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn make(&self, caller: &Caller, now: Timestamp) -> Result<AdminLink, StoreError> {
        let secret = AdminSecret::draw(&self.entropy);
        let expires_at = now.plus(ADMIN_LINK_LIFE);
        let table = self.logins.table();
        let hash = secret.hash();
        let entry = AuditEntry {
            who: Who::Deployment,
            what: "link-make",
            whom: Some(hash.short()),
            result: "done",
            caller,
        };
        let writes = vec![
            table.making_link(&hash, expires_at)?,
            self.audit.recording(entry, now)?,
        ];
        table.write("make a link for an operator", writes).await?;
        Ok(AdminLink { secret, expires_at })
    }

    /// Signs in with a link, which is used up by it. Answers the cookie of the login. `before` is a login that this one takes the
    /// place of.
    ///
    /// # Errors
    /// When the link opens nothing, or the store fails.
    pub async fn sign_in(
        &self,
        link: &AdminSecret,
        before: Option<&AdminHash>,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<AdminSecret, LinkError> {
        let cookie = AdminSecret::draw(&self.entropy);
        let hash = link.hash();
        let who = AdminName::Link(hash.short().to_owned());
        let table = self.logins.table();
        // Anybody can make links up: they fill the log, not the audit.
        let stored = table.link(&hash).await?.ok_or(LinkError::Gone)?;
        let login = StoredAdminLogin {
            link_made_at: Some(stored.made_at),
            ..login_of(&cookie, who, now)
        };
        let entry = AuditEntry {
            who: Who::Admin(&login.who, &login.hash),
            what: "link-use",
            whom: Some(hash.short()),
            result: "done",
            caller,
        };
        let also = vec![table.opening(&login)?, self.audit.recording(entry, now)?];
        let used = if stored.is_over {
            LinkUse::Over
        } else {
            table.use_link(&hash, also, now).await?
        };
        match used {
            LinkUse::Done => {}
            LinkUse::Over => {
                self.keep_late(&hash, (entry, now)).await?;
                return Err(LinkError::Gone);
            }
            LinkUse::Unknown => return Err(LinkError::Gone),
        }
        if let Some(before) = before {
            self.logins.replace(before).await;
        }
        Ok(cookie)
    }

    /// Keeps that somebody came too late: it may be the owner, and the first one a thief.
    async fn keep_late(
        &self,
        hash: &AdminHash,
        (entry, now): (AuditEntry<'_>, Timestamp),
    ) -> Result<(), StoreError> {
        let late = AuditEntry {
            who: Who::Unknown,
            result: "used or expired",
            ..entry
        };
        let late = self.audit.recording(late, now)?;
        self.logins.table().keep_late(hash, late).await
    }
}
