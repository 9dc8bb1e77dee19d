//! `POST /api/webhooks/midtrans/{address}`
use shared::model::bridge::midtrans::{self, Signed};
use shared::model::bridge::{BODY_BYTES_MAX, BridgeName};

use super::paying::*;
use super::*;

/// A body with other values, and the signature that belongs to it under `key`.
fn signed_with(key: &str, name: &str, changes: &Value) -> Value {
    let body = with(webhook_sample(&format!("midtrans-{name}")), changes);
    let text = |name: &str| body[name].as_str().expect("a text");
    let signed = Signed {
        order_id: text("order_id"),
        status_code: text("status_code"),
        gross_amount: text("gross_amount"),
    };
    let signature = midtrans::sign(&signed, &secret(key));
    with(body, &json!({ "signature_key": signature }))
}

fn signed(name: &str, changes: &Value) -> Value {
    signed_with(SERVER_KEY, name, changes)
}

async fn notify(system: &TestSystem, body: impl Into<Vec<u8>>) -> Reply {
    let path = bridge_path(system, BridgeName::Midtrans).await;
    let headers = [("content-type", "application/json")];
    system.request("POST", &path, &headers, body.into()).await
}

/// Posts one webhook after the other, each with why it leads to nothing.
async fn notify_all(system: &TestSystem, webhooks: &[(&str, Value, &str)]) {
    for (name, changes, ignored) in webhooks {
        let reply = notify(system, signed(name, changes).to_string()).await;
        check_webhook(&reply, &format!("{name} {changes}"), ignored);
    }
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_comes_to_another_address() {
    let reply = sample(&with_callers().await, "payments-midtrans").await;
    check_problem(&reply, 401, "WEBHOOK_NOT_GENUINE", json!({}));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_signed_is_taken() {
    let system = with_bill().await;
    let genuine = signed("settlement", &json!({}));
    for changes in [
        json!({ "signature_key": null }),
        json!({ "signature_key": "00" }),
        json!({ "order_id": "INV-0043" }),
        json!({ "gross_amount": "1500000.00" }),
        json!({ "status_code": "201" }),
    ] {
        let body = with(genuine.clone(), &changes).to_string();
        let refused = notify(&system, body).await;
        check_problem(&refused, 401, "WEBHOOK_NOT_GENUINE", json!({}));
    }
    let other = signed_with("the key of others", "settlement", &json!({}));
    let refused = notify(&system, other.to_string()).await;
    check_problem(&refused, 401, "WEBHOOK_NOT_GENUINE", json!({}));
    for bridge in ["midtrans/elsewhere", "midtrans/AjqBZ6uSI1nKsE_OvwXZaw"] {
        let path = format!("/api/webhooks/{bridge}");
        let headers = [("content-type", "application/json")];
        let refused = system.request("POST", &path, &headers, genuine.to_string());
        check_problem(&refused.await, 401, "WEBHOOK_NOT_GENUINE", json!({}));
    }
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
    check_webhook(&notify(&system, genuine.to_string()).await, "", "");
    assert_eq!(
        states(&system, "INV-0042").await,
        ["created sent", "success sent"]
    );
}

#[tokio::test(start_paused = true)]
async fn both_keys_sign_while_one_is_exchanged() {
    let system = with_bill().await;
    let body = signed_with("the key of tomorrow", "settlement", &json!({}));
    check_webhook(&notify(&system, body.to_string()).await, "", "");
    assert_eq!(inbox(&system, SITI).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused() {
    let system = with_callers().await;
    let mut large = signed("settlement", &json!({})).to_string();
    large.push_str(&" ".repeat(BODY_BYTES_MAX));
    for body in [
        b"hello".to_vec(),
        vec![0xff; 20],
        Vec::new(),
        large.into_bytes(),
    ] {
        let refused = notify(&system, body).await;
        check_problem(&refused, 400, "INVALID_WEBHOOK", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn what_tells_nobody_anything_is_taken_so_that_it_does_not_come_again() {
    let system = with_bill().await;
    for (name, ignored) in [
        ("test-button", "test_button"),
        ("account", "other_product"),
        ("subscription", "other_product"),
    ] {
        let body = webhook_sample(&format!("midtrans-{name}")).to_string();
        check_webhook(&notify(&system, body).await, name, ignored);
    }
    notify_all(
        &system,
        &[
            ("challenge", json!({}), "still_open"),
            (
                "settlement",
                json!({ "transaction_status": "melted" }),
                "unknown_word",
            ),
            ("settlement", json!({ "order_id": "INV-9" }), "no_recipient"),
            (
                "settlement",
                json!({ "settlement_time": "2026-11-21 18:00:00" }),
                "too_old",
            ),
            ("chargeback", json!({}), "chargeback"),
        ],
    )
    .await;
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
    assert_eq!(states(&system, "INV-9").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn another_amount_than_is_stored_is_told_to_nobody_but_the_operator() {
    let system = with_bill().await;
    let (log, _guard) = Log::of_thread();
    for changes in [
        json!({ "gross_amount": "15000.00" }),
        json!({ "currency": "USD" }),
    ] {
        let reply = notify(&system, signed("settlement", &changes).to_string()).await;
        check_webhook(&reply, "", "another_amount");
    }
    assert!(log.says("PaymentMismatch"), "measured");
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
    assert_eq!(inbox(&system, SITI).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn that_a_cancelled_payment_was_paid_is_told_to_the_operator() {
    let system = with_bill().await;
    let (log, _guard) = Log::of_thread();
    let cancelled = ("cancel", json!({ "status_code": "202" }), "");
    let paid = ("settlement", json!({}), "no_move");
    notify_all(&system, &[cancelled, paid]).await;
    assert!(log.says("told as cancelled"), "logged");
    assert!(log.says("PaymentMismatch"), "measured");
    let told = ["created sent", "status.cancelled sent"];
    assert_eq!(states(&system, "INV-0042").await, told);
}

#[tokio::test(start_paused = true)]
async fn a_success_is_told_once_and_a_late_bill_never() {
    let system = with_bill().await;
    let later = json!({ "settlement_time": "2026-11-26 17:00:00" });
    notify_all(
        &system,
        &[
            (
                "capture",
                json!({ "order_id": "INV-0042", "gross_amount": "150000.00" }),
                "",
            ),
            ("settlement", json!({}), ""),
            ("settlement", later, ""),
        ],
    )
    .await;
    let paid = ["created sent", "success sent"];
    assert_eq!(states(&system, "INV-0042").await, paid);
    notify_all(
        &system,
        &[
            ("pending", json!({}), ""),
            ("pending", json!({ "order_id": "INV-1" }), ""),
            (
                "settlement",
                json!({ "order_id": "INV-2", "custom_field1": SITI }),
                "",
            ),
            ("pending", json!({ "order_id": "INV-2" }), "no_move"),
        ],
    )
    .await;
    assert_eq!(states(&system, "INV-0042").await, paid);
    assert_eq!(states(&system, "INV-2").await, ["success sent"]);
    assert_eq!(inbox(&system, SITI).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_told_once() {
    let system = with_bill().await;
    let order = json!({ "order_id": "INV-0042", "gross_amount": "150000.00" });
    notify_all(
        &system,
        &[
            ("settlement", json!({}), ""),
            ("partial-refund", order.clone(), ""),
            ("refund-confirmed", order.clone(), ""),
        ],
    )
    .await;
    let refunded = ["created sent", "success sent", "status.refunded.7002 sent"];
    assert_eq!(states(&system, "INV-0042").await, refunded);

    let system = with_bill().await;
    notify_all(
        &system,
        &[
            ("settlement", json!({}), ""),
            ("deny", order.clone(), ""),
            ("deny", order, "no_move"),
        ],
    )
    .await;
    let reversed = ["created sent", "success sent", "status.reversed sent"];
    assert_eq!(states(&system, "INV-0042").await, reversed);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_was_paid_is_told_as_given_back() {
    let system = with_bill().await;
    notify_all(&system, &[("settlement", json!({}), "")]).await;
    let (log, _guard) = Log::of_thread();
    let refund = |id: u64, amount: &str| {
        json!({
            "order_id": "INV-0042", "gross_amount": "150000.00",
            "refunds": [{ "refund_chargeback_id": id, "refund_amount": amount }],
        })
    };
    for (id, amount, ignored) in [
        (1, "150000.01", "another_amount"),
        (2, "1000000000000000.00", "another_amount"),
        (3, "100000.00", ""),
        (4, "50000.01", "another_amount"),
        (3, "100000.00", ""),
        (5, "50000.00", ""),
        (6, "1.00", "another_amount"),
        (7, "1e999", "another_amount"),
        (8, "0.00", "another_amount"),
    ] {
        let webhook = ("partial-refund", refund(id, amount), ignored);
        notify_all(&system, &[webhook]).await;
    }
    assert!(log.says("PaymentMismatch"), "measured");
    let told = ["status.refunded.3 sent", "status.refunded.5 sent"];
    assert_eq!(states(&system, "INV-0042").await[2..], told);
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_names_no_amount_is_of_all_that_is_left() {
    let system = with_bill().await;
    notify_all(&system, &[("settlement", json!({}), "")]).await;
    let refund = |refund: Value| json!({"order_id": "INV-0042", "gross_amount": "150000.00", "refunds": [refund]});
    let part = json!({"refund_chargeback_id": 1, "refund_amount": "100000.00"});
    let rest = json!({"refund_chargeback_id": 2});
    let more = json!({"refund_chargeback_id": 3});
    for (refunded, ignored) in [(part, ""), (rest, ""), (more, "another_amount")] {
        notify_all(&system, &[("partial-refund", refund(refunded), ignored)]).await;
    }
    let texts = inbox(&system, SITI);
    assert!(
        texts[2].contains("100.000") && texts[3].contains("50.000"),
        "{texts:?}"
    );
    assert!(
        !texts[3].contains("150.000") && texts.len() == 4,
        "{texts:?}"
    );
}

/// Neither is signed, and all of a payment is kept until it ends.
#[tokio::test(start_paused = true)]
async fn a_payment_ends_within_a_year_whatever_its_webhook_says() {
    let system = with_bill().await;
    let far = json!({
        "order_id": "INV-9", "custom_field1": SITI, "expiry_time": "9999-12-31 23:59:59",
    });
    notify_all(&system, &[("pending", far, "")]).await;
    let story = history(&system, "INV-9").await;
    let ends = story.json["data"]["expiresAt"].as_str().expect("a time");
    assert!(ends.starts_with("2027-11-2"), "{ends}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_it_once_afterwards() {
    let system = with_bill().await;
    let body = signed("settlement", &json!({})).to_string();
    let down = system.with_faults(Faults::down());
    check_unavailable(&notify(&down, body.clone()).await);
    for _ in 0..2 {
        check_webhook(&notify(&system, body.clone()).await, "", "");
    }
    assert_eq!(inbox(&system, SITI).len(), 2);
}
