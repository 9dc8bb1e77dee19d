//! How a simulator begins, and how long things take in it.
use std::time::Duration;

use super::network::Outage;
use super::profile::Profile;
use super::state::SessionState;

/// How a simulator begins.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// The version to speak like.
    pub profile: Profile,
    /// The sessions.
    pub sessions: Vec<SessionOptions>,
    /// What opens `/admin/users`.
    pub admin_token: String,
    /// How long one send takes.
    pub send_duration: Duration,
    /// How long a connect takes until the session is usable: the dial, then the login.
    pub online_after: Duration,
    /// How much of that is the login, at the most all of it.
    pub login: Duration,
    /// How long it takes a supervisor to start a gateway process that ended by itself.
    pub restart_after: Duration,
    /// Shortens the gateway's own long times, such as the 75 s of an acknowledgement; 1 is real.
    pub time_scale: f64,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            profile: Profile::B,
            sessions: vec![SessionOptions::new("system", "system-session-token")],
            admin_token: "gateway-admin-token".into(),
            send_duration: Duration::from_millis(400),
            online_after: Duration::from_secs(1),
            login: Duration::from_millis(300),
            restart_after: Duration::from_secs(5),
            time_scale: 1.0,
        }
    }
}

impl SimulatorOptions {
    /// The same with another dial and another login.
    #[must_use]
    pub fn with_dial_and_login(self, dial: Duration, login: Duration) -> Self {
        Self {
            online_after: dial + login,
            login,
            ..self
        }
    }

    pub(super) fn pace(&self) -> Pace {
        let login = self.login.min(self.online_after);
        Pace {
            time_scale: self.time_scale,
            send: self.send_duration,
            dial: self.online_after - login,
            login,
            restart: self.restart_after,
        }
    }
}

/// One session of a simulator.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Its name, in logs and in the control API.
    pub name: String,
    /// Its token.
    pub token: String,
    /// The state it begins in.
    pub state: SessionState,
}

impl SessionOptions {
    /// A session that is online.
    pub fn new(name: &str, token: &str) -> Self {
        Self {
            name: name.into(),
            token: token.into(),
            state: SessionState::Online,
        }
    }
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub time_scale: f64,
    pub send: Duration,
    pub dial: Duration,
    pub login: Duration,
    pub restart: Duration,
}

impl Pace {
    /// One of the gateway's own times, scaled.
    pub fn scaled(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.time_scale)
    }
}

/// What every session of a gateway lives under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub profile: Profile,
    pub pace: Pace,
    pub outage: Outage,
}
