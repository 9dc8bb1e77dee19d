//! The WhatsApp sessions: one item each, with the queue, the last look at the session, and the connect right; and one
//! item for the gateway as a whole, which has only a connect right.
//!
//! Nothing here is ever held: a place in the queue, a look and a right are points in time that pass by themselves, so
//! whoever is frozen or killed leaves nothing behind.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::batch::Read;
use super::{Fields, Item, StoreError, condition_failed, number, retrying_conflicts, text};
use crate::platform::timestamp::Timestamp;
use crate::runtime::dynamodb::trying_once;

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
const CONNECTS: &str = "connects";
const OVER_LIBRARY: &str = "over_library";
const REFUSED_SINCE: &str = "refused_since";
const REFUSALS: &str = "refusals";
const UNANSWERED_SINCE: &str = "unanswered_since";
const UNANSWERED: &str = "unanswered";
const RECENT: &str = "recent";
const RESTARTS: &str = "restarts";

/// A send costs no less than this, and no more.
const COST_MIN: Duration = Duration::from_millis(50);
const COST_MAX: Duration = Duration::from_secs(5);

/// How many of the last connects, sends and restarts an item remembers.
pub const REMEMBERED: usize = 5;

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
    /// When the right was taken the last times, oldest first.
    pub connects: Vec<Timestamp>,
    /// The last connect was made while the gateway's library was reconnecting by itself, which may have made two clients.
    pub over_library: bool,
    /// Since when connects are refused although the session is down.
    pub refused_since: Option<Timestamp>,
    /// How many connects were refused since then.
    pub refusals: i64,
    /// Since when sends end without an answer, with no success between.
    pub unanswered_since: Option<Timestamp>,
    /// How many sends ended so.
    pub unanswered: i64,
    /// How the last real sends ended, oldest first.
    pub recent: Vec<RecentSend>,
    /// When the gateway was asked to restart the last times, oldest first. Only in the gateway's own item.
    pub restarts: Vec<Timestamp>,
}

/// How long a real message took and how it ended, on a session whose status had nothing against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentSend {
    /// When it ended.
    pub at: Timestamp,
    /// One that was taken: its last send. Another: from its first send to its end.
    pub took: Duration,
    /// How it ended.
    pub end: SendEnd,
}

/// How a message ended that was sent, or was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendEnd {
    /// WhatsApp took it.
    Taken,
    /// Nobody knows.
    Unknown,
    /// The gateway was busy.
    Busy,
    /// The session could not send it, whatever its status said.
    Down,
    /// The session is not paired, whatever its status said.
    Unpaired,
    /// WhatsApp said no.
    Rejected,
    /// WhatsApp keeps the account from sending.
    Restricted,
    /// The time was over.
    Late,
}

impl SendEnd {
    const ALL: [Self; 8] = [
        Self::Taken,
        Self::Unknown,
        Self::Busy,
        Self::Down,
        Self::Unpaired,
        Self::Rejected,
        Self::Restricted,
        Self::Late,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unknown => "unknown",
            Self::Busy => "busy",
            Self::Down => "down",
            Self::Unpaired => "unpaired",
            Self::Rejected => "rejected",
            Self::Restricted => "restricted",
            Self::Late => "late",
        }
    }
}

/// A send that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenSend {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// It took longer than a send was expected to, perhaps because it waited in the gateway for another one.
    pub may_have_waited: bool,
    /// A send is taken to cost no more than this, so that a slow spell is forgotten as fast as it was learned.
    pub cost_max: Duration,
}

/// What a real send has shown about its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendShown {
    /// The last sends with this one, oldest first.
    pub recent: Vec<RecentSend>,
    /// The message was taken: that tells what a send costs, and what counted against the session is forgotten.
    pub taken: Option<TakenSend>,
    /// From when the next connect may be made, when this success ends the wait of the connect at the given time.
    pub connect_after: Option<(Timestamp, Timestamp)>,
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
    /// It opens: the gateway dials, or logs in. A session that waits for a scan has the same flags and a QR code.
    Opening,
    /// Open with a QR code: it waits for somebody to pair it.
    NeedsPairing,
    /// Not paired, and no QR code waits to be scanned. A connect makes one.
    Unlinked,
    /// Only a restart of the gateway helps: it refuses every connect, or its login does not end.
    NeedsRestart,
    /// Open and logged in by its flags, but sends end without an answer.
    Suspect,
    /// The gateway does not answer.
    Unreachable,
    /// Open and logged in, and WhatsApp keeps the account from sending.
    Restricted,
    /// The same for people that the account never wrote to, as far as is known. Others are served.
    ColdLocked,
    /// The gateway refuses the token, or is none.
    Misconfigured,
}

impl SessionState {
    const ALL: [Self; 13] = [
        Self::Usable,
        Self::Reconnecting,
        Self::Starting,
        Self::Down,
        Self::Opening,
        Self::NeedsPairing,
        Self::Unlinked,
        Self::NeedsRestart,
        Self::Suspect,
        Self::Unreachable,
        Self::Restricted,
        Self::ColdLocked,
        Self::Misconfigured,
    ];

    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Reconnecting => "reconnecting",
            Self::Starting => "starting",
            Self::Down => "down",
            Self::Opening => "opening",
            Self::NeedsPairing => "needs_pairing",
            Self::Unlinked => "unlinked",
            Self::NeedsRestart => "needs_restart",
            Self::Suspect => "suspect",
            Self::Unreachable => "unreachable",
            Self::Restricted => "restricted",
            Self::ColdLocked => "cold_locked",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// The answer to a wish for a place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The place's time, and how long it is.
    At(Timestamp, Duration),
    /// Every place in reach is taken.
    Full(Box<SessionItem>),
}

/// Who may ask the gateway now.
#[derive(Debug)]
pub enum Look {
    /// The caller.
    Yours(SessionItem),
    /// Somebody else asked a moment ago.
    Anothers(SessionItem),
}

/// A wish for the connect right.
#[derive(Clone, Copy, Debug)]
pub struct ConnectClaim<'a> {
    /// Tells the own success from another's when the reply of the first try was lost.
    pub attempt_id: &'a str,
    /// The time.
    pub now: Timestamp,
    /// For how long nobody else may connect.
    pub wait: Duration,
    /// The right may be taken although its time has not passed.
    pub early: bool,
    /// The gateway's library is reconnecting by itself.
    pub over_library: bool,
}

/// Who may connect now.
#[derive(Debug)]
pub enum ConnectRight {
    /// The caller, at this time.
    Won(Timestamp),
    /// Somebody else, or nobody yet.
    Lost(Box<SessionItem>),
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

    /// The same read, to be made together with others.
    pub fn reading(&self, name: &str) -> Read<SessionItem> {
        let session = |item: Option<&Item>| Ok(item.map(read_item).unwrap_or_default());
        Read::new(&self.table, NAME, name, session)
    }

    /// Takes the next place in the queue of `name`, at most `wait_max` from `now`, and moves the queue on by what a send
    /// costs, which is `cost` while nobody has measured it.
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
        let mut queue = SessionItem {
            free_at: Some(free_at),
            ..SessionItem::default()
        };
        for _ in 0..TRIES_MAX {
            let is_idle = free_at <= now;
            let update = self
                .update(name)
                .expression_attribute_values(":now", time(now))
                .expression_attribute_values(":cost", millis(cost));
            let update = if is_idle {
                update
                    .condition_expression("attribute_not_exists(free_at) OR free_at <= :now")
                    .update_expression("SET free_at = :now + if_not_exists(cost_ms, :cost)")
            } else {
                update
                    .condition_expression("free_at BETWEEN :now AND :latest")
                    .update_expression("SET free_at = free_at + if_not_exists(cost_ms, :cost)")
                    .expression_attribute_values(":latest", time(latest))
            };
            match attempt("take a slot", update).await? {
                Attempt::Done(item) => {
                    let cost = item.cost.unwrap_or(cost);
                    let after = item.free_at.unwrap_or(now.plus(cost));
                    return Ok(Slot::At(after.minus(cost), cost));
                }
                Attempt::Refused(item) => {
                    free_at = item.free_at.unwrap_or(now);
                    queue = item;
                }
            }
            if free_at > latest {
                break;
            }
        }
        Ok(Slot::Full(Box::new(queue)))
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

    /// Keeps what a look at `name` showed, unless a later look is there already, and answers the item.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn saw(&self, name: &str, seen: Seen) -> Result<SessionItem, StoreError> {
        let update = self
            .update(name)
            .condition_expression("attribute_not_exists(seen_at) OR seen_at < :at")
            .update_expression(
                "SET seen_state = :state, seen_since = :since, seen_at = :at, asked_at = :at",
            )
            .expression_attribute_values(":state", text(seen.state.as_str()))
            .expression_attribute_values(":since", time(seen.since))
            .expression_attribute_values(":at", time(seen.at));
        match attempt("keep what was seen", update).await? {
            Attempt::Done(item) | Attempt::Refused(item) => Ok(item),
        }
    }

    /// Keeps what a real send has shown about `name`. The wait for the next connect ends only if nobody connected since.
    ///
    /// What the send cost is the time since the one before it ended, when it waited for that one in the gateway.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_send(&self, name: &str, shown: &SendShown) -> Result<(), StoreError> {
        let may_have_waited = shown.taken.is_some_and(|taken| taken.may_have_waited);
        // The most is tried first. What a condition refuses is left out.
        for (waited, ends_wait) in [(true, true), (false, true), (true, false), (false, false)] {
            let applies =
                (may_have_waited || !waited) && (shown.connect_after.is_some() || !ends_wait);
            if !applies {
                continue;
            }
            let update = self.shown(name, shown, waited, ends_wait);
            if let Attempt::Done(_) = attempt("keep what a send has shown", update).await? {
                break;
            }
        }
        Ok(())
    }

    /// The update that `shown` makes: of a send that `waited` in the gateway for another, and one that `ends_wait` for the
    /// next connect.
    fn shown(
        &self,
        name: &str,
        shown: &SendShown,
        waited: bool,
        ends_wait: bool,
    ) -> UpdateItemFluentBuilder {
        let recent = shown.recent.iter().rev().take(REMEMBERED).rev();
        let recent = AttributeValue::L(recent.map(recent_send).collect());
        let mut update = self
            .update(name)
            .expression_attribute_values(":recent", recent);
        let (mut set, mut remove) = (vec!["recent = :recent"], Vec::new());
        let mut conditions = Vec::new();
        if let Some(taken) = shown.taken {
            let TakenSend { began, ended, .. } = taken;
            let cost_max = taken.cost_max.clamp(COST_MIN, COST_MAX);
            update = update.expression_attribute_values(":ended", time(ended));
            set.push("last_end = :ended");
            remove.push("refused_since, refusals, unanswered_since, unanswered, over_library");
            if waited {
                set.push("cost_ms = :ended - last_end");
                conditions.push("last_end BETWEEN :began AND :just_before");
                update = update
                    .expression_attribute_values(":began", time(began.max(ended.minus(cost_max))))
                    .expression_attribute_values(":just_before", time(ended.minus(COST_MIN)));
            } else {
                set.push("cost_ms = :cost");
                let cost = ended.since(began).clamp(COST_MIN, cost_max);
                update = update.expression_attribute_values(":cost", millis(cost));
            }
        }
        if let Some((connect_at, after)) = shown.connect_after.filter(|_| ends_wait) {
            set.push("connect_after = :after");
            remove.push("connect_wait_ms");
            conditions.push("connect_at = :connect_at");
            update = update
                .expression_attribute_values(":connect_at", time(connect_at))
                .expression_attribute_values(":after", time(after));
        }
        if !conditions.is_empty() {
            update = update.condition_expression(conditions.join(" AND "));
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression += &format!(" REMOVE {}", remove.join(", "));
        }
        update.update_expression(expression)
    }

    /// Counts a send on `name` that began at `began` and ended without an answer at `now`, and answers the item. What is
    /// older than `life`, or than the last connect, does not count any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_unanswered(
        &self,
        name: &str,
        (began, now): (Timestamp, Timestamp),
        life: Duration,
    ) -> Result<SessionItem, StoreError> {
        const ACT: &str = "count a send without an answer";
        let one_more = self
            .update(name)
            .condition_expression(
                "unanswered_since > :stale \
                 AND (attribute_not_exists(connect_at) OR connect_at < unanswered_since AND connect_at < :began)",
            )
            .update_expression("ADD unanswered :one")
            .expression_attribute_values(":stale", time(now.minus(life)))
            .expression_attribute_values(":began", time(began))
            .expression_attribute_values(":one", number(1));
        if let Attempt::Done(item) = attempt(ACT, one_more).await? {
            return Ok(item);
        }
        let first = self
            .update(name)
            .condition_expression("attribute_not_exists(connect_at) OR connect_at < :began")
            .update_expression("SET unanswered_since = :began, unanswered = :one")
            .expression_attribute_values(":began", time(began))
            .expression_attribute_values(":one", number(1));
        match attempt(ACT, first).await? {
            Attempt::Done(item) | Attempt::Refused(item) => Ok(item),
        }
    }

    /// Counts a connect of `name` that the gateway refused at `now` although the session is down, and answers the item.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn note_refusal(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<SessionItem, StoreError> {
        let update = self
            .update(name)
            .update_expression(
                "SET refused_since = if_not_exists(refused_since, :now) ADD refusals :one",
            )
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":one", number(1));
        match attempt("count a refused connect", update).await? {
            Attempt::Done(item) | Attempt::Refused(item) => Ok(item),
        }
    }

    /// Forgets refused connects of `name`: the gateway has begun a new life.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_refusals(&self, name: &str) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .update_expression("REMOVE refused_since, refusals");
        attempt("forget refused connects", update).await.map(drop)
    }

    /// Takes the right to restart the gateway at `now`, if nobody did since its item was read. Answers whether it is the
    /// caller's.
    ///
    /// # Errors
    /// When the store fails; the right may then be taken.
    pub async fn take_restart_right(
        &self,
        gateway: &SessionItem,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(GATEWAY)
            .update_expression("SET restarts = :restarts")
            .expression_attribute_values(":restarts", with(&gateway.restarts, now));
        let update = if gateway.restarts.is_empty() {
            update.condition_expression("attribute_not_exists(restarts)")
        } else {
            update
                .condition_expression("restarts = :known")
                .expression_attribute_values(":known", times(&gateway.restarts))
        };
        let taken = attempt("take the right to restart the gateway", update).await?;
        Ok(matches!(taken, Attempt::Done(_)))
    }

    /// Takes the connect right of `name` as `claim` says, if it is free and nobody took it since `item` was read.
    /// The winner is also the one who asks the gateway from now on.
    ///
    /// # Errors
    /// When the store fails; the right may then be taken, and passes by itself.
    pub async fn take_connect_right(
        &self,
        name: &str,
        item: &SessionItem,
        claim: &ConnectClaim<'_>,
    ) -> Result<ConnectRight, StoreError> {
        let ConnectClaim {
            attempt_id,
            now,
            wait,
            early,
            over_library,
        } = *claim;
        let update = self
            .update(name)
            .update_expression(
                "SET connect_at = :now, connect_after = :after, connect_wait_ms = :wait, connect_by = :attempt, \
                 connects = :connects, over_library = :over_library, asked_at = :now, asked_by = :attempt",
            )
            .expression_attribute_values(":connects", with(&item.connects, now))
            .expression_attribute_values(":over_library", AttributeValue::Bool(over_library))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":after", time(now.plus(wait)))
            .expression_attribute_values(":wait", millis(wait))
            .expression_attribute_values(":attempt", text(attempt_id));
        let update = match item.connect_after {
            None => update.condition_expression("attribute_not_exists(connect_after)"),
            Some(after) => update
                .condition_expression(if early {
                    "connect_after = :seen"
                } else {
                    "connect_after = :seen AND connect_after <= :now"
                })
                .expression_attribute_values(":seen", time(after)),
        };
        Ok(match attempt("take the connect right", update).await? {
            Attempt::Done(_) => ConnectRight::Won(now),
            Attempt::Refused(item) if item.connect_by.as_deref() == Some(attempt_id) => {
                ConnectRight::Won(item.connect_at.unwrap_or(now))
            }
            Attempt::Refused(item) => ConnectRight::Lost(Box::new(item)),
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
        cost: span(COST).map(|cost| cost.clamp(COST_MIN, COST_MAX)),
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
        connects: read_times(item, CONNECTS),
        over_library: matches!(item.get(OVER_LIBRARY), Some(AttributeValue::Bool(true))),
        refused_since: time(REFUSED_SINCE),
        refusals: item.number(REFUSALS).unwrap_or(0),
        unanswered_since: time(UNANSWERED_SINCE),
        unanswered: item.number(UNANSWERED).unwrap_or(0),
        recent: read_recent(item),
        restarts: read_times(item, RESTARTS),
    }
}

fn read_list<'a>(item: &'a Item, name: &str) -> &'a [AttributeValue] {
    match item.get(name) {
        Some(AttributeValue::L(list)) => list,
        _ => &[],
    }
}

fn read_times(item: &Item, name: &str) -> Vec<Timestamp> {
    let times = read_list(item, name).iter();
    times
        .filter_map(|at| at.as_n().ok()?.parse().ok())
        .map(Timestamp::from_millis)
        .collect()
}

/// One text, since the list is written with each message: when it ended, how long it took, and how.
fn recent_send(send: &RecentSend) -> AttributeValue {
    let (at, took, end) = (send.at.millis(), send.took.as_millis(), send.end.as_str());
    text(format!("{at} {took} {end}"))
}

fn read_recent(item: &Item) -> Vec<RecentSend> {
    let sends = read_list(item, RECENT).iter();
    sends.filter_map(read_recent_send).collect()
}

fn read_recent_send(send: &AttributeValue) -> Option<RecentSend> {
    let mut words = send.as_s().ok()?.split(' ');
    let (at, took, end) = (words.next()?, words.next()?, words.next()?);
    Some(RecentSend {
        at: Timestamp::from_millis(at.parse().ok()?),
        took: Duration::from_millis(took.parse().ok()?),
        end: SendEnd::ALL
            .into_iter()
            .find(|known| known.as_str() == end)?,
    })
}

fn times(points: &[Timestamp]) -> AttributeValue {
    AttributeValue::L(points.iter().map(|point| time(*point)).collect())
}

/// The last points in time with one more.
fn with(points: &[Timestamp], now: Timestamp) -> AttributeValue {
    let from = points.len().saturating_sub(REMEMBERED - 1);
    let mut points = points[from..].to_vec();
    points.push(now);
    times(&points)
}

fn time(point: Timestamp) -> AttributeValue {
    number(point.millis())
}

fn millis(span: Duration) -> AttributeValue {
    number(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
