//! The phones of all people, and what WhatsApp knows of them: the same for every gateway of a process.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::directory::Directory;
use super::inbox::Inbox;

/// A handle on them; clones are the same phones.
#[derive(Clone, Debug, Default)]
pub(super) struct Phones(Arc<Mutex<Known>>);

/// What is known of phones.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub inbox: Inbox,
    pub directory: Directory,
}

impl Phones {
    /// What is known now. Nobody else reads it before this is dropped.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
