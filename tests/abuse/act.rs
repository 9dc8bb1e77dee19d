//! What people do, and what a test looks at afterwards.
use serde_json::{Value, json};
use tests::Reply;

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

/// Checks a refusal: its status, its code, and the limit that it names.
#[track_caller]
pub fn check(reply: &Reply, status: u16, error: Option<&str>, limit: Option<&str>) {
    let said = (reply.json["error"].as_str(), reply.json["limit"].as_str());
    assert_eq!(reply.status, status, "{}", reply.json);
    assert_eq!(said, (error, limit), "{}", reply.json);
}
