//! `POST /api/webhooks/xendit/{address}`: what Xendit tells of payments. Whatever is genuine is answered with 200, understood or not.
use lambda_http::{Body, Request, Response};
use shared::edge::bridge;
use shared::edge::request::Incoming;
use shared::flows::payments::bridge::Bridge;
use shared::model::bridge::BridgeName;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    bridge: Bridge,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            bridge: Bridge::new(BridgeName::Xendit, backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.bridge.warm_up(self.clock.now()).await
    }
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(bridge::take(&app.bridge, &incoming)).await
}
