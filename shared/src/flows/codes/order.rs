//! What a code request asks for, and what it is answered with.
use std::time::Duration;

use crate::model::caller::Caller;
use crate::model::challenge::{ChallengeHash, ChallengeId, NetworkHash};
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::model::limits::{Asker, Way};
use crate::model::open_chat::WaitingApplicant;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, Write};

/// A code to be sent.
#[derive(Debug)]
pub struct Order<'a> {
    /// The phone that the code goes to.
    pub phone: &'a Phone,
    /// What the request named that phone by.
    pub who: &'a Identifier,
    /// What the code is for.
    pub purpose: Purpose,
    /// Who asks.
    pub caller: &'a Caller,
    /// Since when the phone has a user, if it has one.
    pub account_since: Option<Timestamp>,
    /// Whether somebody is to receive the message. An unknown phone gets everything but the message.
    pub recipient: Recipient,
    /// The language of the message.
    pub language: Language,
    /// The challenge id of an earlier request. This one is answered with it again, if that is possible.
    pub keep: Option<ChallengeId>,
    /// The chat that the code is the answer to, if somebody has opened one.
    pub answers: Option<OpenedChat>,
}

/// A chat that somebody opened to get a code.
#[derive(Clone, Debug)]
pub struct OpenedChat {
    /// The session that was written to: it answers, and no other.
    pub session: String,
    /// What is kept of the challenge id that the client was told.
    pub challenge: ChallengeHash,
}

impl Order<'_> {
    /// Who asks, as the limits see it.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            purpose: self.purpose,
            account_since: self.account_since,
            from: NetworkHash::of(self.phone, self.caller.address),
            way: match self.answers {
                Some(_) => Way::FromThePhone,
                None => Way::FromAClient,
            },
        }
    }
}

/// Who is to receive the message, and what the reply may tell of that.
///
/// A number that is not on WhatsApp is told to whoever signs up with it. To anybody else that would tell that the number has
/// an account, for nothing is sent to a number without one: both are answered, and limited, as if a message had gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Somebody who signs up.
    Applicant,
    /// The user of an account. The reply must not tell that there is one.
    User,
    /// Nobody. The reply must not tell.
    Nobody,
}

/// What is written in the transaction of a reservation, and in the one that takes the reservation back.
pub trait Companion: Sync {
    /// What is written with the reservation.
    ///
    /// # Errors
    /// When it cannot be written down as an item.
    fn with_reservation(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError>;

    /// What is written when it is released.
    ///
    /// # Errors
    /// When it cannot be written down as an item.
    fn with_release(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError>;

    /// Who signs up, where that has to be known when the code goes out later.
    fn applicant(&self) -> Option<WaitingApplicant> {
        None
    }
}

/// Nothing is written with a reservation.
#[derive(Debug)]
pub struct Alone;

impl Companion for Alone {
    fn with_reservation(&self, _: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(Vec::new())
    }

    fn with_release(&self, _: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(Vec::new())
    }
}

/// A code that went out, or may have.
#[derive(Debug)]
pub struct CodeSent {
    /// The id that a guess has to come with.
    pub challenge: ChallengeId,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// When the next one may be asked for.
    pub resend_after: Duration,
    /// Whether the gateway said that it took the message.
    pub confirmed: bool,
    /// How many digits the code has.
    pub digits: usize,
}
