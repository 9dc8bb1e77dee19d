//! The same event again, another one under its name, and who may send any.
use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use tokio::time::advance;

use super::act::*;

#[tokio::test(start_paused = true)]
async fn the_same_event_fifty_times_at_once_is_one_message_and_one_answer() {
    let system = system().await;
    let body = created(&system);
    let posts = (0..50).map(|_| post(&system, "INV-1", "created", body.clone()));
    let replies = join_all(posts).await;
    let answers: BTreeSet<_> = replies
        .iter()
        .map(|reply| (reply.status, reply.json["data"].to_string()))
        .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(replies[0].status, 200);
    assert_eq!(texts(&system).len(), 1);
    let again = post(&system, "INV-1", "created", body).await;
    assert_eq!(again.json["data"], replies[0].json["data"]);
    assert_eq!(
        system.simulator().messages(None).len(),
        1,
        "not even a duplicate"
    );
}

#[tokio::test(start_paused = true)]
async fn what_says_something_else_under_the_same_name_is_refused_with_what_is_stored() {
    let system = system().await;
    let first = post(&system, "INV-1", "created", created(&system)).await;
    for (field, other) in [
        ("amount", json!(150_001)),
        ("currency", json!("USD")),
        ("customerName", json!("Budi")),
        ("phone", json!("08123456780")),
        ("locale", json!("en")),
        ("paymentUrl", json!("https://pay.example/i/1")),
    ] {
        let mut body = created(&system);
        body[field] = other;
        let refused = post(&system, "INV-1", "created", body).await;
        assert_eq!(
            (refused.status, &refused.json["error"]),
            (409, &json!("NOTICE_EXISTS")),
            "{field}"
        );
        let stored = &refused.json["stored"];
        assert_eq!(
            stored["messageId"], first.json["data"]["messageId"],
            "{field}"
        );
    }
    // The same written otherwise is the same.
    let mut body = created(&system);
    body["amount"] = json!("150000.00");
    body["phone"] = json!("+62 812-3456-789");
    assert_eq!(post(&system, "INV-1", "created", body).await.status, 200);
    assert_eq!(texts(&system).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_key_is_for_one_event() {
    let system = system().await;
    let key = [("idempotency-key", "k-1")];
    let first = post_with(&system, "INV-1", "created", created(&system), &key).await;
    assert_eq!(first.status, 200, "{}", first.json);
    let again = post_with(&system, "INV-1", "created", created(&system), &key).await;
    assert_eq!(again.json["data"], first.json["data"]);
    let mut other = created(&system);
    other["amount"] = json!(1);
    let refused = post_with(&system, "INV-1", "created", other, &key).await;
    assert_eq!(
        (refused.status, &refused.json["error"]),
        (422, &json!("IDEMPOTENCY_KEY_REUSED"))
    );
    assert!(refused.json["stored"]["messageId"].is_string());
    // It is the payment's and the route's.
    advance(MINUTE).await;
    let paid = post_with(&system, "INV-1", "success", json!({}), &key).await;
    assert_eq!(paid.status, 200, "{}", paid.json);
    let failed = json!({ "status": "reversed" });
    let key = [("idempotency-key", "k-2")];
    assert_eq!(
        post_with(&system, "INV-1", "status", failed, &key)
            .await
            .status,
        200
    );
    let refunded = json!({ "status": "refunded", "sequence": "9" });
    let refused = post_with(&system, "INV-1", "status", refunded, &key).await;
    assert_eq!(refused.status, 422, "{}", refused.json);
    for bad in ["", "two\u{e9}", &"k".repeat(256)] {
        let refused = post_with(
            &system,
            "INV-9",
            "created",
            about(),
            &[("idempotency-key", bad)],
        )
        .await;
        assert_eq!(refused.json["error"], "INVALID_IDEMPOTENCY_KEY", "{bad}");
        assert_eq!(history(&system, "INV-9").await.status, 404, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_sends_notices_without_a_key_for_that() {
    let system = system().await;
    let unscoped = PaymentCaller {
        name: "reader".into(),
        sha256: hash_of("pay_reader"),
        scopes: vec![Scope::OnBehalf],
        ..shop()
    };
    let retired = PaymentCaller {
        sha256: hash_of("pay_old"),
        retire_at: Some(system.now()),
        ..shop()
    };
    allow(&system, &[shop(), unscoped, retired]).await;
    // The list is held for a minute.
    advance(2 * MINUTE).await;
    for (label, authorization, status, error) in [
        ("no key", None, 401, "MISSING_CALLER_KEY"),
        (
            "an unknown key",
            Some("Bearer pay_unknown"),
            401,
            "INVALID_CALLER_KEY",
        ),
        (
            "a retired key",
            Some("Bearer pay_old"),
            401,
            "INVALID_CALLER_KEY",
        ),
        (
            "a key for something else",
            Some("Bearer pay_reader"),
            403,
            "CALLER_NOT_ALLOWED",
        ),
    ] {
        for (method, event) in [
            ("POST", "created"),
            ("POST", "success"),
            ("POST", "status"),
            ("POST", "expiry-warning"),
            ("GET", "notifications"),
        ] {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(authorization.map(|key| ("authorization", key)));
            let path = format!("/api/payments/INV-1/{event}");
            let reply = system
                .request(method, &path, &headers, about().to_string())
                .await;
            assert_eq!(
                (reply.status, &reply.json["error"]),
                (status, &json!(error)),
                "{label}, {event}"
            );
        }
    }
    assert_eq!(history(&system, "INV-1").await.status, 404);
    assert_eq!(texts(&system).len(), 0);
}

/// A system whose caller may cause so many notices a day.
async fn capped_at(notices: u32) -> tests::TestSystem {
    let system = tests::TestSystem::start().await;
    let capped = PaymentCaller {
        daily_cap: Some(notices),
        ..shop()
    };
    allow(&system, &[capped]).await;
    system
}

#[tokio::test(start_paused = true)]
async fn a_caller_over_its_cap_is_told_and_repeats_are_free() {
    let system = capped_at(3).await;
    for number in 1..=3 {
        for times in 1..=3 {
            let payment = format!("INV-{number}");
            let told = post(&system, &payment, "success", about()).await;
            assert!(told.status < 300, "{number}, {times}: {}", told.json);
        }
    }
    let refused = post(&system, "INV-4", "success", about()).await;
    assert_eq!(
        (refused.status, &refused.json["limit"]),
        (429, &json!("caller"))
    );
    assert_eq!(history(&system, "INV-4").await.status, 404);
    advance(24 * HOUR).await;
    assert_eq!(post(&system, "INV-4", "success", about()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn events_that_come_to_nothing_use_no_cap_up() {
    let system = capped_at(2).await;
    assert_eq!(post(&system, "INV-1", "success", about()).await.status, 200);
    for number in 2..=5 {
        let unknown = post(&system, &format!("INV-{number}"), "success", json!({})).await;
        assert_eq!(unknown.status, 404, "{}", unknown.json);
        let late = json!({ "status": "cancelled" });
        let unchanged = post(&system, "INV-1", "status", late).await;
        assert_eq!(unchanged.json["data"]["state"], "unchanged");
    }
    assert_eq!(post(&system, "INV-6", "success", about()).await.status, 200);
    assert_eq!(post(&system, "INV-7", "success", about()).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn bad_events_change_nothing() {
    let system = system().await;
    for (field, wrong, error, reason) in [
        ("phone", json!(null), "INVALID_FIELD", "missing"),
        ("phone", json!("0812"), "INVALID_PHONE_FORMAT", "too_short"),
        ("phone", json!(8123), "INVALID_FIELD", "wrong_type"),
        ("amount", json!(null), "INVALID_FIELD", "missing"),
        ("amount", json!(-1), "INVALID_FIELD", "not_plain"),
        ("amount", json!("1e6"), "INVALID_FIELD", "not_plain"),
        (
            "amount",
            json!("1000000000000001"),
            "INVALID_FIELD",
            "too_large",
        ),
        ("currency", json!("XXL"), "INVALID_FIELD", "invalid"),
        ("currency", json!(null), "INVALID_FIELD", "missing"),
        (
            "paymentUrl",
            json!("http://pay.example"),
            "INVALID_FIELD",
            "invalid",
        ),
        ("expiresAt", json!("tomorrow"), "INVALID_FIELD", "invalid"),
        ("timeZone", json!("WIB"), "INVALID_FIELD", "invalid"),
    ] {
        let mut body = created(&system);
        body[field] = wrong.clone();
        let refused = post(&system, "INV-1", "created", body).await;
        let told = (
            refused.status,
            &refused.json["error"],
            &refused.json["reason"],
        );
        assert_eq!(
            told,
            (400, &json!(error), &json!(reason)),
            "{field} {wrong}: {}",
            refused.json
        );
    }
    for id in ["a%20b", "a%2Fb", &"a".repeat(256), "%E2%80%AEa"] {
        let refused = post(&system, id, "created", created(&system)).await;
        assert_eq!(refused.json["error"], "INVALID_PAYMENT_ID", "{id}");
    }
    assert_eq!(history(&system, "INV-1").await.status, 404);
    assert_eq!(texts(&system).len(), 0);
}
