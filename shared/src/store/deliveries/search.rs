//! Finding messages by their phone or request, the newest first.
//!
//! The index has keys only, so that a send costs little more; the records that it names are read after it. It lags by some
//! milliseconds.
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;

use super::phone_hash::phone_hash;
use super::{Deliveries, LIFE, StoredDelivery};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::batch::{Batches, Read};
use crate::store::{Fields, Item, StoreError, condition_failed, number, text};

/// How many messages a page has at most.
pub const PAGE: usize = 20;

/// Where a page of a phone's messages ends: at this message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryKey {
    at: Timestamp,
    message_id: String,
}

impl DeliveryKey {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, message_id) = text.split_once('-')?;
        let is_id = (1..=64).contains(&message_id.len())
            && message_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_time = at.len() <= 15 && at.bytes().all(|byte| byte.is_ascii_digit());
        let at = at.parse().ok().filter(|_| is_id && is_time)?;
        Some(Self {
            at: Timestamp::from_millis(at),
            message_id: message_id.to_owned(),
        })
    }
}

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.millis(), self.message_id)
    }
}

/// Messages, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The messages.
    pub deliveries: Vec<StoredDelivery>,
    /// Behind which one older ones may begin.
    pub older: Option<DeliveryKey>,
}

/// How many messages were unlinked from their phone.
#[must_use = "more may be left"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// So many, and these were all.
    Done(usize),
    /// So many, and more are left.
    MoreLeft(usize),
}

impl Deliveries {
    /// All that is kept of a message; `None` when nothing is. One read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, message_id: &str) -> Result<Option<StoredDelivery>, StoreError> {
        let mut found = self.read_all(&[message_id.to_owned()]).await?;
        Ok(found.pop())
    }

    /// The messages to `phone` behind `from`, or the last ones of all. One read of the index, and one of the records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_phone(
        &self,
        phone: &Phone,
        from: Option<&DeliveryKey>,
    ) -> Result<DeliveryPage, StoreError> {
        let hash = phone_hash(phone);
        let from = from.map(|from| {
            Item::from([
                ("message_id".into(), text(&from.message_id)),
                ("phone_hash".into(), text(&hash)),
                ("at".into(), number(from.at.millis())),
            ])
        });
        let found = self.keys_of(&hash, from, PAGE).await?;
        let last = found.last().filter(|_| found.len() == PAGE);
        let older = last.and_then(|item| {
            Some(DeliveryKey {
                at: Timestamp::from_millis(item.number("at")?),
                message_id: item.text("message_id")?.to_owned(),
            })
        });
        Ok(DeliveryPage {
            deliveries: self.read_all(&ids(&found)).await?,
            older,
        })
    }

    /// Keeps that a request waited for the message, whose send began at that time. One update.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_request(
        &self,
        request_id: &str,
        (message_id, at): (&str, Timestamp),
    ) -> Result<(), StoreError> {
        let message = AttributeValue::Ss(vec![message_id.to_owned()]);
        self.update(&request_key(request_id))
            .update_expression("SET expires_at = :expires_at ADD messages :message")
            .expression_attribute_values(":expires_at", number(at.plus(LIFE).seconds_up()))
            .expression_attribute_values(":message", message)
            .send()
            .await
            .map(drop)
            .map_err(StoreError::during("keep the messages of a request"))
    }

    /// The messages that a request waited for, a page of them at most: seldom more than one. Two reads.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_request(&self, request_id: &str) -> Result<Vec<StoredDelivery>, StoreError> {
        let messages = Read::new(&self.table, "message_id", request_key(request_id), |item| {
            let ids = item.and_then(|item| item.get("messages")?.as_ss().ok());
            Ok(ids.cloned().unwrap_or_default())
        });
        let mut batch = Batches::over(&self.dynamodb).begin();
        let messages = batch.add(messages);
        let found = batch.read("list the messages of a request").await?;
        let mut ids = messages.from(&found)?;
        ids.truncate(PAGE);
        self.read_all(&ids).await
    }

    /// Takes the hash of `phone` off `most` of its messages, so that nobody finds them by it any more. The messages stay until their time.
    ///
    /// # Errors
    /// When the store fails. Some may be done then.
    pub async fn unlink(&self, phone: &Phone, most: usize) -> Result<Unlinked, StoreError> {
        const ACT: &str = "unlink the messages of a phone";
        let hash = phone_hash(phone);
        let found = self.keys_of(&hash, None, most).await?;
        for message_id in ids(&found) {
            let unlinking = self
                .update(&message_id)
                .update_expression("REMOVE phone_hash")
                .condition_expression("phone_hash = :phone_hash")
                .expression_attribute_values(":phone_hash", text(&hash));
            if let Err(error) = unlinking.send().await {
                condition_failed(ACT, error)?;
            }
        }
        Ok(if found.len() >= most {
            Unlinked::MoreLeft(found.len())
        } else {
            Unlinked::Done(found.len())
        })
    }

    /// The keys of the messages of a phone behind `from`, the newest first, `most` of them.
    async fn keys_of(
        &self,
        hash: &str,
        mut from: Option<Item>,
        most: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mut keys = Vec::new();
        while keys.len() < most {
            let limit = i32::try_from(most - keys.len()).unwrap_or(i32::MAX);
            let page = self
                .dynamodb
                .query()
                .table_name(&self.table)
                .index_name("by_phone")
                .key_condition_expression("phone_hash = :phone_hash")
                .expression_attribute_values(":phone_hash", text(hash))
                .scan_index_forward(false)
                .set_exclusive_start_key(from.take())
                .limit(limit)
                .send()
                .await
                .map_err(StoreError::during("list the messages of a phone"))?;
            keys.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(keys)
    }

    /// The records of `ids` that are there, in their order: a [`PAGE`] of them at most.
    async fn read_all(&self, ids: &[String]) -> Result<Vec<StoredDelivery>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batches::over(&self.dynamodb).begin();
        let reads = ids.iter().map(|id| batch.add(self.reading(id)));
        let reads: Vec<_> = reads.collect();
        let found = batch.read("read deliveries").await?;
        let mut records = Vec::new();
        for read in reads {
            records.extend(read.from(&found)?);
        }
        Ok(records)
    }

    fn reading(&self, message_id: &str) -> Read<Option<StoredDelivery>> {
        Read::new(&self.table, "message_id", message_id, |item| {
            Ok(item.and_then(StoredDelivery::of))
        })
    }
}

/// No message id has that sign.
fn request_key(request_id: &str) -> String {
    format!("request#{request_id}")
}

fn ids(keys: &[Item]) -> Vec<String> {
    let ids = keys.iter().filter_map(|key| key.text("message_id"));
    ids.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_page_is_read_back_and_nothing_else_is() {
        let text = "1795347200123-3EB0744E286B549C2DECD9";
        let read = DeliveryKey::parse(text).map(|key| key.to_string());
        assert_eq!(read.as_deref(), Some(text));
        for text in ["", "-", "1-", "-3EB0", "1", "x-3EB0", "1-3E<b>", "1-../x"] {
            assert_eq!(DeliveryKey::parse(text), None, "{text:?}");
        }
    }
}
