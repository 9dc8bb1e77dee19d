//! How a simulator begins, and how long things take in it.
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;

use super::network::Outage;
use super::profile::Profile;
use super::receipts::Answering;
use super::state::SessionState;

/// How a simulator begins.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Its name among the gateways of a process.
    pub name: String,
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
    /// How long a message takes from WhatsApp to a phone, and the receipt back.
    pub receipt_after: Duration,
    /// How long after that it is read; `None`: phones do not say so.
    pub read_after: Option<Duration>,
    /// How many devices each phone's account has, itself counted in.
    pub devices: u16,
    /// Whether C and D know people by WhatsApp's own numbers, `…@lid`, as those of accounts that it moved to these.
    pub lid: bool,
    /// What time it is there.
    pub clock: Clock,
    /// The form of what is posted to webhooks.
    pub webhook_format: WebhookFormat,
    /// Shortens the gateway's own long times, such as the 75 s of an acknowledgement; 1 is real.
    pub time_scale: f64,
}

/// The names of sessions beside `system` begin so.
const FURTHER: &str = "session-";

/// Whether `name` is that of a session beside `system` which a simulator may have.
pub fn is_simulated(name: &str) -> bool {
    let number = name.strip_prefix(FURTHER);
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            name: "gateway".into(),
            profile: Profile::B,
            sessions: vec![SessionOptions::new("system", "system-session-token")],
            admin_token: "gateway-admin-token".into(),
            send_duration: Duration::from_millis(400),
            online_after: Duration::from_secs(1),
            login: Duration::from_millis(300),
            restart_after: Duration::from_secs(5),
            receipt_after: Duration::from_millis(100),
            read_after: None,
            devices: 1,
            lid: false,
            clock: Clock::following_runtime(Timestamp::from_seconds(1_755_436_294)),
            webhook_format: WebhookFormat::Form,
            time_scale: 1.0,
        }
    }
}

impl SimulatorOptions {
    /// The same with so many sessions: `system`, `session-2`, `session-3` and so on.
    #[must_use]
    pub fn with_sessions(self, sessions: u8) -> Self {
        let further = (2..=sessions).map(|number| format!("{FURTHER}{number}"));
        let names = ["system".to_owned()].into_iter().chain(further);
        let sessions = names
            .map(|name| SessionOptions::new(&name, &format!("{name}-session-token")))
            .collect();
        Self { sessions, ..self }
    }

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

    pub(super) fn answering(&self) -> Answering {
        Answering {
            delivered: self.receipt_after,
            read: self.read_after,
            devices: self.devices,
        }
    }
}

/// The form of what is posted to webhooks, the same for all sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// A form, with the event as JSON in its field `jsonData`.
    #[default]
    Form,
    /// The event itself as JSON.
    Json,
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
    /// Where its events go; empty: nowhere, until somebody sets it.
    pub webhook: String,
    /// What signs them, in C and D.
    pub hmac_key: Option<String>,
}

impl SessionOptions {
    /// A session that is online.
    pub fn new(name: &str, token: &str) -> Self {
        Self {
            name: name.into(),
            token: token.into(),
            state: SessionState::Online,
            webhook: String::new(),
            hmac_key: None,
        }
    }

    /// The same with a webhook.
    #[must_use]
    pub fn with_webhook(self, url: &str) -> Self {
        let webhook = url.into();
        Self { webhook, ..self }
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
