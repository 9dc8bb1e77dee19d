//! What a delivery calls.
use std::time::Duration;

use crate::gateway::{Gateway, RestartUrl};
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::runtime::Backends;
use crate::runtime::metrics::Meter;
use crate::store::StoreError;
use crate::store::batch::{Batches, Read};
use crate::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

/// How many items one call can read.
const ITEMS_MAX: usize = 100;

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
    /// What restarts the gateway of `WHATSAPP_SERVER_API`, where something can.
    pub(super) restart_url: Option<RestartUrl>,
    /// How long WhatsApp's refusal of an account is taken to hold, before a message tries whether it is over.
    pub(super) restricted_retry: Duration,
    /// Whether a number that took no message lately is looked up first.
    pub(super) check_first_contact: bool,
}

impl Services {
    pub(super) fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            gateway: backends.gateway.clone(),
            sessions: WhatsAppSessions::of(backends),
            batches: Batches::new(backends),
            meter: Meter::new(settings),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
            restart_url: settings.restart_url.clone(),
            restricted_retry: settings.restricted_retry,
            check_first_contact: settings.check_first_contact,
        }
    }

    /// The read of the item of a session, with its name.
    pub(super) fn reading(&self, name: &str) -> Read<Named> {
        let named = name.to_owned();
        self.sessions.reading(name).map(|item| (named, item))
    }

    /// The items of the sessions called `names`, in their order. One call for each hundred.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn read_all(
        &self,
        names: impl IntoIterator<Item = &str>,
    ) -> Result<Vec<Named>, StoreError> {
        let names: Vec<_> = names.into_iter().collect();
        let mut items = Vec::new();
        for some in names.chunks(ITEMS_MAX) {
            let mut batch = self.batches.begin();
            let reads = some.iter().map(|name| batch.add(self.reading(name)));
            let reads: Vec<_> = reads.collect();
            let found = batch.read("read the sessions").await?;
            for read in reads {
                items.push(read.from(&found)?);
            }
        }
        Ok(items)
    }

    /// Tells of a failure of the store that stops no message.
    pub(super) fn store_failed_beside_send(&self, session: &str, id: &str, error: &StoreError) {
        tracing::error!(
            session,
            message_id = id,
            error = error as &dyn std::error::Error,
            "[WhatsApp System] the store failed beside a send"
        );
    }

    /// An id that tells this attempt at a conditional update from every other one.
    pub(super) fn attempt_id(&self) -> String {
        let random: [u8; 8] = self.entropy.bytes();
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
