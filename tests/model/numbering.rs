//! The table of numbering plans in `shared/src/model/phone/plans.rs`: how it is made from a port of Google's
//! libphonenumber, and that it says what the port says.
//!
//! A new version of the port brings new numbering plans. Then write the table anew with
//! `cargo test -p tests --test model -- --ignored`, and look at what changed.
use std::fmt::Write;
use std::{fs, path::Path};

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberType, Region};

/// Where the table is.
const FILE: &str = "../shared/src/model/phone/plans.rs";

/// The most digits of an international number.
const DIGITS_MAX: usize = 15;

/// The kinds of numbers that people have.
const PEOPLE: [PhoneNumberType; 5] = [
    PhoneNumberType::Mobile,
    PhoneNumberType::FixedLine,
    PhoneNumberType::FixedLineOrMobile,
    PhoneNumberType::VoIP,
    PhoneNumberType::PersonalNumber,
];

/// The kinds of numbers that a mobile phone has.
const MOBILE: [PhoneNumberType; 2] = [PhoneNumberType::Mobile, PhoneNumberType::FixedLineOrMobile];

/// What numbers are filled up with when a pattern is searched by trying.
const FILLS: [&str; 3] = ["234567892345678", "000000000000000", "555555555555555"];

/// What may stand before a national number: `06` is Hungary's.
const TRUNKS: [&str; 4] = ["0", "06", "1", "8"];

/// The national number `digits` in the country with `code`, as it stands: no prefix is taken away.
fn number(code: i32, digits: &str) -> PhoneNumber {
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let zeros = zeros.min(digits.len() - 1);
    let mut number = PhoneNumber {
        country_code: code,
        national_number: digits.parse().expect("digits"),
        ..PhoneNumber::default()
    };
    if zeros > 0 {
        number.italian_leading_zero = Some(true);
        number.number_of_leading_zeros = Some(zeros as i32);
    }
    number
}

fn lengths(code: i32, kind: PhoneNumberType) -> Vec<usize> {
    let digits_max = DIGITS_MAX - code.to_string().len();
    (1..=digits_max)
        .filter(|length| {
            let number = number(code, &"23456789234567"[..*length]);
            PHONE_NUMBER_UTIL
                .is_possible_number_for_type_with_reason(&number, kind)
                .is_ok_and(|is| is == rlibphonenumber::NumberLengthType::IsPossible)
        })
        .collect()
}

/// Whether a number of one of `kinds` has `length` digits and begins with `start`.
fn exists(code: i32, start: &str, length: usize, kinds: &[PhoneNumberType]) -> bool {
    (0..100).any(|next| {
        FILLS.iter().any(|fill| {
            let digits = format!("{start}{next:02}{fill}");
            let number = number(code, &digits[..length]);
            kinds.contains(&PHONE_NUMBER_UTIL.get_number_type(&number))
        })
    })
}

/// A set of small numbers, as bits.
fn bits(numbers: impl IntoIterator<Item = usize>) -> u16 {
    numbers
        .into_iter()
        .fold(0, |bits, number| bits | 1 << number)
}

/// Whether `trunk` before a national number of the country goes.
fn is_trunk(code: i32, trunk: &str) -> bool {
    examples(code).any(|example| {
        let typed = format!("+{code}{trunk}{}", national(&example));
        let read = PHONE_NUMBER_UTIL.parse(typed, None);
        read.is_ok_and(|read| read == example)
    })
}

/// An example of each kind of number in each region that shares the country code.
fn examples(code: i32) -> impl Iterator<Item = PhoneNumber> {
    let regions = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code);
    let regions: Vec<Region> = regions.into_iter().flatten().collect();
    regions.into_iter().flat_map(|region| {
        PEOPLE.into_iter().filter_map(move |kind| {
            let example = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind);
            example.ok()
        })
    })
}

fn national(number: &PhoneNumber) -> String {
    let zeros = if number.italian_leading_zero() {
        number.number_of_leading_zeros() as usize
    } else {
        0
    };
    format!("{}{}", "0".repeat(zeros), number.national_number)
}

/// The table's line of one country.
fn row(code: i32) -> String {
    let possible = lengths(code, PhoneNumberType::Unknown);
    let mobile = lengths(code, PhoneNumberType::Mobile);
    let people = PEOPLE.iter().flat_map(|kind| lengths(code, *kind));
    let zero = examples(code).any(|example| national(&example).starts_with('0'))
        || possible
            .iter()
            .any(|length| exists(code, "0", *length, &PEOPLE));
    let mut trunks: Vec<&str> = Vec::new();
    for trunk in TRUNKS {
        if !trunks.iter().any(|shorter| trunk.starts_with(shorter)) && is_trunk(code, trunk) {
            trunks.push(trunk);
        }
    }
    let mobile_starts = (0..=9).filter(|start| {
        let start = start.to_string();
        mobile
            .iter()
            .any(|length| exists(code, &start, *length, &MOBILE))
    });
    let own = code.to_string();
    let own = possible
        .iter()
        .copied()
        .filter(|length| *length > own.len() && exists(code, &own, *length, &PEOPLE));
    format!(
        "    Plan {{ code: \"{code}\", trunks: &{trunks:?}, zero: {zero}, possible: Set({:#06x}), people: Set({:#06x}), \
         mobile: Set({:#06x}), mobile_starts: Set({:#05x}), own: Set({:#06x}) }},\n",
        bits(possible.iter().copied()),
        bits(people),
        bits(mobile.iter().copied()),
        bits(mobile_starts),
        bits(own),
    )
}

/// The whole file.
fn table() -> String {
    let mut codes: Vec<i32> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
    codes.sort_unstable_by_key(i32::to_string);
    codes.dedup();
    let mut table = format!(
        "//! The numbering plan of each country code. Made from libphonenumber's metadata by tests/model/numbering.rs.\n\
         use super::plan::{{Plan, Set}};\n\n\
         /// One line for each country code, sorted as texts.\n\
         #[rustfmt::skip]\n\
         pub(super) static PLANS: [Plan; {}] = [\n",
        codes.len()
    );
    for code in codes {
        let _ = write!(table, "{}", row(code));
    }
    table.push_str("];\n");
    table
}

#[test]
#[ignore = "writes the table"]
fn the_table_is_written() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    fs::write(file, table()).unwrap();
}

#[test]
fn the_table_of_the_countries_is_what_the_library_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let kept = fs::read_to_string(file).unwrap();
    for (line, expected) in kept.lines().zip(table().lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(kept, table());
}
