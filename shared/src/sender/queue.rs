//! The places in a session's queue. The gateway sends one message at a time.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::pool::{Candidate, Choice, Picked};
use super::rank::{Contact, Rank};
use super::services::Services;
use crate::gateway::{Gateway, RestartUrl, SessionToken};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::pace::{Pace, PaceRequest, PaceTurn};
use crate::store::whatsapp_sessions::queue::{Slot, SlotPurpose, SlotRequest, TakenSlot};
use crate::store::whatsapp_sessions::{SessionItem, gateway_item};

/// The cost of a send that nobody has measured yet.
const COST: Duration = Duration::from_millis(300);

/// How long to wait for a place in a full queue before each further try; the last one is not waited for.
const PLACE_PAUSES: [Duration; 4] = [
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
    Duration::MAX,
];

/// The session's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// How long until a place in reach is free.
    pub retry_after: Duration,
}

/// Why there is no place in a session's queue.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The queue is full.
    #[error("the session's queue is full")]
    Busy(Busy),
    /// The store failed.
    #[error("no place in the session's queue could be taken")]
    Store(#[source] StoreError),
}

/// A place in the queue of one session, and the other sessions for the same recipient.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) session: String,
    pub(super) token: SessionToken,
    pub(super) gateway: Gateway,
    /// The name of the gateway's item.
    pub(super) gateway_item: String,
    /// What restarts the gateway, where something can.
    pub(super) restart_url: Option<RestartUrl>,
    /// How well the session knows the recipient.
    pub(super) contact: Contact,
    /// Whether others have opened the last new chat that was left for such messages, since it was picked.
    is_one_chat_too_many: bool,
    /// When its turn comes.
    pub(super) at: Timestamp,
    /// How long it is.
    pub(super) cost: Duration,
    /// What is known about the session.
    pub(super) item: SessionItem,
    /// All sessions for the same recipient that were read, the best first.
    pub(super) all: Arc<[Choice]>,
    /// The others.
    pub(super) unread: Arc<[Candidate]>,
}

impl Place {
    fn new(services: &Services, choice: &Choice, slot: TakenSlot) -> Self {
        let Choice {
            session,
            item,
            contact,
            new_chats_max,
            ..
        } = choice;
        let is_full = new_chats_max.is_some_and(|most| slot.new_chats >= i64::from(most));
        let address = session.gateway.as_ref();
        Self {
            session: session.name.clone(),
            token: session.token.clone(),
            gateway: match address {
                None => services.gateway.clone(),
                Some(address) => services.gateway.elsewhere(address),
            },
            gateway_item: gateway_item(address),
            restart_url: match address {
                None => services.restart_url.clone(),
                Some(_) => session.restart_url.clone(),
            },
            contact: *contact,
            is_one_chat_too_many: *contact == Contact::New && is_full,
            at: slot.at,
            cost: slot.cost,
            item: item.clone(),
            all: Arc::default(),
            unread: Arc::default(),
        }
    }

    /// No place in the queue of `choice`, but all that is needed to look after the session.
    pub(super) fn without_a_turn(services: &Services, choice: &Choice) -> Self {
        let slot = TakenSlot {
            at: services.clock.now(),
            cost: COST,
            new_chats: 0,
        };
        Self::new(services, choice, slot)
    }

    /// When its turn comes.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The name of the session.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Whether others have opened the last new chat that was left for such messages, since the session was picked.
    pub const fn is_one_chat_too_many(&self) -> bool {
        self.is_one_chat_too_many
    }

    /// When a message of the session is known to have reached its phone.
    pub const fn delivered_at(&self) -> Option<Timestamp> {
        self.item.delivered_at
    }

    /// The same place, of a recipient who has `all` these sessions, and others that are `unread`.
    pub(super) fn of(self, all: &Arc<[Choice]>, unread: &Arc<[Candidate]>) -> Self {
        Self {
            all: Arc::clone(all),
            unread: Arc::clone(unread),
            ..self
        }
    }

    /// The other sessions for the same recipient, the best first.
    pub(super) fn others(&self) -> impl Iterator<Item = &Choice> {
        let others = self.all.iter();
        others.filter(|choice| choice.session.name != self.session)
    }

    /// Whether another session of the same gateway is usable.
    pub(super) fn has_neighbours(&self) -> bool {
        self.others().any(|other| {
            other.rank == Rank::Usable
                && gateway_item(other.session.gateway.as_ref()) == self.gateway_item
        })
    }
}

/// The pace that a message keeps which is not urgent.
#[derive(Clone, Copy, Debug)]
pub struct Paced {
    /// How long one message takes of a session's pace.
    pub each: Duration,
    /// How long it can wait for its turn.
    pub wait_max: Duration,
}

/// How often a turn is asked for. Whoever is refused knows the pace of that session then.
const TURN_TRIES: usize = 6;

/// Takes the turn that comes first in the pace of a session of `picked`, and waits for it. That session is the best one then. One
/// conditional update as a rule.
///
/// # Errors
/// When no turn is in reach, or the store fails.
pub(super) async fn wait_for_turn(
    services: &Services,
    picked: Picked,
    paced: Paced,
) -> Result<Picked, PlaceError> {
    let now = services.clock.now();
    let mut paces: Vec<_> = may_send(&picked).map(|one| pace_of(one, paced)).collect();
    for _ in 0..TURN_TRIES {
        let soonest = paces.iter_mut().min_by_key(|(_, pace)| pace.wait(now));
        let Some((name, pace)) = soonest.filter(|(_, pace)| pace.wait(now) <= paced.wait_max)
        else {
            break;
        };
        let sessions = &services.sessions;
        let request = PaceRequest {
            pace: *pace,
            now,
            wait_max: paced.wait_max,
        };
        let turn = sessions.take_pace_turn(name, request);
        match turn.await.map_err(PlaceError::Store)? {
            PaceTurn::At(at) => {
                tokio::time::sleep(services.clock.until(at)).await;
                return Ok(picked.led_by(name));
            }
            PaceTurn::Refused(as_it_is) => *pace = as_it_is,
        }
    }
    let waits = paces.iter().map(|(_, pace)| pace.wait(now));
    let retry_after = waits.min().unwrap_or_default();
    Err(PlaceError::Busy(Busy { retry_after }))
}

/// The name and the pace of a session.
fn pace_of(choice: &Choice, paced: Paced) -> (String, Pace) {
    let pace = Pace {
        each: paced.each,
        paid_until: choice.item.unhurried_until,
    };
    (choice.session.name.clone(), pace)
}

/// The first session of `picked`, whatever is wrong with it, and those of the others that may send.
fn may_send(picked: &Picked) -> impl Iterator<Item = &Choice> {
    let others = picked.all.iter().skip(1);
    std::iter::once(picked.first()).chain(others.filter(|other| other.rank.may_send()))
}

/// Takes a place in the queue of the best session of `picked` that has one. A queue that is full
/// sends on to the next session that is usable.
///
/// # Errors
/// When the queues are full, or the store fails at the first try. Further tries are a favour: when the store fails at one of
/// them, the queue counts as full.
pub(super) async fn take_place(
    services: &Services,
    picked: &Picked,
    wait_max: Duration,
) -> Result<Place, PlaceError> {
    let latest = services.clock.now().plus(wait_max);
    let mut queues = Queues::of(picked);
    // A queue can be shorter than it seems: whoever is done sooner than expected gives the rest of its place back.
    for (round, pause) in PLACE_PAUSES.into_iter().enumerate() {
        match queues.take_one(services, latest).await {
            Ok(Some(place)) => return Ok(place.of(&picked.all, &picked.unread)),
            Err(error) if round == 0 => return Err(PlaceError::Store(error)),
            Ok(None) | Err(_) => {}
        }
        if latest.since(services.clock.now()) <= pause {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    let free = queues.0.iter().filter_map(|queue| queue.free_at).min();
    let retry_after = free.unwrap_or(latest).since(latest);
    Err(PlaceError::Busy(Busy { retry_after }))
}

/// The queue of a session that may send.
struct Queue {
    choice: Choice,
    /// When its first place is free, as far as is known.
    free_at: Option<Timestamp>,
}

/// The queues that a message may take its place in, the best first.
struct Queues(VecDeque<Queue>);

impl Queues {
    /// That of the first session of `picked`, whatever is wrong with it, and those of the others that may send.
    fn of(picked: &Picked) -> Self {
        let queue = |choice: &Choice| Queue {
            choice: choice.clone(),
            free_at: choice.item.free_at,
        };
        Self(may_send(picked).map(queue).collect())
    }

    /// A place in the first queue that has one. A session that another message tries out is left alone, unless it is the only
    /// one.
    async fn take_one(
        &mut self,
        services: &Services,
        latest: Timestamp,
    ) -> Result<Option<Box<Place>>, StoreError> {
        let mut number = 0;
        while let Some(Queue { choice, free_at }) = self.0.get_mut(number) {
            let wanted = Wanted {
                free_at: *free_at,
                latest,
            };
            match take_slot(services, choice, wanted).await {
                Ok(Taken::Place(place)) => return Ok(Some(place)),
                Ok(Taken::OnTrial) => {
                    choice.rank = Rank::NeedsHuman;
                    if self.0.len() > 1 {
                        self.0.remove(number);
                    }
                    continue;
                }
                Ok(Taken::Full(free)) => *free_at = free,
                Err(error) if number == 0 => return Err(error),
                Err(_) => {}
            }
            number += 1;
        }
        Ok(None)
    }
}

/// What came of a try to take a place.
pub(super) enum Taken {
    /// It is taken.
    Place(Box<Place>),
    /// The queue is full, and its first place is free then.
    Full(Option<Timestamp>),
    /// Another message tries the session out.
    OnTrial,
}

/// A place in a queue as it is wanted.
pub(super) struct Wanted {
    /// The first free place, as far as is known.
    pub(super) free_at: Option<Timestamp>,
    /// No place after this one is of use.
    pub(super) latest: Timestamp,
}

/// Takes a place in the queue of `choice`.
///
/// # Errors
/// When the store fails.
pub(super) async fn take_slot(
    services: &Services,
    choice: &Choice,
    wanted: Wanted,
) -> Result<Taken, StoreError> {
    let now = services.clock.now();
    let request = SlotRequest {
        free_at: wanted.free_at,
        now,
        wait_max: wanted.latest.since(now),
        cost: COST,
        purpose: match choice.rank {
            // One to nobody tries nothing, and keeps nobody from trying.
            Rank::Trial if !choice.is_nobody => SlotPurpose::Trial,
            _ => SlotPurpose::Send,
        },
    };
    let slot = services.sessions.take_slot(&choice.session.name, request);
    Ok(match slot.await? {
        Slot::At(slot) => Taken::Place(Box::new(Place::new(services, choice, slot))),
        Slot::Full(queue) => Taken::Full(queue.free_at),
        Slot::OnTrial => Taken::OnTrial,
    })
}

/// Gives a place back that nothing was sent in. A failure is logged and nothing more: the place passes.
pub(super) async fn leave_place(services: &Services, place: &Place) {
    let left = services.sessions.leave_slot(&place.session, place.cost);
    if let Err(error) = left.await {
        tracing::warn!(
            session = place.session,
            error = &error as &dyn std::error::Error,
            "[WhatsApp System] a place in the queue stays empty"
        );
    }
}

/// Gives a turn in the pace of `session` back. A failure is logged and nothing more: the turn passes.
pub(super) async fn leave_turn(services: &Services, session: &str, each: Duration) {
    let left = services.sessions.leave_pace_turn(session, each);
    if let Err(error) = left.await {
        tracing::warn!(
            session,
            error = &error as &dyn std::error::Error,
            "[WhatsApp System] a turn in the pace of notices stays unused"
        );
    }
}
