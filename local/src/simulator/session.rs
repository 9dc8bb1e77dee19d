//! One session: its state, what it has planned, and how it is put into a state. Pure; the time is handed in.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::event::Event;
use super::faults::SessionFaults;
use super::options::{Conditions, Pace, SessionOptions};
use super::state::SessionState;
use super::webhook::Webhook;

// The gateway's own times in seconds, before they are scaled.
/// How long a QR code can be scanned: 60 s for the first one, 20 s for each of five more.
pub(super) const QR_LIFE: f64 = 160.0;
/// How long the QR code is still empty after the wait for it began.
pub(super) const QR_EMPTY: f64 = 0.05;
/// After a scan the socket closes and opens again.
const REOPENING: f64 = 0.1;
/// How long the keep-alive of a dead socket goes on failing before the library reconnects.
const KEEPALIVE_FAILS: f64 = 190.0;
/// How long the gateway takes to clear up after a phone unlinked the device.
const CLEARING_UP: f64 = 0.9;
/// How long each of two clients of one device holds the socket before the other replaces it.
const FIGHT_ROUND: f64 = 2.0;

/// A session of the simulated gateway.
#[derive(Debug)]
pub(super) struct Session {
    /// Its place among the sessions, from 1.
    pub number: usize,
    pub name: String,
    pub token: String,
    pub jid: String,
    pub webhook: Webhook,
    /// What happened and was not told yet.
    pub news: Vec<(Instant, Event)>,
    /// What WhatsApp keeps for the device until it is there.
    pub held: Vec<(Instant, Event)>,
    /// Which client object this is; a send of an older one does not learn what became of a newer one.
    pub client: u64,
    /// The library sends one message at a time.
    pub queue: Arc<Mutex<()>>,
    /// How often the socket was lost; a send compares it to learn that it was cut off.
    pub losses: u64,
    /// How often something changed; whoever waits compares it.
    pub changes: u64,
    pub faults: SessionFaults,
    /// Whether the gateway opens it when its process starts.
    pub autostart: bool,
    pub paired: bool,
    /// The library's flag, which outlives the socket.
    pub logged_in: bool,
    /// The phones whose devices the client knows already.
    pub known_phones: BTreeSet<String>,
    /// The phones that have a chat with the account: they took a message from it, or wrote to it.
    pub contacts: BTreeSet<String>,
    /// Until when the start guard of D refuses a connect although there is no object.
    pub guarded_until: Option<Instant>,
    /// A QR code that the status goes on showing, and until when; `None`: until the next client.
    pub stale_qr: Option<(u64, Option<Instant>)>,
    pub dialler: Dialler,
    /// How many dials failed in a row.
    pub failed_dials: u32,
    state: SessionState,
    since: Instant,
    plan: Vec<(Instant, Move)>,
}

/// Who dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialler {
    /// The gateway, for a connect or at the start of its process.
    Gateway,
    /// The library, after its socket was lost.
    Library,
}

/// What a session does by itself when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Enter(SessionState),
    Dial,
    DialSucceeds,
    DialFails,
    LogIn,
    LoginRefused,
    /// The socket is lost.
    Drop,
    /// An older client of the same device dials again.
    RivalDials,
    /// Another client of the same device has logged in.
    IsReplaced,
    /// The gateway clears up after the phone unlinked the device.
    ClearUp,
    /// There is another QR code to scan.
    ShowQr,
    /// Nobody scanned one.
    ScanTimesOut,
}

/// What became of the gateway process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Process {
    Lives,
    Dies,
}

impl Session {
    pub fn new(options: &SessionOptions, number: usize, now: Instant) -> Self {
        let mut session = Self {
            number,
            name: options.name.clone(),
            token: options.token.clone(),
            jid: String::new(),
            webhook: Webhook::new(&options.webhook, options.hmac_key.as_deref()),
            news: Vec::new(),
            held: Vec::new(),
            client: 0,
            queue: Arc::default(),
            losses: 0,
            changes: 0,
            faults: SessionFaults::default(),
            autostart: true,
            paired: true,
            logged_in: false,
            known_phones: BTreeSet::new(),
            contacts: BTreeSet::new(),
            guarded_until: None,
            stale_qr: None,
            dialler: Dialler::Gateway,
            failed_dials: 0,
            state: SessionState::Absent,
            since: now,
            plan: Vec::new(),
        };
        session.jid = session.account();
        session.put(options.state, now);
        session
    }

    pub const fn state(&self) -> SessionState {
        self.state
    }

    /// When it went into its state.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// `connected` and `loggedIn`.
    pub const fn flags(&self) -> (bool, bool) {
        (self.state.socket_open(), self.logged_in)
    }

    /// The account of its device.
    fn account(&self) -> String {
        format!("62811000{:04}:7@s.whatsapp.net", self.number)
    }

    /// When it does something by itself next.
    pub fn next_move(&self) -> Option<Instant> {
        self.plan.iter().map(|(at, _)| *at).min()
    }

    /// Takes the earliest move that is due.
    pub fn take_due(&mut self, now: Instant) -> Option<(Instant, Move)> {
        let earliest = self.next_move().filter(|at| *at <= now)?;
        let place = self.plan.iter().position(|(at, _)| *at == earliest)?;
        Some(self.plan.remove(place))
    }

    /// Whether WhatsApp can tell its device something now.
    pub const fn hears(&self) -> bool {
        matches!(self.state, SessionState::Online | SessionState::Zombie)
    }

    /// Plans a move.
    pub fn later(&mut self, at: Instant, next: Move) {
        self.plan.push((at, next));
    }

    /// When it makes this move, if it has planned to.
    pub fn planned(&self, wanted: Move) -> Option<Instant> {
        let mut plan = self.plan.iter();
        plan.find(|(_, next)| *next == wanted).map(|(at, _)| *at)
    }

    /// Forgets everything that was planned.
    pub fn forget(&mut self) {
        self.plan.clear();
    }

    /// Forgets a move.
    pub fn forget_move(&mut self, forgotten: Move) {
        self.plan.retain(|(_, next)| *next != forgotten);
    }

    /// Goes to `state` and plans what follows from it by itself. `Starting` is a dial of its own: see `start`.
    pub fn begin(&mut self, state: SessionState, now: Instant, on: &Conditions) {
        self.put(state, now);
        let pace = on.pace;
        match state {
            SessionState::LoggingIn => self.later(now + pace.login, Move::LogIn),
            SessionState::QrWait => self.wait_for_scan(now, pace),
            SessionState::Paired => self.later(now + pace.scaled(REOPENING), Move::DialSucceeds),
            SessionState::HalfOpen => self.later(now + pace.scaled(KEEPALIVE_FAILS), Move::Drop),
            SessionState::Unlinking => self.later(now + pace.scaled(CLEARING_UP), Move::ClearUp),
            _ => {}
        }
    }

    /// Shows QR codes until somebody scans one, or until it is too late.
    pub fn wait_for_scan(&mut self, now: Instant, pace: Pace) {
        self.later(now + pace.scaled(QR_EMPTY), Move::ShowQr);
        self.later(now + pace.scaled(QR_LIFE), Move::ScanTimesOut);
    }

    /// Goes to `state` for a while, then online.
    pub fn begin_for(&mut self, state: SessionState, life: Duration, now: Instant) {
        self.put(state, now);
        self.later(now + life, Move::Enter(SessionState::Online));
    }

    /// The socket is lost for a while, whatever the network is.
    pub fn lose_for(&mut self, life: Duration, now: Instant) {
        self.put(SessionState::Reconnecting, now);
        self.later(now + life, Move::DialSucceeds);
    }

    /// The connection dies unseen, and when the library notices it gives up.
    pub fn half_open_for_good(&mut self, now: Instant, on: &Conditions) {
        self.put(SessionState::HalfOpen, now);
        let given_up = Move::Enter(SessionState::Dead);
        self.later(now + on.pace.scaled(KEEPALIVE_FAILS), given_up);
    }

    /// Two clients of the device replace each other until both give up.
    pub fn fight(&mut self, now: Instant, on: &Conditions) {
        self.put(SessionState::Online, now);
        let (lost, back) = (SessionState::Reconnecting, SessionState::Online);
        let rounds = [lost, back, lost, back].map(Move::Enter);
        for (round, next) in (1..).zip(rounds.into_iter().chain([Move::IsReplaced])) {
            self.later(now + on.pace.scaled(FIGHT_ROUND * f64::from(round)), next);
        }
    }

    /// There is another client object, with a queue of its own.
    pub fn new_client(&mut self) {
        self.client += 1;
        self.changes += 1;
        self.queue = Arc::default();
        self.logged_in = false;
        self.known_phones.clear();
        self.faults.dead_queue = false;
        self.failed_dials = 0;
        self.dialler = Dialler::Gateway;
        self.stale_qr = None;
    }

    /// Puts it into `state`, whatever was before.
    pub fn put(&mut self, state: SessionState, now: Instant) {
        self.forget();
        self.failed_dials = 0;
        self.dialler = Dialler::Library;
        match state {
            SessionState::Starting | SessionState::LoggingIn | SessionState::Paired => {
                (self.paired, self.logged_in) = (true, false);
            }
            SessionState::Reconnecting => self.logged_in = true,
            SessionState::Dead => self.logged_in = self.faults.dead_logged_in,
            _ => {}
        }
        self.enter(state, now);
    }

    /// Moves to `state`; what was planned stays.
    pub fn enter(&mut self, state: SessionState, at: Instant) {
        if self.state.socket_open() && !state.socket_open() {
            self.losses += 1;
            self.faults.dead_queue = false;
        }
        self.tell_of(state, at);
        match state {
            SessionState::Online | SessionState::HalfOpen => self.is_let_in(),
            SessionState::QrWait => (self.paired, self.logged_in) = (false, false),
            SessionState::Unlinking => (self.paired, self.logged_in) = (false, false),
            SessionState::LoggedOut => {
                (self.paired, self.logged_in, self.autostart) = (false, false, false);
            }
            SessionState::Absent | SessionState::Zombie => self.logged_in = false,
            _ => {}
        }
        self.state = state;
        self.since = at;
        self.changes += 1;
    }

    /// What a move to `state` is worth telling. A dead object was told by whoever knows why.
    fn tell_of(&mut self, state: SessionState, at: Instant) {
        let let_in = matches!(self.state, SessionState::Online | SessionState::HalfOpen);
        let event = match state {
            SessionState::Online if !let_in => Event::Connected,
            SessionState::Reconnecting if self.state.socket_open() => Event::Disconnected,
            SessionState::Unlinking => Event::LoggedOut,
            SessionState::Paired => Event::Paired(self.account()),
            _ => return,
        };
        self.news.push((at, event));
    }

    fn is_let_in(&mut self) {
        (self.paired, self.logged_in, self.autostart) = (true, true, true);
        self.failed_dials = 0;
        self.stale_qr = None;
        if self.jid.is_empty() {
            self.jid = self.account();
        }
    }
}
