//! Test numbers: phones that need no WhatsApp, because their codes are fixed. For trying a deployment out and for tests of
//! apps; never for the stage that people use, since anybody who knows a fixed code is its phone's owner.
//!
//! A request for a code is answered the same with an account and without, as for any phone. What shows is that a number is a
//! test number: it is answered at once, and while WhatsApp is down too.
use std::collections::{BTreeMap, HashMap};

use crate::code::Code;
use crate::phone::Phone;

/// The test numbers of a deployment, with their codes. No message is sent to them; every limit counts them like others.
#[derive(Clone, Debug, Default)]
pub struct TestNumbers(HashMap<Phone, Code>);

impl TestNumbers {
    /// Reads numbers with their codes, such as `{"628000000001":"123456"}`; `None` when they are none, or one is there twice.
    pub fn parse(json: &str) -> Option<Self> {
        let typed: BTreeMap<String, String> = serde_json::from_str(json).ok()?;
        let read = typed
            .iter()
            .map(|(phone, code)| Some((Phone::parse(phone).ok()?, Code::parse(code)?)));
        let numbers: HashMap<Phone, Code> = read.collect::<Option<_>>()?;
        (numbers.len() == typed.len()).then_some(Self(numbers))
    }

    /// The code of `phone`, if it is a test number.
    pub fn code(&self, phone: &Phone) -> Option<&Code> {
        self.0.get(phone)
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
