//! How a session's socket comes and goes: dials, logins, the library's own tries, two clients of one device.
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use super::faults::LoginRefusal;
use super::network::{Network, Outage};
use super::options::Conditions;
use super::profile::Profile;
use super::session::{Dialler, Move, Process, Session};
use super::state::SessionState;

// The gateway's own times in seconds, before they are scaled.
/// How long WhatsApp takes to refuse a login.
const REFUSED_AFTER: f64 = 0.05;
/// How much longer than before the library waits after each dial that failed.
const LIBRARY_WAITS: f64 = 2.0;
/// After so many first dials that failed C gives up, and D says that it did not get through.
const FIRST_TRIES: u32 = 3;
/// How much longer than before C waits after each first dial that failed.
const C_WAITS: f64 = 5.0;
/// How long D waits after its first dial failed; twice as long each time after that.
const D_WAITS: f64 = 5.0;
const D_WAITS_MOST: f64 = 300.0;
/// After this time D gives up a dial that hangs.
const D_DIALS: f64 = 10.0;

impl Session {
    /// The gateway process ended: objects are gone.
    pub fn lose_process(&mut self, now: Instant, on: &Conditions) {
        let qr_code = self.qr_in_status(now, on.pace);
        self.put(SessionState::Absent, now);
        self.new_client();
        self.stale_qr = qr_code.map(|number| (number, None));
        self.faults.stuck = false;
        self.guarded_until = None;
        self.webhook.restarted();
    }

    /// Makes the moves that are due. When the process dies of one, it says when.
    pub fn settle(&mut self, now: Instant, on: &Conditions) -> Option<Instant> {
        while let Some((at, next)) = self.take_due(now) {
            if self.make(next, at, on) == Process::Dies {
                return Some(at);
            }
        }
        None
    }

    /// A new client dials; unpaired, it ends in the QR wait.
    pub fn start(&mut self, now: Instant, on: &Conditions) -> Process {
        self.forget();
        self.new_client();
        self.dial(now, on)
    }

    /// A second client of the device dials, while the first one sleeps until its next try.
    pub fn start_beside_another(&mut self, now: Instant, on: &Conditions) -> Process {
        let tries = self.planned(Move::Dial);
        let tries = tries.unwrap_or_else(|| self.next_try(now, on));
        let process = self.start(now, on);
        self.later(tries, Move::RivalDials);
        process
    }

    /// The process starts: sessions that were logged in start by themselves.
    pub fn process_is_back(&mut self, now: Instant, on: &Conditions) -> Process {
        if self.autostart {
            self.start(now, on)
        } else {
            Process::Lives
        }
    }

    /// The socket is lost; the library dials at once.
    pub fn drop_socket(&mut self, now: Instant, on: &Conditions) -> Process {
        match self.state() {
            SessionState::QrWait => {
                self.forget();
                self.enter(SessionState::Absent, now);
                Process::Lives
            }
            state if state.socket_open() => {
                self.forget();
                self.dialler = Dialler::Library;
                self.enter(SessionState::Reconnecting, now);
                self.dial(now, on)
            }
            _ => Process::Lives,
        }
    }

    /// The phone or another client of the device took its place.
    pub fn is_replaced(&mut self, now: Instant) {
        self.forget();
        self.logged_in = false;
        self.news.push((now, Event::Replaced));
        self.enter(SessionState::Dead, now);
    }

    /// The network is another one: what hangs in a dial learns it.
    pub fn network_changed(&mut self, now: Instant, on: &Conditions) -> Process {
        let hangs = self.is_dialling() && self.planned(Move::DialSucceeds).is_none();
        match on.outage.at(now) {
            Network::BlackHole if hangs => {
                self.hang(now, on);
                Process::Lives
            }
            _ if hangs => self.dial_failed(now, on),
            Network::Reachable => Process::Lives,
            Network::Unreachable | Network::BlackHole => self.drop_socket(now, on),
        }
    }

    /// Whether it dials, so that most calls wait.
    pub fn is_dialling(&self) -> bool {
        self.state() == SessionState::Starting
    }

    fn make(&mut self, next: Move, at: Instant, on: &Conditions) -> Process {
        match next {
            Move::Enter(state) => self.enter(state, at),
            Move::Dial => return self.dial(at, on),
            Move::DialSucceeds => self.dial_succeeded(at, on),
            Move::DialFails => return self.dial_failed(at, on),
            Move::LogIn => self.enter(SessionState::Online, at),
            Move::LoginRefused => self.login_refused(at, on),
            Move::Drop => return self.drop_socket(at, on),
            Move::RivalDials => self.rival_dials(at, on),
            Move::IsReplaced => self.is_replaced(at),
            Move::ClearUp => return self.clear_up(at, on),
            Move::ShowQr => self.show_qr(at, on.pace),
            Move::ScanTimesOut => self.scan_times_out(at),
        }
        Process::Lives
    }

    fn dial(&mut self, at: Instant, on: &Conditions) -> Process {
        match on.outage.at(at) {
            Network::Reachable => {
                self.enter(SessionState::Starting, at);
                self.later(at + on.pace.dial, Move::DialSucceeds);
                Process::Lives
            }
            Network::Unreachable => self.dial_failed(at, on),
            Network::BlackHole => {
                self.enter(SessionState::Starting, at);
                self.hang(at, on);
                Process::Lives
            }
        }
    }

    /// The dial hangs until the black hole is over; D has less patience.
    fn hang(&mut self, at: Instant, on: &Conditions) {
        self.forget_move(Move::DialFails);
        let Outage { until, .. } = on.outage;
        let patience = (on.profile == Profile::D).then(|| at + on.pace.scaled(D_DIALS));
        if let Some(end) = patience.into_iter().chain(until).min() {
            self.later(end, Move::DialFails);
        }
    }

    fn dial_succeeded(&mut self, at: Instant, on: &Conditions) {
        let pace = on.pace;
        let late = self.dialler == Dialler::Gateway && self.failed_dials > 0;
        if late && on.profile == Profile::C {
            // Its starter has given up although the socket is up.
            self.enter(SessionState::Zombie, at);
        } else if !self.paired {
            self.enter(SessionState::QrWait, at);
            self.wait_for_scan(at, pace);
        } else {
            self.enter(SessionState::LoggingIn, at);
            match self.faults.refusal_at(at) {
                Some(_) => self.later(at + pace.scaled(REFUSED_AFTER), Move::LoginRefused),
                None => self.later(at + pace.login, Move::LogIn),
            }
        }
    }

    fn dial_failed(&mut self, at: Instant, on: &Conditions) -> Process {
        self.forget_move(Move::DialFails);
        self.failed_dials += 1;
        match (self.dialler, self.paired) {
            (Dialler::Library, _) => {
                self.enter(SessionState::Reconnecting, at);
                self.dial_later(at, LIBRARY_WAITS * f64::from(self.failed_dials), on);
                Process::Lives
            }
            (Dialler::Gateway, false) => {
                self.enter(SessionState::Dead, at);
                Process::Lives
            }
            (Dialler::Gateway, true) if on.profile.dies_of_a_failed_dial() => Process::Dies,
            (Dialler::Gateway, true) => {
                self.first_dial_failed(at, on);
                Process::Lives
            }
        }
    }

    /// C tries three times, D for ever.
    fn first_dial_failed(&mut self, at: Instant, on: &Conditions) {
        if self.failed_dials == FIRST_TRIES {
            self.news.push((at, Event::DialsFailed(FIRST_TRIES)));
        }
        if on.profile == Profile::C && self.failed_dials == FIRST_TRIES {
            self.autostart = false;
            self.enter(SessionState::Absent, at);
            return;
        }
        self.enter(SessionState::Reconnecting, at);
        let wait = match on.profile {
            Profile::C => C_WAITS * f64::from(self.failed_dials),
            _ => D_WAITS * f64::from(1 << (self.failed_dials - 1).min(6)),
        };
        self.dial_later(at, wait.min(D_WAITS_MOST), on);
    }

    fn dial_later(&mut self, at: Instant, seconds: f64, on: &Conditions) {
        self.later(at + on.pace.scaled(seconds), Move::Dial);
    }

    fn login_refused(&mut self, at: Instant, on: &Conditions) {
        let refusal = self.faults.refusal_at(at);
        if refusal != Some(LoginRefusal::Unavailable) {
            self.news
                .extend(refusal.map(|code| (at, Event::LoginRefused(code))));
            self.enter(SessionState::Dead, at);
            return;
        }
        self.dialler = Dialler::Library;
        self.failed_dials += 1;
        self.enter(SessionState::Reconnecting, at);
        self.dial_later(at, LIBRARY_WAITS * f64::from(self.failed_dials), on);
    }

    /// An older client logs in, and WhatsApp closes this one's socket. While the network is away it tries again.
    fn rival_dials(&mut self, at: Instant, on: &Conditions) {
        let pace = on.pace;
        if on.outage.at(at) == Network::Reachable {
            self.later(at + pace.dial + pace.login, Move::IsReplaced);
        } else {
            self.later(at + pace.scaled(LIBRARY_WAITS), Move::RivalDials);
        }
    }

    /// When the library, whose socket was lost when this state began, dials next.
    fn next_try(&self, now: Instant, on: &Conditions) -> Instant {
        let mut wait = Duration::ZERO;
        let mut at = self.since();
        while at <= now {
            wait += on.pace.scaled(LIBRARY_WAITS).max(Duration::from_millis(1));
            at += wait;
        }
        at
    }

    /// The object of an unlinked device goes. B dies of it when it tells every event.
    fn clear_up(&mut self, at: Instant, on: &Conditions) -> Process {
        self.enter(SessionState::LoggedOut, at);
        if on.profile == Profile::B && self.webhook.events == "All" {
            Process::Dies
        } else {
            Process::Lives
        }
    }
}
