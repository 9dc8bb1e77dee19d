//! Sending a code and checking a guess: the steps that every purpose shares.
//!
//! A send takes three round trips to the store. First everything is read, side by side (`survey.rs`). Then the code is
//! reserved, and places in the limits and in the session's queue are taken (`send.rs`). The message goes out, and the
//! reservation is committed or released (`settle.rs`). What dies on the way leaves a reservation that lapses by itself.
//!
//! A guess is counted, then compared (`check.rs`). A right one uses the code up together with what it opens (`redeem.rs`).
use std::time::Duration;

use self::country_cap::{CapError, CountryDays};
use self::full_addresses::FullAddresses;
use crate::model::account::random_id;
use crate::model::code::{Code, CodeSource};
use crate::model::keys::{Key, RingName};
use crate::model::limits::{Limited, Policy};
use crate::model::open_chat::ChatOffer;
use crate::model::phone::Phone;
use crate::model::test_numbers::{REVIEW_CODES_PER_DAY, REVIEW_NUMBER_USED, TestNumbers};
use crate::model::texts::Brand;
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::metrics::Meter;
use crate::sender::{Reason, Sender};
use crate::store::StoreError;
use crate::store::batch::Batches;
use crate::store::challenges::Challenges;
use crate::store::deliveries::Deliveries;
use crate::store::keys::KeyRing;
use crate::store::open_chats::OpenChats;
use crate::store::users::Users;
use crate::store::windows::Windows;

/// What a code request asks for, and what it is answered with.
pub mod order;

/// Round trip 1: what a send is decided on.
pub mod survey;

/// Whether the last code arrived.
mod silence;

/// Round trip 2, and the message.
mod send;

/// The reservation of a code.
mod reserve;

/// The chat that a person may open where WhatsApp lets the account write to nobody new.
mod offer;

/// Round trip 3: charges what was sent, takes back what was not.
mod settle;

/// The daily caps of countries.
pub mod country_cap;

/// What would happen if somebody asked for a code.
pub mod explain;

/// Counting a guess and comparing it.
pub mod check;

/// Which client addresses have used their wrong codes up.
mod full_addresses;

/// What a right guess opens.
pub mod redeem;

/// Codes: sending them and checking guesses.
#[derive(Clone, Debug)]
pub struct Codes {
    batches: Batches,
    users: Users,
    challenges: Challenges,
    windows: Windows,
    countries: CountryDays,
    full_addresses: FullAddresses,
    ring: KeyRing,
    sender: Sender,
    deliveries: Deliveries,
    open_chats: OpenChats,
    meter: Meter,
    policy: Policy,
    unbound_guesses: bool,
    test_numbers: TestNumbers,
    brand: Brand,
    clock: Clock,
    entropy: Entropy,
}

/// Why no code went out. Nothing was charged.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A limit says no.
    #[error("the limit `{}` says no", .0.limit.name())]
    Limited(Limited),
    /// There is no WhatsApp session to send from.
    #[error("no WhatsApp session is configured")]
    NoSession,
    /// The message certainly did not go out.
    #[error("the message was not sent: {reason:?}")]
    NotSent {
        /// Why.
        reason: Reason,
        /// How long until it is worth asking again, where that is known.
        retry_after: Option<Duration>,
        /// The chat that the person may open meanwhile, so that the code comes as its answer.
        chat: Option<Box<ChatOffer>>,
    },
    /// The store failed before anything was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CapError> for SendError {
    fn from(error: CapError) -> Self {
        match error {
            CapError::Full(limited) => Self::Limited(limited),
            CapError::Store(error) => Self::Store(error),
        }
    }
}

/// Why a guess opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Wrong.
    #[error("the code is wrong, {tries_left} tries are left")]
    Wrong {
        /// The tries left for this challenge id, or for guesses without one.
        tries_left: i64,
    },
    /// Not compared: no tries are left.
    #[error("no tries are left")]
    Exhausted,
    /// Not compared: the code has expired or was used.
    #[error("the code has expired or was used")]
    Expired,
    /// Not compared, not counted: there is no such challenge.
    #[error("there is no such challenge")]
    Unknown,
    /// Right, but what it was to open is there already: somebody else was faster.
    #[error("somebody else was faster")]
    Overtaken,
    /// Not compared, not counted: too many wrong codes came from the same address.
    #[error("the limit `{}` says no", .0.limit.name())]
    Limited(Limited),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Codes {
    /// Codes over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            batches: Batches::new(backends),
            users: Users::new(backends),
            challenges: Challenges::new(backends),
            windows: Windows::new(backends),
            countries: CountryDays::new(backends),
            full_addresses: FullAddresses::default(),
            ring: KeyRing::new(backends, RingName::Codes),
            sender: Sender::new(backends),
            deliveries: Deliveries::of(backends),
            open_chats: OpenChats::new(backends),
            meter: Meter::new(&backends.settings),
            policy: backends.settings.policy.clone(),
            unbound_guesses: backends.settings.unbound_guesses,
            test_numbers: backends.settings.test_numbers.clone(),
            brand: backends.settings.brand.clone(),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.ring.warm_up(now).await
    }

    /// A new id for a use of a code that opens no login.
    pub fn use_id(&self) -> String {
        random_id(&self.entropy)
    }

    /// A salt for a new password.
    pub fn salt(&self) -> [u8; 16] {
        self.entropy.bytes()
    }

    /// The limits of a phone. They are the same for all, but that the review number gets fewer codes a day.
    fn policy_of(&self, phone: &Phone) -> Policy {
        let mut policy = self.policy.clone();
        if self.test_numbers.is_review(phone) {
            for most in [
                &mut policy.messages_per_day,
                &mut policy.messages_per_day_verified,
            ] {
                *most = REVIEW_CODES_PER_DAY.min(*most);
            }
        }
        policy
    }

    /// The code that `source` makes under `key`, or the fixed code of a test number.
    fn secret(&self, key: &Key, source: &CodeSource<'_>) -> Code {
        let CodeSource { phone, purpose, .. } = source;
        if self.test_numbers.is_review(phone) {
            tracing::warn!(%phone, purpose = purpose.name(), "{REVIEW_NUMBER_USED}");
        }
        match self.test_numbers.code(phone) {
            None => Code::derive(&key.secret, source),
            Some(fixed) => fixed.clone(),
        }
    }
}

fn log_store_error(event: &'static str, error: &StoreError) {
    tracing::error!(error = %Chain(error), "{event}");
}
