//! The page that shows the QR code of one session to whoever holds its phone, by a link and without an account.
//!
//! `GET /admin/pairing/{link}` asks whether to open the link: a preview of it uses nothing up. `POST` to it opens it for this
//! browser, and no other. From then on `GET` shows the code, until the session is paired or the link's time is over. Nothing else of
//! the session is shown. The page works without script, which only fetches it again from time to time.

/// What the page says, in both languages.
mod words;

use askama::Template;
use lambda_http::http::{Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use shared::edge::admin::{self, CookieChange, Form, Layout, set_cookie};
use shared::edge::problem::Problem;
use shared::edge::request::{Incoming, Intake};
use shared::flows::admin::pairing::{PairingPages, PairingShown};
use shared::flows::admin::pairing_links::{PairingError, path_of};
use shared::flows::admin::sessions::pairing::{PairedAccount, PairingNow};
use shared::model::admin::{AdminPath, AdminSecret};
use shared::model::caller::Caller;
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use shared::runtime::Backends;
use shared::store::StoreError;

use words::Words;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    pairing: PairingPages,
    intake: Intake,
    public_base_url: Option<String>,
    clock: Clock,
    entropy: Entropy,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            pairing: PairingPages::new(backends),
            intake: Intake::new(backends),
            public_base_url: backends.settings.public_base_url.clone(),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Nothing: whoever has a link can wait for the first contact.
    ///
    /// # Errors
    /// None.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What the page shows.
#[derive(Debug)]
enum Shown {
    /// A button that opens the link, with what its form has to bring.
    ToOpen(String),
    /// The session, and how far its pairing is.
    Session(PairedAccount, PairingNow),
    /// Another browser has opened the link.
    Used,
    /// The link has ended, or never was.
    Gone,
    /// Something went wrong.
    Failed,
}

#[derive(Debug, Template)]
#[template(path = "pairing.html")]
struct PairingPage<'a> {
    layout: Layout<'a>,
    words: &'a Words,
    shown: &'a Shown,
    path: &'a str,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    let visit = Visit {
        app,
        incoming: &incoming,
        browser: admin::pairing_cookie(&request),
    };
    let answered = incoming.in_time(visit.answer()).await;
    answered.unwrap_or_else(|problem| {
        problem.told_on_page(incoming.caller.language);
        let page = visit.page(&Shown::Failed, problem.status());
        page.unwrap_or_else(|_| admin::page_response(problem.status(), String::new()))
    })
}

/// One request of a browser.
struct Visit<'a> {
    app: &'a App,
    incoming: &'a Incoming<'a>,
    /// The cookie of the browser, if it has one.
    browser: Option<AdminSecret>,
}

impl Visit<'_> {
    async fn answer(&self) -> Result<Response<Body>, Problem> {
        let path = self.incoming.request.uri().path();
        let link = path.strip_prefix("/admin/pairing/");
        let Some(link) = link.and_then(AdminSecret::parse) else {
            return self.page(&Shown::Gone, StatusCode::GONE);
        };
        // The audit has the address of the person, also where a CDN stands before the API.
        let caller = self.app.intake.caller(self.incoming).await?;
        let answered = match *self.incoming.request.method() {
            Method::POST => self.open(&link, &caller).await?,
            _ => self.show(&link, &caller).await,
        };
        match answered {
            Ok(response) => Ok(response),
            Err(PairingError::Used) => self.page(&Shown::Used, StatusCode::GONE),
            Err(PairingError::Gone) => self.page(&Shown::Gone, StatusCode::GONE),
            Err(PairingError::Store(error)) => Err(Problem::internal(&error)),
        }
    }

    async fn show(
        &self,
        link: &AdminSecret,
        caller: &Caller,
    ) -> Result<Response<Body>, PairingError> {
        let from = (caller, self.incoming.now);
        let shown = self.app.pairing.show(link, self.browser.as_ref(), from);
        let shown = match shown.await? {
            PairingShown::Session(account, session) => Shown::Session(account, session),
            PairingShown::ToOpen => return Ok(self.ask()),
        };
        Ok(self.respond(&shown))
    }

    /// Asks whether to open the link. A browser without a cookie gets one.
    fn ask(&self) -> Response<Body> {
        let drawn = AdminSecret::draw(&self.app.entropy);
        let browser = self.browser.as_ref().unwrap_or(&drawn);
        let mut response = self.respond(&Shown::ToOpen(browser.csrf().expose().to_owned()));
        if self.browser.is_none() {
            set_cookie(&mut response, &CookieChange::BeginPairing(browser));
        }
        response
    }

    /// Opens the link for this browser, and leads to what it shows.
    async fn open(
        &self,
        link: &AdminSecret,
        caller: &Caller,
    ) -> Result<Result<Response<Body>, PairingError>, Problem> {
        let form = Form::read(self.incoming.request)?;
        let browser = self.browser.as_ref().ok_or_else(admin::another_site)?;
        let public = self.app.public_base_url.as_deref();
        let token = browser.csrf();
        admin::check_csrf(self.incoming.request, &token, form.field("csrf"), public)?;
        let from = (caller, self.incoming.now);
        let opened = self.app.pairing.open(link, browser, from).await;
        let back = AdminPath::parse(&path_of(link)).unwrap_or_else(AdminPath::home);
        Ok(opened.map(|()| admin::redirect(&back)))
    }

    fn respond(&self, shown: &Shown) -> Response<Body> {
        let failed = |problem: Problem| admin::page_response(problem.status(), String::new());
        self.page(shown, StatusCode::OK).unwrap_or_else(failed)
    }

    fn page(&self, shown: &Shown, status: StatusCode) -> Result<Response<Body>, Problem> {
        let language = self.incoming.caller.language;
        let words = Words::of(language);
        let page = PairingPage {
            layout: Layout {
                language,
                title: words.title,
            },
            words,
            shown,
            path: self.incoming.request.uri().path(),
        };
        let html = page.render().map_err(|error| Problem::internal(&error))?;
        let mut response = admin::page_response(status, html);
        let vary = header::HeaderValue::from_static("accept-language, cookie");
        response.headers_mut().insert(header::VARY, vary);
        Ok(response)
    }
}
