//! Erasing a phone.
use std::time::Duration;

use serde_json::Value;
use shared::flows::payments::Notices;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::store::caller_list::CallerListChanges;
use shared::store::logins::{Closed, LoginsTable};
use tests::TestSystem;

use super::act::*;

/// Every item of every table that names the phone.
async fn traces(system: &TestSystem) -> Vec<String> {
    let mut traces = Vec::new();
    let tables = system.dynamodb().list_tables().send().await.unwrap();
    for table in tables.table_names() {
        let items = rows(system, table).await;
        let items = items.iter().map(|item| format!("{table}: {item:?}"));
        traces.extend(items.filter(|item| item.contains("8123456789") || item.contains("siti@")));
    }
    traces
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_phone_is_left_and_everything_ends() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        let held = signed_up(&system, PHONE).await;
        signed_in_with_code(&system).await;
        sign_in(&system, PHONE, "salah-terus-menerus").await;
        let other = signed_up_without_email(&system, OTHER).await;
        assert!(traces(&system).await.len() > 5);

        let said = operate(&system, &["users", "erase", "--dry-run", PHONE])
            .await
            .unwrap();
        assert!(said.contains("62812****789 has a user and codes"), "{said}");
        assert!(user_of(&system, PHONE).await.is_some());

        let said = operate(&system, &["users", "erase", PHONE]).await.unwrap();
        assert!(said.contains("62812****789 had "), "{said}");
        assert_eq!(traces(&system).await, Vec::<String>::new());
        assert_eq!(session(&system, &held["token"]).await.status, 401);
        assert_eq!(refresh(&system, &held["refreshToken"]).await.status, 401);

        let again = operate(&system, &["users", "erase", PHONE]).await.unwrap();
        assert!(
            again.contains("had no user, no codes and 0 logins"),
            "{again}"
        );
        assert_eq!(session(&system, &other["token"]).await.status, 200);
        signed_up(&system, PHONE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn ending_the_logins_of_a_phone_says_whether_more_are_left() {
    let system = TestSystem::start().await;
    signed_up(&system, PHONE).await;
    for _ in 0..3 {
        signed_in_with_code(&system).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let (logins, phone) = (LoginsTable::new(system.backends()), parsed(PHONE));
    for (case, most, closed, left) in [
        ("none of four", 0, Closed::MoreLeft(0), 4),
        ("three of four", 3, Closed::MoreLeft(3), 1),
        ("the last one", 1, Closed::Done(1), 0),
        ("nothing is left", 0, Closed::Done(0), 0),
    ] {
        assert_eq!(
            logins.close_of(&phone, most).await.unwrap(),
            closed,
            "{case}"
        );
        assert_eq!(rows(&system, "LoginsTable").await.len(), left, "{case}");
    }
}

async fn signed_in_with_code(system: &TestSystem) {
    let asked = serde_json::json!({"identifier": PHONE, "method": "whatsapp"});
    let sent = system.post("/api/auth/sso-signin", asked).await;
    let signed_in = answer(system, "/api/auth/sso-verify", PHONE, &sent, Value::Null).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.json);
}

async fn signed_up_without_email(system: &TestSystem, phone: &str) -> Value {
    let asked =
        serde_json::json!({"name": "Budi", "phone": phone, "password": "kuda-lari-kencang"});
    let sent = system.post("/api/auth/signup", asked).await;
    let confirmed = answer(system, "/api/auth/verify-otp", phone, &sent, Value::Null).await;
    confirmed.json["data"].clone()
}

#[tokio::test(start_paused = true)]
async fn sign_ups_that_wait_are_erased_with_their_code() {
    let system = TestSystem::start().await;
    sign_up(&system, PHONE).await;
    // The second repeats the code of the first; the third has one of its own.
    tokio::time::sleep(Duration::from_secs(61)).await;
    sign_up(&system, PHONE).await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    let sent = sign_up(&system, PHONE).await;
    assert_eq!(rows(&system, "RegistrationsTable").await.len(), 3);
    operate(&system, &["users", "erase", PHONE]).await.unwrap();
    assert_eq!(traces(&system).await, Vec::<String>::new());
    let confirmed = answer(&system, "/api/auth/verify-otp", PHONE, &sent, Value::Null).await;
    assert_eq!(confirmed.status, 400, "{}", confirmed.json);
    assert!(user_of(&system, PHONE).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn of_an_erasure_and_a_confirmation_at_once_no_half_is_left() {
    for seed in 0..10 {
        let system = TestSystem::builder().seed(seed).build().await;
        let sent = sign_up(&system, PHONE).await;
        let confirming = answer(&system, "/api/auth/verify-otp", PHONE, &sent, Value::Null);
        let erase = ["users", "erase", PHONE];
        let (_, erased) = tokio::join!(confirming, operate(&system, &erase));
        erased.unwrap();
        match user_of(&system, PHONE).await {
            // The confirmation came after the erasure, or not at all.
            Some(_) => assert_eq!(
                sign_in(&system, PHONE, "kuda-lari-kencang").await.status,
                200
            ),
            None => assert_eq!(rows(&system, "UsersTable").await.len(), 0),
        }
        operate(&system, &erase).await.unwrap();
        assert_eq!(traces(&system).await, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn payments_of_the_phone_are_erased_and_what_waits_of_them_is_never_sent() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        allow_payments(&system).await;
        let expires_at = system.now().plus(Duration::from_secs(7_200)).rfc3339();
        for (payment, phone) in [("INV-1", PHONE), ("INV-2", PHONE), ("INV-3", OTHER)] {
            let body = serde_json::json!({
                "phone": phone, "customerName": "Siti", "amount": 150_000, "currency": "IDR",
                "expiresAt": expires_at,
            });
            assert_eq!(post_created(&system, payment, &body).await, 202);
        }
        let typed = ["users", "erase", "--dry-run", PHONE];
        let said = operate(&system, &typed).await.unwrap();
        // Each has two warnings.
        let found = "2 payments with 6 notices that had not gone out";
        assert!(said.contains(found), "{said}");

        let said = operate(&system, &["users", "erase", PHONE]).await.unwrap();
        assert!(said.contains(found), "{said}");
        assert!(said.contains("No message goes out for these"), "{said}");
        assert_eq!(traces(&system).await, Vec::<String>::new());
        for _ in 0..150 {
            let notices = Notices::new(&system.without_faults());
            let deadline = system.now().plus(Duration::from_secs(60));
            notices.deliver_due(deadline).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let messages = system.simulator().messages(None);
        assert_eq!(messages.len(), 3, "those of somebody else: {messages:?}");

        let again = operate(&system, &["users", "erase", PHONE]).await.unwrap();
        assert!(again.contains("0 payments with 0 notices"), "{again}");
    }
}

const PAYMENT_KEY: &str = "pay_the-key-of-the-shop";

async fn allow_payments(system: &TestSystem) {
    let shop = PaymentCaller {
        name: "shop".into(),
        sha256: hash_of(PAYMENT_KEY),
        scopes: vec![Scope::Payments],
        daily_cap: None,
        retire_at: None,
    };
    let changes = CallerListChanges::new(&system.without_faults());
    let seen = changes.read().await.unwrap();
    changes.write(&seen, &[shop]).await.unwrap();
}

/// Posts a payment whose message is not sent at once.
async fn post_created(system: &TestSystem, payment: &str, body: &Value) -> u16 {
    let authorization = format!("Bearer {PAYMENT_KEY}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("prefer", "respond-async"),
    ];
    let path = format!("/api/payments/{payment}/created");
    let reply = system.request("POST", &path, &headers, body.to_string());
    reply.await.status
}
