//! The incident of a session: the time in which messages could not be sent from it, and what became of them. It stands in the
//! session's item, which everybody reads anyway, from its beginning until the next one begins. What has ended is kept for long in
//! the table of incidents.
//!
//! Messages count themselves, and only those that failed, waited or went elsewhere. The monitor says when it begins and ends.
//! Whoever comes late, twice or beside another one does no harm: a session that fails again within `SAME_WITHIN` of the end is in
//! the same incident, and so is a message that is counted only then.
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::incident::{
    BEGAN, CAUSE, CONNECTS, COUNTED, DIGITS, ENDED, Incident, KEPT, LAST_CAUSE, MissedEnd,
    MissedKind, MissedMessage, RESTARTS, REV, SAME_WITHIN, TRIED_UNTIL, counter,
};
use super::item::{SessionItem, time};
use super::{Updated, WhatsAppSessions, write};
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, number, text};

/// How often an update is tried while others begin and end incidents at the same moment.
const ROUNDS_MAX: usize = 3;

/// What the monitor has seen of an incident.
#[derive(Clone, Debug, Default)]
pub struct IncidentNews {
    /// When it ended, if it did.
    pub ended: Option<Timestamp>,
    /// The word for what is wrong, if something is.
    pub cause: Option<&'static str>,
    /// Connects that were not counted yet.
    pub connects: i64,
    /// Restarts that were not counted yet.
    pub restarts: i64,
    /// The last of both.
    pub tried_until: Option<Timestamp>,
}

impl WhatsAppSessions {
    /// Counts a message that began at `at`, once: a repeat finds its id, unless sixteen others were counted between. Where there is
    /// no incident, one begins, if such a message shows trouble.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_missed(
        &self,
        missed: &MissedMessage,
        message_id: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        const ACT: &str = "count a message of an incident";
        for _ in 0..ROUNDS_MAX {
            match write(ACT, self.counting(missed, message_id, at)).await? {
                Updated::Done(_) => return Ok(()),
                Updated::Refused(item) if is_counted(&item, message_id) => return Ok(()),
                Updated::Refused(_) if !missed.end.shows_trouble() => return Ok(()),
                Updated::Refused(_) => {}
            }
            let first = self
                .beginning(&missed.session, at)
                .counting(missed, message_id);
            if let Updated::Done(_) = write(ACT, first).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds a message to an incident that goes on, or that has just ended: it may go on.
    fn counting(
        &self,
        missed: &MissedMessage,
        message_id: &str,
        at: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let by = counted_by(message_id);
        let counter = counter(missed.kind, missed.end);
        self.update(&missed.session)
            .condition_expression(format!(
                "attribute_exists({BEGAN}) AND (attribute_not_exists({ENDED}) OR {ENDED} > :stale) \
                 AND (attribute_not_exists({by}) OR {by} <> :id)"
            ))
            .update_expression(format!(
                "SET {by} = :id REMOVE {ENDED} ADD {counter} :one, {REV} :one"
            ))
            .expression_attribute_values(":stale", time(at.minus(SAME_WITHIN)))
            .expression_attribute_values(":id", text(message_id))
            .expression_attribute_values(":one", number(1))
    }

    /// Has an incident of `name` begin at `at`, unless one goes on. One that has just ended goes on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_incident(
        &self,
        name: &str,
        at: Timestamp,
    ) -> Result<SessionItem, StoreError> {
        const ACT: &str = "begin an incident";
        let on = self
            .update(name)
            .condition_expression(format!("attribute_exists({BEGAN}) AND {ENDED} > :stale"))
            .update_expression(format!("REMOVE {ENDED} ADD {REV} :one"))
            .expression_attribute_values(":stale", time(at.minus(SAME_WITHIN)))
            .expression_attribute_values(":one", number(1));
        if let Updated::Done(item) = write(ACT, on).await? {
            return Ok(item);
        }
        match write(ACT, self.beginning(name, at).alone()).await? {
            Updated::Done(item) | Updated::Refused(item) => Ok(item),
        }
    }

    fn beginning(&self, name: &str, at: Timestamp) -> Beginning {
        let update = self
            .update(name)
            .condition_expression(format!(
                "attribute_not_exists({BEGAN}) OR {ENDED} <= :stale"
            ))
            .expression_attribute_values(":stale", time(at.minus(SAME_WITHIN)))
            .expression_attribute_values(":at", time(at))
            .expression_attribute_values(":one", number(1));
        Beginning { update }
    }

    /// Keeps what the monitor has seen of the incident, unless another one has told of the same connects. Answers the item.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tell_incident(
        &self,
        name: &str,
        seen: &Incident,
        news: &IncidentNews,
    ) -> Result<SessionItem, StoreError> {
        let mut set = Vec::new();
        let mut update = self
            .update(name)
            .expression_attribute_values(":began", time(seen.began))
            .expression_attribute_values(":one", number(1));
        update = match seen.tried_until {
            None => update.condition_expression(format!(
                "{BEGAN} = :began AND attribute_not_exists({TRIED_UNTIL})"
            )),
            Some(until) => update
                .condition_expression(format!("{BEGAN} = :began AND {TRIED_UNTIL} = :until"))
                .expression_attribute_values(":until", time(until)),
        };
        for (attribute, value) in [
            (ENDED, news.ended.map(time)),
            (cause_attribute(seen), news.cause.map(text)),
            (TRIED_UNTIL, news.tried_until.map(time)),
        ] {
            if let Some(value) = value {
                set.push(format!("{attribute} = :{attribute}"));
                update = update.expression_attribute_values(format!(":{attribute}"), value);
            }
        }
        let set = if set.is_empty() {
            String::new()
        } else {
            format!("SET {} ", set.join(", "))
        };
        let update = update
            .update_expression(format!(
                "{set}ADD {REV} :one, {CONNECTS} :connects, {RESTARTS} :restarts"
            ))
            .expression_attribute_values(":connects", number(news.connects))
            .expression_attribute_values(":restarts", number(news.restarts));
        match write("keep what was seen of an incident", update).await? {
            Updated::Done(item) | Updated::Refused(item) => Ok(item),
        }
    }

    /// Keeps that the incident is in the table of incidents as it was seen.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn incident_is_kept(&self, name: &str, seen: &Incident) -> Result<(), StoreError> {
        let update = self
            .update(name)
            .condition_expression(format!(
                "{BEGAN} = :began AND (attribute_not_exists({KEPT}) OR {KEPT} < :rev)"
            ))
            .update_expression(format!("SET {KEPT} = :rev"))
            .expression_attribute_values(":began", time(seen.began))
            .expression_attribute_values(":rev", number(seen.rev));
        write("keep that an incident is kept", update)
            .await
            .map(drop)
    }
}

/// An update that begins an incident, and forgets what the last one has counted. Its number of changes goes on, so that no late
/// write of the last one fits.
struct Beginning {
    update: UpdateItemFluentBuilder,
}

impl Beginning {
    fn alone(self) -> UpdateItemFluentBuilder {
        let remove = forgotten(&[]).join(", ");
        self.update
            .update_expression(format!("SET {BEGAN} = :at REMOVE {remove} ADD {REV} :one"))
    }

    /// With its first message.
    fn counting(self, missed: &MissedMessage, message_id: &str) -> UpdateItemFluentBuilder {
        let (by, counter) = (counted_by(message_id), counter(missed.kind, missed.end));
        let remove = forgotten(&[&by, &counter]).join(", ");
        self.update
            .update_expression(format!(
                "SET {BEGAN} = :at, {by} = :id, {counter} = :one REMOVE {remove} ADD {REV} :one"
            ))
            .expression_attribute_values(":id", text(message_id))
    }
}

/// Where what is wrong is kept, once `incident` was seen. Its first cause stays: what comes after that may hide it, such as a gateway
/// that is down.
const fn cause_attribute(incident: &Incident) -> &'static str {
    match &incident.cause {
        None => CAUSE,
        Some(_) => LAST_CAUSE,
    }
}

/// All that is known of an incident, but its beginning, its number of changes and `but`.
fn forgotten(but: &[&str]) -> Vec<String> {
    let words = [
        ENDED,
        CAUSE,
        LAST_CAUSE,
        CONNECTS,
        RESTARTS,
        TRIED_UNTIL,
        KEPT,
    ];
    let words = words.map(str::to_owned);
    let counters = MissedKind::ALL
        .into_iter()
        .flat_map(|kind| MissedEnd::ALL.map(|end| counter(kind, end)));
    let counted = DIGITS.chars().map(|digit| format!("{COUNTED}{digit}"));
    let all = words.into_iter().chain(counters).chain(counted);
    all.filter(|name| !but.contains(&name.as_str())).collect()
}

/// The attribute that has the id of a message that was counted.
fn counted_by(message_id: &str) -> String {
    let last = message_id
        .chars()
        .last()
        .map(|last| last.to_ascii_lowercase());
    let digit = last.filter(char::is_ascii_hexdigit).unwrap_or('0');
    format!("{COUNTED}{digit}")
}

fn is_counted(item: &SessionItem, message_id: &str) -> bool {
    let incident = item.incident.as_ref();
    incident.is_some_and(|incident| incident.counted.iter().any(|counted| counted == message_id))
}
