//! Which of the last messages of a session were delivered, as their records say it.
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::mute::Checked;
use crate::store::StoreError;
use crate::store::batch::Batches;
use crate::store::deliveries::Deliveries;
use crate::store::whatsapp_sessions::taken::TAKEN_LIFE;
use crate::store::whatsapp_sessions::{SessionItem, TakenMessage};

/// Reads the records of messages.
#[derive(Clone, Debug)]
pub struct Receipts {
    batches: Batches,
    deliveries: Deliveries,
}

impl Receipts {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            batches: Batches::new(backends),
            deliveries: Deliveries::of(backends),
        }
    }

    /// The messages that the session of `item` took in the last minutes. One read of all their records, or none where it took
    /// no message.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(&self, item: &SessionItem, now: Timestamp) -> Result<Vec<Checked>, StoreError> {
        let recent = item
            .taken
            .iter()
            .filter(|one| now.since(one.at) < TAKEN_LIFE);
        let mut batch = self.batches.begin();
        let reads: Vec<_> = recent
            .map(|one: &TakenMessage| {
                let read = self.deliveries.reading_delivered_at(&one.id);
                (one, batch.add(read))
            })
            .collect();
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let found = batch.read("read whether messages arrived").await?;
        let checked = reads.into_iter().map(|(message, read)| {
            Ok(Checked {
                message: message.clone(),
                delivered_at: read.from(&found)?,
            })
        });
        checked.collect()
    }
}
