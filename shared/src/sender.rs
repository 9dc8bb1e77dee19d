//! Sends one message so that it arrives: a session, a place in its queue, and whatever it takes to recover from what
//! goes wrong.
//!
//! A send is four calls: `Sender::pick`, `Sender::take_place`, `Sender::deliver`, `Sender::record`; the caller
//! makes each beside its own calls to the store. What an error means is decided in `classify`, what to do next in
//! `decide`, what a session's flags mean in `assess`; these are pure. The calls and the waiting are in `act` and
//! `recover`. Nothing is spawned: when the future of `Sender::deliver` ends or is dropped, nothing goes on.
use std::time::Duration;

use crate::gateway::{Gateway, SessionToken};
use crate::model::phone::Phone;
use crate::model::texts::MessageBody;
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::settings::{SYSTEM_SESSION, SessionSettings};
use crate::store::StoreError;
use crate::store::deliveries::{Deliveries, DeliveryItem};
use crate::store::whatsapp_sessions::{
    Seen, SendShown, SessionItem, SessionState, Slot, WhatsAppSessions,
};

/// Which session a recipient gets.
pub mod pool;

/// What a failed call means for the message.
pub mod classify;

/// What to do after an observation.
pub mod decide;

/// What a session's flags mean, and what can be done about it.
pub mod assess;

mod act;
mod recover;

/// When it is worth asking again for what only a person can end.
pub const HUMAN_TAKES: Duration = Duration::from_secs(300);

/// The cost of a send that nobody has measured yet.
const COST: Duration = Duration::from_millis(300);

/// How long to wait for a place in a full queue before each further try; the last one is not waited for.
const PLACE_PAUSES: [Duration; 4] = [
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
    Duration::MAX,
];

/// Sends messages through the gateway.
#[derive(Clone, Debug)]
pub struct Sender {
    pool: pool::Pool,
    gateway: Gateway,
    sessions: WhatsAppSessions,
    deliveries: Deliveries,
    clock: Clock,
    entropy: Entropy,
    /// Whether somebody can be asked to restart the gateway.
    can_restart: bool,
    check_first_contact: bool,
}

/// The session for a recipient, and what is known about it.
#[derive(Clone, Debug)]
pub struct Picked {
    session: SessionSettings,
    item: SessionItem,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// No session is configured.
    #[error("no WhatsApp session is configured")]
    NoSession,
    /// The store failed.
    #[error("the session is not known")]
    Store(#[source] StoreError),
}

/// The session's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// How long until a place in reach is free.
    pub retry_after: Duration,
}

/// A place in a session's queue.
#[derive(Clone, Debug)]
pub struct Place {
    session: String,
    token: SessionToken,
    at: Timestamp,
    cost: Duration,
    /// What is known about the session.
    item: SessionItem,
}

/// One message to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What it is for, such as `sso`.
    pub purpose: &'static str,
    /// Its id, from [`message_id`]; it stays the same through every retry.
    pub message_id: String,
    /// The recipient.
    pub phone: Phone,
    /// What the recipient reads.
    pub content: Content,
    /// Whether the recipient is not known to have taken a message lately.
    pub first_contact: bool,
}

/// What the recipient reads.
#[derive(Clone, Debug)]
pub enum Content {
    /// A text.
    Text(MessageBody),
    /// Nothing. An unknown account takes the same steps and the same time as a known one, and gets no message.
    Nobody,
}

/// What became of a message, and how.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How it ended.
    pub outcome: Outcome,
    /// The session it was sent from.
    pub session: String,
    /// The message's id.
    pub message_id: String,
    /// What the message was for.
    pub purpose: &'static str,
    /// The recipient.
    pub phone: Phone,
    /// When it began.
    pub started: Timestamp,
    /// What was done, in order.
    pub steps: Vec<StepTaken>,
    /// How long until it is worth asking again, when it was not sent.
    pub retry_after: Option<Duration>,
    to_nobody: bool,
    /// What a real send has shown about the session.
    shown: Option<SendShown>,
    /// How long its place in the queue was.
    place_cost: Duration,
    /// The session's state, when the send has shown another one than was known.
    seen: Option<Seen>,
}

/// One thing that was done for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// What, and with which result.
    pub what: String,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// WhatsApp took it.
    Sent,
    /// It was certainly not sent.
    NotSent(Reason),
    /// The gateway may have sent it.
    Unknown,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// More messages than the session can send.
    Busy,
    /// The session did not come back in time.
    SessionDown,
    /// The session waits for somebody to pair it.
    NeedsPairing,
    /// Only a restart of the gateway helps.
    NeedsRestart,
    /// WhatsApp keeps the account from sending.
    Restricted,
    /// The number is not on WhatsApp.
    NotOnWhatsApp,
    /// This recipient or this text can never be sent.
    WrongRecipient,
    /// The address or the token of the gateway is wrong.
    Misconfigured,
    /// There is no gateway behind the address.
    GatewayUnreachable,
    /// WhatsApp said no, twice.
    Rejected,
    /// The time was over before the message could be sent.
    Deadline,
}

impl Outcome {
    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotSent(_) => "not_sent",
            Self::Unknown => "unknown",
        }
    }

    /// Why it was not sent.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::NotSent(reason) => Some(reason),
            Self::Sent | Self::Unknown => None,
        }
    }
}

impl Reason {
    /// Whether waiting does not help: only somebody who acts does.
    pub const fn needs_human(self) -> bool {
        matches!(
            self,
            Self::NeedsPairing | Self::NeedsRestart | Self::Restricted | Self::Misconfigured
        )
    }

    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::SessionDown => "session_down",
            Self::NeedsPairing => "needs_pairing",
            Self::NeedsRestart => "needs_restart",
            Self::Restricted => "restricted",
            Self::NotOnWhatsApp => "not_on_whatsapp",
            Self::WrongRecipient => "wrong_recipient",
            Self::Misconfigured => "misconfigured",
            Self::GatewayUnreachable => "gateway_unreachable",
            Self::Rejected => "rejected",
            Self::Deadline => "deadline",
        }
    }
}

/// Whether messages can be sent, as far as the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// The state.
    pub state: ChannelState,
    /// Since when; nothing while it is unknown.
    pub since: Option<Timestamp>,
    /// When somebody last looked.
    pub seen_at: Option<Timestamp>,
}

/// The state of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// Messages can be sent.
    Usable,
    /// Not now, and something is being done about it.
    Recovering,
    /// Somebody has to pair the session.
    NeedsPairing,
    /// Somebody has to restart the gateway.
    NeedsRestart,
    /// Not now.
    Down,
    /// WhatsApp keeps the account from sending.
    Restricted,
    /// The address or the token of the gateway is wrong.
    Misconfigured,
    /// Nobody has looked yet.
    Unknown,
}

/// A new message id: `3EB0` and 18 upper-case hex digits, like the gateway's own.
pub fn message_id(entropy: &Entropy) -> String {
    let random: [u8; 9] = entropy.bytes();
    let digits: String = random.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("3EB0{digits}")
}

impl Sender {
    /// A sender on these backends.
    pub fn new(backends: &Backends) -> Self {
        let tables = &backends.settings.tables;
        Self {
            pool: pool::Pool::new(&backends.settings.sessions),
            gateway: backends.gateway.clone(),
            sessions: WhatsAppSessions::new(
                backends.dynamodb.clone(),
                tables.whatsapp_sessions.clone(),
            ),
            deliveries: Deliveries::new(backends.dynamodb.clone(), tables.deliveries.clone()),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
            can_restart: backends.settings.restart_url.is_some(),
            check_first_contact: backends.settings.check_first_contact,
        }
    }

    /// The session for `phone`, and what is known about it. One read.
    ///
    /// # Errors
    /// When no session is configured, or the store fails.
    pub async fn pick(&self, phone: &Phone) -> Result<Picked, PickError> {
        let session = self.pool.pick(phone).ok_or(PickError::NoSession)?.clone();
        let item = self
            .sessions
            .read(&session.name)
            .await
            .map_err(PickError::Store)?;
        Ok(Picked { session, item })
    }

    /// A place in the session's queue, at most `wait_max` from now. One conditional update, rarely more.
    /// The place of whoever dies passes.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_place(
        &self,
        picked: &Picked,
        wait_max: Duration,
    ) -> Result<Result<Place, Busy>, StoreError> {
        let (session, item) = (&picked.session, &picked.item);
        let latest = self.clock.now().plus(wait_max);
        let mut free_at = item.free_at;
        // A queue can be shorter than it seems: whoever is done sooner than expected gives the rest of its place back.
        for (number, pause) in PLACE_PAUSES.into_iter().enumerate() {
            let now = self.clock.now();
            let wait_max = latest.since(now);
            let slot = self
                .sessions
                .take_slot(&session.name, free_at, now, wait_max, COST);
            let slot = match slot.await {
                // A further try is a favour.
                Err(_) if number > 0 => break,
                slot => slot?,
            };
            match slot {
                Slot::At(at, cost) => {
                    return Ok(Ok(Place {
                        session: session.name.clone(),
                        token: session.token.clone(),
                        at,
                        cost,
                        item: item.clone(),
                    }));
                }
                Slot::Full(queue) => free_at = queue.free_at,
            }
            if latest.since(self.clock.now()) <= pause {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Ok(Err(Busy {
            retry_after: free_at.unwrap_or(latest).since(latest),
        }))
    }

    /// Gives a place back that nothing was sent in. A failure is logged and nothing more: the place passes.
    pub async fn leave_place(&self, place: &Place) {
        if let Err(error) = self.sessions.leave_slot(&place.session, place.cost).await {
            tracing::warn!(
                session = place.session,
                error = &error as &dyn std::error::Error,
                "[WhatsApp System] a place in the queue stays empty"
            );
        }
    }

    /// Waits for the place, sends, and recovers and sends again when that fails; it is over before `deadline`.
    /// The happy path writes nothing to the store.
    pub async fn deliver(&self, place: Place, message: Outgoing, deadline: Timestamp) -> Delivery {
        act::deliver(self, place, message, deadline).await
    }

    /// Keeps the delivery's story, and what it showed about the session. A failure is logged and nothing more: the
    /// message is on its way or not, whatever the store says.
    pub async fn record(&self, delivery: &Delivery) {
        let session = delivery.session.as_str();
        let kept = self.deliveries.keep(delivery.item());
        let shown = async {
            match &delivery.shown {
                Some(shown) => self.sessions.note_send(session, shown).await,
                None => Ok(()),
            }
        };
        let seen = async {
            match delivery.seen {
                Some(seen) => self.sessions.saw(session, seen).await.map(drop),
                None => Ok(()),
            }
        };
        let rest = async {
            match delivery.rest_of_place() {
                Some(rest) => self.sessions.leave_slot(session, rest).await,
                None => Ok(()),
            }
        };
        let (kept, shown, seen, rest) = tokio::join!(kept, shown, seen, rest);
        for error in [kept, shown, seen, rest]
            .into_iter()
            .filter_map(Result::err)
        {
            tracing::error!(
                session,
                message_id = delivery.message_id,
                error = &error as &dyn std::error::Error,
                "[WhatsApp System] a delivery is not wholly recorded"
            );
        }
    }

    /// Makes the first contact with the table of sessions, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        self.sessions.warm_up(self.main_session()).await
    }

    /// Whether messages can be sent, read from the store only: the gateway is not asked, and no token is needed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn channel(&self) -> Result<ChannelStatus, StoreError> {
        let item = self.sessions.read(self.main_session()).await?;
        let state = match item.seen.map(|seen| seen.state) {
            None => ChannelState::Unknown,
            Some(SessionState::Usable) => ChannelState::Usable,
            Some(SessionState::NeedsPairing | SessionState::Unlinked) => ChannelState::NeedsPairing,
            Some(SessionState::NeedsRestart) => ChannelState::NeedsRestart,
            Some(
                SessionState::Reconnecting
                | SessionState::Starting
                | SessionState::Opening
                | SessionState::Suspect,
            ) => ChannelState::Recovering,
            Some(SessionState::Down) if assess::stabilising(&item, self.clock.now()) => {
                ChannelState::Recovering
            }
            Some(SessionState::Down | SessionState::Unreachable) => ChannelState::Down,
            Some(SessionState::Restricted) => ChannelState::Restricted,
            Some(SessionState::Misconfigured) => ChannelState::Misconfigured,
        };
        Ok(ChannelStatus {
            state,
            since: item.seen.map(|seen| seen.since),
            seen_at: item.seen.map(|seen| seen.at),
        })
    }

    /// The name of the session whose state stands for the whole channel.
    fn main_session(&self) -> &str {
        let main = self.pool.main();
        main.map_or(SYSTEM_SESSION, |session| session.name.as_str())
    }

    /// An id that tells this attempt at a conditional update from every other one.
    fn attempt_id(&self) -> String {
        let random: [u8; 8] = self.entropy.bytes();
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Picked {
    /// The session's name.
    pub fn session(&self) -> &str {
        &self.session.name
    }

    /// The state in which the session was last seen: a hint, which may be old.
    pub fn state(&self) -> Option<SessionState> {
        self.item.seen.map(|seen| seen.state)
    }
}

impl Delivery {
    /// What is left of the place of a send that was done long before its end.
    fn rest_of_place(&self) -> Option<Duration> {
        let taken = self.shown.as_ref()?.taken?;
        let took = taken.ended.since(taken.began);
        let rest = self.place_cost.saturating_sub(took);
        (rest > self.place_cost / 5).then_some(rest)
    }

    fn item(&self) -> DeliveryItem<'_> {
        DeliveryItem {
            message_id: &self.message_id,
            purpose: self.purpose,
            phone: self.phone.to_string(),
            session: &self.session,
            outcome: match self.to_nobody {
                true => "nobody",
                false => self.outcome.as_str(),
            },
            reason: self.outcome.reason().map(Reason::as_str),
            steps: self
                .steps
                .iter()
                .map(|step| (step.what.as_str(), step.elapsed_ms))
                .collect(),
            at: self.started,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_looks_like_the_gateways_own() {
        let entropy = Entropy::seeded(7);
        let (one, other) = (message_id(&entropy), message_id(&entropy));
        assert_ne!(one, other);
        assert_eq!(one.len(), 22);
        let digits = one.strip_prefix("3EB0").expect("the prefix of the gateway");
        assert!(
            digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
        );
    }
}
