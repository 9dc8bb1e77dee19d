//! `POST /api/auth/send-password-reset-otp`
use super::*;

async fn ask(system: &TestSystem, typed: &str) -> Reply {
    system
        .post(SEND_RESET, json!({ "identifier": typed }))
        .await
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    let system = system().await;
    check_sent(&sample(&system, "auth-send-password-reset-otp").await);
    assert_eq!(inbox(&system, SITI).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    for (body, code) in [
        (json!({}), "MISSING_IDENTIFIER"),
        (json!({ "identifier": " " }), "MISSING_IDENTIFIER"),
        (json!({ "identifier": "0812" }), "INVALID_PHONE_FORMAT"),
        (
            json!({ "identifier": "siti@example.com" }),
            "INVALID_PHONE_FORMAT",
        ),
        (
            json!({ "identifier": SITI, "method": "sms" }),
            "UNSUPPORTED_METHOD",
        ),
        (json!({ "identifier": 8_123_456_789_u64 }), "INVALID_FIELD"),
    ] {
        check_problem(&system.post(SEND_RESET, body).await, 400, code, json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn the_message_is_in_the_language_asked_for_or_of_the_country() {
    for (locale, expected) in [
        (None, "adalah kode untuk mengganti kata sandi"),
        (Some("en"), "is your password reset code"),
    ] {
        let system = system().await;
        check_sent(
            &system
                .post(SEND_RESET, json!({ "identifier": SITI, "locale": locale }))
                .await,
        );
        assert!(inbox(&system, SITI)[0].contains(expected), "{locale:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_charges_nothing_and_the_next_request_succeeds_at_once() {
    for (scenario, code) in outages() {
        let system = system().await;
        system.simulator().play(&scenario);
        for _ in 0..6 {
            check_outage(&ask(&system, SITI).await, code);
        }
        system.simulator().play(&Scenario::Healthy);
        check_sent(&ask(&system, SITI).await);
        assert_eq!(inbox(&system, SITI).len(), 1, "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_whatsapp_refuses_and_one_without_a_session_are_not_charged() {
    let refusing = system().await;
    refusing.simulator().play(&Scenario::Restricted {
        code: 463,
        refusals: None,
    });
    check_restricted(&ask(&refusing, SITI).await);
    let none = TestSystem::builder().simulator(|options| options.sessions.clear());
    let none = with_siti(none.build().await).await;
    check_needs_somebody(&ask(&none, SITI).await, "WHATSAPP_CONFIG_ERROR");
}

#[tokio::test(start_paused = true)]
async fn resets_wait_for_themselves_and_count_for_the_window_and_the_address() {
    let system =
        TestSystem::builder().settings(|settings| settings.policy.codes_per_address.places = 7);
    let system = with_siti(system.build().await).await;
    at_home(&system, SITI).await;
    check_sent(&ask_code(&system, SITI).await);
    for number in 1..=5 {
        check_sent(&ask(&system, SITI).await);
        if number < 5 {
            check_limited(&ask(&system, SITI).await, "cooldown", MINUTE);
        }
        pass(MINUTE).await;
    }
    let full = ask(&system, SITI).await;
    assert_eq!((full.status, &full.json["limit"]), (429, &json!("window")));
    check_sent(&ask(&system, BUDI).await);
    let full = ask(&system, "08131000001").await;
    assert_eq!((full.status, &full.json["limit"]), (429, &json!("address")));
}

#[tokio::test(start_paused = true)]
async fn its_code_signs_nobody_in() {
    let system = lenient().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    for challenge in [Some(challenge.as_str()), None] {
        let reply = guess(&system, SITI, &code, challenge).await;
        check_problem(&reply, 400, "INVALID_OTP", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_nothing_is_sent() {
    let system = system().await;
    let down = system.with_faults(Faults::down());
    for typed in [SITI, BUDI] {
        check_not_sent(&ask(&down, typed).await, "SERVICE_UNAVAILABLE");
    }
    assert_eq!(gateway_calls(&system), 0);
    check_sent(&ask(&system, SITI).await);
}
