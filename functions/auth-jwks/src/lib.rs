//! `GET /.well-known/jwks.json`: the public keys that access tokens are checked against, as a JWK set (RFC 7517).
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};
use shared::clock::Clock;
use shared::edge::{self, Problem};
use shared::flows::login::SigningKeys;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::timestamp::Timestamp;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    keys: SigningKeys,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            keys: SigningKeys::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.keys.warm_up(self.clock.now()).await
    }
}

/// A rotated key is published for longer than this before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    match edge::within(&caller, now, published(app, now)).await {
        Ok(response) => response,
        Err(problem) => edge::respond(&caller, Err(problem)),
    }
}

async fn published(app: &App, now: Timestamp) -> Result<Response<Body>, Problem> {
    let keys = app
        .keys
        .public(now)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let keys = serde_json::to_value(keys).map_err(|error| Problem::internal(&error))?;
    let mut response = edge::json_response(StatusCode::OK, &keys);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}
