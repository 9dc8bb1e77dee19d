//! Messages that reached a phone, or were read there: the records of what was sent.
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::Webhooks;
use crate::gateway::webhook::{Receipt, ReceiptKind};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::deliveries::{By, Told};

/// How many messages of one receipt are looked at. A code or a notice is a message of its own; more than a few are a
/// conversation.
const IDS_MAX: usize = 100;

/// Of a receipt with more messages than this, those that have records are found first. No phone is sent so many codes at once
/// that more of them could wait for their records.
const FEW: usize = 8;

/// How many records are written side by side.
const SIDE_BY_SIDE: usize = 8;

/// A receipt of this age or less may have overtaken the record of its message.
const MAY_OVERTAKE: Duration = Duration::from_secs(30);

/// What is said to have happened longer ago was said by a clock that is wrong: no record is older than thirty days.
const AGE_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

impl Webhooks {
    /// Keeps with each message of the receipt what became of it. What `session` did not send is not touched. A fresh receipt of
    /// a message without a record waits for that: a send that hangs ends up to fifteen seconds after its message arrived.
    pub(super) async fn record(
        &self,
        session: &str,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = happened_at(receipt.at, now);
        let ids = may_be_ours(receipt);
        let (ids, by) = if ids.len() > FEW {
            (self.with_records(ids).await?, By::Session(session))
        } else if now.since(at) > MAY_OVERTAKE {
            (ids, By::Session(session))
        } else {
            (ids, By::SessionEarly(session))
        };
        let told = ids
            .into_iter()
            .map(|message_id| Told { message_id, by, at });
        let told: Vec<_> = told.collect();
        for some in told.chunks(SIDE_BY_SIDE) {
            let recorded: Vec<_> = some
                .iter()
                .map(|told| self.record_one(receipt.kind, *told))
                .collect();
            try_join_all(recorded).await?;
        }
        Ok(())
    }

    /// Those of `ids` that have records. One read.
    async fn with_records<'a>(
        &self,
        ids: BTreeSet<&'a str>,
    ) -> Result<BTreeSet<&'a str>, StoreError> {
        let mut batch = self.batches.begin();
        let reads = ids
            .into_iter()
            .map(|id| (id, batch.add(self.deliveries.reading_arrival(id))));
        let reads: Vec<_> = reads.collect();
        let found = batch.read("find the messages of a receipt").await?;
        let mut with_records = BTreeSet::new();
        for (id, read) in reads {
            if read.from(&found)?.is_some() {
                with_records.insert(id);
            }
        }
        Ok(with_records)
    }

    async fn record_one(&self, kind: ReceiptKind, told: Told<'_>) -> Result<(), StoreError> {
        let first = match kind {
            ReceiptKind::Delivered => self.deliveries.record_delivered(told).await?,
            ReceiptKind::Read => self.deliveries.record_read(told).await?,
        };
        if let Some(begun) = first {
            self.meter.delivered(told.at, begun);
        }
        Ok(())
    }
}

/// The messages of `receipt` that may be ours, each once.
fn may_be_ours(receipt: &Receipt) -> BTreeSet<&str> {
    let ids = receipt.message_ids.iter().map(String::as_str);
    let ids: BTreeSet<_> = ids.filter(|id| is_id_of_ours(id)).collect();
    if ids.len() > IDS_MAX {
        let (ids, most) = (ids.len(), IDS_MAX);
        tracing::warn!(
            ids,
            most,
            "a receipt names too many messages: the rest is left out"
        );
    }
    ids.into_iter().take(IDS_MAX).collect()
}

/// When it happened: as the event says where that can be, else now.
fn happened_at(said: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let possible = said.filter(|at| now.minus(AGE_MAX) <= *at);
    possible.map_or(now, |at| at.min(now))
}

/// Whether an id has the form of those that this system draws. Those of phones have another one, so that a conversation
/// on the same account costs nothing.
fn is_id_of_ours(id: &str) -> bool {
    let drawn = id.strip_prefix("3EB0");
    drawn.is_some_and(|drawn| {
        let hex = |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
        drawn.len() == 18 && drawn.bytes().all(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::entropy::Entropy;
    use crate::sender;

    #[test]
    fn the_ids_of_this_system_are_known_by_their_form() {
        let ours = sender::message_id(&Entropy::seeded(7));
        assert!(is_id_of_ours(&ours), "{ours}");
        for other in [
            "",
            "3EB0",
            "3A0123456789ABCDEF01",
            "DIAL1",
            &ours.to_lowercase(),
        ] {
            assert!(!is_id_of_ours(other), "{other}");
        }
        assert!(!is_id_of_ours(&format!("{ours}0")));
    }

    #[test]
    fn a_time_that_cannot_be_is_now() {
        let now = Timestamp::from_seconds(1_795_347_200);
        let ago = |days: u64| now.minus(Duration::from_secs(days * 24 * 60 * 60));
        for (case, said, expected) in [
            ("none", None, now),
            ("three days ago", Some(ago(3)), ago(3)),
            ("a year ago", Some(ago(365)), now),
            ("tomorrow", Some(now.plus(AGE_MAX)), now),
        ] {
            assert_eq!(happened_at(said, now), expected, "{case}");
        }
    }
}
