//! A CAPTCHA before a sign-up: a page lets its visitor solve one, and the service that made it says whether somebody did.
//! Turnstile, hCaptcha and reCAPTCHA are asked in the same way.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use form_urlencoded::Serializer;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect, retry};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::model::captcha::{CaptchaRules, CaptchaSettings};
use crate::platform::report::Chain;
use crate::platform::tls;

/// The longest wait for a connection, TLS included, and for the whole answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// The longest token; those of Turnstile have 2048 bytes at most, others some more.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What the service says when the fault is not the visitor's.
const FAULTS: [&str; 3] = [
    "internal-error",
    "invalid-input-secret",
    "missing-input-secret",
];

/// The CAPTCHA of a deployment, if it has one.
#[derive(Debug)]
pub struct Captcha {
    settings: Option<Arc<CaptchaSettings>>,
    /// Made when it is first needed: a deployment without a CAPTCHA starts without it.
    client: OnceCell<Client>,
}

/// Why nobody is taken for a person.
#[derive(Debug, thiserror::Error)]
pub enum CaptchaError {
    /// The token is missing, wrong, too old, or was used.
    #[error("the CAPTCHA was not solved")]
    Failed,
    /// The service gave no verdict. The log says why.
    #[error("the CAPTCHA could not be checked")]
    Unavailable,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum NoVerdict {
    #[error("no HTTP client")]
    NoClient,
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
    #[error("an answer with the status {0}")]
    Status(u16),
    #[error("an answer of more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("an answer that cannot be read")]
    Unreadable,
    #[error("it says {0:?}")]
    Fault(Vec<String>),
}

impl From<reqwest::Error> for NoVerdict {
    fn from(error: reqwest::Error) -> Self {
        // The address may hold a secret.
        Self::NoAnswer(error.without_url())
    }
}

/// What the service answers.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(rename = "error-codes")]
    errors: Option<Vec<String>>,
    score: Option<f64>,
    hostname: Option<String>,
    action: Option<String>,
}

impl Captcha {
    /// The CAPTCHA that `settings` name.
    pub fn new(settings: Option<Arc<CaptchaSettings>>) -> Self {
        Self {
            settings,
            client: OnceCell::new(),
        }
    }

    /// Lets pass whoever solved the CAPTCHA, and everybody where there is none. A token passes once.
    ///
    /// # Errors
    /// When it was not solved, or there is no verdict.
    pub async fn check(
        &self,
        token: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<(), CaptchaError> {
        let Some(settings) = &self.settings else {
            return Ok(());
        };
        let token = token
            .map(str::trim)
            .filter(|token| (1..=TOKEN_BYTES_MAX).contains(&token.len()));
        let token = token.ok_or(CaptchaError::Failed)?;
        match self.ask(settings, token, address).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(CaptchaError::Failed),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "a CAPTCHA could not be checked");
                Err(CaptchaError::Unavailable)
            }
        }
    }

    /// Whether the service takes the token. It is asked once: a repeated question would find the token used.
    async fn ask(
        &self,
        settings: &CaptchaSettings,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<bool, NoVerdict> {
        let client = self.client.get_or_try_init(|| async { client() }).await?;
        let request = client
            .post(&settings.verify_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(ANSWER_TIMEOUT)
            .body(question(settings, token, address));
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        // Some answer a token that is wrong with 400.
        if ![200, 400].contains(&status) {
            return Err(NoVerdict::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(NoVerdict::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        verdict(&settings.rules, status, &body)
    }
}

fn question(settings: &CaptchaSettings, token: &str, address: Option<IpAddr>) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("secret", settings.secret.expose())
        .append_pair("response", token);
    if let Some(address) = address {
        form.append_pair("remoteip", &address.to_string());
    }
    form.finish()
}

/// The first thing in the answer that is not as it must be, if there is one.
fn broken_rule(rules: &CaptchaRules, answer: &Answer) -> Option<&'static str> {
    let hostname = answer.hostname.as_deref().unwrap_or_default();
    let is_ours = |ours: &String| ours.eq_ignore_ascii_case(hostname);
    if answer.score.is_some_and(|score| score < rules.least_score) {
        Some("score")
    } else if !rules.hostnames.is_empty() && !rules.hostnames.iter().any(is_ours) {
        Some("hostname")
    } else if rules.action.is_some() && rules.action != answer.action {
        Some("action")
    } else {
        None
    }
}

fn verdict(rules: &CaptchaRules, status: u16, body: &[u8]) -> Result<bool, NoVerdict> {
    let mut answer: Answer = serde_json::from_slice(body).map_err(|_| NoVerdict::Unreadable)?;
    let errors = answer.errors.take().unwrap_or_default();
    match (answer.success, status) {
        (true, 200) => {
            let broken = broken_rule(rules, &answer);
            if let Some(rule) = broken {
                tracing::warn!(rule, "a CAPTCHA is not accepted");
            }
            Ok(broken.is_none())
        }
        (true, _) => Err(NoVerdict::Status(status)),
        (false, _) if errors.iter().any(|error| FAULTS.contains(&error.as_str())) => {
            Err(NoVerdict::Fault(errors))
        }
        (false, _) => Ok(false),
    }
}

/// As for the gateway, no idle connection is kept: that of a frozen function is dead.
fn client() -> Result<Client, NoVerdict> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls::trusting(None).ok_or(NoVerdict::NoClient)?)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_proxy();
    Ok(client.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &[(u16, &str, Option<bool>)]) {
        for (status, body, expected) in rows {
            let verdict = verdict(&CaptchaRules::default(), *status, body.as_bytes());
            assert_eq!(verdict.ok(), *expected, "{body}");
        }
    }

    #[test]
    fn a_clear_answer_is_a_verdict() {
        check(&[
            (200, r#"{"success":true}"#, Some(true)),
            (200, r#"{"success":true,"error-codes":null}"#, Some(true)),
            (
                200,
                r#"{"success":true,"error-codes":[],"score":0.9}"#,
                Some(true),
            ),
            (200, r#"{"success":true,"score":0.4}"#, Some(false)),
            (200, r#"{"success":false}"#, Some(false)),
            (
                400,
                r#"{"success":false,"error-codes":["invalid-input-response"]}"#,
                Some(false),
            ),
            (
                200,
                r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#,
                Some(false),
            ),
        ]);
    }

    #[test]
    fn an_answer_that_blames_us_or_cannot_be_read_is_no_verdict() {
        check(&[
            (200, r#"{"success":true,"score":"0.9"}"#, None),
            (400, r#"{"success":true}"#, None),
            (
                200,
                r#"{"success":false,"error-codes":["invalid-input-secret"]}"#,
                None,
            ),
            (
                400,
                r#"{"success":false,"error-codes":["missing-input-secret"]}"#,
                None,
            ),
            (
                200,
                r#"{"success":false,"error-codes":["internal-error"]}"#,
                None,
            ),
            (200, r#"{"success":"true"}"#, None),
            (200, r#"{"ok":true}"#, None),
            (200, "true", None),
            (200, "", None),
        ]);
    }
}
