//! Many schedules side by side, each thread with a runtime and a database of its own.
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::bench::Bench;
use crate::mask::Mask;
use crate::schedule::{self, Report};
use crate::universe::Story;

/// After so many seeds the progress is told.
const TELLS_EVERY: u64 = 5_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many in a hundred are run twice.
    pub twice: u64,
    /// The threads.
    pub threads: usize,
    /// When to give up.
    pub failures_max: usize,
}

/// What became of that.
#[derive(Debug)]
pub struct Done {
    /// How many schedules came to their end.
    pub seeds: u64,
    /// Those that broke a promise, by their seeds.
    pub failed: Vec<Report>,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seeds,
            failed,
            took,
        } = self;
        let rate = *seeds as f64 / took.as_secs_f64().max(0.001);
        let failed = failed.len();
        write!(
            f,
            "{seeds} seeds in {took:.1?}, {rate:.0} a second, {failed} failed"
        )
    }
}

/// Runs them.
///
/// # Errors
/// When a database does not start.
pub fn run(wanted: &Wanted) -> anyhow::Result<Done> {
    let began = real_time();
    let next = AtomicU64::new(wanted.seeds.start);
    let (done, failures) = (AtomicU64::new(0), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    let work = || -> anyhow::Result<()> {
        let bench = Bench::new()?;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= wanted.seeds.end || failures.load(Ordering::Relaxed) >= wanted.failures_max {
                return Ok(());
            }
            let report = one(&bench, seed, wanted.twice);
            if !report.wrong.is_empty() {
                failures.fetch_add(1, Ordering::Relaxed);
                println!("seed {seed} fails");
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push(report);
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(TELLS_EVERY) {
                println!("{done} seeds after {:.0?}", began.elapsed());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..wanted.threads).map(|_| scope.spawn(work)).collect();
        let mut ended = threads.into_iter().map(|thread| thread.join());
        ended.try_for_each(|ended| {
            ended.unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
        })
    })?;
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|report| report.seed);
    Ok(Done {
        seeds: done.into_inner(),
        failed,
        took: began.elapsed(),
    })
}

/// One schedule, some of them twice.
fn one(bench: &Bench, seed: u64, twice: u64) -> Report {
    let mask = Mask::default();
    let mut report = schedule::run(bench, seed, &mask, Story::Untold);
    if seed % 100 < twice {
        let again = schedule::run(bench, seed, &mask, Story::Untold);
        if again.hash != report.hash {
            report.wrong.push(difference(bench, seed));
        }
    }
    report
}

/// Where two runs of one seed part.
fn difference(bench: &Bench, seed: u64) -> String {
    let story =
        |bench: &Bench| schedule::run(bench, seed, &Mask::default(), Story::Kept(Vec::new())).story;
    // What the first run has left behind may be what makes the difference.
    let fresh = Bench::new().map(|bench| story(&bench)).unwrap_or_default();
    let used = story(bench);
    let parts = fresh.iter().zip(&used).find(|(one, other)| one != other);
    format!("the same seed gave another run: {parts:?}")
}

#[expect(
    clippy::disallowed_methods,
    reason = "how fast the simulation is, is in real time"
)]
fn real_time() -> std::time::Instant {
    std::time::Instant::now()
}
