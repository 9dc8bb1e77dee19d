//! `POST /api/auth/signup`: keeps a registration and sends the code that confirms it.
//!
//! The user exists only once `auth-verify-otp` has confirmed it. A phone that has a user answers 409: whoever may sign up
//! can find out which phones are registered, as fast as the route's throttle lets them ask.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::{self, Problem, Reply};
use shared::flows::codes::Codes;
use shared::flows::signup::{self, Application, RegisterError};
use shared::gateway::captcha::{Captcha, CaptchaError};
use shared::model::account::Applicant;
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::identifier::{Email, Identifier};
use shared::model::replies;
use shared::platform::clock::Clock;
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
    captcha: Captcha,
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
            captcha: Captcha::new(backends.settings.captcha.clone()),
            trusted: backends.settings.trusted_callers.clone(),
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

/// `{"name":"Siti","phone":"08123456789","password":"…","email":"siti@example.com","locale":"id","captchaToken":"…"}`; the
/// last three may be left out, but the token not where sign-ups have a CAPTCHA.
#[derive(Deserialize)]
struct Asked {
    name: Option<String>,
    #[serde(alias = "identifier")]
    phone: Option<String>,
    password: Option<String>,
    email: Option<String>,
    locale: Option<String>,
    #[serde(rename = "captchaToken")]
    captcha_token: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let now = app.clock.now();
    let caller = edge::caller(&request, now);
    let answer = edge::within(&caller, now, register(app, &caller, &request)).await;
    edge::respond(&caller, answer)
}

async fn register(app: &App, caller: &Caller, request: &Request) -> Result<Reply, Problem> {
    let caller = &edge::on_behalf(&app.trusted, caller, request)?;
    let asked: Asked = edge::json_body(request)?;
    let applicant = applicant(&asked)?;
    let who = Identifier::Phone(applicant.phone.clone());
    let application = Application {
        applicant,
        captcha_token: asked.captcha_token,
        language: edge::asked_language(request, asked.locale.as_deref())
            .unwrap_or_else(|| who.language()),
    };
    let App {
        codes,
        users,
        registrations,
        captcha,
        clock,
        ..
    } = app;
    let sent = signup::register(
        codes,
        users,
        registrations,
        captcha,
        &application,
        caller,
        clock,
    )
    .await;
    match sent {
        Ok(sent) => Ok(Reply::code_sent(&sent)),
        Err(RegisterError::Send(error)) => Err(error.into()),
        Err(RegisterError::Captcha(CaptchaError::Failed)) => {
            let message = replies::CAPTCHA_FAILED;
            Err(Problem::bad_request("CAPTCHA_FAILED", message).with("charged", false))
        }
        Err(RegisterError::Captcha(CaptchaError::Unavailable)) => Err(Problem::not_sent(
            "CAPTCHA_UNAVAILABLE",
            replies::CAPTCHA_UNAVAILABLE,
        )),
        Err(error @ RegisterError::Hash(_)) => Err(Problem::internal(&error)),
        Err(RegisterError::PhoneTaken) => Err(Problem::new(
            StatusCode::CONFLICT,
            "DUPLICATE_PHONE_VERIFIED",
            replies::PHONE_TAKEN,
        )),
    }
}

fn applicant(asked: &Asked) -> Result<Applicant, Problem> {
    let phone = edge::phone(asked.phone.as_ref(), "phone")?;
    let name = edge::name(asked.name.as_ref(), "name")?;
    let email = asked
        .email
        .as_deref()
        .filter(|email| !email.trim().is_empty());
    let email = email
        .map(Email::parse)
        .transpose()
        .map_err(|_| Problem::bad_request("INVALID_EMAIL", replies::EMAIL_INVALID))?;
    let address = email.as_ref().map_or("", Email::as_str);
    let known = [name.as_str(), phone.digits(), address];
    let password = edge::new_password(asked.password.as_ref(), "password", &known)?;
    Ok(Applicant {
        phone,
        name,
        email,
        password,
    })
}
