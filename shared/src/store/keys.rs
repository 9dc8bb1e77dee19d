//! The table of key rings.
//!
//! Attributes: `ring` (key: `codes`, `signing` or `refresh`), `keys` (list of maps: `kid`, `key`, `use_from`, `retire_at`; times in
//! milliseconds).
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::{Fields, Item, StoreError, bytes, condition_failed, number, retrying_conflicts, text};
use crate::model::keys::{Key, LIVE_KEYS_MAX, Ring, RingName, Turn};
use crate::model::token::{SigningAlgorithm, SigningKey};
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::dynamodb::trying_once;

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

/// What became of a rotation.
#[derive(Debug)]
pub enum Rotated {
    /// The ring as it is now.
    Done(Ring),
    /// Nothing was changed: somebody else rotated the ring at the same moment.
    LostRace,
    /// Nothing was changed: [`LIVE_KEYS_MAX`] keys count already.
    Full,
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

    /// What [`rotate`](Self::rotate) would make of the ring now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan(
        &self,
        turn: Turn,
        algorithm: Option<SigningAlgorithm>,
        now: Timestamp,
    ) -> Result<Ring, StoreError> {
        let seen = self.read(now).await?;
        let next = self.fresh_key(
            now.plus(turn.lead),
            algorithm.or_else(|| newest_algorithm(&seen)),
        );
        Ok(seen.with(next, turn.keep, now))
    }

    /// Adds a key and lets those before it retire, as `turn` says, in one conditional update. Adds one key, however often
    /// the store's reply is lost. A key that signs is of `algorithm`, or of that of the newest one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rotate(
        &self,
        turn: Turn,
        algorithm: Option<SigningAlgorithm>,
        now: Timestamp,
    ) -> Result<Rotated, StoreError> {
        const ACT: &str = "rotate the key ring";
        let seen = self.read(now).await?;
        if seen.live(now).count() >= LIVE_KEYS_MAX {
            return Ok(Rotated::Full);
        }
        let newest = |ring: &Ring| ring.keys.last().map(|key| key.kid.clone());
        let before = newest(&seen).ok_or(StoreError::unreadable(ACT, "keys"))?;
        let next = self.fresh_key(
            now.plus(turn.lead),
            algorithm.or_else(|| newest_algorithm(&seen)),
        );
        let ring = seen.with(next, turn.keep, now);
        // Whatever is done to a ring adds a key to its end, so the last one names the state that was seen.
        let last = seen.keys.len() - 1;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("ring", text(self.name.name()))
            .update_expression("SET #keys = :keys")
            .condition_expression(format!(
                "size(#keys) = :size AND #keys[{last}].#kid = :before"
            ))
            .expression_attribute_names("#keys", "keys")
            .expression_attribute_names("#kid", "kid")
            .expression_attribute_values(":keys", list_of_keys(&ring))
            .expression_attribute_values(":size", number(seen.keys.len() as i64))
            .expression_attribute_values(":before", text(before))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let found = match retrying_conflicts(|| update.clone().send()).await {
            Ok(_) => return Ok(Rotated::Done(ring)),
            Err(failed) => condition_failed(ACT, failed)?,
        };
        // The update may have gone through and only its reply been lost.
        match found.as_ref().and_then(parse) {
            Some(found) if newest(&found) == newest(&ring) => Ok(Rotated::Done(ring)),
            _ => Ok(Rotated::LostRace),
        }
    }

    fn fresh_key(&self, use_from: Timestamp, algorithm: Option<SigningAlgorithm>) -> Key {
        let kid = u64::from_be_bytes(self.entropy.bytes());
        Key {
            kid: format!("{kid:016x}"),
            secret: match self.name {
                RingName::Codes | RingName::Refresh => self.entropy.bytes::<32>().to_vec(),
                RingName::Signing => {
                    SigningKey::generate(algorithm.unwrap_or(SigningAlgorithm::Es256))
                }
            },
            use_from,
            retire_at: None,
        }
    }

    /// Puts a ring with one new key, unless somebody else was faster: then theirs.
    async fn make(&self) -> Result<Item, StoreError> {
        const ACT: &str = "make the key ring";
        let ring = Ring {
            // Before any clock: another process may be a moment behind.
            keys: vec![self.fresh_key(Timestamp::from_millis(0), None)],
        };
        let item = Item::from([
            ("ring".into(), text(self.name.name())),
            ("keys".into(), list_of_keys(&ring)),
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

/// What the newest key of a ring signs with, if it signs.
fn newest_algorithm(ring: &Ring) -> Option<SigningAlgorithm> {
    let newest = ring.keys.last()?;
    let key = SigningKey::from_pkcs8(&newest.kid, &newest.secret).ok()?;
    Some(key.algorithm())
}

fn list_of_keys(ring: &Ring) -> AttributeValue {
    let keys = ring.keys.iter().map(|key| {
        let mut item = Item::from([
            ("kid".into(), text(&key.kid)),
            ("key".into(), bytes(key.secret.clone())),
            ("use_from".into(), number(key.use_from.millis())),
        ]);
        if let Some(retire_at) = key.retire_at {
            item.insert("retire_at".into(), number(retire_at.millis()));
        }
        AttributeValue::M(item)
    });
    AttributeValue::L(keys.collect())
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
