//! What a session answers to the gateway's commands. Pure; the time is handed in.
use tokio::time::Instant;

use super::options::Pace;
use super::profile::Profile;
use super::session::{Session, SessionState};

// When QR codes change, in seconds before they are scaled.
const QR_FIRST: f64 = 60.0;
const QR_NEXT: f64 = 20.0;
/// How long the QR code is still empty after the wait for it began.
const QR_EMPTY: f64 = 0.5;

/// What a command does beside its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// It is done.
    Done,
    /// It is refused with this text.
    Refused(&'static str),
    /// It is refused with this text after the library's query timed out.
    RefusedAfterQuery(&'static str),
    /// It never answers.
    Hangs,
}

impl Session {
    pub fn connect(&mut self, now: Instant, pace: Pace, profile: Profile) -> Command {
        let refuses = match profile {
            Profile::A => self.state().has_object(),
            Profile::B | Profile::D => self.state().socket_open(),
        };
        if refuses || self.faults.stuck {
            return Command::Refused("already connected");
        }
        if self.state() == SessionState::Reconnecting {
            self.fight(now, pace);
        } else {
            self.start(now, pace);
        }
        Command::Done
    }

    pub fn disconnect(&mut self, now: Instant, profile: Profile) -> Command {
        let refused = Command::Refused("cannot disconnect because it is not logged in");
        let command = match (self.state(), profile) {
            (state, _) if !state.has_object() => return Command::Refused("no session"),
            (SessionState::QrWait, Profile::A) => return refused,
            (SessionState::QrWait, Profile::B) => Command::Hangs,
            (state, _) if state.socket_open() => Command::Done,
            _ => return refused,
        };
        self.go(SessionState::Absent, now);
        self.starts_with_process = profile == Profile::A;
        if profile != Profile::D {
            self.events.clear();
        }
        command
    }

    pub fn logout(&mut self, now: Instant, profile: Profile) -> Command {
        match self.state() {
            state if !state.has_object() => Command::Refused("no session"),
            SessionState::QrWait => Command::Refused("could not logout as it was not logged in"),
            SessionState::HalfOpen => Command::RefusedAfterQuery("could not perform logout"),
            SessionState::Online => {
                self.go(SessionState::LoggedOut, now);
                self.starts_with_process = profile != Profile::D;
                Command::Done
            }
            _ => Command::Refused("could not disconnect as it was not connected"),
        }
    }

    /// The number of the QR code that shows now; `None` when there is none yet.
    pub fn qr(&self, now: Instant, pace: Pace) -> Result<Option<u64>, &'static str> {
        match self.state() {
            state if !state.has_object() => Err("no session"),
            SessionState::QrWait => {
                let shown = now.duration_since(self.since());
                let later = shown.saturating_sub(pace.of(QR_FIRST));
                let life = pace.of(QR_NEXT).as_millis().max(1);
                let number = match later.as_millis() {
                    0 => 1,
                    later => 2 + (later / life) as u64,
                };
                Ok((shown >= pace.of(QR_EMPTY)).then_some(number))
            }
            SessionState::Online | SessionState::HalfOpen => Err("already logged in"),
            _ => Err("not connected"),
        }
    }
}
