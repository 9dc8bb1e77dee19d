//! The pages, as their templates need them. What is put into a template is escaped by its type.
use askama::Template;
use lambda_http::http::{StatusCode, header};
use lambda_http::{Body, Response};
use shared::edge::admin::{self, Layout, query_field};
use shared::edge::operators;
use shared::edge::problem::Problem;
use shared::edge::request::Incoming;
use shared::flows::admin::deliveries::{DeliveryPage, Sought};
use shared::flows::admin::incidents::{CurrentIncident, IncidentsPage, Missed, PastIncident};
use shared::flows::admin::logins::AdminLogin;
use shared::flows::admin::outbox::{OutboxPage, OutboxState};
use shared::flows::admin::pairing_links;
use shared::flows::admin::sessions::view::{Doing, Flags, Health, PoolPlace, SessionView};
use shared::flows::admin::sessions::{Customers, SessionsView};
use shared::model::language::Language;
use shared::model::replies;
use shared::model::weight::Weight;
use shared::platform::timestamp::Timestamp;

use crate::when::When;
use crate::words;

/// What every page of somebody who is signed in has.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// Who is signed in, masked.
    pub who: String,
    /// What its forms have to bring.
    pub csrf: &'a str,
    /// Its own path, which forms come back to.
    pub path: &'a str,
    /// Its address: its path, and what it shows of all that it could.
    pub here: String,
    /// What became of the last form.
    pub notice: Option<Notice>,
    now: Timestamp,
}

/// What became of the last form.
#[derive(Debug)]
pub struct Notice {
    /// Whether it was refused.
    pub is_problem: bool,
    /// What a person is told.
    pub text: String,
    /// A link to give to somebody.
    pub link: Option<String>,
}

impl<'a> Frame<'a> {
    /// The frame of the page that `incoming` asks for, at a site that others know as `public`.
    pub fn new(
        incoming: &'a Incoming<'_>,
        login: &'a AdminLogin,
        title: &'a str,
        public: Option<&str>,
    ) -> Self {
        Self {
            layout: Layout {
                language: incoming.caller.language,
                title,
            },
            who: login.who.to_string(),
            csrf: login.csrf.expose(),
            path: incoming.request.uri().path(),
            here: here(incoming),
            notice: notice(incoming, public),
            now: incoming.now,
        }
    }

    /// The text in the language of the page.
    pub const fn say(&self, english: &'static str, indonesian: &'static str) -> &'static str {
        words::say(self.layout.language, english, indonesian)
    }

    const fn language(&self) -> Language {
        self.layout.language
    }

    /// Whether the page is the one of that name, or below it.
    pub fn is_at(&self, name: &str) -> bool {
        let below = self.path.strip_prefix("/admin/dashboard/");
        below.is_some_and(|below| below.split('/').next() == Some(name))
    }

    /// A time.
    pub fn when(&self, at: &Timestamp) -> When {
        When::new(*at, self.now, self.language())
    }

    /// The word for how a session is.
    pub const fn health(&self, health: &Health) -> &'static str {
        words::health(*health, self.language())
    }

    /// The shape for it.
    pub const fn shape(&self, health: &Health) -> &'static str {
        words::shape(*health)
    }

    /// What a person has to do about it.
    pub const fn to_do(&self, health: &Health) -> &'static str {
        words::to_do(*health, self.language())
    }

    /// Whether messages are sent from a session.
    pub const fn pool(&self, pool: &PoolPlace) -> &'static str {
        words::pool(*pool, self.language())
    }

    /// What is being done about a session, and the time that it has.
    pub fn doing(&self, doing: &Doing) -> (&'static str, Option<When>) {
        let what = match doing {
            Doing::Nothing => "",
            Doing::Connecting(_) => self.say("Told to connect", "Diminta tersambung"),
            Doing::NextConnect(_) => self.say("Connected again", "Disambungkan lagi"),
            Doing::EachMinute => self.say(
                "Looked at each minute, and connected as soon as that helps",
                "Diperiksa setiap menit, dan disambungkan begitu itu membantu",
            ),
            Doing::LeftAloneUntil(_) => self.say("Tried again", "Dicoba lagi"),
            Doing::WaitsForPerson => self.say("Waits for a person", "Menunggu seseorang"),
        };
        let at = doing.at();
        (what, at.map(|at| self.when(&at)))
    }

    /// The two flags in words.
    pub const fn flags(&self, flags: &Flags) -> &'static str {
        match (flags.connected, flags.logged_in) {
            (true, true) => self.say("connected, logged in", "tersambung, masuk"),
            (true, false) => self.say("connected, not logged in", "tersambung, belum masuk"),
            (false, true) => self.say("not connected, logged in", "terputus, masuk"),
            (false, false) => self.say("not connected, not logged in", "terputus, belum masuk"),
        }
    }

    /// Since when something is so: the time of the day, and how long that is ago.
    pub fn since(&self, at: &Timestamp) -> String {
        let when = self.when(at);
        let clock = when.exact.get(11..16).unwrap_or_default();
        let since = self.say("since", "sejak");
        format!("{since} {clock} UTC ({})", when.span)
    }

    /// What was wrong with a session.
    pub fn cause(&self, cause: &Option<String>) -> &'static str {
        words::cause(cause.as_deref(), self.language())
    }

    /// What became of the messages of an incident.
    pub fn missed(&self, codes: &Missed, notices: &Missed) -> String {
        words::missed(*codes, *notices, self.language())
    }

    /// What was done for a session.
    pub fn tried(&self, connects: &i64, restarts: &i64) -> String {
        words::tried(*connects, *restarts, self.language())
    }

    /// What a message was for.
    pub fn purpose<'n>(&self, name: &'n str) -> &'n str {
        words::purpose(name, self.language())
    }

    /// How a message ended.
    pub fn outcome<'n>(&self, name: &'n str) -> &'n str {
        words::outcome(name, self.language())
    }

    /// The shape for it.
    pub fn outcome_shape(&self, name: &str) -> &'static str {
        words::outcome_shape(name)
    }

    /// Milliseconds as people read them.
    pub fn took(&self, span: &std::time::Duration) -> String {
        let unit = self.say("s", "dtk");
        format!("{:.1} {unit}", span.as_secs_f64())
    }

    /// The same of a number.
    pub fn took_ms(&self, millis: &u64) -> String {
        match millis {
            0..1_000 => format!("{millis} ms"),
            _ => self.took(&std::time::Duration::from_millis(*millis)),
        }
    }
}

/// What the addresses of pages say of what they show. What a form has left there is not among it.
const SHOWN_BY: [&str; 7] = [
    "before",
    "messageId",
    "page",
    "purpose",
    "requestId",
    "state",
    "who",
];

/// The address of the page, for its link that loads it again.
fn here(incoming: &Incoming<'_>) -> String {
    let uri = incoming.request.uri();
    let fields = uri.query().unwrap_or_default().split('&');
    let shown: Vec<_> = fields
        .filter(|field| SHOWN_BY.contains(&field.split('=').next().unwrap_or_default()))
        .collect();
    match &shown[..] {
        [] => uri.path().to_owned(),
        shown => format!("{}?{}", uri.path(), shown.join("&")),
    }
}

fn notice(incoming: &Incoming<'_>, public: Option<&str>) -> Option<Notice> {
    let language = incoming.caller.language;
    let field = |name| query_field(incoming.request, name);
    if let Some(problem) = field("problem") {
        return Some(Notice {
            is_problem: true,
            text: operators::told(&problem).written(language),
            link: None,
        });
    }
    if let Some(link) = shown_link(incoming, public) {
        return Some(link);
    }
    let done = field("done")?;
    Some(Notice {
        is_problem: false,
        text: told_of(&done, language),
        link: None,
    })
}

/// A link that was just made.
fn shown_link(incoming: &Incoming<'_>, public: Option<&str>) -> Option<Notice> {
    let link = admin::shown_cookie(incoming.request)?;
    let given = words::say(
        incoming.caller.language,
        "Give this link to whoever holds the phone. It shows the QR code to the first browser that opens it, for 15 minutes. It is shown here once.",
        "Berikan tautan ini kepada pemegang ponsel. Kode QR ditampilkan di peramban pertama yang membukanya, selama 15 menit. Tautan hanya tampil di sini sekali.",
    );
    let path = pairing_links::path_of(&link);
    Some(Notice {
        is_problem: false,
        text: given.to_owned(),
        link: Some(admin::public_url(incoming.request, public, &path)),
    })
}

/// What a page says of what was done.
fn told_of(done: &str, language: Language) -> String {
    let (english, indonesian) = match done {
        "added" => (
            "The session is added. Scan its QR code, and it sends.",
            "Sesi ditambahkan. Pindai kode QR-nya, lalu sesi mengirim.",
        ),
        "erased" => (
            "Erased. What is left, and until when: docs/operations.md.",
            "Dihapus. Yang tersisa, dan sampai kapan: docs/operations.md.",
        ),
        "erased-in-part" => (
            "Erased in part: there is more than one act erases. Erase it once more.",
            "Baru sebagian terhapus: isinya lebih banyak dari satu kali hapus. Hapus sekali lagi.",
        ),
        _ => return replies::ADMIN_DONE.written(language),
    };
    words::say(language, english, indonesian).to_owned()
}

/// All sessions.
#[derive(Debug, Template)]
#[template(path = "sessions.html")]
pub struct SessionsPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The sessions.
    pub all: &'a SessionsView,
}

impl SessionsPage<'_> {
    fn verdict(&self) -> &'static str {
        words::verdict(self.all.glance.verdict, self.frame.language())
    }

    fn verdict_shape(&self) -> &'static str {
        words::verdict_shape(self.all.glance.verdict)
    }

    /// Why the sessions of customers are not there; nothing where they are.
    fn customers_missing(&self) -> Option<&'static str> {
        match self.all.customers {
            Customers::Shown => None,
            Customers::NotAsked => Some(self.frame.say(
                "Sessions of customers are not shown: set WHATSAPP_ADMIN_TOKEN.",
                "Sesi pelanggan tidak ditampilkan: atur WHATSAPP_ADMIN_TOKEN.",
            )),
            Customers::Failed(_) => Some(self.frame.say(
                "Sessions of customers are not shown: the gateway did not list them in time.",
                "Sesi pelanggan tidak ditampilkan: gateway tidak menjawab tepat waktu.",
            )),
        }
    }

    /// The weight of a session, where some have another one than the others.
    fn weight_of(&self, session: &SessionView) -> Option<Weight> {
        let weights = || self.all.sessions.iter().filter_map(|one| one.weight);
        let differ = weights().min() != weights().max();
        session.weight.filter(|_| differ)
    }

    fn can_add(&self) -> bool {
        self.all.customers != Customers::NotAsked
    }
}

/// What is shown to whoever wants to pair a session.
#[derive(Debug)]
pub enum Pairing {
    /// It is paired.
    Paired,
    /// It is closed, and shows no code before it is connected.
    Closed,
    /// Somebody has to prove who they are before they see the code.
    ProofNeeded,
    /// There is no code yet.
    NoCodeYet,
    /// A picture to scan, as a data URL.
    Code(String),
}

/// One session.
#[derive(Debug, Template)]
#[template(path = "session.html")]
pub struct SessionPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The session.
    pub session: &'a SessionView,
    /// What is shown to whoever wants to pair it.
    pub pairing: Pairing,
}

/// Each time messages could not be sent from a session.
#[derive(Debug, Template)]
#[template(path = "incidents.html")]
pub struct IncidentsListPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// What goes on.
    pub current: Vec<CurrentIncident>,
    /// What has ended.
    pub page: IncidentsPage,
}

impl IncidentsListPage<'_> {
    fn lasted(&self, one: &PastIncident) -> String {
        When::new(one.began, one.ended, self.frame.language()).span
    }
}

/// Payment notices.
#[derive(Debug, Template)]
#[template(path = "outbox.html")]
pub struct OutboxListPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// Which notices.
    pub state: OutboxState,
    /// The notices.
    pub page: OutboxPage,
}

impl OutboxListPage<'_> {
    fn is_dead(&self) -> bool {
        self.state == OutboxState::Dead
    }

    fn state_of(&self, item: &shared::flows::admin::outbox::OutboxItem) -> &'static str {
        words::notice(item.state, self.frame.language())
    }
}

/// Messages, and what became of each.
#[derive(Debug, Template)]
#[template(path = "deliveries.html")]
pub struct DeliveriesPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The phone as the address of the page has it.
    pub who: String,
    /// What is looked for.
    pub sought: Option<Sought>,
    /// The messages.
    pub page: DeliveryPage,
}

impl DeliveriesPage<'_> {
    /// What is looked for, in words. A phone is masked.
    fn sought_in_words(&self) -> Option<String> {
        let (kind, which) = match self.sought.as_ref()? {
            Sought::Phone(phone) => (self.frame.say("Phone", "Nomor"), phone.to_string()),
            Sought::Message(id) => (self.frame.say("Message", "Pesan"), id.as_str().to_owned()),
            Sought::Request(id) => (
                self.frame.say("Request", "Permintaan"),
                id.as_str().to_owned(),
            ),
        };
        Some(format!("{kind} {which}"))
    }
}

/// What operators did.
#[derive(Debug, Template)]
#[template(path = "audit.html")]
pub struct AuditPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The entries.
    pub page: shared::flows::admin::audit::AuditPage,
}

impl AuditPage<'_> {
    fn at(&self, entry: &shared::store::audit::StoredAudit) -> When {
        self.frame.when(&entry.key.at())
    }
}

/// Says that a page is not there.
#[derive(Debug, Template)]
#[template(path = "missing.html")]
pub struct MissingPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
}

/// Says what went wrong, to whoever it is.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What a person is told.
    pub message: String,
    /// Before the id of the request.
    pub request: &'static str,
    /// The id of the request.
    pub request_id: &'a str,
    /// The link that tries again.
    pub again: &'static str,
}

impl<'a> ProblemPage<'a> {
    /// The page that tells of `problem`.
    pub fn new(incoming: &'a Incoming<'_>, problem: &Problem) -> Self {
        let language = incoming.caller.language;
        Self {
            layout: Layout {
                language,
                title: words::say(language, "That did not work", "Tidak berhasil"),
            },
            message: problem.told_on_page(language),
            request: words::say(language, "Request:", "Permintaan:"),
            request_id: &incoming.caller.request_id,
            again: words::say(language, "Try again", "Coba lagi"),
        }
    }
}

/// The page as a response.
///
/// # Errors
/// When the page cannot be written.
pub fn respond(page: &impl Template, status: StatusCode) -> Result<Response<Body>, Problem> {
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    let mut response = admin::page_response(status, html);
    // What a page says depends on the language that the browser asks for.
    let language = header::HeaderValue::from_static("accept-language, cookie");
    response.headers_mut().insert(header::VARY, language);
    Ok(response)
}
