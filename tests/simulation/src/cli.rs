//! What can be said on the command line.
use std::process::ExitCode;

use clap::Parser;

use crate::bench::Bench;
use crate::crowd;
use crate::mask::Mask;
use crate::measured::Meters;
use crate::schedule::{self, Report};
use crate::shrink;
use crate::universe::Story;

/// Runs schedules of the whole system in virtual time, each drawn from a seed, and checks what must hold.
///
/// Exits with 1 when a schedule breaks a promise; it names the seed. Mass runs: `cargo run --profile simulation -p simulation`.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs this one only, and tells its story.
    #[arg(long)]
    seed: Option<u64>,
    /// What to leave out of it: steps and faults, such as `s3,12.4`.
    #[arg(long, default_value = "")]
    without: Mask,
    /// Makes the schedule of `--seed` shorter for as long as it fails in the same way.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// How many seeds in a hundred are run twice, to see that the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    twice: u64,
    /// How many threads to use.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// After so many failing seeds it gives up.
    #[arg(long, default_value_t = 10)]
    failures: usize,
}

/// Does what the command line says.
///
/// # Errors
/// When the database does not start.
pub fn run() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    tracing::subscriber::set_global_default(Meters)?;
    match options.seed {
        Some(seed) => one(&options, seed),
        None => many(&options),
    }
}

fn one(options: &Options, seed: u64) -> anyhow::Result<ExitCode> {
    let bench = Bench::new()?;
    let mask = if options.shrink {
        shrink::shortest(&bench, seed, &options.without)
    } else {
        options.without.clone()
    };
    let report = schedule::run(&bench, seed, &mask, Story::Told);
    tell(&report, &mask);
    Ok(exit_code(report.wrong.is_empty()))
}

/// How a schedule ended whose story was told.
fn tell(report: &Report, mask: &Mask) {
    println!("seed {}, hash {:016x}", report.seed, report.hash);
    for wrong in &report.wrong {
        println!("WRONG: {wrong}");
    }
    if mask != &Mask::default() {
        println!("again: --seed {} --without {mask}", report.seed);
    }
}

fn many(options: &Options) -> anyhow::Result<ExitCode> {
    let wanted = crowd::Wanted {
        seeds: options.from..options.from + options.seeds,
        twice: options.twice,
        threads: options.threads,
        failures_max: options.failures,
    };
    let done = crowd::run(&wanted)?;
    for report in &done.failed {
        let (seed, wrong) = (report.seed, report.wrong.join("\n    "));
        println!(
            "seed {seed}: {wrong}\n    --seed {seed} tells its story, --shrink makes it shorter"
        );
    }
    println!("{done}");
    Ok(exit_code(done.failed.is_empty()))
}

fn exit_code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
