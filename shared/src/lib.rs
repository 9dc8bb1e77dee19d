//! Critical WhatsApp messages that arrive: what every function imports.
//!
//! In reading order:

/// Phone numbers: what people type, as E.164 digits.
pub mod phone;

/// Points in time.
pub mod timestamp;

/// Where `now` comes from.
pub mod clock;

/// Where randomness comes from.
pub mod entropy;

/// The WhatsApp gateway: what it can be asked, and what may come back.
pub mod gateway;

/// The configuration of a deployment.
pub mod settings;

/// DynamoDB: one method is one atomic domain act.
pub mod store;

/// Sends one message so that it arrives.
pub mod sender;

/// What every `main.rs` calls.
pub mod runtime;
