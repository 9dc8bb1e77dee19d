//! Messages that reached a phone, or were read there: the records of what was sent.
use std::time::Duration;

use super::Webhooks;
use crate::gateway::webhook::{Receipt, ReceiptKind};
use crate::platform::timestamp::Timestamp;
use crate::runtime::metrics::Metric;
use crate::store::StoreError;
use crate::store::deliveries::Record;

/// How many messages of one receipt are looked at. A code or a notice is a message of its own; more than a few are a
/// conversation.
const IDS_MAX: usize = 100;

/// A receipt of this age or less may have overtaken the record of its message.
const MAY_OVERTAKE: Duration = Duration::from_secs(30);

/// How long such a record is waited for, step by step.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// What is said to have happened longer ago was said by a clock that is wrong: no record is older than thirty days.
const AGE_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

impl Webhooks {
    /// Keeps with each message of the receipt what became of it. Messages without a record are not ours.
    pub(super) async fn record(&self, receipt: &Receipt, now: Timestamp) -> Result<(), StoreError> {
        let at = happened_at(receipt.at, now);
        let ids = receipt.message_ids.iter().map(String::as_str);
        let ids: Vec<_> = ids.filter(|id| may_be_ours(id)).collect();
        if ids.len() > IDS_MAX {
            let (ids, most) = (ids.len(), IDS_MAX);
            tracing::warn!(
                ids,
                most,
                "a receipt names too many messages: the rest is left out"
            );
        }
        let ids = ids.into_iter().take(IDS_MAX).collect();
        let mut missing = self.record_each(ids, receipt.kind, at).await?;
        for wait in WAITS {
            if missing.is_empty() || now.since(at) > MAY_OVERTAKE {
                break;
            }
            tokio::time::sleep(wait).await;
            missing = self.record_each(missing, receipt.kind, at).await?;
        }
        Ok(())
    }

    /// Measures a message that was begun at `begun` and delivered at `at`. Gateways give whole seconds, so it may be said to have
    /// been delivered before.
    fn measure_delivered(&self, at: Timestamp, begun: Timestamp) {
        let line = self.meter.line(at).count(Metric::Delivered, 1);
        line.seconds(Metric::SecondsToDelivered, at.since(begun))
            .write();
    }

    /// Answers the ids without a record.
    async fn record_each<'a>(
        &self,
        ids: Vec<&'a str>,
        kind: ReceiptKind,
        at: Timestamp,
    ) -> Result<Vec<&'a str>, StoreError> {
        let deliveries = &self.deliveries;
        let mut missing = Vec::new();
        for id in ids {
            let record = match kind {
                ReceiptKind::Delivered => deliveries.record_delivered(id, at).await?,
                ReceiptKind::Read => deliveries.record_read(id, at).await?,
            };
            match record {
                Record::First { begun } => self.measure_delivered(at, begun),
                Record::Kept => {}
                Record::Missing => missing.push(id),
            }
        }
        Ok(missing)
    }
}

/// When it happened: as the event says where that can be, else now.
fn happened_at(said: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let possible = said.filter(|at| now.minus(AGE_MAX) <= *at);
    possible.map_or(now, |at| at.min(now))
}

/// Whether an id has the form of those that this system draws. Those of phones have another one, so that a conversation
/// on the same account costs nothing.
fn may_be_ours(id: &str) -> bool {
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
        assert!(may_be_ours(&ours), "{ours}");
        for other in [
            "",
            "3EB0",
            "3A0123456789ABCDEF01",
            "DIAL1",
            &ours.to_lowercase(),
        ] {
            assert!(!may_be_ours(other), "{other}");
        }
        assert!(!may_be_ours(&format!("{ours}0")));
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
