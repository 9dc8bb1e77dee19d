//! `POST /api/auth/send-otp`: sends a code again, for any purpose that is pending.
//!
//! With the `challengeId` of the first request the answer names the same one. A phone without an account is answered like
//! one with an account. A sign-up is found by its challenge id alone, so a wrong id is said to be wrong.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::{Incoming, Intake};
use shared::flows::account::{AccountCodes, CodeRequest};
use shared::flows::signup::{ResendError, ResendRequest, Resends};
use shared::model::challenge::ChallengeId;
use shared::model::code::Purpose;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    codes: AccountCodes,
    sign_ups: Resends,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: AccountCodes::new(backends),
            sign_ups: Resends::new(backends),
            intake: Intake::new(backends),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.codes.warm_up(self.clock.now()).await
    }
}

/// `{"identifier":"08123456789","purpose":"signup","challengeId":"…","locale":"id"}`; the purpose is `sso`, `signup` or
/// `password-reset`; `signup` needs the challenge id of its registration; the locale may be left out.
#[derive(Deserialize)]
struct Fields {
    #[serde(alias = "phone")]
    identifier: Option<String>,
    purpose: Option<String>,
    #[serde(rename = "challengeId")]
    challenge_id: Option<String>,
    method: Option<String>,
    locale: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(send_again(app, &incoming)).await
}

async fn send_again(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let who = app.intake.identifier(given.identifier.as_deref())?;
    let purpose = purpose(given.purpose.as_deref())?;
    fields::only_whatsapp(given.method.as_deref())?;
    let language = incoming.message_language(given.locale.as_deref(), &who);
    let challenge_id = given.challenge_id.as_deref();
    let sent = match purpose {
        Purpose::Signup => {
            let request = ResendRequest {
                who,
                challenge: fields::required_challenge_id(challenge_id)?,
                language,
            };
            let sent = app.sign_ups.send(&request, &caller, incoming.now);
            sent.await.map_err(refused)?
        }
        // `purpose` names no other one.
        Purpose::Sso | Purpose::PasswordReset | Purpose::Admin => {
            let request = CodeRequest {
                purpose,
                who,
                keep: challenge_id.map(ChallengeId::presented),
                language,
            };
            app.codes.send(&request, &caller, incoming.now).await?
        }
    };
    Ok(Reply::code_sent(&sent))
}

fn purpose(field: Option<&str>) -> Result<Purpose, Problem> {
    let name = fields::required(field, "purpose", "MISSING_PURPOSE")?;
    // The pages of operators send their own.
    Purpose::named(name)
        .filter(|purpose| *purpose != Purpose::Admin)
        .ok_or_else(|| Problem::bad_request("UNSUPPORTED_PURPOSE", replies::PURPOSE_UNKNOWN))
}

fn refused(error: ResendError) -> Problem {
    match error {
        ResendError::Send(error) => error.into(),
        ResendError::PhoneTaken => Problem::phone_taken(),
        ResendError::NoRegistration => {
            Problem::bad_request("UNKNOWN_CHALLENGE", replies::CHALLENGE_UNKNOWN)
        }
    }
}
