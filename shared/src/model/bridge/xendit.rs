//! Xendit's webhooks of invoices, payments and sessions: whether one is genuine, and what it says.
//!
//! A token that is the same in every request is all that proves one. The names of events differ between versions, so the
//! name only tells the kind of object, and the object's own status decides.
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{BODY_BYTES_MAX, BridgeEvent, Echo, Event, Ignored, Notification, Refusal, Secret};
use crate::model::payment::currency::Currency;
use crate::model::payment::money::{Amount, Money};
use crate::model::payment::name::Phrase;
use crate::model::payment::url::PaymentUrl;
use crate::model::payment::{PaymentId, Sequence, Status};
use crate::platform::timestamp::Timestamp;

/// The invoice of the dashboard's test button.
const TEST_BUTTON: &str = "invoice_123124123";

/// Reads a webhook. One of `tokens` has to be in its header `x-callback-token`: two are given while the token is changed.
/// Without it nothing is read.
///
/// # Errors
/// When it is not what Xendit sends, or whoever sent it has no token.
pub fn read(
    body: &[u8],
    token: Option<&str>,
    tokens: &[Secret],
    now: Timestamp,
) -> Result<Notification, Refusal> {
    let token = token.ok_or(Refusal::NotGenuine)?;
    if !tokens.iter().any(|known| known.is(token)) {
        return Err(Refusal::NotGenuine);
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let event = match Outline::read(body)? {
        Outline {
            event: Some(event),
            data: Some(data),
            ..
        } => of_envelope(&event, data)?,
        Outline {
            event: None,
            merchant_name: Some(_),
            ..
        } => of_invoice(&parsed(body)?),
        _ => Err(Ignored::OtherProduct),
    };
    Ok(match event {
        Ok(event) => event.notify(now),
        Err(why) => Notification::Ignored(why),
    })
}

fn parsed<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(json).map_err(|_| Refusal::Malformed)
}

/// What tells the forms of a body apart: an envelope has an event and its data, an invoice the merchant's name. Older products
/// and disputes have neither.
#[derive(Deserialize)]
struct Outline<'a> {
    event: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    merchant_name: Option<&'a RawValue>,
}

impl<'a> Outline<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        parsed(body)
    }
}

/// An invoice.
#[derive(Deserialize)]
struct Invoice {
    id: String,
    external_id: String,
    status: String,
    amount: Amount,
    currency: String,
    paid_at: Option<String>,
    updated: Option<String>,
    payment_method: Option<String>,
    payment_channel: Option<String>,
}

fn of_invoice(invoice: &Invoice) -> Result<BridgeEvent, Ignored> {
    if invoice.external_id == TEST_BUTTON {
        return Err(Ignored::TestButton);
    }
    let updated = time(invoice.updated.as_deref());
    let (event, happened_at) = match upper(&invoice.status).as_str() {
        // Some versions say later that the money has reached the merchant. The customer paid it once.
        "PAID" | "SETTLED" => {
            let paid_at = time(invoice.paid_at.as_deref()).or(updated);
            (Event::Success { paid_at }, paid_at)
        }
        "EXPIRED" => (Event::status(Status::Expired), updated),
        "PENDING" | "COMPLETING" | "REMINDER" => return Err(Ignored::StillOpen),
        _ => return Err(Ignored::UnknownWord),
    };
    let amount = money(Some(&invoice.amount), Some(&invoice.currency));
    let channel = invoice.payment_channel.as_deref();
    let method = channel.or(invoice.payment_method.as_deref());
    Ok(BridgeEvent {
        payment_id: PaymentId::parse(&invoice.external_id).ok_or(Ignored::NoPaymentId)?,
        attempt_id: invoice.id.clone(),
        amount: Some(amount.ok_or(Ignored::NoAmount)?),
        event,
        happened_at,
        method: method.and_then(Phrase::clean),
        url: None,
        echoes: Vec::new(),
    })
}

/// What an envelope holds: a payment, a payment request, a session or a refund.
#[derive(Deserialize)]
struct Data {
    id: Option<String>,
    payment_id: Option<String>,
    payment_request_id: Option<String>,
    payment_session_id: Option<String>,
    reference_id: Option<String>,
    status: Option<String>,
    session_type: Option<String>,
    request_amount: Option<Amount>,
    amount: Option<Amount>,
    captured_amount: Option<Amount>,
    currency: Option<String>,
    channel_code: Option<String>,
    expires_at: Option<String>,
    payment_link_url: Option<String>,
    created: Option<String>,
    updated: Option<String>,
    #[serde(default)]
    captures: Value,
    #[serde(default)]
    metadata: Value,
}

fn of_envelope(event: &str, data: &RawValue) -> Result<Result<BridgeEvent, Ignored>, Refusal> {
    let (object, _) = event.split_once('.').unwrap_or((event, ""));
    let read: fn(&Data) -> Result<WhatHappened, Ignored> = match object {
        "payment" | "payment_request" | "capture" => Data::as_payment,
        "payment_session" => Data::as_session,
        "refund" => Data::as_refund,
        _ => return Ok(Err(Ignored::OtherProduct)),
    };
    let data: Data = parsed(data.get().as_bytes())?;
    Ok(read(&data).and_then(|happened| data.event(happened)))
}

/// An event, and when it happened.
type WhatHappened = (Event, Option<Timestamp>);

impl Data {
    fn as_payment(&self) -> Result<WhatHappened, Ignored> {
        let changed_at = self.changed_at();
        match self.word().as_str() {
            "SUCCEEDED" => {
                let paid_at = self.captured_at().or(changed_at);
                Ok((Event::Success { paid_at }, paid_at))
            }
            // In a session the customer may try again.
            "FAILED" if self.payment_session_id.is_some() => Err(Ignored::StillOpen),
            "FAILED" => Ok((Event::status(Status::Failed), changed_at)),
            "CANCELED" | "CANCELLED" => Ok((Event::status(Status::Cancelled), changed_at)),
            "EXPIRED" => Ok((Event::status(Status::Expired), changed_at)),
            "AUTHORIZED" | "AWAITING_CAPTURE" | "PENDING" | "REQUIRES_ACTION"
            | "ACCEPTING_PAYMENTS" => Err(Ignored::StillOpen),
            _ => Err(Ignored::UnknownWord),
        }
    }

    fn as_session(&self) -> Result<WhatHappened, Ignored> {
        match upper(self.session_type.as_deref().unwrap_or_default()).as_str() {
            "PAY" => {}
            "AUTHORIZATION" | "SAVE" | "SUBSCRIPTION" => return Err(Ignored::NothingToPay),
            _ => return Err(Ignored::UnknownWord),
        }
        let changed_at = self.changed_at();
        match self.word().as_str() {
            "COMPLETED" => Ok((
                Event::Success {
                    paid_at: changed_at,
                },
                changed_at,
            )),
            "EXPIRED" => Ok((
                Event::status(Status::Expired),
                time(self.expires_at.as_deref()).or(changed_at),
            )),
            "CANCELED" | "CANCELLED" => Ok((Event::status(Status::Cancelled), changed_at)),
            "ACTIVE" => Err(Ignored::StillOpen),
            _ => Err(Ignored::UnknownWord),
        }
    }

    fn as_refund(&self) -> Result<WhatHappened, Ignored> {
        match self.word().as_str() {
            "SUCCEEDED" => {
                let event = Event::Status {
                    status: Status::Refunded,
                    sequence: self.id.as_deref().and_then(Sequence::parse),
                    refunded: money(self.amount.as_ref(), self.currency.as_deref()),
                };
                Ok((event, self.changed_at()))
            }
            "FAILED" => Err(Ignored::RefundFailed),
            "PENDING" => Err(Ignored::StillOpen),
            _ => Err(Ignored::UnknownWord),
        }
    }

    /// The event with everything that belongs to it.
    fn event(&self, (event, happened_at): WhatHappened) -> Result<BridgeEvent, Ignored> {
        let reference = self.reference_id.as_deref();
        let payment_id = reference.and_then(PaymentId::parse);
        let amount = match &event {
            // A refund's amount is its own.
            Event::Status {
                status: Status::Refunded,
                ..
            } => None,
            _ => self.whole_amount(),
        };
        if matches!(event, Event::Success { .. }) && amount.is_none() {
            return Err(Ignored::NoAmount);
        }
        Ok(BridgeEvent {
            payment_id: payment_id.ok_or(Ignored::NoPaymentId)?,
            attempt_id: self.attempt_id().unwrap_or_default().to_owned(),
            amount,
            event,
            happened_at,
            method: self.channel_code.as_deref().and_then(Phrase::clean),
            url: self.payment_link_url.as_deref().and_then(PaymentUrl::parse),
            echoes: Echo::of_metadata(&self.metadata).collect(),
        })
    }

    /// The id that a session and its payment have in common, if there is one.
    fn attempt_id(&self) -> Option<&str> {
        let ids = [
            &self.payment_id,
            &self.payment_request_id,
            &self.payment_session_id,
            &self.id,
        ];
        ids.into_iter().find_map(Option::as_deref)
    }

    /// The amount of the payment: newer versions call it otherwise than older ones.
    fn whole_amount(&self) -> Option<Money> {
        let amounts = [&self.request_amount, &self.amount, &self.captured_amount];
        let amount = amounts.into_iter().find_map(Option::as_ref);
        money(amount, self.currency.as_deref())
    }

    fn word(&self) -> String {
        upper(self.status.as_deref().unwrap_or_default())
    }

    fn changed_at(&self) -> Option<Timestamp> {
        time(self.updated.as_deref()).or_else(|| time(self.created.as_deref()))
    }

    fn captured_at(&self) -> Option<Timestamp> {
        let last = self.captures.as_array()?.last()?;
        time(last["capture_timestamp"].as_str())
    }
}

fn money(amount: Option<&Amount>, currency: Option<&str>) -> Option<Money> {
    let currency = Currency::parse(currency?)?;
    amount?.in_currency(currency).ok()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse_rfc3339)
}

fn upper(word: &str) -> String {
    word.to_ascii_uppercase()
}
