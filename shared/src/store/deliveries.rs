//! What became of each message: one item per message id, for thirty days.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{StoreError, number, text};
use crate::platform::timestamp::Timestamp;

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

    /// Keeps a delivery. The same message id again replaces what was kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, delivery: DeliveryItem<'_>) -> Result<(), StoreError> {
        let steps = delivery
            .steps
            .into_iter()
            .map(|(what, elapsed_ms)| {
                let elapsed_ms = number(i64::try_from(elapsed_ms).unwrap_or(i64::MAX));
                AttributeValue::M(
                    [
                        ("what".to_owned(), text(what)),
                        ("elapsed_ms".to_owned(), elapsed_ms),
                    ]
                    .into(),
                )
            })
            .collect();
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .item("message_id", text(delivery.message_id))
            .item("purpose", text(delivery.purpose))
            .item("phone", text(delivery.phone))
            .item("session", text(delivery.session))
            .item("outcome", text(delivery.outcome))
            .item("steps", AttributeValue::L(steps))
            .item("at", number(delivery.at.millis()))
            .item("expires_at", number(delivery.at.plus(LIFE).seconds_up()));
        match delivery.reason {
            Some(reason) => put.item("reason", text(reason)),
            None => put,
        }
        .send()
        .await
        .map_err(StoreError::during("keep the delivery"))?;
        Ok(())
    }
}
