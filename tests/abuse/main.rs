//! What strangers may try, and what it costs them.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod act;
mod captcha;
mod country_caps;
mod flood;
mod growing_waits;
mod not_on_whatsapp;
mod test_numbers;
mod trusted_callers;
