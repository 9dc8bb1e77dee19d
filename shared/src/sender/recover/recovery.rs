//! What one recovery knows.
use std::time::Duration;

use crate::gateway::GatewayError;
use crate::platform::timestamp::Timestamp;
use crate::sender::delivery::StepTaken;
use crate::sender::queue::Place;
use crate::sender::services::Services;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::SessionItem;

/// A session that is looked after.
pub(super) struct Patient<'r> {
    pub(super) services: &'r Services,
    pub(super) place: &'r mut Place,
    /// The message that waits for it, if one does.
    pub(super) message_id: Option<&'r str>,
    /// What is done for it, in order.
    pub(super) steps: &'r mut Vec<StepTaken>,
}

impl Patient<'_> {
    /// The present time: read again after every wait, for the process may have been frozen meanwhile.
    pub(super) fn now(&self) -> Timestamp {
        self.services.clock.now()
    }

    /// Adds to the story.
    pub(super) fn add_step(&mut self, what: impl Into<String>, took: Duration) {
        self.steps.push(StepTaken::new(what, took));
    }

    /// The store only keeps what is known about the session, so a failure stops nothing.
    pub(super) fn store_failed(&self, error: &StoreError) {
        tracing::error!(
            session = self.place.session,
            message_id = self.message_id,
            error = error as &dyn std::error::Error,
            "[WhatsApp System] the store failed beside a recovery"
        );
    }
}

/// What one recovery knows.
pub(super) struct Recovery<'r> {
    pub(super) patient: Patient<'r>,
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
    /// The account's own number, as the gateway has just named it.
    pub(super) own_number: Option<String>,
    /// It asks the gateway; otherwise it reads what another shares.
    pub(super) asks: bool,
    pub(super) shared_at: Option<Timestamp>,
    /// When it made the connect, which it does once.
    pub(super) connected_at: Option<Timestamp>,
    /// Who wants the session connected.
    pub(super) asker: Asker,
    /// What the gateway answered to the connect.
    pub(super) connect_answer: Option<Result<(), GatewayError>>,
    /// It looked last at a session that reconnected and now seems usable, which can be a flicker.
    pub(super) flickers: bool,
    /// It looked last at a front that answered for the gateway.
    pub(super) disturbed: bool,
}

/// Who wants a session connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A message or the schedule: connects are spaced, further apart each time.
    Recovery,
    /// A person, who need not wait for more than what the last connect may still bring.
    Person,
}

impl<'r> Recovery<'r> {
    pub(super) fn new(patient: Patient<'r>, last_look: Timestamp, command_max: Duration) -> Self {
        Self {
            attempt_id: patient.services.attempt_id(),
            began: patient.now(),
            patient,
            last_look,
            command_max,
            item: SessionItem::default(),
            gateway: SessionItem::default(),
            own_number: None,
            asks: false,
            shared_at: None,
            connected_at: None,
            asker: Asker::Recovery,
            connect_answer: None,
            flickers: false,
            disturbed: false,
        }
    }
}
