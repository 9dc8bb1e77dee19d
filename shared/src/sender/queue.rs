//! The places in a session's queue. The gateway sends one message at a time.
use std::time::Duration;

use super::pool::Picked;
use super::services::Services;
use crate::gateway::SessionToken;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::SessionItem;
use crate::store::whatsapp_sessions::queue::{Slot, SlotRequest};

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

/// A place in a session's queue.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) session: String,
    pub(super) token: SessionToken,
    /// When its turn comes.
    pub(super) at: Timestamp,
    /// How long it is.
    pub(super) cost: Duration,
    /// What is known about the session.
    pub(super) item: SessionItem,
}

impl Place {
    fn new(picked: &Picked, at: Timestamp, cost: Duration) -> Self {
        Self {
            session: picked.session.name.clone(),
            token: picked.session.token.clone(),
            at,
            cost,
            item: picked.item.clone(),
        }
    }
}

/// Takes a place in the queue of the `picked` session, at most `wait_max` from now.
///
/// # Errors
/// When the queue is full, or the store fails at the first try. Further tries are a favour: when the store fails at one of
/// them, the queue counts as full.
pub(super) async fn take_place(
    services: &Services,
    picked: &Picked,
    wait_max: Duration,
) -> Result<Place, PlaceError> {
    let name = &picked.session.name;
    let latest = services.clock.now().plus(wait_max);
    let mut free_at = picked.item.free_at;
    // A queue can be shorter than it seems: whoever is done sooner than expected gives the rest of its place back.
    for (number, pause) in PLACE_PAUSES.into_iter().enumerate() {
        let now = services.clock.now();
        let request = SlotRequest {
            free_at,
            now,
            wait_max: latest.since(now),
            cost: COST,
        };
        match services.sessions.take_slot(name, request).await {
            Ok(Slot::At(at, cost)) => return Ok(Place::new(picked, at, cost)),
            Ok(Slot::Full(queue)) => free_at = queue.free_at,
            Err(error) if number == 0 => return Err(PlaceError::Store(error)),
            Err(_) => break,
        }
        if latest.since(services.clock.now()) <= pause {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    let retry_after = free_at.unwrap_or(latest).since(latest);
    Err(PlaceError::Busy(Busy { retry_after }))
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
