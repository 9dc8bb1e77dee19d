//! Telling a phone by a message what was changed about its account, so that its owner learns of what somebody else did.
//!
//! The change is made by then and stays made. So nothing here fails: a message that did not go out leaves its delivery and a
//! line in the log. It is charged to no limit, and sent to nobody but the phone of a user.
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
use crate::sender::{self, Content, Outcome, Outgoing, Sender};

/// The longest that whoever made the change waits for its message.
pub const TOLD_WITHIN: Duration = Duration::from_secs(6);

/// What of that is kept to record the delivery.
const RECORD_ROOM: Duration = Duration::from_secs(1);

/// The longest wait for a place in the session's queue: codes go first.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Tells of changes.
#[derive(Clone, Debug)]
pub struct AccountChanges {
    sender: Sender,
    brand: Brand,
    test_numbers: TestNumbers,
    clock: Clock,
    entropy: Entropy,
}

/// One phone to be told.
#[derive(Debug)]
pub struct Notice<'a> {
    /// What was changed.
    pub change: AccountChange,
    /// Who is told.
    pub phone: &'a Phone,
    /// The language that was asked for; otherwise that of the phone's country.
    pub language: Option<Language>,
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
        let sending = tokio::time::timeout(self.clock.until(until), self.send(notice, until));
        let why = match sending.await {
            Ok(Ok(Outcome::Sent)) => return Told::Yes,
            Ok(Ok(Outcome::Unknown)) => return Told::Perhaps,
            Ok(Ok(Outcome::NotSent(reason))) => reason.as_str().to_owned(),
            Ok(Err(why)) => why,
            Err(_) => "out of time".to_owned(),
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

    async fn send(&self, notice: &Notice<'_>, until: Timestamp) -> Result<Outcome, String> {
        let Notice { change, phone, .. } = *notice;
        let picked = self.sender.pick(phone).await;
        let picked = picked.map_err(|error| Chain(&error).to_string())?;
        let place = self.sender.take_place(&picked, PLACE_WAIT_MAX).await;
        let place = place.map_err(|error| Chain(&error).to_string())?;
        let place = place.map_err(|_| "the session's queue is full".to_owned())?;
        let outgoing = Outgoing {
            purpose: change.name(),
            message_id: sender::message_id(&self.entropy),
            phone: phone.clone(),
            content: Content::Text(self.brand.change_message(change, language(notice))),
            // Any other phone has taken a code by now.
            first_contact: change == AccountChange::PhoneTaken,
        };
        let last = until.minus(RECORD_ROOM);
        let delivery = self.sender.deliver(place, outgoing, last).await;
        self.sender.record(&delivery).await;
        Ok(delivery.outcome)
    }
}

fn language(notice: &Notice<'_>) -> Language {
    let of_country = || Identifier::Phone(notice.phone.clone()).language();
    notice.language.unwrap_or_else(of_country)
}
