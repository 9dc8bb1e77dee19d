//! The pages of the operators' dashboard. They show and change nothing: their forms post to `/api/admin`.
//!
//! `GET /admin` leads to the sessions. Below `/admin/dashboard`: `whatsapp-sessions`, `whatsapp-sessions/{name}`, `incidents`,
//! `outbox`, `deliveries`, `explain`, `people` and `audit`. `GET /admin/assets/{file}` has the style and the script. Each page works
//! without the script, which only fetches it again from time to time.

/// The style and the script.
mod assets;

/// The pages, as their templates need them.
mod pages;

/// The page of incidents.
mod incidents;

/// What would happen to a code.
mod explained;

/// A user and their logins.
mod people;

/// What the pages say of what was just done.
mod done;

/// The page of the audit.
mod audit;

/// What the audit says of what operators did.
mod deeds;

/// What the pages say of states.
mod words;

/// Times, as people read them.
mod when;

use std::collections::HashSet;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use shared::edge::admin::{self, CookieChange, query_field, set_cookie};
use shared::edge::operators::Refusal;
use shared::edge::problem::Problem;
use shared::edge::request::Incoming;
use shared::flows::admin::audit::{Audit, AuditKey};
use shared::flows::admin::deliveries::{
    AdminDeliveries, DeliveryKey, DeliveryPage, MessageId, RequestId, Sought,
};
use shared::flows::admin::explain::AdminExplain;
use shared::flows::admin::incidents::{AdminIncidents, IncidentKey};
use shared::flows::admin::logins::{AdminLogin, AdminLoginError, AdminLogins};
use shared::flows::admin::outbox::{AdminOutbox, OutboxItem, OutboxPage, OutboxState, Stage};
use shared::flows::admin::people::AdminPeople;
use shared::flows::admin::sessions::key::SessionKey;
use shared::flows::admin::sessions::view::{Health, SessionView};
use shared::flows::admin::sessions::{AdminSessions, Listed};
use shared::model::admin::AdminPath;
use shared::model::code::Purpose;
use shared::model::payment::PaymentId;
use shared::model::phone::Phone;
use shared::platform::clock::Clock;
use shared::runtime::{Backends, log};
use shared::store::StoreError;

use audit::{AuditPage, Filter};
use explained::ExplainPage;
use incidents::IncidentsListPage;
use pages::{
    Channel, DeliveriesPage, Frame, MissingPage, OutboxListPage, Pairing, ProblemPage, Proved,
    SessionPage, SessionsPage, respond,
};
use people::PeoplePage;

/// What the address of the list says where it has only sessions that are not well.
const NOT_WELL: &str = "not_well";

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    logins: AdminLogins,
    sessions: AdminSessions,
    outbox: AdminOutbox,
    deliveries: AdminDeliveries,
    explain: AdminExplain,
    people: AdminPeople,
    incidents: AdminIncidents,
    audit: Audit,
    public_base_url: Option<String>,
    clock: Clock,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            logins: AdminLogins::new(backends),
            sessions: AdminSessions::new(backends),
            outbox: AdminOutbox::new(backends),
            deliveries: AdminDeliveries::new(backends),
            explain: AdminExplain::new(backends),
            people: AdminPeople::new(backends),
            incidents: AdminIncidents::new(backends),
            audit: Audit::new(backends),
            public_base_url: backends.settings.public_base_url.clone(),
            clock: backends.clock.clone(),
        }
    }

    /// Nothing: operators can wait for the first contact.
    ///
    /// # Errors
    /// None.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let incoming = Incoming::new(&request, app.clock.now());
    let path = request.uri().path();
    if let Some(file) = path.strip_prefix("/admin/assets/") {
        return assets::respond(&request, file);
    }
    let shown = incoming.in_time(show(app, &incoming)).await;
    let mut shown = shown.unwrap_or_else(|problem| problem_page(&incoming, &problem));
    // A link that was just made is shown once, and a page that has it is never in a cache.
    if admin::shown_cookie(incoming.request).is_some() {
        set_cookie(&mut shown, &CookieChange::Shown);
    }
    shown
}

/// A visit of somebody who is signed in.
struct Visit<'a> {
    app: &'a App,
    incoming: &'a Incoming<'a>,
    login: AdminLogin,
}

async fn show(app: &App, incoming: &Incoming<'_>) -> Result<Response<Body>, Problem> {
    let path = incoming.request.uri().path();
    let cookie = admin::login_cookie(incoming.request);
    let login = match app.logins.current(cookie.as_ref(), incoming.now).await {
        Ok(login) => login,
        Err(AdminLoginError::SignedOut) => {
            let back = here(incoming).unwrap_or_else(AdminPath::home);
            return Ok(admin::redirect(&admin::sign_in_path(&back)));
        }
        Err(error) => return Err(error.into()),
    };
    let visit = Visit {
        app,
        incoming,
        login,
    };
    match path.strip_prefix("/admin/dashboard/") {
        None if path == "/admin" => Ok(admin::redirect(&sessions_path())),
        None => visit.missing(),
        Some("whatsapp-sessions") => visit.sessions().await,
        Some("incidents") => visit.incidents().await,
        Some("outbox") => visit.outbox().await,
        Some("deliveries") => visit.deliveries().await,
        Some("explain") => visit.explain().await,
        Some("people") => visit.people().await,
        Some("audit") => visit.audit().await,
        Some(other) => match other.strip_prefix("whatsapp-sessions/") {
            Some(name) => visit.session(name).await,
            None => visit.missing(),
        },
    }
}

/// The page that is asked for, without what a form has left in its query.
fn here(incoming: &Incoming<'_>) -> Option<AdminPath> {
    AdminPath::parse(incoming.request.uri().path())
}

fn sessions_path() -> AdminPath {
    AdminPath::parse("/admin/dashboard/whatsapp-sessions").unwrap_or_else(AdminPath::home)
}

impl Visit<'_> {
    fn frame<'f>(&'f self, title: &'f str) -> Frame<'f> {
        let public = self.app.public_base_url.as_deref();
        Frame::new(self.incoming, &self.login, title, public)
    }

    fn say(&self, english: &'static str, indonesian: &'static str) -> &'static str {
        words::say(self.incoming.caller.language, english, indonesian)
    }

    async fn sessions(&self) -> Result<Response<Body>, Problem> {
        let page = query_field(self.incoming.request, "page");
        let page = page.and_then(|number| number.parse().ok()).unwrap_or(1);
        let listed = match query_field(self.incoming.request, "show").as_deref() {
            Some(NOT_WELL) => Listed::NotWell,
            Some(health) => Health::named(health).map_or(Listed::All, Listed::Only),
            None => Listed::All,
        };
        let all = self
            .app
            .sessions
            .page(listed, page, self.incoming.now)
            .await;
        let all = all.map_err(|error| Problem::internal(&error))?;
        let frame = self.frame(self.say("WhatsApp sessions", "Sesi WhatsApp"));
        respond(
            &SessionsPage {
                layout: frame.layout,
                frame,
                all: &all,
            },
            StatusCode::OK,
        )
    }

    async fn session(&self, name: &str) -> Result<Response<Body>, Problem> {
        let Some(key) = SessionKey::parse(name) else {
            return self.missing();
        };
        let session = self.app.sessions.one(&key, self.incoming.now).await;
        let session = session.map_err(|error| Problem::internal(&error))?;
        let Some(session) = session else {
            return self.missing();
        };
        let pairing = self.pairing(&session).await;
        let kind = self.say("WhatsApp session", "Sesi WhatsApp");
        let title = format!("{}, {kind}", session.name);
        let frame = self.frame(&title);
        let page = SessionPage {
            layout: frame.layout,
            frame,
            session: &session,
            pairing,
            proved: self.proved(),
        };
        respond(&page, StatusCode::OK)
    }

    fn proved(&self) -> Proved {
        if self.login.proved_lately(self.incoming.now) {
            Proved::Lately
        } else {
            Proved::LongAgo
        }
    }

    /// What is shown to whoever wants to pair the session.
    async fn pairing(&self, session: &SessionView) -> Pairing {
        if session.is_logged_in() {
            return Pairing::Paired;
        }
        if session.gateway_is_silent {
            return Pairing::NobodyKnows;
        }
        if !session.is_open() {
            return Pairing::Closed;
        }
        if !self.login.proved_lately(self.incoming.now) {
            return Pairing::ProofNeeded;
        }
        match self.app.sessions.qr(&session.key).await {
            Ok(Some(code)) => Pairing::Code(code),
            // The session has logged in meanwhile, or the first code is not there yet.
            Ok(None) | Err(_) => Pairing::NoCodeYet,
        }
    }

    async fn incidents(&self) -> Result<Response<Body>, Problem> {
        let (app, now) = (self.app, self.incoming.now);
        let before = query_field(self.incoming.request, "before");
        let before = before.as_deref().and_then(IncidentKey::parse);
        let current = app.sessions.incidents().await;
        let current = current.map_err(|error| Problem::internal(&error))?;
        let page = app.incidents.page(before.as_ref(), &current, now).await;
        let page = page.map_err(|error| Problem::internal(&error))?;
        let frame = self.frame(self.say("Incidents", "Kejadian"));
        let page = IncidentsListPage {
            layout: frame.layout,
            frame,
            current,
            page,
        };
        respond(&page, StatusCode::OK)
    }

    async fn outbox(&self) -> Result<Response<Body>, Problem> {
        let named = query_field(self.incoming.request, "state");
        let state = named.as_deref().and_then(OutboxState::parse);
        let state = state.unwrap_or(OutboxState::Waiting);
        let page = self.app.outbox.list(state, self.incoming.now).await;
        let page = page.map_err(|error| Problem::internal(&error))?;
        let channel = self.channel(&page).await?;
        let frame = self.frame(self.say("Outbox", "Kotak keluar"));
        let page = OutboxListPage {
            layout: frame.layout,
            frame,
            state,
            page,
            channel,
        };
        respond(&page, StatusCode::OK)
    }

    /// Whether messages can go out, where notices wait for that. It reads every session.
    async fn channel(&self, page: &OutboxPage) -> Result<Channel, Problem> {
        if !page.items.iter().any(|item| item.stage == Stage::Late) {
            return Ok(Channel::Open);
        }
        let sends = self.app.sessions.can_send(self.incoming.now).await;
        let sends = sends.map_err(|error| Problem::internal(&error))?;
        Ok(if sends { Channel::Open } else { Channel::Down })
    }

    async fn deliveries(&self) -> Result<Response<Body>, Problem> {
        let field = |name| query_field(self.incoming.request, name);
        let payment = field("paymentId").and_then(|id| PaymentId::parse(&id));
        let message = field("messageId").and_then(|id| MessageId::parse(&id));
        let request = field("requestId").and_then(|id| RequestId::parse(&id));
        let who = self.sealed_phone();
        let sought = message
            .map(Sought::Message)
            .or_else(|| request.map(Sought::Request))
            .or_else(|| payment.map(Sought::Payment))
            .or_else(|| who.map(Sought::Phone));
        let from = field("before").and_then(|before| DeliveryKey::parse(&before));
        let page = match &sought {
            Some(sought) => self.app.deliveries.find(sought, from.as_ref()).await,
            None => Ok(DeliveryPage::default()),
        };
        let page = page.map_err(|error| Problem::internal(&error))?;
        let waiting = self.waiting(&page).await?;
        let of_payment = self.of_payment(sought.as_ref()).await?;
        let frame = self.frame(self.say("Deliveries", "Pengiriman"));
        let page = DeliveriesPage {
            layout: frame.layout,
            frame,
            who: field("who").unwrap_or_default(),
            sought,
            page,
            waiting,
            of_payment,
        };
        respond(&page, StatusCode::OK)
    }

    /// The messages that were not sent, and whose notices still wait to be tried again.
    async fn waiting(&self, page: &DeliveryPage) -> Result<HashSet<String>, Problem> {
        let not_sent = page.deliveries.iter().filter_map(|found| {
            let payment = found.payment.as_deref()?;
            (found.outcome == "not_sent").then_some((payment, found.message_id.as_str()))
        });
        let waiting = self.app.outbox.waiting(not_sent).await;
        waiting.map_err(|error| Problem::internal(&error))
    }

    /// The notices of the payment that is looked for.
    async fn of_payment(
        &self,
        sought: Option<&Sought>,
    ) -> Result<Option<Vec<OutboxItem>>, Problem> {
        let Some(Sought::Payment(payment)) = sought else {
            return Ok(None);
        };
        let found = self.app.outbox.of_payment(payment, self.incoming.now);
        found.await.map_err(|error| Problem::internal(&error))
    }

    async fn explain(&self) -> Result<Response<Body>, Problem> {
        let named = query_field(self.incoming.request, "purpose");
        let purpose = named.as_deref().and_then(Purpose::named);
        let purpose = purpose.unwrap_or(Purpose::Sso);
        let phone = self.sealed_phone();
        let (explained, newest, went_out) = match &phone {
            Some(phone) => {
                let explained = self.app.explain.explain(phone, purpose, self.incoming.now);
                let sought = Sought::Phone(phone.clone());
                let messages = self.app.deliveries.find(&sought, None);
                let found = tokio::try_join!(explained, messages);
                let (explained, messages) = found.map_err(|error| Problem::internal(&error))?;
                let messages = messages.deliveries.into_iter();
                let messages = messages.filter(|one| one.purpose == purpose.name());
                let messages: Vec<_> = messages.collect();
                let mut out = messages.iter();
                let went_out = out.find(|one| ["sent", "unknown"].contains(&one.outcome.as_str()));
                let went_out = went_out.cloned();
                (Some(explained), messages.into_iter().next(), went_out)
            }
            None => (None, None, None),
        };
        let frame = self.frame(self.say("Explain a code", "Jelaskan kode"));
        let page = ExplainPage {
            layout: frame.layout,
            frame,
            purpose,
            whom: phone.map(|phone| self.whom(&phone)),
            explained,
            newest,
            went_out,
        };
        respond(&page, StatusCode::OK)
    }

    async fn people(&self) -> Result<Response<Body>, Problem> {
        let phone = self.sealed_phone();
        let person = match &phone {
            Some(phone) => {
                let found = self.app.people.find(phone, self.incoming.now).await;
                Some(found.map_err(|error| Problem::internal(&error))?)
            }
            None => None,
        };
        let frame = self.frame(self.say("People", "Orang"));
        let page = PeoplePage {
            layout: frame.layout,
            frame,
            whom: phone.map(|phone| self.whom(&phone)),
            person,
            erased: admin::told_field(self.incoming.request, "done").as_deref() == Some("erased"),
            not_confirmed: admin::told_field(self.incoming.request, "problem").as_deref()
                == Some(Refusal::NotConfirmed.code()),
            proved: self.proved(),
        };
        respond(&page, StatusCode::OK)
    }

    /// A phone, masked, and as the address of this page has it.
    fn whom(&self, phone: &Phone) -> (String, String) {
        let sealed = query_field(self.incoming.request, "who");
        (phone.to_string(), sealed.unwrap_or_default())
    }

    /// The phone in the address of the page: sealed for this login, so that nobody reads it in the history of a browser.
    fn sealed_phone(&self) -> Option<Phone> {
        let cookie = admin::login_cookie(self.incoming.request)?;
        let phone = cookie.open(&query_field(self.incoming.request, "who")?)?;
        log::name_phone(&phone);
        Some(phone)
    }

    async fn audit(&self) -> Result<Response<Body>, Problem> {
        let request = self.incoming.request;
        let before = query_field(request, "before");
        let before = before.as_deref().and_then(AuditKey::parse);
        let page = self.app.audit.page(before.as_ref(), self.incoming.now);
        let page = page.await.map_err(|error| Problem::internal(&error))?;
        let frame = self.frame(self.say("Audit", "Jejak audit"));
        respond(
            &AuditPage {
                layout: frame.layout,
                frame,
                page,
                filter: Filter::of(request),
                before: before.map(|before| before.as_str().to_owned()),
            },
            StatusCode::OK,
        )
    }

    fn missing(&self) -> Result<Response<Body>, Problem> {
        let frame = self.frame(self.say("Not there", "Tidak ada"));
        respond(
            &MissingPage {
                layout: frame.layout,
                frame,
            },
            StatusCode::NOT_FOUND,
        )
    }
}

fn problem_page(incoming: &Incoming<'_>, problem: &Problem) -> Response<Body> {
    let page = ProblemPage::new(incoming, problem);
    let fallback = |_| admin::page_response(StatusCode::SERVICE_UNAVAILABLE, String::new());
    respond(&page, problem.status()).unwrap_or_else(fallback)
}
