//! The sender on the real SDK, the embedded database and the simulated gateway, under paused time.
mod stage;

mod crashes;
mod crowds;
mod outages;
mod store;
