//! Which CAPTCHA a deployment asks for, and what a solved one must say of itself.
use std::fmt;

/// The service that is asked, and how it knows this system.
#[derive(Clone, Debug)]
pub struct CaptchaSettings {
    /// The address that verifies.
    pub verify_url: String,
    /// The secret that the service knows this system by.
    pub secret: CaptchaSecret,
    /// What a solved CAPTCHA must say.
    pub rules: CaptchaRules,
}

/// What a solved CAPTCHA must say of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptchaRules {
    /// The least score, from 0 to 1, where the service gives one: reCAPTCHA v3 takes every token, and only the score says
    /// whether a person sent it. 0 accepts any.
    pub least_score: f64,
    /// The host names of the pages that show the CAPTCHA; any when there is none.
    pub hostnames: Vec<String>,
    /// The action that it was solved for; any when there is none.
    pub action: Option<String>,
}

impl Default for CaptchaRules {
    fn default() -> Self {
        Self {
            least_score: 0.5,
            hostnames: Vec::new(),
            action: None,
        }
    }
}

/// What the service knows this system by. Never shown.
#[derive(Clone)]
pub struct CaptchaSecret(String);

impl CaptchaSecret {
    /// Wraps a secret as it was configured.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CaptchaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptchaSecret")
    }
}
