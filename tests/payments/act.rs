//! What payment systems do, and what the schedule does for their notices.
use std::collections::BTreeSet;
use std::time::Duration;

use local::simulator::{InboxMessage, SessionState};
use serde_json::{Value, json};
use shared::flows::payments::Notices;
use shared::flows::payments::deliver::Delivered;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::store::caller_list::CallerListChanges;
use shared::store::keys::ListChanged;
use tests::{Reply, TestSystem};

/// The key of the usual caller.
pub const KEY: &str = "pay_the-key-of-the-shop";
/// The customer.
pub const SITI: &str = "08123456789";
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);

/// The usual caller.
pub fn shop() -> PaymentCaller {
    PaymentCaller {
        name: "shop".into(),
        sha256: hash_of(KEY),
        scopes: vec![Scope::Payments],
        daily_cap: None,
        retire_at: None,
    }
}

/// Makes `callers` the ones who may call.
pub async fn allow(system: &TestSystem, callers: &[PaymentCaller]) {
    let changes = CallerListChanges::new(&system.without_faults());
    let seen = changes.read().await.expect("the list");
    let changed = changes.write(&seen, callers).await.expect("written");
    assert_eq!(changed, ListChanged::Done);
}

/// A system with one caller.
pub async fn system() -> TestSystem {
    let system = TestSystem::start().await;
    allow(&system, &[shop()]).await;
    system
}

/// Posts an event.
pub async fn post(system: &TestSystem, payment: &str, event: &str, body: Value) -> Reply {
    post_with(system, payment, event, body, &[]).await
}

/// Posts an event, with more headers.
pub async fn post_with(
    system: &TestSystem,
    payment: &str,
    event: &str,
    body: Value,
    more: &[(&str, &str)],
) -> Reply {
    let authorization = format!("Bearer {KEY}");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
    ];
    headers.extend(more);
    let path = format!("/api/payments/{payment}/{event}");
    system
        .request("POST", &path, &headers, body.to_string())
        .await
}

/// What became of the notices of a payment.
pub async fn notices(system: &TestSystem, payment: &str) -> Vec<Value> {
    let reply = history(system, payment).await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    let notices = reply.json["data"]["notices"].as_array();
    notices.expect("notices").clone()
}

/// The reply that lists the notices of a payment.
pub async fn history(system: &TestSystem, payment: &str) -> Reply {
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", authorization.as_str())];
    let path = format!("/api/payments/{payment}/notifications");
    system.request("GET", &path, &headers, "").await
}

/// The state of each notice of a payment, such as `created sent`.
pub async fn states(system: &TestSystem, payment: &str) -> Vec<String> {
    let notices = notices(system, payment).await;
    let word = |notice: &Value, name: &str| notice[name].as_str().unwrap_or_default().to_owned();
    let states = notices.iter();
    states
        .map(|notice| format!("{} {}", word(notice, "notice"), word(notice, "state")))
        .collect()
}

/// A payment of Siti's that expires in an hour and a half.
pub fn created(system: &TestSystem) -> Value {
    json!({
        "phone": SITI, "customerName": "Siti", "amount": 150_000, "currency": "IDR",
        "expiresAt": system.now().plus(90 * MINUTE).rfc3339(),
    })
}

/// The same payment, without an end.
pub fn about() -> Value {
    json!({ "phone": SITI, "customerName": "Siti", "amount": 150_000, "currency": "IDR" })
}

/// The session is online again.
pub fn online(system: &TestSystem) {
    let online = system.simulator().set_state("system", SessionState::Online);
    online.expect("a session");
}

/// The texts that the customer has read, each once.
pub fn texts(system: &TestSystem) -> Vec<String> {
    let messages = inbox(system).into_iter();
    messages.map(|message| message.text).collect()
}

/// One call of the schedule.
pub async fn deliver(system: &TestSystem) -> Delivered {
    let deadline = system.now().plus(MINUTE);
    let delivered = Notices::new(system.backends()).deliver_due(deadline).await;
    delivered.expect("the store")
}

/// What the phones show: each message once, however often its id came.
pub fn inbox(system: &TestSystem) -> Vec<InboxMessage> {
    let mut ids = BTreeSet::new();
    let mut messages = system.simulator().messages(None);
    messages.retain(|message| ids.insert(message.id.clone()));
    messages
}
