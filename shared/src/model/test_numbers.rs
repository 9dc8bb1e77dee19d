//! Test numbers: phones that need no WhatsApp, because their codes are fixed. For trying a deployment out and for tests of
//! apps; never for the stage that people use, since anybody who knows a fixed code is its phone's owner.
//!
//! A request for a code is answered the same with an account and without, as for any phone. What shows is that a number is a
//! test number: it is answered at once, and while WhatsApp is down too.
//!
//! The review number is the one exception that production may have: the reviewers of the app stores sign in with it, to an
//! account made for them. It has fewer codes a day than others, and each use of it is in the log, where an alarm reads it.
use std::collections::{BTreeMap, HashMap};

use crate::model::code::Code;
use crate::model::phone::Phone;

/// The test numbers of a deployment, with their codes. No message is sent to them; every limit counts them like others.
#[derive(Clone, Debug, Default)]
pub struct TestNumbers {
    codes: HashMap<Phone, Code>,
    review: Option<Phone>,
}

/// The most codes that the review number gets in a day.
pub const REVIEW_CODES_PER_DAY: usize = 10;

/// What the log says when the review number was used. The template's alarm looks for it.
pub const REVIEW_NUMBER_USED: &str = "[WhatsApp System] the review number was used";

impl TestNumbers {
    /// Reads numbers with their codes, such as `{"628000000001":"123456"}`; `None` when they are none, or one is there twice.
    pub fn parse(json: &str) -> Option<Self> {
        let typed: BTreeMap<String, String> = serde_json::from_str(json).ok()?;
        let read = typed
            .iter()
            .map(|(phone, code)| Some((Phone::parse(phone).ok()?, Code::parse(code)?)));
        let numbers: HashMap<Phone, Code> = read.collect::<Option<_>>()?;
        (numbers.len() == typed.len()).then_some(Self {
            codes: numbers,
            review: None,
        })
    }

    /// The same with a review number, written like a single test number; `None` when it is none, or several, or a test number.
    pub fn with_review_number(mut self, json: &str) -> Option<Self> {
        let numbers = Self::parse(json)?.codes;
        let [(phone, code)] = numbers.into_iter().collect::<Vec<_>>().try_into().ok()?;
        self.review = Some(phone.clone());
        self.codes.insert(phone, code).is_none().then_some(self)
    }

    /// The review number, if there is one.
    pub fn review(&self) -> Option<&Phone> {
        self.review.as_ref()
    }

    /// Whether `phone` is the review number.
    pub fn is_review(&self, phone: &Phone) -> bool {
        self.review.as_ref() == Some(phone)
    }

    /// The code of `phone`, if it is a test number.
    pub fn code(&self, phone: &Phone) -> Option<&Code> {
        self.codes.get(phone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_number_has_its_code_however_it_is_typed() {
        let numbers =
            TestNumbers::parse(r#"{"628000000001":"123456","+1 555 123 4567":"000 000"}"#);
        let numbers = numbers.expect("test numbers");
        for (phone, code) in [
            ("08000000001", Some("123456")),
            ("+15551234567", Some("000000")),
            ("08000000002", None),
        ] {
            let phone = Phone::parse(phone).expect("a phone number");
            assert_eq!(numbers.code(&phone).map(Code::digits), code);
        }
        assert!(!format!("{numbers:?}").contains("123456"));
    }

    #[test]
    fn there_is_one_review_number_or_none() {
        let none = TestNumbers::default();
        let one = r#"{"628000000002":"123456"}"#;
        let with = none.clone().with_review_number(one).expect("one");
        let phone = Phone::parse("08000000002").expect("a phone number");
        assert!(with.is_review(&phone));
        assert_eq!(with.code(&phone).map(Code::digits), Some("123456"));
        for (label, numbers, json) in [
            ("none", none.clone(), "{}"),
            (
                "two",
                none.clone(),
                r#"{"628000000002":"123456","628000000003":"1"}"#,
            ),
            ("unreadable", none, "628000000002"),
            ("a test number", TestNumbers::parse(one).expect("one"), one),
        ] {
            assert!(numbers.with_review_number(json).is_none(), "{label}");
        }
    }

    #[test]
    fn what_is_no_test_number_is_refused() {
        for json in [
            "628000000001",
            r#"["628000000001"]"#,
            r#"{"628000000001":123456}"#,
            r#"{"628000000001":"1234"}"#,
            r#"{"nobody":"123456"}"#,
            r#"{"628000000001":"123456","08000000001":"654321"}"#,
        ] {
            assert!(TestNumbers::parse(json).is_none(), "{json}");
        }
    }
}
