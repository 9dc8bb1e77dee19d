//! Who has called for somebody to pair a session, and when: so that a chat reads it once.
use std::time::Duration;

use super::item::{SessionItem, time};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// A call that is not made within this time is somebody else's to make.
const CLAIM: Duration = Duration::from_secs(120);

impl WhatsAppSessions {
    /// Takes the right to call for a pairing of `name` at `now`, if nobody has called since `item` was read, and nobody is about to.
    /// The right of a process that dies passes by itself.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_pairing_call(
        &self,
        name: &str,
        item: &SessionItem,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let free = "(attribute_not_exists(pairing_claimed) OR pairing_claimed <= :stale)";
        let update = self
            .update(name)
            .update_expression("SET pairing_claimed = :now")
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":stale", time(now.minus(CLAIM)));
        let update = match item.pairing_called {
            None => update
                .condition_expression(format!("{free} AND attribute_not_exists(pairing_called)")),
            Some(called) => update
                .condition_expression(format!("{free} AND pairing_called = :called"))
                .expression_attribute_values(":called", time(called)),
        };
        let claimed = write("claim a call for a pairing", update).await?;
        Ok(matches!(claimed, Updated::Done(_)))
    }

    /// Keeps that a call for a pairing of `name` was made at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_pairing_call(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .update_expression("SET pairing_called = :now REMOVE pairing_claimed")
            .expression_attribute_values(":now", time(now));
        write("keep that somebody is called for a pairing", update)
            .await
            .map(drop)
    }
}
