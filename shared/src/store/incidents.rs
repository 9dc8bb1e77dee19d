//! The table of incidents that have ended: each time messages could not be sent from a session. They are kept for
//! [`INCIDENT_LIFE`](crate::store::incidents::INCIDENT_LIFE). One that goes on is in the item of its session.
//!
//! Attributes: `list` (key: `past`), `id` (range key: when it began with milliseconds, then the session), `ended` (milliseconds),
//! `cause`, `last_cause`, `connects`, `restarts`, eight counters as in the item of the session, `rev`, and `expires_at` (TTL, seconds; every read
//! tests it).
use std::time::Duration;

use aws_sdk_dynamodb::Client;

use super::whatsapp_sessions::incident::{Incident, Missed, MissedKind};
use super::{Fields, Item, StoreError, condition_failed, number, retrying_conflicts, text};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How long an incident is kept after its end.
pub const INCIDENT_LIFE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

const PAST: &str = "past";

/// The place of an incident among all: when it began, and its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentKey(String);

impl IncidentKey {
    /// That of an incident of `session`.
    pub fn new(began: Timestamp, session: &str) -> Self {
        let time = began.rfc3339();
        let seconds = time.trim_end_matches('Z');
        let millis = began.millis().rem_euclid(1_000);
        Self(format!("{seconds}.{millis:03}Z-{session}"))
    }

    /// Reads one that a page showed.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, session) = text.split_at_checked(24)?;
        let session = session.strip_prefix('-')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_name = (1..=32).contains(&session.len()) && session.bytes().all(plain);
        Timestamp::parse_rfc3339(time).filter(|_| is_name && time.ends_with('Z'))?;
        Some(Self(text.to_owned()))
    }

    /// The key as a page carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn began(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(self.0.get(..24)?)
    }

    fn session(&self) -> &str {
        self.0.get(25..).unwrap_or_default()
    }
}

/// An incident that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastIncident {
    /// Its place among all.
    pub key: IncidentKey,
    /// The session that nothing could be sent from.
    pub session: String,
    /// Since when.
    pub began: Timestamp,
    /// Until when.
    pub ended: Timestamp,
    /// The word for what was wrong, as it was seen first.
    pub cause: Option<String>,
    /// The same as it was seen last, where that was another one.
    pub last_cause: Option<String>,
    /// How often the session was connected meanwhile.
    pub connects: i64,
    /// How often its gateway was restarted meanwhile.
    pub restarts: i64,
    /// The codes that were to be sent meanwhile.
    pub codes: Missed,
    /// The same of notices, and of other messages without a code.
    pub notices: Missed,
}

impl PastIncident {
    /// The word for what was wrong at last.
    pub fn latest_cause(&self) -> Option<&str> {
        self.last_cause.as_deref().or(self.cause.as_deref())
    }
}

/// All incidents that have ended.
#[derive(Clone, Debug)]
pub struct Incidents {
    client: Client,
    table: String,
}

impl Incidents {
    /// Those of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.incidents.clone(),
        }
    }

    /// Keeps an incident of `session` that ended at `ended`, unless it is there with more changes. Kept twice it is there once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(
        &self,
        session: &str,
        incident: &Incident,
        ended: Timestamp,
    ) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item_of(session, incident, ended)))
            .condition_expression("attribute_not_exists(rev) OR rev < :rev")
            .expression_attribute_values(":rev", number(incident.rev));
        match retrying_conflicts(|| put.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) => condition_failed("keep an incident", error).map(drop),
        }
    }

    /// The last `most` incidents that began before `before`, or of all; the latest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn page(
        &self,
        before: Option<&IncidentKey>,
        most: i32,
        now: Timestamp,
    ) -> Result<Vec<PastIncident>, StoreError> {
        const ACT: &str = "read the incidents";
        // Behind every time of this era.
        let before = before.map_or("9", IncidentKey::as_str);
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(most)
            .key_condition_expression("#list = :list AND #id < :before")
            .expression_attribute_names("#list", "list")
            .expression_attribute_names("#id", "id")
            .expression_attribute_values(":list", text(PAST))
            .expression_attribute_values(":before", text(before))
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let items = found.items.unwrap_or_default();
        let read = items
            .iter()
            .map(|item| parse(item).ok_or(StoreError::unreadable(ACT, "incident")));
        let read: Vec<_> = read.collect::<Result<_, _>>()?;
        let lives = |incident: &PastIncident| now < incident.ended.plus(INCIDENT_LIFE);
        Ok(read.into_iter().filter(lives).collect())
    }
}

fn item_of(session: &str, incident: &Incident, ended: Timestamp) -> Item {
    let key = IncidentKey::new(incident.began, session);
    let mut item = Item::from([
        ("list".into(), text(PAST)),
        ("id".into(), text(key.as_str())),
        ("ended".into(), number(ended.millis())),
        ("connects".into(), number(incident.connects)),
        ("restarts".into(), number(incident.restarts)),
        ("rev".into(), number(incident.rev)),
        (
            "expires_at".into(),
            number(ended.plus(INCIDENT_LIFE).seconds_up()),
        ),
    ]);
    let causes = [
        ("cause", &incident.cause),
        ("last_cause", &incident.last_cause),
    ];
    for (name, cause) in causes {
        item.extend(cause.as_ref().map(|cause| (name.to_owned(), text(cause))));
    }
    for (missed, kind) in [
        (incident.codes, MissedKind::Code),
        (incident.notices, MissedKind::Notice),
    ] {
        let attributes = missed.attributes(kind).into_iter();
        item.extend(attributes.map(|(name, count)| (name, number(count))));
    }
    item
}

fn parse(item: &Item) -> Option<PastIncident> {
    let key = IncidentKey::parse(item.text("id")?)?;
    Some(PastIncident {
        session: key.session().to_owned(),
        began: key.began()?,
        ended: Timestamp::from_millis(item.number("ended")?),
        cause: item.text("cause").map(str::to_owned),
        last_cause: item.text("last_cause").map(str::to_owned),
        connects: item.number("connects")?,
        restarts: item.number("restarts")?,
        codes: Missed::read(item, MissedKind::Code),
        notices: Missed::read(item, MissedKind::Notice),
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_time_and_are_read_back() {
        let at = Timestamp::from_millis(1_795_000_000_007);
        let key = IncidentKey::new(at, "branch-2");
        assert_eq!(key.as_str(), "2026-11-18T11:06:40.007Z-branch-2");
        assert_eq!(IncidentKey::parse(key.as_str()), Some(key.clone()));
        assert_eq!((key.began(), key.session()), (Some(at), "branch-2"));
        assert!(key.as_str() < "9");
        for text in [
            "",
            "2026",
            "2026-11-18T11:06:40.007Z-",
            "2026-11-18T11:06:40.007Z-<b>",
        ] {
            assert_eq!(IncidentKey::parse(text), None, "{text}");
        }
    }
}
