//! What operators do with notices: see those that wait and those that ended unsent, have one sent, let one be.
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::item::{notice_item, time};
use super::{DEAD, DUE, Due, Payments, due};
use crate::model::notice::{FACT_LIFE, Notice, State};
use crate::model::payment::PaymentId;
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, condition_failed, retrying_conflicts, text};

/// Whether a notice is as an operator wanted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeChanged {
    /// It is.
    Done,
    /// Something has changed since it was read: somebody sends it, or it has ended.
    Lost,
}

impl Payments {
    /// The last `most` notices that ended unsent and that no operator has looked after, the latest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn dead(&self, most: i32) -> Result<Vec<Due>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE)
            .limit(most)
            .scan_index_forward(false)
            .key_condition_expression("queue = :dead")
            .expression_attribute_values(":dead", text(DEAD))
            .send()
            .await
            .map_err(StoreError::during("look for dead notices"))?;
        let items = found.items.unwrap_or_default();
        Ok(items.iter().filter_map(due).collect())
    }

    /// Makes `notice` due at `now`, if it is as it was read. One that ended unsent gets the time of a new fact.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn send_now(
        &self,
        payment: &PaymentId,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<NoticeChanged, StoreError> {
        const ACT: &str = "have a notice sent";
        let update = self.as_read(payment, notice);
        let update = match notice.state {
            State::Dead => update
                .update_expression(
                    "SET #state = :queued, queue = :queue, due_at = :now, deliver_by = :deliver_by",
                )
                .expression_attribute_values(":queued", text(State::Queued.name()))
                .expression_attribute_values(":queue", text(notice.kind.priority().name()))
                .expression_attribute_values(":deliver_by", time(now.plus(FACT_LIFE))),
            _ => update.update_expression("SET due_at = :now"),
        };
        changed(ACT, update.expression_attribute_values(":now", time(now))).await
    }

    /// Lets `notice` be, if it is as it was read: one that waits is not sent any more, and one that ended unsent is shown to no
    /// operator any more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn discard(
        &self,
        payment: &PaymentId,
        notice: &Notice,
    ) -> Result<NoticeChanged, StoreError> {
        const ACT: &str = "discard a notice";
        let update = self.as_read(payment, notice);
        let update = match notice.state {
            State::Dead => update.update_expression("REMOVE queue, due_at"),
            _ => update
                .update_expression("SET #state = :state REMOVE due_at, queue, claim")
                .expression_attribute_values(":state", text(State::Superseded.name())),
        };
        changed(ACT, update).await
    }

    /// An update of `notice` that is refused when somebody has changed it since it was read, or has looked after it.
    fn as_read(&self, payment: &PaymentId, notice: &Notice) -> UpdateItemFluentBuilder {
        let [(pk, payment), (sk, item)] = Self::key(payment, notice_item(&notice.id));
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(pk, payment)
            .key(sk, item)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":seen", text(notice.state.name()));
        match notice.due_at {
            Some(due_at) => update
                .condition_expression("#state = :seen AND due_at = :seen_due_at")
                .expression_attribute_values(":seen_due_at", time(due_at)),
            None => update
                .condition_expression("#state = :seen AND queue = :seen_dead")
                .expression_attribute_values(":seen_dead", text(DEAD)),
        }
    }
}

async fn changed(
    act: &'static str,
    update: UpdateItemFluentBuilder,
) -> Result<NoticeChanged, StoreError> {
    match retrying_conflicts(|| update.clone().send()).await {
        Ok(_) => Ok(NoticeChanged::Done),
        Err(error) => {
            condition_failed(act, error)?;
            Ok(NoticeChanged::Lost)
        }
    }
}
