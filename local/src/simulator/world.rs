//! Everything the simulated gateway knows. Pure; the time is handed in.
use std::time::Duration;

use serde_json::{Value, json};
use shared::platform::clock::Clock;
use tokio::time::Instant;

use super::calls::CallLog;
use super::event::Event;
use super::hook::HookLog;
use super::network::{Network, Outage};
use super::options::{Conditions, SimulatorOptions, WebhookFormat};
use super::phones::Phones;
use super::proxy::Proxy;
use super::receipts::Answering;
use super::session::{Process, Session};
use super::state::SessionState;

/// The gateway process and its sessions.
#[derive(Debug)]
pub(super) struct World {
    pub name: String,
    pub began: Instant,
    pub conditions: Conditions,
    pub admin_token: String,
    pub sessions: Vec<Session>,
    pub phones: Phones,
    pub calls: CallLog,
    /// What was posted to webhooks.
    pub hooks: HookLog,
    pub webhook_format: WebhookFormat,
    /// Whether people are known by WhatsApp's own numbers.
    pub lid: bool,
    pub answering: Answering,
    /// What WhatsApp will tell sessions.
    pub due: Vec<Due>,
    pub clock: Clock,
    /// Which life of the process this is.
    pub process: u64,
    /// While the process is down: when it is back.
    pub back_at: Option<Instant>,
    /// While its host is gone, too: when that is back.
    pub host_back_at: Option<Instant>,
    /// A connect ends the process for this long.
    pub crash_on_connect: Option<Duration>,
    pub check_throttled: bool,
    /// The proxy in front, if there is one.
    pub proxy: Option<Proxy>,
    /// How many lists of users wait for a dial.
    pub lists_waiting: usize,
    /// How often somebody changed something that all sessions share.
    pub orders: u64,
}

/// What WhatsApp will tell a session, and when.
#[derive(Debug)]
pub(super) struct Due {
    pub at: Instant,
    pub session: usize,
    pub event: Event,
}

impl World {
    pub fn new(options: &SimulatorOptions, phones: Phones, now: Instant) -> Self {
        let sessions = options.sessions.iter().zip(1..);
        Self {
            name: options.name.clone(),
            began: now,
            conditions: Conditions {
                profile: options.profile,
                pace: options.pace(),
                outage: Outage::default(),
            },
            admin_token: options.admin_token.clone(),
            sessions: sessions
                .map(|(session, number)| Session::new(session, number, now))
                .collect(),
            phones,
            calls: CallLog::default(),
            hooks: HookLog::default(),
            webhook_format: options.webhook_format,
            lid: options.lid,
            answering: options.answering(),
            due: Vec::new(),
            clock: options.clock.clone(),
            process: 0,
            back_at: None,
            host_back_at: None,
            crash_on_connect: None,
            check_throttled: false,
            proxy: None,
            lists_waiting: 0,
            orders: 0,
        }
    }

    /// Milliseconds since the simulator began.
    pub fn at_ms(&self, now: Instant) -> u64 {
        now.duration_since(self.began).as_millis() as u64
    }

    /// Makes every move that is due.
    pub fn settle(&mut self, now: Instant) {
        loop {
            let restarts = self.restart_if_due(now);
            if !restarts && !self.settle_sessions(now) {
                return;
            }
        }
    }

    /// Starts the process again. While WhatsApp cannot be reached it may die at once.
    fn restart_if_due(&mut self, now: Instant) -> bool {
        let Some(at) = self.back_at.take_if(|at| *at <= now) else {
            return false;
        };
        for session in 0..self.sessions.len() {
            let on = self.conditions;
            if self.sessions[session].process_is_back(at, &on) == Process::Dies {
                self.end_process(at);
                break;
            }
        }
        true
    }

    /// Returns whether the process died of it.
    fn settle_sessions(&mut self, now: Instant) -> bool {
        let on = self.conditions;
        let mut sessions = self.sessions.iter_mut();
        let died_at = sessions.find_map(|session| session.settle(now, &on));
        if let Some(at) = died_at {
            self.end_process(at);
        }
        died_at.is_some()
    }

    /// When something happens by itself next.
    pub fn next_move(&self) -> Option<Instant> {
        let sessions = self.sessions.iter().filter_map(Session::next_move);
        let due = self.due.iter().map(|due| due.at);
        sessions.chain(due).chain(self.back_at).min()
    }

    /// A number that differs after every change that somebody can wait for.
    pub fn revision(&self) -> u64 {
        let sessions = self.sessions.iter().map(|session| session.changes);
        self.process + self.orders + sessions.sum::<u64>()
    }

    /// Ends the process until a supervisor has started it again.
    pub fn end_process(&mut self, now: Instant) {
        self.crash(self.conditions.pace.restart, now);
    }

    /// The host is gone for `life`, and the process with it.
    pub fn lose_host(&mut self, life: Duration, now: Instant) {
        self.host_back_at = Some(now + life);
        self.crash(life, now);
    }

    /// Whether the host is gone.
    pub fn host_is_gone(&self, now: Instant) -> bool {
        self.host_back_at.is_some_and(|at| now < at)
    }

    /// Ends the process for `life`, or for as long as its host is gone: every object is gone.
    pub fn crash(&mut self, life: Duration, now: Instant) {
        self.process += 1;
        let host_back_at = self.host_back_at.unwrap_or(now);
        self.back_at = Some(host_back_at.max(now + life));
        self.lists_waiting = 0;
        let on = self.conditions;
        for session in &mut self.sessions {
            session.lose_process(now, &on);
        }
    }

    /// WhatsApp's network changes. Whoever had a socket loses it, and whoever hangs in a dial learns how it ended.
    pub fn set_network(&mut self, network: Network, until: Option<Instant>, now: Instant) {
        self.orders += 1;
        self.conditions.outage = Outage { network, until };
        let on = self.conditions;
        let mut sessions = self.sessions.iter_mut();
        let dies = sessions.any(|session| session.network_changed(now, &on) == Process::Dies);
        if dies {
            self.end_process(now);
        }
    }

    /// Puts a session into a state, and plans what follows from it by itself.
    pub fn begin(&mut self, session: usize, state: SessionState, now: Instant) {
        let on = self.conditions;
        let known = &mut self.sessions[session];
        known.begin(state, now, &on);
        if state == SessionState::Starting && known.start(now, &on) == Process::Dies {
            self.end_process(now);
        }
    }

    /// The socket of a session is lost, and the library dials at once.
    pub fn drop_socket(&mut self, session: usize, now: Instant) {
        let on = self.conditions;
        if self.sessions[session].drop_socket(now, &on) == Process::Dies {
            self.end_process(now);
        }
    }

    /// Whether a call of a session has to wait. A list of users that waits for a dial holds up everybody in C and D.
    pub fn holds_up(&self, session: usize) -> bool {
        let everybody = self.lists_waiting > 0 && self.conditions.profile.has_health();
        self.sessions[session].is_dialling() || (everybody && self.any_dials())
    }

    /// Whether any session dials.
    pub fn any_dials(&self) -> bool {
        self.sessions.iter().any(Session::is_dialling)
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
                "name": session.name, "state": session.state(), "paired": session.paired,
                "connected": connected, "loggedIn": logged_in, "events": session.webhook.events,
                "webhook": !session.webhook.url.is_empty(),
            })
        });
        let Conditions {
            profile,
            pace,
            outage,
        } = self.conditions;
        json!({
            "name": self.name,
            "host": if self.host_is_gone(now) { "down" } else { "up" },
            "gateway": if self.back_at.is_some() { "down" } else { "up" },
            "processes_ended": self.process,
            "network": outage.at(now),
            "proxy": self.proxy.is_some(),
            "profile": profile,
            "time_scale": pace.time_scale,
            "send_ms": pace.send.as_millis() as u64,
            "dial_ms": pace.dial.as_millis() as u64,
            "login_ms": pace.login.as_millis() as u64,
            "restart_ms": pace.restart.as_millis() as u64,
            "receipt_ms": self.answering.delivered.as_millis() as u64,
            "read_ms": self.answering.read.map(|read| read.as_millis() as u64),
            "devices": self.answering.devices,
            "lid": self.lid,
            "webhook_format": self.webhook_format,
            "now_ms": self.at_ms(now),
            "messages": self.phones.known().inbox.messages_to(None).count(),
            "sessions": sessions.collect::<Vec<_>>(),
        })
    }
}
