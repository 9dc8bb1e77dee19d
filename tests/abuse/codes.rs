//! What becomes of somebody's own code when the store fails, time passes or its user signs out.
use local::database::{Fault, Faults};
use serde_json::{Value, json};
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

#[tokio::test(start_paused = true)]
async fn a_right_code_costs_no_try_when_the_store_refuses_its_use() {
    let system = with_owner().await;
    let asked = sign_in(&system, &phone(1)).await;
    let code = code_on(&system, &phone(1));
    for _ in 0..5 {
        let refusing = Faults::none().on_table("LoginsTable", Fault::Throttled);
        let refusing = system.with_faults(refusing);
        let guessed = verify(&refusing, &phone(1), &code, challenge(&asked)).await;
        check_error(&guessed, 503, "SERVICE_UNAVAILABLE", None);
    }
    let wrong = verify(&system, &phone(1), &wrong(&code, 0), challenge(&asked)).await;
    assert_eq!(wrong.json["attemptsLeft"], 4, "{}", wrong.json);
    check_ok(&verify(&system, &phone(1), &code, challenge(&asked)).await);
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_code_is_not_sent_again_to_a_phone_that_has_a_user_by_now() {
    let system = TestSystem::start().await;
    let asked = sign_up(&system, &phone(1)).await;
    sleep(MINUTE).await;
    add_user(&system, &phone(1)).await;
    let id = &asked.json["data"]["challengeId"];
    let body = json!({ "identifier": phone(1), "purpose": "signup", "challengeId": id });
    let again = system.post("/api/auth/send-otp", body).await;
    check_error(&again, 409, "DUPLICATE_PHONE_VERIFIED", None);
    assert_eq!(system.simulator().messages(None).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_removed_late_brings_no_failures_of_last_month_back() {
    let system = with_owner().await;
    let digits = |asked: &Reply| asked.json["data"]["codeDigits"].clone();
    let mut asked = sign_in(&system, &phone(1)).await;
    for _ in 0..4 {
        for _ in 0..5 {
            let code = wrong(&code_on(&system, &phone(1)), 0);
            verify(&system, &phone(1), &code, challenge(&asked)).await;
        }
        sleep(4 * MINUTE).await;
        asked = sign_in(&system, &phone(1)).await;
    }
    assert_eq!(digits(&asked), json!(8));
    sleep(31 * 24 * 60 * MINUTE).await;
    let asked = sign_in(&system, &phone(1)).await;
    assert_eq!(digits(&asked), json!(6));
    verify(&system, &phone(1), "000000", challenge(&asked)).await;
    let state = state_of(&system, &phone(1)).await;
    assert_eq!(state.failures, 1);
}

#[tokio::test(start_paused = true)]
async fn signing_out_everywhere_ends_what_a_used_code_may_be_answered_with_again() {
    let system = with_owner().await;
    let asked = sign_in(&system, &phone(1)).await;
    let code = code_on(&system, &phone(1));
    let opened = verify(&system, &phone(1), &code, challenge(&asked)).await;
    check_ok(&verify(&system, &phone(1), &code, challenge(&asked)).await);
    let bearer = format!("Bearer {}", opened.json["data"]["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/auth/session?all=true";
    let out = system.request("DELETE", path, &headers, "").await;
    check_ok(&out);
    let again = verify(&system, &phone(1), &code, challenge(&asked)).await;
    check_error(&again, 400, "OTP_EXPIRED", None);
    assert_eq!(again.json["data"], Value::Null);
}
