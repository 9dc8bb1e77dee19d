//! `POST /api/auth/send-password-reset-otp`: sends the code that a new password is set with.
//!
//! An unknown phone gets the same answer, in the same time, and no message.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::{self, Problem, Reply};
use shared::flows::account::{self, Wish};
use shared::flows::codes::Codes;
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::code::Purpose;
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

/// `{"identifier":"08123456789","method":"whatsapp","locale":"id"}`; the last two may be left out.
#[derive(Deserialize)]
struct Asked {
    identifier: Option<String>,
    method: Option<String>,
    locale: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, send_code(app, &caller, &request, now)).await;
    edge::respond(&caller, answer)
}

async fn send_code(
    app: &App,
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Result<Reply, Problem> {
    let caller = &edge::on_behalf(&app.trusted, caller, request)?;
    let asked: Asked = edge::json_body(request)?;
    let who = edge::identifier(asked.identifier.as_ref(), "identifier", app.emails)?;
    edge::method(asked.method.as_deref())?;
    let wish = Wish {
        language: edge::asked_language(request, asked.locale.as_deref())
            .unwrap_or_else(|| who.language()),
        who,
        keep: None,
    };
    let sent = account::send_code(
        &app.codes,
        &app.users,
        Purpose::PasswordReset,
        &wish,
        caller,
        now,
    )
    .await?;
    Ok(Reply::code_sent(&sent))
}
