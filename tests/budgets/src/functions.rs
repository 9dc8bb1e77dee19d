//! Start-up, memory and size of each function, beside the smallest one.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;
use tests::TestSystem;

use crate::bootstraps::{self, HELLO};
use crate::journeys::Journeys;
use crate::process::Process;
use crate::report::{Findings, median};
use crate::stand_ins;

/// Init CPU and memory may be so many times the smallest function's.
const INIT_TIMES: f64 = 1.5;
const MEMORY_TIMES: f64 = 2.5;
/// The functions that hash passwords, and the memory that they may hold for it.
const HASHING: [&str; 3] = [
    "auth-signin",
    "auth-signup",
    "auth-verify-password-reset-otp",
];
const HASHING_KIB: f64 = 20.0 * 1024.0;
/// The largest bootstrap, in bytes.
const SIZE_MAX: f64 = 9.0 * 1024.0 * 1024.0;
/// How much longer the first reply may take than a later one, the start of the process included.
const COLD_MS: f64 = 150.0;
/// The requests to a process after its first.
const WARM_REQUESTS: usize = 3;

/// What functions are told only here. Without it they trust the authorities that are compiled in.
const FOR_STAND_INS: [&str; 3] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "DYNAMODB_CA_PEM",
    "WHATSAPP_CA_PEM",
];

/// What was seen of one function, run by run; times in milliseconds.
#[derive(Debug, Default)]
struct Seen {
    /// Processor time until the first poll, nothing warmed up.
    init_cpu: Vec<f64>,
    /// From the start until the first poll, nothing warmed up.
    init: Vec<f64>,
    /// From the start until the first answer, nothing warmed up.
    cold: Vec<f64>,
    /// The same, warmed up.
    warmed_up: Vec<f64>,
    /// Of that, the part after the event was handed over.
    first: Vec<f64>,
    /// The later answers, and their processor time.
    later: Vec<f64>,
    later_cpu: Vec<f64>,
    /// Memory after the first answer.
    resident_kib: Vec<f64>,
}

/// Measures those bootstraps that are in `folder`, each `runs` times, in turn.
pub async fn measure(folder: &Path, runs: usize) -> anyhow::Result<Findings> {
    let journeys = Journeys::in_real_time().await;
    let warmed_up = stand_ins::serve(journeys.system()).await?;
    let mut cold = warmed_up.clone();
    cold.push(("WARMUP", "off".into()));
    let as_deployed = as_deployed(&cold);
    let names = std::iter::once(HELLO).chain(bootstraps::names());
    let names: Vec<_> = names.filter(|name| folder.join(name).exists()).collect();
    let benches = names.iter().map(|name| Bench {
        name,
        program: folder.join(name),
        journeys: &journeys,
    });
    let benches: Vec<_> = benches.collect();
    let mut seen = BTreeMap::<_, Seen>::new();
    // The first run fills the page cache and does not count. Starts alone come first: what is done between them moves them.
    for run in 0..=runs {
        for bench in &benches {
            let mut not_counted = Seen::default();
            let seen = match run {
                0 => &mut not_counted,
                _ => seen.entry(bench.name).or_default(),
            };
            bench.init(&as_deployed, seen).await?;
        }
    }
    for _ in 0..runs {
        for bench in &benches {
            let seen = seen.entry(bench.name).or_default();
            bench.cold(&cold, seen).await?;
            bench.warmed_up(&warmed_up, seen).await?;
        }
    }
    judge(folder, &names, &seen)
}

/// The environment of a function of a deployment that makes no contact before its first request.
pub async fn environment_of_a_deployment(
    system: &TestSystem,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut environment = stand_ins::serve(system).await?;
    environment.push(("WARMUP", "off".into()));
    Ok(as_deployed(&environment))
}

fn as_deployed(environment: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let deployed = environment
        .iter()
        .filter(|(name, _)| !FOR_STAND_INS.contains(name));
    deployed.cloned().collect()
}

struct Bench<'a> {
    name: &'a str,
    program: PathBuf,
    journeys: &'a Journeys,
}

impl Bench<'_> {
    async fn init(&self, environment: &[(&str, String)], seen: &mut Seen) -> anyhow::Result<()> {
        let process = Process::start(&self.program, environment).await?;
        seen.init_cpu.push(ms(process.cpu()?));
        seen.init.push(ms(process.init));
        process.end().await
    }

    async fn cold(&self, environment: &[(&str, String)], seen: &mut Seen) -> anyhow::Result<()> {
        let event = self.event().await?;
        let mut process = Process::start(&self.program, environment).await?;
        let (took, answer) = process.invoke(event).await?;
        self.check(&answer)?;
        seen.cold.push(ms(process.init + took));
        process.end().await
    }

    async fn warmed_up(
        &self,
        environment: &[(&str, String)],
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        let event = self.event().await?;
        let mut process = Process::start(&self.program, environment).await?;
        let (took, answer) = process.invoke(event).await?;
        self.check(&answer)?;
        seen.warmed_up.push(ms(process.init + took));
        seen.first.push(ms(took));
        seen.resident_kib.push(process.resident_kib()?);
        for _ in 0..WARM_REQUESTS {
            let event = self.event().await?;
            let before = process.cpu()?;
            let (took, answer) = process.invoke(event).await?;
            self.check(&answer)?;
            seen.later.push(ms(took));
            seen.later_cpu.push(ms(process.cpu()? - before));
        }
        process.end().await
    }

    async fn event(&self) -> anyhow::Result<String> {
        // The smallest function answers anything alike.
        let of = if self.name == HELLO {
            "health"
        } else {
            self.name
        };
        let event = self.journeys.event(of).await?;
        self.journeys.free_queue().await?;
        Ok(event)
    }

    /// A function without a journey may refuse its sample, but not fail.
    fn check(&self, answer: &Value) -> anyhow::Result<()> {
        let status = answer["statusCode"].as_u64().unwrap_or_default();
        ensure!((200..500).contains(&status), "{}: {answer}", self.name);
        Ok(())
    }
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The medians as a table, held against the budgets.
fn judge(folder: &Path, names: &[&str], seen: &BTreeMap<&str, Seen>) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let head = "function, init CPU ms, times hello, init ms, first reply ms, without warm-up ms, after the event ms, \
                later replies ms, their CPU ms, memory MiB, times hello, size MiB";
    findings.table(head);
    let nothing = Seen::default();
    let hello = seen.get(HELLO).unwrap_or(&nothing);
    for name in names {
        let seen = seen.get(name).unwrap_or(&nothing);
        let size = std::fs::metadata(folder.join(name))?.len() as f64;
        let (init_cpu, resident) = (median(&seen.init_cpu), median(&seen.resident_kib));
        let (warmed_up, later) = (median(&seen.warmed_up), median(&seen.later));
        let init_times = init_cpu / median(&hello.init_cpu);
        let memory_times = resident / median(&hello.resident_kib);
        findings.row(&[
            format!("`{name}`"),
            format!("{init_cpu:.2}"),
            format!("{init_times:.2}"),
            format!("{:.2}", median(&seen.init)),
            format!("{warmed_up:.1}"),
            format!("{:.1}", median(&seen.cold)),
            format!("{:.1}", median(&seen.first)),
            format!("{later:.1}"),
            format!("{:.2}", median(&seen.later_cpu)),
            format!("{:.1}", resident / 1024.0),
            format!("{memory_times:.2}"),
            format!("{:.2}", size / 1024.0 / 1024.0),
        ]);
        let hashing = if HASHING.contains(name) {
            HASHING_KIB
        } else {
            0.0
        };
        let memory_max = MEMORY_TIMES * median(&hello.resident_kib) + hashing;
        findings.hold(name, "times the init CPU of hello", init_times, INIT_TIMES);
        findings.hold(
            name,
            "ms more for the first reply than later",
            warmed_up - later,
            COLD_MS,
        );
        findings.hold(name, "KiB of memory", resident, memory_max);
        findings.hold(name, "bytes", size, SIZE_MAX);
    }
    Ok(findings)
}
