//! What phones say of the messages that reached them, and when. Pure.
use std::time::Duration;

use super::event::{Receipt, ReceiptState};
use super::faults::ReceiptFaults;

/// How much later than the phone each device that is linked to it says something.
const NEXT_DEVICE: Duration = Duration::from_millis(50);
/// How much later a doubled receipt comes again.
const AGAIN: Duration = Duration::from_millis(20);
/// How much later the receipts of every second message come when they are out of order.
const OVERTAKEN: Duration = Duration::from_secs(2);

/// How phones answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answering {
    /// How long a message takes to reach the phone.
    pub delivered: Duration,
    /// How long after that it is read; `None`: nobody says so.
    pub read: Option<Duration>,
    /// How many devices a phone's account has, itself counted in.
    pub devices: u16,
}

impl Answering {
    /// What a phone says of a message, and how long after the message got there.
    pub fn receipts(
        &self,
        phone: &str,
        id: &str,
        faults: &mut ReceiptFaults,
    ) -> Vec<(Duration, Receipt)> {
        faults.messages += 1;
        if faults.lost.takes_next() {
            return Vec::new();
        }
        let receipt = |state, device| Receipt {
            state,
            phone: phone.to_owned(),
            device,
            ids: vec![id.to_owned()],
        };
        let (mut delivered, mut read) =
            (self.delivered, self.read.map(|read| self.delivered + read));
        let mut later = faults.later;
        if faults.reordered {
            if let Some(read) = &mut read {
                std::mem::swap(&mut delivered, read);
            }
            later += OVERTAKEN * u32::from(faults.messages % 2 == 1);
        }
        let devices = (0..self.devices).map(|device| {
            let after = delivered + NEXT_DEVICE * u32::from(device);
            (after, receipt(ReceiptState::Delivered, device))
        });
        // The message is read where somebody opens it.
        let read = read.map(|after| (after, receipt(ReceiptState::Read, 0)));
        let mut receipts: Vec<_> = devices.chain(read).collect();
        if faults.doubled {
            let again = receipts.clone().into_iter();
            receipts.extend(again.map(|(after, receipt)| (after + AGAIN, receipt)));
        }
        for (after, _) in &mut receipts {
            *after += later;
        }
        receipts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::faults::Share;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// The receipts of two messages in the order in which they come: message, state, device, milliseconds.
    fn seen(answering: Answering, faults: ReceiptFaults) -> Vec<(String, ReceiptState, u16, u128)> {
        let mut faults = faults;
        let mut seen: Vec<_> = ["1", "2"]
            .iter()
            .flat_map(|id| answering.receipts("62812", id, &mut faults))
            .map(|(after, receipt)| {
                let id = receipt.ids.concat();
                (id, receipt.state, receipt.device, after.as_millis())
            })
            .collect();
        seen.sort_by_key(|(.., after)| *after);
        seen
    }

    #[test]
    fn receipts_come_as_they_are_asked_for() {
        use ReceiptState::{Delivered, Read};
        let phone = Answering {
            delivered: MS(100),
            read: None,
            devices: 1,
        };
        let read = Answering {
            read: Some(MS(900)),
            ..phone
        };
        let linked = Answering {
            devices: 2,
            ..phone
        };
        let usual = ReceiptFaults::default;
        let later = ReceiptFaults {
            later: MS(5_000),
            ..usual()
        };
        let half = ReceiptFaults {
            lost: Share::new(0.5),
            ..usual()
        };
        let doubled = ReceiptFaults {
            doubled: true,
            ..usual()
        };
        let reordered = ReceiptFaults {
            reordered: true,
            ..usual()
        };
        for (case, answering, faults, expected) in [
            (
                "usual",
                phone,
                usual(),
                vec![("1", Delivered, 0, 100), ("2", Delivered, 0, 100)],
            ),
            (
                "read",
                read,
                usual(),
                vec![
                    ("1", Delivered, 0, 100),
                    ("2", Delivered, 0, 100),
                    ("1", Read, 0, 1_000),
                    ("2", Read, 0, 1_000),
                ],
            ),
            (
                "devices",
                linked,
                usual(),
                vec![
                    ("1", Delivered, 0, 100),
                    ("2", Delivered, 0, 100),
                    ("1", Delivered, 1, 150),
                    ("2", Delivered, 1, 150),
                ],
            ),
            (
                "delayed",
                phone,
                later,
                vec![("1", Delivered, 0, 5_100), ("2", Delivered, 0, 5_100)],
            ),
            ("lost", phone, half, vec![("1", Delivered, 0, 100)]),
            (
                "doubled",
                phone,
                doubled,
                vec![
                    ("1", Delivered, 0, 100),
                    ("2", Delivered, 0, 100),
                    ("1", Delivered, 0, 120),
                    ("2", Delivered, 0, 120),
                ],
            ),
            (
                "reordered",
                read,
                reordered,
                vec![
                    ("2", Read, 0, 100),
                    ("2", Delivered, 0, 1_000),
                    ("1", Read, 0, 2_100),
                    ("1", Delivered, 0, 3_000),
                ],
            ),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(id, state, device, after)| (id.to_owned(), state, device, after))
                .collect();
            assert_eq!(seen(answering, faults), expected, "{case}");
        }
    }
}
