//! What the processor does for one code that is sent, by a warm function.
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::TestSystem;

use crate::functions::ms;
use crate::journeys::Journeys;
use crate::process::Process;
use crate::report::Findings;
use crate::stand_ins;

/// The function that sends the codes.
pub const FUNCTION: &str = "auth-sso-signin";

/// The most processor time for one code, in milliseconds.
const CPU_MS: f64 = 2.0;

/// Codes before the first one that counts: connections are open and the heap has its size.
const WARM: usize = 10;

/// Codes that count, where time is measured.
const TIMED: usize = 200;

/// Codes that count, where instructions are: valgrind takes fifty times as long.
const COUNTED: usize = 20;

/// How a stand-in is reached.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Tls,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain HTTP",
            Self::Tls => "TLS",
        }
    }

    async fn environment(self, system: &TestSystem) -> anyhow::Result<Vec<(&'static str, String)>> {
        match self {
            Self::Plain => stand_ins::serve_plain(system).await,
            Self::Tls => stand_ins::serve(system).await,
        }
    }
}

/// Measures the bootstrap in `folder`.
pub async fn measure(folder: &Path) -> anyhow::Result<Findings> {
    let program = folder.join(FUNCTION);
    let mut findings = Findings::default();
    findings.table("one code, over, CPU ms, million instructions");
    for way in [Way::Plain, Way::Tls] {
        let journeys = Journeys::in_real_time().await;
        let environment = way.environment(journeys.system()).await?;
        let cpu = cpu_per_code(&journeys, &program, &environment).await?;
        let instructions = instructions_per_code(&journeys, &program, &environment).await?;
        findings.row(&[
            format!("`{FUNCTION}`"),
            way.name().to_owned(),
            format!("{cpu:.2}"),
            instructions.map_or("no valgrind here".into(), |count| format!("{count:.2}")),
        ]);
        findings.hold(FUNCTION, "ms of processor time for a code", cpu, CPU_MS);
    }
    Ok(findings)
}

async fn cpu_per_code(
    journeys: &Journeys,
    program: &Path,
    environment: &[(&str, String)],
) -> anyhow::Result<f64> {
    let mut process = Process::start(program, environment).await?;
    send_codes(journeys, &mut process, WARM).await?;
    let mut used = Duration::ZERO;
    for _ in 0..TIMED {
        let event = event(journeys).await?;
        let before = process.cpu()?;
        send_code(&mut process, event).await?;
        used += process.cpu()? - before;
    }
    process.end().await?;
    Ok(ms(used) / TIMED as f64)
}

/// In millions, as valgrind counts them; nothing where it is not installed. Two processes send a different number of codes,
/// so that what only a start does falls out.
async fn instructions_per_code(
    journeys: &Journeys,
    program: &Path,
    environment: &[(&str, String)],
) -> anyhow::Result<Option<f64>> {
    let mut totals = [0.0; 2];
    for (total, codes) in totals.iter_mut().zip([WARM, WARM + COUNTED]) {
        let Some(mut process) = Process::start_counted(program, environment).await? else {
            return Ok(None);
        };
        send_codes(journeys, &mut process, codes).await?;
        *total = process.end_counted().await? as f64;
    }
    let [fewer, more] = totals;
    Ok(Some((more - fewer) / COUNTED as f64 / 1e6))
}

async fn send_codes(
    journeys: &Journeys,
    process: &mut Process,
    codes: usize,
) -> anyhow::Result<()> {
    for _ in 0..codes {
        let event = event(journeys).await?;
        send_code(process, event).await?;
    }
    Ok(())
}

/// A request for a code by somebody new, while nobody else waits for the session.
async fn event(journeys: &Journeys) -> anyhow::Result<String> {
    let event = journeys.event(FUNCTION).await?;
    journeys.free_queue().await?;
    Ok(event)
}

async fn send_code(process: &mut Process, event: String) -> anyhow::Result<()> {
    let (_, answer) = process.invoke(event).await?;
    let status = answer["statusCode"].as_u64().context("a status")?;
    ensure!(status == 200, "{answer}");
    Ok(())
}
