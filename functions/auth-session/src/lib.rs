//! `GET /api/auth/session`: who holds this access token? `DELETE`: signs out, with `?all=true` everywhere.
use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::json;
use shared::edge::{self, Problem, Reply, SecurityEvent};
use shared::flows::session::{AccessError, Sessions};
use shared::model::replies;
use shared::model::token::TokenError;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sessions: Sessions,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sessions: Sessions::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.sessions.warm_up(self.clock.now()).await
    }
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = async {
        match *request.method() {
            Method::DELETE => sign_out(app, &request, now).await,
            _ => look(app, &request, now).await,
        }
    };
    let answer = edge::within(&caller, now, answer).await;
    edge::respond(&caller, answer)
}

async fn look(app: &App, request: &Request, now: Timestamp) -> Result<Reply, Problem> {
    let token = edge::bearer(request)?;
    match app.sessions.look(token, now).await {
        Ok(access) => {
            let data = json!({ "user": edge::user_view(&access.user) });
            Ok(Reply::new(replies::SIGNED_IN, data))
        }
        Err(error) => Err(refused(error)),
    }
}

async fn sign_out(app: &App, request: &Request, now: Timestamp) -> Result<Reply, Problem> {
    let token = edge::bearer(request)?;
    let parameters = request.query_string_parameters();
    let everywhere = match parameters.all("all").as_deref() {
        None | Some(["false"]) => false,
        Some(["true"]) => true,
        Some(_) => {
            let message = replies::ALL_ONCE;
            return Err(Problem::bad_request("INVALID_PARAMETER", message));
        }
    };
    match app.sessions.sign_out(token, everywhere, now).await {
        Ok(()) => {
            let event = if everywhere {
                SecurityEvent::SignedOutEverywhere
            } else {
                SecurityEvent::SignedOut
            };
            Ok(Reply::new(replies::SIGNED_OUT, json!({})).logged_as(event))
        }
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: AccessError) -> Problem {
    let (code, message) = match error {
        AccessError::Store(error) => return Problem::internal(&error),
        AccessError::Token(TokenError::Expired) => ("TOKEN_EXPIRED", replies::TOKEN_EXPIRED),
        AccessError::Token(TokenError::UnknownKey | TokenError::Refused(_)) => {
            ("INVALID_TOKEN", replies::TOKEN_INVALID)
        }
        AccessError::Ended => ("SESSION_ENDED", replies::SESSION_ENDED),
    };
    Problem::refused_token(code, message)
}
