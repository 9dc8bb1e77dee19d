//! What a client can see of each endpoint: replies, messages on phones, and what is left in the tables.
mod admin_api;
mod admin_audit;
mod admin_dashboard;
mod admin_deliveries;
mod admin_explain;
mod admin_incidents;
mod admin_login;
mod admin_outbox;
mod admin_pairing;
mod admin_people;
mod auth_jwks;
mod auth_refresh;
mod auth_send_otp;
mod auth_send_password_reset_otp;
mod auth_session;
mod auth_signin;
mod auth_signup;
mod auth_sso_signin;
mod auth_sso_verify;
mod auth_verify_otp;
mod auth_verify_password_reset_otp;
mod bad_input;
mod costs;
mod deadlines;
mod health;
mod languages;
mod many_sessions;
mod open_chat;
mod pasted;
mod paying;
mod payment_created;
mod payment_expiry_warning;
mod payment_notifications;
mod payment_status_update;
mod payment_success;
mod payments_midtrans;
mod payments_xendit;
mod renumbered;
mod session_of_nobody;
mod silent_codes;
mod taps;
mod whatsapp_webhook;

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::database::{Fault, Faults};
use local::lambda::{Code, Environments, Lambda};
use local::simulator::Scenario;
use serde_json::{Map, Value, json};
use shared::model::account::User;
use shared::model::challenge::NetworkHash;
use shared::model::phone::Phone;
use shared::model::token::{self, Claims, Jwks, Parties};
use shared::store::challenges::Challenges;
use shared::store::challenges::networks::{NetworkRemembered, SignInFrom};
use shared::store::users::Users;
use shared::store::{Fields, Item};
use tests::{Reply, TestSystem, people};
use tokio::time::Instant;

const SIGNIN: &str = "/api/auth/sso-signin";
const SSO_VERIFY: &str = "/api/auth/sso-verify";
const SIGNUP: &str = "/api/auth/signup";
const VERIFY_OTP: &str = "/api/auth/verify-otp";
const SEND_OTP: &str = "/api/auth/send-otp";
const SEND_RESET: &str = "/api/auth/send-password-reset-otp";
const RESET: &str = "/api/auth/verify-password-reset-otp";
const PASSWORD_SIGNIN: &str = "/api/auth/signin";
const REFRESH: &str = "/api/auth/refresh";
const SIGNOUT: &str = "/api/auth/signout";
const SESSION: &str = "/api/auth/session";
const JWKS: &str = "/.well-known/jwks.json";
const DISCOVERY: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

/// Has a user in [`system`].
const SITI: &str = "08123456789";
/// Has none.
const BUDI: &str = "08129876543";

/// One process per function.
const ONE: Environments = Environments {
    in_turn: 1,
    at_most: 200,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// The usual system with one user, [`SITI`].
async fn system() -> TestSystem {
    with_siti(TestSystem::start().await).await
}

/// The same, where clients of the earlier system may guess without a challenge id.
async fn lenient() -> TestSystem {
    let system = TestSystem::builder().settings(|settings| settings.unbound_guesses = true);
    with_siti(system.build().await).await
}

/// Somebody has signed in with that phone from the address that everybody here asks from.
async fn at_home(system: &TestSystem, typed: &str) {
    let (phone, address) = (phone(typed), IpAddr::from([203, 0, 113, 1]));
    let network = NetworkHash::of(&phone, address.into());
    let challenges = Challenges::new(&system.without_faults());
    let seen = challenges.read(&phone, system.now()).await;
    let seen = seen.expect("the store works");
    let at = system.now();
    let remembered = challenges.remember_network(&phone, seen, SignInFrom { network, at });
    let remembered = remembered.await.expect("the store works");
    assert_eq!(remembered, NetworkRemembered::Done);
    system.database().forget_calls();
}

async fn with_siti(system: TestSystem) -> TestSystem {
    add_user(&system, SITI).await;
    system.database().forget_calls();
    system
}

async fn add_user(system: &TestSystem, typed: &str) {
    let user = User {
        id: format!("user-{}", phone(typed).digits()),
        ..system.user(typed)
    };
    let added = Users::new(system.backends()).add(&user).await;
    added.expect("the store works");
}

/// The user of a phone is no more, as after an operator's erasure.
async fn remove_user(system: &TestSystem, typed: &str) {
    let key = AttributeValue::S(format!("phone#{}", phone(typed).digits()));
    let users = system.dynamodb().delete_item().table_name("UsersTable");
    users.key("id", key).send().await.expect("the store works");
}

fn phone(typed: &str) -> Phone {
    Phone::parse(typed).expect("a phone number")
}

/// A phone of its own for each number, as people type it.
fn typed_phone(number: u32) -> String {
    format!("0813{number:07}")
}

/// Lets time pass.
async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

/// An answer and how long it took.
async fn timed<T>(answer: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (answer.await, began.elapsed())
}

async fn ask_code(system: &TestSystem, typed: &str) -> Reply {
    system.post(SIGNIN, json!({ "identifier": typed })).await
}

/// A guess for a sign-in code; without a challenge id when there is `None`.
async fn guess(system: &TestSystem, typed: &str, otp: &str, challenge: Option<&str>) -> Reply {
    let body = json!({ "identifier": typed, "otp": otp, "challengeId": challenge });
    system.post(SSO_VERIFY, body).await
}

/// Asks for a sign-in code: its challenge id and the code on the phone.
async fn sent_code(system: &TestSystem, typed: &str) -> (String, String) {
    let sent = check_sent(&ask_code(system, typed).await);
    (sent.challenge, code_on(system, typed))
}

fn applicant(typed: &str) -> Value {
    json!({ "name": "Budi", "phone": typed, "password": "a long enough secret" })
}

/// Signs up: the challenge id and the code on the phone.
async fn signed_up(system: &TestSystem, applicant: Value) -> (String, String) {
    let typed = applicant["phone"].as_str().expect("a phone").to_owned();
    let sent = check_sent(&system.post(SIGNUP, applicant).await);
    (sent.challenge, code_on(system, &typed))
}

async fn confirm(system: &TestSystem, typed: &str, otp: &str, challenge: &str) -> Reply {
    let body = json!({ "identifier": typed, "otp": otp, "challengeId": challenge });
    system.post(VERIFY_OTP, body).await
}

/// Signs [`SITI`] in with a code: what the reply says.
async fn logged_in(system: &TestSystem) -> Value {
    let (challenge, code) = sent_code(system, SITI).await;
    check_ok(&guess(system, SITI, &code, Some(&challenge)).await).clone()
}

/// Asks for the code of a password reset: its challenge id and the code on the phone.
async fn sent_reset(system: &TestSystem, typed: &str) -> (String, String) {
    let sent = check_sent(
        &system
            .post(SEND_RESET, json!({ "identifier": typed }))
            .await,
    );
    (sent.challenge, code_on(system, typed))
}

/// Sets a password; without a challenge id when there is `None`.
async fn reset(
    system: &TestSystem,
    typed: &str,
    otp: &str,
    challenge: Option<&str>,
    password: &str,
) -> Reply {
    let body = json!({
        "identifier": typed, "otp": otp, "challengeId": challenge, "newPassword": password,
    });
    system.post(RESET, body).await
}

async fn sign_in(system: &TestSystem, typed: &str, password: &str) -> Reply {
    let body = json!({ "identifier": typed, "password": password });
    system.post(PASSWORD_SIGNIN, body).await
}

async fn refresh(system: &TestSystem, token: &Value) -> Reply {
    system.post(REFRESH, json!({ "refreshToken": token })).await
}

/// Looks at a login, or ends it.
async fn session(system: &TestSystem, method: &str, query: &str, token: &Value) -> Reply {
    let bearer = format!("Bearer {}", token.as_str().expect("a token"));
    let headers = [("authorization", bearer.as_str())];
    let path = format!("{SESSION}{query}");
    system.request(method, &path, &headers, "").await
}

/// Checks the reply of a store that is down to whoever asks for no code.
#[track_caller]
fn check_unavailable(reply: &Reply) {
    let fields = json!({ "retryAfterSeconds": 5 });
    check_problem(reply, 503, "SERVICE_UNAVAILABLE", fields);
}

/// Checks a reply that opens a login; returns its data.
#[track_caller]
fn check_signed_in<'a>(system: &TestSystem, reply: &'a Reply) -> &'a Value {
    let data = check_ok(reply);
    let fields: Vec<_> = data.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["refreshToken", "token", "tokenExpiresAt", "user"]);
    assert_eq!(
        data["tokenExpiresAt"],
        system.now().plus(15 * MINUTE).rfc3339()
    );
    assert_eq!(data["user"]["phone"], phone(SITI).digits());
    data
}

/// The texts on a phone, the oldest first.
fn inbox(system: &TestSystem, typed: &str) -> Vec<String> {
    let messages = system.simulator().messages(Some(&phone(typed)));
    messages.into_iter().map(|message| message.text).collect()
}

/// The code of the last text on a phone.
fn code_on(system: &TestSystem, typed: &str) -> String {
    people::code_on(system, typed)
}

/// Any code but this one.
fn wrong(code: &str) -> &'static str {
    match code {
        "000000" => "111111",
        _ => "000000",
    }
}

/// How many texts the gateway was given.
fn sends(system: &TestSystem) -> u64 {
    system.simulator().calls().count("/chat/send/text")
}

/// How many calls of any kind reached the gateway.
fn gateway_calls(system: &TestSystem) -> u64 {
    system.simulator().calls().counts.values().sum()
}

/// All items of a table.
async fn items(system: &TestSystem, table: &str) -> Vec<Item> {
    let scan = system.dynamodb().scan().table_name(table).send().await;
    scan.expect("a scan").items.unwrap_or_default()
}

/// What a token says, checked like another service does it: against the published keys.
async fn claims(system: &TestSystem, reply: &Reply) -> Claims {
    let keys = system.get(JWKS).await;
    let keys: Jwks = serde_json::from_value(keys.json).expect("a key set");
    let token = check_ok(reply)["token"].as_str().expect("a token");
    let settings = &system.backends().settings;
    let parties = Parties {
        issuer: &settings.token_issuer,
        audience: &settings.token_audience,
    };
    token::verify(&keys, token, parties, system.now()).expect("a valid token")
}

/// What a function answers to the event of its name in `events/`.
async fn sample(system: &TestSystem, function: &str) -> Reply {
    let path = format!("{}/../events/{function}.json", env!("CARGO_MANIFEST_DIR"));
    let event = fs::read_to_string(&path).expect("a sample event");
    let start = local::functions::find(function).expect("a function");
    let code = Code {
        name: function,
        timeout: 20 * SECOND,
        start,
    };
    let lambda = Lambda::new(code, system.backends().clone(), Environments::default());
    let answer = lambda.invoke(&event).await.expect("an answer");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let headers = answer["headers"].as_object().expect("headers").iter();
    let headers = headers.map(|(name, value)| {
        let value = value.as_str().expect("text").parse().expect("a value");
        (name.parse().expect("a name"), value)
    });
    let body = answer["body"].as_str().expect("a body");
    Reply {
        status: answer["statusCode"].as_u64().expect("a status") as u16,
        headers: headers.collect(),
        json: serde_json::from_str(body).unwrap_or_default(),
        body: body.into(),
    }
}

/// A code that went out, as the client hears of it.
#[derive(Debug)]
struct Sent {
    challenge: String,
    expires_at: String,
    resend_after: Duration,
}

/// Checks a good reply to the last letter of its envelope; returns its data.
#[track_caller]
fn check_ok(reply: &Reply) -> &Value {
    assert_eq!(reply.status, 200, "{}", reply.json);
    let envelope = reply.json.as_object().expect("an object");
    assert_eq!(
        envelope.keys().collect::<Vec<_>>(),
        ["data", "message", "success"]
    );
    assert_eq!(envelope["success"], true);
    check_message(&reply.json);
    check_headers(reply);
    &envelope["data"]
}

/// Checks the reply to whoever gets a code.
#[track_caller]
fn check_sent(reply: &Reply) -> Sent {
    check_code_sent(reply, "sent")
}

#[track_caller]
fn check_code_sent(reply: &Reply, delivery: &str) -> Sent {
    let data = check_ok(reply).as_object().expect("an object");
    let fields = [
        "challengeId",
        "codeDigits",
        "delivery",
        "expiresAt",
        "resendAfterSeconds",
    ];
    assert_eq!(data.keys().collect::<Vec<_>>(), fields);
    assert_eq!(data["codeDigits"], 6);
    assert_eq!(data["delivery"], delivery);
    let challenge = data["challengeId"].as_str().expect("an id");
    assert_eq!(challenge.len(), 22, "128 bits in base64url");
    let resend_after = data["resendAfterSeconds"].as_u64().expect("seconds");
    Sent {
        challenge: challenge.into(),
        expires_at: data["expiresAt"].as_str().expect("a time").into(),
        resend_after: Duration::from_secs(resend_after),
    }
}

/// Checks any other reply to the last letter of its envelope; `fields` are all that it has beside it.
#[track_caller]
fn check_problem(reply: &Reply, status: u16, code: &str, fields: Value) {
    let Value::Object(mut envelope) = reply.json.clone() else {
        panic!("no envelope: {reply:?}");
    };
    assert_eq!(
        (reply.status, envelope.get("error")),
        (status, Some(&json!(code))),
        "{}",
        reply.json
    );
    assert_eq!(envelope["success"], false);
    check_message(&reply.json);
    check_headers(reply);
    let request_id = envelope["requestId"].as_str().expect("a request id");
    assert_eq!(request_id.len(), 32, "{request_id}");
    let retry_after = reply.headers.get("retry-after");
    assert_eq!(
        retry_after.map(|seconds| seconds.to_str().expect("text").to_owned()),
        envelope.get("retryAfterSeconds").map(Value::to_string),
    );
    for name in ["success", "error", "message", "requestId"] {
        envelope.remove(name);
    }
    // Which reason is for the tests of reasons.
    let with_reason = [
        "INVALID_FIELD",
        "INVALID_NAME",
        "INVALID_PASSWORD",
        "INVALID_PHONE_FORMAT",
    ];
    if with_reason.contains(&code) && fields.get("reason").is_none() {
        assert!(envelope.remove("reason").is_some(), "{}", reply.json);
        envelope.remove("field");
    }
    assert_eq!(Value::Object(envelope), fields);
}

/// Checks a refusal by a limit.
#[track_caller]
fn check_limited(reply: &Reply, limit: &str, retry_after: Duration) {
    let seconds = retry_after.as_millis().div_ceil(1000) as u64;
    let fields = json!({ "limit": limit, "retryAfterSeconds": seconds });
    check_problem(reply, 429, "RATE_LIMITED", fields);
}

/// Checks the reply to whoever gets no code because it certainly did not go out.
#[track_caller]
fn check_not_sent(reply: &Reply, code: &str) {
    check_not_sent_for(reply, code, 5);
}

/// The same, and it is worth asking again after so many seconds.
#[track_caller]
fn check_not_sent_for(reply: &Reply, code: &str, seconds: u64) {
    let fields = json!({ "charged": false, "retryAfterSeconds": seconds });
    check_problem(reply, 503, code, fields);
}

/// Checks the reply to whoever gets no code because WhatsApp restricts the account that sends.
#[track_caller]
fn check_restricted(reply: &Reply) {
    check_needs_somebody(reply, "WHATSAPP_OTP_FAILED");
}

/// Checks the reply during one of [`outages`]: it says when the next try comes, or that somebody has to act.
#[track_caller]
fn check_outage(reply: &Reply, code: &str) {
    if reply.json["recovering"] == false {
        return check_needs_somebody(reply, code);
    }
    let seconds = reply.json["retryAfterSeconds"].as_u64();
    let seconds = seconds.expect("when to come back");
    assert!((5..=30).contains(&seconds), "{:?}", reply.json);
    check_not_sent_for(reply, code, seconds);
}

/// Nothing was sent or charged, and only a person who acts helps.
#[track_caller]
fn check_needs_somebody(reply: &Reply, code: &str) {
    let fields = json!({ "charged": false, "recovering": false, "retryAfterSeconds": 300 });
    check_problem(reply, 503, code, fields);
}

/// A message is a sentence for a person: nothing of the program's insides.
#[track_caller]
fn check_message(envelope: &Value) {
    let message = envelope["message"].as_str().expect("a message");
    assert!(
        message.starts_with(|c: char| c.is_uppercase() || c == '`'),
        "{message}"
    );
    for inside in ["::", "expected", "Error", "Table"] {
        assert!(!message.contains(inside), "{message}");
    }
}

#[track_caller]
fn check_headers(reply: &Reply) {
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=63072000"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
}

/// Checks that neither the store nor the gateway was called.
#[track_caller]
fn check_untouched(system: &TestSystem) {
    let calls = (gateway_calls(system), system.database().calls());
    assert_eq!(calls, (0, vec![]));
}

/// What may tell two phones apart: all of a reply but ids and times.
fn face(reply: &Reply) -> (u16, Vec<(String, String)>, Value) {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name != "apigw-requestid")
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    headers.sort();
    let mut json = reply.json.clone();
    let hide = |fields: &mut Map<String, Value>, names: &[&str]| {
        for name in names {
            if let Some(value) = fields.get_mut(*name) {
                let text = value.as_str().expect("text");
                *value = json!("?".repeat(text.len()));
            }
        }
    };
    if let Some(envelope) = json.as_object_mut() {
        hide(envelope, &["requestId"]);
        if let Some(data) = envelope.get_mut("data").and_then(Value::as_object_mut) {
            hide(data, &["challengeId", "expiresAt", "openChat"]);
        }
    }
    (reply.status, headers, json)
}

/// What goes wrong with WhatsApp for good, and the code of the reply.
fn outages() -> [(Scenario, &'static str); 6] {
    const UNAVAILABLE: &str = "WHATSAPP_SERVICE_UNAVAILABLE";
    [
        (
            Scenario::GatewayDown {
                lasts_ms: 3_600_000,
            },
            "WHATSAPP_NETWORK_ERROR",
        ),
        (Scenario::StuckObject { logged_in: false }, UNAVAILABLE),
        (Scenario::StuckObject { logged_in: true }, UNAVAILABLE),
        (Scenario::Unlinked, UNAVAILABLE),
        (Scenario::QrNotScanned, UNAVAILABLE),
        (Scenario::Banned, UNAVAILABLE),
    ]
}
