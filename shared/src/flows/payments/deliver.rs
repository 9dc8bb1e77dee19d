//! The notices that are due: looked for each minute, facts before reminders. Any number of runs may do so side by side.
use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::Notices;
use super::attempt::{ATTEMPT_MIN, Tried};
use crate::model::notice::{Priority, State};
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::metrics::Metric;
use crate::store::StoreError;
use crate::store::payments::Due;

/// What a run leaves of its time, to report.
const RESERVE: Duration = Duration::from_secs(2);
/// How many due notices are read at a time. Runs side by side take them in different orders.
const PAGE: i32 = 100;
/// How many notices are tried at a time. A session sends one after the other; this is enough for many sessions.
const SIDE_BY_SIDE: usize = 8;
/// After so many failures in a row the channel is down: what is left waits for the next run, and no attempt of it is counted.
const FAILURES_MAX: usize = 8;
/// The longest that one attempt takes.
const ATTEMPT_MAX: Duration = Duration::from_secs(15);

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
    /// What it has looked at.
    seen: HashSet<Due>,
    delivered: Delivered,
}

/// Whether notices go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Up,
    Down,
}

impl Run {
    /// Those of `due` that this run has not looked at: the index may still show what was done a moment ago.
    fn not_seen(&mut self, mut due: Vec<Due>, now: Timestamp) -> Vec<Due> {
        due.retain(|due| self.seen.insert(due.clone()));
        let oldest = due.iter().map(|due| due.share(now)).max();
        self.delivered.oldest_share = self.delivered.oldest_share.max(oldest.unwrap_or(0));
        due
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

    /// Tries the notices of one priority, page by page, until none is left or the time is over.
    async fn deliver_all(&self, priority: Priority, run: &mut Run) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            if run.ends.since(now) < ATTEMPT_MIN {
                run.delivered.more_left = true;
                return Ok(());
            }
            let due = self.payments.due(priority, now, PAGE).await?;
            let due = run.not_seen(due, now);
            if due.is_empty() || self.deliver_page(due, run).await == Channel::Down {
                return Ok(());
            }
        }
    }

    /// Tries some notices, a few at a time, beginning anywhere among them.
    async fn deliver_page(&self, mut due: Vec<Due>, run: &mut Run) -> Channel {
        let turn = usize::try_from(self.entropy.below(due.len() as u64)).unwrap_or(0);
        due.rotate_left(turn);
        let ends = run.ends;
        let tries = stream::iter(due).map(|due| self.try_due(due, ends));
        let mut tries = tries.buffer_unordered(SIDE_BY_SIDE);
        let mut failures = 0;
        while let Some(tried) = tries.next().await {
            failures = match tried {
                Some(Tried::Attempted(State::Queued | State::Unknown)) => failures + 1,
                Some(Tried::Attempted(_)) => 0,
                _ => failures,
            };
            run.delivered.count(tried);
            if failures >= FAILURES_MAX {
                run.delivered.more_left = true;
                return Channel::Down;
            }
        }
        Channel::Up
    }

    /// One due notice. A failure of the store is logged: the notice stays due.
    async fn try_due(&self, due: Due, ends: Timestamp) -> Option<Tried> {
        let now = self.clock.now();
        if ends.since(now) < ATTEMPT_MIN {
            return None;
        }
        let deadline = now.plus(ATTEMPT_MAX).min(ends);
        match self.attempt(&due.payment, &due.notice, deadline).await {
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
