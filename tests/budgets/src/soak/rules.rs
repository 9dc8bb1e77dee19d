//! What must hold in the end, and the report of what was seen.
use std::collections::BTreeMap;

use super::book::{Book, Weather};
use super::ended::Ended;
use super::faults::Stretch;
use super::minute::{Held, Minute};
use super::tables::{self, millis_of, percentile};
use crate::month::repository;
use crate::report::{Findings, median};

/// How much more memory the calm times behind the first quarter may take in all, as a share of what it takes then.
const MEMORY_GROWS_MAX: f64 = 0.05;
/// How much more the last quarter may take than the second: what a crowd of requests needed that waited through a fault stays with the
/// allocator, and the next crowd uses it.
const MEMORY_STAYS_MAX: f64 = 0.5;
/// What the simulated gateway keeps of a message, with its two calls and its post to the webhook, and of how many.
const MESSAGE_KEPT_KIB: f64 = 1.5;
const KEPT_MAX: f64 = 10_000.0;
/// How many threads and files there may be more in the end than in the first calm time.
const MORE_MAX: f64 = 16.0;
/// How many times as long codes may take in the last calm time as in the first, and what is added for other programs' work.
const SLOWER_MAX: f64 = 1.5;
const SLOWER_MS: f64 = 150.0;

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
        hold_memory(&mut rules, &minutes, &stretches);
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
            ("{minutes}", tables::minutes(book, &minutes)),
            ("{faults}", tables::faults(&stretches)),
            ("{tables}", tables::rows(&minutes, &ended)),
            ("{answers}", tables::answers(book)),
            ("{notices}", tables::notices(&ended)),
            ("{odd}", tables::oddities(book)),
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
        .filter(|request| request.calm && request.is_failure());
    rules.hold(
        "answers of 5xx, or none, in calm times",
        failed.count() as f64,
        0.0,
    );
    let bare = requests
        .iter()
        .filter(|request| request.is_failure() && request.error.is_empty());
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

fn memory_kib(minute: &Minute) -> f64 {
    minute.anonymous_kib as f64
}

fn kept_kib(minute: &Minute) -> f64 {
    messages_kept(minute) * MESSAGE_KEPT_KIB
}

/// What `value` grew by from minute to minute in calm times, from the second quarter on.
fn growth_in_calm(minutes: &[Minute], stretches: &[Stretch], value: fn(&Minute) -> f64) -> f64 {
    let is_calm = |from: &Minute, to: &Minute| {
        let mut calm = stretches.iter().filter(|one| one.weather == Weather::Calm);
        calm.any(|calm| calm.from <= from.at && to.at <= calm.to)
    };
    let later = &minutes[minutes.len() / 4..];
    let pairs = later.iter().zip(later.iter().skip(1));
    let calm = pairs.filter(|(from, to)| is_calm(from, to));
    calm.map(|(from, to)| value(to) - value(from)).sum()
}

fn hold_memory(rules: &mut Rules, minutes: &[Minute], stretches: &[Stretch]) {
    let quarter = |number: usize, value: fn(&Minute) -> f64| {
        let (from, to) = (minutes.len() * (number - 1) / 4, minutes.len() * number / 4);
        median(&minutes[from..to].iter().map(value).collect::<Vec<_>>())
    };
    let of_second = quarter(2, memory_kib);
    let in_calm = |value| growth_in_calm(minutes, stretches, value);
    let to_last = |value| quarter(4, value) - quarter(2, value);
    for (when, grown, kept, at_most) in [
        (
            "in the calm times behind the first quarter",
            in_calm(memory_kib),
            in_calm(kept_kib),
            MEMORY_GROWS_MAX,
        ),
        (
            "from the second quarter to the last",
            to_last(memory_kib),
            to_last(kept_kib),
            MEMORY_STAYS_MAX,
        ),
    ] {
        let what = format!(
            "growth of memory {when}, as a share of its {:.1} MiB: {:.1} MiB, less {:.1} MiB that the simulated gateway keeps",
            of_second / 1_024.0,
            grown / 1_024.0,
            kept / 1_024.0,
        );
        rules.hold(&what, (grown - kept) / of_second, at_most);
    }
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
        let sent = requests.iter().filter(|request| request.has_sent_a_code());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The sentences about a run in which only `change` is not as it should be.
    fn broken(change: impl FnOnce(&Book, &mut Vec<Minute>, &mut Ended)) -> Vec<String> {
        let book = Book::begin();
        let begun = book.now();
        book.add_request(begun, "POST /api/auth/sso-signin", (200, ""));
        book.add_code(begun, Some(Duration::from_secs(1)));
        let mut minutes: Vec<_> = (1..=8).map(minute).collect();
        let mut ended = Ended::default();
        change(&book, &mut minutes, &mut ended);
        let stretch = Stretch {
            weather: Weather::Calm,
            from: Duration::ZERO,
            to: Duration::from_secs(600),
            orders: Vec::new(),
        };
        Report::new((&book, minutes, vec![stretch]), (ended, None), "").broken
    }

    fn minute(number: u64) -> Minute {
        Minute {
            at: Duration::from_secs(60 * number),
            resident_kib: 50_000,
            anonymous_kib: 40_000,
            threads: 5,
            files: 40,
            data_bytes: 1_000_000,
            rows: BTreeMap::new(),
            held: Held::default(),
        }
    }

    #[test]
    fn each_rule_can_be_broken() {
        type Change = fn(&Book, &mut Vec<Minute>, &mut Ended);
        let cases: [(&str, Change); 9] = [
            ("codes of calm times that did not arrive", |book, _, _| {
                book.add_code(book.now(), None);
            }),
            ("answers of 5xx, or none, in calm times", |book, _, _| {
                let error = "WHATSAPP_TIMEOUT";
                book.add_request(book.now(), "POST /api/auth/signup", (503, error));
            }),
            ("answers that should not be", |book, _, _| {
                book.add_oddity("a wrong code opened");
            }),
            ("notices that neither ended", |_, _, ended| {
                ended.stuck.push("SOAK-1 success queued".into());
            }),
            (
                "notices that were sent and are on no phone",
                |_, _, ended| {
                    ended.missing.push("SOAK-1 success sent".into());
                },
            ),
            ("seconds that a queue reaches", |_, _, ended| {
                ended.held.queue = Duration::from_secs(1);
            }),
            ("growth of memory in the calm times", |_, minutes, _| {
                minutes[6..]
                    .iter_mut()
                    .for_each(|minute| minute.anonymous_kib += 3_000);
            }),
            (
                "growth of memory from the second quarter",
                |_, minutes, _| {
                    minutes[6..]
                        .iter_mut()
                        .for_each(|minute| minute.anonymous_kib += 30_000);
                },
            ),
            ("open files more in the end", |_, minutes, _| {
                minutes[7].files += 100;
            }),
        ];
        assert_eq!(broken(|_, _, _| {}), Vec::<String>::new());
        for (rule, change) in cases {
            let broken = broken(change);
            let is_named = broken.iter().any(|sentence| sentence.contains(rule));
            assert!(is_named, "{rule}: {broken:?}");
        }
    }

    #[test]
    fn what_the_simulated_gateway_keeps_is_no_growth() {
        let broken = broken(|_, minutes, _| {
            for minute in &mut minutes[6..] {
                minute.anonymous_kib += 3_000;
                minute.rows.insert("DeliveriesTable".into(), 4_000);
            }
        });
        assert_eq!(broken, Vec::<String>::new());
    }
}
