//! The table of key rings.
//!
//! Attributes: `ring` (key: `codes`, `signing` or `refresh`), `keys` (list of maps: `kid`, `key`, `use_from`, `retire_at`; times in
//! milliseconds).
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::{Fields, Item, StoreError, bytes, condition_failed, number, retrying_conflicts, text};
use crate::entropy::Entropy;
use crate::keys::{Key, Ring, RingName};
use crate::runtime::Backends;
use crate::runtime::dynamodb::trying_once;
use crate::timestamp::Timestamp;
use crate::token::SigningKey;

/// How long a ring is held in memory. A rotated key is used from a time that lies further ahead than this.
const HELD: Duration = Duration::from_secs(60);

/// One ring of the table, held in memory for a minute.
#[derive(Clone, Debug)]
pub struct KeyRing {
    client: Client,
    table: String,
    name: RingName,
    entropy: Entropy,
    held: Arc<Mutex<Option<Held>>>,
}

/// A ring and when it was read.
type Held = (Timestamp, Arc<Ring>);

impl KeyRing {
    /// The ring `name` of `backends`.
    pub fn new(backends: &Backends, name: RingName) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.keys.clone(),
            name,
            entropy: backends.entropy.clone(),
            held: Arc::default(),
        }
    }

    /// The ring, from memory when it was read within the last minute.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Ring>, StoreError> {
        let held = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match held {
            Some((read_at, ring)) if now < read_at.plus(HELD) => Ok(ring),
            _ => self.read(now).await,
        }
    }

    /// Reads the ring into memory before it is needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        let once = Self {
            client: trying_once(&self.client),
            ..self.clone()
        };
        once.read(now).await.map(drop)
    }

    /// The ring as the table has it, strongly consistent. Made now if there is none.
    pub async fn read(&self, now: Timestamp) -> Result<Arc<Ring>, StoreError> {
        const ACT: &str = "read the key ring";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("ring", text(self.name.name()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let item = match found.item {
            Some(item) => item,
            None => self.make().await?,
        };
        let ring = Arc::new(parse(&item).ok_or(StoreError::unreadable(ACT, "keys"))?);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&ring)));
        Ok(ring)
    }

    /// Puts a ring with one new key, unless somebody else was faster: then theirs.
    async fn make(&self) -> Result<Item, StoreError> {
        const ACT: &str = "make the key ring";
        let secret = match self.name {
            RingName::Codes | RingName::Refresh => self.entropy.bytes::<32>().to_vec(),
            RingName::Signing => SigningKey::generate(),
        };
        let kid = u64::from_be_bytes(self.entropy.bytes());
        let key = Item::from([
            ("kid".into(), text(format!("{kid:016x}"))),
            ("key".into(), bytes(secret)),
            // Before any clock: another process may be a moment behind.
            ("use_from".into(), number(0)),
        ]);
        let item = Item::from([
            ("ring".into(), text(self.name.name())),
            (
                "keys".into(),
                AttributeValue::L(vec![AttributeValue::M(key)]),
            ),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(ring)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retrying_conflicts(|| put.clone().send()).await {
            Ok(_) => Ok(item),
            Err(failed) => {
                condition_failed(ACT, failed)?.ok_or(StoreError::unreadable(ACT, "keys"))
            }
        }
    }
}

fn parse(item: &Item) -> Option<Ring> {
    let keys = item.get("keys")?.as_l().ok()?;
    let keys = keys.iter().map(|key| {
        let key = key.as_m().ok()?;
        Some(Key {
            kid: key.text("kid")?.into(),
            secret: key.bytes("key")?.into(),
            use_from: Timestamp::from_millis(key.number("use_from")?),
            retire_at: key.number("retire_at").map(Timestamp::from_millis),
        })
    });
    Some(Ring {
        keys: keys.collect::<Option<_>>()?,
    })
}
