//! The local system itself: what the other tests stand on.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod api_gateway;
mod database;
mod deployment;
mod front_door;
mod machine;
mod preview;
mod schedules;
