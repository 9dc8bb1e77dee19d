//! What others say and a message repeats can do no harm, whatever it is.
use proptest::prelude::*;
use shared::model::payment::name::{CustomerName, Phrase};
use shared::model::payment::url::PaymentUrl;
use unicode_normalization::char::is_combining_mark;

/// Texts of which a message would be afraid.
fn dangerous() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-z]{1,8}",
        "[0-9]{1,3}",
        "[.。．｡/:@\\-_*~`{}<>\n\r\u{2028}\u{200B}\u{202E}\u{2066}\u{301}\u{E0061} ]",
        Just("https://".to_owned()),
        Just(".com".to_owned()),
        Just("wa.me/".to_owned()),
        Just("www.".to_owned()),
        Just("🇮🇩".to_owned()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What holds for every text that a message repeats.
fn check(text: &str, characters_max: usize) -> Result<(), TestCaseError> {
    let visible = text.chars().filter(|c| !is_combining_mark(*c)).count();
    prop_assert!(visible <= characters_max, "{text}");
    prop_assert!(text.len() <= characters_max * 4 * 5, "{text}");
    prop_assert!(text.starts_with(char::is_alphanumeric), "{text}");
    prop_assert!(text.contains(char::is_alphabetic), "{text}");
    prop_assert!(
        text.chars().filter(char::is_ascii_digit).count() <= 4,
        "{text}"
    );
    for c in text.chars() {
        let allowed = c.is_alphabetic() || is_combining_mark(c) || c.is_ascii_digit();
        prop_assert!(allowed || " .,'’-&()".contains(c), "{c:?} in {text}");
    }
    // No point stands before anything but a space, so nothing can be a domain.
    let after_points = text.split('.').skip(1);
    for rest in after_points {
        prop_assert!(rest.is_empty() || rest.starts_with(' '), "{text}");
    }
    prop_assert!(!text.contains("  "), "{text}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn a_name_can_do_no_harm(text in dangerous()) {
        if let Some(name) = CustomerName::clean(&text) {
            check(name.as_str(), CustomerName::CHARACTERS_MAX)?;
            prop_assert_eq!(CustomerName::clean(name.as_str()), Some(name));
        }
        if let Some(phrase) = Phrase::clean(&text) {
            check(phrase.as_str(), Phrase::CHARACTERS_MAX)?;
            prop_assert_eq!(Phrase::clean(phrase.as_str()), Some(phrase));
        }
    }

    #[test]
    fn an_address_is_one_link(text in dangerous(), rest in "[!-~]{0,40}") {
        for text in [text.clone(), format!("https://{text}"), format!("https://pay.example/{rest}"), format!("https://{rest}")] {
            if let Some(url) = PaymentUrl::parse(&text) {
                prop_assert_eq!(url.as_str(), &text);
                prop_assert!(text.get(..8).unwrap().eq_ignore_ascii_case("https://"));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                let authority = text[8..].split(['/', '?', '#']).next().unwrap();
                prop_assert!(authority.contains('.') && !authority.contains('@'));
            }
        }
    }
}
