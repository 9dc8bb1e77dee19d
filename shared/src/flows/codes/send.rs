//! Round trip 2, and the message: the code is reserved and the limits granted, then the message goes out.
use std::time::Duration;

use super::order::{CodeSent, Companion, Order, Recipient};
use super::reserve::{Attempt, Prepared};
use super::survey::{Survey, address_limit, is_first_contact};
use super::{Codes, SendError, log_store_error};
use crate::model::challenge::{AttemptId, ChallengeId};
use crate::model::open_chat::ChatOffer;
use crate::runtime::metrics::Metric;
use crate::sender::{
    Cause, ChatToOpen, Content, Delivery, HUMAN_TAKES, OnceUnknown, Outgoing, PickError, Picked,
    Place, PlaceError, Reason,
};
use crate::store::windows::{Claim, Grant, WindowKey};

/// A code request aims at an answer within this time.
const SEND_WITHIN: Duration = Duration::from_secs(15);

/// The longest wait for a place in the session's queue.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(6);

/// Places in limits beside the phone's own, to be given back when nothing was sent.
#[derive(Clone, Copy)]
pub(super) struct Grants<'a> {
    address: WindowKey<'a>,
    country: Option<WindowKey<'a>>,
}

/// A code that may be sent, as far as is known.
pub struct Admitted<'a> {
    survey: &'a Survey,
    order: &'a Order<'a>,
    way: Way,
}

/// How a code gets to its person.
enum Way {
    /// By a message, over one of these sessions; without one where the phone has a fixed code.
    Message(Option<Picked>),
    /// As the answer to this chat: no session writes to somebody new.
    Answer(ChatToOpen),
}

/// What a send has taken before its message goes out, and gives back if nothing is sent.
pub(super) struct Held<'a> {
    pub(super) prepared: Prepared,
    pub(super) grants: Grants<'a>,
}

impl Codes {
    /// Sends the code of `order`: round trips 2 and 3, and the message between them.
    ///
    /// # Errors
    /// When a limit says no, the message certainly did not go out, or the store failed before it could.
    pub async fn send(
        &self,
        survey: &Survey,
        order: &Order<'_>,
        companion: &dyn Companion,
    ) -> Result<CodeSent, SendError> {
        let admitted = self.admit(survey, order).await?;
        self.send_admitted(admitted, companion).await
    }

    /// Whether the code of `order` may be sent, as far as is known: what costs much is for those only that may. Rarely a call.
    ///
    /// # Errors
    /// When a limit says no, or there is no way for the code to get to its person.
    pub async fn admit<'a>(
        &self,
        survey: &'a Survey,
        order: &'a Order<'a>,
    ) -> Result<Admitted<'a>, SendError> {
        self.may_send(survey, order)?;
        let way = match self.pick(survey, order).await {
            Ok(picked) => Ok(Way::Message(picked)),
            Err(PickError::NoNewChats(chat)) => {
                let chat = self.chat_to_offer(order, chat).await;
                chat.map(Way::Answer).ok_or(no_new_chats(None))
            }
            Err(PickError::NoSession) => Err(SendError::NoSession),
            Err(PickError::Store(error)) => Err(SendError::Store(error)),
        };
        let way = way.inspect_err(|error| self.measure_no_message(order, error))?;
        Ok(Admitted { survey, order, way })
    }

    /// Sends a code that [`admit`](Self::admit) let through.
    ///
    /// # Errors
    /// When a limit says no, the message certainly did not go out, or the store failed before it could.
    pub async fn send_admitted(
        &self,
        admitted: Admitted<'_>,
        companion: &dyn Companion,
    ) -> Result<CodeSent, SendError> {
        let Admitted { survey, order, way } = admitted;
        let measured = |error: &SendError| self.measure_no_message(order, error);
        let picked = match way {
            Way::Message(picked) => picked,
            Way::Answer(chat) => {
                let error = no_new_chats(self.keep_for_chat(order, companion, chat).await);
                measured(&error);
                return Err(error);
            }
        };
        let mut attempt = self.attempt(survey, order, companion);
        attempt.picked = picked;
        let taken = self.take_all(survey, &attempt).await;
        let (held, queue_place) = taken.inspect_err(measured)?;
        // A test number has its code without a message.
        let delivery = match queue_place {
            Some(place) => Some(self.deliver(&attempt, &held.prepared, place).await),
            None => None,
        };
        self.settle(attempt, held, delivery.as_ref()).await
    }

    /// Measures a code for somebody that no session could take.
    fn measure_no_message(&self, order: &Order<'_>, error: &SendError) {
        let unsent = matches!(error, SendError::NoSession | SendError::NotSent { .. });
        if unsent && order.recipient != Recipient::Nobody {
            let line = self.meter.line(self.clock.now());
            let line = line.count(Metric::NotSent, 1);
            line.count(Metric::CodesInTime, 0).write();
        }
    }

    fn attempt<'a>(
        &self,
        survey: &Survey,
        order: &'a Order<'a>,
        companion: &'a dyn Companion,
    ) -> Attempt<'a> {
        Attempt {
            order,
            companion,
            policy: self.policy_of(order.phone),
            asker: order.asker(),
            id: AttemptId::draw(&self.entropy),
            new_challenge: ChallengeId::draw(&self.entropy),
            message_id: crate::sender::message_id(&self.entropy),
            picked: None,
            silent: survey.silent.clone(),
            begun_at: survey.at,
            deadline: order.caller.deadline.min(survey.at.plus(SEND_WITHIN)),
        }
    }

    /// Reserves the code, takes the places in the limits and one in the session's queue, side by side. When one is refused, the
    /// others are given back.
    async fn take_all<'a>(
        &'a self,
        survey: &Survey,
        attempt: &Attempt<'_>,
    ) -> Result<(Held<'a>, Option<Place>), SendError> {
        let (prepared, address, country, queue_place) = tokio::join!(
            self.reserve(survey, attempt),
            self.grant_address(survey, attempt),
            self.grant_country(attempt),
            self.take_queue_place(attempt),
        );
        let grants = Grants {
            address: WindowKey::CodesFrom(attempt.order.caller.address),
            country: country.as_ref().ok().copied().flatten(),
        };
        let (queue_place, queue_error) = match queue_place {
            Ok(place) => (place, None),
            Err(error) => (None, Some(error)),
        };
        let refused = address.err().or(country.err()).or(queue_error);
        let (prepared, error) = match (prepared, refused) {
            (Ok(prepared), None) => return Ok((Held { prepared, grants }, queue_place)),
            (Ok(prepared), Some(error)) => (Some(prepared), error),
            (Err(error), _) => (None, error),
        };
        let release = async {
            if let Some(prepared) = &prepared {
                self.release(attempt, prepared, None).await;
            }
        };
        tokio::join!(
            release,
            self.give_back(&grants, attempt),
            self.leave_queue(queue_place)
        );
        Err(error)
    }

    async fn grant_address(&self, survey: &Survey, attempt: &Attempt<'_>) -> Result<(), SendError> {
        let claim = Claim {
            window: WindowKey::CodesFrom(attempt.order.caller.address),
            attempt: &attempt.id,
            limit: &self.policy.codes_per_address,
            now: attempt.begun_at,
        };
        match self.windows.grant(claim, survey.window).await? {
            Grant::Full(window) if !survey.is_at_home(attempt.asker) => {
                Err(SendError::Limited(address_limit(window, claim.now)))
            }
            Grant::Granted | Grant::Full(_) => Ok(()),
        }
    }

    async fn grant_country(
        &self,
        attempt: &Attempt<'_>,
    ) -> Result<Option<WindowKey<'_>>, SendError> {
        let Order {
            recipient, phone, ..
        } = attempt.order;
        match recipient {
            Recipient::Applicant => {
                let granted = self.countries.grant(phone, &attempt.id, attempt.begun_at);
                Ok(granted.await?)
            }
            // A cap is about messages to people without an account: nobody gets one, and a user has an account.
            Recipient::User | Recipient::Nobody => Ok(None),
        }
    }

    /// Takes a place in the queue of the best session that was picked.
    async fn take_queue_place(&self, attempt: &Attempt<'_>) -> Result<Option<Place>, SendError> {
        let Some(picked) = &attempt.picked else {
            return Ok(None);
        };
        match self.sender.take_place(picked, PLACE_WAIT_MAX).await {
            Ok(place) => Ok(Some(place)),
            Err(PlaceError::Busy(busy)) => Err(SendError::NotSent {
                reason: Reason::Busy,
                retry_after: Some(busy.retry_after),
                chat: None,
            }),
            Err(PlaceError::Store(error)) => Err(error.into()),
        }
    }

    async fn leave_queue(&self, place: Option<Place>) {
        if let Some(place) = place {
            self.sender.leave_place(&place).await;
        }
    }

    /// Gives the places in the limits back: nothing was sent.
    pub(super) async fn give_back(&self, grants: &Grants<'_>, attempt: &Attempt<'_>) {
        let (address, ()) = tokio::join!(
            self.windows.give_back(grants.address, &attempt.id),
            self.countries.give_back(grants.country, &attempt.id),
        );
        if let Err(error) = address {
            log_store_error(
                "[WhatsApp System] an address keeps a grant that it did not use",
                &error,
            );
        }
    }

    async fn deliver(&self, attempt: &Attempt<'_>, prepared: &Prepared, place: Place) -> Delivery {
        let order = attempt.order;
        let begun_at = attempt.begun_at;
        let content = match order.recipient {
            Recipient::Nobody => Content::Nobody,
            Recipient::Applicant | Recipient::User => {
                Content::Text(prepared.message(&self.brand, order, begun_at))
            }
        };
        let seen = &prepared.reservation.seen;
        let outgoing = Outgoing {
            purpose: order.purpose.name(),
            message_id: prepared.reservation.open.message_id.clone(),
            phone: order.phone.clone(),
            content,
            first_contact: is_first_contact(seen, order, begun_at),
            code_asked_at: Some(begun_at),
            once_unknown: OnceUnknown::GoesElsewhere,
            is_repeat: false,
            cause: Cause::request(&order.caller.request_id),
        };
        self.sender.deliver(place, outgoing, attempt.deadline).await
    }
}

/// The refusal of a code for somebody whom no session writes to first, with the `chat` that is offered instead.
const fn no_new_chats(chat: Option<Box<ChatOffer>>) -> SendError {
    SendError::NotSent {
        reason: Reason::Restricted,
        retry_after: Some(HUMAN_TAKES),
        chat,
    }
}
