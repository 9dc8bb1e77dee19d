//! What people do, and what a test looks at afterwards.
use serde_json::{Value, json};
use shared::store::users::Users;
use tests::{Reply, TestSystem};

/// A password that may be chosen.
pub const PASSWORD: &str = "kuda-lari-kencang";

/// The `number`th phone, as people type it.
pub fn phone(number: u64) -> String {
    format!("0812{:08}", 10_000_000 + number)
}

/// What a sign-up says.
pub fn applicant(phone: &str) -> Value {
    json!({"name": "Siti", "phone": phone, "password": PASSWORD})
}

/// Makes a user as if it had signed up long ago.
pub async fn add_user(system: &TestSystem, phone: &str) {
    let user = system.user(phone);
    assert!(Users::new(&system.looking()).add(&user).await.unwrap());
}

/// Asks for a sign-up code.
pub async fn sign_up(system: &TestSystem, phone: &str) -> Reply {
    system.post("/api/auth/signup", applicant(phone)).await
}

/// Asks for a sign-in code.
pub async fn sign_in(system: &TestSystem, phone: &str) -> Reply {
    let body = json!({ "identifier": phone });
    system.post("/api/auth/sso-signin", body).await
}

/// How many items a table has.
pub async fn rows(system: &TestSystem, table: &str) -> i32 {
    let scan = system.dynamodb().scan().table_name(table).send().await;
    scan.unwrap().count()
}

/// Checks a refusal: its status, its code, and the limit that it names.
#[track_caller]
pub fn check(reply: &Reply, status: u16, error: Option<&str>, limit: Option<&str>) {
    let said = (reply.json["error"].as_str(), reply.json["limit"].as_str());
    assert_eq!(reply.status, status, "{}", reply.json);
    assert_eq!(said, (error, limit), "{}", reply.json);
}
