//! `GET /api/payments/{paymentId}/notifications`: what became of the notices of a payment.
use lambda_http::{Body, Request, Response};
use shared::edge::payments::{self, PaymentDesk};
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
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

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(list(app, &incoming)).await
}

async fn list(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    app.desk.caller(incoming).await?;
    let payment = payments::payment_id(incoming.request)?;
    app.desk.history(&payment).await
}
