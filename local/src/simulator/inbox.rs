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

/// Every phone's messages.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: VecDeque<InboxMessage>,
}

impl Inbox {
    pub fn deliver(&mut self, phone: &str, id: &str, text: &str, session: &str, at_ms: u64) {
        let known = self.messages.iter_mut().rev();
        if let Some(message) = known
            .filter(|message| message.phone == phone)
            .find(|message| message.id == id)
        {
            message.resent += 1;
            return;
        }
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        let duplicate = self.of(Some(phone)).any(|message| message.text == text);
        self.messages.push_back(InboxMessage {
            phone: phone.into(),
            id: id.into(),
            text: text.into(),
            session: session.into(),
            at_ms,
            resent: 0,
            duplicate,
        });
    }

    /// The messages of one phone, or of all; the oldest first.
    pub fn of(&self, phone: Option<&str>) -> impl DoubleEndedIterator<Item = &InboxMessage> {
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
        inbox.deliver("62811", "a", "code 1", "system", 1);
        inbox.deliver("62811", "a", "code 1", "system", 2);
        inbox.deliver("62811", "b", "code 1", "system", 3);
        inbox.deliver("62822", "c", "code 1", "system", 4);
        let seen: Vec<_> = inbox
            .of(None)
            .map(|message| (message.id.as_str(), message.resent, message.duplicate))
            .collect();
        assert_eq!(seen, [("a", 1, false), ("b", 0, true), ("c", 0, false)]);
        assert_eq!(inbox.of(Some("62822")).count(), 1);
    }
}
