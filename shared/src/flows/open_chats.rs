//! Answering whoever opened a chat to get a code.
//!
//! The refusal of a code told a word (`codes/offer.rs`). Whoever writes it from the very phone gets the code from the session
//! that was written to, as every code is sent: with the limits, charged to whoever asked, and bound to the challenge id of the
//! refusal. Anybody else, and any other text, gets nothing.
use std::time::Duration;

use super::codes::order::{Alone, Companion, OpenedChat, Order, Recipient};
use super::codes::survey::Survey;
use super::codes::{Codes, SendError};
use super::signup::REGISTRATION_LIFE;
use crate::gateway::webhook::IncomingMessage;
use crate::model::account::Registration;
use crate::model::caller::Caller;
use crate::model::challenge::{AttemptId, ChallengeHash};
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::open_chat::{ChatWord, WaitingApplicant, WaitingCode};
use crate::model::phone::Phone;
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::open_chats::{AnsweredBy, OpenChats};
use crate::store::registrations::Registrations;
use crate::store::{StoreError, Write};

/// A message of this age or less may ask for a code. After an outage older ones come in a burst.
const AGE_MAX: Duration = Duration::from_secs(600);

/// Answers opened chats.
#[derive(Clone, Debug)]
pub struct ChatAnswers {
    open_chats: OpenChats,
    registrations: Registrations,
    codes: Codes,
    clock: Clock,
    entropy: Entropy,
}

/// A message that a session got.
#[derive(Clone, Copy, Debug)]
pub struct ChatMessage<'a> {
    /// The session that was written to.
    pub session: &'a str,
    /// What was written.
    pub written: &'a IncomingMessage,
    /// When its answer has to be done.
    pub deadline: Timestamp,
}

impl ChatAnswers {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            open_chats: OpenChats::new(backends),
            registrations: Registrations::new(backends),
            codes: Codes::new(backends),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.codes.warm_up(now).await
    }

    /// Answers `message` if a code waits for it. Whoever writes is on WhatsApp, so nothing says any more that the number is not.
    /// What most people write costs one read, a word that nothing waits for one more.
    ///
    /// # Errors
    /// When the code was not sent: the person may write again.
    pub async fn answer(&self, message: ChatMessage<'_>, now: Timestamp) -> Result<(), SendError> {
        let Some(phone) = writer(message.written) else {
            return Ok(());
        };
        if let Err(error) = self.codes.hear_from(&phone, now).await {
            let error = Chain(&error);
            tracing::error!(%error, "[WhatsApp System] a number stays on record as not on WhatsApp");
        }
        let Some(word) = word(message.written, now) else {
            return Ok(());
        };
        let hash = word.hash(&phone);
        let waiting = self.open_chats.read(&hash, now).await?;
        let Some(waiting) = waiting.filter(|waiting| waiting.session == message.session) else {
            return Ok(());
        };
        let attempt = AttemptId::draw(&self.entropy);
        let answered = match self.open_chats.claim(&hash, &attempt, now).await {
            Ok(AnsweredBy::Others) => return Ok(()),
            Ok(AnsweredBy::Us) => self.send(&waiting, &phone, message.deadline).await,
            Err(error) => Err(error.into()),
        };
        // When this fails, the chat stays answered: better no second code than two.
        let ended = match &answered {
            Ok(()) => self.open_chats.forget(&hash).await,
            Err(_) => self.open_chats.unclaim(&hash, &attempt).await,
        };
        if let Err(error) = ended {
            let error = Chain(&error);
            tracing::error!(%error, "[WhatsApp System] an opened chat is left to expire");
        }
        answered
    }

    /// Sends the code, if there is still somebody to get it.
    async fn send(
        &self,
        waiting: &WaitingCode,
        phone: &Phone,
        deadline: Timestamp,
    ) -> Result<(), SendError> {
        let now = self.clock.now();
        let caller = &who_asked(waiting, deadline);
        let survey = self.codes.survey(phone, caller, now).await?;
        let Some(recipient) = recipient(waiting.purpose, &survey) else {
            return Ok(());
        };
        let order = Order {
            phone,
            who: &Identifier::Phone(phone.clone()),
            purpose: waiting.purpose,
            caller,
            account_since: survey.user.as_ref().map(|user| user.created_at),
            recipient,
            language: waiting.language,
            keep: None,
            answers: Some(OpenedChat {
                session: waiting.session.clone(),
                challenge: waiting.challenge.clone(),
            }),
        };
        let sent = match &waiting.applicant {
            None => self.codes.send(&survey, &order, &Alone).await,
            Some(applicant) => {
                let registering = Registering {
                    registrations: &self.registrations,
                    applicant,
                    phone,
                    expires_at: now.plus(REGISTRATION_LIFE),
                };
                self.codes.send(&survey, &order, &registering).await
            }
        };
        sent.map(drop)
    }
}

/// Who asked for the code that waits: it is charged to them.
fn who_asked(waiting: &WaitingCode, deadline: Timestamp) -> Caller {
    Caller {
        address: waiting.address,
        remote_ip: None,
        request_id: String::new(),
        deadline,
        language: waiting.language,
    }
}

/// The phone that `written` comes from, if a person wrote it in a chat of their own.
fn writer(written: &IncomingMessage) -> Option<Phone> {
    if written.from_me || written.in_group || !written.chat.is_person() {
        return None;
    }
    // WhatsApp may have the account under another number than people do.
    Phone::parse(&format!("+{}", written.sender_digits()?)).ok()
}

/// The word that asks for a code, if `written` has one and is not old.
fn word(written: &IncomingMessage, now: Timestamp) -> Option<ChatWord> {
    let is_late = written.at.is_some_and(|at| now.since(at) > AGE_MAX);
    let text = written.text.as_deref().filter(|_| !is_late)?;
    ChatWord::find_in(text)
}

/// Who gets the code, as things are now. Nobody, where the phone has no account, or has one and the code is to make one.
fn recipient(purpose: Purpose, survey: &Survey) -> Option<Recipient> {
    match (purpose, &survey.user) {
        (Purpose::Signup, None) => Some(Recipient::Applicant),
        (Purpose::Signup, Some(_)) | (Purpose::Admin, _) | (_, None) => None,
        (_, Some(_)) => Some(Recipient::User),
    }
}

/// A registration that is written with the code that answers a chat.
struct Registering<'a> {
    registrations: &'a Registrations,
    applicant: &'a WaitingApplicant,
    phone: &'a Phone,
    expires_at: Timestamp,
}

impl Companion for Registering<'_> {
    fn with_reservation(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        let registration = Registration {
            challenge: challenge.clone(),
            phone: self.phone.clone(),
            name: self.applicant.name.clone(),
            email: self.applicant.email.clone(),
            password: self.applicant.password.clone(),
            expires_at: self.expires_at,
        };
        Ok(vec![self.registrations.put(&registration)?])
    }

    /// Nothing: an earlier code of the same registration may be on the phone. Without a code it opens nothing.
    fn with_release(&self, _: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(Vec::new())
    }
}
