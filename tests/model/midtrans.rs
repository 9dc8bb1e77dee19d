//! Midtrans' notifications: which are genuine, and what each says.
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use shared::model::bridge::midtrans::{self, Signed};
use shared::model::bridge::{BODY_BYTES_MAX, Event, Notification, Refusal, Secret};

use super::samples::{any_json, at, event, now, refunded, sample, secret, with, word, written};

const KEY: &str = "SB-Mid-server-sample";

fn keys() -> Vec<Secret> {
    vec![secret(KEY)]
}

fn read(body: &Value) -> Result<Notification, Refusal> {
    midtrans::read(body.to_string().as_bytes(), &keys(), now())
}

/// A body with other values, and the signature that belongs to it.
fn signed(body: Value, changes: Value) -> Value {
    let body = with(body, changes);
    let text = |name: &str| body[name].as_str().unwrap();
    let signed = Signed {
        order_id: text("order_id"),
        status_code: text("status_code"),
        gross_amount: text("gross_amount"),
    };
    let signature = midtrans::sign(&signed, &secret(KEY));
    with(body, json!({ "signature_key": signature }))
}

#[track_caller]
fn check(label: &str, body: &Value, expected: &str) {
    assert_eq!(word(&read(body)), expected, "{label}");
}

#[test]
fn every_sample_is_what_it_is() {
    for (name, expected) in [
        ("pending", "created"),
        ("settlement", "success"),
        ("qris-settlement", "success"),
        ("capture", "success"),
        ("challenge", "ignored.still_open"),
        ("deny", "status.failed"),
        ("cancel", "status.cancelled"),
        ("expire", "status.expired"),
        ("partial-refund", "status.refunded.7002"),
        ("refund-confirmed", "status.refunded.7002"),
        ("chargeback", "ignored.chargeback"),
        ("test-button", "ignored.test_button"),
        ("subscription", "ignored.other_product"),
        ("account", "ignored.other_product"),
    ] {
        check(name, &sample(&format!("midtrans-{name}")), expected);
    }
}

#[test]
fn the_signature_is_over_the_texts_of_the_body() {
    let settlement = sample("midtrans-settlement");
    // By `printf 'INV-0042200150000.00SB-Mid-server-sample' | openssl dgst -sha512`.
    let genuine = settlement["signature_key"].as_str().unwrap();
    assert!(
        genuine.starts_with("cc56953d9acca694f83dc192fa107ca2"),
        "{genuine}"
    );
    let over = |gross_amount| {
        let parts = Signed {
            order_id: "INV-0042",
            status_code: "200",
            gross_amount,
        };
        midtrans::sign(&parts, &secret(KEY))
    };
    let other = if genuine.ends_with('0') { "1" } else { "0" };
    for (label, signature, expected) in [
        ("genuine", genuine.to_owned(), "success"),
        ("in capitals", genuine.to_uppercase(), "success"),
        ("over the amount as it is", over("150000.00"), "success"),
        ("over a number", over("150000"), "refused.NotGenuine"),
        ("over one decimal", over("150000.0"), "refused.NotGenuine"),
        (
            "one digit changed",
            format!("{}{other}", &genuine[..127]),
            "refused.NotGenuine",
        ),
        (
            "one digit less",
            genuine[..127].to_owned(),
            "refused.NotGenuine",
        ),
        (
            "one digit more",
            format!("{genuine}0"),
            "refused.NotGenuine",
        ),
        ("no hex digits", "ß".repeat(64), "refused.NotGenuine"),
        ("empty", String::new(), "refused.NotGenuine"),
    ] {
        let body = with(settlement.clone(), json!({ "signature_key": signature }));
        check(label, &body, expected);
    }
    check(
        "none",
        &with(settlement, json!({"signature_key": null})),
        "refused.NotGenuine",
    );
}

#[test]
fn while_a_key_is_changed_two_count() {
    let body = sample("midtrans-settlement").to_string();
    let (old, new) = (secret(KEY), secret("SB-Mid-server-next"));
    for (label, keys, expected) in [
        ("both", vec![new.clone(), old.clone()], "success"),
        ("the old one", vec![old], "success"),
        ("the other one", vec![new], "refused.NotGenuine"),
        ("none", vec![], "refused.NotGenuine"),
    ] {
        let read = midtrans::read(body.as_bytes(), &keys, now());
        assert_eq!(word(&read), expected, "{label}");
    }
}

#[test]
fn signed_texts_have_a_form_so_that_no_border_moves_unseen() {
    let settlement = sample("midtrans-settlement");
    for (label, changes) in [
        ("a code of two digits", json!({"status_code": "20"})),
        ("a code of four digits", json!({"status_code": "2001"})),
        ("a code of letters", json!({"status_code": "2a0"})),
        (
            "an amount without decimals",
            json!({"gross_amount": "150000"}),
        ),
        ("with one decimal", json!({"gross_amount": "150000.0"})),
        ("with three decimals", json!({"gross_amount": "150000.000"})),
        ("with a sign", json!({"gross_amount": "-150000.00"})),
        ("with spaces", json!({"gross_amount": " 150000.00"})),
        ("without digits", json!({"gross_amount": ".00"})),
        ("an empty order", json!({"order_id": ""})),
    ] {
        check(
            label,
            &signed(settlement.clone(), changes),
            "refused.Malformed",
        );
    }
    let unsigned = |changes| with(settlement.clone(), changes);
    for (label, body) in [
        (
            "an amount that is a number",
            unsigned(json!({"gross_amount": 150000.00})),
        ),
        (
            "a code that is a number",
            unsigned(json!({"status_code": 200})),
        ),
        ("no amount", unsigned(json!({"gross_amount": null}))),
        ("no order", unsigned(json!({"order_id": null}))),
        ("no object", json!([])),
        ("no fields", json!({})),
    ] {
        check(label, &body, "refused.Malformed");
    }
}

#[test]
fn a_signature_with_another_border_is_another_payment_and_amount() {
    let settlement = sample("midtrans-settlement");
    let one = signed(
        settlement,
        json!({"order_id": "INV-7", "gross_amount": "20010000.00"}),
    );
    let moved = json!({"order_id": "INV-7200", "gross_amount": "10000.00"});
    let other = with(one.clone(), moved);
    let (one, other) = (event(read(&one)), event(read(&other)));
    assert_eq!(
        (one.payment_id.as_str(), written(one.amount)),
        ("INV-7", "Rp 20.010.000".into())
    );
    // Whoever stored INV-7200 knows that it costs something else.
    assert_eq!(
        (other.payment_id.as_str(), written(other.amount)),
        ("INV-7200", "Rp 10.000".into())
    );
}

#[test]
fn no_border_is_moved_into_the_code_or_before_zeros() {
    for (genuine, moved) in [
        (
            ("INV-4220", "200", "150000.00"),
            ("INV-42", "202", "00150000.00"),
        ),
        (
            ("INV-1001", "200", "150000.00"),
            ("INV-100", "120", "0150000.00"),
        ),
        (
            ("INV-1001", "200", "150000.00"),
            ("INV-10012", "001", "50000.00"),
        ),
        (
            ("INV-1001", "200", "150000.00"),
            ("INV-100120", "015", "0000.00"),
        ),
    ] {
        let texts = |(order, code, amount): (&str, &str, &str)| json!({"order_id": order, "status_code": code, "gross_amount": amount});
        let one = signed(sample("midtrans-settlement"), texts(genuine));
        assert_eq!(word(&read(&one)), "success", "{genuine:?}");
        for status in ["cancel", "deny"] {
            let other = with(one.clone(), texts(moved));
            let other = with(other, json!({"transaction_status": status}));
            assert_eq!(word(&read(&other)), "refused.Malformed", "{moved:?}");
        }
    }
}

#[test]
fn every_word_leads_to_its_event() {
    let card = sample("midtrans-capture");
    for (word, code, fraud, expected) in [
        ("pending", "201", json!("accept"), "created"),
        ("PENDING", "201", json!("accept"), "created"),
        ("authorize", "200", json!("accept"), "ignored.still_open"),
        ("capture", "200", json!("accept"), "success"),
        ("capture", "200", json!(null), "success"),
        ("capture", "201", json!("challenge"), "ignored.still_open"),
        ("capture", "200", json!("deny"), "ignored.still_open"),
        ("settlement", "200", json!("ACCEPT"), "success"),
        ("settlement", "200", json!(null), "success"),
        (
            "settlement",
            "200",
            json!("challenge"),
            "ignored.still_open",
        ),
        ("deny", "200", json!("deny"), "status.failed"),
        ("deny", "202", json!(null), "status.failed"),
        ("cancel", "202", json!("accept"), "status.cancelled"),
        ("expire", "202", json!("accept"), "status.expired"),
        ("failure", "202", json!(null), "status.failed"),
        ("refund", "200", json!("accept"), "status.refunded"),
        ("partial_refund", "200", json!("accept"), "status.refunded"),
        ("chargeback", "200", json!(null), "ignored.chargeback"),
        (
            "partial_chargeback",
            "200",
            json!(null),
            "ignored.chargeback",
        ),
        ("something_new", "200", json!(null), "ignored.unknown_word"),
        ("", "200", json!(null), "ignored.unknown_word"),
        // The code is signed, so a word of another group is somebody else's.
        ("settlement", "202", json!("accept"), "ignored.unknown_word"),
        ("pending", "200", json!("accept"), "ignored.unknown_word"),
        ("cancel", "200", json!("accept"), "ignored.unknown_word"),
        ("expire", "201", json!("accept"), "ignored.unknown_word"),
        ("refund", "202", json!("accept"), "ignored.unknown_word"),
    ] {
        let changes =
            json!({"transaction_status": word, "status_code": code, "fraud_status": fraud});
        check(
            &format!("{word} {code} {fraud}"),
            &signed(card.clone(), changes),
            expected,
        );
    }
    check(
        "no word",
        &with(card, json!({"transaction_status": null})),
        "ignored.unknown_word",
    );
}

#[test]
fn times_are_those_of_jakarta() {
    let pending = sample("midtrans-pending");
    for (label, changes, expires_at) in [
        (
            "as it is",
            json!({"expiry_time": "2026-12-01 00:30:00"}),
            Some("2026-11-30T17:30:00Z"),
        ),
        (
            "in its other spelling",
            json!({"expiry_time": null, "expire_time": "2026-12-01 00:30:00"}),
            Some("2026-11-30T17:30:00Z"),
        ),
        ("missing", json!({"expiry_time": null}), None),
        ("malformed", json!({"expiry_time": "tomorrow"}), None),
        (
            "with a zone",
            json!({"expiry_time": "2026-12-01T00:30:00Z"}),
            None,
        ),
        (
            "no day",
            json!({"expiry_time": "2026-13-41 00:30:00"}),
            None,
        ),
    ] {
        let read = event(read(&with(pending.clone(), changes)));
        let expected = Event::Created {
            expires_at: expires_at.map(at),
        };
        assert_eq!(read.event, expected, "{label}");
    }
    let paid = event(read(&sample("midtrans-settlement")));
    let paid_at = Some(at("2026-11-26T09:30:00Z"));
    assert_eq!(paid.event, Event::Success { paid_at });
    let card = event(read(&sample("midtrans-capture")));
    let paid_at = Some(at("2026-11-26T08:30:00Z"));
    assert_eq!(card.event, Event::Success { paid_at });
}

#[test]
fn what_happened_more_than_a_day_ago_is_told_to_nobody() {
    for (name, changes, expected) in [
        (
            "settlement",
            json!({"settlement_time": "2026-11-25 16:30:00"}),
            "success",
        ),
        (
            "settlement",
            json!({"settlement_time": "2026-11-25 16:29:59"}),
            "ignored.too_old",
        ),
        (
            "settlement",
            json!({"settlement_time": null, "transaction_time": "2026-11-25 16:00:00"}),
            "ignored.too_old",
        ),
        (
            "pending",
            json!({"transaction_time": "2026-11-25 16:00:00"}),
            "ignored.too_old",
        ),
        (
            "expire",
            json!({"expiry_time": "2026-11-25 16:00:00"}),
            "ignored.too_old",
        ),
        // When somebody cancelled it is not said, only when the payment began.
        (
            "cancel",
            json!({"transaction_time": "2026-11-01 16:00:00"}),
            "status.cancelled",
        ),
    ] {
        let body = with(sample(&format!("midtrans-{name}")), changes.clone());
        check(&format!("{name} {changes}"), &body, expected);
    }
}

#[test]
fn a_refund_is_the_newest_one_and_the_same_when_the_bank_confirms_it() {
    let announced = event(read(&sample("midtrans-partial-refund")));
    let confirmed = event(read(&sample("midtrans-refund-confirmed")));
    assert_eq!(announced.event, confirmed.event);
    assert_eq!(refunded(&announced), "Rp 10.000");
    assert_eq!(announced.happened_at, Some(at("2026-11-26T09:20:00Z")));
    assert_eq!(confirmed.happened_at, Some(at("2026-11-26T09:25:00Z")));
    // The whole payment is still what is compared.
    assert_eq!(written(announced.amount), "Rp 150.000");
    let without = with(sample("midtrans-partial-refund"), json!({"refunds": null}));
    assert_eq!(refunded(&event(read(&without))), "");
    for refunds in [
        json!([]),
        json!("none"),
        json!([1]),
        json!({"refund_amount": 1}),
    ] {
        let odd = with(
            sample("midtrans-partial-refund"),
            json!({ "refunds": refunds }),
        );
        check(&refunds.to_string(), &odd, "status.refunded");
    }
}

#[test]
fn an_event_says_how_it_was_paid_and_what_the_merchant_gave() {
    let method = |body: Value| {
        event(read(&body))
            .method
            .map(|method| method.as_str().to_owned())
    };
    let with_type = |name: &str, more: Value| {
        let body = with(sample("midtrans-settlement"), json!({"payment_type": name}));
        method(with(body, more)).unwrap_or_default()
    };
    for (name, more, expected) in [
        ("bank_transfer", json!({}), "BCA Virtual Account"),
        (
            "bank_transfer",
            json!({"va_numbers": null}),
            "Virtual Account",
        ),
        ("echannel", json!({}), "Mandiri Bill Payment"),
        ("qris", json!({}), "QRIS"),
        ("gopay", json!({}), "GoPay"),
        ("cstore", json!({"store": "alfamart"}), "alfamart"),
        ("credit_card", json!({}), "credit card"),
        ("https://evil.example", json!({}), "https evil. example"),
    ] {
        assert_eq!(with_type(name, more), expected, "{name}");
    }
    let qris = event(read(&sample("midtrans-qris-settlement")));
    let echoes: Vec<_> = qris
        .echoes
        .iter()
        .map(|echo| (&*echo.field, &*echo.text))
        .collect();
    let phone = "08123456789";
    assert_eq!(
        echoes,
        [
            ("customer_details.phone", phone),
            ("metadata.phone", phone),
            ("metadata.visits", "3")
        ]
    );
    assert!(!format!("{qris:?}").contains(phone));
    let digits = |field| {
        qris.recipient(None, field)
            .ok()
            .map(|phone| phone.digits().to_owned())
    };
    assert_eq!(
        digits(Some("metadata.phone")).as_deref(),
        Some("628123456789")
    );
    assert_eq!(digits(None), None);
}

#[test]
fn noise_is_refused_or_skipped() {
    let settlement = sample("midtrans-settlement");
    let more =
        json!({"something_new": {"deep": [1, 2, 3]}, "customer_details": "none", "metadata": [1]});
    check("other fields", &with(settlement.clone(), more), "success");
    let no_id = signed(settlement.clone(), json!({"order_id": "order 1/2"}));
    check("an id in another form", &no_id, "ignored.no_payment_id");
    let currency = with(settlement.clone(), json!({"currency": "XXX"}));
    check("another currency", &currency, "ignored.no_amount");
    let older = with(settlement.clone(), json!({"currency": null}));
    assert_eq!(written(event(read(&older)).amount), "Rp 150.000");
    let large = with(settlement, json!({"filler": "a".repeat(BODY_BYTES_MAX)}));
    check("too large", &large, "refused.Malformed");
    for body in [
        &b"\xff\xfe"[..],
        b"",
        b"order_id=INV-0042",
        b"{",
        b"null",
        b"{\"order_id\":\"\xff\"}",
    ] {
        let read = midtrans::read(body, &keys(), now());
        assert_eq!(word(&read), "refused.Malformed", "{body:?}");
    }
}

/// The fields of every notification of a payment.
fn any_field() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "transaction_status",
            "transaction_time",
            "settlement_time",
            "expiry_time",
            "fraud_status",
            "currency",
            "payment_type",
            "va_numbers",
            "store",
            "refunds",
            "custom_field1",
            "metadata",
            "customer_details",
            "transaction_id",
        ][..],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn whatever_is_unsigned_neither_breaks_the_reading_nor_changes_order_and_amount(
        name in select(&["midtrans-settlement", "midtrans-partial-refund", "midtrans-pending"][..]),
        changes in prop::collection::hash_map(any_field(), any_json(), 1..4),
    ) {
        let changes = changes.into_iter().map(|(name, value)| (name.to_owned(), value));
        let body = with(sample(name), Value::from_iter(changes));
        if let Ok(Notification::Event(event)) = read(&body) {
            prop_assert_eq!(event.payment_id.as_str(), "INV-0042");
            prop_assert_eq!(event.amount.unwrap().plain(), "150000.00");
        }
    }

    #[test]
    fn no_other_order_code_or_amount_has_the_signature(
        order in "[A-Z0-9-]{1,12}",
        code in "[0-9]{3}",
        amount in "[0-9]{1,8}\\.[0-9]{2}",
    ) {
        let texts = json!({"order_id": order, "status_code": code, "gross_amount": amount});
        let body = with(sample("midtrans-settlement"), texts);
        let same_text = format!("{order}{code}{amount}") == "INV-0042200150000.00";
        prop_assert!(word(&read(&body)).starts_with("refused") || same_text);
    }
}
