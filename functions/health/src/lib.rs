//! `GET /api/health`: is the API up? `GET /api/status`: do messages go out?
//!
//! It also answers every request that no route takes: its path is unknown, or known with other methods.
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use serde_json::json;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::model::replies::{self, Text};
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::sender::{ChannelState, Sender};
use shared::store::StoreError;

/// The methods of each path of the API, as `Allow` names them. A test holds this against `template.yaml`.
pub const METHODS: &[(&str, &str)] = &[
    ("/.well-known/jwks.json", "GET"),
    ("/.well-known/oauth-authorization-server", "GET"),
    ("/.well-known/openid-configuration", "GET"),
    ("/admin", "GET"),
    ("/admin/assets/{file}", "GET"),
    ("/admin/dashboard/audit", "GET"),
    ("/admin/dashboard/deliveries", "GET"),
    ("/admin/dashboard/explain", "GET"),
    ("/admin/dashboard/incidents", "GET"),
    ("/admin/dashboard/outbox", "GET"),
    ("/admin/dashboard/people", "GET"),
    ("/admin/dashboard/whatsapp-sessions", "GET"),
    ("/admin/dashboard/whatsapp-sessions/{name}", "GET"),
    ("/admin/link/{secret}", "GET, POST"),
    ("/admin/login", "GET, POST"),
    ("/admin/login/code", "POST"),
    ("/admin/logout", "POST"),
    ("/admin/pairing/{link}", "GET, POST"),
    ("/api/admin/deliveries", "GET"),
    ("/api/admin/explain", "GET"),
    ("/api/admin/find", "POST"),
    ("/api/admin/incidents", "GET"),
    ("/api/admin/outbox", "GET"),
    ("/api/admin/outbox/{notice}/{act}", "POST"),
    ("/api/admin/people", "GET"),
    ("/api/admin/people/{act}", "POST"),
    ("/api/admin/whatsapp/sessions", "GET, POST"),
    ("/api/admin/whatsapp/sessions/{name}/qr", "GET"),
    ("/api/admin/whatsapp/sessions/{name}/status", "GET"),
    ("/api/admin/whatsapp/sessions/{name}/{act}", "POST"),
    ("/api/auth/refresh", "POST"),
    ("/api/auth/send-otp", "POST"),
    ("/api/auth/send-password-reset-otp", "POST"),
    ("/api/auth/session", "DELETE, GET"),
    ("/api/auth/signin", "POST"),
    ("/api/auth/signout", "POST"),
    ("/api/auth/signup", "POST"),
    ("/api/auth/sso-signin", "POST"),
    ("/api/auth/sso-verify", "POST"),
    ("/api/auth/verify-otp", "POST"),
    ("/api/auth/verify-password-reset-otp", "POST"),
    ("/api/health", "GET"),
    ("/api/payments/{paymentId}/created", "POST"),
    ("/api/payments/{paymentId}/expiry-warning", "POST"),
    ("/api/payments/{paymentId}/notifications", "GET"),
    ("/api/payments/{paymentId}/status", "POST"),
    ("/api/payments/{paymentId}/success", "POST"),
    ("/api/status", "GET"),
    ("/api/webhooks/midtrans/{address}", "POST"),
    ("/api/webhooks/whatsapp/{session}", "POST"),
    ("/api/webhooks/xendit/{address}", "POST"),
];

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
    let incoming = Incoming::new(&request, app.clock.now());
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/api/health") => incoming.respond(Ok(health())),
        (&Method::GET, "/api/status") => incoming.answer(status(app)).await,
        _ => no_route(&incoming),
    }
}

fn health() -> Reply {
    Reply::new(replies::API_UP, json!({ "status": "up" }))
}

/// The answer to a request that no route takes.
fn no_route(incoming: &Incoming<'_>) -> Response<Body> {
    let (method, path) = (incoming.request.method(), incoming.request.uri().path());
    let methods = METHODS.iter().find(|(known, _)| is_of(known, path));
    let methods = methods.map(|(_, methods)| *methods);
    // A path of the API with a method of its own comes here only in another spelling, such as with `%2F`.
    let others = methods.filter(|methods| methods.split(", ").all(|known| known != method));
    let Some(methods) = others else {
        let problem = Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", replies::NO_ROUTE);
        return incoming.respond(Err(problem));
    };
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        replies::OTHER_METHOD.with("methods", methods),
    );
    let mut response = incoming.respond(Err(problem));
    let methods = HeaderValue::from_static(methods);
    response.headers_mut().insert(header::ALLOW, methods);
    response
}

/// Whether `path` is one that `known` stands for: a part in braces stands for any.
fn is_of(known: &str, path: &str) -> bool {
    let (known, given) = (known.split('/'), path.split('/'));
    known.clone().count() == given.clone().count()
        && known
            .zip(given)
            .all(|(known, given)| known == given || known.starts_with('{') && !given.is_empty())
}

/// What the store knows of the WhatsApp sessions: a good answer if messages go out. Asks no gateway, so that anyone may ask this.
async fn status(app: &App) -> Result<Reply, Problem> {
    let channel = app.sender.channel().await;
    let channel = channel.map_err(|error| Problem::internal(&error))?;
    let (word, message) = told(channel.state);
    let data = json!({
        "whatsapp": word,
        "since": channel.since.map(to_the_minute),
        "seenAt": channel.seen_at.map(to_the_minute),
        "needsHuman": channel.state.needs_human(),
    });
    if channel.state.may_send() {
        return Ok(Reply::new(message, data));
    }
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let problem = Problem::new(unavailable, "WHATSAPP_SERVICE_UNAVAILABLE", message);
    let problem = problem.retry_after(channel.state.retry_after());
    Err(problem.with("data", data))
}

/// The word for a state, and what it tells a person.
const fn told(state: ChannelState) -> (&'static str, Text) {
    match state {
        ChannelState::Usable => ("usable", replies::MESSAGES_GO_OUT),
        ChannelState::Recovering => ("recovering", replies::RECONNECTING),
        ChannelState::NeedsPairing => ("needs_pairing", replies::NEEDS_PAIRING),
        ChannelState::NeedsRestart => ("needs_restart", replies::NEEDS_RESTART),
        ChannelState::Down => ("down", replies::WHATSAPP_DOWN),
        ChannelState::Restricted => ("restricted", replies::ACCOUNT_RESTRICTED),
        ChannelState::ColdLocked => ("cold_locked", replies::STRANGERS_NOT_REACHED),
        ChannelState::Misconfigured => ("misconfigured", replies::GATEWAY_REFUSES),
        ChannelState::Unknown => ("unknown", replies::NOTHING_SENT_YET),
    }
}

/// A time without its seconds: in those anybody could read how a request of theirs had looked at the session, and from that
/// whether it was for somebody.
fn to_the_minute(time: Timestamp) -> String {
    let seconds = time.seconds();
    Timestamp::from_seconds(seconds - seconds.rem_euclid(60)).rfc3339()
}
