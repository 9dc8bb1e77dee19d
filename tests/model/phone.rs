//! What `Phone` reads is what a port of Google's libphonenumber reads, wherever both are asked the same question.
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};
use shared::model::phone::{Phone, PhoneError};

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

/// The digits that the oracle reads in `text`, when there could be such a number.
fn possible(text: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(text, Some(Region::ID)).ok()?;
    let possible = PHONE_NUMBER_UTIL.is_possible_number(&number);
    possible.then(|| e164_digits(&number))
}

fn is_mobile(text: &str) -> bool {
    let number = PHONE_NUMBER_UTIL.parse(text, None).expect("a number");
    let kind = PHONE_NUMBER_UTIL.get_number_type(&number);
    matches!(
        kind,
        PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile
    )
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
    valid_number_of(|_| true)
}

fn valid_number_of(wanted: impl Fn(&str) -> bool) -> impl Strategy<Value = String> {
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
    examples.retain(|example| wanted(example));
    (select(examples), "[0-9]{4}")
        .prop_map(|(mut example, end)| {
            example.replace_range(example.len() - end.len().., &end);
            example
        })
        .prop_filter("valid to the oracle", |digits| {
            oracle(&format!("+{digits}")).is_some() && !is_former(digits)
        })
}

/// A number of some country that the oracle holds valid, as its country code and its national number.
fn valid_parts() -> impl Strategy<Value = (String, String)> {
    valid_number().prop_map(parts)
}

fn parts(digits: String) -> (String, String) {
    let number = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None);
    let number = number.expect("a number");
    let code = number.country_code.to_string();
    let national = digits[code.len()..].to_owned();
    (code, national)
}

/// The same of some countries only.
fn valid_parts_of(codes: &'static [&'static str]) -> impl Strategy<Value = (String, String)> {
    valid_number_of(move |digits| codes.iter().any(|code| digits.starts_with(code))).prop_map(parts)
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

/// Numbers of countries that have changed theirs, each with the old spelling that people and address books still have.
fn renumbered() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[24569][0-9]{7}".prop_map(|old| (format!("22901{old}"), format!("229{old}"))),
        ("(11|21|31|55|61|88)", "[689][0-9]{7}")
            .prop_map(|(area, old)| (format!("55{area}9{old}"), format!("55{area}{old}"))),
        (
            select(
                &[
                    ("11", "01"),
                    ("62", "02"),
                    ("74", "04"),
                    ("65", "05"),
                    ("66", "06"),
                    ("77", "07")
                ][..]
            ),
            "[0-9]{6}",
        )
            .prop_map(|((new, old), rest)| (format!("241{new}{rest}"), format!("241{old}{rest}"))),
        "[124-8][0-9]{7}".prop_map(|old| (format!("5760{old}"), format!("57{old}"))),
        "55[0-9]{8}".prop_map(|new| (format!("52{new}"), format!("521{new}"))),
    ]
}

/// Whether `digits` are a number from before its country changed them. To the oracle some of these are other numbers.
fn is_former(digits: &str) -> bool {
    digits.starts_with("2410") || (digits.starts_with("241") && digits.len() == 10)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::with_cases(2_000) })]

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
        if let Ok(phone) = Phone::parse(&format!("{front}{digits}")) {
            let read = phone.digits();
            // A country that has changed its numbers may have made them longer.
            let longer = phone.former().map_or(0, |former| read.len().saturating_sub(former.digits().len()));
            prop_assert!(
                read.starts_with(&digits[..1]) && read.len() <= digits.len() + longer,
                "{} {}", digits, read
            );
        }
    }

    #[test]
    fn the_prefix_that_is_dialled_at_home_goes_where_the_oracle_takes_it_away(
        number in valid_parts(),
        front in select(&["+", "00", "＋", "(+", ""][..]),
        trunk in select(&["0", "(0)", "0-", "06", "8", "1", "80", "8-0"][..]),
        separators in separators(),
        wide in any::<Index>(),
    ) {
        // The oracle takes China's carrier codes away, which begin with 1; nobody dials them from abroad.
        prop_assume!((number.0.as_str(), trunk) != ("86", "1"));
        let (code, national) = number;
        let canonical = Ok(format!("{code}{national}"));
        let text = format!("{front}{code}{trunk}{}", typed(&national, &separators, wide));
        let taken_away = oracle(&format!("+{code}{trunk}{national}")) == canonical.as_ref().ok().cloned();
        let read = parsed(&text);
        if !front.is_empty() {
            if taken_away {
                prop_assert_eq!(&read, &canonical, "{}", text);
            }
            let expected = [canonical.ok(), possible(&format!("+{code}{trunk}{national}"))];
            prop_assert!(read.is_err() || expected.contains(&read.clone().ok()), "{} {:?}", text, read);
        } else if !(code.starts_with('8') || code.starts_with('0')) {
            // Without plus it is read as with one, or is too short to have its country code.
            let with_plus = parsed(&format!("+{text}"));
            prop_assert!(read == with_plus || read == Err(PhoneError::TooShort), "{} {:?}", text, read);
        }
    }

    #[test]
    fn a_number_has_one_spelling_when_its_country_has_changed_the_numbers(
        (new, old) in renumbered(),
        front in select(&["+", "00", "＋"][..]),
        separators in separators(),
        wide in any::<Index>(),
    ) {
        for digits in [&new, &old] {
            let text = format!("{front}{}", typed(digits, &separators, wide));
            prop_assert_eq!(parsed(&text), Ok(new.clone()), "{}", text);
        }
    }

    #[test]
    fn the_code_of_a_carrier_goes_as_the_oracle_takes_it_away(
        (code, carrier) in select(&[
            ("57", "03"), ("57", "05"), ("57", "07"), ("57", "09"), ("57", "0414"), ("57", "0444"), ("57", "0456"),
            ("55", "015"), ("55", "021"), ("55", "9031"), ("591", "010"), ("591", "013"),
        ][..]),
        number in valid_parts_of(&["55", "57", "591"]),
    ) {
        prop_assume!(number.0 == code);
        let text = format!("+{code}{carrier}{}", number.1);
        let expected = oracle(&text);
        prop_assert_eq!(&expected, &Some(format!("{code}{}", number.1)));
        prop_assert_eq!(parsed(&text).ok(), expected, "{}", text);
    }

    #[test]
    fn a_country_code_typed_twice_counts_once_or_is_refused(
        number in valid_parts(),
        front in select(&["+", "00", "+ ", "(+"][..]),
        between in select(&["", " ", " 0", " 00", ") "][..]),
    ) {
        let (code, national) = number;
        let text = format!("{front}{code}{between}{code}{national}");
        let as_typed = if is_mobile(&format!("+{code}{national}")) {
            oracle(&format!("+{code}{code}{national}"))
        } else {
            // A landline that is possible as it was typed is left so: where area codes begin like the country code.
            possible(&format!("+{code}{code}{national}"))
        };
        let expected = [Some(format!("{code}{national}")), as_typed];
        let read = parsed(&text);
        prop_assert!(read.is_err() || expected.contains(&read.clone().ok()), "{} {:?}", text, read);
    }

    #[test]
    fn nobody_loses_a_number_that_begins_like_its_country_code(number in valid_parts(), end in "[0-9]{14}") {
        let (code, national) = number;
        let own = format!("{code}{end}");
        let own = format!("+{code}{}", &own[..national.len()]);
        prop_assume!(oracle(&own).is_some());
        let read = parsed(&own);
        let expected = oracle(&own).ok_or(PhoneError::CountryCodeTwice);
        prop_assert!(read == expected || read == Err(PhoneError::CountryCodeTwice), "{} {:?}", own, read);
    }

    #[test]
    fn a_number_is_refused_where_the_oracle_holds_its_length_impossible(
        number in valid_parts(),
        digits in "[2-9][0-9]{0,14}",
    ) {
        let (code, _) = number;
        let text = format!("+{code}{digits}");
        if let (Ok(read), Ok(number)) = (parsed(&text), PHONE_NUMBER_UTIL.parse(&text, None)) {
            let same = read == e164_digits(&number);
            let possible = PHONE_NUMBER_UTIL.is_possible_number(&number);
            let marked = ["52", "54"].contains(&code.as_str());
            prop_assert!(possible || marked || !same, "{} {}", text, read);
            let again = PHONE_NUMBER_UTIL.parse(format!("+{read}"), None);
            prop_assert!(again.is_ok_and(|again| PHONE_NUMBER_UTIL.is_possible_number(&again)), "{} {}", text, read);
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
