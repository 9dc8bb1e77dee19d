//! What the messages say, per purpose or change and language: the files in `texts/`, compiled in. What replies say:
//! [`replies`](crate::model::replies).
use std::fmt;
use std::time::Duration;

use crate::model::code::{Code, Purpose};
use crate::model::language::Language;
use crate::model::typed;

/// The text of a message. It may hold a code, so it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBody(pub String);

impl fmt::Debug for MessageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageBody({} characters)", self.0.chars().count())
    }
}

/// A code as its message carries it.
#[derive(Debug)]
pub struct CodeMessage<'a> {
    /// What the code is for.
    pub purpose: Purpose,
    /// The language to write in.
    pub language: Language,
    /// The code.
    pub code: &'a Code,
    /// How long it works from now.
    pub life: Duration,
}

/// A change of an account that its owner is told of, because somebody else may have made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// The account has another password.
    Password,
    /// The account has left the phone that is told.
    PhoneLeft,
    /// The account has come to the phone that is told.
    PhoneTaken,
}

impl AccountChange {
    /// Every change.
    pub const ALL: [Self; 3] = [Self::Password, Self::PhoneLeft, Self::PhoneTaken];

    /// The word for its message in the store and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password-changed",
            Self::PhoneLeft => "phone-moved-away",
            Self::PhoneTaken => "phone-moved-here",
        }
    }
}

/// The name that stands at the beginning of every message, so that people know whom it is from; or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand(Option<String>);

impl Brand {
    /// Reads a name of 1 to 30 characters on one line; `None` when it is none, or looks like a link or a code.
    pub fn parse(text: &str) -> Option<Self> {
        let name = typed::name(text);
        let fits = (1..=30).contains(&name.chars().count())
            && !name
                .chars()
                .any(|c| c.is_control() || matches!(c, '{' | '}' | '/' | ':'))
            && name.chars().any(|c| !c.is_ascii_digit());
        fits.then_some(Self(Some(name)))
    }

    /// The message that carries a code.
    pub fn code_message(&self, message: &CodeMessage<'_>) -> MessageBody {
        let text = template(message.purpose, message.language)
            .trim_end()
            .replace(
                "{minutes}",
                &(message.life.as_secs() / 60).max(1).to_string(),
            )
            .replace("{code}", message.code.digits());
        self.message(text)
    }

    /// The message that tells of a change.
    pub fn change_message(&self, change: AccountChange, language: Language) -> MessageBody {
        self.message(change_text(change, language).trim_end().to_owned())
    }

    /// The message that an operator sends to see whether messages arrive.
    pub fn trial_message(&self, language: Language) -> MessageBody {
        let text = match language {
            Language::Indonesian => include_str!("texts/trial.id.txt"),
            Language::English => include_str!("texts/trial.en.txt"),
        };
        self.message(text.trim_end().to_owned())
    }

    /// A text with the brand before it.
    pub(super) fn message(&self, text: String) -> MessageBody {
        MessageBody(match &self.0 {
            Some(brand) => format!("{brand}: {text}"),
            None => text,
        })
    }
}

const fn change_text(change: AccountChange, language: Language) -> &'static str {
    match (change, language) {
        (AccountChange::Password, Language::Indonesian) => {
            include_str!("texts/password-changed.id.txt")
        }
        (AccountChange::Password, Language::English) => {
            include_str!("texts/password-changed.en.txt")
        }
        (AccountChange::PhoneLeft, Language::Indonesian) => {
            include_str!("texts/phone-moved-away.id.txt")
        }
        (AccountChange::PhoneLeft, Language::English) => {
            include_str!("texts/phone-moved-away.en.txt")
        }
        (AccountChange::PhoneTaken, Language::Indonesian) => {
            include_str!("texts/phone-moved-here.id.txt")
        }
        (AccountChange::PhoneTaken, Language::English) => {
            include_str!("texts/phone-moved-here.en.txt")
        }
    }
}

const fn template(purpose: Purpose, language: Language) -> &'static str {
    match (purpose, language) {
        (Purpose::Sso, Language::Indonesian) => include_str!("texts/sso.id.txt"),
        (Purpose::Sso, Language::English) => include_str!("texts/sso.en.txt"),
        (Purpose::Signup, Language::Indonesian) => include_str!("texts/signup.id.txt"),
        (Purpose::Signup, Language::English) => include_str!("texts/signup.en.txt"),
        (Purpose::PasswordReset, Language::Indonesian) => {
            include_str!("texts/password-reset.id.txt")
        }
        (Purpose::PasswordReset, Language::English) => include_str!("texts/password-reset.en.txt"),
        (Purpose::Admin, Language::Indonesian) => include_str!("texts/admin.id.txt"),
        (Purpose::Admin, Language::English) => include_str!("texts/admin.en.txt"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_names_the_code_once_and_first_its_life_and_the_warning() {
        let code = Code::parse("123456").expect("a code");
        let brand = Brand::parse(" Tokoku\u{200B} ").expect("a name");
        for purpose in Purpose::ALL {
            for (language, minutes, warning) in [
                (Language::Indonesian, "10 menit", "Jangan berikan"),
                (Language::English, "10 minutes", "Do not share"),
            ] {
                let message = CodeMessage {
                    purpose,
                    language,
                    code: &code,
                    life: Duration::from_secs(600),
                };
                let MessageBody(text) = Brand::default().code_message(&message);
                assert!(text.starts_with("123456 "), "{text}");
                assert_eq!(text.matches("123456").count(), 1, "{text}");
                assert!(text.contains(minutes) && text.contains(warning), "{text}");
                assert!(
                    !text.contains(['{', '\n']) && text.chars().count() < 160,
                    "{text}"
                );
                let MessageBody(branded) = brand.code_message(&message);
                assert_eq!(branded, format!("Tokoku: {text}"));
            }
        }
    }

    #[test]
    fn every_change_says_what_to_do_if_it_was_somebody_else() {
        let brand = Brand::parse("Tokoku").expect("a name");
        let mut texts = Vec::new();
        for change in AccountChange::ALL {
            for (language, doubt) in [(Language::Indonesian, "Jika "), (Language::English, "If ")] {
                let MessageBody(text) = Brand::default().change_message(change, language);
                assert!(text.contains(doubt), "{text}");
                // Nothing that could be taken for a code, and no link.
                let plain = !text.contains(|c: char| c.is_ascii_digit() || "{}/\n".contains(c));
                assert!(plain && text.chars().count() < 180, "{text}");
                let MessageBody(branded) = brand.change_message(change, language);
                assert_eq!(branded, format!("Tokoku: {text}"));
                texts.push(text);
            }
        }
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 6);
    }

    #[test]
    fn a_trial_says_that_nothing_has_to_be_done() {
        let brand = Brand::parse("Tokoku").expect("a name");
        for (language, nothing) in [
            (Language::Indonesian, "Abaikan"),
            (Language::English, "Ignore"),
        ] {
            let MessageBody(text) = brand.trial_message(language);
            assert!(
                text.starts_with("Tokoku: ") && text.contains(nothing),
                "{text}"
            );
            assert!(
                !text.contains(|c: char| c.is_ascii_digit() || "{}/\n".contains(c)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_brand_is_a_short_name_on_one_line() {
        for (text, fits) in [
            ("Tokoku", true),
            ("PT Maju & Mundur", true),
            ("7-Eleven", true),
            (" ", false),
            ("Toko\nku", false),
            ("https://tokoku.example", false),
            ("123456", false),
            ("{code}", false),
            ("a name of more than thirty chars", false),
        ] {
            assert_eq!(Brand::parse(text).is_some(), fits, "{text}");
        }
    }
}
