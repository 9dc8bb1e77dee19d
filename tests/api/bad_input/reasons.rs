//! What is wrong with a field, for clients that say it in their own words.
use super::*;

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_refused_has_its_reason() {
    let system = system().await;
    for (typed, reason) in [
        ("()", "empty"),
        ("120363025246125486@g.us", "group"),
        ("0812 call me", "letters"),
        ("0812/3456/789", "signs"),
        ("+0812345678", "no_country_code"),
        ("+999 123 456 789", "unknown_country"),
        ("+49 49 151 12345678", "country_code_twice"),
        ("+34 0612 345 678", "leading_zero"),
        ("0812", "too_short"),
        ("+155512345678", "too_long"),
        ("+7 9123 456 789 01", "wrong_length"),
    ] {
        let fields = json!({ "reason": reason });
        let asked = ask_code(&system, typed).await;
        check_problem(&asked, 400, "INVALID_PHONE_FORMAT", fields.clone());
        let signed_up = system.post(SIGNUP, applicant(typed)).await;
        check_problem(&signed_up, 400, "INVALID_PHONE_FORMAT", fields);
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn one_person_has_one_account_however_the_number_is_written() {
    let system = system().await;
    for (written, otherwise) in [
        ("+60 012-345 6789", "+60123456789"),
        ("+52 1 55 1234 5678", "+52 55 1234 5678"),
        ("+54 11 15-2345-6789", "+54 9 11 2345-6789"),
        ("062812 0000 001", "08120000001"),
    ] {
        let (challenge, code) = signed_up(&system, applicant(written)).await;
        check_ok(&confirm(&system, otherwise, &code, &challenge).await);
        pass(MINUTE).await;
        let again = system.post(SIGNUP, applicant(otherwise)).await;
        check_problem(&again, 409, "DUPLICATE_PHONE_VERIFIED", json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_cannot_be_read_is_named() {
    let system = system().await;
    for (path, body, field, reason) in [
        (SIGNIN, r#"{"identifier":1}"#, "identifier", "wrong_type"),
        (
            SIGNUP,
            r#"{"phone":[],"name":"Budi"}"#,
            "phone",
            "wrong_type",
        ),
        (
            SIGNUP,
            r#"{"name":"Budi","password":{"x":1}}"#,
            "password",
            "wrong_type",
        ),
        (
            SSO_VERIFY,
            r#"{"identifier":"0812","challengeId":true}"#,
            "challengeId",
            "wrong_type",
        ),
        (
            SIGNIN,
            r#"{"method":"whatsapp","method":"whatsapp"}"#,
            "method",
            "twice",
        ),
        (
            SIGNUP,
            r#"{"phone":"0812","identifier":"0812"}"#,
            "phone",
            "twice",
        ),
    ] {
        let headers = [("content-type", JSON)];
        let reply = system.request("POST", path, &headers, body).await;
        let fields = json!({ "field": field, "reason": reason });
        check_problem(&reply, 400, "INVALID_FIELD", fields);
        let message = reply.json["message"].as_str().expect("a message");
        assert!(message.contains(&format!("`{field}`")), "{message}");
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn a_name_or_a_password_that_is_refused_has_its_reason() {
    let system = system().await;
    let long = "x".repeat(129);
    for (field, given, code, reason) in [
        (
            "name",
            "Budi\nSantoso",
            "INVALID_NAME",
            "control_characters",
        ),
        ("name", &long, "INVALID_NAME", "too_long"),
        ("password", "short", "INVALID_PASSWORD", "too_short"),
        ("password", &long, "INVALID_PASSWORD", "too_long"),
        ("password", "password123", "INVALID_PASSWORD", "common"),
        (
            "password",
            "+62 812 987 6543",
            "INVALID_PASSWORD",
            "personal",
        ),
    ] {
        let mut applicant = applicant(BUDI);
        applicant[field] = json!(given);
        let reply = system.post(SIGNUP, applicant).await;
        check_problem(&reply, 400, code, json!({ "reason": reason }));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn names_of_fields_that_the_earlier_system_had_are_still_read() {
    let system = system().await;
    let mut applicant = applicant(BUDI);
    let phone = applicant["phone"].take();
    let fields = applicant.as_object_mut().expect("an object");
    fields.remove("phone");
    fields.insert("identifier".into(), phone);
    let sent = check_sent(&system.post(SIGNUP, applicant).await);
    let code = code_on(&system, BUDI);
    let confirmed = json!({ "phone": BUDI, "otp": code, "challengeId": sent.challenge });
    check_ok(&system.post(VERIFY_OTP, confirmed).await);
    pass(MINUTE).await;
    let again = json!({ "phone": BUDI, "purpose": "sso" });
    check_sent(&system.post(SEND_OTP, again).await);
}
