//! What the phones received. A phone shows one message per id, however often it is delivered.
use std::collections::VecDeque;

use serde::Serialize;
use shared::model::phone::Phone;

/// How many messages are kept; the oldest go first.
const MESSAGES_MAX: usize = 10_000;

/// A message on a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InboxMessage {
    /// The phone, as digits.
    pub phone: String,
    /// The message id.
    pub id: String,
    /// The text.
    pub text: String,
    /// The name of the session that sent it.
    pub session: String,
    /// When it came first, in milliseconds since the simulator began.
    pub at_ms: u64,
    /// How often it came again under the same id, unseen by the user.
    pub resent: u32,
    /// Whether the same phone had the same text under another id already: the user sees it twice.
    pub duplicate: bool,
}

/// A message that gets to a phone.
pub(super) struct Arrival<'a> {
    pub phone: &'a str,
    pub id: &'a str,
    pub text: &'a str,
    /// The name of the session that sent it.
    pub session: &'a str,
    pub at_ms: u64,
}

/// Every phone's messages.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: VecDeque<InboxMessage>,
}

impl Inbox {
    pub fn deliver(&mut self, arrival: &Arrival<'_>) {
        let known = self.messages.iter_mut().rev();
        if let Some(message) = known
            .filter(|message| message.phone == arrival.phone)
            .find(|message| message.id == arrival.id)
        {
            message.resent += 1;
            return;
        }
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        let duplicate = self
            .messages_to(Some(arrival.phone))
            .any(|message| message.text == arrival.text);
        self.messages.push_back(InboxMessage {
            phone: arrival.phone.into(),
            id: arrival.id.into(),
            text: arrival.text.into(),
            session: arrival.session.into(),
            at_ms: arrival.at_ms,
            resent: 0,
            duplicate,
        });
    }

    /// The messages of one phone, or of all; the oldest first.
    pub fn messages_to(
        &self,
        phone: Option<&str>,
    ) -> impl DoubleEndedIterator<Item = &InboxMessage> {
        self.messages
            .iter()
            .filter(move |message| phone.is_none_or(|phone| message.phone == phone))
    }

    pub fn clear(&mut self) {
        self.messages.clear();
    }
}

/// The digits of a phone that is named in any form; what is no phone number keeps its digits.
pub(super) fn digits_of(phone: &str) -> String {
    match Phone::parse(phone) {
        Ok(phone) => phone.digits().to_owned(),
        Err(_) => own_digits(phone),
    }
}

/// The digits of a number as WhatsApp itself has it, which may be another than people's: `521…` for a phone of Mexico.
pub(super) fn own_digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_is_shown_once_and_the_same_text_under_another_id_is_a_duplicate() {
        let mut inbox = Inbox::default();
        for (phone, id, at_ms) in [
            ("62811", "a", 1),
            ("62811", "a", 2),
            ("62811", "b", 3),
            ("62822", "c", 4),
        ] {
            inbox.deliver(&Arrival {
                phone,
                id,
                text: "code 1",
                session: "system",
                at_ms,
            });
        }
        let seen: Vec<_> = inbox
            .messages_to(None)
            .map(|message| (message.id.as_str(), message.resent, message.duplicate))
            .collect();
        assert_eq!(seen, [("a", 1, false), ("b", 0, true), ("c", 0, false)]);
        assert_eq!(inbox.messages_to(Some("62822")).count(), 1);
    }
}
