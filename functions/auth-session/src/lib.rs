//! `GET /api/auth/session`: who holds this access token? `DELETE`: signs out, with `?all=true` everywhere.
use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::json;
use shared::edge::problem::{Attention, Problem};
use shared::edge::reply::{Reply, SecurityEvent, user_view};
use shared::edge::request::Incoming;
use shared::flows::session::{AccessError, Sessions, SignOut};
use shared::model::replies;
use shared::model::token::TokenError;
use shared::platform::clock::Clock;
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
    let incoming = Incoming::new(&request, app.clock.now());
    match *request.method() {
        Method::DELETE => incoming.answer(sign_out(app, &incoming)).await,
        _ => incoming.answer(current_user(app, &incoming)).await,
    }
}

async fn current_user(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let token = incoming.bearer()?;
    let access = app.sessions.access(token, incoming.now).await;
    let access = access.map_err(refused)?;
    let data = json!({ "user": user_view(&access.user) });
    Ok(Reply::new(replies::SIGNED_IN, data))
}

async fn sign_out(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let token = incoming.bearer()?;
    let which = which_logins(incoming.request)?;
    let signed_out = app.sessions.sign_out(token, which, incoming.now).await;
    signed_out.map_err(refused)?;
    let event = match which {
        SignOut::ThisLogin => SecurityEvent::SignedOut,
        SignOut::Everywhere => SecurityEvent::SignedOutEverywhere,
    };
    Ok(Reply::new(replies::SIGNED_OUT, json!({})).logged_as(event))
}

fn which_logins(request: &Request) -> Result<SignOut, Problem> {
    let parameters = request.query_string_parameters();
    match parameters.all("all").as_deref() {
        None | Some(["false"]) => Ok(SignOut::ThisLogin),
        Some(["true"]) => Ok(SignOut::Everywhere),
        Some(_) => Err(Problem::bad_request("INVALID_PARAMETER", replies::ALL_ONCE)),
    }
}

fn refused(error: AccessError) -> Problem {
    match error {
        AccessError::Store(error) => Problem::internal(&error),
        AccessError::Token(TokenError::Expired) => {
            Problem::refused_token("TOKEN_EXPIRED", replies::TOKEN_EXPIRED)
                .for_attention_of(Attention::Client)
        }
        AccessError::Token(TokenError::UnknownKey | TokenError::Refused(_)) => {
            Problem::refused_token("INVALID_TOKEN", replies::TOKEN_INVALID)
        }
        AccessError::Ended => Problem::refused_token("SESSION_ENDED", replies::SESSION_ENDED)
            .for_attention_of(Attention::Client),
    }
}
