//! What people do before a function's request, so that its answer is a useful one.
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use local::lambda::Environments;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::phone::Phone;
use shared::store::text;
use tests::{Reply, TestSystem, TestSystemBuilder};

/// A system under test and its people.
#[derive(Debug)]
pub struct Journeys {
    system: TestSystem,
    people: AtomicU32,
}

/// A code on a phone.
#[derive(Debug)]
pub struct CodeSent {
    /// Whose phone.
    pub phone: String,
    /// The body that answers it rightly.
    pub answer: Value,
}

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
            .settings(|settings| settings.policy.codes_per_address.places = usize::MAX)
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

    /// The next event for `function`, which it answers with a 200. One that needs no journey gets its sample event.
    pub async fn event(&self, function: &str) -> anyhow::Result<String> {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let sample = samples.join(format!("{function}.json"));
        let sample = std::fs::read_to_string(&sample)
            .with_context(|| format!("cannot read {}", sample.display()))?;
        let mut event: Value = serde_json::from_str(&sample)?;
        let body = match function {
            "auth-signup" => self.applicant(),
            "auth-sso-signin" => json!({ "identifier": self.user().await? }),
            "auth-sso-verify" => self.signin().await?.answer,
            "auth-verify-otp" => self.signup().await?.answer,
            _ => return Ok(event.to_string()),
        };
        event["body"] = body.to_string().into();
        Ok(event.to_string())
    }

    /// Somebody new who wants to sign up.
    pub fn applicant(&self) -> Value {
        json!({ "name": "Siti", "phone": self.phone(), "password": "correct horse battery" })
    }

    /// A phone that nobody has used.
    pub fn phone(&self) -> String {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        format!("0812{number:08}")
    }

    /// Signs somebody new up, who has not answered yet.
    pub async fn signup(&self) -> anyhow::Result<CodeSent> {
        let applicant = self.applicant();
        let phone = applicant["phone"].as_str().unwrap_or_default().to_owned();
        self.send("/api/auth/signup", applicant, phone).await
    }

    /// The phone of a new user.
    pub async fn user(&self) -> anyhow::Result<String> {
        let CodeSent { phone, answer } = self.signup().await?;
        accepted(self.system.post("/api/auth/verify-otp", answer).await)?;
        Ok(phone)
    }

    /// Signs a new user in, who has not answered yet.
    pub async fn signin(&self) -> anyhow::Result<CodeSent> {
        let phone = self.user().await?;
        let asked = json!({ "identifier": phone });
        self.send("/api/auth/sso-signin", asked, phone).await
    }

    async fn send(&self, path: &str, body: Value, phone: String) -> anyhow::Result<CodeSent> {
        let reply = accepted(self.system.post(path, body).await)?;
        self.free_queue().await?;
        let messages = self
            .system
            .simulator()
            .messages(Some(&Phone::parse(&phone)?));
        let message = messages.last().context("no message came")?;
        let mut words = message.text.split(|letter: char| !letter.is_ascii_digit());
        let code = words.find(|word| word.len() == 6);
        let code = code.context("a message without a code")?;
        let challenge = &reply.json["data"]["challengeId"];
        let answer = json!({ "identifier": phone, "otp": code, "challengeId": challenge });
        Ok(CodeSent { phone, answer })
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

/// The reply, if it is a good one.
pub fn accepted(reply: Reply) -> anyhow::Result<Reply> {
    ensure!(reply.status == 200, "{}: {}", reply.status, reply.json);
    Ok(reply)
}
