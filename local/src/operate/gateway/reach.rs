//! Whether the gateway answers, over TLS; which version it is; and whether it takes the token.
use std::io;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::LOCATION;
use shared::gateway::{GatewayError, GatewayVersion, SessionStatus};

use super::checkup::{ANSWER_MAX, Checkup, said};
use super::http::client_trusting;
use super::unreached::{self, Trusted, Wrong};

/// The longest wait for the gateway's web server, which nothing holds up.
const FRONT_MAX: Duration = Duration::from_secs(3);

impl Checkup<'_, '_> {
    /// Whether the gateway can be asked anything.
    pub(super) async fn reach(&mut self) -> io::Result<bool> {
        let (Some(address), Some(token)) = (&self.target.address, &self.target.token) else {
            let found = "it is not known here";
            let fix = "Set WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN as the deployment has them";
            self.lines.wrong_with("gateway", found, fix)?;
            return Ok(false);
        };
        let over_tls = address.expose().starts_with("https:");
        let plain = address.is_plain_to_others();
        let front = self.target.gateway.front(token, FRONT_MAX);
        let (front, ms) = self.timed(front).await;
        let way = if over_tls { "over TLS" } else { "without TLS" };
        match front {
            Ok(status @ 502..=504) => {
                let found = format!("{way}, but a proxy answers {status} for it");
                let fix = "Start the gateway's process behind the proxy, and look at its log";
                self.lines.wrong_with("reachable", &found, fix)?;
                return Ok(false);
            }
            Ok(_) => self
                .lines
                .good("reachable", &format!("{way}, in {ms} ms"))?,
            Err(error) => {
                let fix = unreached::fix(&error, self.trusted());
                self.lines.wrong_with("reachable", &said(&error), fix)?;
                return Ok(false);
            }
        }
        if plain {
            let found = "none, and it is another machine: whoever listens on the way reads the token and the codes";
            let fix = "Put TLS in front of the gateway and use https://, or keep the way inside of a private network";
            self.lines.warn("TLS", found, fix)?;
        }
        Ok(true)
    }

    /// The session's status, if the gateway takes the token.
    pub(super) async fn ask_status(&mut self) -> io::Result<Option<SessionStatus>> {
        let Some(token) = self.target.token.clone() else {
            return Ok(None);
        };
        let status = self.target.gateway.status(&token, ANSWER_MAX);
        let (status, ms) = self.timed(status).await;
        match status {
            Ok(status) => {
                self.lines.good("version", version(status.version))?;
                let found = format!("taken; the session's status came in {ms} ms");
                self.lines.good("token", &found)?;
                Ok(Some(status))
            }
            Err(error) => {
                self.tell_no_status(&error).await?;
                Ok(None)
            }
        }
    }

    async fn tell_no_status(&mut self, error: &GatewayError) -> io::Result<()> {
        let leads_to = match error {
            GatewayError::Proxy {
                status: 300..=399, ..
            } => self.leads_to().await,
            _ => None,
        };
        let token_fix = self.target.token_fix();
        let Wrong { what, found, fix } = unreached::without_status(error, token_fix, leads_to);
        self.lines.wrong_with(what, &found, &fix)
    }

    /// Scheme and host of the address that the gateway's URL leads to. This asks without the token.
    async fn leads_to(&self) -> Option<String> {
        let address = self.target.address.as_ref()?.expose();
        let client = client_trusting(self.backends.settings.gateway_ca_pem.as_deref())?;
        let asked = Url::parse(&format!("{address}/session/status")).ok()?;
        let request = client.get(asked.clone()).timeout(ANSWER_MAX);
        let answer = request.send().await.ok()?;
        let leads_to = answer.headers().get(LOCATION)?.to_str().ok()?;
        let leads_to = asked.join(leads_to).ok()?;
        let port = leads_to.port().map(|port| format!(":{port}"));
        let (scheme, host) = (leads_to.scheme(), leads_to.host_str()?);
        Some(format!("{scheme}://{host}{}", port.unwrap_or_default()))
    }

    /// Whom this check trusts.
    fn trusted(&self) -> Trusted {
        match self.backends.settings.gateway_ca_pem {
            Some(_) => Trusted::Own,
            None => Trusted::Public,
        }
    }
}

/// What is known of a version by its answers. What sets it apart: docs/gateway.md.
const fn version(version: GatewayVersion) -> &'static str {
    match version {
        GatewayVersion::Spring2025 => {
            "answers like wuzapi of spring 2025; one of 2026 survives more: docs/gateway.md, \"Which versions\""
        }
        GatewayVersion::V101 => {
            "answers like 1.0.1 of August 2025; one of 2026 survives more: docs/gateway.md, \"Which versions\""
        }
        GatewayVersion::Since105 => "answers like 1.0.5 or newer",
        GatewayVersion::GuardsStart => {
            "answers like a fork of 1.0.6 that guards the start of sessions: give it a restart hook"
        }
    }
}
