//! Placeholder until the flow exists.
use lambda_http::{Body, Request, Response};
use shared::runtime::Backends;

/// What this function holds between requests.
#[derive(Debug)]
pub struct App {}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(_backends: &Backends) -> Self {
        Self {}
    }
}

/// Answers one request.
pub async fn handle(_app: &App, _request: Request) -> Response<Body> {
    Response::new(Body::Empty)
}
