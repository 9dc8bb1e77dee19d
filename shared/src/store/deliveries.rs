//! What became of each message: one item per message id, for thirty days.
//!
//! Attributes of the send: `message_id` (key), `purpose`, `phone` (masked), `session`, `tried` (every session that it was tried
//! on), `outcome`, `reason`, `chat_offered` (true, or not there), `steps`, `at`, `expires_at`; and what it is found by: `phone_hash`, `request_id`, `payment`. Of what
//! came back: `delivered_at` and `read_at`, each the earliest time that was told.
//!
//! The index `by_phone` lists the messages of a `phone_hash` by `at`. A receipt without a record is not in it. The messages of a
//! request are in an item of their own: `message_id` (`request#` and the request's id), `messages` (set), `expires_at`. It is no
//! second index because CloudFormation adds one in an update, and no more; it costs the same.
//!
//! A receipt can come before the record, which is written when the send has ended. Then it waits in an item of its own, with
//! the session that told it (`told_by`), until the record is written over it, or for an hour.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use self::phone_hash::phone_hash;
use super::batch::Read;
use super::{Fields, Item, StoreError, condition_failed, number, text};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How the table knows a phone.
mod phone_hash;

/// Finding messages by their phone or request.
pub mod search;

const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a receipt waits for the record of its message.
const WAITS: Duration = Duration::from_secs(60 * 60);

/// The story of one message, as it is kept.
#[derive(Clone, Debug)]
pub struct DeliveryItem<'a> {
    /// The message id, which receipts name.
    pub message_id: &'a str,
    /// What the message was for.
    pub purpose: &'a str,
    /// The recipient. What is kept is the masked number, and a hash to find it by.
    pub phone: &'a Phone,
    /// What made it go out.
    pub cause: &'a Cause,
    /// The session it was sent from.
    pub session: &'a str,
    /// Every session that it was tried on: their receipts count.
    pub tried: Vec<&'a str>,
    /// How it ended, in one word.
    pub outcome: &'a str,
    /// Why it was not sent.
    pub reason: Option<&'a str>,
    /// What was done, in order, and the milliseconds that it took.
    pub steps: Vec<(&'a str, u64)>,
    /// Whether the recipient was offered a chat, to write first.
    pub chat_offered: bool,
    /// When it began.
    pub at: Timestamp,
}

/// What made a message go out, for whoever looks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Lambda's id of the request, where one waited for the message.
    pub request_id: Option<String>,
    /// The payment that it tells of.
    pub payment: Option<String>,
}

impl Cause {
    /// The request of that id; none where the id is empty.
    pub fn request(id: &str) -> Self {
        Self {
            request_id: Some(id.to_owned()).filter(|id| !id.is_empty()),
            payment: None,
        }
    }
}

/// The table of deliveries.
#[derive(Clone, Debug)]
pub struct Deliveries {
    dynamodb: Client,
    table: String,
}

impl Deliveries {
    /// The table called `table`.
    pub const fn new(dynamodb: Client, table: String) -> Self {
        Self { dynamodb, table }
    }

    /// The table of `backends`.
    pub fn of(backends: &Backends) -> Self {
        let table = backends.settings.tables.deliveries.clone();
        Self::new(backends.dynamodb.clone(), table)
    }

    /// Keeps a delivery. The same message id again replaces what was kept of the send, and nothing of what came back. Answers
    /// when it was delivered, if a receipt has waited for this record.
    ///
    /// One conditional update; another one where a session told of the message that it was not sent from, which is forgotten.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, delivery: DeliveryItem<'_>) -> Result<Option<Timestamp>, StoreError> {
        const ACT: &str = "keep the delivery";
        let genuine = self.keeping(&delivery, "told_by");
        let genuine = if_told_by(genuine, &delivery.tried).return_values(ReturnValue::AllOld);
        match genuine.send().await {
            Ok(answer) => {
                let waited = answer.attributes.filter(|item| !is_record(item));
                Ok(waited.and_then(|item| delivered_at(&item)))
            }
            Err(error) => {
                condition_failed(ACT, error)?;
                let told = "told_by, delivered_at, read_at";
                let kept = self.keeping(&delivery, told).send().await;
                kept.map_err(StoreError::during(ACT))?;
                Ok(None)
            }
        }
    }

    /// The update that writes the record of `delivery` and takes `forgotten` away.
    fn keeping(&self, delivery: &DeliveryItem<'_>, forgotten: &str) -> UpdateItemFluentBuilder {
        const SET: &str = "SET purpose = :purpose, phone = :phone, #session = :session, outcome = :outcome, \
                           steps = :steps, #at = :at, expires_at = :expires_at, phone_hash = :phone_hash";
        let (mut set, mut removed) = (SET.to_owned(), forgotten.to_owned());
        let mut update = self.update(delivery.message_id);
        for (name, value) in [
            ("reason", delivery.reason),
            ("request_id", delivery.cause.request_id.as_deref()),
            ("payment", delivery.cause.payment.as_deref()),
        ] {
            match value {
                Some(value) => {
                    set += &format!(", {name} = :{name}");
                    update = update.expression_attribute_values(format!(":{name}"), text(value));
                }
                None => removed += &format!(", {name}"),
            }
        }
        if delivery.chat_offered {
            set += ", chat_offered = :chat_offered";
            let offered = AttributeValue::Bool(true);
            update = update.expression_attribute_values(":chat_offered", offered);
        } else {
            removed += ", chat_offered";
        }
        let update = update.update_expression(format!("{set} REMOVE {removed} ADD tried :tried"));
        let tried = delivery.tried.iter().map(|name| (*name).to_owned());
        let ends = delivery.at.plus(LIFE).seconds_up();
        update
            .expression_attribute_names("#session", "session")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":purpose", text(delivery.purpose))
            .expression_attribute_values(":phone", text(delivery.phone.to_string()))
            .expression_attribute_values(":phone_hash", text(phone_hash(delivery.phone)))
            .expression_attribute_values(":session", text(delivery.session))
            .expression_attribute_values(":tried", AttributeValue::Ss(tried.collect()))
            .expression_attribute_values(":outcome", text(delivery.outcome))
            .expression_attribute_values(":steps", list_of_steps(&delivery.steps))
            .expression_attribute_values(":at", number(delivery.at.millis()))
            .expression_attribute_values(":expires_at", number(ends))
    }

    /// When the message was delivered, as far as its record says: a read, to be made together with others.
    pub fn reading_delivered_at(&self, message_id: &str) -> Read<Option<Timestamp>> {
        Read::new(&self.table, "message_id", message_id, |item| {
            Ok(item.and_then(delivered_at))
        })
    }

    /// Which session the message was sent from and when it was delivered, if it has a record: a read, to be made together with
    /// others.
    pub fn reading_arrival(&self, message_id: &str) -> Read<Option<Arrival>> {
        Read::new(&self.table, "message_id", message_id, |item| {
            Ok(item.and_then(Arrival::of))
        })
    }

    /// Keeps that the message was on the phone at that time, unless an earlier one is kept. Answers when the message began, if
    /// its record says so for the first time. One conditional update.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_delivered(&self, told: Told<'_>) -> Result<Option<Timestamp>, StoreError> {
        let update = self.telling(told, "delivered_at", "SET delivered_at = :at");
        let before = before("keep that a message was delivered", update).await?;
        Ok(before.begun_if_first())
    }

    /// Keeps that the message was read at that time, unless an earlier one is kept; so it was delivered by then. Answers like
    /// [`record_delivered`](Self::record_delivered). One conditional update, and another one where it was said to be delivered
    /// after that.
    ///
    /// # Errors
    /// When the store fails. It may be half done then; asked for again, it is wholly done.
    pub async fn record_read(&self, told: Told<'_>) -> Result<Option<Timestamp>, StoreError> {
        const SET: &str = "SET read_at = :at, delivered_at = if_not_exists(delivered_at, :at)";
        let update = self.telling(told, "read_at", SET);
        let before = before("keep that a message was read", update).await?;
        if delivered_at(&before.item).is_some_and(|delivered| told.at < delivered) {
            return self.record_delivered(told).await;
        }
        Ok(before.begun_if_first())
    }

    /// An update that is refused where the message is not one of whoever tells of it, or its `time` is not after that.
    fn telling(&self, told: Told<'_>, time: &str, set: &str) -> UpdateItemFluentBuilder {
        const RECORD: &str = "attribute_exists(#session)";
        const OF_SESSION: &str =
            "#session = :told_by OR contains(tried, :told_by) OR told_by = :told_by";
        const UNKNOWN: &str = "attribute_not_exists(message_id)";
        let update = self
            .update(told.message_id)
            .expression_attribute_names("#session", "session")
            .expression_attribute_names("#time", time)
            .expression_attribute_values(":at", number(told.at.millis()))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let earlier = "attribute_not_exists(#time) OR #time > :at";
        let (whose, set, update) = match told.by {
            By::Owner => (RECORD.to_owned(), set.to_owned(), update),
            By::Session(name) => (
                OF_SESSION.to_owned(),
                set.to_owned(),
                update.expression_attribute_values(":told_by", text(name)),
            ),
            By::SessionEarly(name) => (
                format!("{UNKNOWN} OR {OF_SESSION}"),
                format!(
                    "{set}, told_by = if_not_exists(told_by, :told_by), \
                     expires_at = if_not_exists(expires_at, :until)"
                ),
                update
                    .expression_attribute_values(":told_by", text(name))
                    .expression_attribute_values(
                        ":until",
                        number(told.at.plus(WAITS).seconds_up()),
                    ),
            ),
        };
        update
            .condition_expression(format!("({whose}) AND ({earlier})"))
            .update_expression(set)
    }

    /// An update of the item of a message, to be completed.
    fn update(&self, message_id: &str) -> UpdateItemFluentBuilder {
        self.dynamodb
            .update_item()
            .table_name(&self.table)
            .key("message_id", text(message_id))
    }
}

/// Refuses `update` where only a session has told of the message that is not among `tried`.
fn if_told_by(update: UpdateItemFluentBuilder, tried: &[&str]) -> UpdateItemFluentBuilder {
    let mut condition = "attribute_exists(#session) OR attribute_not_exists(told_by)".to_owned();
    let mut update = update;
    for (number, name) in tried.iter().enumerate() {
        condition += &format!(" OR told_by = :tried{number}");
        update = update.expression_attribute_values(format!(":tried{number}"), text(*name));
    }
    update.condition_expression(condition)
}

fn list_of_steps(steps: &[(&str, u64)]) -> AttributeValue {
    let steps = steps.iter().map(|(what, elapsed_ms)| {
        let elapsed_ms = i64::try_from(*elapsed_ms).unwrap_or(i64::MAX);
        AttributeValue::M(Item::from([
            ("what".into(), text(*what)),
            ("elapsed_ms".into(), number(elapsed_ms)),
        ]))
    });
    AttributeValue::L(steps.collect())
}

/// What somebody knows of a message.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The message.
    pub message_id: &'a str,
    /// Who knows it.
    pub by: By<'a>,
    /// When it happened.
    pub at: Timestamp,
}

/// Who knows that a message arrived.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Whoever typed the code in it. Counts for a message that has a record.
    Owner,
    /// The receipt of a session. Counts for a message of that session.
    Session(&'a str),
    /// The same so soon that the message may have no record yet. Then it waits for the record.
    SessionEarly(&'a str),
}

/// What the record of a message says of its arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The session that the message was sent from.
    pub session: String,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
}

/// All that is kept of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDelivery {
    /// The message id.
    pub message_id: String,
    /// What the message was for.
    pub purpose: String,
    /// The recipient, masked.
    pub phone: String,
    /// The payment that it tells of.
    pub payment: Option<String>,
    /// The request that waited for it.
    pub request_id: Option<String>,
    /// The session that it was sent from.
    pub session: String,
    /// How it ended, in one word.
    pub outcome: String,
    /// Why it was not sent.
    pub reason: Option<String>,
    /// What was done, in order, and the milliseconds that it took.
    pub steps: Vec<(String, u64)>,
    /// Whether the recipient was offered a chat, to write first.
    pub chat_offered: bool,
    /// When it began.
    pub at: Timestamp,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
    /// When it was read.
    pub read_at: Option<Timestamp>,
}

impl StoredDelivery {
    /// The record in `item`; `None` where that is a receipt without one.
    fn of(item: &Item) -> Option<Self> {
        let words = |name| item.text(name).map(str::to_owned);
        let time = |name| item.number(name).map(Timestamp::from_millis);
        let steps = item.get("steps").and_then(|steps| steps.as_l().ok());
        let step = |step: &AttributeValue| {
            let step = step.as_m().ok()?;
            let elapsed_ms = u64::try_from(step.number("elapsed_ms")?).ok()?;
            Some((step.text("what")?.to_owned(), elapsed_ms))
        };
        Some(Self {
            message_id: words("message_id")?,
            purpose: words("purpose")?,
            phone: words("phone")?,
            payment: words("payment"),
            request_id: words("request_id"),
            session: words("session")?,
            outcome: words("outcome")?,
            reason: words("reason"),
            steps: steps.into_iter().flatten().filter_map(step).collect(),
            chat_offered: item.contains_key("chat_offered"),
            at: time("at")?,
            delivered_at: time("delivered_at"),
            read_at: time("read_at"),
        })
    }
}

impl Arrival {
    fn of(item: &Item) -> Option<Self> {
        Some(Self {
            session: item.text("session")?.to_owned(),
            delivered_at: delivered_at(item),
        })
    }
}

/// Whether the item is a record, and not a receipt that waits for one.
fn is_record(item: &Item) -> bool {
    item.contains_key("session")
}

fn delivered_at(item: &Item) -> Option<Timestamp> {
    item.number("delivered_at").map(Timestamp::from_millis)
}

/// An item as it was before an update, or as it refused it; an empty one where there was none.
struct Before {
    item: Item,
    refused: bool,
}

impl Before {
    /// When the message of the record began, if that said nothing of an arrival and does now.
    fn begun_if_first(&self) -> Option<Timestamp> {
        let Self { item, refused } = self;
        let first = !refused && is_record(item) && delivered_at(item).is_none();
        let begun = item.number("at").filter(|_| first);
        begun.map(Timestamp::from_millis)
    }
}

async fn before(act: &'static str, update: UpdateItemFluentBuilder) -> Result<Before, StoreError> {
    let (item, refused) = match update.send().await {
        Ok(answer) => (answer.attributes, false),
        Err(error) => (condition_failed(act, error)?, true),
    };
    Ok(Before {
        item: item.unwrap_or_default(),
        refused,
    })
}
