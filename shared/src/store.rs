//! DynamoDB: one method is one atomic domain act, one file is one table.
//!
//! Not found is `Option`; a lost race is a named outcome of the act; [`StoreError`] means that the store itself failed.
use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

/// The WhatsApp sessions: queue, last look, connect right.
pub mod whatsapp_sessions;

/// What became of each message.
pub mod deliveries;

/// A DynamoDB item, or a map inside of one.
pub type Item = HashMap<String, AttributeValue>;

/// The store failed in the named act. Nothing is known about the act's effect.
#[derive(Debug, thiserror::Error)]
#[error("the store failed to {act}")]
pub struct StoreError {
    act: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// Says that `act` failed because of `source`: `.map_err(StoreError::during("read the user"))`.
    pub fn during<E>(act: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self {
            act,
            source: source.into(),
        }
    }

    /// Says that `act` found an item that this version cannot read.
    pub fn unreadable(act: &'static str, attribute: &str) -> Self {
        Self {
            act,
            source: format!("attribute `{attribute}` is missing or of another type").into(),
        }
    }
}

/// A string attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A binary attribute.
pub fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Typed reading of an [`Item`]: `None` when the attribute is missing or of another type.
pub trait Fields {
    /// A string.
    fn text(&self, name: &str) -> Option<&str>;
    /// A whole number.
    fn number(&self, name: &str) -> Option<i64>;
    /// Bytes.
    fn bytes(&self, name: &str) -> Option<&[u8]>;
    /// A map.
    fn map(&self, name: &str) -> Option<&Item>;
}

impl Fields for Item {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_s().ok().map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_n().ok()?.parse().ok()
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.get(name)?.as_b().ok().map(Blob::as_ref)
    }

    fn map(&self, name: &str) -> Option<&Item> {
        self.get(name)?.as_m().ok()
    }
}
