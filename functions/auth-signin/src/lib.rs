//! `POST /api/auth/signin`: signs in with a password.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::{Reply, SecurityEvent};
use shared::edge::request::{Incoming, Intake};
use shared::flows::signin::{Credentials, PasswordSignIns, SignInError};
use shared::model::password::Password;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sign_ins: PasswordSignIns,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sign_ins: PasswordSignIns::new(backends),
            intake: Intake::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.sign_ins.warm_up(self.clock.now()).await
    }
}

/// `{"identifier":"08123456789","password":"…"}`.
#[derive(Deserialize)]
struct Fields {
    identifier: Option<String>,
    password: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(sign_in(app, &incoming)).await
}

async fn sign_in(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let who = app.intake.identifier(given.identifier.as_deref())?;
    let password = given.password.as_deref();
    fields::required(password, "password", "MISSING_PASSWORD")?;
    let credentials = Credentials {
        who,
        // Spaces around a password belong to it.
        password: Password::given(password.unwrap_or_default()),
    };
    let signed_in = app.sign_ins.sign_in(&credentials, &caller, incoming.now);
    let signed_in = signed_in.await.map_err(refused)?;
    Ok(Reply::signed_in(replies::SIGNED_IN, &signed_in)
        .logged_as(SecurityEvent::SignedInWithPassword))
}

fn refused(error: SignInError) -> Problem {
    match error {
        SignInError::Wrong => Problem::new(
            StatusCode::UNAUTHORIZED,
            "INVALID_CREDENTIALS",
            replies::CREDENTIALS_WRONG,
        ),
        SignInError::CodeRequired => Problem::new(
            StatusCode::FORBIDDEN,
            "CODE_REQUIRED",
            replies::CODE_REQUIRED,
        ),
        SignInError::Limited(limited) => Problem::limited(&limited, replies::TOO_MANY_PASSWORDS),
        SignInError::Hash(error) => Problem::internal(&error),
        SignInError::Store(error) => Problem::internal(&error),
    }
}
