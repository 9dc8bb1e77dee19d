//! What operators ask and do, as JSON; the forms of their pages post to the same routes.
//!
//! `GET /api/admin/whatsapp/sessions` lists the sessions, `POST` to it adds one. Below it, of one session: `GET …/status`,
//! `GET …/qr`, and `POST` to `…/connect`, `…/disconnect`, `…/logout`, `…/pairphone`, `…/webhook`, `…/pool`,
//! `…/weight` and `…/pairinglink`.
//! `GET /api/admin/outbox?state=` lists payment notices, `POST …/{id}/retry` and `…/discard` act on one, and `…/late/retry` on all
//! that are late.
//! `GET /api/admin/incidents` lists each time messages could not be sent from a session.
//! `GET /api/admin/deliveries` finds messages, `POST /api/admin/find` the page that shows what somebody looks for.
//! `GET /api/admin/explain?phone=&purpose=` says what would happen to a code, `GET /api/admin/people?phone=` shows a user with their
//! logins, and `POST …/{act}` ends these or erases.
//!
//! JSON is answered with JSON. A form is answered with 303, back to the page that it names, with a word for what came of it. Only
//! `pairphone` answers a form with a page of its own: what is in an address stays in the history of the browser, and anybody can
//! make an address up.

/// The page that shows the code to type on a phone.
mod linking_code;

/// What is posted, as JSON or as a form.
mod posted;

/// What is asked of phones and their people.
mod people;

/// What is answered, as JSON.
mod views;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use serde_json::json;
use shared::edge::admin::{self, query_field};
use shared::edge::fields;
use shared::edge::operators::Refusal;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::{Incoming, Intake};
use shared::flows::admin::deliveries::AdminDeliveries;
use shared::flows::admin::explain::AdminExplain;
use shared::flows::admin::incidents::{AdminIncidents, IncidentKey};
use shared::flows::admin::logins::{AdminLogin, AdminLogins};
use shared::flows::admin::outbox::{AdminOutbox, NoticeKey, OutboxAct, OutboxState};
use shared::flows::admin::people::AdminPeople;
use shared::flows::admin::sessions::acts::{Act, Done};
use shared::flows::admin::sessions::key::SessionKey;
use shared::flows::admin::sessions::{AdminSessions, Listed, Operator};
use shared::model::admin::AdminPath;
use shared::model::replies;
use shared::model::weight::Weight;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

use posted::{Outcome, Posted};

/// What stands in a path for all notices that are late. No notice is called so.
const LATE: &str = "late";

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
    intake: Intake,
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
            intake: Intake::new(backends),
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
    if request.method() == Method::POST {
        return act(app, &incoming).await;
    }
    let mut response = incoming.answer(show(app, &incoming)).await;
    admin::guard(&mut response);
    response
}

/// The parts of the path below `/api/admin`.
fn parts<'a>(incoming: &Incoming<'a>) -> Vec<&'a str> {
    let path = incoming.request.uri().path();
    let below = path.strip_prefix("/api/admin/").unwrap_or_default();
    below.split('/').collect()
}

async fn login(app: &App, incoming: &Incoming<'_>) -> Result<AdminLogin, Problem> {
    let cookie = admin::login_cookie(incoming.request);
    Ok(app.logins.current(cookie.as_ref(), incoming.now).await?)
}

/// Answers what is asked.
async fn show(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let login = login(app, incoming).await?;
    match parts(incoming)[..] {
        ["whatsapp", "sessions"] => list(app, incoming).await,
        ["whatsapp", "sessions", key, "status"] => status(app, incoming, session(key)?).await,
        ["whatsapp", "sessions", key, "qr"] => {
            prove(&login, incoming)?;
            qr(app, session(key)?).await
        }
        ["outbox"] => outbox(app, incoming).await,
        ["deliveries"] => people::deliveries(app, incoming).await,
        ["explain"] => people::explain(app, incoming).await,
        ["people"] => people::person(app, incoming).await,
        ["incidents"] => incidents(app, incoming).await,
        _ => Err(Refusal::NotFound.into()),
    }
}

fn session(key: &str) -> Result<SessionKey, Problem> {
    SessionKey::parse(key).ok_or_else(|| Refusal::NotFound.into())
}

/// Refuses what needs a fresh proof to somebody who has none.
fn prove(login: &AdminLogin, incoming: &Incoming<'_>) -> Result<(), Problem> {
    if login.proved_lately(incoming.now) {
        return Ok(());
    }
    Err(Refusal::ProofNeeded.into())
}

async fn list(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let page = match query_field(incoming.request, "page").map(|number| number.parse()) {
        None => 1,
        Some(Ok(number)) => number,
        Some(Err(_)) => return Err(invalid("page")),
    };
    let all = app.sessions.page(Listed::All, page, incoming.now).await;
    let all = all.map_err(|error| Problem::internal(&error))?;
    Ok(Reply::new(replies::ADMIN_SESSIONS, views::sessions(&all)))
}

async fn status(app: &App, incoming: &Incoming<'_>, key: SessionKey) -> Result<Reply, Problem> {
    let found = app.sessions.one(&key, incoming.now).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let found = found.ok_or(Refusal::NotFound)?;
    let data = json!({ "session": views::session(&found) });
    Ok(Reply::new(replies::ADMIN_SESSION, data))
}

async fn qr(app: &App, key: SessionKey) -> Result<Reply, Problem> {
    let code = app.sessions.qr(&key).await?;
    Ok(Reply::new(replies::ADMIN_QR, json!({ "qr": code })))
}

async fn outbox(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let named = query_field(incoming.request, "state");
    let state = named
        .as_deref()
        .map_or(Some(OutboxState::Waiting), OutboxState::parse);
    let state = state.ok_or_else(|| invalid("state"))?;
    let page = app.outbox.list(state, incoming.now).await;
    let page = page.map_err(|error| Problem::internal(&error))?;
    Ok(Reply::new(replies::ADMIN_OUTBOX, views::outbox(&page)))
}

async fn incidents(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let before = query_field(incoming.request, "before");
    let before = match before.as_deref().map(IncidentKey::parse) {
        Some(None) => return Err(invalid("before")),
        before => before.flatten(),
    };
    let current = app.sessions.incidents().await;
    let current = current.map_err(|error| Problem::internal(&error))?;
    let page = app.incidents.page(before.as_ref(), &current, incoming.now);
    let page = page.await.map_err(|error| Problem::internal(&error))?;
    let data = views::incidents(&current, &page);
    Ok(Reply::new(replies::ADMIN_INCIDENTS, data))
}

fn invalid(field: &'static str) -> Problem {
    let message = replies::ADMIN_FIELD_WRONG.with("field", field);
    Problem::bad_request("INVALID_FIELD", message)
        .with("field", field)
        .with("reason", "wrong_type")
}

/// Does what is posted.
async fn act(app: &App, incoming: &Incoming<'_>) -> Response<Body> {
    let posted = match Posted::read(incoming) {
        Ok(posted) => posted,
        Err(problem) => return incoming.respond(Err(problem)),
    };
    let done = incoming.in_time(perform(app, incoming, &posted)).await;
    posted.answer(incoming, done)
}

async fn perform(app: &App, incoming: &Incoming<'_>, posted: &Posted) -> Result<Outcome, Problem> {
    let login = login(app, incoming).await?;
    let public = app.public_base_url.as_deref();
    admin::check_csrf(incoming.request, &login.csrf, posted.field("csrf"), public)?;
    let operator = Operator {
        login: &login,
        // The audit has the address of the person, also where a CDN stands before the API.
        caller: &app.intake.caller(incoming).await?,
        now: incoming.now,
    };
    match parts(incoming)[..] {
        ["find"] => people::find(app, incoming, posted).await,
        ["whatsapp", "sessions"] => add(app, posted, operator).await,
        ["whatsapp", "sessions", key, act] => {
            let act = act_on_session(act, posted)?;
            if act.needs_proof() {
                prove(&login, incoming)?;
            }
            let done = app.sessions.act(&session(key)?, &act, operator).await?;
            Ok(match done {
                Done::Done => Outcome::done(act.word(), key),
                Done::LinkingCode(code) => Outcome::linking_code(code, page_of(key)),
                Done::PairingLink(link) => Outcome::pairing_link(&link),
            })
        }
        ["outbox", key, act] => act_on_notices(app, (key, act), operator).await,
        ["people", act] => people::act(app, (incoming, posted), act, operator).await,
        _ => Err(Refusal::NotFound.into()),
    }
}

/// The page of the session with this key.
fn page_of(key: &str) -> AdminPath {
    let page = format!("/admin/dashboard/whatsapp-sessions/{key}");
    AdminPath::parse(&page).unwrap_or_else(AdminPath::home)
}

/// Does an act with a notice, or with all that are late.
async fn act_on_notices(
    app: &App,
    (key, act): (&str, &str),
    operator: Operator<'_>,
) -> Result<Outcome, Problem> {
    if (key, act) == (LATE, "retry") {
        let sent = app.outbox.send_late(operator).await;
        let sent = sent.map_err(|error| Problem::internal(&error))?;
        return Ok(Outcome::late_sent(sent));
    }
    let act = match act {
        "retry" => OutboxAct::SendNow,
        "discard" => OutboxAct::Discard,
        _ => return Err(Refusal::NotFound.into()),
    };
    let key = NoticeKey::parse(key).ok_or(Refusal::NotFound)?;
    app.outbox.act(&key, act, operator).await?;
    Ok(Outcome::notice(act, key.payment()))
}

async fn add(app: &App, posted: &Posted, operator: Operator<'_>) -> Result<Outcome, Problem> {
    let name = posted.field("name").unwrap_or_default();
    let key = app.sessions.add(name, operator).await?;
    Ok(Outcome::added(&key))
}

/// The act of that name, with what it needs.
fn act_on_session(name: &str, posted: &Posted) -> Result<Act, Problem> {
    Ok(match name {
        "connect" => Act::Connect,
        "disconnect" => Act::Disconnect,
        "logout" => Act::LogOut,
        "pairphone" => Act::PairPhone(fields::phone(posted.field("phone"), "phone")?),
        "webhook" => Act::SetWebhook,
        "pairinglink" => Act::MakePairingLink,
        "pool" => match posted.field("sends") {
            Some("yes") => Act::TakeIntoPool,
            Some("no") => Act::TakeOutOfPool,
            _ => return Err(invalid("sends")),
        },
        "weight" => {
            let weight = posted.field("weight").and_then(Weight::parse);
            Act::SetWeight(weight.ok_or_else(|| invalid("weight"))?)
        }
        _ => return Err(Refusal::NotFound.into()),
    })
}
