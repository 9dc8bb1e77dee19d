//! Promises 8 and 9: what only a person can end is told to one, and what the system says of its sessions is true.
use std::collections::BTreeSet;
use std::time::Duration;

use local::simulator::SessionState;

use crate::alarms::Alarm;
use crate::bench::Bench;
use crate::ledger::{Ledger, Look};
use crate::schedule::Schedule;

/// What the monitor measures of sessions that ring.
const OF_SESSIONS: [&str; 6] = [
    "NeedsPairing",
    "NeedsRestart",
    "TokenRefused",
    "GatewaysDown",
    "UsableSessions",
    "RecoveryFailing",
];

/// All checks of what the monitor sees.
pub fn check(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    let faults = schedule.universe.faults();
    let disturbed: BTreeSet<u32> = faults.iter().map(|(process, _)| *process).collect();
    let ledger = schedule.universe.ledger();
    let is_clear = |look: &&Look| {
        let mut served = ledger.served.iter();
        let ended = served.any(|one| one.process == look.process && one.ended && !one.frozen);
        ended && !disturbed.contains(&look.process)
    };
    let looks: Vec<_> = ledger.looks.iter().filter(is_clear).collect();
    for look in &looks {
        pairing_is_told(look, &ledger, &bench.alarms, wrong);
    }
    an_outage_is_seen(&ledger, &looks, wrong);
    an_outage_rings(&ledger, &looks, &bench.alarms, wrong);
    drop(ledger);
    if schedule.plan.world.is_watched {
        trouble_ends(schedule, bench, wrong);
    }
}

/// What a look has measured.
fn measured(ledger: &Ledger, look: &Look, metric: &str) -> Option<f64> {
    let mut measured = ledger.measured.iter();
    let measured = measured.find(|one| one.process == look.process && one.metric == metric);
    measured.map(|measured| measured.value)
}

/// Whether the sessions' states before and after a look are all among these.
fn all_are(states: &[SessionState; 2], among: &[SessionState]) -> bool {
    states.iter().all(|state| among.contains(state))
}

/// A session that waits to be paired, and whose gateway says how it is, rings at once.
fn pairing_is_told(look: &Look, ledger: &Ledger, alarms: &[Alarm], wrong: &mut Vec<String>) {
    const UNPAIRED: [SessionState; 2] = [SessionState::QrWait, SessionState::LoggedOut];
    let waits = look.sessions.iter().filter(|(name, states)| {
        all_are(states, &UNPAIRED) && ledger.statuses.contains(&(look.process, name.clone()))
    });
    let told = measured(ledger, look, "NeedsPairing").unwrap_or_default();
    let rings = alarms
        .iter()
        .any(|alarm| alarm.metric == "NeedsPairing" && alarm.rings(&[told]));
    if waits.clone().count() > told as usize || (waits.count() > 0 && !rings) {
        wrong.push(format!(
            "look {} told {told} sessions to be paired, of {:?}",
            look.process, look.sessions
        ));
    }
}

/// What was seen so long before a look counts as seen by it.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// The states in which nothing can be sent, and from which a session does not come back by itself.
const CANNOT: [SessionState; 4] = [
    SessionState::Absent,
    SessionState::Dead,
    SessionState::LoggedOut,
    SessionState::QrWait,
];

/// Whether no session could send, before and after a look.
fn is_outage(look: &Look) -> bool {
    look.sessions
        .iter()
        .all(|(_, states)| all_are(states, &CANNOT))
}

/// While no session can send, no look says that one can, but for the first: what was seen just before counts for a minute.
fn an_outage_is_seen(ledger: &Ledger, looks: &[&Look], wrong: &mut Vec<String>) {
    for both in looks.windows(2) {
        let usable = measured(ledger, both[1], "UsableSessions");
        if lasts(both) && usable.is_some_and(|usable| usable > 0.0) {
            wrong.push(format!(
                "look {} says that messages go out, and they cannot: {:?}",
                both[1].process, both[1].sessions
            ));
        }
    }
}

/// Whether no session could send, before and after each of these looks, which follow each other by a minute.
fn lasts(looks: &[&Look]) -> bool {
    let spaced = looks
        .windows(2)
        .all(|both| both[1].at >= both[0].at + SEEN_WITHIN);
    spaced && looks.iter().all(|look| is_outage(look))
}

/// Within three looks an outage rings.
fn an_outage_rings(ledger: &Ledger, looks: &[&Look], alarms: &[Alarm], wrong: &mut Vec<String>) {
    for three in looks.windows(3).filter(|three| lasts(three)) {
        let usable = three
            .iter()
            .filter_map(|look| measured(ledger, look, "UsableSessions"));
        let usable: Vec<_> = usable.collect();
        let rings = |alarm: &Alarm| alarm.metric == "UsableSessions" && alarm.rings(&usable);
        if !alarms.iter().any(rings) {
            let at = three[2].at;
            wrong.push(format!(
                "nothing rings at {at:?}, and no session can send: {usable:?}"
            ));
        }
    }
}

/// Once all is well, nothing rings any more, the system says that messages go out, and no incident goes on.
fn trouble_ends(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    let calm: Vec<_> = ledger.looks.iter().filter(|look| look.calm).collect();
    let last = &calm[calm.len().saturating_sub(2)..];
    for alarm in bench.alarms.iter() {
        let values = last
            .iter()
            .filter_map(|look| measured(&ledger, look, &alarm.metric));
        let values: Vec<_> = values.collect();
        if OF_SESSIONS.contains(&alarm.metric.as_str()) && alarm.rings(&values) {
            wrong.push(format!(
                "{} rings although all is well: {values:?}",
                alarm.name
            ));
        }
    }
    drop(ledger);
    let said = schedule.facts().said_at_the_end.clone();
    if !matches!(said, Some((200, _))) {
        wrong.push(format!("all is well, and the system says {said:?}"));
    }
    let items = bench.items("WhatsAppSessionsTable").unwrap_or_default();
    for item in items.iter() {
        let usable = item["seen_state"]["S"] == "usable";
        if usable && !item["incident_began"].is_null() && item["incident_ended"].is_null() {
            wrong.push(format!("an incident of {} does not end", item["name"]["S"]));
        }
    }
}
