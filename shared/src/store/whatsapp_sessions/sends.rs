//! What real sends show about their session, which no status shows.
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{
    COST_MAX, COST_MIN, RecentSend, SessionItem, millis, new_chats_of, recent_sends, time,
};
use super::refused::{self, RefusedUser};
use super::taken::{self, TakenMessage};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, bytes, number};

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

/// The end of the wait for the next connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitEnd {
    /// The connect whose wait ends. If another one was made since, its wait goes on.
    pub connect_at: Timestamp,
    /// From when the next connect may be made.
    pub connect_after: Timestamp,
}

/// What a real send has shown about its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendRecord {
    /// The last sends with this one, oldest first.
    pub recent: Vec<RecentSend>,
    /// When it ended, if it was to somebody who is served by the session.
    pub served_at: Option<Timestamp>,
    /// The messages of the last minutes with this one, if WhatsApp took it.
    pub taken_messages: Option<Vec<TakenMessage>>,
    /// The users who were refused lately as they are now, if that has changed.
    pub refused: Option<Vec<RefusedUser>>,
    /// The send, if WhatsApp took the message. It shows what a send costs, and what counted against the session is forgotten.
    pub taken: Option<TakenSend>,
    /// The end of a wait, if this success ends one.
    pub wait_end: Option<WaitEnd>,
    /// What the send did not need of its place in the queue, which is given back.
    pub rest_of_place: Option<Duration>,
    /// How long WhatsApp took to refuse it as one to somebody new, if it did.
    pub refused_as_new_after: Option<Duration>,
    /// The day on which it opened a new chat, if it did.
    pub new_chat_on: Option<i64>,
}

/// A send that ended without an answer.
#[derive(Clone, Copy, Debug)]
pub struct UnansweredSend {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

impl WhatsAppSessions {
    /// Keeps what a real send has shown about `name`. The wait for the next connect ends only if nobody connected since.
    ///
    /// A send that waited in the gateway for the one before it cost the time since that one ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_send(&self, name: &str, record: &SendRecord) -> Result<(), StoreError> {
        const ACT: &str = "keep what a send has shown";
        for parts in Parts::to_try(record) {
            let update = recording(record, parts).put_into(self.update(name));
            if let Updated::Done(_) = write(ACT, update).await? {
                break;
            }
        }
        Ok(())
    }

    /// Counts a send on `name` that ended without an answer, and answers the item. What is older than `life`, or than the last
    /// connect, does not count any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_unanswered(
        &self,
        name: &str,
        send: UnansweredSend,
        life: Duration,
    ) -> Result<SessionItem, StoreError> {
        const ACT: &str = "count a send without an answer";
        let UnansweredSend { began, ended } = send;
        let one_more = self
            .update(name)
            .condition_expression(
                "unanswered_since > :stale \
                 AND (attribute_not_exists(connect_at) OR connect_at < unanswered_since AND connect_at < :began)",
            )
            .update_expression("ADD unanswered :one")
            .expression_attribute_values(":stale", time(ended.minus(life)))
            .expression_attribute_values(":began", time(began))
            .expression_attribute_values(":one", number(1));
        if let Updated::Done(item) = write(ACT, one_more).await? {
            return Ok(item);
        }
        let first = self
            .update(name)
            .condition_expression("attribute_not_exists(connect_at) OR connect_at < :began")
            .update_expression("SET unanswered_since = :began, unanswered = :one")
            .expression_attribute_values(":began", time(began))
            .expression_attribute_values(":one", number(1));
        match write(ACT, first).await? {
            Updated::Done(item) | Updated::Refused(item) => Ok(item),
        }
    }
}

/// Which parts of a record are written that depend on a condition.
#[derive(Clone, Copy)]
struct Parts {
    /// The cost is the time since the send before it ended.
    waited: bool,
    /// The wait for the next connect ends.
    ends_wait: bool,
}

impl Parts {
    /// What is tried for a record, the most first: what a condition refuses is left out. The last has no condition.
    fn to_try(record: &SendRecord) -> impl Iterator<Item = Self> {
        let may_have_waited = record.taken.is_some_and(|taken| taken.may_have_waited);
        let may_end_wait = record.wait_end.is_some();
        [(true, true), (false, true), (true, false), (false, false)]
            .into_iter()
            .map(|(waited, ends_wait)| Self { waited, ends_wait })
            .filter(move |parts| may_have_waited || !parts.waited)
            .filter(move |parts| may_end_wait || !parts.ends_wait)
    }
}

/// An update that grows part by part.
#[derive(Default)]
struct Expression {
    set: Vec<&'static str>,
    remove: Vec<&'static str>,
    add: Vec<&'static str>,
    conditions: Vec<&'static str>,
    names: Vec<(&'static str, String)>,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Expression {
    fn value(&mut self, placeholder: &'static str, value: AttributeValue) {
        self.values.push((placeholder, value));
    }

    /// What a message shows that was taken.
    fn add_taken(&mut self, taken: TakenSend, waited: bool) {
        let TakenSend { began, ended, .. } = taken;
        let cost_max = taken.cost_max.clamp(COST_MIN, COST_MAX);
        self.set.push("last_end = :ended");
        self.value(":ended", time(ended));
        self.remove
            .push("refused_since, refusals, unanswered_since, unanswered, over_library");
        if waited {
            self.set.push("cost_ms = :ended - last_end");
            self.conditions
                .push("last_end BETWEEN :began AND :just_before");
            self.value(":began", time(began.max(ended.minus(cost_max))));
            self.value(":just_before", time(ended.minus(COST_MIN)));
        } else {
            let cost = ended.since(began).clamp(COST_MIN, cost_max);
            self.set.push("cost_ms = :cost");
            self.value(":cost", millis(cost));
        }
    }

    fn add_wait_end(&mut self, wait_end: WaitEnd) {
        self.set.push("connect_after = :after");
        self.remove.push("connect_wait_ms");
        self.conditions.push("connect_at = :connect_at");
        self.value(":connect_at", time(wait_end.connect_at));
        self.value(":after", time(wait_end.connect_after));
    }

    /// Moves the queue up. Whoever waits keeps its time; the next one that comes may meet another one's, and then waits at
    /// the gateway.
    fn add_rest_of_place(&mut self, rest: Duration) {
        self.set
            .push("free_at = if_not_exists(free_at, :rest) - :rest");
        self.value(":rest", millis(rest));
    }

    /// Counts a new chat with the others of its day. The day before is forgotten.
    fn add_new_chat(&mut self, day: i64) {
        self.add.push("#today :one_chat");
        self.remove.push("#yesterday");
        self.names.push(("#today", new_chats_of(day)));
        self.names.push(("#yesterday", new_chats_of(day - 1)));
        self.value(":one_chat", number(1));
    }

    fn put_into(self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let mut expression = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            expression += &format!(" REMOVE {}", self.remove.join(", "));
        }
        if !self.add.is_empty() {
            expression += &format!(" ADD {}", self.add.join(", "));
        }
        let mut update = update.update_expression(expression);
        for (placeholder, name) in self.names {
            update = update.expression_attribute_names(placeholder, name);
        }
        if !self.conditions.is_empty() {
            update = update.condition_expression(self.conditions.join(" AND "));
        }
        for (placeholder, value) in self.values {
            update = update.expression_attribute_values(placeholder, value);
        }
        update
    }
}

/// The update that keeps `record`, with those of its parts that depend on a condition.
fn recording(record: &SendRecord, parts: Parts) -> Expression {
    let mut expression = Expression::default();
    expression.set.push("recent = :recent");
    expression.value(":recent", recent_sends(&record.recent));
    if let Some(served_at) = record.served_at {
        expression.set.push("served_at = :served_at");
        expression.value(":served_at", time(served_at));
    }
    if let Some(taken) = &record.taken_messages {
        expression.set.push("taken = :taken");
        expression.value(":taken", bytes(taken::packed(taken)));
    }
    if let Some(refused) = &record.refused {
        expression.set.push("refused = :refused");
        expression.value(":refused", bytes(refused::packed(refused)));
    }
    if let Some(taken) = record.taken {
        expression.add_taken(taken, parts.waited);
    }
    if let Some(wait_end) = record.wait_end.filter(|_| parts.ends_wait) {
        expression.add_wait_end(wait_end);
    }
    if let Some(rest) = record.rest_of_place {
        expression.add_rest_of_place(rest);
    }
    if let Some(after) = record.refused_as_new_after {
        expression.set.push("refused_new_ms = :refused_new");
        expression.value(":refused_new", millis(after));
    }
    if let Some(day) = record.new_chat_on {
        expression.add_new_chat(day);
    }
    expression
}
