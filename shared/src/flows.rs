//! What the system does: decisions, without HTTP and without AWS.
//!
//! In reading order:

/// Sending a code and checking a guess: the steps that every purpose shares.
pub mod codes;

/// What a confirmed user gets.
pub mod login;

/// Signing in with a code alone.
pub mod sso;

/// Signing up.
pub mod signup;
