//! Says when the incidents of sessions begin and end, and keeps those that have ended. Each step can be repeated, and whoever is
//! killed between two of them leaves the rest to the next minute.
use super::report::WatchedSession;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::Ward;
use crate::store::StoreError;
use crate::store::incidents::Incidents;
use crate::store::whatsapp_sessions::incident::Incident;
use crate::store::whatsapp_sessions::incidents::IncidentNews;
use crate::store::whatsapp_sessions::{SessionItem, SessionState, WhatsAppSessions};

/// Watches over the incidents.
#[derive(Clone, Debug)]
pub(super) struct IncidentWatch {
    sessions: WhatsAppSessions,
    past: Incidents,
}

/// Whether messages can be sent from a session, as a run has found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// They cannot, for that reason.
    Cannot(&'static str),
    /// They can, since then.
    Can(Timestamp),
    /// Nobody could see it.
    Unseen,
}

impl IncidentWatch {
    pub(super) fn new(backends: &Backends) -> Self {
        Self {
            sessions: WhatsAppSessions::of(backends),
            past: Incidents::new(backends),
        }
    }

    /// Does what is to be done for one session. A failure is logged: the next minute does the same again. A session that is well, and
    /// whose last incident is kept, costs no call.
    pub(super) async fn check(&self, ward: &Ward, watched: &WatchedSession, now: Timestamp) {
        if let Err(error) = self.try_to_check(ward, watched, now).await {
            tracing::error!(
                session = watched.name,
                error = &error as &dyn std::error::Error,
                "[WhatsApp System] an incident is not wholly recorded"
            );
        }
    }

    async fn try_to_check(
        &self,
        ward: &Ward,
        watched: &WatchedSession,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (name, mut item) = (ward.name(), ward.item().clone());
        let verdict = Verdict::of(watched, now);
        let is_open = item.incident.as_ref().is_some_and(Incident::is_open);
        if let (Verdict::Cannot(_), false) = (verdict, is_open) {
            let since = watched.since.unwrap_or(now);
            item = self.sessions.begin_incident(name, since).await?;
        }
        if let Some(incident) = item.incident.clone().filter(Incident::is_open) {
            let news = self.news(ward, &item, verdict).await?;
            if news.is_worth_telling(&incident) {
                item = self.sessions.tell_incident(name, &incident, &news).await?;
            }
        }
        match &item.incident {
            Some(incident) if incident.is_to_keep() => self.keep(name, incident).await,
            _ => Ok(()),
        }
    }

    /// What a run has seen of the incident of `item` that goes on.
    async fn news(
        &self,
        ward: &Ward,
        item: &SessionItem,
        verdict: Verdict,
    ) -> Result<IncidentNews, StoreError> {
        let Some(incident) = &item.incident else {
            return Ok(IncidentNews::default());
        };
        let gateway = self.sessions.read(ward.gateway()).await?;
        let (connects, connected) = incident.untold(&item.connects);
        let (restarts, restarted) = incident.untold(&gateway.restarts);
        Ok(IncidentNews {
            ended: match verdict {
                Verdict::Can(since) => Some(since.max(incident.began)),
                Verdict::Cannot(_) | Verdict::Unseen => None,
            },
            cause: match verdict {
                Verdict::Cannot(cause) => Some(cause),
                Verdict::Can(_) | Verdict::Unseen => None,
            },
            connects,
            restarts,
            tried_until: connected.max(restarted),
        })
    }

    async fn keep(&self, name: &str, incident: &Incident) -> Result<(), StoreError> {
        let Some(ended) = incident.ended else {
            return Ok(());
        };
        self.past.keep(name, incident, ended).await?;
        self.sessions.incident_is_kept(name, incident).await
    }
}

impl Verdict {
    /// A session that nothing is sent from misses no message.
    fn of(watched: &WatchedSession, now: Timestamp) -> Self {
        let since = watched.since.unwrap_or(now);
        if !watched.sends {
            return Self::Can(now);
        }
        if watched.usable {
            return match (watched.found.mute_since, watched.state) {
                (Some(_), _) => Self::Cannot("mute"),
                // To people that it has written to, and to nobody new.
                (None, Some(locked @ SessionState::ColdLocked)) => Self::Cannot(locked.as_str()),
                (None, _) => Self::Can(since),
            };
        }
        match watched.state.filter(|_| watched.seen) {
            Some(state) => Self::Cannot(SessionState::as_str(state)),
            None => Self::Unseen,
        }
    }
}

impl IncidentNews {
    fn is_worth_telling(&self, known: &Incident) -> bool {
        let is_new_cause = self.cause.is_some() && self.cause != known.latest_cause();
        self.ended.is_some() || is_new_cause || self.tried_until.is_some()
    }
}
