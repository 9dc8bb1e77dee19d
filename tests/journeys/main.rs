//! What people live through: sign-up and sign-in from request to phone to token, through everything that goes wrong on
//! the way.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod act;
mod crashes;
mod crowds;
mod limits;
mod outages;
mod owner;
mod stumbles;
mod two_people;
mod whole;
