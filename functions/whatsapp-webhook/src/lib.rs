//! `POST /api/webhooks/whatsapp/{session}`: what the gateway tells by itself. A receipt goes to the record of its message, a
//! change of the connection to the session's state.
//!
//! Whatever is genuine is answered with 200, understood or not: newer gateways post a webhook again that is answered
//! otherwise. Only when the store fails are they asked to, with a 503.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde_json::json;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::edge::webhook::webhook;
use shared::flows::webhooks::{WebhookError, Webhooks};
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    webhooks: Webhooks,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            webhooks: Webhooks::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.webhooks.warm_up(self.clock.now()).await
    }
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(take(app, &incoming)).await
}

async fn take(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let webhook = webhook(incoming)?;
    let taken = app.webhooks.take(&webhook, incoming.now).await;
    taken.map_err(refused)?;
    Ok(Reply::new(replies::WEBHOOK_TAKEN, json!({})))
}

fn refused(error: WebhookError) -> Problem {
    let unauthorized = |code, message| Problem::new(StatusCode::UNAUTHORIZED, code, message);
    match error {
        WebhookError::UnknownAddress => unauthorized("UNKNOWN_WEBHOOK", replies::WEBHOOK_UNKNOWN),
        WebhookError::WrongSignature => {
            unauthorized("INVALID_WEBHOOK_SIGNATURE", replies::WEBHOOK_UNSIGNED)
        }
        WebhookError::Store(error) => Problem::internal(&error),
    }
}
