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
