//! The client addresses that have just used up their wrong codes. This is a hint: a guess from such an address is not counted
//! for the phone.
//!
//! Memory decides nothing here. The hint only changes the order of the calls: the address is asked for its place first, so
//! that whoever goes on guessing does not write to the phone's item again and again, in the way of its owner.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::address::ClientAddress;
use crate::platform::timestamp::Timestamp;

/// How many addresses are remembered: the last ones.
const ADDRESSES_MAX: usize = 64;

/// Addresses whose window is full, and until when.
#[derive(Clone, Debug, Default)]
pub(super) struct FullAddresses(Arc<Mutex<VecDeque<(ClientAddress, Timestamp)>>>);

impl FullAddresses {
    /// Remembers that the window of `address` is full until `ends`.
    pub(super) fn add(&self, address: ClientAddress, ends: Timestamp) {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        full.retain(|(known, _)| *known != address);
        full.truncate(ADDRESSES_MAX - 1);
        full.push_front((address, ends));
    }

    /// Whether the window of `address` was full and has not ended.
    pub(super) fn has(&self, address: ClientAddress, now: Timestamp) -> bool {
        let full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        full.iter()
            .any(|(known, ends)| *known == address && now < *ends)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn address(number: u32) -> ClientAddress {
        std::net::IpAddr::from(Ipv4Addr::from(number)).into()
    }

    #[test]
    fn an_address_is_full_until_its_window_ends_and_only_the_last_ones_are_remembered() {
        let full = FullAddresses::default();
        let now = Timestamp::from_seconds(1_000);
        let ends = now.plus(Duration::from_secs(60));
        for number in 0..=64 {
            full.add(address(number), ends);
        }
        for (case, number, at, expected) in [
            ("the newest", 64, now, true),
            ("the oldest that has room", 1, now, true),
            ("one too many", 0, now, false),
            ("one that was never full", 99, now, false),
            ("after the window", 64, ends, false),
        ] {
            assert_eq!(full.has(address(number), at), expected, "{case}");
        }
    }
}
