//! Who may connect a session, or have its gateway restarted, and when.
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{SessionItem, millis, time, times, times_with};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, number, text};

/// A request for the connect right.
#[derive(Clone, Copy, Debug)]
pub struct ConnectClaim<'a> {
    /// The attempt. Its own success is recognised when the store's reply was lost.
    pub attempt_id: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// For how long nobody else may connect.
    pub wait: Duration,
    /// Whether the right may be taken although its time has not passed.
    pub early: bool,
    /// Whether the gateway's library is reconnecting by itself.
    pub over_library: bool,
}

/// Who may connect now.
#[derive(Debug)]
pub enum ConnectRight {
    /// The caller, at this time.
    Won(Timestamp),
    /// Somebody else, or nobody yet. The item as it is.
    Lost(Box<SessionItem>),
}

impl WhatsAppSessions {
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
        let (attempt_id, now) = (claim.attempt_id, claim.now);
        let update = self.taking_connect_right(name, item, claim);
        Ok(match write("take the connect right", update).await? {
            Updated::Done(_) => ConnectRight::Won(now),
            Updated::Refused(item) if item.connect_by.as_deref() == Some(attempt_id) => {
                ConnectRight::Won(item.connect_at.unwrap_or(now))
            }
            Updated::Refused(item) => ConnectRight::Lost(Box::new(item)),
        })
    }

    fn taking_connect_right(
        &self,
        name: &str,
        item: &SessionItem,
        claim: &ConnectClaim<'_>,
    ) -> UpdateItemFluentBuilder {
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
            .expression_attribute_values(":connects", times_with(&item.connects, now))
            .expression_attribute_values(":over_library", AttributeValue::Bool(over_library))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":after", time(now.plus(wait)))
            .expression_attribute_values(":wait", millis(wait))
            .expression_attribute_values(":attempt", text(attempt_id));
        match item.connect_after {
            None => update.condition_expression("attribute_not_exists(connect_after)"),
            Some(after) => update
                .condition_expression(if early {
                    "connect_after = :seen"
                } else {
                    "connect_after = :seen AND connect_after <= :now"
                })
                .expression_attribute_values(":seen", time(after)),
        }
    }

    /// Keeps `gateway` from being told to connect until `wait` after `now`, and makes that the distance of its connects.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pace_connects(
        &self,
        gateway: &str,
        now: Timestamp,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let update = self
            .update(gateway)
            .update_expression("SET connect_after = :after, connect_wait_ms = :wait")
            .expression_attribute_values(":after", time(now.plus(wait)))
            .expression_attribute_values(":wait", millis(wait));
        write("pace the connects", update).await?;
        Ok(())
    }

    /// Counts a connect of `name` that the gateway refused at `now` although the session is down, and answers the item.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_refused_connect(
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
        match write("count a refused connect", update).await? {
            Updated::Done(item) | Updated::Refused(item) => Ok(item),
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
        write("forget refused connects", update).await.map(drop)
    }

    /// Takes the right to restart the gateway `name` at `now`, if nobody did since its item was read. Answers whether it is
    /// the caller's.
    ///
    /// # Errors
    /// When the store fails; the right may then be taken.
    pub async fn take_restart_right(
        &self,
        name: &str,
        gateway: &SessionItem,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(name)
            .update_expression("SET restarts = :restarts")
            .expression_attribute_values(":restarts", times_with(&gateway.restarts, now));
        let update = if gateway.restarts.is_empty() {
            update.condition_expression("attribute_not_exists(restarts)")
        } else {
            update
                .condition_expression("restarts = :known")
                .expression_attribute_values(":known", times(&gateway.restarts))
        };
        let taken = write("take the right to restart the gateway", update).await?;
        Ok(matches!(taken, Updated::Done(_)))
    }
}
