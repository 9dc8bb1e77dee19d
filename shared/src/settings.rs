//! The configuration of a deployment, read once from the environment.
use std::collections::BTreeMap;

use crate::gateway::SessionToken;

/// The names of the DynamoDB tables. On one machine they are the logical ids of `template.yaml`.
#[derive(Clone, Debug)]
pub struct Tables {
    /// One item per phone: its codes and the messages sent to it.
    pub challenges: String,
    /// Counters per client address.
    pub limits: String,
    /// Users, by phone.
    pub users: String,
    /// Sign-ups that wait for their code.
    pub registrations: String,
    /// What a signed-in user holds.
    pub logins: String,
    /// The key rings.
    pub keys: String,
    /// The WhatsApp sessions: queue, connect right, last state.
    pub whatsapp_sessions: String,
    /// What became of each message.
    pub deliveries: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            challenges: "ChallengesTable".into(),
            limits: "LimitsTable".into(),
            users: "UsersTable".into(),
            registrations: "RegistrationsTable".into(),
            logins: "LoginsTable".into(),
            keys: "KeysTable".into(),
            whatsapp_sessions: "WhatsAppSessionsTable".into(),
            deliveries: "DeliveriesTable".into(),
        }
    }
}

/// One WhatsApp account that this deployment may send from.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Its name in logs, metrics and the session item.
    pub name: String,
    /// Its secret.
    pub token: SessionToken,
}

/// Everything that is configured.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Table names.
    pub tables: Tables,
    /// The gateway's base URL: `WHATSAPP_SERVER_API`.
    pub gateway_url: Option<String>,
    /// The sessions to send from: `WHATSAPP_USER_TOKEN` is one called `system`.
    pub sessions: Vec<SessionSettings>,
}

/// A variable that is missing or cannot be read. The message names it.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct SettingsError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it, and the fix.
    pub problem: String,
}

impl Settings {
    /// Reads the process environment.
    ///
    /// # Errors
    /// When a variable cannot be read; the message names it.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_vars(&std::env::vars().collect())
    }

    /// Reads the given variables.
    ///
    /// # Errors
    /// When a variable cannot be read; the message names it.
    pub fn from_vars(vars: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        Ok(Self {
            gateway_url: vars.get("WHATSAPP_SERVER_API").cloned(),
            ..Self::default()
        })
    }
}
