//! The chats that people open: whoever is refused because WhatsApp lets the account write to nobody new is asked to write first.
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::facts::{Offered, Written};
use crate::people::digits;
use crate::schedule::Schedule;
use crate::universe::Purpose;

/// What somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// What they were asked to write last.
    Asked,
    /// What somebody else was asked to write.
    OfOthers,
    /// What has a word in it that nobody was given.
    Made,
}

/// Reads the chat that a refusal offers.
pub fn note_offer(schedule: &Schedule, (process, person): (u32, u32), data: &Value) {
    let Some(link) = data["openChat"].as_str() else {
        return;
    };
    let offer = link.strip_prefix("https://wa.me/");
    let offer = offer.and_then(|offer| offer.split_once("?text="));
    let session = offer.and_then(|(number, _)| schedule.stage.session_of(number));
    let (Some((_, text)), Some(session)) = (offer, session) else {
        let wrong = format!("process {process} offers a chat that nobody can open: {link}");
        schedule.universe.ledger().wrong.push(wrong);
        return;
    };
    schedule.facts().offered.push(Offered {
        person,
        at: schedule.universe.time(),
        session,
        text: text.replace("%20", " "),
    });
}

/// Somebody writes to the session that they were told, perhaps twice.
pub async fn write(schedule: &Arc<Schedule>, step: u32, (person, text): (u32, Text)) {
    let mut dice = schedule.universe.dice(Purpose::Step, step, 1);
    let Some((session, text)) = what_to_write(schedule, person, text) else {
        return;
    };
    let times = if dice.chance(0.2) { 2 } else { 1 };
    for _ in 0..times {
        write_once(schedule, (step, person), &session, &text);
        sleep(Duration::from_millis(dice.below(3_000))).await;
    }
}

fn write_once(schedule: &Schedule, (step, person): (u32, u32), session: &str, text: &str) {
    let wrote = format_args!("person {person} writes to {session}");
    schedule.universe.note(step, wrote);
    schedule.facts().written.push(Written {
        person,
        at: schedule.universe.time(),
        session: session.to_owned(),
        text: text.to_owned(),
    });
    let gateway = &schedule.stage.gateways[0];
    let wrote = gateway.incoming(session, &digits(person), text);
    wrote.expect("a session");
}

fn what_to_write(schedule: &Schedule, person: u32, text: Text) -> Option<(String, String)> {
    let facts = schedule.facts();
    let mut offered = facts.offered.iter().rev();
    let last = offered.find(|offered| match text {
        Text::Asked | Text::Made => offered.person == person,
        Text::OfOthers => offered.person != person,
    })?;
    let text = match text {
        Text::Made => "My code, please: K7QPM-2XWZR".to_owned(),
        Text::Asked | Text::OfOthers => last.text.clone(),
    };
    Some((last.session.clone(), text))
}
