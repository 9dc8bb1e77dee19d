//! `POST /api/auth/sso-signin`: sends a sign-in code to a phone.
//!
//! An unknown phone gets the same answer, in the same time, and no message.
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use shared::edge::fields;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::{Incoming, Intake};
use shared::flows::account::{AccountCodes, CodeRequest};
use shared::model::code::Purpose;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    codes: AccountCodes,
    intake: Intake,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: AccountCodes::new(backends),
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

/// `{"identifier":"08123456789","method":"whatsapp","locale":"id"}`; the last two may be left out.
#[derive(Deserialize)]
struct Fields {
    identifier: Option<String>,
    method: Option<String>,
    locale: Option<String>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    incoming.answer(send_code(app, &incoming)).await
}

async fn send_code(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let (caller, given): (_, Fields) = app.intake.read(incoming).await?;
    let who = app.intake.identifier(given.identifier.as_deref())?;
    fields::only_whatsapp(given.method.as_deref())?;
    let request = CodeRequest {
        purpose: Purpose::Sso,
        language: incoming.message_language(given.locale.as_deref(), &who),
        who,
        keep: None,
    };
    let sent = app.codes.send(&request, &caller, incoming.now).await?;
    Ok(Reply::code_sent(&sent))
}
