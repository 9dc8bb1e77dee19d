//! `POST /api/auth/refresh`: the next access token of a login for its refresh token, which is spent by it.
//!
//! The same refresh token once more within ten seconds gets the same answer; after that it ends the login, since somebody
//! else may have it.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::clock::Clock;
use shared::edge::{self, Problem, Reply};
use shared::flows::login::Logins;
use shared::flows::session::{self, RefreshError};
use shared::refresh::RefreshToken;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::store::users::Users;
use shared::timestamp::Timestamp;

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
    let answer = edge::within(&caller, now, refresh(app, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn refresh(app: &App, request: &Request, now: Timestamp) -> Result<Reply, Problem> {
    let given: Given = edge::json_body(request)?;
    let token = given.refresh_token.as_ref();
    let token = edge::required(token, "refreshToken", "MISSING_REFRESH_TOKEN")?;
    let refused = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "INVALID_REFRESH_TOKEN",
            "The refresh token is not valid. Sign in again.",
        )
    };
    let token = RefreshToken::parse(token).ok_or_else(refused)?;
    match session::refresh(&app.users, &app.logins, &token, now).await {
        Ok(signed_in) => Ok(Reply::signed_in("Here are your next tokens.", &signed_in)),
        Err(RefreshError::Refused) => Err(refused()),
        Err(RefreshError::Reused) => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "REFRESH_TOKEN_REUSED",
            "This refresh token was used before, so you were signed out. Sign in again.",
        )),
        Err(RefreshError::Store(error)) => Err(Problem::internal(&error)),
    }
}
