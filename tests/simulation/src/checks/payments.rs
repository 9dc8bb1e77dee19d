//! Promise 1 and the order of money facts: what was accepted ends, once, in time, and nobody is asked to pay what is paid.
use std::collections::BTreeMap;
use std::time::Duration;

use local::simulator::InboxMessage;
use serde_json::Value;

use super::bridges;
use crate::bench::{Bench, START};
use crate::facts::Told;
use crate::ledger::Seen;
use crate::schedule::Schedule;
use crate::shop::{self, Event};

/// How long a claim lives, with what clocks differ and a request takes on its way.
const CLAIM: Duration = Duration::from_secs(15 + 5 + 2 + 6);
/// "Please pay" is of use for so long before a payment expires.
const TIME_TO_PAY: Duration = Duration::from_secs(5 * 60);

/// A notice as it is stored at the end.
pub(super) struct Stored {
    pub payment: String,
    pub id: String,
    state: String,
    message_id: String,
    due: bool,
}

/// All checks of payments.
pub fn check(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    let items = bench.items("PaymentsTable").unwrap_or_default();
    let stored = notices(&items);
    let messages = schedule.messages();
    let told = schedule.facts().told.clone();
    bridges::check(schedule, &items, &stored, wrong);
    accepted_is_kept(&told, &stored, wrong);
    ends_are_true(schedule, &stored, &messages, wrong);
    replies_are_true(schedule, &told, &messages, wrong);
    receipts_are_heeded(schedule, &stored, wrong);
    one_notice_at_a_time(schedule, wrong);
    nobody_pays_twice(&told, &messages, wrong);
    nothing_comes_too_late(schedule, &items, &stored, wrong);
    nothing_goes_out_after_what_ends_it(schedule, (&told, &stored), wrong);
}

fn notices(items: &[Value]) -> Vec<Stored> {
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    let notices = items
        .iter()
        .filter(|item| text(item, "item").starts_with("notice#"));
    notices
        .map(|item| Stored {
            payment: text(item, "payment_id"),
            id: text(item, "item").trim_start_matches("notice#").to_owned(),
            state: text(item, "state"),
            message_id: text(item, "message_id"),
            due: !item["due_at"].is_null(),
        })
        .collect()
}

/// An event that was answered with 200 or 202 is in the table, and has ended.
fn accepted_is_kept(told: &[Told], stored: &[Stored], wrong: &mut Vec<String>) {
    for told in told {
        if !matches!(told.status, 0 | 200 | 202 | 404 | 409 | 429 | 503) {
            wrong.push(format!(
                "event {} was answered {}",
                told.process, told.status
            ));
        }
        let (Some(notice), 200 | 202) = (&told.notice, told.status) else {
            continue;
        };
        let name = shop::name(told.payment);
        if !stored
            .iter()
            .any(|one| one.payment == name && one.id == *notice)
        {
            wrong.push(format!("{name} {notice} was accepted and is not kept"));
        }
    }
    for one in stored {
        let is_end = matches!(
            one.state.as_str(),
            "sent" | "superseded" | "expired" | "dead"
        );
        if !is_end || one.due {
            wrong.push(format!(
                "{} {} does not end: {}",
                one.payment, one.id, one.state
            ));
        }
    }
}

/// What is `sent` was taken by a gateway or arrived; what is not was not taken. Every notice has one message.
fn ends_are_true(
    schedule: &Schedule,
    stored: &[Stored],
    messages: &[InboxMessage],
    wrong: &mut Vec<String>,
) {
    let ledger = schedule.universe.ledger();
    for one in stored {
        let name = format!("{} {}", one.payment, one.id);
        let mut sends = ledger.sends.iter().filter(|send| send.id == one.message_id);
        let taken = sends.any(|send| send.seen == Seen::Taken);
        let arrived = messages.iter().any(|message| message.id == one.message_id);
        if one.state == "sent" && !taken && !arrived {
            wrong.push(format!("{name} is `sent`, and no gateway has taken it"));
        }
    }
    // The same words under two ids may be two notices: a warning that the shop asks for, and one that comes by itself.
    for message in messages
        .iter()
        .filter(|message| payment_of(&message.text).is_some())
    {
        if !stored.iter().any(|one| one.message_id == message.id) {
            wrong.push(format!(
                "{} shows a notice under an id that is not its own: {:?}",
                message.phone, message.text
            ));
        }
    }
}

/// A reply that says `sent` is true.
fn replies_are_true(
    schedule: &Schedule,
    told: &[Told],
    messages: &[InboxMessage],
    wrong: &mut Vec<String>,
) {
    let ledger = schedule.universe.ledger();
    let said = told
        .iter()
        .filter(|told| told.state.as_deref() == Some("sent"));
    for told in said {
        let name = shop::name(told.payment);
        let about = ledger
            .sends
            .iter()
            .filter(|send| payment_of(&send.text) == Some(name.as_str()));
        let mut before = about.filter(|send| send.at <= told.done);
        // Of a process that died after its message only the receipt tells.
        let done = told.done.as_millis() as u64;
        let arrived = |id: &str| {
            messages
                .iter()
                .any(|message| message.id == id && message.at_ms <= done)
        };
        if !before.any(|send| send.seen == Seen::Taken || arrived(&send.id)) {
            wrong.push(format!(
                "event {} said `sent`, and no gateway has taken it",
                told.process
            ));
        }
    }
}

/// Of one payment no two notices are on their way to a gateway at the same time: who sends has the payment's claim.
fn one_notice_at_a_time(schedule: &Schedule, wrong: &mut Vec<String>) {
    let frozen = schedule.frozen();
    let ledger = schedule.universe.ledger();
    let notices: Vec<_> = ledger
        .sends
        .iter()
        .filter_map(|send| Some((payment_of(&send.text)?, send, send.done?)))
        .filter(|(_, send, _)| !frozen.contains(&send.process))
        .collect();
    for (number, (payment, one, done)) in notices.iter().enumerate() {
        for (other_payment, other, other_done) in &notices[number + 1..] {
            let same = payment == other_payment && one.process != other.process;
            if same && one.at < *other_done && other.at < *done {
                wrong.push(format!(
                    "processes {} and {} sent notices of {payment} at the same time, at {:?} and {:?}",
                    one.process, other.process, one.at, other.at
                ));
            }
        }
    }
}

/// A notice whose receipt was taken does not go out again.
fn receipts_are_heeded(schedule: &Schedule, stored: &[Stored], wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    for one in stored {
        // What the way has brought twice may arrive although its sender was told that it did not.
        let mut sends = ledger.sends.iter();
        if sends.any(|send| send.id == one.message_id && send.doubled) {
            continue;
        }
        let mut receipts = ledger
            .receipts
            .iter()
            .filter(|receipt| receipt.ids.contains(&one.message_id))
            .filter(|receipt| ledger.is_heard(receipt, &one.message_id));
        let Some(first) = receipts.next() else {
            continue;
        };
        // Whoever has it in hand just then does not hear of the receipt.
        let again = ledger.sends.iter().filter(|send| send.id == one.message_id);
        for send in again.filter(|send| send.at > first.at + CLAIM) {
            let frozen = ledger.was_frozen(send.process);
            if !frozen {
                wrong.push(format!(
                    "{} {} was sent at {:?}, and its receipt was taken at {:?}",
                    one.payment, one.id, send.at, first.at
                ));
            }
        }
    }
}

/// The payment that a message is about.
fn payment_of(text: &str) -> Option<&str> {
    let number = text.split("Nomor pembayaran: ").nth(1)?;
    number.split_whitespace().next()
}

/// Whether a message asks somebody to pay.
fn asks_to_pay(text: &str) -> bool {
    text.contains("menunggu pembayaran") || text.contains("batas waktunya sudah dekat")
}

/// Whether a message says that the money has come.
fn says_paid(text: &str) -> bool {
    text.contains("sudah kami terima")
}

/// Nobody reads "please pay" after "paid".
///
/// Where "paid" came before "created" was told, the shop itself is out of order, and nothing asks to pay either.
fn nobody_pays_twice(told: &[Told], messages: &[InboxMessage], wrong: &mut Vec<String>) {
    let mut paid: BTreeMap<&str, u64> = BTreeMap::new();
    for message in messages.iter().filter(|message| says_paid(&message.text)) {
        if let Some(payment) = payment_of(&message.text) {
            paid.entry(payment).or_insert(message.at_ms);
        }
    }
    for message in messages.iter().filter(|message| asks_to_pay(&message.text)) {
        let Some(payment) = payment_of(&message.text) else {
            continue;
        };
        if let Some(paid) = paid.get(payment)
            && *paid < message.at_ms
        {
            let events = told
                .iter()
                .filter(|told| shop::name(told.payment) == payment);
            let events: Vec<_> = events.map(|told| (told.process, told.event)).collect();
            wrong.push(format!(
                "{payment}: \"please pay\" came at {} after \"paid\" at {paid}: {events:?}",
                message.at_ms
            ));
        }
    }
}

/// Nothing that asks to pay is handed to a gateway when it is too late to pay.
fn nothing_comes_too_late(
    schedule: &Schedule,
    items: &[Value],
    stored: &[Stored],
    wrong: &mut Vec<String>,
) {
    let ledger = schedule.universe.ledger();
    for one in stored {
        let payment = items.iter().find(|item| {
            item["item"]["S"] == "payment" && item["payment_id"]["S"] == one.payment.as_str()
        });
        let pay_by = payment.and_then(|item| item["pay_by"]["N"].as_str()?.parse::<i64>().ok());
        let Some(pay_by) = pay_by else { continue };
        let last = pay_by - START.millis() - TIME_TO_PAY.as_millis() as i64;
        for send in ledger.sends.iter().filter(|send| send.id == one.message_id) {
            let late_ms = send.at.as_millis() as i64 - last;
            // Clocks differ by up to two seconds.
            if asks_to_pay(&send.text) && late_ms > CLAIM.as_millis() as i64 {
                wrong.push(format!(
                    "{} {} was sent {late_ms} ms too late",
                    one.payment, one.id
                ));
            }
        }
    }
}

/// Once a payment is over, nothing more asks for it, but for what was under way just then.
fn nothing_goes_out_after_what_ends_it(
    schedule: &Schedule,
    (told, stored): (&[Told], &[Stored]),
    wrong: &mut Vec<String>,
) {
    let facts = schedule.facts();
    let by_shop = told.iter().filter(|told| {
        let ends = matches!(told.event, Event::Success | Event::Status(_));
        ends && told.notice.is_some() && matches!(told.status, 200 | 202)
    });
    let by_shop = by_shop.map(|told| (told.payment, told.done));
    let by_gateway = facts.posted.iter().filter(|posted| {
        posted.post.news.ends_it() && posted.status == 200 && posted.ignored.is_none()
    });
    let by_gateway = by_gateway.map(|posted| (posted.payment, posted.done));
    let ledger = schedule.universe.ledger();
    for (payment, done) in by_shop.chain(by_gateway) {
        let name = shop::name(payment);
        for one in stored.iter().filter(|one| one.payment == name) {
            let sends = ledger.sends.iter().filter(|send| send.id == one.message_id);
            for send in sends.filter(|send| asks_to_pay(&send.text) && send.at > done + CLAIM) {
                wrong.push(format!(
                    "{name} {} was sent at {:?}, and the payment was over at {done:?}",
                    one.id, send.at
                ));
            }
        }
    }
}
