//! One message, before it is sent and after.
use std::time::Duration;

use super::outcome::{Outcome, Reason};
use crate::model::phone::Phone;
use crate::model::texts::MessageBody;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;
use crate::store::deliveries::{Cause, DeliveryItem};
use crate::store::whatsapp_sessions::SeenState;
use crate::store::whatsapp_sessions::incident::MissedMessage;
use crate::store::whatsapp_sessions::sends::SendRecord;

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
    /// When the code that it carries was asked for; nothing for a message without a code.
    pub code_asked_at: Option<Timestamp>,
    /// What is done once nobody knows whether it was sent.
    pub once_unknown: OnceUnknown,
    /// Whether it was tried before, so that an incident counts it no more.
    pub is_repeat: bool,
    /// What made it go out.
    pub cause: Cause,
}

/// What is done with a message once nobody knows whether it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceUnknown {
    /// Another session sends it, too: to get it twice is better than not to get it.
    GoesElsewhere,
    /// Nothing: a receipt decides.
    Waits,
}

/// What a message has shown about one session.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) session: String,
    /// What a real send has shown about the session.
    pub(super) send_record: Option<SendRecord>,
    /// What the message did not need of its place in the queue, where no record of its send gives that back.
    pub(super) rest_of_place: Option<Duration>,
    /// The session's state, when the send has shown another one than was known.
    pub(super) new_state: Option<SeenState>,
    /// The restriction that the message has ended.
    pub(super) ended: Option<SeenState>,
    /// The state that was known, when a message to nobody ends as if it had been met again.
    pub(super) seen_again: Option<SeenState>,
    /// Whether WhatsApp refused it as one to somebody new, or would have.
    pub(super) refused_as_new: bool,
    /// Whether the message has found the session unusable.
    pub(super) was_unusable: bool,
}

/// What the recipient reads.
#[derive(Clone, Debug)]
pub enum Content {
    /// A text.
    Text(MessageBody),
    /// Nothing. An unknown account takes the same steps and the same time as a known one, and gets no message.
    Nobody,
}

/// What the recipient of a message that was not sent was told besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlsoTold {
    /// Nothing.
    Nothing,
    /// That they may write first, in a chat that was offered.
    ToWriteFirst,
}

/// What became of a message, and how.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How it ended.
    pub outcome: Outcome,
    /// The session that it was sent from, or tried on last.
    pub session: String,
    /// The message's id.
    pub message_id: String,
    /// What the message was for.
    pub purpose: &'static str,
    /// The recipient.
    pub phone: Phone,
    /// What made it go out.
    pub cause: Cause,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// When its code was asked for; nothing for a message without a code.
    pub(super) code_asked_at: Option<Timestamp>,
    /// What it cost beside the sends.
    pub(super) effort: Effort,
    /// What was done, in order.
    pub steps: Vec<StepTaken>,
    /// How long until it is worth asking again, when it was not sent.
    pub retry_after: Option<Duration>,
    /// Whether WhatsApp was asked on one of the sessions, or would have been, and refused.
    pub refused_by_whatsapp: bool,
    /// It was made for an account that does not exist.
    pub(super) to_nobody: bool,
    /// What counts in the incident of the session that should have sent it, if that could not at once.
    pub(super) missed: Option<MissedMessage>,
    /// What it has shown about each session that it was tried on.
    pub(super) shown: Vec<Shown>,
}

/// What a message cost beside its sends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    /// How long it waited for its places in queues.
    pub(super) waited: Duration,
    /// How many recoveries it waited for.
    pub(super) recoveries: usize,
    /// How many of these ended with a usable session.
    pub(super) recovered: usize,
}

impl Effort {
    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            waited: self.waited + other.waited,
            recoveries: self.recoveries + other.recoveries,
            recovered: self.recovered + other.recovered,
        }
    }
}

/// One thing that was done for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// What, and with which result.
    pub what: String,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl StepTaken {
    /// A step that took so long.
    pub(super) fn new(what: impl Into<String>, took: Duration) -> Self {
        Self {
            what: what.into(),
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A new message id: `3EB0` and 18 upper-case hex digits, like the gateway's own.
pub fn message_id(entropy: &Entropy) -> String {
    let random: [u8; 9] = entropy.bytes();
    let digits: String = random.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("3EB0{digits}")
}

impl Delivery {
    /// The sessions that it was tried on, each once.
    fn tried(&self) -> Vec<&str> {
        let shown = self.shown.iter().map(|shown| shown.session.as_str());
        let mut tried: Vec<_> = shown.chain([self.session.as_str()]).collect();
        tried.sort_unstable();
        tried.dedup();
        tried
    }

    /// Whether WhatsApp refused the message to somebody new on the session called `name`. Nothing where it was not tried there.
    pub(super) fn refused_as_new(&self, name: &str) -> Option<bool> {
        let mut tried = self.shown.iter().rev();
        let shown = tried.find(|shown| shown.session == name)?;
        Some(shown.refused_as_new)
    }

    /// The delivery as it is stored, whose recipient was `told` something besides.
    pub(super) fn item(&self, told: AlsoTold) -> DeliveryItem<'_> {
        DeliveryItem {
            message_id: &self.message_id,
            purpose: self.purpose,
            phone: &self.phone,
            cause: &self.cause,
            session: &self.session,
            tried: self.tried(),
            outcome: if self.to_nobody {
                "nobody"
            } else {
                self.outcome.as_str()
            },
            reason: self.outcome.reason().map(Reason::as_str),
            steps: self
                .steps
                .iter()
                .map(|step| (step.what.as_str(), step.elapsed_ms))
                .collect(),
            chat_offered: told == AlsoTold::ToWriteFirst,
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
