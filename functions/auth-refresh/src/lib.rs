//! `POST /api/auth/refresh`: the next access token of a login for its refresh token, which is spent by it.
//! `POST /api/auth/signout`: ends the login of a refresh token.
//!
//! The same refresh token once more within a minute (`REFRESH_GRACE_SECONDS`) gets the same answer; after that it ends the
//! login, since somebody else may have it.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::json;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::{Reply, SecurityEvent};
use shared::edge::request::Incoming;
use shared::flows::login::Logins;
use shared::flows::session::{self, RefreshError};
use shared::model::refresh::RefreshToken;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::store::users::Users;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    users: Users,
    logins: Logins,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            users: Users::new(backends),
            logins: Logins::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.logins.warm_up(self.clock.now()).await
    }
}

/// `{"refreshToken":"…"}`.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "refreshToken")]
    refresh_token: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    match request.uri().path() {
        "/api/auth/signout" => incoming.answer(sign_out(app, &incoming)).await,
        _ => incoming.answer(refresh(app, &incoming)).await,
    }
}

async fn refresh(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let token = refresh_token(incoming)?;
    let signed_in = session::refresh(&app.users, &app.logins, &token, &app.clock).await?;
    Ok(Reply::signed_in(replies::NEXT_TOKENS, &signed_in))
}

async fn sign_out(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let token = refresh_token(incoming)?;
    session::sign_out_by_refresh(&app.logins, &token, incoming.now).await?;
    Ok(Reply::new(replies::SIGNED_OUT, json!({})).logged_as(SecurityEvent::SignedOut))
}

fn refresh_token(incoming: &Incoming<'_>) -> Result<RefreshToken, Problem> {
    let given: Fields = incoming.json()?;
    let text = given.refresh_token.as_deref();
    let text = fields::required(text, "refreshToken", "MISSING_REFRESH_TOKEN")?;
    Ok(RefreshToken::parse(text).ok_or(RefreshError::Refused)?)
}
