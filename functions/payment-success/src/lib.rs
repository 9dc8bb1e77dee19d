//! `POST /api/payments/{paymentId}/success`: it was paid. The customer is told, and not asked to pay any more.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::payments::{self, PaymentDesk};
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::flows::payments::accept::Event;
use shared::model::notice::Said;
use shared::model::payment::Kind;
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

/// `{"paidAt":"2026-11-26T16:20:00+07:00"}`, which may be left out. For a payment that is not known yet, the fields of
/// `payment-created` beside it.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "paidAt")]
    paid_at: Option<String>,
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
        kind: Kind::Success,
        about: payments::about(incoming)?,
        said: Said {
            at: payments::time(given.paid_at.as_deref(), "paidAt")?,
            ..Said::default()
        },
        expires_at: None,
    };
    app.desk.take(incoming, &caller, &event).await
}
