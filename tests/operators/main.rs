//! What operators do, and what it does to the people who sign in meanwhile.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod act;
mod admin_link;
mod backends;
mod callers;
mod erase;
mod gateway_check;
mod import;
mod keys;
mod move_phone;
mod passwords;
mod rotation;
mod sessions;
mod webhook_url;
