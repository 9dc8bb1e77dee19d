//! One test message, and its receipt: the whole way, there and back.
use std::io;
use std::time::Duration;

use shared::gateway::{GatewayError, TextMessage};
use shared::model::identifier::Identifier;
use shared::model::phone::Phone;
use shared::platform::timestamp::Timestamp;
use shared::sender::classify::{Observation, classify};
use shared::sender::message_id;
use shared::store::StoreError;
use shared::store::batch::Batches;
use shared::store::deliveries::{Cause, Deliveries, DeliveryItem};

use super::checkup::{Checkup, said};

/// The longest wait for the answer to a send.
const SEND_MAX: Duration = Duration::from_secs(30);
/// The longest wait for the receipt.
const RECEIPT_MAX: Duration = Duration::from_secs(30);
/// How often the record of the message is read.
const READ_EVERY: Duration = Duration::from_millis(500);
/// How often it is told that the receipt is not there yet.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// What the lines are called.
const MESSAGE: &str = "test message";
const RECEIPT: &str = "receipt";

impl Checkup<'_, '_> {
    /// Sends the test message, if one was asked for, and waits for its receipt.
    pub(super) async fn trial(&mut self, usable: bool, posts_here: bool) -> io::Result<()> {
        let Some(phone) = self.orders.to else {
            return Ok(());
        };
        if !usable {
            return self.lines.left_out(MESSAGE, "the session cannot send");
        }
        if self.orders.dry_run {
            return self.lines.left_out(
                MESSAGE,
                &format!("{phone} would get one, were this no dry run"),
            );
        }
        let id = message_id(&self.backends.entropy);
        let Some(began) = self.send_trial(phone, &id).await? else {
            return Ok(());
        };
        if self.target.name.is_none() {
            return self.lines.left_out(
                RECEIPT,
                "it goes to the deployment of a session: check the session by its name",
            );
        }
        if !posts_here {
            let found = "none can come, since the webhook of the session does not go here";
            return self
                .lines
                .wrong_with(RECEIPT, found, "Set the webhook first: --set-webhook");
        }
        self.await_receipt(&id, began).await
    }

    /// Answers when the send began, if the gateway took the message.
    async fn send_trial(&mut self, phone: &Phone, id: &str) -> io::Result<Option<Timestamp>> {
        let Some(token) = self.target.token.clone() else {
            return Ok(None);
        };
        let language = Identifier::Phone(phone.clone()).language();
        let message = TextMessage {
            phone: phone.clone(),
            jid: None,
            body: self.backends.settings.brand.trial_message(language),
            id: id.to_owned(),
        };
        let began = self.backends.clock.now();
        let sent = self.target.gateway.send_text(&token, &message, SEND_MAX);
        let (sent, ms) = self.timed(sent).await;
        let outcome = match &sent {
            Ok(_) => "sent",
            Err(GatewayError::Refused { .. } | GatewayError::Unreachable(_)) => "not_sent",
            Err(_) => "unknown",
        };
        if let Err(error) = self.keep(phone, (id, outcome), began).await {
            let fix = "Its receipt finds no record then: look at the database";
            self.lines.wrong_with("record", &error.to_string(), fix)?;
        }
        match sent {
            Ok(_) => {
                self.lines.good(
                    MESSAGE,
                    &format!("WhatsApp took it for {phone}, in {ms} ms"),
                )?;
                Ok(Some(began))
            }
            Err(error) => {
                let (found, fix) = not_taken(phone, &error);
                self.lines.wrong_with(MESSAGE, &found, fix)?;
                Ok(None)
            }
        }
    }

    /// Keeps the record of the message, which its receipt goes to. A gateway of no deployment has none.
    async fn keep(
        &self,
        phone: &Phone,
        (id, outcome): (&str, &str),
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(session) = &self.target.name else {
            return Ok(());
        };
        let record = DeliveryItem {
            message_id: id,
            purpose: "trial",
            phone,
            cause: &Cause::default(),
            session,
            tried: vec![session],
            outcome,
            reason: None,
            steps: Vec::new(),
            chat_offered: false,
            at,
        };
        Deliveries::of(self.backends).keep(record).await.map(drop)
    }

    async fn await_receipt(&mut self, id: &str, began: Timestamp) -> io::Result<()> {
        let ends = self.backends.clock.now().plus(RECEIPT_MAX);
        let mut tell_at = self.backends.clock.now();
        loop {
            let now = self.backends.clock.now();
            match self.delivered_at(id).await {
                Ok(Some(_)) => {
                    // What the gateway says of the time is in whole seconds.
                    let seconds = now.since(began).as_secs_f64();
                    let found = format!(
                        "the phone has it; that was known here {seconds:.1} s after the send began"
                    );
                    return self.lines.good(RECEIPT, &found);
                }
                Ok(None) => {}
                Err(error) => {
                    let fix = "Look at the database, and check again";
                    return self.lines.wrong_with(RECEIPT, &error.to_string(), fix);
                }
            }
            if now >= ends {
                let found = format!("none came within {} s", RECEIPT_MAX.as_secs());
                let fix = "Look whether the phone is on and has the message. If it has, the gateway cannot reach the \
                           webhook's address, or signs with another key; if not, docs/gateway.md, \"What \\\"sent\\\" means\"";
                return self.lines.wrong_with(RECEIPT, &found, fix);
            }
            if now >= tell_at {
                let left = ends.since(now).as_secs();
                self.lines
                    .goes_on(RECEIPT, &format!("waiting for up to {left} s"))?;
                tell_at = now.plus(TELL_EVERY);
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    }

    async fn delivered_at(&self, id: &str) -> Result<Option<Timestamp>, StoreError> {
        let mut batch = Batches::new(self.backends).begin();
        let delivered_at = batch.add(Deliveries::of(self.backends).reading_delivered_at(id));
        let found = batch.read("read the record of a message").await?;
        delivered_at.from(&found)
    }
}

/// Why WhatsApp did not take the message, as far as that is known, and the fix.
fn not_taken(phone: &Phone, error: &GatewayError) -> (String, &'static str) {
    let said = said(error);
    match classify(error) {
        Observation::Restricted => (
            format!("WhatsApp lets the account write to nobody new, or to nobody: {said}"),
            "docs/gateway.md, \"Who writes first\", says what goes out then. Wait, and send less; a phone that the account has \
             written to may get one",
        ),
        Observation::NotOnWhatsApp => (
            format!("{phone} is not on WhatsApp"),
            "Give a phone that is",
        ),
        Observation::Lost | Observation::Unanswered => (
            said,
            "It may have gone out: look at the phone, and check again. If it lasts, restart the gateway's process",
        ),
        _ => (
            said,
            "Check again, which says how the session is by then. If it lasts, look at the gateway's log",
        ),
    }
}
