//! What one recovery knows.
use std::time::Duration;

use crate::platform::timestamp::Timestamp;
use crate::sender::run::Run;
use crate::store::whatsapp_sessions::SessionItem;

/// What one recovery knows.
pub(super) struct Recovery<'r, 'a> {
    /// The message that waits for it.
    pub(super) run: &'r mut Run<'a>,
    /// Tells its claims from everybody else's.
    pub(super) attempt_id: String,
    pub(super) began: Timestamp,
    /// A look or a connect later than this comes too late.
    pub(super) last_look: Timestamp,
    /// The longest wait for the answer of a command.
    pub(super) command_max: Duration,
    /// What is known about the session.
    pub(super) item: SessionItem,
    /// The gateway's own item, once it was read.
    pub(super) gateway: SessionItem,
    /// It asks the gateway; otherwise it reads what another shares.
    pub(super) asks: bool,
    pub(super) shared_at: Option<Timestamp>,
    /// When it made the connect, which it does once.
    pub(super) connected_at: Option<Timestamp>,
    /// It looked last at a session that reconnected and now seems usable, which can be a flicker.
    pub(super) flickers: bool,
    /// It looked last at a front that answered for the gateway.
    pub(super) disturbed: bool,
}

impl<'r, 'a> Recovery<'r, 'a> {
    pub(super) fn new(run: &'r mut Run<'a>, last_look: Timestamp, command_max: Duration) -> Self {
        Self {
            attempt_id: run.services.attempt_id(),
            began: run.now(),
            run,
            last_look,
            command_max,
            item: SessionItem::default(),
            gateway: SessionItem::default(),
            asks: false,
            shared_at: None,
            connected_at: None,
            flickers: false,
            disturbed: false,
        }
    }
}
