//! Critical WhatsApp messages that arrive: what every function imports.
//!
//! The rooms, from the top down. Each imports only those below it.

/// The HTTP edge: reading requests, and the one envelope that every reply comes in.
pub mod edge;

/// What the system does: decisions, without HTTP and without AWS.
pub mod flows;

/// Sends one message so that it arrives.
pub mod sender;

/// DynamoDB: one method is one atomic domain act.
pub mod store;

/// What every `main.rs` calls: the backends of a deployment, its settings, the loop.
pub mod runtime;

/// The services beside WhatsApp's network: the gateway, and the one that checks CAPTCHAs.
pub mod gateway;

/// The nouns and the pure rules.
pub mod model;

/// Time, randomness, errors, TLS.
pub mod platform;
