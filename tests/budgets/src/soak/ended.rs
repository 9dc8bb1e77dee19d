//! What is left after the silence: of notices, of places, of rows.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shared::platform::clock::Clock;
use tokio::time::{Instant, sleep};

use super::book::Book;
use super::minute::{Held, Rows};
use super::system::{Ask, System};

/// How far apart questions for a payment's notices are: the route takes fifty a second.
const BETWEEN: Duration = Duration::from_millis(22);
/// How late a notice may be: one that is due goes out with the schedule of the next minute, which takes up to a minute.
const LATE_MAX: Duration = Duration::from_secs(120);

/// How long places may take to pass by themselves: warnings go out in the silence as well, and a notice moves the pace by seconds.
const PASSES_WITHIN: Duration = Duration::from_secs(45);

/// What was found after the silence.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many notices have which state, and reason where they were not sent.
    pub states: BTreeMap<String, u64>,
    /// Those that neither ended nor wait for their time.
    pub stuck: Vec<String>,
    /// Those that were sent, with the ids of their messages.
    sent: Vec<(String, String)>,
    /// Those that were sent and are on no phone.
    pub missing: Vec<String>,
    /// Rows whose time was over, by table.
    pub overdue: BTreeMap<String, i64>,
    pub held: Held,
    /// Reservations of codes: all that were left, and those whose time has not passed.
    pub reservations: (usize, usize),
}

impl Ended {
    /// Asks for everything.
    ///
    /// # Errors
    /// When the system does not answer.
    pub async fn read(system: &System, book: &Book, rows: &Rows) -> anyhow::Result<Self> {
        let mut ended = Self {
            overdue: rows.overdue().await?,
            held: still_held(rows).await?,
            reservations: rows.reservations().await?,
            ..Self::default()
        };
        let again = ended.ask(system, book, book.payments()).await;
        if !again.is_empty() {
            // Whatever was on its way just then has an end by now.
            ended.stuck.clear();
            sleep(PASSES_WITHIN).await;
            ended.ask(system, book, again).await;
        }
        Ok(ended)
    }

    /// Asks what became of the notices of `payments`; answers those that have one which is stuck.
    async fn ask(&mut self, system: &System, book: &Book, payments: Vec<String>) -> Vec<String> {
        let mut again = Vec::new();
        for payment in payments {
            let mut ask = Ask::get("GET /api/payments/{paymentId}/notifications");
            ask.path = Some(format!("/api/payments/{payment}/notifications"));
            ask.headers.push(system.as_payment_system());
            let answer = system.ask(book, ask).await;
            let notices = answer.json["data"]["notices"].as_array();
            let Some(notices) = notices else {
                let refused = format!("{payment}: {} {}", answer.status, answer.error());
                self.stuck.push(refused);
                again.push(payment);
                continue;
            };
            let (stuck, states) = (self.stuck.len(), self.states.clone());
            for notice in notices {
                self.add(&payment, notice);
            }
            if self.stuck.len() > stuck {
                self.states = states;
                again.push(payment);
            }
            sleep(BETWEEN).await;
        }
        again
    }

    /// Finds the notices that are on no phone, once all phones were read.
    pub fn find_missing(&mut self, book: &Book) {
        let missing = self.sent.iter().filter(|(id, _)| !book.has_notice(id));
        self.missing = missing.map(|(_, name)| name.clone()).collect();
    }

    fn add(&mut self, payment: &str, notice: &Value) {
        let text = |name: &str| notice[name].as_str().unwrap_or_default();
        let (state, reason, next) = (text("state"), text("reason"), text("nextAttemptAt"));
        let name = format!("{payment} {} {state} {reason} {next}", text("notice"));
        // Texts of this form are ordered as the times are.
        let is_to_come = next > Clock::system().now().minus(LATE_MAX).rfc3339().as_str();
        match state {
            "sent" => self.sent.push((text("messageId").to_owned(), name)),
            "superseded" | "expired" | "unchanged" => {}
            "dead" if !reason.is_empty() => {}
            "queued" | "unknown" if is_to_come => {}
            _ => self.stuck.push(name),
        }
        let why = if state == "sent" { "" } else { reason };
        *self
            .states
            .entry(format!("{state} {why}").trim().to_owned())
            .or_default() += 1;
    }
}

/// What is held, once a moment was waited for at which nothing is.
async fn still_held(rows: &Rows) -> anyhow::Result<Held> {
    let until = Instant::now() + PASSES_WITHIN;
    loop {
        let held = rows.held().await?;
        if held == Held::default() || Instant::now() >= until {
            return Ok(held);
        }
        sleep(Duration::from_secs(1)).await;
    }
}
