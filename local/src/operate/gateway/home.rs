//! Where the webhooks of a session should go, and whether this system answers there.
//!
//! The address holds a secret. So the host is asked without it first, and hears it only once it has answered like this API.
use std::io;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::super::webhook_url;
use super::checkup::{ANSWER_MAX, Checkup};
use super::http::client_trusting;

/// What the lines about it are called.
const WHAT: &str = "webhook's address";
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where the webhooks of a session should go.
#[derive(Default)]
pub(super) struct Home {
    /// The path below the address of the API.
    pub(super) path: Option<String>,
    /// The whole address, where the API's own is known.
    pub(super) address: Option<Address>,
}

/// The address of a session's webhooks.
pub(super) struct Address {
    /// The address of the API.
    base: String,
    /// The whole address.
    pub(super) whole: String,
    /// Whether this system has answered there.
    pub(super) is_ours: bool,
}

/// Why webhooks that are posted to the address do not get here.
enum Trouble {
    /// No answer came.
    Silent(&'static str),
    /// Something else answers, with this HTTP status.
    Stranger(u16),
    /// A deployment with other keys answers.
    OtherKeys,
    /// It is this deployment, and it wants another signature.
    OtherSignature,
}

impl Trouble {
    fn found(&self) -> String {
        match self {
            Self::Silent(why) => (*why).to_owned(),
            Self::Stranger(status) => format!("it answers {status}, and not as this API does"),
            Self::OtherKeys => "the API there does not know it".to_owned(),
            Self::OtherSignature => "the API there wants another signature".to_owned(),
        }
    }

    const fn fix(&self) -> &'static str {
        match self {
            Self::Silent(_) | Self::Stranger(_) => {
                "Set PUBLIC_BASE_URL to the address of the API that others see, and look at what stands in front of it"
            }
            Self::OtherKeys => {
                "Check the deployment that PUBLIC_BASE_URL leads to: its keys are others (--stack, AWS_ENDPOINT_URL_DYNAMODB)"
            }
            Self::OtherSignature => {
                "Set WHATSAPP_WEBHOOK_HMAC_KEY here as the deployment has it, and give the gateway the same"
            }
        }
    }
}

impl Checkup<'_, '_> {
    /// Where the webhooks should go, as far as that is known, and a line that says whether this system answers there.
    pub(super) async fn home(&mut self) -> io::Result<Home> {
        let mut home = self.known_home().await?;
        let Some(address) = &mut home.address else {
            let why = if self.target.name.is_some() {
                "PUBLIC_BASE_URL is not set"
            } else {
                "it is known of a session of the deployment"
            };
            self.lines.left_out(WHAT, why)?;
            return Ok(home);
        };
        let (answered, ms) = self.timed(self.ask(address)).await;
        address.is_ours = matches!(answered, Ok(()) | Err(Trouble::OtherSignature));
        match answered {
            Ok(()) => self
                .lines
                .good(WHAT, &format!("answers from here, in {ms} ms"))?,
            Err(trouble) => self
                .lines
                .wrong_with(WHAT, &trouble.found(), trouble.fix())?,
        }
        Ok(home)
    }

    async fn known_home(&mut self) -> io::Result<Home> {
        let Some(name) = &self.target.name else {
            return Ok(Home::default());
        };
        let base = self.backends.settings.public_base_url.clone();
        match webhook_url::path(self.backends, name).await {
            Ok(path) => Ok(Home {
                address: base.map(|base| Address {
                    whole: format!("{base}{path}"),
                    base,
                    is_ours: false,
                }),
                path: Some(path),
            }),
            Err(error) => {
                let fix = "`keys make` makes the key that is missing";
                self.lines.wrong_with(WHAT, &format!("{error:#}"), fix)?;
                Ok(Home::default())
            }
        }
    }

    /// Asks the API at `address`: first whether it is one, and then whether it takes the session's webhooks.
    async fn ask(&self, address: &Address) -> Result<(), Trouble> {
        let client =
            client_trusting(None).ok_or(Trouble::Silent("there is no TLS on this machine"))?;
        let health = client.get(format!("{}/api/health", address.base));
        let (status, said) = answer(health).await?;
        if status != 200 || said["success"] != true || said["data"]["status"] != "up" {
            return Err(Trouble::Stranger(status));
        }
        let (status, said) = answer(self.empty_event(&client, &address.whole)).await?;
        match (status, said["error"].as_str()) {
            (200, None) if said["success"] == true => Ok(()),
            (401, Some("UNKNOWN_WEBHOOK")) => Err(Trouble::OtherKeys),
            (401, Some("INVALID_WEBHOOK_SIGNATURE")) => Err(Trouble::OtherSignature),
            (status, _) => Err(Trouble::Stranger(status)),
        }
    }

    /// The post of an event that means nothing.
    fn empty_event(&self, client: &Client, address: &str) -> RequestBuilder {
        let body = json!({"type": "GatewayCheck", "event": {}}).to_string();
        let mut post = client
            .post(address)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.backends.settings.webhook_key {
            post = post.header("x-hmac-signature", key.signature_of(body.as_bytes()));
        }
        post.body(body)
    }
}

/// Sends `request`. Returns the status of the answer, and its JSON if it has some.
async fn answer(request: RequestBuilder) -> Result<(u16, Value), Trouble> {
    let answer = request.timeout(ANSWER_MAX).send().await;
    let answer = answer.map_err(|error| {
        Trouble::Silent(if error.is_timeout() {
            "no answer came in time"
        } else {
            "it cannot be reached from here"
        })
    })?;
    let status = answer.status().as_u16();
    let body = body(answer).await.unwrap_or_default();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// The body, if all of it came and it is short enough.
async fn body(mut answer: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return None;
        }
    }
    Some(body)
}
