//! Accounts: passwords, resets, logins and what ends them.
#![expect(clippy::unwrap_used, reason = "a test")]

mod guesses;
mod logs;
mod metrics;
mod one_session;

use std::time::Duration;

use local::database::Faults;
use local::simulator::{Profile, Scenario, SessionState};
use serde_json::{Value, json};
use tests::people::code_in;
use tests::{Reply, TestSystem};
use tokio::time::{Instant, sleep};

const PHONE: &str = "08123456789";
const PASSWORD: &str = "kuda-lari-kencang";

async fn signed_up(system: &TestSystem) -> Value {
    signed_up_with(system, PASSWORD).await
}

async fn signed_up_with(system: &TestSystem, password: &str) -> Value {
    let asked = json!({"name": "Siti", "phone": PHONE, "password": password});
    let sent = system.post("/api/auth/signup", asked).await;
    let given = json!({
        "identifier": PHONE,
        "otp": code(system),
        "challengeId": sent.json["data"]["challengeId"],
    });
    let confirmed = system.post("/api/auth/verify-otp", given).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.json);
    confirmed.json["data"].clone()
}

fn code(system: &TestSystem) -> String {
    let messages = system.simulator().messages(None);
    code_in(messages.last().unwrap()).to_owned()
}

async fn sign_in(system: &TestSystem, password: &str) -> Reply {
    let given = json!({"identifier": PHONE, "password": password});
    system.post("/api/auth/signin", given).await
}

async fn refresh(system: &TestSystem, token: &Value) -> Reply {
    system
        .post("/api/auth/refresh", json!({ "refreshToken": token }))
        .await
}

async fn session(system: &TestSystem, method: &str, query: &str, token: &Value) -> Reply {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    system
        .request(method, &format!("/api/auth/session{query}"), &headers, "")
        .await
}

#[track_caller]
fn check(reply: &Reply, status: u16, error: Option<&str>) {
    assert_eq!(reply.status, status, "{}", reply.json);
    assert_eq!(reply.json["error"].as_str(), error, "{}", reply.json);
}

#[tokio::test(start_paused = true)]
async fn a_reset_sets_the_password_and_ends_every_login() {
    let system = TestSystem::start().await;
    let before = signed_up(&system).await;
    check(
        &session(&system, "GET", "", &before["token"]).await,
        200,
        None,
    );

    let sent = system
        .post(
            "/api/auth/send-password-reset-otp",
            json!({ "identifier": PHONE }),
        )
        .await;
    check(&sent, 200, None);
    let given = json!({
        "identifier": PHONE,
        "otp": code(&system),
        "challengeId": sent.json["data"]["challengeId"],
        "newPassword": "sapi-tidur-nyenyak",
    });
    check(
        &system
            .post("/api/auth/verify-password-reset-otp", given.clone())
            .await,
        200,
        None,
    );
    // A client that lost the reply asks again.
    check(
        &system
            .post("/api/auth/verify-password-reset-otp", given)
            .await,
        200,
        None,
    );

    check(
        &sign_in(&system, PASSWORD).await,
        401,
        Some("INVALID_CREDENTIALS"),
    );
    check(
        &refresh(&system, &before["refreshToken"]).await,
        401,
        Some("INVALID_REFRESH_TOKEN"),
    );
    check(
        &session(&system, "GET", "", &before["token"]).await,
        401,
        Some("SESSION_ENDED"),
    );
    check(&sign_in(&system, "sapi-tidur-nyenyak").await, 200, None);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_is_spent_by_its_use_and_its_reuse_ends_the_login() {
    let system = TestSystem::start().await;
    let first = signed_up(&system).await;
    sleep(Duration::from_secs(60)).await;
    let second = refresh(&system, &first["refreshToken"]).await;
    check(&second, 200, None);
    let second = &second.json["data"];
    assert_ne!(second["refreshToken"], first["refreshToken"]);

    // The reply was lost: the same answer again, within a minute.
    sleep(Duration::from_secs(59)).await;
    let again = refresh(&system, &first["refreshToken"]).await;
    assert_eq!(again.json["data"]["refreshToken"], second["refreshToken"]);

    let third = refresh(&system, &second["refreshToken"]).await;
    check(&third, 200, None);
    sleep(Duration::from_secs(10)).await;
    let reused = refresh(&system, &first["refreshToken"]).await;
    check(&reused, 401, Some("REFRESH_TOKEN_REUSED"));
    let third = &third.json["data"];
    check(
        &refresh(&system, &third["refreshToken"]).await,
        401,
        Some("INVALID_REFRESH_TOKEN"),
    );
    check(
        &session(&system, "GET", "", &third["token"]).await,
        401,
        Some("SESSION_ENDED"),
    );
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_garbage_ends_no_login() {
    let system = TestSystem::start().await;
    let held = signed_up(&system).await;
    let token = held["refreshToken"].as_str().unwrap();
    let (login, _) = token.split_once('.').unwrap();
    for garbage in [
        format!("{login}.0.AAAA"),
        format!("{login}.7.AAAA"),
        "x".into(),
    ] {
        check(
            &refresh(&system, &json!(garbage)).await,
            401,
            Some("INVALID_REFRESH_TOKEN"),
        );
    }
    check(&refresh(&system, &held["refreshToken"]).await, 200, None);
}

#[tokio::test(start_paused = true)]
async fn signing_out_ends_this_login_or_all_of_them() {
    let system = TestSystem::start().await;
    let one = signed_up(&system).await;
    let other = sign_in(&system, PASSWORD).await.json["data"].clone();
    check(
        &session(&system, "DELETE", "", &one["token"]).await,
        200,
        None,
    );
    check(
        &session(&system, "GET", "", &one["token"]).await,
        401,
        Some("SESSION_ENDED"),
    );
    check(
        &session(&system, "GET", "", &other["token"]).await,
        200,
        None,
    );

    let third = sign_in(&system, PASSWORD).await.json["data"].clone();
    check(
        &session(&system, "DELETE", "?all=maybe", &other["token"]).await,
        400,
        Some("INVALID_PARAMETER"),
    );
    check(
        &session(&system, "DELETE", "?all=true", &other["token"]).await,
        200,
        None,
    );
    for ended in [&other, &third] {
        check(
            &session(&system, "GET", "", &ended["token"]).await,
            401,
            Some("SESSION_ENDED"),
        );
        check(
            &refresh(&system, &ended["refreshToken"]).await,
            401,
            Some("INVALID_REFRESH_TOKEN"),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_access_token_ends_after_a_quarter_of_an_hour() {
    let system = TestSystem::start().await;
    let held = signed_up(&system).await;
    sleep(Duration::from_secs(15 * 60)).await;
    check(
        &session(&system, "GET", "", &held["token"]).await,
        401,
        Some("TOKEN_EXPIRED"),
    );
    check(&refresh(&system, &held["refreshToken"]).await, 200, None);
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_are_limited_and_right_ones_are_not() {
    let system = TestSystem::start().await;
    signed_up(&system).await;
    for _ in 0..20 {
        check(&sign_in(&system, PASSWORD).await, 200, None);
    }
    for _ in 0..10 {
        check(
            &sign_in(&system, "salah-terus-menerus").await,
            401,
            Some("INVALID_CREDENTIALS"),
        );
    }
    let limited = sign_in(&system, PASSWORD).await;
    check(&limited, 429, Some("RATE_LIMITED"));
    assert_eq!(limited.json["limit"], "password");
    sleep(Duration::from_secs(
        limited.json["retryAfterSeconds"].as_u64().unwrap(),
    ))
    .await;
    check(&sign_in(&system, PASSWORD).await, 200, None);
}

#[tokio::test(start_paused = true)]
async fn spaces_around_a_password_belong_to_it() {
    let system = TestSystem::start().await;
    signed_up_with(&system, " kuda-lari-kencang ").await;
    check(&sign_in(&system, " kuda-lari-kencang ").await, 200, None);
    check(
        &sign_in(&system, PASSWORD).await,
        401,
        Some("INVALID_CREDENTIALS"),
    );
}

#[tokio::test(start_paused = true)]
async fn a_resend_repeats_the_code_under_the_same_challenge_id() {
    let system = TestSystem::start().await;
    let asked = json!({"name": "Siti", "phone": PHONE, "password": PASSWORD});
    let sent = system.post("/api/auth/signup", asked).await.json["data"].clone();
    let first = code(&system);
    sleep(Duration::from_secs(60)).await;
    let again =
        json!({"identifier": PHONE, "purpose": "signup", "challengeId": sent["challengeId"]});
    let again = system.post("/api/auth/send-otp", again).await;
    check(&again, 200, None);
    assert_eq!(again.json["data"]["challengeId"], sent["challengeId"]);
    assert_eq!(code(&system), first);

    // Long after: a new code, for the same registration.
    sleep(Duration::from_secs(580)).await;
    let late =
        json!({"identifier": PHONE, "purpose": "signup", "challengeId": sent["challengeId"]});
    check(&system.post("/api/auth/send-otp", late).await, 200, None);
    let given =
        json!({"identifier": PHONE, "otp": code(&system), "challengeId": sent["challengeId"]});
    check(&system.post("/api/auth/verify-otp", given).await, 200, None);
}

#[tokio::test(start_paused = true)]
async fn a_resend_for_nobody_looks_the_same_and_sends_nothing() {
    let system = TestSystem::start().await;
    for purpose in ["sso", "reset-password"] {
        let asked = json!({"identifier": PHONE, "purpose": purpose});
        let reply = system.post("/api/auth/send-otp", asked).await;
        check(&reply, 200, None);
        assert_eq!(reply.json["data"]["delivery"], "sent");
    }
    // A sign-up is found by its challenge id alone, and a wrong one keeps nobody from signing up.
    let asked = json!({"identifier": PHONE, "purpose": "signup", "challengeId": "unknown"});
    let reply = system.post("/api/auth/send-otp", asked).await;
    check(&reply, 400, Some("UNKNOWN_CHALLENGE"));
    assert!(system.simulator().messages(None).is_empty());
    signed_up(&system).await;
}

/// A reply with everything that differs from request to request made the same.
fn without_ids_and_times(mut reply: Reply) -> (u16, String, String) {
    for field in ["challengeId", "expiresAt"] {
        if let Some(value) = reply.json["data"].get_mut(field) {
            *value = json!(value.as_str().unwrap().len());
        }
    }
    if let Some(id) = reply.json.get_mut("requestId") {
        *id = json!("");
    }
    reply.headers.remove("apigw-requestid");
    // During an outage it counts down to the next connect, whoever asks.
    if reply.status == 503 && reply.headers.remove("retry-after").is_some() {
        let seconds = reply.json["retryAfterSeconds"].take();
        assert!((5..=300).contains(&seconds.as_u64().expect("seconds")));
    }
    (
        reply.status,
        format!("{:?}", reply.headers),
        reply.json.to_string(),
    )
}

/// What asks for a code of a phone that may have an account: the path, and the body but for the phone.
fn code_requests() -> [(&'static str, Value); 4] {
    [
        ("/api/auth/sso-signin", json!({"method": "whatsapp"})),
        ("/api/auth/send-password-reset-otp", json!({})),
        ("/api/auth/send-otp", json!({"purpose": "sso"})),
        ("/api/auth/send-otp", json!({"purpose": "password-reset"})),
    ]
}

async fn code_reply(system: &TestSystem, path: &str, more: &Value, phone: &str) -> Reply {
    let mut body = more.clone();
    body["identifier"] = json!(phone);
    system.post(path, body).await
}

/// Takes out when to come back: it is counted from a moment that the network moves a little.
fn take_wait(reply: &mut Reply) -> u64 {
    reply.headers.remove("retry-after");
    let wait = reply.json["retryAfterSeconds"].take();
    wait.as_u64().expect("when to come back")
}

/// Each recovery pushes the next one back, so each phone is asked for on a system of its own, at the same time.
#[tokio::test(start_paused = true)]
async fn an_unknown_account_is_answered_like_a_known_one_while_a_session_cannot_be_connected() {
    let (known, unknown) = (TestSystem::start().await, TestSystem::start().await);
    for system in [&known, &unknown] {
        signed_up(system).await;
        system.simulator().play(&Scenario::Banned);
        system
            .simulator()
            .set_state("system", SessionState::Absent)
            .unwrap();
    }
    for (path, more) in code_requests() {
        for _ in 0..2 {
            let (mut known, mut unknown) = tokio::join!(
                code_reply(&known, path, &more, PHONE),
                code_reply(&unknown, path, &more, "08123456780"),
            );
            let (wait, other) = (take_wait(&mut known), take_wait(&mut unknown));
            assert!(wait.abs_diff(other) <= 1, "{path}: {wait}, {other}");
            let (known, unknown) = (without_ids_and_times(known), without_ids_and_times(unknown));
            assert_eq!(known, unknown, "{path}");
        }
        sleep(Duration::from_secs(120)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_is_answered_like_a_known_one_in_fair_weather_and_foul() {
    let refused = |code| Scenario::Restricted {
        code,
        refusals: None,
    };
    // What no status shows is shown by the first one, who has an account.
    for outage in [
        Scenario::Healthy,
        refused(463),
        refused(479),
        refused(403),
        Scenario::StoreBusy { rate: 1.0 },
        Scenario::SocketBreaks { sends: 1_000 },
        Scenario::GatewayDown {
            lasts_ms: 3_600_000,
        },
    ] {
        // Only C and D say that their store is busy.
        let system = TestSystem::builder()
            .simulator(|options| options.profile = Profile::D)
            .build()
            .await;
        signed_up(&system).await;
        system.simulator().play(&outage);
        for (path, more) in code_requests() {
            // Asked twice: the limits answer alike, too.
            for _ in 0..2 {
                let (mut replies, mut times) = (Vec::new(), Vec::new());
                for phone in [PHONE, "08123456780"] {
                    let began = Instant::now();
                    let reply = code_reply(&system, path, &more, phone).await;
                    times.push(began.elapsed());
                    replies.push(without_ids_and_times(reply));
                    // The queue of the gateway is empty again.
                    sleep(Duration::from_secs(2)).await;
                }
                assert_eq!(replies[0], replies[1], "{path} {outage:?}");
                // Two that find a session down differ by how the recovery goes.
                let apart = times[0].abs_diff(times[1]);
                let alike = apart <= Duration::from_millis(100);
                let down = matches!(outage, Scenario::GatewayDown { .. });
                assert!(alike || down, "{path} {outage:?}: {times:?}");
            }
            sleep(Duration::from_secs(120)).await;
        }
        for wrong in [PHONE, "08123456780"] {
            let given = json!({"identifier": wrong, "password": "salah-terus-menerus"});
            check(
                &system.post("/api/auth/signin", given).await,
                401,
                Some("INVALID_CREDENTIALS"),
            );
        }
    }
}

/// Anybody can have a message to a first contact refused, and so learn nothing about others.
#[tokio::test(start_paused = true)]
async fn a_refused_sign_up_tells_nothing_about_other_phones() {
    for code in [463, 479, 403] {
        let system = TestSystem::start().await;
        signed_up(&system).await;
        sleep(Duration::from_secs(1)).await;
        system.simulator().play(&Scenario::Restricted {
            code,
            refusals: None,
        });
        let asked = json!({"name": "Budi", "phone": "08123456781", "password": PASSWORD});
        let refused = system.post("/api/auth/signup", asked).await;
        assert_eq!(refused.status, 503, "{code}: {:?}", refused.json);
        system.simulator().play(&Scenario::Healthy);
        let (path, more) = &code_requests()[0];
        let unknown = code_reply(&system, path, more, "08123456780").await;
        let known = code_reply(&system, path, more, PHONE).await;
        check(&known, 200, None);
        assert_eq!(
            without_ids_and_times(known),
            without_ids_and_times(unknown),
            "{code}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_repeated_after_its_process_died_claims_the_email_address() {
    let system = TestSystem::start().await;
    let asked =
        json!({"name": "Siti", "phone": PHONE, "password": PASSWORD, "email": "siti@example.com"});
    let sent = system.post("/api/auth/signup", asked).await;
    let challenge = &sent.json["data"]["challengeId"];
    let given = json!({"identifier": PHONE, "otp": code(&system), "challengeId": challenge});
    // The transaction that makes the user is the last call before the claim.
    let calls = {
        let counted = Faults::none();
        let other = TestSystem::start().await;
        let asked = json!({"name": "Siti", "phone": PHONE, "password": PASSWORD});
        let sent = other.post("/api/auth/signup", asked).await;
        let challenge = &sent.json["data"]["challengeId"];
        let given = json!({"identifier": PHONE, "otp": code(&other), "challengeId": challenge});
        other
            .with_faults(counted.clone())
            .post("/api/auth/verify-otp", given)
            .await;
        counted.attempts()
    };
    let dying = Faults::none().stop_after(calls);
    let killed = system.with_faults(dying.clone());
    let reply = dying
        .until_stopped(killed.post("/api/auth/verify-otp", given.clone()))
        .await;
    assert!(reply.is_none());
    for _ in 0..2 {
        let again = system.post("/api/auth/verify-otp", given.clone()).await;
        check(&again, 200, None);
        assert_eq!(again.json["data"]["email"], "claimed");
        assert_eq!(again.json["data"]["user"]["email"], "siti@example.com");
    }
}

#[tokio::test(start_paused = true)]
async fn an_email_address_names_an_account_only_where_that_is_switched_on() {
    for emails in [false, true] {
        let system = TestSystem::builder()
            .settings(|settings| settings.email_identifier = emails)
            .build()
            .await;
        let asked = json!({"name": "Siti", "phone": PHONE, "password": PASSWORD, "email": "Siti@Example.com"});
        let sent = system.post("/api/auth/signup", asked).await;
        let challenge = sent.json["data"]["challengeId"].clone();
        let given = json!({"identifier": PHONE, "otp": code(&system), "challengeId": challenge});
        let confirmed = system.post("/api/auth/verify-otp", given).await;
        assert_eq!(confirmed.json["data"]["email"], "claimed");

        let by_email = json!({"identifier": "siti@example.com", "password": PASSWORD});
        let signed_in = system.post("/api/auth/signin", by_email).await;
        let sent = system
            .post(
                "/api/auth/sso-signin",
                json!({"identifier": "siti@example.com"}),
            )
            .await;
        if !emails {
            check(&signed_in, 400, Some("INVALID_PHONE_FORMAT"));
            check(&sent, 400, Some("INVALID_PHONE_FORMAT"));
            continue;
        }
        check(&signed_in, 200, None);
        // The code goes to the account's phone.
        let message = system.simulator().messages(None).pop().unwrap();
        assert_eq!(message.phone, "628123456789");
        let given = json!({
            "identifier": "siti@example.com",
            "otp": code(&system),
            "challengeId": sent.json["data"]["challengeId"],
        });
        check(&system.post("/api/auth/sso-verify", given).await, 200, None);

        let messages = system.simulator().messages(None).len();
        for asked in [
            "nobody@example.com",
            "nobody@example.com",
            "siti@example.com",
        ] {
            system
                .post("/api/auth/sso-signin", json!({ "identifier": asked }))
                .await;
        }
        let limited = system
            .post(
                "/api/auth/sso-signin",
                json!({"identifier": "nobody@example.com"}),
            )
            .await;
        check(&limited, 429, Some("RATE_LIMITED"));
        assert_eq!(system.simulator().messages(None).len(), messages);
    }
}
