//! A chat that somebody is asked to open, because WhatsApp lets the account write to nobody new: whoever writes first may be
//! answered.
//!
//! What they write has a word in it. With the phone that it comes from it names the code that waits for it.
use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::account::{PersonName, Registration};
use super::address::ClientAddress;
use super::challenge::{ChallengeHash, ChallengeId};
use super::code::Purpose;
use super::identifier::Email;
use super::language::Language;
use super::password::PasswordHash;
use super::phone::Phone;
use super::typed;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;

/// The characters of a word: digits and letters that nobody takes for each other.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// How many characters stand before and behind the dash of a word.
const HALF: usize = 5;

/// The longest text that is searched for a word, in bytes. What the link writes is shorter.
const TEXT_MAX: usize = 300;

/// The word in a text that opens a chat, such as `K7QPM-2XWZR`: 50 random bits. It never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatWord(String);

impl ChatWord {
    /// A new word.
    pub fn draw(entropy: &Entropy) -> Self {
        let drawn = entropy.bytes::<{ 2 * HALF }>();
        let characters = drawn.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        let (first, second) = characters.split_at(HALF);
        let half = |characters: &[char]| characters.iter().collect::<String>();
        Self(format!("{}-{}", half(first), half(second)))
    }

    /// The first word in a text that somebody wrote. Ordinary texts have none.
    pub fn find_in(text: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let text = typed::plain(text).to_ascii_uppercase();
        let stands_apart = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        let mut words = text.split(stands_apart).map(|word| word.trim_matches('-'));
        words
            .find(|word| is_word(word))
            .map(|word| Self(word.to_owned()))
    }

    /// The word itself, for the link and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps of the word in a text from `phone`: the first 128 bits of a SHA-256 over both. So whoever reads the
    /// table finds neither.
    pub fn hash(&self, phone: &Phone) -> ChatHash {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in ["open-chat", phone.digits(), &self.0] {
            context.update(part.as_bytes());
            context.update(b"\0");
        }
        ChatHash(BASE64_URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..16]))
    }
}

fn is_word(text: &str) -> bool {
    let is_half = |half: &str| {
        half.len() == HALF && half.bytes().all(|character| ALPHABET.contains(&character))
    };
    text.split_once('-')
        .is_some_and(|(first, second)| is_half(first) && is_half(second))
}

impl fmt::Debug for ChatWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatWord(****)")
    }
}

/// What a code that waits for its chat is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatHash(pub String);

/// What a client is told, so that its person opens the chat.
#[derive(Clone, Debug)]
pub struct ChatOffer {
    /// The digits of the number to write to.
    pub number: String,
    /// The word to write.
    pub word: ChatWord,
    /// The challenge id that the code will be bound to.
    pub challenge: ChallengeId,
}

/// A code that waits for somebody to open the chat. Nothing of it says whose phone it is for.
#[derive(Clone, Debug)]
pub struct WaitingCode {
    /// What it is found by.
    pub hash: ChatHash,
    /// The session whose number the person was told.
    pub session: String,
    /// What the code is for.
    pub purpose: Purpose,
    /// What is kept of the challenge id that the client was told.
    pub challenge: ChallengeHash,
    /// Who asked for the code. It is charged to that address.
    pub address: ClientAddress,
    /// The language of the message.
    pub language: Language,
    /// What somebody gave to sign up, where the code is for that.
    pub applicant: Option<WaitingApplicant>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What somebody gave to sign up, but for the phone.
#[derive(Clone, Debug)]
pub struct WaitingApplicant {
    /// The name.
    pub name: PersonName,
    /// The e-mail address, if any.
    pub email: Option<Email>,
    /// The password.
    pub password: PasswordHash,
}

impl WaitingApplicant {
    /// Takes what `registration` says of its applicant.
    pub fn of(registration: Registration) -> Self {
        Self {
            name: registration.name,
            email: registration.email,
            password: registration.password,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_found_in_what_its_link_writes_and_in_little_else() {
        let word = ChatWord("K7QPM-2XWZR".into());
        for (text, found) in [
            ("My code, please: K7QPM-2XWZR", true),
            ("k7qpm-2xwzr", true),
            ("*K7QPM-2XWZR*, terima kasih", true),
            ("K7QPM\u{2013}2XWZR", true),
            ("\u{2014}K7QPM-2XWZR\u{2014}", true),
            ("\u{200B}K7QPM-\u{200B}2XWZR", true),
            ("K7QPM2XWZR", false),
            ("K7QPM-2XWZR-9", false),
            ("AK7QPM-2XWZR", false),
            ("K7QPM-2XWZ", false),
            ("K7QPM-2XWZO", false),
            ("hello-world", false),
            ("", false),
            (&format!("{}K7QPM-2XWZR", " ".repeat(TEXT_MAX)), false),
        ] {
            let expected = found.then(|| word.clone());
            assert!(ChatWord::find_in(text) == expected, "{text:?}");
        }
    }

    #[test]
    fn a_word_and_another_phone_have_another_hash() {
        let entropy = Entropy::seeded(5);
        let (word, other) = (ChatWord::draw(&entropy), ChatWord::draw(&entropy));
        let phone = |digits| Phone::from_digits(digits).expect("a phone");
        let siti = phone("628123456789");
        assert_eq!(word.hash(&siti), word.hash(&siti));
        assert_ne!(word.hash(&siti), other.hash(&siti));
        assert_ne!(word.hash(&siti), word.hash(&phone("628123456780")));
        assert!(!format!("{word:?}").contains(word.expose()));
    }

    proptest! {
        #[test]
        fn every_word_is_found_again(seed in any::<u64>(), before in "[ \n.,:;*_()\u{2013}\u{2014}-]{0,20}") {
            let word = ChatWord::draw(&Entropy::seeded(seed));
            let found = ChatWord::find_in(&format!("{before}{}", word.expose()));
            prop_assert!(found == Some(word));
        }

        #[test]
        fn no_text_is_too_strange_to_be_searched(text in any::<String>()) {
            let _ = ChatWord::find_in(&text);
        }
    }
}
