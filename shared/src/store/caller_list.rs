//! The list of the systems that may call: post events of payments, or ask for their users. It lives in the table of keys, as the item `callers`: who reads it
//! can post nothing, for of each key it holds the hash.
//!
//! Attributes: `callers` (list of maps: `name`, `sha256`, `scopes`, `daily_cap`, `retire_at` in milliseconds) and `rev`, which counts
//! its writes. While a key is exchanged, two entries have the same name.
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{KeyItem, ListChanged, find, optional};
use super::{Fields, Item, StoreError, bytes, condition_failed, number, retrying_conflicts, text};
use crate::model::payment_caller::{PaymentCaller, Scope};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

const CALLERS: &str = "callers";

/// The list as it is held by a process.
#[derive(Clone, Debug)]
pub struct CallerList(KeyItem<Vec<PaymentCaller>>);

impl CallerList {
    /// The list of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(KeyItem::of(backends, CALLERS, |item| optional(item, parse)))
    }

    /// The callers, from memory when they were read within the last minute.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Vec<PaymentCaller>>, StoreError> {
        self.0.get(now).await
    }

    /// Reads the callers into memory before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.0.warm_up(now).await
    }
}

/// Changes the list, for operators.
#[derive(Clone, Debug)]
pub struct CallerListChanges {
    client: Client,
    table: String,
}

/// The list as it was read, to be changed.
#[derive(Clone, Debug, Default)]
pub struct SeenCallers {
    /// The callers.
    pub callers: Vec<PaymentCaller>,
    rev: Option<i64>,
}

impl CallerListChanges {
    /// The list of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.keys.clone(),
        }
    }

    /// The list as it is now.
    ///
    /// # Errors
    /// When the store fails, or the list cannot be read.
    pub async fn read(&self) -> Result<SeenCallers, StoreError> {
        const ACT: &str = "read the list of callers";
        let Some(item) = find(&self.client, &self.table, CALLERS, ACT).await? else {
            return Ok(SeenCallers::default());
        };
        Ok(SeenCallers {
            callers: parse(&item).ok_or(StoreError::unreadable(ACT, "callers"))?,
            rev: item.number("rev"),
        })
    }

    /// Makes `callers` the list, if it is still the one that was seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(
        &self,
        seen: &SeenCallers,
        callers: &[PaymentCaller],
    ) -> Result<ListChanged, StoreError> {
        let listed = callers
            .iter()
            .map(|caller| AttributeValue::M(caller_item(caller)));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("ring", text(CALLERS))
            .item("rev", number(seen.rev.unwrap_or_default() + 1))
            .item("callers", AttributeValue::L(listed.collect()));
        let put = match seen.rev {
            None => put.condition_expression("attribute_not_exists(ring)"),
            Some(rev) => put
                .condition_expression("rev = :seen")
                .expression_attribute_values(":seen", number(rev)),
        };
        match retrying_conflicts(|| put.clone().send()).await {
            Ok(_) => Ok(ListChanged::Done),
            Err(error) => {
                condition_failed("change the list of callers", error)?;
                Ok(ListChanged::LostRace)
            }
        }
    }
}

fn caller_item(caller: &PaymentCaller) -> Item {
    let scopes = caller.scopes.iter().map(|scope| text(scope.name()));
    let mut item = Item::from([
        ("name".into(), text(&caller.name)),
        ("sha256".into(), bytes(caller.sha256)),
        ("scopes".into(), AttributeValue::L(scopes.collect())),
    ]);
    if let Some(cap) = caller.daily_cap {
        item.insert("daily_cap".into(), number(cap.into()));
    }
    if let Some(retire_at) = caller.retire_at {
        item.insert("retire_at".into(), number(retire_at.millis()));
    }
    item
}

fn parse(item: &Item) -> Option<Vec<PaymentCaller>> {
    let callers = item.get("callers")?.as_l().ok()?.iter();
    callers
        .map(|caller| parse_caller(caller.as_m().ok()?))
        .collect()
}

fn parse_caller(item: &Item) -> Option<PaymentCaller> {
    let scopes = item.get("scopes")?.as_l().ok()?.iter();
    let cap = item.number("daily_cap");
    Some(PaymentCaller {
        name: item.text("name")?.to_owned(),
        sha256: item.bytes("sha256")?.try_into().ok()?,
        // A scope of a later version allows nothing here.
        scopes: scopes
            .filter_map(|scope| Scope::named(scope.as_s().ok()?))
            .collect(),
        daily_cap: cap.and_then(|cap| u32::try_from(cap).ok()),
        retire_at: item.number("retire_at").map(Timestamp::from_millis),
    })
}
