//! What phones say of the messages that reached them, and when. Pure.
use std::time::Duration;

use super::event::{Receipt, ReceiptState, Written};
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
        written: &Written,
        faults: &mut ReceiptFaults,
    ) -> Vec<(Duration, Receipt)> {
        faults.messages += 1;
        if faults.lost.takes_next() {
            return Vec::new();
        }
        let receipt = |state, device| Receipt {
            state,
            phone: written.phone.clone(),
            device,
            ids: vec![written.id.clone()],
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
