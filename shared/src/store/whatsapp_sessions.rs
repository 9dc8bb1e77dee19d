//! The WhatsApp sessions: one item each, with the queue, the last look at the session, and the connect right; and one
//! item for the gateway as a whole, which has only a connect right.
//!
//! Nothing here is ever held: a place in the queue, a look and a right are points in time that pass by themselves, so
//! whoever is frozen or killed leaves nothing behind.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{Fields, Item, StoreError, condition_failed, number, retrying_conflicts, text};
use crate::runtime::dynamodb::trying_once;
use crate::timestamp::Timestamp;

/// The name of the gateway's own item. No session can have it.
pub const GATEWAY: &str = "#gateway";

const NAME: &str = "name";
const FREE_AT: &str = "free_at";
const COST: &str = "cost_ms";
const ASKED_AT: &str = "asked_at";
const ASKED_BY: &str = "asked_by";
const SEEN_STATE: &str = "seen_state";
const SEEN_SINCE: &str = "seen_since";
const SEEN_AT: &str = "seen_at";
const CONNECT_AT: &str = "connect_at";
const CONNECT_AFTER: &str = "connect_after";
const CONNECT_WAIT: &str = "connect_wait_ms";
const CONNECT_BY: &str = "connect_by";

/// What is known about a session. Everything is missing until it happens for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionItem {
    /// The first free place of the queue.
    pub free_at: Option<Timestamp>,
    /// How long the gateway takes for one send.
    pub cost: Option<Duration>,
    /// When somebody last asked the gateway, or began to.
    pub asked_at: Option<Timestamp>,
    /// The attempt that asked.
    pub asked_by: Option<String>,
    /// What the last answer showed.
    pub seen: Option<Seen>,
    /// When the connect right was last taken.
    pub connect_at: Option<Timestamp>,
    /// When the connect right is free again.
    pub connect_after: Option<Timestamp>,
    /// How long the right was taken for; it grows while the session stays down.
    pub connect_wait: Option<Duration>,
    /// The attempt that took the right.
    pub connect_by: Option<String>,
}

/// What a look at the gateway showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The state.
    pub state: SessionState,
    /// Since when it is like that.
    pub since: Timestamp,
    /// When it was last seen like that.
    pub at: Timestamp,
}

/// What a session is, as far as a sender cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Open and logged in.
    Usable,
    /// Logged in and not open: the gateway's library reconnects by itself.
    Reconnecting,
    /// Not open, of a gateway that has just come back and starts its sessions by itself.
    Starting,
    /// Neither open nor logged in.
    Down,
    /// Open and not logged in: it waits for somebody to pair it.
    NeedsPairing,
    /// The gateway does not answer.
    Unreachable,
    /// Open and logged in, and WhatsApp keeps the account from sending.
    Restricted,
    /// The gateway refuses the token, or is none.
    Misconfigured,
}

impl SessionState {
    const ALL: [Self; 8] = [
        Self::Usable,
        Self::Reconnecting,
        Self::Starting,
        Self::Down,
        Self::NeedsPairing,
        Self::Unreachable,
        Self::Restricted,
        Self::Misconfigured,
    ];

    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Reconnecting => "reconnecting",
            Self::Starting => "starting",
            Self::Down => "down",
            Self::NeedsPairing => "needs_pairing",
            Self::Unreachable => "unreachable",
            Self::Restricted => "restricted",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// The answer to a wish for a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The place's time.
    At(Timestamp),
    /// Every place in reach is taken; this is the first free one.
    Full(Timestamp),
}

/// Who may ask the gateway now.
#[derive(Debug)]
pub enum Look {
    /// The caller.
    Yours(SessionItem),
    /// Somebody else asked a moment ago.
    Anothers(SessionItem),
}

/// Who may connect now.
#[derive(Debug)]
pub enum ConnectRight {
    /// The caller, at this time.
    Won(Timestamp),
    /// Somebody else, or nobody yet.
    Lost(SessionItem),
}

/// The table of WhatsApp sessions.
#[derive(Clone, Debug)]
pub struct WhatsAppSessions {
    dynamodb: Client,
    table: String,
}

impl WhatsAppSessions {
    /// The table called `table`.
    pub const fn new(dynamodb: Client, table: String) -> Self {
        Self { dynamodb, table }
    }

    /// Reads the item of `name` before it is needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, name: &str) -> Result<(), StoreError> {
        let once = Self::new(trying_once(&self.dynamodb), self.table.clone());
        once.read(name).await.map(drop)
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

    /// Takes the next place in the queue of `name`, at most `wait_max` from `now`, and moves the queue on by `cost`.
    ///
    /// One conditional update as a rule, two when the guess `free_at` was wrong. A repeat after a lost reply takes one
    /// more place and wastes the first, which does no harm.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_slot(
        &self,
        name: &str,
        free_at: Option<Timestamp>,
        now: Timestamp,
        wait_max: Duration,
        cost: Duration,
    ) -> Result<Slot, StoreError> {
        const TRIES_MAX: u32 = 4;
        let latest = now.plus(wait_max);
        let mut free_at = free_at.unwrap_or(now);
        for _ in 0..TRIES_MAX {
            let idle = free_at <= now;
            let update = match idle {
                true => self
                    .update(name)
                    .condition_expression("attribute_not_exists(free_at) OR free_at <= :now")
                    .update_expression("SET free_at = :next")
                    .expression_attribute_values(":next", time(now.plus(cost))),
                false => self
                    .update(name)
                    .condition_expression("free_at BETWEEN :now AND :latest")
                    .update_expression("SET free_at = free_at + :cost")
                    .expression_attribute_values(":latest", time(latest))
                    .expression_attribute_values(":cost", millis(cost)),
            };
            let update = update.expression_attribute_values(":now", time(now));
            match attempt("take a slot", update).await? {
                Attempt::Done(_) if idle => return Ok(Slot::At(now)),
                Attempt::Done(item) => {
                    let after = item.free_at.unwrap_or(now.plus(cost));
                    return Ok(Slot::At(after.minus(cost)));
                }
                Attempt::Refused(item) => free_at = item.free_at.unwrap_or(now),
            }
            if free_at > latest {
                break;
            }
        }
        Ok(Slot::Full(free_at))
    }

    /// Gives a place of the queue of `name` back that is not needed, by moving the queue up by `cost`. Whoever waits keeps
    /// its time; the next one that comes may meet another one's, and then waits at the gateway.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave_slot(&self, name: &str, cost: Duration) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .condition_expression("attribute_exists(free_at)")
            .update_expression("SET free_at = free_at - :cost")
            .expression_attribute_values(":cost", millis(cost));
        attempt("leave a slot", update).await?;
        Ok(())
    }

    /// Makes the caller, known by `attempt_id`, the one who asks the gateway about `name`, unless somebody did within
    /// `life`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_look(
        &self,
        name: &str,
        now: Timestamp,
        life: Duration,
        attempt_id: &str,
    ) -> Result<Look, StoreError> {
        let update = self
            .update(name)
            .condition_expression("attribute_not_exists(asked_at) OR asked_at <= :stale")
            .update_expression("SET asked_at = :now, asked_by = :attempt")
            .expression_attribute_values(":stale", time(now.minus(life)))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":attempt", text(attempt_id));
        Ok(match attempt("claim a look", update).await? {
            Attempt::Done(item) => Look::Yours(item),
            Attempt::Refused(item) if item.asked_by.as_deref() == Some(attempt_id) => {
                Look::Yours(item)
            }
            Attempt::Refused(item) => Look::Anothers(item),
        })
    }

    /// Keeps what a look at `name` showed, unless a later look is there already, and answers the item. A usable session
    /// shortens the waiting for the next connect right back to its beginning, but does not free a right that is taken.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn saw(&self, name: &str, seen: Seen) -> Result<SessionItem, StoreError> {
        let forget = match seen.state {
            SessionState::Usable => " REMOVE connect_wait_ms",
            _ => "",
        };
        let update = self
            .update(name)
            .condition_expression("attribute_not_exists(seen_at) OR seen_at < :at")
            .update_expression(format!(
                "SET seen_state = :state, seen_since = :since, seen_at = :at, asked_at = :at{forget}"
            ))
            .expression_attribute_values(":state", text(seen.state.as_str()))
            .expression_attribute_values(":since", time(seen.since))
            .expression_attribute_values(":at", time(seen.at));
        match attempt("keep what was seen", update).await? {
            Attempt::Done(item) | Attempt::Refused(item) => Ok(item),
        }
    }

    /// Keeps the measured cost of a send.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn measured(&self, name: &str, cost: Duration) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .update_expression("SET cost_ms = :cost")
            .expression_attribute_values(":cost", millis(cost));
        attempt("keep the cost of a send", update).await?;
        Ok(())
    }

    /// Takes the connect right of `name` for `wait`, if it is free and nobody took it since `item` was read.
    /// `attempt_id` tells the own success from another's when the reply of the first try was lost. The winner is also the
    /// one who asks the gateway from now on.
    ///
    /// # Errors
    /// When the store fails; the right may then be taken, and passes by itself.
    pub async fn take_connect_right(
        &self,
        name: &str,
        item: &SessionItem,
        now: Timestamp,
        wait: Duration,
        attempt_id: &str,
    ) -> Result<ConnectRight, StoreError> {
        let update = self
            .update(name)
            .update_expression(
                "SET connect_at = :now, connect_after = :after, connect_wait_ms = :wait, connect_by = :attempt, \
                 asked_at = :now, asked_by = :attempt",
            )
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":after", time(now.plus(wait)))
            .expression_attribute_values(":wait", millis(wait))
            .expression_attribute_values(":attempt", text(attempt_id));
        let update = match item.connect_after {
            None => update.condition_expression("attribute_not_exists(connect_after)"),
            Some(after) => update
                .condition_expression("connect_after = :seen AND connect_after <= :now")
                .expression_attribute_values(":seen", time(after)),
        };
        Ok(match attempt("take the connect right", update).await? {
            Attempt::Done(_) => ConnectRight::Won(now),
            Attempt::Refused(item) if item.connect_by.as_deref() == Some(attempt_id) => {
                ConnectRight::Won(item.connect_at.unwrap_or(now))
            }
            Attempt::Refused(item) => ConnectRight::Lost(item),
        })
    }

    /// Says how far apart connects to the gateway are from `now` on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pace_connects(&self, now: Timestamp, wait: Duration) -> Result<(), StoreError> {
        let update = self
            .update(GATEWAY)
            .update_expression("SET connect_after = :after, connect_wait_ms = :wait")
            .expression_attribute_values(":after", time(now.plus(wait)))
            .expression_attribute_values(":wait", millis(wait));
        attempt("pace the connects", update).await?;
        Ok(())
    }

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
enum Attempt {
    Done(SessionItem),
    Refused(SessionItem),
}

async fn attempt(
    act: &'static str,
    update: UpdateItemFluentBuilder,
) -> Result<Attempt, StoreError> {
    let item = |item: Option<Item>| item.as_ref().map(read_item).unwrap_or_default();
    match retrying_conflicts(|| update.clone().send()).await {
        Ok(answer) => Ok(Attempt::Done(item(answer.attributes))),
        Err(error) => Ok(Attempt::Refused(item(condition_failed(act, error)?))),
    }
}

fn read_item(item: &Item) -> SessionItem {
    let time = |name| item.number(name).map(Timestamp::from_millis);
    let span = |name| {
        let millis = u64::try_from(item.number(name)?).ok()?;
        Some(Duration::from_millis(millis))
    };
    let words = |name| item.text(name).map(str::to_owned);
    let state = item.text(SEEN_STATE).and_then(|word| {
        SessionState::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
    });
    SessionItem {
        free_at: time(FREE_AT),
        cost: span(COST),
        asked_at: time(ASKED_AT),
        asked_by: words(ASKED_BY),
        seen: state
            .zip(time(SEEN_SINCE))
            .zip(time(SEEN_AT))
            .map(|((state, since), at)| Seen { state, since, at }),
        connect_at: time(CONNECT_AT),
        connect_after: time(CONNECT_AFTER),
        connect_wait: span(CONNECT_WAIT),
        connect_by: words(CONNECT_BY),
    }
}

fn time(point: Timestamp) -> AttributeValue {
    number(point.millis())
}

fn millis(span: Duration) -> AttributeValue {
    number(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
