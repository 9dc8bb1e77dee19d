//! Whether a session posts its webhooks to its address here. Gateways lose that: with a new database, or a connect that names
//! no events.
use crate::gateway::WebhookSetup;
use crate::gateway::facts::missing_events;
use crate::model::keys::RingName;
use crate::model::webhook;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::Ward;
use crate::store::keys::KeyRing;
use crate::store::whatsapp_sessions::SessionState;

/// Whether a session posts its webhooks here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookCheck {
    /// It does.
    Ok,
    /// It did not, and was told to.
    Set,
    /// It does not, and could not be told to.
    Failed,
    /// Nobody knows: the address of the API is not set, nothing is sent from the session, or it did not answer.
    Unknown,
}

impl WebhookCheck {
    /// The word for it in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Set => "set",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Watches over the webhooks of the sessions.
#[derive(Clone, Debug)]
pub(in crate::flows) struct WebhookWatch {
    ring: KeyRing,
    /// The address of the API as it was configured. Nobody here can check it: a function on AWS may have no way to the API, and
    /// does not see what is in front of it.
    base_url: Option<String>,
}

impl WebhookWatch {
    pub(in crate::flows) fn new(backends: &Backends) -> Self {
        Self {
            ring: KeyRing::new(backends, RingName::Webhooks),
            base_url: backends.settings.public_base_url.clone(),
        }
    }

    /// Looks where the session of `ward` posts its webhooks, and sets that once if it is not here.
    pub(super) async fn check(&self, ward: &Ward, now: Timestamp) -> WebhookCheck {
        if !ward.sends || !can_answer(ward) {
            return WebhookCheck::Unknown;
        }
        let Some(address) = self.address(ward.name(), now).await else {
            return WebhookCheck::Unknown;
        };
        let Ok(setup) = ward.webhook().await else {
            return WebhookCheck::Unknown;
        };
        if is_set(&setup, &address) {
            return WebhookCheck::Ok;
        }
        let session = ward.name();
        match ward.set_webhook(&address).await {
            Ok(()) => {
                tracing::warn!(
                    session,
                    "[WhatsApp System] a session posted no webhooks here: it does now"
                );
                WebhookCheck::Set
            }
            Err(error) => {
                tracing::error!(
                    session,
                    error = %Chain(&error),
                    "[WhatsApp System] a session posts no webhooks here"
                );
                WebhookCheck::Failed
            }
        }
    }

    /// The address of the webhooks of `session`, where it is known.
    pub(in crate::flows) async fn address(&self, session: &str, now: Timestamp) -> Option<String> {
        let base_url = self.base_url.as_deref()?;
        match self.ring.get(now).await {
            Ok(ring) => Some(format!("{base_url}{}", webhook::path(&ring, session, now)?)),
            Err(error) => {
                tracing::error!(
                    error = %Chain(&error),
                    "[WhatsApp System] the keys of the webhooks are not known"
                );
                None
            }
        }
    }
}

/// Whether the gateway of the session of `ward` answers to its token.
fn can_answer(ward: &Ward) -> bool {
    let silent = [SessionState::Unreachable, SessionState::Misconfigured];
    let seen = ward.item().seen;
    seen.is_some_and(|seen| !silent.contains(&seen.state))
}

fn is_set(setup: &WebhookSetup, address: &str) -> bool {
    setup.address == address && missing_events(&setup.events).is_empty() && !setup.posts_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_set_when_it_has_its_address_and_the_events_that_matter() {
        for (case, address, events, expected) in [
            ("set", "here", &["Message", "ReadReceipt"][..], true),
            (
                "more",
                "here",
                &["ReadReceipt", "Message", "LoggedOut"],
                true,
            ),
            ("elsewhere", "there", &["Message", "ReadReceipt"], false),
            ("no address", "", &["Message", "ReadReceipt"], false),
            ("no events", "here", &[], false),
            ("no receipts", "here", &["Message"], false),
            (
                "everything",
                "here",
                &["Message", "ReadReceipt", "All"],
                false,
            ),
        ] {
            let setup = WebhookSetup {
                address: address.into(),
                events: events.iter().map(|event| (*event).to_owned()).collect(),
            };
            assert_eq!(is_set(&setup, "here"), expected, "{case}");
        }
    }
}
