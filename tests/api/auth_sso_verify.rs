//! `POST /api/auth/sso-verify`
use super::*;

/// The usual system, where clients of the earlier system may guess without a challenge id.
async fn system() -> TestSystem {
    lenient().await
}

/// Checks the refusal of a guess that was compared, or would have been had there been tries.
#[track_caller]
fn check_wrong(reply: &Reply, attempts_left: u32) {
    check_problem(
        reply,
        400,
        "INVALID_OTP",
        json!({ "attemptsLeft": attempts_left }),
    );
}

/// Checks the refusal of a guess that was neither compared nor counted.
#[track_caller]
fn check_unknown(reply: &Reply) {
    check_problem(reply, 400, "INVALID_OTP", json!({}));
}

#[track_caller]
fn check_expired(reply: &Reply) {
    check_problem(reply, 400, "OTP_EXPIRED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    // Its challenge id belongs to nobody.
    check_unknown(&sample(&system().await, "auth-sso-verify").await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    for (body, code) in [
        (json!({ "otp": "123456" }), "MISSING_IDENTIFIER"),
        (
            json!({ "identifier": "0812", "otp": "123456" }),
            "INVALID_PHONE_FORMAT",
        ),
        (json!({ "identifier": SITI }), "MISSING_OTP"),
        (json!({ "identifier": SITI, "otp": null }), "MISSING_OTP"),
        (json!({ "identifier": SITI, "otp": " " }), "MISSING_OTP"),
        (json!({ "identifier": SITI, "otp": "12345" }), "INVALID_OTP"),
        (
            json!({ "identifier": SITI, "otp": "1234567" }),
            "INVALID_OTP",
        ),
        (
            json!({ "identifier": SITI, "otp": "12345a" }),
            "INVALID_OTP",
        ),
        (
            json!({ "identifier": SITI, "otp": 123_456 }),
            "INVALID_FIELD",
        ),
        (
            json!({ "identifier": SITI, "otp": "123456", "challengeId": 1 }),
            "INVALID_FIELD",
        ),
    ] {
        check_problem(&system.post(SSO_VERIFY, body).await, 400, code, json!({}));
    }
    assert_eq!(system.database().calls(), []);
}

#[tokio::test(start_paused = true)]
async fn the_right_code_opens_a_login_with_a_token_that_others_can_check() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let reply = guess(&system, SITI, &code, Some(&challenge)).await;
    let mut data = check_ok(&reply).clone();
    let claims = claims(&system, &reply).await;
    assert_eq!(
        (claims.sub.as_str(), claims.ver, claims.role.as_str()),
        ("user-628123456789", 1, "user")
    );
    assert_eq!(
        (claims.iat, claims.exp),
        (system.now().seconds(), system.now().seconds() + 900)
    );
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
                "id": "user-628123456789",
                "name": "Siti",
                "phone": "628123456789",
                "email": null,
                "emailVerified": false,
                "role": "user",
            },
        })
    );
    let logins = items(&system, "LoginsTable").await;
    let logins: Vec<_> = logins.iter().filter_map(|login| login.text("id")).collect();
    assert_eq!(logins, [claims.sid]);
}

#[tokio::test(start_paused = true)]
async fn a_code_and_a_phone_may_be_typed_in_other_ways_than_they_were_sent() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let typed = format!(" {}-{} ", &code[..3], &code[3..]);
    check_ok(&guess(&system, "+62 812-3456-789", &typed, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn whatsapp_is_not_needed_to_verify() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    system.simulator().play(&outages()[0].0);
    let calls = gateway_calls(&system);
    check_ok(&guess(&system, SITI, &code, Some(&challenge)).await);
    assert_eq!(gateway_calls(&system), calls);
}

#[tokio::test(start_paused = true)]
async fn five_tries_belong_to_a_challenge_id_and_five_to_those_without_one() {
    for (first, second) in [(true, false), (false, true)] {
        let system = system().await;
        let (challenge, code) = sent_code(&system, SITI).await;
        let with = |bound: bool| bound.then_some(challenge.as_str());
        for attempts_left in (0..5).rev() {
            let reply = guess(&system, SITI, wrong(&code), with(first)).await;
            check_wrong(&reply, attempts_left);
        }
        // Not even the right one is compared now.
        check_wrong(&guess(&system, SITI, &code, with(first)).await, 0);
        check_ok(&guess(&system, SITI, &code, with(second)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_guessed_out_does_not_spoil_the_code_for_the_next() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    for _ in 0..5 {
        guess(&system, SITI, wrong(&code), Some(&challenge)).await;
    }
    pass(MINUTE).await;
    let (new_challenge, same_code) = sent_code(&system, SITI).await;
    assert_eq!(code, same_code);
    check_wrong(&guess(&system, SITI, &code, Some(&challenge)).await, 0);
    check_ok(&guess(&system, SITI, &code, Some(&new_challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn a_code_guessed_out_without_a_challenge_id_is_replaced_by_the_next_request() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    for _ in 0..5 {
        guess(&system, SITI, wrong(&code), None).await;
    }
    pass(MINUTE).await;
    let (_, new_code) = sent_code(&system, SITI).await;
    assert_ne!(code, new_code);
    check_ok(&guess(&system, SITI, &new_code, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn a_guess_with_a_wrong_challenge_id_is_neither_compared_nor_counted() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let (others, _) = {
        check_sent(&ask_code(&system, BUDI).await);
        add_user(&system, BUDI).await;
        pass(MINUTE).await;
        sent_code(&system, BUDI).await
    };
    let wrong_ids = [
        "",
        "AAAAAAAAAAAAAAAAAAAAAA",
        &others,
        &challenge[1..],
        &"x".repeat(9_000),
    ];
    for _ in 0..4 {
        for id in wrong_ids {
            check_unknown(&guess(&system, SITI, &code, Some(id)).await);
        }
    }
    check_wrong(
        &guess(&system, SITI, wrong(&code), Some(&challenge)).await,
        4,
    );
    check_wrong(&guess(&system, SITI, wrong(&code), None).await, 4);
    check_ok(&guess(&system, SITI, &code, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn a_guess_without_its_challenge_id_is_refused_unless_the_deployment_allows_it() {
    let system = super::system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    system.database().forget_calls();
    for id in [None, Some(""), Some(" ")] {
        let reply = guess(&system, SITI, &code, id).await;
        check_problem(&reply, 400, "MISSING_CHALLENGE_ID", json!({}));
    }
    assert_eq!(system.database().calls(), []);
    check_ok(&guess(&system, SITI, &code, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_request_there_is_nothing_to_guess() {
    let system = system().await;
    for typed in [SITI, BUDI] {
        check_unknown(&guess(&system, typed, "123456", None).await);
        check_unknown(&guess(&system, typed, "123456", Some("AAAAAAAAAAAAAAAAAAAAAA")).await);
    }
    assert!(items(&system, "ChallengesTable").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_code_ends_ten_minutes_after_whatsapp_took_it() {
    for (age, works) in [(10 * MINUTE - MILLISECOND, true), (10 * MINUTE, false)] {
        for bound in [true, false] {
            let system = system().await;
            let (challenge, code) = sent_code(&system, SITI).await;
            pass(age).await;
            let reply = guess(&system, SITI, &code, bound.then_some(&challenge)).await;
            if works {
                check_ok(&reply);
            } else {
                check_expired(&reply);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_guess_repeated_within_a_minute_opens_the_same_login() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let first = guess(&system, SITI, &code, Some(&challenge)).await;
    let first = claims(&system, &first).await;
    pass(MINUTE - MILLISECOND).await;
    let again = guess(&system, SITI, &code, Some(&challenge)).await;
    assert_eq!(claims(&system, &again).await, first);
    // What is not that guess again does not profit.
    check_expired(&guess(&system, SITI, wrong(&code), Some(&challenge)).await);
    check_expired(&guess(&system, SITI, &code, None).await);
    check_unknown(&guess(&system, SITI, &code, Some("AAAAAAAAAAAAAAAAAAAAAA")).await);
    pass(MILLISECOND).await;
    check_expired(&guess(&system, SITI, &code, Some(&challenge)).await);
    assert_eq!(items(&system, "LoginsTable").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_challenge_id_a_code_works_once() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    check_ok(&guess(&system, SITI, &code, None).await);
    check_expired(&guess(&system, SITI, &code, None).await);
    check_expired(&guess(&system, SITI, &code, Some(&challenge)).await);
    assert_eq!(items(&system, "LoginsTable").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_request_for_the_same_code_has_its_own_tries_and_one_use_ends_them_all() {
    let system = system().await;
    let (first, code) = sent_code(&system, SITI).await;
    guess(&system, SITI, wrong(&code), Some(&first)).await;
    pass(MINUTE).await;
    let (second, same) = sent_code(&system, SITI).await;
    assert_eq!(code, same);
    check_wrong(&guess(&system, SITI, wrong(&code), Some(&second)).await, 4);
    check_wrong(&guess(&system, SITI, wrong(&code), Some(&first)).await, 3);
    check_ok(&guess(&system, SITI, &code, Some(&first)).await);
    check_expired(&guess(&system, SITI, &code, Some(&second)).await);
}

#[tokio::test(start_paused = true)]
async fn a_used_code_is_not_sent_again() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    check_ok(&guess(&system, SITI, &code, Some(&challenge)).await);
    pass(MINUTE).await;
    let (challenge, new_code) = sent_code(&system, SITI).await;
    assert_ne!(code, new_code);
    check_ok(&guess(&system, SITI, &new_code, Some(&challenge)).await);
    assert_eq!(items(&system, "LoginsTable").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_code_for_a_sign_up_signs_nobody_in() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    check_unknown(&guess(&system, BUDI, &code, Some(&challenge)).await);
    check_unknown(&guess(&system, BUDI, &code, None).await);
}

/// Replies to wrong guesses for one phone, before and after a request, with and without its challenge id.
async fn wrong_guesses(typed: &str) -> Vec<(u16, Vec<(String, String)>, Value)> {
    let system = system().await;
    let mut faces = vec![face(&guess(&system, typed, "000000", None).await)];
    let sent = check_sent(&ask_code(&system, typed).await);
    for challenge in [Some(sent.challenge.as_str()), None, Some("another")] {
        for _ in 0..6 {
            faces.push(face(&guess(&system, typed, "000000", challenge).await));
        }
    }
    pass(10 * MINUTE).await;
    faces.push(face(
        &guess(&system, typed, "000000", Some(&sent.challenge)).await,
    ));
    faces
}

#[tokio::test(start_paused = true)]
async fn guesses_for_an_unknown_phone_are_answered_like_those_for_a_known_one() {
    assert_eq!(wrong_guesses(SITI).await, wrong_guesses(BUDI).await);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_no_try_is_counted() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let down = system.with_faults(Faults::down());
    for otp in [code.as_str(), wrong(&code)] {
        let reply = guess(&down, SITI, otp, Some(&challenge)).await;
        check_problem(
            &reply,
            503,
            "SERVICE_UNAVAILABLE",
            json!({ "retryAfterSeconds": 5 }),
        );
    }
    check_wrong(
        &guess(&system, SITI, wrong(&code), Some(&challenge)).await,
        4,
    );
    check_ok(&guess(&system, SITI, &code, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn a_guess_is_counted_once_even_when_the_reply_of_the_store_is_lost() {
    for lost in 1..=8 {
        let system = system().await;
        let (challenge, code) = sent_code(&system, SITI).await;
        let unlucky = system.with_faults(Faults::none().at(lost, Fault::ReplyLost));
        let reply = guess(&unlucky, SITI, wrong(&code), Some(&challenge)).await;
        check_wrong(&reply, 4);
        check_wrong(
            &guess(&system, SITI, wrong(&code), Some(&challenge)).await,
            3,
        );
    }
}
