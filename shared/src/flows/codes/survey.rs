//! Round trip 1: what a send is decided on.
use std::collections::HashMap;
use std::sync::Arc;

use super::order::{Order, Recipient};
use super::{Codes, SendError};
use crate::model::account::User;
use crate::model::caller::Caller;
use crate::model::challenge::{Certainty, ChallengeHash, PhoneState};
use crate::model::code::Purpose;
use crate::model::keys::Ring;
use crate::model::limits::{self, Asker, Limit, Limited};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::sender::{Named, PickError, Picked, Reason, Recipient as Reached};
use crate::store::batch::Read;
use crate::store::windows::{Window, WindowKey};

/// Everything a send is decided on, read in one round trip.
#[derive(Debug)]
pub struct Survey {
    /// When it was read. Everything is decided as of then.
    pub(super) at: Timestamp,
    /// The user of the phone.
    pub user: Option<User>,
    pub(super) state: PhoneState,
    /// The window of the client address, if one is running.
    pub(super) window: Option<Window>,
    /// The sessions to send from, those that were read. A test number needs none.
    pub(super) sessions: Option<Vec<Named>>,
    pub(super) ring: Arc<Ring>,
    /// The last message for the purpose, if it seems not to have arrived.
    pub(super) silent: Option<SilentSend>,
}

/// A message that was taken, and seems not to have arrived.
#[derive(Clone, Debug)]
pub(super) struct SilentSend {
    pub(super) purpose: Purpose,
    /// When it was sent.
    pub(super) at: Timestamp,
    pub(super) message_id: String,
    /// The session that took it.
    pub(super) session: String,
}

impl SilentSend {
    /// Makes `state` say that nobody is sure of the message.
    pub(super) fn mark(&self, state: &mut PhoneState) {
        let of_message = state
            .sends
            .iter_mut()
            .filter(|send| (send.purpose, send.at) == (self.purpose, self.at));
        of_message.for_each(|send| send.certainty = Certainty::Unconfirmed);
    }
}

impl Survey {
    /// Whether the phone's present code, working or not, is bound to `challenge`.
    pub fn is_bound(&self, purpose: Purpose, challenge: &ChallengeHash) -> bool {
        let code = self.state.code(purpose);
        code.is_some_and(|code| code.bound.contains_key(challenge))
    }

    /// Whether somebody has signed in with the phone from the asker's network. What others do there must not keep the owner
    /// out, so the limit of a client address is not for them: the phone's own limits are enough.
    pub(super) fn is_at_home(&self, asker: Asker) -> bool {
        self.state.knows(asker.from)
    }
}

impl Codes {
    /// Reads all that a send is decided on, in one call, and the key ring beside it. The log names the phone from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn survey(
        &self,
        phone: &Phone,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Survey, SendError> {
        // A test number has its code without a message.
        let is_sent = self.test_numbers.code(phone).is_none();
        let picking = if is_sent {
            self.picking(phone, now)
        } else {
            Vec::new()
        };
        let mut batch = self.batches.begin();
        let user = batch.add(self.users.reading(phone));
        let state = batch.add(self.challenges.reading(phone, now));
        let address = WindowKey::CodesFrom(caller.address);
        let window = batch.add(self.windows.reading(address, now));
        let sessions: Vec<_> = picking.into_iter().map(|read| batch.add(read)).collect();
        let refreshed = async {
            if is_sent {
                self.sender.refresh().await;
            }
        };
        let (found, ring, ()) = tokio::join!(
            batch.read("read what a code is decided on"),
            self.ring.get(now),
            refreshed,
        );
        let found = found?;
        let sessions = sessions.into_iter().map(|read| read.from(&found));
        let sessions = sessions.collect::<Result<Vec<_>, _>>()?;
        Ok(Survey {
            at: now,
            user: user.from(&found)?,
            state: state.from(&found)?,
            window: window.from(&found)?,
            sessions: is_sent.then_some(sessions),
            ring: ring?,
            silent: None,
        })
    }

    /// The reads of the sessions that a message to `phone` most probably needs, by the keys as they were read last.
    fn picking(&self, phone: &Phone, now: Timestamp) -> Vec<Read<Named>> {
        let last = self.ring.last();
        let key = last.as_deref().map(|ring| order_key(ring, now));
        self.sender.picking(&Reached {
            order_key: key.unwrap_or_default(),
            ..Reached::of(phone)
        })
    }

    /// The sessions for the message of `order`, the best first; `None` for a test number, which has its code without a message.
    /// Rarely a read.
    ///
    /// # Errors
    /// When there is no session, or the store fails.
    pub(super) async fn pick(
        &self,
        survey: &Survey,
        order: &Order<'_>,
    ) -> Result<Option<Picked>, PickError> {
        let Some(sessions) = &survey.sessions else {
            return Ok(None);
        };
        let state = &survey.state;
        let opened = order.answers.as_ref().map(|chat| chat.session.as_str());
        let mut recipient = Reached {
            order_key: order_key(&survey.ring, survey.at),
            served_by: opened.or_else(|| match order.recipient {
                Recipient::Nobody => state.pretender(),
                Recipient::User | Recipient::Applicant => state.writer(),
            }),
            signs_up: order.recipient == Recipient::Applicant,
            first_contact: is_first_contact(state, order, survey.at),
            wrote_first: opened.is_some(),
            unserved: order.recipient == Recipient::User
                && opened.is_none()
                && state.taken_at.is_none(),
            silent: survey.silent.as_ref().map(|silent| silent.session.as_str()),
            is_nobody: order.recipient == Recipient::Nobody,
            ..Reached::of(order.phone)
        };
        let mut sessions: HashMap<_, _> = sessions.iter().cloned().collect();
        let home;
        if order.recipient == Recipient::Nobody && opened.is_none() {
            // Like a user's, a phone without an account is known to one session and new to the others.
            home = self
                .sender
                .home_of_nobody(&recipient, &mut sessions)
                .await?;
            recipient.served_by = home.as_deref();
        }
        let picked = self.sender.pick_from(&recipient, sessions).await?;
        match opened {
            Some(session) => picked.only(session).map(Some),
            None => Ok(Some(picked)),
        }
    }

    /// Whether a send would be granted as things stand. Writes nothing.
    ///
    /// # Errors
    /// When a limit says no, or the number was not on WhatsApp when it was last looked up for the asker's network, and the reply
    /// may tell.
    pub(super) fn may_send(&self, survey: &Survey, order: &Order<'_>) -> Result<(), SendError> {
        let now = survey.at;
        let asker = order.asker();
        let missing = survey.state.not_on_whatsapp;
        let missing = missing.is_some_and(|missing| missing.holds_for(asker.from, now));
        if order.recipient == Recipient::Applicant && missing {
            return Err(SendError::NotSent {
                reason: Reason::NotOnWhatsApp,
                retry_after: None,
                chat: None,
            });
        }
        let places = self.policy.codes_per_address.places;
        let full = survey.window.filter(|window| window.granted >= places);
        if let Some(full) = full.filter(|_| !survey.is_at_home(asker)) {
            return Err(SendError::Limited(address_limit(full, now)));
        }
        let policy = self.policy_of(order.phone);
        let decided = limits::decide(&survey.state, asker, &policy, now);
        decided.map(drop).map_err(SendError::Limited)
    }
}

/// What the order of sessions is drawn with, which nobody outside knows. With another key only phones that nobody has asked
/// about lately get another order: the others have a session.
fn order_key(ring: &Ring, now: Timestamp) -> &[u8] {
    ring.current(now).map_or(&[], |key| key.secret.as_slice())
}

/// Whether nobody has written to the recipient of `order` lately, as far as `state` tells. Whoever opened a chat is known to it.
pub(super) fn is_first_contact(state: &PhoneState, order: &Order<'_>, now: Timestamp) -> bool {
    let signs_up = order.recipient == Recipient::Applicant;
    signs_up && order.answers.is_none() && !state.took_a_message(now)
}

/// The refusal of a client address whose window is full.
pub(super) fn address_limit(full: Window, now: Timestamp) -> Limited {
    Limited {
        limit: Limit::CodesFromAddress,
        retry_after: full.ends.since(now),
    }
}
