//! `POST /api/auth/signin`: signs in with a password.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::{self, Problem, Reply, SecurityEvent};
use shared::flows::signin::{self, Passwords, SignInError};
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::password::Password;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    passwords: Passwords,
    trusted: TrustedCallers,
    clock: Clock,
    emails: bool,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            passwords: Passwords::new(backends),
            trusted: backends.settings.trusted_callers.clone(),
            clock: backends.clock.clone(),
            emails: backends.settings.email_identifier,
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.passwords.warm_up(self.clock.now()).await
    }
}

/// `{"identifier":"08123456789","password":"…"}`.
#[derive(Deserialize)]
struct Given {
    identifier: Option<String>,
    password: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, sign_in(app, &caller, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn sign_in(
    app: &App,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let caller = &edge::on_behalf(&app.trusted, caller, request)?;
    let given: Given = edge::json_body(request)?;
    let who = edge::identifier(given.identifier.as_ref(), "identifier", app.emails)?;
    edge::required(given.password.as_ref(), "password", "MISSING_PASSWORD")?;
    // Spaces around a password belong to it.
    let password = Password::given(given.password.as_deref().unwrap_or_default());
    match signin::sign_in(&app.passwords, &who, &password, caller, now).await {
        Ok(signed_in) => Ok(Reply::signed_in(replies::SIGNED_IN, &signed_in)
            .logged_as(SecurityEvent::SignedInWithPassword)),
        Err(SignInError::Wrong) => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "INVALID_CREDENTIALS",
            replies::CREDENTIALS_WRONG,
        )),
        Err(SignInError::CodeRequired) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "CODE_REQUIRED",
            replies::CODE_REQUIRED,
        )),
        Err(SignInError::Limited(limited)) => {
            Err(Problem::limited(&limited, replies::TOO_MANY_PASSWORDS))
        }
        Err(SignInError::Hash(error)) => Err(Problem::internal(&error)),
        Err(SignInError::Store(error)) => Err(Problem::internal(&error)),
    }
}
