//! What strangers may try, and what it costs them.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod act;
mod trusted_callers;
