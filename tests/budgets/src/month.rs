//! What a month costs: what was measured, what `template.yaml` holds, and what Amazon asks for it.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_yaml_ng::Value;
use shared::runtime::metrics::Metric;

use crate::report::Findings;

/// Where and when the prices below are from. They are list prices; nothing that is free is taken off.
const PRICES_OF: &str = "US East (N. Virginia), in US dollars, as the pricing pages of each service were quoted in 2025 and 2026; \
    other regions have prices of their own";

/// A million requests to an HTTP API. aws.amazon.com/api-gateway/pricing
const API_MILLION_REQUESTS: f64 = 1.00;
/// A million calls of functions. aws.amazon.com/lambda/pricing
const LAMBDA_MILLION_CALLS: f64 = 0.20;
/// A second with a gigabyte of memory, on arm64.
const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
/// A million write units, on demand. aws.amazon.com/dynamodb/pricing/on-demand
const DYNAMODB_MILLION_WRITES: f64 = 0.625;
/// A million read units, on demand.
const DYNAMODB_MILLION_READS: f64 = 0.125;
/// A gigabyte in a table for a month.
const DYNAMODB_GB: f64 = 0.25;
/// A gigabyte that is logged. aws.amazon.com/cloudwatch/pricing
const LOGS_GB: f64 = 0.50;
/// A gigabyte of logs for a month. It is stored compressed; that is not taken off.
const LOGS_GB_MONTH: f64 = 0.03;
/// An alarm for a month.
const ALARM: f64 = 0.10;
/// An alarm that is made of others, for a month.
const COMPOSITE_ALARM: f64 = 0.50;
/// A dashboard for a month. Three of an account are free, which is not taken off.
const DASHBOARD: f64 = 3.00;
/// A metric of one's own for a month.
const METRIC: f64 = 0.30;
/// A gigabyte that leaves for the internet. aws.amazon.com/ec2/pricing/on-demand
const OUT_GB: f64 = 0.09;

/// What is only paid for where it is used, for a month.
const OPTIONS: [(&str, f64); 3] = [
    ("a KMS key of one's own, without its requests", 1.00),
    ("a secret in Secrets Manager", 0.40),
    (
        "the firewall before CloudFront and its three rules, without its requests",
        8.00,
    ),
];

/// How long one round trip to DynamoDB takes inside a region.
const ROUND_TRIP_SECONDS: f64 = 0.005;
/// The memory that has a whole processor; less has its share of one.
const PROCESSOR_MB: f64 = 1_769.0;
/// What a request leaves in the logs, its access log included; the rehearsal of the deployment holds it.
const LOG_BYTES: f64 = 2_500.0;
/// What a reply weighs, with its headers.
const REPLY_BYTES: f64 = 2_000.0;
/// What a message leaves in the tables for 30 days.
const DELIVERY_BYTES: f64 = 1_000.0;
/// How long logs are kept unless a parameter says otherwise.
const LOG_DAYS: f64 = 30.0;

/// How often a schedule calls session-monitor and outbox-deliver in a month of thirty days.
const ROUNDS: f64 = 30.0 * 24.0 * 60.0;
/// How long a round takes while all is well: a look at each session, side by side.
const ROUND_SECONDS: f64 = 1.0;
/// What a round reads and writes: the list of sessions and the item of one, which it also writes, and the records of what was
/// sent last.
const ROUND_READS: f64 = 3.0;
const ROUND_WRITES: f64 = 1.0;
/// What a round leaves in the log: its line, its two lines of metrics, and those of Lambda.
const ROUND_LOG_BYTES: f64 = 3_000.0;
/// How long outbox-deliver takes where nothing is due: two queries, one after the other, and what a call takes beside them.
const TICK_SECONDS: f64 = 0.05;
/// What it reads then: half a unit for each priority, as `cargo run --release -p budgets -- outbox` measures.
const TICK_READS: f64 = 1.0;
/// What it leaves in the log: its line of metrics, and those of Lambda.
const TICK_LOG_BYTES: f64 = 1_500.0;
/// The sessions that are priced.
const SESSIONS: f64 = 1.0;

/// How long the gateway takes for one send, and how often the tokens of a login are refreshed, where nobody says otherwise.
pub const GATEWAY_SECONDS: f64 = 1.0;
pub const REFRESHES: u32 = 10;

/// What is asked for in a month.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Codes that are sent, each of which is answered.
    pub messages: f64,
    /// How long the gateway takes for one.
    pub gateway_seconds: f64,
    /// How often the tokens of a login are refreshed.
    pub refreshes: f64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            messages: 100_000.0,
            gateway_seconds: GATEWAY_SECONDS,
            refreshes: REFRESHES.into(),
        }
    }
}

/// A request of the usual sign-in: its row in the table of units, and the function behind it.
const SEND: (&str, &str) = ("`POST /api/auth/sso-signin`", "auth-sso-signin");
const VERIFY: (&str, &str) = ("`POST /api/auth/sso-verify`", "auth-sso-verify");
const REFRESH: (&str, &str) = ("`POST /api/auth/refresh`", "auth-refresh");

/// The month of this usage, as Markdown.
///
/// # Errors
/// When docs/performance.md or template.yaml has not what is needed.
pub fn measure(usage: Usage) -> anyhow::Result<Month> {
    let measured = Measured::read()?;
    let stack = Stack::read()?;
    let mut bill = Bill::default();
    let requests = [
        (SEND, usage.messages, usage.gateway_seconds),
        (VERIFY, usage.messages, 0.0),
        (REFRESH, usage.messages * usage.refreshes, 0.0),
    ];
    for ((request, function), times, gateway_seconds) in requests {
        let units = measured.request(request)?;
        let memory_mb = stack.memory_mb(function)?;
        let processor = measured.processor_seconds(function)? * PROCESSOR_MB / memory_mb;
        let seconds = gateway_seconds + units.round_trips * ROUND_TRIP_SECONDS + processor;
        bill.requests += times;
        bill.gb_seconds += times * seconds * memory_mb / 1_024.0;
        bill.reads += times * units.reads;
        bill.writes += times * units.writes;
    }
    let watching = Watching::of(&stack)?;
    Ok(Month {
        dollars: bill.dollars(usage, &watching),
        requests: bill.findings(usage, &watching),
        watching: watching.findings(),
    })
}

/// The read and write units of a code that is sent and answered.
///
/// # Errors
/// When docs/performance.md has not what is needed.
pub fn units_of_a_code() -> anyhow::Result<f64> {
    let measured = Measured::read()?;
    let (send, verify) = (measured.request(SEND.0)?, measured.request(VERIFY.0)?);
    Ok(send.reads + send.writes + verify.reads + verify.writes)
}

/// The default of a parameter of template.yaml, which is a number.
///
/// # Errors
/// When it has none.
pub fn parameter(name: &str) -> anyhow::Result<f64> {
    let stack = Stack::read()?;
    let default = &stack.template["Parameters"][name]["Default"];
    default.as_f64().with_context(|| name.to_owned())
}

/// What a month costs, as Markdown.
pub struct Month {
    /// In dollars, altogether.
    pub dollars: f64,
    /// All of it.
    pub requests: Findings,
    /// What the schedules and watching cost, by their parts.
    pub watching: Findings,
}

/// What is paid for although nobody asks for anything.
struct Watching(Vec<Row>);

impl Watching {
    fn of(stack: &Stack) -> anyhow::Result<Self> {
        let metrics = Metric::ALL.into_iter();
        let (per_session, others): (Vec<_>, Vec<_>) =
            metrics.partition(|metric| metric.is_per_session());
        let metrics = count(others.len())? + count(per_session.len())? * SESSIONS;
        let mut rows = vec![
            ("metrics of messages and sessions", metrics, METRIC),
            ("metrics of log filters", stack.filters, METRIC),
            ("alarms", stack.alarms, ALARM),
            (
                "alarms made of others",
                stack.composite_alarms,
                COMPOSITE_ALARM,
            ),
            ("dashboards", stack.dashboards, DASHBOARD),
        ];
        rows.extend(monitor(stack.memory_mb("session-monitor")? / 1_024.0));
        rows.extend(outbox(stack.memory_mb("outbox-deliver")? / 1_024.0));
        Ok(Self(rows))
    }

    fn sum(&self) -> f64 {
        sum(&self.0)
    }

    fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        price_list(&mut findings, &self.0);
        findings
    }
}

/// What is paid for, how much of it, and the price of one.
type Row = (&'static str, f64, f64);

/// What session-monitor costs with so much memory.
fn monitor(memory_gb: f64) -> [Row; 5] {
    [
        ("session-monitor, calls", ROUNDS, LAMBDA_CALL),
        (
            "session-monitor, GB-seconds on arm64",
            ROUNDS * ROUND_SECONDS * memory_gb,
            LAMBDA_GB_SECOND,
        ),
        (
            "session-monitor, write units",
            ROUNDS * ROUND_WRITES,
            DYNAMODB_MILLION_WRITES / MILLION,
        ),
        (
            "session-monitor, read units",
            ROUNDS * ROUND_READS,
            DYNAMODB_MILLION_READS / MILLION,
        ),
        (
            "session-monitor, GB logged and kept",
            ROUNDS * ROUND_LOG_BYTES / GB,
            LOGGED_AND_KEPT_GB,
        ),
    ]
}

/// What outbox-deliver costs with so much memory while nothing is due. It writes nothing then.
fn outbox(memory_gb: f64) -> [Row; 4] {
    [
        ("outbox-deliver, calls", ROUNDS, LAMBDA_CALL),
        (
            "outbox-deliver, GB-seconds on arm64",
            ROUNDS * TICK_SECONDS * memory_gb,
            LAMBDA_GB_SECOND,
        ),
        (
            "outbox-deliver, read units",
            ROUNDS * TICK_READS,
            DYNAMODB_MILLION_READS / MILLION,
        ),
        (
            "outbox-deliver, GB logged and kept",
            ROUNDS * TICK_LOG_BYTES / GB,
            LOGGED_AND_KEPT_GB,
        ),
    ]
}

/// A call of a function.
const LAMBDA_CALL: f64 = LAMBDA_MILLION_CALLS / MILLION;
/// A gigabyte that is logged and kept for as long as logs are.
const LOGGED_AND_KEPT_GB: f64 = LOGS_GB + LOGS_GB_MONTH * LOG_DAYS / 30.0;

/// A table of what is paid for, with its sum.
fn price_list(findings: &mut Findings, rows: &[Row]) {
    findings.table("what, how much, US$");
    for (what, amount, price) in rows {
        let (amount, costs) = (rounded(*amount), format!("{:.2}", amount * price));
        findings.row(&[(*what).to_owned(), amount, costs]);
    }
    let sum = format!("{:.2}", sum(rows));
    findings.row(&["altogether".to_owned(), String::new(), sum]);
}

/// What all of it costs.
fn sum(rows: &[Row]) -> f64 {
    rows.iter().map(|(_, amount, price)| amount * price).sum()
}

const MILLION: f64 = 1_000_000.0;
const GB: f64 = 1_000_000_000.0;

/// What is paid for, but for what only stands there.
#[derive(Default)]
struct Bill {
    requests: f64,
    gb_seconds: f64,
    reads: f64,
    writes: f64,
}

impl Bill {
    fn dollars(&self, usage: Usage, watching: &Watching) -> f64 {
        sum(&self.rows(usage, watching))
    }

    fn rows(&self, usage: Usage, watching: &Watching) -> [Row; 10] {
        let logged = self.requests * LOG_BYTES / GB;
        let stored = usage.messages * DELIVERY_BYTES / GB;
        let out = self.requests * REPLY_BYTES / GB;
        [
            (
                "API Gateway, requests",
                self.requests,
                API_MILLION_REQUESTS / MILLION,
            ),
            (
                "Lambda, calls",
                self.requests,
                LAMBDA_MILLION_CALLS / MILLION,
            ),
            (
                "Lambda, GB-seconds on arm64",
                self.gb_seconds,
                LAMBDA_GB_SECOND,
            ),
            (
                "DynamoDB, write units",
                self.writes,
                DYNAMODB_MILLION_WRITES / MILLION,
            ),
            (
                "DynamoDB, read units",
                self.reads,
                DYNAMODB_MILLION_READS / MILLION,
            ),
            ("DynamoDB, GB of deliveries", stored, DYNAMODB_GB),
            ("CloudWatch, GB logged", logged, LOGS_GB),
            (
                "CloudWatch, GB of logs kept",
                logged * LOG_DAYS / 30.0,
                LOGS_GB_MONTH,
            ),
            (
                "schedules and watching, see [operations.md](operations.md#what-watching-costs)",
                1.0,
                watching.sum(),
            ),
            ("GB to the internet", out, OUT_GB),
        ]
    }

    fn findings(&self, usage: Usage, watching: &Watching) -> Findings {
        let mut findings = Findings::default();
        price_list(&mut findings, &self.rows(usage, watching));
        let head = format!(
            "{} codes, each sent, answered, and its login refreshed {} times; the gateway takes {} s for one. Prices: {PRICES_OF}.\n\n",
            rounded(usage.messages),
            usage.refreshes,
            usage.gateway_seconds,
        );
        findings.markdown.insert_str(0, &head);
        findings.markdown.push_str("\nOnly where it is used:\n\n");
        findings.table("what, US$");
        for (what, price) in OPTIONS {
            findings.row(&[what.to_owned(), format!("{price:.2}")]);
        }
        findings
    }
}

/// A number as people read it: with commas, or with two digits after the point when it is small.
pub fn rounded(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        return format!("{number:.2}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What docs/performance.md holds, by the heading of a table and the first column of its rows: a
/// function stands in more than one table.
struct Measured(BTreeMap<(String, String), Vec<String>>);

/// The tables that are read here.
const STARTS: &str = "Start, memory, size";
const REQUESTS: &str = "Round trips and units";

/// The columns of one request.
struct Units {
    round_trips: f64,
    reads: f64,
    writes: f64,
}

impl Measured {
    fn read() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(repository().join("docs/performance.md"))?;
        Ok(Self::of(&text))
    }

    fn of(text: &str) -> Self {
        let mut rows = BTreeMap::new();
        for section in text.split("\n## ") {
            let heading = section.lines().next().unwrap_or_default();
            for line in section.lines() {
                let mut cells = line.trim_matches('|').split('|').map(str::trim);
                let name = cells.next().unwrap_or_default();
                if name.starts_with('`') {
                    let row = (heading.to_owned(), name.to_owned());
                    rows.insert(row, cells.map(str::to_owned).collect());
                }
            }
        }
        Self(rows)
    }

    fn cell(&self, table: &str, row: &str, column: usize) -> anyhow::Result<f64> {
        let cells = self.0.get(&(table.to_owned(), row.to_owned()));
        let cell = cells.and_then(|cells| cells.get(column));
        let cell = cell.with_context(|| format!("docs/performance.md lacks {row} in {table}"))?;
        cell.parse()
            .with_context(|| format!("docs/performance.md: {row}: {cell} is no number"))
    }

    fn request(&self, row: &str) -> anyhow::Result<Units> {
        Ok(Units {
            round_trips: self.cell(REQUESTS, row, 0)?,
            reads: self.cell(REQUESTS, row, 2)?,
            writes: self.cell(REQUESTS, row, 4)?,
        })
    }

    /// The processor time of a later reply, on a whole processor.
    fn processor_seconds(&self, function: &str) -> anyhow::Result<f64> {
        Ok(self.cell(STARTS, &format!("`{function}`"), 6)? / 1_000.0)
    }
}

/// What template.yaml holds.
struct Stack {
    template: Value,
    alarms: f64,
    composite_alarms: f64,
    dashboards: f64,
    /// The filters that make a metric each.
    filters: f64,
}

impl Stack {
    fn read() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(repository().join("template.yaml"))?;
        let template: Value = serde_yaml_ng::from_str(&text)?;
        let resources = template["Resources"].as_mapping().context("Resources")?;
        // What has a condition is not there unless somebody asks for it.
        let always = resources
            .values()
            .filter(|each| each["Condition"].is_null());
        let always: Vec<_> = always.collect();
        let of_type = |kind: &str| always.iter().filter(|each| each["Type"] == kind).count();
        let alarms = of_type("AWS::CloudWatch::Alarm");
        ensure!(alarms > 0, "template.yaml has no alarm");
        Ok(Self {
            alarms: count(alarms)?,
            composite_alarms: count(of_type("AWS::CloudWatch::CompositeAlarm"))?,
            dashboards: count(of_type("AWS::CloudWatch::Dashboard"))?,
            filters: count(of_type("AWS::Logs::MetricFilter"))?,
            template,
        })
    }

    fn memory_mb(&self, function: &str) -> anyhow::Result<f64> {
        let resources = self.template["Resources"].as_mapping();
        let folder = format!("functions/{function}");
        let found = resources
            .into_iter()
            .flatten()
            .map(|(_, each)| &each["Properties"]);
        let found = found
            .into_iter()
            .find(|each| each["CodeUri"] == folder.as_str());
        let found = found.with_context(|| format!("template.yaml lacks {function}"))?;
        found["MemorySize"]
            .as_f64()
            .map_or_else(|| self.memory_everywhere(), Ok)
    }

    fn memory_everywhere(&self) -> anyhow::Result<f64> {
        let everywhere = &self.template["Globals"]["Function"]["MemorySize"];
        everywhere.as_f64().context("MemorySize")
    }
}

fn count(number: usize) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(number)?))
}

/// Where the repository is.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands around the part of a document that is written here.
const BEGIN: &str = "<!-- Written by `cargo run -p budgets -- month --write`. -->\n";
const END: &str = "<!-- As far as here. -->";

/// The document with these findings in it.
fn document(document: &str, findings: &Findings) -> anyhow::Result<String> {
    let (before, rest) = document.split_once(BEGIN).context("no beginning")?;
    let (_, after) = rest.split_once(END).context("no end")?;
    let table = findings.markdown.trim_end();
    Ok(format!("{before}{BEGIN}\n{table}\n\n{END}{after}"))
}

impl Month {
    /// The documents that hold it, with what each holds.
    fn documents(&self) -> [(&'static str, &Findings); 2] {
        [
            ("docs/deployment.md", &self.requests),
            ("docs/operations.md", &self.watching),
        ]
    }
}

/// Writes the month into docs/deployment.md, and what watching costs into docs/operations.md.
///
/// # Errors
/// When there is no such file, or no place in it.
pub fn write(month: &Month) -> anyhow::Result<()> {
    for (name, findings) in month.documents() {
        let path = repository().join(name);
        let text = std::fs::read_to_string(&path)?;
        let text = document(&text, findings).context(name)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_say_what_a_month_costs_now() {
        let month = measure(Usage::default()).expect("a month");
        for (name, findings) in month.documents() {
            let text = std::fs::read_to_string(repository().join(name)).expect(name);
            let now = document(&text, findings).expect("a place for it");
            assert_eq!(text, now, "run `cargo run -p budgets -- month --write`");
        }
    }

    #[test]
    fn twice_the_codes_cost_twice_as_much_but_for_what_only_stands_there() {
        let costs = |messages| {
            let usage = Usage {
                messages,
                ..Usage::default()
            };
            let text = measure(usage).expect("a month").requests.markdown;
            let row = text.lines().find(|line| line.starts_with("| altogether"));
            let sum = row.and_then(|row| row.split('|').nth(3)).expect("a sum");
            sum.trim().parse::<f64>().expect("a number")
        };
        let nothing = costs(0.0);
        assert!(nothing > 1.0, "{nothing}");
        let (one, two) = (costs(1_000_000.0) - nothing, costs(2_000_000.0) - nothing);
        assert!((two - 2.0 * one).abs() < 0.05, "{one}, {two}");
    }

    #[test]
    fn a_function_that_stands_in_two_tables_is_read_from_the_one_that_is_meant() {
        let text = "# P\n\n## A\n\n| `f` | 1 |\n\n## B\n\n| `f` | plain | 2 |\n";
        let measured = Measured::of(text);
        assert_eq!(measured.cell("A", "`f`", 0).expect("a cell"), 1.0);
        assert_eq!(measured.cell("B", "`f`", 1).expect("a cell"), 2.0);
        assert!(measured.cell("A", "`f`", 1).is_err());
        assert!(measured.cell("C", "`f`", 0).is_err());
    }

    #[test]
    fn numbers_are_rounded_as_people_read_them() {
        for (number, text) in [
            (0.0, "0"),
            (0.125, "0.12"),
            (23.0, "23"),
            (1_234.5, "1,234"),
            (1_200_000.0, "1,200,000"),
        ] {
            assert_eq!(rounded(number), text);
        }
    }
}
