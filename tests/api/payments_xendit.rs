//! `POST /api/webhooks/xendit/{address}`
use shared::model::bridge::{BODY_BYTES_MAX, BridgeName};

use super::paying::*;
use super::*;

async fn notify_with(system: &TestSystem, token: Option<(&str, &str)>, body: Vec<u8>) -> Reply {
    let path = bridge_path(system, BridgeName::Xendit).await;
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(token);
    system.request("POST", &path, &headers, body).await
}

async fn notify(system: &TestSystem, body: impl Into<Vec<u8>>) -> Reply {
    let token = ("x-callback-token", CALLBACK_TOKEN);
    notify_with(system, Some(token), body.into()).await
}

fn invoice(changes: &Value) -> Vec<u8> {
    let body = with(webhook_sample("xendit-invoice-paid"), changes);
    body.to_string().into_bytes()
}

/// A sample about the payment of [`with_bill`], whose object in the envelope has other values.
fn data(name: &str, changes: &Value) -> Vec<u8> {
    let mut body = webhook_sample(&format!("xendit-{name}"));
    let ours = with(body["data"].clone(), &json!({ "reference_id": "INV-0042" }));
    body["data"] = with(ours, changes);
    body.to_string().into_bytes()
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_comes_to_another_address() {
    let reply = sample(&with_callers().await, "payments-xendit").await;
    check_problem(&reply, 401, "WEBHOOK_NOT_GENUINE", json!({}));
}

#[tokio::test(start_paused = true)]
async fn only_who_has_a_token_is_heard() {
    let system = with_bill().await;
    for body in [invoice(&json!({})), b"hello".to_vec()] {
        for token in [
            None,
            Some(("x-callback-token", "")),
            Some(("x-callback-token", "another")),
        ] {
            let refused = notify_with(&system, token, body.clone()).await;
            check_problem(&refused, 401, "WEBHOOK_NOT_GENUINE", json!({}));
        }
    }
    let headers = [
        ("content-type", "application/json"),
        ("x-callback-token", CALLBACK_TOKEN),
    ];
    let path = "/api/webhooks/xendit/elsewhere";
    let refused = system.request("POST", path, &headers, invoice(&json!({})));
    check_problem(&refused.await, 401, "WEBHOOK_NOT_GENUINE", json!({}));
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
}

#[tokio::test(start_paused = true)]
async fn both_tokens_are_good_while_one_is_exchanged_however_the_header_is_written() {
    for token in [
        ("x-callback-token", CALLBACK_TOKEN),
        ("X-Callback-Token", "token-of-tomorrow"),
    ] {
        let system = with_bill().await;
        let reply = notify_with(&system, Some(token), invoice(&json!({}))).await;
        check_webhook(&reply, token.1, "");
        assert_eq!(inbox(&system, SITI).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused() {
    let system = with_callers().await;
    let mut large = invoice(&json!({}));
    large.resize(large.len() + BODY_BYTES_MAX, b' ');
    for body in [b"hello".to_vec(), vec![0xff; 20], Vec::new(), large] {
        let refused = notify(&system, body).await;
        check_problem(&refused, 400, "INVALID_WEBHOOK", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn what_tells_nobody_anything_is_taken_so_that_it_does_not_come_again() {
    let system = with_bill().await;
    for (name, ignored) in [
        ("invoice-test-button", "test_button"),
        ("token", "other_product"),
        ("dispute", "other_product"),
        ("session-saved", "nothing_to_pay"),
        ("payment-authorization", "still_open"),
    ] {
        let body = webhook_sample(&format!("xendit-{name}")).to_string();
        check_webhook(&notify(&system, body).await, name, ignored);
    }
    for (changes, ignored) in [
        (json!({ "status": "MELTED" }), "unknown_word"),
        (json!({ "external_id": "INV-9" }), "no_recipient"),
        (json!({ "paid_at": "2026-11-21T11:00:00Z" }), "too_old"),
    ] {
        let reply = notify(&system, invoice(&changes)).await;
        check_webhook(&reply, &changes.to_string(), ignored);
    }
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
}

#[tokio::test(start_paused = true)]
async fn another_amount_than_is_stored_is_told_to_nobody_but_the_operator() {
    let system = with_bill().await;
    let (log, _guard) = Log::of_thread();
    for body in [
        invoice(&json!({ "amount": 15_000 })),
        data("payment-capture", &json!({ "request_amount": "15000" })),
    ] {
        check_webhook(&notify(&system, body).await, "", "another_amount");
    }
    assert!(log.says("PaymentMismatch"), "measured");
    assert_eq!(states(&system, "INV-0042").await, ["created sent"]);
}

#[tokio::test(start_paused = true)]
async fn a_payment_and_its_session_are_one_success_in_either_order() {
    let capture = data("payment-capture", &json!({ "request_amount": "150000" }));
    let session = data("session-completed", &json!({ "amount": 150_000 }));
    for bodies in [[&capture, &session], [&session, &capture]] {
        let system = with_bill().await;
        for body in bodies {
            check_webhook(&notify(&system, body.clone()).await, "", "");
        }
        let told = ["created sent", "success sent"];
        assert_eq!(states(&system, "INV-0042").await, told);
        assert_eq!(inbox(&system, SITI).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_paid_late_is_told_and_a_late_end_is_not() {
    let system = with_bill().await;
    let expired = data("request-expiry", &json!({}));
    let paid = data("payment-capture", &json!({ "request_amount": 150_000 }));
    for body in [&expired, &paid, &expired] {
        check_webhook(&notify(&system, body.clone()).await, "", "");
    }
    let told = ["created sent", "status.expired sent", "success sent"];
    assert_eq!(states(&system, "INV-0042").await, told);

    let system = with_bill().await;
    for (body, ignored) in [(&paid, ""), (&expired, "no_move")] {
        check_webhook(&notify(&system, body.clone()).await, "", ignored);
    }
    let told = ["created sent", "success sent"];
    assert_eq!(states(&system, "INV-0042").await, told);
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_is_announced_twice_is_told_once() {
    let system = with_bill().await;
    let refund = data("refund", &json!({}));
    for body in [&invoice(&json!({})), &refund, &refund] {
        check_webhook(&notify(&system, body.clone()).await, "", "");
    }
    let told = states(&system, "INV-0042").await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(inbox(&system, SITI).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_it_once_afterwards() {
    let system = with_bill().await;
    let down = system.with_faults(Faults::down());
    check_unavailable(&notify(&down, invoice(&json!({}))).await);
    for _ in 0..2 {
        check_webhook(&notify(&system, invoice(&json!({}))).await, "", "");
    }
    assert_eq!(inbox(&system, SITI).len(), 2);
}
