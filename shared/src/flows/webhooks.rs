//! What becomes of a webhook of the gateway: whether it is genuine, and what it changes.
//!
//! A receipt goes to the record of its message (`receipts.rs`), a change of the connection to the session's item
//! (`session_news.rs`). A message that somebody writes to the session is answered where a code waits for it
//! (`open_chats.rs` beside this), and changes nothing otherwise.
use std::fmt;

use super::open_chats::{ChatAnswers, ChatMessage};
use crate::gateway::webhook::{Event, Posted, WebhookKey};
use crate::model::keys::RingName;
use crate::model::webhook;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::metrics::Meter;
use crate::store::StoreError;
use crate::store::batch::Batches;
use crate::store::deliveries::Deliveries;
use crate::store::keys::KeyRing;
use crate::store::whatsapp_sessions::WhatsAppSessions;

/// Messages that reached a phone, or were read there.
mod receipts;

/// What happened to the session's connection.
mod session_news;

/// A webhook as it came in. It never shows itself.
#[derive(Clone, Copy)]
pub struct Webhook<'a> {
    /// The path that it was posted to.
    pub path: &'a str,
    /// Its body.
    pub posted: Posted<'a>,
    /// Its header `x-hmac-signature`.
    pub signature: Option<&'a str>,
    /// When whatever it asks for has to be done.
    pub deadline: Timestamp,
}

impl fmt::Debug for Webhook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook(****)")
    }
}

/// Why nothing was taken from a webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No session has this address.
    #[error("no session posts to this address")]
    UnknownAddress,
    /// It has to be signed, and is not, or by somebody else.
    #[error("the signature is missing or wrong")]
    WrongSignature,
    /// The store failed. Taken once more, it changes what is left to be changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes webhooks.
#[derive(Clone, Debug)]
pub struct Webhooks {
    ring: KeyRing,
    key: Option<WebhookKey>,
    batches: Batches,
    deliveries: Deliveries,
    meter: Meter,
    sessions: WhatsAppSessions,
    chats: ChatAnswers,
}

impl Webhooks {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            ring: KeyRing::new(backends, RingName::Webhooks),
            key: settings.webhook_key.clone(),
            batches: Batches::new(backends),
            deliveries: Deliveries::of(backends),
            meter: Meter::new(settings),
            sessions: WhatsAppSessions::of(backends),
            chats: ChatAnswers::new(backends),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        tokio::try_join!(self.ring.warm_up(now), self.chats.warm_up(now))?;
        Ok(())
    }

    /// Does what a genuine webhook asks for. The same one again changes nothing, and neither does one that is not understood.
    ///
    /// # Errors
    /// When it is not genuine, or the store fails.
    pub async fn take(&self, webhook: &Webhook<'_>, now: Timestamp) -> Result<(), WebhookError> {
        let ring = self.ring.get(now).await?;
        let session = webhook::session(&ring, webhook.path, now);
        let session = session.ok_or(WebhookError::UnknownAddress)?;
        if let Some(key) = &self.key {
            let signed = webhook
                .signature
                .is_some_and(|signature| webhook.posted.is_signed_with(key, signature));
            if !signed {
                return Err(WebhookError::WrongSignature);
            }
        }
        match webhook.posted.event() {
            Event::Receipt(receipt) => self.record(session, &receipt, now).await?,
            Event::Session(news) => self.note(session, news, now).await?,
            Event::Message(written) => {
                let message = ChatMessage {
                    session,
                    written: &written,
                    deadline: webhook.deadline,
                };
                self.answer(message, now).await;
            }
            Event::Ignored => {}
        }
        Ok(())
    }

    /// Answers a message. A failure is logged and nothing more: a gateway that posts it once more helps nobody, and the person
    /// can write again.
    async fn answer(&self, message: ChatMessage<'_>, now: Timestamp) {
        if let Err(error) = Box::pin(self.chats.answer(message, now)).await {
            let (session, error) = (message.session, Chain(&error));
            tracing::warn!(
                session,
                %error,
                "[WhatsApp System] an opened chat was not answered"
            );
        }
    }
}
