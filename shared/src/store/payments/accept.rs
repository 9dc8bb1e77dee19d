//! Accepting an event: the payment, its notice and the warnings that follow from it, in one transaction.
use aws_sdk_dynamodb::types::{AttributeValue, Put, Update};

use super::item::{KEY_PREFIX, PAYMENT, details_item, new_notice, notice_item, time};
use super::{LIFE, Payments};
use crate::model::notice::{Details, Notice, Phase};
use crate::model::payment::PaymentId;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, Transacted, Write, number, text, transact};

/// What an event changes about its payment.
#[derive(Clone, Debug)]
pub enum PaymentChange<'a> {
    /// It begins.
    Begins(NewPayment<'a>),
    /// It becomes `to`, if it is one of `from`. Where it is not known yet, it begins with what the event says of it.
    Moves {
        /// What it has to be.
        from: &'a [Phase],
        /// What it becomes.
        to: Phase,
        /// What the event says of it.
        begins: Option<NewPayment<'a>>,
    },
    /// It stays what it is, which has to be this.
    Stays(Phase),
}

/// A payment that is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct NewPayment<'a> {
    /// Whom it is about.
    pub phone: &'a Phone,
    /// What it is about.
    pub details: &'a Details,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
}

/// An event to accept.
#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    /// The payment.
    pub payment: &'a PaymentId,
    /// What it changes.
    pub change: PaymentChange<'a>,
    /// The event's notice, and the warnings that follow from it.
    pub notices: &'a [Notice],
    /// The hash of the caller's own key, its caller and its route.
    pub key: Option<&'a str>,
    /// When the event came.
    pub now: Timestamp,
}

impl Acceptance<'_> {
    /// Until when all of it is kept: long after the last of its notices.
    fn kept_until(&self) -> Timestamp {
        let notices = self.notices.iter();
        let last = notices.map(|notice| notice.deliver_by).max();
        last.unwrap_or(self.now).max(self.now).plus(LIFE)
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is kept, and nothing can lose it.
    Kept,
    /// Nothing was written: what is kept already stands against it. Reading that says what.
    Refused,
}

impl Payments {
    /// Keeps an event: all that it changes, or nothing.
    ///
    /// # Errors
    /// When the store fails. The event may be kept then; the same again finds out.
    pub async fn accept(&self, event: &Acceptance<'_>) -> Result<Accepted, StoreError> {
        const ACT: &str = "keep the event of a payment";
        let mut writes = vec![self.payment_write(event)?];
        for notice in event.notices {
            writes.push(self.put_notice(event, notice)?);
        }
        if let (Some(key), Some(notice)) = (event.key, event.notices.first()) {
            writes.push(self.put_key(event, key, notice)?);
        }
        Ok(match transact(ACT, &self.client, writes).await? {
            Transacted::Done => Accepted::Kept,
            Transacted::Refused(_) => Accepted::Refused,
        })
    }

    fn payment_write(&self, event: &Acceptance<'_>) -> Result<Write, StoreError> {
        let [(pk, payment), (sk, item)] = Self::key(event.payment, PAYMENT);
        let ends = number(event.kept_until().seconds());
        let update = Update::builder()
            .table_name(&self.table)
            .key(pk, payment)
            .key(sk, item)
            .expression_attribute_values(":ends", ends);
        let update = match &event.change {
            PaymentChange::Begins(new) => begins(update, new)
                .expression_attribute_values(":to", text(Phase::Open.name()))
                .condition_expression("attribute_not_exists(payment_id)"),
            PaymentChange::Moves { from, to, begins } => moves(update, from, begins.as_ref())
                .expression_attribute_values(":to", text(to.name())),
            // What it is kept for may be later than what this event needs.
            PaymentChange::Stays(phase) => is_one_of(update, &[*phase], None)
                .update_expression("SET expires_at = if_not_exists(expires_at, :ends)"),
        };
        let update = update.build();
        Ok(Write::update(
            update.map_err(StoreError::building("keep a payment"))?,
        ))
    }

    fn put_notice(&self, event: &Acceptance<'_>, notice: &Notice) -> Result<Write, StoreError> {
        let mut item = new_notice(notice, event.kept_until());
        item.extend(Self::key(event.payment, notice_item(&notice.id)));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(payment_id)")
            .build();
        Ok(Write::put(
            put.map_err(StoreError::building("keep a notice"))?,
        ))
    }

    fn put_key(
        &self,
        event: &Acceptance<'_>,
        key: &str,
        notice: &Notice,
    ) -> Result<Write, StoreError> {
        let [payment, item] = Self::key(event.payment, format!("{KEY_PREFIX}{key}"));
        let put = Put::builder()
            .table_name(&self.table)
            .item(payment.0, payment.1)
            .item(item.0, item.1)
            .item("notice", text(notice.id.as_str()))
            .item("body_hash", text(&notice.body_hash))
            .item("accepted_at", time(event.now))
            .item("expires_at", number(event.kept_until().seconds()))
            .condition_expression("attribute_not_exists(payment_id)")
            .build();
        Ok(Write::put(put.map_err(StoreError::building("keep a key"))?))
    }
}

type UpdateBuilder = aws_sdk_dynamodb::types::builders::UpdateBuilder;

/// What an event says of a payment counts where nothing else is known: the first one that says it is believed.
fn begins(update: UpdateBuilder, new: &NewPayment<'_>) -> UpdateBuilder {
    const SET: &str = "SET phase = :to, expires_at = :ends, phone = if_not_exists(phone, :phone), \
                       details = if_not_exists(details, :details)";
    let update = update
        .expression_attribute_values(":phone", text(new.phone.digits()))
        .expression_attribute_values(":details", AttributeValue::M(details_item(new.details)));
    match new.expires_at {
        None => update.update_expression(SET),
        Some(at) => update
            .update_expression(format!("{SET}, pay_by = if_not_exists(pay_by, :pay_by)"))
            .expression_attribute_values(":pay_by", time(at)),
    }
}

/// A move of a payment that is one of `from`; with `new` also of one that is not known.
fn moves(update: UpdateBuilder, from: &[Phase], new: Option<&NewPayment<'_>>) -> UpdateBuilder {
    match new {
        Some(new) => is_one_of(
            begins(update, new),
            from,
            Some("attribute_not_exists(payment_id)"),
        ),
        None => {
            is_one_of(update, from, None).update_expression("SET phase = :to, expires_at = :ends")
        }
    }
}

/// Refuses the update unless the payment is one of `phases`, or what `else_if` says.
fn is_one_of(update: UpdateBuilder, phases: &[Phase], else_if: Option<&str>) -> UpdateBuilder {
    let names: Vec<_> = (0..phases.len())
        .map(|number| format!(":from{number}"))
        .collect();
    let known = format!("phase IN ({})", names.join(", "));
    let condition = match else_if {
        Some(other) => format!("{other} OR {known}"),
        None => known,
    };
    let named = names.into_iter().zip(phases);
    named
        .fold(update, |update, (name, phase)| {
            update.expression_attribute_values(name, text(phase.name()))
        })
        .condition_expression(condition)
}
