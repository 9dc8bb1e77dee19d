//! Daily caps per country: what is refused, when, and that no crowd and no bad database lets more through.
use std::time::Duration;

use local::database::{Fault, Faults};
use local::simulator::Scenario;
use serde_json::json;
use shared::flows::codes::country_cap::CountryDays;
use shared::model::challenge::AttemptId;
use shared::model::country::{CapMode, CountryCaps};
use shared::model::phone::Phone;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use tests::{Reply, TestSystem};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::act::*;

async fn capped(caps: &str, mode: CapMode) -> TestSystem {
    let system = TestSystem::builder().settings(|settings| {
        settings.country_caps = CountryCaps::parse(caps, mode).unwrap();
    });
    system.build().await
}

#[track_caller]
fn check_refused(reply: &Reply) {
    check_error(reply, 429, "RATE_LIMITED", Some("country"));
}

#[tokio::test(start_paused = true)]
async fn a_full_cap_refuses_its_country_until_midnight_and_no_other() {
    let caps = r#"{"62":2,"49":0,"*":1}"#;
    let system = capped(caps, CapMode::Enforce).await;
    for number in 1..=2 {
        check_ok(&sign_up(&system, &phone(number)).await);
    }
    let refused = sign_up(&system, &phone(3)).await;
    check_refused(&refused);
    let left = refused.json["retryAfterSeconds"].as_u64().unwrap();
    let midnight = system.now().seconds() + left as i64;
    assert_eq!(midnight % 86_400, 0);
    assert!(left < 86_400);

    check_refused(&sign_up(&system, "+4915112345678").await);
    check_ok(&sign_up(&system, "+15551234567").await);
    check_refused(&sign_up(&system, "+33612345678").await);
    assert_eq!(system.simulator().messages(None).len(), 3);

    let midnight = Timestamp::from_seconds(midnight);
    sleep(midnight.since(system.now()) - Duration::from_millis(1)).await;
    check_refused(&sign_up(&system, &phone(3)).await);
    sleep(Duration::from_millis(1)).await;
    check_ok(&sign_up(&system, &phone(3)).await);
    check_refused(&sign_up(&system, "+4915112345678").await);
}

#[tokio::test(start_paused = true)]
async fn a_code_for_a_phone_with_an_account_or_for_nobody_does_not_count() {
    let system = capped(r#"{"62":0}"#, CapMode::Enforce).await;
    add_user(&system, &phone(1)).await;
    for number in [1, 2] {
        check_ok(&sign_in(&system, &phone(number)).await);
    }
    check_refused(&sign_up(&system, &phone(2)).await);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_counts_for_no_country_whatever_names_the_account() {
    let system = TestSystem::builder().settings(|settings| {
        settings.email_identifier = true;
        settings.country_caps = CountryCaps::parse(r#"{"62":1,"*":0}"#, CapMode::Enforce).unwrap();
    });
    let system = system.build().await;
    let mut asked = applicant(&phone(1));
    asked["email"] = "siti@example.com".into();
    let sent = system.post("/api/auth/signup", asked).await;
    let code = code_in(&system.simulator().messages(None)[0]).to_owned();
    let challenge = &sent.json["data"]["challengeId"];
    let answer = json!({ "identifier": phone(1), "otp": code, "challengeId": challenge });
    check_ok(&system.post("/api/auth/verify-otp", answer).await);

    // The cap is full.
    check_refused(&sign_up(&system, &phone(2)).await);
    for email in ["siti@example.com", "nobody@example.com"] {
        check_ok(&sign_in(&system, email).await);
    }
    // Nor can the numbers be asked for that stand for nobody.
    let nobodys = sign_in(&system, "+999123456789012").await;
    check_error(&nobodys, 400, "INVALID_PHONE_FORMAT", None);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_sent_takes_no_place() {
    let system = capped(r#"{"62":1}"#, CapMode::Enforce).await;
    system.simulator().play(&Scenario::Banned);
    for number in 1..=3 {
        let refused = sign_up(&system, &phone(number)).await;
        assert_eq!(refused.status, 503, "{}", refused.json);
    }
    system.simulator().play(&Scenario::Healthy);
    check_ok(&sign_up(&system, &phone(1)).await);
    check_refused(&sign_up(&system, &phone(2)).await);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_cap_refuses_nothing() {
    let system = capped(r#"{"62":1}"#, CapMode::Record).await;
    for number in 1..=3 {
        check_ok(&sign_up(&system, &phone(number)).await);
    }
    assert_eq!(system.simulator().messages(None).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_cap_costs_no_round_trip() {
    let mut took = Vec::new();
    for caps in ["{}", r#"{"62":100}"#] {
        let system = capped(caps, CapMode::Enforce).await;
        let far = system.with_faults(Faults::none().latency(Duration::from_millis(100)));
        // The first of a day begins the day.
        check_ok(&sign_up(&far, &phone(1)).await);
        sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        check_ok(&sign_up(&far, &phone(2)).await);
        took.push(began.elapsed());
    }
    assert_eq!(took[0], took[1]);
}

/// Four hundred messages ask for places side by side; every third of those that get one gives it back. Answers how many
/// places are held in the end.
async fn crowd(backends: &Backends) -> usize {
    let days = CountryDays::new(backends);
    let mut crowd = JoinSet::new();
    for _ in 0..400 {
        let (backends, days) = (backends.clone(), days.clone());
        crowd.spawn(async move {
            let (entropy, now) = (&backends.entropy, backends.clock.now());
            sleep(Duration::from_millis(entropy.below(2_000))).await;
            let attempt = AttemptId::draw(entropy);
            let phone = Phone::parse(&phone(1)).unwrap();
            let Ok(place) = days.grant(&phone, &attempt, now).await else {
                return 0;
            };
            assert!(place.is_some());
            if entropy.below(3) > 0 {
                return 1;
            }
            sleep(Duration::from_millis(entropy.below(500))).await;
            days.give_back(place, &attempt).await;
            0
        });
    }
    crowd.join_all().await.into_iter().sum()
}

#[tokio::test(start_paused = true)]
async fn no_crowd_passes_a_cap_however_bad_the_database_is() {
    for cap in [90, 230] {
        for seed in 0..3 {
            let caps = format!(r#"{{"62":{cap}}}"#);
            let system = capped(&caps, CapMode::Enforce).await;
            let faults = Faults::seeded(seed)
                .odds(Fault::Conflict, 0.05)
                .odds(Fault::ReplyLost, 0.1)
                .odds(Fault::RequestLost, 0.05)
                .delay(0.5, Duration::from_millis(50));
            let system = system.with_faults(faults);
            let held = crowd(system.backends()).await;
            assert!(held <= cap, "{cap} {seed}: {held}");
            // What a dying call may leave behind is little.
            assert!(held * 100 >= cap * 95, "{cap} {seed}: {held}");
        }
    }
}
