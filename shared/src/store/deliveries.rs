//! What became of each message: one item per message id, for thirty days.
//!
//! Attributes of the send: `message_id` (key), `purpose`, `phone` (masked), `session`, `outcome`, `reason`, `steps`, `at`,
//! `expires_at`. Of what came back: `delivered_at` and `read_at`, each the earliest time that was told.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::batch::Read;
use super::{Fields, Item, StoreError, condition_failed, number, text};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The story of one message, as it is kept.
#[derive(Clone, Debug)]
pub struct DeliveryItem<'a> {
    /// The message id, which receipts name.
    pub message_id: &'a str,
    /// What the message was for.
    pub purpose: &'a str,
    /// The recipient, masked.
    pub phone: String,
    /// The session it was sent from.
    pub session: &'a str,
    /// How it ended, in one word.
    pub outcome: &'a str,
    /// Why it was not sent.
    pub reason: Option<&'a str>,
    /// What was done, in order, and the milliseconds that it took.
    pub steps: Vec<(&'a str, u64)>,
    /// When it began.
    pub at: Timestamp,
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

    /// Keeps a delivery. The same message id again replaces what was kept of the send, and nothing of what came back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, delivery: DeliveryItem<'_>) -> Result<(), StoreError> {
        const SET: &str = "SET purpose = :purpose, phone = :phone, #session = :session, outcome = :outcome, \
                           steps = :steps, #at = :at, expires_at = :expires_at";
        let update = self.update(delivery.message_id);
        let update = match delivery.reason {
            Some(reason) => update
                .update_expression(format!("{SET}, reason = :reason"))
                .expression_attribute_values(":reason", text(reason)),
            None => update.update_expression(format!("{SET} REMOVE reason")),
        };
        let ends = delivery.at.plus(LIFE).seconds_up();
        update
            .expression_attribute_names("#session", "session")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":purpose", text(delivery.purpose))
            .expression_attribute_values(":phone", text(delivery.phone))
            .expression_attribute_values(":session", text(delivery.session))
            .expression_attribute_values(":outcome", text(delivery.outcome))
            .expression_attribute_values(":steps", list_of_steps(&delivery.steps))
            .expression_attribute_values(":at", number(delivery.at.millis()))
            .expression_attribute_values(":expires_at", number(ends))
            .send()
            .await
            .map_err(StoreError::during("keep the delivery"))?;
        Ok(())
    }

    /// When the message was delivered, as far as its record says: a read, to be made together with others.
    pub fn reading_delivered_at(&self, message_id: &str) -> Read<Option<Timestamp>> {
        Read::new(&self.table, "message_id", message_id, |item| {
            let delivered_at = item.and_then(|item| item.number("delivered_at"));
            Ok(delivered_at.map(Timestamp::from_millis))
        })
    }

    /// Keeps that the message was on the phone at `at`, unless an earlier time is kept. One conditional update.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_delivered(
        &self,
        message_id: &str,
        at: Timestamp,
    ) -> Result<Record, StoreError> {
        let update = self
            .earlier(message_id, "delivered_at", at)
            .update_expression("SET delivered_at = :at");
        let before = before("keep that a message was delivered", update).await?;
        Ok(Record::of(before.as_ref()))
    }

    /// Keeps that the message was read at `at`, unless an earlier time is kept; so it was delivered by then. One conditional
    /// update, and another one where it was said to be delivered after that.
    ///
    /// # Errors
    /// When the store fails. It may be half done then; asked for again, it is wholly done.
    pub async fn record_read(&self, message_id: &str, at: Timestamp) -> Result<Record, StoreError> {
        let update = self.earlier(message_id, "read_at", at).update_expression(
            "SET read_at = :at, delivered_at = if_not_exists(delivered_at, :at)",
        );
        let before = before("keep that a message was read", update).await?;
        let delivered = before.as_ref().and_then(|item| item.number("delivered_at"));
        let delivered = delivered.map(Timestamp::from_millis);
        if delivered.is_some_and(|delivered| at < delivered) {
            return self.record_delivered(message_id, at).await;
        }
        Ok(Record::of(before.as_ref()))
    }

    /// An update that is refused where there is no such message, or its `time` is not after `at`.
    fn earlier(&self, message_id: &str, time: &str, at: Timestamp) -> UpdateItemFluentBuilder {
        self.update(message_id)
            .condition_expression(
                "attribute_exists(message_id) AND (attribute_not_exists(#time) OR #time > :at)",
            )
            .expression_attribute_names("#time", time)
            .expression_attribute_values(":at", number(at.millis()))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// An update of the item of a message, to be completed.
    fn update(&self, message_id: &str) -> UpdateItemFluentBuilder {
        self.dynamodb
            .update_item()
            .table_name(&self.table)
            .key("message_id", text(message_id))
    }
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

/// Whether there is a record of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// There is, and it says for the first time that the message was delivered.
    First {
        /// When the message began.
        begun: Timestamp,
    },
    /// There is, and it says what was told, or something earlier.
    Kept,
    /// There is none, or none yet. Nothing was written.
    Missing,
}

impl Record {
    /// What was kept over a record that was like this.
    fn of(before: Option<&Item>) -> Self {
        let Some(before) = before else {
            return Self::Missing;
        };
        let begun = before.number("at").map(Timestamp::from_millis);
        match (before.number("delivered_at"), begun) {
            (None, Some(begun)) => Self::First { begun },
            _ => Self::Kept,
        }
    }
}

/// The item as it was before the update, or as it refused it. Nothing where there is no item.
async fn before(
    act: &'static str,
    update: UpdateItemFluentBuilder,
) -> Result<Option<Item>, StoreError> {
    match update.send().await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(error) => condition_failed(act, error),
    }
}
