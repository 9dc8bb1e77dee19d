//! What people paste reads like what they type, in every field.
use super::*;

#[tokio::test(start_paused = true)]
async fn a_sign_up_full_of_invisible_marks_is_one_without() {
    let system = system().await;
    let applicant = json!({
        "phone": "\u{202A}0812\u{2011}987\u{200B}6543\u{202C}",
        "name": "\u{FEFF}Budi\u{202E}",
        "email": "\u{2068}Budi\u{AD}@Example.com\u{2069}",
        "password": "a long enough secret",
    });
    let sent = check_sent(&system.post(SIGNUP, applicant).await);
    let code = code_on(&system, BUDI);
    let pasted = format!("\u{200E}{}\u{2212}{}\u{FEFF}", &code[..3], &code[3..]);
    let typed = "０８１２９８７６５４３";
    let confirmed = confirm(&system, typed, &pasted, &sent.challenge).await;
    let user = &check_ok(&confirmed)["user"];
    assert_eq!(user["name"], "Budi");
    assert_eq!(user["email"], "budi@example.com");
    assert_eq!(user["phone"], "628129876543");
}

#[tokio::test(start_paused = true)]
async fn a_field_with_nothing_to_see_is_missing() {
    let system = system().await;
    let nothing = " \u{200E}\u{FEFF}";
    let asked = system.post(SIGNIN, json!({ "identifier": nothing }));
    check_problem(&asked.await, 400, "MISSING_IDENTIFIER", json!({}));
    let guessed = guess(&system, SITI, nothing, None).await;
    check_problem(&guessed, 400, "MISSING_OTP", json!({}));
    let named = json!({ "phone": BUDI, "name": nothing, "password": "a long enough secret" });
    let named = system.post(SIGNUP, named).await;
    check_problem(&named, 400, "MISSING_NAME", json!({}));
}
