//! The pages, as their templates need them. What is put into a template is escaped by its type.
use std::collections::HashSet;

use askama::Template;
use lambda_http::http::{StatusCode, header};
use lambda_http::{Body, Request, Response};
use shared::edge::admin::{self, Layout, query_field};
use shared::edge::operators::{self, Refusal};
use shared::edge::problem::Problem;
use shared::edge::request::Incoming;
use shared::flows::admin::deliveries::{DeliveryPage, Sought, StoredDelivery};
use shared::flows::admin::incidents::{Incident, Missed, PastIncident};
use shared::flows::admin::logins::AdminLogin;
use shared::flows::admin::outbox::{OutboxItem, OutboxPage, OutboxState, Stage};
use shared::flows::admin::pairing_links;
use shared::flows::admin::sessions::glance::{Kind, Spare, Verdict, Wrong};
use shared::flows::admin::sessions::view::{Doing, Flags, Health, PoolPlace, SessionView};
use shared::flows::admin::sessions::{Customers, Listed, SessionsView};
use shared::model::language::Language;
use shared::model::payment::PaymentId;
use shared::model::replies;
use shared::model::weight::Weight;
use shared::platform::timestamp::Timestamp;

use crate::done;
use crate::when::When;
use crate::words::{self, Gateway, Tense, Trouble};

/// The list of sessions.
const LIST: &str = "/admin/dashboard/whatsapp-sessions";

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
    /// The host that it is at: production and staging look alike.
    pub host: String,
    /// What became of the last form.
    pub notice: Option<Notice>,
    /// What was typed that nothing is found by.
    pub typed: Option<Typed>,
    now: Timestamp,
}

/// What somebody looked for and that nothing is found by.
#[derive(Debug)]
pub struct Typed {
    /// It, for its field.
    pub text: String,
    /// What is wrong with it.
    pub error: String,
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
        let typed = typed(incoming);
        Self {
            layout: Layout {
                language: incoming.caller.language,
                title,
            },
            who: login.who.to_string(),
            csrf: login.csrf.expose(),
            path: incoming.request.uri().path(),
            here: here(incoming),
            host: host(incoming, public),
            // What was not found is told beside its field.
            notice: notice(incoming, public).filter(|_| typed.is_none()),
            typed,
            now: incoming.now,
        }
    }

    /// The link that somebody is signed in by; nothing where that was a code.
    pub fn link(&self) -> Option<String> {
        let which = self.who.strip_prefix("link")?;
        Some(format!("{}{which}", self.say("link", "tautan")))
    }

    /// The text in the language of the page.
    pub const fn say(&self, english: &'static str, indonesian: &'static str) -> &'static str {
        words::say(self.layout.language, english, indonesian)
    }

    /// The language of the page.
    pub const fn language(&self) -> Language {
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

    /// The word for how a session is whose gateway may be silent.
    pub const fn health(&self, health: &Health, gateway_is_silent: &bool) -> &'static str {
        words::health(*health, Gateway::of(*gateway_is_silent), self.language())
    }

    /// The shape for it.
    pub const fn shape(&self, health: &Health) -> &'static str {
        words::shape(*health)
    }

    /// What a person has to do about a session.
    pub fn to_do(&self, session: &SessionView) -> String {
        if session.health == Health::NeedsScan && !session.is_open() && !session.gateway_is_silent {
            let connect = self.say(
                "connect it, then scan its QR code",
                "sambungkan, lalu pindai kode QR-nya",
            );
            return connect.to_owned();
        }
        let trouble = Trouble {
            health: session.health,
            gateway: Gateway::of(session.gateway_is_silent),
            host: session.gateway.as_deref(),
            has_failed_long: session.has_failed_long(self.now),
        };
        words::to_do(&trouble, (&session.name, self.language()))
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
            Doing::EachMinute => {
                self.say("It is tried again each minute", "Dicoba lagi setiap menit")
            }
            Doing::LeftAloneUntil(_) => self.say("Tried again", "Dicoba lagi"),
            Doing::WaitsForPerson => self.say("Waits for a person", "Menunggu seseorang"),
        };
        let at = doing.at();
        (what, at.map(|at| self.when(&at)))
    }

    /// Whether a session has just become what it is, and nobody knows when exactly.
    pub fn has_just_changed(&self, session: &SessionView) -> bool {
        session.has_just_changed(self.now)
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
        format!("{} {}", self.say("since", "sejak"), self.began(at))
    }

    /// The clock of [`since`](Self::since), without the word before it.
    pub fn began(&self, at: &Timestamp) -> String {
        let when = self.when(at);
        let clock = when.exact.get(11..16).unwrap_or_default();
        format!("{clock} UTC ({})", when.span)
    }

    /// What is wrong with a session now.
    pub fn cause_now(&self, incident: &Incident) -> &'static str {
        words::cause(incident.latest_cause(), Tense::GoesOn, self.language())
    }

    /// What was wrong with it at first, where that was something else.
    pub fn first_cause(&self, incident: &Incident) -> Option<&'static str> {
        let of = |cause| words::cause(cause, Tense::Over, self.language());
        let (first, last) = (of(incident.cause.as_deref()), of(incident.latest_cause()));
        (first != last).then_some(first)
    }

    /// What was wrong with it at last, where that was something else than at first.
    pub fn later_cause_then(&self, past: &PastIncident) -> Option<&'static str> {
        let first = self.cause_then(&past.cause);
        let last = past.last_cause.as_deref()?;
        let last = words::cause(Some(last), Tense::Over, self.language());
        (last != first).then_some(last)
    }

    /// What was wrong with it.
    pub fn cause_then(&self, cause: &Option<String>) -> &'static str {
        words::cause(cause.as_deref(), Tense::Over, self.language())
    }

    /// Why a message was not sent, if there are words for it.
    pub fn reason(&self, reason: &str) -> Option<&'static str> {
        words::reason(reason, self.language())
    }

    /// Whether a time has come.
    pub fn is_past(&self, at: &Timestamp) -> bool {
        *at <= self.now
    }

    /// What became of the messages of an incident.
    pub fn missed(&self, codes: &Missed, notices: &Missed) -> String {
        words::missed(*codes, *notices, self.language())
    }

    /// What was done for a session.
    pub fn tried(&self, connects: &i64, restarts: &i64) -> String {
        words::tried(*connects, *restarts, self.language())
    }

    /// What the answer said besides, where a chat was offered.
    pub const fn asked_to_write(&self) -> &'static str {
        self.say(
            "The customer was asked to write first",
            "Pelanggan diminta menulis lebih dahulu",
        )
    }

    /// What a message was for.
    pub fn purpose<'n>(&self, name: &'n str) -> &'n str {
        words::purpose(name, self.language())
    }

    /// How a message ended, as far as its receipts say.
    pub fn ended<'n>(&self, found: &'n StoredDelivery) -> &'n str {
        if found.read_at.is_some() {
            self.say("Read", "Dibaca")
        } else if found.delivered_at.is_some() {
            self.say("Delivered", "Sampai")
        } else {
            words::outcome(&found.outcome, self.language())
        }
    }

    /// Milliseconds as people read them.
    pub fn took(&self, span: &std::time::Duration) -> String {
        let unit = self.say("s", "dtk");
        let seconds = format!("{:.1}", span.as_secs_f64());
        match self.language() {
            Language::English => format!("{seconds} {unit}"),
            Language::Indonesian => format!("{} {unit}", seconds.replace('.', ",")),
        }
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
const SHOWN_BY: [&str; 11] = [
    "before",
    "by",
    "messageId",
    "page",
    "paymentId",
    "purpose",
    "requestId",
    "session",
    "show",
    "state",
    "who",
];

/// The address of the page, for its link that loads it again.
fn here(incoming: &Incoming<'_>) -> String {
    let uri = incoming.request.uri();
    let shown = raw_fields(incoming.request, &SHOWN_BY);
    match &shown[..] {
        [] => uri.path().to_owned(),
        shown => format!("{}?{}", uri.path(), shown.join("&")),
    }
}

/// The fields with these names, as the address of `request` has them.
pub fn raw_fields<'r>(request: &'r Request, names: &[&str]) -> Vec<&'r str> {
    let fields = request.uri().query().unwrap_or_default().split('&');
    let named = fields.filter(|field| names.contains(&field.split('=').next().unwrap_or_default()));
    named.collect()
}

fn notice(incoming: &Incoming<'_>, public: Option<&str>) -> Option<Notice> {
    let language = incoming.caller.language;
    let field = |name| admin::told_field(incoming.request, name);
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
    let about = field("about").filter(|about| is_plain(about));
    Some(Notice {
        is_problem: false,
        text: done::told(&done, about.as_deref(), language),
        link: None,
    })
}

/// Whether a text can be what something was done to: the name of a session or a payment, or a number.
fn is_plain(about: &str) -> bool {
    PaymentId::parse(about).is_some()
}

/// The host of the site, as others know it.
fn host(incoming: &Incoming<'_>, public: Option<&str>) -> String {
    let address = admin::public_url(incoming.request, public, "");
    let host = address.split_once("://").map_or("", |(_, host)| host);
    host.split('/').next().unwrap_or_default().to_owned()
}

/// What was typed that nothing is found by, where the address of the page has it.
fn typed(incoming: &Incoming<'_>) -> Option<Typed> {
    let problem = admin::told_field(incoming.request, "problem")?;
    if problem != Refusal::NotRecognised.code() {
        return None;
    }
    let cookie = admin::login_cookie(incoming.request)?;
    let text = cookie.open_text(&query_field(incoming.request, "typed")?)?;
    // Ids are looked for among deliveries only.
    let error = if incoming.request.uri().path().ends_with("/deliveries") {
        operators::told(&problem)
    } else {
        replies::ADMIN_NOT_A_PHONE
    };
    Some(Typed {
        text,
        error: error.written(incoming.caller.language),
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

/// So many sessions that are not well are named one by one; more are told by how they are.
const NAMED_MAX: usize = 5;

/// What somebody has to do, and the page to do it on.
#[derive(Debug)]
struct ToDo {
    what: String,
    page: String,
}

impl SessionsPage<'_> {
    fn is_not_well_only(&self) -> bool {
        self.all.listed != Listed::All
    }

    /// Which sessions are listed, where not all are.
    fn listed(&self) -> Option<String> {
        match self.all.listed {
            Listed::All => None,
            Listed::NotWell => {
                let told = self.frame.say(
                    "Only sessions that are not well.",
                    "Hanya sesi yang bermasalah.",
                );
                Some(told.to_owned())
            }
            Listed::Only(health) => {
                let only = self.frame.say(
                    "Only sessions with this state:",
                    "Hanya sesi dengan keadaan ini:",
                );
                let state = words::health(health, Gateway::Answers, self.frame.language());
                Some(format!("{only} {state}."))
            }
        }
    }

    /// The address of a page of the list.
    fn page_of(&self, number: usize) -> String {
        match self.all.listed {
            Listed::All => format!("{LIST}?page={number}"),
            Listed::NotWell => format!("{LIST}?show=not_well&page={number}"),
            Listed::Only(health) => format!("{LIST}?show={}&page={number}", health.as_str()),
        }
    }

    fn previous(&self) -> Option<String> {
        let number = self.all.number.checked_sub(1).filter(|number| *number > 0);
        number.map(|number| self.page_of(number))
    }

    fn next(&self) -> Option<String> {
        self.all.next.map(|number| self.page_of(number))
    }

    /// How many sessions are not well.
    fn not_well(&self) -> usize {
        let glance = &self.all.glance;
        glance.sessions - glance.ready - glance.unseen
    }

    /// The sessions that are not well one by one, where they are few.
    fn named(&self) -> &[Wrong] {
        if self.not_well() > NAMED_MAX {
            return &[];
        }
        &self.all.glance.wrong
    }

    /// The same by how they are, where they are many.
    fn kinds(&self) -> &[Kind] {
        if self.not_well() > NAMED_MAX {
            return &self.all.glance.kinds;
        }
        &[]
    }

    /// How many are well, where that says more than the verdict.
    fn summary(&self) -> Option<String> {
        let glance = &self.all.glance;
        let (ready, unseen, all) = (glance.ready, glance.unseen, glance.sessions);
        if all < 2 || ready == all || unseen == all {
            return None;
        }
        let language = self.frame.language();
        let told = match language {
            Language::English => format!("{ready} of {all} sessions are ready."),
            Language::Indonesian => format!("{ready} dari {all} sesi siap."),
        };
        Some(match unseen {
            0 => told,
            unseen => format!("{told} {}", words::unseen(unseen, language)),
        })
    }

    /// A kind of sessions: the name of the only one, or how many they are.
    fn whose(&self, kind: &Kind) -> String {
        match kind.count {
            1 => kind.first_name.clone(),
            count => words::sessions(count, self.frame.language()),
        }
    }

    fn page_for(&self, kind: &Kind) -> String {
        match kind.count {
            1 => format!("{LIST}/{}", kind.first),
            _ => format!("{LIST}?show={}", kind.health.as_str()),
        }
    }

    /// What whoever reads this has to do.
    fn to_dos(&self) -> Vec<ToDo> {
        let kinds = self.all.glance.kinds.iter();
        let to_dos = kinds.map(|kind| {
            let trouble = Trouble {
                health: kind.health,
                gateway: Gateway::of(kind.gateway_is_silent),
                host: kind.gateway.as_deref(),
                has_failed_long: kind.has_failed_long,
            };
            let whose = self.whose(kind);
            ToDo {
                what: words::to_do(&trouble, (&whose, self.frame.language())),
                page: self.page_for(kind),
            }
        });
        let to_dos = to_dos.filter(|to_do| !to_do.what.is_empty());
        let spare = self
            .all
            .glance
            .spare
            .iter()
            .map(|spare| self.to_take_in(spare));
        self.to_look_at_sign_ups()
            .into_iter()
            .chain(spare)
            .chain(to_dos)
            .collect()
    }

    /// The quickest help while no session is ready: one that could send.
    fn to_take_in(&self, spare: &Spare) -> ToDo {
        let take = self.frame.say(
            "take {} into the pool: it is ready",
            "masukkan {} ke kelompok: sesi itu siap",
        );
        ToDo {
            what: take.replace("{}", &spare.name),
            page: format!("{LIST}/{}", spare.key),
        }
    }

    /// What helps while every account is locked for new contacts.
    fn to_look_at_sign_ups(&self) -> Option<ToDo> {
        let glance = &self.all.glance;
        let locked = glance
            .kinds
            .iter()
            .find(|kind| kind.health == Health::Limited);
        let locked = locked.filter(|_| glance.verdict == Verdict::KnownContacts)?;
        let what = self.frame.say(
            "see whether the sign-ups look like an attack, and add a session",
            "periksa apakah pendaftaran tampak seperti serangan, dan tambahkan sesi",
        );
        Some(ToDo {
            what: what.to_owned(),
            page: self.page_for(locked),
        })
    }

    /// What is said where nobody has to do anything: about sessions that are not well.
    fn nothing_to_do(&self) -> Option<&'static str> {
        let wrong = &self.all.glance.wrong;
        if wrong.is_empty() || !self.to_dos().is_empty() {
            return None;
        }
        Some(if wrong.iter().any(|one| one.may_be_unpaired) {
            self.frame.say(
                "wait a minute: it was lost just now, and may need a scan.",
                "tunggu satu menit: sesi baru saja terputus, dan mungkin perlu dipindai.",
            )
        } else if wrong.iter().all(|one| one.doing == Doing::EachMinute) {
            self.frame.say(
                "nothing to do. It is tried again each minute.",
                "tidak perlu berbuat apa-apa. Dicoba lagi setiap menit.",
            )
        } else {
            self.frame
                .say("nothing to do.", "tidak perlu berbuat apa-apa.")
        })
    }

    /// What is being done about one session, where the line above does not say it of all.
    fn doing(&self, wrong: &Wrong) -> Option<(&'static str, Option<When>)> {
        let is_told = wrong.health.needs_person() || wrong.doing == Doing::EachMinute;
        let doing = self.frame.doing(&wrong.doing);
        (!is_told && !doing.0.is_empty()).then_some(doing)
    }

    fn verdict(&self) -> &'static str {
        let glance = &self.all.glance;
        let few = 2 * glance.ready < glance.sessions - glance.unseen;
        if glance.verdict == Verdict::GoesOutOverOthers && few {
            return self.frame.say(
                "Messages go out, but over few sessions only",
                "Pesan terkirim, tetapi hanya lewat sedikit sesi",
            );
        }
        words::verdict(glance.verdict, self.frame.language())
    }

    fn verdict_shape(&self) -> &'static str {
        words::verdict_shape(self.all.glance.verdict)
    }

    /// Why the sessions of customers are not there; nothing where they are.
    fn customers_missing(&self) -> Option<&'static str> {
        match self.all.customers {
            Customers::Shown => None,
            Customers::NotAsked => Some(self.frame.say(
                "Other sessions of the gateway, which this system does not send from, are not shown: set WHATSAPP_ADMIN_TOKEN.",
                "Sesi lain di gateway, yang tidak dipakai sistem ini, tidak ditampilkan: atur WHATSAPP_ADMIN_TOKEN.",
            )),
            Customers::Failed(_) => Some(self.frame.say(
                "Other sessions of the gateway, which this system does not send from, are not shown: it did not list them in time.",
                "Sesi lain di gateway, yang tidak dipakai sistem ini, tidak ditampilkan: gateway tidak menjawab tepat waktu.",
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
    /// It is not connected, and shows no code before that.
    Closed,
    /// The gateway does not answer, so nobody knows.
    NobodyKnows,
    /// Somebody has to prove who they are before they see the code.
    ProofNeeded,
    /// There is no code yet.
    NoCodeYet,
    /// A picture to scan, as a data URL.
    Code(String),
}

/// Whether an operator has just proved who they are, as acts need that take something away for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// They have.
    Lately,
    /// Not for some time.
    LongAgo,
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
    /// Whether the operator has just proved who they are.
    pub proved: Proved,
}

impl SessionPage<'_> {
    fn is_proved(&self) -> bool {
        self.proved == Proved::Lately
    }

    fn is_limited(&self) -> bool {
        self.session.health == Health::Limited
    }

    fn is_locked(&self) -> bool {
        self.is_limited() || self.session.health == Health::Restricted
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
    /// Whether no session can send, as far as was seen.
    pub channel: Channel,
}

/// So many notices are shown: a page has to load on a phone at night. What is said of all of them counts those behind, too.
const NOTICES_SHOWN: usize = 25;

/// Whether messages can go out, as far as was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// They can, or nobody has to know.
    Open,
    /// They cannot.
    Down,
}

impl OutboxListPage<'_> {
    fn is_dead(&self) -> bool {
        self.state == OutboxState::Dead
    }

    fn shown(&self) -> impl Iterator<Item = &OutboxItem> {
        self.page.items.iter().take(NOTICES_SHOWN)
    }

    fn has_more(&self) -> bool {
        self.page.more_left || self.page.items.len() > NOTICES_SHOWN
    }

    fn is_channel_down(&self) -> bool {
        self.channel == Channel::Down
    }

    fn state_of(&self, item: &OutboxItem) -> &'static str {
        words::notice(item.state, item.stage, self.frame.language())
    }

    fn shape(&self, item: &OutboxItem) -> &'static str {
        match item.stage {
            Stage::Late | Stage::BeingSent => "fair",
            Stage::Scheduled | Stage::NotNeeded => "idle",
            Stage::Ended => "bad",
        }
    }

    fn is_needed(&self, item: &OutboxItem) -> bool {
        item.stage != Stage::NotNeeded
    }

    fn count(&self, stage: Stage) -> usize {
        let items = self.page.items.iter();
        items.filter(|item| item.stage == stage).count()
    }

    /// How many notices are late, and since when the first one is.
    fn late(&self) -> Option<(String, String)> {
        let late = self.page.items.iter();
        let late = late.filter(|item| item.stage == Stage::Late);
        let since = late.map(|item| item.since).min()?;
        let count = words::late(self.count(Stage::Late), self.frame.language());
        Some((count, self.frame.since(&since)))
    }

    /// What else waits, in a few words; nothing where nothing does.
    fn others(&self) -> Option<String> {
        let told = [
            (
                Stage::Scheduled,
                self.frame
                    .say("scheduled for later", "dijadwalkan untuk nanti"),
            ),
            (
                Stage::NotNeeded,
                self.frame
                    .say("not needed any more", "tidak diperlukan lagi"),
            ),
            (
                Stage::BeingSent,
                self.frame.say("being sent", "sedang dikirim"),
            ),
        ];
        let told = told.map(|(stage, words)| (self.count(stage), words));
        let told = told.iter().filter(|(count, _)| *count > 0);
        let told: Vec<_> = told
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        (!told.is_empty()).then(|| told.join(", "))
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
    /// Those of them whose notices still wait to be tried again.
    pub waiting: HashSet<String>,
    /// The notices of the payment that is looked for, if there is one.
    pub of_payment: Option<Vec<OutboxItem>>,
}

impl DeliveriesPage<'_> {
    fn waits(&self, found: &StoredDelivery) -> bool {
        self.waiting.contains(&found.message_id)
    }

    /// How it ended, or that it has not.
    fn state(&self, found: &StoredDelivery) -> String {
        if self.waits(found) {
            let waits = self
                .frame
                .say("Waits, will be tried again", "Menunggu, akan dicoba lagi");
            return waits.to_owned();
        }
        self.frame.ended(found).to_owned()
    }

    fn shape(&self, found: &StoredDelivery) -> &'static str {
        if self.waits(found) {
            return "fair";
        }
        if found.delivered_at.is_some() {
            return "good";
        }
        words::outcome_shape(&found.outcome)
    }

    /// Whether there was a message at all: what goes to nobody has no session and no steps, but for the looks of it.
    fn is_to_somebody(&self, found: &StoredDelivery) -> bool {
        found.outcome != "nobody"
    }

    fn is_of_a_request(&self) -> bool {
        matches!(self.sought, Some(Sought::Request(_)))
    }

    fn is_of_a_payment(&self) -> bool {
        matches!(self.sought, Some(Sought::Payment(_)))
    }

    fn state_of(&self, item: &OutboxItem) -> &'static str {
        words::notice(item.state, item.stage, self.frame.language())
    }

    fn is_of_a_phone(&self) -> bool {
        matches!(self.sought, Some(Sought::Phone(_)))
    }

    /// What is looked for, in words. A phone is masked.
    fn sought_in_words(&self) -> Option<String> {
        let (kind, which) = match self.sought.as_ref()? {
            Sought::Phone(phone) => (self.frame.say("Phone", "Nomor"), phone.to_string()),
            Sought::Message(id) => (self.frame.say("Message", "Pesan"), id.as_str().to_owned()),
            Sought::Request(id) => (
                self.frame.say("Request", "Permintaan"),
                id.as_str().to_owned(),
            ),
            Sought::Payment(id) => (
                self.frame.say("Payment", "Pembayaran"),
                id.as_str().to_owned(),
            ),
        };
        Some(format!("{kind} {which}"))
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
