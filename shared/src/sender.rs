//! Sends one message so that it arrives: a session, a place in its queue, and whatever it takes to recover from what
//! goes wrong.
//!
//! A send is four calls: `Sender::pick`, `Sender::take_place`, `Sender::deliver`, `Sender::record`. The caller makes each
//! of them beside its own calls to the store. Nothing is spawned: when the future of `Sender::deliver` ends or is dropped,
//! nothing goes on.
//!
//! `classify`, `decide`, `assess`, `advise` and `spacing` are pure: they say what an answer means and what to do next. The
//! calls and the waiting are in `act` and `recover`.
use std::collections::HashMap;
use std::future::ready;
use std::time::Duration;

use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::batch::Read;
pub use crate::store::deliveries::Cause;
use crate::store::deliveries::Deliveries;
use crate::store::session_list::{ListedSession, SessionList, SessionNames};
use crate::store::whatsapp_sessions::SessionItem;

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

/// How fit a session is.
pub mod rank;

/// Which sessions a recipient gets.
pub mod pool;

/// The places in a session's queue.
mod queue;

/// One message on its way.
mod run;

/// Whether a number is on WhatsApp.
mod lookup;

/// Whether a message may try an account that WhatsApp refuses.
mod trial;

/// How a message to nobody passes for a real one.
mod nobody;

/// Makes a session usable again.
mod recover;

/// What a delivery has shown, once it is over.
mod finish;

/// What a message counts as in an incident.
mod missed;

/// The loop that sends one message over one session.
mod act;

/// One message over several sessions.
mod failover;

/// Whether a session's messages arrive.
pub mod mute;

/// Sessions that no message needs now.
mod watch;

/// Sessions for the tests of the rules.
#[cfg(test)]
mod samples;

pub use self::channel::{ChannelState, ChannelStatus};
pub use self::delivery::{
    AlsoTold, Content, Delivery, OnceUnknown, Outgoing, StepTaken, message_id,
};
pub use self::outcome::{HUMAN_TAKES, Outcome, Reason};
pub use self::pool::{ChatToOpen, PickError, Picked, Recipient, SessionForPhone};
pub use self::queue::{Busy, Paced, Place, PlaceError};
pub use self::rank::{Contact, Rank, Urgency};
pub use self::recover::{HandConnect, Repair};
pub use self::services::Named;
pub use self::watch::Ward;

use self::delivery::Shown;
use self::pool::{Candidate, Choice, Pool};
use self::services::Services;

/// Sends messages through the gateways.
#[derive(Clone, Debug)]
pub struct Sender {
    pool: Pool,
    names: SessionNames,
    services: Services,
    deliveries: Deliveries,
}

impl Sender {
    /// A sender on these backends.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            pool: Pool::new(&settings.sessions, SessionList::new(backends)),
            names: SessionNames::new(backends),
            services: Services::new(backends),
            deliveries: Deliveries::of(backends),
        }
    }

    /// The sessions for `recipient`, the best first. A read, and rarely one more.
    ///
    /// # Errors
    /// When there is no session, or the store fails.
    pub async fn pick(&self, recipient: &Recipient<'_>) -> Result<Picked, PickError> {
        self.pick_from(recipient, Vec::new()).await
    }

    /// The reads that [`pick_from`](Self::pick_from) most probably needs, to be made together with others. None are needed
    /// where no session is known yet.
    pub fn picking(&self, recipient: &Recipient<'_>) -> Vec<Read<Named>> {
        let likely = recipient.order(self.pool.last_known()).into_iter();
        let likely = likely.take(pool::CANDIDATES);
        likely
            .map(|session| self.services.reading(&session.name))
            .collect()
    }

    /// The session that `recipient`, who has no account, is taken to be served by: its own, or the first of its order that has
    /// users, of those in `known` and, where none of them has any, of a few more. What becomes of messages to users shows on no other.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn home_of_nobody(
        &self,
        recipient: &Recipient<'_>,
        known: &mut HashMap<String, SessionItem>,
    ) -> Result<Option<String>, PickError> {
        let now = self.services.clock.now();
        let ordered = recipient.order(self.pool.last_known()).into_iter();
        let ordered: Vec<_> = ordered.map(|session| session.name).collect();
        let has_users = |known: &HashMap<String, SessionItem>, name: &str| {
            known.get(name).is_some_and(|item| item.serves(now))
        };
        let names = || ordered.iter().map(String::as_str);
        self.read_missing(names().take(1), known).await?;
        if !names().any(|name| has_users(known, name)) {
            let more = names().take(1 + pool::LOOKED_AT_FOR_NOBODY);
            self.read_missing(more, known).await?;
        }
        let home = names().find(|name| has_users(known, name));
        Ok(home.or(names().next()).map(str::to_owned))
    }

    /// The read of the session called `name`, to be made together with others.
    pub fn reading(&self, name: &str) -> Read<Named> {
        self.services.reading(name)
    }

    /// Reads the list of sessions again if it is older than a minute: beside other calls, so that
    /// [`pick_from`](Self::pick_from) finds it in memory.
    pub async fn refresh(&self) {
        self.pool.sessions(self.services.clock.now()).await;
    }

    /// The sessions for `recipient`, the best first, of which those in `known` were read already. The others are read when the
    /// first two of the recipient's order are not among them, or when neither is sure to send.
    ///
    /// # Errors
    /// When there is no session, or the store fails.
    pub async fn pick_from(
        &self,
        recipient: &Recipient<'_>,
        known: impl IntoIterator<Item = Named>,
    ) -> Result<Picked, PickError> {
        let now = self.services.clock.now();
        let candidates = recipient.candidates(self.pool.sessions(now).await);
        let mut items: HashMap<_, _> = known.into_iter().collect();
        let (likely, mut rest) = candidates.split_at(candidates.len().min(pool::CANDIDATES));
        self.read_missing(names(likely), &mut items).await?;
        let mut choices = Choice::of_each(likely, &items, now);
        if !choices.iter().any(|choice| choice.rank == Rank::Usable) {
            self.read_missing(names(rest), &mut items).await?;
            choices.extend(Choice::of_each(rest, &items, now));
            rest = &[];
        }
        Picked::new(choices, rest)
    }

    /// All sessions in the order in which a message to `recipient` would try them, for whoever explains it. A read, and rarely one
    /// more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn explain(
        &self,
        recipient: &Recipient<'_>,
    ) -> Result<Vec<SessionForPhone>, StoreError> {
        let now = self.services.clock.now();
        let candidates = recipient.candidates(self.pool.sessions(now).await);
        let names = candidates.iter().map(|one| one.session.name.as_str());
        let items = self.services.read_all(names).await?.into_iter().collect();
        let mut choices = Choice::of_each(&candidates, &items, now);
        choices.sort_by_key(|choice| choice.rank.order());
        let explained = choices.iter().map(|choice| choice.explained(recipient));
        Ok(explained.collect())
    }

    /// Reads the items of those of `names` that are not in `items`.
    async fn read_missing<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        items: &mut HashMap<String, SessionItem>,
    ) -> Result<(), PickError> {
        let missing: Vec<_> = names.filter(|name| !items.contains_key(*name)).collect();
        let read = self.services.read_all(missing).await;
        items.extend(read.map_err(PickError::Store)?);
        Ok(())
    }

    /// A place in the session's queue. One conditional update, rarely more.
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

    /// For a message that is not urgent: takes its turn in the pace of a session, waits for it, and brings that session first. A
    /// place in the queue is taken after that, since codes go first. One conditional update, rarely more.
    /// The turn of a process that dies passes by itself.
    ///
    /// # Errors
    /// When no turn is in reach, or the store fails.
    pub async fn wait_for_turn(&self, picked: Picked, paced: Paced) -> Result<Picked, PlaceError> {
        queue::wait_for_turn(&self.services, picked, paced).await
    }

    /// Gives a turn in the pace of `session` back, whose messages take `each` of it. A failure is logged and nothing more: the turn
    /// passes by itself.
    pub async fn leave_turn(&self, session: &str, each: Duration) {
        queue::leave_turn(&self.services, session, each).await;
    }

    /// Gives a place back that nothing was sent in. A failure is logged and nothing more: the place passes by itself.
    pub async fn leave_place(&self, place: &Place) {
        queue::leave_place(&self.services, place).await;
    }

    /// Waits for the place, sends, and recovers and sends again when that fails; it is over before `deadline`.
    /// A message that is sent at the first attempt writes nothing to the store.
    pub async fn deliver(&self, place: Place, message: Outgoing, deadline: Timestamp) -> Delivery {
        failover::deliver(&self.services, place, message, deadline).await
    }

    /// Measures the delivery, and stores its story, and what it showed about the session. A failure is logged and nothing more: the
    /// message is on its way or not, whatever the store says.
    pub async fn record(&self, delivery: &Delivery) {
        self.record_told(delivery, ready(AlsoTold::Nothing)).await;
    }

    /// Does what [`record`](Self::record) does. The story waits for what the recipient was told besides, and nothing else does.
    pub async fn record_told(&self, delivery: &Delivery, told: impl Future<Output = AlsoTold>) {
        finish::measure(&self.services.meter, delivery);
        let story = async { self.deliveries.keep(delivery.item(told.await)).await };
        let shown = async {
            for shown in &delivery.shown {
                self.record_shown(delivery, shown).await;
            }
        };
        let request = self.keep_request(delivery);
        let missed = self.count_missed(delivery);
        let (story, (), (), ()) = tokio::join!(story, shown, request, missed);
        match story {
            // Its receipt has waited for the record.
            Ok(Some(delivered_at)) => {
                self.services
                    .meter
                    .delivered(delivered_at, delivery.started);
            }
            Ok(None) => {}
            Err(error) => not_recorded(delivery, &delivery.session, &error),
        }
    }

    /// Counts a message that its session could not send at once. One that it could writes nothing more.
    async fn count_missed(&self, delivery: &Delivery) {
        let Some(missed) = &delivery.missed else {
            return;
        };
        let (sessions, id) = (&self.services.sessions, &delivery.message_id);
        let counted = sessions.count_missed(missed, id, delivery.started).await;
        if let Err(error) = counted {
            not_recorded(delivery, &missed.session, &error);
        }
    }

    /// Stores which request waited for a message, if one did.
    async fn keep_request(&self, delivery: &Delivery) {
        let Some(request_id) = &delivery.cause.request_id else {
            return;
        };
        let message = (delivery.message_id.as_str(), delivery.started);
        if let Err(error) = self.deliveries.keep_request(request_id, message).await {
            not_recorded(delivery, &delivery.session, &error);
        }
    }

    /// Stores what a message has shown about one session.
    async fn record_shown(&self, delivery: &Delivery, shown: &Shown) {
        let (sessions, name) = (&self.services.sessions, shown.session.as_str());
        let send = async {
            match &shown.send_record {
                Some(record) => sessions.record_send(name, record).await,
                None => Ok(()),
            }
        };
        let new_state = async {
            match (shown.new_state, shown.ended, shown.seen_again) {
                (Some(seen), Some(ended), _) => sessions.record_end(name, ended, seen).await,
                (Some(seen), None, _) => sessions.record_state(name, seen).await.map(drop),
                (None, _, Some(seen)) => sessions.record_again(name, seen).await,
                (None, _, None) => Ok(()),
            }
        };
        // A real message gives it back with its record. That nobody's is a write of its own makes both take the same time.
        let rest_of_place = async {
            match shown.rest_of_place {
                Some(rest) => sessions.leave_slot(name, rest).await,
                None => Ok(()),
            }
        };
        let written = tokio::join!(send, new_state, rest_of_place);
        let written = [written.0, written.1, written.2];
        for error in written.into_iter().filter_map(Result::err) {
            not_recorded(delivery, name, &error);
        }
    }

    /// Every session, also those that nothing is sent from, to be looked after. A read of the list and one of the items.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn wards(&self) -> Result<Vec<Ward>, StoreError> {
        watch::wards(&self.services, &self.pool).await
    }

    /// What is needed to do something for `listed`, whose item is `item`.
    pub fn ward(&self, listed: &ListedSession, item: SessionItem) -> Ward {
        watch::ward(&self.services, listed, item)
    }

    /// Connects a session for a person, under the same right as everybody: over before `until`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn connect_by_hand(
        &self,
        ward: &mut Ward,
        until: Timestamp,
    ) -> Result<HandConnect, StoreError> {
        watch::connect_by_hand(&self.services, ward, until).await
    }

    /// Looks at a session that no message needs now, unless somebody has just done so, and does what can be done for it: over
    /// before `until`. What is seen is in its item, for everybody.
    pub async fn look_after(&self, ward: &mut Ward, until: Timestamp) -> Repair {
        watch::look_after(&self.services, ward, until).await
    }

    /// Reads the names of the sessions before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.names.warm_up(self.services.clock.now()).await
    }

    /// Whether messages can be sent, read from the store only: the gateway is not asked, and no token is needed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn channel(&self) -> Result<ChannelStatus, StoreError> {
        let now = self.services.clock.now();
        let listed = self.names.get(now).await?;
        let mut names = self.pool.configured_names();
        names.extend(listed.iter().cloned());
        let items = self
            .services
            .read_all(names.iter().map(String::as_str))
            .await?;
        let statuses = items.iter().map(|(_, item)| ChannelStatus::new(item, now));
        Ok(ChannelStatus::best(statuses))
    }
}

/// A failure of the store once the message is over: logged, and nothing more.
fn not_recorded(delivery: &Delivery, session: &str, error: &StoreError) {
    tracing::error!(
        session,
        message_id = delivery.message_id,
        error = error as &dyn std::error::Error,
        "[WhatsApp System] a delivery is not wholly recorded"
    );
}

fn names(candidates: &[Candidate]) -> impl Iterator<Item = &str> {
    candidates.iter().map(|one| one.session.name.as_str())
}
