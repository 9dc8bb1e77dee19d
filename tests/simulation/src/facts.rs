//! What clients know: what they asked, and what they were answered.
use std::time::Duration;

use serde_json::Value;

use crate::accounts::Who;
use crate::bridges::Post;
use crate::people::For;
use crate::shop::Event;

/// A request for a code, and its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The process.
    pub process: u32,
    /// Who asked.
    pub person: u32,
    /// What for.
    pub purpose: For,
    /// From which address.
    pub from: u8,
    /// When.
    pub at: Duration,
    /// When the answer was there.
    pub done: Duration,
    /// The status; 0 without an answer.
    pub status: u16,
    /// The limit that said no.
    pub limit: Option<String>,
    /// Whether it counts, where the answer says so.
    pub charged: Option<bool>,
    /// The challenge id that it came with.
    pub shown: Option<String>,
    /// The challenge id of the answer.
    pub challenge: Option<String>,
    /// `sent` or `unconfirmed`.
    pub delivery: Option<String>,
}

/// A guess, and its answer.
#[derive(Clone, Debug)]
pub struct Guessed {
    /// The process.
    pub process: u32,
    /// Who guessed.
    pub person: u32,
    /// Under which challenge id.
    pub challenge: String,
    /// What.
    pub code: String,
    /// The status; 0 without an answer.
    pub status: u16,
    /// Whether it was compared with a code, and wrong.
    pub compared: bool,
    /// The login that it opened.
    pub login: Option<String>,
    /// The login's first refresh token.
    pub refresh: Option<String>,
}

/// A sign-up, and its answer.
#[derive(Clone, Debug)]
pub struct SignedUp {
    /// The process.
    pub process: u32,
    /// Whose phone.
    pub person: u32,
    /// Who signed up with it.
    pub who: Who,
    /// The status; 0 without an answer.
    pub status: u16,
    /// The challenge id of the answer.
    pub challenge: Option<String>,
}

/// A sign-up that was confirmed, or a password that was set, with a code.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The process.
    pub process: u32,
    /// Whose phone.
    pub person: u32,
    /// Who did it.
    pub who: Who,
    /// The status; 0 without an answer.
    pub status: u16,
}

/// A sign-in with a password, and its answer.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The process.
    pub process: u32,
    /// Whose account.
    pub person: u32,
    /// Whose password.
    pub who: Who,
    /// The status; 0 without an answer.
    pub status: u16,
}

/// A refresh, and its answer.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The process.
    pub process: u32,
    /// The login.
    pub login: String,
    /// The refresh token that it came with.
    pub spent: String,
    /// When.
    pub at: Duration,
    /// The status; 0 without an answer.
    pub status: u16,
    /// The next refresh token.
    pub next: Option<String>,
    /// The login of the next access token.
    pub next_login: Option<String>,
}

/// An event of a payment, and its answer.
#[derive(Clone, Debug)]
pub struct Told {
    /// The process.
    pub process: u32,
    /// Which payment.
    pub payment: u32,
    /// What happened to it.
    pub event: Event,
    /// When it was told.
    pub at: Duration,
    /// When the answer was there.
    pub done: Duration,
    /// The status; 0 without an answer.
    pub status: u16,
    /// The notice that it became.
    pub notice: Option<String>,
    /// How far that is.
    pub state: Option<String>,
}

/// A webhook of a payment gateway, and its answer.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The process.
    pub process: u32,
    /// Which payment.
    pub payment: u32,
    /// What it says, and whether that is genuine.
    pub post: Post,
    /// When it was posted.
    pub at: Duration,
    /// When the answer was there.
    pub done: Duration,
    /// The status; 0 without an answer.
    pub status: u16,
    /// Why it leads to nothing, where the answer says so.
    pub ignored: Option<String>,
}

/// A chat that somebody was asked to open to get a code.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Who was asked.
    pub person: u32,
    /// When.
    pub at: Duration,
    /// The session whose number it is.
    pub session: String,
    /// What to write.
    pub text: String,
}

/// A message that somebody wrote to a session.
#[derive(Clone, Debug)]
pub struct Written {
    /// Who wrote it.
    pub person: u32,
    /// When.
    pub at: Duration,
    /// To which session.
    pub session: String,
    /// What.
    pub text: String,
}

/// All of that.
#[derive(Debug, Default)]
pub struct Facts {
    /// The requests for codes.
    pub asked: Vec<Asked>,
    /// The guesses.
    pub guessed: Vec<Guessed>,
    /// The events of payments.
    pub told: Vec<Told>,
    /// The sign-ups.
    pub signed_up: Vec<SignedUp>,
    /// The sign-ups and passwords that were confirmed.
    pub confirmed: Vec<Confirmed>,
    /// The sign-ins with passwords.
    pub signed_in: Vec<SignedIn>,
    /// The refreshes.
    pub refreshed: Vec<Refreshed>,
    /// The webhooks of payment gateways.
    pub posted: Vec<Posted>,
    /// The chats that people were asked to open.
    pub offered: Vec<Offered>,
    /// What people wrote.
    pub written: Vec<Written>,
    /// What the system said of itself at the end: the status, and the rest.
    pub said_at_the_end: Option<(u16, Value)>,
}

impl Facts {
    /// The newest login of somebody and its newest refresh token.
    pub fn refresh_token(&self, person: u32) -> Option<(String, String)> {
        let mut guessed = self.guessed.iter().rev();
        let opened =
            guessed.find(|guessed| guessed.person == person && guessed.refresh.is_some())?;
        let login = opened.login.clone()?;
        let mut refreshed = self.refreshed.iter().rev();
        let next = refreshed.find(|one| one.login == login && one.next.is_some());
        let token = next.map_or(opened.refresh.clone(), |one| one.next.clone())?;
        Some((login, token))
    }

    /// The last challenge id that somebody was given, and what for.
    pub fn last_challenge(&self, person: u32) -> Option<(For, String)> {
        let mut asked = self.asked.iter().rev();
        let last = asked.find(|asked| asked.person == person && asked.challenge.is_some())?;
        Some((last.purpose, last.challenge.clone()?))
    }
}
