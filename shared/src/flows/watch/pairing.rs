//! Calls for whoever holds the phone of a session that needs pairing: a chat gets a link to its QR code. The link is in no log, no
//! metric and no mail.
use std::time::Duration;

use super::report::{NeedsHuman, WatchedSession};
use crate::flows::admin::audit::Who;
use crate::flows::admin::pairing_links::PairingLinks;
use crate::gateway::chat::ChatHook;
use crate::model::caller::Caller;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::Ward;
use crate::store::StoreError;
use crate::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

/// The least distance of two calls for one session: the life of a link.
const CALLS_APART: Duration = Duration::from_secs(15 * 60);

/// While nobody comes, the call is made again after this.
const CALLS_AGAIN: Duration = Duration::from_secs(6 * 60 * 60);

/// What calls are made with. Nothing where no chat, or no address of this site, is known.
#[derive(Clone, Debug)]
pub(super) struct PairingCalls {
    chat: Option<(ChatHook, String)>,
    stack: String,
    sessions: WhatsAppSessions,
    links: PairingLinks,
}

impl PairingCalls {
    pub(super) fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        let (hook, base) = (&settings.pairing_hook, &settings.public_base_url);
        Self {
            chat: hook.clone().zip(base.clone()),
            stack: settings
                .stack_name
                .clone()
                .unwrap_or_else(|| "whatsapp-messages".into()),
            sessions: WhatsAppSessions::of(backends),
            links: PairingLinks::new(backends),
        }
    }

    /// Makes the call for a session that needs pairing, unless it was made. A failure is logged: two minutes later it is made again.
    pub(super) async fn check(&self, ward: &Ward, watched: &WatchedSession, now: Timestamp) {
        let needs_pairing = watched.needs_human == Some(NeedsHuman::Pairing) && watched.seen;
        let Some((hook, base)) = self
            .chat
            .as_ref()
            .filter(|_| needs_pairing && watched.sends)
        else {
            return;
        };
        if !is_due(ward.item(), now) {
            return;
        }
        if let Err(error) = self.call(ward, (hook, base), now).await {
            tracing::error!(
                session = watched.name,
                error = &error as &dyn std::error::Error,
                "[WhatsApp System] nobody was called for a pairing"
            );
        }
    }

    async fn call(
        &self,
        ward: &Ward,
        (hook, base): (&ChatHook, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let name = ward.name();
        let is_ours = self
            .sessions
            .claim_pairing_call(name, ward.item(), now)
            .await?;
        if !is_ours {
            return Ok(());
        }
        let caller = Caller::with_iam("session-monitor", now.plus(CALLS_APART));
        let link = self.links.make(name, Who::Monitor, (&caller, now)).await?;
        let url = format!("{}{}", base.trim_end_matches('/'), link.path());
        let text = format!(
            "{}: the WhatsApp session {name} needs pairing. Open this with its phone at hand, and scan: {url} (once, within 15 minutes)",
            self.stack
        );
        match hook.post(&text).await {
            Ok(()) => self.sessions.record_pairing_call(name, now).await,
            Err(error) => {
                tracing::error!(
                    session = name,
                    error = %Chain(&error),
                    "[WhatsApp System] the chat was not told of a pairing"
                );
                Ok(())
            }
        }
    }
}

/// Whether somebody is to be called for the session of `item`: for each incident, and again while it lasts.
fn is_due(item: &SessionItem, now: Timestamp) -> bool {
    let Some(called) = item.pairing_called else {
        return true;
    };
    let began = item.incident.as_ref().map(|incident| incident.began);
    let is_new = began.is_some_and(|began| called < began);
    let apart = if is_new { CALLS_APART } else { CALLS_AGAIN };
    now.since(called) >= apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_called_for_each_incident_and_again_after_hours() {
        let now = Timestamp::from_seconds(1_795_000_000);
        let called = |minutes: u64| SessionItem {
            pairing_called: Some(now.minus(Duration::from_secs(60 * minutes))),
            ..SessionItem::default()
        };
        assert!(is_due(&SessionItem::default(), now), "never");
        for (minutes, due) in [(1, false), (15, false), (359, false), (360, true)] {
            assert_eq!(is_due(&called(minutes), now), due, "{minutes} minutes ago");
        }
    }
}
