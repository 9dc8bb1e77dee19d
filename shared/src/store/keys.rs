//! The table of key rings, as it is read. `key_maker.rs` writes it.
//!
//! `session_list.rs` keeps the list of WhatsApp sessions in the same table.
//!
//! Attributes: `ring` (key: `codes`, `signing`, `refresh`, `webhooks` or `public`), `keys` (list of maps: `kid`, `key`, `use_from`,
//! `retire_at`; times in milliseconds). The maps of `public` are `jwk` (the public half of a key of `signing`, as JSON) and
//! its `retire_at`.
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Fields, Item, StoreError, bytes, number, text};
use crate::model::keys::{Key, PublicKey, PublicRing, Ring, RingName};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::dynamodb::trying_once;

/// How long a ring is held in memory. A rotated key is used from a time that lies further ahead than this.
const HELD: Duration = Duration::from_secs(60);

/// The item of the public halves.
pub(super) const PUBLIC: &str = "public";

/// One item of the table, held in memory for a minute.
pub struct KeyItem<T> {
    client: Client,
    table: String,
    name: &'static str,
    parse: fn(Option<&Item>) -> Parsed<T>,
    held: Arc<Mutex<Option<Held<T>>>>,
}

/// What an item says.
pub(super) enum Parsed<T> {
    /// This.
    Read(T),
    /// It has to be there, and is not.
    Missing,
    /// Nothing that this version can read.
    Unreadable,
}

/// What became of a change of a list that lies in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChanged {
    /// It was made.
    Done,
    /// Nothing was written: somebody else changed the list since it was read.
    LostRace,
}

/// One ring.
pub type KeyRing = KeyItem<Ring>;

/// The public halves of the keys that sign access tokens.
pub type PublicKeys = KeyItem<PublicRing>;

/// What was read, and when.
type Held<T> = (Timestamp, Arc<T>);

impl KeyRing {
    /// The ring `name` of `backends`.
    pub fn new(backends: &Backends, name: RingName) -> Self {
        Self::of(backends, name.name(), |item| required(item, parse))
    }
}

impl PublicKeys {
    /// The public halves of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self::of(backends, PUBLIC, |item| required(item, parse_public))
    }
}

impl<T> KeyItem<T> {
    pub(super) fn of(
        backends: &Backends,
        name: &'static str,
        parse: fn(Option<&Item>) -> Parsed<T>,
    ) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.keys.clone(),
            name,
            parse,
            held: Arc::default(),
        }
    }

    /// The keys, from memory when they were read within the last minute.
    ///
    /// # Errors
    /// When the store fails, or they were never made.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<T>, StoreError> {
        match self.held() {
            Some((read_at, keys)) if now < read_at.plus(HELD) => Ok(keys),
            _ => self.read(now).await,
        }
    }

    /// The keys as the table has them, strongly consistent.
    ///
    /// # Errors
    /// When the store fails, or they were never made.
    pub async fn read(&self, now: Timestamp) -> Result<Arc<T>, StoreError> {
        const ACT: &str = "read the keys";
        let item = find(&self.client, &self.table, self.name, ACT).await?;
        let keys = match (self.parse)(item.as_ref()) {
            Parsed::Read(keys) => Arc::new(keys),
            Parsed::Missing => return Err(not_made(ACT, self.name)),
            Parsed::Unreadable => return Err(StoreError::unreadable(ACT, "keys")),
        };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    /// Reads the keys into memory before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails, or they were never made.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut once = self.clone();
        once.client = trying_once(&self.client);
        once.read(now).await.map(drop)
    }

    /// The keys as they were read last, however long ago.
    pub fn last(&self) -> Option<Arc<T>> {
        self.held().map(|(_, keys)| keys)
    }

    fn held(&self) -> Option<Held<T>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|(at, keys)| (*at, Arc::clone(keys)))
    }
}

// Derived, it would ask that keys can be cloned, which are shared.
impl<T> Clone for KeyItem<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            table: self.table.clone(),
            name: self.name,
            parse: self.parse,
            held: Arc::clone(&self.held),
        }
    }
}

impl<T> fmt::Debug for KeyItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyItem({})", self.name)
    }
}

/// What an item says that has to be there.
fn required<T>(item: Option<&Item>, parse: fn(&Item) -> Option<T>) -> Parsed<T> {
    match item.map(parse) {
        None => Parsed::Missing,
        Some(None) => Parsed::Unreadable,
        Some(Some(keys)) => Parsed::Read(keys),
    }
}

/// What an item says that need not be there: nothing is listed then.
pub(super) fn optional<T: Default>(
    item: Option<&Item>,
    parse: fn(&Item) -> Option<T>,
) -> Parsed<T> {
    let Some(item) = item else {
        return Parsed::Read(T::default());
    };
    parse(item).map_or(Parsed::Unreadable, Parsed::Read)
}

/// The item `name`, strongly consistent.
pub(super) async fn find(
    client: &Client,
    table: &str,
    name: &str,
    act: &'static str,
) -> Result<Option<Item>, StoreError> {
    let found = client
        .get_item()
        .table_name(table)
        .key("ring", text(name))
        .consistent_read(true)
        .send()
        .await
        .map_err(StoreError::during(act))?;
    Ok(found.item)
}

/// Nothing but the deployment and the operators' command makes keys.
pub(super) fn not_made(act: &'static str, name: &str) -> StoreError {
    let fix = format!(
        "there is no `{name}` in the table of keys: make it with `cargo run -- keys make`, with `--stack NAME` where it is deployed"
    );
    StoreError::not_made(act, fix)
}

pub(super) fn list_of_keys(ring: &Ring) -> AttributeValue {
    let keys = ring.keys.iter().map(|key| {
        let item = [
            ("kid".into(), text(&key.kid)),
            ("key".into(), bytes(key.secret.clone())),
            ("use_from".into(), number(key.use_from.millis())),
        ];
        AttributeValue::M(retiring(Item::from(item), key.retire_at))
    });
    AttributeValue::L(keys.collect())
}

pub(super) fn list_of_public_keys(ring: &PublicRing) -> Result<AttributeValue, serde_json::Error> {
    let keys = ring.keys.iter().map(|key| {
        let item = Item::from([("jwk".into(), text(serde_json::to_string(&key.jwk)?))]);
        Ok(AttributeValue::M(retiring(item, key.retire_at)))
    });
    Ok(AttributeValue::L(keys.collect::<Result<_, _>>()?))
}

fn retiring(mut item: Item, retire_at: Option<Timestamp>) -> Item {
    if let Some(retire_at) = retire_at {
        item.insert("retire_at".into(), number(retire_at.millis()));
    }
    item
}

pub(super) fn parse(item: &Item) -> Option<Ring> {
    let keys = maps(item)?.map(|key| {
        let key = key?;
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

fn parse_public(item: &Item) -> Option<PublicRing> {
    let keys = maps(item)?.map(|key| {
        let key = key?;
        Some(PublicKey {
            jwk: serde_json::from_str(key.text("jwk")?).ok()?,
            retire_at: key.number("retire_at").map(Timestamp::from_millis),
        })
    });
    Some(PublicRing {
        keys: keys.collect::<Option<_>>()?,
    })
}

fn maps(item: &Item) -> Option<impl Iterator<Item = Option<&Item>>> {
    let keys = item.get("keys")?.as_l().ok()?;
    Some(keys.iter().map(|key| key.as_m().ok()))
}
