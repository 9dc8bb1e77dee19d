//! An incoming hook of a chat: what is posted to it stands in the chat. Slack, Mattermost, Rocket.Chat and Google Chat take the same
//! JSON, and Discord does at an address that ends with `/slack`.
use std::fmt;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect, retry};
use serde_json::json;

use crate::platform::tls;

/// The longest wait for a connection, TLS included, and for the whole answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a hook, which is a secret: whoever has it writes into the chat.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatHook(String);

impl ChatHook {
    /// The hook at `address`.
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// Posts `text` into the chat, once.
    ///
    /// # Errors
    /// When the chat does not take it, as far as is known. No error names the address or the text.
    pub async fn post(&self, text: &str) -> Result<(), ChatError> {
        let request = client()?
            .post(&self.0)
            .header(CONTENT_TYPE, "application/json")
            .timeout(ANSWER_TIMEOUT)
            .body(json!({ "text": text }).to_string());
        let response = request.send().await;
        let response = response.map_err(|error| ChatError::NoAnswer(error.without_url()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(ChatError::Refused(status.as_u16())),
        }
    }
}

impl fmt::Debug for ChatHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatHook(****)")
    }
}

/// Why a chat did not take a text.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// There is no client to post with.
    #[error("no HTTP client")]
    NoClient,
    /// Nobody has answered.
    #[error("the chat's hook did not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The hook answered with this status.
    #[error("the chat's hook answered {0}")]
    Refused(u16),
}

/// As for the gateway, no idle connection is kept: that of a frozen function is dead.
fn client() -> Result<Client, ChatError> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls::trusting(None).ok_or(ChatError::NoClient)?)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_proxy();
    client
        .build()
        .map_err(|error| ChatError::NoAnswer(error.without_url()))
}
