//! Rules that hold for inputs nobody thought of.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod currencies;
mod midtrans;
mod names;
mod numbering;
mod phone;
mod samples;
mod times;
mod typed;
mod xendit;
