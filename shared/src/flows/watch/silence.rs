//! Whether a session's messages arrive: what the records of those say that were taken lately.
use crate::flows::receipts::Receipts;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::Ward;
use crate::sender::mute::{self, Counts};
use crate::store::StoreError;
use crate::store::whatsapp_sessions::arrivals::Arrivals;
use crate::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

/// What the messages of a session have shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    pub(super) counts: Counts,
    pub(super) mute_since: Option<Timestamp>,
}

/// Watches over the messages that were taken.
#[derive(Clone, Debug)]
pub(super) struct Silence {
    receipts: Receipts,
    sessions: WhatsAppSessions,
}

impl Silence {
    pub(super) fn new(backends: &Backends) -> Self {
        Self {
            receipts: Receipts::new(backends),
            sessions: WhatsAppSessions::of(backends),
        }
    }

    /// Reads what became of the last messages of the session of `ward`, and keeps with the session what that shows. When the
    /// store fails, what was known stays.
    pub(super) async fn check(&self, ward: &Ward, now: Timestamp) -> Shown {
        let item = ward.item();
        match self.shown(ward.name(), item, now).await {
            Ok(shown) => shown,
            Err(error) => {
                let session = ward.name();
                tracing::error!(
                    session,
                    error = %Chain(&error),
                    "[WhatsApp System] whether messages arrive is not known"
                );
                Shown {
                    mute_since: item.mute_since,
                    ..Shown::default()
                }
            }
        }
    }

    async fn shown(
        &self,
        name: &str,
        item: &SessionItem,
        now: Timestamp,
    ) -> Result<Shown, StoreError> {
        let checked = self.receipts.of(item, now).await?;
        let before = Arrivals::of(item);
        let arrivals = mute::arrivals(item, &checked, now);
        if arrivals != before {
            self.sessions.record_arrivals(name, arrivals).await?;
        }
        if arrivals.mute_since.is_some() && before.mute_since.is_none() {
            tracing::error!(
                session = name,
                "[WhatsApp System] a session's messages are taken and none arrives"
            );
        }
        Ok(Shown {
            counts: mute::count(&checked, now),
            mute_since: arrivals.mute_since,
        })
    }
}
