//! Which message may try an account that WhatsApp refuses.
use std::time::Duration;

use super::item::{SessionItem, time};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// The answer to a message that would try an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It may.
    Ours,
    /// Another one did a moment ago. The item as it is.
    Others(Box<SessionItem>),
}

/// Whose turns to try an account there are. What anybody can have sent keeps users from none of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Those of messages to users.
    OfUsers,
    /// Those of messages that anybody can have sent.
    OfOthers,
}

impl Turns {
    const fn attribute(self) -> &'static str {
        match self {
            Self::OfUsers => "tried_at",
            Self::OfOthers => "tried_by_others_at",
        }
    }
}

impl WhatsAppSessions {
    /// Lets the caller try the account of `name`, unless a message of the same `turns` did within `pause` before `now`. One
    /// conditional update. A repeat after a lost reply is refused, and the next message tries.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_trial(
        &self,
        name: &str,
        turns: Turns,
        (now, pause): (Timestamp, Duration),
    ) -> Result<Trial, StoreError> {
        let update = self
            .update(name)
            .condition_expression("attribute_not_exists(#tried) OR #tried <= :stale")
            .update_expression("SET #tried = :now")
            .expression_attribute_names("#tried", turns.attribute())
            .expression_attribute_values(":stale", time(now.minus(pause)))
            .expression_attribute_values(":now", time(now));
        Ok(match write("try a refused account", update).await? {
            Updated::Done(_) => Trial::Ours,
            Updated::Refused(item) => Trial::Others(Box::new(item)),
        })
    }

    /// Gives a turn back that was claimed at `at`, if nobody has claimed the next one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn leave_trial(
        &self,
        name: &str,
        turns: Turns,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .condition_expression("#tried = :at")
            .update_expression("REMOVE #tried")
            .expression_attribute_names("#tried", turns.attribute())
            .expression_attribute_values(":at", time(at));
        write("leave a trial", update).await.map(drop)
    }
}
