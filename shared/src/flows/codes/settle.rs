//! Round trip 3: charges what was sent, takes back what was not.
use std::time::Duration;

use super::order::{CodeSent, Order, Recipient};
use super::reserve::{Attempt, Prepared};
use super::send::Held;
use super::{Codes, SendError, log_store_error};
use crate::model::challenge::{Certainty, NotOnWhatsApp, PhoneState, SendMade};
use crate::model::limits;
use crate::sender::{Delivery, Outcome, Reason};
use crate::store::challenges::sends::{Commit, Reservation, TakenMessage};

/// How a message ended that went out, or may have.
struct Ending<'a> {
    certainty: Certainty,
    /// The message, if it is answered as sent and went over a session.
    taken: Option<TakenMessage<'a>>,
}

impl Codes {
    /// Ends a send as its message ended. Without a delivery there was no message to send: the phone has a fixed code.
    ///
    /// # Errors
    /// When the message certainly did not go out.
    pub(super) async fn settle(
        &self,
        attempt: Attempt<'_>,
        held: Held<'_>,
        delivery: Option<&Delivery>,
    ) -> Result<CodeSent, SendError> {
        let outcome = delivery.map_or(Outcome::Sent, |delivery| delivery.outcome);
        match certainty(outcome, attempt.order.recipient) {
            Ok(certainty) => {
                let ending = Ending {
                    certainty,
                    taken: taken(&attempt, delivery),
                };
                let recorded = async {
                    if let Some(delivery) = delivery {
                        self.sender.record(delivery).await;
                    }
                };
                let sent = self.charge(attempt, held.prepared, ending);
                let (sent, ()) = tokio::join!(sent, recorded);
                Ok(sent)
            }
            Err(reason) => {
                let refused = delivery.filter(|delivery| delivery.refused_by_whatsapp);
                let taken_back = self.take_back(&attempt, &held, refused);
                // Boxed: it is the largest future of a send, and rarely needed.
                let offered = Box::pin(self.record_and_offer(&attempt, delivery, reason));
                let ((), chat) = tokio::join!(taken_back, offered);
                Err(SendError::NotSent {
                    reason,
                    retry_after: delivery.and_then(|delivery| delivery.retry_after),
                    chat,
                })
            }
        }
    }

    /// Takes the code back, whose message was not sent. WhatsApp counts what it refuses against the account, so whoever asks for
    /// it pays: where it has `refused` the message, the places of the address and the country are kept. The phone's own
    /// limits are not charged.
    async fn take_back(&self, attempt: &Attempt<'_>, held: &Held<'_>, refused: Option<&Delivery>) {
        let prepared = &held.prepared;
        let Some(refused) = refused else {
            let give_back = self.give_back(&held.grants, attempt);
            tokio::join!(self.release(attempt, prepared, None), give_back);
            return;
        };
        let now = self.clock.now();
        let is_there = prepared.reservation.seen.took_a_message(now);
        let remembered = refused.outcome == Outcome::NotSent(Reason::NotOnWhatsApp) && !is_there;
        let missing = remembered.then(|| NotOnWhatsApp {
            until: now.plus(self.policy.not_on_whatsapp),
            asked_from: Some(attempt.asker.from),
        });
        self.release(attempt, prepared, missing).await;
    }

    /// Charges a message that went out, or may have.
    async fn charge(
        &self,
        attempt: Attempt<'_>,
        prepared: Prepared,
        ending: Ending<'_>,
    ) -> CodeSent {
        let Order { phone, purpose, .. } = *attempt.order;
        let Ending { certainty, taken } = ending;
        let at = self.clock.now();
        let send = SendMade {
            at,
            purpose,
            certainty,
            from: Some(attempt.asker.from),
        };
        let reservation = &prepared.reservation;
        let code = match &reservation.open.code {
            None => prepared.code,
            Some(_) => prepared.code.starting(&reservation.open.challenge, at),
        };
        let commit = Commit {
            send,
            taken,
            code: &code,
            last_guess: reservation
                .live
                .as_ref()
                .and_then(|live| live.last_guess.as_ref()),
        };
        let committed = self.challenges.commit(phone, &reservation.open, commit);
        if let Err(error) = committed.await {
            // The message is out: the caller gets its code. The reservation lapses and takes its place in the limits.
            let event = "[WhatsApp System] the code was sent but not committed";
            log_store_error(event, &error);
        }
        CodeSent {
            expires_at: code.expires_at,
            resend_after: resend_after(&attempt, prepared.reservation, send),
            confirmed: certainty == Certainty::Sent,
            digits: prepared.secret.digits().len(),
            challenge: prepared.challenge,
        }
    }
}

/// The message, if a gateway took one, or would have: a phone without an account keeps its session, too. One for somebody counts
/// from when it was asked for, not from when it was taken: nothing that the phone did afterwards, such as leaving WhatsApp, may
/// count as before it.
fn taken<'a>(attempt: &Attempt<'_>, delivery: Option<&'a Delivery>) -> Option<TakenMessage<'a>> {
    let delivery = delivery?;
    let asked_at = match (delivery.outcome, attempt.order.recipient) {
        (Outcome::Sent, Recipient::Applicant | Recipient::User) => Some(attempt.begun_at),
        // A number with an account that is not on WhatsApp is answered like one without.
        (Outcome::Sent | Outcome::NotSent(Reason::NotOnWhatsApp), _) => None,
        _ => return None,
    };
    Some(TakenMessage {
        asked_at,
        session: &delivery.session,
    })
}

/// What a message counts as: how sure it is that it went out, or why it certainly did not.
fn certainty(outcome: Outcome, recipient: Recipient) -> Result<Certainty, Reason> {
    match outcome {
        Outcome::Sent => Ok(Certainty::Sent),
        Outcome::Unknown => Ok(Certainty::Unconfirmed),
        // It did not go out, and counts as if it had: a refusal would tell that the number has an account.
        Outcome::NotSent(Reason::NotOnWhatsApp) if recipient == Recipient::User => {
            Ok(Certainty::Sent)
        }
        Outcome::NotSent(reason) => Err(reason),
    }
}

/// How long the next code has to wait after `send`.
fn resend_after(attempt: &Attempt<'_>, reservation: Reservation, send: SendMade) -> Duration {
    let mut after = PhoneState {
        sends: reservation.sends,
        known_networks: reservation.seen.known_networks,
        ..PhoneState::default()
    };
    after.sends.push(send);
    match limits::decide(&after, attempt.asker, &attempt.policy, send.at) {
        Ok(_) => Duration::ZERO,
        Err(limited) => limited.retry_after,
    }
}
