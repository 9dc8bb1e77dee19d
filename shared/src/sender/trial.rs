//! Whether a message may try an account that WhatsApp refuses. WhatsApp takes who asks again and again for a sender of spam, so
//! one message to a user in half a minute tries it, and one a minute that anybody can have sent, and shows when it is over.
//!
//! What WhatsApp refuses to one user may be about that user alone. So whoever was refused in the last ten minutes lets the others
//! try it for the rest of the minute, and is not tried more often on an account that sends to others, unless nobody else has had the
//! turn: otherwise whoever has such an account of their own would keep all others out.
//!
//! A message to nobody tries nothing and takes no turn, so that whoever asks for phones without an account keeps the others
//! from none. It ends like the last real one; so does a message to a user whose turn it is not, and nothing tells the two apart.
use super::classify::Observation;
use super::delivery::Content;
use super::outcome::{Outcome, Reason};
use super::rank::{NEXT_USER_PAUSE, TRIAL_PAUSE, is_refused};
use super::run::Run;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::refused::{self, RefusedUser};
use crate::store::whatsapp_sessions::trials::{Trial, Turns};

impl Run<'_> {
    /// Takes the turn to try the account, if WhatsApp refuses it, and looks a new recipient up. A message to a user whose turn it
    /// is not goes on as one to nobody; one to somebody new ends at once.
    pub(super) async fn try_account(&mut self) -> Result<(), Observation> {
        self.turn = self.take_turn_if_refused().await?;
        let looked_up = self.look_up_if_new().await;
        if looked_up.is_err() {
            self.leave_turn().await;
        }
        looked_up
    }

    /// Gives the turn back, if it has one: WhatsApp was not asked to deliver anything, so nothing is tried. The next message
    /// does that.
    pub(super) async fn leave_turn(&mut self) {
        if let Some(turn) = self.turn.take() {
            let sessions = &self.services.sessions;
            let left = sessions
                .leave_trial(&self.place.session, self.turns(), turn)
                .await;
            left.unwrap_or_else(|error| self.store_failed(&error));
        }
    }

    /// When WhatsApp has refused the user lately, and how.
    pub(super) fn refused_before(&self, now: Timestamp) -> Option<RefusedUser> {
        let before = refused::find(&self.place.item.refused, self.message.phone.mark(), now);
        before.filter(|_| !self.place.contact.is_of_anybody())
    }

    /// Whose turns the message takes.
    const fn turns(&self) -> Turns {
        if self.place.contact.is_of_anybody() {
            Turns::OfOthers
        } else {
            Turns::OfUsers
        }
    }

    /// When the turn was taken, if one was needed.
    async fn take_turn_if_refused(&mut self) -> Result<Option<Timestamp>, Observation> {
        let (services, contact) = (self.services, self.place.contact);
        if matches!(self.message.content, Content::Nobody) {
            return Ok(None);
        }
        let now = self.now();
        let before = self.refused_before(now);
        let is_refused_now = is_refused(&self.place.item, contact);
        let again = before.filter(|before| now.since(before.at) < TRIAL_PAUSE);
        let reason = match again {
            _ if is_refused_now => Reason::Restricted,
            Some(before) => before.reason(),
            None => return Ok(None),
        };
        let pause = match self.turns() {
            Turns::OfUsers if before.is_none() => NEXT_USER_PAUSE,
            Turns::OfUsers | Turns::OfOthers => TRIAL_PAUSE,
        };
        let sessions = &services.sessions;
        let claim = sessions.claim_trial(&self.place.session, self.turns(), (now, pause));
        match tokio::time::timeout(services.clock.until(self.deadline), claim).await {
            Ok(Ok(Trial::Ours)) => Ok(Some(now)),
            Ok(Ok(Trial::Others(item))) if !is_refused_now || is_refused(&item, contact) => {
                if contact.signs_up() {
                    let refused = Outcome::NotSent(Reason::Restricted);
                    return Err(Observation::LikeTheLast(refused));
                }
                self.pretended = Some(reason);
                Ok(None)
            }
            Ok(Ok(Trial::Others(_))) => Ok(None),
            // The store only keeps the pace.
            Ok(Err(error)) => {
                self.store_failed(&error);
                Ok(None)
            }
            Err(_) => Err(Observation::OutOfTime),
        }
    }
}

impl RefusedUser {
    /// Why WhatsApp has refused the message.
    const fn reason(self) -> Reason {
        if self.of_the_message {
            Reason::Rejected
        } else {
            Reason::Restricted
        }
    }
}
