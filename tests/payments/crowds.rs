//! Many notices, many deliverers.
use std::collections::BTreeSet;

use futures_util::future::join_all;
use local::simulator::SessionOptions;
use serde_json::json;
use shared::store::whatsapp_sessions::WhatsAppSessions;
use tests::{TestSystem, people};
use tokio::time::advance;

use super::act::*;

const NOTICES: u64 = 200;
const RESPOND_ASYNC: [(&str, &str); 1] = [("prefer", "respond-async")];

/// A system with three sessions.
async fn three_sessions() -> TestSystem {
    let sessions = ["system", "second", "third"];
    let sessions = sessions.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let system = TestSystem::builder()
        .settings(|settings| settings.notices.pace = MINUTE / 120)
        .simulator(|options| options.sessions = sessions.into());
    let system = system.build().await;
    allow(&system, &[shop()]).await;
    system
}

#[tokio::test(start_paused = true)]
async fn many_notices_drain_through_deliverers_side_by_side_and_each_goes_out_once() {
    let system = three_sessions().await;
    wait_with(&system, NOTICES, "success").await;
    let began = system.now();
    while texts(&system).len() < NOTICES as usize {
        let waited = system.now().since(began);
        assert!(waited < 10 * MINUTE, "{waited:?}: {}", texts(&system).len());
        join_all((0..3).map(|_| deliver(&system))).await;
        advance(MINUTE / 60).await;
    }
    let sent = system.simulator().messages(None);
    let ids: BTreeSet<_> = sent.iter().map(|message| message.id.clone()).collect();
    assert_eq!(
        (ids.len(), sent.len()),
        (NOTICES as usize, NOTICES as usize)
    );
    let waited = system.now().since(began);
    // Two a second from each of three sessions.
    assert!(waited < 2 * MINUTE, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_was_written_to_is_no_new_chat_and_is_not_looked_up_again() {
    let system = three_sessions().await;
    system.watch().await;
    let look_ups = || system.simulator().calls().count("/user/check");
    let new_chats = async || {
        let table = WhatsAppSessions::of(&system.without_faults());
        let items = ["system", "second", "third"].map(|name| table.read(name));
        let items = join_all(items).await.into_iter();
        items
            .map(|item| item.expect("the store").new_chats_on(system.now()))
            .sum::<i64>()
    };
    for event in ["created", "success"] {
        let told = post(&system, "INV-1", event, about()).await;
        assert_eq!(told.status, 200, "{}", told.json);
        advance(MINUTE).await;
        assert_eq!((new_chats().await, look_ups()), (1, 1), "{event}");
    }
}

/// Whoever asks for codes for a customer without an account moves nothing: what is pretended has written to nobody.
#[tokio::test(start_paused = true)]
async fn the_account_that_writes_to_a_customer_stays_whatever_strangers_ask_for() {
    let system = three_sessions().await;
    system.watch().await;
    for number in 1..=12 {
        let (payment, phone) = (format!("INV-{number}"), people::phone(number));
        let about = json!({ "phone": phone, "amount": 150_000, "currency": "IDR" });
        let told = post(&system, &payment, "created", about).await;
        assert_eq!(told.status, 200, "{}", told.json);
        let asked = people::sign_in(&system, &phone).await;
        assert_eq!(asked.status, 200, "{}", asked.json);
        let told = post(&system, &payment, "success", json!({})).await;
        assert_eq!(told.status, 200, "{}", told.json);
        let messages = people::messages(&system, &phone);
        let sessions: BTreeSet<_> = messages.iter().map(|message| &message.session).collect();
        assert_eq!((messages.len(), sessions.len()), (2, 1), "{messages:?}");
        advance(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_waits_for_its_pace_costs_no_more_calls_than_another_one() {
    let system = one_session().await;
    wait_with(&system, 60, "success").await;
    system.database().forget_calls();
    let mut runs = 0;
    while texts(&system).len() < 60 {
        let began = system.now();
        deliver(&system).await;
        assert!(system.now().since(began) < MINUTE, "a run ends in its time");
        runs += 1;
        assert!(
            runs <= 4,
            "a notice each two seconds: {}",
            texts(&system).len()
        );
        advance(MINUTE.saturating_sub(system.now().since(began))).await;
    }
    let calls = system.database().calls().len();
    assert!(calls <= 60 * 11, "{calls} calls for 60 notices");
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_while_a_notice_waits_for_its_pace_counts() {
    let system = one_session().await;
    wait_with(&system, 14, "created").await;
    let cancelled = async {
        tokio::time::sleep(MINUTE / 60).await;
        for number in 0..14 {
            let (payment, body) = (format!("INV-{number}"), json!({ "status": "cancelled" }));
            post_with(&system, &payment, "status", body, &RESPOND_ASYNC).await;
        }
    };
    tokio::join!(cancelled, deliver(&system));
    advance(MINUTE).await;
    deliver(&system).await;
    let mut asked_to_pay = 0;
    for number in 0..14 {
        let states = states(&system, &format!("INV-{number}")).await;
        assert_eq!(states[1], "status.cancelled sent", "{states:?}");
        let is_needless = states[0] == "created superseded";
        assert!(is_needless || states[0] == "created sent", "{states:?}");
        asked_to_pay += usize::from(!is_needless);
    }
    assert!((1..=11).contains(&asked_to_pay), "{asked_to_pay}");
}

/// A system with one session that sends a notice each two seconds.
async fn one_session() -> TestSystem {
    let builder = TestSystem::builder().settings(|settings| settings.notices.pace = MINUTE / 30);
    let system = builder.build().await;
    allow(&system, &[shop()]).await;
    system
}

/// Lets so many notices wait for the schedule.
async fn wait_with(system: &TestSystem, notices: u64, event: &str) {
    for number in 0..notices {
        let mut body = about();
        body["phone"] = json!(people::phone(number));
        let told = post_with(
            system,
            &format!("INV-{number}"),
            event,
            body,
            &RESPOND_ASYNC,
        )
        .await;
        assert_eq!(told.status, 202, "{}", told.json);
    }
}

#[tokio::test(start_paused = true)]
async fn notices_leave_the_last_fifth_of_a_day_s_new_chats_to_codes() {
    let system = system().await;
    let system = system.with_settings(|settings| settings.sessions[0].new_chats_per_day = Some(20));
    wait_with(&system, 20, "success").await;
    deliver(&system).await;
    assert_eq!(texts(&system).len(), 16, "four fifths");
    let applicant = |number| json!({ "name": "Budi", "phone": people::phone(number), "password": "four blue umbrellas" });
    for number in 50..54 {
        let signed_up = system.post("/api/auth/signup", applicant(number)).await;
        assert_eq!(signed_up.status, 200, "{}", signed_up.json);
    }
    let too_many = system.post("/api/auth/signup", applicant(54)).await;
    assert_eq!(too_many.status, 503, "{}", too_many.json);
    for _ in 0..24 * 6 {
        advance(10 * MINUTE).await;
        deliver(&system).await;
    }
    assert_eq!(texts(&system).len(), 20 + 4, "the next day has new ones");
}

#[tokio::test(start_paused = true)]
async fn codes_go_before_notices() {
    let system = three_sessions().await;
    for number in 100..105 {
        people::add_user(&system, &people::phone(number)).await;
    }
    wait_with(&system, 60, "success").await;
    let codes = async {
        for number in 100..105 {
            let began = system.now();
            let asked = people::sign_in(&system, &people::phone(number)).await;
            assert_eq!(asked.status, 200, "{}", asked.json);
            let waited = system.now().since(began);
            assert!(waited < MINUTE / 20, "{waited:?}");
            tokio::time::sleep(MINUTE / 12).await;
        }
    };
    let notices = async {
        for _ in 0..5 {
            deliver(&system).await;
            tokio::time::sleep(MINUTE / 6).await;
        }
    };
    tokio::join!(codes, notices);
}
