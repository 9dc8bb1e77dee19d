//! What payment gateways post about payments, read as one kind of event. Nothing here stores, sends or asks anybody.
//!
//! Neither gateway proves all that it says: Midtrans signs an order, a code and an amount, Xendit sends a token. So whoever
//! acts on an event compares its amount with the stored payment, and takes the phone from there.

/// Midtrans.
pub mod midtrans;

/// Xendit.
pub mod xendit;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time;

use super::payment::money::Money;
use super::payment::name::Phrase;
use super::payment::url::PaymentUrl;
use super::payment::{Kind, PaymentId, Sequence, Status};
use super::phone::Phone;
use crate::platform::timestamp::Timestamp;

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// What happened longer ago is told to nobody. Neither gateway dates its signature, so this stands for a time tolerance.
pub const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A payment gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeName {
    /// Midtrans.
    Midtrans,
    /// Xendit.
    Xendit,
}

impl BridgeName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Midtrans, Self::Xendit];

    /// Its name in paths, in the log and as a caller.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Midtrans => "midtrans",
            Self::Xendit => "xendit",
        }
    }
}

/// A key or token that a gateway and this system share. Never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Reads a key; spaces around it go. `None` when nothing remains.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The secret itself, for whoever plays its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this secret, in a time that does not tell how much of it is right.
    fn is(&self, given: &str) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), given.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

/// Why a webhook is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is too large, or not what the gateway sends.
    Malformed,
    /// No key or token of the account fits: 401, the same for every reason.
    NotGenuine,
}

/// What a webhook is.
#[derive(Clone, Debug)]
pub enum Notification {
    /// Something happened to a payment.
    Event(Box<BridgeEvent>),
    /// Nothing to tell anybody: acknowledged and counted.
    Ignored(Ignored),
}

/// Why a webhook is acknowledged and leads to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is the test button of the gateway's dashboard.
    TestButton,
    /// It is about something else than a payment: subscriptions, linked accounts, payouts, disputes.
    OtherProduct,
    /// It has a word that is not known here, or one that does not fit its code.
    UnknownWord,
    /// The payment goes on: an amount is only reserved, under review, or may be tried again.
    StillOpen,
    /// Nothing was to be paid: a session that only keeps a card or opens a subscription.
    NothingToPay,
    /// The bank takes money back. That is between it and the merchant.
    Chargeback,
    /// A refund did not succeed.
    RefundFailed,
    /// It happened longer ago than [`AGE_MAX`].
    TooOld,
    /// It names no payment in a form that ids have.
    NoPaymentId,
    /// It says that something was paid and not how much.
    NoAmount,
    /// Nobody is known whom to tell.
    NoRecipient,
}

impl Ignored {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::TestButton,
        Self::OtherProduct,
        Self::UnknownWord,
        Self::StillOpen,
        Self::NothingToPay,
        Self::Chargeback,
        Self::RefundFailed,
        Self::TooOld,
        Self::NoPaymentId,
        Self::NoAmount,
        Self::NoRecipient,
    ];

    /// Its word in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TestButton => "test_button",
            Self::OtherProduct => "other_product",
            Self::UnknownWord => "unknown_word",
            Self::StillOpen => "still_open",
            Self::NothingToPay => "nothing_to_pay",
            Self::Chargeback => "chargeback",
            Self::RefundFailed => "refund_failed",
            Self::TooOld => "too_old",
            Self::NoPaymentId => "no_payment_id",
            Self::NoAmount => "no_amount",
            Self::NoRecipient => "no_recipient",
        }
    }
}

/// What happened to a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It waits for the customer.
    Created {
        /// Until when it can be paid.
        expires_at: Option<Timestamp>,
    },
    /// It is paid.
    Success {
        /// When.
        paid_at: Option<Timestamp>,
    },
    /// Its status is another one. [`Status::after_paid`] says what that means once it was told as paid.
    Status {
        /// The status.
        status: Status,
        /// Which refund it is.
        sequence: Option<Sequence>,
        /// How much goes back, of a refund that says so.
        refunded: Option<Money>,
    },
}

impl Event {
    /// The kind of notice that tells it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Created { .. } => Kind::Created,
            Self::Success { .. } => Kind::Success,
            Self::Status {
                status, sequence, ..
            } => Kind::Status {
                status: *status,
                sequence: sequence.clone(),
            },
        }
    }

    const fn status(status: Status) -> Self {
        Self::Status {
            status,
            sequence: None,
            refunded: None,
        }
    }
}

/// One event of a payment.
#[derive(Clone, Debug)]
pub struct BridgeEvent {
    /// The payment, as the merchant named it.
    pub payment_id: PaymentId,
    /// The gateway's id of this attempt to pay. A payment can have several.
    pub attempt_id: String,
    /// The whole amount of the payment, to be compared with the stored one. Only an event that is no success may lack it.
    pub amount: Option<Money>,
    /// What happened.
    pub event: Event,
    /// When it happened, if the webhook says so.
    pub happened_at: Option<Timestamp>,
    /// How it is paid.
    pub method: Option<Phrase>,
    /// Where it is paid.
    pub url: Option<PaymentUrl>,
    /// What the merchant gave when the payment was made, and the gateway repeats.
    pub echoes: Vec<Echo>,
}

impl BridgeEvent {
    /// Whom to tell: the phone of the stored payment; otherwise the one in the field that a setting names, if there is one.
    ///
    /// Such fields are unsigned. Whoever has seen one genuine webhook could put another phone there.
    ///
    /// # Errors
    /// When nobody is known.
    pub fn recipient(&self, stored: Option<&Phone>, field: Option<&str>) -> Result<Phone, Ignored> {
        let echoed = || {
            let echo = self.echoes.iter().find(|echo| Some(&*echo.field) == field);
            echo.and_then(|echo| Phone::parse(&echo.text).ok())
        };
        stored.cloned().or_else(echoed).ok_or(Ignored::NoRecipient)
    }

    /// The event as it is told: one that happened too long ago is not.
    fn notify(self, now: Timestamp) -> Notification {
        let is_old = |at: Timestamp| now.since(at) > AGE_MAX;
        if self.happened_at.is_some_and(is_old) {
            Notification::Ignored(Ignored::TooOld)
        } else {
            Notification::Event(Box::new(self))
        }
    }
}

/// A field that the gateway repeats.
#[derive(Clone, PartialEq, Eq)]
pub struct Echo {
    /// Its name, such as `custom_field1` or `metadata.phone`.
    pub field: String,
    /// What is in it.
    pub text: String,
}

impl Echo {
    /// The most characters that are read of a field.
    const CHARACTERS_MAX: usize = 64;

    /// The most fields of an object that are read.
    const FIELDS_MAX: usize = 50;

    /// The field. `None` when it is empty or too long to be a phone.
    fn new(field: impl Into<String>, text: &str) -> Option<Self> {
        let fits = (1..=Self::CHARACTERS_MAX).contains(&text.len());
        fits.then(|| Self {
            field: field.into(),
            text: text.to_owned(),
        })
    }

    /// The texts and numbers in the object `metadata`.
    fn of_metadata(metadata: &serde_json::Value) -> impl Iterator<Item = Self> {
        let fields = metadata.as_object().into_iter().flatten();
        let fields = fields.take(Self::FIELDS_MAX);
        fields.filter_map(|(name, value)| {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                _ => return None,
            };
            Self::new(format!("metadata.{name}"), &text)
        })
    }
}

impl fmt::Debug for Echo {
    /// It may be a phone, a name or an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Echo({})", self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::payment::currency::Currency;

    fn event(happened_at: Option<i64>) -> BridgeEvent {
        let rupiah = Currency::parse("IDR").expect("a currency");
        BridgeEvent {
            payment_id: PaymentId::parse("INV-0042").expect("an id"),
            attempt_id: "a".into(),
            amount: Money::from_minor(15_000_000, rupiah),
            event: Event::Success { paid_at: None },
            happened_at: happened_at.map(Timestamp::from_seconds),
            method: None,
            url: None,
            echoes: [("custom_field1", "08123456789"), ("custom_field2", "Siti")]
                .into_iter()
                .filter_map(|(field, text)| Echo::new(field, text))
                .collect(),
        }
    }

    #[test]
    fn what_happened_more_than_a_day_ago_is_told_to_nobody() {
        let now = Timestamp::from_seconds(1_000_000);
        for (label, happened_at, told) in [
            ("now", Some(1_000_000), true),
            ("a day ago", Some(1_000_000 - 86_400), true),
            ("a second more", Some(1_000_000 - 86_401), false),
            ("by a clock that is ahead", Some(1_000_100), true),
            ("at a time that nobody says", None, true),
        ] {
            let told_now = match event(happened_at).notify(now) {
                Notification::Event(_) => true,
                Notification::Ignored(why) => {
                    assert_eq!(why, Ignored::TooOld, "{label}");
                    false
                }
            };
            assert_eq!(told_now, told, "{label}");
        }
    }

    #[test]
    fn the_recipient_is_the_stored_one_and_a_field_counts_only_where_a_setting_names_it() {
        let stored = Phone::parse("08129876543").expect("a phone");
        for (label, stored, field, digits) in [
            ("stored", Some(&stored), None, Some("628129876543")),
            (
                "both",
                Some(&stored),
                Some("custom_field1"),
                Some("628129876543"),
            ),
            ("a field", None, Some("custom_field1"), Some("628123456789")),
            ("no phone in it", None, Some("custom_field2"), None),
            ("no such field", None, Some("custom_field3"), None),
            ("no setting", None, None, None),
        ] {
            let phone = event(None).recipient(stored, field);
            let expected = digits.ok_or(Ignored::NoRecipient);
            assert_eq!(
                phone.as_ref().map(Phone::digits).map_err(|e| *e),
                expected,
                "{label}"
            );
        }
    }

    #[test]
    fn nothing_shows_a_secret_or_what_a_customer_gave() {
        let secret = Secret::parse(" SB-Mid-server-abc ").expect("a secret");
        assert!(secret.is("SB-Mid-server-abc") && !secret.is("SB-Mid-server-ab"));
        let shown = format!("{secret:?} {:?}", event(None));
        for hidden in ["SB-Mid", "8123456789", "Siti"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(Secret::parse(" ").is_none());
    }

    #[test]
    fn reasons_have_names_of_their_own() {
        let mut names = Ignored::ALL.map(Ignored::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Ignored::ALL.len());
    }
}
