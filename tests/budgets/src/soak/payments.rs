//! A payment system that posts events, and the webhooks of two payment gateways.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use tokio::time::sleep;

use super::book::Book;
use super::system::{Ask, System};

/// The amount of every payment.
const AMOUNT: u64 = 150_000;
/// How often an event is posted until it is taken.
const TRIES: u32 = 8;

/// Before the number of a payment.
const ID: &str = "SOAK-";

/// The phone of whoever makes a payment; nobody signs up with it.
pub fn phone(payment: &str) -> String {
    let number: u64 = payment.trim_start_matches(ID).parse().unwrap_or_default();
    format!("0813{:08}", 10_000_000 + number)
}

/// The payment system.
#[derive(Debug)]
pub struct Payments {
    entropy: Entropy,
    next: AtomicU64,
}

impl Payments {
    /// No payments yet.
    pub fn new(seed: u64) -> Self {
        Self {
            entropy: Entropy::seeded(seed),
            next: AtomicU64::new(0),
        }
    }

    /// One payment: it is made, and most are paid a while later.
    pub async fn act(&self, system: &System, book: &Book) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("{ID}{number}");
        let now = Clock::system().now();
        let ends = now.plus(Duration::from_secs(60 * (18 + self.entropy.below(60))));
        let created = json!({
            "phone": phone(&id), "customerName": "Siti", "amount": AMOUNT,
            "currency": "IDR", "method": "QRIS", "paymentUrl": "https://pay.example/i/42", "expiresAt": ends.rfc3339(),
        });
        if !post(
            system,
            book,
            "POST /api/payments/{paymentId}/created",
            (&id, created),
        )
        .await
        {
            return;
        }
        sleep(Duration::from_millis(self.entropy.below(40_000))).await;
        match self.entropy.below(10) {
            0..3 => {
                post(
                    system,
                    book,
                    "POST /api/payments/{paymentId}/success",
                    (&id, json!({})),
                )
                .await;
            }
            3 => {
                let midtrans = json!({ "order_id": id, "gross_amount": format!("{AMOUNT}.00") });
                bridge(system, book, "midtrans", (&id, midtrans)).await;
            }
            4 => {
                let xendit = json!({ "external_id": id, "amount": AMOUNT, "paid_amount": AMOUNT });
                bridge(system, book, "xendit", (&id, xendit)).await;
            }
            5 => {
                let status = json!({ "status": "cancelled", "reason": "Barang habis" });
                post(
                    system,
                    book,
                    "POST /api/payments/{paymentId}/status",
                    (&id, status),
                )
                .await;
            }
            6 => {
                const WARN: &str = "POST /api/payments/{paymentId}/expiry-warning";
                post(system, book, WARN, (&id, json!({}))).await;
            }
            // Warnings follow by themselves.
            _ => {}
        }
    }
}

/// Posts an event until it is taken.
async fn post(
    system: &System,
    book: &Book,
    route: &'static str,
    (id, body): (&str, Value),
) -> bool {
    let (_, path) = route.split_once(' ').unwrap_or_default();
    for again in 0..TRIES {
        let mut ask = Ask::json(route, &body);
        ask.path = Some(path.replace("{paymentId}", id));
        ask.headers.push(system.as_payment_system());
        let answer = system.ask(book, ask).await;
        match answer.status {
            200 | 202 => {
                book.add_payment(id);
                return true;
            }
            400..500 if answer.status != 429 => {
                book.add_oddity(&format!("an event was refused: {}", answer.error()));
                return false;
            }
            _ => sleep(Duration::from_secs(1 << again)).await,
        }
    }
    book.add_oddity("an event was not taken");
    false
}

/// Has a payment gateway post its webhook until it is taken.
async fn bridge(system: &System, book: &Book, name: &str, (id, body): (&str, Value)) {
    for again in 0..TRIES {
        let begun = book.now();
        let answer = system
            .ask_sim(&format!("/sim/payments/{name}"), Some(&body))
            .await;
        let status = answer.json["status"].as_u64().unwrap_or_default();
        if answer.status == 200 {
            let status = u16::try_from(status).unwrap_or_default();
            let error = answer.json["reply"]["error"].as_str().unwrap_or_default();
            book.add_request(
                begun,
                "POST /api/webhooks/{gateway}/{address}",
                (status, error),
            );
        }
        if status == 200 {
            book.add_payment(id);
            if let Some(ignored) = answer.json["reply"]["data"]["ignored"].as_str() {
                book.add_oddity(&format!("a webhook of {name} was ignored: {ignored}"));
            }
            return;
        }
        sleep(Duration::from_secs(1 << again)).await;
    }
    book.add_oddity("a webhook was not taken");
}
