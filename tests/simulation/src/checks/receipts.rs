//! Promise 9: what the record of a message says of its arrival is what its receipts have said, and no more.
use serde_json::Value;

use crate::bench::Bench;
use crate::ledger::SendCall;
use crate::people;
use crate::schedule::Schedule;

/// A message that a phone never got is not recorded as delivered; one whose receipt was taken is.
pub fn check(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    let records = bench.items("DeliveriesTable").unwrap_or_default();
    let messages = schedule.messages();
    let ledger = schedule.universe.ledger();
    // A receipt without a record has no session, and the messages of a request have an item of their own.
    for record in records.iter().filter(|record| !record["session"].is_null()) {
        let text = |name: &str| record[name]["S"].as_str().unwrap_or_default();
        let (id, is_delivered) = (text("message_id"), !record["delivered_at"].is_null());
        let arrived = messages.iter().find(|message| message.id == id);
        // Whoever types a code right has a message with it: the last one that carried it counts as delivered.
        let is_same_code = |send: &&SendCall| {
            let code = people::code_in(&send.text);
            let mut arrived = messages.iter().filter(|one| one.phone == send.phone);
            send.id == id && code.is_some() && arrived.any(|one| people::code_in(&one.text) == code)
        };
        let has_code = || ledger.sends.iter().any(|send| is_same_code(&send));
        if is_delivered && arrived.is_none() && !has_code() {
            wrong.push(format!(
                "{id} is recorded as delivered, and no phone has it"
            ));
        }
        // A receipt counts for messages of the session that tells it.
        let is_own = arrived.is_some_and(|message| message.session == text("session"));
        let mut receipts = ledger.receipts.iter();
        let is_told = receipts.any(|receipt| {
            receipt.ids.iter().any(|told| told == id) && ledger.is_heard(receipt, id)
        });
        if is_own && is_told && !is_delivered && is_taken(record) {
            wrong.push(format!(
                "the receipt of {id} was taken, and it is not recorded"
            ));
        }
    }
}

/// Whether the record is of a message that its session has taken.
fn is_taken(record: &Value) -> bool {
    record["outcome"]["S"] == "sent"
}
