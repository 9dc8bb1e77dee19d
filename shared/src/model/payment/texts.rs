//! What the messages about payments say, per kind and language: the files `texts/payment-*.txt`, compiled in.
//!
//! A file has one line for each thing that is said. A line with a value that there is not is left out.
use super::money::Money;
use super::name::{CustomerName, Phrase};
use super::url::PaymentUrl;
use super::zone::Zone;
use super::{Kind, PaymentId, Status, time_left};
use crate::model::language::Language;
use crate::model::texts::{Brand, MessageBody};
use crate::platform::timestamp::Timestamp;

/// What a message about a payment tells. Whatever there is not is left out.
#[derive(Clone, Debug)]
pub struct PaymentMessage<'a> {
    /// What happened.
    pub kind: &'a Kind,
    /// The language to write in.
    pub language: Language,
    /// The zone that times are written in.
    pub zone: &'a Zone,
    /// The payment.
    pub payment: &'a PaymentId,
    /// Whom the message greets.
    pub name: Option<&'a CustomerName>,
    /// The amount; of a refund what goes back.
    pub amount: Money,
    /// How it is paid.
    pub method: Option<&'a Phrase>,
    /// Why it failed, was cancelled or goes back.
    pub reason: Option<&'a Phrase>,
    /// Where it is paid: the only link of a message.
    pub url: Option<&'a PaymentUrl>,
    /// Until when it can be paid.
    pub expires_at: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When the message goes out.
    pub sent_at: Timestamp,
}

impl Brand {
    /// The message about a payment.
    pub fn payment_message(&self, message: &PaymentMessage<'_>) -> MessageBody {
        let lines = template(message.kind, message.language).lines();
        let lines: Vec<_> = lines.filter_map(|line| filled(line, message)).collect();
        self.message(lines.join("\n"))
    }
}

/// A line with its values. `None` when there is not every value of it. What a value looks like is never read again.
fn filled(line: &str, message: &PaymentMessage<'_>) -> Option<String> {
    let mut parts = line.split('{');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        text.push_str(&value(name, message)?);
        text.push_str(rest);
    }
    Some(text)
}

fn value(name: &str, message: &PaymentMessage<'_>) -> Option<String> {
    let time = |at: Option<Timestamp>| Some(message.zone.written(at?, message.language));
    match name {
        "greeting" => Some(greeting(message.name, message.language)),
        "amount" => Some(message.amount.written(message.language)),
        "method" => Some(message.method?.as_str().to_owned()),
        "reason" => Some(message.reason?.as_str().to_owned()),
        "payment" => Some(message.payment.shown()?.to_owned()),
        "url" => Some(message.url?.as_str().to_owned()),
        "expires_at" => time(message.expires_at),
        "paid_at" => time(message.paid_at),
        "time_left" => {
            let left = message.expires_at?.since(message.sent_at);
            time_left::written(left, message.language)
        }
        _ => None,
    }
}

fn greeting(name: Option<&CustomerName>, language: Language) -> String {
    let hello = match language {
        Language::Indonesian => "Halo",
        Language::English => "Hello",
    };
    match name {
        Some(name) => format!("{hello} {},", name.as_str()),
        None => format!("{hello},"),
    }
}

fn template(kind: &Kind, language: Language) -> &'static str {
    let (indonesian, english) = templates(kind);
    match language {
        Language::Indonesian => indonesian,
        Language::English => english,
    }
}

/// The files with the texts of one name, in Indonesian and English.
macro_rules! texts {
    ($name:literal) => {
        (
            include_str!(concat!("../texts/payment-", $name, ".id.txt")),
            include_str!(concat!("../texts/payment-", $name, ".en.txt")),
        )
    };
}

const fn templates(kind: &Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Created => texts!("created"),
        Kind::Success => texts!("success"),
        Kind::ExpiryWarning => texts!("expiry-warning"),
        Kind::Status { status, .. } => match status {
            Status::Paid => texts!("success"),
            Status::Failed => texts!("failed"),
            Status::Cancelled => texts!("cancelled"),
            Status::Expired => texts!("expired"),
            Status::Refunded => texts!("refunded"),
            Status::Reversed => texts!("reversed"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::currency::Currency;
    use super::*;

    const LANGUAGES: [Language; 2] = [Language::Indonesian, Language::English];

    fn kinds() -> Vec<Kind> {
        let status = |status| Kind::Status {
            status,
            sequence: None,
        };
        let statuses = Status::ALL.into_iter().map(status);
        let others = [Kind::Created, Kind::Success, Kind::ExpiryWarning];
        others.into_iter().chain(statuses).collect()
    }

    fn rupiah(text: &str) -> Money {
        Money::parse(text, Currency::parse("IDR").expect("a currency")).expect("an amount")
    }

    /// What a message says about a customer of that name, with every other value or none.
    fn said(kind: &Kind, language: Language, name: Option<&str>, with_all: bool) -> String {
        let (name, method) = (name.and_then(CustomerName::clean), Phrase::clean("QRIS"));
        let reason = Phrase::clean("Saldo tidak cukup");
        let url = PaymentUrl::parse("https://pay.example/i/42");
        let (payment, zone) = (PaymentId::parse("INV-0042"), Zone::default());
        let hidden = PaymentId::parse("shop.example");
        let all = |at| with_all.then(|| Timestamp::from_seconds(at));
        let message = PaymentMessage {
            kind,
            language,
            zone: &zone,
            payment: if with_all { &payment } else { &hidden }
                .as_ref()
                .expect("an id"),
            name: name.as_ref(),
            amount: rupiah("150000"),
            method: method.as_ref().filter(|_| with_all),
            reason: reason.as_ref().filter(|_| with_all),
            url: url.as_ref().filter(|_| with_all),
            expires_at: all(1_795_685_400),
            paid_at: all(1_795_681_800),
            sent_at: Timestamp::from_seconds(1_795_681_800),
        };
        Brand::parse("Tokoku")
            .expect("a name")
            .payment_message(&message)
            .0
    }

    #[test]
    fn a_message_says_what_there_is() {
        assert_eq!(
            said(&Kind::Created, Language::Indonesian, Some("Siti"), true),
            "Tokoku: Halo Siti, tagihan Anda sebesar Rp\u{A0}150.000 menunggu pembayaran.\n\
             Cara bayar: QRIS\n\
             Bayar sebelum: 26 Nov 2026, 16.30 WIB\n\
             Nomor pembayaran: INV-0042\n\
             https://pay.example/i/42"
        );
        assert_eq!(
            said(&Kind::Success, Language::English, Some("Siti"), true),
            "Tokoku: Hello Siti, we have received your payment of IDR\u{A0}150,000. Thank you.\n\
             Paid with: QRIS\n\
             Paid at: Nov 26, 2026, 3:30\u{202F}PM WIB\n\
             Payment number: INV-0042"
        );
        for (language, left) in [
            (Language::Indonesian, "\nSisa waktu: 1 jam\n"),
            (Language::English, "\nTime left: 1 hour\n"),
        ] {
            let warning = said(&Kind::ExpiryWarning, language, None, true);
            assert!(warning.contains(left), "{warning}");
        }
        assert_eq!(
            said(&Kind::Created, Language::English, None, false),
            "Tokoku: Hello, your payment of IDR\u{A0}150,000 is waiting for you."
        );
    }

    #[test]
    fn every_text_greets_and_names_the_amount_and_has_a_link_only_where_it_is_paid() {
        let mut texts = Vec::new();
        for kind in kinds() {
            for language in LANGUAGES {
                let text = said(&kind, language, Some("Siti"), true);
                let bare = said(&kind, language, None, false);
                let label = format!("{kind} {language:?}: {text}\n{bare}");
                for text in [&text, &bare] {
                    assert!(text.contains("150"), "{label}");
                    assert!(!text.contains(['{', '}']), "{label}");
                    assert!(text.lines().all(|line| line == line.trim()), "{label}");
                    assert!(text.chars().count() < 300, "{label}");
                }
                assert!(text.contains("INV-0042"), "{label}");
                let to_be_paid = ["created", "expiry-warning", "status.failed"];
                let has_link = to_be_paid.contains(&kind.to_string().as_str());
                assert_eq!(
                    text.matches("https://").count(),
                    usize::from(has_link),
                    "{label}"
                );
                assert_eq!(
                    text.contains("https://"),
                    text.ends_with("/i/42"),
                    "{label}"
                );
                assert_eq!(bare.lines().count(), 1, "{label}");
                texts.push(text);
            }
        }
        texts.sort();
        texts.dedup();
        assert_eq!(
            texts.len(),
            (kinds().len() - 1) * LANGUAGES.len(),
            "`paid` is told like success"
        );
    }

    #[test]
    fn every_placeholder_is_a_value() {
        for kind in kinds() {
            for language in LANGUAGES {
                let text = template(&kind, language);
                let all = said(&kind, language, Some("Siti"), true);
                assert_eq!(text.lines().count(), all.lines().count(), "{kind}: {all}");
            }
        }
    }

    #[test]
    fn a_name_is_followed_by_letters_before_any_digit() {
        // So that the digits stay where they are when the name is written from right to left.
        for kind in kinds() {
            for language in LANGUAGES {
                let text = said(&kind, language, Some("محمد"), true);
                let (_, after) = text.split_once("محمد, ").expect("the name");
                assert!(
                    after.starts_with(|c: char| c.is_ascii_alphabetic()),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn no_name_changes_the_rest_of_the_message() {
        let plain = said(&Kind::Created, Language::Indonesian, Some("NAME"), true);
        let long = "a".repeat(10_000);
        for name in [
            "Siti\nhttps://evil.example",
            "{amount}{url}{name}",
            "\u{202E}Siti",
            "*_~`Siti`~_*",
            "wa.me/628123456789",
            &long,
        ] {
            let text = said(&Kind::Created, Language::Indonesian, Some(name), true);
            let name = CustomerName::clean(name).expect("a name");
            assert!(name.as_str().chars().count() <= CustomerName::CHARACTERS_MAX);
            assert_eq!(text, plain.replace("NAME", name.as_str()));
            assert_eq!(text.matches("://").count(), 1, "{text}");
        }
    }
}
