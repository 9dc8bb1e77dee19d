//! `GET /api/health`, `GET /api/status`, and the answer to every unknown route
use shared::platform::timestamp::Timestamp;

use super::*;

const STATUS: &str = "/api/status";

/// Checks what `/api/status` says: the state, and for how many seconds it has been so and was last seen.
async fn check_status(system: &TestSystem, state: &str, ago: Option<(u64, u64)>) {
    let reply = system.get(STATUS).await;
    let time = |seconds: u64| {
        let at = system.now().minus(Duration::from_secs(seconds)).seconds();
        // To the minute: the seconds would tell of requests.
        Timestamp::from_seconds(at - at % 60).rfc3339()
    };
    let (since, seen) = ago.map(|(since, seen)| (time(since), time(seen))).unzip();
    let needs_human = [
        "needs_pairing",
        "needs_restart",
        "restricted",
        "misconfigured",
    ];
    let needs_human = needs_human.contains(&state);
    let expected = json!({
        "whatsapp": state, "since": since, "seenAt": seen, "needsHuman": needs_human,
    });
    if ["usable", "cold_locked", "unknown"].contains(&state) {
        assert_eq!(*check_ok(&reply), expected);
        return;
    }
    let again = if needs_human { 300 } else { 15 };
    let fields = json!({ "data": expected, "retryAfterSeconds": again });
    check_problem(&reply, 503, "WHATSAPP_SERVICE_UNAVAILABLE", fields);
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    let reply = sample(&system().await, "health").await;
    assert_eq!(*check_ok(&reply), json!({ "status": "up" }));
}

#[tokio::test(start_paused = true)]
async fn health_asks_neither_store_nor_gateway() {
    let system = system().await;
    system.simulator().play(&outages()[0].0);
    let down = system.with_faults(Faults::down());
    check_ok(&down.get("/api/health").await);
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn the_status_is_what_the_last_messages_showed_and_asks_no_gateway() {
    let system = system().await;
    check_status(&system, "unknown", None).await;

    ask_code(&system, SITI).await;
    check_status(&system, "usable", Some((0, 0))).await;

    pass(MINUTE).await;
    system.simulator().play(&Scenario::QrNotScanned);
    ask_code(&system, SITI).await;
    check_status(&system, "needs_pairing", Some((0, 0))).await;
    pass(MINUTE).await;
    check_status(&system, "needs_pairing", Some((60, 60))).await;

    system.simulator().play(&Scenario::Healthy);
    ask_code(&system, SITI).await;
    check_status(&system, "usable", Some((0, 0))).await;

    pass(MINUTE).await;
    system.simulator().play(&outages()[0].0);
    ask_code(&system, SITI).await;
    check_status(&system, "down", Some((0, 0))).await;

    let calls = gateway_calls(&system);
    system.get(STATUS).await;
    assert_eq!(gateway_calls(&system), calls);
}

#[tokio::test(start_paused = true)]
async fn the_status_is_bad_exactly_while_no_message_goes_out() {
    let of_new_contacts = Scenario::ColdLocked {
        code: 463,
        refusals: None,
    };
    let of_all = Scenario::Restricted {
        code: 463,
        refusals: None,
    };
    let new_contact =
        json!({ "name": "Baru", "phone": "081298765432", "password": "kuda lari kencang" });
    for (scenario, state, status) in [
        (Scenario::Healthy, "usable", 200),
        (of_new_contacts, "cold_locked", 200),
        (of_all, "restricted", 503),
        (Scenario::Unlinked, "needs_pairing", 503),
    ] {
        let system = system().await;
        // Now she is somebody whom the account has written to.
        check_sent(&ask_code(&system, SITI).await);
        pass(MINUTE).await;
        system.simulator().play(&scenario);
        // The first shows what concerns new contacts, the second what concerns all.
        system.post(SIGNUP, new_contact.clone()).await;
        pass(SECOND).await;
        let asked = ask_code(&system, SITI).await;
        let reply = system.get(STATUS).await;
        let told = (reply.status, &reply.json["data"]["whatsapp"]);
        assert_eq!(told, (status, &json!(state)), "{}", asked.json);
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_the_status_says_so() {
    let reply = system().await.with_faults(Faults::down()).get(STATUS).await;
    check_problem(
        &reply,
        503,
        "SERVICE_UNAVAILABLE",
        json!({ "retryAfterSeconds": 5 }),
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_path_gets_the_envelope() {
    let system = system().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api"),
        ("DELETE", "/api/auth"),
        ("POST", "/api/auth/sso-signin/"),
        ("POST", "/api/auth/sso-signin/more"),
        ("POST", "/api/auth/SSO-signin"),
        ("POST", "/api//auth/sso-signin"),
        ("PUT", "/favicon.ico"),
        ("POST", "/api/auth%2Fsso-signin"),
    ] {
        let reply = system.request(method, path, &[], "{}").await;
        check_problem(&reply, 404, "NOT_FOUND", json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn a_known_path_with_another_method_names_the_methods_that_it_has() {
    let system = system().await;
    for (method, path, allowed) in [
        ("GET", SIGNIN, "POST"),
        ("PUT", SIGNIN, "POST"),
        ("DELETE", SIGNUP, "POST"),
        ("PATCH", SSO_VERIFY, "POST"),
        ("OPTIONS", VERIFY_OTP, "POST"),
        ("POST", "/api/health", "GET"),
        ("POST", STATUS, "GET"),
        ("POST", JWKS, "GET"),
    ] {
        let reply = system.request(method, path, &[], "{}").await;
        check_problem(&reply, 405, "METHOD_NOT_ALLOWED", json!({}));
        assert_eq!(reply.headers["allow"], allowed);
    }
    check_untouched(&system);
}
