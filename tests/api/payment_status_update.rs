//! `POST /api/payments/{paymentId}/status`
use super::paying::*;
use super::*;

fn failed() -> Value {
    with(about(), &json!({ "status": "failed" }))
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_of_a_payment_that_was_paid() {
    let system = with_callers().await;
    let reply = sample(&system, "payment-status-update").await;
    check_problem(&reply, 404, "UNKNOWN_PAYMENT", json!({}));
    let paid = post(&system, ("INV-0042", "success"), &about()).await;
    check_told(&paid, "success");
    let reply = sample(&system, "payment-status-update").await;
    check_told(&reply, "status.refunded.1");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_leaves_nothing() {
    check_refusals("status", failed()).await;
    let system = with_callers().await;
    for (field, wrong) in [
        ("status", json!("lost")),
        ("status", Value::Null),
        ("sequence", json!("a b")),
    ] {
        let mut bad = failed();
        bad[field] = wrong;
        let refused = post(&system, ("INV-9", "status"), &bad).await;
        check_problem(&refused, 400, "INVALID_FIELD", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_it_once_afterwards() {
    check_outage_of_store("status", "status.failed", failed()).await;
}
