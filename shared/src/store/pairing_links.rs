//! The links that show the QR code of one session to whoever holds its phone. They are in the table of operators, under the hash of
//! their secret.
//!
//! Attributes of `pairing#…`: `session`, `expires_at` (TTL, seconds; every condition tests it), `opened_by` (the hash of the cookie
//! of the browser that opened it), `over` once the session was paired, `late`, how many who came after that browser are in the audit.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, Update};

use super::admins::{keep_late, keeps_late};
use super::{Fields, Item, StoreError, Transacted, Write, number, text, transact};
use crate::model::admin::AdminHash;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How long a link works.
pub const PAIRING_LINK_LIFE: Duration = Duration::from_secs(15 * 60);

/// A link as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPairingLink {
    /// The one session that it shows.
    pub session: String,
    /// The hash of the cookie of the browser that opened it.
    pub opened_by: Option<AdminHash>,
    /// Whether the session was paired since.
    pub is_over: bool,
    /// Whether one more who comes too late is kept in the audit.
    pub keeps_late: bool,
    expires_at: Timestamp,
}

impl StoredPairingLink {
    /// Whether it still works, for the browser that opened it or for the first one.
    pub fn lives(&self, now: Timestamp) -> bool {
        !self.is_over && now < self.expires_at
    }
}

/// What came of opening a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOpened {
    /// It is that browser's from now on.
    Now,
    /// It is not: the link as it is.
    Refused(StoredPairingLink),
    /// There is no such link, or none any more.
    Unknown,
}

/// All such links.
#[derive(Clone, Debug)]
pub struct StoredPairingLinks {
    client: Client,
    table: String,
}

impl StoredPairingLinks {
    /// Those of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.admins.clone(),
        }
    }

    /// The link under `hash`, strongly consistent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, hash: &AdminHash) -> Result<Option<StoredPairingLink>, StoreError> {
        const ACT: &str = "read a pairing link";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id(hash)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let read = found.item.as_ref().map(parse);
        read.map(|link| link.ok_or(StoreError::unreadable(ACT, "link")))
            .transpose()
    }

    /// Makes a link of `session` until `ends`, and writes `also`, in one transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn make(
        &self,
        hash: &AdminHash,
        (session, ends): (&str, Timestamp),
        also: Write,
    ) -> Result<(), StoreError> {
        const ACT: &str = "make a pairing link";
        let put = Put::builder()
            .table_name(&self.table)
            .item("id", text(id(hash)))
            .item("session", text(session))
            .item("expires_at", number(ends.seconds()))
            .build()
            .map_err(StoreError::building(ACT))?;
        match transact(ACT, &self.client, vec![Write::put(put), also]).await? {
            Transacted::Done => Ok(()),
            Transacted::Refused(_) => Err(StoreError::overtaken(ACT)),
        }
    }

    /// Gives a link to the browser whose cookie has the hash `browser`, and writes `also`, in one transaction: of two that open it at
    /// once, one gets it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        &self,
        hash: &AdminHash,
        browser: &AdminHash,
        (also, now): (Write, Timestamp),
    ) -> Result<LinkOpened, StoreError> {
        const ACT: &str = "open a pairing link";
        let open = Update::builder()
            .table_name(&self.table)
            .key("id", text(id(hash)))
            .update_expression("SET opened_by = :browser")
            .condition_expression(
                "expires_at > :now AND attribute_not_exists(opened_by) AND attribute_not_exists(#over)",
            )
            .expression_attribute_names("#over", "over")
            .expression_attribute_values(":browser", text(&browser.0))
            .expression_attribute_values(":now", number(now.seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::building(ACT))?;
        let refusals = match transact(ACT, &self.client, vec![Write::update(open), also]).await? {
            Transacted::Done => return Ok(LinkOpened::Now),
            Transacted::Refused(refusals) => refusals,
        };
        let item = refusals.into_iter().next().flatten();
        let item = item.and_then(|refusal| refusal.item);
        let Some(item) = item else {
            return Ok(LinkOpened::Unknown);
        };
        let link = parse(&item).ok_or(StoreError::unreadable(ACT, "link"))?;
        Ok(LinkOpened::Refused(link))
    }

    /// Writes `also`, that somebody came too late with a link, for the first few of each link.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_late(&self, hash: &AdminHash, also: Write) -> Result<(), StoreError> {
        const ACT: &str = "keep that a pairing link was refused";
        keep_late(ACT, (&self.client, &self.table), (id(hash), also)).await
    }

    /// Ends a link whose session was paired, and writes `also`, in one transaction, unless it has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&self, hash: &AdminHash, also: Write) -> Result<(), StoreError> {
        const ACT: &str = "end a pairing link";
        let end = Update::builder()
            .table_name(&self.table)
            .key("id", text(id(hash)))
            .update_expression("SET #over = :yes")
            .condition_expression("attribute_exists(id) AND attribute_not_exists(#over)")
            .expression_attribute_names("#over", "over")
            .expression_attribute_values(":yes", number(1))
            .build()
            .map_err(StoreError::building(ACT))?;
        transact(ACT, &self.client, vec![Write::update(end), also])
            .await
            .map(drop)
    }
}

fn id(hash: &AdminHash) -> String {
    format!("pairing#{}", hash.0)
}

fn parse(item: &Item) -> Option<StoredPairingLink> {
    Some(StoredPairingLink {
        session: item.text("session")?.to_owned(),
        opened_by: item
            .text("opened_by")
            .map(|hash| AdminHash(hash.to_owned())),
        is_over: item.number("over").is_some(),
        keeps_late: keeps_late(item),
        expires_at: Timestamp::from_seconds(item.number("expires_at")?),
    })
}
