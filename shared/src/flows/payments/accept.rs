//! Accepting an event: kept in one transaction, tried once, then answered.
use std::time::Duration;

use aws_lc_rs::digest;

use super::Notices;
use super::attempt::{AttemptTime, PLACE_WAIT_MAX};
use super::callers::DayError;
use crate::model::limits::Limited;
use crate::model::notice::{Details, FACT_LIFE, Notice, NoticeId, Phase, Said, State, TIME_TO_PAY};
use crate::model::payment::{Kind, PaymentId, Status};
use crate::model::payment_caller::PaymentCaller;
use crate::model::phone::Phone;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::sender;
use crate::store::StoreError;
use crate::store::payments::Kept;
use crate::store::payments::accept::{Acceptance, Accepted, NewPayment, PaymentChange};

/// The longest that an answer waits for the first attempt.
const FIRST_ATTEMPT_MAX: Duration = Duration::from_secs(4);
/// How often somebody who waits for another one's attempt looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often an event is decided again when its payment changes meanwhile.
const RACES_MAX: usize = 3;

/// An event of a payment system.
#[derive(Clone, Debug)]
pub struct Event {
    /// The payment.
    pub payment: PaymentId,
    /// What happened.
    pub kind: Kind,
    /// Whom the payment is about, and what; a payment that is known needs none.
    pub about: Option<About>,
    /// What the event says beside its kind.
    pub said: Said,
    /// When the payment expires, if that is said.
    pub expires_at: Option<Timestamp>,
}

/// Whom a payment is about, and what.
#[derive(Clone, Debug)]
pub struct About {
    /// Whom.
    pub phone: Phone,
    /// What.
    pub details: Details,
}

/// How an event came.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Who sent it.
    pub caller: &'a PaymentCaller,
    /// The caller's own key for it.
    pub idempotency_key: Option<&'a str>,
    /// Whether the answer waits for the first attempt.
    pub first_attempt: FirstAttempt,
    /// When the answer has to be there.
    pub deadline: Timestamp,
    /// Lambda's id of the request.
    pub request_id: &'a str,
}

/// Whether the answer to an event waits for its first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstAttempt {
    /// For some seconds.
    Awaited,
    /// Not at all; it is made within a minute.
    Later,
}

/// What became of an event.
#[derive(Clone, Debug)]
pub enum Taken {
    /// There is a notice, as far as it is by now.
    Noted(Box<Notice>),
    /// The payment cannot become that any more, or that is no news. It is this, and nothing has changed.
    NoMove(Phase),
}

/// Why an event was not taken. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// There is no such payment, and the event does not say whom it is about.
    #[error("there is no such payment")]
    UnknownPayment,
    /// The same event came before and said something else.
    #[error("the notice exists and says something else")]
    NoticeExists(Box<Notice>),
    /// The caller's key was given to another event.
    #[error("the key was given to another event")]
    KeyReused(Box<Notice>),
    /// A limit says no.
    #[error("the limit `{}` says no", .0.limit.name())]
    Limited(Limited),
    /// The store failed. The event may be kept: the same again finds out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DayError> for EventError {
    fn from(error: DayError) -> Self {
        match error {
            DayError::Full(limited) => Self::Limited(limited),
            DayError::Store(error) => Self::Store(error),
        }
    }
}

/// An event, and what it is known by.
struct Incoming<'a> {
    event: &'a Event,
    body_hash: String,
    /// What is kept of the caller's own key.
    key: Option<String>,
    sent: Sent<'a>,
}

impl Incoming<'_> {
    /// Refuses an event whose key was given to another one.
    fn check_key(&self, kept: &Kept) -> Result<(), EventError> {
        let given = kept
            .keys
            .iter()
            .find(|given| Some(&given.hash) == self.key.as_ref());
        let Some(given) = given else {
            return Ok(());
        };
        if given.notice == self.event.id() && given.body_hash == self.body_hash {
            return Ok(());
        }
        let stored = kept.story.notice(&given.notice).cloned();
        let stored = stored.ok_or(StoreError::unreadable("read the notice of a key", "notice"))?;
        Err(EventError::KeyReused(Box::new(stored)))
    }
}

/// What a refused event meets.
enum Verdict {
    Taken(Taken),
    /// It is decided again: what refused it has changed.
    Again,
}

impl Notices {
    /// Keeps `event`, tries its notice once, and answers how far that is.
    ///
    /// # Errors
    /// When it is not taken. Nothing has changed then, unless the store failed.
    pub async fn take(&self, event: &Event, sent: Sent<'_>) -> Result<Taken, EventError> {
        let now = self.clock.now();
        let days = &self.caller_days;
        let place = days
            .count(sent.caller, (&event.payment, &event.id()), now)
            .await?;
        let taken = self.take_counted(event, sent, now).await;
        let came_to_nothing = matches!(
            taken,
            Ok(Taken::NoMove(_)) | Err(EventError::UnknownPayment)
        );
        if let Some(place) = place.filter(|_| came_to_nothing) {
            days.uncount(sent.caller, &place).await;
        }
        taken
    }

    async fn take_counted(
        &self,
        event: &Event,
        sent: Sent<'_>,
        now: Timestamp,
    ) -> Result<Taken, EventError> {
        let incoming = Incoming {
            event,
            body_hash: event.hash(),
            key: sent
                .idempotency_key
                .map(|key| key_hash(&sent.caller.name, &event.kind, key)),
            sent,
        };
        for _ in 0..RACES_MAX {
            let notices = self.notices(event, &incoming.body_hash, now);
            let acceptance = Acceptance {
                payment: &event.payment,
                change: event.change(),
                notices: &notices,
                key: incoming.key.as_deref(),
                now,
            };
            if self.payments.accept(&acceptance).await? == Accepted::Kept {
                return Ok(self.first_attempt(event, &notices[0], sent).await);
            }
            match self.refused(&incoming).await? {
                Verdict::Taken(taken) => return Ok(taken),
                Verdict::Again => {}
            }
        }
        Err(StoreError::overtaken("keep the event of a payment").into())
    }

    /// Why an event was refused, as what is kept says.
    async fn refused(&self, incoming: &Incoming<'_>) -> Result<Verdict, EventError> {
        let event = incoming.event;
        let Some(kept) = self.payments.read(&event.payment).await? else {
            return match event.about {
                None => Err(EventError::UnknownPayment),
                Some(_) => Ok(Verdict::Again),
            };
        };
        incoming.check_key(&kept)?;
        let story = &kept.story;
        if let Some(notice) = story.notice(&event.id()) {
            if notice.body_hash != incoming.body_hash {
                return Err(EventError::NoticeExists(Box::new(notice.clone())));
            }
            let notice = self.end_of_first_attempt(incoming, notice).await;
            return Ok(Verdict::Taken(Taken::Noted(Box::new(notice))));
        }
        let phase = story.payment.phase;
        Ok(if event.is_a_move_from(phase) {
            Verdict::Again
        } else {
            Verdict::Taken(Taken::NoMove(phase))
        })
    }

    /// Tries a notice that was just kept, and answers how far it is.
    async fn first_attempt(&self, event: &Event, notice: &Notice, sent: Sent<'_>) -> Taken {
        if sent.first_attempt == FirstAttempt::Awaited {
            let time = AttemptTime {
                turn_by: self.clock.now().plus(PLACE_WAIT_MAX),
                deadline: self.answer_by(sent),
                request_id: sent.request_id,
                phones: None,
            };
            let tried = self.attempt(&event.payment, &notice.id, time);
            // It is kept: whatever fails here is tried again.
            if let Err(error) = tried.await {
                tracing::warn!(
                    payment = event.payment.as_str(),
                    notice = notice.id.as_str(),
                    error = %Chain(&error),
                    "[WhatsApp System] a notice was kept and not tried yet"
                );
            }
        }
        let kept = self.payments.read(&event.payment).await;
        let kept = kept.ok().flatten();
        let now = kept.and_then(|kept| kept.story.notice(&notice.id).cloned());
        Taken::Noted(Box::new(now.unwrap_or_else(|| notice.clone())))
    }

    /// How far a notice is once the attempt is over that somebody else makes just now.
    async fn end_of_first_attempt(&self, incoming: &Incoming<'_>, notice: &Notice) -> Notice {
        let mut notice = notice.clone();
        let until = self.answer_by(incoming.sent);
        let waits = incoming.sent.first_attempt == FirstAttempt::Awaited;
        while waits && is_tried_before(&notice, until) && self.clock.now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
            let kept = self.payments.read(&incoming.event.payment).await;
            let kept = kept.ok().flatten();
            let seen = kept.and_then(|kept| kept.story.notice(&notice.id).cloned());
            notice = seen.unwrap_or(notice);
        }
        notice
    }

    fn answer_by(&self, sent: Sent<'_>) -> Timestamp {
        self.clock.now().plus(FIRST_ATTEMPT_MAX).min(sent.deadline)
    }

    /// The notice of `event`, and the warnings that follow from it.
    fn notices(&self, event: &Event, body_hash: &str, now: Timestamp) -> Vec<Notice> {
        let before_end = event.expires_at.map(|at| at.minus(TIME_TO_PAY));
        let deliver_by = match event.kind {
            Kind::Created | Kind::ExpiryWarning => before_end.unwrap_or(now.plus(FACT_LIFE)),
            Kind::Success | Kind::Status { .. } => now.plus(FACT_LIFE),
        };
        let notice = |id, kind: &Kind, not_before: Timestamp, deliver_by| Notice {
            id,
            kind: kind.clone(),
            said: event.said.clone(),
            body_hash: body_hash.to_owned(),
            state: State::Queued,
            accepted_at: now,
            not_before,
            deliver_by,
            due_at: Some(not_before),
            attempts: 0,
            message_id: sender::message_id(&self.entropy),
            session: None,
            unsure_at: None,
            last_error: None,
            sent_at: None,
            sent_again: false,
        };
        let mut notices = vec![notice(event.id(), &event.kind, now, deliver_by)];
        if let (Kind::Created, Some(expires_at)) = (&event.kind, event.expires_at) {
            let times = warnings(&self.settings.warnings, expires_at, now);
            notices.extend(times.into_iter().map(|(minutes, from, until)| {
                let id = NoticeId::of_warning(minutes);
                notice(id, &Kind::ExpiryWarning, from, until)
            }));
        }
        notices
    }
}

/// Whether `notice` is being tried, or will be for the first time before `until`.
fn is_tried_before(notice: &Notice, until: Timestamp) -> bool {
    let is_new = notice.state == State::Queued && notice.attempts == 0;
    let is_due = notice.due_at.is_some_and(|due_at| due_at < until);
    notice.state == State::Sending || is_new && is_due
}

/// When a payment that expires at `expires_at` is warned of, from and until when. One that would come late is left out, and each
/// gives way to the next.
fn warnings(
    minutes: &[u32],
    expires_at: Timestamp,
    now: Timestamp,
) -> Vec<(u32, Timestamp, Timestamp)> {
    let mut minutes = minutes.to_vec();
    minutes.sort_unstable_by(|one, other| other.cmp(one));
    minutes.dedup();
    let at = |minutes: u32| expires_at.minus(Duration::from_secs(60 * u64::from(minutes)));
    let ends = minutes.iter().skip(1).map(|minutes| at(*minutes));
    let ends: Vec<_> = ends.chain([expires_at.minus(TIME_TO_PAY)]).collect();
    let times = minutes.iter().zip(ends);
    let times = times.map(|(minutes, end)| (*minutes, at(*minutes), end));
    times
        .filter(|(_, from, until)| now < *from && from < until)
        .collect()
}

impl Event {
    /// The name of its notice.
    pub fn id(&self) -> NoticeId {
        NoticeId::of(&self.kind)
    }

    fn change(&self) -> PaymentChange<'_> {
        let begins = self.about.as_ref().map(|about| NewPayment {
            phone: &about.phone,
            details: &about.details,
            expires_at: self.expires_at,
        });
        match (self.kind.status(), begins) {
            (None, Some(begins)) if self.kind == Kind::Created => PaymentChange::Begins(begins),
            (None, _) => PaymentChange::Stays(Phase::Open),
            (Some(status), begins) => PaymentChange::Moves {
                from: self.from(status),
                to: Phase::Is(status),
                begins,
            },
        }
    }

    /// What a payment has to be for it to become `status`. What is counted happens several times.
    const fn from(&self, status: Status) -> &'static [Phase] {
        match &self.kind {
            Kind::Status {
                status: Status::Refunded,
                sequence: Some(_),
            } => &[Phase::Is(Status::Paid), Phase::Is(Status::Refunded)],
            _ => Phase::before(status),
        }
    }

    fn is_a_move_from(&self, phase: Phase) -> bool {
        match self.kind.status() {
            None => self.kind != Kind::Created && phase == Phase::Open,
            Some(status) => self.from(status).contains(&phase),
        }
    }

    /// What tells this event from another one of the same name: all that it says.
    fn hash(&self) -> String {
        let phone = self
            .about
            .as_ref()
            .map(|about| about.phone.digits().to_owned());
        let details = self.about.as_ref().map(|about| about.details.words());
        let expires_at = self.expires_at.map(|at| at.millis().to_string());
        let words = [phone, expires_at].into_iter();
        let words = words
            .chain(details.into_iter().flatten())
            .chain(self.said.words());
        // No word has such a character.
        let all: Vec<_> = words
            .map(|word| word.unwrap_or_else(|| "\u{1}".into()))
            .collect();
        sha256(all.join("\u{0}").as_bytes())
    }
}

/// What is kept of a caller's own key: it counts for that caller and that kind of event.
fn key_hash(caller: &str, kind: &Kind, key: &str) -> String {
    sha256(format!("{caller}\n{}\n{key}", kind.purpose()).as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
