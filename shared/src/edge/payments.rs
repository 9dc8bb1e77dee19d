//! Requests of payment systems: who sends them, what they say, and what they are answered with.
use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields;
use super::headers::header;
use super::problem::{Attention, Problem};
use super::reply::Reply;
use super::request::Incoming;
use crate::flows::payments::Notices;
use crate::flows::payments::accept::{About, Event, EventError, FirstAttempt, Sent, Taken};
use crate::flows::payments::callers::{CallerError, Callers};
use crate::flows::payments::history::History;
use crate::model::identifier::Identifier;
use crate::model::notice::{Details, Notice, State};
use crate::model::payment::currency::Currency;
use crate::model::payment::money::{Amount, Money};
use crate::model::payment::name::{CustomerName, Phrase};
use crate::model::payment::url::PaymentUrl;
use crate::model::payment::zone::Zone;
use crate::model::payment::{EXPIRES_WITHIN, PaymentId};
use crate::model::payment_caller::{PaymentCaller, Scope};
use crate::model::replies;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;

/// The longest key that a caller may give to an event.
const KEY_CHARACTERS_MAX: usize = 255;

/// What an endpoint about payments may touch.
#[derive(Clone, Debug)]
pub struct PaymentDesk {
    callers: Callers,
    notices: Notices,
}

/// What a body says of the payment itself, whatever happened to it.
#[derive(Deserialize)]
struct AboutFields {
    phone: Option<String>,
    #[serde(rename = "customerName")]
    customer_name: Option<String>,
    amount: Option<Amount>,
    currency: Option<String>,
    method: Option<String>,
    #[serde(rename = "paymentUrl")]
    payment_url: Option<String>,
    locale: Option<String>,
    #[serde(rename = "timeZone")]
    time_zone: Option<String>,
}

impl PaymentDesk {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            callers: Callers::new(backends),
            notices: Notices::new(backends),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.callers.warm_up(now).await
    }

    /// Who sends a request, by the key of its `Authorization: Bearer` header.
    ///
    /// # Errors
    /// When there is no key, nobody has it, or it is for something else.
    pub async fn caller(&self, incoming: &Incoming<'_>) -> Result<PaymentCaller, Problem> {
        let key = incoming.bearer().map_err(|_| Problem::missing_key())?;
        let caller = self
            .callers
            .authenticate(key, Scope::Payments, incoming.now);
        Ok(caller.await?)
    }

    /// Takes an event that `caller` sends, and answers what became of it.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn take(
        &self,
        incoming: &Incoming<'_>,
        caller: &PaymentCaller,
        event: &Event,
    ) -> Result<Reply, Problem> {
        let sent = Sent {
            caller,
            idempotency_key: idempotency_key(incoming.request)?,
            first_attempt: first_attempt(incoming.request),
            deadline: incoming.caller.deadline,
            request_id: &incoming.caller.request_id,
        };
        let taken = self.notices.take(event, sent).await?;
        Ok(reply(&event.payment, &taken))
    }

    /// What became of the notices of a payment.
    ///
    /// # Errors
    /// When there is no such payment, or the store fails.
    pub async fn history(&self, payment: &PaymentId) -> Result<Reply, Problem> {
        match self.notices.history(payment).await {
            Ok(Some(history)) => Ok(history_reply(&history)),
            Ok(None) => Err(unknown_payment()),
            Err(error) => Err(Problem::internal(&error)),
        }
    }
}

/// The payment that the path names.
///
/// # Errors
/// When that is no name of a payment.
pub fn payment_id(request: &Request) -> Result<PaymentId, Problem> {
    let parameters = request.path_parameters();
    let id = parameters.first("paymentId").and_then(PaymentId::parse);
    id.ok_or_else(|| Problem::bad_request("INVALID_PAYMENT_ID", replies::PAYMENT_ID_INVALID))
}

/// Whom the payment of a body is about, and what; `None` when the body names no phone.
///
/// # Errors
/// When a field is wrong, or a phone comes without an amount.
pub fn about(incoming: &Incoming<'_>) -> Result<Option<About>, Problem> {
    let given: AboutFields = incoming.json()?;
    if given.phone.is_none() {
        return Ok(None);
    }
    let phone = fields::phone(given.phone.as_deref(), "phone")?;
    let currency = currency(given.currency.as_deref())?;
    let amount = given.amount.ok_or_else(|| missing("amount"))?;
    let who = Identifier::Phone(phone.clone());
    Ok(Some(About {
        details: Details {
            name: given.customer_name.as_deref().and_then(CustomerName::clean),
            amount: money(&amount, currency)?,
            method: given.method.as_deref().and_then(Phrase::clean),
            url: payment_url(given.payment_url.as_deref())?,
            language: incoming.message_language(given.locale.as_deref(), &who),
            zone: zone(given.time_zone.as_deref())?,
        },
        phone,
    }))
}

/// Whom the payment of a body is about, which has to be there.
///
/// # Errors
/// As [`about`], and when the body names no phone.
pub fn required_about(incoming: &Incoming<'_>) -> Result<About, Problem> {
    about(incoming)?.ok_or_else(|| missing("phone"))
}

/// A point in time of the field `name`.
///
/// # Errors
/// When it is none.
pub fn time(field: Option<&str>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = field else {
        return Ok(None);
    };
    let time = Timestamp::parse_rfc3339(text);
    let problem = || invalid(name, replies::TIME_INVALID.with("field", name));
    time.map(Some).ok_or_else(problem)
}

/// Reads `expiresAt`, if it is there.
///
/// # Errors
/// When it is no time, or more than a year ahead.
pub fn expires_at(
    field: Option<&str>,
    incoming: &Incoming<'_>,
) -> Result<Option<Timestamp>, Problem> {
    const NAME: &str = "expiresAt";
    let time = time(field, NAME)?;
    let too_far = time.is_some_and(|at| at > incoming.now.plus(EXPIRES_WITHIN));
    if too_far {
        return Err(invalid(NAME, replies::EXPIRES_TOO_LATE));
    }
    Ok(time)
}

/// A problem with a field that is not what it has to be.
pub fn invalid(field: &str, message: replies::Text) -> Problem {
    Problem::bad_request("INVALID_FIELD", message)
        .with("field", field)
        .with("reason", "invalid")
}

fn missing(field: &str) -> Problem {
    let message = replies::FIELD_MISSING.with("field", field);
    Problem::bad_request("INVALID_FIELD", message)
        .with("field", field)
        .with("reason", "missing")
}

fn currency(field: Option<&str>) -> Result<Currency, Problem> {
    let text = field.ok_or_else(|| missing("currency"))?;
    Currency::parse(text).ok_or_else(|| invalid("currency", replies::CURRENCY_UNKNOWN))
}

/// An amount in a currency.
///
/// # Errors
/// When it is none.
pub fn money(amount: &Amount, currency: Currency) -> Result<Money, Problem> {
    amount.in_currency(currency).map_err(|error| {
        Problem::bad_request("INVALID_FIELD", error.text())
            .with("field", "amount")
            .with("reason", error.reason())
    })
}

fn payment_url(field: Option<&str>) -> Result<Option<PaymentUrl>, Problem> {
    let Some(text) = field else {
        return Ok(None);
    };
    let message = || {
        let most = PaymentUrl::CHARACTERS_MAX.to_string();
        replies::PAYMENT_URL_INVALID.with("characters", most)
    };
    let url = PaymentUrl::parse(text);
    url.map(Some)
        .ok_or_else(|| invalid("paymentUrl", message()))
}

fn zone(field: Option<&str>) -> Result<Zone, Problem> {
    let Some(name) = field else {
        return Ok(Zone::default());
    };
    Zone::parse(name).ok_or_else(|| invalid("timeZone", replies::ZONE_UNKNOWN))
}

/// The caller's own key for an event (draft-ietf-httpapi-idempotency-key-header).
fn idempotency_key(request: &Request) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().ok();
    let key = text.filter(|key| (1..=KEY_CHARACTERS_MAX).contains(&key.len()));
    let most = || KEY_CHARACTERS_MAX.to_string();
    let message = || replies::IDEMPOTENCY_KEY_INVALID.with("characters", most());
    key.map(Some)
        .ok_or_else(|| Problem::bad_request("INVALID_IDEMPOTENCY_KEY", message()))
}

/// Whether the answer waits for the first attempt: not with `Prefer: respond-async` (RFC 7240).
fn first_attempt(request: &Request) -> FirstAttempt {
    let preferences = header(request, "prefer").unwrap_or_default().split(',');
    let mut names = preferences.map(|one| one.split(';').next().unwrap_or_default().trim());
    if names.any(|name| name.eq_ignore_ascii_case("respond-async")) {
        FirstAttempt::Later
    } else {
        FirstAttempt::Awaited
    }
}

/// What a caller is answered whose event was taken.
fn reply(payment: &PaymentId, taken: &Taken) -> Reply {
    match taken {
        Taken::Noted(notice) => {
            let message = match notice.state {
                State::Sent => replies::NOTICE_SENT,
                state if state.is_end() => replies::NOTICE_ENDED,
                _ => replies::NOTICE_QUEUED,
            };
            let status = if notice.state.is_end() {
                StatusCode::OK
            } else {
                StatusCode::ACCEPTED
            };
            let mut data = notice_view(notice);
            data["paymentId"] = payment.as_str().into();
            Reply::new(message, data).status(status)
        }
        Taken::NoMove(phase) => Reply::new(
            replies::NOTICE_NO_MOVE,
            json!({ "paymentId": payment.as_str(), "state": "unchanged", "phase": phase.name() }),
        ),
    }
}

/// A notice as callers see it.
fn notice_view(notice: &Notice) -> Value {
    let time = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
    let next = notice.due_at.filter(|_| !notice.state.is_end());
    json!({
        "notice": notice.id.as_str(),
        "state": notice.state.name(),
        "attempts": notice.attempts,
        "messageId": notice.message_id,
        "acceptedAt": notice.accepted_at.rfc3339(),
        "deliverBy": notice.deliver_by.rfc3339(),
        "nextAttemptAt": time(next),
        "sentAt": time(notice.sent_at),
        "reason": notice.last_error,
    })
}

fn history_reply(history: &History) -> Reply {
    let story = &history.story;
    let notices = story.notices.iter().zip(&history.delivered_at);
    let notices: Vec<_> = notices
        .map(|(notice, delivered_at)| {
            let mut view = notice_view(notice);
            view["deliveredAt"] = json!(delivered_at.map(Timestamp::rfc3339));
            view
        })
        .collect();
    let payment = &story.payment;
    let data = json!({
        "paymentId": payment.id.as_str(),
        "phase": payment.phase.name(),
        "phone": payment.phone.to_string(),
        "expiresAt": payment.expires_at.map(Timestamp::rfc3339),
        "notices": notices,
    });
    Reply::new(replies::NOTICES_LISTED, data)
}

fn unknown_payment() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "UNKNOWN_PAYMENT",
        replies::PAYMENT_UNKNOWN,
    )
}

impl From<CallerError> for Problem {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::UnknownKey => {
                Self::refused_token("INVALID_CALLER_KEY", replies::CALLER_KEY_UNKNOWN)
            }
            CallerError::WrongScope(_) => Self::new(
                StatusCode::FORBIDDEN,
                "CALLER_NOT_ALLOWED",
                replies::CALLER_NOT_ALLOWED,
            ),
            CallerError::Store(error) => Self::internal(&error),
        }
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        match error {
            EventError::UnknownPayment => unknown_payment(),
            EventError::NoticeExists(stored) => Self::new(
                StatusCode::CONFLICT,
                "NOTICE_EXISTS",
                replies::NOTICE_EXISTS,
            )
            .with("stored", notice_view(&stored)),
            EventError::KeyReused(stored) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "IDEMPOTENCY_KEY_REUSED",
                replies::IDEMPOTENCY_KEY_REUSED,
            )
            .with("stored", notice_view(&stored))
            .for_attention_of(Attention::Client),
            EventError::Limited(limited) => Self::limited(&limited, replies::TOO_MANY_NOTICES),
            EventError::Store(error) => Self::internal(&error),
        }
    }
}
