//! `POST /api/auth/signup`: keeps a registration and sends the code that confirms it.
//!
//! The user exists only once `auth-verify-otp` has confirmed it. A phone that has a user answers 409: whoever may sign up
//! can find out which phones are registered, as fast as the route's throttle lets them ask.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::fields;
use shared::edge::problem::{Attention, Problem};
use shared::edge::reply::Reply;
use shared::edge::request::{Incoming, Intake};
use shared::flows::signup::{Application, RegisterError, SignUps};
use shared::gateway::captcha::CaptchaError;
use shared::model::account::Applicant;
use shared::model::identifier::{Email, Identifier};
use shared::model::replies;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sign_ups: SignUps,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sign_ups: SignUps::new(backends),
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

/// `{"name":"Siti","phone":"08123456789","password":"…","email":"siti@example.com","locale":"id","captchaToken":"…"}`; the
/// last three may be left out, but the token not where sign-ups have a CAPTCHA.
#[derive(Deserialize)]
struct Fields {
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
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(register(app, &incoming)).await
}

async fn register(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let applicant = applicant(&given)?;
    let who = Identifier::Phone(applicant.phone.clone());
    let application = Application {
        applicant,
        captcha_token: given.captcha_token,
        language: incoming.message_language(given.locale.as_deref(), &who),
    };
    let sent = app.sign_ups.register(&application, &caller).await;
    Ok(Reply::code_sent(&sent.map_err(refused)?))
}

fn applicant(given: &Fields) -> Result<Applicant, Problem> {
    let phone = fields::phone(given.phone.as_deref(), "phone")?;
    let name = fields::person_name(given.name.as_deref())?;
    let email = given.email.as_deref();
    let email = email.filter(|email| !email.trim().is_empty());
    let email = email.map(fields::email).transpose()?;
    let address = email.as_ref().map_or("", Email::as_str);
    let known = [name.as_str(), phone.digits(), address];
    let password = fields::new_password(given.password.as_deref(), "password", &known)?;
    Ok(Applicant {
        phone,
        name,
        email,
        password,
    })
}

fn refused(error: RegisterError) -> Problem {
    match error {
        RegisterError::Send(error) => error.into(),
        RegisterError::Captcha(CaptchaError::Failed) => {
            Problem::bad_request("CAPTCHA_FAILED", replies::CAPTCHA_FAILED)
                .uncharged()
                .for_attention_of(Attention::Operator)
        }
        RegisterError::Captcha(CaptchaError::Unavailable) => {
            Problem::not_sent("CAPTCHA_UNAVAILABLE", replies::CAPTCHA_UNAVAILABLE)
        }
        RegisterError::Hash(_) => Problem::internal(&error),
        RegisterError::PhoneTaken => Problem::phone_taken(),
    }
}
