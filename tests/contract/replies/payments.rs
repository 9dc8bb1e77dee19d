//! What payment systems and payment gateways are answered.
use std::time::Duration;

use http::header;
use local::database::Faults;
use local::simulator::Scenario;
use serde_json::{Value, json};
use shared::model::bridge::midtrans::{self, Signed};
use shared::model::bridge::{BridgeName, Secret};
use shared::model::keys::RingName;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::model::webhook;
use shared::runtime::settings::Settings;
use shared::store::caller_list::CallerListChanges;
use shared::store::keys::KeyRing;
use shared::store::keys::ListChanged;
use tests::TestSystem;

use super::{Asker, JSON, PHONE};

const KEY: &str = "pay_the-key-of-the-shop";
const SERVER_KEY: &str = "SB-Mid-server-sample";
const TOKEN: &str = "token-of-the-account";

/// What may happen to a payment.
const EVENTS: [&str; 4] = ["created", "expiry-warning", "status", "success"];

/// Who may send what happens to payments.
pub fn shop() -> PaymentCaller {
    PaymentCaller {
        name: "shop".into(),
        sha256: hash_of(KEY),
        scopes: vec![Scope::Payments],
        daily_cap: Some(1_000),
        retire_at: None,
    }
}

/// A system with accounts at both payment gateways, and with `callers`.
pub async fn system(callers: &[PaymentCaller]) -> TestSystem {
    system_with(callers, |_| {}).await
}

/// The same with other settings.
pub async fn system_with(
    callers: &[PaymentCaller],
    change: impl FnOnce(&mut Settings),
) -> TestSystem {
    let system = TestSystem::builder().settings(|settings| {
        change(settings);
        settings.bridges.midtrans_keys = vec![secret(SERVER_KEY)];
        settings.bridges.xendit_tokens = vec![secret(TOKEN)];
        settings.bridges.phone_field = Some("metadata.phone".into());
    });
    let system = system.build().await;
    allow(&system, callers).await;
    system
}

/// Makes `callers` the ones who may call.
pub async fn allow(system: &TestSystem, callers: &[PaymentCaller]) {
    let changes = CallerListChanges::new(&system.without_faults());
    let seen = changes.read().await.expect("the list");
    let changed = changes.write(&seen, callers).await.expect("written");
    assert_eq!(changed, ListChanged::Done);
}

/// The key of a backend that calls for its users.
pub const BACKEND_KEY: &str = "pay_the-key-of-a-backend";

/// A backend that calls for its users.
pub fn backend() -> PaymentCaller {
    PaymentCaller {
        name: "backend".into(),
        sha256: hash_of(BACKEND_KEY),
        scopes: vec![Scope::OnBehalf],
        ..shop()
    }
}

fn secret(text: &str) -> Secret {
    Secret::parse(text).expect("a secret")
}

fn path(payment: &str, event: &str) -> String {
    format!("/api/payments/{payment}/{event}")
}

/// A body of each event that says whom it is about.
fn body(system: &TestSystem, event: &str) -> Value {
    let mut body = json!({
        "phone": PHONE, "amount": 150_000, "currency": "IDR",
        "expiresAt": system.now().plus(Duration::from_secs(5_400)).rfc3339(),
    });
    match event {
        "status" => body["status"] = json!("failed"),
        "success" => body["paidAt"] = json!(system.now().rfc3339()),
        _ => {}
    }
    body
}

/// Has the notices of two payments kept, none of them tried.
pub async fn later(system: &TestSystem) {
    let authorization = format!("Bearer {KEY}");
    let headers = [
        JSON,
        ("authorization", authorization.as_str()),
        ("prefer", "respond-async"),
    ];
    for (payment, event) in [("INV-1", "created"), ("INV-2", "success")] {
        let body = body(system, event).to_string();
        let path = path(payment, event);
        let told = system.request("POST", &path, &headers, body).await;
        assert_eq!(told.status, 202, "{event}");
    }
}

/// What Midtrans posts of a payment, signed.
fn midtrans(system: &TestSystem, order_id: &str) -> Value {
    let signed = Signed {
        order_id,
        status_code: "200",
        gross_amount: "150000.00",
    };
    json!({
        "order_id": order_id, "status_code": "200", "gross_amount": "150000.00", "currency": "IDR",
        "transaction_status": "settlement", "transaction_id": order_id, "payment_type": "qris",
        "fraud_status": "accept", "metadata": { "phone": PHONE }, "merchant_id": "G000000001",
        "settlement_time": jakarta(system), "transaction_time": jakarta(system),
        "signature_key": midtrans::sign(&signed, &secret(SERVER_KEY)),
    })
}

/// The time as Midtrans writes it.
fn jakarta(system: &TestSystem) -> String {
    let ahead = Duration::from_secs(7 * 3_600);
    let text = system.now().plus(ahead).rfc3339();
    text[..19].replace('T', " ")
}

/// What Xendit posts of a payment.
fn xendit(system: &TestSystem, reference: &str) -> Value {
    json!({
        "event": "payment.capture",
        "data": {
            "payment_id": reference, "reference_id": reference, "status": "SUCCEEDED", "currency": "IDR",
            "request_amount": 150_000, "updated": system.now().rfc3339(),
            "metadata": { "phone": PHONE },
        },
    })
}

/// The path that a payment gateway posts to.
async fn bridge_path(system: &TestSystem, bridge: BridgeName) -> String {
    let ring = KeyRing::new(&system.without_faults(), RingName::Webhooks);
    let ring = ring.read(system.now()).await.expect("a ring");
    webhook::bridge_path(&ring, bridge, system.now()).expect("a key")
}

impl Asker {
    /// Asks the endpoints about payments for everything that they answer.
    pub(super) async fn payments(&mut self) {
        let usual = system(&[shop()]).await;
        self.events(&usual).await;
        self.bad_events(&usual).await;
        self.strangers(&usual).await;
        self.capped().await;
        for scenario in [
            Scenario::Unpaired,
            Scenario::ColdSession,
            Scenario::AckLost {
                sends: 1,
                delivered: false,
                lasts_ms: 60_000,
            },
        ] {
            for event in EVENTS {
                self.event_on(&scenario, event).await;
            }
            let down = system(&[shop()]).await;
            down.simulator().play(&scenario);
            self.events(&down).await;
            let down = system(&[shop()]).await;
            down.simulator().play(&scenario);
            self.bridges(&down).await;
        }
        let usual = system(&[shop()]).await;
        self.bridges(&usual).await;
        let down = usual.with_faults(Faults::down());
        self.bridges(&down).await;
        self.events(&down).await;
        self.history(&down, "INV-created").await;
    }

    async fn event(&mut self, system: &TestSystem, path: &str, key: Option<&str>, body: Value) {
        let authorization = format!("Bearer {KEY}");
        let mut headers = vec![JSON, ("authorization", authorization.as_str())];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.send(system, "POST", path, &headers, body.to_string())
            .await;
    }

    /// An event as the first one after the gateway changed.
    async fn event_on(&mut self, scenario: &Scenario, event: &str) {
        let system = system(&[shop()]).await;
        if event == "expiry-warning" {
            self.bill(&system, "INV-1").await;
            tokio::time::advance(Duration::from_secs(300)).await;
        }
        system.simulator().play(scenario);
        let body = body(&system, event);
        self.event(&system, &path("INV-1", event), None, body).await;
    }

    async fn bill(&mut self, system: &TestSystem, payment: &str) {
        let body = body(system, "created");
        self.event(system, &path(payment, "created"), None, body)
            .await;
    }

    async fn history(&mut self, system: &TestSystem, payment: &str) {
        let path = path(payment, "notifications");
        self.ask(system, "GET", &path, &json!(KEY), String::new())
            .await;
    }

    /// Each event: good, again, with other contents, under the key of another one, and what becomes of it.
    async fn events(&mut self, system: &TestSystem) {
        for event in EVENTS {
            let (payment, good) = (format!("INV-{event}"), body(system, event));
            if event == "expiry-warning" {
                self.bill(system, &payment).await;
            }
            let address = path(&payment, event);
            self.event(system, &address, Some(event), good.clone())
                .await;
            self.event(system, &address, Some(event), good.clone())
                .await;
            let mut other = good.clone();
            other["amount"] = json!(160_000);
            let later = system.now().plus(Duration::from_secs(7_200));
            other["expiresAt"] = json!(later.rfc3339());
            self.event(system, &address, None, other.clone()).await;
            self.event(system, &address, Some(event), other).await;
            self.history(system, &payment).await;
        }
    }

    async fn bad_events(&mut self, system: &TestSystem) {
        for event in EVENTS {
            let (payment, good) = (format!("INV-bad-{event}"), body(system, event));
            let address = path(&payment, event);
            let too_long = "k".repeat(256);
            self.event(system, &address, Some(&too_long), good.clone())
                .await;
            self.event(system, &path("a%20b", event), None, good.clone())
                .await;
            for (field, wrong) in [
                ("phone", json!("12")),
                ("phone", json!("")),
                ("phone", Value::Null),
                ("currency", json!("XXL")),
                ("expiresAt", json!("tomorrow")),
            ] {
                let mut bad = good.clone();
                bad[field] = wrong;
                self.event(system, &address, None, bad).await;
            }
            let token = json!(KEY);
            for text in ["hello".to_owned(), " ".repeat(17_000)] {
                self.ask(system, "POST", &address, &token, text).await;
            }
            let bearer = format!("Bearer {KEY}");
            let headers = [(header::AUTHORIZATION.as_str(), bearer.as_str())];
            self.send(system, "POST", &address, &headers, good.to_string())
                .await;
        }
        for payment in ["a%20b", "INV-unknown"] {
            self.history(system, payment).await;
        }
    }

    /// Who has no key, one that is unknown, or one for something else.
    async fn strangers(&mut self, system: &TestSystem) {
        let reader = PaymentCaller {
            scopes: Vec::new(),
            ..shop()
        };
        let readers = self::system(&[reader]).await;
        for (system, token) in [
            (system, Value::Null),
            (system, json!("pay_unknown")),
            (&readers, json!(KEY)),
        ] {
            for event in EVENTS {
                let body = body(system, event).to_string();
                self.ask(system, "POST", &path("INV-1", event), &token, body)
                    .await;
            }
            let path = path("INV-1", "notifications");
            self.ask(system, "GET", &path, &token, String::new()).await;
        }
    }

    /// Who may send one notice a day sends two, of payments that are known.
    async fn capped(&mut self) {
        for event in EVENTS {
            let may_send = |daily_cap| PaymentCaller {
                daily_cap,
                ..shop()
            };
            let system = system(&[may_send(None)]).await;
            for payment in ["INV-1", "INV-2"] {
                let body = body(&system, "created");
                self.event(&system, &path(payment, "created"), None, body)
                    .await;
            }
            allow(&system, &[may_send(Some(1))]).await;
            tokio::time::sleep(Duration::from_secs(61)).await;
            for payment in ["INV-1", "INV-2"] {
                let body = body(&system, event);
                self.event(&system, &path(payment, event), None, body).await;
            }
        }
    }

    /// What the payment gateways post: genuine, again, from somebody else, and unreadable.
    async fn bridges(&mut self, system: &TestSystem) {
        let paths = [
            (BridgeName::Midtrans, midtrans(system, "INV-M")),
            (BridgeName::Xendit, xendit(system, "INV-X")),
        ];
        for (bridge, body) in paths {
            let address = bridge_path(system, bridge).await;
            let elsewhere = format!("/api/webhooks/{}/elsewhere", bridge.name());
            let headers = [JSON, ("x-callback-token", TOKEN)];
            for (path, text) in [
                (&elsewhere, body.to_string()),
                (&address, "hello".into()),
                (&address, body.to_string()),
                (&address, body.to_string()),
            ] {
                self.send(system, "POST", path, &headers, text).await;
            }
        }
    }
}
