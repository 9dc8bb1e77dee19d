//! Promise 4: connects are few, however many functions wait.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::schedule::Schedule;

/// Whatever happens, a session is connected at most so often within [`WITHIN`]: two windows that a success ends, and one more for
/// clocks that differ.
const CONNECTS_MAX: usize = 4;
/// See [`CONNECTS_MAX`].
const WITHIN: Duration = Duration::from_secs(6);

/// No session is connected again and again.
pub fn are_spaced(schedule: &Schedule, wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    let mut of: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for connect in &ledger.connects {
        of.entry(&connect.session).or_default().push(connect.at);
    }
    for (session, mut times) in of {
        times.sort();
        for several in times.windows(CONNECTS_MAX) {
            if several[CONNECTS_MAX - 1] - several[0] < WITHIN {
                wrong.push(format!(
                    "{session} was connected {CONNECTS_MAX} times within {WITHIN:?}: {several:?}"
                ));
            }
        }
    }
}

/// Whoever wins the right connects within seconds, or not at all: so long with a disconnect before, and a second try.
const OF_USE: Duration = Duration::from_secs(16);

/// Whoever connects a session has won the right to. Whoever is frozen while it closes the session connects when it wakes.
pub fn are_made_by_right(schedule: &Schedule, wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    for connect in &ledger.connects {
        let (session, process) = (&connect.session, connect.process);
        let mut own = ledger
            .rights
            .iter()
            .filter(|right| right.process == process);
        let won = own.any(|right| {
            right.session == *session && right.at <= connect.at && connect.at <= right.at + OF_USE
        });
        if !won && !ledger.was_frozen(process) {
            wrong.push(format!(
                "{session} was connected by process {process}, which has not won the right"
            ));
        }
    }
}
