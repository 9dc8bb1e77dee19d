//! What people and operators do, one function per act, and what a test looks at afterwards.
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use local::cli::Cli;
use local::database::{Fault, Faults};
use local::operate;
use serde_json::{Value, json};
use shared::model::account::User;
use shared::model::password::PasswordHash;
use shared::runtime::Backends;
use shared::store::Item;
use shared::store::users::Users;
pub use tests::people::{code_in, parsed};
use tests::{Reply, TestSystem};

pub const PHONE: &str = "08123456789";
pub const OTHER: &str = "08129876543";

/// Of `password`, as another system hashed it.
pub const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu";

/// Types a command: what it says, or why it failed and what it said before.
pub async fn operate(system: &TestSystem, typed: &[&str]) -> Result<String, String> {
    operate_with(system.backends(), typed).await
}

/// The same with settings of the operator's own.
pub async fn operate_with(backends: &Backends, typed: &[&str]) -> Result<String, String> {
    let cli = Cli::try_parse_from(["local"].iter().chain(typed)).unwrap();
    let mut out = Vec::new();
    let done = operate::run(&cli.command.unwrap(), backends, &mut out).await;
    let out = String::from_utf8(out).unwrap();
    // Full numbers are read and never shown.
    assert!(
        !out.contains("8123456789") && !out.contains("8129876543"),
        "{out}"
    );
    done.map(|()| out.clone())
        .map_err(|error| format!("{out}{error:#}"))
}

/// A good database, then some that conflict and lose replies.
pub fn databases() -> impl Iterator<Item = Faults> {
    let bad = (0..4).map(|seed| {
        Faults::seeded(seed)
            .odds(Fault::Conflict, 0.1)
            .odds(Fault::ReplyLost, 0.1)
    });
    std::iter::once(Faults::none()).chain(bad)
}

/// A file that is gone at the end of its test.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new(name: &str, text: impl AsRef<[u8]>) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let (process, file) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("operators-{process}-{file}-{name}"));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes a user with a password as another system hashed it.
pub async fn add_user(system: &TestSystem, phone: &str, password: &str) {
    let user = User {
        id: format!("user-of-{}", &phone[1..]),
        password: Some(PasswordHash::import(password).unwrap()),
        ..system.user(phone)
    };
    let users = Users::new(&system.without_faults());
    assert!(users.add(&user).await.unwrap());
}

/// The user of a phone.
pub async fn user_of(system: &TestSystem, phone: &str) -> Option<User> {
    let users = Users::new(&system.without_faults());
    users.by_phone(&parsed(phone)).await.unwrap()
}

/// Everything in a table.
pub async fn rows(system: &TestSystem, table: &str) -> Vec<Item> {
    let scan = system.dynamodb().scan().table_name(table).send().await;
    scan.unwrap().items.unwrap_or_default()
}

/// Signs in with a password.
pub async fn sign_in(system: &TestSystem, phone: &str, password: &str) -> Reply {
    let given = json!({"identifier": phone, "password": password});
    system.post("/api/auth/signin", given).await
}

/// Refreshes a login.
pub async fn refresh(system: &TestSystem, token: &Value) -> Reply {
    let given = json!({ "refreshToken": token });
    system.post("/api/auth/refresh", given).await
}

/// Looks at the login of an access token.
pub async fn session(system: &TestSystem, token: &Value) -> Reply {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    system
        .request("GET", "/api/auth/session", &headers, "")
        .await
}

/// Asks for a sign-up code.
pub async fn sign_up(system: &TestSystem, phone: &str) -> Reply {
    let asked = json!({
        "name": "Siti", "phone": phone, "password": "kuda-lari-kencang", "email": "siti@example.com",
    });
    system.post("/api/auth/signup", asked).await
}

/// Answers with the newest code of a phone, and `more` fields.
pub async fn answer(
    system: &TestSystem,
    path: &str,
    phone: &str,
    sent: &Reply,
    more: Value,
) -> Reply {
    assert_eq!(sent.status, 200, "{}", sent.json);
    let messages = system.simulator().messages(Some(&parsed(phone)));
    let mut given = json!({
        "identifier": phone,
        "otp": code_in(messages.last().unwrap()),
        "challengeId": sent.json["data"]["challengeId"],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        given[name] = value.clone();
    }
    system.post(path, given).await
}

/// Signs up; the tokens.
pub async fn signed_up(system: &TestSystem, phone: &str) -> Value {
    let sent = sign_up(system, phone).await;
    let confirmed = answer(system, "/api/auth/verify-otp", phone, &sent, Value::Null).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.json);
    confirmed.json["data"].clone()
}
