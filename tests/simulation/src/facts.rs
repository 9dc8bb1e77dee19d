//! What clients know: what they asked, and what they were answered.
use std::time::Duration;

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
    /// When the answer was there.
    pub done: Duration,
    /// The status; 0 without an answer.
    pub status: u16,
    /// The notice that it became.
    pub notice: Option<String>,
    /// How far that is.
    pub state: Option<String>,
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
}

impl Facts {
    /// The last challenge id that somebody was given, and what for.
    pub fn last_challenge(&self, person: u32) -> Option<(For, String)> {
        let mut asked = self.asked.iter().rev();
        let last = asked.find(|asked| asked.person == person && asked.challenge.is_some())?;
        Some((last.purpose, last.challenge.clone()?))
    }
}
