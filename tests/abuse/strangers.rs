//! The stranger pays, never the owner: what somebody who knows only a number can do to whoever holds its phone.
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use local::simulator::Scenario;
use serde_json::json;
use shared::model::country::{CapMode, CountryCaps};
use shared::model::identifier::Email;
use shared::store::users::Users;
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

/// The system as a stranger calls it, from the `number`th network.
fn stranger(system: &TestSystem, number: u8) -> TestSystem {
    system.called_from(Ipv4Addr::new(198, 51, number, 7))
}

/// Signs the first phone's user in with the code that is on the phone.
async fn answer(from: &TestSystem, asked: &Reply) -> Reply {
    let code = code_on(from, &phone(1));
    verify(from, &phone(1), &code, challenge(asked)).await
}

/// The same with a wrong code.
async fn guess(from: &TestSystem, asked: &Reply) -> Reply {
    let code = wrong(&code_on(from, &phone(1)), 0);
    verify(from, &phone(1), &code, challenge(asked)).await
}

/// Completes a sign-up of the first phone with the code that is on the phone.
async fn complete(from: &TestSystem, asked: &Reply) -> Reply {
    let code = code_on(from, &phone(1));
    confirm(from, &phone(1), &code, challenge(asked)).await
}

async fn with_password(system: &TestSystem, phone: &str, password: &str) -> Reply {
    let body = json!({ "identifier": phone, "password": password });
    system.post("/api/auth/signin", body).await
}

async fn ask_reset(system: &TestSystem, phone: &str) -> Reply {
    let body = json!({ "identifier": phone });
    system.post("/api/auth/send-password-reset-otp", body).await
}

/// Whether a guess was compared with the code and found wrong.
fn is_compared(reply: &Reply) -> bool {
    let message = reply.json["message"].as_str().unwrap();
    message.starts_with("The code is wrong.")
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_only_a_number_shuts_no_way_in_for_its_owner() {
    let system = with_owner().await;
    let away = stranger(&system, 1);
    let reset = ask_reset(&away, &phone(1)).await;
    for _ in 0..5 {
        let id = &reset.json["data"]["challengeId"];
        let body = json!({
            "identifier": phone(1), "otp": "000000", "challengeId": id, "newPassword": "another one here",
        });
        away.post("/api/auth/verify-password-reset-otp", body).await;
    }
    for _ in 0..3 {
        let asked = sign_in(&away, &phone(1)).await;
        check_ok(&asked);
        for _ in 0..10 {
            guess(&away, &asked).await;
        }
        sleep(MINUTE).await;
    }
    for _ in 0..10 {
        with_password(&away, &phone(1), "not this one").await;
    }
    check_ok(&with_password(&system, &phone(1), PASSWORD).await);
    let asked = sign_in(&system, &phone(1)).await;
    check_ok(&asked);
    let opened = answer(&system, &asked).await;
    check_ok(&opened);
    check_ok(&ask_reset(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_a_client_has_shown_never_gets_tries_back() {
    let system = TestSystem::start().await;
    let away = stranger(&system, 1);
    let strangers = sign_up(&away, &phone(1)).await;
    let resend = async || {
        let id = &strangers.json["data"]["challengeId"];
        let body = json!({ "identifier": phone(1), "purpose": "signup", "challengeId": id });
        away.post("/api/auth/send-otp", body).await
    };
    sleep(5 * MINUTE).await;
    check_ok(&resend().await);
    sleep(5 * MINUTE + MINUTE / 60).await;
    // The first code has ended: the owner gets another one, and the stranger's sign-up still waits.
    let owners = sign_up(&system, &phone(1)).await;
    check_ok(&owners);
    let code = code_on(&system, &phone(1));
    sleep(MINUTE).await;
    system.simulator().play(&Scenario::Unlinked);
    let mut compared = 0;
    for round in 0..6 {
        let asking = tokio::spawn({
            let (away, id) = (away.clone(), strangers.json["data"]["challengeId"].clone());
            let body = json!({ "identifier": phone(1), "purpose": "signup", "challengeId": id });
            async move { away.post("/api/auth/send-otp", body).await }
        });
        while !asking.is_finished() {
            sleep(MINUTE / 1_200).await;
            let guessed = confirm(&away, &phone(1), &wrong(&code, 0), challenge(&strangers)).await;
            compared += usize::from(is_compared(&guessed));
        }
        let asked = asking.await.unwrap();
        check_error(&asked, 503, "WHATSAPP_SERVICE_UNAVAILABLE", None);
        assert_eq!(asked.json["charged"], false, "round {round}");
    }
    assert!(compared <= 5, "{compared} guesses were compared");
    check_ok(&confirm(&system, &phone(1), &code, challenge(&owners)).await);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_has_used_its_tries_up_takes_no_code_away() {
    for (ask_path, verify_path, purpose) in [
        ("/api/auth/sso-signin", "/api/auth/sso-verify", "sso"),
        (
            "/api/auth/send-password-reset-otp",
            "/api/auth/verify-password-reset-otp",
            "password-reset",
        ),
    ] {
        let system = with_owner().await;
        let away = stranger(&system, 1);
        let ask = async |from: &TestSystem| {
            let body = json!({ "identifier": phone(1) });
            from.post(ask_path, body).await
        };
        let guess_with = async |from: &TestSystem, code: &str, asked: &Reply| {
            let body = json!({
                "identifier": phone(1), "otp": code, "newPassword": "another one here",
                "challengeId": asked.json["data"]["challengeId"],
            });
            from.post(verify_path, body).await
        };
        let strangers = ask(&away).await;
        for _ in 0..5 {
            let guessed =
                guess_with(&away, &wrong(&code_on(&system, &phone(1)), 0), &strangers).await;
            assert!(is_compared(&guessed), "{}", guessed.json);
        }
        let owners = ask(&system).await;
        let code = code_on(&system, &phone(1));
        sleep(MINUTE).await;
        let id = &strangers.json["data"]["challengeId"];
        let body = json!({ "identifier": phone(1), "purpose": purpose, "challengeId": id });
        let again = away.post("/api/auth/send-otp", body).await;
        check_ok(&again);
        assert_ne!(&again.json["data"]["challengeId"], id, "{purpose}");
        let opened = guess_with(&system, &code, &owners).await;
        assert_eq!(opened.status, 200, "{purpose}: {}", opened.json);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_count_for_the_address_that_they_come_from() {
    let system = with_owner().await;
    let away = stranger(&system, 1);
    let mut refused = None;
    for number in 2..62 {
        let asked = sign_in(&away, &phone(number)).await;
        check_ok(&asked);
        for _ in 0..5 {
            let guessed = verify(&away, &phone(number), "000000", challenge(&asked)).await;
            if guessed.status == 429 && refused.is_none() {
                refused = Some((number, guessed));
            }
        }
    }
    let (number, refused) = refused.expect("a refusal");
    check_error(&refused, 429, "RATE_LIMITED", Some("code_address"));
    assert_eq!(number, 22, "a hundred are twenty phones");
    // It is that address's limit, and a phone's own addresses are free of it.
    let asked = sign_in(&system, &phone(1)).await;
    let right = code_on(&system, &phone(1));
    let stolen = verify(&away, &phone(1), &right, challenge(&asked)).await;
    check_error(&stolen, 429, "RATE_LIMITED", Some("code_address"));
    check_ok(&verify(&system, &phone(1), &right, challenge(&asked)).await);
    sleep(15 * MINUTE).await;
    let asked = sign_in(&away, &phone(1)).await;
    let opened = answer(&away, &asked).await;
    check_ok(&opened);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_are_not_on_whatsapp_count_for_the_address_that_asks() {
    let system = TestSystem::builder().settings(|settings| {
        settings.policy.codes_per_address.places = 3;
        settings.country_caps = CountryCaps::parse(r#"{"62":2}"#, CapMode::Record).unwrap();
    });
    let system = system.build().await;
    let phones = (1..10).map(phone).collect();
    let taken = false;
    system
        .simulator()
        .play(&Scenario::NotOnWhatsapp { phones, taken });
    for number in 1..=3 {
        let reply = sign_up(&system, &phone(number)).await;
        check_error(&reply, 400, "NOT_ON_WHATSAPP", None);
    }
    let refused = sign_up(&system, &phone(4)).await;
    check_error(&refused, 429, "RATE_LIMITED", Some("address"));
    // What is remembered is answered without a look-up, and costs nobody anything.
    let away = stranger(&system, 1);
    for _ in 0..5 {
        let reply = sign_up(&away, &phone(1)).await;
        check_error(&reply, 400, "NOT_ON_WHATSAPP", None);
    }
    check_ok(&sign_up(&away, &phone(20)).await);
}

#[tokio::test(start_paused = true)]
async fn a_guess_during_an_outage_charges_nobody_and_takes_no_code_away() {
    let system = with_owner().await;
    let away = stranger(&system, 1);
    let owners = sign_in(&system, &phone(1)).await;
    let code = code_on(&system, &phone(1));
    sleep(MINUTE).await;
    let strangers = sign_in(&away, &phone(1)).await;
    sleep(MINUTE).await;
    // Less than three minutes are left of the code: whoever asks now gets another one.
    sleep(6 * MINUTE).await;
    let before = state_of(&system, &phone(1)).await;
    system.simulator().play(&Scenario::Unlinked);
    for _ in 0..5 {
        let asking = tokio::spawn({
            let away = away.clone();
            async move { sign_in(&away, &phone(1)).await }
        });
        sleep(MINUTE / 1_200).await;
        let guessed = verify(&away, &phone(1), &wrong(&code, 0), challenge(&strangers)).await;
        assert_eq!(guessed.status, 400, "{}", guessed.json);
        let asked = asking.await.unwrap();
        assert_eq!(asked.json["charged"], false, "{}", asked.json);
    }
    let after = state_of(&system, &phone(1)).await;
    assert_eq!(after.sends, before.sends);
    let opened = verify(&system, &phone(1), &code, challenge(&owners)).await;
    check_ok(&opened);
}

#[tokio::test(start_paused = true)]
async fn the_phone_behind_an_e_mail_address_is_not_found_by_its_challenge_id() {
    let system = TestSystem::builder().settings(|settings| settings.email_identifier = true);
    let system = system.build().await;
    let mut asked = applicant(&phone(1));
    asked["email"] = "siti@example.com".into();
    let sent = system.post("/api/auth/signup", asked).await;
    check_ok(&complete(&system, &sent).await);
    let asked = sign_in(&system, "siti@example.com").await;
    let right = code_on(&system, &phone(1));
    let found = verify(&system, &phone(1), &wrong(&right, 0), challenge(&asked)).await;
    let other = verify(&system, &phone(2), &wrong(&right, 0), challenge(&asked)).await;
    let bare = |reply: &Reply| {
        let mut json = reply.json.clone();
        json["requestId"].take();
        json
    };
    assert_eq!(bare(&found), bare(&other));
    check_ok(&verify(&system, "siti@example.com", &right, challenge(&asked)).await);
}

#[tokio::test(start_paused = true)]
async fn a_country_s_cap_counts_messages_to_people_without_an_account() {
    let system = TestSystem::builder().settings(|settings| {
        settings.country_caps = CountryCaps::parse(r#"{"62":1}"#, CapMode::Enforce).unwrap();
    });
    let system = system.build().await;
    add_user(&system, &phone(1)).await;
    for number in 1..5 {
        check_ok(&sign_in(&system, &phone(number)).await);
    }
    check_ok(&sign_up(&system, &phone(5)).await);
    let refused = sign_up(&system, &phone(6)).await;
    check_error(&refused, 429, "RATE_LIMITED", Some("country"));
    check_ok(&sign_in(&system, &phone(7)).await);
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_behind_the_same_address_signs_in_with_the_right_password() {
    let system = with_owner().await;
    for number in 100..200 {
        let wrong = with_password(&system, &phone(number), "not this one").await;
        check_error(&wrong, 401, "INVALID_CREDENTIALS", None);
    }
    let wrong = with_password(&system, &phone(200), "not this one").await;
    check_error(&wrong, 429, "RATE_LIMITED", Some("password_address"));
    check_ok(&with_password(&system, &phone(1), PASSWORD).await);
}

#[tokio::test(start_paused = true)]
async fn after_a_hundred_wrong_passwords_a_password_alone_is_not_enough_from_elsewhere() {
    let system = with_owner().await;
    for number in 1..=10 {
        for _ in 0..10 {
            let wrong = with_password(&stranger(&system, number), &phone(1), "not it").await;
            check_error(&wrong, 401, "INVALID_CREDENTIALS", None);
        }
    }
    let elsewhere = stranger(&system, 11);
    let right = with_password(&elsewhere, &phone(1), PASSWORD).await;
    check_error(&right, 403, "CODE_REQUIRED", None);
    check_ok(&with_password(&system, &phone(1), PASSWORD).await);
    // With a code that address becomes one of the phone's.
    let asked = sign_in(&elsewhere, &phone(1)).await;
    let opened = answer(&elsewhere, &asked).await;
    check_ok(&opened);
    let right = with_password(&elsewhere, &phone(1), PASSWORD).await;
    check_ok(&right);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_before_the_account_existed_shuts_no_way_in_for_its_owner() {
    let system = TestSystem::start().await;
    // Asked for as if there were an account: nothing goes out, and the day of unknown networks is full.
    for round in 0..10_u8 {
        let away = stranger(&system, round % 2);
        check_ok(&sign_in(&away, &phone(1)).await);
        check_ok(&ask_reset(&away, &phone(1)).await);
        sleep(11 * MINUTE).await;
    }
    let full = sign_in(&stranger(&system, 3), &phone(1)).await;
    check_error(&full, 429, "RATE_LIMITED", Some("day"));
    for round in 0..9_u8 {
        let away = stranger(&system, round % 3);
        check_ok(&sign_up(&away, &phone(1)).await);
        sleep(11 * MINUTE).await;
    }
    let owners = sign_up(&system, &phone(1)).await;
    let confirmed = complete(&system, &owners).await;
    check_ok(&confirmed);
    sleep(MINUTE).await;
    check_ok(&sign_in(&system, &phone(1)).await);
    check_ok(&ask_reset(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_whose_address_is_full_does_not_hold_the_owner_up() {
    let system = with_owner().await;
    let away = stranger(&system, 1);
    let strangers = sign_in(&away, &phone(1)).await;
    for number in 2..22 {
        let asked = sign_in(&away, &phone(number)).await;
        for _ in 0..5 {
            verify(&away, &phone(number), "000000", challenge(&asked)).await;
        }
    }
    let guess_often = async || {
        for _ in 0..10 {
            let guessed = guess(&away, &strangers).await;
            check_error(&guessed, 429, "RATE_LIMITED", Some("code_address"));
        }
    };
    // Each process finds out for itself.
    guess_often().await;
    let before = state_of(&system, &phone(1)).await;
    guess_often().await;
    let after = state_of(&system, &phone(1)).await;
    assert_eq!(after, before, "such guesses write nothing for the phone");
    sleep(MINUTE).await;
    check_ok(&sign_in(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_behind_the_same_address_does_not_use_up_its_codes_for_the_owner() {
    let system = TestSystem::builder()
        .settings(|settings| settings.policy.codes_per_address.places = 3)
        .build()
        .await;
    let system = with_owner_of(system).await;
    for number in 2..5 {
        check_ok(&sign_in(&system, &phone(number)).await);
    }
    let full = sign_in(&system, &phone(5)).await;
    check_error(&full, 429, "RATE_LIMITED", Some("address"));
    let asked = sign_in(&system, &phone(1)).await;
    check_ok(&asked);
    let opened = answer(&system, &asked).await;
    check_ok(&opened);
    check_ok(&ask_reset(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_spent_in_the_same_moment_takes_no_code_away() {
    let mut ids_kept = BTreeSet::new();
    for pause in 0..40 {
        let system = with_owner().await;
        let away = stranger(&system, 1);
        let strangers = sign_in(&away, &phone(1)).await;
        let owners = sign_in(&system, &phone(1)).await;
        let code = code_on(&system, &phone(1));
        for _ in 0..4 {
            verify(&away, &phone(1), &wrong(&code, 0), challenge(&strangers)).await;
        }
        sleep(MINUTE).await;
        let id = &strangers.json["data"]["challengeId"];
        let body = json!({ "identifier": phone(1), "purpose": "sso", "challengeId": id });
        let last_guess = async {
            sleep(Duration::from_micros(200 * pause)).await;
            verify(&away, &phone(1), &wrong(&code, 0), challenge(&strangers)).await
        };
        let (again, _) = tokio::join!(away.post("/api/auth/send-otp", body), last_guess);
        check_ok(&again);
        ids_kept.insert(again.json["data"]["challengeId"] == *id);
        assert_eq!(code_on(&system, &phone(1)), code, "after {pause}");
        let opened = verify(&system, &phone(1), &code, challenge(&owners)).await;
        check_ok(&opened);
    }
    assert_eq!(ids_kept.len(), 2, "the last guess came before and after");
}

#[tokio::test(start_paused = true)]
async fn tries_that_are_used_up_while_a_new_code_is_sent_stay_used_up() {
    let system = TestSystem::start().await;
    let [one, other] = [1, 2].map(|number| stranger(&system, number));
    let first = sign_up(&one, &phone(1)).await;
    sleep(MINUTE + Duration::from_secs(1)).await;
    let second = sign_up(&other, &phone(1)).await;
    let guess = async |from: &TestSystem, asked: &Reply| {
        let code = wrong(&code_on(from, &phone(1)), 0);
        confirm(from, &phone(1), &code, challenge(asked)).await
    };
    for _ in 0..5 {
        assert!(is_compared(&guess(&other, &second).await));
    }
    sleep(MINUTE + Duration::from_secs(1)).await;
    let id = challenge(&second);
    let body = json!({ "identifier": phone(1), "purpose": "signup", "challengeId": id });
    let meanwhile = async {
        sleep(Duration::from_millis(100)).await;
        for _ in 0..5 {
            assert!(is_compared(&guess(&one, &first).await));
        }
    };
    let (again, ()) = tokio::join!(other.post("/api/auth/send-otp", body), meanwhile);
    check_ok(&again);
    let sixth = guess(&one, &first).await;
    assert!(!is_compared(&sixth), "{}", sixth.json);
    check_error(&sixth, 400, "INVALID_OTP", None);
    // The new code has tries for the id that asked for it.
    check_ok(&confirm(&other, &phone(1), &code_on(&other, &phone(1)), id).await);
}

#[tokio::test(start_paused = true)]
async fn the_ids_of_codes_from_before_the_account_take_no_room_of_its_own() {
    for round in 0..10 {
        let system = TestSystem::builder().seed(round).build().await;
        for number in 1..=3 {
            check_ok(&sign_in(&stranger(&system, number), &phone(1)).await);
            sleep(MINUTE + Duration::from_secs(1)).await;
        }
        let owners = sign_up(&system, &phone(1)).await;
        check_ok(&complete(&system, &owners).await);
        let asked = sign_in(&system, &phone(1)).await;
        check_ok(&asked);
        for number in 4..=5 {
            sleep(MINUTE + Duration::from_secs(1)).await;
            check_ok(&sign_in(&stranger(&system, number), &phone(1)).await);
        }
        check_ok(&answer(&system, &asked).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_with_something_behind_it_is_none() {
    let system = TestSystem::builder().settings(|settings| settings.email_identifier = true);
    let system = system.build().await;
    let mut user = system.user(&phone(1));
    let email = "budi@example.com";
    user.email = Some(Email::parse(email).unwrap());
    assert!(
        Users::new(&system.without_faults())
            .import(&user)
            .await
            .is_ok()
    );
    let away = stranger(&system, 1);
    let asked = sign_in(&away, email).await;
    let id = challenge(&asked);
    for made in [
        format!("{id}\0email\0{email}"),
        format!("{id}{email}"),
        format!(" {id}"),
    ] {
        for number in 1..=2 {
            let guessed = verify(&away, &phone(number), "000000", &made).await;
            check_error(&guessed, 400, "INVALID_OTP", None);
            let tries = guessed.json.get("attemptsLeft");
            assert!(tries.is_none(), "{number}: {}", guessed.json);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_phone_behind_an_e_mail_address_is_not_found_by_wrong_passwords() {
    let system = TestSystem::builder().settings(|settings| settings.email_identifier = true);
    let system = system.build().await;
    let mut user = system.user(&phone(1));
    let email = "budi@example.com";
    user.email = Some(Email::parse(email).unwrap());
    let users = Users::new(&system.without_faults());
    assert!(users.import(&user).await.is_ok());
    let away = stranger(&system, 1);
    for _ in 0..10 {
        let wrong = with_password(&away, email, "not this one").await;
        check_error(&wrong, 401, "INVALID_CREDENTIALS", None);
    }
    let full = with_password(&away, email, "not this one").await;
    check_error(&full, 429, "RATE_LIMITED", Some("password"));
    for number in 1..=2 {
        let wrong = with_password(&away, &phone(number), "not this one").await;
        check_error(&wrong, 401, "INVALID_CREDENTIALS", None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_nothing_of_an_account_while_whatsapp_refuses_new_contacts() {
    let system = with_owner().await;
    let refusals = None;
    let refused = Scenario::ColdLocked {
        code: 463,
        refusals,
    };
    system.simulator().play(&refused);
    let away = stranger(&system, 1);
    let status = async || away.get("/api/status").await.json["data"].clone();
    let failed = sign_up(&away, &phone(2)).await;
    check_error(&failed, 503, "WHATSAPP_OTP_FAILED", None);
    let before = status().await;
    assert_eq!(before["whatsapp"], "cold_locked");
    for number in [1, 3] {
        check_ok(&sign_in(&away, &phone(number)).await);
        assert_eq!(
            status().await,
            before,
            "after a code for the {number}. phone"
        );
    }
    // The first new contact that is reached ends it.
    system.simulator().play(&Scenario::Healthy);
    check_ok(&sign_up(&away, &phone(4)).await);
    assert_eq!(status().await["whatsapp"], "usable");
}
