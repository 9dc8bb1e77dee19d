//! Test numbers: their codes are fixed, WhatsApp is not asked, and every limit counts.
use serde_json::json;
use shared::model::test_numbers::TestNumbers;
use tests::{Reply, TestSystem, TestSystemBuilder};

use super::act::*;

const PHONE: &str = "08000000001";
const CODE: &str = "123456";

fn builder() -> TestSystemBuilder {
    TestSystem::builder().settings(|settings| {
        settings.test_numbers = TestNumbers::parse(r#"{"628000000001":"123456"}"#).unwrap();
    })
}

#[tokio::test(start_paused = true)]
async fn the_review_number_has_its_code_and_ten_of_them_a_day() {
    let system = TestSystem::builder().settings(|settings| {
        let review = TestNumbers::default().with_review_number(r#"{"628000000001":"123456"}"#);
        settings.test_numbers = review.unwrap();
    });
    let system = system.build().await;
    let asked = sign_up(&system, PHONE).await;
    check_ok(&asked);
    let confirmed = answer(&system, "/api/auth/verify-otp", &asked, CODE).await;
    check_ok(&confirmed);
    for _ in 1..10 {
        tokio::time::advance(std::time::Duration::from_secs(600)).await;
        let asked = sign_in(&system, PHONE).await;
        check_ok(&asked);
        let signed_in = answer(&system, "/api/auth/sso-verify", &asked, CODE).await;
        check_ok(&signed_in);
    }
    tokio::time::advance(std::time::Duration::from_secs(600)).await;
    check_error(
        &sign_in(&system, PHONE).await,
        429,
        "RATE_LIMITED",
        Some("day"),
    );
    assert_eq!(system.simulator().calls().count("/chat/send/text"), 0);
}

async fn answer(system: &TestSystem, path: &str, asked: &Reply, code: &str) -> Reply {
    let challenge = &asked.json["data"]["challengeId"];
    let body = json!({
        "identifier": PHONE, "otp": code, "challengeId": challenge, "newPassword": PASSWORD,
    });
    system.post(path, body).await
}

#[tokio::test(start_paused = true)]
async fn a_test_number_signs_up_and_in_with_its_code_and_whatsapp_is_not_even_set_up() {
    let system = builder().simulator(|options| options.sessions.clear());
    let system = system.build().await;
    let asked = sign_up(&system, PHONE).await;
    check_ok(&asked);
    assert_eq!(asked.json["data"]["delivery"], "sent");
    let confirmed = answer(&system, "/api/auth/verify-otp", &asked, CODE).await;
    check_ok(&confirmed);

    let asked = sign_in(&system, PHONE).await;
    let wrong = answer(&system, "/api/auth/sso-verify", &asked, "123457").await;
    check_error(&wrong, 400, "INVALID_OTP", None);
    let signed_in = answer(&system, "/api/auth/sso-verify", &asked, CODE).await;
    check_ok(&signed_in);
    let late = answer(&system, "/api/auth/sso-verify", &asked, "123457").await;
    check_error(&late, 400, "OTP_EXPIRED", None);

    let body = json!({ "identifier": PHONE });
    let asked = system.post("/api/auth/send-password-reset-otp", body).await;
    let reset = answer(&system, "/api/auth/verify-password-reset-otp", &asked, CODE).await;
    check_ok(&reset);
    assert_eq!(rows(&system, "DeliveriesTable").await, 0);
}

#[tokio::test(start_paused = true)]
async fn numbers_with_fixed_codes_are_told_nothing_of_a_new_password() {
    let json = r#"{"628000000001":"123456"}"#;
    for numbers in [
        TestNumbers::parse(json),
        TestNumbers::default().with_review_number(json),
    ] {
        let system = TestSystem::builder().settings(|settings| {
            settings.test_numbers = numbers.unwrap();
        });
        let system = system.build().await;
        add_user(&system, PHONE).await;
        let body = json!({ "identifier": PHONE });
        let asked = system.post("/api/auth/send-password-reset-otp", body).await;
        let reset = answer(&system, "/api/auth/verify-password-reset-otp", &asked, CODE).await;
        check_ok(&reset);
        assert!(system.simulator().calls().counts.is_empty());
        assert_eq!(rows(&system, "DeliveriesTable").await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn no_gateway_is_called_for_a_test_number_with_or_without_an_account() {
    for has_account in [true, false] {
        let system = builder().build().await;
        if has_account {
            add_user(&system, PHONE).await;
        }
        let asked = sign_in(&system, PHONE).await;
        check_ok(&asked);
        let signed_in = answer(&system, "/api/auth/sso-verify", &asked, CODE).await;
        // Its code opens nothing where there is nothing to open.
        if has_account {
            check_ok(&signed_in);
        } else {
            check_error(&signed_in, 400, "OTP_EXPIRED", None);
        }
        assert!(system.simulator().calls().counts.is_empty());
        // Others get their messages.
        check_ok(&sign_up(&system, &phone(1)).await);
        assert_eq!(system.simulator().messages(None).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_number_is_limited_like_any_other() {
    let system = builder().settings(|settings| settings.policy.codes_per_address.places = 2);
    let system = system.build().await;
    check_ok(&sign_in(&system, PHONE).await);
    let early = sign_in(&system, PHONE).await;
    check_error(&early, 429, "RATE_LIMITED", Some("cooldown"));
    check_ok(&sign_up(&system, PHONE).await);
    let refused = sign_up(&system, &phone(1)).await;
    check_error(&refused, 429, "RATE_LIMITED", Some("address"));
}
