//! `POST /api/auth/sso-verify`: signs in with the code that `auth-sso-signin` sent.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::{Reply, SecurityEvent};
use shared::edge::request::{Incoming, Intake};
use shared::flows::codes::check::Answer;
use shared::flows::sso::CodeSignIns;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sign_ins: CodeSignIns,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sign_ins: CodeSignIns::new(backends),
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

/// `{"identifier":"08123456789","otp":"123456","challengeId":"…"}`; clients of the earlier system leave the last one
/// out, where `UNBOUND_GUESSES` lets them.
#[derive(Deserialize)]
struct Fields {
    identifier: Option<String>,
    otp: Option<String>,
    #[serde(rename = "challengeId")]
    challenge_id: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(sign_in(app, &incoming)).await
}

async fn sign_in(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let answer = Answer {
        who: app.intake.identifier(given.identifier.as_deref())?,
        code: fields::code(given.otp.as_deref())?,
        challenge: app.intake.challenge_id(given.challenge_id.as_deref())?,
        address: caller.address,
    };
    let signed_in = app.sign_ins.sign_in(&answer, incoming.now).await?;
    Ok(Reply::signed_in(replies::SIGNED_IN, &signed_in).logged_as(SecurityEvent::SignedInWithCode))
}
