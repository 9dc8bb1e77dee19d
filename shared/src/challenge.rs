//! The state of one phone's codes: which code is live for which purpose, who may guess it, and which messages were sent.
//!
//! Everything about one phone is one item of the store, so that every limit of a phone is decided and charged in one
//! conditional write. This module is the item as data; [`crate::limits`] decides over it.
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::code::{Nonce, Purpose};
use crate::entropy::Entropy;
use crate::timestamp::Timestamp;

/// How long a code works, counted from the moment the gateway took its message.
pub const CODE_LIFE: Duration = Duration::from_secs(600);

/// A message that repeats a code must leave its reader at least this long.
pub const REPEAT_LEAVES: Duration = Duration::from_secs(180);

/// Guesses per challenge id, and per code for guesses without one.
pub const TRIES: u32 = 5;

/// A code that has this many challenge ids hands them on to no other: many more than the limits let anyone ask for.
const BOUND_MAX: usize = 20;

/// A right, bound guess repeated within this time gets the same answer again: mobile clients lose replies.
pub const ANSWER_AGAIN: Duration = Duration::from_secs(60);

/// 128 random bits given to whoever asked for a code. Binds the answer to the request.
#[derive(Clone, PartialEq, Eq)]
pub struct ChallengeId(String);

impl ChallengeId {
    /// A new one.
    pub fn draw(entropy: &Entropy) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(entropy.bytes::<16>()))
    }

    /// One that came from a client. Any text will do: a wrong one is found nowhere.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id itself, for the reply to whoever asked.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it.
    pub fn hash(&self) -> ChallengeHash {
        let hash = digest::digest(&digest::SHA256, self.0.as_bytes());
        ChallengeHash(BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]))
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeId(****)")
    }
}

/// The first 128 bits of a challenge id's SHA-256, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChallengeHash(pub String);

/// Names one request's try to send. A lost reply of the store is recognised by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptId(pub String);

impl AttemptId {
    /// A new one: 64 random bits.
    pub fn draw(entropy: &Entropy) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(entropy.bytes::<8>()))
    }
}

/// Everything about one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneState {
    /// Changes with every write; what `reserve` compares and sets.
    pub rev: i64,
    /// Messages of the last day, oldest first.
    pub sends: Vec<SendMade>,
    /// Wrong guesses since the last right one, over all codes.
    pub failures: i64,
    /// Until when the number is taken not to be on WhatsApp.
    pub not_on_whatsapp_until: Option<Timestamp>,
    /// The challenge of each purpose.
    pub challenges: BTreeMap<Purpose, Challenge>,
}

impl PhoneState {
    /// The code of a purpose, whether it still works or not.
    pub fn code(&self, purpose: Purpose) -> Option<&IssuedCode> {
        self.challenges.get(&purpose)?.code.as_ref()
    }

    /// Whether the phone is known to have taken a message: then it is on WhatsApp, whatever a gateway says. Only those of
    /// sign-ups tell: the others may have gone to nobody.
    pub fn took_a_message(&self) -> bool {
        self.sends
            .iter()
            .any(|send| send.purpose == Purpose::Signup && send.certainty == Certainty::Sent)
    }
}

/// One message that takes a place in the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendMade {
    /// When, or the latest that it can have been.
    pub at: Timestamp,
    /// What for.
    pub purpose: Purpose,
    /// How sure we are that it went out.
    pub certainty: Certainty,
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

/// One code for one purpose and one phone, and the send that may be under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The live code, if there is one.
    pub code: Option<IssuedCode>,
    /// The reservation of a send that has not ended.
    pub open: Option<Open>,
}

/// What is known of a code without knowing the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCode {
    /// The code's random part.
    pub nonce: Nonce,
    /// The key that derives it.
    pub kid: String,
    /// When it ends. Provisional until the gateway took its message.
    pub expires_at: Timestamp,
    /// Tries left per challenge id.
    pub bound: BTreeMap<ChallengeHash, i64>,
    /// Tries left for guesses without a challenge id.
    pub unbound: i64,
    /// Set once, by the right guess.
    pub used: Option<Used>,
    /// The last guess that was counted: a lost reply is recognised by it.
    pub last_guess: Option<String>,
}

/// The use of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// When.
    pub at: Timestamp,
    /// The challenge id it was used with.
    pub by: Option<ChallengeHash>,
    /// The login that it opened.
    pub login: String,
}

/// A granted send that has not ended. Found after `until`, its request died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Whose it is.
    pub attempt: AttemptId,
    /// The message id.
    pub message_id: String,
    /// The WhatsApp session it goes out on.
    pub session: String,
    /// When it was granted.
    pub at: Timestamp,
    /// When it counts as dead.
    pub until: Timestamp,
}

impl IssuedCode {
    /// A fresh code, to be guessed by whoever holds `challenge`.
    pub fn fresh(nonce: Nonce, kid: String, challenge: ChallengeHash, now: Timestamp) -> Self {
        Self {
            nonce,
            kid,
            expires_at: now.plus(CODE_LIFE),
            bound: BTreeMap::from([(challenge, i64::from(TRIES))]),
            unbound: i64::from(TRIES),
            used: None,
            last_guess: None,
        }
    }

    /// Whether one more message may carry this same code: unused, tries without a challenge id remain, and enough of its
    /// life is left. Whoever asks for it gets tries of their own, so the tries of others do not matter.
    pub fn repeatable(&self, now: Timestamp) -> bool {
        self.used.is_none() && self.unbound > 0 && self.expires_at >= now.plus(REPEAT_LEAVES)
    }

    /// Whether whoever holds `challenge` has used up the tries for this code.
    pub fn is_exhausted(&self, challenge: &ChallengeHash) -> bool {
        self.bound.get(challenge).is_some_and(|tries| *tries <= 0)
    }

    /// A fresh code in the place of this one. Who could guess this one can guess that one, with as many tries as were
    /// left: a stranger who asks for a code makes nobody's challenge id worthless.
    #[must_use]
    pub fn replaced_by(&self, mut fresh: Self, now: Timestamp) -> Self {
        if self.used.is_none() && now < self.expires_at && self.bound.len() < BOUND_MAX {
            for (challenge, tries) in &self.bound {
                fresh.bound.entry(challenge.clone()).or_insert(*tries);
            }
        }
        fresh
    }

    /// The use that a repeated guess with the same challenge id may be answered with again.
    pub fn answered_again(&self, by: &ChallengeHash, now: Timestamp) -> Option<&Used> {
        self.used
            .as_ref()
            .filter(|used| used.by.as_ref() == Some(by) && now < used.at.plus(ANSWER_AGAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(now: Timestamp) -> IssuedCode {
        IssuedCode::fresh([1; 16], "k".into(), ChallengeHash("a".into()), now)
    }

    #[test]
    fn a_code_is_repeated_only_while_it_is_of_use() {
        let now = Timestamp::from_seconds(1_000);
        let check = |change: fn(&mut IssuedCode), later: u64, repeatable: bool| {
            let mut code = issued(now);
            change(&mut code);
            let then = now.plus(Duration::from_secs(later));
            assert_eq!(code.repeatable(then), repeatable, "{code:?} {later}");
        };
        check(|_| (), 0, true);
        check(|_| (), 420, true);
        check(|_| (), 421, false);
        check(|code| code.unbound = 0, 0, false);
        check(
            |code| code.bound = [(ChallengeHash("a".into()), 0)].into(),
            0,
            true,
        );
        let used = |code: &mut IssuedCode| {
            code.used = Some(Used {
                at: code.expires_at,
                by: None,
                login: "l".into(),
            });
        };
        check(used, 0, false);
    }

    #[test]
    fn a_fresh_code_is_bound_to_whoever_could_guess_the_one_before() {
        let now = Timestamp::from_seconds(1_000);
        let (mine, others) = (ChallengeHash("a".into()), ChallengeHash("b".into()));
        let mut before = issued(now);
        before.bound.insert(mine.clone(), 3);
        let fresh = || IssuedCode::fresh([2; 16], "k".into(), others.clone(), now);
        let bound = before.replaced_by(fresh(), now).bound;
        assert_eq!(bound, [(mine, 3), (others.clone(), 5)].into());
        let late = before.replaced_by(fresh(), before.expires_at).bound;
        assert_eq!(late, [(others.clone(), 5)].into());
    }

    #[test]
    fn only_the_same_challenge_id_is_answered_again_and_only_for_a_minute() {
        let now = Timestamp::from_seconds(1_000);
        let (mine, other) = (ChallengeHash("a".into()), ChallengeHash("b".into()));
        let mut code = issued(now);
        assert_eq!(code.answered_again(&mine, now), None);
        code.used = Some(Used {
            at: now,
            by: Some(mine.clone()),
            login: "l".into(),
        });
        assert!(
            code.answered_again(&mine, now.plus(Duration::from_secs(59)))
                .is_some()
        );
        assert_eq!(
            code.answered_again(&mine, now.plus(Duration::from_secs(60))),
            None
        );
        assert_eq!(code.answered_again(&other, now), None);
    }

    #[test]
    fn challenge_ids_are_shown_by_no_debug_and_differ() {
        let entropy = Entropy::seeded(1);
        let (one, two) = (ChallengeId::draw(&entropy), ChallengeId::draw(&entropy));
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 22);
        assert!(!format!("{one:?}").contains(one.expose()));
        assert_eq!(one.hash(), ChallengeId::presented(one.expose()).hash());
    }
}
