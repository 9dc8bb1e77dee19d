//! What a stranger's guesses can do to somebody else's codes.
use std::time::Duration;

use local::simulator::Scenario;
use serde_json::json;
use tests::TestSystem;
use tokio::time::sleep;

use super::{PHONE, check, code, signed_up};

const SIGN_IN: &str = "/api/auth/sso-signin";
const VERIFY: &str = "/api/auth/sso-verify";

/// A system where clients of the earlier system may guess without a challenge id.
async fn lenient() -> TestSystem {
    let system = TestSystem::builder().settings(|settings| settings.unbound_guesses = true);
    system.build().await
}

#[tokio::test(start_paused = true)]
async fn codes_that_cannot_be_sent_are_not_guessed_at() {
    let system = lenient().await;
    signed_up(&system).await;
    system.simulator().play(&Scenario::Unlinked);
    let mut compared = 0;
    for _ in 0..20 {
        let asking = tokio::spawn({
            let system = system.clone();
            async move { system.post(SIGN_IN, json!({ "identifier": PHONE })).await }
        });
        sleep(Duration::from_millis(50)).await;
        while !asking.is_finished() {
            let guess = json!({"identifier": PHONE, "otp": "000000"});
            let reply = system.post(VERIFY, guess).await;
            compared += usize::from(reply.json["attemptsLeft"].is_u64());
            sleep(Duration::from_millis(100)).await;
        }
        assert_ne!(asking.await.unwrap().status, 200);
    }
    // A code that may be taken back is compared with nothing, and costs nobody anything.
    assert_eq!(compared, 0);
    let sso = json!({ "identifier": PHONE });
    let refused = system.post(SIGN_IN, sso).await;
    assert_eq!(
        (refused.status, &refused.json["charged"]),
        (503, &json!(false))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_send_that_nobody_guessed_at_is_still_free() {
    let system = TestSystem::start().await;
    signed_up(&system).await;
    system.simulator().play(&Scenario::Unlinked);
    for _ in 0..10 {
        let sso = json!({ "identifier": PHONE });
        assert_eq!(system.post(SIGN_IN, sso).await.status, 503);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_makes_nobodys_challenge_id_worthless() {
    let system = lenient().await;
    signed_up(&system).await;
    let asked = system.post(SIGN_IN, json!({ "identifier": PHONE })).await;
    let mine = asked.json["data"]["challengeId"].clone();
    for _ in 0..5 {
        let guess = json!({"identifier": PHONE, "otp": "000000"});
        check(&system.post(VERIFY, guess).await, 400, Some("INVALID_OTP"));
    }
    sleep(Duration::from_secs(60)).await;
    check(
        &system.post(SIGN_IN, json!({ "identifier": PHONE })).await,
        200,
        None,
    );
    // The stranger's request brought the phone another code: it is mine to use, too.
    let right = json!({"identifier": PHONE, "otp": code(&system), "challengeId": mine});
    check(&system.post(VERIFY, right).await, 200, None);
}
