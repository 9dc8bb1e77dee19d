//! Payment notices: accepted once, never lost, in order and in time.

/// What payment systems do.
mod act;

/// A payment from its beginning to its end, and what gives way to what.
mod stories;

/// The same event again, another one under its name, and who may send any.
mod repeats;

/// What an outage does to notices.
mod outages;

/// A process that dies between any two of its steps.
mod crashes;

/// Many notices, many deliverers.
mod crowds;
