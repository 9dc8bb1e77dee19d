//! The one loop that runs the steps of a message on one session: wait, send, see what happened, decide, again.
use std::time::Duration;

use super::assess;
use super::classify::{Observation, classify};
use super::decide::{Progress, Step, decide};
use super::delivery::{Content, Effort};
use super::outcome::Outcome;
use super::recover;
use super::run::{Patience, Run, SEND_MIN, SEND_ROOM, SendAnswer};
use crate::gateway::{GatewayError, TextMessage};
use crate::model::texts::MessageBody;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::SessionState;
use crate::store::whatsapp_sessions::queue::{Slot, SlotPurpose, SlotRequest};
use crate::store::whatsapp_sessions::sends::UnansweredSend;

/// No send takes longer than this.
const SEND_MAX: Duration = Duration::from_secs(10);

/// What a session still needs once a message has ended on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// Nothing.
    Nothing,
    /// Somebody has to look after it: the message did not wait for it.
    Nudge,
    /// Its send had no answer, which is counted.
    Unanswered,
}

/// Sends one message over the session of `run`, and sends again when that fails; recovers the session if the message waits for
/// it. Answers how it ended there.
pub(super) async fn send_over(run: &mut Run<'_>) -> (Outcome, Aftermath) {
    let first = run.begin().await;
    follow(run, first).await
}

/// The same for a message that the session has failed before.
pub(super) async fn recover_and_send(run: &mut Run<'_>) -> (Outcome, Aftermath) {
    follow(run, Observation::SessionTrouble).await
}

async fn follow(run: &mut Run<'_>, mut observation: Observation) -> (Outcome, Aftermath) {
    let mut progress = Progress::default();
    // `decide` ends every story after a stated number of observations.
    loop {
        let (next, step) = decide(progress, observation);
        progress = next;
        if run.goes_elsewhere_before(step) {
            return (progress.outcome(observation), Aftermath::Nudge);
        }
        observation = match step {
            Step::Send { after } => run.send_again(after).await,
            Step::Recover { gateway_was_down } => {
                let found = recover::recover(run, gateway_was_down).await;
                run.was_unusable |= found != Observation::UsableAtOnce;
                run.effort.count_recovery(found);
                found
            }
            // A send without an answer always ends its message, so none is missed here.
            Step::Finish(outcome) if observation == Observation::Unanswered => {
                return (outcome, Aftermath::Unanswered);
            }
            Step::Finish(outcome) => return (outcome, Aftermath::Nothing),
        };
    }
}

impl Effort {
    fn count_recovery(&mut self, found: Observation) {
        let usable = [Observation::UsableAtOnce, Observation::Recovered].contains(&found);
        self.recoveries += 1;
        self.recovered += usize::from(usable);
    }
}

impl Run<'_> {
    /// Whether the message goes to another session rather than wait for what `step` brings.
    fn goes_elsewhere_before(&self, step: Step) -> bool {
        let waits = match step {
            Step::Recover { .. } => true,
            Step::Send { after } => !after.is_zero(),
            Step::Finish(_) => false,
        };
        waits && self.patience == Patience::GoesElsewhere
    }

    /// Does for the session what is left to do.
    pub(super) async fn look_after(&mut self, aftermath: Aftermath) {
        match aftermath {
            Aftermath::Nothing => {}
            Aftermath::Nudge => {
                self.was_unusable |= !recover::nudge(self).await;
            }
            Aftermath::Unanswered => self.count_unanswered().await,
        }
    }

    /// The first attempt.
    async fn begin(&mut self) -> Observation {
        match self.prepare().await {
            Ok(()) => self.send().await,
            Err(refusal) => refusal,
        }
    }

    /// Waits for the place, and for the turn to try an account that WhatsApp refuses; looks a new recipient up. A session that is known not to answer is reset before anything is
    /// sent to it.
    async fn prepare(&mut self) -> Result<(), Observation> {
        self.wait_until(self.place.at).await?;
        if self.place.item.seen.map(|seen| seen.state) == Some(SessionState::Suspect) {
            return Err(Observation::SessionTrouble);
        }
        self.try_account().await
    }

    /// A further attempt, after a pause and in a new place of the queue.
    async fn send_again(&mut self, pause: Duration) -> Observation {
        match self.queue_again(pause).await {
            Ok(()) => self.send().await,
            Err(refusal) => refusal,
        }
    }

    /// Sends the message, once.
    async fn send(&mut self) -> Observation {
        let began = self.now();
        let left = self.deadline.since(began);
        if left < SEND_MIN {
            return Observation::OutOfTime;
        }
        self.first_sent_at.get_or_insert(began);
        self.sent_at = began;
        let within = left.min(SEND_MAX);
        let sent = match &self.message.content {
            Content::Text(body) => match self.pretended {
                None => self.send_text(body, within).await,
                Some(reason) => self.pretend_to_send(reason, within).await,
            },
            Content::Nobody => self.send_to_nobody(within).await,
        };
        let took = self.now().since(began);
        match sent {
            Ok(answer) => self.note_answer(answer, took),
            Err(error) => self.note_error(&error, took).await,
        }
    }

    async fn send_text(
        &self,
        body: &MessageBody,
        within: Duration,
    ) -> Result<SendAnswer, GatewayError> {
        let message = TextMessage {
            phone: self.message.phone.clone(),
            jid: self.jid.clone(),
            body: body.clone(),
            id: self.message.message_id.clone(),
        };
        let (gateway, token) = (&self.place.gateway, &self.place.token);
        gateway.send_text(token, &message, within).await?;
        Ok(SendAnswer::Taken)
    }

    /// What a send without an error means for the message.
    fn note_answer(&mut self, answer: SendAnswer, took: Duration) -> Observation {
        let (step, observation) = match answer {
            SendAnswer::Taken => ("send: taken", Observation::Sent),
            SendAnswer::LikeTheLast(outcome) => {
                ("send: like the last one", Observation::LikeTheLast(outcome))
            }
            SendAnswer::NotUsable => (
                "send: the session is not usable",
                Observation::SessionTrouble,
            ),
        };
        self.taken_after = (observation == Observation::Sent).then_some(took);
        self.add_step(step, took);
        observation
    }

    /// What a failed send means for the message.
    async fn note_error(&mut self, error: &GatewayError, took: Duration) -> Observation {
        self.add_step(format!("send: {error}"), took);
        let observation = classify(error);
        if observation != Observation::NotOnWhatsApp {
            return observation;
        }
        let confirmed = self.confirm_not_on_whatsapp().await;
        if confirmed == Observation::NotOnWhatsApp {
            self.leave_turn().await;
        }
        // It is known sooner than a message is sent, and would tell that the number has an account.
        self.pass_the_cost(self.sent_at).await;
        confirmed
    }

    /// Counts a send without an answer. If it was not the first one in a row, the session is suspect: that is written for
    /// everybody, and the session is reset.
    async fn count_unanswered(&mut self) {
        if self.pretended.is_some() || matches!(self.message.content, Content::Nobody) {
            return;
        }
        let (sessions, name) = (&self.services.sessions, self.place.session.as_str());
        let now = self.now();
        let send = UnansweredSend {
            began: self.sent_at,
            ended: now,
        };
        let counted = async {
            let item = sessions
                .count_unanswered(name, send, assess::UNANSWERED_LIFE)
                .await?;
            match assess::suspect(&item, now) {
                Some(seen) => sessions.record_state(name, seen).await.map(Some),
                None => Ok(None),
            }
        };
        match tokio::time::timeout(self.deadline.since(now), counted).await {
            Ok(Ok(Some(suspect))) => recover::reset(self, suspect).await,
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => self.store_failed(&error),
        }
    }

    /// Pauses, then waits in a new place of the queue: a crowd that a recovery releases must not send all at once.
    pub(super) async fn queue_again(&mut self, pause: Duration) -> Result<(), Observation> {
        self.wait_until(self.now().plus(pause)).await?;
        let services = self.services;
        let now = self.now();
        self.requeued_at = Some(now);
        let request = SlotRequest {
            free_at: None,
            now,
            wait_max: self.deadline.since(now).saturating_sub(SEND_ROOM),
            cost: self.place.cost,
            purpose: SlotPurpose::Send,
        };
        let slot = services.sessions.take_slot(&self.place.session, request);
        match tokio::time::timeout(services.clock.until(self.deadline), slot).await {
            Ok(Ok(Slot::At(slot))) => {
                (self.place.at, self.place.cost) = (slot.at, slot.cost);
                self.wait_until(slot.at).await
            }
            Ok(Ok(Slot::Full(_) | Slot::OnTrial)) => Err(Observation::QueueFull),
            // The queue keeps the pace and nothing else, so a message goes without it when the store fails.
            Ok(Err(error)) => {
                self.store_failed(&error);
                Ok(())
            }
            Err(_) => Err(Observation::OutOfTime),
        }
    }

    /// Waits until `at`, unless that leaves no time for a send.
    async fn wait_until(&mut self, at: Timestamp) -> Result<(), Observation> {
        let began = self.now();
        let wait = at.since(began);
        if self.deadline.since(began) < wait + SEND_MIN {
            return Err(Observation::OutOfTime);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            let waited = self.now().since(began);
            self.effort.waited += waited;
            self.add_step("wait", waited);
        }
        Ok(())
    }
}
