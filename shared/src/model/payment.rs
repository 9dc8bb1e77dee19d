//! Payments as their notices name them: which payment, and what happened to it.

/// Which currencies there are, and how they are written. Made from libraries, and held against them by a test.
mod currencies;

/// Currencies.
pub mod currency;

/// Amounts of money: exact, and written as CLDR writes them.
pub mod money;

/// Time zones, and times as people read them.
pub mod zone;

/// How much time is left to pay.
pub mod time_left;

/// Names, methods and reasons that cannot change the message around them.
pub mod name;

/// The address where somebody pays.
pub mod url;

/// What the messages about payments say.
pub mod texts;

use std::fmt;
use std::time::Duration;

/// No payment can be paid for longer. What is kept about it is kept until then, and for some weeks.
pub const EXPIRES_WITHIN: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The id of a payment, as the payment system or its gateway names it: 1 to 255 letters, digits, `-`, `_`, `~` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentId(String);

impl PaymentId {
    /// The most characters of an id.
    pub const CHARACTERS_MAX: usize = 255;

    /// The most characters of an id that stands in a message.
    const SHOWN_MAX: usize = 64;

    /// Reads an id. `None` when it has other characters or another length, or is a step in a path (`.` and `..`).
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
        let fits = (1..=Self::CHARACTERS_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !matches!(text, "." | "..");
        fits.then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id for a message. `None` when it is long, WhatsApp would make a link of it (`shop.example`) or a telephone number
    /// (`08123456789`), or read its signs as format (`~a~`).
    pub fn shown(&self) -> Option<&str> {
        let ends_like_a_domain = |part: &str| {
            let letters = part.bytes().take_while(u8::is_ascii_alphabetic);
            letters.count() >= 2
        };
        let link = self.0.split('.').skip(1).any(ends_like_a_domain);
        let telephone = !self.0.contains(|c: char| c.is_ascii_alphabetic())
            && self.0.bytes().filter(u8::is_ascii_digit).count() >= 7;
        let format = self.0.contains('~') || self.0.starts_with('_') || self.0.ends_with('_');
        let shown = self.0.len() <= Self::SHOWN_MAX && !link && !telephone && !format;
        shown.then_some(&self.0)
    }

    /// Whether it may be a phone with a slip in it: as many digits as one has, and hardly anything else.
    pub fn may_be_a_phone(&self) -> bool {
        let digits = self.0.bytes().filter(u8::is_ascii_digit).count();
        let others = self.0.bytes().filter(|byte| !byte.is_ascii_digit());
        let others = others.filter(|byte| !b"-.".contains(byte)).count();
        (8..=15).contains(&digits) && others <= 2
    }
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The money is there.
    Paid,
    /// The attempt to pay did not succeed.
    Failed,
    /// Somebody called it off.
    Cancelled,
    /// It was not paid in time.
    Expired,
    /// The money, or a part of it, goes back.
    Refunded,
    /// It was told as paid, and then the money did not come after all.
    Reversed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Paid,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Refunded,
        Self::Reversed,
    ];

    /// Its word in requests, in the store and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::Reversed => "reversed",
        }
    }

    /// The status of that word. Americans write `canceled`.
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            "canceled" => "cancelled",
            name => name,
        };
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// What it means for a payment that was told as paid: one that fails then is reversed.
    #[must_use]
    pub const fn after_paid(self) -> Self {
        match self {
            Self::Failed => Self::Reversed,
            other => other,
        }
    }
}

/// Which of several events with the same status one is, such as the second refund: 1 to 64 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sequence(String);

impl Sequence {
    /// Reads it; `None` when it has other characters or another length.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a notice tells. With the payment's id it is the notice's natural id: the same again is the same notice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// There is something to pay.
    Created,
    /// It is paid.
    Success,
    /// Its status is another one.
    Status {
        /// The status.
        status: Status,
        /// Which of several events with that status.
        sequence: Option<Sequence>,
    },
    /// It has to be paid soon.
    ExpiryWarning,
}

impl fmt::Display for Kind {
    /// Writes the kind as it stands in the natural id: `created`, `success`, `status.refunded`, `status.refunded.2`,
    /// `expiry-warning`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Success => f.write_str("success"),
            Self::ExpiryWarning => f.write_str("expiry-warning"),
            Self::Status { status, sequence } => {
                write!(f, "status.{}", status.name())?;
                match sequence {
                    Some(Sequence(sequence)) => write!(f, ".{sequence}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_payment_gateways_allow() {
        for (label, text, fits) in [
            ("usual", "INV-0042".to_owned(), true),
            ("every sign", "a-_~.9".to_owned(), true),
            ("the longest", "a".repeat(255), true),
            ("too long", "a".repeat(256), false),
            ("empty", String::new(), false),
            ("a path", "a/b".to_owned(), false),
            ("a step in a path", "..".to_owned(), false),
            ("a line break", "a\nb".to_owned(), false),
            ("a placeholder", "{amount}".to_owned(), false),
            ("a letter of another script", "é".to_owned(), false),
        ] {
            assert_eq!(PaymentId::parse(&text).is_some(), fits, "{label}");
        }
    }

    #[test]
    fn an_id_that_whatsapp_would_change_is_not_shown() {
        for (text, shown) in [
            ("INV-0042", true),
            ("INV.2026.11", true),
            ("order_12_a", true),
            ("123456", true),
            ("shop.example", false),
            ("shop.example-1", false),
            ("08123456789", false),
            ("0812-3456-789", false),
            ("~a~", false),
            ("_a_", false),
        ] {
            let id = PaymentId::parse(text).expect("an id");
            assert_eq!(id.shown().is_some(), shown, "{text}");
        }
        let long = PaymentId::parse(&"a".repeat(65)).expect("an id");
        assert_eq!(long.shown(), None);
    }

    #[test]
    fn a_status_is_known_by_its_word() {
        for status in Status::ALL {
            assert_eq!(Status::named(status.name()), Some(status));
        }
        assert_eq!(Status::named("canceled"), Some(Status::Cancelled));
        assert_eq!(Status::named("open"), None);
        assert_eq!(Status::Failed.after_paid(), Status::Reversed);
        assert_eq!(Status::Refunded.after_paid(), Status::Refunded);
    }

    #[test]
    fn kinds_that_differ_have_names_that_differ() {
        let refunded = |sequence: Option<&str>| Kind::Status {
            status: Status::Refunded,
            sequence: sequence.map(|text| Sequence::parse(text).expect("a sequence")),
        };
        for (kind, name) in [
            (Kind::Created, "created"),
            (Kind::Success, "success"),
            (Kind::ExpiryWarning, "expiry-warning"),
            (refunded(None), "status.refunded"),
            (refunded(Some("rfd-2")), "status.refunded.rfd-2"),
        ] {
            assert_eq!(kind.to_string(), name);
        }
        for wrong in ["", "a.b", "a b", &"a".repeat(65)] {
            assert_eq!(Sequence::parse(wrong), None, "{wrong}");
        }
    }
}
