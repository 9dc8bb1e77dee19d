//! Who has written to a phone.
use super::change::Change;
use super::item::list_of_sends;
use super::sends::TakenMessage;
use super::{Challenges, ITEM_LIFE};
use crate::model::challenge::PhoneState;
use crate::model::phone::Phone;
use crate::store::{StoreError, number, text};

impl Challenges {
    /// Remembers that a gateway took a message to the phone that carries no code, unless the phone's state has changed since it
    /// was seen: it is a hint, and the next message brings another one.
    pub async fn remember_contact(
        &self,
        phone: &Phone,
        seen: &PhoneState,
        taken: TakenMessage<'_>,
    ) -> Result<(), StoreError> {
        let Some(asked_at) = taken.asked_at else {
            return Ok(());
        };
        let expires_at = asked_at.plus(ITEM_LIFE).seconds_up();
        let change = Change::new("remember who wrote to a phone")
            .if_seen(seen)
            .set("sends = :sends, failures = :failures, expires_at = :expires_at")
            .set("taken_at = :taken_at, served_by = :served_by")
            .remove("pretended_by")
            .value(":sends", list_of_sends(&seen.sends))
            .value(":failures", number(seen.failures))
            .value(":expires_at", number(expires_at))
            .value(":taken_at", number(asked_at.millis()))
            .value(":served_by", text(taken.session));
        self.update(phone, change.remove_unseen(seen))
            .await
            .map(drop)
    }
}
