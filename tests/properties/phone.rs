//! What `Phone` reads is what a port of Google's libphonenumber reads, wherever both are asked the same question.
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};
use shared::phone::{Phone, PhoneError};

/// What people put between digits.
const SEPARATORS: &[&str] = &[
    "", "", "", " ", "-", ".", " - ", ") ", " (", "\u{A0}", "\u{202F}", "\u{2011}", "–", "−", "　",
    "\u{200B}",
];

/// The kinds of numbers that can be on WhatsApp.
const KINDS: [PhoneNumberType; 3] = [
    PhoneNumberType::Mobile,
    PhoneNumberType::FixedLine,
    PhoneNumberType::FixedLineOrMobile,
];

/// The digits that the oracle reads in `text`, when it is a valid number to somebody in Indonesia.
fn oracle(text: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(text, Some(Region::ID)).ok()?;
    let valid = PHONE_NUMBER_UTIL.is_valid_number(&number);
    valid.then(|| e164_digits(&number))
}

fn e164_digits(number: &PhoneNumber) -> String {
    let e164 = PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164);
    e164.trim_start_matches('+').to_owned()
}

fn parsed(text: &str) -> Result<String, PhoneError> {
    Phone::parse(text).map(|phone| phone.digits().to_owned())
}

/// The digits of a number of some country that the oracle holds valid: an example of its kind with the last digits changed.
fn valid_number() -> impl Strategy<Value = String> {
    let mut examples: Vec<String> = PHONE_NUMBER_UTIL
        .get_supported_regions()
        .flat_map(|region| KINDS.map(|kind| (region, kind)))
        .filter_map(|(region, kind)| {
            let example = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind);
            Some(e164_digits(&example.ok()?))
        })
        .collect();
    examples.sort_unstable();
    assert!(examples.len() > 400, "{} examples", examples.len());
    (select(examples), "[0-9]{4}")
        .prop_map(|(mut example, end)| {
            example.replace_range(example.len() - end.len().., &end);
            example
        })
        .prop_filter("valid to the oracle", |digits| {
            oracle(&format!("+{digits}")).is_some()
        })
}

/// An Indonesian mobile number that the oracle holds valid, from its 8 on.
fn indonesian_mobile() -> impl Strategy<Value = String> {
    "8[1-9][0-9]{7,10}".prop_filter("valid to the oracle", |national| {
        oracle(&format!("+62{national}")).is_some()
    })
}

/// `digits` as somebody might type them: separators between, full-width digits here and there.
fn typed(digits: &str, separators: &[&str], wide: Index) -> String {
    digits
        .chars()
        .enumerate()
        .map(|(at, digit)| {
            let separator = separators[at % separators.len()];
            match digit.to_digit(10) {
                Some(value) if wide.index(7) == at => {
                    let wide = char::from_u32('０' as u32 + value).unwrap_or(digit);
                    format!("{wide}{separator}")
                }
                _ => format!("{digit}{separator}"),
            }
        })
        .collect()
}

fn separators() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(SEPARATORS), 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn an_indonesian_mobile_is_read_in_every_typing_as_the_oracle_reads_it(
        national in indonesian_mobile(),
        front in select(&["0", "", "62", "+62", "0062", "+62 0", "+62 (0)", "620", "0062 0"][..]),
        separators in separators(),
        wide in any::<Index>(),
    ) {
        let expected = oracle(&format!("0{national}"));
        let text = format!("{front}{}", typed(&national, &separators, wide));
        prop_assert_eq!(parsed(&text).ok(), expected, "{}", text);
    }

    #[test]
    fn a_number_of_any_country_is_read_with_plus_or_00_as_the_oracle_reads_it(
        digits in valid_number(),
        front in select(&["+", "00", "＋", " +", "(+", "0-0"][..]),
        separators in separators(),
        wide in any::<Index>(),
    ) {
        let text = format!("{front}{}", typed(&digits, &separators, wide));
        prop_assert_eq!(parsed(&text).ok(), oracle(&format!("+{digits}")), "{}", text);
    }

    #[test]
    fn a_bare_number_with_its_country_code_keeps_it(digits in valid_number()) {
        prop_assume!(digits.len() >= 10 && !digits.starts_with('8'));
        prop_assert_eq!(parsed(&digits), Ok(digits));
    }

    #[test]
    fn a_number_with_plus_or_00_is_never_given_a_country_code(
        front in select(&["+", "00"][..]),
        digits in "[1-9][0-9]{0,17}",
    ) {
        let expected = match digits.strip_prefix("62") {
            Some(national) => format!("62{}", national.trim_start_matches('0')),
            None => digits.clone(),
        };
        if let Ok(read) = parsed(&format!("{front}{digits}")) {
            prop_assert_eq!(read, expected, "{}", digits);
        }
    }

    #[test]
    fn what_was_read_is_read_again_as_it_is(text in "[+＋]?[0-9０-９ ().-]{0,24}") {
        if let Ok(phone) = Phone::parse(&text) {
            let again = Phone::parse(&format!("+{}", phone.digits()));
            prop_assert_eq!(again.as_ref(), Ok(&phone));
            prop_assert_eq!(Phone::from_digits(phone.digits()), Ok(phone));
        }
    }

    #[test]
    fn whatever_is_typed_is_e164_digits_or_refused(
        text in prop_oneof![any::<String>(), "[+＋0-9０-９٠-٩ a-z@/#.()\u{a0}-]{0,30}"],
    ) {
        if let Ok(read) = parsed(&text) {
            prop_assert!((7..=15).contains(&read.len()), "{}", read);
            prop_assert!(read.bytes().all(|byte| byte.is_ascii_digit()), "{}", read);
            prop_assert!(!read.starts_with('0'), "{}", read);
        }
    }

    #[test]
    fn nothing_shown_of_a_number_tells_it(digits in valid_number()) {
        let phone = Phone::from_digits(&digits).unwrap();
        for shown in [phone.to_string(), format!("{phone:?}"), format!("{phone:#?}")] {
            prop_assert!(!shown.contains(&digits), "{}", shown);
            let known = shown.bytes().filter(u8::is_ascii_digit).count();
            prop_assert!(known + 4 <= digits.len(), "{}", shown);
        }
    }
}
