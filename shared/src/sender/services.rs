//! What a delivery calls.
use crate::gateway::Gateway;
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::runtime::Backends;
use crate::store::whatsapp_sessions::WhatsAppSessions;

/// The gateway, the table of sessions, time and randomness.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) gateway: Gateway,
    pub(super) sessions: WhatsAppSessions,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    /// Whether somebody can be asked to restart the gateway.
    pub(super) can_restart: bool,
    /// Whether a number that took no message lately is looked up first.
    pub(super) check_first_contact: bool,
}

impl Services {
    pub(super) fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        let table = settings.tables.whatsapp_sessions.clone();
        Self {
            gateway: backends.gateway.clone(),
            sessions: WhatsAppSessions::new(backends.dynamodb.clone(), table),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
            can_restart: settings.restart_url.is_some(),
            check_first_contact: settings.check_first_contact,
        }
    }

    /// An id that tells this attempt at a conditional update from every other one.
    pub(super) fn attempt_id(&self) -> String {
        let random: [u8; 8] = self.entropy.bytes();
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
