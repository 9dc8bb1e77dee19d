//! `POST /api/payments/{paymentId}/expiry-warning`
use super::paying::*;
use super::*;

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_of_a_payment_that_waits() {
    let system = with_callers().await;
    let reply = sample(&system, "payment-expiry-warning").await;
    check_problem(&reply, 404, "UNKNOWN_PAYMENT", json!({}));
    let bill = post(&system, ("INV-0042", "created"), &about()).await;
    check_told(&bill, "created");
    pass(MINUTE).await;
    let reply = sample(&system, "payment-expiry-warning").await;
    check_told(&reply, "expiry-warning");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_leaves_nothing() {
    let system = with_bill().await;
    let event = ("INV-0042", "expiry-warning");
    let wrong = json!({ "expiresAt": "soon" });
    let refused = post(&system, event, &wrong).await;
    check_problem(&refused, 400, "INVALID_FIELD", json!({}));
    let refused = post(&system, ("a%20b", "expiry-warning"), &json!({})).await;
    check_problem(&refused, 400, "INVALID_PAYMENT_ID", json!({}));
    let refused = post_with(&system, event, &json!({}), &[("idempotency-key", "")]).await;
    check_problem(&refused, 400, "INVALID_IDEMPOTENCY_KEY", json!({}));
    check_strangers(&system, "POST", "expiry-warning", &json!({})).await;
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
}

#[tokio::test(start_paused = true)]
async fn another_warning_under_its_name_or_key_is_refused() {
    let system = with_bill().await;
    let event = ("INV-0042", "expiry-warning");
    let (soon, later) = (
        system.now().plus(90 * MINUTE),
        system.now().plus(2 * 60 * MINUTE),
    );
    let (soon, later) = (soon.rfc3339(), later.rfc3339());
    let (soon, later) = (json!({ "expiresAt": soon }), json!({ "expiresAt": later }));
    let key = [("idempotency-key", "k-1")];
    check_told(
        &post_with(&system, event, &soon, &key).await,
        "expiry-warning",
    );
    for (key, status, error) in [
        (&[][..], 409, "NOTICE_EXISTS"),
        (&key[..], 422, "IDEMPOTENCY_KEY_REUSED"),
    ] {
        let refused = post_with(&system, event, &later, key).await;
        let stored = json!({ "stored": refused.json["stored"] });
        check_problem(&refused, status, error, stored);
    }
    assert_eq!(inbox(&system, SITI).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_it_once_afterwards() {
    let system = with_bill().await;
    let event = ("INV-0042", "expiry-warning");
    let down = system.with_faults(Faults::down());
    check_unavailable(&post(&down, event, &json!({})).await);
    for _ in 0..2 {
        check_told(&post(&system, event, &json!({})).await, "expiry-warning");
    }
    assert_eq!(inbox(&system, SITI).len(), 2);
}
