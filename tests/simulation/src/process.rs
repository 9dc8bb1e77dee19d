//! A process that works on one request: it can be killed at any await, or frozen for minutes.
use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::universe::{Purpose, Universe};

/// The longest that a process is frozen.
const FROZEN_MS_MAX: u64 = 240_000;
/// A process that is killed or frozen is so at one of its first awaits.
const AWAITS: u64 = 90;
/// The way to the tables of so many processes is cut for a while, so that a call fails in spite of being tried again.
const CUT_IN: f64 = 0.06;
/// It is so at one of the first calls.
const CUT_AFTER: u64 = 12;
/// For so many calls.
const CUT_FOR: u32 = 8;
/// How often one of those goes wrong.
const OF_CUT: f64 = 0.95;

/// A process, as its calls know it.
#[derive(Debug)]
pub struct Process {
    /// The schedule.
    pub universe: Arc<Universe>,
    /// Its number.
    pub number: u32,
    calls: AtomicU32,
    /// Its calls to the tables that nearly all go wrong, where its way there is cut for a while.
    cut: Option<Range<u32>>,
    over: AtomicBool,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
}

/// The process that runs now; none while a schedule is prepared or looked at.
pub fn current() -> Option<Arc<Process>> {
    CURRENT.with_borrow(Clone::clone)
}

/// How a process ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// With an answer.
    Done(T),
    /// It was killed.
    Killed,
    /// It panicked.
    Panicked,
}

impl Process {
    /// A process with this number.
    pub fn new(universe: &Arc<Universe>, number: u32) -> Arc<Self> {
        let mut dice = universe.dice(Purpose::Life, number, 1);
        let is_cut = universe.odds.table > 0.0 && dice.chance(CUT_IN);
        let first = 1 + dice.below(CUT_AFTER) as u32;
        Arc::new(Self {
            universe: Arc::clone(universe),
            number,
            calls: AtomicU32::new(0),
            cut: is_cut.then(|| first..first + CUT_FOR),
            over: AtomicBool::new(false),
        })
    }

    /// The number of its next call, from 1. A process that has answered makes none.
    pub fn next_call(&self) -> u32 {
        if self.over.load(Ordering::Relaxed) {
            let wrong = format!("process {} goes on after its end", self.number);
            self.universe.ledger().wrong.push(wrong);
        }
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How often a call of this number to the tables goes wrong.
    pub fn table_odds(&self, call: u32) -> f64 {
        match &self.cut {
            Some(cut) if cut.contains(&call) => OF_CUT,
            _ => self.universe.odds.table,
        }
    }

    /// Does `work` as this process, as far as it gets.
    pub async fn run<T>(self: Arc<Self>, work: impl Future<Output = T>) -> (Ended<T>, bool) {
        let mut dice = self.universe.dice(Purpose::Life, self.number, 0);
        let odds = self.universe.odds;
        let (killed, frozen) = (dice.chance(odds.kill), dice.chance(odds.freeze));
        let (kill_at, freeze_at) = (1 + dice.below(AWAITS), 1 + dice.below(AWAITS));
        let mut living = Living {
            work: Box::pin(work),
            awaits: 0,
            kill_at: killed.then_some(kill_at),
            freeze: (frozen && !killed).then(|| (freeze_at, dice.millis(2_000..=FROZEN_MS_MAX))),
            ice: None,
            was_frozen: false,
            process: Arc::clone(&self),
        };
        let ended = (&mut living).await;
        self.over.store(true, Ordering::Relaxed);
        (ended, living.was_frozen)
    }
}

/// The work of a process on its way.
struct Living<F> {
    work: Pin<Box<F>>,
    awaits: u64,
    kill_at: Option<u64>,
    freeze: Option<(u64, Duration)>,
    /// While it is frozen.
    ice: Option<Pin<Box<Sleep>>>,
    was_frozen: bool,
    process: Arc<Process>,
}

impl<F: Future> Living<F> {
    /// Whether it is frozen here.
    fn is_frozen(&mut self, context: &mut Context<'_>) -> bool {
        let universe = Arc::clone(&self.process.universe);
        let number = self.process.number;
        let awaits = self.awaits;
        if let Some((_, life)) = self.freeze.take_if(|(at, _)| *at == awaits)
            && universe.strikes((number, 0))
        {
            universe.note(number, format_args!("FROZEN for {} ms", life.as_millis()));
            self.ice = Some(Box::pin(sleep(life)));
            self.was_frozen = true;
        }
        let Some(ice) = &mut self.ice else {
            return false;
        };
        if ice.as_mut().poll(context).is_pending() {
            return true;
        }
        self.ice = None;
        universe.note(number, format_args!("goes on"));
        false
    }
}

impl<F: Future> Future for Living<F> {
    type Output = Ended<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.ice.is_none() {
            this.awaits += 1;
        }
        if this.is_frozen(context) {
            return Poll::Pending;
        }
        let universe = &this.process.universe;
        let number = this.process.number;
        if this.kill_at == Some(this.awaits) && universe.strikes((number, 0)) {
            universe.note(number, format_args!("KILLED"));
            return Poll::Ready(Ended::Killed);
        }
        let before = CURRENT.replace(Some(Arc::clone(&this.process)));
        let polled = catch_unwind(AssertUnwindSafe(|| this.work.as_mut().poll(context)));
        CURRENT.set(before);
        match polled {
            Ok(polled) => polled.map(Ended::Done),
            Err(_) => Poll::Ready(Ended::Panicked),
        }
    }
}
