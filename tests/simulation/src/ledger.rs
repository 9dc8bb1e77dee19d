//! What went over the wires, as only the simulation can know it: both what was done and what the caller saw of it.
use std::time::Duration;

/// What the caller of a send saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: it was gone before.
    Nothing,
    /// The gateway has taken the message.
    Taken,
    /// The request certainly never left.
    NotLeft,
    /// An answer that says no.
    Refused,
    /// No answer, or one that does not tell.
    Unclear,
}

/// One call of `/chat/send/text`.
#[derive(Clone, Debug)]
pub struct SendCall {
    /// When it was made.
    pub at: Duration,
    /// The process that made it.
    pub process: u32,
    /// The message's id.
    pub id: String,
    /// The phone, in digits.
    pub phone: String,
    /// The text.
    pub text: String,
    /// Whether the way brought it twice. What the second one came to, nobody can say: the first one was answered.
    pub doubled: bool,
    /// What the caller saw.
    pub seen: Seen,
    /// When it saw that; none while it waits, and when it is gone.
    pub done: Option<Duration>,
}

/// One call of `/session/connect`.
#[derive(Clone, Debug)]
pub struct ConnectCall {
    /// When it was made.
    pub at: Duration,
    /// The process that made it.
    pub process: u32,
    /// The session.
    pub session: String,
}

/// A connect right that a process won, of a session.
#[derive(Clone, Debug)]
pub struct Right {
    /// When.
    pub at: Duration,
    /// The process.
    pub process: u32,
    /// The session.
    pub session: String,
}

/// A receipt that the API has taken.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// When.
    pub at: Duration,
    /// The messages.
    pub ids: Vec<String>,
}

/// A request to the API and its end.
#[derive(Clone, Debug)]
pub struct Served {
    /// The process.
    pub process: u32,
    /// The function.
    pub function: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Whether it was frozen.
    pub frozen: bool,
    /// Whether it came to its end by itself.
    pub ended: bool,
}

/// Everything that went over the wires.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The sends, in order.
    pub sends: Vec<SendCall>,
    /// The connects, in order.
    pub connects: Vec<ConnectCall>,
    /// The connect rights that were won, in order.
    pub rights: Vec<Right>,
    /// The receipts that were taken, in order.
    pub receipts: Vec<Receipt>,
    /// The requests, in the order of their ends.
    pub served: Vec<Served>,
    /// What is wrong already, in the words of a person.
    pub wrong: Vec<String>,
}

impl Ledger {
    /// Whether a process was frozen for a while.
    pub fn was_frozen(&self, process: u32) -> bool {
        let mut own = self
            .served
            .iter()
            .filter(|served| served.process == process);
        own.any(|served| served.frozen)
    }

    /// The sends of one process.
    pub fn sends_of(&self, process: u32) -> impl Iterator<Item = &SendCall> {
        self.sends
            .iter()
            .filter(move |send| send.process == process)
    }
}
