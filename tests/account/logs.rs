//! What must not be in a log: codes, tokens, passwords, challenge ids, the gateway's token, full phone numbers.
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::database::{Fault, Faults};
use local::simulator::Scenario;
use serde_json::{Value, json};
use tests::TestSystem;
use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

use super::{PASSWORD, PHONE, code, refresh, session, sign_in, signed_up};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

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
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .without_time()
        .with_writer(log.clone())
        .finish();
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
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("[WhatsApp System]") && log.contains("request failed"),
        "{log}"
    );
    for secret in secrets {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&secret)).collect();
        assert!(lines.is_empty(), "{secret} is in\n{}", lines.join("\n"));
    }
}
