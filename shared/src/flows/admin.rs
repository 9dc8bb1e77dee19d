//! Operators of the dashboard. In reading order:

/// What is kept of what operators do.
pub mod audit;

/// The logins of operators.
pub mod logins;

/// Signing in with a code.
pub mod sign_in;

/// One-time links that sign in, for when no code can arrive.
pub mod links;

/// What operators see of the WhatsApp sessions, and what they do with them.
pub mod sessions;

/// Links that show the QR code of one session.
pub mod pairing_links;

/// What such a link shows.
pub mod pairing;

/// Each time messages could not be sent from a session.
pub mod incidents;

/// The payment notices that wait, and those that ended unsent.
pub mod outbox;

/// What became of messages.
pub mod deliveries;

/// What would happen if somebody asked for a code now.
pub mod explain;

/// Users and their logins.
pub mod people;
