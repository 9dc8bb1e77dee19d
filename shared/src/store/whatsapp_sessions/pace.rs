//! The pace of a session's messages that are not urgent: so many a minute, and some at once after a rest.
//!
//! A turn is a time that belongs to one message. Whoever has it waits for it without another call, and takes its place in the
//! queue only then: so codes go first. The turn of a process that dies passes.
use std::time::Duration;

use super::item::{UNHURRIED_UNTIL, millis, time};
use super::queue::MoveOn;
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// How many messages that are not urgent may go out at once.
const BURST: u32 = 10;

/// The pace of a session, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long one message takes of it.
    pub each: Duration,
    /// When all turns that were given are over.
    pub paid_until: Option<Timestamp>,
}

impl Pace {
    /// How long after `now` the next turn comes.
    pub fn wait(self, now: Timestamp) -> Duration {
        self.paid_until.unwrap_or(now).since(now.plus(self.burst()))
    }

    /// What may be paid ahead by a message that is let in at once.
    fn burst(self) -> Duration {
        self.each * (BURST - 1)
    }
}

/// A request for a turn.
#[derive(Clone, Copy, Debug)]
pub struct PaceRequest {
    /// The pace of the session. A wrong guess costs one more update.
    pub pace: Pace,
    /// The time of the request.
    pub now: Timestamp,
    /// How long the caller can wait for its turn.
    pub wait_max: Duration,
}

/// The answer to a request for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaceTurn {
    /// The turn's time.
    At(Timestamp),
    /// None was taken: the next one is beyond reach, or the pace was not as it was thought to be. The pace as it is.
    Refused(Pace),
}

impl WhatsAppSessions {
    /// Takes the next turn in the pace of `name`, if the caller can wait for it. One conditional update. A repeat after a
    /// lost reply takes one more turn and wastes the first, which does no harm.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_pace_turn(
        &self,
        name: &str,
        request: PaceRequest,
    ) -> Result<PaceTurn, StoreError> {
        let PaceRequest {
            pace,
            now,
            wait_max,
        } = request;
        let move_on = MoveOn {
            attribute: UNHURRIED_UNTIL,
            seen: pace.paid_until.unwrap_or(now),
            now,
            latest: now.plus(pace.burst()).plus(wait_max),
        };
        let update = self
            .update(name)
            .condition_expression(move_on.condition())
            .update_expression(move_on.set(":each"))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":each", millis(pace.each));
        Ok(
            match write("take a turn", move_on.with_latest(update)).await? {
                Updated::Done(item) => {
                    let after = item.unhurried_until.unwrap_or(now);
                    PaceTurn::At(after.minus(pace.each).minus(pace.burst()).max(now))
                }
                Updated::Refused(item) => PaceTurn::Refused(Pace {
                    paid_until: item.unhurried_until,
                    ..pace
                }),
            },
        )
    }

    /// Gives a turn of `name` back that is not needed, by moving the pace up by `each`. Whoever waits keeps its time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave_pace_turn(&self, name: &str, each: Duration) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .condition_expression("attribute_exists(unhurried_until)")
            .update_expression("SET unhurried_until = unhurried_until - :each")
            .expression_attribute_values(":each", millis(each));
        write("leave a turn", update).await.map(drop)
    }
}
