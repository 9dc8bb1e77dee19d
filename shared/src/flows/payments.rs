//! Payment notices: an event is accepted so that nothing can lose it, and its message goes out once, in time and in order, or an
//! operator is told why not.
//!
//! `accept.rs` keeps an event and tries it once. `attempt.rs` is one attempt, whoever makes it. `deliver.rs` makes those that are
//! due, each minute. What to do with a notice is decided by [`plan`](crate::model::notice::plan) alone.
use self::callers::CallerDays;
use crate::model::texts::Brand;
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::runtime::Backends;
use crate::runtime::metrics::Meter;
use crate::runtime::settings::NoticeSettings;
use crate::sender::Sender;
use crate::store::batch::Batches;
use crate::store::challenges::Challenges;
use crate::store::deliveries::Deliveries;
use crate::store::payments::Payments;

/// Who may post events, and how many.
pub mod callers;

/// Accepting events.
pub mod accept;

/// One attempt to send a notice.
pub mod attempt;

/// The notices that are due.
pub mod deliver;

/// What payment gateways post.
pub mod bridge;

/// What became of a payment's notices.
pub mod history;

/// Notices, and what they are sent with.
#[derive(Clone, Debug)]
pub struct Notices {
    payments: Payments,
    caller_days: CallerDays,
    deliveries: Deliveries,
    challenges: Challenges,
    batches: Batches,
    sender: Sender,
    brand: Brand,
    settings: NoticeSettings,
    meter: Meter,
    clock: Clock,
    entropy: Entropy,
}

impl Notices {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            payments: Payments::new(backends),
            caller_days: CallerDays::new(backends),
            deliveries: Deliveries::of(backends),
            challenges: Challenges::new(backends),
            batches: Batches::new(backends),
            sender: Sender::new(backends),
            brand: backends.settings.brand.clone(),
            settings: backends.settings.notices.clone(),
            meter: Meter::new(&backends.settings),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
        }
    }
}
