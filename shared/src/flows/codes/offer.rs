//! The chat that a person may open where WhatsApp lets the account write to nobody new: the code waits for it.
//!
//! Phones without an account get the same offer at the same cost, with a word that waits like any other. What is kept says
//! nothing of who asked for what, and nothing is charged: an answer is charged when it goes out (`flows/open_chats.rs`).
use tokio::sync::OnceCell;

use super::order::{Companion, Order};
use super::reserve::Attempt;
use super::{Codes, log_store_error};
use crate::model::challenge::{AttemptId, CODE_LIFE, ChallengeId};
use crate::model::code::Purpose;
use crate::model::open_chat::{ChatOffer, ChatWord, WaitingCode};
use crate::sender::{AlsoTold, ChatToOpen, Delivery, Reason};
use crate::store::StoreError;
use crate::store::windows::{Claim, Grant, WindowKey};

impl Attempt<'_> {
    /// The chat that the person may open once `delivery` did not get through. An answer to a chat asks for no other.
    pub(super) fn chat_to_open(&self, delivery: Option<&Delivery>) -> Option<ChatToOpen> {
        let picked = self.picked.as_ref()?;
        if self.order.answers.is_some() {
            return None;
        }
        picked.chat_to_open(delivery?)
    }
}

impl Codes {
    /// Records `delivery`, which was not sent for `reason`, and offers the person of `attempt` a chat where one helps: the code
    /// waits until they open it. Answers what the client is told. Nothing when there is no such chat, the client address was
    /// offered too many, or the store fails: the refusal says the rest.
    ///
    /// The record says that a chat was offered, so it waits until the address has its place, and not for what is kept then.
    pub(super) async fn record_and_offer(
        &self,
        attempt: &Attempt<'_>,
        delivery: Option<&Delivery>,
        reason: Reason,
    ) -> Option<Box<ChatOffer>> {
        let (order, companion) = (attempt.order, attempt.companion);
        let chat = attempt.chat_to_open(delivery);
        let chat = chat.filter(|_| reason.concerns_the_channel());
        let granted = OnceCell::new();
        let grant = || granted.get_or_init(|| self.chat_to_offer(order, chat.clone()));
        let told = async {
            match grant().await {
                Some(_) => AlsoTold::ToWriteFirst,
                None => AlsoTold::Nothing,
            }
        };
        let recorded = async {
            if let Some(delivery) = delivery {
                self.sender.record_told(delivery, told).await;
            }
        };
        let offered = async {
            let chat = grant().await.clone()?;
            self.keep_for_chat(order, companion, chat).await
        };
        let ((), offered) = tokio::join!(recorded, offered);
        offered
    }

    /// `chat`, unless the client address of `order` was offered too many.
    pub(super) async fn chat_to_offer(
        &self,
        order: &Order<'_>,
        chat: Option<ChatToOpen>,
    ) -> Option<ChatToOpen> {
        // Whoever answers an opened chat does not know who is an operator. They have links.
        let chat = chat.filter(|_| order.purpose != Purpose::Admin)?;
        // Nothing was sent that would bound how much somebody lets wait here. A place is not given back.
        let claim = Claim {
            window: WindowKey::ChatsFrom(order.caller.address),
            attempt: &AttemptId::draw(&self.entropy),
            limit: &self.policy.codes_per_address,
            now: self.clock.now(),
        };
        let granted = self.windows.grant(claim, None);
        let granted = self.in_time(order, granted).await;
        (granted == Some(Grant::Granted)).then_some(chat)
    }

    /// Lets the code of `order` wait for `chat`.
    pub(super) async fn keep_for_chat(
        &self,
        order: &Order<'_>,
        companion: &dyn Companion,
        chat: ChatToOpen,
    ) -> Option<Box<ChatOffer>> {
        let kept = self.keep_waiting(order, companion, chat);
        self.in_time(order, kept).await.map(Box::new)
    }

    /// What `call` answers, unless it fails or the time of `order` is over.
    async fn in_time<T>(
        &self,
        order: &Order<'_>,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<T> {
        let left = self.clock.until(order.caller.deadline);
        match tokio::time::timeout(left, call).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                log_store_error("[WhatsApp System] no chat is offered", &error);
                None
            }
            Err(_) => None,
        }
    }

    async fn keep_waiting(
        &self,
        order: &Order<'_>,
        companion: &dyn Companion,
        chat: ChatToOpen,
    ) -> Result<ChatOffer, StoreError> {
        let now = self.clock.now();
        // A sign-up keeps its id, which its registration is found by.
        let kept = order.keep.clone();
        let kept = kept.filter(|_| order.purpose.keeps_challenge_id());
        let offer = ChatOffer {
            number: chat.number,
            word: ChatWord::draw(&self.entropy),
            challenge: kept.unwrap_or_else(|| ChallengeId::draw(&self.entropy)),
        };
        let waiting = WaitingCode {
            hash: offer.word.hash(order.phone),
            session: chat.session,
            purpose: order.purpose,
            challenge: offer.challenge.hash(order.who),
            address: order.caller.address,
            language: order.language,
            applicant: companion.applicant(),
            expires_at: now.plus(CODE_LIFE),
        };
        self.open_chats.keep(&waiting).await?;
        Ok(offer)
    }
}
