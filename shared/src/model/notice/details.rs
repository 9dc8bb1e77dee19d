//! What events say about a payment, as it is kept.
use crate::model::language::Language;
use crate::model::payment::money::Money;
use crate::model::payment::name::{CustomerName, Phrase};
use crate::model::payment::url::PaymentUrl;
use crate::model::payment::zone::Zone;
use crate::platform::timestamp::Timestamp;

/// What a payment is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Whom its messages greet.
    pub name: Option<CustomerName>,
    /// How much is to be paid.
    pub amount: Money,
    /// How.
    pub method: Option<Phrase>,
    /// Where.
    pub url: Option<PaymentUrl>,
    /// The language of its messages.
    pub language: Language,
    /// The zone of their times.
    pub zone: Zone,
}

/// What one event says beside its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// When it happened.
    pub at: Option<Timestamp>,
    /// Why.
    pub reason: Option<Phrase>,
    /// How much it is about, where that is not the whole payment.
    pub amount: Option<Money>,
}

impl Details {
    /// All that is said, so that it can be compared with what is said again.
    pub fn words(&self) -> [Option<String>; 6] {
        [
            self.name.as_ref().map(|name| name.as_str().to_owned()),
            Some(format!("{:?}", self.amount)),
            self.method
                .as_ref()
                .map(|method| method.as_str().to_owned()),
            self.url.as_ref().map(|url| url.as_str().to_owned()),
            Some(self.language.code().to_owned()),
            Some(self.zone.name().to_owned()),
        ]
    }
}

impl Said {
    /// All that is said, so that it can be compared with what is said again.
    pub fn words(&self) -> [Option<String>; 3] {
        [
            self.at.map(|at| at.millis().to_string()),
            self.reason
                .as_ref()
                .map(|reason| reason.as_str().to_owned()),
            self.amount.map(|amount| format!("{amount:?}")),
        ]
    }
}
