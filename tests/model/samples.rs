//! Made-up webhooks of payment gateways, one file each in `webhooks/`, and what a test looks at when one was read.
use proptest::prelude::*;
use serde_json::Value;
use shared::model::bridge::{BridgeEvent, Event, Ignored, Notification, Refusal, Secret};
use shared::model::language::Language;
use shared::model::payment::Status;
use shared::model::payment::money::Money;
use shared::platform::timestamp::Timestamp;

/// When the samples arrive: 16:30 in Jakarta.
pub fn now() -> Timestamp {
    at("2026-11-26T09:30:00Z")
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

pub fn secret(text: &str) -> Secret {
    Secret::parse(text).unwrap()
}

/// The sample of that name.
pub fn sample(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/model/webhooks");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json"));
    serde_json::from_str(&text.unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap()
}

/// A body with other values in some fields; `null` takes one away.
pub fn with(mut body: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

/// What came of a webhook, in a word: `success`, `status.expired`, `ignored.test_button`, `refused.NotGenuine`.
pub fn word(read: &Result<Notification, Refusal>) -> String {
    match read {
        Ok(Notification::Event(event)) => event.event.kind().to_string(),
        Ok(Notification::Ignored(why)) => format!("ignored.{}", Ignored::name(*why)),
        Err(refusal) => format!("refused.{refusal:?}"),
    }
}

/// The event that was read.
#[track_caller]
pub fn event(read: Result<Notification, Refusal>) -> BridgeEvent {
    match read {
        Ok(Notification::Event(event)) => *event,
        other => panic!("{}", word(&other)),
    }
}

/// An event's amount as people read it.
pub fn written(money: Option<Money>) -> String {
    let written = money.map(|money| money.written(Language::Indonesian));
    written.unwrap_or_default().replace('\u{A0}', " ")
}

/// How much a refund returns.
pub fn refunded(event: &BridgeEvent) -> String {
    match event.event {
        Event::Status {
            status: Status::Refunded,
            refunded,
            ..
        } => written(refunded),
        ref other => panic!("{other:?}"),
    }
}

/// Any JSON, to stand where something else is expected.
pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9]{1,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,12}", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}
