//! Whether the gateway answers, over TLS; which version it is; and whether it takes the token.
use std::io;
use std::time::Duration;

use shared::gateway::{GatewayError, GatewayVersion, SessionStatus};

use super::checkup::{ANSWER_MAX, Checkup, said};

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
                self.lines
                    .wrong_with("reachable", &said(&error), fix_of(&error))?;
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
                self.tell_no_status(&error)?;
                Ok(None)
            }
        }
    }

    fn tell_no_status(&mut self, error: &GatewayError) -> io::Result<()> {
        let said = said(error);
        let (what, found, fix) = match error {
            GatewayError::Refused { status, .. } | GatewayError::Proxy { status, .. }
                if matches!(status, 401 | 403) =>
            {
                (
                    "token",
                    format!("it is refused: {said}"),
                    self.target.token_fix(),
                )
            }
            GatewayError::Refused { status: 404, .. } | GatewayError::Proxy { status: 404, .. } => {
                (
                    "version",
                    format!("there is no wuzapi at this URL: {said}"),
                    "Give the base URL of wuzapi, with its path if it has one behind a proxy"
                        .into(),
                )
            }
            GatewayError::TimedOut => (
                "status",
                format!("{said}, as while a session dials WhatsApp in vain"),
                "Look whether the gateway's machine reaches WhatsApp, and check again".into(),
            ),
            _ => (
                "status",
                said,
                "Look at the gateway's log: its database may be down".into(),
            ),
        };
        self.lines.wrong_with(what, &found, &fix)
    }
}

fn fix_of(error: &GatewayError) -> &'static str {
    match error {
        GatewayError::Unreachable(cause) if cause.contains("certificate") => {
            "Set WHATSAPP_CA_PEM to the authority of its certificate, or have it signed by a public one"
        }
        GatewayError::TimedOut => {
            "Restart the gateway's process, or what stands in front of it: it takes connections and answers none"
        }
        _ => "Check the URL, whether the gateway's process runs, and the firewall on the way",
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
