//! How a simulator begins, and how long things take in it.
use std::time::Duration;

use super::profile::Profile;
use super::session::SessionState;

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
    /// How long a connect takes until the session is usable.
    pub online_after: Duration,
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
            time_scale: 1.0,
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
    pub online_after: Duration,
}

impl Pace {
    /// One of the gateway's own times, scaled.
    pub fn of(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.time_scale)
    }
}
