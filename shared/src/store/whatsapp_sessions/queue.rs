//! The queue of a session: who may send when.
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::item::{SessionItem, millis, time};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// How often one call tries to take a place when others change the queue meanwhile.
const RACES_MAX: u32 = 4;

/// How long one message has a session for itself that it tries out. A code is done within that, or died.
const TRIAL: Duration = Duration::from_secs(20);

/// A request for a place in the queue.
#[derive(Clone, Copy, Debug)]
pub struct SlotRequest {
    /// The first free place of the queue, as far as is known. A wrong guess costs one more update.
    pub free_at: Option<Timestamp>,
    /// The time of the request.
    pub now: Timestamp,
    /// How long the caller can wait for its place.
    pub wait_max: Duration,
    /// What a send is taken to cost while nobody has measured it.
    pub cost: Duration,
    /// What the place is for.
    pub purpose: SlotPurpose,
}

/// What a place in the queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPurpose {
    /// A send.
    Send,
    /// A send that tries the session out. There is one at a time.
    Trial,
}

/// The answer to a request for a place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The place.
    At(TakenSlot),
    /// No place was taken: every place in reach is, or others were faster each time. The item as it is.
    Full(Box<SessionItem>),
    /// No place was taken: another message tries the session out.
    OnTrial,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenSlot {
    /// When it comes.
    pub at: Timestamp,
    /// How long it is.
    pub cost: Duration,
    /// How many new chats the session has opened on that day.
    pub new_chats: i64,
}

impl SlotRequest {
    /// Whether another message has the session for itself.
    fn is_refused_by_trial(&self, item: &SessionItem) -> bool {
        self.purpose == SlotPurpose::Trial && item.is_on_trial(self.now)
    }

    /// `update` with its condition, with what it sets, and with a trial if it is for one.
    fn complete(
        &self,
        update: UpdateItemFluentBuilder,
        condition: &str,
        set: &str,
    ) -> UpdateItemFluentBuilder {
        let update = update
            .expression_attribute_values(":now", time(self.now))
            .expression_attribute_values(":cost", millis(self.cost));
        match self.purpose {
            SlotPurpose::Send => update
                .condition_expression(condition)
                .update_expression(set),
            SlotPurpose::Trial => update
                .condition_expression(format!(
                    "{condition} AND (attribute_not_exists(trial_ends) OR trial_ends <= :now)"
                ))
                .update_expression(format!("{set}, trial_ends = :trial_ends"))
                .expression_attribute_values(":trial_ends", time(self.now.plus(TRIAL))),
        }
    }
}

impl WhatsAppSessions {
    /// Takes the next place in the queue of `name`, and moves the queue on by what a send costs.
    ///
    /// One conditional update as a rule, two when the guess `free_at` was wrong. A repeat after a lost reply takes one
    /// more place and wastes the first, which does no harm.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_slot(&self, name: &str, request: SlotRequest) -> Result<Slot, StoreError> {
        let SlotRequest {
            now,
            wait_max,
            cost,
            ..
        } = request;
        let latest = now.plus(wait_max);
        let mut free_at = request.free_at.unwrap_or(now);
        let mut queue = SessionItem {
            free_at: Some(free_at),
            ..SessionItem::default()
        };
        for _ in 0..RACES_MAX {
            let update = self.slot_update(name, request, free_at);
            match write("take a slot", update).await? {
                Updated::Done(item) => {
                    let cost = item.cost.unwrap_or(cost);
                    let after = item.free_at.unwrap_or(now.plus(cost));
                    return Ok(Slot::At(TakenSlot {
                        at: after.minus(cost),
                        cost,
                        new_chats: item.new_chats_on(now),
                    }));
                }
                Updated::Refused(item) if request.is_refused_by_trial(&item) => {
                    return Ok(Slot::OnTrial);
                }
                Updated::Refused(item) => {
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

    /// The update that takes the place of this moment in a queue where nobody waits, or the place behind the last one if it is
    /// in reach.
    fn slot_update(
        &self,
        name: &str,
        request: SlotRequest,
        free_at: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let now = request.now;
        let move_on = MoveOn {
            attribute: "free_at",
            seen: free_at,
            now,
            latest: now.plus(request.wait_max),
        };
        let update = move_on.with_latest(self.update(name));
        let set = move_on.set("if_not_exists(cost_ms, :cost)");
        request.complete(update, &move_on.condition(), &set)
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
        write("leave a slot", update).await?;
        Ok(())
    }
}

/// Moves a time of a session on: from now where it has passed, and otherwise from where it is, if that is in reach.
pub(super) struct MoveOn {
    /// The attribute that holds the time.
    pub(super) attribute: &'static str,
    /// The time, as far as is known.
    pub(super) seen: Timestamp,
    pub(super) now: Timestamp,
    /// The last moment that is in reach.
    pub(super) latest: Timestamp,
}

impl MoveOn {
    fn has_passed(&self) -> bool {
        self.seen <= self.now
    }

    /// What has to hold. The values are `:now`, and those of [`with_latest`](Self::with_latest).
    pub(super) fn condition(&self) -> String {
        let name = self.attribute;
        if self.has_passed() {
            format!("(attribute_not_exists({name}) OR {name} <= :now)")
        } else {
            format!("({name} BETWEEN :now AND :latest)")
        }
    }

    /// The update by `step`.
    pub(super) fn set(&self, step: &str) -> String {
        let name = self.attribute;
        let from = if self.has_passed() { ":now" } else { name };
        format!("SET {name} = {from} + {step}")
    }

    /// `update` with the value that the condition needs beside `:now`.
    pub(super) fn with_latest(&self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        if self.has_passed() {
            update
        } else {
            update.expression_attribute_values(":latest", time(self.latest))
        }
    }
}
