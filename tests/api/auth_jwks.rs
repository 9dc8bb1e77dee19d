//! `GET /.well-known/jwks.json`
use super::*;

/// Checks a key set that anybody may cache for five minutes; returns its keys.
#[track_caller]
fn check_keys(reply: &Reply) -> &[Value] {
    assert_eq!(reply.status, 200, "{}", reply.json);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.headers["cache-control"], "public, max-age=300");
    assert_eq!(
        reply.headers["strict-transport-security"],
        "max-age=63072000"
    );
    let keys = reply.json["keys"].as_array().expect("a list");
    for key in keys {
        let key = key.as_object().expect("an object");
        // No `d`: the private half stays at home.
        let fields = ["alg", "crv", "kid", "kty", "use", "x", "y"];
        assert_eq!(key.keys().collect::<Vec<_>>(), fields);
        for (field, value) in [
            ("alg", "ES256"),
            ("crv", "P-256"),
            ("kty", "EC"),
            ("use", "sig"),
        ] {
            assert_eq!(key[field], value);
        }
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    let system = TestSystem::start().await;
    assert_eq!(check_keys(&sample(&system, "auth-jwks").await).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_key_is_made_once_and_is_the_same_from_every_process_and_day() {
    let system = TestSystem::start().await;
    let first = system.get(JWKS).await;
    check_keys(&first);
    for _ in 0..8 {
        assert_eq!(system.get(JWKS).await.json, first.json);
        pass(60 * MINUTE).await;
    }
    let another = system.with_faults(Faults::none());
    assert_eq!(another.get(JWKS).await.json, first.json);
}

#[tokio::test(start_paused = true)]
async fn processes_that_begin_together_agree_on_the_key() {
    let system = TestSystem::start().await;
    let (one, other) = tokio::join!(system.get(JWKS), system.get(JWKS));
    check_keys(&one);
    assert_eq!(one.json, other.json);
}

#[tokio::test(start_paused = true)]
async fn the_keys_that_derive_codes_are_not_published() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    claims(
        &system,
        &guess(&system, SITI, &code, Some(&challenge)).await,
    )
    .await;
    assert_eq!(items(&system, "KeysTable").await.len(), 3);
    assert_eq!(check_keys(&system.get(JWKS).await).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_a_warm_process_still_answers_and_a_cold_one_says_when_to_come_back()
{
    let system = TestSystem::start().await;
    let cold = system.with_faults(Faults::down()).get(JWKS).await;
    check_problem(
        &cold,
        503,
        "SERVICE_UNAVAILABLE",
        json!({ "retryAfterSeconds": 5 }),
    );

    // One process, whose first read is its last.
    let one = TestSystem::builder().environments(ONE);
    let one = one
        .faults(Faults::none().from(3, Fault::RequestLost))
        .build()
        .await;
    check_keys(&one.get(JWKS).await);
    check_keys(&one.get(JWKS).await);
}
