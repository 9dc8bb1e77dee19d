//! `POST /api/payments/{paymentId}/created`: there is something to pay. The customer is told, and warned before the payment
//! expires.
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

/// `{"phone":"08123456789","customerName":"Siti","amount":150000,"currency":"IDR","method":"QRIS",
/// "paymentUrl":"https://pay.example/i/42","expiresAt":"2026-11-26T16:30:00+07:00","locale":"id","timeZone":"Asia/Jakarta"}`;
/// `phone`, `amount` and `currency` have to be there. What is about the payment itself is read by
/// [`payments::required_about`].
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "expiresAt")]
    expires_at: Option<String>,
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
        kind: Kind::Created,
        about: Some(payments::required_about(incoming)?),
        said: Said::default(),
        expires_at: payments::expires_at(given.expires_at.as_deref(), incoming)?,
    };
    app.desk.take(incoming, &caller, &event).await
}
