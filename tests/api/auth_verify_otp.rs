//! `POST /api/auth/verify-otp`
use super::*;

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    // Its challenge id belongs to nobody.
    let reply = sample(&system().await, "auth-verify-otp").await;
    check_problem(&reply, 400, "INVALID_OTP", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    for (body, code) in [
        (json!({}), "MISSING_CHALLENGE_ID"),
        (
            json!({ "identifier": BUDI, "otp": "123456" }),
            "MISSING_CHALLENGE_ID",
        ),
        (
            json!({ "identifier": BUDI, "otp": "123456", "challengeId": " " }),
            "MISSING_CHALLENGE_ID",
        ),
        (
            json!({ "otp": "123456", "challengeId": id }),
            "MISSING_IDENTIFIER",
        ),
        (
            json!({ "identifier": "x", "otp": "123456", "challengeId": id }),
            "INVALID_PHONE_FORMAT",
        ),
        (
            json!({ "identifier": BUDI, "challengeId": id }),
            "MISSING_OTP",
        ),
        (
            json!({ "identifier": BUDI, "otp": "12345", "challengeId": id }),
            "INVALID_OTP",
        ),
        (
            json!({ "identifier": BUDI, "otp": [], "challengeId": id }),
            "INVALID_FIELD",
        ),
    ] {
        check_problem(&system.post(VERIFY_OTP, body).await, 400, code, json!({}));
    }
    assert_eq!(system.database().calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_sign_up_is_a_user_who_is_signed_in() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    let reply = confirm(&system, BUDI, &code, &challenge).await;
    let claims = claims(&system, &reply).await;
    let mut data = check_ok(&reply).clone();
    for token in ["token", "refreshToken"] {
        assert!(data[token].take().is_string());
    }
    assert_eq!(
        data,
        json!({
            "token": null,
            "refreshToken": null,
            "tokenExpiresAt": system.now().plus(15 * MINUTE).rfc3339(),
            "user": {
                "id": claims.sub,
                "name": "Budi",
                "phone": "628129876543",
                "email": null,
                "emailVerified": false,
                "role": "user",
            },
        })
    );
    assert!(items(&system, "RegistrationsTable").await.is_empty());

    let (challenge, code) = sent_code(&system, BUDI).await;
    let signed_in = guess(&system, BUDI, &code, Some(&challenge)).await;
    assert_eq!(check_ok(&signed_in)["user"], data["user"]);
    let again = system.post(SIGNUP, applicant(BUDI)).await;
    check_problem(&again, 409, "DUPLICATE_PHONE_VERIFIED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_phone_may_be_called_phone() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    let body = json!({ "phone": BUDI, "otp": code, "challengeId": challenge, "more": true });
    check_ok(&system.post(VERIFY_OTP, body).await);
}

#[tokio::test(start_paused = true)]
async fn an_email_address_belongs_to_the_first_who_confirms_with_it() {
    let system = system().await;
    for (typed, email, claimed, shown) in [
        (
            BUDI,
            "budi@example.com",
            "claimed",
            json!("budi@example.com"),
        ),
        ("08131111111", "BUDI@example.com", "taken", Value::Null),
    ] {
        let mut applicant = applicant(typed);
        applicant["email"] = email.into();
        let (challenge, code) = signed_up(&system, applicant).await;
        let reply = confirm(&system, typed, &code, &challenge).await;
        let data = check_ok(&reply);
        assert_eq!(
            (&data["email"], &data["user"]["email"]),
            (&json!(claimed), &shown)
        );
        // Whatever became of the address, the user is one.
        let (challenge, code) = sent_code(&system, typed).await;
        let reply = guess(&system, typed, &code, Some(&challenge)).await;
        assert_eq!(check_ok(&reply)["user"]["email"], shown);
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_repeated_within_a_minute_opens_the_same_login() {
    let system = system().await;
    let mut applicant = applicant(BUDI);
    applicant["email"] = "budi@example.com".into();
    let (challenge, code) = signed_up(&system, applicant).await;
    let first = confirm(&system, BUDI, &code, &challenge).await;
    pass(MINUTE - MILLISECOND).await;
    let again = confirm(&system, BUDI, &code, &challenge).await;
    assert_eq!(claims(&system, &again).await, claims(&system, &first).await);
    let but_token = |reply: &Reply| {
        let mut data = check_ok(reply).clone();
        data["token"].take();
        data
    };
    assert_eq!(but_token(&again), but_token(&first));
    pass(MILLISECOND).await;
    let reply = confirm(&system, BUDI, &code, &challenge).await;
    check_problem(&reply, 400, "OTP_EXPIRED", json!({}));
    assert_eq!(items(&system, "LoginsTable").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn five_wrong_codes_use_a_challenge_id_up() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    for attempts_left in [4, 3, 2, 1, 0, 0] {
        let reply = confirm(&system, BUDI, wrong(&code), &challenge).await;
        check_problem(
            &reply,
            400,
            "INVALID_OTP",
            json!({ "attemptsLeft": attempts_left }),
        );
    }
    let reply = confirm(&system, BUDI, &code, &challenge).await;
    check_problem(&reply, 400, "INVALID_OTP", json!({ "attemptsLeft": 0 }));
    assert_eq!(
        items(&system, "UsersTable").await.len(),
        2,
        "Siti and her pointer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_challenge_id_is_neither_compared_nor_counted() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    let (others, _) = signed_up(&system, applicant("08131111111")).await;
    for id in [&others, "AAAAAAAAAAAAAAAAAAAAAA"].repeat(10) {
        let reply = confirm(&system, BUDI, &code, id).await;
        check_problem(&reply, 400, "INVALID_OTP", json!({}));
    }
    let reply = confirm(&system, BUDI, wrong(&code), &challenge).await;
    check_problem(&reply, 400, "INVALID_OTP", json!({ "attemptsLeft": 4 }));
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
}

#[tokio::test(start_paused = true)]
async fn a_code_confirms_for_ten_minutes_after_whatsapp_took_it() {
    for (age, status) in [(10 * MINUTE - MILLISECOND, 200), (10 * MINUTE, 400)] {
        let system = system().await;
        // The registration was written long before the message was taken.
        system
            .simulator()
            .play(&Scenario::SendQueue { each_ms: 9_000 });
        let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
        pass(age).await;
        let reply = confirm(&system, BUDI, &code, &challenge).await;
        assert_eq!(reply.status, status, "{}", reply.json);
        if status == 400 {
            check_problem(&reply, 400, "OTP_EXPIRED", json!({}));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_sign_ups_the_confirmed_one_becomes_the_user() {
    for confirmed in [0, 1] {
        let system = system().await;
        let mut challenges = Vec::new();
        for name in ["First", "Second"] {
            let mut applicant = applicant(BUDI);
            applicant["name"] = name.into();
            challenges.push(signed_up(&system, applicant).await);
            pass(MINUTE).await;
        }
        let (challenge, code) = &challenges[confirmed];
        let reply = confirm(&system, BUDI, code, challenge).await;
        assert_eq!(
            check_ok(&reply)["user"]["name"],
            ["First", "Second"][confirmed]
        );
        let (challenge, code) = &challenges[1 - confirmed];
        let reply = confirm(&system, BUDI, code, challenge).await;
        check_problem(&reply, 400, "OTP_EXPIRED", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_got_a_user_meanwhile_is_a_conflict() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    add_user(&system, BUDI).await;
    let reply = confirm(&system, BUDI, &code, &challenge).await;
    check_problem(&reply, 409, "DUPLICATE_PHONE_VERIFIED", json!({}));
    assert!(items(&system, "LoginsTable").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_code_for_signing_in_confirms_no_sign_up() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let reply = confirm(&system, SITI, &code, &challenge).await;
    check_problem(&reply, 400, "INVALID_OTP", json!({}));
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_no_try_is_counted() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    let down = system.with_faults(Faults::down());
    for _ in 0..6 {
        let reply = confirm(&down, BUDI, &code, &challenge).await;
        check_problem(
            &reply,
            503,
            "SERVICE_UNAVAILABLE",
            json!({ "retryAfterSeconds": 5 }),
        );
    }
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
}

#[tokio::test(start_paused = true)]
async fn a_single_failure_of_the_store_is_not_seen_and_makes_one_user() {
    for fault in [
        Fault::RequestLost,
        Fault::ReplyLost,
        Fault::Throttled,
        Fault::Conflict,
    ] {
        for number in 1..=8 {
            let system = TestSystem::start().await;
            let mut applicant = applicant(BUDI);
            applicant["email"] = "budi@example.com".into();
            let (challenge, code) = signed_up(&system, applicant).await;
            let unlucky = system.with_faults(Faults::none().at(number, fault));
            let reply = confirm(&unlucky, BUDI, &code, &challenge).await;
            assert_eq!(
                check_ok(&reply)["email"],
                "claimed",
                "{fault:?} at {number}"
            );
            assert_eq!(
                items(&system, "UsersTable").await.len(),
                3,
                "with two pointers"
            );
            assert_eq!(items(&system, "LoginsTable").await.len(), 1);
        }
    }
}
