//! `GET /api/payments/{paymentId}/notifications`
use super::paying::*;
use super::*;

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_of_a_payment_that_is_known() {
    let reply = sample(&with_bill().await, "payment-notifications").await;
    let data = check_ok(&reply);
    assert_eq!(data["phone"], "62812****789");
    assert_eq!(data["notices"][0]["state"], "sent");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_tells_nothing() {
    let system = with_callers().await;
    check_strangers(&system, "GET", "notifications", &json!({})).await;
    let refused = history(&system, "a%20b").await;
    check_problem(&refused, 400, "INVALID_PAYMENT_ID", json!({}));
    let refused = history(&system, "INV-9").await;
    check_problem(&refused, 404, "UNKNOWN_PAYMENT", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_says_so() {
    let system = with_bill().await;
    check_unavailable(&history(&system.with_faults(Faults::down()), "INV-0042").await);
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
}
