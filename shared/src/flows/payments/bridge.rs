//! What payment gateways post: the same events, from somebody who does not know whom to tell.
use super::Notices;
use super::accept::{About, Event, EventError, FirstAttempt, Sent, Taken};
use crate::model::bridge::{
    self, BridgeEvent, BridgeName, Ignored, Notification, Refusal, midtrans, xendit,
};
use crate::model::identifier::Identifier;
use crate::model::keys::RingName;
use crate::model::notice::{Details, NoticeId, Payment, Phase, Said, Story};
use crate::model::payment::money::Money;
use crate::model::payment::zone::Zone;
use crate::model::payment::{EXPIRES_WITHIN, Kind, PaymentId, Status};
use crate::model::payment_caller::PaymentCaller;
use crate::model::webhook;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::metrics::Metric;
use crate::runtime::settings::BridgeSettings;
use crate::store::StoreError;
use crate::store::keys::KeyRing;

/// Takes the webhooks of a payment gateway.
#[derive(Clone, Debug)]
pub struct Bridge {
    name: BridgeName,
    ring: KeyRing,
    notices: Notices,
    settings: BridgeSettings,
    caller: PaymentCaller,
}

/// A webhook of a payment gateway as it came in.
#[derive(Clone, Copy)]
pub struct BridgeWebhook<'a> {
    /// The path that it was posted to.
    pub path: &'a str,
    /// Its body.
    pub body: &'a [u8],
    /// Its header `x-callback-token`.
    pub token: Option<&'a str>,
    /// When the answer has to be there.
    pub deadline: Timestamp,
    /// Lambda's id of the request.
    pub request_id: &'a str,
}

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridged {
    /// It is a notice, as far as that is by now.
    Noted,
    /// Nobody is told.
    Ignored(&'static str),
}

/// Why a webhook is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// It is not from the gateway.
    #[error("it is not genuine")]
    NotGenuine,
    /// It cannot be read.
    #[error("it cannot be read")]
    Malformed,
    /// The store failed. The same again finds out what is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for BridgeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => Self::Malformed,
            Refusal::NotGenuine => Self::NotGenuine,
        }
    }
}

impl Bridge {
    /// The bridge to `name` over `backends`.
    pub fn new(name: BridgeName, backends: &Backends) -> Self {
        Self {
            name,
            ring: KeyRing::new(backends, RingName::Webhooks),
            notices: Notices::new(backends),
            settings: backends.settings.bridges.clone(),
            caller: PaymentCaller {
                name: name.name().to_owned(),
                sha256: [0; 32],
                scopes: Vec::new(),
                daily_cap: None,
                retire_at: None,
            },
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.ring.warm_up(now).await
    }

    /// Takes a webhook. Whatever is genuine is taken, understood or not: a gateway that is answered otherwise posts it again.
    ///
    /// # Errors
    /// When it is not genuine, cannot be read, or the store fails.
    pub async fn take(
        &self,
        webhook: BridgeWebhook<'_>,
        now: Timestamp,
    ) -> Result<Bridged, BridgeError> {
        let ring = self.ring.get(now).await?;
        if !webhook::is_bridge_path(&ring, self.name, webhook.path, now) {
            return Err(BridgeError::NotGenuine);
        }
        let read = match self.name {
            BridgeName::Midtrans => {
                midtrans::read(webhook.body, &self.settings.midtrans_keys, now)?
            }
            BridgeName::Xendit => {
                let tokens = &self.settings.xendit_tokens;
                xendit::read(webhook.body, webhook.token, tokens, now)?
            }
        };
        let bridged = match read {
            Notification::Event(event) => self.note(*event, webhook, now).await?,
            Notification::Ignored(why) => Bridged::Ignored(why.name()),
        };
        if let Bridged::Ignored(why) = bridged {
            tracing::info!(
                bridge = self.name.name(),
                why,
                "a webhook tells nobody anything"
            );
        }
        Ok(bridged)
    }

    async fn note(
        &self,
        mut event: BridgeEvent,
        webhook: BridgeWebhook<'_>,
        now: Timestamp,
    ) -> Result<Bridged, BridgeError> {
        let kept = self.notices.payments.read(&event.payment_id).await?;
        let story = kept.as_ref().map(|kept| &kept.story);
        if let Some(story) = story
            && !self.is_about_its_amount(&mut event, story, now)
        {
            return Ok(Bridged::Ignored("another_amount"));
        }
        let stored = story.map(|story| &story.payment);
        let event = match self.event(&event, stored, now) {
            Ok(event) => event,
            Err(why) => return Ok(Bridged::Ignored(why.name())),
        };
        let sent = Sent {
            caller: &self.caller,
            idempotency_key: None,
            first_attempt: FirstAttempt::Awaited,
            deadline: webhook.deadline,
            request_id: webhook.request_id,
        };
        match self.notices.take(&event, sent).await {
            Ok(Taken::Noted(_)) => Ok(Bridged::Noted),
            Ok(Taken::NoMove(phase)) => {
                if event.kind == Kind::Success && phase == Phase::Is(Status::Cancelled) {
                    self.report_untold_success(&event.payment, now);
                }
                Ok(Bridged::Ignored("no_move"))
            }
            // Success is announced twice, with different times. It is one.
            Err(EventError::NoticeExists(_) | EventError::KeyReused(_)) => Ok(Bridged::Noted),
            Err(EventError::UnknownPayment | EventError::Limited(_)) => {
                Ok(Bridged::Ignored(Ignored::NoRecipient.name()))
            }
            Err(EventError::Store(error)) => Err(error.into()),
        }
    }

    /// Whoever has paid and was told that the payment is cancelled needs a person.
    fn report_untold_success(&self, payment: &PaymentId, now: Timestamp) {
        tracing::error!(
            bridge = self.name.name(),
            payment = payment.as_str(),
            "[WhatsApp System] a payment was paid that was told as cancelled: nobody is told"
        );
        self.count_mismatch(now);
    }

    fn count_mismatch(&self, now: Timestamp) {
        let line = self.notices.meter.line(now);
        line.count(Metric::PaymentMismatch, 1).write();
    }

    /// Whether the event is about as much money as the stored payment, and gives back no more than that; a refund says how much
    /// from then on. Where it is not, somebody has to look: the fields that name the payment and what is given back are not all
    /// signed.
    fn is_about_its_amount(&self, event: &mut BridgeEvent, story: &Story, now: Timestamp) -> bool {
        let payment = &story.payment;
        let (mut told, mut possible) = (event.amount, true);
        if let Some((id, refunded)) = refund(event) {
            told = *refunded;
            *refunded = story.given_back(&id, *refunded);
            possible = refunded.is_some();
        }
        let same = event
            .amount
            .is_none_or(|amount| amount == payment.details.amount)
            && possible;
        if !same {
            tracing::error!(
                bridge = self.name.name(),
                payment = payment.id.as_str(),
                told = ?told,
                stored = ?payment.details.amount,
                "[WhatsApp System] a payment gateway tells another amount than is stored: nobody is told"
            );
            self.count_mismatch(now);
        }
        same
    }

    /// The event as any payment system would send it.
    fn event(
        &self,
        event: &BridgeEvent,
        stored: Option<&Payment>,
        now: Timestamp,
    ) -> Result<Event, Ignored> {
        let field = self.settings.phone_field.as_deref();
        let phone = event.recipient(stored.map(|payment| &payment.phone), field)?;
        let (kind, said, expires_at) = told(event, stored);
        let about = match (stored, event.amount) {
            (Some(_), _) => None,
            (None, None) => return Err(Ignored::NoAmount),
            (None, Some(amount)) => Some(About {
                details: Details {
                    name: None,
                    amount,
                    method: event.method.clone(),
                    url: event.url.clone(),
                    language: Identifier::Phone(phone.clone()).language(),
                    zone: Zone::default(),
                },
                phone,
            }),
        };
        Ok(Event {
            payment: event.payment_id.clone(),
            kind,
            about,
            said,
            // It is not signed.
            expires_at: expires_at.map(|at| at.min(now.plus(EXPIRES_WITHIN))),
        })
    }
}

/// The notice of a refund, and how much it gives back, where it says so.
fn refund(event: &mut BridgeEvent) -> Option<(NoticeId, &mut Option<Money>)> {
    match &mut event.event {
        bridge::Event::Status {
            status: Status::Refunded,
            sequence,
            refunded,
        } => {
            let kind = Kind::Status {
                status: Status::Refunded,
                sequence: sequence.clone(),
            };
            Some((NoticeId::of(&kind), refunded))
        }
        _ => None,
    }
}

/// What happened, what is said of it, and when the payment expires.
fn told(event: &BridgeEvent, stored: Option<&Payment>) -> (Kind, Said, Option<Timestamp>) {
    let was_paid = stored.is_some_and(|payment| payment.phase == Phase::Is(Status::Paid));
    match &event.event {
        bridge::Event::Created { expires_at } => (Kind::Created, Said::default(), *expires_at),
        bridge::Event::Success { paid_at } => {
            let said = Said {
                at: *paid_at,
                ..Said::default()
            };
            (Kind::Success, said, None)
        }
        bridge::Event::Status {
            status,
            sequence,
            refunded,
        } => {
            let said = Said {
                amount: *refunded,
                ..Said::default()
            };
            let status = if was_paid {
                status.after_paid()
            } else {
                *status
            };
            let sequence = sequence.clone();
            (Kind::Status { status, sequence }, said, None)
        }
    }
}
