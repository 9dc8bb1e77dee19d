//! `POST /api/payments/{paymentId}/status`: it became something else: failed, cancelled, expired, refunded or reversed. The customer
//! is told.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::payments::{self, PaymentDesk};
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::flows::payments::accept::Event;
use shared::model::notice::Said;
use shared::model::payment::name::Phrase;
use shared::model::payment::{Kind, Sequence, Status};
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    desk: PaymentDesk,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            desk: PaymentDesk::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.desk.warm_up(self.clock.now()).await
    }
}

/// `{"status":"refunded","reason":"Barang habis","sequence":"2"}`; only the first has to be there. `sequence` tells which, where the
/// same can happen several times. For a payment that is not known yet, the fields of `payment-created` beside it.
#[derive(Deserialize)]
struct Fields {
    status: Option<String>,
    reason: Option<String>,
    sequence: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(take(app, &incoming)).await
}

async fn take(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let caller = app.desk.caller(incoming).await?;
    let given: Fields = incoming.json()?;
    let event = Event {
        payment: payments::payment_id(incoming.request)?,
        kind: kind(&given)?,
        about: payments::about(incoming)?,
        said: Said {
            reason: given.reason.as_deref().and_then(Phrase::clean),
            ..Said::default()
        },
        expires_at: None,
    };
    app.desk.take(incoming, &caller, &event).await
}

/// What happened. That it was paid is told once, by whichever of the two endpoints.
fn kind(given: &Fields) -> Result<Kind, Problem> {
    let status = given.status.as_deref().and_then(Status::named);
    let status = status.ok_or_else(|| payments::invalid("status", replies::STATUS_INVALID))?;
    if status == Status::Paid {
        return Ok(Kind::Success);
    }
    let sequence = given.sequence.as_deref().map(|text| {
        let sequence = Sequence::parse(text);
        sequence.ok_or_else(|| payments::invalid("sequence", replies::SEQUENCE_INVALID))
    });
    Ok(Kind::Status {
        status,
        sequence: sequence.transpose()?,
    })
}
