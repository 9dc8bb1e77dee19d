//! Making and rotating key rings: for the deployment and the operators. No endpoint holds this, and none may write the table.
//!
//! The public halves of the signing keys are written in the transaction that writes their ring, so that whoever checks a token
//! and whoever makes one know of the same keys.
use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, Update};

use super::keys::{PUBLIC, find, list_of_keys, list_of_public_keys, not_made, parse};
use super::{Item, Refusals, StoreError, Transacted, Write, number, text, transact};
use crate::model::keys::{Key, LIVE_KEYS_MAX, Ring, RingName, Turn};
use crate::model::token::{SigningAlgorithm, SigningKey};
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How often the public halves are made from the ring as it is read again, when others rotate it meanwhile.
const RACES_MAX: usize = 5;

/// Makes key rings and rotates them.
#[derive(Clone)]
pub struct KeyMaker {
    client: Client,
    table: String,
    entropy: Entropy,
}

/// How a ring is rotated.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The ring.
    pub name: RingName,
    /// When the new key is used, and the others retire.
    pub turn: Turn,
    /// What a key that signs is made for; otherwise what the newest one is for.
    pub algorithm: Option<SigningAlgorithm>,
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

impl KeyMaker {
    /// The rings of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.keys.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// What is not in the table: rings, and the public halves.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn missing(&self) -> Result<Vec<&'static str>, StoreError> {
        let mut missing = Vec::new();
        for name in RingName::ALL
            .map(RingName::name)
            .into_iter()
            .chain([PUBLIC])
        {
            if self.find(name).await?.is_none() {
                missing.push(name);
            }
        }
        Ok(missing)
    }

    /// Makes every ring that is missing, and the public halves of the signing keys if only they are; the names of what was
    /// made. A ring that is there is never changed, so this can be repeated, and done by several at once.
    ///
    /// # Errors
    /// When the store fails, or the ring of the signing keys cannot be read.
    pub async fn make_missing(&self) -> Result<Vec<&'static str>, StoreError> {
        let missing = self.missing().await?;
        let mut made = Vec::new();
        for name in RingName::ALL {
            if missing.contains(&name.name()) {
                made.extend(self.make(name).await?);
            }
        }
        if missing.contains(&PUBLIC) && !made.contains(&PUBLIC) {
            made.extend(self.publish().await?);
        }
        Ok(made)
    }

    /// What [`rotate`](Self::rotate) would make of the ring now.
    ///
    /// # Errors
    /// When the store fails, or there is no such ring.
    pub async fn plan(&self, rotation: Rotation, now: Timestamp) -> Result<Ring, StoreError> {
        let seen = self.ring(rotation.name).await?;
        Ok(self.rotated(&seen, rotation, now))
    }

    /// Adds a key and lets those before it retire, in one transaction with the public halves. Adds one key, however often
    /// the store's reply is lost.
    ///
    /// # Errors
    /// When the store fails, or there is no such ring.
    pub async fn rotate(&self, rotation: Rotation, now: Timestamp) -> Result<Rotated, StoreError> {
        const ACT: &str = "rotate the key ring";
        let name = rotation.name;
        let seen = self.ring(name).await?;
        if seen.live(now).count() >= LIVE_KEYS_MAX {
            return Ok(Rotated::Full);
        }
        let ring = self.rotated(&seen, rotation, now);
        let unchanged = Unchanged::since(&seen).ok_or(StoreError::unreadable(ACT, "keys"))?;
        let update = Update::builder()
            .table_name(&self.table)
            .key("ring", text(name.name()))
            .update_expression("SET #keys = :keys")
            .condition_expression(&unchanged.condition)
            .expression_attribute_names("#keys", "keys")
            .expression_attribute_names("#kid", "kid")
            .set_expression_attribute_values(Some(unchanged.values))
            .expression_attribute_values(":keys", list_of_keys(&ring))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::building(ACT))?;
        let mut writes = vec![Write::update(update)];
        if name == RingName::Signing {
            let public = Put::builder().set_item(Some(public_item(&ring, ACT)?));
            writes.push(self.put(public, ACT)?);
        }
        let refusals = match transact(ACT, &self.client, writes).await? {
            Transacted::Done => return Ok(Rotated::Done(ring)),
            Transacted::Refused(refusals) => refusals,
        };
        // It may have gone through and only its reply been lost.
        match found(refusals) {
            Some(found) if newest(&found) == newest(&ring) => Ok(Rotated::Done(ring)),
            _ => Ok(Rotated::LostRace),
        }
    }

    /// The ring with one more key.
    fn rotated(&self, seen: &Ring, rotation: Rotation, now: Timestamp) -> Ring {
        let Rotation {
            name,
            turn,
            algorithm,
        } = rotation;
        let algorithm = algorithm.or_else(|| newest_algorithm(seen));
        let next = self.fresh_key(name, now.plus(turn.lead), algorithm);
        seen.with(next, turn.keep, now)
    }

    fn fresh_key(
        &self,
        name: RingName,
        use_from: Timestamp,
        algorithm: Option<SigningAlgorithm>,
    ) -> Key {
        let kid = u64::from_be_bytes(self.entropy.bytes());
        Key {
            kid: format!("{kid:016x}"),
            secret: match name {
                RingName::Codes | RingName::Refresh | RingName::Webhooks => {
                    self.entropy.bytes::<32>().to_vec()
                }
                RingName::Signing => {
                    SigningKey::generate(algorithm.unwrap_or(SigningAlgorithm::Es256))
                }
            },
            use_from,
            retire_at: None,
        }
    }

    /// Makes a ring of one key, with its public half if it signs, unless somebody else was faster; the names of what was
    /// made. Public halves that have lost their ring are replaced.
    async fn make(&self, name: RingName) -> Result<Vec<&'static str>, StoreError> {
        const ACT: &str = "make the key ring";
        let ring = Ring {
            // Before any clock: another process may be a moment behind.
            keys: vec![self.fresh_key(name, Timestamp::from_millis(0), None)],
        };
        let item = Item::from([
            ("ring".into(), text(name.name())),
            ("keys".into(), list_of_keys(&ring)),
        ]);
        let new = Put::builder()
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(ring)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut names = vec![name.name()];
        let mut writes = vec![self.put(new, ACT)?];
        if name == RingName::Signing {
            let public = Put::builder().set_item(Some(public_item(&ring, ACT)?));
            names.push(PUBLIC);
            writes.push(self.put(public, ACT)?);
        }
        match transact(ACT, &self.client, writes).await? {
            Transacted::Done => Ok(names),
            // It may have gone through and only its reply been lost.
            Transacted::Refused(refusals) => match found(refusals) {
                Some(found) if newest(&found) == newest(&ring) => Ok(names),
                _ => Ok(Vec::new()),
            },
        }
    }

    /// Makes the public halves of the ring that is there, as those of a table of an earlier version; the name of what was
    /// made, if nobody else was faster.
    async fn publish(&self) -> Result<Option<&'static str>, StoreError> {
        const ACT: &str = "publish the signing keys";
        for _ in 0..RACES_MAX {
            let ring = self.ring(RingName::Signing).await?;
            let unchanged = Unchanged::since(&ring).ok_or(StoreError::unreadable(ACT, "keys"))?;
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .key("ring", text(RingName::Signing.name()))
                .condition_expression(&unchanged.condition)
                .expression_attribute_names("#keys", "keys")
                .expression_attribute_names("#kid", "kid")
                .set_expression_attribute_values(Some(unchanged.values))
                .build()
                .map_err(StoreError::building(ACT))?;
            let public = Put::builder()
                .set_item(Some(public_item(&ring, ACT)?))
                .condition_expression("attribute_not_exists(ring)");
            let writes = vec![Write::condition_check(check), self.put(public, ACT)?];
            if let Transacted::Done = transact(ACT, &self.client, writes).await? {
                return Ok(Some(PUBLIC));
            }
            if self.find(PUBLIC).await?.is_some() {
                return Ok(None);
            }
        }
        Err(StoreError::overtaken(ACT))
    }

    fn put(
        &self,
        put: aws_sdk_dynamodb::types::builders::PutBuilder,
        act: &'static str,
    ) -> Result<Write, StoreError> {
        let put = put.table_name(&self.table).build();
        let put = put.map_err(StoreError::building(act))?;
        Ok(Write::put(put))
    }

    async fn find(&self, name: &str) -> Result<Option<Item>, StoreError> {
        find(&self.client, &self.table, name, "look for the keys").await
    }

    async fn ring(&self, name: RingName) -> Result<Ring, StoreError> {
        const ACT: &str = "read the key ring";
        let item = self.find(name.name()).await?;
        let item = item.ok_or_else(|| not_made(ACT, name.name()))?;
        parse(&item).ok_or(StoreError::unreadable(ACT, "keys"))
    }
}

impl fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaker({})", self.table)
    }
}

/// The condition that a ring is as it was seen. Whatever is done to a ring adds a key to its end, so the last one names it.
struct Unchanged {
    condition: String,
    values: Item,
}

impl Unchanged {
    fn since(seen: &Ring) -> Option<Self> {
        let last = seen.keys.len().checked_sub(1)?;
        Some(Self {
            condition: format!("size(#keys) = :size AND #keys[{last}].#kid = :newest"),
            values: Item::from([
                (":size".into(), number(seen.keys.len() as i64)),
                (":newest".into(), text(newest(seen)?)),
            ]),
        })
    }
}

/// The ring that refused a write.
fn found(refusals: Refusals) -> Option<Ring> {
    let refused = refusals.into_iter().flatten().next();
    parse(&refused?.item?)
}

fn newest(ring: &Ring) -> Option<&str> {
    ring.keys.last().map(|key| key.kid.as_str())
}

/// What the newest key of a ring signs with, if it signs.
fn newest_algorithm(ring: &Ring) -> Option<SigningAlgorithm> {
    let newest = ring.keys.last()?;
    let key = SigningKey::from_pkcs8(&newest.kid, &newest.secret).ok()?;
    Some(key.algorithm())
}

fn public_item(ring: &Ring, act: &'static str) -> Result<Item, StoreError> {
    let public = ring.public().ok();
    let keys = public.and_then(|public| list_of_public_keys(&public).ok());
    Ok(Item::from([
        ("ring".into(), text(PUBLIC)),
        (
            "keys".into(),
            keys.ok_or(StoreError::unreadable(act, "key"))?,
        ),
    ]))
}
