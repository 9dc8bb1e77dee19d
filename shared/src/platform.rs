//! What the process stands on: where `now` and randomness come from, how errors are written, whom HTTP clients trust.

/// Points in time.
pub mod timestamp;

/// Where `now` comes from.
pub mod clock;

/// Where randomness comes from.
pub mod entropy;

/// An error with everything that caused it, for the log.
pub mod report;

/// Whom HTTP clients trust.
pub mod tls;
