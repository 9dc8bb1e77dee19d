//! The queue of a session: who may send when.
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::item::{SessionItem, millis, time};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// How often one call tries to take a place when others change the queue meanwhile.
const RACES_MAX: u32 = 4;

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
}

/// The answer to a request for a place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The place's time, and how long it is.
    At(Timestamp, Duration),
    /// No place was taken: every place in reach is, or others were faster each time. The item as it is.
    Full(Box<SessionItem>),
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
            let update = if free_at <= now {
                self.start_queue(name, request)
            } else {
                self.join_queue(name, request)
            };
            match write("take a slot", update).await? {
                Updated::Done(item) => {
                    let cost = item.cost.unwrap_or(cost);
                    let after = item.free_at.unwrap_or(now.plus(cost));
                    return Ok(Slot::At(after.minus(cost), cost));
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

    /// The update that takes the place of this moment, in a queue where nobody waits.
    fn start_queue(&self, name: &str, request: SlotRequest) -> UpdateItemFluentBuilder {
        self.update(name)
            .condition_expression("attribute_not_exists(free_at) OR free_at <= :now")
            .update_expression("SET free_at = :now + if_not_exists(cost_ms, :cost)")
            .expression_attribute_values(":now", time(request.now))
            .expression_attribute_values(":cost", millis(request.cost))
    }

    /// The update that takes the place behind the last one, if it is in reach.
    fn join_queue(&self, name: &str, request: SlotRequest) -> UpdateItemFluentBuilder {
        let latest = request.now.plus(request.wait_max);
        self.update(name)
            .condition_expression("free_at BETWEEN :now AND :latest")
            .update_expression("SET free_at = free_at + if_not_exists(cost_ms, :cost)")
            .expression_attribute_values(":now", time(request.now))
            .expression_attribute_values(":latest", time(latest))
            .expression_attribute_values(":cost", millis(request.cost))
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
