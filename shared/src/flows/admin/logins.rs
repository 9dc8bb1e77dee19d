//! The logins of operators: what a cookie opens, and how it ends.
use std::time::Duration;

use super::audit::{Audit, AuditEntry, Who};
use crate::model::admin::{AdminHash, AdminName, AdminPhones, AdminSecret, CsrfToken};
use crate::model::caller::Caller;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::admins::{Admins, StoredAdminLogin};

/// How long after signing in somebody may do what needs a fresh proof.
pub const PROOF_LIFE: Duration = Duration::from_secs(10 * 60);

/// Why a cookie opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum AdminLoginError {
    /// There is none, its login has ended, or its phone is no operator's any more.
    #[error("nobody is signed in")]
    SignedOut,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who is signed in as an operator.
#[derive(Clone, Debug)]
pub struct AdminLogin {
    /// Who it is.
    pub who: AdminName,
    /// When they proved it last. Who proves it again gets another login.
    pub proved_at: Timestamp,
    /// What their forms have to bring.
    pub csrf: CsrfToken,
    /// What the store knows the login by.
    pub hash: AdminHash,
}

impl AdminLogin {
    /// Whether they may do what needs a fresh proof.
    pub fn proved_lately(&self, now: Timestamp) -> bool {
        now < self.proved_at.plus(PROOF_LIFE)
    }

    /// Who they are, for the audit.
    pub const fn as_who(&self) -> Who<'_> {
        Who::Admin(&self.who, &self.hash)
    }
}

/// How much signing out ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminSignOut {
    /// This login.
    ThisLogin,
    /// Every login of the same operator.
    Everywhere,
}

/// The logins of operators.
#[derive(Clone, Debug)]
pub struct AdminLogins {
    table: Admins,
    phones: AdminPhones,
    audit: Audit,
}

impl AdminLogins {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            table: Admins::new(backends),
            phones: backends.settings.admins.clone(),
            audit: Audit::new(backends),
        }
    }

    /// Who has `cookie`.
    ///
    /// # Errors
    /// When nobody is signed in with it, or the store fails.
    pub async fn current(
        &self,
        cookie: Option<&AdminSecret>,
        now: Timestamp,
    ) -> Result<AdminLogin, AdminLoginError> {
        let cookie = cookie.ok_or(AdminLoginError::SignedOut)?;
        let found = self.table.login(&cookie.hash(), now).await?;
        let login = found.filter(|login| self.may_sign_in(&login.who));
        let login = login.ok_or(AdminLoginError::SignedOut)?;
        Ok(AdminLogin {
            who: login.who,
            proved_at: login.opened_at,
            csrf: cookie.csrf(),
            hash: login.hash,
        })
    }

    /// Ends a login, or all of its operator.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out(
        &self,
        login: &AdminLogin,
        how: AdminSignOut,
        (caller, now): (&Caller, Timestamp),
    ) -> Result<(), StoreError> {
        let what = match how {
            AdminSignOut::ThisLogin => "sign-out",
            AdminSignOut::Everywhere => {
                self.table.close_all(&login.who, now).await?;
                "sign-out-everywhere"
            }
        };
        self.table.close(&login.hash).await?;
        let entry = AuditEntry {
            who: login.as_who(),
            what,
            whom: None,
            result: "done",
            caller,
        };
        self.audit.record(entry, now).await
    }

    /// Ends the login that another one took the place of. A failure is logged: it ends by itself.
    pub(super) async fn replace(&self, login: &AdminHash) {
        if let Err(error) = self.table.close(login).await {
            tracing::error!(error = %Chain(&error), "a login that was replaced lives on");
        }
    }

    /// Where logins and links are kept.
    pub(super) const fn table(&self) -> &Admins {
        &self.table
    }

    fn may_sign_in(&self, who: &AdminName) -> bool {
        match who {
            AdminName::Phone(phone) => self.phones.contains(phone),
            AdminName::Link(_) => true,
        }
    }
}

/// A login as it is stored, of whoever gets `cookie`.
pub(super) fn login_of(cookie: &AdminSecret, who: AdminName, now: Timestamp) -> StoredAdminLogin {
    StoredAdminLogin {
        hash: cookie.hash(),
        who,
        opened_at: now,
        link_made_at: None,
    }
}
