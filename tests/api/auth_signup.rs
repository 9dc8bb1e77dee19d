//! `POST /api/auth/signup`
use std::net::Ipv4Addr;

use super::*;

/// [`applicant`] with one field changed; `Null` leaves it out.
fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut applicant = applicant(BUDI);
    applicant[field] = value.into();
    applicant
}

/// The challenges of all phones, without the revision.
async fn challenges(system: &TestSystem) -> Vec<Item> {
    let mut challenges = items(system, "ChallengesTable").await;
    for phone in &mut challenges {
        phone.remove("rev");
    }
    challenges
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    let system = system().await;
    check_sent(&sample(&system, "auth-signup").await);
    assert_eq!(inbox(&system, "081234567890").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    for (body, code) in [
        (json!({}), "MISSING_IDENTIFIER"),
        (with("phone", " "), "MISSING_IDENTIFIER"),
        (with("phone", "12345"), "INVALID_PHONE_FORMAT"),
        (with("phone", "budi"), "INVALID_PHONE_FORMAT"),
        (with("phone", 8_129_876_543_u64), "INVALID_FIELD"),
        (with("name", Value::Null), "MISSING_NAME"),
        (with("name", " \n"), "MISSING_NAME"),
        (with("name", "é".repeat(101)), "INVALID_NAME"),
        (with("name", "Budi\nhttp://example.com"), "INVALID_NAME"),
        (with("name", "Bu\u{0}di"), "INVALID_NAME"),
        (with("password", Value::Null), "MISSING_PASSWORD"),
        (with("password", "  "), "MISSING_PASSWORD"),
        (with("password", "1234567"), "INVALID_PASSWORD"),
        (with("password", "é".repeat(129)), "INVALID_PASSWORD"),
        (with("password", "Password123"), "INVALID_PASSWORD"),
        (with("password", "Password123!"), "INVALID_PASSWORD"),
        (with("password", BUDI), "INVALID_PASSWORD"),
        (with("password", "+62 812 987 6543"), "INVALID_PASSWORD"),
        (with("password", "budi budi"), "INVALID_PASSWORD"),
        (with("password", "Budi2026!"), "INVALID_PASSWORD"),
        (with("email", "budi"), "INVALID_EMAIL"),
        (with("email", "budi@example"), "INVALID_EMAIL"),
        (with("email", "b@udi@example.com"), "INVALID_EMAIL"),
        (
            with("email", format!("{}@example.com", "b".repeat(65))),
            "INVALID_EMAIL",
        ),
        (
            with("email", format!("b@{}.com", "x.".repeat(126))),
            "INVALID_EMAIL",
        ),
    ] {
        check_problem(&system.post(SIGNUP, body).await, 400, code, json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn what_fits_is_taken() {
    for body in [
        with("name", "é".repeat(100)),
        with("name", " Nur Hayati binti Å "),
        with("password", "1234567é"),
        with("password", "é".repeat(128)),
        with("email", Value::Null),
        with("email", " "),
        with("email", "Budi@Example.com"),
        with("locale", "xx"),
        with("phone", "+62 812-987-6543"),
        with("referrer", json!({ "deep": [1, { "x": null }] })),
        json!({ "identifier": BUDI, "name": "Budi", "password": "a long enough secret" }),
    ] {
        let system = system().await;
        check_sent(&system.post(SIGNUP, body).await);
        assert_eq!(inbox(&system, BUDI).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_is_in_the_language_asked_for_or_of_the_country() {
    for (locale, typed, expected) in [
        (None, BUDI, "adalah kode pendaftaran Anda"),
        (None, "+15551234567", "is your sign-up code"),
        (Some("en-US"), BUDI, "is your sign-up code"),
    ] {
        let system = system().await;
        let mut body = with("locale", locale);
        body["phone"] = typed.into();
        check_sent(&system.post(SIGNUP, body).await);
        let text = &inbox(&system, typed)[0];
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_a_user_before_the_confirmation_and_no_table_has_the_password_or_the_code() {
    let system = TestSystem::start().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    assert!(items(&system, "UsersTable").await.is_empty());
    assert_eq!(items(&system, "RegistrationsTable").await.len(), 1);
    let code = format!("\"{code}\"");
    for secret in ["a long enough secret", &challenge, &code] {
        for table in [
            "RegistrationsTable",
            "ChallengesTable",
            "DeliveriesTable",
            "LimitsTable",
        ] {
            let items = format!("{:?}", items(&system, table).await);
            assert!(!items.contains(secret), "{secret} is in {table}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_registered_phone_is_a_conflict_and_gets_no_message() {
    let system = system().await;
    let reply = system.post(SIGNUP, applicant("+628123456789")).await;
    check_problem(&reply, 409, "DUPLICATE_PHONE_VERIFIED", json!({}));
    assert_eq!(gateway_calls(&system), 0);
    assert!(items(&system, "RegistrationsTable").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_that_cannot_be_sent_leaves_nothing_and_can_be_repeated_at_once() {
    for (scenario, code) in outages() {
        let system = system().await;
        system.simulator().play(&scenario);
        for _ in 0..2 {
            check_outage(&system.post(SIGNUP, applicant(BUDI)).await, code);
        }
        assert!(items(&system, "RegistrationsTable").await.is_empty());
        for phone in challenges(&system).await {
            let sends = phone["sends"].as_l().expect("a list");
            assert_eq!((sends.len(), phone.map("signup")), (0, None));
        }
        for address in items(&system, "LimitsTable").await {
            assert_eq!(address.get("granted"), None);
        }
        assert!(inbox(&system, BUDI).is_empty());

        system.simulator().play(&Scenario::Healthy);
        let ((challenge, code), took) = timed(signed_up(&system, applicant(BUDI))).await;
        assert!(took <= SECOND, "{scenario:?}: {took:?}");
        check_ok(&confirm(&system, BUDI, &code, &challenge).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_that_cannot_be_sent_takes_nothing_from_an_earlier_one() {
    // While the code would be repeated, and when a new one would replace it.
    for age in [MINUTE, 8 * MINUTE] {
        let system = system().await;
        let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
        pass(age).await;
        let before = (
            challenges(&system).await,
            items(&system, "RegistrationsTable").await,
        );
        system.simulator().play(&outages()[0].0);
        let reply = system.post(SIGNUP, applicant(BUDI)).await;
        check_not_sent(&reply, outages()[0].1);
        let after = (
            challenges(&system).await,
            items(&system, "RegistrationsTable").await,
        );
        assert_eq!(without_ttl(before), without_ttl(after));
        check_ok(&confirm(&system, BUDI, &code, &challenge).await);
    }
}

/// The phone's time of forgetting moves with every request; it is no limit.
fn without_ttl((mut challenges, registrations): (Vec<Item>, Vec<Item>)) -> (Vec<Item>, Vec<Item>) {
    for phone in &mut challenges {
        phone.remove("expires_at");
    }
    (challenges, registrations)
}

#[tokio::test(start_paused = true)]
async fn each_request_is_a_registration_of_its_own_with_the_code_of_the_first() {
    let system = system().await;
    let (first, code) = signed_up(&system, applicant(BUDI)).await;
    check_limited(
        &system.post(SIGNUP, applicant(BUDI)).await,
        "cooldown",
        MINUTE,
    );
    pass(MINUTE).await;
    let (second, same) = signed_up(&system, applicant(BUDI)).await;
    assert_eq!(code, same);
    assert_ne!(first, second);
    assert_eq!(items(&system, "RegistrationsTable").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn signing_up_and_signing_in_wait_for_themselves_only() {
    let system = system().await;
    check_sent(&ask_code(&system, BUDI).await);
    check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
    check_limited(
        &system.post(SIGNUP, applicant(BUDI)).await,
        "cooldown",
        MINUTE,
    );
    assert_eq!(ask_code(&system, BUDI).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_a_user_gets_ten_messages_a_day_and_what_went_to_nobody_is_none() {
    let system = system().await;
    // One address gets three of them.
    for number in 0..10 {
        let system = system.called_from(Ipv4Addr::new(198, 51, number / 3, 7));
        check_sent(&ask_code(&system, BUDI).await);
        check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
        if number % 3 == 2 {
            let reply = system.post(SIGNUP, applicant(BUDI)).await;
            assert_eq!(reply.json["limit"], "day");
        }
        pass(4 * MINUTE).await;
    }
    let reply = system.post(SIGNUP, applicant(BUDI)).await;
    assert_eq!((reply.status, &reply.json["limit"]), (429, &json!("day")));
    let hours = reply.json["retryAfterSeconds"].as_u64().expect("seconds") / 3600;
    assert_eq!(hours, 23);
}

#[tokio::test(start_paused = true)]
async fn five_sign_ups_fill_ten_minutes() {
    let system = system().await;
    for number in 0..5 {
        let system = system.called_from(Ipv4Addr::new(198, 51, number, 7));
        check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
        pass(MINUTE).await;
    }
    let reply = system.post(SIGNUP, applicant(BUDI)).await;
    assert_eq!(
        (reply.status, &reply.json["limit"]),
        (429, &json!("window"))
    );
}

#[tokio::test(start_paused = true)]
async fn sign_ups_count_for_the_address() {
    let system =
        TestSystem::builder().settings(|settings| settings.policy.codes_per_address.places = 1);
    let system = system.build().await;
    check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
    let reply = system.post(SIGNUP, applicant(SITI)).await;
    assert_eq!(
        (reply.status, &reply.json["limit"]),
        (429, &json!("address"))
    );
    assert_eq!(items(&system, "RegistrationsTable").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_nothing_is_sent_and_nothing_kept() {
    let system = system().await;
    let down = system.with_faults(Faults::down());
    check_not_sent(
        &down.post(SIGNUP, applicant(BUDI)).await,
        "SERVICE_UNAVAILABLE",
    );
    assert_eq!(gateway_calls(&system), 0);
    assert!(items(&system, "RegistrationsTable").await.is_empty());
    check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
}
