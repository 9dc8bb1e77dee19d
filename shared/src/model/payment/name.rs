//! What others say and a message repeats: names, methods, reasons. They are cleaned, so that none can change the message
//! around it: no line breaks, no links, no telephone numbers, no format, no marks that turn the direction of writing.
use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::model::typed;

/// The most digits of what anybody may have written. With more it could pass for a code or a telephone number, and loses them
/// all.
const DIGITS_MAX: usize = 4;

/// The most digits of a method that the payment system names: an account to pay to has so many.
const DIGITS_OF_METHOD_MAX: usize = 24;

/// The most marks on one letter. Scripts need up to three.
const MARKS_MAX: usize = 4;

/// What a customer is called in a message.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerName(String);

impl CustomerName {
    /// The most letters, digits and signs of it.
    pub const CHARACTERS_MAX: usize = 60;

    /// Cleans a name and cuts it to its length. `None` when nothing of a name remains.
    pub fn clean(text: &str) -> Option<Self> {
        harmless(text, Self::CHARACTERS_MAX, DIGITS_MAX).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CustomerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerName(****)")
    }
}

/// A method of payment, or a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase(String);

impl Phrase {
    /// The most letters, digits and signs of it.
    pub const CHARACTERS_MAX: usize = 120;

    /// Cleans a phrase and cuts it to its length. `None` when nothing of it remains.
    pub fn clean(text: &str) -> Option<Self> {
        harmless(text, Self::CHARACTERS_MAX, DIGITS_MAX).map(Self)
    }

    /// The same with room for an account number: for a method that a trusted caller names, and nobody else.
    pub fn method(text: &str) -> Option<Self> {
        harmless(text, Self::CHARACTERS_MAX, DIGITS_OF_METHOD_MAX).map(Self)
    }

    /// The phrase.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What of `text` can do no harm: letters, few digits, spaces, and the signs of names.
fn harmless(text: &str, characters_max: usize, digits_max: usize) -> Option<String> {
    let plain: String = typed::plain(text).nfc().collect();
    let with_digits = plain.bytes().filter(u8::is_ascii_digit).count() <= digits_max;
    let allowed = |c: char| match c {
        '0'..='9' => with_digits,
        '.' | ',' | '\'' | '’' | '-' | '&' | '(' | ')' => true,
        _ => c.is_alphabetic() || is_combining_mark(c),
    };
    let kept = plain.chars().map(|c| if allowed(c) { c } else { ' ' });
    let phrase = cut(&spaced(kept), characters_max);
    phrase.contains(char::is_alphabetic).then_some(phrase)
}

/// The characters with single spaces between them, marks only on letters, and a space behind every point, without which
/// `shop.example` would be a link.
fn spaced(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    let (mut marks, mut last) = (0, ' ');
    for c in characters {
        let is_mark = is_combining_mark(c);
        marks = if is_mark { marks + 1 } else { 0 };
        let after_letter = last.is_alphabetic() || is_combining_mark(last);
        let after_space = last == ' ';
        let dropped = match c {
            ' ' | '.' => after_space || last == '.' && c == '.',
            _ => is_mark && (!after_letter || marks > MARKS_MAX),
        };
        if dropped {
            continue;
        }
        if last == '.' && c != ' ' {
            text.push(' ');
        }
        text.push(c);
        last = c;
    }
    text
}

/// The beginning of a text: so many characters, not counting marks, from a letter or digit to no loose end.
fn cut(text: &str, characters_max: usize) -> String {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut characters = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        characters += usize::from(!is_combining_mark(c));
        (characters > characters_max).then_some(at)
    });
    let text = &text[..end.unwrap_or(text.len())];
    let loose = [' ', ',', '-', '&', '('];
    text.trim_end_matches(loose).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(label: &str, text: &str, cleaned: Option<&str>) {
        let name = CustomerName::clean(text);
        assert_eq!(name.as_ref().map(CustomerName::as_str), cleaned, "{label}");
    }

    #[test]
    fn names_of_people_and_shops_stay() {
        for name in [
            "Siti",
            "Siti Nur-Aini",
            "dr. Budi Santoso, Sp.",
            "D'Angelo",
            "Toko 88",
            "PT Maju & Mundur (Bandung)",
            "Nguyễn Thị Ánh",
            "محمد",
            "สมชาย ใจดี",
            "कृष्णा",
            "王小明",
        ] {
            check("a name", name, Some(name));
        }
        check("a point between words", "dr.Siti", Some("dr. Siti"));
        check(
            "one letter after the other",
            "J.R.R. Tolkien",
            Some("J. R. R. Tolkien"),
        );
    }

    #[test]
    fn nothing_in_a_name_changes_the_message() {
        for (label, text, cleaned) in [
            (
                "line breaks",
                "Siti\r\n\nBudi\u{2028}Ani",
                Some("Siti Budi Ani"),
            ),
            ("a tab and a bell", "Si\tti\u{7}", Some("Si ti")),
            (
                "marks of direction",
                "\u{202E}Siti\u{2066}\u{200F}",
                Some("Siti"),
            ),
            ("zero width", "Si\u{200B}t\u{200D}i\u{FEFF}", Some("Siti")),
            ("a variation selector", "Siti\u{FE0F}", Some("Siti")),
            ("format", "*Siti* _a_ ~b~ `c` ```d```", Some("Siti a b c d")),
            ("a quotation", "> Siti", Some("Siti")),
            ("an item of a list", "- Siti", Some("Siti")),
            ("a placeholder", "{amount}", Some("amount")),
        ] {
            check(label, text, cleaned);
        }
    }

    #[test]
    fn nothing_in_a_name_is_a_link_or_a_telephone_number() {
        for (label, text, cleaned) in [
            (
                "a link",
                "https://shop.example/a?b=c",
                Some("https shop. example a b c"),
            ),
            ("a domain", "shop.example", Some("shop. example")),
            (
                "a domain in full width",
                "ｓｈｏｐ．ｅｘａｍｐｌｅ",
                Some("shop. example"),
            ),
            ("another full stop", "shop。example", Some("shop example")),
            (
                "one dot leader",
                "shop\u{2024}example",
                Some("shop example"),
            ),
            ("wa.me", "wa.me/628123456789", Some("wa. me")),
            ("an address", "a@shop.example", Some("a shop. example")),
            ("a telephone number", "Siti 0812-3456-789", Some("Siti")),
            ("other digits", "Siti ٠٨١٢٣٤٥٦٧٨٩", Some("Siti")),
            ("a code", "123456 is your code", Some("is your code")),
            ("emoji", "Siti 💎👩\u{200D}💻", Some("Siti")),
            ("points", "...a...b...", Some("a. b.")),
            ("marks without a letter", "\u{301}\u{301}", None),
            ("marks behind a link", "a://\u{301}\u{301}", Some("a")),
            ("nothing", " \n\u{200B}", None),
            ("only digits", "1234", None),
            ("only signs", "-.,&()", None),
        ] {
            check(label, text, cleaned);
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        check("letters", &"a".repeat(10_000), Some(&"a".repeat(60)));
        check(
            "words",
            &"abcd ".repeat(20),
            Some("abcd ".repeat(12).trim_end()),
        );
        let marked = format!("a{}", "\u{0324}".repeat(10_000));
        check("marks", &marked, Some("a\u{0324}\u{0324}\u{0324}\u{0324}"));
        let phrase = Phrase::clean(&"a".repeat(10_000)).expect("a phrase");
        assert_eq!(phrase.as_str().len(), Phrase::CHARACTERS_MAX);
    }

    #[test]
    fn only_a_method_of_the_payment_system_has_an_account_number() {
        let account = "BCA Virtual Account 8808 1234 5678 9012";
        let shown = |phrase: Option<Phrase>| phrase.map(|phrase| phrase.0).unwrap_or_default();
        assert_eq!(shown(Phrase::method(account)), account);
        assert_eq!(shown(Phrase::clean(account)), "BCA Virtual Account");
        let longer = format!("{account} 123456789");
        assert_eq!(shown(Phrase::method(&longer)), "BCA Virtual Account");
    }
}
