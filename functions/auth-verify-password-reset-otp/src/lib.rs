//! `POST /api/auth/verify-password-reset-otp`: sets a new password with the code that `auth-send-password-reset-otp` sent.
//!
//! Every login made before ends, nobody is signed in, and the phone is told by a message.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::json;
use shared::edge::{self, ChallengeIds, Problem, Reply, SecurityEvent};
use shared::flows::codes::check::Answer;
use shared::flows::password_reset::{PasswordResets, ResetError, Wish};
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::identifier::Identifier;
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    resets: PasswordResets,
    trusted: TrustedCallers,
    clock: Clock,
    emails: bool,
    ids: ChallengeIds,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            resets: PasswordResets::new(backends),
            trusted: backends.settings.trusted_callers.clone(),
            clock: backends.clock.clone(),
            emails: backends.settings.email_identifier,
            ids: ChallengeIds::of(&backends.settings),
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
struct Given {
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
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, set_password(app, &caller, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn set_password(
    app: &App,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let caller = &edge::on_behalf(&app.trusted, caller, request)?;
    let given: Given = edge::json_body(request)?;
    let answer = Answer {
        who: edge::identifier(given.identifier.as_ref(), "identifier", app.emails)?,
        code: edge::code(given.otp.as_ref(), "otp")?,
        challenge: edge::challenge_id(given.challenge_id.as_ref(), app.ids)?,
        address: caller.address,
    };
    let known = match &answer.who {
        Identifier::Phone(phone) => phone.digits(),
        Identifier::Email(email) => email.as_str(),
    };
    let password = edge::new_password(given.new_password.as_ref(), "newPassword", &[known])?;
    let wish = Wish {
        answer,
        password,
        language: edge::asked_language(request, given.locale.as_deref()),
    };
    match app.resets.set_password(&wish, caller, now).await {
        Ok(()) => Ok(Reply::new(replies::PASSWORD_CHANGED, json!({}))
            .logged_as(SecurityEvent::PasswordReset)),
        Err(ResetError::Code(error)) => Err(error.into()),
        Err(ResetError::Password(error)) => Err(error.into()),
        Err(error @ ResetError::Hash(_)) => Err(Problem::internal(&error)),
    }
}
