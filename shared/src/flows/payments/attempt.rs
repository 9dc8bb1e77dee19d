//! One attempt to send a notice.
//!
//! The whole story of the payment is read, and what to do is decided from it alone. Then the notice is claimed under the condition
//! that everything is still as it was. Whoever is killed afterwards leaves a claim that ends by itself, and a message that may
//! be out: the next one asks for its receipt before the same message goes out again.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use super::Notices;
use crate::model::account::random_id;
use crate::model::challenge::PhoneState;
use crate::model::notice::plan::{Plan, Sessions, plan};
use crate::model::notice::{Notice, NoticeId, State, Story, wait_after};
use crate::model::payment::PaymentId;
use crate::model::payment::texts::PaymentMessage;
use crate::model::phone::Phone;
use crate::model::texts::MessageBody;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::metrics::Metric;
use crate::sender::{
    Busy, Cause, Content, Delivery, OnceUnknown, Outcome, Outgoing, Paced, PickError, Picked,
    Place, PlaceError, Reason, Recipient, Urgency,
};
use crate::store::StoreError;
use crate::store::challenges::sends::TakenMessage;
use crate::store::payments::claims::{Attempted, Claim, Claimed};

/// The longest wait for a place in a session's queue: codes go first.
pub(super) const PLACE_WAIT_MAX: Duration = Duration::from_secs(1);
/// The longest that one attempt takes, once its turn has come.
const ATTEMPT_MAX: Duration = Duration::from_secs(15);
/// What a claim is held beyond the time of its message.
const CLAIM_REST: Duration = Duration::from_secs(5);
/// No attempt begins with less time than this.
pub(super) const ATTEMPT_MIN: Duration = Duration::from_millis(3_500);
/// The part of an attempt's time that is kept to record it.
const RECORD_ROOM: Duration = Duration::from_millis(500);
/// How long a receipt is waited for, before a message that may have gone out goes out again.
const RECEIPT_WAIT: Duration = Duration::from_secs(60);
/// How long after a message was taken its receipt has to be there.
const SILENT_AFTER: Duration = Duration::from_secs(120);
/// A session that has brought receipts within this time brings them.
const BRINGS_RECEIPTS: Duration = Duration::from_secs(60 * 60);
/// A session that was not usable for so long sends nothing of what it was given.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(600);
/// When a notice is tried again whose attempt had no time to begin.
const NOT_BEGUN_WAIT: Duration = Duration::from_secs(5);
/// When a notice is tried again that found no session at all.
const NO_SESSION_WAIT: Duration = Duration::from_secs(60);
/// When a notice is tried again that would be one new chat too many. A session that comes back may take it at once, and nothing
/// tells the notices that wait. A look costs a few reads and a write.
const NO_NEW_CHATS_WAIT: Duration = Duration::from_secs(120);

/// Why a notice waits that found no session, for `last_error`.
const NO_SESSION: &str = "no_session";
/// Why one waits that would be one new chat too many.
const NO_NEW_CHATS: &str = "no_new_chats";

/// What came of a look at a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was sent, or may have been, or failed.
    Attempted(State),
    /// It has ended without a message.
    Ended(State),
    /// Not now.
    Later(Timestamp),
    /// No session has room for it before this.
    Full(Timestamp),
    /// There was nothing to do, or somebody else did it.
    Nothing,
}

/// The time that an attempt has, and who waits for it.
#[derive(Clone, Copy, Debug)]
pub struct AttemptTime<'a> {
    /// Its turn in the pace of a session comes before this, or it is left to later ones. Nothing is claimed while it waits.
    pub turn_by: Timestamp,
    /// It is over before this.
    pub deadline: Timestamp,
    /// Lambda's id of the request that waits for it; empty where none does.
    pub request_id: &'a str,
    /// The phones of the run that makes it, if one does.
    pub phones: Option<&'a PhonesOfRun>,
}

/// Whether a notice to each phone has failed in one run. One goes out at a time, and none after one that failed: whoever cannot be
/// written to, with however many payments, keeps nobody else waiting.
#[derive(Debug, Default)]
pub struct PhonesOfRun(Mutex<HashMap<Phone, Arc<AsyncMutex<bool>>>>);

impl PhonesOfRun {
    fn has_failed(&self, phone: &Phone) -> Arc<AsyncMutex<bool>> {
        let mut phones = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        phones.entry(phone.clone()).or_default().clone()
    }
}

/// How long a notice waits after another one to its phone that failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(60);

/// A notice that is to go out.
struct Job<'a> {
    story: &'a Story,
    notice: &'a Notice,
    sessions: Sessions,
    /// It was sent before, and nothing came back.
    again: bool,
    time: AttemptTime<'a>,
}

impl Notices {
    /// Looks at a notice and does what there is to do, in its time.
    ///
    /// # Errors
    /// When the store fails before anything was sent. The notice stays due.
    pub async fn attempt(
        &self,
        payment: &PaymentId,
        notice: &NoticeId,
        time: AttemptTime<'_>,
    ) -> Result<Tried, StoreError> {
        let Some(kept) = self.payments.read(payment).await? else {
            return Ok(Tried::Nothing);
        };
        let story = &kept.story;
        let Some(notice) = story.notice(notice) else {
            return Ok(Tried::Nothing);
        };
        let job = |sessions| Job {
            story,
            notice,
            sessions,
            again: false,
            time,
        };
        match plan(story, notice, self.clock.now()) {
            Plan::Nothing => Ok(Tried::Nothing),
            Plan::End(state) => self.end(story, notice, state).await,
            Plan::Wait(until) => self.wait(story, notice, until).await,
            Plan::Send(sessions) => self.send(job(sessions)).await,
            Plan::SendUnlessDelivered(sessions) => {
                if self.is_delivered(notice).await? {
                    return self.end(story, notice, State::Sent).await;
                }
                self.send(job(sessions)).await
            }
            Plan::AskForReceipt => self.ask_for_receipt(story, notice, time).await,
        }
    }

    async fn end(&self, story: &Story, notice: &Notice, state: State) -> Result<Tried, StoreError> {
        let now = self.clock.now();
        let end = (state, now);
        self.payments.end(&story.payment.id, notice, end).await?;
        if matches!(state, State::Dead | State::Expired) {
            self.report_end(story, notice, state);
        }
        Ok(Tried::Ended(state))
    }

    /// What nobody will be told any more, an operator has to know.
    fn report_end(&self, story: &Story, notice: &Notice, state: State) {
        tracing::error!(
            payment = story.payment.id.as_str(),
            notice = notice.id.as_str(),
            phone = %story.payment.phone,
            state = state.name(),
            attempts = notice.attempts,
            last_error = notice.last_error,
            "[WhatsApp System] a notice was not sent in its time"
        );
        // A reminder that would have come too late is nothing that somebody has to act upon.
        if state == State::Dead {
            let line = self.meter.line(self.clock.now());
            line.count(Metric::NoticesDead, 1).write();
        }
    }

    async fn wait(
        &self,
        story: &Story,
        notice: &Notice,
        until: Timestamp,
    ) -> Result<Tried, StoreError> {
        if notice.due_at.is_none_or(|due_at| due_at < until) {
            self.payments
                .postpone(&story.payment.id, notice, (until, None))
                .await?;
        }
        Ok(Tried::Later(until))
    }

    /// Lets a notice wait that no session takes, and keeps why.
    async fn wait_for_session(
        &self,
        story: &Story,
        notice: &Notice,
        (wait, why): (Duration, &'static str),
    ) -> Result<Tried, StoreError> {
        let until = self.clock.now().plus(wait).min(notice.deliver_by);
        let postponed = (until, Some(why));
        self.payments
            .postpone(&story.payment.id, notice, postponed)
            .await?;
        Ok(Tried::Later(until))
    }

    async fn is_delivered(&self, notice: &Notice) -> Result<bool, StoreError> {
        let mut batch = self.batches.begin();
        let read = batch.add(self.deliveries.reading_delivered_at(&notice.message_id));
        let found = batch.read("read whether a notice arrived").await?;
        Ok(read.from(&found)?.is_some())
    }

    /// A message that was taken and of which nothing came back goes out once more, if its session has brought receipts of others
    /// since.
    async fn ask_for_receipt(
        &self,
        story: &Story,
        notice: &Notice,
        time: AttemptTime<'_>,
    ) -> Result<Tried, StoreError> {
        let (Some(session), Some(sent_at)) = (&notice.session, notice.sent_at) else {
            return self.end(story, notice, State::Sent).await;
        };
        if self.is_delivered(notice).await? {
            return self.end(story, notice, State::Sent).await;
        }
        let survey = self.survey(story, Some(session)).await?;
        let delivers_others = survey.picked.is_ok_and(|picked| {
            let delivered_at = picked.delivered_at(session);
            delivered_at.is_some_and(|at| sent_at < at)
        });
        if !delivers_others {
            return self.end(story, notice, State::Sent).await;
        }
        tracing::warn!(
            payment = story.payment.id.as_str(),
            message_id = notice.message_id,
            session,
            "[WhatsApp System] a notice was taken and did not arrive: it goes out once more"
        );
        self.send(Job {
            story,
            notice,
            sessions: Sessions::Only(session.clone()),
            again: true,
            time,
        })
        .await
    }

    /// What is known of the payment's phone, and the sessions for it, the best first. One call, rarely one more.
    async fn survey(&self, story: &Story, first: Option<&str>) -> Result<Survey, StoreError> {
        let now = self.clock.now();
        let recipient = Recipient {
            served_by: first,
            urgency: Urgency::Notice,
            ..Recipient::of(&story.payment.phone)
        };
        let mut batch = self.batches.begin();
        let phone = batch.add(self.challenges.reading(&story.payment.phone, now));
        let picking = self.sender.picking(&recipient).into_iter();
        let sessions: Vec<_> = picking.map(|read| batch.add(read)).collect();
        let (found, ()) = tokio::join!(
            batch.read("read what a notice is sent with"),
            self.sender.refresh(),
        );
        let found = found?;
        let phone = phone.from(&found)?;
        let sessions = sessions.into_iter().map(|read| read.from(&found));
        let sessions = sessions.collect::<Result<Vec<_>, _>>()?;
        let recipient = Recipient {
            served_by: first.or(phone.writer()),
            first_contact: !phone.took_a_message(now),
            ..recipient
        };
        let picked = self.sender.pick_from(&recipient, sessions).await;
        Ok(Survey { phone, picked })
    }

    /// Sends a notice, unless another one to the same phone keeps it from that.
    async fn send(&self, job: Job<'_>) -> Result<Tried, StoreError> {
        let (story, notice) = (job.story, job.notice);
        let (phone, Some(phones)) = (&story.payment.phone, job.time.phones) else {
            return self.send_now(job).await;
        };
        let has_failed = phones.has_failed(phone);
        let mut has_failed = has_failed.lock().await;
        let (now, ends) = (self.clock.now(), job.time.deadline);
        if *has_failed {
            return self.wait(story, notice, now.plus(AFTER_A_FAILURE)).await;
        }
        if ends.since(now) < ATTEMPT_MIN {
            return Ok(Tried::Later(now));
        }
        let tried = self.send_now(job).await;
        let failed = Tried::Attempted(State::Queued);
        *has_failed = tried.as_ref().is_ok_and(|tried| *tried == failed);
        tried
    }

    /// Sends a notice, if there is a session for it and nobody else does.
    async fn send_now(&self, job: Job<'_>) -> Result<Tried, StoreError> {
        let (story, notice) = (job.story, job.notice);
        let only = match &job.sessions {
            Sessions::Any => None,
            Sessions::Only(session) => Some(session.as_str()),
        };
        let Survey { phone, picked } = self.survey(story, only).await?;
        let place = match self.take_place(&job, picked).await {
            Ok(place) => place,
            Err(NoPlace::Store(error)) => return Err(error),
            Err(NoPlace::NoSession(wait, why)) => {
                return self.wait_for_session(story, notice, (wait, why)).await;
            }
            Err(NoPlace::Full(wait)) => {
                let until = self.clock.now().plus(wait.max(PLACE_WAIT_MAX));
                self.wait(story, notice, until).await?;
                return Ok(Tried::Full(until));
            }
        };
        self.send_in(place, &job, &phone).await
    }

    /// Sends a notice in its place, if nobody else does.
    async fn send_in(
        &self,
        place: Place,
        job: &Job<'_>,
        phone: &PhoneState,
    ) -> Result<Tried, StoreError> {
        let (story, notice) = (job.story, job.notice);
        let now = self.clock.now();
        if let Some(too_late) = self.came_too_late(&place, job).await {
            return too_late;
        }
        let deadline = now.plus(ATTEMPT_MAX).min(job.time.deadline);
        let (attempt, session) = (random_id(&self.entropy), place.session().to_owned());
        let claim = Claim {
            payment: &story.payment.id,
            phase: story.payment.phase,
            notice,
            attempt: &attempt,
            session: &session,
            now,
            until: deadline.plus(CLAIM_REST),
        };
        if self.payments.claim(claim).await? == Claimed::Lost {
            self.leave(&place).await;
            return Ok(Tried::Nothing);
        }
        let brings_receipts = place
            .delivered_at()
            .is_some_and(|at| now.since(at) < BRINGS_RECEIPTS);
        let outgoing = Outgoing {
            first_contact: !phone.took_a_message(now),
            ..self.outgoing(job, place.at().max(now))
        };
        let sent_by = deadline.minus(RECORD_ROOM);
        let delivery = self.sender.deliver(place, outgoing, sent_by).await;
        let mut ended = self.ended(job, &delivery);
        if !brings_receipts && ended.state == State::Sent {
            ended.due_at = None;
        }
        let contact = self.remember_contact(story, phone, &delivery);
        tokio::join!(self.record(claim, &ended, &delivery), contact);
        Ok(Tried::Attempted(ended.state))
    }

    /// What becomes of a notice that something happened to while it waited for its turn: its time has passed, or others have opened
    /// the last new chat.
    async fn came_too_late(
        &self,
        place: &Place,
        job: &Job<'_>,
    ) -> Option<Result<Tried, StoreError>> {
        let (story, notice, now) = (job.story, job.notice, self.clock.now());
        if matches!(plan(story, notice, now), Plan::End(_)) {
            self.leave(place).await;
            return Some(Ok(Tried::Nothing));
        }
        if place.is_one_chat_too_many() {
            self.leave(place).await;
            let wait = (NO_NEW_CHATS_WAIT, NO_NEW_CHATS);
            return Some(self.wait_for_session(story, notice, wait).await);
        }
        None
    }

    /// Records how an attempt ended. A failure is logged: the claim ends by itself.
    async fn record(&self, claim: Claim<'_>, ended: &Attempted, delivery: &Delivery) {
        let recorded = self.payments.record(claim, ended);
        let (recorded, ()) = tokio::join!(recorded, self.sender.record(delivery));
        if let Err(error) = recorded {
            tracing::error!(
                payment = claim.payment.as_str(),
                message_id = delivery.message_id,
                error = %Chain(&error),
                "[WhatsApp System] how an attempt ended is not recorded: its claim ends by itself"
            );
        }
    }

    /// A place in the queue of a session that the notice may go out from, once its turn in that session's pace has come.
    async fn take_place(
        &self,
        job: &Job<'_>,
        picked: Result<Picked, PickError>,
    ) -> Result<Place, NoPlace> {
        let picked = picked?;
        let now = self.clock.now();
        let only = match &job.sessions {
            Sessions::Any => None,
            Sessions::Only(session) => picked.clone().only(session).ok(),
        };
        // A session that is gone, or that has not been usable for long, does not send what it was given.
        let picked = match only {
            Some(only) if only.unusable_for(now) < GIVEN_UP_AFTER => only,
            _ => picked,
        };
        let paced = Paced {
            each: self.settings.pace,
            wait_max: job.time.turn_by.since(now),
        };
        let picked = self.sender.wait_for_turn(picked, paced).await?;
        let place = self.place_of_turn(&picked, job.time.turn_by).await;
        if place.is_err() {
            self.leave_turn(picked.session()).await;
        }
        Ok(place?)
    }

    /// A place in the queue for a notice whose turn has come. While codes fill the queue, it looks again until `turn_by`, less and
    /// less often.
    async fn place_of_turn(
        &self,
        picked: &Picked,
        turn_by: Timestamp,
    ) -> Result<Place, PlaceError> {
        let mut pause = PLACE_WAIT_MAX;
        loop {
            let taken = self.sender.take_place(picked, PLACE_WAIT_MAX).await;
            match taken {
                Err(PlaceError::Busy(_)) if pause < self.clock.until(turn_by) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                taken => return taken,
            }
        }
    }

    async fn leave_turn(&self, session: &str) {
        self.sender.leave_turn(session, self.settings.pace).await;
    }

    /// Gives back what a notice had that does not go out now.
    async fn leave(&self, place: &Place) {
        let turn = self.leave_turn(place.session());
        tokio::join!(self.sender.leave_place(place), turn);
    }

    /// The message of a notice that goes out at `at`.
    fn outgoing(&self, job: &Job<'_>, at: Timestamp) -> Outgoing {
        let (story, notice) = (job.story, job.notice);
        Outgoing {
            purpose: notice.kind.purpose(),
            message_id: notice.message_id.clone(),
            phone: story.payment.phone.clone(),
            content: Content::Text(self.message(story, notice, at)),
            first_contact: false,
            code_asked_at: None,
            once_unknown: OnceUnknown::Waits,
            is_repeat: notice.attempts > 0,
            cause: Cause {
                payment: Some(story.payment.id.as_str().to_owned()),
                ..Cause::request(job.time.request_id)
            },
        }
    }

    /// What the customer reads, if it goes out at `sent_at`.
    fn message(&self, story: &Story, notice: &Notice, sent_at: Timestamp) -> MessageBody {
        let payment = &story.payment;
        let (details, said) = (&payment.details, &notice.said);
        self.brand.payment_message(&PaymentMessage {
            kind: &notice.kind,
            language: details.language,
            zone: &details.zone,
            payment: &payment.id,
            name: details.name.as_ref(),
            amount: said.amount.unwrap_or(details.amount),
            method: details.method.as_ref(),
            reason: said.reason.as_ref(),
            url: details.url.as_ref(),
            expires_at: payment.expires_at,
            paid_at: said.at,
            sent_at,
        })
    }

    /// What an attempt that ended as `delivery` makes of the notice.
    fn ended(&self, job: &Job<'_>, delivery: &Delivery) -> Attempted {
        let (notice, now) = (job.notice, delivery.ended);
        let error = delivery.outcome.reason().map(Reason::as_str);
        let base = Attempted {
            state: State::Sent,
            due_at: None,
            attempts: notice.attempts.saturating_add(1),
            session: delivery.session.clone(),
            unsure_at: None,
            error: error.map(str::to_owned),
            sent_at: notice.sent_at,
            sent_again: job.again,
        };
        match delivery.outcome {
            Outcome::Sent => Attempted {
                due_at: (!job.again).then(|| now.plus(SILENT_AFTER)),
                sent_at: Some(now),
                ..base
            },
            // It was sent before.
            _ if job.again => base,
            Outcome::Unknown => Attempted {
                state: State::Unknown,
                due_at: Some(now.plus(RECEIPT_WAIT)),
                unsure_at: Some(now),
                error: Some("no_answer".into()),
                ..base
            },
            Outcome::NotSent(reason) if !reason.concerns_the_channel() => {
                self.report_end(job.story, notice, State::Dead);
                Attempted {
                    state: State::Dead,
                    ..base
                }
            }
            // It did not begin.
            Outcome::NotSent(Reason::Busy | Reason::Deadline) => Attempted {
                attempts: notice.attempts,
                due_at: Some(now.plus(NOT_BEGUN_WAIT)),
                ..self.to_be_tried_again(notice, base, now)
            },
            Outcome::NotSent(_) => self.to_be_tried_again(notice, base, now),
        }
    }

    /// A notice that certainly was not sent now. What may have been sent before may still have been.
    fn to_be_tried_again(&self, notice: &Notice, base: Attempted, now: Timestamp) -> Attempted {
        let state = match notice.unsure_at {
            Some(_) => State::Unknown,
            None => State::Queued,
        };
        Attempted {
            state,
            unsure_at: notice.unsure_at,
            due_at: Some(self.next_try(notice, base.attempts, now)),
            ..base
        }
    }

    /// When a notice is tried again that has failed so often; at its end it is looked at for the last time.
    fn next_try(&self, notice: &Notice, attempts: u32, now: Timestamp) -> Timestamp {
        let wait = wait_after(attempts, self.entropy.below(1_000));
        now.plus(wait).min(notice.deliver_by.max(now))
    }

    /// Keeps which session has written to the phone. A failure is logged and nothing more: it is a hint.
    async fn remember_contact(&self, story: &Story, phone: &PhoneState, delivery: &Delivery) {
        if delivery.outcome != Outcome::Sent {
            return;
        }
        let taken = TakenMessage {
            asked_at: Some(delivery.started),
            session: &delivery.session,
        };
        let phone_number = &story.payment.phone;
        let remembered = self.challenges.remember_contact(phone_number, phone, taken);
        if let Err(error) = remembered.await {
            tracing::warn!(error = %Chain(&error), "[WhatsApp System] who wrote to a phone is not remembered");
        }
    }
}

/// What a notice is sent with.
struct Survey {
    phone: PhoneState,
    picked: Result<Picked, PickError>,
}

/// Why a notice does not go out now.
enum NoPlace {
    /// There is no session for it, for that reason: worth a look after so long.
    NoSession(Duration, &'static str),
    /// No session has room for it so soon.
    Full(Duration),
    /// The store failed.
    Store(StoreError),
}

impl From<PickError> for NoPlace {
    fn from(error: PickError) -> Self {
        match error {
            PickError::Store(error) => Self::Store(error),
            PickError::NoSession => Self::NoSession(NO_SESSION_WAIT, NO_SESSION),
            PickError::NoNewChats(_) => Self::NoSession(NO_NEW_CHATS_WAIT, NO_NEW_CHATS),
        }
    }
}

impl From<PlaceError> for NoPlace {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Store(error) => Self::Store(error),
            PlaceError::Busy(Busy { retry_after }) => Self::Full(retry_after),
        }
    }
}
