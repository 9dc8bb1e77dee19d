//! Whether the session's webhooks get here: set, with the events that count, to an address that answers, and signed as this
//! system wants it.
use std::io;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use serde_json::{Value, json};
use shared::gateway::facts::missing_events;
use shared::gateway::{GatewayVersion, SessionStatus, WebhookSetup};
use shared::platform::tls;

use super::super::webhook_url;
use super::checkup::{ANSWER_MAX, Checkup, said};

/// What a line about it is called.
const WEBHOOK: &str = "webhook";

/// Where the webhooks of a session should go.
#[derive(Default)]
struct Home {
    /// The path below the address of the API.
    path: Option<String>,
    /// The whole address.
    address: Option<String>,
}

impl Checkup<'_, '_> {
    /// Says whether the webhooks get here. Answers whether the session posts them here.
    pub(super) async fn webhook(&mut self, status: &SessionStatus) -> io::Result<bool> {
        let home = self.home().await?;
        let mut fault = self.fault(&home, status).await;
        if fault.is_err() && self.orders.set_webhook {
            fault = self.set_webhook(&home, status, fault).await?;
        }
        let posts_here = fault.is_ok() && home.path.is_some();
        match fault {
            Ok(setup) => {
                let host = setup.host().unwrap_or_default();
                let here = if posts_here { "here, to" } else { "to" };
                let events = setup.events.join(", ");
                self.lines
                    .good(WEBHOOK, &format!("set {here} {host}, for {events}"))?;
            }
            Err(found) => {
                let fix = self.set_fix(&home);
                self.lines.wrong_with(WEBHOOK, &found, &fix)?;
            }
        }
        self.comes_back(&home).await?;
        Ok(posts_here)
    }

    /// Where the webhooks should go, as far as that is known.
    async fn home(&mut self) -> io::Result<Home> {
        let Some(name) = &self.target.name else {
            return Ok(Home::default());
        };
        let base = self.backends.settings.public_base_url.as_deref();
        match webhook_url::path(self.backends, name).await {
            Ok(path) => Ok(Home {
                address: base.map(|base| format!("{base}{path}")),
                path: Some(path),
            }),
            Err(error) => {
                let fix = "`keys make` makes the key that is missing";
                self.lines
                    .wrong_with("webhook's address", &format!("{error:#}"), fix)?;
                Ok(Home::default())
            }
        }
    }

    /// How the webhook is set, or what is wrong with it.
    async fn fault(&self, home: &Home, status: &SessionStatus) -> Result<WebhookSetup, String> {
        let token = self.target.token.as_ref().ok_or("its token is not known")?;
        let setup = self.target.gateway.webhook(token, ANSWER_MAX).await;
        let setup = setup.map_err(|error| said(&error))?;
        let Some(host) = setup.host() else {
            return Err("there is none, so nobody knows which messages arrive".into());
        };
        let is_home = match home {
            Home {
                address: Some(address),
                ..
            } => setup.address == *address,
            Home {
                path: Some(path), ..
            } => setup.address.ends_with(path),
            Home { .. } => true,
        };
        if !is_home {
            return Err(format!(
                "it goes to {host}, and not to this session's address here"
            ));
        }
        let missing = missing_events(&setup.events);
        if !missing.is_empty() {
            return Err(format!(
                "it goes to {host} without {}",
                missing.join(" and ")
            ));
        }
        if setup.posts_all() {
            return Err(
                "it posts `All` events, and 1.0.1 ends its process over one of them".into(),
            );
        }
        let says_what_it_posts = status.version != GatewayVersion::Spring2025;
        if says_what_it_posts && !missing_events(&status.events).is_empty() {
            return Err("its events are listed and not posted: a connect or a webhook without events does that".into());
        }
        Ok(setup)
    }

    fn set_fix(&self, home: &Home) -> String {
        match (&self.target.name, &home.address) {
            (Some(name), Some(_)) => format!("Set it with `gateway check {name} --set-webhook`"),
            (Some(_), None) => {
                "Set PUBLIC_BASE_URL, and then the webhook with --set-webhook".into()
            }
            (None, _) => "Set it as docs/gateway.md says, \"Its webhooks\"".into(),
        }
    }

    /// Sets the webhook. Answers how it is then.
    async fn set_webhook(
        &mut self,
        home: &Home,
        status: &SessionStatus,
        fault: Result<WebhookSetup, String>,
    ) -> io::Result<Result<WebhookSetup, String>> {
        let (Some(address), Some(token)) = (&home.address, self.target.token.clone()) else {
            return Ok(fault);
        };
        if self.orders.dry_run {
            self.lines
                .left_out(WEBHOOK, "it would be set, were this no dry run")?;
            return Ok(fault);
        }
        let set = self.target.gateway.set_webhook(&token, address, ANSWER_MAX);
        if let Err(error) = set.await {
            return Ok(Err(format!("it could not be set: {}", said(&error))));
        }
        let at_next_connect = status.version == GatewayVersion::Spring2025;
        let note = if at_next_connect {
            "it was set; its events count from the next connect on"
        } else {
            "it was set"
        };
        self.lines.good(WEBHOOK, note)?;
        let status = self.status_again(status.clone()).await;
        Ok(self.fault(home, &status).await)
    }

    /// Posts an event that means nothing to the session's address here.
    async fn comes_back(&mut self, home: &Home) -> io::Result<()> {
        const WHAT: &str = "webhook's address";
        let Some(address) = &home.address else {
            let why = if self.target.name.is_some() {
                "PUBLIC_BASE_URL is not set"
            } else {
                "it is known of a session of the deployment"
            };
            return self.lines.left_out(WHAT, why);
        };
        let (posted, ms) = self.timed(self.post_nothing(address)).await;
        let check_base = "Set PUBLIC_BASE_URL to the address of the API that others see, and look at what stands in front of it";
        let (found, fix) = match posted {
            Ok((200, _)) => {
                return self
                    .lines
                    .good(WHAT, &format!("answers from here, in {ms} ms"));
            }
            Ok((401, code)) if code == "UNKNOWN_WEBHOOK" => (
                "the API there does not know it".to_owned(),
                "Check the deployment that PUBLIC_BASE_URL leads to: its keys are others (--stack, AWS_ENDPOINT_URL_DYNAMODB)",
            ),
            Ok((401, code)) if code == "INVALID_WEBHOOK_SIGNATURE" => (
                "the API there wants another signature".to_owned(),
                "Set WHATSAPP_WEBHOOK_HMAC_KEY here as the deployment has it, and give the gateway the same",
            ),
            Ok((status, _)) => (format!("it answers {status}"), check_base),
            Err(why) => (why, check_base),
        };
        self.lines.wrong_with(WHAT, &found, fix)
    }

    /// The status of the answer, and its error code if it has one.
    async fn post_nothing(&self, address: &str) -> Result<(u16, String), String> {
        let body = json!({"type": "GatewayCheck", "event": {}}).to_string();
        let client = client().ok_or("there is no TLS on this machine")?;
        let mut post = client
            .post(address)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.backends.settings.webhook_key {
            post = post.header("x-hmac-signature", key.signature_of(body.as_bytes()));
        }
        let answer = post.body(body).timeout(ANSWER_MAX).send().await;
        let answer = answer.map_err(|error| {
            let why = if error.is_timeout() {
                "no answer came in time"
            } else {
                "it cannot be reached from here"
            };
            why.to_owned()
        })?;
        let status = answer.status().as_u16();
        let said: Value = answer.json().await.unwrap_or_default();
        Ok((
            status,
            said["error"].as_str().unwrap_or_default().to_owned(),
        ))
    }

    /// Whether webhooks are signed as this system wants it.
    pub(super) fn signature(&mut self, status: &SessionStatus) -> io::Result<()> {
        const WHAT: &str = "signature";
        let is_wanted = self.backends.settings.webhook_key.is_some();
        match (status.signs_webhooks, is_wanted) {
            _ if self.target.name.is_none() => {
                let signs = status.signs_webhooks == Some(true);
                let found = if signs { "the session has a key" } else { "the session has no key" };
                self.lines.good(WHAT, found)
            }
            (Some(true), true) => self.lines.good(WHAT, "both sides have a key; a receipt shows whether it is the same"),
            (Some(false), true) => self.lines.warn(
                WHAT,
                "the session has no key of its own, and what is not signed is refused here",
                "Give it WHATSAPP_WEBHOOK_HMAC_KEY (docs/gateway.md, \"Its webhooks\", step 4), unless \
                 WUZAPI_GLOBAL_HMAC_KEY is set there",
            ),
            (None, true) => self.lines.wrong_with(
                WHAT,
                "this version signs nothing, and what is not signed is refused here",
                "Leave WHATSAPP_WEBHOOK_HMAC_KEY out, or update the gateway",
            ),
            (Some(true), false) => self.lines.warn(
                WHAT,
                "the session signs its webhooks, and no key is set here to check them with",
                "Set WHATSAPP_WEBHOOK_HMAC_KEY to the session's key",
            ),
            (_, false) => self.lines.good(WHAT, "none; the address of the webhooks is secret"),
        }
    }
}

/// A client that trusts the public authorities.
fn client() -> Option<Client> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls::trusting(None)?)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build();
    client.ok()
}
