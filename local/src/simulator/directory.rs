//! What WhatsApp knows of phones.
use std::collections::BTreeMap;

/// The phones that are not simply on WhatsApp under their own number.
#[derive(Debug, Default)]
pub(super) struct Directory(BTreeMap<String, Listing>);

/// What WhatsApp knows of one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// On WhatsApp, under the number that is asked for.
    Known,
    /// Not on WhatsApp, and what a text to it comes to.
    Stranger(ToStranger),
    /// On WhatsApp, under another number.
    Other(String),
}

/// What a text to a phone comes to that is not on WhatsApp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToStranger {
    /// It is accepted and never arrives.
    Taken,
    /// It is refused.
    Refused,
}

impl Directory {
    pub fn listing(&self, phone: &str) -> Listing {
        self.0.get(phone).cloned().unwrap_or(Listing::Known)
    }

    /// These phones are not on WhatsApp, and all others are.
    pub fn strangers(&mut self, phones: impl Iterator<Item = String>, to: ToStranger) {
        self.0
            .retain(|_, listing| !matches!(listing, Listing::Stranger(_)));
        self.0
            .extend(phones.map(|phone| (phone, Listing::Stranger(to))));
    }

    /// A phone is on WhatsApp under another number.
    pub fn moved(&mut self, phone: String, to: String) {
        self.0.insert(phone, Listing::Other(to));
    }
}
