//! Xendit's webhooks: which are genuine, and what each says.
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use shared::model::bridge::{BODY_BYTES_MAX, Event, Notification, Refusal, xendit};

use super::samples::{any_json, at, event, now, refunded, sample, secret, with, word, written};

const TOKEN: &str = "token-of-the-account";

fn read(body: &Value) -> Result<Notification, Refusal> {
    let tokens = [secret(TOKEN)];
    xendit::read(body.to_string().as_bytes(), Some(TOKEN), &tokens, now())
}

#[track_caller]
fn check(label: &str, body: &Value, expected: &str) {
    assert_eq!(word(&read(body)), expected, "{label}");
}

/// A sample whose object in the envelope has other values.
fn data(name: &str, changes: Value) -> Value {
    let mut body = sample(&format!("xendit-{name}"));
    body["data"] = with(body["data"].clone(), changes);
    body
}

#[test]
fn every_sample_is_what_it_is() {
    for (name, expected) in [
        ("invoice-paid", "success"),
        ("invoice-expired", "status.expired"),
        ("invoice-test-button", "ignored.test_button"),
        ("payment-capture", "success"),
        ("payment-failure", "status.failed"),
        ("payment-authorization", "ignored.still_open"),
        ("payment-expiry", "status.expired"),
        ("request-expiry", "status.expired"),
        ("session-completed", "success"),
        ("session-expired", "status.expired"),
        ("session-saved", "ignored.nothing_to_pay"),
        ("refund", "status.refunded.rfd-4d5e9f00"),
        ("token", "ignored.other_product"),
        ("dispute", "ignored.other_product"),
    ] {
        check(name, &sample(&format!("xendit-{name}")), expected);
    }
}

#[test]
fn without_the_token_nothing_is_read() {
    let (old, new) = (secret(TOKEN), secret("token-of-tomorrow"));
    let body = sample("xendit-invoice-paid").to_string();
    for (label, token, tokens, expected) in [
        ("right", Some(TOKEN), vec![old.clone()], "success"),
        (
            "old during a change",
            Some(TOKEN),
            vec![new.clone(), old.clone()],
            "success",
        ),
        (
            "new during a change",
            Some("token-of-tomorrow"),
            vec![new.clone(), old.clone()],
            "success",
        ),
        (
            "old after a change",
            Some(TOKEN),
            vec![new],
            "refused.NotGenuine",
        ),
        ("missing", None, vec![old.clone()], "refused.NotGenuine"),
        ("empty", Some(""), vec![old.clone()], "refused.NotGenuine"),
        (
            "its beginning",
            Some("token-of-the-accoun"),
            vec![old.clone()],
            "refused.NotGenuine",
        ),
        (
            "in capitals",
            Some("TOKEN-OF-THE-ACCOUNT"),
            vec![old],
            "refused.NotGenuine",
        ),
        ("no account", Some(TOKEN), vec![], "refused.NotGenuine"),
    ] {
        let read = xendit::read(body.as_bytes(), token, &tokens, now());
        assert_eq!(word(&read), expected, "{label}");
        // The same for a body that cannot be read.
        let garbage = xendit::read(b"\xff{", token, &tokens, now());
        let expected = expected.replace("success", "refused.Malformed");
        assert_eq!(word(&garbage), expected, "{label}");
    }
}

#[test]
fn every_status_of_an_invoice_leads_to_its_event() {
    for (status, expected) in [
        ("PAID", "success"),
        ("paid", "success"),
        ("SETTLED", "success"),
        ("EXPIRED", "status.expired"),
        ("PENDING", "ignored.still_open"),
        ("COMPLETING", "ignored.still_open"),
        ("REMINDER", "ignored.still_open"),
        ("SOMETHING_NEW", "ignored.unknown_word"),
    ] {
        let body = with(sample("xendit-invoice-paid"), json!({ "status": status }));
        check(status, &body, expected);
    }
}

/// Checks samples whose envelope has another event, and whose object has other values.
#[track_caller]
fn check_events(cases: &[(&str, &str, Value, &str)]) {
    for (name, event, changes, expected) in cases {
        let body = with(data(name, changes.clone()), json!({ "event": event }));
        check(&format!("{name} {event} {changes}"), &body, expected);
    }
}

#[test]
fn the_status_of_a_payment_decides_and_the_event_only_names_its_kind() {
    let payment = "payment-capture";
    let status = |status: &str| json!({ "status": status });
    let in_session = json!({"status": "FAILED", "payment_session_id": "ps-1"});
    check_events(&[
        (payment, "payment.succeeded", json!({}), "success"),
        (payment, "capture.succeeded", json!({}), "success"),
        (payment, "payment.something_new", json!({}), "success"),
        (
            payment,
            "payment.failure",
            status("FAILED"),
            "status.failed",
        ),
        (payment, "payment.failed", status("FAILED"), "status.failed"),
        // The customer may try again.
        (payment, "payment.failure", in_session, "ignored.still_open"),
        (
            payment,
            "payment.capture",
            status("CANCELED"),
            "status.cancelled",
        ),
        (
            payment,
            "payment.capture",
            status("PENDING"),
            "ignored.still_open",
        ),
        (
            payment,
            "payment.awaiting_capture",
            status("AWAITING_CAPTURE"),
            "ignored.still_open",
        ),
        (
            payment,
            "payment.capture",
            status("NEW"),
            "ignored.unknown_word",
        ),
        (
            payment,
            "payment.capture",
            json!({"status": null}),
            "ignored.unknown_word",
        ),
        (
            payment,
            "recurring.cycle.succeeded",
            json!({}),
            "ignored.other_product",
        ),
        (
            payment,
            "payment_token.activation",
            json!({}),
            "ignored.other_product",
        ),
        (
            payment,
            "account.updated",
            json!({}),
            "ignored.other_product",
        ),
        (payment, "", json!({}), "ignored.other_product"),
    ]);
}

#[test]
fn a_session_tells_only_of_what_is_paid_in_it() {
    let (done, over) = ("session-completed", "session-expired");
    let event = "payment_session.completed";
    let kind = |kind: &str| json!({ "session_type": kind });
    let status = |status: &str| json!({ "status": status });
    check_events(&[
        (done, event, kind("PAY"), "success"),
        (done, event, kind("AUTHORIZATION"), "ignored.nothing_to_pay"),
        (done, event, kind("SAVE"), "ignored.nothing_to_pay"),
        (done, event, kind("SUBSCRIPTION"), "ignored.nothing_to_pay"),
        (done, event, kind("NEW"), "ignored.unknown_word"),
        (
            done,
            event,
            json!({"session_type": null}),
            "ignored.unknown_word",
        ),
        (done, event, status("ACTIVE"), "ignored.still_open"),
        (done, event, status("CANCELED"), "status.cancelled"),
        (done, event, status("NEW"), "ignored.unknown_word"),
        (
            over,
            "payment_session.expired",
            kind("SAVE"),
            "ignored.nothing_to_pay",
        ),
    ]);
}

#[test]
fn requests_expire_and_refunds_succeed() {
    let (request, refund) = ("request-expiry", "refund");
    let by_id = json!({"payment_request_id": null, "id": "pr-1"});
    let nameless = json!({"reference_id": null});
    check_events(&[
        (
            request,
            "payment_request.expired",
            json!({}),
            "status.expired",
        ),
        (request, "payment_request.expiry", by_id, "status.expired"),
        (
            request,
            "payment_request.expiry",
            nameless.clone(),
            "ignored.no_payment_id",
        ),
        (
            refund,
            "refund.failed",
            json!({"status": "FAILED"}),
            "ignored.refund_failed",
        ),
        (
            refund,
            "refund.succeeded",
            json!({"status": "PENDING"}),
            "ignored.still_open",
        ),
        (
            refund,
            "refund.succeeded",
            json!({"status": "NEW"}),
            "ignored.unknown_word",
        ),
        (
            refund,
            "refund.succeeded",
            json!({"id": null}),
            "status.refunded",
        ),
        (
            refund,
            "refund.succeeded",
            nameless,
            "ignored.no_payment_id",
        ),
    ]);
}

#[test]
fn a_session_and_its_payment_are_one_success() {
    let session = event(read(&sample("xendit-session-completed")));
    let payment = event(read(&sample("xendit-payment-capture")));
    assert_eq!(session.event.kind(), payment.event.kind());
    assert_eq!(session.payment_id, payment.payment_id);
    assert_eq!(session.attempt_id, payment.attempt_id);
    assert_eq!(session.amount, payment.amount);
    let link = session.url.unwrap();
    assert_eq!(link.as_str(), "https://pay.example/ps-3f0f5a2c");
}

#[test]
fn the_amount_is_found_under_each_of_its_names_and_never_skipped() {
    let rupiah = "Rp 150.000";
    for (label, body, expected) in [
        ("a number", data("payment-capture", json!({})), rupiah),
        (
            "a text",
            data("payment-capture", json!({"request_amount": "150000.00"})),
            rupiah,
        ),
        (
            "another amount",
            data("payment-capture", json!({"request_amount": 150000.5})),
            "Rp 150.000,50",
        ),
        (
            "in its older name",
            data(
                "payment-capture",
                json!({"request_amount": null, "amount": 150000}),
            ),
            rupiah,
        ),
        (
            "in dollars",
            data(
                "payment-capture",
                json!({"request_amount": 12.5, "currency": "USD"}),
            ),
            "US$12,50",
        ),
        ("of a session", sample("xendit-session-completed"), rupiah),
        ("of an invoice", sample("xendit-invoice-paid"), rupiah),
        (
            "of a request, as a text",
            sample("xendit-request-expiry"),
            rupiah,
        ),
        (
            "of a request, without",
            data("request-expiry", json!({"request_amount": null})),
            "",
        ),
        ("of a refund: its own", sample("xendit-refund"), ""),
    ] {
        assert_eq!(written(event(read(&body)).amount), expected, "{label}");
    }
    assert_eq!(
        refunded(&event(read(&sample("xendit-refund")))),
        "Rp 40.000"
    );
    let invoice = |changes| with(sample("xendit-invoice-paid"), changes);
    for (label, body, expected) in [
        (
            "none",
            data("payment-capture", json!({"request_amount": null})),
            "ignored.no_amount",
        ),
        (
            "no currency",
            data("payment-capture", json!({"currency": null})),
            "ignored.no_amount",
        ),
        (
            "unknown currency",
            data("session-completed", json!({"currency": "XXX"})),
            "ignored.no_amount",
        ),
        (
            "negative",
            data("payment-capture", json!({"request_amount": -1})),
            "ignored.no_amount",
        ),
        (
            "no number",
            data("payment-capture", json!({"request_amount": true})),
            "refused.Malformed",
        ),
        (
            "of an invoice: unknown currency",
            invoice(json!({"currency": "XXX"})),
            "ignored.no_amount",
        ),
        (
            "of an invoice: none",
            invoice(json!({"amount": null})),
            "refused.Malformed",
        ),
    ] {
        check(label, &body, expected);
    }
}

#[test]
fn times_have_their_zone_and_what_is_old_is_told_to_nobody() {
    let paid = |body: &Value| match event(read(body)).event {
        Event::Success { paid_at } => paid_at,
        other => panic!("{other:?}"),
    };
    let captured = at("2026-11-26T09:25:00Z");
    assert_eq!(paid(&sample("xendit-payment-capture")), Some(captured));
    assert_eq!(paid(&sample("xendit-invoice-paid")), Some(captured));
    let updated = Some(at("2026-11-26T09:25:01Z"));
    assert_eq!(
        paid(&data("payment-capture", json!({"captures": null}))),
        updated
    );
    assert_eq!(
        paid(&data("payment-capture", json!({"captures": [{}]}))),
        updated
    );
    let timeless = json!({"captures": null, "updated": "soon", "created": null});
    assert_eq!(paid(&data("payment-capture", timeless)), None);

    let invoice =
        |paid_at: &str| with(sample("xendit-invoice-paid"), json!({ "paid_at": paid_at }));
    check("a day ago", &invoice("2026-11-25T09:30:00Z"), "success");
    check(
        "a second more",
        &invoice("2026-11-25T09:29:59Z"),
        "ignored.too_old",
    );
    let old = json!({"expires_at": "2026-11-20T00:00:00Z"});
    check(
        "a session",
        &data("session-expired", old),
        "ignored.too_old",
    );
    // That the webhook was made now says nothing.
    let old = json!({"updated": "2026-11-20T00:00:00Z", "captures": null});
    check(
        "a payment",
        &data("payment-capture", old),
        "ignored.too_old",
    );
}

#[test]
fn noise_is_refused_or_skipped() {
    let invoice = sample("xendit-invoice-paid");
    let more = json!({"items": [{"name": "a"}], "fees": null, "something_new": {"deep": [1]}});
    check("other fields", &with(invoice.clone(), more), "success");
    let id = json!({"external_id": "order 1/2"});
    check(
        "an id in another form",
        &with(invoice.clone(), id),
        "ignored.no_payment_id",
    );
    let older = with(invoice.clone(), json!({"merchant_name": null}));
    check("an older product", &older, "ignored.other_product");
    check("nothing", &json!({}), "ignored.other_product");
    let no_data = with(sample("xendit-payment-capture"), json!({"data": null}));
    check(
        "an envelope without data",
        &no_data,
        "ignored.other_product",
    );
    let odd = with(sample("xendit-payment-capture"), json!({"data": [1]}));
    check("an envelope with a list", &odd, "refused.Malformed");
    let large = with(
        invoice.clone(),
        json!({"filler": "a".repeat(BODY_BYTES_MAX)}),
    );
    check("too large", &large, "refused.Malformed");
    check(
        "a status of another type",
        &with(invoice, json!({"status": 1})),
        "refused.Malformed",
    );
    for body in [&b"\xff\xfe"[..], b"", b"a=b", b"{", b"null", b"[]"] {
        let read = xendit::read(body, Some(TOKEN), &[secret(TOKEN)], now());
        assert_eq!(word(&read), "refused.Malformed", "{body:?}");
    }
}

#[test]
fn only_payments_repeat_what_the_merchant_gave() {
    let payment = event(read(&sample("xendit-payment-capture")));
    let phone = payment.recipient(None, Some("metadata.phone")).unwrap();
    assert_eq!(phone.digits(), "628123456789");
    assert!(!format!("{payment:?}").contains("8123456789"));
    let invoice = event(read(&sample("xendit-invoice-paid")));
    assert!(invoice.echoes.is_empty());
    assert_eq!(invoice.method.unwrap().as_str(), "BCA");
}

/// The fields of the objects in an envelope.
fn any_field() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "id",
            "payment_id",
            "reference_id",
            "status",
            "session_type",
            "request_amount",
            "amount",
            "currency",
            "channel_code",
            "captures",
            "metadata",
            "payment_link_url",
            "updated",
            "expires_at",
        ][..],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn whatever_an_object_says_a_success_has_an_amount(
        name in select(&["payment-capture", "session-completed", "refund", "request-expiry"][..]),
        changes in prop::collection::hash_map(any_field(), any_json(), 1..4),
    ) {
        let changes = changes.into_iter().map(|(name, value)| (name.to_owned(), value));
        let read = read(&data(name, Value::from_iter(changes)));
        if let Ok(Notification::Event(event)) = read {
            let is_success = matches!(event.event, Event::Success { .. });
            prop_assert!(!is_success || event.amount.is_some());
        }
    }

    #[test]
    fn no_body_breaks_the_reading(body in prop::collection::vec(any::<u8>(), 0..200), json in any_json()) {
        for body in [body, json.to_string().into_bytes()] {
            let read = xendit::read(&body, Some(TOKEN), &[secret(TOKEN)], now());
            prop_assert!(!matches!(read, Ok(Notification::Event(_))));
        }
    }
}
