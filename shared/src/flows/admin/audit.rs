//! What is kept of what operators do: who, what, whom, from where, and what came of it.
use crate::model::admin::{AdminHash, AdminName};
use crate::model::caller::Caller;
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
pub use crate::store::audit::AuditKey;
use crate::store::audit::{AuditTable, StoredAudit, end_of_day_before};
use crate::store::{StoreError, Write};

/// How many entries a page has at most.
pub const ENTRIES_PER_PAGE: usize = 50;

/// How many days one page is looked for in at most.
const DAYS_PER_PAGE: usize = 31;

/// Who did something, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// An operator who is signed in.
    Admin(&'a AdminName, &'a AdminHash),
    /// Whoever gave this phone, without a proof that it is theirs.
    Claimed(&'a Phone),
    /// Whoever may call the functions of the stack, or write its tables.
    Deployment,
    /// The browser of whoever had a link, by the hash of its cookie.
    LinkHolder(&'a AdminHash),
    /// The monitor, which looks at the sessions each minute.
    Monitor,
    /// Nobody knows.
    Unknown,
}

/// What somebody did.
#[derive(Clone, Copy, Debug)]
pub struct AuditEntry<'a> {
    /// Who did it.
    pub who: Who<'a>,
    /// What was done: a few words with dashes between them, such as `sign-in`.
    pub what: &'a str,
    /// To whom or what, such as the name of a session. A phone is masked.
    pub whom: Option<&'a str>,
    /// What came of it: `done`, or the code of the refusal.
    pub result: &'a str,
    /// Who asked for it.
    pub caller: &'a Caller,
}

/// Entries, the latest first.
#[derive(Debug)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<StoredAudit>,
    /// Where older ones begin, if there may be any.
    pub older: Option<AuditKey>,
}

/// The audit.
#[derive(Clone, Debug)]
pub struct Audit {
    table: AuditTable,
    entropy: Entropy,
}

impl Audit {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            table: AuditTable::new(backends),
            entropy: backends.entropy.clone(),
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When the store fails. What the entry tells of may have happened.
    pub async fn record(&self, entry: AuditEntry<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.table.add(&self.stored(&entry, now)).await
    }

    /// The write of an entry, for the transaction that does what it tells of: neither is there without the other.
    ///
    /// # Errors
    /// When the write cannot be built.
    pub fn recording(&self, entry: AuditEntry<'_>, now: Timestamp) -> Result<Write, StoreError> {
        self.table.adding(&self.stored(&entry, now))
    }

    /// The last entries before `before`, or the last ones of all. When a month has none, the page says where to go on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn page(
        &self,
        before: Option<&AuditKey>,
        now: Timestamp,
    ) -> Result<AuditPage, StoreError> {
        let latest = AuditKey::new(now, u64::MAX);
        let mut from = before.unwrap_or(&latest).clone();
        let mut entries = Vec::new();
        for _ in 0..DAYS_PER_PAGE {
            let wanted = ENTRIES_PER_PAGE - entries.len();
            let most = i32::try_from(wanted).unwrap_or(i32::MAX);
            let found = self.table.of_day(&from, most, now).await?;
            entries.extend(found);
            if let Some(last) = entries.last().filter(|_| entries.len() >= ENTRIES_PER_PAGE) {
                let older = Some(last.key.clone());
                return Ok(AuditPage { entries, older });
            }
            from = end_of_day_before(&from);
        }
        let kept = now < from.at().plus(crate::store::audit::AUDIT_LIFE);
        Ok(AuditPage {
            entries,
            older: kept.then_some(from),
        })
    }

    fn stored(&self, entry: &AuditEntry<'_>, now: Timestamp) -> StoredAudit {
        let (who, login) = match entry.who {
            Who::Admin(name, login) => (name.to_string(), Some(login.short().to_owned())),
            Who::Claimed(phone) => (format!("unproven {phone}"), None),
            Who::Deployment => ("deployment".to_owned(), None),
            Who::LinkHolder(browser) => ("link".to_owned(), Some(browser.short().to_owned())),
            Who::Monitor => ("monitor".to_owned(), None),
            Who::Unknown => ("unknown".to_owned(), None),
        };
        let caller = entry.caller;
        let address = caller.remote_ip.map(|address| address.to_string());
        StoredAudit {
            key: AuditKey::new(now, u64::from_be_bytes(self.entropy.bytes())),
            who,
            login,
            what: entry.what.to_owned(),
            whom: entry.whom.map(str::to_owned),
            result: entry.result.to_owned(),
            address: address.unwrap_or_else(|| caller.address.to_string()),
            request_id: caller.request_id.clone(),
        }
    }
}
