//! A payment from its beginning to its end, and what gives way to what.
use local::simulator::Scenario;
use serde_json::json;
use tests::{TestSystem, webhooks};
use tokio::time::advance;

use super::act::*;

#[tokio::test(start_paused = true)]
async fn a_payment_is_told_of_from_its_beginning_to_its_end() {
    let system = system().await;
    let told = post(&system, "INV-1", "created", created(&system)).await;
    assert_eq!(
        (told.status, &told.json["data"]["state"]),
        (200, &json!("sent"))
    );
    advance(31 * MINUTE).await;
    assert_eq!(deliver(&system).await.sent, 1);
    let paid = json!({ "paidAt": system.now().rfc3339() });
    let told = post(&system, "INV-1", "success", paid).await;
    assert_eq!(
        (told.status, &told.json["data"]["state"]),
        (200, &json!("sent"))
    );
    advance(60 * MINUTE).await;
    deliver(&system).await;
    assert_eq!(
        states(&system, "INV-1").await,
        [
            "created sent",
            "expiry-warning.60 sent",
            "expiry-warning.15 superseded",
            "success sent"
        ]
    );
    let texts = texts(&system);
    assert_eq!(texts.len(), 3, "{texts:?}");
    for (text, says) in texts
        .iter()
        .zip(["menunggu pembayaran", "Sisa waktu: 58 menit", "terima"])
    {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_warnings_come_by_themselves_and_none_after_the_end() {
    let system = system().await;
    post(&system, "INV-1", "created", created(&system)).await;
    for (after, warnings) in [(29, 0), (2, 1), (43, 1), (2, 2), (60, 2)] {
        advance(after * MINUTE).await;
        deliver(&system).await;
        let states = states(&system, "INV-1").await;
        assert_eq!(texts(&system).len(), 1 + warnings, "{after}: {states:?}");
    }
}

/// A shop posts a warning a moment before the one that comes by itself: nobody is told the same twice.
#[tokio::test(start_paused = true)]
async fn a_warning_of_the_shop_and_one_that_is_due_by_itself_are_one() {
    let system = system().await;
    post(&system, "INV-1", "created", created(&system)).await;
    advance(29 * MINUTE).await;
    let told = post(&system, "INV-1", "expiry-warning", json!({})).await;
    assert_eq!(told.json["data"]["state"], "sent", "{}", told.json);
    for _ in 0..3 {
        advance(MINUTE).await;
        deliver(&system).await;
    }
    advance(44 * MINUTE).await;
    deliver(&system).await;
    assert_eq!(
        states(&system, "INV-1").await,
        [
            "created sent",
            "expiry-warning.60 superseded",
            "expiry-warning.15 sent",
            "expiry-warning sent",
        ]
    );
    assert_eq!(texts(&system).len(), 3);
}

/// A system whose session brings receipts, and that has taken a bill which never arrived.
async fn with_a_silent_bill() -> TestSystem {
    let system = system().await;
    webhooks::post_to_api(&system).await;
    let other = json!({ "phone": "081234567801", "amount": 1, "currency": "IDR" });
    post(&system, "INV-0", "success", other.clone()).await;
    tokio::time::sleep(MINUTE).await;
    system.watch().await;
    let simulator = system.simulator();
    simulator.play(&Scenario::SilentLoss { rate: 1.0 });
    let told = post(&system, "INV-1", "created", about()).await;
    assert_eq!(told.json["data"]["state"], "sent");
    simulator.play(&Scenario::Healthy);
    tokio::time::sleep(5 * SECOND).await;
    post(&system, "INV-9", "success", other).await;
    tokio::time::sleep(MINUTE).await;
    system.watch().await;
    system
}

/// The texts that Siti's phone shows, after the schedule has run for some minutes.
async fn later(system: &TestSystem) -> Vec<String> {
    for _ in 0..6 {
        tokio::time::sleep(MINUTE).await;
        deliver(system).await;
        system.watch().await;
    }
    let messages = inbox(system).into_iter();
    let to_siti = messages.filter(|message| message.phone == "628123456789");
    to_siti.map(|message| message.text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bill_that_did_not_arrive_goes_out_once_more_while_it_is_to_be_paid() {
    let system = with_a_silent_bill().await;
    let [bill] = &later(&system).await[..] else {
        panic!("one message");
    };
    assert!(bill.contains("menunggu pembayaran"), "{bill}");
}

#[tokio::test(start_paused = true)]
async fn a_bill_that_did_not_arrive_never_comes_after_the_end_of_its_payment() {
    for (event, says) in [
        (json!({}), "terima"),
        (json!({ "status": "cancelled" }), "dibatalkan"),
    ] {
        let system = with_a_silent_bill().await;
        let path = if event == json!({}) {
            "success"
        } else {
            "status"
        };
        post(&system, "INV-1", path, event).await;
        let [end] = &later(&system).await[..] else {
            panic!("one message");
        };
        assert!(end.contains(says), "{end}");
        assert_eq!(states(&system, "INV-1").await[0], "created sent");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_paid_before_the_warning_is_not_warned() {
    let system = system().await;
    post(&system, "INV-1", "created", created(&system)).await;
    post(&system, "INV-1", "success", json!({})).await;
    advance(90 * MINUTE).await;
    let delivered = deliver(&system).await;
    assert_eq!(
        (delivered.sent, delivered.superseded),
        (0, 2),
        "{delivered:?}"
    );
    assert_eq!(texts(&system).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_a_bill_that_waits_and_its_payment_only_the_payment_is_told() {
    let system = system().await;
    system.simulator().play(&Scenario::Unpaired);
    let told = post(&system, "INV-1", "created", created(&system)).await;
    assert_eq!(told.status, 202, "{}", told.json);
    assert_eq!(told.json["data"]["reason"], "needs_pairing");
    let told = post(&system, "INV-1", "success", json!({})).await;
    assert_eq!(told.status, 202, "{}", told.json);
    system.simulator().play(&Scenario::Healthy);
    online(&system);
    for _ in 0..5 {
        advance(MINUTE).await;
        deliver(&system).await;
    }
    let texts = texts(&system);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("terima"), "{texts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bill_is_never_sent_when_there_is_no_time_left_to_pay_it() {
    let system = system().await;
    let mut late = created(&system);
    late["expiresAt"] = json!(system.now().plus(4 * MINUTE).rfc3339());
    let told = post(&system, "INV-1", "created", late).await;
    assert_eq!(
        (told.status, &told.json["data"]["state"]),
        (200, &json!("expired"))
    );

    system.simulator().play(&Scenario::Unpaired);
    let mut soon = created(&system);
    soon["expiresAt"] = json!(system.now().plus(8 * MINUTE).rfc3339());
    assert_eq!(post(&system, "INV-2", "created", soon).await.status, 202);
    advance(4 * MINUTE).await;
    system.simulator().play(&Scenario::Healthy);
    online(&system);
    deliver(&system).await;
    assert_eq!(states(&system, "INV-2").await, ["created expired"]);
    assert_eq!(texts(&system), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_payment_becomes_only_what_it_can() {
    let system = system().await;
    let status = |status: &str| json!({ "status": status });
    post(&system, "INV-1", "created", created(&system)).await;
    for (event, body, state) in [
        ("status", status("refunded"), "unchanged"),
        ("status", status("failed"), "sent"),
        ("status", status("cancelled"), "unchanged"),
        ("expiry-warning", json!({}), "unchanged"),
        ("success", json!({}), "sent"),
        ("status", status("paid"), "sent"),
        ("status", status("expired"), "unchanged"),
        (
            "status",
            json!({ "status": "refunded", "sequence": "1" }),
            "sent",
        ),
        (
            "status",
            json!({ "status": "refunded", "sequence": "2" }),
            "sent",
        ),
        ("status", status("reversed"), "unchanged"),
        ("created", created(&system), "sent"),
    ] {
        advance(MINUTE / 10).await;
        let label = format!("{event} {body}");
        let told = post(&system, "INV-1", event, body).await;
        assert_eq!(told.status, 200, "{label}: {}", told.json);
        assert_eq!(told.json["data"]["state"], state, "{label}: {}", told.json);
    }
    assert_eq!(texts(&system).len(), 5, "{:?}", texts(&system));
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_heard_of_when_it_was_paid_is_told_of() {
    let system = system().await;
    let unknown = post(&system, "INV-1", "success", json!({})).await;
    assert_eq!(
        (unknown.status, &unknown.json["error"]),
        (404, &json!("UNKNOWN_PAYMENT"))
    );
    assert_eq!(history(&system, "INV-1").await.status, 404);
    let told = post(&system, "INV-1", "success", about()).await;
    assert_eq!(
        (told.status, &told.json["data"]["state"]),
        (200, &json!("sent"))
    );
    let late = post(&system, "INV-1", "created", created(&system)).await;
    assert_eq!(
        (late.status, &late.json["data"]["state"]),
        (200, &json!("unchanged"))
    );
    assert_eq!(states(&system, "INV-1").await, ["success sent"]);
    assert_eq!(texts(&system).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_is_not_on_whatsapp_is_told_to_an_operator() {
    let system = system().await;
    system.simulator().play(&Scenario::NotOnWhatsapp {
        phones: vec![SITI.into()],
        taken: false,
    });
    let told = post(&system, "INV-1", "success", about()).await;
    assert_eq!(
        (told.status, &told.json["data"]["state"]),
        (200, &json!("dead"))
    );
    assert_eq!(told.json["data"]["reason"], "not_on_whatsapp");
}
