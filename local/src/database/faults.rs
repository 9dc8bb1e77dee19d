//! What may happen to a database call on its way: by chance from a seed, or by script.
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shared::platform::entropy::Entropy;
use tokio::sync::watch;

use super::engine::Request;

/// What happens to one attempt of the SDK to call the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before the effect.
    RequestLost,
    /// The connection breaks after the effect.
    ReplyLost,
    /// The table refuses: too many requests.
    Throttled,
    /// The item is held by a transaction; a transaction is cancelled for it. Reads of single items never conflict.
    Conflict,
    /// The process ends here, before the effect: the call never returns.
    StoppedBefore,
    /// The process ends here, after the effect: the call never returns.
    StoppedAfter,
}

/// The faults of one client. Clones share the count of attempts, so that a test can watch what it handed over.
#[derive(Clone, Debug)]
pub struct Faults {
    chance: Option<Entropy>,
    odds: Vec<(Fault, f64)>,
    latency: Duration,
    delay: Option<(f64, Duration)>,
    spare_last_attempts: bool,
    script: Vec<(RangeInclusive<u64>, Fault)>,
    tables: Vec<(String, Fault)>,
    attempts: Arc<AtomicU64>,
    stopped: watch::Sender<bool>,
}

impl Faults {
    /// No faults until some are added.
    pub fn none() -> Self {
        Self {
            chance: None,
            odds: Vec::new(),
            latency: Duration::ZERO,
            delay: None,
            spare_last_attempts: false,
            script: Vec::new(),
            tables: Vec::new(),
            attempts: Arc::default(),
            stopped: watch::Sender::new(false),
        }
    }

    /// Faults by chance, the same for the same seed. None until their odds are given.
    pub fn seeded(seed: u64) -> Self {
        Self {
            chance: Some(Entropy::seeded(seed)),
            ..Self::none()
        }
    }

    /// A database that no request reaches.
    pub fn down() -> Self {
        Self::none().from(1, Fault::RequestLost)
    }

    /// Breaks attempts with the given fault, in `odds` of 1. The odds of all faults together are at most 1.
    #[must_use]
    pub fn odds(mut self, fault: Fault, odds: f64) -> Self {
        self.odds.push((fault, odds));
        self
    }

    /// Breaks no last attempt by chance, so that every call comes through in the end.
    #[must_use]
    pub fn sparing_last_attempts(mut self) -> Self {
        self.spare_last_attempts = true;
        self
    }

    /// How long every attempt takes. Under paused time the time of a request then tells its round trips.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Delays attempts by up to `at_most` more, in `odds` of 1.
    #[must_use]
    pub fn delay(mut self, odds: f64, at_most: Duration) -> Self {
        self.delay = Some((odds, at_most));
        self
    }

    /// Breaks the `number`th attempt, counted from 1.
    #[must_use]
    pub fn at(mut self, number: u64, fault: Fault) -> Self {
        self.script.push((number..=number, fault));
        self
    }

    /// Breaks the `number`th attempt, counted from 1, and all after it.
    #[must_use]
    pub fn from(mut self, number: u64, fault: Fault) -> Self {
        self.script.push((number..=u64::MAX, fault));
        self
    }

    /// Breaks every attempt that names `table`.
    #[must_use]
    pub fn on_table(mut self, table: &str, fault: Fault) -> Self {
        self.tables.push((table.to_owned(), fault));
        self
    }

    /// Ends the process at the `number`th attempt, before its effect.
    #[must_use]
    pub fn stop_before(self, number: u64) -> Self {
        self.from(number, Fault::StoppedBefore)
    }

    /// Ends the process at the `number`th attempt, after its effect.
    #[must_use]
    pub fn stop_after(self, number: u64) -> Self {
        self.at(number, Fault::StoppedAfter)
            .from(number + 1, Fault::StoppedBefore)
    }

    /// How many attempts there were.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Lets `process` run until it is done, or ended by script: then it is dropped where it stands, and this is `None`.
    pub async fn until_stopped<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => None,
            done = process => Some(done),
        }
    }

    /// Counts an attempt, lets its delay pass and decides its fate.
    pub(super) async fn next(&self, request: &Request) -> Option<Fault> {
        let number = self.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let spared = self.spare_last_attempts && request.last_attempt;
        let drawn = self.draw().filter(|_| !spared);
        let mut delay = self.latency;
        if let Some((odds, at_most)) = self.delay
            && self.fraction() < odds
        {
            delay += at_most.mul_f64(self.fraction());
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let scripted = self.script.iter().find(|(when, _)| when.contains(&number));
        let named = request.tables();
        let of_table = self.tables.iter().find(|(table, _)| named.contains(table));
        scripted
            .map(|(_, fault)| *fault)
            .or(of_table.map(|(_, fault)| *fault))
            .or(drawn)
            .filter(|fault| *fault != Fault::Conflict || request.may_conflict())
    }

    /// The call of a process that is no more.
    pub(super) async fn stop(&self) -> Infallible {
        self.stopped.send_replace(true);
        std::future::pending().await
    }

    fn draw(&self) -> Option<Fault> {
        let mut left = self.fraction();
        self.odds.iter().find_map(|(fault, odds)| {
            left -= odds;
            (left < 0.0).then_some(*fault)
        })
    }

    /// A number from 0 to below 1; without a seed just below 1, so that nothing happens by chance.
    fn fraction(&self) -> f64 {
        const STEPS: f64 = (1_u64 << 32) as f64;
        match &self.chance {
            Some(entropy) => f64::from(u32::from_be_bytes(entropy.bytes())) / STEPS,
            None => 1.0 - 1.0 / STEPS,
        }
    }
}
