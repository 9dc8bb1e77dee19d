//! `POST /api/auth/verify-otp`: completes a sign-up with the code that `auth-signup` sent.
//!
//! The challenge id is required: it names the registration that becomes the user, so that nobody can slip their password
//! under somebody else's confirmation.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::{Reply, SecurityEvent};
use shared::edge::request::{Incoming, Intake};
use shared::flows::codes::check::Answer;
use shared::flows::signup_confirmation::SignUpConfirmations;
use shared::model::identifier::Identifier;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::store::users::EmailClaim;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sign_ups: SignUpConfirmations,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sign_ups: SignUpConfirmations::new(backends),
            intake: Intake::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.sign_ups.warm_up(self.clock.now()).await
    }
}

/// `{"identifier":"08123456789","otp":"123456","challengeId":"…"}`.
#[derive(Deserialize)]
struct Fields {
    #[serde(alias = "phone")]
    identifier: Option<String>,
    otp: Option<String>,
    #[serde(rename = "challengeId")]
    challenge_id: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(confirm(app, &incoming)).await
}

async fn confirm(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let challenge = fields::required_challenge_id(given.challenge_id.as_deref())?;
    let phone = fields::phone(given.identifier.as_deref(), "identifier")?;
    let answer = Answer {
        who: Identifier::Phone(phone),
        code: fields::code(given.otp.as_deref())?,
        challenge: Some(challenge),
        address: caller.address,
    };
    let confirmed = app.sign_ups.confirm(&answer, incoming.now).await?;
    let reply = Reply::signed_in(replies::PHONE_CONFIRMED, &confirmed.signed_in)
        .logged_as(SecurityEvent::SignedUp);
    Ok(match confirmed.email {
        None => reply,
        Some(EmailClaim::Claimed) => reply.with("email", "claimed"),
        Some(EmailClaim::Taken) => reply.with("email", "taken"),
    })
}
