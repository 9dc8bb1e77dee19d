//! `GET /api/health`: is the API up? `GET /api/status`: do messages go out? And the answer to every unknown route.
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde_json::json;
use shared::clock::Clock;
use shared::edge::{self, Problem, Reply};
use shared::runtime::Backends;
use shared::sender::{ChannelState, Sender};
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sender: Sender,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sender: Sender::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.sender.warm_up().await
    }
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let caller = edge::caller(&request, app.clock.now());
    let answer = match (request.method(), request.uri().path()) {
        (&Method::GET, "/api/health") => {
            Ok(Reply::new("The API is up.", json!({ "status": "up" })))
        }
        (&Method::GET, "/api/status") => channel(app).await,
        _ => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "There is no such route, or not with this method.",
        )),
    };
    edge::respond(&caller, answer)
}

/// What the store knows of the WhatsApp session. Asks no gateway, so that anyone may ask this.
async fn channel(app: &App) -> Result<Reply, Problem> {
    let channel = app.sender.channel().await;
    let channel = channel.map_err(|error| Problem::internal(&error))?;
    let (state, message) = match channel.state {
        ChannelState::Usable => ("usable", "Messages go out."),
        ChannelState::Recovering => ("recovering", "WhatsApp is being reconnected."),
        ChannelState::NeedsPairing => ("needs_pairing", "Somebody has to pair WhatsApp again."),
        ChannelState::Down => ("down", "WhatsApp is down."),
        ChannelState::Unknown => ("unknown", "Nothing was sent yet."),
    };
    let since = channel.since.map(|since| since.rfc3339());
    let seen = channel.seen_at.map(|seen| seen.rfc3339());
    let data = json!({ "whatsapp": state, "since": since, "seenAt": seen });
    Ok(Reply::new(message, data))
}
