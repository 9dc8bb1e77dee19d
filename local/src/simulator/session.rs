//! One session: its state, how it moves, and what it answers to commands. Pure; the time is handed in.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::faults::SessionFaults;
use super::options::{Pace, SessionOptions};

// The gateway's own times in seconds, before they are scaled.
/// How long a QR code can be scanned: 60 s for the first one, 20 s for each of five more.
const QR_LIFE: f64 = 160.0;
/// After a scan the socket closes and opens again.
const REOPENING: f64 = 3.0;
/// How long the keep-alive of a dead socket goes on failing before the library reconnects, and the reconnect itself.
const KEEPALIVE_FAILS: f64 = 180.0;
const RECONNECT: f64 = 2.0;
/// How long each of two clients of one device holds the socket before the other replaces it.
const FIGHT_ROUND: f64 = 2.0;

/// The state of a session, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The gateway has no client object: "no session".
    #[serde(alias = "S0")]
    Absent,
    /// An object that is dialling.
    #[serde(alias = "S1")]
    Starting,
    /// The socket is open and waits for a QR scan.
    #[serde(alias = "S2")]
    QrWait,
    /// Just scanned; the socket opens again within seconds.
    #[serde(alias = "S3")]
    Paired,
    /// Usable.
    #[serde(alias = "S4")]
    Online,
    /// The socket is lost, and the library reconnects by itself.
    #[serde(alias = "S5")]
    Reconnecting,
    /// An object that will not reconnect by itself.
    #[serde(alias = "S6")]
    Dead,
    /// The phone unlinked the device: no object, no pairing, but a stale account.
    #[serde(alias = "S7")]
    LoggedOut,
    /// The socket is up but its object is lost.
    #[serde(alias = "S8")]
    Zombie,
    /// The connection is dead and nobody noticed yet.
    #[serde(alias = "S9")]
    HalfOpen,
}

impl SessionState {
    /// Every state, for lists of what is accepted.
    pub const ALL: [Self; 10] = [
        Self::Absent,
        Self::Starting,
        Self::QrWait,
        Self::Paired,
        Self::Online,
        Self::Reconnecting,
        Self::Dead,
        Self::LoggedOut,
        Self::Zombie,
        Self::HalfOpen,
    ];

    /// Whether the gateway holds a client object.
    pub(super) const fn has_object(self) -> bool {
        !matches!(self, Self::Absent | Self::LoggedOut | Self::Zombie)
    }

    /// Whether the object's socket counts as open.
    pub(super) const fn socket_open(self) -> bool {
        matches!(self, Self::QrWait | Self::Online | Self::HalfOpen)
    }
}

/// A session of the simulated gateway.
#[derive(Debug)]
pub(super) struct Session {
    /// Its place among the sessions, from 1.
    pub number: usize,
    pub name: String,
    pub token: String,
    pub jid: String,
    pub events: String,
    /// The library sends one message at a time.
    pub queue: Arc<Mutex<()>>,
    /// How often the socket was lost; a send compares it to learn that it was cut off.
    pub losses: u64,
    pub faults: SessionFaults,
    /// Whether the gateway opens it when its process starts.
    pub starts_with_process: bool,
    state: SessionState,
    since: Instant,
    plan: VecDeque<(Instant, SessionState)>,
    paired: bool,
}

impl Session {
    pub fn new(options: &SessionOptions, number: usize, now: Instant) -> Self {
        let mut session = Self {
            number,
            name: options.name.clone(),
            token: options.token.clone(),
            jid: format!("62811000{number:04}:7@s.whatsapp.net"),
            events: "Message,ReadReceipt".into(),
            queue: Arc::default(),
            losses: 0,
            faults: SessionFaults::default(),
            state: SessionState::Absent,
            since: now,
            plan: VecDeque::new(),
            paired: true,
            starts_with_process: true,
        };
        session.enter(options.state, now);
        session
    }

    pub const fn state(&self) -> SessionState {
        self.state
    }

    /// When it went into its state.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Makes the moves that are due. The state before the last one does not matter to anybody who asks now.
    pub fn settle(&mut self, now: Instant) {
        while let Some((at, state)) = self.plan.pop_front_if(|(at, _)| *at <= now) {
            self.enter(state, at);
        }
    }

    /// Goes to `state` and plans what follows from it by itself.
    pub fn begin(&mut self, state: SessionState, now: Instant, pace: Pace) {
        self.go(state, now);
        match state {
            SessionState::Starting => self.start(now, pace),
            SessionState::QrWait => self.follow(now, &[(pace.of(QR_LIFE), SessionState::Absent)]),
            SessionState::Paired => self.follow(now, &[(pace.of(REOPENING), SessionState::Online)]),
            SessionState::HalfOpen => self.follow(
                now,
                &[
                    (pace.of(KEEPALIVE_FAILS), SessionState::Reconnecting),
                    (pace.of(RECONNECT), SessionState::Online),
                ],
            ),
            _ => {}
        }
    }

    /// Goes to `state` for a while, then online.
    pub fn begin_for(&mut self, state: SessionState, life: Duration, now: Instant) {
        self.go(state, now);
        self.follow(now, &[(life, SessionState::Online)]);
    }

    /// The gateway process ended: objects are gone.
    pub fn lose_process(&mut self, now: Instant) {
        self.go(SessionState::Absent, now);
        self.queue = Arc::default();
        self.faults.stuck = false;
    }

    /// The gateway process is back: sessions that were logged in start by themselves.
    pub fn process_is_back(&mut self, now: Instant, pace: Pace) {
        if self.starts_with_process {
            self.start(now, pace);
        }
    }

    /// `connected` and `loggedIn`.
    pub const fn flags(&self) -> (bool, bool) {
        match self.state {
            SessionState::Online | SessionState::HalfOpen => (true, true),
            SessionState::QrWait => (true, false),
            SessionState::Reconnecting => (false, true),
            SessionState::Dead => (false, self.faults.dead_logged_in),
            _ => (false, false),
        }
    }

    /// A new client dials; unpaired, or unpaired since it was logged out, it ends in the QR wait.
    pub fn start(&mut self, now: Instant, pace: Pace) {
        self.go(SessionState::Starting, now);
        let dialled = pace.online_after;
        if self.faults.banned {
            self.follow(now, &[(dialled, SessionState::Dead)]);
        } else if self.paired {
            self.follow(now, &[(dialled, SessionState::Online)]);
        } else {
            let plan = [
                (dialled, SessionState::QrWait),
                (pace.of(QR_LIFE), SessionState::Absent),
            ];
            self.follow(now, &plan);
        }
    }

    /// A second client for a device whose first one reconnects: they replace each other until both give up.
    pub fn fight(&mut self, now: Instant, pace: Pace) {
        self.go(SessionState::Online, now);
        let rounds = [
            SessionState::Reconnecting,
            SessionState::Online,
            SessionState::Reconnecting,
            SessionState::Online,
            SessionState::Dead,
        ]
        .map(|state| (pace.of(FIGHT_ROUND), state));
        self.follow(now, &rounds);
    }

    fn follow(&mut self, now: Instant, plan: &[(Duration, SessionState)]) {
        let mut at = now;
        for (after, state) in plan {
            at += *after;
            self.plan.push_back((at, *state));
        }
    }

    /// Goes to `state` and forgets what was planned.
    pub fn go(&mut self, state: SessionState, now: Instant) {
        self.enter(state, now);
        self.plan.clear();
    }

    fn enter(&mut self, state: SessionState, at: Instant) {
        if self.state.socket_open() && !state.socket_open() {
            self.losses += 1;
        }
        match state {
            SessionState::Online => (self.paired, self.starts_with_process) = (true, true),
            SessionState::QrWait => self.paired = false,
            SessionState::LoggedOut => (self.paired, self.starts_with_process) = (false, false),
            _ => {}
        }
        self.state = state;
        self.since = at;
    }
}
