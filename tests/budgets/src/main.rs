//! Measures the functions as they are built for release, and what they ask of DynamoDB, against the budgets.
mod admin;
mod bootstraps;
mod code;
mod endpoints;
mod functions;
mod journeys;
mod month;
mod outbox;
mod pace;
mod process;
mod profiles;
mod report;
mod runtime_api;
mod scale;
mod stand_ins;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, Parser, ValueEnum};
use report::Measured;
use tokio::runtime::Builder;

/// Measures the functions against the budgets, and prints tables in Markdown.
#[derive(Debug, Parser)]
struct Cli {
    /// What to measure; functions and endpoints when left out
    what: Option<What>,
    /// Fail when a budget is exceeded
    #[arg(long)]
    check: bool,
    /// How often each function is started in each way
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Measure the bootstraps in this folder, one file per function and `hello`, instead of building them
    #[arg(long)]
    bootstraps: Option<PathBuf>,
    /// Measure everything and write docs/performance.md, and the month that follows from it into
    /// docs/deployment.md and docs/operations.md;
    /// with `month` only that, with `scale` only docs/scale.md, with `admin` only its table in docs/operations.md
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    usage: Usage,
}

/// What a month is computed for.
#[derive(Clone, Copy, Debug, Args)]
struct Usage {
    /// How many codes are sent in the month
    #[arg(long, default_value_t = 100_000)]
    messages: u32,
    /// How many seconds the gateway takes for one
    #[arg(long, default_value_t = month::GATEWAY_SECONDS)]
    gateway_seconds: f64,
    /// How often the tokens of each login are refreshed
    #[arg(long, default_value_t = month::REFRESHES)]
    refreshes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Start-up, memory and size of each function
    Functions,
    /// Round trips and units of each endpoint
    Endpoints,
    /// One function under other settings of the release profile
    Profiles,
    /// The processor's work for one code
    Code,
    /// The share of a gateway's capacity that reaches phones under more demand than it can serve
    Pace,
    /// A tick of the outbox with nothing due, and notices that wait after an outage. Takes minutes
    Outbox,
    /// What a month costs
    Month,
    /// The operators' pages with many sessions and messages. Takes minutes
    Admin,
    /// What so many messages a day need, held against a run
    Scale,
}

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(passed) if passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers that it passed: a month has no budget.
fn month(cli: &Cli) -> anyhow::Result<bool> {
    let Usage {
        messages,
        gateway_seconds,
        refreshes,
    } = cli.usage;
    let month = month::measure(month::Usage {
        messages: messages.into(),
        gateway_seconds,
        refreshes: refreshes.into(),
    })?;
    println!("{}", month.requests.markdown);
    println!("{}", month.watching.markdown);
    if cli.write {
        month::write(&month)?;
    }
    Ok(true)
}

/// Answers whether the model is near to what was measured.
fn scale(cli: &Cli) -> anyhow::Result<bool> {
    let mut paused = Builder::new_current_thread();
    let paused = paused.enable_all().start_paused(true).build()?;
    let scale = paused.block_on(scale::measure())?;
    println!("{}", scale.document());
    for sentence in &scale.check.exceeded {
        println!("exceeded: {sentence}");
    }
    if cli.write {
        scale.write()?;
    }
    Ok(scale.check.exceeded.is_empty())
}

/// Answers whether the check passed, if there was to be one.
fn admin(cli: &Cli) -> anyhow::Result<bool> {
    let mut paused = Builder::new_current_thread();
    let paused = paused.enable_all().start_paused(true).build()?;
    let findings = paused.block_on(admin::measure())?;
    println!("{}", findings.markdown);
    if cli.write {
        admin::write(&findings)?;
    }
    for sentence in &findings.exceeded {
        println!("exceeded: {sentence}");
    }
    Ok(!cli.check || findings.exceeded.is_empty())
}

/// Answers whether the check passed, if there was to be one.
fn measure(cli: &Cli) -> anyhow::Result<bool> {
    match cli.what {
        Some(What::Month) => return month(cli),
        Some(What::Admin) => return admin(cli),
        Some(What::Scale) => return scale(cli),
        Some(_) => ensure!(
            !cli.write,
            "only everything is written, a month, the scale, or the operators' pages"
        ),
        None => {}
    }
    let always = [What::Functions, What::Endpoints];
    let measures = |what| cli.write || cli.what.map_or(always.contains(&what), |only| only == what);
    let mut measured = Measured::default();
    if measures(What::Endpoints) {
        let mut paused = Builder::new_current_thread();
        let paused = paused.enable_all().start_paused(true).build()?;
        measured.endpoints = paused.block_on(endpoints::measure())?;
        println!("{}", measured.endpoints.markdown);
    }
    if measures(What::Pace) {
        let mut paused = Builder::new_current_thread();
        let paused = paused.enable_all().start_paused(true).build()?;
        measured.pace = paused.block_on(pace::measure())?;
        println!("{}", measured.pace.markdown);
    }
    if measures(What::Outbox) {
        let mut paused = Builder::new_current_thread();
        let paused = paused.enable_all().start_paused(true).build()?;
        measured.outbox = paused.block_on(outbox::measure())?;
        println!("{}", measured.outbox.markdown);
    }
    let real_time = Builder::new_multi_thread().enable_all().build()?;
    if measures(What::Functions) {
        let folder = match &cli.bootstraps {
            Some(folder) => folder.clone(),
            None => bootstraps::build()?,
        };
        measured.functions = real_time.block_on(functions::measure(&folder, cli.runs))?;
        println!("{}", measured.functions.markdown);
    }
    if measures(What::Code) {
        let folder = match &cli.bootstraps {
            Some(folder) => folder.clone(),
            None => bootstraps::build_one(code::FUNCTION)?,
        };
        measured.code = real_time.block_on(code::measure(&folder))?;
        println!("{}", measured.code.markdown);
    }
    if measures(What::Profiles) {
        let built = profiles::build()?;
        measured.profiles = real_time.block_on(profiles::measure(&built, cli.runs))?;
        println!("{}", measured.profiles.markdown);
    }
    if cli.write {
        let document = report::document(&measured, cli.runs)?;
        report::write(&document)?;
        month(cli)?;
    }
    for sentence in measured.exceeded() {
        println!("exceeded: {sentence}");
    }
    Ok(!cli.check || measured.exceeded().next().is_none())
}
