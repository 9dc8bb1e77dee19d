//! The notices that are due: looked for each minute, facts before reminders. Any number of runs may do so side by side.
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::Notices;
use super::attempt::{ATTEMPT_MIN, AttemptTime, PLACE_WAIT_MAX, PhonesOfRun, Tried};
use crate::model::notice::{Priority, State};
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::metrics::Metric;
use crate::store::StoreError;
use crate::store::payments::Due;

/// What a run leaves of its time, to report.
const RESERVE: Duration = Duration::from_secs(2);
/// How many due notices are read at a time.
const PAGE: i32 = 200;
/// How many of them a run tries, beginning anywhere among them, before it reads again: so runs side by side seldom meet.
const PART: usize = 25;
/// How many notices are tried at a time. A session sends one after the other; this is enough for many sessions.
const SIDE_BY_SIDE: usize = 8;
/// After so many failures in a row the channel is down: what is left waits for the next run, and no attempt of it is counted.
const FAILURES_MAX: usize = 8;
/// After so many in a row that no session had room for in the time of this run, what is left waits for the next run, unread.
const FULL_MAX: usize = 3;

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Notices that WhatsApp took.
    pub sent: usize,
    /// Those that may have been sent.
    pub unknown: usize,
    /// Attempts that failed.
    pub failed: usize,
    /// Notices that were not needed any more.
    pub superseded: usize,
    /// Those that ended unsent.
    pub dead: usize,
    /// Those that were found due and wait on.
    pub waiting: usize,
    /// Whether more were due than there was time for.
    pub more_left: bool,
    /// How far the oldest one that waits is through its time, in hundredths.
    pub oldest_share: u8,
}

/// One run, as far as it is.
struct Run {
    ends: Timestamp,
    /// The phones that it has sent to.
    phones: PhonesOfRun,
    /// What it has looked at.
    seen: HashSet<Due>,
    delivered: Delivered,
}

/// Whether notices go out, as the last ones that were tried have shown.
#[derive(Debug, Default)]
struct Channel {
    failures: usize,
    full: usize,
    is_closed: bool,
}

impl Channel {
    fn add(&mut self, tried: Option<&Tried>) {
        match tried {
            Some(Tried::Attempted(State::Queued | State::Unknown)) => self.failures += 1,
            Some(Tried::Attempted(_)) => (self.failures, self.full) = (0, 0),
            Some(Tried::Full(_)) => self.full += 1,
            _ => {}
        }
        self.is_closed |= self.failures >= FAILURES_MAX || self.full >= FULL_MAX;
    }
}

impl Run {
    /// Some of `due` that this run has not looked at, from the one with this number on: the index may still show what was done a
    /// moment ago.
    fn part(&mut self, mut due: Vec<Due>, number: usize) -> Vec<Due> {
        due.retain(|due| !self.seen.contains(due));
        let turn = number % due.len().max(1);
        due.rotate_left(turn);
        due.truncate(PART);
        self.seen.extend(due.iter().cloned());
        due
    }

    fn note_oldest(&mut self, due: &[Due], now: Timestamp) {
        let oldest = due.iter().map(|due| due.share(now)).max();
        self.delivered.oldest_share = self.delivered.oldest_share.max(oldest.unwrap_or(0));
    }
}

impl Notices {
    /// Does what is due, and is over before `deadline`.
    ///
    /// # Errors
    /// When the store does not say what is due. What was tried by then is recorded.
    pub async fn deliver_due(&self, deadline: Timestamp) -> Result<Delivered, StoreError> {
        let mut run = Run {
            ends: deadline.minus(RESERVE),
            phones: PhonesOfRun::default(),
            seen: HashSet::new(),
            delivered: Delivered::default(),
        };
        for priority in Priority::ALL {
            self.deliver_all(priority, &mut run).await?;
        }
        let delivered = run.delivered;
        let line = self.meter.line(self.clock.now());
        line.count(Metric::NoticesOldest, delivered.oldest_share.into())
            .write();
        Ok(delivered)
    }

    /// Tries the notices of one priority, part by part, until none is left or the time is over.
    async fn deliver_all(&self, priority: Priority, run: &mut Run) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            if run.ends.since(now) < ATTEMPT_MIN {
                run.delivered.more_left = true;
                return Ok(());
            }
            let due = self.payments.due(priority, now, PAGE).await?;
            run.note_oldest(&due, now);
            let number = usize::try_from(self.entropy.below(PAGE as u64)).unwrap_or(0);
            let due = run.part(due, number);
            if due.is_empty() || self.deliver_part(due, run).await.is_closed {
                return Ok(());
            }
        }
    }

    /// Tries some notices, a few at a time. Those under way are not broken off: a message may be out.
    async fn deliver_part(&self, due: Vec<Due>, run: &mut Run) -> Channel {
        let (ends, phones, is_closed) = (run.ends, &run.phones, AtomicBool::new(false));
        let tries = stream::iter(due).map(async |due| {
            if is_closed.load(Ordering::Relaxed) {
                return None;
            }
            self.try_due(due, (ends, phones)).await
        });
        let mut tries = tries.buffer_unordered(SIDE_BY_SIDE);
        let mut channel = Channel::default();
        while let Some(tried) = tries.next().await {
            channel.add(tried.as_ref());
            is_closed.store(channel.is_closed, Ordering::Relaxed);
            run.delivered.count(tried);
        }
        channel
    }

    /// One due notice. A failure of the store is logged: the notice stays due.
    async fn try_due(&self, due: Due, (ends, phones): (Timestamp, &PhonesOfRun)) -> Option<Tried> {
        let now = self.clock.now();
        if ends.since(now) < ATTEMPT_MIN {
            return None;
        }
        let time = AttemptTime {
            turn_by: ends.minus(ATTEMPT_MIN + PLACE_WAIT_MAX),
            deadline: ends,
            request_id: "",
            phones: Some(phones),
        };
        match self.attempt(&due.payment, &due.notice, time).await {
            Ok(tried) => Some(tried),
            Err(error) => {
                tracing::error!(
                    payment = due.payment.as_str(),
                    notice = due.notice.as_str(),
                    error = %Chain(&error),
                    "[WhatsApp System] a notice could not be tried"
                );
                Some(Tried::Later(now))
            }
        }
    }
}

impl Delivered {
    fn count(&mut self, tried: Option<Tried>) {
        let counter = match tried {
            None => {
                self.more_left = true;
                return;
            }
            Some(Tried::Nothing) => return,
            Some(Tried::Later(_)) => &mut self.waiting,
            Some(Tried::Full(_)) => {
                self.more_left = true;
                &mut self.waiting
            }
            Some(Tried::Attempted(State::Sent)) => &mut self.sent,
            Some(Tried::Attempted(State::Unknown)) => &mut self.unknown,
            Some(Tried::Ended(State::Dead | State::Expired) | Tried::Attempted(State::Dead)) => {
                &mut self.dead
            }
            Some(Tried::Attempted(_)) => &mut self.failed,
            Some(Tried::Ended(_)) => &mut self.superseded,
        };
        *counter += 1;
    }
}
