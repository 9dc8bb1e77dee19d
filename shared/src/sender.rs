//! Sends one message so that it arrives: a session, a place in its queue, and whatever it takes to recover from what
//! goes wrong.
//!
//! A send is four calls: `Sender::pick`, `Sender::take_place`, `Sender::deliver`, `Sender::record`. The caller makes each
//! of them beside its own calls to the store. Nothing is spawned: when the future of `Sender::deliver` ends or is dropped,
//! nothing goes on.
//!
//! `classify`, `decide`, `assess`, `advise` and `spacing` are pure: they say what an answer means and what to do next. The
//! calls and the waiting are in `act` and `recover`.
use std::time::Duration;

use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::settings::SYSTEM_SESSION;
use crate::store::StoreError;
use crate::store::batch::Read;
use crate::store::deliveries::Deliveries;

// In reading order: each file uses only what stands above it.

/// How a message ends.
mod outcome;

/// One message, before it is sent and after.
mod delivery;

/// What a failed call means for the message.
pub mod classify;

/// What to do after an observation.
pub mod decide;

/// What a session's flags mean.
pub mod assess;

/// When a session may be connected, and its gateway restarted.
pub mod spacing;

/// What to do about a session.
pub mod advise;

/// Whether messages can be sent, as far as the store knows.
mod channel;

/// What a delivery calls.
mod services;

/// Which session a recipient gets.
pub mod pool;

/// The places in a session's queue.
mod queue;

/// One message on its way.
mod run;

/// Whether a number is on WhatsApp.
mod lookup;

/// How a message to nobody passes for a real one.
mod nobody;

/// Makes a session usable again.
mod recover;

/// What a delivery has shown, once it is over.
mod finish;

/// The loop that sends one message.
mod act;

/// Sessions for the tests of the rules.
#[cfg(test)]
mod samples;

pub use self::channel::{ChannelState, ChannelStatus};
pub use self::delivery::{Content, Delivery, Outgoing, StepTaken, message_id};
pub use self::outcome::{HUMAN_TAKES, Outcome, Reason};
pub use self::pool::{PickError, Picked};
pub use self::queue::{Busy, Place, PlaceError};

use self::pool::Pool;
use self::services::Services;

/// Sends messages through the gateway.
#[derive(Clone, Debug)]
pub struct Sender {
    pool: Pool,
    services: Services,
    deliveries: Deliveries,
}

impl Sender {
    /// A sender on these backends.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        let table = settings.tables.deliveries.clone();
        Self {
            pool: Pool::new(&settings.sessions),
            services: Services::new(backends),
            deliveries: Deliveries::new(backends.dynamodb.clone(), table),
        }
    }

    /// The session for `phone`, and what is known about it. One read.
    ///
    /// # Errors
    /// When no session is configured, or the store fails.
    pub async fn pick(&self, phone: &Phone) -> Result<Picked, PickError> {
        let session = self.pool.pick(phone).ok_or(PickError::NoSession)?.clone();
        let item = self.services.sessions.read(&session.name).await;
        let item = item.map_err(PickError::Store)?;
        Ok(Picked { session, item })
    }

    /// The same, to be read together with other items. `None` when no session is configured.
    pub fn picking(&self, phone: &Phone) -> Option<Read<Picked>> {
        let session = self.pool.pick(phone)?.clone();
        let reading = self.services.sessions.reading(&session.name);
        Some(reading.map(|item| Picked { session, item }))
    }

    /// A place in the session's queue, at most `wait_max` from now. One conditional update, rarely more.
    /// The place of a process that dies passes by itself.
    ///
    /// # Errors
    /// When the queue is full, or the store fails.
    pub async fn take_place(
        &self,
        picked: &Picked,
        wait_max: Duration,
    ) -> Result<Place, PlaceError> {
        queue::take_place(&self.services, picked, wait_max).await
    }

    /// Gives a place back that nothing was sent in. A failure is logged and nothing more: the place passes by itself.
    pub async fn leave_place(&self, place: &Place) {
        queue::leave_place(&self.services, place).await;
    }

    /// Waits for the place, sends, and recovers and sends again when that fails; it is over before `deadline`.
    /// A message that is sent at the first attempt writes nothing to the store.
    pub async fn deliver(&self, place: Place, message: Outgoing, deadline: Timestamp) -> Delivery {
        act::deliver(&self.services, place, message, deadline).await
    }

    /// Stores the delivery's story, and what it showed about the session. A failure is logged and nothing more: the
    /// message is on its way or not, whatever the store says.
    pub async fn record(&self, delivery: &Delivery) {
        let (sessions, name) = (&self.services.sessions, delivery.session.as_str());
        let story = self.deliveries.keep(delivery.item());
        let send = async {
            match &delivery.send_record {
                Some(record) => sessions.record_send(name, record).await,
                None => Ok(()),
            }
        };
        let new_state = async {
            match delivery.new_state {
                Some(seen) => sessions.record_state(name, seen).await.map(drop),
                None => Ok(()),
            }
        };
        // A real message gives it back with its record. That nobody's is a write of its own makes both take the same time.
        let rest_of_place = async {
            match delivery.rest_of_nobodys_place {
                Some(rest) => sessions.leave_slot(name, rest).await,
                None => Ok(()),
            }
        };
        let written = tokio::join!(story, send, new_state, rest_of_place);
        let written = [written.0, written.1, written.2, written.3];
        for error in written.into_iter().filter_map(Result::err) {
            tracing::error!(
                session = name,
                message_id = delivery.message_id,
                error = &error as &dyn std::error::Error,
                "[WhatsApp System] a delivery is not wholly recorded"
            );
        }
    }

    /// Makes the first contact with the table of sessions, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.services.sessions.warm_up(self.main_session()).await
    }

    /// Whether messages can be sent, read from the store only: the gateway is not asked, and no token is needed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn channel(&self) -> Result<ChannelStatus, StoreError> {
        let item = self.services.sessions.read(self.main_session()).await?;
        Ok(ChannelStatus::new(&item, self.services.clock.now()))
    }

    /// The name of the session whose state stands for the whole channel.
    fn main_session(&self) -> &str {
        let main = self.pool.main();
        main.map_or(SYSTEM_SESSION, |session| session.name.as_str())
    }
}
