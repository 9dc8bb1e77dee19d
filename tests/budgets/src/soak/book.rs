//! What was asked for during the run, and what came of it.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The routes that answer once a code is sent.
const SENDING: [&str; 3] = [
    "POST /api/auth/signup",
    "POST /api/auth/sso-signin",
    "POST /api/auth/send-password-reset-otp",
];

/// What the system is put through at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Nothing is broken, and has not been for a while.
    Calm,
    /// Faults are played.
    Faults,
    /// The faults have ended a moment ago.
    Recovery,
    /// Nothing is broken, and nobody asks for anything.
    Silence,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it began, since the beginning of the run.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// Its route, such as `POST /api/auth/signin`.
    pub route: &'static str,
    /// The HTTP status; 0 when no answer came.
    pub status: u16,
    /// The `error` of the answer; empty in a good one, and in one without.
    pub error: String,
    /// Whether nothing was broken from its beginning to its end.
    pub calm: bool,
}

impl Request {
    /// No answer, or one of the server's fault. The status says 503 while no message goes out.
    pub fn is_failure(&self) -> bool {
        (self.status == 0 || self.status >= 500) && self.route != "GET /api/status"
    }

    /// Its status and its code.
    pub fn failure(&self) -> String {
        let error = match self.error.as_str() {
            "" => "(no code)",
            error => error,
        };
        format!("{} {error}", self.status)
    }

    /// Whether it was answered once a code was sent.
    pub fn has_sent_a_code(&self) -> bool {
        SENDING.contains(&self.route) && self.status == 200
    }
}

/// One code that the API said it had sent.
#[derive(Clone, Debug)]
pub struct Code {
    /// When it was asked for, since the beginning of the run.
    pub at: Duration,
    /// From the request until it was on the phone; `None`: it did not come.
    pub arrived: Option<Duration>,
    /// Whether nothing was broken from its beginning to its end.
    pub calm: bool,
}

/// What is known at a time.
#[derive(Debug)]
struct Entries {
    weather: Weather,
    /// How often the weather has changed.
    changes: u64,
    requests: Vec<Request>,
    codes: Vec<Code>,
    /// The payments of which an event was taken.
    payments: BTreeSet<String>,
    /// The ids of the messages to people who pay that were seen on phones, and those that a phone showed twice.
    notices: BTreeSet<String>,
    shown_twice: BTreeSet<String>,
    oddities: BTreeMap<String, u64>,
}

/// The book of a run.
#[derive(Debug)]
pub struct Book {
    began: Instant,
    entries: Mutex<Entries>,
}

/// The weather when something began.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    at: Instant,
    calm: bool,
    changes: u64,
}

impl Book {
    /// An empty one; the run begins now.
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            entries: Mutex::new(Entries {
                weather: Weather::Calm,
                changes: 0,
                requests: Vec::new(),
                codes: Vec::new(),
                payments: BTreeSet::new(),
                notices: BTreeSet::new(),
                shown_twice: BTreeSet::new(),
                oddities: BTreeMap::new(),
            }),
        }
    }

    /// When the run began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        let mut entries = self.entries();
        entries.weather = weather;
        entries.changes += 1;
    }

    /// Something begins now.
    pub fn now(&self) -> Begun {
        let entries = self.entries();
        Begun {
            at: Instant::now(),
            calm: entries.weather == Weather::Calm,
            changes: entries.changes,
        }
    }

    /// Keeps a request that ended now.
    pub fn add_request(&self, begun: Begun, route: &'static str, (status, error): (u16, &str)) {
        let mut entries = self.entries();
        let request = Request {
            at: begun.at - self.began,
            took: begun.at.elapsed(),
            route,
            status,
            error: error.to_owned(),
            calm: begun.calm && begun.changes == entries.changes,
        };
        entries.requests.push(request);
    }

    /// Keeps whether a code arrived until now.
    pub fn add_code(&self, begun: Begun, arrived: Option<Duration>) {
        let mut entries = self.entries();
        let code = Code {
            at: begun.at - self.began,
            arrived,
            calm: begun.calm && begun.changes == entries.changes,
        };
        entries.codes.push(code);
    }

    /// Keeps that an event of a payment was taken.
    pub fn add_payment(&self, payment: &str) {
        self.entries().payments.insert(payment.to_owned());
    }

    /// Keeps that a notice was seen on a phone, and whether the phone showed it twice.
    pub fn add_notice(&self, id: &str, twice: bool) {
        let mut entries = self.entries();
        entries.notices.insert(id.to_owned());
        if twice {
            entries.shown_twice.insert(id.to_owned());
        }
    }

    /// Keeps something that should not be, such as a right code that was refused.
    pub fn add_oddity(&self, what: &str) {
        let mut entries = self.entries();
        *entries.oddities.entry(what.to_owned()).or_default() += 1;
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.entries().requests.clone()
    }

    /// The codes so far.
    pub fn codes(&self) -> Vec<Code> {
        self.entries().codes.clone()
    }

    /// The payments so far.
    pub fn payments(&self) -> Vec<String> {
        self.entries().payments.iter().cloned().collect()
    }

    /// Whether the notice with this message id was on a phone.
    pub fn has_notice(&self, id: &str) -> bool {
        self.entries().notices.contains(id)
    }

    /// How many notices a phone showed twice.
    pub fn shown_twice(&self) -> usize {
        self.entries().shown_twice.len()
    }

    /// What should not be, and how often it was.
    pub fn oddities(&self) -> BTreeMap<String, u64> {
        self.entries().oddities.clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
