//! What people do before a function's request, so that its answer is a useful one.
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use local::lambda::Environments;
use serde_json::{Value, json};
use shared::model::phone::Phone;
use shared::platform::clock::Clock;
use shared::store::text;
use tests::{Reply, TestSystem, TestSystemBuilder, webhooks};

/// A system under test and its people.
#[derive(Debug)]
pub struct Journeys {
    system: TestSystem,
    people: AtomicU32,
}

/// What a function is asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The path, where somebody has one of their own.
    pub path: Option<String>,
    /// The access token that goes with it.
    pub bearer: Option<String>,
    /// The body; `Null` is none.
    pub body: Value,
}

/// A new user who is signed in.
struct SignedIn {
    phone: String,
    data: Value,
}

/// The password of everybody.
const PASSWORD: &str = "correct horse battery";

impl Journeys {
    /// A system in real time.
    pub async fn in_real_time() -> Self {
        Self::in_system(TestSystem::builder().clock(Clock::system())).await
    }

    /// A system made by `builder`, with a WhatsApp that takes no time and one environment per function.
    pub async fn in_system(builder: TestSystemBuilder) -> Self {
        let one = Environments {
            in_turn: 1,
            ..Environments::default()
        };
        let system = builder
            .environments(one)
            .settings(|settings| {
                settings.policy.codes_per_address.places = usize::MAX;
                settings.policy.guesses_per_address.places = usize::MAX;
            })
            .simulator(|simulator| simulator.send_duration = Duration::ZERO);
        Self {
            system: system.build().await,
            people: AtomicU32::new(0),
        }
    }

    /// The system.
    pub const fn system(&self) -> &TestSystem {
        &self.system
    }

    /// What `function` answers with a 200, asked by somebody new. Nothing when it asks for nothing.
    pub async fn asked(&self, function: &str) -> anyhow::Result<Asked> {
        let body = match function {
            "auth-refresh" => {
                json!({ "refreshToken": self.signed_in().await?.data["refreshToken"] })
            }
            "auth-send-otp" => json!({ "identifier": self.user().await?, "purpose": "sso" }),
            "auth-send-password-reset-otp" => json!({ "identifier": self.user().await? }),
            "auth-session" => {
                let token = self.signed_in().await?.data["token"].take();
                return Ok(Asked {
                    bearer: token.as_str().map(str::to_owned),
                    ..Asked::default()
                });
            }
            "auth-signin" => json!({ "identifier": self.user().await?, "password": PASSWORD }),
            "auth-signup" => json!({ "name": "Siti", "phone": self.phone(), "password": PASSWORD }),
            "auth-sso-signin" => json!({ "identifier": self.user().await?, "method": "whatsapp" }),
            "auth-sso-verify" => {
                let asked = json!({ "identifier": self.user().await? });
                self.answer("/api/auth/sso-signin", asked).await?
            }
            "auth-verify-otp" => {
                let asked = json!({ "name": "Siti", "phone": self.phone(), "password": PASSWORD });
                self.answer("/api/auth/signup", asked).await?
            }
            "auth-verify-password-reset-otp" => {
                let asked = json!({ "identifier": self.user().await? });
                let path = "/api/auth/send-password-reset-otp";
                let mut answer = self.answer(path, asked).await?;
                answer["newPassword"] = "staple battery correct".into();
                answer
            }
            "whatsapp-webhook" => {
                return Ok(Asked {
                    path: Some(webhooks::path(&self.system).await),
                    body: self.receipt().await?,
                    ..Asked::default()
                });
            }
            _ => Value::Null,
        };
        Ok(Asked {
            body,
            ..Asked::default()
        })
    }

    /// The same as an event: the sample event of `function` with another body and token.
    pub async fn event(&self, function: &str) -> anyhow::Result<String> {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let sample = samples.join(format!("{function}.json"));
        let sample = std::fs::read_to_string(&sample)
            .with_context(|| format!("cannot read {}", sample.display()))?;
        let mut event: Value = serde_json::from_str(&sample)?;
        let asked = self.asked(function).await?;
        if !asked.body.is_null() {
            event["body"] = asked.body.to_string().into();
        }
        if let Some(path) = asked.path {
            event["rawPath"] = path.as_str().into();
            event["requestContext"]["http"]["path"] = path.into();
            event["headers"]["content-type"] = "application/json".into();
            event["isBase64Encoded"] = false.into();
        }
        if let Some(token) = asked.bearer {
            event["headers"]["authorization"] = format!("Bearer {token}").into();
        }
        Ok(event.to_string())
    }

    /// A phone that nobody has used.
    pub fn phone(&self) -> String {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        format!("0812{number:08}")
    }

    /// The phone of a new user.
    async fn user(&self) -> anyhow::Result<String> {
        Ok(self.signed_in().await?.phone)
    }

    async fn signed_in(&self) -> anyhow::Result<SignedIn> {
        let phone = self.phone();
        let applicant = json!({ "name": "Siti", "phone": phone, "password": PASSWORD });
        let answer = self.answer("/api/auth/signup", applicant).await?;
        let reply = accepted(self.system.post("/api/auth/verify-otp", answer).await)?;
        let data = reply.json["data"].clone();
        Ok(SignedIn { phone, data })
    }

    /// Has a code sent; answers the receipt of its message.
    async fn receipt(&self) -> anyhow::Result<Value> {
        let asked = json!({ "identifier": self.user().await? });
        self.answer("/api/auth/sso-signin", asked).await?;
        let sent = self.system.simulator().messages(None);
        let message = sent.last().context("no message came")?;
        Ok(webhooks::receipt(
            "Delivered",
            &[&message.id],
            self.system.now(),
        ))
    }

    /// Has a code sent; answers the body that answers it rightly.
    async fn answer(&self, path: &str, asked: Value) -> anyhow::Result<Value> {
        self.free_queue().await?;
        let phone = asked.get("phone").or(asked.get("identifier"));
        let phone = phone.and_then(Value::as_str).context("a phone")?.to_owned();
        let reply = accepted(self.system.post(path, asked).await)?;
        let received = self
            .system
            .simulator()
            .messages(Some(&Phone::parse(&phone)?));
        let message = received.last().context("no message came")?;
        let mut words = message.text.split(|letter: char| !letter.is_ascii_digit());
        let code = words.find(|word| word.len() == 6);
        let code = code.context("a message without a code")?;
        let challenge = &reply.json["data"]["challengeId"];
        Ok(json!({ "identifier": phone, "otp": code, "challengeId": challenge }))
    }

    /// Forgets the sends so far: a request that waits for its place in the queue shows nothing of its own cost.
    pub async fn free_queue(&self) -> anyhow::Result<()> {
        let settings = &self.system.backends().settings;
        let session = settings.sessions.first().context("a session")?;
        self.system
            .dynamodb()
            .update_item()
            .table_name(&settings.tables.whatsapp_sessions)
            .key("name", text(session.name.as_str()))
            .update_expression("REMOVE free_at")
            .send()
            .await?;
        Ok(())
    }
}

fn accepted(reply: Reply) -> anyhow::Result<Reply> {
    ensure!(reply.status == 200, "{}: {}", reply.status, reply.json);
    Ok(reply)
}
