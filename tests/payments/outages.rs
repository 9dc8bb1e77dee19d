//! What an outage does to notices.
use local::simulator::{LostAnswer, Scenario};
use serde_json::json;
use tests::TestSystem;
use tokio::time::advance;

use super::act::*;

/// The schedule, for so many minutes.
async fn pass(system: &TestSystem, minutes: u32) {
    for _ in 0..minutes {
        advance(MINUTE).await;
        deliver(system).await;
    }
}

#[tokio::test(start_paused = true)]
async fn facts_arrive_once_the_gateway_is_back_and_reminders_only_in_their_time() {
    let system = system().await;
    system.simulator().play(&Scenario::Unpaired);
    for (payment, event, body) in [
        ("INV-1", "created", created(&system)),
        ("INV-2", "success", about()),
    ] {
        let told = post(&system, payment, event, body).await;
        assert_eq!(told.status, 202, "{}", told.json);
    }
    pass(&system, 3 * 60).await;
    assert_eq!(texts(&system).len(), 0);
    system.simulator().play(&Scenario::Healthy);
    online(&system);
    pass(&system, 65).await;
    assert_eq!(states(&system, "INV-2").await, ["success sent"]);
    let states = states(&system, "INV-1").await;
    assert!(
        states.iter().all(|state| state.ends_with(" expired")),
        "{states:?}"
    );
    assert_eq!(texts(&system).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_told_for_a_day_is_dead_and_an_operator_knows() {
    let system = system().await;
    system.simulator().play(&Scenario::Unpaired);
    assert_eq!(post(&system, "INV-1", "success", about()).await.status, 202);
    pass(&system, 24 * 60 + 2).await;
    let told = notices(&system, "INV-1").await;
    assert_eq!(
        (&told[0]["state"], &told[0]["reason"]),
        (&json!("dead"), &json!("needs_pairing"))
    );
    let attempts = told[0]["attempts"].as_u64().expect("a number");
    assert!(
        (20..60).contains(&attempts),
        "about one an hour: {attempts}"
    );
    system.simulator().play(&Scenario::Healthy);
    online(&system);
    pass(&system, 120).await;
    assert_eq!(texts(&system).len(), 0, "not after its time");
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_answer_goes_out_again_under_its_own_id_only() {
    for delivered in [true, false] {
        let system = system().await;
        let scenario = if delivered {
            Scenario::AnswerLost {
                sends: 1,
                how: LostAnswer::default(),
                after_ms: 0,
            }
        } else {
            Scenario::AckLost {
                sends: 1,
                delivered: false,
                lasts_ms: 60_000,
            }
        };
        system.simulator().play(&scenario);
        post(&system, "INV-1", "success", about()).await;
        pass(&system, 10).await;
        assert_eq!(
            states(&system, "INV-1").await,
            ["success sent"],
            "{delivered}"
        );
        let sent = system.simulator().messages(None);
        let ids: std::collections::BTreeSet<_> = sent.iter().map(|message| &message.id).collect();
        assert_eq!(ids.len(), 1, "{sent:?}");
        assert_eq!(texts(&system).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_does_not_wait_for_the_first_attempt_of_whoever_does_not_want_that() {
    let system = system().await;
    let prefer = [("prefer", "wait=1, respond-async")];
    let told = post_with(&system, "INV-1", "success", about(), &prefer).await;
    assert_eq!(
        (told.status, &told.json["data"]["state"]),
        (202, &json!("queued"))
    );
    assert_eq!(texts(&system).len(), 0);
    deliver(&system).await;
    assert_eq!(states(&system, "INV-1").await, ["success sent"]);
}

/// A customer whom WhatsApp refuses has many payments, and six others one each.
#[tokio::test(start_paused = true)]
async fn a_phone_that_cannot_be_written_to_keeps_nobody_else_waiting() {
    let system = system().await;
    let about = |number: u64| json!({ "phone": format!("0812345670{number:02}"), "amount": 1, "currency": "IDR" });
    for number in 0..7 {
        // The last one's phone never gets it, so that there is no chat.
        if number == 6 {
            system.simulator().play(&Scenario::SilentLoss { rate: 1.0 });
        }
        let told = post(&system, &format!("G-{number}"), "created", about(number)).await;
        assert_eq!(told.json["data"]["state"], "sent", "{}", told.json);
    }
    system.simulator().play(&Scenario::Healthy);
    advance(11 * MINUTE).await;
    system.simulator().play(&Scenario::ColdLocked {
        code: 463,
        refusals: None,
    });
    let later = [("prefer", "respond-async")];
    for number in 0..150 {
        let payment = format!("B-{number}");
        post_with(&system, &payment, "success", about(6), &later).await;
    }
    for number in 0..6 {
        let payment = format!("G-{number}");
        post_with(&system, &payment, "success", json!({}), &later).await;
    }
    for _ in 0..4 {
        advance(MINUTE).await;
        deliver(&system).await;
    }
    for number in 0..6 {
        let states = states(&system, &format!("G-{number}")).await;
        assert!(
            states.contains(&"success sent".into()),
            "{number}: {states:?}"
        );
    }
}
