//! What the shop does: it tells what happens to its payments.
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::facts::Told;
use crate::people::{address, digits};
use crate::schedule::Schedule;
use crate::stage::Ask;

/// The key of the shop.
pub const KEY: &str = "pay_the-key-of-the-shop";

/// What happens to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is made, and expires after so many minutes, if it does.
    Created(Option<u32>),
    /// It is paid.
    Success,
    /// It becomes something else.
    Status(&'static str),
    /// Its customer is to be reminded.
    Warning,
}

impl Event {
    /// The name of the notice that it becomes.
    pub fn notice(self) -> String {
        match self {
            Self::Created(_) => "created".into(),
            Self::Success => "success".into(),
            Self::Status(status) => format!("status.{status}"),
            Self::Warning => "expiry-warning".into(),
        }
    }
}

/// The name of a payment.
pub fn name(payment: u32) -> String {
    format!("INV-{payment}")
}

/// Whose payment it is.
pub const fn customer(payment: u32, people: u32) -> u32 {
    payment % people
}

/// How much is to be paid, in rupiah.
pub const fn amount(payment: u32) -> u64 {
    10_000 * (payment as u64 + 1)
}

/// The shop tells what happened to a payment, and perhaps does not wait for the first attempt.
pub async fn tell(
    schedule: &Arc<Schedule>,
    step: u32,
    (payment, event): (u32, Event),
    waits: bool,
) {
    let person = customer(payment, schedule.plan.world.people);
    let about = json!({
        "phone": digits(person), "customerName": "Siti", "amount": amount(payment), "currency": "IDR",
    });
    let (function, word, body) = match event {
        Event::Created(minutes) => {
            let mut body = about;
            if let Some(minutes) = minutes {
                let end = schedule
                    .stage
                    .now()
                    .plus(Duration::from_secs(60 * u64::from(minutes)));
                body["expiresAt"] = json!(end.rfc3339());
            }
            ("payment-created", "created", body)
        }
        Event::Success => ("payment-success", "success", about),
        Event::Status(status) => {
            let mut body = about;
            body["status"] = json!(status);
            ("payment-status-update", "status", body)
        }
        Event::Warning => ("payment-expiry-warning", "expiry-warning", json!({})),
    };
    let mut headers = vec![("authorization", format!("Bearer {KEY}"))];
    if !waits {
        headers.push(("prefer", "respond-async".to_owned()));
    }
    let ask = Ask {
        function,
        path: format!("/api/payments/{}/{word}", name(payment)),
        payment: Some(name(payment)),
        headers,
        content_type: "application/json",
        body: Some(body.to_string()),
        from: address(7),
    };
    let answer = schedule.stage.ask(step, ask).await;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let data = &answer.json["data"];
    schedule.facts().told.push(Told {
        process: step,
        payment,
        event,
        at: answer.at,
        done: answer.done,
        status: answer.status,
        notice: text(&data["notice"]),
        state: text(&data["state"]),
    });
}
