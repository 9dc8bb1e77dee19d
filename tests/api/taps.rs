//! The same right answer sent twice or three times at once is answered alike: a finger taps twice, and a client asks again.
use shared::platform::entropy::Entropy;
use tokio::task::JoinSet;

use super::*;

/// Double and triple taps on each endpoint.
const STORIES: u64 = 100;

/// A store that is 3 to 20 ms away, with conflicts and lost replies.
fn far(seed: u64) -> Faults {
    Faults::seeded(seed)
        .latency(3 * MILLISECOND)
        .delay(1.0, 17 * MILLISECOND)
        .odds(Fault::Conflict, 0.04)
        .odds(Fault::ReplyLost, 0.04)
        .sparing_last_attempts()
}

/// Sends the same two or three times, up to 50 ms apart, and checks that all are answered well and alike but for tokens.
async fn tap(system: &TestSystem, seed: u64, path: &'static str, body: Value) {
    let chance = Entropy::seeded(seed);
    let system = system.with_faults(far(seed));
    let mut taps = JoinSet::new();
    for number in 0..2 + seed % 2 {
        let (system, body) = (system.clone(), body.clone());
        let wait = Duration::from_millis(if number == 0 { 0 } else { chance.below(50) });
        taps.spawn(async move {
            tokio::time::sleep(wait).await;
            system.post(path, body).await
        });
    }
    let mut heard = Vec::new();
    for reply in taps.join_all().await {
        assert_eq!(reply.status, 200, "{path} {seed}: {}", reply.json);
        let mut data = reply.json["data"].clone();
        if let Some(data) = data.as_object_mut() {
            // A signature differs each time.
            data.remove("token");
        }
        heard.push(data);
    }
    assert!(
        heard.iter().all(|data| *data == heard[0]),
        "{path} {seed}: {heard:?}"
    );
}

/// Gives so many wrong answers first that the right one is the last that is compared, in every other story.
async fn typos(system: &TestSystem, seed: u64, path: &str, body: &Value) {
    let mut wrong_body = body.clone();
    wrong_body["otp"] = wrong(body["otp"].as_str().expect("a code")).into();
    let count = if seed % 4 < 2 { 0 } else { 4 };
    for _ in 0..count {
        assert_eq!(system.post(path, wrong_body.clone()).await.status, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_is_tapped_twice_opens_one_login_for_all() {
    for seed in 0..STORIES {
        let system = TestSystem::builder().seed(seed).build().await;
        let system = with_siti(system).await;
        let (challenge, code) = sent_code(&system, SITI).await;
        let body = json!({ "identifier": SITI, "otp": code, "challengeId": challenge });
        typos(&system, seed, SSO_VERIFY, &body).await;
        tap(&system, seed, SSO_VERIFY, body).await;
        assert_eq!(items(&system, "LoginsTable").await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_is_tapped_twice_makes_one_user_for_all() {
    for seed in 0..STORIES {
        let system = TestSystem::builder().seed(seed).build().await;
        let mut applicant = applicant(BUDI);
        applicant["email"] = "budi@example.com".into();
        let (challenge, code) = signed_up(&system, applicant).await;
        let body = json!({ "identifier": BUDI, "otp": code, "challengeId": challenge });
        typos(&system, seed, VERIFY_OTP, &body).await;
        tap(&system, seed, VERIFY_OTP, body).await;
        assert_eq!(items(&system, "LoginsTable").await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_is_tapped_twice_sets_the_password_for_all() {
    for seed in 0..STORIES {
        let system = TestSystem::builder().seed(seed).build().await;
        let system = with_siti(system).await;
        let (challenge, code) = sent_reset(&system, SITI).await;
        let body = json!({
            "identifier": SITI, "otp": code, "challengeId": challenge, "newPassword": "another long secret",
        });
        typos(&system, seed, RESET, &body).await;
        tap(&system, seed, RESET, body).await;
        check_signed_in(
            &system,
            &sign_in(&system, SITI, "another long secret").await,
        );
    }
}
