//! Placeholder until the rules of phone numbers exist.
use std::fmt;

/// A phone number in E.164 digits without `+`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// Why a text is no phone number; `Display` tells the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number")]
pub struct PhoneError;

impl Phone {
    /// Reads what people type.
    ///
    /// # Errors
    /// When it is no phone number.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        Ok(Self(text.to_owned()))
    }

    /// The full number, for the gateway, for keys in the store and nothing else.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({self})")
    }
}
