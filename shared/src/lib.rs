//! Critical WhatsApp messages that arrive: what every function imports.
//!
//! In reading order:

/// What people type and paste, cleaned.
pub mod typed;

/// Phone numbers: what people type, as E.164 digits.
pub mod phone;

/// Points in time.
pub mod timestamp;

/// The address of whoever asks.
pub mod address;

/// Who asks, and until when an answer is of use.
pub mod caller;

/// Where `now` comes from.
pub mod clock;

/// Where randomness comes from.
pub mod entropy;

/// One-time codes: what they are for, and how they are derived.
pub mod code;

/// Phones whose codes are fixed.
pub mod test_numbers;

/// What the messages say.
pub mod texts;

/// Key rings: the keys that derive codes and sign tokens.
pub mod keys;

/// Passwords: what may be chosen, and how they are hashed.
pub mod password;

/// Access tokens.
pub mod token;

/// Refresh tokens.
pub mod refresh;

/// The state of one phone's codes.
pub mod challenge;

/// May one more code go to this phone now?
pub mod limits;

/// Daily caps per country.
pub mod country;

/// Users, and the sign-ups that may become one.
pub mod account;

/// CAPTCHAs: did somebody solve one?
pub mod captcha;

/// Whom HTTP clients trust.
mod tls;

/// The WhatsApp gateway: what it can be asked, and what may come back.
pub mod gateway;

/// The configuration of a deployment.
pub mod settings;

/// DynamoDB: one method is one atomic domain act.
pub mod store;

/// Sends one message so that it arrives.
pub mod sender;

/// What the system does: decisions, without HTTP and without AWS.
pub mod flows;

/// The HTTP edge: reading requests, and the one envelope that every reply comes in.
pub mod edge;

/// An error with everything that caused it, for the log.
pub mod report;

/// What every `main.rs` calls.
pub mod runtime;
