//! The table of limits per client address.
//!
//! Attributes: `id` (key: `address#` and the address), `granted` (set of attempt ids), `window_ends` (milliseconds),
//! `expires_at` (TTL, seconds). A window starts with the first grant after the one before has ended. Grants are a set of
//! ids, so that granting and giving back are each safe to repeat.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::{Fields, Item, StoreError, condition_failed, number, retrying_conflicts, text};
use crate::address::ClientAddress;
use crate::challenge::AttemptId;
use crate::runtime::Backends;
use crate::timestamp::Timestamp;

/// The codes granted to each client address.
#[derive(Clone, Debug)]
pub struct Addresses {
    client: Client,
    table: String,
}

/// A client address's present window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressWindow {
    /// Codes granted in it.
    pub granted: usize,
    /// When it ends.
    pub ends: Timestamp,
}

/// How many codes one address may have.
#[derive(Clone, Copy, Debug)]
pub struct AddressLimit {
    /// Codes per window.
    pub codes: usize,
    /// How long a window is.
    pub window: Duration,
}

/// Whether an address may have one more code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It may, and it is counted.
    Granted,
    /// Its window is full.
    Full(AddressWindow),
}

impl Addresses {
    /// The addresses of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.limits.clone(),
        }
    }

    /// The address's window, strongly consistent; `None` when none is running.
    pub async fn read(
        &self,
        address: &ClientAddress,
        now: Timestamp,
    ) -> Result<Option<AddressWindow>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", key(address))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during("read the address"))?;
        Ok(found
            .item
            .as_ref()
            .and_then(parse)
            .filter(|window| now < window.ends))
    }

    /// Counts one more code for `address` unless its window is full, in one conditional update: a second one when
    /// `running`, the window as it was read, is no longer true.
    pub async fn grant(
        &self,
        address: &ClientAddress,
        attempt: &AttemptId,
        running: Option<AddressWindow>,
        limit: &AddressLimit,
        now: Timestamp,
    ) -> Result<Grant, StoreError> {
        let mut join = running.is_some();
        for _ in 0..3 {
            let change = match join {
                true => self.join_window(attempt, limit, now),
                false => self.start_window(attempt, limit, now),
            };
            let Some(found) = self.update(address, change).await? else {
                return Ok(Grant::Granted);
            };
            let window = parse(&found);
            match window.filter(|window| now < window.ends) {
                // The update went through and only its reply was lost.
                Some(_) if grants(&found).contains(&attempt.0) => return Ok(Grant::Granted),
                Some(window) if window.granted >= limit.codes => return Ok(Grant::Full(window)),
                running => join = running.is_some(),
            }
        }
        Err(StoreError::unreadable(
            "grant a code to the address",
            "window_ends",
        ))
    }

    /// Gives a grant back: nothing was sent.
    pub async fn give_back(
        &self,
        address: &ClientAddress,
        attempt: &AttemptId,
    ) -> Result<(), StoreError> {
        let change = self
            .client
            .update_item()
            .update_expression("DELETE granted :attempt")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":attempt", set_of(attempt));
        self.update(address, change).await.map(drop)
    }

    fn join_window(
        &self,
        attempt: &AttemptId,
        limit: &AddressLimit,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let codes = i64::try_from(limit.codes).unwrap_or(i64::MAX);
        self.client
            .update_item()
            .update_expression("ADD granted :attempt")
            .condition_expression(
                "window_ends > :now AND (attribute_not_exists(granted) OR size(granted) < :codes)",
            )
            .expression_attribute_values(":attempt", set_of(attempt))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":codes", number(codes))
    }

    fn start_window(
        &self,
        attempt: &AttemptId,
        limit: &AddressLimit,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let ends = now.plus(limit.window);
        self.client
            .update_item()
            .update_expression("SET granted = :attempt, window_ends = :ends, expires_at = :expires")
            .condition_expression("attribute_not_exists(id) OR window_ends <= :now")
            .expression_attribute_values(":attempt", set_of(attempt))
            .expression_attribute_values(":ends", number(ends.millis()))
            .expression_attribute_values(":expires", number(ends.seconds_up()))
            .expression_attribute_values(":now", number(now.millis()))
    }

    /// Makes the change; the item as it was when its condition refused it.
    async fn update(
        &self,
        address: &ClientAddress,
        change: UpdateItemFluentBuilder,
    ) -> Result<Option<Item>, StoreError> {
        let change = change
            .table_name(&self.table)
            .key("id", key(address))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retrying_conflicts(|| change.clone().send()).await {
            Ok(_) => Ok(None),
            Err(failed) => condition_failed("grant a code to the address", failed)
                .map(Option::unwrap_or_default)
                .map(Some),
        }
    }
}

fn key(address: &ClientAddress) -> AttributeValue {
    text(format!("address#{address}"))
}

fn set_of(attempt: &AttemptId) -> AttributeValue {
    AttributeValue::Ss(vec![attempt.0.clone()])
}

fn grants(item: &Item) -> &[String] {
    item.get("granted")
        .and_then(|granted| granted.as_ss().ok())
        .map_or(&[], Vec::as_slice)
}

fn parse(item: &Item) -> Option<AddressWindow> {
    Some(AddressWindow {
        granted: grants(item).len(),
        ends: Timestamp::from_millis(item.number("window_ends")?),
    })
}
