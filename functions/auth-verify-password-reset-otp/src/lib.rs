//! `POST /api/auth/verify-password-reset-otp`: sets a new password with the code that `auth-send-password-reset-otp` sent.
//!
//! Every login made before ends, nobody is signed in, and the phone is told by a message.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::json;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::{Reply, SecurityEvent};
use shared::edge::request::{Incoming, Intake};
use shared::flows::codes::check::Answer;
use shared::flows::password_reset::{PasswordResets, ResetError, ResetRequest};
use shared::model::identifier::Identifier;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    resets: PasswordResets,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            resets: PasswordResets::new(backends),
            intake: Intake::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.resets.warm_up(self.clock.now()).await
    }
}

/// `{"identifier":"08123456789","otp":"123456","newPassword":"…","challengeId":"…","locale":"id"}`; the last one may be absent.
/// Clients of the earlier system leave the challenge id out, too, where `UNBOUND_GUESSES` lets them.
#[derive(Deserialize)]
struct Fields {
    identifier: Option<String>,
    otp: Option<String>,
    #[serde(rename = "newPassword", alias = "password")]
    new_password: Option<String>,
    #[serde(rename = "challengeId")]
    challenge_id: Option<String>,
    locale: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(set_password(app, &incoming)).await
}

async fn set_password(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let answer = Answer {
        who: app.intake.identifier(given.identifier.as_deref())?,
        code: fields::code(given.otp.as_deref())?,
        challenge: app.intake.challenge_id(given.challenge_id.as_deref())?,
        address: caller.address,
    };
    let known = match &answer.who {
        Identifier::Phone(phone) => phone.digits(),
        Identifier::Email(email) => email.as_str(),
    };
    let request = ResetRequest {
        password: fields::new_password(given.new_password.as_deref(), "newPassword", &[known])?,
        answer,
        language: incoming.asked_language(given.locale.as_deref()),
    };
    match app
        .resets
        .set_password(&request, &caller, incoming.now)
        .await
    {
        Ok(()) => Ok(Reply::new(replies::PASSWORD_CHANGED, json!({}))
            .logged_as(SecurityEvent::PasswordReset)),
        Err(ResetError::Code(error)) => Err(error.into()),
        Err(ResetError::Password(error)) => Err(error.into()),
        Err(error @ ResetError::Hash(_)) => Err(Problem::internal(&error)),
    }
}
