//! What went over the wires, as only the simulation can know it: both what was done and what the caller saw of it.
use std::collections::BTreeSet;
use std::time::Duration;

use local::simulator::SessionState;

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
    /// The session that told it.
    pub session: String,
    /// When it was posted.
    pub posted: Duration,
    /// When it was taken.
    pub at: Duration,
    /// The messages.
    pub ids: Vec<String>,
}

/// A record of a message that was kept, after one attempt or several.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When.
    pub at: Duration,
    /// The message.
    pub id: String,
    /// The sessions that were tried.
    pub tried: Vec<String>,
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

/// A number that a function has measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The process.
    pub process: u32,
    /// The name of the metric.
    pub metric: String,
    /// The number.
    pub value: f64,
}

/// A look of the monitor, and how the sessions were when it began and when it ended.
#[derive(Clone, Debug)]
pub struct Look {
    /// The process.
    pub process: u32,
    /// When it began.
    pub at: Duration,
    /// Each session with its state before and after.
    pub sessions: Vec<(String, [SessionState; 2])>,
    /// Whether everything was well again by then.
    pub calm: bool,
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
    /// The records of messages, in order.
    pub kept: Vec<Kept>,
    /// The requests, in the order of their ends.
    pub served: Vec<Served>,
    /// What was measured, in order.
    pub measured: Vec<Measured>,
    /// The looks of the monitor, in order.
    pub looks: Vec<Look>,
    /// Whose gateway answered which process how a session is.
    pub statuses: BTreeSet<(u32, String)>,
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

    /// Whether a receipt of a message can have been heeded. It waits for the record of its message, but not where there is a record
    /// already, of an attempt over other sessions only: nobody tells of what another session has sent.
    pub fn is_heard(&self, receipt: &Receipt, id: &str) -> bool {
        let kept = || self.kept.iter().filter(|kept| kept.id == id);
        let mut own = kept().filter(|kept| kept.tried.contains(&receipt.session));
        let mut before = kept().filter(|kept| kept.at <= receipt.at);
        own.any(|kept| kept.at <= receipt.posted) || before.next().is_none()
    }

    /// The sends of one process.
    pub fn sends_of(&self, process: u32) -> impl Iterator<Item = &SendCall> {
        self.sends
            .iter()
            .filter(move |send| send.process == process)
    }
}
