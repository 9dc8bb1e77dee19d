//! The payments and their notices: one partition for each payment, so that one read tells its whole story.
//!
//! Key: `payment_id`, and `item`, which is `payment`, `notice#…` or `key#…`. What is still to be done is in the index `due`, by
//! `queue` (`facts` or `reminders`) and `due_at` (milliseconds); a notice that has ended leaves it. So looking for due notices
//! costs what is due, not what is stored. One that ended unsent is in the queue `dead`, by the time of its end.
//! The payments themselves are in the index `by_phone`, so that an operator can erase them.
//!
//! Attributes of a payment: `phone`, `details` (a map), `pay_by`, `phase`, `in_flight`, `in_flight_until`. Of a notice: see `item.rs`. Of a
//! caller's own key: `notice`, `body_hash`. All have `expires_at` (TTL, seconds).
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use self::item::{ITEM, KEY_PREFIX, NOTICE_PREFIX, PAYMENT, read_notice, read_payment};
use super::{Fields, Item, StoreError, number, text};
use crate::model::notice::{Notice, NoticeId, Priority, Story};
use crate::model::payment::PaymentId;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How the items are kept.
mod item;

/// Accepting an event.
pub mod accept;

/// Sending a notice: who does it, and how it ended.
pub mod claims;

/// Erasing the payments of a phone.
pub mod erasure;

/// What operators do with notices.
pub mod operators;

/// How long a payment is kept after its last event.
const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The queue of notices that ended unsent. They stay in the index until an operator has them sent or lets them be.
const DEAD: &str = "dead";

/// The index of what is to be done.
const DUE: &str = "due";

/// The table of payments.
#[derive(Clone, Debug)]
pub struct Payments {
    client: Client,
    table: String,
}

/// What is kept under a payment's name.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The payment and its notices.
    pub story: Story,
    /// The keys that callers gave to events, and the notices that these became.
    pub keys: Vec<GivenKey>,
}

/// A key that a caller gave to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenKey {
    /// The hash of the key, its caller and its route.
    pub hash: String,
    /// The notice.
    pub notice: NoticeId,
    /// The hash of the event's body.
    pub body_hash: String,
}

/// A notice that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Due {
    /// Its payment.
    pub payment: PaymentId,
    /// Its name.
    pub notice: NoticeId,
    /// Since when.
    pub due_at: Timestamp,
    /// From when on it may be sent.
    pub not_before: Timestamp,
    /// Until when it is of use.
    pub deliver_by: Timestamp,
}

impl Due {
    /// How far it is through its time at `now`, in hundredths.
    pub fn share(&self, now: Timestamp) -> u8 {
        let whole = self.deliver_by.since(self.not_before).as_millis().max(1);
        let past = now.since(self.not_before).as_millis();
        u8::try_from(past * 100 / whole).unwrap_or(u8::MAX)
    }
}

impl Payments {
    /// The payments of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.payments.clone(),
        }
    }

    /// What is kept under the name `id`, strongly consistent; `None` when there is no such payment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, id: &PaymentId) -> Result<Option<Kept>, StoreError> {
        const ACT: &str = "read the payment";
        let items = all(ACT, self.query_items(id)).await?;
        kept(&items).map_err(|attribute| StoreError::unreadable(ACT, attribute))
    }

    /// The first `most` notices of `priority` that are due at `now`. The index may lag: each of them is read again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(
        &self,
        priority: Priority,
        now: Timestamp,
        most: i32,
    ) -> Result<Vec<Due>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE)
            .limit(most)
            .key_condition_expression("queue = :queue AND due_at <= :now")
            .expression_attribute_values(":queue", text(priority.name()))
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await
            .map_err(StoreError::during("look for due notices"))?;
        let items = found.items.unwrap_or_default();
        Ok(items.iter().filter_map(due).collect())
    }

    /// The query of all items of a payment, strongly consistent.
    fn query_items(&self, id: &PaymentId) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("payment_id = :id")
            .expression_attribute_values(":id", text(id.as_str()))
    }

    fn key(payment: &PaymentId, item: impl Into<String>) -> [(String, AttributeValue); 2] {
        [
            ("payment_id".into(), text(payment.as_str())),
            (ITEM.into(), text(item)),
        ]
    }
}

/// The items of all pages of `query`.
async fn all(act: &'static str, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
    let mut pages = query.into_paginator().items().send();
    let mut items = Vec::new();
    while let Some(item) = pages.next().await {
        items.push(item.map_err(StoreError::during(act))?);
    }
    Ok(items)
}

fn due(item: &Item) -> Option<Due> {
    let time = |name| item.number(name).map(Timestamp::from_millis);
    let notice = item.text(ITEM)?.strip_prefix(NOTICE_PREFIX)?;
    Some(Due {
        payment: PaymentId::parse(item.text("payment_id")?)?,
        notice: NoticeId::stored(notice),
        due_at: time("due_at")?,
        not_before: time("not_before")?,
        deliver_by: time("deliver_by")?,
    })
}

/// The items of one payment, or the attribute that cannot be read.
fn kept(items: &[Item]) -> Result<Option<Kept>, &'static str> {
    let (mut payment, mut notices, mut keys) = (None, Vec::new(), Vec::new());
    for item in items {
        let name = item.text(ITEM).ok_or(ITEM)?;
        if name == PAYMENT {
            payment = Some(read_payment(item).ok_or(PAYMENT)?);
        } else if name.starts_with(NOTICE_PREFIX) {
            notices.push(read_notice(item).ok_or("notice")?);
        } else if let Some(hash) = name.strip_prefix(KEY_PREFIX) {
            keys.push(given_key(hash, item).ok_or("key")?);
        }
    }
    notices
        .sort_by_key(|notice: &Notice| (notice.accepted_at, notice.not_before, notice.id.clone()));
    Ok(payment.map(|payment| Kept {
        story: Story { payment, notices },
        keys,
    }))
}

fn given_key(hash: &str, item: &Item) -> Option<GivenKey> {
    Some(GivenKey {
        hash: hash.to_owned(),
        notice: NoticeId::stored(item.text("notice")?),
        body_hash: item.text("body_hash")?.to_owned(),
    })
}
