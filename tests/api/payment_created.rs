//! `POST /api/payments/{paymentId}/created`
use super::paying::*;
use super::*;

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_taken() {
    let reply = sample(&with_callers().await, "payment-created").await;
    check_told(&reply, "created");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_leaves_nothing() {
    check_refusals("created", about()).await;
    let system = with_callers().await;
    let mut nobody = about();
    nobody["phone"] = Value::Null;
    let refused = post(&system, ("INV-9", "created"), &nobody).await;
    assert_eq!(
        (refused.status, &refused.json["success"]),
        (400, &json!(false))
    );
    for expires_at in ["tomorrow", "2027-11-25T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let mut late = about();
        late["expiresAt"] = json!(expires_at);
        let refused = post(&system, ("INV-9", "created"), &late).await;
        check_problem(&refused, 400, "INVALID_FIELD", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_it_once_afterwards() {
    check_outage_of_store("created", "created", about()).await;
}
