//! Whether the session's webhooks get here: set, with the events that count, to the address here, and signed as this system
//! wants it.
use std::io;

use shared::gateway::facts::missing_events;
use shared::gateway::{GatewayVersion, SessionStatus, WebhookSetup};

use super::checkup::{ANSWER_MAX, Checkup, said};
use super::home::{Address, Home};

/// What a line about it is called.
const WEBHOOK: &str = "webhook";
/// How much is told of the list of events.
const EVENTS_CHARS_MAX: usize = 500;

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
                let events: String = setup
                    .events
                    .join(", ")
                    .chars()
                    .take(EVENTS_CHARS_MAX)
                    .collect();
                self.lines
                    .good(WEBHOOK, &format!("set {here} {host}, for {events}"))?;
            }
            Err(found) => {
                let fix = self.set_fix(&home);
                self.lines.wrong_with(WEBHOOK, &found, &fix)?;
            }
        }
        Ok(posts_here)
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
            } => setup.address == address.whole,
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
            (Some(_), Some(Address { is_ours: false, .. })) => {
                "Set PUBLIC_BASE_URL right first, and then the webhook with --set-webhook".into()
            }
            (Some(name), Some(_)) => format!("Set it with `gateway check {name} --set-webhook`"),
            (Some(_), None) => {
                "Set PUBLIC_BASE_URL, and then the webhook with --set-webhook".into()
            }
            (None, _) => "Set it as docs/gateway.md says, \"Its webhooks\"".into(),
        }
    }

    /// Sets the webhook, if this system answers at its address. Answers how it is then.
    async fn set_webhook(
        &mut self,
        home: &Home,
        status: &SessionStatus,
        fault: Result<WebhookSetup, String>,
    ) -> io::Result<Result<WebhookSetup, String>> {
        let (Some(address), Some(token)) = (&home.address, self.target.token.clone()) else {
            return Ok(fault);
        };
        if !address.is_ours {
            let why = "nothing was changed, for this system does not answer at the address here";
            self.lines.left_out(WEBHOOK, why)?;
            return Ok(fault);
        }
        if self.orders.dry_run {
            self.lines
                .left_out(WEBHOOK, "it would be set, were this no dry run")?;
            return Ok(fault);
        }
        let gateway = &self.target.gateway;
        let set = gateway.set_webhook(&token, &address.whole, ANSWER_MAX);
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
