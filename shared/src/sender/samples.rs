//! What the tests of the rules know of a session. Their present is `at(0)`.
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{SeenState, SessionItem, SessionState};

/// A time, in milliseconds from the present.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(10_000_000 + millis)
}

/// A session that is in `state` since then, and was last seen so.
pub(super) fn known(state: SessionState, since: i64, seen: i64) -> SessionItem {
    SessionItem {
        seen: Some(SeenState {
            state,
            since: at(since),
            at: at(seen),
            until: None,
        }),
        ..SessionItem::default()
    }
}

/// The connect right was taken at `from` and is free at `until`.
pub(super) fn with_right(item: SessionItem, from: i64, until: i64) -> SessionItem {
    SessionItem {
        connect_at: Some(at(from)),
        connect_after: Some(at(until)),
        ..item
    }
}
