//! What must hold in the end, and the report of what was seen.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shared::platform::clock::Clock;
use tokio::time::sleep;

use super::book::{Book, Request, Weather};
use super::faults::Stretch;
use super::minute::{Held, Minute, Rows};
use super::system::{Ask, System};
use crate::month::repository;
use crate::report::{Findings, median};

/// How much more memory the last quarter may take than the second, as a share.
const MEMORY_GROWS_MAX: f64 = 0.05;
/// What the simulated gateway keeps of a message, with its two calls and its post to the webhook, and of how many.
const MESSAGE_KEPT_KIB: f64 = 1.5;
const KEPT_MAX: f64 = 10_000.0;
/// How many threads and files there may be more in the end than in the first calm time.
const MORE_MAX: f64 = 16.0;
/// How many times as long codes may take in the last calm time as in the first, and what is added for other programs' work.
const SLOWER_MAX: f64 = 1.5;
const SLOWER_MS: f64 = 150.0;
/// How far apart questions for a payment's notices are: the route takes fifty a second.
const BETWEEN: Duration = Duration::from_millis(22);
/// How late a notice may be: one that is due goes out with the schedule of the next minute, which takes up to a minute.
const LATE_MAX: Duration = Duration::from_secs(120);
/// The routes that answer once a code is sent.
const SENDING: [&str; 3] = [
    "POST /api/auth/signup",
    "POST /api/auth/sso-signin",
    "POST /api/auth/send-password-reset-otp",
];

/// The head of the lines that [`line`] prints.
pub const HEAD: &str = "minute requests codes arrived 5xx p50_ms p99_ms rss_MiB anon_MiB threads files data_MiB rows queue_ms";

/// What was found after the silence.
#[derive(Debug)]
pub struct Ended {
    /// How many notices have which state, and reason where they were not sent.
    states: BTreeMap<String, u64>,
    /// Those that neither ended nor wait for their time.
    stuck: Vec<String>,
    /// Those that were sent, with the ids of their messages.
    sent: Vec<(String, String)>,
    /// Those that were sent and are on no phone.
    missing: Vec<String>,
    /// Rows whose time was over, by table.
    overdue: BTreeMap<String, i64>,
    held: Held,
    /// Reservations of codes: all that were left, and those whose time has not passed.
    reservations: (usize, usize),
}

impl Ended {
    /// Asks for everything.
    ///
    /// # Errors
    /// When the system does not answer.
    pub async fn read(system: &System, book: &Book, rows: &Rows) -> anyhow::Result<Self> {
        let mut ended = Self {
            states: BTreeMap::new(),
            stuck: Vec::new(),
            sent: Vec::new(),
            missing: Vec::new(),
            overdue: rows.overdue().await?,
            held: rows.held().await?,
            reservations: rows.reservations().await?,
        };
        for payment in book.payments() {
            let mut ask = Ask::get("GET /api/payments/{paymentId}/notifications");
            ask.path = Some(format!("/api/payments/{payment}/notifications"));
            ask.headers.push(system.as_payment_system());
            let answer = system.ask(book, ask).await;
            match answer.json["data"]["notices"].as_array() {
                Some(notices) => notices
                    .iter()
                    .for_each(|notice| ended.add(&payment, notice)),
                None => {
                    ended
                        .stuck
                        .push(format!("{payment}: {} {}", answer.status, answer.error()))
                }
            }
            sleep(BETWEEN).await;
        }
        Ok(ended)
    }

    /// Finds the notices that are on no phone, once all phones were read.
    pub fn find_missing(&mut self, book: &Book) {
        let missing = self.sent.iter().filter(|(id, _)| !book.has_notice(id));
        self.missing = missing.map(|(_, name)| name.clone()).collect();
    }

    fn add(&mut self, payment: &str, notice: &Value) {
        let text = |name: &str| notice[name].as_str().unwrap_or_default();
        let (state, reason, next) = (text("state"), text("reason"), text("nextAttemptAt"));
        let name = format!("{payment} {} {state} {reason} {next}", text("notice"));
        // Texts of this form are ordered as the times are.
        let is_to_come = next > Clock::system().now().minus(LATE_MAX).rfc3339().as_str();
        match state {
            "sent" => self.sent.push((text("messageId").to_owned(), name)),
            "superseded" | "expired" | "unchanged" => {}
            "dead" if !reason.is_empty() => {}
            "queued" | "unknown" if is_to_come => {}
            _ => self.stuck.push(name),
        }
        let why = if state == "sent" { "" } else { reason };
        *self
            .states
            .entry(format!("{state} {why}").trim().to_owned())
            .or_default() += 1;
    }
}

/// A percentile of milliseconds.
fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn millis_of<'a>(requests: impl Iterator<Item = &'a Request>) -> Vec<f64> {
    requests
        .map(|request| request.took.as_secs_f64() * 1e3)
        .collect()
}

/// The cells of a minute.
fn cells(book: &Book, minute: &Minute, from: Duration) -> Vec<String> {
    let within = |at: Duration| from <= at && at < minute.at;
    let requests = book.requests();
    let requests: Vec<_> = requests
        .iter()
        .filter(|request| within(request.at))
        .collect();
    let codes = book.codes();
    let codes: Vec<_> = codes.iter().filter(|code| within(code.at)).collect();
    let sending = |request: &&&Request| SENDING.contains(&request.route) && request.status == 200;
    let mut millis = millis_of(requests.iter().filter(sending).copied());
    let mut failed: BTreeMap<String, u64> = BTreeMap::new();
    for request in requests.iter().filter(|request| is_failure(request)) {
        *failed.entry(failure(request)).or_default() += 1;
    }
    let failed: Vec<_> = failed
        .iter()
        .map(|(error, count)| format!("{count} {error}"))
        .collect();
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1_024.0);
    vec![
        format!("{:.0}", minute.at.as_secs_f64() / 60.0),
        requests.len().to_string(),
        codes.len().to_string(),
        codes
            .iter()
            .filter(|code| code.arrived.is_some())
            .count()
            .to_string(),
        if failed.is_empty() {
            "0".to_owned()
        } else {
            failed.join(", ")
        },
        format!("{:.0}", percentile(&mut millis, 0.5)),
        format!("{:.0}", percentile(&mut millis, 0.99)),
        mib(minute.resident_kib),
        mib(minute.anonymous_kib),
        minute.threads.to_string(),
        minute.files.to_string(),
        mib(minute.data_bytes / 1_024),
        minute.rows.values().sum::<i64>().to_string(),
        minute.held.queue.as_millis().to_string(),
    ]
}

/// A minute as a line.
pub fn line(book: &Book, minute: &Minute, from: Duration) -> String {
    cells(book, minute, from).join(" | ")
}

/// No answer, or one of the server's fault. The status says 503 while no message goes out.
fn is_failure(request: &Request) -> bool {
    (request.status == 0 || request.status >= 500) && request.route != "GET /api/status"
}

fn failure(request: &Request) -> String {
    let error = if request.error.is_empty() {
        "(no code)"
    } else {
        &request.error
    };
    format!("{} {error}", request.status)
}

/// What was seen, and which rules were broken.
#[derive(Debug)]
pub struct Report {
    tables: BTreeMap<&'static str, String>,
    /// One sentence for each rule that was broken.
    pub broken: Vec<String>,
}

/// The rules, as they are held one after the other.
#[derive(Default)]
struct Rules {
    findings: Findings,
}

impl Rules {
    fn hold(&mut self, what: &str, found: f64, at_most: f64) {
        let number = |number: f64| {
            let text = format!("{number:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        let before = self.findings.exceeded.len();
        self.findings.hold(what, "found", found, at_most);
        let verdict = if self.findings.exceeded.len() > before {
            "**broken**"
        } else {
            "held"
        };
        self.findings.row(&[
            what.to_owned(),
            number(found),
            number(at_most),
            verdict.to_owned(),
        ]);
    }
}

impl Report {
    /// Holds everything against the rules. `ended` comes with what was wrong with the end of the process.
    pub fn new(
        (book, minutes, stretches): (&Book, Vec<Minute>, Vec<Stretch>),
        (ended, end): (Ended, Option<String>),
        log: &str,
    ) -> Self {
        let mut rules = Rules::default();
        rules.findings.table("rule, found, at most, verdict");
        hold_replies(&mut rules, book);
        hold_notices(&mut rules, book, &ended);
        hold_places(&mut rules, &ended);
        hold_memory(&mut rules, &minutes);
        hold_latency(&mut rules, book, &stretches);
        rules.hold(
            "the process did not end as it was told to",
            f64::from(u8::from(end.is_some())),
            0.0,
        );
        rules.hold(
            "panics in the log",
            log.matches("panicked").count() as f64,
            0.0,
        );
        let mut broken = rules.findings.exceeded.clone();
        broken.extend(
            ended
                .stuck
                .iter()
                .take(20)
                .map(|name| format!("stuck: {name}")),
        );
        broken.extend(
            ended
                .missing
                .iter()
                .take(20)
                .map(|name| format!("on no phone: {name}")),
        );
        broken.extend(end);
        let tables = BTreeMap::from([
            ("{rules}", rules.findings.markdown.clone()),
            ("{minutes}", minutes_table(book, &minutes)),
            ("{faults}", faults_table(&stretches)),
            ("{tables}", rows_table(&minutes, &ended)),
            ("{answers}", answers_table(book)),
            ("{notices}", notices_table(&ended)),
            ("{odd}", oddities(book)),
        ]);
        Self { tables, broken }
    }

    /// The whole document.
    pub fn document(&self, values: &[(&str, String)]) -> String {
        let mut text = include_str!("../soak.md").to_owned();
        for (place, value) in &self.tables {
            text = text.replace(place, value.trim_end());
        }
        for (place, value) in values {
            text = text.replace(place, value);
        }
        let verdict = if self.broken.is_empty() {
            "Every rule was held.".to_owned()
        } else {
            let lines = self.broken.iter().map(|sentence| format!("* {sentence}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        text.replace("{verdict}", &verdict)
    }

    /// Writes the document into the repository.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(document: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(repository().join("docs/soak.md"), document)?)
    }
}

fn hold_replies(rules: &mut Rules, book: &Book) {
    let (requests, codes) = (book.requests(), book.codes());
    let calm = codes.iter().filter(|code| code.calm);
    let lost = calm.filter(|code| code.arrived.is_none()).count();
    rules.hold("codes of calm times that did not arrive", lost as f64, 0.0);
    let failed = requests
        .iter()
        .filter(|request| request.calm && is_failure(request));
    rules.hold(
        "answers of 5xx, or none, in calm times",
        failed.count() as f64,
        0.0,
    );
    let bare = requests
        .iter()
        .filter(|request| is_failure(request) && request.error.is_empty());
    rules.hold(
        "answers of 5xx without a code, or none, at any time",
        bare.count() as f64,
        0.0,
    );
    let odd: u64 = book.oddities().values().sum();
    rules.hold(
        "answers that should not be, such as a right code that was refused",
        odd as f64,
        0.0,
    );
}

fn hold_notices(rules: &mut Rules, book: &Book, ended: &Ended) {
    rules.hold(
        "notices that neither ended nor wait for their time",
        ended.stuck.len() as f64,
        0.0,
    );
    rules.hold(
        "notices that were sent and are on no phone",
        ended.missing.len() as f64,
        0.0,
    );
    rules.hold(
        "notices that a phone showed twice",
        book.shown_twice() as f64,
        0.0,
    );
}

fn hold_places(rules: &mut Rules, ended: &Ended) {
    let Held {
        queue,
        pace,
        rights,
    } = ended.held;
    rules.hold(
        "seconds that a queue reaches after the silence",
        queue.as_secs_f64(),
        0.0,
    );
    rules.hold(
        "seconds that the pace of notices is ahead",
        pace.as_secs_f64(),
        0.0,
    );
    rules.hold(
        "seconds that a connect right or a trial is held",
        rights.as_secs_f64(),
        0.0,
    );
    rules.hold(
        "reservations of codes that are open",
        ended.reservations.1 as f64,
        0.0,
    );
}

/// How many messages the simulated gateway keeps. Each has two rows: its own, and that of its request or notice.
fn messages_kept(minute: &Minute) -> f64 {
    let rows = minute
        .rows
        .get("DeliveriesTable")
        .copied()
        .unwrap_or_default();
    (rows as f64 / 2.0).min(KEPT_MAX)
}

fn hold_memory(rules: &mut Rules, minutes: &[Minute]) {
    let quarter = |number: usize, value: fn(&Minute) -> f64| {
        let (from, to) = (minutes.len() * (number - 1) / 4, minutes.len() * number / 4);
        median(&minutes[from..to].iter().map(value).collect::<Vec<_>>())
    };
    let kib = |number| quarter(number, |minute| minute.anonymous_kib as f64);
    let kept = |number| quarter(number, |minute| messages_kept(minute) * MESSAGE_KEPT_KIB);
    let what = format!(
        "growth of memory from the second quarter to the last, as a share of its {:.1} MiB: {:.1} MiB, less {:.1} MiB that the \
         simulated gateway keeps",
        kib(2) / 1_024.0,
        (kib(4) - kib(2)) / 1_024.0,
        (kept(4) - kept(2)) / 1_024.0,
    );
    let grown = (kib(4) - kib(2) - (kept(4) - kept(2))) / kib(2);
    rules.hold(&what, grown, MEMORY_GROWS_MAX);
    if let (Some(first), Some(last)) = (minutes.get(minutes.len() / 12), minutes.last()) {
        let more = |count: fn(&Minute) -> u64| count(last) as f64 - count(first) as f64;
        rules.hold(
            "threads more in the end than in the first calm time",
            more(|minute| minute.threads),
            MORE_MAX,
        );
        rules.hold(
            "open files more in the end than in the first calm time",
            more(|minute| minute.files),
            MORE_MAX,
        );
    }
}

fn hold_latency(rules: &mut Rules, book: &Book, stretches: &[Stretch]) {
    let requests = book.requests();
    let calm: Vec<_> = stretches
        .iter()
        .filter(|stretch| stretch.weather == Weather::Calm)
        .collect();
    let (Some(first), Some(last)) = (calm.first(), calm.last()) else {
        return;
    };
    let within = |stretch: &Stretch| {
        let sent = requests
            .iter()
            .filter(|request| SENDING.contains(&request.route) && request.status == 200);
        millis_of(sent.filter(|request| stretch.from <= request.at && request.at < stretch.to))
    };
    for (name, part) in [("median", 0.5), ("99th percentile", 0.99)] {
        let before = percentile(&mut within(first), part);
        let after = percentile(&mut within(last), part);
        let what =
            format!("ms of a code in the last calm time, {name}; in the first it was {before:.0}");
        rules.hold(&what, after, before * SLOWER_MAX + SLOWER_MS);
    }
}

fn minutes_table(book: &Book, minutes: &[Minute]) -> String {
    let mut findings = Findings::default();
    findings.table(
        "minute, requests, codes sent, arrived, 5xx, p50 ms, p99 ms, RSS MiB, of that no file's, threads, files, data MiB, rows, queue ms",
    );
    let mut from = Duration::ZERO;
    for minute in minutes {
        findings.row(&cells(book, minute, from));
        from = minute.at;
    }
    findings.markdown
}

fn faults_table(stretches: &[Stretch]) -> String {
    let mut findings = Findings::default();
    findings.table("seconds, what");
    for stretch in stretches {
        let times = format!("{} to {}", stretch.from.as_secs(), stretch.to.as_secs());
        findings.row(&[times, format!("{:?}", stretch.weather).to_lowercase()]);
        for (at, order) in &stretch.orders {
            findings.row(&[
                format!("{}", at.as_secs()),
                format!("`{} {}`", order.path, order.body),
            ]);
        }
    }
    findings.markdown.replace("---:", "---")
}

fn rows_table(minutes: &[Minute], ended: &Ended) -> String {
    let mut findings = Findings::default();
    findings.table("table, rows at a quarter, at half, at three quarters, in the end, of these past their time");
    let at = |part: usize| minutes.get((minutes.len() * part / 4).saturating_sub(1));
    let count = |minute: Option<&Minute>, table: &str| {
        minute
            .and_then(|minute| minute.rows.get(table))
            .copied()
            .unwrap_or(0)
            .to_string()
    };
    for (table, overdue) in &ended.overdue {
        let mut row = vec![format!("`{table}`")];
        row.extend((1..=4).map(|part| count(at(part), table)));
        row.push(overdue.to_string());
        findings.row(&row);
    }
    findings.markdown
}

fn answers_table(book: &Book) -> String {
    let mut counts: BTreeMap<(&str, String), (u64, u64)> = BTreeMap::new();
    for request in book.requests() {
        let answer = match request.status {
            0 => "none".to_owned(),
            status => format!("{status} {}", request.error).trim().to_owned(),
        };
        let (all, calm) = counts.entry((request.route, answer)).or_default();
        *all += 1;
        *calm += u64::from(request.calm);
    }
    let mut findings = Findings::default();
    findings.table("route, answer, how often, in calm times");
    for ((route, answer), (all, calm)) in counts {
        findings.row(&[
            format!("`{route}`"),
            answer,
            all.to_string(),
            calm.to_string(),
        ]);
    }
    findings.markdown
}

fn notices_table(ended: &Ended) -> String {
    let mut findings = Findings::default();
    findings.table("state and reason, notices");
    for (state, count) in &ended.states {
        findings.row(&[state.clone(), count.to_string()]);
    }
    findings.markdown
}

fn oddities(book: &Book) -> String {
    let odd = book.oddities();
    if odd.is_empty() {
        return "None.".to_owned();
    }
    let lines = odd.iter().map(|(what, count)| format!("* {what}: {count}"));
    lines.collect::<Vec<_>>().join("\n")
}
