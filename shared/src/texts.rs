//! What the messages say, per purpose and language: the files in `texts/`, compiled in.
use std::time::Duration;

use crate::account::Identifier;
use crate::code::{Code, Purpose};
use crate::gateway::MessageBody;

/// A language that messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Bahasa Indonesia.
    Indonesian,
    /// English.
    English,
}

impl Language {
    /// The language of a BCP 47 tag such as `id`, `en-GB` or the older `in`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        match primary.to_ascii_lowercase().as_str() {
            "id" | "in" => Some(Self::Indonesian),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// The language for a message: the one asked for, then the first known one of an `Accept-Language` header in its
    /// order, then the one of the phone's country; Indonesian for an e-mail address.
    pub fn choose(locale: Option<&str>, accept_language: Option<&str>, who: &Identifier) -> Self {
        let accepted = accept_language.unwrap_or_default().split(',');
        locale
            .into_iter()
            .chain(accepted.map(|range| range.split(';').next().unwrap_or_default()))
            .find_map(Self::of_tag)
            .unwrap_or(match who {
                Identifier::Phone(phone) if !phone.digits().starts_with("62") => Self::English,
                Identifier::Phone(_) | Identifier::Email(_) => Self::Indonesian,
            })
    }
}

/// The message that carries a code, which works for `life` from now.
pub fn code_message(
    purpose: Purpose,
    language: Language,
    code: &Code,
    life: Duration,
) -> MessageBody {
    let text = template(purpose, language)
        .trim_end()
        .replace("{minutes}", &(life.as_secs() / 60).max(1).to_string())
        .replace("{code}", code.digits());
    MessageBody(text)
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::Phone;

    #[test]
    fn every_text_names_the_code_once_and_first_its_life_and_the_warning() {
        let code = Code::parse("123456").expect("a code");
        for purpose in Purpose::ALL {
            for (language, minutes, warning) in [
                (Language::Indonesian, "10 menit", "Jangan berikan"),
                (Language::English, "10 minutes", "Do not share"),
            ] {
                let MessageBody(text) =
                    code_message(purpose, language, &code, Duration::from_secs(600));
                assert!(text.starts_with("123456 "), "{text}");
                assert_eq!(text.matches("123456").count(), 1, "{text}");
                assert!(text.contains(minutes) && text.contains(warning), "{text}");
                assert!(
                    !text.contains(['{', '\n']) && text.chars().count() < 160,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn the_language_is_the_one_asked_for_then_accepted_then_the_countrys() {
        let check = |locale, accepted, phone: &str, language| {
            let phone = Identifier::Phone(Phone::parse(phone).expect("a phone number"));
            assert_eq!(Language::choose(locale, accepted, &phone), language);
        };
        check(Some("en_US"), Some("id"), "628123456789", Language::English);
        check(
            Some("xx"),
            Some("fr;q=0.9, in-ID;q=0.5, en"),
            "+15551234567",
            Language::Indonesian,
        );
        check(None, None, "628123456789", Language::Indonesian);
        check(None, Some("*"), "+15551234567", Language::English);
    }
}
