//! The nouns and the pure rules, in reading order. Nothing here waits, calls or reads the clock.

/// What people type and paste, cleaned.
pub mod typed;

/// The languages that people are answered and written to in.
pub mod language;

/// What replies say to a person: every public text, in both languages.
pub mod replies;

/// Phone numbers: what people type, as E.164 digits.
pub mod phone;

/// What somebody names an account by.
pub mod identifier;

/// The address of whoever asks.
pub mod address;

/// Who asks, and until when an answer is of use.
pub mod caller;

/// One-time codes: what they are for, and how they are derived.
pub mod code;

/// The state of one phone's codes.
pub mod challenge;

/// May one more code go to this phone now?
pub mod limits;

/// Daily caps per country.
pub mod country;

/// Phones whose codes are fixed.
pub mod test_numbers;

/// What the messages say.
pub mod texts;

/// Payments: money, times and names as people read them, and the messages about them.
pub mod payment;

/// What payment gateways post about payments.
pub mod bridge;

/// Passwords: what may be chosen, and how they are hashed.
pub mod password;

/// Users, and the sign-ups that may become one.
pub mod account;

/// A chat that somebody is asked to open, so that a code can be its answer.
pub mod open_chat;

/// How large the share of a session is.
pub mod weight;

/// Key rings: the keys that derive codes and sign tokens.
pub mod keys;

/// Access tokens.
pub mod token;

/// Refresh tokens.
pub mod refresh;

/// The address that a gateway posts its webhooks to.
pub mod webhook;

/// Which CAPTCHA a deployment asks for.
pub mod captcha;

/// The systems that may post events of payments.
pub mod payment_caller;

/// Notices about payments: what they are, when they are tried, how they end.
pub mod notice;

/// The operators: who may sign in, and what they hold.
pub mod admin;
