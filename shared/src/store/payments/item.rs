//! How payments and notices are kept.
//!
//! Attributes of a notice: `kind`, `status` and `sequence` (of a status), `said` (a map), `body_hash`, `state`, `accepted_at`, `not_before`, `deliver_by`, `queue` and `due_at` (while there is something to do), `attempts`, `message_id`,
//! `session`, `claim`, `unsure_at`, `last_error`, `sent_at`, `sent_again`. Times in milliseconds.
use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::language::Language;
use crate::model::notice::{Details, Notice, NoticeId, Payment, Phase, Said, State};
use crate::model::payment::currency::Currency;
use crate::model::payment::money::Money;
use crate::model::payment::name::{CustomerName, Phrase};
use crate::model::payment::url::PaymentUrl;
use crate::model::payment::zone::Zone;
use crate::model::payment::{Kind, PaymentId, Sequence, Status};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::{Fields, Item, number, text};

/// The sort key.
pub(super) const ITEM: &str = "item";
/// The item of the payment itself.
pub(super) const PAYMENT: &str = "payment";
/// Before the name of a notice.
pub(super) const NOTICE_PREFIX: &str = "notice#";
/// Before the hash of a caller's own key.
pub(super) const KEY_PREFIX: &str = "key#";

/// The sort key of a notice.
pub(super) fn notice_item(id: &NoticeId) -> String {
    format!("{NOTICE_PREFIX}{id}")
}

pub(super) fn time(at: Timestamp) -> AttributeValue {
    number(at.millis())
}

pub(super) fn read_payment(item: &Item) -> Option<Payment> {
    let in_flight = item.text("in_flight").map(NoticeId::stored);
    let until = item.number("in_flight_until").map(Timestamp::from_millis);
    Some(Payment {
        id: PaymentId::parse(item.text("payment_id")?)?,
        phase: Phase::named(item.text("phase")?)?,
        phone: Phone::from_digits(item.text("phone")?).ok()?,
        details: read_details(item.map("details")?)?,
        expires_at: item.number("pay_by").map(Timestamp::from_millis),
        in_flight: in_flight.zip(until),
    })
}

/// The attributes of a notice that was just accepted, without its key.
pub(super) fn new_notice(notice: &Notice, ends: Timestamp) -> Item {
    let queue = notice.kind.priority().name();
    let mut item = Item::from([
        ("kind".into(), text(notice.kind.purpose())),
        ("said".into(), AttributeValue::M(said_item(&notice.said))),
        ("body_hash".into(), text(&notice.body_hash)),
        ("state".into(), text(notice.state.name())),
        ("accepted_at".into(), time(notice.accepted_at)),
        ("not_before".into(), time(notice.not_before)),
        ("deliver_by".into(), time(notice.deliver_by)),
        ("attempts".into(), number(notice.attempts.into())),
        ("message_id".into(), text(&notice.message_id)),
        ("expires_at".into(), number(ends.seconds())),
    ]);
    if let Some(due_at) = notice.due_at {
        item.insert("queue".into(), text(queue));
        item.insert("due_at".into(), time(due_at));
    }
    if let Kind::Status { status, sequence } = &notice.kind {
        item.insert("status".into(), text(status.name()));
        if let Some(sequence) = sequence {
            item.insert("sequence".into(), text(sequence.as_str()));
        }
    }
    item
}

pub(super) fn read_notice(item: &Item) -> Option<Notice> {
    let time = |name| item.number(name).map(Timestamp::from_millis);
    let words = |name| item.text(name).map(str::to_owned);
    let state = State::named(item.text("state")?)?;
    Some(Notice {
        id: NoticeId::stored(item.text(ITEM)?.strip_prefix(NOTICE_PREFIX)?),
        kind: read_kind(item)?,
        said: read_said(item.map("said")?)?,
        body_hash: words("body_hash")?,
        state,
        accepted_at: time("accepted_at")?,
        not_before: time("not_before")?,
        deliver_by: time("deliver_by")?,
        // One that ended unsent is in the index for operators, and due no more.
        due_at: time("due_at").filter(|_| state != State::Dead),
        attempts: u32::try_from(item.number("attempts")?).ok()?,
        message_id: words("message_id")?,
        session: words("session"),
        unsure_at: time("unsure_at"),
        last_error: words("last_error"),
        sent_at: time("sent_at"),
        sent_again: matches!(item.get("sent_again"), Some(AttributeValue::Bool(true))),
    })
}

fn read_kind(item: &Item) -> Option<Kind> {
    let sequence = item.text("sequence").map(Sequence::parse);
    let status = item.text("status").and_then(Status::named);
    let kinds = [
        Some(Kind::Created),
        Some(Kind::Success),
        Some(Kind::ExpiryWarning),
        status.map(|status| Kind::Status {
            status,
            sequence: sequence.flatten(),
        }),
    ];
    let name = item.text("kind")?;
    let mut kinds = kinds.into_iter().flatten();
    kinds.find(|kind| kind.purpose() == name)
}

fn insert_words(item: &mut Item, words: &[(&str, Option<&str>)]) {
    for (name, word) in words {
        if let Some(word) = word {
            item.insert((*name).to_owned(), text(*word));
        }
    }
}

fn insert_money(item: &mut Item, money: Money) {
    item.insert("amount".into(), text(money.plain()));
    item.insert("currency".into(), text(money.currency().code()));
}

fn read_money(item: &Item) -> Option<Money> {
    let currency = Currency::parse(item.text("currency")?)?;
    Money::parse(item.text("amount")?, currency).ok()
}

/// What a payment is about, as a map.
pub(super) fn details_item(details: &Details) -> Item {
    let mut item = Item::new();
    insert_money(&mut item, details.amount);
    let words = [
        ("name", details.name.as_ref().map(CustomerName::as_str)),
        ("method", details.method.as_ref().map(Phrase::as_str)),
        ("url", details.url.as_ref().map(PaymentUrl::as_str)),
        ("language", Some(details.language.code())),
        ("zone", Some(details.zone.name())),
    ];
    insert_words(&mut item, &words);
    item
}

fn read_details(item: &Item) -> Option<Details> {
    Some(Details {
        name: item.text("name").and_then(CustomerName::clean),
        amount: read_money(item)?,
        method: item.text("method").and_then(Phrase::clean),
        url: item.text("url").and_then(PaymentUrl::parse),
        language: Language::of_tag(item.text("language")?)?,
        zone: Zone::parse(item.text("zone")?)?,
    })
}

fn said_item(said: &Said) -> Item {
    let mut item = Item::new();
    if let Some(at) = said.at {
        item.insert("at".into(), time(at));
    }
    if let Some(amount) = said.amount {
        insert_money(&mut item, amount);
    }
    let reason = said.reason.as_ref().map(Phrase::as_str);
    insert_words(&mut item, &[("reason", reason)]);
    item
}

fn read_said(item: &Item) -> Option<Said> {
    Some(Said {
        at: item.number("at").map(Timestamp::from_millis),
        reason: item.text("reason").and_then(Phrase::clean),
        amount: read_money(item),
    })
}
