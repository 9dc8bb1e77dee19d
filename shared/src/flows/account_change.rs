//! Telling a phone by a message what was changed about its account, so that its owner learns of what somebody else did.
//!
//! The change is made before, and stays. So nothing here fails: a message that did not go out leaves its delivery and a line
//! in the log. The message is charged to no limit, and goes to nobody but the phone of a user.
use std::time::Duration;

use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::model::phone::Phone;
use crate::model::test_numbers::TestNumbers;
use crate::model::texts::{AccountChange, Brand};
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::{
    self, Cause, Content, OnceUnknown, Outcome, Outgoing, PickError, Place, PlaceError, Recipient,
    Sender,
};

/// The longest that a change waits for its message.
pub const TOLD_WITHIN: Duration = Duration::from_secs(6);

/// The part of that time that is kept to record the delivery.
const RECORD_ROOM: Duration = Duration::from_secs(1);

/// The longest wait for a place in the session's queue: codes go first.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Tells phones of changes.
#[derive(Clone, Debug)]
pub struct AccountChanges {
    sender: Sender,
    brand: Brand,
    test_numbers: TestNumbers,
    clock: Clock,
    entropy: Entropy,
}

/// A change to tell a phone of.
#[derive(Debug)]
pub struct Notice<'a> {
    /// What was changed.
    pub change: AccountChange,
    /// The phone.
    pub phone: &'a Phone,
    /// The session that has written to the phone, where that is known.
    pub served_by: Option<&'a str>,
    /// The language that was asked for. Without one it is that of the phone's country.
    pub language: Option<Language>,
    /// Lambda's id of the request that made the change; empty where none did.
    pub request_id: &'a str,
}

/// What became of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// WhatsApp took it.
    Yes,
    /// The gateway may have sent it.
    Perhaps,
    /// It did not go out. The log says why.
    No,
    /// A number with a fixed code gets no messages.
    TestNumber,
}

/// Why no message was tried.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error(transparent)]
    Pick(#[from] PickError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("out of time")]
    OutOfTime,
}

impl AccountChanges {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sender: Sender::new(backends),
            brand: backends.settings.brand.clone(),
            test_numbers: backends.settings.test_numbers.clone(),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Tells the phone, by `deadline` and within [`TOLD_WITHIN`].
    pub async fn tell(&self, notice: &Notice<'_>, deadline: Timestamp) -> Told {
        let Notice { change, phone, .. } = notice;
        if self.test_numbers.code(phone).is_some() {
            return Told::TestNumber;
        }
        let until = deadline.min(self.clock.now().plus(TOLD_WITHIN));
        let why = match self.send(notice, until).await {
            Ok(Outcome::Sent) => return Told::Yes,
            Ok(Outcome::Unknown) => return Told::Perhaps,
            Ok(Outcome::NotSent(reason)) => reason.as_str().to_owned(),
            Err(error) => Chain(&error).to_string(),
        };
        let change = change.name();
        tracing::warn!(
            %phone,
            change,
            why,
            "[WhatsApp System] a phone was not told of a change of its account"
        );
        Told::No
    }

    async fn send(&self, notice: &Notice<'_>, until: Timestamp) -> Result<Outcome, NotTold> {
        let Notice {
            change,
            phone,
            served_by,
            ..
        } = *notice;
        let sent_by = until.minus(RECORD_ROOM);
        // Any other phone has taken a code by now.
        let first_contact = change == AccountChange::PhoneTaken;
        let recipient = Recipient {
            served_by,
            first_contact,
            unserved: served_by.is_none(),
            ..Recipient::of(phone)
        };
        let place = self.in_time(self.take_place(&recipient), sent_by).await;
        let place = place.ok_or(NotTold::OutOfTime)??;
        let outgoing = Outgoing {
            purpose: change.name(),
            message_id: sender::message_id(&self.entropy),
            phone: phone.clone(),
            content: Content::Text(self.brand.change_message(change, language(notice))),
            first_contact,
            code_asked_at: None,
            once_unknown: OnceUnknown::GoesElsewhere,
            is_repeat: false,
            cause: Cause::request(notice.request_id),
        };
        let delivery = self.sender.deliver(place, outgoing, sent_by).await;
        // The message is out or not, whatever becomes of its record.
        let recorded = self.in_time(self.sender.record(&delivery), until).await;
        if recorded.is_none() {
            let message_id = delivery.message_id.as_str();
            tracing::error!(message_id, "a delivery was not recorded in time");
        }
        Ok(delivery.outcome)
    }

    /// A place in the queue of the session that the phone is written to from.
    async fn take_place(&self, recipient: &Recipient<'_>) -> Result<Place, NotTold> {
        let picked = self.sender.pick(recipient).await?;
        Ok(self.sender.take_place(&picked, PLACE_WAIT_MAX).await?)
    }

    /// What `work` gives, if it is done by `until`.
    async fn in_time<T>(&self, work: impl Future<Output = T>, until: Timestamp) -> Option<T> {
        let left = self.clock.until(until);
        tokio::time::timeout(left, work).await.ok()
    }
}

fn language(notice: &Notice<'_>) -> Language {
    let of_country = || Identifier::Phone(notice.phone.clone()).language();
    notice.language.unwrap_or_else(of_country)
}
