//! `POST /api/auth/send-otp`
use super::*;

async fn send_again(system: &TestSystem, typed: &str, purpose: &str, challenge: &str) -> Reply {
    let body = json!({ "identifier": typed, "purpose": purpose, "challengeId": challenge });
    system.post(SEND_OTP, body).await
}

#[track_caller]
fn check_unknown(reply: &Reply) {
    check_problem(reply, 400, "UNKNOWN_CHALLENGE", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    let system = system().await;
    check_sent(&sample(&system, "auth-send-otp").await);
    assert_eq!(inbox(&system, SITI).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    let good = json!({ "identifier": SITI, "purpose": "sso" });
    for (field, value, code) in [
        ("identifier", Value::Null, "MISSING_IDENTIFIER"),
        ("identifier", json!("0812"), "INVALID_PHONE_FORMAT"),
        ("purpose", Value::Null, "MISSING_PURPOSE"),
        ("purpose", json!(" "), "MISSING_PURPOSE"),
        ("purpose", json!("admin"), "UNSUPPORTED_PURPOSE"),
        ("purpose", json!("SSO"), "UNSUPPORTED_PURPOSE"),
        ("purpose", json!(1), "INVALID_FIELD"),
        ("purpose", json!("signup"), "MISSING_CHALLENGE_ID"),
        ("method", json!("sms"), "UNSUPPORTED_METHOD"),
        ("challengeId", json!(1), "INVALID_FIELD"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        check_problem(&system.post(SEND_OTP, bad).await, 400, code, json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn every_purpose_has_its_name_and_that_of_the_earlier_system() {
    for (purpose, expected) in [
        ("sso", "adalah kode masuk Anda"),
        ("password-reset", "mengganti kata sandi"),
        ("reset-password", "mengganti kata sandi"),
    ] {
        let system = system().await;
        let body = json!({ "identifier": SITI, "purpose": purpose });
        check_sent(&system.post(SEND_OTP, body).await);
        assert!(inbox(&system, SITI)[0].contains(expected), "{purpose}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_sent_again_counts_like_the_first_one() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let early = send_again(&system, SITI, "sso", &challenge).await;
    check_limited(&early, "cooldown", MINUTE);
    pass(MINUTE).await;
    let again = check_sent(&send_again(&system, SITI, "sso", &challenge).await);
    assert_eq!(
        (&again.challenge, &code_on(&system, SITI)),
        (&challenge, &code)
    );
    check_limited(&ask_code(&system, SITI).await, "cooldown", MINUTE);
    check_ok(&guess(&system, SITI, &code, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_not_of_this_phones_code_is_not_taken_over() {
    let system = system().await;
    let (of_siti, _) = sent_code(&system, SITI).await;
    for strange in [of_siti.as_str(), "AAAAAAAAAAAAAAAAAAAAAA", "", "x"] {
        add_user(&system, BUDI).await;
        let sent = check_sent(&send_again(&system, BUDI, "sso", strange).await);
        assert_ne!(sent.challenge, strange);
        pass(4 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_is_found_by_its_challenge_id_and_its_phone_until_it_is_confirmed() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    pass(MINUTE).await;
    check_unknown(&send_again(&system, SITI, "signup", &challenge).await);
    check_unknown(&send_again(&system, BUDI, "signup", "AAAAAAAAAAAAAAAAAAAAAA").await);
    check_sent(&send_again(&system, BUDI, "signup", &challenge).await);
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
    pass(MINUTE).await;
    check_unknown(&send_again(&system, BUDI, "signup", &challenge).await);
    assert_eq!(inbox(&system, BUDI).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_no_tries_left_gets_the_code_again_with_a_new_id() {
    let system = system().await;
    let (spent, code) = sent_code(&system, SITI).await;
    for _ in 0..5 {
        guess(&system, SITI, wrong(&code), Some(&spent)).await;
    }
    pass(MINUTE).await;
    let again = check_sent(&send_again(&system, SITI, "sso", &spent).await);
    assert_ne!(again.challenge, spent);
    assert_eq!(code_on(&system, SITI), code);
    let late = guess(&system, SITI, &code, Some(&spent)).await;
    check_problem(&late, 400, "INVALID_OTP", json!({ "attemptsLeft": 0 }));
    check_ok(&guess(&system, SITI, &code, Some(&again.challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_without_tries_keeps_its_id_and_gets_another_code() {
    let system = system().await;
    let (challenge, first) = signed_up(&system, applicant(BUDI)).await;
    for _ in 0..5 {
        confirm(&system, BUDI, wrong(&first), &challenge).await;
    }
    pass(MINUTE).await;
    let again = check_sent(&send_again(&system, BUDI, "signup", &challenge).await);
    assert_eq!(again.challenge, challenge);
    let second = code_on(&system, BUDI);
    assert_ne!(second, first);
    check_ok(&confirm(&system, BUDI, &second, &challenge).await);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_again_is_not_charged_and_takes_nothing() {
    for (scenario, code) in outages() {
        let system = system().await;
        let (of_siti, _) = sent_code(&system, SITI).await;
        let (of_budi, first) = signed_up(&system, applicant(BUDI)).await;
        pass(MINUTE).await;
        system.simulator().play(&scenario);
        for _ in 0..2 {
            check_outage(&send_again(&system, SITI, "sso", &of_siti).await, code);
            check_outage(&send_again(&system, BUDI, "signup", &of_budi).await, code);
        }
        system.simulator().play(&Scenario::Healthy);
        check_sent(&send_again(&system, BUDI, "signup", &of_budi).await);
        check_sent(&send_again(&system, SITI, "sso", &of_siti).await);
        check_ok(&confirm(&system, BUDI, &first, &of_budi).await);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_signs_up_is_told_that_the_number_is_not_on_whatsapp() {
    let system = system().await;
    let (challenge, _) = signed_up(&system, applicant(BUDI)).await;
    pass(MINUTE).await;
    let (phones, taken) = (vec![BUDI.into()], false);
    system
        .simulator()
        .play(&Scenario::NotOnWhatsapp { phones, taken });
    let reply = send_again(&system, BUDI, "signup", &challenge).await;
    check_problem(&reply, 400, "NOT_ON_WHATSAPP", json!({ "charged": false }));
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_nothing_is_sent() {
    let system = system().await;
    let (challenge, _) = signed_up(&system, applicant(BUDI)).await;
    pass(MINUTE).await;
    let down = system.with_faults(Faults::down());
    for (typed, purpose) in [(SITI, "sso"), (SITI, "password-reset"), (BUDI, "signup")] {
        let reply = send_again(&down, typed, purpose, &challenge).await;
        check_not_sent(&reply, "SERVICE_UNAVAILABLE");
    }
    assert_eq!(sends(&system), 1);
    check_sent(&send_again(&system, BUDI, "signup", &challenge).await);
}
