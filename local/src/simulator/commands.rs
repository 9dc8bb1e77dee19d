//! What a session answers to the gateway's commands. Pure; the time is handed in.
use tokio::time::Instant;

use super::options::{Conditions, Pace};
use super::profile::Profile;
use super::session::{Dialler, Process, QR_LIFE, Session};
use super::state::SessionState;
use super::wire::Reply;

/// How long D's start guard refuses a connect after the object went.
const GUARD: f64 = 1.0;

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// With this text.
    Says(&'static str),
    /// D's start guard: there is an object already.
    Guarded,
    /// With this text, after the library's query timed out.
    SaysAfterQuery(&'static str),
    /// It never answers.
    Hangs,
}

impl Refusal {
    /// What the caller gets.
    pub fn reply(self, profile: Profile) -> Reply {
        match self {
            Self::Says(text) | Self::SaysAfterQuery(text) => profile.error(500, text),
            Self::Guarded => profile.error(409, "session is already starting or active"),
            Self::Hangs => Reply::Silent,
        }
    }
}

impl Session {
    /// Makes a new client, if the version lets it.
    pub fn connect(&mut self, now: Instant, on: &Conditions) -> Result<Process, Refusal> {
        self.may_connect(now, on.profile)?;
        if on.profile == Profile::D {
            self.autostart = true;
        }
        let sleeps = self.state() == SessionState::Reconnecting && self.dialler == Dialler::Library;
        Ok(if sleeps {
            self.start_beside_another(now, on)
        } else {
            self.start(now, on)
        })
    }

    fn may_connect(&self, now: Instant, profile: Profile) -> Result<(), Refusal> {
        let state = self.state();
        let connected = match profile {
            Profile::A => state.has_object(),
            Profile::B | Profile::C | Profile::D => state.socket_open(),
        };
        let guarded = state.has_object() || self.guarded_until.is_some_and(|until| now < until);
        if connected {
            Err(Refusal::Says("already connected"))
        } else if profile == Profile::D && guarded {
            Err(Refusal::Guarded)
        } else if self.faults.stuck {
            Err(Refusal::Says("already connected"))
        } else {
            Ok(())
        }
    }

    /// Closes the socket and lets the object go.
    pub fn disconnect(&mut self, now: Instant, on: &Conditions) -> Result<(), Refusal> {
        let (open, logged_in) = self.flags();
        if !self.state().has_object() {
            return Err(Refusal::Says("no session"));
        }
        if !open || (on.profile == Profile::A && !logged_in) {
            return Err(Refusal::Says(
                "cannot disconnect because it is not logged in",
            ));
        }
        let scan_waits = self.state() == SessionState::QrWait;
        self.leave(now, on);
        self.autostart = on.profile == Profile::A;
        self.webhook.disconnected(on.profile);
        if scan_waits && on.profile == Profile::B {
            return Err(Refusal::Hangs);
        }
        Ok(())
    }

    /// Unlinks the device.
    pub fn logout(&mut self, now: Instant, on: &Conditions) -> Result<(), Refusal> {
        let (open, logged_in) = self.flags();
        if !self.state().has_object() {
            return Err(Refusal::Says("no session"));
        }
        if !open {
            return Err(Refusal::Says(
                "could not disconnect as it was not connected",
            ));
        }
        if !logged_in {
            return Err(Refusal::Says("could not logout as it was not logged in"));
        }
        if self.state() == SessionState::HalfOpen {
            return Err(Refusal::SaysAfterQuery("could not perform logout"));
        }
        self.leave(now, on);
        self.put(SessionState::LoggedOut, now);
        self.autostart = on.profile != Profile::C;
        Ok(())
    }

    /// The object goes. A QR code may stay in sight, and D refuses a connect for a while.
    fn leave(&mut self, now: Instant, on: &Conditions) {
        let scan_until = self.since() + on.pace.scaled(QR_LIFE);
        let shown = self
            .scannable_qr(now, on.pace)
            .map(|number| (number, Some(scan_until)));
        let scan_waits = self.state() == SessionState::QrWait;
        self.put(SessionState::Absent, now);
        self.new_client();
        self.stale_qr = shown;
        if on.profile == Profile::D {
            let until = now + on.pace.scaled(GUARD);
            self.guarded_until = Some(if scan_waits { scan_until } else { until });
        }
    }

    /// The number of the QR code to scan; `None` when there is none, as in a login.
    pub fn qr(&self, now: Instant, pace: Pace) -> Result<Option<u64>, Refusal> {
        let (open, logged_in) = self.flags();
        if !self.state().has_object() {
            Err(Refusal::Says("no session"))
        } else if !open {
            Err(Refusal::Says("not connected"))
        } else if logged_in {
            Err(Refusal::Says("already logged in"))
        } else {
            Ok(self.scannable_qr(now, pace))
        }
    }
}
