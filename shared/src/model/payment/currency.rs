//! Currencies: those of ISO 4217 that people pay with.
use std::fmt;

use super::currencies::{CURRENCIES, Row};
use crate::model::language::Language;

/// A currency.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency(&'static Row);

impl Currency {
    /// The currency with that code, such as `IDR`, in letters of any case.
    pub fn parse(code: &str) -> Option<Self> {
        let code = code.to_ascii_uppercase();
        let found = CURRENCIES.binary_search_by(|row| row.code.cmp(&code));
        found.ok().map(|at| Self(&CURRENCIES[at]))
    }

    /// Every currency.
    pub fn all() -> impl Iterator<Item = Self> {
        CURRENCIES.iter().map(Self)
    }

    /// Its code.
    pub const fn code(self) -> &'static str {
        self.0.code
    }

    /// How many decimals an amount of it can have (ISO 4217).
    pub const fn decimals(self) -> usize {
        self.0.decimals
    }

    /// How many decimals people write (CLDR): no more than an amount can have.
    pub(super) const fn decimals_written(self) -> usize {
        self.0.decimals_written
    }

    /// What stands before an amount.
    pub(super) const fn symbol(self, language: Language) -> &'static str {
        match language {
            Language::Indonesian => self.0.indonesian,
            Language::English => self.0.english,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_found_by_its_code() {
        for currency in Currency::all() {
            assert_eq!(Currency::parse(currency.code()), Some(currency));
            assert!(currency.decimals_written() <= currency.decimals());
        }
        let rupiah = Currency::parse("idr").expect("a currency");
        assert_eq!((rupiah.code(), rupiah.decimals()), ("IDR", 2));
        for unknown in ["", "RP", "IDRX", "XXX", "XAU", "ＩＤＲ"] {
            assert_eq!(Currency::parse(unknown), None, "{unknown}");
        }
    }
}
