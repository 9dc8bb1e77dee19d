//! What became of a message, for an operator who has its id.
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::deliveries::{Deliveries, StoredDelivery};

/// The longest message id.
const CHARS_MAX: usize = 64;

/// The name of a message, as WhatsApp and this system know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    /// Reads an id as somebody pastes it. `None` when it can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.trim().to_ascii_uppercase();
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain && (1..=CHARS_MAX).contains(&id.len())).then_some(Self(id))
    }
}

/// The messages of the last thirty days.
#[derive(Clone, Debug)]
pub struct AdminDeliveries(Deliveries);

impl AdminDeliveries {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(Deliveries::of(backends))
    }

    /// What became of a message; `None` when nothing is known of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, id: &MessageId) -> Result<Option<StoredDelivery>, StoreError> {
        self.0.read(&id.0).await
    }
}
