//! The pages that sign an operator in and out.
//!
//! `GET /admin/login` asks for a phone, `POST /admin/login` sends a code to it and asks for the code, `POST /admin/login/code`
//! signs in. `GET /admin/link/{secret}` asks whether to use a one-time link, so that a preview of it uses nothing up, and
//! `POST /admin/link/{secret}` signs in with it. `POST /admin/logout` ends the login, and with `everywhere=yes` all of that
//! operator's.
//!
//! `next` is a page below `/admin` that follows; with `again` in its place, somebody who is signed in proves again who they are,
//! and gets another login. Each form has the token of a cookie: of the login, or of whoever is about to sign in.

/// The pages, as their templates need them.
mod pages;

/// What the pages say.
mod words;

/// The steps.
mod visit;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use shared::edge::admin::{self, Layout};
use shared::edge::problem::Problem;
use shared::edge::request::{Incoming, Intake};
use shared::flows::admin::links::AdminLinks;
use shared::flows::admin::logins::AdminLogins;
use shared::flows::admin::sign_in::AdminSignIns;
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use shared::runtime::Backends;
use shared::store::StoreError;

use pages::{ProblemPage, respond};
use visit::Visit;
use words::Words;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    sign_ins: AdminSignIns,
    links: AdminLinks,
    logins: AdminLogins,
    intake: Intake,
    public_base_url: Option<String>,
    clock: Clock,
    entropy: Entropy,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            sign_ins: AdminSignIns::new(backends),
            links: AdminLinks::new(backends),
            logins: AdminLogins::new(backends),
            intake: Intake::new(backends),
            public_base_url: backends.settings.public_base_url.clone(),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
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

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    let answered = incoming.in_time(answer(app, &incoming)).await;
    answered.unwrap_or_else(|problem| problem_page(&incoming, &problem))
}

async fn answer(app: &App, incoming: &Incoming<'_>) -> Result<Response<Body>, Problem> {
    let visit = Visit::new(app, incoming).await?;
    let path = incoming.request.uri().path();
    let link = path.strip_prefix("/admin/link/");
    match (incoming.request.method(), path, link) {
        (&Method::GET, _, Some(_)) => visit.show_link(),
        (_, _, Some(link)) => visit.use_link(link).await,
        (&Method::GET, ..) => visit.show_login().await,
        (_, "/admin/login", _) => visit.send_code().await,
        (_, "/admin/login/code", _) => visit.sign_in().await,
        _ => visit.sign_out().await,
    }
}

fn problem_page(incoming: &Incoming<'_>, problem: &Problem) -> Response<Body> {
    let language = incoming.caller.language;
    let words = Words::of(language);
    let message = problem.told_on_page(language);
    let layout = Layout {
        language,
        title: words.problem,
    };
    let page = ProblemPage {
        layout,
        words,
        message: &message,
        request_id: &incoming.caller.request_id,
    };
    let fallback = |_| admin::page_response(StatusCode::SERVICE_UNAVAILABLE, String::new());
    respond(&page, Some(problem)).unwrap_or_else(fallback)
}
