//! Rotating the keys in the middle of everything.
use std::time::Duration;

use local::database::Faults;
use serde_json::{Value, json};
use shared::model::token::{self, Claims, Jwks, Parties, SigningAlgorithm, TokenError};
use shared::platform::timestamp::Timestamp;
use shared::store::Fields;
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

const DAY: u64 = 24 * 60 * 60;

/// The longest that a client may use the public keys that it read.
const JWKS_CACHED: Duration = Duration::from_secs(300);

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

async fn rotate_all(system: &TestSystem) {
    for ring in ["codes", "signing", "refresh", "webhooks"] {
        operate(system, &["keys", "rotate", ring]).await.unwrap();
    }
}

/// The kids of a ring, the oldest first.
async fn kids(system: &TestSystem, ring: &str) -> Vec<String> {
    let rings = rows(system, "KeysTable").await;
    let ring = rings
        .iter()
        .find(|item| item.text("ring") == Some(ring))
        .unwrap();
    let keys = ring["keys"].as_l().unwrap().iter();
    keys.map(|key| key.as_m().unwrap().text("kid").unwrap().to_owned())
        .collect()
}

async fn published(system: &TestSystem) -> Jwks {
    let reply = system.get("/.well-known/jwks.json").await;
    serde_json::from_slice(&reply.body).unwrap()
}

fn verify(system: &TestSystem, jwks: &Jwks, token: &Value) -> Result<Claims, TokenError> {
    let settings = &system.backends().settings;
    let parties = Parties {
        issuer: &settings.token_issuer,
        audience: &settings.token_audience,
    };
    token::verify(jwks, token.as_str().unwrap(), parties, system.now())
}

/// Lets every environment of every function read its rings.
async fn warm(system: &TestSystem) {
    for _ in 0..4 {
        let nobody = "08110000000";
        sign_in(system, nobody, "four words that rhyme").await;
        refresh(system, &json!(format!("{:032}.0.AAAA", 0))).await;
        published(system).await;
        let body = json!({"identifier": nobody, "otp": "000000", "challengeId": "unknown"});
        for path in ["/api/auth/verify-otp", "/api/auth/sso-verify"] {
            system.post(path, body.clone()).await;
        }
    }
}

async fn ask(system: &TestSystem, path: &str) -> Reply {
    system
        .post(path, json!({ "identifier": PHONE, "method": "whatsapp" }))
        .await
}

/// Waits, rotates all keys, and waits again.
async fn rotate_between(system: &TestSystem, before: u64, after: u64) {
    seconds(before).await;
    warm(system).await;
    rotate_all(system).await;
    seconds(after).await;
}

/// Signs up, signs in with a code and sets a new password, with all keys rotated between each code and its use.
async fn journey(system: &TestSystem, before: u64, after: u64) {
    let turn = format!("{before} s, rotated, {after} s");
    let sent = sign_up(system, PHONE).await;
    rotate_between(system, before, after).await;
    let first = answer(system, "/api/auth/verify-otp", PHONE, &sent, Value::Null).await;
    assert_eq!(first.status, 200, "{turn}: {}", first.json);
    let first = &first.json["data"];
    assert_eq!(session(system, &first["token"]).await.status, 200, "{turn}");

    let sent = ask(system, "/api/auth/sso-signin").await;
    rotate_between(system, before, after).await;
    let second = answer(system, "/api/auth/sso-verify", PHONE, &sent, Value::Null).await;
    assert_eq!(second.status, 200, "{turn}: {}", second.json);

    let refreshed = refresh(system, &first["refreshToken"]).await;
    assert_eq!(refreshed.status, 200, "{turn}: {}", refreshed.json);
    // The reply was lost: the same again.
    let again = refresh(system, &first["refreshToken"]).await;
    let token = |reply: &Reply| reply.json["data"]["refreshToken"].clone();
    assert_eq!(token(&again), token(&refreshed), "{turn}");

    let sent = ask(system, "/api/auth/send-password-reset-otp").await;
    rotate_between(system, before, after).await;
    let new = json!({ "newPassword": "sapi-tidur-nyenyak" });
    let path = "/api/auth/verify-password-reset-otp";
    let reset = answer(system, path, PHONE, &sent, new).await;
    assert_eq!(reset.status, 200, "{turn}: {}", reset.json);
    let signed_in = sign_in(system, PHONE, "sapi-tidur-nyenyak").await;
    assert_eq!(signed_in.status, 200, "{turn}: {}", signed_in.json);
    assert_eq!(kids(system, "codes").await.len(), 4, "{turn}");
}

#[tokio::test(start_paused = true)]
async fn no_journey_notices_wherever_the_rotation_falls() {
    // Around the minute for which rings are remembered, and the two after which codes have a new key.
    for (before, after) in [
        (0, 0),
        (0, 60),
        (59, 1),
        (0, 119),
        (0, 120),
        (59, 121),
        (300, 290),
    ] {
        journey(&TestSystem::start().await, before, after).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_journey_notices_on_a_bad_database() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        journey(&system, 30, 120).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_resend_repeats_the_code_of_a_key_that_was_replaced() {
    let system = TestSystem::start().await;
    let sent = sign_up(&system, PHONE).await;
    let code = code_in(&system.simulator().messages(None)[0]).to_owned();
    rotate_between(&system, 60, 150).await;
    let again = json!({
        "identifier": PHONE, "purpose": "signup", "challengeId": sent.json["data"]["challengeId"],
    });
    let again = system.post("/api/auth/send-otp", again).await;
    let messages = system.simulator().messages(None);
    assert_eq!((messages.len(), &messages[1].text[..6]), (2, code.as_str()));
    let confirmed = answer(&system, "/api/auth/verify-otp", PHONE, &again, Value::Null).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.json);
}

#[tokio::test(start_paused = true)]
async fn access_tokens_are_good_for_whoever_caches_the_public_keys() {
    let system = TestSystem::start().await;
    let mut held = signed_up(&system, PHONE).await["refreshToken"].clone();
    let mut cached = (system.now(), published(&system).await);
    let mut tokens: Vec<(Timestamp, Value)> = Vec::new();
    // A quarter of an hour before the rotation, and on until the old key is gone. Around the rotation every environment is
    // asked within the minute for which it remembers the keys.
    let minutes = |count| std::iter::repeat_n(60, count);
    let before = minutes(13).chain(std::iter::repeat_n(5, 30));
    let after = std::iter::repeat_n(5, 160).chain(minutes(200));
    let rotated_at = before.clone().count();
    for (step, wait) in before.chain(after).enumerate() {
        if step == rotated_at {
            rotate_all(&system).await;
        }
        let now = system.now();
        let next = refresh(&system, &held).await;
        assert_eq!(next.status, 200, "step {step}: {}", next.json);
        held = next.json["data"]["refreshToken"].clone();
        tokens.push((now, next.json["data"]["token"].clone()));
        tokens.retain(|(made, _)| now < made.plus(token::LIFE));
        if now >= cached.0.plus(JWKS_CACHED) {
            cached = (now, published(&system).await);
        }
        for token in [&tokens[0].1, &tokens[tokens.len() - 1].1] {
            let verified = verify(&system, &cached.1, token);
            assert!(verified.is_ok(), "step {step}: {verified:?}");
            assert_eq!(session(&system, token).await.status, 200, "step {step}");
        }
        seconds(wait).await;
    }
    assert_eq!(kids(&system, "signing").await.len(), 2);
    assert_eq!(
        published(&system).await.keys.len(),
        1,
        "the old key is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_of_a_replaced_key_lives_its_thirty_days() {
    let system = TestSystem::start().await;
    let first = signed_up(&system, PHONE).await;
    let second = sign_in(&system, PHONE, "kuda-lari-kencang").await.json["data"].clone();
    seconds(30).await;
    rotate_all(&system).await;
    // The last token that the old key makes.
    seconds(119).await;
    let last = refresh(&system, &first["refreshToken"]).await;
    seconds(30 * DAY - 150).await;
    let unused = refresh(&system, &second["refreshToken"]).await;
    assert_eq!(unused.status, 200, "{}", unused.json);
    seconds(148).await;
    let last = refresh(&system, &last.json["data"]["refreshToken"]).await;
    assert_eq!(last.status, 200, "{}", last.json);
    // It lives on with the new key, when the old one is long gone.
    seconds(20 * DAY).await;
    rotate_all(&system).await;
    let on = refresh(&system, &last.json["data"]["refreshToken"]).await;
    assert_eq!(on.status, 200, "{}", on.json);
    assert_eq!(
        kids(&system, "refresh").await.len(),
        2,
        "the first key was dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotation_says_what_will_happen_when() {
    let system = TestSystem::start().await;
    signed_up(&system, PHONE).await;
    let dry = operate(&system, &["keys", "rotate", "signing", "--dry-run"]).await;
    assert!(
        dry.unwrap()
            .contains("would be added to the ring `signing`")
    );
    let before = kids(&system, "signing").await;
    assert_eq!(before.len(), 1);

    let start = system.now();
    let said = operate(&system, &["keys", "rotate", "signing"])
        .await
        .unwrap();
    let after = kids(&system, "signing").await;
    let (used, gone) = (
        start.plus(Duration::from_secs(600)).rfc3339(),
        start.plus(Duration::from_secs(600 + 3 * 3600)).rfc3339(),
    );
    let expected = format!(
        "Key {new} is added to the ring `signing`.\n\n  {used}  access tokens are made with it\n  \
         {gone}  what {old} made counts no more\n",
        new = after[1],
        old = before[0],
    );
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn a_stolen_key_counts_nowhere_from_the_moment_at_which_it_is_ended() {
    let system = TestSystem::start().await;
    let held = signed_up(&system, PHONE).await;
    // Every environment remembers the rings for the next minute.
    warm(&system).await;
    assert_eq!(session(&system, &held["token"]).await.status, 200);
    for ring in ["signing", "refresh"] {
        let hasty = ["keys", "rotate", ring, "--retire-after", "0s"];
        let said = operate(&system, &hasty).await.unwrap();
        assert!(
            said.contains("made before may end before their time"),
            "{said}"
        );
    }
    assert_eq!(published(&system).await.keys.len(), 1);
    for _ in 0..4 {
        let ended = session(&system, &held["token"]).await;
        assert_eq!(ended.status, 401, "{}", ended.json);
        let ended = refresh(&system, &held["refreshToken"]).await;
        assert_eq!(ended.status, 401, "{}", ended.json);
    }
    // A minute later everybody makes tokens with the new key.
    seconds(60).await;
    let again = sign_in(&system, PHONE, "kuda-lari-kencang").await.json["data"].clone();
    for _ in 0..4 {
        assert_eq!(session(&system, &again["token"]).await.status, 200);
    }
    let next = refresh(&system, &again["refreshToken"]).await;
    assert_eq!(next.status, 200, "{}", next.json);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_adds_one_key_however_bad_the_database_is() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        rotate_all(&system).await;
        for ring in ["codes", "signing", "refresh", "webhooks"] {
            assert_eq!(kids(&system, ring).await.len(), 2, "{ring}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_rotations_at_once_one_is_done() {
    let system = TestSystem::start().await;
    rotate_all(&system).await;
    let other = system.with_faults(Faults::none());
    let typed = ["keys", "rotate", "codes"];
    let (one, other) = tokio::join!(operate(&system, &typed), operate(&other, &typed));
    let refused = match (one, other) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        both => panic!("{both:?}"),
    };
    assert!(
        refused.contains("somebody else rotated the ring `codes` just now"),
        "{refused}"
    );
    assert_eq!(kids(&system, "codes").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_ring_does_not_grow_without_end() {
    let system = TestSystem::start().await;
    for _ in 0..9 {
        operate(&system, &["keys", "rotate", "refresh"])
            .await
            .unwrap();
    }
    let full = operate(&system, &["keys", "rotate", "refresh"]).await;
    assert!(
        full.unwrap_err()
            .contains("10 keys of the ring `refresh` count already")
    );
    seconds(33 * DAY).await;
    operate(&system, &["keys", "rotate", "refresh"])
        .await
        .unwrap();
    assert_eq!(kids(&system, "refresh").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_of_two_algorithms_live_side_by_side_during_the_change() {
    let system = TestSystem::start().await;
    let mut held = signed_up(&system, PHONE).await;
    let wrong = operate(
        &system,
        &["keys", "rotate", "codes", "--algorithm", "RS256"],
    )
    .await;
    assert!(
        wrong
            .unwrap_err()
            .contains("only the keys of the ring `signing`")
    );
    // Without a word the next key is of the newest one's algorithm.
    for (typed, algorithms) in [
        (&["--algorithm", "RS256"][..], ["ES256", "RS256"]),
        (&[], ["RS256", "RS256"]),
        (&["--algorithm", "ES256"], ["RS256", "ES256"]),
    ] {
        let typed = [&["keys", "rotate", "signing"], typed].concat();
        operate(&system, &typed).await.unwrap();
        seconds(700).await;
        let keys = published(&system).await;
        let named = keys.keys.iter().filter_map(SigningAlgorithm::of_published);
        assert_eq!(
            named.map(SigningAlgorithm::name).collect::<Vec<_>>(),
            algorithms
        );
        let next = refresh(&system, &held["refreshToken"]).await.json["data"].clone();
        for token in [&held["token"], &next["token"]] {
            assert!(verify(&system, &keys, token).is_ok(), "{algorithms:?}");
            assert_eq!(session(&system, token).await.status, 200, "{algorithms:?}");
        }
        // The oldest key retires.
        seconds(3 * 60 * 60).await;
        held = refresh(&system, &next["refreshToken"]).await.json["data"].clone();
    }
}
