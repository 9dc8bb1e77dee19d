//! One notice about a payment: what it tells, how long it may be sent, when it is tried, and how it ends.
//!
//! A notice is accepted once and lives until it has one of the [ends](crate::model::notice::State::is_end). What to do with it at any moment is
//! decided by [`plan`](crate::model::notice::plan::plan), from the whole [`Story`](crate::model::notice::Story) of its payment.
use std::fmt;
use std::time::Duration;

use crate::model::payment::money::Money;
use crate::model::payment::{Kind, PaymentId, Status};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;

/// What a payment can be, and what it may become.
pub mod phase;

/// What events say.
pub mod details;

/// What to do with a notice now.
pub mod plan;

pub use self::details::{Details, Said};
pub use self::phase::Phase;

/// How long a fact is tried.
pub const FACT_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// "Please pay" is of use for so long before the payment expires, and not after.
pub const TIME_TO_PAY: Duration = Duration::from_secs(5 * 60);

/// Which notices are tried before which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// What happened to somebody's money.
    Facts,
    /// What asks somebody to pay.
    Reminders,
}

impl Priority {
    /// Both, the first one first.
    pub const ALL: [Self; 2] = [Self::Facts, Self::Reminders];

    /// The word for it in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Reminders => "reminders",
        }
    }
}

impl Kind {
    /// Which notices it is tried with.
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Success | Self::Status { .. } => Priority::Facts,
            Self::Created | Self::ExpiryWarning => Priority::Reminders,
        }
    }

    /// What the payment is once this happened; nothing where it stays what it was.
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Created | Self::ExpiryWarning => None,
            Self::Success => Some(Status::Paid),
            Self::Status { status, .. } => Some(*status),
        }
    }

    /// The word for what its message is for, in logs and in the story of the message.
    pub const fn purpose(&self) -> &'static str {
        match self {
            Self::Created => "payment-created",
            Self::Success => "payment-success",
            Self::Status { .. } => "payment-status",
            Self::ExpiryWarning => "payment-expiry-warning",
        }
    }
}

/// The name of a notice within its payment: the same event is the same notice, however often it comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoticeId(String);

impl NoticeId {
    /// The name of the notice of `kind`.
    pub fn of(kind: &Kind) -> Self {
        Self(kind.to_string())
    }

    /// The name of the warning so many minutes before a payment expires.
    pub fn of_warning(minutes: u32) -> Self {
        Self(format!("{}.{minutes}", Kind::ExpiryWarning))
    }

    /// A name as it was stored.
    pub fn stored(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for its next attempt.
    Queued,
    /// Somebody is sending it.
    Sending,
    /// It may have been sent. A receipt decides, or it goes out again under the same message id.
    Unknown,
    /// WhatsApp took it.
    Sent,
    /// It was not needed any more.
    Superseded,
    /// Its time was over before it could be sent, and it would only have asked to pay.
    Expired,
    /// It could not be sent in its time.
    Dead,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sending,
        Self::Unknown,
        Self::Sent,
        Self::Superseded,
        Self::Expired,
        Self::Dead,
    ];

    /// The word for it in the store and in replies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Dead => "dead",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more is sent.
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::Sent | Self::Superseded | Self::Expired | Self::Dead
        )
    }
}

/// A notice as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its name within the payment.
    pub id: NoticeId,
    /// What it tells.
    pub kind: Kind,
    /// What the event said beside its kind.
    pub said: Said,
    /// The hash of the event's body.
    pub body_hash: String,
    /// How far it is.
    pub state: State,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Not sent before.
    pub not_before: Timestamp,
    /// Not sent after.
    pub deliver_by: Timestamp,
    /// When it is looked at next, unless it has ended for good.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Its message: the id stays the same through every attempt.
    pub message_id: String,
    /// The session that it was tried on last.
    pub session: Option<String>,
    /// When an attempt last ended without an answer.
    pub unsure_at: Option<Timestamp>,
    /// Why it did not go out the last time.
    pub last_error: Option<String>,
    /// When WhatsApp took it.
    pub sent_at: Option<Timestamp>,
    /// Whether it was sent once more because no receipt came.
    pub sent_again: bool,
}

/// A payment as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its name.
    pub id: PaymentId,
    /// What it is.
    pub phase: Phase,
    /// Whom it is about.
    pub phone: Phone,
    /// What it is about.
    pub details: Details,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// The notice that somebody is sending, and until when nobody else sends one.
    pub in_flight: Option<(NoticeId, Timestamp)>,
}

/// Everything that is kept about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The payment.
    pub payment: Payment,
    /// Its notices, in the order in which they were accepted.
    pub notices: Vec<Notice>,
}

impl Story {
    /// The notice of this name.
    pub fn notice(&self, id: &NoticeId) -> Option<&Notice> {
        self.notices.iter().find(|notice| notice.id == *id)
    }

    /// How much goes back by the refund that the notice called `id` is about: `refunded`, or all that is left where it names no
    /// amount. `None` when that is nothing, or more than other notices leave of the payment, or one part too many.
    pub fn given_back(&self, id: &NoticeId, refunded: Option<Money>) -> Option<Money> {
        let whole = self.payment.details.amount;
        let is_refund = |notice: &&Notice| notice.kind.status() == Some(Status::Refunded);
        let refunds = self.notices.iter().filter(is_refund);
        let others: Vec<_> = refunds.filter(|notice| notice.id != *id).collect();
        let mut amounts = others.iter().map(|notice| notice.said.amount);
        // One that names no amount was told as the whole.
        let rest = amounts.try_fold(whole, |rest, told| rest.minus(told.unwrap_or(whole)))?;
        let given = refunded.unwrap_or(rest);
        let fits = given.minor() > 0 && rest.minus(given).is_some() && others.len() < REFUNDS_MAX;
        fits.then_some(given)
    }
}

/// The most refunds of a payment that its customer is told of, where a payment gateway tells of them.
const REFUNDS_MAX: usize = 20;

/// The waits between attempts: the next tick, then these minutes, then an hour each.
const WAITS_MINUTES: [u64; 5] = [1, 2, 5, 10, 30];

/// How long after its `attempts`-th failure a notice is tried again: half of the wait and a random part of the other half, so
/// that what failed at once does not come back at once. `jitter` is a number from 0 to 999.
pub fn wait_after(attempts: u32, jitter: u64) -> Duration {
    let Some(number) = attempts.checked_sub(1).and_then(|n| n.checked_sub(1)) else {
        return Duration::ZERO;
    };
    let minutes = WAITS_MINUTES.get(number as usize).copied().unwrap_or(60);
    let wait = Duration::from_secs(60 * minutes);
    wait / 2 + wait / 2 * u32::try_from(jitter.min(999)).unwrap_or(0) / 999
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_to_an_hour_and_are_spread() {
        let minutes = |attempts, jitter| wait_after(attempts, jitter).as_secs_f64() / 60.0;
        for (attempts, least, most) in [
            (0, 0.0, 0.0),
            (1, 0.0, 0.0),
            (2, 0.5, 1.0),
            (3, 1.0, 2.0),
            (6, 15.0, 30.0),
            (7, 30.0, 60.0),
            (u32::MAX, 30.0, 60.0),
        ] {
            assert_eq!(minutes(attempts, 0), least, "after {attempts}");
            assert_eq!(minutes(attempts, 999), most, "after {attempts}");
        }
    }
}
