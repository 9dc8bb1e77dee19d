//! Sending a notice: who does it, and how it ended. A claim ends by itself, so whoever is killed holds nothing up for longer.
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update};

use super::item::{PAYMENT, notice_item, time};
use super::{DEAD, Payments};
use crate::model::notice::{Notice, Phase, State};
use crate::model::payment::PaymentId;
use crate::platform::timestamp::Timestamp;
use crate::store::{
    StoreError, Transacted, Write, condition_failed, number, retrying_conflicts, text, transact,
};

/// A request to be the one who sends a notice.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The payment.
    pub payment: &'a PaymentId,
    /// What the payment was when that was decided.
    pub phase: Phase,
    /// The notice as it was when that was decided.
    pub notice: &'a Notice,
    /// The name of this attempt.
    pub attempt: &'a str,
    /// The session that it goes out from.
    pub session: &'a str,
    /// The present time.
    pub now: Timestamp,
    /// Until when nobody else sends a notice of the payment.
    pub until: Timestamp,
}

/// Whether the caller sends the notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It does.
    Ours,
    /// Something has changed since that was decided.
    Lost,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// How far the notice is now.
    pub state: State,
    /// When it is looked at next, if it is.
    pub due_at: Option<Timestamp>,
    /// How often it was tried, this attempt included if it began.
    pub attempts: u32,
    /// The session that it was tried on.
    pub session: String,
    /// When it ended without an answer.
    pub unsure_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// When WhatsApp took it.
    pub sent_at: Option<Timestamp>,
    /// Whether it was sent once more because no receipt came.
    pub sent_again: bool,
}

impl Payments {
    /// Makes the caller the one who sends a notice, if everything is as it was when that was decided.
    ///
    /// # Errors
    /// When the store fails. The claim may hold then, until its end.
    pub async fn claim(&self, claim: Claim<'_>) -> Result<Claimed, StoreError> {
        const ACT: &str = "claim a notice";
        let Claim {
            payment, notice, ..
        } = claim;
        let notice_update = self
            .update(payment, notice_item(&notice.id))
            .update_expression(
                "SET #state = :sending, claim = :attempt, #session = :session, due_at = :until, queue = :queue",
            )
            .condition_expression("#state = :seen AND due_at = :due_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#session", "session")
            .expression_attribute_values(":sending", text(State::Sending.name()))
            .expression_attribute_values(":seen", text(notice.state.name()))
            .expression_attribute_values(":due_at", time(notice.due_at.unwrap_or(claim.now)))
            .expression_attribute_values(":attempt", text(claim.attempt))
            .expression_attribute_values(":session", text(claim.session))
            .expression_attribute_values(":queue", text(notice.kind.priority().name()))
            .expression_attribute_values(":until", time(claim.until));
        let payment_update = self
            .update(payment, PAYMENT)
            .update_expression("SET in_flight = :notice, in_flight_until = :until")
            .condition_expression(
                "phase = :phase AND (attribute_not_exists(in_flight) OR in_flight_until <= :now)",
            )
            .expression_attribute_values(":notice", text(notice.id.as_str()))
            .expression_attribute_values(":phase", text(claim.phase.name()))
            .expression_attribute_values(":now", time(claim.now))
            .expression_attribute_values(":until", time(claim.until));
        let writes = [notice_update, payment_update].map(built);
        let writes = writes.into_iter().collect::<Result<_, _>>()?;
        Ok(match transact(ACT, &self.client, writes).await? {
            Transacted::Done => Claimed::Ours,
            Transacted::Refused(_) => Claimed::Lost,
        })
    }

    /// Keeps how an attempt ended, unless its claim has ended meanwhile and somebody else made another one.
    ///
    /// # Errors
    /// When the store fails. Then the claim ends by itself, and nobody knows how the attempt ended.
    pub async fn record(&self, claim: Claim<'_>, end: &Attempted) -> Result<(), StoreError> {
        const ACT: &str = "keep how an attempt ended";
        let update = self.update(claim.payment, notice_item(&claim.notice.id));
        let update = ending(update, claim, end);
        let free = self
            .update(claim.payment, PAYMENT)
            .update_expression("REMOVE in_flight, in_flight_until")
            .condition_expression("in_flight = :notice AND in_flight_until = :until")
            .expression_attribute_values(":notice", text(claim.notice.id.as_str()))
            .expression_attribute_values(":until", time(claim.until));
        let writes = [update, free].map(built);
        let writes = writes.into_iter().collect::<Result<_, _>>()?;
        match transact(ACT, &self.client, writes).await? {
            Transacted::Done => {}
            Transacted::Refused(_) => tracing::warn!(
                notice = claim.notice.id.as_str(),
                "[WhatsApp System] the claim of a notice had ended before its attempt"
            ),
        }
        Ok(())
    }

    /// Moves the time at which `notice` is looked at, and keeps why it did not go out, where that is told, unless something has
    /// changed since it was read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn postpone(
        &self,
        payment: &PaymentId,
        notice: &Notice,
        (due_at, why): (Timestamp, Option<&str>),
    ) -> Result<(), StoreError> {
        let update = self
            .single_update(payment, notice)
            .expression_attribute_values(":due_at", time(due_at));
        let update = match why {
            Some(why) => update
                .update_expression("SET due_at = :due_at, last_error = :why")
                .expression_attribute_values(":why", text(why)),
            None => update.update_expression("SET due_at = :due_at"),
        };
        write("postpone a notice", update).await
    }

    /// Ends `notice` as `state`, unless something has changed since it was read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(
        &self,
        payment: &PaymentId,
        notice: &Notice,
        (state, now): (State, Timestamp),
    ) -> Result<(), StoreError> {
        let update = self.single_update(payment, notice);
        let update = match state {
            State::Dead => update
                .update_expression("SET #state = :state, queue = :dead, due_at = :now REMOVE claim")
                .expression_attribute_values(":dead", text(DEAD))
                .expression_attribute_values(":now", time(now)),
            _ => update.update_expression("SET #state = :state REMOVE due_at, queue, claim"),
        };
        let update = update.expression_attribute_values(":state", text(state.name()));
        write("end a notice", update).await
    }

    /// An update of `notice` that is refused when that is not as it was read.
    fn single_update(&self, payment: &PaymentId, notice: &Notice) -> UpdateItemFluentBuilder {
        let [(pk, payment), (sk, item)] = Self::key(payment, notice_item(&notice.id));
        self.client
            .update_item()
            .table_name(&self.table)
            .key(pk, payment)
            .key(sk, item)
            .condition_expression("#state = :seen AND due_at = :seen_due_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":seen", text(notice.state.name()))
            .expression_attribute_values(
                ":seen_due_at",
                time(notice.due_at.unwrap_or(notice.accepted_at)),
            )
    }

    fn update(&self, payment: &PaymentId, item: impl Into<String>) -> UpdateBuilder {
        let [(pk, payment), (sk, item)] = Self::key(payment, item);
        Update::builder()
            .table_name(&self.table)
            .key(pk, payment)
            .key(sk, item)
    }
}

fn built(update: UpdateBuilder) -> Result<Write, StoreError> {
    let update = update
        .build()
        .map_err(StoreError::building("send a notice"))?;
    Ok(Write::update(update))
}

/// Makes an update of one notice. That it is refused is no error: somebody else has done something meanwhile.
async fn write(act: &'static str, update: UpdateItemFluentBuilder) -> Result<(), StoreError> {
    match retrying_conflicts(|| update.clone().send()).await {
        Ok(_) => Ok(()),
        Err(error) => condition_failed(act, error).map(drop),
    }
}

/// An update of a notice with how its attempt ended. What there is not is removed.
fn ending(update: UpdateBuilder, claim: Claim<'_>, end: &Attempted) -> UpdateBuilder {
    let (queue, due_at) = match end.state {
        State::Dead => (DEAD, Some(claim.now)),
        _ => (claim.notice.kind.priority().name(), end.due_at),
    };
    let again = end.sent_again.then_some(AttributeValue::Bool(true));
    let mut set = "SET #state = :state, attempts = :attempts, #session = :session".to_owned();
    let mut remove = "REMOVE claim".to_owned();
    let mut update = update;
    for (name, value) in [
        ("due_at", due_at.map(time)),
        ("queue", due_at.map(|_| text(queue))),
        ("unsure_at", end.unsure_at.map(time)),
        ("last_error", end.error.as_ref().map(text)),
        ("sent_at", end.sent_at.map(time)),
        ("sent_again", again),
    ] {
        match value {
            Some(value) => {
                set.push_str(&format!(", {name} = :{name}"));
                update = update.expression_attribute_values(format!(":{name}"), value);
            }
            None => remove.push_str(&format!(", {name}")),
        }
    }
    update
        .condition_expression("claim = :attempt")
        .update_expression(format!("{set} {remove}"))
        .expression_attribute_names("#state", "state")
        .expression_attribute_names("#session", "session")
        .expression_attribute_values(":attempt", text(claim.attempt))
        .expression_attribute_values(":state", text(end.state.name()))
        .expression_attribute_values(":attempts", number(end.attempts.into()))
        .expression_attribute_values(":session", text(&end.session))
}
