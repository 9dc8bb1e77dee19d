//! One message on its way: what is known, and what was done so far.
use std::time::Duration;

use super::delivery::{Effort, Outgoing, StepTaken};
use super::outcome::{Outcome, Reason};
use super::queue::Place;
use super::services::Services;
use crate::gateway::Jid;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// No send starts with less time than this.
pub(super) const SEND_MIN: Duration = Duration::from_secs(3);
/// What everything before a send leaves of the time: that of the shortest send, and what lies between the two.
pub(super) const SEND_ROOM: Duration = SEND_MIN.saturating_add(Duration::from_millis(100));

/// What came of a send without an error.
#[derive(Clone, Copy)]
pub(super) enum SendAnswer {
    /// WhatsApp took the message.
    Taken,
    /// The message goes to nobody, and ends like the session's last real one.
    LikeTheLast(Outcome),
    /// The message goes to nobody, and the session's status says that it could not have been sent.
    NotUsable,
}

/// One message on its way. What happens to it stands in several files:
///
/// | file | what |
/// |---|---|
/// | `lookup.rs` | whether the recipient is on WhatsApp |
/// | `trial.rs` | whether it may try an account that WhatsApp refuses |
/// | `nobody.rs` | the send of a message to nobody |
/// | `recover.rs` | the recovery of its session |
/// | `finish.rs` | its end |
/// | `act.rs` | the order of all these, the waits and the send |
pub(super) struct Run<'a> {
    pub(super) services: &'a Services,
    pub(super) place: Place,
    pub(super) message: Outgoing,
    pub(super) deadline: Timestamp,
    pub(super) steps: Vec<StepTaken>,
    pub(super) effort: Effort,
    /// How long until something new can be tried, when the session did not come back.
    pub(super) retry_after: Option<Duration>,
    /// When the first send began.
    pub(super) first_sent_at: Option<Timestamp>,
    /// When the last send began.
    pub(super) sent_at: Timestamp,
    /// When the message last took a further place in the queue.
    pub(super) requeued_at: Option<Timestamp>,
    /// How long the send took that WhatsApp took the message from.
    pub(super) taken_after: Option<Duration>,
    /// A recovery found the session unusable, so its status showed the same to everybody. Then the end of this message says
    /// nothing more to those that go to nobody.
    pub(super) was_unusable: bool,
    /// The recipient's account, where it is known under another number.
    pub(super) jid: Option<Jid>,
    /// Whether somebody has asked if the recipient is on WhatsApp.
    pub(super) looked_up: bool,
    /// As what it is refused without WhatsApp being asked, if it is: it goes on like a message to nobody.
    pub(super) pretended: Option<Reason>,
    /// When it took the turn to try the account that WhatsApp refuses.
    pub(super) turn: Option<Timestamp>,
    pub(super) patience: Patience,
}

/// Whether a message waits for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until it comes back, as long as there is time.
    Waits,
    /// Not at all: another session is usable.
    GoesElsewhere,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        services: &'a Services,
        place: Place,
        message: Outgoing,
        deadline: Timestamp,
    ) -> Self {
        let started = services.clock.now();
        Self {
            services,
            place,
            message,
            deadline,
            steps: Vec::new(),
            effort: Effort::default(),
            retry_after: None,
            first_sent_at: None,
            sent_at: started,
            requeued_at: None,
            taken_after: None,
            was_unusable: false,
            jid: None,
            looked_up: false,
            pretended: None,
            turn: None,
            patience: Patience::Waits,
        }
    }

    /// The present time: read again after every wait, for the process may have been frozen meanwhile.
    pub(super) fn now(&self) -> Timestamp {
        self.services.clock.now()
    }

    /// Sleeps until `end`, or until the deadline if that comes first.
    pub(super) async fn sleep_until(&self, end: Timestamp) {
        let end = end.min(self.deadline);
        tokio::time::sleep(self.services.clock.until(end)).await;
    }

    /// Waits until a message that began at `began` would have been sent.
    pub(super) async fn pass_the_cost(&self, began: Timestamp) {
        self.sleep_until(began.plus(self.place.cost)).await;
    }

    /// Adds to the story of the message.
    pub(super) fn add_step(&mut self, what: impl Into<String>, took: Duration) {
        self.steps.push(StepTaken::new(what, took));
    }

    /// The store only keeps the pace of a send and the knowledge about a session, so a failure stops nothing.
    pub(super) fn store_failed(&self, error: &StoreError) {
        let (session, id) = (&self.place.session, &self.message.message_id);
        self.services.store_failed_beside_send(session, id, error);
    }
}
