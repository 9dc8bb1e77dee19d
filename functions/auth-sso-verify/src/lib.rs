//! `POST /api/auth/sso-verify`: signs in with the code that `auth-sso-signin` sent.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::{self, ChallengeIds, Problem, Reply, SecurityEvent};
use shared::flows::codes::Codes;
use shared::flows::codes::check::Answer;
use shared::flows::login::Logins;
use shared::flows::sso;
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::store::StoreError;
use shared::store::users::Users;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    codes: Codes,
    users: Users,
    logins: Logins,
    trusted: TrustedCallers,
    clock: Clock,
    emails: bool,
    ids: ChallengeIds,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            logins: Logins::new(backends),
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
        let now = self.clock.now();
        tokio::try_join!(self.codes.warm_up(now), self.logins.warm_up(now))?;
        Ok(())
    }
}

/// `{"identifier":"08123456789","otp":"123456","challengeId":"…"}`; clients of the earlier system leave the last one
/// out, where `UNBOUND_GUESSES` lets them.
#[derive(Deserialize)]
struct Given {
    identifier: Option<String>,
    otp: Option<String>,
    #[serde(rename = "challengeId")]
    challenge_id: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, verify(app, &caller, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn verify(
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
    let signed_in = sso::verify(&app.codes, &app.users, &app.logins, &answer, now).await?;
    Ok(Reply::signed_in(replies::SIGNED_IN, &signed_in).logged_as(SecurityEvent::SignedInWithCode))
}
