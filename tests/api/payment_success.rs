//! `POST /api/payments/{paymentId}/success`
use super::paying::*;
use super::*;

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_taken() {
    let reply = sample(&with_callers().await, "payment-success").await;
    check_told(&reply, "success");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_leaves_nothing() {
    check_refusals("success", about()).await;
    let system = with_callers().await;
    let refused = post(&system, ("INV-9", "success"), &json!({})).await;
    check_problem(&refused, 404, "UNKNOWN_PAYMENT", json!({}));
    let mut wrong = about();
    wrong["paidAt"] = json!("yesterday");
    let refused = post(&system, ("INV-9", "success"), &wrong).await;
    check_problem(&refused, 400, "INVALID_FIELD", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_it_once_afterwards() {
    check_outage_of_store("success", "success", about()).await;
}
