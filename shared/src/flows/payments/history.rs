//! What became of a payment's notices.
use super::Notices;
use crate::model::notice::Story;
use crate::model::notice::plan::{Plan, plan};
use crate::model::payment::PaymentId;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;

/// A payment, its notices, and when each of these is known to have reached the phone.
#[derive(Clone, Debug)]
pub struct History {
    /// The payment and its notices.
    pub story: Story,
    /// When each notice was delivered, in the same order.
    pub delivered_at: Vec<Option<Timestamp>>,
}

impl Notices {
    /// What became of the notices of `payment`; `None` when there is no such payment. Two reads.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn history(&self, payment: &PaymentId) -> Result<Option<History>, StoreError> {
        let Some(mut kept) = self.payments.read(payment).await? else {
            return Ok(None);
        };
        show_ends(&mut kept.story, self.clock.now());
        let mut batch = self.batches.begin();
        let notices = kept.story.notices.iter();
        let reads: Vec<_> = notices
            .map(|notice| batch.add(self.deliveries.reading_delivered_at(&notice.message_id)))
            .collect();
        if reads.is_empty() {
            return Ok(Some(History {
                story: kept.story,
                delivered_at: Vec::new(),
            }));
        }
        let found = batch.read("read whether notices arrived").await?;
        let delivered_at = reads.into_iter().map(|read| read.from(&found));
        Ok(Some(History {
            delivered_at: delivered_at.collect::<Result<_, _>>()?,
            story: kept.story,
        }))
    }
}

/// Shows a notice that is not sent any more as what it will be: nobody has to write that before its time.
fn show_ends(story: &mut Story, now: Timestamp) {
    let ends: Vec<_> = story
        .notices
        .iter()
        .map(|notice| plan(story, notice, now))
        .collect();
    for (notice, plan) in story.notices.iter_mut().zip(ends) {
        if let Plan::End(state) = plan {
            (notice.state, notice.due_at) = (state, None);
        }
    }
}
