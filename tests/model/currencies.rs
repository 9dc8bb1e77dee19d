//! The table of currencies in `shared/src/model/payment/currencies.rs`: how it is made from ISO 4217 and CLDR as two libraries
//! have them, and that amounts are written as CLDR says.
//!
//! A new version of the libraries brings new facts. Then write the table anew with
//! `cargo test -p tests --test model -- --ignored`, and look at what changed.
use std::fmt::Write;
use std::{fs, path::Path};

use fixed_decimal::Decimal;
use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::currency::formatter::CurrencyFormatter;
use icu_locale_core::extensions::unicode::Value;
use icu_locale_core::{Locale, locale};
use iso_currency::IntoEnumIterator;
use proptest::prelude::*;
use proptest::sample::select;
use shared::model::language::Language;
use shared::model::payment::currency::Currency;
use shared::model::payment::money::{Money, MoneyError};

/// Where the table is.
const FILE: &str = "../shared/src/model/payment/currencies.rs";

/// The languages that messages are written in, as CLDR names them.
const LANGUAGES: [(Language, Locale); 2] = [
    (Language::English, locale!("en")),
    (Language::Indonesian, locale!("id")),
];

/// `amount` of a currency as CLDR says. It is rounded to the decimals that people write.
fn by_cldr(locale: &Locale, code: &str, amount: &str) -> String {
    let value: Value = code.to_ascii_lowercase().parse().unwrap();
    let currency = CurrencyType::try_from(value).unwrap();
    let formatter =
        CurrencyFormatter::try_new_symbol(locale.into(), currency, Default::default()).unwrap();
    let amount: Decimal = amount.parse().unwrap();
    formatter.format_fixed_decimal(&amount).to_string()
}

/// What CLDR writes before the digits of an amount, and how many digits behind the point.
fn symbol_and_decimals(locale: &Locale, code: &str) -> (String, usize) {
    let written = by_cldr(locale, code, "1");
    let (symbol, digits) = written.split_at(written.find('1').unwrap());
    let symbol = symbol.trim_end_matches('\u{A0}');
    (symbol.to_owned(), digits.len().saturating_sub(2))
}

/// The table's line of a currency.
fn row(code: &str, decimals: u16) -> String {
    let [english, indonesian] = LANGUAGES.map(|(_, locale)| symbol_and_decimals(&locale, code));
    assert_eq!(english.1, indonesian.1, "{code}");
    format!(
        "    Row {{ code: \"{code}\", decimals: {decimals}, decimals_written: {}, english: {:?}, indonesian: {:?} }},\n",
        english.1.min(decimals.into()),
        english.0,
        indonesian.0,
    )
}

/// The whole file.
fn table() -> String {
    let currencies = iso_currency::Currency::iter().filter(|currency| !currency.is_special());
    let mut rows: Vec<_> = currencies
        .filter_map(|currency| Some(row(currency.code(), currency.exponent()?)))
        .collect();
    rows.sort();
    let mut table = format!(
        "//! The currencies, and how they are written. Made from ISO 4217 and CLDR by tests/model/currencies.rs.\n\n\
         /// One currency.\n\
         #[derive(PartialEq, Eq)]\n\
         pub(super) struct Row {{\n    \
         pub(super) code: &'static str,\n    \
         /// How many decimals an amount can have.\n    \
         pub(super) decimals: usize,\n    \
         /// How many of them people write.\n    \
         pub(super) decimals_written: usize,\n    \
         /// What stands before an amount in English.\n    \
         pub(super) english: &'static str,\n    \
         /// What stands before an amount in Indonesian.\n    \
         pub(super) indonesian: &'static str,\n\
         }}\n\n\
         /// One line for each currency, sorted by code.\n\
         #[rustfmt::skip]\n\
         pub(super) static CURRENCIES: [Row; {}] = [\n",
        rows.len()
    );
    for row in rows {
        let _ = write!(table, "{row}");
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
fn the_table_of_the_currencies_is_what_the_libraries_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let kept = fs::read_to_string(file).unwrap();
    for (line, expected) in kept.lines().zip(table().lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(kept, table());
}

/// Compares with CLDR. Where an amount has decimals that CLDR rounds away, all of them are written instead.
fn check(currency: Currency, minor: u64) {
    let money = Money::from_minor(minor, currency).unwrap();
    for (language, locale) in LANGUAGES {
        let (written, plain) = (money.written(language), money.plain());
        let (_, decimals) = symbol_and_decimals(&locale, currency.code());
        let rest = (currency.decimals() - decimals) as u32;
        if minor.is_multiple_of(10_u64.pow(rest)) {
            assert_eq!(
                written,
                by_cldr(&locale, currency.code(), &plain),
                "{plain}"
            );
        }
        // Nothing is rounded: the digits are those of the amount.
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        };
        let zeros = |text: String| text.trim_end_matches('0').to_owned();
        assert_eq!(zeros(digits(&written)), zeros(digits(&plain)), "{written}");
    }
}

#[test]
fn every_currency_is_written_as_cldr_says() {
    for currency in Currency::all() {
        let unit = 10_u64.pow(currency.decimals() as u32);
        for major in [0, 1, 12, 999, 1_000, 150_000, 1_234_567, Money::MAJOR_MAX] {
            check(currency, major * unit);
        }
        check(currency, 1_234 * unit + unit / 2);
        check(currency, 1);
    }
}

fn currency() -> impl Strategy<Value = Currency> {
    select(Currency::all().collect::<Vec<_>>())
}

/// The currencies that are promised, more often than all others.
fn any_money() -> impl Strategy<Value = Money> {
    let promised = ["IDR", "USD", "JPY", "BHD"].map(|code| Currency::parse(code).unwrap());
    let currency = prop_oneof![4 => select(promised.to_vec()), 1 => currency()];
    (currency, 0..=Money::MAJOR_MAX, any::<u64>()).prop_map(|(currency, major, rest)| {
        let unit = 10_u64.pow(currency.decimals() as u32);
        let minor = (major * unit + rest % unit).min(Money::MAJOR_MAX * unit);
        Money::from_minor(minor, currency).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn amounts_are_written_as_cldr_says_and_never_rounded(money in any_money()) {
        check(money.currency(), money.minor());
    }

    #[test]
    fn an_amount_is_read_as_it_is_written_plainly(money in any_money()) {
        prop_assert_eq!(Money::parse(&money.plain(), money.currency()), Ok(money));
        let with_zeros = format!("00{}{}", money.plain(), if money.plain().contains('.') { "000" } else { ".00" });
        prop_assert_eq!(Money::parse(&with_zeros, money.currency()), Ok(money));
    }

    #[test]
    fn no_text_is_read_as_another_amount(text in "[0-9.,+e -]{0,24}", currency in currency()) {
        match Money::parse(&text, currency) {
            Ok(money) => {
                let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let bare = |text: &str| text.trim_start_matches('0').to_owned();
                let scaled = format!("{}{}", text.replace('.', ""), "0".repeat(currency.decimals()));
                let expected = format!("{}{}", money.minor(), "0".repeat(decimals));
                prop_assert_eq!(bare(&scaled), bare(&expected));
            }
            Err(MoneyError::TooLarge) => {
                let whole = text.split('.').next().unwrap_or_default();
                prop_assert!(whole.trim_start_matches('0').len() >= 16);
            }
            Err(MoneyError::TooManyDecimals(_)) => prop_assert!(text.contains('.')),
            Err(MoneyError::NotPlain) => {
                let plain = text.parse::<f64>().is_ok() && !text.contains(['e', '+', '-']);
                prop_assert!(!plain || text.starts_with('.') || text.ends_with('.'));
            }
        }
    }
}
