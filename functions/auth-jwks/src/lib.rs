//! `GET /.well-known/jwks.json`: the public keys that access tokens are checked against, as a JWK set (RFC 7517).
//! `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`: who issues them and where the keys
//! are (OpenID Connect Discovery, RFC 8414), for verifiers that begin there.
use std::collections::BTreeSet;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::{Value, json};
use shared::edge::{self, Problem};
use shared::flows::login::PublishedKeys;
use shared::model::token::{Jwks, SigningAlgorithm};
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    keys: PublishedKeys,
    clock: Clock,
    issuer: String,
    base_url: Option<String>,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            keys: PublishedKeys::new(backends),
            clock: backends.clock.clone(),
            issuer: backends.settings.token_issuer.clone(),
            base_url: backends.settings.public_base_url.clone(),
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

const JWKS: &str = "/.well-known/jwks.json";

/// A rotated key is published for longer than this before it signs.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    match edge::within(&caller, now, published(app, &request, now)).await {
        Ok(response) => response,
        Err(problem) => edge::respond(&caller, Err(problem)),
    }
}

async fn published(
    app: &App,
    request: &Request,
    now: Timestamp,
) -> Result<Response<Body>, Problem> {
    let keys = app
        .keys
        .read(now)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let document = match request.uri().path() {
        JWKS => serde_json::to_value(keys).map_err(|error| Problem::internal(&error))?,
        _ => discovery(app, request, &keys),
    };
    let mut response = edge::json_response(StatusCode::OK, &document);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

/// Only what is there: no endpoint of OAuth, and so no type of response. OpenID Connect has no other name for the algorithms
/// than that of its ID tokens.
fn discovery(app: &App, request: &Request, keys: &Jwks) -> Value {
    let base = app.base_url.clone().unwrap_or_else(|| own_url(request));
    let algorithms: BTreeSet<_> = keys
        .keys
        .iter()
        .filter_map(SigningAlgorithm::of_published)
        .map(SigningAlgorithm::name)
        .collect();
    json!({
        "issuer": app.issuer,
        "jwks_uri": format!("{base}{JWKS}"),
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": [],
        "subject_types_supported": ["public"],
    })
}

/// Where API Gateway says that it was asked; never a header, which anybody can write.
fn own_url(request: &Request) -> String {
    let domain = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.as_deref(),
        _ => None,
    };
    domain.map_or_else(String::new, |domain| format!("https://{domain}"))
}
