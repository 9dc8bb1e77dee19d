//! Several items, of any tables, read in one call. Strongly consistent, each for itself, unless a batch asks for less.
use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{Fields, Item, StoreError, text};
use crate::runtime::Backends;

/// What DynamoDB left out is asked for again so often, after 20 ms and then twice as long each time.
const ROUNDS_MAX: u32 = 5;

/// Which item is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    table: String,
    attribute: &'static str,
    value: String,
}

type Parse<T> = Box<dyn FnOnce(Option<&Item>) -> Result<T, StoreError> + Send>;

/// The read of one item, to be made together with others.
pub struct Read<T> {
    key: Key,
    parse: Parse<T>,
}

impl<T> Read<T> {
    /// The read of the item of `table` whose `attribute` is `value`. `parse` gets nothing when it is not there.
    pub(super) fn new(
        table: &str,
        attribute: &'static str,
        value: impl Into<String>,
        parse: impl FnOnce(Option<&Item>) -> Result<T, StoreError> + Send + 'static,
    ) -> Self {
        Self {
            key: Key {
                table: table.to_owned(),
                attribute,
                value: value.into(),
            },
            parse: Box::new(parse),
        }
    }
}

impl<T: 'static> Read<T> {
    /// The same read, for what `change` makes of it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> Read<U> {
        let Self { key, parse } = self;
        Read {
            key,
            parse: Box::new(|item| parse(item).map(change)),
        }
    }
}

/// Makes batches.
#[derive(Clone, Debug)]
pub struct Batches(Client);

impl Batches {
    /// Batches over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self::over(&backends.dynamodb)
    }

    /// Batches over `dynamodb`.
    pub(super) fn over(dynamodb: &Client) -> Self {
        Self(dynamodb.clone())
    }

    /// A batch without a read.
    pub fn begin(&self) -> Batch {
        Batch {
            client: self.0.clone(),
            keys: Vec::new(),
            consistency: Consistency::Strong,
        }
    }
}

/// Reads that are made in one call.
#[derive(Debug)]
pub struct Batch {
    client: Client,
    keys: Vec<Key>,
    consistency: Consistency,
}

/// Whether a read sees all that was written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consistency {
    Strong,
    /// It may miss what was written within the last moment, and costs half.
    Eventual,
}

/// A read of a batch, to be taken from what the batch has found.
pub struct Added<T> {
    key: Key,
    parse: Parse<T>,
}

/// The items that a batch has found.
#[derive(Debug)]
pub struct Found(HashMap<Key, Item>);

impl Batch {
    /// Adds a read.
    pub fn add<T>(&mut self, read: Read<T>) -> Added<T> {
        let Read { key, parse } = read;
        self.keys.push(key.clone());
        Added { key, parse }
    }

    /// The same batch at half its price: it may miss what was written within the last moment. For what is only shown.
    #[must_use]
    pub fn at_half_price(self) -> Self {
        Self {
            consistency: Consistency::Eventual,
            ..self
        }
    }

    /// Makes the reads.
    ///
    /// # Errors
    /// When the store failed to `act`, or left items out time and again.
    pub async fn read(self, act: &'static str) -> Result<Found, StoreError> {
        let mut missing = HashMap::new();
        for Key {
            table,
            attribute,
            value,
        } in &self.keys
        {
            let of_table: &mut Vec<Item> = missing.entry(table.clone()).or_default();
            of_table.push(Item::from([((*attribute).to_owned(), text(value))]));
        }
        let mut missing = requests(missing, self.consistency, act)?;
        let mut found = HashMap::new();
        for round in 0..ROUNDS_MAX {
            if round > 0 {
                tokio::time::sleep(Duration::from_millis(10 << round)).await;
            }
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(missing))
                .send()
                .await
                .map_err(StoreError::during(act))?;
            let items = answer.responses.unwrap_or_default();
            for (table, items) in items {
                found.extend(
                    items
                        .into_iter()
                        .filter_map(|item| self.named(&table, item)),
                );
            }
            missing = answer.unprocessed_keys.unwrap_or_default();
            if missing.is_empty() {
                return Ok(Found(found));
            }
        }
        Err(StoreError::overloaded(act))
    }

    /// An item of `table` with the key that it was asked for by.
    fn named(&self, table: &str, item: Item) -> Option<(Key, Item)> {
        let is_key =
            |key: &&Key| key.table == table && item.text(key.attribute) == Some(&*key.value);
        let key = self.keys.iter().find(is_key)?.clone();
        Some((key, item))
    }
}

fn requests(
    keys: HashMap<String, Vec<Item>>,
    consistency: Consistency,
    act: &'static str,
) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
    let requests = keys.into_iter().map(|(table, keys)| {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(consistency == Consistency::Strong)
            .build()
            .map_err(StoreError::building(act))?;
        Ok((table, request))
    });
    requests.collect()
}

impl<T> Added<T> {
    /// What the read has found.
    ///
    /// # Errors
    /// When the item cannot be read.
    pub fn from(self, found: &Found) -> Result<T, StoreError> {
        (self.parse)(found.0.get(&self.key))
    }
}
