//! What strangers may try, and what it costs them.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod act;
mod captcha;
mod codes;
mod country_caps;
mod flood;
mod not_on_whatsapp;
mod refusals;
mod strangers;
mod test_numbers;
mod trusted_callers;
