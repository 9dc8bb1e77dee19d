//! The networks that somebody has signed in from.
use super::change::Change;
use super::item::{list_of_networks, list_of_sends};
use super::{Challenges, ITEM_LIFE, Updated};
use crate::model::challenge::{NetworkHash, PhoneState};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, number};

/// How often a network is written again when others change the phone's state meanwhile.
const RACES_MAX: usize = 5;

/// A sign-in from a network.
#[derive(Clone, Copy, Debug)]
pub struct SignInFrom {
    /// The network.
    pub network: NetworkHash,
    /// When somebody signed in.
    pub at: Timestamp,
}

/// What became of a network that was to be remembered.
#[must_use = "the network may not be remembered"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkRemembered {
    /// The phone's item has it.
    Done,
    /// Others changed the phone's state at each try. Nothing was written.
    LostRace,
}

impl Challenges {
    /// Remembers that somebody has signed in from a network, on the state that was seen or, when others were faster, on the
    /// one they left.
    pub async fn remember_network(
        &self,
        phone: &Phone,
        mut seen: PhoneState,
        sign_in: SignInFrom,
    ) -> Result<NetworkRemembered, StoreError> {
        for _ in 0..RACES_MAX {
            if seen.known_networks.first() == Some(&sign_in.network) {
                return Ok(NetworkRemembered::Done);
            }
            match self.update(phone, remembering(&seen, sign_in)).await? {
                Updated::Done(_) => return Ok(NetworkRemembered::Done),
                Updated::Refused(_) => seen = self.read(phone, sign_in.at).await?,
            }
        }
        Ok(NetworkRemembered::LostRace)
    }
}

fn remembering(seen: &PhoneState, sign_in: SignInFrom) -> Change {
    let known = seen.known_networks_with(sign_in.network);
    let expires_at = sign_in.at.plus(ITEM_LIFE).seconds_up();
    Change::new("remember a network")
        .if_seen(seen)
        .set("sends = :sends, failures = :failures, expires_at = :expires_at, known = :known")
        .value(":sends", list_of_sends(&seen.sends))
        .value(":failures", number(seen.failures))
        .value(":expires_at", number(expires_at))
        .value(":known", list_of_networks(&known))
        .remove_unseen(seen)
}
