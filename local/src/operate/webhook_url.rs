//! Prints the address that the gateway posts a session's webhooks to.
use anyhow::{Context, ensure};
use shared::model::keys::RingName;
use shared::model::webhook;
use shared::runtime::Backends;
use shared::runtime::settings::SYSTEM_SESSION;
use shared::store::keys::KeyRing;
use shared::store::session_list::SessionListChanges;

use super::work::Work;

/// Prints the address.
pub(super) async fn run(work: Work<'_>, session: &str) -> anyhow::Result<()> {
    let list = SessionListChanges::new(work.backends).read().await?;
    let mut listed = list.sessions.iter();
    let known = listed.any(|listed| listed.session.name == session) || session == SYSTEM_SESSION;
    ensure!(
        known,
        "there is no session `{session}`: `sessions list` shows them"
    );
    let path = path(work.backends, session).await?;
    work.print_address(&path)
}

/// The path of the address.
///
/// # Errors
/// When the store fails, or there is no key.
pub async fn path(backends: &Backends, session: &str) -> anyhow::Result<String> {
    let now = backends.clock.now();
    let ring = KeyRing::new(backends, RingName::Webhooks).read(now).await?;
    webhook::path(&ring, session, now).context("no key of the ring `webhooks` is in use yet")
}
