//! What people do, and what a test looks at afterwards.
use std::time::Duration;

use serde_json::{Value, json};
use shared::model::password::{Password, hash};
use shared::store::users::Users;
pub use tests::people::{
    add_user, challenge, code_in, code_on, confirm, phone, rows, sign_in, state_of, verify, wrong,
};
use tests::{Reply, TestSystem};
use tokio::time::sleep;

pub const MINUTE: Duration = Duration::from_secs(60);

/// A password that may be chosen.
pub const PASSWORD: &str = "kuda-lari-kencang";

/// What a sign-up says.
pub fn applicant(phone: &str) -> Value {
    json!({"name": "Siti", "phone": phone, "password": PASSWORD})
}

/// Asks for a sign-up code.
pub async fn sign_up(system: &TestSystem, phone: &str) -> Reply {
    system.post("/api/auth/signup", applicant(phone)).await
}

/// A system whose first phone has a user with a password, who has signed in from the usual address.
pub async fn with_owner() -> TestSystem {
    with_owner_of(TestSystem::start().await).await
}

/// The same as [`with_owner`], of another system.
pub async fn with_owner_of(system: TestSystem) -> TestSystem {
    let mut user = system.user(&phone(1));
    let password = hash(&Password::given(PASSWORD), [7; 16]).await.unwrap();
    user.password = Some(password);
    let users = Users::new(&system.without_faults());
    assert!(users.add(&user).await.unwrap());
    let asked = sign_in(&system, &phone(1)).await;
    let code = code_on(&system, &phone(1));
    let opened = verify(&system, &phone(1), &code, challenge(&asked)).await;
    check_ok(&opened);
    // The limits of what was asked for have passed.
    sleep(11 * MINUTE).await;
    system
}

/// Checks that a request was served.
#[track_caller]
pub fn check_ok(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.json);
    let said = (&reply.json["error"], &reply.json["limit"]);
    assert_eq!(said, (&Value::Null, &Value::Null), "{}", reply.json);
}

/// Checks a refusal: its status, its code, and the limit that it names.
#[track_caller]
pub fn check_error(reply: &Reply, status: u16, error: &str, limit: Option<&str>) {
    let said = (reply.json["error"].as_str(), reply.json["limit"].as_str());
    assert_eq!(reply.status, status, "{}", reply.json);
    assert_eq!(said, (Some(error), limit), "{}", reply.json);
}
