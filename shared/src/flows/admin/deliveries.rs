//! What became of messages, for an operator who looks for one: by its phone, by its id, or by the request that waited for it.
use crate::model::payment::PaymentId;
use crate::model::phone::{Phone, PhoneError};
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::deliveries::Deliveries;
pub use crate::store::deliveries::StoredDelivery;
pub use crate::store::deliveries::search::{DeliveryKey, DeliveryPage};

/// The longest id of a message or a request.
const CHARS_MAX: usize = 64;

/// What the ids of this system's messages begin with.
const MESSAGE_PREFIX: &str = "3EB0";

/// The name of a message, as WhatsApp and this system know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    /// Reads an id as somebody pastes it. `None` when it can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.trim().to_ascii_uppercase();
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain && (1..=CHARS_MAX).contains(&id.len())).then_some(Self(id))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lambda's name of a request, which replies and the log have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Reads an id as somebody pastes it. `None` when it can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.trim().to_ascii_lowercase();
        let plain = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (plain && (1..=CHARS_MAX).contains(&id.len())).then_some(Self(id))
    }

    /// Whether it is written as Lambda writes them: 32 hexadecimal digits, and dashes.
    fn is_usual(&self) -> bool {
        let digits = self.0.bytes().filter(u8::is_ascii_hexdigit).count();
        let others = self.0.bytes().filter(|byte| !byte.is_ascii_hexdigit());
        digits == REQUEST_DIGITS && others.into_iter().all(|byte| byte == b'-')
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many hexadecimal digits the id of a request has.
const REQUEST_DIGITS: usize = 32;

/// What messages are looked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The phone that they went to.
    Phone(Phone),
    /// The id of one.
    Message(MessageId),
    /// The request that waited for them.
    Request(RequestId),
    /// The payment that they are about.
    Payment(PaymentId),
}

/// Why nothing can be looked for by a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoughtError {
    /// It is written like a phone number, and is none.
    #[error("no phone number")]
    Phone(#[source] PhoneError),
    /// It is nothing that a message is found by.
    #[error("neither a phone nor an id")]
    Nothing,
}

impl Sought {
    /// Recognises what somebody typed. What has only digits and the signs between them is a phone, what begins like the ids of
    /// messages is one of these, what is written like the id of a request is one, and everything else that can be is a payment.
    ///
    /// # Errors
    /// When it is none of the four.
    pub fn recognise(text: &str) -> Result<Self, SoughtError> {
        let text = text.trim();
        let of_phones = |letter: char| letter.is_ascii_digit() || " +-.()".contains(letter);
        if !text.is_empty() && text.chars().all(of_phones) {
            return Phone::parse(text)
                .map(Self::Phone)
                .map_err(SoughtError::Phone);
        }
        let message = MessageId::parse(text);
        if let Some(id) = message.filter(|id| id.0.starts_with(MESSAGE_PREFIX)) {
            return Ok(Self::Message(id));
        }
        let request = RequestId::parse(text);
        if let Some(id) = request.filter(RequestId::is_usual) {
            return Ok(Self::Request(id));
        }
        let payment = PaymentId::parse(text);
        payment.map(Self::Payment).ok_or(SoughtError::Nothing)
    }
}

/// The messages of the last thirty days.
#[derive(Clone, Debug)]
pub struct AdminDeliveries(Deliveries);

impl AdminDeliveries {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(Deliveries::of(backends))
    }

    /// The messages that `sought` finds, the newest first: those of a phone behind `from`. One or two reads.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(
        &self,
        sought: &Sought,
        from: Option<&DeliveryKey>,
    ) -> Result<DeliveryPage, StoreError> {
        let deliveries = match sought {
            Sought::Phone(phone) => return self.0.of_phone(phone, from).await,
            Sought::Message(id) => self.0.read(&id.0).await?.into_iter().collect(),
            Sought::Request(id) => self.0.of_request(&id.0).await?,
            // Its notices name its messages.
            Sought::Payment(_) => Vec::new(),
        };
        Ok(DeliveryPage {
            deliveries,
            older: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_types_is_recognised() {
        let phone = Phone::parse("08123456789").map(Sought::Phone);
        let phone = phone.map_err(SoughtError::Phone);
        let message = MessageId::parse("3EB0744E286B549C2DECD9").map(Sought::Message);
        let message = message.ok_or(SoughtError::Nothing);
        let request = RequestId::parse("0d1c9f5e-1111-4a2b-8c3d-000000000001").map(Sought::Request);
        let request = request.ok_or(SoughtError::Nothing);
        let payment = PaymentId::parse("INV-0042").map(Sought::Payment);
        let payment = payment.ok_or(SoughtError::Nothing);
        for (typed, expected) in [
            ("0812-3456-789", &phone),
            (" +62 812 3456 789", &phone),
            ("3eb0744e286b549c2decd9 ", &message),
            ("0D1C9F5E-1111-4A2B-8C3D-000000000001", &request),
            (" INV-0042", &payment),
            ("<script>", &Err(SoughtError::Nothing)),
            ("../x", &Err(SoughtError::Nothing)),
            ("", &Err(SoughtError::Nothing)),
            ("0812", &Err(SoughtError::Phone(PhoneError::TooShort))),
        ] {
            assert_eq!(&Sought::recognise(typed), expected, "{typed:?}");
        }
    }
}
