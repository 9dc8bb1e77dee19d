//! What a log must have: a line for each refusal and each change of a login, under the id of the reply. And what it must not:
//! codes, tokens, passwords, challenge ids, the gateway's token, full phone numbers.
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::database::{Fault, Faults};
use local::simulator::Scenario;
use serde_json::{Value, json};
use shared::runtime::log::json_lines;
use tests::{Reply, TestSystem};
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::{PASSWORD, PHONE, code, refresh, session, sign_in, signed_up};

/// A log in memory.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of metrics so far.
    pub fn metrics(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines = lines.filter(|line: &Value| !line["_aws"].is_null());
        lines.collect()
    }

    /// The lines so far that `message` stands in, and no more of them.
    fn take(&self, message: &str) -> Vec<Value> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines = lines.filter(|line: &Value| line["message"] == message);
        lines.collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Every string in a reply that whoever reads the log must not learn.
fn secrets_of(reply: &Value, secrets: &mut Vec<String>) {
    for field in ["challengeId", "token", "refreshToken"] {
        secrets.extend(reply["data"][field].as_str().map(str::to_owned));
    }
}

#[tokio::test(start_paused = true)]
async fn no_log_line_of_any_journey_tells_a_secret() {
    let log = Log::default();
    let subscriber = json_lines(log.clone());
    // The harness reads the log of every test; this one is looked at here.
    let _log = tracing::subscriber::set_default(subscriber);
    let system = TestSystem::start().await;
    let mut secrets: Vec<String> = ["8123456789", "8123456780", PASSWORD, "system-session-token"]
        .map(str::to_owned)
        .into();

    let held = signed_up(&system).await;
    secrets_of(&json!({ "data": held }), &mut secrets);
    secrets_of(&sign_in(&system, PASSWORD).await.json, &mut secrets);
    sign_in(&system, "salah-terus-menerus").await;
    secrets_of(
        &refresh(&system, &held["refreshToken"]).await.json,
        &mut secrets,
    );
    session(&system, "DELETE", "?all=true", &held["token"]).await;
    for scenario in [
        Scenario::Healthy,
        Scenario::ColdSession,
        Scenario::NotOnWhatsapp {
            phones: vec![PHONE.into()],
            taken: false,
        },
        Scenario::Restricted {
            code: 463,
            refusals: None,
        },
        Scenario::GatewayDown { lasts_ms: 60_000 },
    ] {
        system.simulator().play(&scenario);
        for phone in [PHONE, "08123456780"] {
            for path in ["/api/auth/sso-signin", "/api/auth/send-password-reset-otp"] {
                let sent = system.post(path, json!({ "identifier": phone })).await;
                secrets_of(&sent.json, &mut secrets);
            }
        }
        system.simulator().play(&Scenario::Healthy);
        sleep(Duration::from_secs(700)).await;
    }
    // A store that fails everywhere writes the most.
    for faults in [
        Faults::down(),
        Faults::seeded(1).odds(Fault::ReplyLost, 0.5),
    ] {
        let broken = system.with_faults(faults);
        for path in ["sso-signin", "sso-verify", "signin", "send-otp", "refresh"] {
            let body = json!({
                "identifier": PHONE,
                "otp": code(&system),
                "password": PASSWORD,
                "purpose": "sso",
                "refreshToken": held["refreshToken"],
            });
            let reply = broken.post(&format!("/api/auth/{path}"), body).await;
            secrets_of(&reply.json, &mut secrets);
        }
    }

    let messages = system.simulator().messages(None);
    secrets.extend(messages.iter().map(|message| message.text[..6].to_owned()));
    let log = log.text();
    assert!(
        log.contains("[WhatsApp System]") && log.contains("request failed"),
        "{log}"
    );
    for secret in secrets {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&secret)).collect();
        assert!(lines.is_empty(), "{secret} is in\n{}", lines.join("\n"));
    }
}

/// A system, and what it logs on this thread.
pub async fn logged() -> (TestSystem, Log, DefaultGuard) {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(json_lines(log.clone()));
    (TestSystem::start().await, log, guard)
}

/// Checks the one line that a refusal left.
#[track_caller]
fn check_refusal(log: &Log, reply: &Reply, level: &str, limit: Value, phone: Value) {
    let error = &reply.json["error"];
    let lines = log.take("request refused");
    let [line] = &lines[..] else {
        panic!("{error}: {lines:?}");
    };
    for (field, expected) in [
        ("error", error.clone()),
        ("status", json!(reply.status)),
        ("level", json!(level)),
        ("limit", limit),
        ("phone", phone),
        ("address", json!("203.0.113.1")),
        ("requestId", reply.json["requestId"].clone()),
    ] {
        assert_eq!(line[field], expected, "{error}: {field} in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_refusal_leaves_one_line_that_says_who_was_refused_what_and_why() {
    let (system, log, _guard) = logged().await;
    let held = signed_up(&system).await;
    let masked = json!("62812****789");
    log.take("");

    let forged = json!("eyJ0eXAiOiJhdCtqd3QifQ.e30.AAAA");
    for (token, level) in [(&forged, "WARN"), (&json!(""), "INFO")] {
        let reply = session(&system, "GET", "", token).await;
        check_refusal(&log, &reply, level, Value::Null, Value::Null);
    }
    for guess in 1..=11 {
        let reply = sign_in(&system, "salah-terus-menerus").await;
        let limit = if guess == 11 {
            json!("password")
        } else {
            Value::Null
        };
        check_refusal(&log, &reply, "WARN", limit, masked.clone());
    }
    let asked = json!({ "identifier": PHONE, "otp": "000000", "challengeId": "unknown" });
    let reply = system.post("/api/auth/sso-verify", asked).await;
    check_refusal(&log, &reply, "WARN", Value::Null, masked.clone());
    // A client that has to be corrected is for the record.
    let reply = system
        .post("/api/auth/sso-signin", json!({ "identifier": "x" }))
        .await;
    check_refusal(&log, &reply, "INFO", Value::Null, Value::Null);
    check_refusal(
        &log,
        &system.get("/nowhere").await,
        "INFO",
        Value::Null,
        Value::Null,
    );

    refresh(&system, &held["refreshToken"]).await;
    sleep(Duration::from_secs(60)).await;
    let reply = refresh(&system, &held["refreshToken"]).await;
    assert_eq!(reply.json["error"], "REFRESH_TOKEN_REUSED");
    check_refusal(&log, &reply, "WARN", Value::Null, masked.clone());
    let reply = session(&system, "GET", "", &held["token"]).await;
    check_refusal(&log, &reply, "INFO", Value::Null, Value::Null);

    system
        .simulator()
        .play(&Scenario::GatewayDown { lasts_ms: 60_000 });
    let reply = system
        .post("/api/auth/sso-signin", json!({ "identifier": PHONE }))
        .await;
    assert_eq!(reply.status, 503, "{}", reply.json);
    check_refusal(&log, &reply, "WARN", Value::Null, masked);
}

#[tokio::test(start_paused = true)]
async fn what_failed_here_is_one_error_with_its_causes() {
    let (system, log, _guard) = logged().await;
    let broken = system.with_faults(Faults::down());
    let reply = sign_in(&broken, PASSWORD).await;
    let lines = log.take("request failed");
    let [line] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        (&line["level"], &line["error"]),
        (&json!("ERROR"), &json!("SERVICE_UNAVAILABLE"))
    );
    assert_eq!(line["requestId"], reply.json["requestId"]);
    assert!(
        line["cause"].as_str().unwrap().contains("by order"),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_login_leaves_a_line() {
    let (system, log, _guard) = logged().await;
    let check = |event: &str, user: &Value| {
        let lines = log.take("login changed");
        let [line] = &lines[..] else {
            panic!("{event}: {lines:?}");
        };
        assert_eq!(line["event"], event);
        assert_eq!(&line["user"], user, "{event}");
        assert_eq!(line["phone"], "62812****789", "{event}");
        assert_eq!(line["address"], "203.0.113.1", "{event}");
        assert_eq!(line["requestId"].as_str().unwrap().len(), 32, "{event}");
    };
    let held = signed_up(&system).await;
    let user = &held["user"]["id"];
    check("signed_up", user);
    let by_password = sign_in(&system, PASSWORD).await.json["data"].clone();
    check("signed_in_with_password", user);
    session(&system, "DELETE", "", &by_password["token"]).await;
    check("signed_out", &Value::Null);
    session(&system, "DELETE", "?all=true", &held["token"]).await;
    check("signed_out_everywhere", &Value::Null);
    for (ask, verify, event) in [
        ("sso-signin", "sso-verify", "signed_in_with_code"),
        (
            "send-password-reset-otp",
            "verify-password-reset-otp",
            "password_reset",
        ),
    ] {
        let asked = json!({ "identifier": PHONE });
        let sent = system.post(&format!("/api/auth/{ask}"), asked).await;
        let given = json!({
            "identifier": PHONE,
            "otp": code(&system),
            "challengeId": sent.json["data"]["challengeId"],
            "newPassword": "sapi-tidur-nyenyak",
        });
        let opened = system.post(&format!("/api/auth/{verify}"), given).await;
        assert_eq!(opened.status, 200, "{}", opened.json);
        check(event, &opened.json["data"]["user"]["id"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_was_not_told_of_its_new_password_leaves_a_warning() {
    const NOT_TOLD: &str = "[WhatsApp System] a phone was not told of a change of its account";
    let (system, log, _guard) = logged().await;
    signed_up(&system).await;
    for (scenario, lines) in [(Scenario::Healthy, 0), (Scenario::Banned, 1)] {
        let asked = json!({ "identifier": PHONE });
        let path = "/api/auth/send-password-reset-otp";
        let sent = system.post(path, asked).await;
        system.simulator().play(&scenario);
        let given = json!({
            "identifier": PHONE, "otp": code(&system),
            "challengeId": sent.json["data"]["challengeId"], "newPassword": "sapi-tidur-nyenyak",
        });
        let path = "/api/auth/verify-password-reset-otp";
        let reset = system.post(path, given).await;
        assert_eq!(reset.status, 200, "{}", reset.json);
        let told = log.take(NOT_TOLD);
        assert_eq!(told.len(), lines, "{told:?}");
        for line in told {
            assert_eq!(line["level"], "WARN");
            assert_eq!(line["change"], "password-changed");
            assert_eq!(line["requestId"].as_str().map(str::len), Some(32));
            assert!(
                line["why"].as_str().is_some_and(|why| !why.is_empty()),
                "{line}"
            );
        }
        sleep(Duration::from_secs(61)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_of_the_log_of_this_machine_names_the_phone_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .compact()
        .with_ansi(false)
        .with_writer(log.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let system = TestSystem::start().await;
    signed_up(&system).await;
    let asked = json!({ "identifier": PHONE });
    let sent = system.post("/api/auth/sso-signin", asked).await;
    assert_eq!(sent.status, 200, "{}", sent.json);
    let text = log.text();
    let done = text.lines().filter(|line| line.contains("message done"));
    let named: Vec<_> = done
        .map(|line| line.matches("phone=62812****789").count())
        .collect();
    assert_eq!(named, [1, 1], "{text}");
}

#[tokio::test(start_paused = true)]
async fn every_line_of_a_request_has_the_id_that_its_reply_shows() {
    let (system, log, _guard) = logged().await;
    system
        .simulator()
        .play(&Scenario::GatewayDown { lasts_ms: 60_000 });
    let body = json!({ "name": "Siti", "phone": PHONE, "password": PASSWORD });
    let reply = system.post("/api/auth/signup", body).await;
    assert_eq!(reply.status, 503, "{}", reply.json);
    let text = log.text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours = lines.filter(|line| line["target"].as_str().unwrap().starts_with("shared"));
    let ours: Vec<_> = ours.collect();
    assert!(
        ours.iter()
            .any(|line| line["message"] == "[WhatsApp System] message done"),
        "{text}"
    );
    for line in ours {
        assert_eq!(line["requestId"], reply.json["requestId"], "{line}");
        assert_eq!(line["phone"], "62812****789", "{line}");
        assert!(
            line["timestamp"].is_string() && line["level"].is_string(),
            "{line}"
        );
    }
}
