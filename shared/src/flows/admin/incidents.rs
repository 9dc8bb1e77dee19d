//! Each time messages could not be sent from a session, for operators: what goes on, and what has ended.
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::incidents::Incidents;
pub use crate::store::incidents::{IncidentKey, PastIncident};
pub use crate::store::whatsapp_sessions::incident::{Incident, Missed};

/// How many incidents a page has at most.
pub const INCIDENTS_PER_PAGE: usize = 50;

/// Incidents that have ended, the latest first.
#[derive(Debug)]
pub struct IncidentsPage {
    /// The incidents.
    pub past: Vec<PastIncident>,
    /// Where older ones begin, if there may be any.
    pub older: Option<IncidentKey>,
}

/// The incidents, for operators.
#[derive(Clone, Debug)]
pub struct AdminIncidents {
    past: Incidents,
}

impl AdminIncidents {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            past: Incidents::new(backends),
        }
    }

    /// The last ones that ended, of those that began before `before`. One that goes on again after its end is not among them while
    /// `current` has it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn page(
        &self,
        before: Option<&IncidentKey>,
        current: &[CurrentIncident],
        now: Timestamp,
    ) -> Result<IncidentsPage, StoreError> {
        let most = i32::try_from(INCIDENTS_PER_PAGE).unwrap_or(i32::MAX);
        let mut past = self.past.page(before, most, now).await?;
        let last = past.last().filter(|_| past.len() >= INCIDENTS_PER_PAGE);
        let older = last.map(|last| last.key.clone());
        let goes_on = |one: &PastIncident| current.iter().any(|current| current.is(one));
        past.retain(|one| !goes_on(one));
        Ok(IncidentsPage { past, older })
    }
}

/// An incident that goes on.
#[derive(Clone, Debug)]
pub struct CurrentIncident {
    /// The session that nothing can be sent from.
    pub session: String,
    /// The incident.
    pub incident: Incident,
}

impl CurrentIncident {
    fn is(&self, past: &PastIncident) -> bool {
        self.session == past.session && self.incident.began == past.began
    }
}
