//! `POST /api/auth/verify-otp`: completes a sign-up with the code that `auth-signup` sent.
//!
//! The challenge id is required: it names the registration that becomes the user, so that nobody can slip their password
//! under somebody else's confirmation.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::{self, Problem, Reply, SecurityEvent};
use shared::flows::codes::Codes;
use shared::flows::codes::check::Answer;
use shared::flows::login::Logins;
use shared::flows::signup;
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::challenge::ChallengeId;
use shared::model::identifier::Identifier;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::store::registrations::Registrations;
use shared::store::users::{EmailClaim, Users};

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    codes: Codes,
    users: Users,
    registrations: Registrations,
    logins: Logins,
    trusted: TrustedCallers,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            registrations: Registrations::new(backends),
            logins: Logins::new(backends),
            trusted: backends.settings.trusted_callers.clone(),
            clock: backends.clock.clone(),
        }
    }

    /// Makes the first contact with what a request will need.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        tokio::try_join!(self.codes.warm_up(now), self.logins.warm_up(now))?;
        Ok(())
    }
}

/// `{"identifier":"08123456789","otp":"123456","challengeId":"…"}`.
#[derive(Deserialize)]
struct Given {
    #[serde(alias = "phone")]
    identifier: Option<String>,
    otp: Option<String>,
    #[serde(rename = "challengeId")]
    challenge_id: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, confirm(app, &caller, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn confirm(
    app: &App,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let caller = &edge::on_behalf(&app.trusted, caller, request)?;
    let given: Given = edge::json_body(request)?;
    let challenge = given.challenge_id.as_ref();
    let challenge = edge::required(challenge, "challengeId", "MISSING_CHALLENGE_ID")?;
    let answer = Answer {
        who: Identifier::Phone(edge::phone(given.identifier.as_ref(), "identifier")?),
        code: edge::code(given.otp.as_ref(), "otp")?,
        challenge: Some(ChallengeId::presented(challenge)),
        address: caller.address,
    };
    let App {
        codes,
        users,
        registrations,
        logins,
        ..
    } = app;
    let confirmed = signup::confirm(codes, users, registrations, logins, &answer, now).await?;
    let reply = Reply::signed_in(replies::PHONE_CONFIRMED, &confirmed.signed_in)
        .logged_as(SecurityEvent::SignedUp);
    Ok(match confirmed.email {
        None => reply,
        Some(EmailClaim::Claimed) => reply.with("email", "claimed"),
        Some(EmailClaim::Taken) => reply.with("email", "taken"),
    })
}
