//! What the endpoints about payments have in common: who calls them, and what each of them refuses.
use std::io;
use std::sync::{Arc, Mutex};

use shared::model::bridge::{BridgeName, Secret};
use shared::model::keys::RingName;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::model::webhook;
use shared::store::caller_list::CallerListChanges;
use shared::store::keys::KeyRing;
use shared::store::keys::ListChanged;
use tracing::subscriber::DefaultGuard;

use super::*;

/// The key of the samples in `events/`.
const KEY: &str = "pay_6f1d2c3b4a5968778695a4b3c2d1e0f0";
const READER_KEY: &str = "pay_reader";
pub(super) const SERVER_KEY: &str = "SB-Mid-server-sample";
pub(super) const CALLBACK_TOKEN: &str = "token-of-the-account";

/// A system with a shop that may send what happens to payments, a reader that may not, and accounts at both payment gateways.
pub(super) async fn with_callers() -> TestSystem {
    with_shop(None).await
}

/// The same, where the shop may cause so many notices a day.
pub(super) async fn with_shop(daily_cap: Option<u32>) -> TestSystem {
    let system = TestSystem::builder().settings(|settings| {
        settings.bridges.midtrans_keys = vec![secret(SERVER_KEY), secret("the key of tomorrow")];
        settings.bridges.xendit_tokens = vec![secret(CALLBACK_TOKEN), secret("token-of-tomorrow")];
        settings.bridges.phone_field = Some("custom_field1".into());
    });
    let system = system.build().await;
    let shop = PaymentCaller {
        name: "shop".into(),
        sha256: hash_of(KEY),
        scopes: vec![Scope::Payments],
        daily_cap,
        retire_at: None,
    };
    let reader = PaymentCaller {
        name: "reader".into(),
        sha256: hash_of(READER_KEY),
        scopes: Vec::new(),
        ..shop.clone()
    };
    let changes = CallerListChanges::new(&system.without_faults());
    let seen = changes.read().await.expect("the list");
    let changed = changes.write(&seen, &[shop, reader]).await;
    assert_eq!(changed.expect("written"), ListChanged::Done);
    system
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::parse(text).expect("a secret")
}

/// What every event may say of its payment.
pub(super) fn about() -> Value {
    json!({ "phone": SITI, "customerName": "Siti", "amount": 150_000, "currency": "IDR" })
}

/// Posts an event, with more headers.
pub(super) async fn post_with(
    system: &TestSystem,
    (payment, event): (&str, &str),
    body: &Value,
    more: &[(&str, &str)],
) -> Reply {
    let bearer = format!("Bearer {KEY}");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    headers.extend(more);
    let path = format!("/api/payments/{payment}/{event}");
    system
        .request("POST", &path, &headers, body.to_string())
        .await
}

pub(super) async fn post(
    system: &TestSystem,
    (payment, event): (&str, &str),
    body: &Value,
) -> Reply {
    post_with(system, (payment, event), body, &[]).await
}

/// The reply that lists the notices of a payment.
pub(super) async fn history(system: &TestSystem, payment: &str) -> Reply {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str())];
    let path = format!("/api/payments/{payment}/notifications");
    system.request("GET", &path, &headers, "").await
}

/// The notices of a payment, such as `created sent`; none of one that is not known.
pub(super) async fn states(system: &TestSystem, payment: &str) -> Vec<String> {
    let reply = history(system, payment).await;
    let notices = reply.json["data"]["notices"].as_array();
    let word = |notice: &Value, name: &str| notice[name].as_str().unwrap_or_default().to_owned();
    let notices = notices.into_iter().flatten();
    notices
        .map(|notice| format!("{} {}", word(notice, "notice"), word(notice, "state")))
        .collect()
}

/// Checks that an event was taken, and its message went out.
#[track_caller]
pub(super) fn check_told(reply: &Reply, notice: &str) {
    let data = check_ok(reply);
    assert_eq!(
        (&data["notice"], &data["state"]),
        (&json!(notice), &json!("sent"))
    );
}

/// The rows of the table of refusals that all events have in common: `good` is a body that says whom it is about.
pub(super) async fn check_refusals(event: &str, good: Value) {
    let system = with_callers().await;
    check_fields(&system, event, &good).await;
    check_strangers(&system, "POST", event, &good).await;
    for (id, error) in [
        ("a%20b", "INVALID_PAYMENT_ID"),
        (&"a".repeat(256), "INVALID_PAYMENT_ID"),
    ] {
        let refused = post(&system, (id, event), &good).await;
        check_problem(&refused, 400, error, json!({}));
    }
    let key = [("idempotency-key", "")];
    let refused = post_with(&system, ("INV-9", event), &good, &key).await;
    check_problem(&refused, 400, "INVALID_IDEMPOTENCY_KEY", json!({}));
    assert_eq!(states(&system, "INV-9").await, [""; 0]);
    assert_eq!(inbox(&system, SITI), [""; 0]);
    check_conflicts(&system, event, &good).await;
    check_cap(event, &good).await;
}

async fn check_fields(system: &TestSystem, event: &str, good: &Value) {
    for (field, wrong, error) in [
        ("phone", json!("12"), "INVALID_PHONE_FORMAT"),
        ("amount", json!(-1), "INVALID_FIELD"),
        ("amount", Value::Null, "INVALID_FIELD"),
        ("currency", json!("XXL"), "INVALID_FIELD"),
        ("paymentUrl", json!("http://pay.example"), "INVALID_FIELD"),
        ("timeZone", json!("WIB"), "INVALID_FIELD"),
    ] {
        let mut bad = good.clone();
        bad[field] = wrong;
        let refused = post(system, ("INV-9", event), &bad).await;
        check_problem(&refused, 400, error, json!({}));
    }
}

/// Who has no key, an unknown one, or one for something else.
pub(super) async fn check_strangers(system: &TestSystem, method: &str, event: &str, body: &Value) {
    for (authorization, status, error) in [
        (None, 401, "MISSING_CALLER_KEY"),
        (Some("pay_unknown"), 401, "INVALID_CALLER_KEY"),
        (Some(READER_KEY), 403, "CALLER_NOT_ALLOWED"),
    ] {
        let bearer = authorization.map(|key| format!("Bearer {key}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let path = format!("/api/payments/INV-9/{event}");
        let refused = system.request(method, &path, &headers, body.to_string());
        let refused = refused.await;
        check_problem(&refused, status, error, json!({}));
    }
}

/// The same event again: alike, with other contents, and another event under its key.
async fn check_conflicts(system: &TestSystem, event: &str, good: &Value) {
    let key = [("idempotency-key", "k-1")];
    let first = post_with(system, ("INV-1", event), good, &key).await;
    let again = post_with(system, ("INV-1", event), good, &key).await;
    assert_eq!(check_ok(&first), check_ok(&again));
    let mut other = good.clone();
    other["amount"] = json!(160_000);
    let refused = post(system, ("INV-1", event), &other).await;
    let stored = json!({ "stored": refused.json["stored"] });
    check_problem(&refused, 409, "NOTICE_EXISTS", stored);
    let refused = post_with(system, ("INV-1", event), &other, &key).await;
    let stored = json!({ "stored": refused.json["stored"] });
    check_problem(&refused, 422, "IDEMPOTENCY_KEY_REUSED", stored);
    assert_eq!(inbox(system, SITI).len(), 1);
}

async fn check_cap(event: &str, good: &Value) {
    let system = with_shop(Some(1)).await;
    assert_eq!(post(&system, ("INV-1", event), good).await.status, 200);
    let refused = post(&system, ("INV-2", event), good).await;
    let seconds = refused.json["retryAfterSeconds"].as_u64();
    let seconds = seconds.expect("until the day ends");
    check_limited(&refused, "caller", Duration::from_secs(seconds));
    assert_eq!(states(&system, "INV-2").await, [""; 0]);
}

/// The store is down: 503 and no message. The same again afterwards is taken once.
pub(super) async fn check_outage_of_store(event: &str, notice: &str, good: Value) {
    let system = with_callers().await;
    let down = system.with_faults(Faults::down());
    let refused = post(&down, ("INV-1", event), &good).await;
    check_unavailable(&refused);
    assert_eq!(inbox(&system, SITI), [""; 0]);
    for _ in 0..2 {
        check_told(&post(&system, ("INV-1", event), &good).await, notice);
    }
    assert_eq!(inbox(&system, SITI).len(), 1);
}

/// The path that a payment gateway posts to.
pub(super) async fn bridge_path(system: &TestSystem, bridge: BridgeName) -> String {
    let ring = KeyRing::new(&system.without_faults(), RingName::Webhooks);
    let ring = ring.read(system.now()).await.expect("a ring");
    webhook::bridge_path(&ring, bridge, system.now()).expect("a key")
}

/// A made-up webhook of a payment gateway, of `tests/model/webhooks`.
pub(super) fn webhook_sample(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/model/webhooks");
    let text = fs::read_to_string(format!("{folder}/{name}.json"));
    serde_json::from_str(&text.expect("a sample")).expect("JSON")
}

/// A body with other values in some fields; `null` takes one away.
pub(super) fn with(mut body: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("changes") {
        if value.is_null() {
            body.as_object_mut().expect("a body").remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

/// The payment of the samples, as its merchant told of it.
pub(super) async fn with_bill() -> TestSystem {
    let system = with_callers().await;
    let told = post(&system, ("INV-0042", "created"), &about()).await;
    check_told(&told, "created");
    system
}

/// Checks that a webhook was taken and leads to nothing, for this reason; or to something, if that is empty.
#[track_caller]
pub(super) fn check_webhook(reply: &Reply, label: &str, ignored: &str) {
    let expected = match ignored {
        "" => json!({}),
        why => json!({ "ignored": why }),
    };
    assert_eq!(check_ok(reply), &expected, "{label}");
}

/// What is logged while it lives.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps what this thread logs, until the guard is dropped.
    pub(super) fn of_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let guard = tracing::subscriber::set_default(subscriber.finish());
        (log, guard)
    }

    pub(super) fn says(&self, text: &str) -> bool {
        let bytes = self.0.lock().expect("no panic");
        String::from_utf8_lossy(&bytes).contains(text)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
