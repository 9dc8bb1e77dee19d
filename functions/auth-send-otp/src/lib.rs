//! `POST /api/auth/send-otp`: sends a code again, for any purpose that is pending.
//!
//! With the `challengeId` of the first request the answer names the same one. A phone without an account is answered like
//! one with; a sign-up is found by its challenge id alone, so a wrong one is said to be wrong.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::{self, Problem, Reply};
use shared::flows::account::{self, Wish};
use shared::flows::codes::Codes;
use shared::flows::signup::{self, ResendError};
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::challenge::ChallengeId;
use shared::model::code::Purpose;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::store::registrations::Registrations;
use shared::store::users::Users;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    codes: Codes,
    users: Users,
    registrations: Registrations,
    trusted: TrustedCallers,
    clock: Clock,
    emails: bool,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            registrations: Registrations::new(backends),
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
        self.codes.warm_up(self.clock.now()).await
    }
}

/// `{"identifier":"08123456789","purpose":"signup","challengeId":"…","locale":"id"}`; the purpose is `sso`, `signup` or
/// `password-reset`; `signup` needs the challenge id of its registration; the locale may be left out.
#[derive(Deserialize)]
struct Asked {
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
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, send_again(app, &caller, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn send_again(
    app: &App,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let caller = &edge::on_behalf(&app.trusted, caller, request)?;
    let asked: Asked = edge::json_body(request)?;
    let who = edge::identifier(asked.identifier.as_ref(), "identifier", app.emails)?;
    let purpose = edge::required(asked.purpose.as_ref(), "purpose", "MISSING_PURPOSE")?;
    let purpose = Purpose::named(purpose).ok_or_else(|| {
        let message = replies::PURPOSE_UNKNOWN;
        Problem::bad_request("UNSUPPORTED_PURPOSE", message)
    })?;
    edge::method(asked.method.as_deref())?;
    if purpose.requires_challenge_id() {
        edge::required(
            asked.challenge_id.as_ref(),
            "challengeId",
            "MISSING_CHALLENGE_ID",
        )?;
    }
    let wish = Wish {
        language: edge::asked_language(request, asked.locale.as_deref())
            .unwrap_or_else(|| who.language()),
        who,
        keep: asked.challenge_id.as_deref().map(ChallengeId::presented),
    };
    let App {
        codes,
        users,
        registrations,
        ..
    } = app;
    let sent = match purpose {
        Purpose::Signup => signup::resend(codes, users, registrations, &wish, caller, now)
            .await
            .map_err(refused)?,
        Purpose::Sso | Purpose::PasswordReset => {
            account::send_code(codes, users, purpose, &wish, caller, now).await?
        }
    };
    Ok(Reply::code_sent(&sent))
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
