//! Everything the simulated gateway knows. Pure; the time is handed in.
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::calls::CallLog;
use super::inbox::Inbox;
use super::options::{Pace, SimulatorOptions};
use super::profile::Profile;
use super::proxy::Proxy;
use super::session::Session;

/// The gateway process and its sessions.
#[derive(Debug)]
pub(super) struct World {
    pub began: Instant,
    pub profile: Profile,
    pub pace: Pace,
    pub admin_token: String,
    pub sessions: Vec<Session>,
    pub inbox: Inbox,
    pub calls: CallLog,
    /// Which life of the process this is.
    pub process: u64,
    /// While the process is down: when it is back.
    pub back_at: Option<Instant>,
    /// A connect ends the process for this long.
    pub crash_on_connect: Option<Duration>,
    /// Phones that are not on WhatsApp.
    pub strangers: BTreeSet<String>,
    /// Whether a send to a stranger is taken without ever arriving, as the older library did.
    pub strangers_taken: bool,
    pub check_throttled: bool,
    /// The proxy in front, if there is one.
    pub proxy: Option<Proxy>,
}

impl World {
    pub fn new(options: &SimulatorOptions, now: Instant) -> Self {
        let sessions = options.sessions.iter().zip(1..);
        Self {
            began: now,
            profile: options.profile,
            pace: Pace {
                time_scale: options.time_scale,
                send: options.send_duration,
                online_after: options.online_after,
            },
            admin_token: options.admin_token.clone(),
            sessions: sessions
                .map(|(session, number)| Session::new(session, number, now))
                .collect(),
            inbox: Inbox::default(),
            calls: CallLog::default(),
            process: 0,
            back_at: None,
            crash_on_connect: None,
            strangers: BTreeSet::new(),
            strangers_taken: false,
            check_throttled: false,
            proxy: None,
        }
    }

    /// Milliseconds since the simulator began.
    pub fn at_ms(&self, now: Instant) -> u64 {
        now.duration_since(self.began).as_millis() as u64
    }

    /// Makes every move that is due.
    pub fn settle(&mut self, now: Instant) {
        if let Some(at) = self.back_at.take_if(|at| *at <= now) {
            for session in &mut self.sessions {
                session.process_is_back(at, self.pace);
            }
        }
        for session in &mut self.sessions {
            session.settle(now);
        }
    }

    /// Ends the process for `life`: every object is gone.
    pub fn crash(&mut self, life: Duration, now: Instant) {
        self.process += 1;
        self.back_at = Some(now + life);
        for session in &mut self.sessions {
            session.lose_process(now);
        }
    }

    /// The session of a token.
    pub fn by_token(&self, token: &str) -> Option<usize> {
        self.sessions
            .iter()
            .position(|session| session.token == token)
    }

    /// The session of a token or a name.
    pub fn named(&self, session: &str) -> Option<usize> {
        self.by_token(session)
            .or_else(|| self.sessions.iter().position(|known| known.name == session))
    }

    /// What the control API shows of it.
    pub fn summary(&self, now: Instant) -> Value {
        let sessions = self.sessions.iter().map(|session| {
            let (connected, logged_in) = session.flags();
            json!({
                "name": session.name, "state": session.state(),
                "connected": connected, "loggedIn": logged_in, "events": session.events,
            })
        });
        json!({
            "gateway": if self.back_at.is_some() { "down" } else { "up" },
            "proxy": self.proxy.is_some(),
            "profile": self.profile,
            "time_scale": self.pace.time_scale,
            "send_ms": self.pace.send.as_millis() as u64,
            "online_after_ms": self.pace.online_after.as_millis() as u64,
            "now_ms": self.at_ms(now),
            "messages": self.inbox.of(None).count(),
            "sessions": sessions.collect::<Vec<_>>(),
        })
    }
}
