//! Amounts of money: exact, and written as CLDR writes them. No floating-point number is involved.
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::currency::Currency;
use crate::model::language::Language;
use crate::model::replies::{self, Text};

/// An amount of money, from 0 to [`Money::MAJOR_MAX`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Money {
    minor: u64,
    currency: Currency,
}

impl Money {
    /// What is left of it without `other`; `None` where that is more, or of another currency.
    pub fn minus(self, other: Self) -> Option<Self> {
        let minor = self.minor.checked_sub(other.minor)?;
        (self.currency == other.currency).then_some(Self { minor, ..self })
    }
}

/// Why a text is no amount; `Display` tells the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// Something else than digits, with at most one point between them.
    NotPlain,
    /// More decimals than the currency has.
    TooManyDecimals(Currency),
    /// Over the largest amount.
    TooLarge,
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().written(Language::English))
    }
}

impl std::error::Error for MoneyError {}

impl MoneyError {
    /// What it says to whoever sent it.
    pub fn text(self) -> Text {
        match self {
            Self::NotPlain => replies::AMOUNT_NOT_PLAIN,
            Self::TooManyDecimals(currency) => replies::AMOUNT_TOO_MANY_DECIMALS
                .with("currency", currency.code())
                .with("decimals", currency.decimals().to_string()),
            Self::TooLarge => {
                replies::AMOUNT_TOO_LARGE.with("largest", Money::MAJOR_MAX.to_string())
            }
        }
    }

    /// The word by which clients know it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotPlain => "not_plain",
            Self::TooManyDecimals(_) => "too_many_decimals",
            Self::TooLarge => "too_large",
        }
    }
}

impl Money {
    /// The largest amount, in units such as rupiah or dollars: 10^15.
    pub const MAJOR_MAX: u64 = 1_000_000_000_000_000;

    /// Reads an amount in units such as rupiah or dollars, as digits with at most one point: `150000`, `150000.00`, `12.5`.
    /// Zeros behind the point count for nothing.
    ///
    /// # Errors
    /// When it is written otherwise, too large, or no amount of the currency has so many decimals.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(MoneyError::NotPlain);
        }
        let fraction = fraction.trim_end_matches('0');
        let decimals = currency.decimals();
        if fraction.len() > decimals {
            return Err(MoneyError::TooManyDecimals(currency));
        }
        let minor = format!("{whole}{fraction:0<decimals$}").parse().ok();
        minor
            .and_then(|minor| Self::from_minor(minor, currency))
            .ok_or(MoneyError::TooLarge)
    }

    /// The amount of so many of the smallest units, such as cents. `None` when that is too large.
    pub fn from_minor(minor: u64, currency: Currency) -> Option<Self> {
        let fits = minor <= Self::MAJOR_MAX * 10_u64.pow(currency.decimals() as u32);
        fits.then_some(Self { minor, currency })
    }

    /// How many of the smallest units, such as cents.
    pub const fn minor(self) -> u64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as [`Money::parse`] reads it, with all decimals that the currency has: `150000.00`.
    pub fn plain(self) -> String {
        let (whole, fraction) = self.parts();
        match fraction.as_str() {
            "" => whole,
            fraction => format!("{whole}.{fraction}"),
        }
    }

    /// The amount as people read it: `Rp 150.000`, `$1,234.50`. Decimals as CLDR says; where the amount has more, all of them.
    pub fn written(self, language: Language) -> String {
        let (group, point) = match language {
            Language::Indonesian => ('.', ','),
            Language::English => (',', '.'),
        };
        let symbol = self.currency.symbol(language);
        // CLDR puts a space that does not break between a letter and the number.
        let apart = symbol.ends_with(char::is_alphabetic);
        let space = if apart { "\u{A0}" } else { "" };
        let (whole, fraction) = self.parts();
        let whole = grouped(&whole, group);
        match self.without_needless_zeros(&fraction) {
            "" => format!("{symbol}{space}{whole}"),
            fraction => format!("{symbol}{space}{whole}{point}{fraction}"),
        }
    }

    /// The digits before the point, and those behind it.
    fn parts(self) -> (String, String) {
        let decimals = self.currency.decimals();
        let digits = format!("{:0>width$}", self.minor, width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        (whole.to_owned(), fraction.to_owned())
    }

    /// The decimals that people write; all of them when the others are no zeros.
    fn without_needless_zeros(self, fraction: &str) -> &str {
        let (written, rest) = fraction.split_at(self.currency.decimals_written());
        if rest.bytes().all(|digit| digit == b'0') {
            written
        } else {
            fraction
        }
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.plain(), self.currency)
    }
}

/// Digits in groups of three.
fn grouped(digits: &str, separator: char) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// An amount in JSON, before its currency is known: a number or a string, kept as it was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Amount(String);

impl Amount {
    /// The amount in a currency.
    ///
    /// # Errors
    /// As [`Money::parse`].
    pub fn in_currency(&self, currency: Currency) -> Result<Money, MoneyError> {
        Money::parse(&self.0, currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text of the number itself: as a floating-point number 0.1 is another one.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        match serde_json::from_str::<String>(text) {
            Ok(text) => Ok(Self(text)),
            Err(_) if is_number => Ok(Self(text.to_owned())),
            Err(_) => Err(D::Error::custom("expected a number or a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).expect("a currency")
    }

    #[test]
    fn an_amount_is_digits_with_at_most_one_point() {
        let decimals = |code| MoneyError::TooManyDecimals(currency(code));
        for (text, code, minor) in [
            ("150000", "IDR", Ok(15_000_000)),
            ("150000.00", "IDR", Ok(15_000_000)),
            ("150000.5", "IDR", Ok(15_000_050)),
            ("12.50000", "USD", Ok(1_250)),
            ("12.505", "USD", Err(decimals("USD"))),
            ("1.25", "BHD", Ok(1_250)),
            ("1000", "JPY", Ok(1_000)),
            ("1000.0", "JPY", Ok(1_000)),
            ("1000.5", "JPY", Err(decimals("JPY"))),
            ("007", "JPY", Ok(7)),
            ("0", "IDR", Ok(0)),
            ("1000000000000000", "IDR", Ok(100_000_000_000_000_000)),
            ("1000000000000000.01", "IDR", Err(MoneyError::TooLarge)),
            (
                "1000000000000000000000000",
                "JPY",
                Err(MoneyError::TooLarge),
            ),
            ("", "IDR", Err(MoneyError::NotPlain)),
            (".5", "IDR", Err(MoneyError::NotPlain)),
            ("5.", "IDR", Err(MoneyError::NotPlain)),
            ("-1", "IDR", Err(MoneyError::NotPlain)),
            ("+1", "IDR", Err(MoneyError::NotPlain)),
            ("1e3", "IDR", Err(MoneyError::NotPlain)),
            ("150.000.000", "IDR", Err(MoneyError::NotPlain)),
            ("150,000", "IDR", Err(MoneyError::NotPlain)),
            (" 1", "IDR", Err(MoneyError::NotPlain)),
            ("١", "IDR", Err(MoneyError::NotPlain)),
        ] {
            let read = Money::parse(text, currency(code)).map(Money::minor);
            assert_eq!(read, minor, "{text} {code}");
        }
    }

    #[test]
    fn an_amount_is_written_as_people_read_it() {
        for (text, code, indonesian, english) in [
            ("150000", "IDR", "Rp\u{A0}150.000", "IDR\u{A0}150,000"),
            (
                "150000.5",
                "IDR",
                "Rp\u{A0}150.000,50",
                "IDR\u{A0}150,000.50",
            ),
            ("1234.5", "USD", "US$1.234,50", "$1,234.50"),
            ("1000", "JPY", "JP¥1.000", "¥1,000"),
            ("1.25", "BHD", "BHD\u{A0}1,250", "BHD\u{A0}1.250"),
            ("0", "IDR", "Rp\u{A0}0", "IDR\u{A0}0"),
            ("0.05", "USD", "US$0,05", "$0.05"),
        ] {
            let money = Money::parse(text, currency(code)).expect("an amount");
            assert_eq!(money.written(Language::Indonesian), indonesian);
            assert_eq!(money.written(Language::English), english);
        }
    }

    #[test]
    fn an_amount_in_json_is_a_number_or_a_string() {
        #[derive(Deserialize)]
        struct Body {
            amount: Amount,
        }
        for (json, read) in [
            ("150000", Some("150000")),
            ("150000.00", Some("150000.00")),
            (r#""150000.00""#, Some("150000.00")),
            ("0.1000000000000000055", Some("0.1000000000000000055")),
            ("12345678901234567890123", Some("12345678901234567890123")),
            ("1e3", Some("1e3")),
            ("-1", Some("-1")),
            (r#""\u0031""#, Some("1")),
            ("null", None),
            ("true", None),
            ("[1]", None),
            ("{}", None),
        ] {
            let body = format!(r#"{{"amount": {json}}}"#);
            let mut reader = serde_json::Deserializer::from_str(&body);
            let body: Result<Body, _> = serde_path_to_error::deserialize(&mut reader);
            let amount = body.ok().map(|body| body.amount.0);
            assert_eq!(amount.as_deref(), read, "{json}");
        }
        let mut reader = serde_json::Deserializer::from_str(r#"{"amount": true}"#);
        let read = serde_path_to_error::deserialize::<_, Body>(&mut reader);
        let error = read.map(|body| body.amount).expect_err("a wrong type");
        assert_eq!(error.path().to_string(), "amount");
        assert!(error.inner().is_data() && error.inner().line() == 1);
        let value = serde_json::json!({"amount": 12.5});
        let body: Body = serde_json::from_value(value).expect("a body");
        let money = body.amount.in_currency(currency("USD"));
        assert_eq!(money.map(Money::minor), Ok(1_250));
    }

    #[test]
    fn a_wrong_amount_is_told_the_fix() {
        let error = MoneyError::TooManyDecimals(currency("JPY"));
        assert_eq!(
            error.to_string(),
            "`amount` has more decimals than JPY has: 0."
        );
        let error = MoneyError::TooLarge.to_string();
        assert!(error.contains("1000000000000000"), "{error}");
    }
}
