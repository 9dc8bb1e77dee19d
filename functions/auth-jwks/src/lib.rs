//! `GET /.well-known/jwks.json`: the public keys that access tokens are checked against, as a JWK set (RFC 7517).
//! `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`: who issues them and where the keys
//! are (OpenID Connect Discovery, RFC 8414), for verifiers that begin there.
use std::collections::BTreeSet;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::{Value, json};
use shared::edge::problem::Problem;
use shared::edge::request::Incoming;
use shared::edge::response::json_response;
use shared::flows::login::PublishedKeys;
use shared::model::token::{Jwks, SigningAlgorithm};
use shared::platform::clock::Clock;
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
    let incoming = Incoming::new(&request, app.clock.now());
    let response = incoming.in_time(published(app, &incoming)).await;
    response.unwrap_or_else(|problem| incoming.respond(Err(problem)))
}

/// The document of the request's path.
async fn published(app: &App, incoming: &Incoming<'_>) -> Result<Response<Body>, Problem> {
    let keys = app.keys.read(incoming.now).await;
    let keys = keys.map_err(|error| Problem::internal(&error))?;
    let document = match incoming.request.uri().path() {
        JWKS => serde_json::to_value(keys).map_err(|error| Problem::internal(&error))?,
        _ => discovery(app, incoming.request, &keys),
    };
    let mut response = json_response(StatusCode::OK, &document);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

/// The discovery document. There is no endpoint of OAuth, and so no response type. The algorithms stand under the name that
/// OpenID Connect has for those of ID tokens: it has no other.
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

/// The URL that was asked, as API Gateway saw it. Never a header, which anybody can write.
fn own_url(request: &Request) -> String {
    let domain = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.as_deref(),
        _ => None,
    };
    domain.map_or_else(String::new, |domain| format!("https://{domain}"))
}
