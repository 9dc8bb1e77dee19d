//! The state of one phone's codes: which code is live for which purpose, who may guess it, and which messages were sent.
//!
//! Everything about one phone is one item of the store, so that every limit of a phone is decided and charged in one
//! conditional write. This module is the item as data; [`crate::model::limits`] decides over it.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a request, a code and a network are recognised by.
mod ids;

/// One code as it is kept.
mod issued_code;

pub use self::ids::{AttemptId, ChallengeHash, ChallengeId, NetworkHash};
pub use self::issued_code::{
    ANSWER_AGAIN, Bound, CODE_LIFE, IDS_MAX, IssuedCode, LastGuess, NewCode, REPEAT_LEAVES, TRIES,
    Used,
};
use crate::model::code::Purpose;
use crate::platform::timestamp::Timestamp;

/// How many networks a phone's item remembers: the last ones that somebody has signed in from.
pub const NETWORKS_MAX: usize = 3;

/// A phone that took a message is on WhatsApp for this long, whatever a gateway says.
pub const ON_WHATSAPP_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Everything about one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneState {
    /// The number of the item's last write. A write that was decided on a state is refused when the number has changed.
    pub rev: i64,
    /// Messages of the last day, oldest first.
    pub sends: Vec<SendMade>,
    /// Wrong guesses since the last right one, over all codes.
    pub failures: i64,
    /// That the number was not on WhatsApp when it was looked up.
    pub not_on_whatsapp: Option<NotOnWhatsApp>,
    /// When the last message to the phone that the gateway took was asked for. A message that was only pretended, because the
    /// phone has no user, does not count.
    pub taken_at: Option<Timestamp>,
    /// The WhatsApp session that the last of those messages came from. A contact keeps its sender.
    pub served_by: Option<String>,
    /// The one that a message would have come from that was only pretended since then. A phone that kept none would be known
    /// by that. It has never written to the phone, as far as this tells.
    pub pretended_by: Option<String>,
    /// The networks that somebody has signed in from, the newest first.
    pub known_networks: Vec<NetworkHash>,
    /// The challenge of each purpose.
    pub challenges: BTreeMap<Purpose, Challenge>,
}

impl PhoneState {
    /// The code of a purpose, whether it still works or not.
    pub fn code(&self, purpose: Purpose) -> Option<&IssuedCode> {
        self.challenges.get(&purpose)?.code.as_ref()
    }

    /// The code that is on the phone once no send is under way. The message of a request that died may have gone out, so the
    /// code that it carried counts.
    pub fn live_code(&self, purpose: Purpose) -> Option<IssuedCode> {
        let code = self.code(purpose);
        match self.open(purpose) {
            Some(died) => died.adopted(code),
            None => code.cloned(),
        }
    }

    /// Whether the phone took a message lately: then it is on WhatsApp, whatever a gateway says.
    pub fn took_a_message(&self, now: Timestamp) -> bool {
        self.taken_at
            .is_some_and(|at| now < at.plus(ON_WHATSAPP_FOR))
    }

    /// The session that is known to have written to the phone.
    pub fn writer(&self) -> Option<&str> {
        self.taken_at.and(self.served_by.as_deref())
    }

    /// The session that a message to nobody at the phone is taken to come from, if it has one.
    pub fn pretender(&self) -> Option<&str> {
        self.pretended_by.as_deref().or_else(|| self.writer())
    }

    /// The send for a purpose that is reserved and has not ended: it is under way, or its request died.
    pub fn open(&self, purpose: Purpose) -> Option<&OpenSend> {
        self.challenges.get(&purpose)?.open.as_ref()
    }

    /// The challenge ids that a purpose's code is bound to, or will be.
    pub fn ids(&self, purpose: Purpose) -> BTreeSet<&ChallengeHash> {
        let open = self.open(purpose);
        let coming = open.and_then(|open| open.code.as_ref());
        let codes = self.code(purpose).into_iter().chain(coming);
        codes
            .flat_map(|code| code.bound.keys())
            .chain(open.map(|open| &open.challenge))
            .collect()
    }

    /// Whether somebody has signed in with the phone from `network`.
    pub fn knows(&self, network: NetworkHash) -> bool {
        self.known_networks.contains(&network)
    }

    /// The known networks once somebody has signed in from `network`, too: the newest first, the oldest left out.
    #[must_use]
    pub fn known_networks_with(&self, network: NetworkHash) -> Vec<NetworkHash> {
        let others = self.known_networks.iter().copied();
        let others = others.filter(|known| *known != network);
        std::iter::once(network)
            .chain(others)
            .take(NETWORKS_MAX)
            .collect()
    }
}

/// That a number was not on WhatsApp when it was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOnWhatsApp {
    /// Until when it is taken not to be.
    pub until: Timestamp,
    /// The network that asked for the look-up, where that is known. Others look it up again.
    pub asked_from: Option<NetworkHash>,
}

impl NotOnWhatsApp {
    /// Whether somebody who asks from `network` is told so without a look-up.
    pub fn holds_for(&self, network: NetworkHash, now: Timestamp) -> bool {
        let asked = self.asked_from.is_none_or(|from| from == network);
        asked && now < self.until
    }
}

/// One message that takes a place in the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendMade {
    /// When it went out; if that is not known, the latest that it can have.
    pub at: Timestamp,
    /// What its code is for.
    pub purpose: Purpose,
    /// How sure we are that it went out.
    pub certainty: Certainty,
    /// The network that asked for it, where that is known.
    pub from: Option<NetworkHash>,
}

/// How sure we are that a message went out. All three take a place in the windows; they differ in the wait after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The gateway took it.
    Sent,
    /// The gateway may have taken it.
    Unconfirmed,
    /// The request died before it could say.
    Lapsed,
}

/// The code of one purpose, and the send that may be under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The live code, if there is one.
    pub code: Option<IssuedCode>,
    /// The send that is reserved and has not ended, if there is one.
    pub open: Option<OpenSend>,
}

/// A send that is reserved and has not ended. One that is found after `until` belongs to a request that died.
///
/// Until it ends, nothing of it is part of the code. So a release takes it away, and the item is what it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSend {
    /// The attempt that reserved it.
    pub attempt: AttemptId,
    /// The id of its message.
    pub message_id: String,
    /// The WhatsApp session that the message goes out on.
    pub session: String,
    /// When it was reserved.
    pub at: Timestamp,
    /// From when its request counts as dead.
    pub until: Timestamp,
    /// The network that asked for it.
    pub from: Option<NetworkHash>,
    /// The challenge id that the request is answered with.
    pub challenge: ChallengeHash,
    /// Where that id comes from.
    pub origin: Origin,
    /// The new code that the message carries. Without one it carries the live code once more.
    pub code: Option<IssuedCode>,
}

/// Where the challenge id of a send comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was drawn for this request: whoever knows it has had the reply.
    New,
    /// The client sent it, and has it from an earlier reply.
    Earlier,
}

impl OpenSend {
    /// Whether a guess with `challenge` at `now` shows that the message may have gone out. Its request has died; or it was
    /// answered, since somebody has the id that only the answer told, and could not say so in the store.
    pub fn counts_as_sent(&self, challenge: Option<&ChallengeHash>, now: Timestamp) -> bool {
        let answered = self.origin == Origin::New && challenge == Some(&self.challenge);
        answered || self.until <= now
    }

    /// The message of a request that could not say what became of it, as late as it can have gone out.
    pub const fn lapsed(&self, purpose: Purpose) -> SendMade {
        SendMade {
            at: self.until,
            purpose,
            certainty: Certainty::Lapsed,
            from: self.from,
        }
    }

    /// The code on the phone when the message counts as sent; `live` is the code before it.
    pub fn adopted(&self, live: Option<&IssuedCode>) -> Option<IssuedCode> {
        match &self.code {
            Some(code) => Some(match live {
                Some(live) => code.clone().counting_guesses_at(live, &self.challenge),
                None => code.clone(),
            }),
            None => live.map(|live| {
                let again = live.clone().bind(&self.challenge);
                again.carried_by(&self.message_id)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_knows_the_last_three_networks() {
        let mut state = PhoneState::default();
        for first in [1, 2, 3, 1, 4] {
            state.known_networks = state.known_networks_with(NetworkHash([first; 8]));
        }
        assert_eq!(
            state.known_networks,
            [4, 1, 3].map(|first| NetworkHash([first; 8]))
        );
    }
}
