//! The list of WhatsApp sessions beside the configured one. It holds their tokens, so it lives in the table of keys, as two
//! items that are written together: `sessions` for whoever sends, and `session_names` for whoever only looks how they are.
//!
//! Attributes of `sessions`: `sessions` (list of maps: `name`, `token`, `gateway`, `restart_url`, `use`,
//! `new_chats_per_day`, `weight`) and `rev`, which counts its writes; of
//! `session_names`: `names`.
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put};

use super::keys::{KeyItem, ListChanged, find, optional};
use super::{Fields, Item, StoreError, Transacted, Write, number, text, transact};
use crate::gateway::{GatewayAddress, RestartUrl, SessionToken};
use crate::model::weight::Weight;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::settings::SessionSettings;

const SESSIONS: &str = "sessions";
const NAMES: &str = "session_names";

/// A session of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub session: SessionSettings,
    /// Whether messages are sent from it.
    pub sends: bool,
}

/// The list as it is held by a process.
#[derive(Clone, Debug)]
pub struct SessionList(KeyItem<Vec<ListedSession>>);

impl SessionList {
    /// The list of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(KeyItem::of(backends, SESSIONS, |item| {
            optional(item, parse_sessions)
        }))
    }

    /// The sessions, from memory when they were read within the last minute.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Vec<ListedSession>>, StoreError> {
        self.0.get(now).await
    }

    /// The sessions as they were read last, however long ago.
    pub fn last(&self) -> Option<Arc<Vec<ListedSession>>> {
        self.0.last()
    }
}

/// The names alone, as they are held by a process.
#[derive(Clone, Debug)]
pub struct SessionNames(KeyItem<Vec<String>>);

impl SessionNames {
    /// The names of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(KeyItem::of(backends, NAMES, |item| {
            optional(item, parse_names)
        }))
    }

    /// The names of the sessions that messages are sent from, from memory when they were read within the last minute.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<Vec<String>>, StoreError> {
        self.0.get(now).await
    }

    /// Reads the names into memory before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.0.warm_up(now).await
    }
}

/// Changes the list, for operators.
#[derive(Clone, Debug)]
pub struct SessionListChanges {
    client: Client,
    table: String,
}

/// The list as it was read, to be changed.
#[derive(Clone, Debug, Default)]
pub struct SeenList {
    /// The sessions.
    pub sessions: Vec<ListedSession>,
    rev: Option<i64>,
}

impl SessionListChanges {
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
    pub async fn read(&self) -> Result<SeenList, StoreError> {
        const ACT: &str = "read the list of sessions";
        let Some(item) = find(&self.client, &self.table, SESSIONS, ACT).await? else {
            return Ok(SeenList::default());
        };
        let sessions = parse_sessions(&item).ok_or(StoreError::unreadable(ACT, "sessions"))?;
        Ok(SeenList {
            sessions,
            rev: item.number("rev"),
        })
    }

    /// Makes `sessions` the list, if it is still the one that was seen. Asked again after a lost reply it says that the race
    /// was lost: then the list is read again, and has the change.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(
        &self,
        seen: &SeenList,
        sessions: &[ListedSession],
    ) -> Result<ListChanged, StoreError> {
        const ACT: &str = "change the list of sessions";
        let listed = sessions
            .iter()
            .map(|listed| AttributeValue::M(session_item(listed)));
        let rev = seen.rev.unwrap_or_default() + 1;
        let list = Put::builder()
            .table_name(&self.table)
            .item("ring", text(SESSIONS))
            .item("rev", number(rev))
            .item("sessions", AttributeValue::L(listed.collect()));
        let list = match seen.rev {
            None => list.condition_expression("attribute_not_exists(ring)"),
            Some(seen) => list
                .condition_expression("rev = :seen")
                .expression_attribute_values(":seen", number(seen)),
        };
        let names = sessions.iter().filter(|listed| listed.sends);
        let names = names.map(|listed| text(&listed.session.name)).collect();
        let names = Put::builder()
            .table_name(&self.table)
            .item("ring", text(NAMES))
            .item("names", AttributeValue::L(names));
        let writes = [list, names].map(|put| put.build().map(Write::put));
        let writes: Result<Vec<_>, _> = writes.into_iter().collect();
        let writes = writes.map_err(StoreError::building(ACT))?;
        Ok(match transact(ACT, &self.client, writes).await? {
            Transacted::Done => ListChanged::Done,
            Transacted::Refused(_) => ListChanged::LostRace,
        })
    }
}

fn session_item(listed: &ListedSession) -> Item {
    let session = &listed.session;
    let used_for = if listed.sends { "send" } else { "off" };
    let mut item = Item::from([
        ("name".into(), text(&session.name)),
        ("token".into(), text(session.token.expose())),
        ("use".into(), text(used_for)),
    ]);
    if let Some(gateway) = &session.gateway {
        item.insert("gateway".into(), text(gateway.expose()));
    }
    if let Some(restart_url) = &session.restart_url {
        item.insert("restart_url".into(), text(restart_url.expose()));
    }
    if let Some(most) = session.new_chats_per_day {
        item.insert("new_chats_per_day".into(), number(most.into()));
    }
    if session.weight != Weight::USUAL {
        item.insert("weight".into(), number(session.weight.get().into()));
    }
    item
}

fn parse_sessions(item: &Item) -> Option<Vec<ListedSession>> {
    let sessions = item.get("sessions")?.as_l().ok()?.iter();
    sessions
        .map(|session| parse_session(session.as_m().ok()?))
        .collect()
}

fn parse_session(item: &Item) -> Option<ListedSession> {
    let gateway = match item.text("gateway") {
        None => None,
        Some(address) => Some(GatewayAddress::parse(address)?),
    };
    let most = item.number("new_chats_per_day");
    Some(ListedSession {
        session: SessionSettings {
            gateway,
            restart_url: item.text("restart_url").map(RestartUrl::new),
            weight: item
                .number("weight")
                .and_then(Weight::new)
                .unwrap_or_default(),
            new_chats_per_day: most.and_then(|most| u32::try_from(most).ok()),
            ..SessionSettings::new(item.text("name")?, SessionToken::new(item.text("token")?))
        },
        sends: item.text("use")? == "send",
    })
}

fn parse_names(item: &Item) -> Option<Vec<String>> {
    let names = item.get("names")?.as_l().ok()?.iter();
    names.map(|name| name.as_s().ok().cloned()).collect()
}
