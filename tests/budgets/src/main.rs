//! Measures the functions as they are built for release, and what they ask of DynamoDB, against the budgets.
mod bootstraps;
mod endpoints;
mod functions;
mod journeys;
mod process;
mod report;
mod runtime_api;
mod stand_ins;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use report::Findings;
use tokio::runtime::Builder;

/// Measures the functions against the budgets, and prints tables in Markdown.
#[derive(Debug, Parser)]
struct Cli {
    /// What to measure; both when left out
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
    /// Write docs/performance.md
    #[arg(long, conflicts_with = "what")]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Start-up, memory and size of each function
    Functions,
    /// Round trips and units of each endpoint
    Endpoints,
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

/// Answers whether the check passed, if there was to be one.
fn measure(cli: &Cli) -> anyhow::Result<bool> {
    let mut functions = Findings::default();
    let mut endpoints = Findings::default();
    if cli.what != Some(What::Functions) {
        let mut paused = Builder::new_current_thread();
        let paused = paused.enable_all().start_paused(true).build()?;
        endpoints = paused.block_on(endpoints::measure())?;
        println!("{}", endpoints.markdown);
    }
    if cli.what != Some(What::Endpoints) {
        let folder = match &cli.bootstraps {
            Some(folder) => folder.clone(),
            None => bootstraps::build()?,
        };
        let real_time = Builder::new_multi_thread().enable_all().build()?;
        functions = real_time.block_on(functions::measure(&folder, cli.runs))?;
        println!("{}", functions.markdown);
    }
    if cli.write {
        report::write(&report::document(&functions, &endpoints, cli.runs)?)?;
    }
    for sentence in functions.exceeded.iter().chain(&endpoints.exceeded) {
        println!("exceeded: {sentence}");
    }
    Ok(!cli.check || functions.exceeded.is_empty() && endpoints.exceeded.is_empty())
}
