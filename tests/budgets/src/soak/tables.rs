//! The tables of the report, and the line of a minute.
use std::collections::BTreeMap;
use std::time::Duration;

use super::book::{Book, Request};
use super::ended::Ended;
use super::faults::Stretch;
use super::minute::Minute;
use crate::report::Findings;

/// The head of the lines that [`line()`] prints.
pub const HEAD: &str = "minute requests codes arrived 5xx p50_ms p99_ms rss_MiB anon_MiB threads files data_MiB rows queue_ms";

/// A percentile of milliseconds.
pub fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// How long requests took.
pub fn millis_of<'a>(requests: impl Iterator<Item = &'a Request>) -> Vec<f64> {
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
    let sending = |request: &&&Request| request.has_sent_a_code();
    let mut millis = millis_of(requests.iter().filter(sending).copied());
    let mut failed: BTreeMap<String, u64> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.is_failure()) {
        *failed.entry(request.failure()).or_default() += 1;
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

/// Minute by minute.
pub fn minutes(book: &Book, minutes: &[Minute]) -> String {
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

/// What was broken when.
pub fn faults(stretches: &[Stretch]) -> String {
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

/// Rows of each table in the course of the run.
pub fn rows(minutes: &[Minute], ended: &Ended) -> String {
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

/// How each route answered.
pub fn answers(book: &Book) -> String {
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

/// What became of the notices.
pub fn notices(ended: &Ended) -> String {
    let mut findings = Findings::default();
    findings.table("state and reason, notices");
    for (state, count) in &ended.states {
        findings.row(&[state.clone(), count.to_string()]);
    }
    findings.markdown
}

/// What should not have been.
pub fn oddities(book: &Book) -> String {
    let odd = book.oddities();
    if odd.is_empty() {
        return "None.".to_owned();
    }
    let lines = odd.iter().map(|(what, count)| format!("* {what}: {count}"));
    lines.collect::<Vec<_>>().join("\n")
}
