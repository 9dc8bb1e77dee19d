//! What a person types is read the same, whatever came along when it was copied.
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;
use shared::model::account::PersonName;
use shared::model::code::Code;
use shared::model::identifier::Email;
use shared::model::phone::Phone;
use shared::model::typed;

/// Every character of a Unicode class, in the words of a regular expression.
fn class(pattern: &str) -> Vec<char> {
    let class = Regex::new(&format!("^{pattern}$")).expect("a pattern");
    let all = ('\0'..=char::MAX).filter(|c| class.is_match(c.encode_utf8(&mut [0; 4])));
    all.collect()
}

/// `text` with `extra` before each of its characters and at its end.
fn with_everywhere(text: &str, extra: char) -> String {
    let mut with: String = text.chars().flat_map(|c| [extra, c]).collect();
    with.push(extra);
    with
}

#[test]
fn no_invisible_character_changes_what_is_read() {
    let invisible = class(r"[\p{Default_Ignorable_Code_Point}\p{Cf}]");
    assert!(invisible.len() > 4_000, "{}", invisible.len());
    for extra in invisible {
        // Two Kaithi marks are visible, and enclose a number.
        if ['\u{110BD}', '\u{110CD}'].contains(&extra) {
            continue;
        }
        let shown = format!("U+{:04X}", extra as u32);
        let phone = Phone::parse(&with_everywhere("+62 812-3456-789", extra));
        assert_eq!(phone.unwrap().digits(), "628123456789", "{shown}");
        let code = Code::parse(&with_everywhere("493027", extra));
        assert_eq!(code.unwrap().digits(), "493027", "{shown}");
        let email = Email::parse(&with_everywhere("Siti@Example.com", extra));
        assert_eq!(email.unwrap().as_str(), "siti@example.com", "{shown}");
    }
}

#[test]
fn every_dash_is_a_dash_and_every_space_a_space() {
    for dash in class(r"[\p{Pd}\u{2212}]") {
        let shown = format!("U+{:04X}", dash as u32);
        let phone = Phone::parse(&format!("0812{dash}3456{dash}789"));
        assert_eq!(phone.unwrap().digits(), "628123456789", "{shown}");
        let code = Code::parse(&format!("493{dash}027"));
        assert_eq!(code.unwrap().digits(), "493027", "{shown}");
        let email = Email::parse(&format!("siti{dash}nur@example.com"));
        assert_eq!(email.unwrap().as_str(), "siti-nur@example.com", "{shown}");
    }
    for space in class(r"\p{Zs}") {
        let shown = format!("U+{:04X}", space as u32);
        let phone = Phone::parse(&format!("{space}0812{space}3456 789{space}"));
        assert_eq!(phone.unwrap().digits(), "628123456789", "{shown}");
        let code = Code::parse(&format!("493{space}027{space}"));
        assert_eq!(code.unwrap().digits(), "493027", "{shown}");
        let email = Email::parse(&format!("{space}siti@example.com{space}"));
        assert_eq!(email.unwrap().as_str(), "siti@example.com", "{shown}");
    }
}

#[test]
fn the_digits_of_every_script_are_digits() {
    let digits = class(r"\p{Nd}");
    let in_use = digits.iter().filter(|digit| (**digit as u32) < 0x10000);
    for (at, digit) in in_use.enumerate() {
        let value = char::from_digit(at as u32 % 10, 10).unwrap();
        assert_eq!(
            typed::plain(&digit.to_string()),
            value.to_string(),
            "{digit}"
        );
    }
}

/// What may come along with a text.
fn extra() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "", "", "\u{200E}", "\u{200B}", "\u{FEFF}", "\u{61C}", "\u{2066}", "\u{2069}", "\u{AD}",
        ][..],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn cleaning_again_changes_nothing(text in any::<String>()) {
        let plain = typed::plain(&text);
        prop_assert_eq!(typed::plain(&plain), plain.clone());
        let name = typed::name(&text);
        prop_assert_eq!(typed::name(&name), name);
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
        }
        if let Ok(name) = PersonName::parse(&text) {
            prop_assert_eq!(PersonName::parse(name.as_str()), Ok(name));
        }
    }

    #[test]
    fn one_address_is_one_text(
        local in "[a-zA-Z\u{e9}\u{fc}0-9+]{1,12}",
        extras in prop::collection::vec(extra(), 40),
    ) {
        use unicode_normalization::UnicodeNormalization;
        let address = format!("{local}@Example.com");
        let apart: String = address.nfd().collect();
        let pasted: String = apart.chars().zip(&extras).map(|(c, extra)| format!("{extra}{c}")).collect();
        prop_assert_eq!(Email::parse(&pasted), Email::parse(&address));
        prop_assert_eq!(Email::parse(&address.to_uppercase()), Email::parse(&address));
    }
}
