//! The queue of a session: who may send when.
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::item::{SessionItem, UNHURRIED_UNTIL, millis, time};
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
    /// For a message that is not urgent: the pace of those.
    pub pace: Option<Pace>,
}

/// What a place in the queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPurpose {
    /// A send.
    Send,
    /// A send that tries the session out. There is one at a time.
    Trial,
}

/// The pace of messages that are not urgent. So many of them may go out at once after a rest.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long one takes of it.
    pub each: Duration,
    /// When all that were let in are over, as far as is known.
    pub paid_until: Option<Timestamp>,
}

/// How many messages that are not urgent may go out at once.
const BURST: u32 = 10;

/// The answer to a request for a place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The place's time, and how long it is.
    At(Timestamp, Duration),
    /// No place was taken: every place in reach is, or others were faster each time. The item as it is.
    Full(Box<SessionItem>),
    /// No place was taken: another message tries the session out.
    OnTrial,
}

impl SlotRequest {
    /// Whether another message has the session for itself.
    fn is_refused_by_trial(&self, item: &SessionItem) -> bool {
        let under_way = item.trial_ends.is_some_and(|ends| self.now < ends);
        self.purpose == SlotPurpose::Trial && under_way
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
        let mut guess = Guess::of(&request);
        let mut queue = SessionItem {
            free_at: Some(guess.free_at),
            ..SessionItem::default()
        };
        for _ in 0..RACES_MAX {
            let update = self.slot_update(name, request, guess);
            match write("take a slot", update).await? {
                Updated::Done(item) => {
                    let cost = item.cost.unwrap_or(cost);
                    let after = item.free_at.unwrap_or(now.plus(cost));
                    return Ok(Slot::At(after.minus(cost), cost));
                }
                Updated::Refused(item) if request.is_refused_by_trial(&item) => {
                    return Ok(Slot::OnTrial);
                }
                Updated::Refused(item) => {
                    guess = Guess::from_item(&item, now);
                    queue = item;
                }
            }
            if guess.free_at > latest || guess.is_beyond(request.pace, now) {
                break;
            }
        }
        Ok(Slot::Full(Box::new(queue)))
    }

    /// The update that takes the place of this moment in a queue where nobody waits, or the place behind the last one if it is
    /// in reach; and with a pace, the same of that.
    fn slot_update(
        &self,
        name: &str,
        request: SlotRequest,
        guess: Guess,
    ) -> UpdateItemFluentBuilder {
        let now = request.now;
        let latest = now.plus(request.wait_max);
        let mut terms = Terms::new(
            guess.free_at,
            now,
            "free_at",
            "if_not_exists(cost_ms, :cost)",
        );
        let mut update = self.update(name);
        if guess.free_at > now {
            update = update.expression_attribute_values(":free_at_latest", time(latest));
        }
        if let Some(pace) = request.pace {
            terms.and(Terms::new(guess.paid_until, now, UNHURRIED_UNTIL, ":each"));
            update = update.expression_attribute_values(":each", millis(pace.each));
            if guess.paid_until > now {
                let name = format!(":{UNHURRIED_UNTIL}_latest");
                update = update.expression_attribute_values(name, time(pace.latest(now)));
            }
        }
        request.complete(update, &terms.condition, &terms.set)
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

/// What is known of a queue, perhaps wrongly.
#[derive(Clone, Copy)]
struct Guess {
    free_at: Timestamp,
    paid_until: Timestamp,
}

impl Guess {
    fn of(request: &SlotRequest) -> Self {
        let paid_until = request.pace.and_then(|pace| pace.paid_until);
        Self {
            free_at: request.free_at.unwrap_or(request.now),
            paid_until: paid_until.unwrap_or(request.now),
        }
    }

    fn from_item(item: &SessionItem, now: Timestamp) -> Self {
        Self {
            free_at: item.free_at.unwrap_or(now),
            paid_until: item.unhurried_until.unwrap_or(now),
        }
    }

    /// Whether the pace, if there is one, lets nothing in now.
    fn is_beyond(self, pace: Option<Pace>, now: Timestamp) -> bool {
        pace.is_some_and(|pace| pace.latest(now) < self.paid_until)
    }
}

/// What an update asks for and does.
struct Terms {
    condition: String,
    set: String,
}

impl Terms {
    /// Moves the time `name`, which is taken to be `at`, on by `step`: from `now` where it has passed, and otherwise from where it
    /// is, if that is in reach.
    fn new(at: Timestamp, now: Timestamp, name: &str, step: &str) -> Self {
        if at <= now {
            Self {
                condition: format!("(attribute_not_exists({name}) OR {name} <= :now)"),
                set: format!("SET {name} = :now + {step}"),
            }
        } else {
            Self {
                condition: format!("({name} BETWEEN :now AND :{name}_latest)"),
                set: format!("SET {name} = {name} + {step}"),
            }
        }
    }

    fn and(&mut self, other: Self) {
        self.condition = format!("{} AND {}", self.condition, other.condition);
        self.set = self.set.clone() + &other.set.replacen("SET", ",", 1);
    }
}

impl Pace {
    /// The last moment that may be paid for and still lets a message in.
    fn latest(self, now: Timestamp) -> Timestamp {
        now.plus(self.each * (BURST - 1))
    }

    /// How long after `now` the next message is let in.
    pub fn wait(self, paid_until: Timestamp, now: Timestamp) -> Duration {
        paid_until.since(self.latest(now))
    }
}
