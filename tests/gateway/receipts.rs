//! What phones say of messages, what they write themselves, and whom WhatsApp lets an account write to.
use std::time::Duration;

use local::simulator::{
    Profile, Scenario, SessionOptions, SessionState, Simulator, SimulatorOptions,
};
use serde_json::{Value, json};
use shared::gateway::{GatewayError, SessionToken, TextMessage};
use shared::model::phone::Phone;
use tokio::time::sleep;

use crate::harness::{WITHIN, text};

const PROFILES: [Profile; 4] = [Profile::A, Profile::B, Profile::C, Profile::D];
const URL: &str = "http://127.0.0.1:9/hook";

fn options(profile: Profile) -> SimulatorOptions {
    let session = |name, token| SessionOptions::new(name, token).with_webhook(URL);
    SimulatorOptions {
        profile,
        sessions: vec![session("system", "a"), session("session-2", "b")],
        ..SimulatorOptions::default()
    }
}

fn simulator() -> Simulator {
    Simulator::new(options(Profile::B))
}

/// Sends through a session, to a phone, and says how: `sent`, or the end of the error.
async fn send(simulator: &Simulator, token: &str, to: &str, id: &str) -> String {
    let message = TextMessage {
        phone: Phone::parse(to).expect("a phone"),
        ..text(id)
    };
    let token = SessionToken::new(token);
    match simulator
        .gateway()
        .send_text(&token, &message, WITHIN)
        .await
    {
        Ok(_) => "sent".into(),
        Err(GatewayError::Refused { error, .. }) => error.replace("error sending message: ", ""),
        Err(error) => error.to_string(),
    }
}

/// What receipts came: state, sender, message ids.
fn receipts(simulator: &Simulator) -> Vec<(String, String, Value)> {
    let hooks = simulator.hooks().into_iter();
    let receipts = hooks.filter(|hook| hook.kind == "ReadReceipt");
    receipts
        .map(|hook| {
            let event = hook.event();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let ids = event["event"]["MessageIDs"].clone();
            (text(&event["state"]), text(&event["event"]["Sender"]), ids)
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_device_says_delivered_and_one_says_read() {
    let simulator = Simulator::new(SimulatorOptions {
        devices: 2,
        read_after: Some(Duration::from_secs(1)),
        ..options(Profile::B)
    });
    send(&simulator, "a", "08123456789", "1").await;
    sleep(Duration::from_millis(99)).await;
    assert_eq!(receipts(&simulator), []);
    sleep(Duration::from_secs(2)).await;
    let row = |state: &str, user: &str| {
        let sender = format!("{user}@s.whatsapp.net");
        (state.to_owned(), sender, json!(["1"]))
    };
    assert_eq!(
        receipts(&simulator),
        [
            row("Delivered", "628123456789"),
            row("Delivered", "628123456789:1"),
            row("Read", "628123456789"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_with_receipts_goes_wrong_with_nothing_else() {
    let all = 1.0;
    // Scenario; what arrives of two messages; which receipts come within a second, and within a minute.
    let in_order = ["1", "2"];
    for (scenario, arrive, soon, late) in [
        (Scenario::Healthy, 2, &in_order[..], &in_order[..]),
        (
            Scenario::ReceiptsDelayed { by_ms: 30_000 },
            2,
            &[],
            &in_order,
        ),
        (Scenario::ReceiptsLost { rate: all }, 2, &[], &[]),
        (Scenario::ReceiptsLost { rate: 0.5 }, 2, &["1"], &["1"]),
        (
            Scenario::ReceiptsDoubled,
            2,
            &["1", "1", "2", "2"],
            &["1", "1", "2", "2"],
        ),
        (Scenario::ReceiptsReordered, 2, &["2"], &["2", "1"]),
        (Scenario::Mute, 0, &[], &[]),
        (Scenario::SilentLoss { rate: 0.5 }, 1, &["1"], &["1"]),
        (Scenario::StoreBusy { rate: all }, 0, &[], &[]),
    ] {
        let simulator = simulator();
        simulator.play(&scenario);
        for id in in_order {
            let sent = send(&simulator, "a", "08123456789", id).await;
            assert_eq!(sent, "sent", "{scenario:?}");
        }
        let ids = || -> Vec<String> {
            let receipts = receipts(&simulator).into_iter();
            receipts
                .map(|(_, _, ids)| ids[0].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        sleep(Duration::from_secs(1)).await;
        assert_eq!(ids(), soon, "{scenario:?} soon");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(ids(), late, "{scenario:?}");
        assert_eq!(simulator.messages(None).len(), arrive, "{scenario:?}");
        // Everything is usual again.
        simulator.play(&Scenario::Healthy);
        send(&simulator, "a", "08123456789", "3").await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(ids().last().map(String::as_str), Some("3"), "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reordered_receipts_say_read_first_and_the_later_message_before() {
    let simulator = Simulator::new(SimulatorOptions {
        read_after: Some(Duration::from_millis(500)),
        send_duration: Duration::from_millis(10),
        ..options(Profile::B)
    });
    simulator.play(&Scenario::ReceiptsReordered);
    for id in ["1", "2"] {
        send(&simulator, "a", "08123456789", id).await;
    }
    sleep(Duration::from_secs(10)).await;
    let order: Vec<_> = receipts(&simulator)
        .into_iter()
        .map(|(state, _, ids)| (state, ids[0].clone()))
        .collect();
    let row = |state: &str, id: &str| (state.to_owned(), json!(id));
    assert_eq!(
        order,
        [
            row("Read", "2"),
            row("Delivered", "2"),
            row("Read", "1"),
            row("Delivered", "1"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_session_leaves_the_others_receipts_alone() {
    let simulator = simulator();
    let mute = simulator.play_on("session-2", &Scenario::Mute);
    mute.expect("a session");
    send(&simulator, "a", "08123456789", "1").await;
    send(&simulator, "b", "08123456789", "2").await;
    sleep(Duration::from_secs(1)).await;
    let hooks: Vec<_> = simulator
        .hooks()
        .into_iter()
        .map(|hook| hook.session)
        .collect();
    assert_eq!(hooks, ["system"]);
}

#[tokio::test(start_paused = true)]
async fn receipts_wait_for_the_session_and_then_come_together() {
    for profile in PROFILES {
        let simulator = Simulator::new(options(profile));
        simulator.play(&Scenario::ReceiptsDelayed { by_ms: 1_000 });
        for id in ["1", "2"] {
            send(&simulator, "a", "08123456789", id).await;
        }
        let sent_at = simulator.messages(None).last().map(|message| message.at_ms);
        simulator.play(&Scenario::NetworkBlip { lasts_ms: 20_000 });
        sleep(Duration::from_secs(19)).await;
        assert_eq!(receipts(&simulator), [], "{profile:?}");
        sleep(Duration::from_secs(5)).await;
        let came = receipts(&simulator);
        let ids: Vec<_> = came.iter().map(|(_, _, ids)| ids.clone()).collect();
        assert_eq!(ids, [json!(["1", "2"])], "{profile:?}");
        // The event is as old as it is.
        let hooks = simulator.hooks();
        let receipt = hooks
            .iter()
            .find(|hook| hook.kind == "ReadReceipt")
            .expect("one");
        let sent_at = sent_at.expect("a message");
        assert!(receipt.at_ms > sent_at + 15_000, "{profile:?}");
        let seconds = (sent_at + 1_100) / 1_000;
        let time = format!("2025-08-17T13:11:{:02}Z", 34 + seconds);
        assert_eq!(receipt.event()["event"]["Timestamp"], time, "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrived_unacknowledged_brings_its_receipt_later() {
    let simulator = simulator();
    simulator.play(&Scenario::HalfOpen {
        sends: Some(1),
        delivered: true,
    });
    let sent = send(&simulator, "a", "08123456789", "1").await;
    assert_eq!(sent, "timed out waiting for message send response");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(receipts(&simulator).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unlinked_device_hears_nothing_any_more() {
    let simulator = simulator();
    simulator.play(&Scenario::ReceiptsDelayed { by_ms: 5_000 });
    send(&simulator, "a", "08123456789", "1").await;
    simulator.play(&Scenario::Unlinked);
    sleep(Duration::from_secs(10)).await;
    simulator
        .set_state("system", SessionState::Online)
        .expect("a session");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(receipts(&simulator), []);
}

#[tokio::test(start_paused = true)]
async fn newer_versions_may_know_people_by_another_number() {
    for (profile, chat) in [
        (Profile::A, "628123456789@s.whatsapp.net"),
        (Profile::B, "628123456789@s.whatsapp.net"),
        (Profile::C, "98765432182600@lid"),
        (Profile::D, "98765432182600@lid"),
    ] {
        let simulator = Simulator::new(SimulatorOptions {
            lid: true,
            ..options(profile)
        });
        send(&simulator, "a", "08123456789", "1").await;
        simulator
            .incoming("system", "628123456789", "hi")
            .expect("a session");
        sleep(Duration::from_secs(1)).await;
        let mut events: Vec<_> = simulator.hooks().iter().map(|hook| hook.event()).collect();
        events.sort_by_key(|event| event["type"].to_string());
        assert_eq!(events[0]["event"]["Info"]["Chat"], chat, "{profile:?}");
        assert_eq!(events[1]["event"]["Chat"], chat, "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_may_open_no_chats_reaches_those_it_has() {
    const LOCKED: &str = "server returned error 463";
    let simulator = simulator();
    send(&simulator, "a", "08123456781", "1").await;
    simulator.play(&Scenario::ColdLocked {
        code: 463,
        refusals: None,
    });
    let wrote = simulator.incoming("system", "628123456782", "hello");
    wrote.expect("a session");
    for (case, token, phone, expected) in [
        ("took a message", "a", "08123456781", "sent"),
        ("took one from another session", "b", "08123456781", LOCKED),
        ("wrote", "a", "08123456782", "sent"),
        ("wrote to another session", "b", "08123456782", LOCKED),
        ("new", "a", "08123456783", LOCKED),
        ("new, again", "a", "08123456783", LOCKED),
    ] {
        assert_eq!(
            send(&simulator, token, phone, case).await,
            expected,
            "{case}"
        );
    }
    simulator.play(&Scenario::Healthy);
    assert_eq!(send(&simulator, "a", "08123456783", "2").await, "sent");
    simulator.play(&Scenario::Restricted {
        code: 463,
        refusals: None,
    });
    for phone in ["08123456781", "08123456782", "08123456783"] {
        assert_eq!(send(&simulator, "a", phone, phone).await, LOCKED, "{phone}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_arrived_opens_no_chat() {
    let simulator = simulator();
    simulator.play(&Scenario::Mute);
    send(&simulator, "a", "08123456781", "1").await;
    simulator.play(&Scenario::ColdLocked {
        code: 463,
        refusals: None,
    });
    let sent = send(&simulator, "a", "08123456781", "2").await;
    assert_eq!(sent, "server returned error 463");
}

#[tokio::test(start_paused = true)]
async fn a_phone_writes_to_the_account_it_names() {
    let simulator = simulator();
    let wrote = simulator.incoming("session-2", "628123456789", "open 1234");
    let id = wrote.expect("a session");
    sleep(Duration::from_secs(1)).await;
    let [hook] = &simulator.hooks()[..] else {
        panic!("one post")
    };
    let event = hook.event();
    let info = &event["event"]["Info"];
    assert_eq!(
        (hook.session.as_str(), &info["ID"]),
        ("session-2", &json!(id))
    );
    assert_eq!(info["IsFromMe"], false);
    assert_eq!(event["event"]["Message"]["conversation"], "open 1234");
    assert!(simulator.incoming("nobody", "62812", "hi").is_err());
}
