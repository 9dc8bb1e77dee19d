//! Round trip 1: what a send is decided on.
use std::sync::Arc;

use super::order::{Order, Recipient};
use super::{Codes, SendError};
use crate::model::account::User;
use crate::model::caller::Caller;
use crate::model::challenge::{ChallengeHash, PhoneState};
use crate::model::code::Purpose;
use crate::model::keys::Ring;
use crate::model::limits::{self, Asker, Limit, Limited};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::sender::{Picked, Reason};
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
    /// The session to send from. A test number needs none.
    pub(super) picked: Option<Picked>,
    pub(super) ring: Arc<Ring>,
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
    /// When the store fails or no session is configured.
    pub async fn survey(
        &self,
        phone: &Phone,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Survey, SendError> {
        let picking = match self.test_numbers.code(phone) {
            None => Some(self.sender.picking(phone).ok_or(SendError::NoSession)?),
            Some(_) => None,
        };
        let mut batch = self.batches.begin();
        let user = batch.add(self.users.reading(phone));
        let state = batch.add(self.challenges.reading(phone, now));
        let address = WindowKey::CodesFrom(caller.address);
        let window = batch.add(self.windows.reading(address, now));
        let picked = picking.map(|read| batch.add(read));
        let (found, ring) = tokio::join!(
            batch.read("read what a code is decided on"),
            self.ring.get(now),
        );
        let found = found?;
        Ok(Survey {
            at: now,
            user: user.from(&found)?,
            state: state.from(&found)?,
            window: window.from(&found)?,
            picked: picked.map(|read| read.from(&found)).transpose()?,
            ring: ring?,
        })
    }

    /// Whether a send would be granted as things stand. Writes nothing.
    ///
    /// # Errors
    /// When a limit says no, or the number is known not to be on WhatsApp and the reply may tell.
    pub fn may_send(&self, survey: &Survey, order: &Order<'_>) -> Result<(), SendError> {
        let now = survey.at;
        let until = survey.state.not_on_whatsapp_until;
        if order.recipient == Recipient::Applicant && until.is_some_and(|until| now < until) {
            return Err(SendError::NotSent {
                reason: Reason::NotOnWhatsApp,
                retry_after: None,
            });
        }
        let asker = order.asker();
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

/// The refusal of a client address whose window is full.
pub(super) fn address_limit(full: Window, now: Timestamp) -> Limited {
    Limited {
        limit: Limit::CodesFromAddress,
        retry_after: full.ends.since(now),
    }
}
