//! Which sessions are checked: one by its URL, one by its name, or all.
use std::path::Path;

use anyhow::Context;
use shared::gateway::{GatewayAddress, SessionToken};
use shared::runtime::Backends;
use shared::runtime::settings::SYSTEM_SESSION;
use shared::store::session_list::{ListedSession, SessionListChanges};
use shared::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

use super::super::secret_file;
use super::advice::Record;
pub(super) use super::checkup::Target;

impl Target {
    /// What stands above its lines.
    pub(super) fn head(&self) -> String {
        let host = self.address.as_ref().map(GatewayAddress::host);
        let host = host.unwrap_or_else(|| "an unknown gateway".into());
        match &self.name {
            Some(name) if self.sends => format!("{name} on {host}"),
            Some(name) => format!("{name} on {host}, which nothing is sent from"),
            None => host,
        }
    }

    /// What is known of it beside what its gateway says.
    pub(super) fn record(&self) -> Record<'_> {
        Record {
            item: self.item.as_ref(),
            is_tended: self.name.is_some() && self.sends,
        }
    }

    /// How another token is given.
    pub(super) fn token_fix(&self) -> String {
        let known = "Put the token there that the gateway has for the session, docs/gateway.md, \"A session and its token\"";
        match self.name.as_deref() {
            None => {
                format!("Give another file with --token, or another WHATSAPP_USER_TOKEN. {known}")
            }
            Some(SYSTEM_SESSION) => format!("Set WHATSAPP_USER_TOKEN right. {known}"),
            Some(name) => {
                format!("Give its token with `sessions set {name} --token FILE`. {known}")
            }
        }
    }
}

/// The session at `url`, with the token that is in a file, or in the environment.
pub(super) fn at(
    backends: &Backends,
    url: &GatewayAddress,
    token: Option<&Path>,
) -> anyhow::Result<Target> {
    let token = match token {
        Some(file) => SessionToken::new(secret_file::read(file, "the session's token")?),
        None => {
            let mut configured = backends.settings.sessions.iter();
            let configured = configured.next().map(|session| session.token.clone());
            configured.context(
                "give the session's token in a file with --token, or as WHATSAPP_USER_TOKEN",
            )?
        }
    };
    Ok(Target {
        name: None,
        token: Some(token),
        address: Some(url.clone()),
        gateway: backends.gateway.elsewhere(url),
        sends: true,
        item: None,
    })
}

/// The session called `name`, if there is one.
pub(super) async fn named(backends: &Backends, name: &str) -> anyhow::Result<Vec<Target>> {
    let mut found = every(backends).await?;
    if name == SYSTEM_SESSION && !found.iter().any(|target| is_called(target, name)) {
        found.push(system(backends, SessionItem::default()));
    }
    found.retain(|target| is_called(target, name));
    Ok(found)
}

fn is_called(target: &Target, name: &str) -> bool {
    target.name.as_deref() == Some(name)
}

/// Every session: the configured one and those of the list.
pub(super) async fn every(backends: &Backends) -> anyhow::Result<Vec<Target>> {
    let items = WhatsAppSessions::of(backends);
    let item = items.read(SYSTEM_SESSION).await?;
    let is_configured = !backends.settings.sessions.is_empty() || item != SessionItem::default();
    let mut found: Vec<_> = is_configured
        .then(|| system(backends, item))
        .into_iter()
        .collect();
    for listed in SessionListChanges::new(backends).read().await?.sessions {
        let item = items.read(&listed.session.name).await?;
        found.push(of_list(backends, listed, item));
    }
    Ok(found)
}

/// The session of `WHATSAPP_USER_TOKEN`. A deployed stack has its token, and whoever checks it may not.
fn system(backends: &Backends, item: SessionItem) -> Target {
    let session = backends.settings.sessions.first();
    Target {
        name: Some(SYSTEM_SESSION.to_owned()),
        token: session.map(|session| session.token.clone()),
        address: configured_address(backends),
        gateway: backends.gateway.clone(),
        sends: true,
        item: Some(item),
    }
}

fn of_list(backends: &Backends, listed: ListedSession, item: SessionItem) -> Target {
    let ListedSession { session, sends } = listed;
    let gateway = match &session.gateway {
        Some(address) => backends.gateway.elsewhere(address),
        None => backends.gateway.clone(),
    };
    Target {
        name: Some(session.name),
        token: Some(session.token),
        address: session.gateway.or_else(|| configured_address(backends)),
        gateway,
        sends,
        item: Some(item),
    }
}

fn configured_address(backends: &Backends) -> Option<GatewayAddress> {
    let url = backends.settings.gateway_url.as_deref();
    url.and_then(GatewayAddress::parse)
}
