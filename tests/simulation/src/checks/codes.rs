//! Codes: what replies say of them, and what they open.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use local::simulator::InboxMessage;

use crate::facts::Asked;
use crate::ledger::{Seen, SendCall};
use crate::people::code_in;
use crate::schedule::Schedule;

/// The longest that a request for a code takes, with what the tables and the way add to the 15 s that it aims at.
const PATIENCE: Duration = Duration::from_secs(20);

/// Promise 7 and "no reply lies": what a reply says of its message is what the wires have seen of it.
pub fn replies_are_true(schedule: &Schedule, wrong: &mut Vec<String>) {
    let messages = schedule.messages();
    let facts = schedule.facts();
    for asked in facts
        .asked
        .iter()
        .filter(|asked| schedule.has_account(asked.person))
    {
        let sends: Vec<_> = schedule
            .universe
            .ledger()
            .sends_of(asked.process)
            .cloned()
            .collect();
        let was_taken = sends.iter().any(|send| send.seen == Seen::Taken);
        let is_unclear = sends
            .iter()
            .any(|send| matches!(send.seen, Seen::Unclear | Seen::Nothing));
        let arrived = messages
            .iter()
            .any(|message| sends.iter().any(|send| send.id == message.id));
        let who = format!("process {} ({:?})", asked.process, asked.purpose);
        match (asked.status, asked.delivery.as_deref()) {
            (200, Some("sent")) if !was_taken => {
                wrong.push(format!(
                    "{who} said `sent`, and no gateway has taken its message"
                ));
            }
            (200, Some("unconfirmed")) if was_taken => {
                wrong.push(format!(
                    "{who} said `unconfirmed`, and a gateway told it that the message was taken"
                ));
            }
            (200, Some("unconfirmed")) if !is_unclear => {
                wrong.push(format!(
                    "{who} said `unconfirmed`, and every answer was clear: {sends:?}"
                ));
            }
            (200, None) => wrong.push(format!("{who} said 200 and nothing of the delivery")),
            (503 | 429 | 400, _)
                if asked.charged == Some(false) && arrived && is_own(asked, &sends, schedule) =>
            {
                wrong.push(format!(
                    "{who} said that nothing was sent, and the phone has its message"
                ));
            }
            _ => {}
        }
    }
}

/// Whether a message is only this request's: a code that is sent again keeps its id, and then an earlier request may have sent it.
/// Nor can anybody know what became of a request that the way brought twice.
fn is_own(asked: &Asked, sends: &[SendCall], schedule: &Schedule) -> bool {
    let others = &schedule.universe.ids_of_others(asked.process);
    sends
        .iter()
        .all(|send| !send.doubled && !others.contains(&send.id))
}

/// Promise 7: every request ends in time, unless its process was killed or frozen.
pub fn replies_are_in_time(schedule: &Schedule, wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    for served in ledger
        .served
        .iter()
        .filter(|served| !served.frozen && served.ended)
    {
        let is_code = served.function.starts_with("auth-");
        if is_code && served.took > PATIENCE {
            let (function, process) = (served.function, served.process);
            wrong.push(format!("{function} ({process}) took {:?}", served.took));
        }
    }
    drop(ledger);
    for asked in &schedule.facts().asked {
        if !matches!(asked.status, 0 | 200 | 400 | 429 | 503) {
            wrong.push(format!(
                "process {} answered {}",
                asked.process, asked.status
            ));
        }
    }
}

/// Promise 5: all sends of one request are the same message, and one person never has two codes that work.
pub fn one_message_per_request(schedule: &Schedule, wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    let mut known: BTreeMap<(u32, &str), BTreeSet<(&str, &str)>> = BTreeMap::new();
    for send in &ledger.sends {
        // A request whose first session is in trouble may go elsewhere: the same message.
        let key = (send.process, send.phone.as_str());
        known.entry(key).or_default().insert((&send.id, &send.text));
    }
    for ((process, phone), messages) in known {
        let is_code = messages.iter().all(|(_, text)| code_in(text).is_some());
        if is_code && messages.len() > 1 {
            wrong.push(format!(
                "process {process} sent {phone} several messages: {messages:?}"
            ));
        }
    }
}

/// Promise 6: per code and challenge id five guesses are compared, and a code opens one login.
///
/// An id that a client keeps while it asks again can get another code, which has tries of its own: so each request allows five.
pub fn guesses_are_few_and_codes_work_once(schedule: &Schedule, wrong: &mut Vec<String>) {
    let facts = schedule.facts();
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    let mut logins: BTreeMap<(u32, &str), BTreeSet<&str>> = BTreeMap::new();
    for guessed in &facts.guessed {
        if guessed.compared {
            *compared.entry(&guessed.challenge).or_default() += 1;
        }
        if let Some(login) = &guessed.login {
            let key = (guessed.person, guessed.code.as_str());
            logins.entry(key).or_default().insert(login);
        }
        if !matches!(guessed.status, 0 | 200 | 400 | 429 | 503) {
            wrong.push(format!(
                "guess {} was answered {}",
                guessed.process, guessed.status
            ));
        }
    }
    for (challenge, compared) in compared {
        let asks = facts.asked.iter().filter(|asked| {
            let ids = [asked.shown.as_deref(), asked.challenge.as_deref()];
            ids.contains(&Some(challenge))
        });
        if compared > 5 * asks.count().max(1) {
            let challenge = &challenge[..4];
            wrong.push(format!(
                "under {challenge}… {compared} wrong guesses were compared"
            ));
        }
    }
    for ((person, code), logins) in logins {
        if logins.len() > 1 {
            wrong.push(format!(
                "the code {code} of person {person} opened {} logins",
                logins.len()
            ));
        }
    }
}

/// Once the life of a code is over, or it was used, another one comes: the same digits come back once in a million times.
pub fn old_codes_do_not_come_back(schedule: &Schedule, wrong: &mut Vec<String>) {
    /// A code lives for ten minutes from its acceptance, which may come late.
    const LIFE_MS: u64 = 11 * 60 * 1_000;
    let messages = schedule.messages();
    for (number, last) in messages.iter().enumerate() {
        let Some(code) = code_in(&last.text) else {
            continue;
        };
        let earlier = messages[..number]
            .iter()
            .filter(|message| message.phone == last.phone);
        for old in earlier.filter(|message| message.at_ms + LIFE_MS < last.at_ms) {
            if code_in(&old.text) == Some(code)
                && !is_repeated(&messages, (old.at_ms, last.at_ms), code)
            {
                wrong.push(format!(
                    "{} got {code} at {} and again at {}",
                    last.phone, old.at_ms, last.at_ms
                ));
            }
        }
    }
}

/// Whether a code came in between, too: a message that a gateway holds back comes late.
fn is_repeated(messages: &[InboxMessage], (from, to): (u64, u64), code: &str) -> bool {
    let between = |message: &&InboxMessage| from < message.at_ms && message.at_ms < to;
    let mut between = messages.iter().filter(between);
    between.any(|message| code_in(&message.text) == Some(code))
}

/// Nothing that went wrong keeps anybody from a code once all is well.
///
/// Whoever asks first may have to ask again a minute later, and nobody else.
pub fn everybody_gets_a_code_in_the_end(schedule: &Schedule, wrong: &mut Vec<String>) {
    let facts = schedule.facts();
    for person in 0..schedule.plan.world.people {
        let mut asked = facts.asked.iter().rev();
        let last =
            asked.find(|asked| asked.person == person && schedule.is_last_request(asked.process));
        let delivery = last.and_then(|last| last.delivery.as_deref());
        if delivery != Some("sent") {
            wrong.push(format!("person {person} got no code in the end: {last:?}"));
        }
    }
}
