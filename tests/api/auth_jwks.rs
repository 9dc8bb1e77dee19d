//! `GET /.well-known/jwks.json`, `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`
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
    assert_eq!(items(&system, "KeysTable").await.len(), 5);
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

#[tokio::test(start_paused = true)]
async fn whoever_begins_with_the_issuer_finds_the_keys() {
    let base = "https://api.example.com";
    let builder = TestSystem::builder().settings(|settings| {
        settings.public_base_url = Some(base.into());
        settings.token_issuer = base.into();
    });
    let system = with_siti(builder.build().await).await;
    for path in DISCOVERY {
        let reply = system.get(path).await;
        let expected = json!({
            "issuer": base,
            "jwks_uri": format!("{base}{JWKS}"),
            "id_token_signing_alg_values_supported": ["ES256"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
        });
        assert_eq!((reply.status, &reply.json), (200, &expected), "{path}");
        assert_eq!(reply.headers["cache-control"], "public, max-age=300");
    }
    let (challenge, code) = sent_code(&system, SITI).await;
    let signed_in = guess(&system, SITI, &code, Some(&challenge)).await;
    assert_eq!(claims(&system, &signed_in).await.iss, base);
}

#[tokio::test(start_paused = true)]
async fn without_a_public_address_the_keys_are_where_api_gateway_was_asked() {
    let system = TestSystem::start().await;
    let reply = system
        .request("GET", DISCOVERY[0], &[("host", "evil.example")], "")
        .await;
    let keys = reply.json["jwks_uri"].as_str().expect("a URL");
    assert!(
        keys.starts_with("https://") && keys.ends_with(JWKS),
        "{keys}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_names_itself_and_its_client() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let first = guess(&system, SITI, &code, Some(&challenge)).await;
    let next = refresh(&system, &check_ok(&first)["refreshToken"]).await;
    let again = refresh(&system, &check_ok(&first)["refreshToken"]).await;
    let (first, next) = (claims(&system, &first).await, claims(&system, &next).await);
    assert_eq!(first.client_id, system.backends().settings.token_audience);
    assert_eq!(first.jti, format!("{}.0", first.sid));
    assert_eq!(next.jti, format!("{}.1", first.sid));
    assert_eq!(
        claims(&system, &again).await,
        next,
        "the same token once more"
    );
}
