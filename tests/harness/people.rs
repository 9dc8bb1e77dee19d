//! What people do with the API, one function per act, and what is on their phones afterwards.
use local::simulator::InboxMessage;
use serde_json::json;
use shared::model::challenge::PhoneState;
use shared::model::phone::Phone;
use shared::store::challenges::Challenges;
use shared::store::users::Users;

use crate::{Reply, TestSystem};

/// The `number`th phone, as people type it.
pub fn phone(number: u64) -> String {
    format!("0812{:08}", 10_000_000 + number)
}

/// A phone that was typed.
///
/// # Panics
/// When it is no phone number.
pub fn parsed(phone: &str) -> Phone {
    Phone::parse(phone).expect("a phone number")
}

/// Makes a user without a password, as if it had signed up long ago.
///
/// # Panics
/// When the phone has a user, or the tables fail.
pub async fn add_user(system: &TestSystem, phone: &str) {
    let users = Users::new(&system.without_faults());
    let added = users.add(&system.user(phone)).await;
    assert!(added.expect("the store"), "{phone} has a user");
}

/// Asks for a sign-in code.
pub async fn sign_in(system: &TestSystem, phone: &str) -> Reply {
    let body = json!({ "identifier": phone, "method": "whatsapp" });
    system.post("/api/auth/sso-signin", body).await
}

/// Signs in with a code.
pub async fn verify(system: &TestSystem, phone: &str, code: &str, challenge: &str) -> Reply {
    let body = json!({ "identifier": phone, "otp": code, "challengeId": challenge });
    system.post("/api/auth/sso-verify", body).await
}

/// Completes a sign-up with a code.
pub async fn confirm(system: &TestSystem, phone: &str, code: &str, challenge: &str) -> Reply {
    let body = json!({ "identifier": phone, "otp": code, "challengeId": challenge });
    system.post("/api/auth/verify-otp", body).await
}

/// The challenge id of a code that was asked for.
///
/// # Panics
/// When the code was refused.
pub fn challenge(asked: &Reply) -> &str {
    assert_eq!(asked.status, 200, "{}", asked.json);
    let challenge = asked.json["data"]["challengeId"].as_str();
    challenge.expect("a challenge id")
}

/// The messages on a phone, the oldest first.
pub fn messages(system: &TestSystem, phone: &str) -> Vec<InboxMessage> {
    system.simulator().messages(Some(&parsed(phone)))
}

/// The code in a message: its first word of digits, however many it has.
///
/// # Panics
/// When there is none.
pub fn code_in(message: &InboxMessage) -> &str {
    let is_code = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    let code = message.text.split_ascii_whitespace().find(is_code);
    code.expect("a code")
}

/// The code of the newest message on a phone.
///
/// # Panics
/// When there is none.
pub fn code_on(system: &TestSystem, phone: &str) -> String {
    let messages = messages(system, phone);
    code_in(messages.last().expect("a message")).to_owned()
}

/// Another code than `code`, of the same length: the `number`th of them.
///
/// # Panics
/// When `code` is no number.
pub fn wrong(code: &str, number: u32) -> String {
    let (digits, right): (usize, u64) = (code.len(), code.parse().expect("digits"));
    let codes = 10_u64.pow(u32::try_from(digits).expect("a few digits"));
    format!("{:0digits$}", (right + 1 + u64::from(number)) % codes)
}

/// What the store knows of a phone.
///
/// # Panics
/// When the tables fail.
pub async fn state_of(system: &TestSystem, phone: &str) -> PhoneState {
    let challenges = Challenges::new(&system.without_faults());
    let state = challenges.read(&parsed(phone), system.now()).await;
    state.expect("the store")
}

/// How many items a table has.
///
/// # Panics
/// When there is no such table.
pub async fn rows(system: &TestSystem, table: &str) -> i32 {
    let scan = system.dynamodb().scan().table_name(table).send().await;
    scan.expect("the table").count()
}
