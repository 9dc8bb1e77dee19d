//! `POST /api/auth/sso-signin`
use super::*;

mod failures;
mod limits;
mod unknown_phones;

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    let system = system().await;
    check_sent(&sample(&system, "auth-sso-signin").await);
    assert_eq!(inbox(&system, SITI).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    for (body, code) in [
        (json!({}), "MISSING_IDENTIFIER"),
        (json!({ "identifier": null }), "MISSING_IDENTIFIER"),
        (json!({ "identifier": " \t" }), "MISSING_IDENTIFIER"),
        (json!({ "phone": SITI }), "MISSING_IDENTIFIER"),
        (json!({ "identifier": "0812" }), "INVALID_PHONE_FORMAT"),
        (
            json!({ "identifier": "siti@example.com" }),
            "INVALID_PHONE_FORMAT",
        ),
        (
            json!({ "identifier": "+0812345678" }),
            "INVALID_PHONE_FORMAT",
        ),
        (
            json!({ "identifier": "1".repeat(16) }),
            "INVALID_PHONE_FORMAT",
        ),
        (
            json!({ "identifier": "120363025246125486@g.us" }),
            "INVALID_PHONE_FORMAT",
        ),
        (
            json!({ "identifier": SITI, "method": "sms" }),
            "UNSUPPORTED_METHOD",
        ),
        (
            json!({ "identifier": SITI, "method": "" }),
            "UNSUPPORTED_METHOD",
        ),
        (json!({ "identifier": SITI, "method": 1 }), "INVALID_FIELD"),
    ] {
        check_problem(&system.post(SIGNIN, body).await, 400, code, json!({}));
    }
    assert_eq!(gateway_calls(&system), 0);
}

#[tokio::test(start_paused = true)]
async fn the_method_may_be_named_and_other_fields_are_ignored() {
    let body = json!({ "identifier": SITI, "method": "whatsapp", "device": { "os": ["x"] } });
    check_sent(&system().await.post(SIGNIN, body).await);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_type_a_phone_reaches_the_same_one() {
    let system = system().await;
    at_home(&system, SITI).await;
    let typings = [
        "08123456789",
        "8123456789",
        "628123456789",
        "+628123456789",
        "00628123456789",
        "+62 0812-3456-789",
        "6208123456789",
        " (0812) 3456.789 ",
        "0812\u{a0}3456\u{a0}789",
        "\u{202a}+62 812 3456 789\u{202c}",
        "０８１２３４５６７８９",
    ];
    for (number, typed) in typings.into_iter().enumerate() {
        check_sent(&ask_code(&system, typed).await);
        assert_eq!(inbox(&system, SITI).len(), number + 1, "{typed}");
        pass(3 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_is_in_the_language_asked_for_or_accepted_or_of_the_country() {
    const ENGLISH: &str = "is your sign-in code";
    const INDONESIAN: &str = "adalah kode masuk Anda";
    for (locale, accepted, typed, expected) in [
        (None, None, SITI, INDONESIAN),
        (None, None, "+15551234567", ENGLISH),
        (Some("en"), None, SITI, ENGLISH),
        (Some("en-GB"), Some("id"), SITI, ENGLISH),
        (
            Some("fr"),
            Some("id-ID,id;q=0.9"),
            "+15551234567",
            INDONESIAN,
        ),
        (None, Some("fr, en;q=0.8"), SITI, ENGLISH),
        (None, Some("*"), SITI, INDONESIAN),
    ] {
        let system = system().await;
        add_user(&system, typed).await;
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(accepted.map(|accepted| ("accept-language", accepted)));
        let body = json!({ "identifier": typed, "locale": locale }).to_string();
        check_sent(&system.request("POST", SIGNIN, &headers, body).await);
        let text = &inbox(&system, typed)[0];
        assert!(
            text.contains(expected),
            "{locale:?} {accepted:?} {typed}: {text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_repeated_with_its_expiry_while_it_is_of_use_and_then_replaced() {
    let system = system().await;
    at_home(&system, SITI).await;
    let first = check_sent(&ask_code(&system, SITI).await);
    let code = code_on(&system, SITI);
    for minute in 1..=2 {
        pass(MINUTE).await;
        let again = check_sent(&ask_code(&system, SITI).await);
        assert_eq!(code_on(&system, SITI), code, "minute {minute}");
        assert_eq!(again.expires_at, first.expires_at);
        assert_ne!(again.challenge, first.challenge);
    }
    // Three minutes before its end a code is not worth another message.
    pass(5 * MINUTE).await;
    let new = check_sent(&ask_code(&system, SITI).await);
    assert_ne!(code_on(&system, SITI), code);
    assert_eq!(new.expires_at, system.now().plus(10 * MINUTE).rfc3339());
    check_limited(&ask_code(&system, SITI).await, "cooldown", MINUTE);
    // The first message is worth nothing any more; its challenge id is, for the new one.
    let reply = guess(&system, SITI, &code, Some(&first.challenge)).await;
    check_problem(&reply, 400, "INVALID_OTP", json!({ "attemptsLeft": 4 }));
    let code = code_on(&system, SITI);
    check_ok(&guess(&system, SITI, &code, Some(&first.challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn the_code_lives_ten_minutes_from_its_acceptance() {
    let system = system().await;
    system
        .simulator()
        .play(&Scenario::SendQueue { each_ms: 5_000 });
    let began = system.now();
    let sent = check_sent(&ask_code(&system, SITI).await);
    assert_eq!(system.now(), began.plus(5 * SECOND));
    assert_eq!(sent.expires_at, system.now().plus(10 * MINUTE).rfc3339());
}
