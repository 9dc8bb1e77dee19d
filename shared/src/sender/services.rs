//! What a delivery calls.
use crate::gateway::Gateway;
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::runtime::Backends;
use crate::runtime::metrics::Meter;
use crate::store::StoreError;
use crate::store::batch::{Batches, Read};
use crate::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

/// The item of a session, with the session's name.
pub type Named = (String, SessionItem);

/// The gateway, the table of sessions, metrics, time and randomness.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) gateway: Gateway,
    pub(super) sessions: WhatsAppSessions,
    pub(super) batches: Batches,
    pub(super) meter: Meter,
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
            batches: Batches::new(backends),
            meter: Meter::new(settings),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
            can_restart: settings.restart_url.is_some(),
            check_first_contact: settings.check_first_contact,
        }
    }

    /// The read of the item of a session, with its name.
    pub(super) fn reading(&self, name: &str) -> Read<Named> {
        let named = name.to_owned();
        self.sessions.reading(name).map(|item| (named, item))
    }

    /// The items of the sessions called `names`, in one call.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn read_all(
        &self,
        names: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<Named>, StoreError> {
        let mut batch = self.batches.begin();
        let reads: Vec<_> = names
            .into_iter()
            .map(|name| batch.add(self.reading(name)))
            .collect();
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let found = batch.read("read the sessions").await?;
        reads.into_iter().map(|read| read.from(&found)).collect()
    }

    /// An id that tells this attempt at a conditional update from every other one.
    pub(super) fn attempt_id(&self) -> String {
        let random: [u8; 8] = self.entropy.bytes();
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
