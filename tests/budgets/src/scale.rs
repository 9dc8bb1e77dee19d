//! What so many messages a day need: sessions, functions, DynamoDB, quotas and dollars. A model of what was measured, and a run
//! that it is held against.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, ensure};
use local::database::Faults;
use shared::gateway::{GatewayAddress, SessionToken};
use shared::platform::entropy::Entropy;
use shared::runtime::settings::SessionSettings;
use shared::store::session_list::{ListedSession, SessionListChanges};
use tests::{TestSystem, people};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::month::{self, GATEWAY_SECONDS, REFRESHES, Usage, repository, rounded};
use crate::pace::between_requests;
use crate::report::Findings;

/// The days that are computed: how many codes each has.
const DAYS: [f64; 3] = [1_000.0, 1_000_000.0, 100_000_000.0];
/// The rate of the busiest time, in times the mean of the day: an hour with a tenth of it.
const PEAK: f64 = 2.4;
const DAY_SECONDS: f64 = 24.0 * 60.0 * 60.0;
const MONTH_DAYS: f64 = 30.0;
/// How busy sessions are in the busiest time, so that a code waits for the one before it for less than a send.
const LOAD: f64 = 0.7;

/// Requests that a region of an account serves, and functions that it runs at a time, unless Amazon raises that.
/// docs.aws.amazon.com: "Amazon API Gateway quotas", "Lambda quotas".
const API_REQUESTS: f64 = 10_000.0;
const FUNCTIONS_AT_A_TIME: f64 = 1_000.0;
/// Write units a second of a table on demand, and of one partition, and so of one item.
/// docs.aws.amazon.com: "Quotas in Amazon DynamoDB".
const TABLE_WRITES: f64 = 40_000.0;
const PARTITION_WRITES: f64 = 1_000.0;
/// What `template.yaml` lets the routes that send take in a second.
const ROUTE_REQUESTS: &str = "CostlyRequestsPerSecond";
/// Read units a second of one item.
const ITEM_READS: f64 = 3_000.0;
/// What a unit reads with a strong read, and how often each environment reads the list of sessions, in seconds.
const READ_BYTES: f64 = 4_096.0;
const LIST_LIFE: f64 = 60.0;
/// The largest item.
const ITEM_BYTES: f64 = 400.0 * 1_024.0;

/// The run that the model is held against: sessions, how long a send takes, how far away the tables are.
const SESSIONS: u8 = 3;
const SEND: Duration = Duration::from_millis(500);
const STORE: Duration = Duration::from_millis(5);
/// The round trips to the tables for a code that is sent and answered.
const ROUND_TRIPS: f64 = 5.0;
/// For how long codes are asked for.
const LASTS: Duration = Duration::from_secs(300);
/// How far the model may be off.
const OFF_MAX: f64 = 0.2;

/// Computes the days, and runs the check. Needs paused time.
///
/// # Errors
/// When the documents have not what is needed, or the run fails.
pub async fn measure() -> anyhow::Result<Scale> {
    let run = Run::measure().await?;
    Ok(Scale {
        days: days(&run)?,
        limits: limits(&run, sessions_max().await?)?,
        check: run.check()?,
    })
}

/// What was computed and measured.
#[derive(Debug)]
pub struct Scale {
    /// What each day needs.
    days: Findings,
    /// Where each part ends.
    limits: Findings,
    /// The model against the run.
    pub check: Findings,
}

impl Scale {
    /// The whole document.
    pub fn document(&self) -> String {
        include_str!("scale.md")
            .replace("{days}", self.days.markdown.trim_end())
            .replace("{limits}", self.limits.markdown.trim_end())
            .replace("{check}", self.check.markdown.trim_end())
            .replace("{sessions}", &SESSIONS.to_string())
            .replace("{send}", &SEND.as_millis().to_string())
            .replace("{store}", &STORE.as_millis().to_string())
            .replace("{load}", &LOAD.to_string())
            .replace("{seconds}", &LASTS.as_secs().to_string())
            .replace("{peak}", &PEAK.to_string())
            .replace("{send_seconds}", &GATEWAY_SECONDS.to_string())
            .replace("{refreshes}", &REFRESHES.to_string())
    }

    /// Writes the document into the repository.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(
            repository().join("docs/scale.md"),
            self.document(),
        )?)
    }
}

/// What one code needs, as the run has shown.
struct Run {
    /// Codes that were asked for, and those that reached phones.
    asked: f64,
    sent: f64,
    /// The seconds of all requests, added up.
    busy_seconds: f64,
    /// The write units of each table for one code. A transaction counts for each of its tables in full.
    writes: BTreeMap<String, f64>,
    units: f64,
}

impl Run {
    /// People sign in at random times over three sessions.
    async fn measure() -> anyhow::Result<Self> {
        let builder = TestSystem::builder().simulator(|options| {
            options.send_duration = SEND;
            *options = options.clone().with_sessions(SESSIONS);
        });
        let builder = builder.settings(|settings| {
            settings.policy.codes_per_address.places = usize::MAX;
            settings.policy.guesses_per_address.places = usize::MAX;
        });
        let system = builder.faults(Faults::none().latency(STORE)).build().await;
        system.watch().await;
        let rate = LOAD * f64::from(SESSIONS) / SEND.as_secs_f64();
        let arrivals = Entropy::seeded(1);
        let mut at = Duration::ZERO;
        let mut times = Vec::new();
        while at < LASTS {
            times.push(at);
            at += between_requests(&arrivals, Duration::from_secs_f64(1.0 / rate));
        }
        for number in 0..times.len() {
            people::add_user(&system, &people::phone(number as u64)).await;
        }
        system.database().forget_calls();
        let began = Instant::now();
        let mut requests = JoinSet::new();
        for (number, at) in times.iter().copied().enumerate() {
            // Each has an address of their own, whose windows are small.
            let address = Ipv4Addr::from(0x0A00_0000 + u32::try_from(number)?);
            let system = system.called_from(address);
            requests.spawn(async move {
                sleep_until(began + at).await;
                sign_in(&system, number as u64).await
            });
        }
        let took = requests.join_all().await;
        let calls = system.database().calls();
        let asked = times.len() as f64;
        let mut writes = BTreeMap::new();
        for call in calls.iter().filter(|call| !crate::endpoints::is_read(call)) {
            for table in &call.tables {
                *writes.entry(table.clone()).or_default() += call.units / asked;
            }
        }
        Ok(Self {
            asked,
            sent: system.simulator().messages(None).len() as f64,
            busy_seconds: took.iter().map(Duration::as_secs_f64).sum(),
            writes,
            units: calls.iter().map(|call| call.units).sum::<f64>() / asked,
        })
    }

    /// How long functions work on one code where a send takes so long: as the model says, and off by as much as here.
    fn busy_seconds_at(&self, send_seconds: f64) -> f64 {
        let model = busy_seconds(SEND.as_secs_f64(), self.load());
        busy_seconds(send_seconds, LOAD) * (self.busy_seconds / self.asked) / model
    }

    /// How busy the sessions were.
    fn load(&self) -> f64 {
        self.asked / LASTS.as_secs_f64() * SEND.as_secs_f64() / f64::from(SESSIONS)
    }

    /// The model beside what was measured.
    fn check(&self) -> anyhow::Result<Findings> {
        let mut findings = Findings::default();
        findings.table("what, model, measured, measured / model");
        let rate = self.asked / LASTS.as_secs_f64();
        let busy = rate * busy_seconds(SEND.as_secs_f64(), self.load());
        let units = month::units_of_a_code()?;
        for (what, model, measured) in [
            (
                "codes that reach phones, a second",
                rate,
                self.sent / LASTS.as_secs_f64(),
            ),
            (
                "functions at work on codes, on the mean",
                busy,
                self.busy_seconds / LASTS.as_secs_f64(),
            ),
            (
                "units of DynamoDB for a code that is sent and answered",
                units,
                self.units,
            ),
        ] {
            findings.row(&[
                what.to_owned(),
                format!("{model:.2}"),
                format!("{measured:.2}"),
                format!("{:.2}", measured / model),
            ]);
            let off = (measured / model - 1.0).abs();
            findings.hold(what, "away from the model", off, OFF_MAX);
        }
        Ok(findings)
    }
}

/// How long functions work on a code that is sent and answered, where sessions are so busy. A code waits for those before it,
/// as in a queue with one server and a fixed time of service (Pollaczek and Khinchine).
fn busy_seconds(send_seconds: f64, load: f64) -> f64 {
    let waits = send_seconds * load / (2.0 * (1.0 - load));
    send_seconds + waits + ROUND_TRIPS * STORE.as_secs_f64()
}

/// What each day needs.
fn days(run: &Run) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    findings.table(
        "codes a day, a second, in the busiest hour, sessions, functions at a time, write units a second, US$ a month",
    );
    for codes in DAYS {
        let need = Need::of(codes, run);
        let usage = Usage {
            messages: codes * MONTH_DAYS,
            ..Usage::default()
        };
        findings.row(&[
            rounded(codes),
            rounded(codes / DAY_SECONDS),
            rounded(need.rate),
            rounded(need.sessions),
            rounded(need.functions),
            rounded(need.rate * run.writes.values().sum::<f64>()),
            rounded(month::measure(usage)?.dollars),
        ]);
    }
    Ok(findings)
}

/// What a day needs in its busiest time.
struct Need {
    /// Codes a second.
    rate: f64,
    sessions: f64,
    functions: f64,
}

impl Need {
    fn of(codes: f64, run: &Run) -> Self {
        let rate = codes * PEAK / DAY_SECONDS;
        Self {
            rate,
            sessions: (rate * GATEWAY_SECONDS / LOAD).ceil(),
            functions: (rate * run.busy_seconds_at(GATEWAY_SECONDS)).ceil(),
        }
    }
}

/// Where each part ends: up to how many codes a day it holds, the first limit first.
fn limits(run: &Run, sessions_max: f64) -> anyhow::Result<Findings> {
    let a_day = |rate: f64| rate / PEAK * DAY_SECONDS;
    let busiest = run.writes.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let (table, writes) = busiest.context("a table is written to")?;
    let busy = run.busy_seconds_at(GATEWAY_SECONDS);
    // As many environments as functions at work read the list, which grows with the sessions.
    let list_reads =
        busy / LIST_LIFE * (GATEWAY_SECONDS / LOAD) * (ITEM_BYTES / sessions_max) / READ_BYTES;
    let route = month::parameter(ROUTE_REQUESTS)?;
    let mut rows = [
        (
            "one session".to_owned(),
            a_day(LOAD / GATEWAY_SECONDS),
            "sessions: `sessions add`",
        ),
        (
            format!("the throttle of the routes that send, {route} a second"),
            a_day(route),
            "the parameter `CostlyRequestsPerSecond`",
        ),
        (
            format!("functions at a time, {}", rounded(FUNCTIONS_AT_A_TIME)),
            a_day(FUNCTIONS_AT_A_TIME / busy),
            "the quota of Lambda",
        ),
        (
            format!("requests of an account, {} a second", rounded(API_REQUESTS)),
            a_day(API_REQUESTS / (2.0 + f64::from(REFRESHES))),
            "the quota of API Gateway",
        ),
        (
            format!(
                "writes of `{table}`, {} units a second",
                rounded(TABLE_WRITES)
            ),
            a_day(TABLE_WRITES / writes),
            "the quota of DynamoDB for a table",
        ),
        (
            format!(
                "the list of sessions, {} of them in one item",
                rounded(sessions_max)
            ),
            a_day(sessions_max * LOAD / GATEWAY_SECONDS),
            "nothing: another deployment",
        ),
        (
            format!(
                "reads of the list of sessions, {} units a second",
                rounded(ITEM_READS)
            ),
            a_day((ITEM_READS / list_reads).sqrt()),
            "nothing: another deployment",
        ),
    ];
    rows.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut findings = Findings::default();
    findings.table("limit, codes a day");
    for (limit, codes, raise) in rows {
        findings.row(&[format!("{limit}; to raise: {raise}"), rounded(codes)]);
    }
    let per_session = PARTITION_WRITES
        / run
            .writes
            .get("WhatsAppSessionsTable")
            .context("sessions")?;
    findings.markdown.push_str(&format!(
        "\nThe item of one session takes {} codes a second, and a session sends {}.\n",
        rounded(per_session),
        rounded(1.0 / GATEWAY_SECONDS)
    ));
    Ok(findings)
}

/// The most sessions that the list takes, of a usual size, as the store says.
async fn sessions_max() -> anyhow::Result<f64> {
    let system = TestSystem::start().await;
    let list = SessionListChanges::new(system.backends());
    let session = |number: u32| ListedSession {
        session: SessionSettings {
            gateway: GatewayAddress::parse("https://gateway-12.internal.example.com:8080"),
            ..SessionSettings::new(
                format!("branch-{number:05}"),
                SessionToken::new("t".repeat(64)),
            )
        },
        sends: true,
    };
    let (mut fits, mut too_many) = (0_u32, 20_000_u32);
    while too_many - fits > 1 {
        let tried = fits.midpoint(too_many);
        let sessions: Vec<_> = (0..tried).map(session).collect();
        match list.write(&list.read().await?, &sessions).await {
            Ok(_) => fits = tried,
            Err(_) => too_many = tried,
        }
    }
    ensure!(fits > 0, "the store takes no list of sessions");
    Ok(f64::from(fits))
}

/// Asks for a code and signs in with it. How long both took.
async fn sign_in(system: &TestSystem, number: u64) -> Duration {
    let phone = people::phone(number);
    let began = Instant::now();
    let asked = people::sign_in(system, &phone).await;
    let mut took = began.elapsed();
    if asked.status == 200 {
        let (challenge, code) = (people::challenge(&asked), people::code_on(system, &phone));
        let began = Instant::now();
        people::verify(system, &phone, &code, challenge).await;
        took += began.elapsed();
    }
    took
}
