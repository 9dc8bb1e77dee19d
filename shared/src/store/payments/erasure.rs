//! Erasing the payments of a phone: everything that is kept of them, so that nothing is sent of them any more.
use std::collections::HashMap;

use aws_sdk_dynamodb::types::Delete;

use super::item::{ITEM, NOTICE_PREFIX, PAYMENT};
use super::{Payments, all};
use crate::model::notice::State;
use crate::model::payment::PaymentId;
use crate::model::phone::Phone;
use crate::store::{Fields, Item, StoreError, Write, text, transact};

/// The index of the payments by whom they are about.
const BY_PHONE: &str = "by_phone";
/// How many items one transaction takes.
const AT_ONCE: usize = 100;
/// How often a payment is looked at again, into which events may come while it is being erased.
const ROUNDS_MAX: usize = 5;

/// The payments of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfPhone {
    /// Their names.
    pub payments: Vec<PaymentId>,
    /// Whether there are others.
    pub more_left: bool,
}

/// An item of a payment.
struct Part {
    name: String,
    /// Whether it is a notice that has not ended.
    waits: bool,
}

impl Payments {
    /// The first `most` payments that are about `phone`. The index may miss one that began within the last seconds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_phone(&self, phone: &Phone, most: usize) -> Result<OfPhone, StoreError> {
        const ACT: &str = "list the payments of a phone";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_PHONE)
            .key_condition_expression("phone = :phone")
            .expression_attribute_values(":phone", text(phone.digits()));
        let mut items = query.into_paginator().items().send();
        let mut payments = Vec::new();
        while let Some(item) = items.next().await {
            let item: Item = item.map_err(StoreError::during(ACT))?;
            if payments.len() == most {
                return Ok(OfPhone {
                    payments,
                    more_left: true,
                });
            }
            let id = item.text("payment_id").and_then(PaymentId::parse);
            payments.push(id.ok_or(StoreError::unreadable(ACT, "payment_id"))?);
        }
        Ok(OfPhone {
            payments,
            more_left: false,
        })
    }

    /// How many notices of `payment` have not ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_of(&self, payment: &PaymentId) -> Result<usize, StoreError> {
        let parts = self.parts(payment).await?;
        Ok(parts.iter().filter(|part| part.waits).count())
    }

    /// Removes all that is kept of `payment`, the payment itself last, so that a repeat finds what is left. Answers how many of its
    /// notices had not ended. The message of one that is being sent just now may still go out.
    ///
    /// # Errors
    /// When the store fails, or events come into the payment time and again.
    pub async fn erase(&self, payment: &PaymentId) -> Result<usize, StoreError> {
        const ACT: &str = "erase a payment";
        let mut waiting = 0;
        for _ in 0..ROUNDS_MAX {
            let mut parts = self.parts(payment).await?;
            if parts.is_empty() {
                return Ok(waiting);
            }
            parts.sort_by_key(|part| part.name == PAYMENT);
            waiting += parts.iter().filter(|part| part.waits).count();
            for some in parts.chunks(AT_ONCE) {
                let writes = some.iter().map(|part| self.removal(payment, part));
                let writes = writes.collect::<Result<_, _>>()?;
                // It has no condition that could refuse it.
                transact(ACT, &self.client, writes).await?;
            }
        }
        Err(StoreError::unreadable(ACT, "a payment that keeps changing"))
    }

    fn removal(&self, payment: &PaymentId, part: &Part) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(HashMap::from(Self::key(payment, part.name.as_str()))))
            .build();
        Ok(Write::delete(
            delete.map_err(StoreError::building("erase a payment"))?,
        ))
    }

    /// The items of `payment`, strongly consistent.
    async fn parts(&self, payment: &PaymentId) -> Result<Vec<Part>, StoreError> {
        const ACT: &str = "list what is kept of a payment";
        let query = self
            .query_items(payment)
            .projection_expression("#item, #state")
            .expression_attribute_names("#item", ITEM)
            .expression_attribute_names("#state", "state");
        let items = all(ACT, query).await?;
        let parts = items.iter().map(part).collect::<Option<_>>();
        parts.ok_or(StoreError::unreadable(ACT, ITEM))
    }
}

fn part(item: &Item) -> Option<Part> {
    let name = item.text(ITEM)?.to_owned();
    let has_ended = item.text("state").and_then(State::named);
    let has_ended = has_ended.is_some_and(State::is_end);
    Some(Part {
        waits: name.starts_with(NOTICE_PREFIX) && !has_ended,
        name,
    })
}
