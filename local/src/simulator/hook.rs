//! What is posted to webhooks, and the log of it.
use std::collections::VecDeque;

use aws_lc_rs::hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::options::WebhookFormat;
use super::profile::Profile;

/// How many posts are kept; the oldest go first.
const HOOKS_MAX: usize = 10_000;
/// What the gateway's own encoder leaves as it is, beside letters and digits.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One try to post an event to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its place in the log, from 1.
    pub number: u64,
    /// The name of the session.
    pub session: String,
    /// Where it goes.
    pub url: String,
    /// The event's type.
    pub kind: &'static str,
    /// The content type of the body.
    pub content_type: &'static str,
    /// The header `x-hmac-signature`.
    pub signature: Option<String>,
    /// The body as it is sent.
    pub body: String,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// When it was made, in milliseconds since the simulator began.
    pub at_ms: u64,
    /// The status that it was answered with; `None`: nobody has answered.
    pub answer: Option<u16>,
    pub(super) process: u64,
}

/// Whose event it is, as its body says.
pub(super) struct Sender<'a> {
    pub name: &'a str,
    pub token: &'a str,
    pub id: &'a str,
}

impl Sender<'_> {
    /// What goes with an event of that version, in alphabetical order.
    fn fields(&self, profile: Profile) -> Vec<(&'static str, &str)> {
        match profile {
            Profile::A => vec![("token", self.token)],
            Profile::B => vec![("instanceName", self.name), ("token", self.token)],
            Profile::C | Profile::D => vec![("instanceName", self.name), ("userID", self.id)],
        }
    }
}

/// The content type and body of an event.
pub(super) fn written(
    mut event: Value,
    sender: &Sender<'_>,
    (profile, format): (Profile, WebhookFormat),
) -> (&'static str, String) {
    let fields = sender.fields(profile);
    match format {
        WebhookFormat::Json => {
            // B says the name in forms only.
            let fields = fields
                .iter()
                .filter(|(name, _)| profile != Profile::B || *name == "token");
            for (name, value) in fields {
                event[*name] = (*value).into();
            }
            ("application/json", event.to_string())
        }
        WebhookFormat::Form => {
            let event = event.to_string();
            let mut fields: Vec<_> = fields
                .into_iter()
                .chain([("jsonData", event.as_str())])
                .collect();
            fields.sort_unstable();
            let pairs = fields
                .iter()
                .map(|(name, value)| format!("{name}={}", escaped(value)));
            (
                "application/x-www-form-urlencoded",
                pairs.collect::<Vec<_>>().join("&"),
            )
        }
    }
}

fn escaped(value: &str) -> String {
    utf8_percent_encode(value, PLAIN)
        .to_string()
        .replace("%20", "+")
}

/// The signature of a body.
pub(super) fn signature(key: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The posts of a simulator's life.
#[derive(Debug, Default)]
pub(super) struct HookLog {
    hooks: VecDeque<Hook>,
    begun: u64,
}

impl HookLog {
    /// Keeps a try that is being made, and gives it its number.
    pub fn begin(&mut self, hook: &mut Hook) {
        self.begun += 1;
        hook.number = self.begun;
        if self.hooks.len() == HOOKS_MAX {
            self.hooks.pop_front();
        }
        self.hooks.push_back(hook.clone());
    }

    /// Keeps what a try was answered with.
    pub fn end(&mut self, number: u64, answer: Option<u16>) {
        let mut hooks = self.hooks.iter_mut().rev();
        if let Some(hook) = hooks.find(|hook| hook.number == number) {
            hook.answer = answer;
        }
    }

    /// The oldest first.
    pub fn hooks(&self) -> impl DoubleEndedIterator<Item = &Hook> {
        self.hooks.iter()
    }
}

impl Hook {
    /// The event that it brings, without whose it is.
    pub fn event(&self) -> Value {
        let form = form_urlencoded::parse(self.body.as_bytes());
        let event = form.into_iter().find(|(name, _)| name == "jsonData");
        let event = event.map_or_else(|| self.body.clone(), |(_, event)| event.into_owned());
        let mut event = serde_json::from_str(&event).unwrap_or_default();
        if let Value::Object(fields) = &mut event {
            fields.retain(|name, _| !matches!(name.as_str(), "token" | "instanceName" | "userID"));
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        assert_eq!(
            signature("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_form_is_written_as_the_gateways_language_does() {
        assert_eq!(escaped("a b*~-_.+é"), "a+b%2A~-_.%2B%C3%A9");
    }
}
