//! The WhatsApp sessions: one item each, with the queue, the state as it was seen last, and the connect right; and one
//! item for each gateway as a whole, which has only a connect right.
//!
//! Nothing here is ever held: a place in the queue, a turn to ask and a right are points in time that pass by themselves, so
//! whoever is frozen or killed leaves nothing behind.
use std::time::Duration;

use aws_lc_rs::digest;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use self::item::{NAME, OWN_NUMBER, read_item, time};
use super::batch::Read;
use super::{Item, StoreError, condition_failed, retrying_conflicts, text};
use crate::gateway::GatewayAddress;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// The messages of the last minutes.
pub mod taken;

/// The users whose messages WhatsApp refused lately.
pub mod refused;

/// The time in which messages could not be sent from a session.
pub mod incident;

/// When that begins and ends, and which messages count.
pub mod incidents;

/// Who has called for somebody to pair a session.
mod calls_for_pairing;

/// What is known about a session.
mod item;

/// What the lists of an item are packed of.
mod packed;

/// The queue of a session.
pub mod queue;

/// The pace of a session's messages that are not urgent.
pub mod pace;

/// Which message may try an account that WhatsApp refuses.
pub mod trials;

/// What real sends show about their session.
pub mod sends;

/// Who may connect a session, and when.
pub mod connects;

/// Whether a session's messages arrive.
pub mod arrivals;

pub use self::item::{REMEMBERED, RecentSend, SeenState, SendEnd, SessionItem, SessionState};
pub use self::taken::TakenMessage;

/// The name of the item of the configured gateway. No session can have it.
pub const GATEWAY: &str = "#gateway";

/// The name of the item of the gateway at `address`, or of the configured one. The address itself may hold a secret.
pub fn gateway_item(address: Option<&GatewayAddress>) -> String {
    let Some(address) = address else {
        return GATEWAY.to_owned();
    };
    let hash = digest::digest(&digest::SHA256, address.expose().as_bytes());
    let digits: String = hash.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{GATEWAY}-{digits}")
}

/// A request to be the one who asks the gateway for a session's state.
#[derive(Clone, Copy, Debug)]
pub struct StatusClaim<'a> {
    /// The attempt. Its own success is recognised when the store's reply was lost.
    pub attempt_id: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// For how long one answer of the gateway is good enough for everybody.
    pub life: Duration,
}

/// Whose turn it is to ask the gateway for a session's state. The item as it is.
#[derive(Debug)]
pub enum StatusTurn {
    /// The caller's.
    Ours(SessionItem),
    /// Somebody else asked a moment ago.
    Others(SessionItem),
}

/// The table of WhatsApp sessions.
#[derive(Clone, Debug)]
pub struct WhatsAppSessions {
    dynamodb: Client,
    table: String,
}

impl WhatsAppSessions {
    /// The table of `backends`.
    pub fn of(backends: &Backends) -> Self {
        let table = backends.settings.tables.whatsapp_sessions.clone();
        Self::new(backends.dynamodb.clone(), table)
    }

    /// The table called `table`.
    pub const fn new(dynamodb: Client, table: String) -> Self {
        Self { dynamodb, table }
    }

    /// The item of `name` as of now; an empty one if there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(&self, name: &str) -> Result<SessionItem, StoreError> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .key(NAME, text(name))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during("read the session"))?;
        Ok(answer.item.as_ref().map(read_item).unwrap_or_default())
    }

    /// The same read, to be made together with others.
    pub fn reading(&self, name: &str) -> Read<SessionItem> {
        let session = |item: Option<&Item>| Ok(item.map(read_item).unwrap_or_default());
        Read::new(&self.table, NAME, name, session)
    }

    /// Forgets all that is known about `name`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, name: &str) -> Result<(), StoreError> {
        let forget = self.dynamodb.delete_item().table_name(&self.table);
        let forgotten = forget.key(NAME, text(name)).send().await;
        forgotten.map_err(StoreError::during("forget a session"))?;
        Ok(())
    }

    /// Makes the caller the one who asks the gateway for the state of `name`, unless somebody did a moment ago.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_status_turn(
        &self,
        name: &str,
        claim: StatusClaim<'_>,
    ) -> Result<StatusTurn, StoreError> {
        let StatusClaim {
            attempt_id,
            now,
            life,
        } = claim;
        let update = self
            .update(name)
            .condition_expression("attribute_not_exists(asked_at) OR asked_at <= :stale")
            .update_expression("SET asked_at = :now, asked_by = :attempt")
            .expression_attribute_values(":stale", time(now.minus(life)))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":attempt", text(attempt_id));
        Ok(match write("claim the turn to ask", update).await? {
            Updated::Done(item) => StatusTurn::Ours(item),
            Updated::Refused(item) if item.asked_by.as_deref() == Some(attempt_id) => {
                StatusTurn::Ours(item)
            }
            Updated::Refused(item) => StatusTurn::Others(item),
        })
    }

    /// Keeps the state that was seen of `name`, unless one that was seen later is there already, and answers the item.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_state(
        &self,
        name: &str,
        seen: SeenState,
    ) -> Result<SessionItem, StoreError> {
        self.record_look(name, seen, None).await
    }

    /// Keeps that the state of `name` was seen again, if it is still that one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_again(&self, name: &str, seen: SeenState) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .condition_expression("seen_state = :state AND seen_since = :since AND seen_at < :at")
            .update_expression("SET seen_at = :at, asked_at = :at")
            .expression_attribute_values(":state", text(seen.state.as_str()))
            .expression_attribute_values(":since", time(seen.since))
            .expression_attribute_values(":at", time(seen.at));
        let kept = write("keep that a state was seen again", update).await;
        kept.map(drop)
    }

    /// Keeps `seen` of `name`, which has followed on the restriction `ended`. A message to nobody meets a restriction without having
    /// tried the account, so one that such a message has met later is ended, too; one that was given a new end is not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_end(
        &self,
        name: &str,
        ended: SeenState,
        seen: SeenState,
    ) -> Result<(), StoreError> {
        let Some(until) = ended.until else {
            return self.record_state(name, seen).await.map(drop);
        };
        let is_that_one =
            "seen_state = :ended AND seen_since = :ended_since AND seen_until = :ended_until";
        let update = self
            .keeping(name, (seen, None), Some(is_that_one))
            .expression_attribute_values(":ended", text(ended.state.as_str()))
            .expression_attribute_values(":ended_since", time(ended.since))
            .expression_attribute_values(":ended_until", time(until));
        let kept = write("keep that a restriction is over", update).await;
        kept.map(drop)
    }

    /// The same as [`record_state`](Self::record_state), with the digits of the account's own number, where the look has shown them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_look(
        &self,
        name: &str,
        seen: SeenState,
        own_number: Option<&str>,
    ) -> Result<SessionItem, StoreError> {
        let update = self.keeping(name, (seen, own_number), None);
        match write("keep the state that was seen", update).await? {
            Updated::Done(item) | Updated::Refused(item) => Ok(item),
        }
    }

    /// The update that keeps what was seen of `name`, unless something that was seen later is there; with `also`, where that holds,
    /// too.
    fn keeping(
        &self,
        name: &str,
        (seen, own_number): (SeenState, Option<&str>),
        also: Option<&str>,
    ) -> UpdateItemFluentBuilder {
        let mut condition = "attribute_not_exists(seen_at) OR seen_at < :at".to_owned();
        if let Some(also) = also {
            condition.push_str(&format!(" OR ({also})"));
        }
        let mut set = "SET seen_state = :state, seen_since = :since, seen_at = :at, asked_at = :at"
            .to_owned();
        let mut update = self
            .update(name)
            .condition_expression(condition)
            .expression_attribute_values(":state", text(seen.state.as_str()))
            .expression_attribute_values(":since", time(seen.since))
            .expression_attribute_values(":at", time(seen.at));
        if let Some(number) = own_number {
            set.push_str(&format!(", {OWN_NUMBER} = :number"));
            update = update.expression_attribute_values(":number", text(number));
        }
        match seen.until {
            Some(until) => {
                set.push_str(", seen_until = :until");
                update = update.expression_attribute_values(":until", time(until));
            }
            None => set.push_str(" REMOVE seen_until"),
        }
        update.update_expression(set)
    }

    /// An update of the item of `name`, to be completed.
    fn update(&self, name: &str) -> UpdateItemFluentBuilder {
        self.dynamodb
            .update_item()
            .table_name(&self.table)
            .key(NAME, text(name))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// The item after an update, or as it was when it refused the update.
enum Updated {
    Done(SessionItem),
    Refused(SessionItem),
}

async fn write(act: &'static str, update: UpdateItemFluentBuilder) -> Result<Updated, StoreError> {
    let item = |item: Option<Item>| item.as_ref().map(read_item).unwrap_or_default();
    match retrying_conflicts(|| update.clone().send()).await {
        Ok(answer) => Ok(Updated::Done(item(answer.attributes))),
        Err(error) => Ok(Updated::Refused(item(condition_failed(act, error)?))),
    }
}
