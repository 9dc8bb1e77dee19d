//! `POST /api/auth/refresh`: the next access token of a login for its refresh token, which is spent by it.
//! `POST /api/auth/signout`: ends the login of a refresh token.
//!
//! The same refresh token once more within a minute (`REFRESH_GRACE_SECONDS`) gets the same answer; after that it ends the
//! login, since somebody else may have it.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::json;
use shared::edge::{self, Problem, Reply, SecurityEvent};
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
struct Given {
    #[serde(rename = "refreshToken")]
    refresh_token: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let work = async {
        match request.uri().path() {
            "/api/auth/signout" => sign_out(app, &request).await,
            _ => refresh(app, &request).await,
        }
    };
    let answer = edge::within(&caller, now, work).await;
    edge::respond(&caller, answer)
}

async fn refresh(app: &App, request: &Request) -> Result<Reply, Problem> {
    let token = token(request)?;
    let signed_in = session::refresh(&app.users, &app.logins, &token, &app.clock).await?;
    Ok(Reply::signed_in(replies::NEXT_TOKENS, &signed_in))
}

async fn sign_out(app: &App, request: &Request) -> Result<Reply, Problem> {
    let token = token(request)?;
    session::sign_out_by_refresh(&app.logins, &token, app.clock.now()).await?;
    Ok(Reply::new(replies::SIGNED_OUT, json!({})).logged_as(SecurityEvent::SignedOut))
}

fn token(request: &Request) -> Result<RefreshToken, Problem> {
    let given: Given = edge::json_body(request)?;
    let token = given.refresh_token.as_ref();
    let token = edge::required(token, "refreshToken", "MISSING_REFRESH_TOKEN")?;
    Ok(RefreshToken::parse(token).ok_or(RefreshError::Refused)?)
}
