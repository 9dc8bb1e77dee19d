//! Midtrans' notifications of payments: whether one is genuine, and what it says.
//!
//! The signature covers the order, the code and the amount, as they are written in the body, with nothing between them. So
//! all three must have their form, or the border between two of them could be moved: the code is one that Midtrans documents,
//! and the amount begins with no zero too many. Status, times and phone are unsigned.
use std::fmt::Write;

use aws_lc_rs::{constant_time, digest};
use serde::Deserialize;
use serde_json::Value;

use super::{BODY_BYTES_MAX, BridgeEvent, Echo, Event, Ignored, Notification, Refusal, Secret};
use crate::model::payment::currency::Currency;
use crate::model::payment::money::Money;
use crate::model::payment::name::Phrase;
use crate::model::payment::{PaymentId, Sequence, Status};
use crate::platform::timestamp::Timestamp;

/// What the order id of the dashboard's test button begins with.
const TEST_BUTTON: &str = "payment_notif_test_";

/// The most refunds of a payment that are read.
const REFUNDS_MAX: usize = 100;

/// What the signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The merchant's id of the payment.
    pub order_id: &'a str,
    /// Three digits: 200 when it succeeded, 201 while it waits, 202 when it will not be paid.
    pub status_code: &'a str,
    /// The amount with two decimals, such as `150000.00`.
    pub gross_amount: &'a str,
}

/// The signature of a notification: SHA-512 over the three texts and the key, as hex digits.
pub fn sign(signed: &Signed<'_>, key: &Secret) -> String {
    let mut digits = String::with_capacity(128);
    for byte in hash(signed, key).as_ref() {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn hash(signed: &Signed<'_>, key: &Secret) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA512);
    for part in [
        signed.order_id,
        signed.status_code,
        signed.gross_amount,
        &key.0,
    ] {
        context.update(part.as_bytes());
    }
    context.finish()
}

/// The fields that are read. Everything else in a body is skipped.
#[derive(Deserialize)]
struct Body {
    order_id: Option<String>,
    status_code: Option<String>,
    gross_amount: Option<String>,
    signature_key: Option<String>,
    transaction_status: Option<String>,
    transaction_id: Option<String>,
    fraud_status: Option<String>,
    currency: Option<String>,
    payment_type: Option<String>,
    transaction_time: Option<String>,
    settlement_time: Option<String>,
    expiry_time: Option<String>,
    expire_time: Option<String>,
    // The rest has a form that nobody promises, so none of it can make a body unreadable.
    #[serde(default)]
    va_numbers: Value,
    #[serde(default)]
    store: Value,
    #[serde(default)]
    refunds: Value,
    #[serde(default)]
    custom_field1: Value,
    #[serde(default)]
    custom_field2: Value,
    #[serde(default)]
    custom_field3: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    customer_details: Value,
    #[serde(default)]
    payer_phone_number: Value,
    /// There in the notifications of linked accounts, which have no order.
    #[serde(default)]
    account_id: Value,
    /// There in the notifications of subscriptions.
    #[serde(default)]
    event_name: Value,
    /// The same, in the older form.
    #[serde(default)]
    schedule: Value,
}

/// Reads the body of a notification. One of `keys` has to have signed it: two are given while a key is changed.
///
/// # Errors
/// When it is not what Midtrans sends, or nobody with a key has sent it.
pub fn read(body: &[u8], keys: &[Secret], now: Timestamp) -> Result<Notification, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let body: Body = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    let Some(order_id) = body.order_id.as_deref() else {
        return body.without_order();
    };
    // Nobody says for sure what signs it. It leads to nothing, so it needs no signature.
    if order_id.starts_with(TEST_BUTTON) {
        return Ok(Notification::Ignored(Ignored::TestButton));
    }
    let signed = body.signed(order_id)?;
    body.check(&signed, keys)?;
    Ok(match body.event(&signed) {
        Ok(event) => event.notify(now),
        Err(why) => Notification::Ignored(why),
    })
}

impl Body {
    /// A body without an order is about a subscription or a linked account, which have signatures of their own or none.
    fn without_order(&self) -> Result<Notification, Refusal> {
        let known = [&self.account_id, &self.event_name, &self.schedule];
        if known.iter().any(|field| !field.is_null()) {
            Ok(Notification::Ignored(Ignored::OtherProduct))
        } else {
            Err(Refusal::Malformed)
        }
    }

    /// The signed texts, if each has its form.
    fn signed<'a>(&'a self, order_id: &'a str) -> Result<Signed<'a>, Refusal> {
        let status_code = self.status_code.as_deref().unwrap_or_default();
        let gross_amount = self.gross_amount.as_deref().unwrap_or_default();
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let two_decimals = |(whole, fraction): (&str, &str)| {
            let plain = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
            plain && is_digits(fraction) && fraction.len() == 2
        };
        let well_formed = !order_id.is_empty()
            && is_a_code(status_code)
            && gross_amount.split_once('.').is_some_and(two_decimals);
        let signed = Signed {
            order_id,
            status_code,
            gross_amount,
        };
        well_formed.then_some(signed).ok_or(Refusal::Malformed)
    }

    /// Whether one of the keys has signed it.
    fn check(&self, signed: &Signed<'_>, keys: &[Secret]) -> Result<(), Refusal> {
        let given = self.signature_key.as_deref().and_then(bytes_of_hex);
        let given = given.ok_or(Refusal::NotGenuine)?;
        let fits = |key: &Secret| {
            let ours = hash(signed, key);
            constant_time::verify_slices_are_equal(ours.as_ref(), &given).is_ok()
        };
        keys.iter()
            .any(fits)
            .then_some(())
            .ok_or(Refusal::NotGenuine)
    }

    fn event(&self, signed: &Signed<'_>) -> Result<BridgeEvent, Ignored> {
        let (event, happened_at) = self.what_happened(signed.status_code)?;
        let payment_id = PaymentId::parse(signed.order_id).ok_or(Ignored::NoPaymentId)?;
        let attempt_id = self.transaction_id.as_deref().unwrap_or(signed.order_id);
        let amount = self.money(signed.gross_amount).ok_or(Ignored::NoAmount)?;
        Ok(BridgeEvent {
            payment_id,
            attempt_id: attempt_id.to_owned(),
            amount: Some(amount),
            event,
            happened_at,
            method: self.method(),
            url: None,
            echoes: self.echoes(),
        })
    }

    /// The event of a status word, and when it happened. A word that is not signed for with its code counts as unknown.
    fn what_happened(&self, code: &str) -> Result<(Event, Option<Timestamp>), Ignored> {
        let word = self.transaction_status.as_deref().unwrap_or_default();
        let word = word.to_ascii_lowercase();
        let begun_at = self.transaction_time.as_deref().and_then(time);
        let ended = |status| Ok((Event::status(status), None));
        match (word.as_str(), code) {
            ("pending", "201") => {
                let expires_at = self.expires_at();
                Ok((Event::Created { expires_at }, begun_at))
            }
            ("settlement" | "capture", "200") if self.is_accepted() => {
                let paid_at = self.settlement_time.as_deref().and_then(time);
                let paid_at = paid_at.or(begun_at);
                Ok((Event::Success { paid_at }, paid_at))
            }
            ("settlement" | "capture", "200" | "201") | ("authorize", _) => Err(Ignored::StillOpen),
            // Which code these two have is not written down.
            ("deny" | "failure", _) => ended(Status::Failed),
            ("cancel", "202") => ended(Status::Cancelled),
            ("expire", "202") => Ok((Event::status(Status::Expired), self.expires_at())),
            ("refund" | "partial_refund", "200") => Ok(self.refund()),
            ("chargeback" | "partial_chargeback", _) => Err(Ignored::Chargeback),
            _ => Err(Ignored::UnknownWord),
        }
    }

    /// Whether no fraud is suspected. Methods without a risk say nothing about it.
    fn is_accepted(&self) -> bool {
        let word = self.fraud_status.as_deref();
        word.is_none_or(|word| word.eq_ignore_ascii_case("accept"))
    }

    fn expires_at(&self) -> Option<Timestamp> {
        let told = self.expiry_time.as_deref().or(self.expire_time.as_deref());
        told.and_then(time)
    }

    /// The newest refund. It is announced again once the bank confirms it, under the same id.
    fn refund(&self) -> (Event, Option<Timestamp>) {
        let refunds = self.refunds.as_array().into_iter().flatten();
        let id = |refund: &&Value| refund["refund_chargeback_id"].as_u64();
        let newest = refunds.take(REFUNDS_MAX).max_by_key(id);
        let sequence = newest.as_ref().and_then(id);
        let amount = newest.and_then(|refund| text_of(&refund["refund_amount"]));
        let time_of = |name: &str| time(newest?[name].as_str()?);
        let event = Event::Status {
            status: Status::Refunded,
            sequence: sequence.and_then(|id| Sequence::parse(&id.to_string())),
            refunded: amount.and_then(|amount| self.money(&amount)),
        };
        let happened_at = time_of("bank_confirmed_at").or_else(|| time_of("created_at"));
        (event, happened_at)
    }

    /// An amount in the body's currency; older notifications have none, and are in rupiah.
    fn money(&self, amount: &str) -> Option<Money> {
        let currency = Currency::parse(self.currency.as_deref().unwrap_or("IDR"))?;
        Money::parse(amount, currency).ok()
    }

    /// How it is paid, in words that customers know.
    fn method(&self) -> Option<Phrase> {
        let bank = self.va_numbers[0]["bank"].as_str().unwrap_or_default();
        let store = self.store.as_str().unwrap_or_default();
        let bank_transfer = format!("{} Virtual Account", bank.to_ascii_uppercase());
        let known = match self.payment_type.as_deref()? {
            "bank_transfer" => &bank_transfer,
            "echannel" => "Mandiri Bill Payment",
            "qris" => "QRIS",
            "gopay" => "GoPay",
            "shopeepay" => "ShopeePay",
            "dana" => "DANA",
            "ovo" => "OVO",
            "cstore" => store,
            other => other,
        };
        Phrase::clean(known)
    }

    fn echoes(&self) -> Vec<Echo> {
        let fields = [
            ("custom_field1", &self.custom_field1),
            ("custom_field2", &self.custom_field2),
            ("custom_field3", &self.custom_field3),
            ("customer_details.phone", &self.customer_details["phone"]),
            ("payer_phone_number", &self.payer_phone_number),
        ];
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| Echo::new(name, &text_of(value)?));
        fields.chain(Echo::of_metadata(&self.metadata)).collect()
    }
}

/// Whether Midtrans has such a status code: <https://docs.midtrans.com/reference/code-statuses>.
fn is_a_code(text: &str) -> bool {
    text.len() == 3 && matches!(text.parse(), Ok(200..=202 | 300 | 400..=414 | 500..=505))
}

/// A text, or a number as one.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time such as `2026-11-26 09:00:00`, which is one of Jakarta.
fn time(text: &str) -> Option<Timestamp> {
    let (day, time) = text.split_once(' ')?;
    Timestamp::parse_rfc3339(&format!("{day}T{time}+07:00"))
}

/// The 64 bytes of 128 hex digits.
fn bytes_of_hex(text: &str) -> Option<[u8; digest::SHA512_OUTPUT_LEN]> {
    let mut bytes = [0; digest::SHA512_OUTPUT_LEN];
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()?;
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (pair[0] * 16 + pair[1]) as u8;
    }
    Some(bytes)
}
