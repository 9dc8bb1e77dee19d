//! The log of every call that reached the gateway, or its closed door.
use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// How many calls are kept one by one; counts go on.
const CALLS_MAX: usize = 10_000;

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct CallRecord {
    /// Its place in the log, from 1.
    pub number: u64,
    /// The path.
    pub path: String,
    /// The name of the session, `admin`, or `unknown` for a token that opens nothing.
    pub session: String,
    /// When it came, in milliseconds since the simulator began.
    pub at_ms: u64,
    /// How long the gateway took; `None` while it still works.
    pub took_ms: Option<u64>,
    /// What the caller could see: the status and the error text, or what happened to the connection.
    pub outcome: String,
}

/// The calls of a simulator's life.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallLog {
    /// How many calls there were, by path.
    pub counts: BTreeMap<String, u64>,
    /// The last calls, the oldest first.
    pub calls: VecDeque<CallRecord>,
    #[serde(skip)]
    begun: u64,
}

impl CallLog {
    /// How many calls of `path` there were.
    pub fn count(&self, path: &str) -> u64 {
        self.counts.get(path).copied().unwrap_or(0)
    }

    pub(super) fn begin(&mut self, path: &str, session: &str, at_ms: u64) -> u64 {
        self.begun += 1;
        *self.counts.entry(path.to_owned()).or_default() += 1;
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(CallRecord {
            number: self.begun,
            path: path.into(),
            session: session.into(),
            at_ms,
            took_ms: None,
            outcome: "not answered yet".into(),
        });
        self.begun
    }

    pub(super) fn end(&mut self, number: u64, at_ms: u64, outcome: String) {
        let call = self
            .calls
            .iter_mut()
            .rev()
            .find(|call| call.number == number);
        if let Some(call) = call {
            call.took_ms = Some(at_ms.saturating_sub(call.at_ms));
            call.outcome = outcome;
        }
    }

    /// How many calls there were, ever.
    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }
}
