//! Opened chats: a code is the answer to whoever was asked to write, and to nobody else.
use std::collections::BTreeSet;
use std::time::Duration;

use local::simulator::Profile;
use serde_json::Value;

use crate::bench::Bench;
use crate::facts::{Offered, Written};
use crate::ledger::{Seen, SendCall};
use crate::people::digits;
use crate::schedule::Schedule;

/// A code waits for its chat so long, with what clocks differ.
const LIFE: Duration = Duration::from_secs(10 * 60 + 4);

/// All checks of opened chats.
pub fn check(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    answers_are_asked_for(schedule, wrong);
    a_word_is_answered_once(schedule, wrong);
    whoever_writes_gets_in(schedule, bench, wrong);
}

/// The processes that answer what people write.
fn answering(schedule: &Schedule) -> BTreeSet<u32> {
    let ledger = schedule.universe.ledger();
    let served = ledger.served.iter();
    let hooks = served.filter(|served| served.function == "whatsapp-webhook");
    hooks.map(|served| served.process).collect()
}

/// Whether somebody wrote what they were asked to, in time.
fn is_asked_for(offered: &Offered, written: &Written) -> bool {
    offered.person == written.person
        && offered.session == written.session
        && offered.text == written.text
        && offered.at <= written.at
        && written.at <= offered.at + LIFE
}

/// Every message of a process that answers chats goes to a phone that wrote a text of its own to that session before.
fn answers_are_asked_for(schedule: &Schedule, wrong: &mut Vec<String>) {
    let answering = answering(schedule);
    let facts = schedule.facts();
    let ledger = schedule.universe.ledger();
    let answers = ledger.sends.iter();
    for send in answers.filter(|send| answering.contains(&send.process)) {
        let mut written = facts
            .written
            .iter()
            .filter(|written| digits(written.person) == send.phone && written.at <= send.at);
        let asked = written.any(|written| {
            let mut offered = facts.offered.iter();
            offered.any(|offered| is_asked_for(offered, written))
        });
        if !asked {
            wrong.push(format!(
                "process {} answered {}, which has not written what it was asked to",
                send.process, send.phone
            ));
        }
    }
}

/// Of the answers to one word no more than one is a message: the same again keeps its id.
fn a_word_is_answered_once(schedule: &Schedule, wrong: &mut Vec<String>) {
    let answering = answering(schedule);
    let facts = schedule.facts();
    let ledger = schedule.universe.ledger();
    let is_out = |send: &&SendCall| answering.contains(&send.process) && send.seen == Seen::Taken;
    for person in facts
        .written
        .iter()
        .map(|written| written.person)
        .collect::<BTreeSet<_>>()
    {
        let phone = digits(person);
        let words: BTreeSet<_> = facts
            .offered
            .iter()
            .filter(|offered| {
                facts
                    .written
                    .iter()
                    .any(|written| is_asked_for(offered, written))
            })
            .filter(|offered| offered.person == person)
            .map(|offered| &offered.text)
            .collect();
        let sends = ledger.sends.iter().filter(|send| send.phone == phone);
        let ids: BTreeSet<_> = sends.filter(is_out).map(|send| &send.id).collect();
        if ids.len() > words.len() {
            wrong.push(format!(
                "{phone} wrote {} words and got {} answers",
                words.len(),
                ids.len()
            ));
        }
    }
}

/// Once all is well but the lock, whoever was never written to is asked to write, gets the code, and gets in with it; unless nobody
/// knows the number to write to, which version A never tells, or WhatsApp is thought to lock the account for everybody.
fn whoever_writes_gets_in(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    let sessions = bench.items("WhatsAppSessionsTable").unwrap_or_default();
    let is_open = |item: &Value| {
        let state = item["seen_state"]["S"].as_str().unwrap_or_default();
        matches!(state, "usable" | "cold_locked")
    };
    let world = &schedule.plan.world;
    let may_write = world.is_locked && world.profile != Profile::A;
    if !may_write || !sessions.iter().any(is_open) {
        return;
    }
    let newcomer = schedule.newcomer();
    let has_code = !schedule.codes_on(newcomer).is_empty();
    let facts = schedule.facts();
    let mut offered = facts.offered.iter();
    let was_asked = offered.any(|offered| offered.person == newcomer);
    let mut guessed = facts.guessed.iter();
    let got_in = guessed.any(|guessed| guessed.person == newcomer && guessed.login.is_some());
    if !(was_asked && has_code && got_in) {
        wrong.push(format!(
            "whoever is new did not get in by an opened chat: asked to write {was_asked}, got a code {has_code}"
        ));
    }
}
