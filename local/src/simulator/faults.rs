//! Faults that a session carries until they are used up or taken away.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::scenario::LostAnswer;

/// What goes wrong with the sends and commands of one session.
#[derive(Debug, Default)]
pub(super) struct SessionFaults {
    /// A connect is "already connected" until the process restarts.
    pub stuck: bool,
    /// A connect is taken and comes to nothing.
    pub banned: bool,
    /// A dead session still says that it is logged in.
    pub dead_logged_in: bool,
    /// What happens to the next sends, one each.
    pub sends: VecDeque<SendFault>,
    /// While half-open: how many sends it takes until the socket is good again, and whether they arrive.
    pub half_open_sends: Option<u32>,
    pub half_open_delivers: bool,
    pub restriction: Option<Restriction>,
    /// The share of sends that are taken and never arrive, and what of it is owed.
    pub silent_rate: f64,
    pub silent_owed: f64,
}

/// What happens to one send.
#[derive(Clone, Copy, Debug)]
pub(super) enum SendFault {
    /// The socket is lost before the acknowledgement, for `down`.
    AckLost { delivered: bool, down: Duration },
    /// It arrives, and after `after` the caller sees something else than the answer.
    AnswerLost { how: LostAnswer, after: Duration },
}

/// WhatsApp's refusal of sends to recipients without a chat.
#[derive(Debug)]
pub(super) struct Restriction {
    pub code: u16,
    /// How often it refuses each recipient; `None`: until it is lifted.
    pub refusals: Option<u32>,
    /// How often it did.
    pub refused: BTreeMap<String, u32>,
}

/// How many faults of sends can wait.
const SEND_FAULTS_MAX: u32 = 1_000;

impl SessionFaults {
    /// The next sends fail like this.
    pub fn next_sends(&mut self, sends: u32, fault: SendFault) {
        self.sends.clear();
        let sends = sends.min(SEND_FAULTS_MAX);
        self.sends.extend((0..sends).map(|_| fault));
    }

    /// Whether the next send is one of those that never arrive.
    pub fn swallows(&mut self) -> bool {
        self.silent_owed += self.silent_rate;
        let swallows = self.silent_owed >= 1.0;
        if swallows {
            self.silent_owed -= 1.0;
        }
        swallows
    }

    /// The code with which WhatsApp refuses a recipient without a chat.
    pub fn refuses(&mut self, phone: &str) -> Option<u16> {
        let restriction = self.restriction.as_mut()?;
        let refused = restriction.refused.entry(phone.to_owned()).or_default();
        if restriction.refusals.is_some_and(|most| *refused >= most) {
            return None;
        }
        *refused += 1;
        Some(restriction.code)
    }
}
