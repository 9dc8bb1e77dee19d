//! The one loop that runs the steps of a message: wait, send, see what happened, decide, again.
use std::time::Duration;

use super::classify::{Observation, classify};
use super::decide::{Progress, Step, decide};
use super::{Content, Delivery, Outcome, Outgoing, Place, Reason, Sender, StepTaken, cost_after};
use crate::gateway::{GatewayError, TextMessage};
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{Seen, SessionState, Slot};
use crate::timestamp::Timestamp;

/// No send starts with less time than this.
const SEND_MIN: Duration = Duration::from_secs(3);
/// What everything before a send leaves of the time.
pub(super) const SEND_ROOM: Duration = Duration::from_millis(3_100);
/// No send takes longer than this.
const SEND_MAX: Duration = Duration::from_secs(10);

/// How long one refused message speaks for those that go to nobody.
const RESTRICTED_LASTS: Duration = Duration::from_secs(600);

/// One message on its way.
pub(super) struct Run<'a> {
    pub(super) sender: &'a Sender,
    pub(super) place: Place,
    pub(super) message: Outgoing,
    pub(super) deadline: Timestamp,
    pub(super) steps: Vec<StepTaken>,
    cost: Option<Duration>,
}

pub(super) async fn deliver(
    sender: &Sender,
    place: Place,
    message: Outgoing,
    deadline: Timestamp,
) -> Delivery {
    let started = sender.clock.now();
    let mut run = Run {
        sender,
        place,
        message,
        deadline,
        steps: Vec::new(),
        cost: None,
    };
    let mut observation = match run.wait_for(run.place.at).await {
        Some(refusal) => refusal,
        None => run.send().await,
    };
    let mut progress = Progress::default();
    // `decide` ends every story after a stated number of observations.
    loop {
        let (next, step) = decide(progress, observation);
        progress = next;
        observation = match step {
            Step::Finish(outcome) => return run.finish(outcome, started),
            Step::Recover { gateway_was_down } => run.recover(gateway_was_down).await,
            Step::Send { after } => match run.queue_again(after).await {
                Some(refusal) => refusal,
                None => run.send().await,
            },
        };
    }
}

impl Run<'_> {
    /// Sends the message, once.
    async fn send(&mut self) -> Observation {
        let began = self.sender.clock.now();
        let left = self.deadline.since(began);
        if left < SEND_MIN {
            return Observation::OutOfTime;
        }
        let sent = self.hand_over(began, left.min(SEND_MAX)).await;
        let took = self.sender.clock.now().since(began);
        match sent {
            Ok(observation) => {
                let text = matches!(self.message.content, Content::Text(_));
                if text && observation == Observation::Sent {
                    self.cost = cost_after(self.place.cost, took);
                }
                self.tell(
                    match observation {
                        Observation::Sent => "send: taken",
                        Observation::Restricted => "send: the account was restricted lately",
                        _ => "send: the session is not usable",
                    },
                    took,
                );
                observation
            }
            Err(error) => {
                self.tell(format!("send: {error}"), took);
                let observation = classify(&error);
                if observation == Observation::NotOnWhatsApp {
                    // It is known sooner than a message is sent, and would tell that the number has an account.
                    self.pass_the_cost(began).await;
                }
                observation
            }
        }
    }

    async fn hand_over(
        &self,
        began: Timestamp,
        within: Duration,
    ) -> Result<Observation, GatewayError> {
        let (gateway, token) = (&self.sender.gateway, &self.place.token);
        match &self.message.content {
            Content::Text(body) => {
                let message = TextMessage {
                    phone: self.message.phone.clone(),
                    body: body.clone(),
                    id: self.message.message_id.clone(),
                };
                gateway.send_text(token, &message, within).await?;
            }
            Content::Nobody => {
                if !gateway.status(token, within).await?.usable() {
                    return Ok(Observation::SessionTrouble);
                }
                self.pass_the_cost(began).await;
                if self.is_restricted(began) {
                    return Ok(Observation::Restricted);
                }
            }
        }
        Ok(Observation::Sent)
    }

    /// Waits until a message that began at `began` would have been sent.
    async fn pass_the_cost(&self, began: Timestamp) {
        let end = began.plus(self.place.cost).min(self.deadline);
        tokio::time::sleep(self.sender.clock.until(end)).await;
    }

    /// Whether WhatsApp has lately kept the account from sending, which the status does not show.
    fn is_restricted(&self, now: Timestamp) -> bool {
        let seen = self.place.seen;
        seen.is_some_and(|seen| {
            seen.state == SessionState::Restricted && now.since(seen.at) < RESTRICTED_LASTS
        })
    }

    /// Pauses, then waits in a new place of the queue: a crowd that a recovery releases must not send all at once.
    /// Answers why there is no such place.
    async fn queue_again(&mut self, pause: Duration) -> Option<Observation> {
        let sender = self.sender;
        if let Some(refusal) = self.wait_for(self.now().plus(pause)).await {
            return Some(refusal);
        }
        let now = self.now();
        let wait_max = self.deadline.since(now).saturating_sub(SEND_ROOM);
        let cost = self.place.cost;
        let slot = sender
            .sessions
            .take_slot(&self.place.session, None, now, wait_max, cost);
        match tokio::time::timeout(sender.clock.until(self.deadline), slot).await {
            Ok(Ok(Slot::At(at))) => self.wait_for(at).await,
            Ok(Ok(Slot::Full(_))) => Some(Observation::QueueFull),
            // The queue keeps the pace and nothing else, so a message goes without it when the store fails.
            Ok(Err(error)) => {
                self.store_failed(&error);
                None
            }
            Err(_) => Some(Observation::OutOfTime),
        }
    }

    /// Sleeps until `at`, unless no send could follow.
    async fn wait_for(&mut self, at: Timestamp) -> Option<Observation> {
        let began = self.now();
        let wait = at.since(began);
        if self.deadline.since(began) < wait + SEND_MIN {
            return Some(Observation::OutOfTime);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            self.tell("wait", self.now().since(began));
        }
        None
    }

    /// The present time: read again after every wait, for the process may have been frozen meanwhile.
    pub(super) fn now(&self) -> Timestamp {
        self.sender.clock.now()
    }

    /// Adds to the story of the message.
    pub(super) fn tell(&mut self, what: impl Into<String>, took: Duration) {
        self.steps.push(StepTaken {
            what: what.into(),
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// The store only keeps the pace of a send and the knowledge about a session, so a failure stops nothing.
    pub(super) fn store_failed(&self, error: &StoreError) {
        tracing::error!(
            session = self.place.session,
            message_id = self.message.message_id,
            error = error as &dyn std::error::Error,
            "[WhatsApp System] the store failed beside a send"
        );
    }

    fn finish(self, outcome: Outcome, started: Timestamp) -> Delivery {
        let now = self.sender.clock.now();
        let to_nobody = matches!(self.message.content, Content::Nobody);
        let seen = shown(outcome, self.place.seen, to_nobody, now);
        let delivery = Delivery {
            outcome,
            session: self.place.session,
            message_id: self.message.message_id,
            purpose: self.message.purpose,
            phone: self.message.phone,
            started,
            steps: self.steps,
            to_nobody,
            cost: self.cost,
            seen,
        };
        log(&delivery, now.since(started));
        delivery
    }
}

/// What the end of a message shows about the session, when that is news or lasts.
fn shown(outcome: Outcome, seen: Option<Seen>, to_nobody: bool, now: Timestamp) -> Option<Seen> {
    let before = seen.map(|seen| seen.state);
    let state = match outcome {
        // The status is all that a message to nobody has seen.
        Outcome::Sent if to_nobody && before == Some(SessionState::Restricted) => return None,
        Outcome::Sent if before == Some(SessionState::Usable) => return None,
        Outcome::Sent => SessionState::Usable,
        Outcome::NotSent(Reason::Restricted) if to_nobody => return None,
        Outcome::NotSent(Reason::Restricted) => SessionState::Restricted,
        Outcome::NotSent(Reason::Misconfigured) => SessionState::Misconfigured,
        Outcome::NotSent(_) | Outcome::Unknown => return None,
    };
    let since = seen
        .filter(|seen| seen.state == state)
        .map_or(now, |seen| seen.since);
    let at = now;
    Some(Seen { state, since, at })
}

/// The message's line in the log.
fn log(delivery: &Delivery, took: Duration) {
    let steps: Vec<_> = delivery
        .steps
        .iter()
        .map(|step| format!("{} ({} ms)", step.what, step.elapsed_ms))
        .collect();
    tracing::info!(
        session = delivery.session,
        message_id = delivery.message_id,
        purpose = delivery.purpose,
        outcome = delivery.outcome.as_str(),
        reason = delivery.outcome.reason().map(Reason::as_str),
        elapsed_ms = took.as_millis() as u64,
        steps = steps.join(", "),
        "[WhatsApp System] message done"
    );
}
