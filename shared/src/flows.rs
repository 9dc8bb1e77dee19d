//! What the system does: decisions, without HTTP and without AWS.
//!
//! In reading order:

/// Sending a code and checking a guess: the steps that every purpose shares.
pub mod codes;

/// What a confirmed user gets.
pub mod login;

/// Sending a code to the user of a phone.
pub mod account;

/// Signing in with a code alone.
pub mod sso;

/// Beginning a sign-up.
pub mod signup;

/// Completing a sign-up.
pub mod signup_confirmation;

/// Telling a phone what was changed about its account.
pub mod account_change;

/// Setting a new password with a code.
pub mod password_reset;

/// Signing in with a password.
pub mod signin;

/// Answering whoever opened a chat to get a code.
pub mod open_chats;

/// What the gateway tells by itself: receipts, opened chats, and changes of a session's connection.
pub mod webhooks;

/// Payment notices: accepted once, never lost.
pub mod payments;

/// What is looked at each minute, whether or not anybody sends.
pub mod watch;

/// Which of the last messages of a session were delivered.
pub mod receipts;

/// What somebody does with a login: refresh it, ask whose it is, end it.
pub mod session;

/// Erasing what is stored of a phone.
pub mod erasure;

/// Operators: signing in to the dashboard, and what is kept of what they do.
pub mod admin;
