//! Promise 2: a limit is never exceeded, and never charged by what was not sent.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{Seen, SendCall};
use crate::people::{code_in, digits};
use crate::schedule::Schedule;

/// Codes per phone and purpose within the window.
const CODES: usize = 5;
const WINDOW: Duration = Duration::from_secs(600);
/// Clocks differ by so much, and a message counts from when its outcome was known, or from the end of its lease.
const SLACK: Duration = Duration::from_secs(40);

/// What the first words of a code's message tell: what it is for.
fn purpose(text: &str) -> &str {
    if text.contains("sandi") || text.contains("password") {
        "reset"
    } else if text.contains("pendaftaran") || text.contains("daftar") {
        "sign up"
    } else {
        "sign in"
    }
}

/// No phone gets more codes than the limit says.
pub fn are_kept(schedule: &Schedule, wrong: &mut Vec<String>) {
    let messages = schedule.messages();
    let ledger = schedule.universe.ledger();
    let mut first: BTreeMap<&str, &SendCall> = BTreeMap::new();
    let is_out = |send: &&SendCall| {
        send.seen == Seen::Taken || messages.iter().any(|message| message.id == send.id)
    };
    for send in ledger.sends.iter().filter(is_out) {
        if code_in(&send.text).is_some() {
            first.entry(&send.id).or_insert(send);
        }
    }
    let mut by_phone: BTreeMap<(&str, &str), Vec<Duration>> = BTreeMap::new();
    for send in first.values() {
        let key = (send.phone.as_str(), purpose(&send.text));
        by_phone.entry(key).or_default().push(send.at);
    }
    for ((phone, purpose), mut times) in by_phone {
        times.sort();
        for several in times.windows(CODES + 1) {
            if several[CODES] - several[0] + SLACK < WINDOW {
                wrong.push(format!(
                    "{phone} got {} codes to {purpose} within {:?}",
                    CODES + 1,
                    several[CODES] - several[0]
                ));
            }
        }
    }
}

/// While a request for a code is under way, no other one from the same address is answered with a code, unless a process was
/// frozen.
pub fn one_at_a_time(schedule: &Schedule, wrong: &mut Vec<String>) {
    let all = schedule.facts().asked.clone();
    let sent: Vec<_> = all
        .iter()
        .filter(|asked| asked.delivery.as_deref() == Some("sent"))
        .collect();
    let frozen = schedule.frozen();
    for (number, one) in sent.iter().enumerate() {
        for other in &sent[number + 1..] {
            let same =
                (one.person, one.purpose, one.from) == (other.person, other.purpose, other.from);
            let side_by_side = one.at < other.done && other.at < one.done;
            let awake = !frozen.contains(&one.process) && !frozen.contains(&other.process);
            if same && side_by_side && awake {
                let (one, other) = (one.process, other.process);
                wrong.push(format!(
                    "processes {one} and {other} sent a code to one phone at the same time"
                ));
            }
        }
    }
}

/// Whether the caller of this call has to take its message for sent, whatever became of it.
fn may_be_out(send: &SendCall) -> bool {
    !matches!(send.seen, Seen::Refused | Seen::NotLeft)
}

/// Whoever is refused by the phone's own limits is refused because of messages that can have been sent, or that are under way.
pub fn refuse_with_reason(schedule: &Schedule, wrong: &mut Vec<String>) {
    let all = schedule.facts().asked.clone();
    let refused = all
        .iter()
        .filter(|asked| schedule.has_account(asked.person));
    for asked in refused.filter(|asked| asked.status == 429) {
        let phone = digits(asked.person);
        let ledger = schedule.universe.ledger();
        let sends = ledger.sends.iter().filter(|send| send.phone == phone);
        let since = match asked.limit.as_deref() {
            // A reservation lasts until its request's deadline and some seconds more.
            Some("cooldown") => Duration::from_secs(60),
            Some("window") => WINDOW,
            _ => continue,
        };
        // A send counts as late as its request can have ended.
        let since = asked.at.saturating_sub(since + SLACK);
        let reasons = sends.filter(|send| send.at <= asked.done && send.at >= since);
        let reasons = reasons.filter(|send| may_be_out(send));
        let needed = if asked.limit.as_deref() == Some("window") {
            3
        } else {
            1
        };
        let found = reasons.count() + schedule.died_asking(asked.person, since);
        if found < needed {
            let (process, limit) = (asked.process, &asked.limit);
            wrong.push(format!("process {process} was refused by {limit:?}, and {found} messages can have been sent"));
        }
    }
}
