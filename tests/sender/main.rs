//! The sender on the real SDK, the embedded database and the simulated gateway, under paused time.
mod connects;
mod crashes;
mod crowds;
mod outages;
mod pool;
mod promises;
mod recovery;
mod stage;
mod store;
mod watch;
