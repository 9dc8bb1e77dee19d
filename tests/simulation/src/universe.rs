//! What one schedule knows of itself: its time, its chance, what happened so far, and what the wires have seen.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::mask::{FaultId, Mask};

/// How often things go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    /// Of a call to the tables.
    pub table: f64,
    /// Of a call to a gateway.
    pub gateway: f64,
    /// That a process is killed on the way.
    pub kill: f64,
    /// That it is frozen for a while.
    pub freeze: f64,
    /// Of a webhook.
    pub webhook: f64,
}

/// What draws are for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The schedule itself.
    Plan = 1,
    /// A step's own choices.
    Step,
    /// A call of a process.
    Call,
    /// What happens to a process.
    Life,
    /// An environment of a function.
    Environment,
    /// A webhook.
    Hook,
}

/// One schedule.
#[derive(Debug)]
pub struct Universe {
    /// Everything that is drawn follows from it.
    pub seed: u64,
    /// What is left out.
    pub mask: Mask,
    /// How often things go wrong.
    pub odds: Odds,
    began: Instant,
    calm: AtomicBool,
    happened: Mutex<Happened>,
    ledger: Mutex<Ledger>,
}

/// What becomes of the lines about what happened: the millisecond, the process, and what it did.
#[derive(Clone, Debug, Default)]
pub enum Story {
    /// Nobody reads them.
    #[default]
    Untold,
    /// They are printed as it happens.
    Told,
    /// They are kept.
    Kept(Vec<String>),
}

/// What happened so far.
#[derive(Debug, Default)]
struct Happened {
    hash: u64,
    story: Story,
    faults: BTreeSet<FaultId>,
}

impl Universe {
    /// A schedule in which nothing has happened.
    pub fn new(seed: u64, mask: Mask, odds: Odds, story: Story) -> Self {
        let happened = Happened {
            story,
            ..Happened::default()
        };
        Self {
            seed,
            mask,
            odds,
            began: Instant::now(),
            calm: AtomicBool::new(false),
            happened: Mutex::new(happened),
            ledger: Mutex::default(),
        }
    }

    /// Draws for something with a number.
    pub fn dice(&self, purpose: Purpose, number: u32, part: u32) -> Dice {
        Dice::of(self.seed, &[purpose as u64, number.into(), part.into()])
    }

    /// The time since the schedule began.
    pub fn time(&self) -> Duration {
        self.began.elapsed()
    }

    /// From now on nothing goes wrong.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Something happened. It is part of the schedule's hash, so it says nothing that differs from run to run, such as a token.
    pub fn note(&self, who: u32, what: fmt::Arguments<'_>) {
        let line = format!("{:>8} {who:>6} {what}", self.time().as_millis());
        let mut happened = self.happened();
        for byte in line.bytes() {
            happened.hash = (happened.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        match &mut happened.story {
            Story::Untold => {}
            Story::Told => println!("{line}"),
            Story::Kept(lines) => lines.push(line),
        }
    }

    /// A fault that is drawn happens, unless it is left out or all is calm.
    pub fn strikes(&self, fault: FaultId) -> bool {
        if self.is_calm() || self.mask.faults.contains(&fault) {
            return false;
        }
        self.happened().faults.insert(fault);
        true
    }

    /// The faults that happened.
    pub fn faults(&self) -> BTreeSet<FaultId> {
        self.happened().faults.clone()
    }

    /// A number that is the same for the same schedule.
    pub fn hash(&self) -> u64 {
        self.happened().hash
    }

    /// What happened, where that is kept.
    pub fn story(&self) -> Vec<String> {
        match &self.happened().story {
            Story::Kept(lines) => lines.clone(),
            Story::Untold | Story::Told => Vec::new(),
        }
    }

    /// What the wires have seen.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids of the messages that other processes than this one sent.
    pub fn ids_of_others(&self, process: u32) -> BTreeSet<String> {
        let ledger = self.ledger();
        let others = ledger.sends.iter().filter(|send| send.process != process);
        others.map(|send| send.id.clone()).collect()
    }

    fn happened(&self) -> MutexGuard<'_, Happened> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
