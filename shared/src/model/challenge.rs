//! The state of one phone's codes: which code is live for which purpose, who may guess it, and which messages were sent.
//!
//! Everything about one phone is one item of the store, so that every limit of a phone is decided and charged in one
//! conditional write. This module is the item as data; [`crate::model::limits`] decides over it.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::model::address::ClientAddress;
use crate::model::code::{CodeLength, Nonce, Purpose};
use crate::model::identifier::Identifier;
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;
use crate::platform::timestamp::Timestamp;

/// How long a code works, counted from the moment the gateway took its message.
pub const CODE_LIFE: Duration = Duration::from_secs(600);

/// A message that repeats a code must leave its reader at least this long.
pub const REPEAT_LEAVES: Duration = Duration::from_secs(180);

/// Guesses per challenge id, and per code for guesses without one.
pub const TRIES: u32 = 5;

/// Challenge ids per code: with five guesses each, no code is compared more than 25 times with bound guesses.
pub const IDS_MAX: usize = 5;

/// Networks that a phone's item remembers: the last ones that somebody has signed in from.
pub const NETWORKS_KNOWN: usize = 3;

/// So long after a phone took a message it is on WhatsApp, whatever a gateway says.
pub const TAKEN_COUNTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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

    /// What the store keeps of it. An id belongs to the identifier as it was given: one that was asked for with an e-mail
    /// address is found under that address and under nothing else, so that it tells nobody whose phone is behind it.
    pub fn hash(&self, who: &Identifier) -> ChallengeHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.0.as_bytes());
        if let Identifier::Email(email) = who {
            context.update(b"\0email\0");
            context.update(email.as_str().as_bytes());
        }
        ChallengeHash(BASE64_URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..16]))
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

/// The network that a request came from, as one phone's item keeps it: the first 64 bits of a SHA-256 over the phone and
/// the /24 of an IPv4 address, or the /64 of an IPv6 one. So the items of two phones do not show that they share a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkHash(pub [u8; 8]);

impl NetworkHash {
    /// The network of `address`, for the item of `phone`.
    pub fn of(phone: &Phone, address: ClientAddress) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [phone.digits(), &address.network().to_string()] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let hash = context.finish();
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        Self(first)
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
    /// When the last message to the phone that the gateway took was asked for. What stands for messages to nobody does not
    /// count.
    pub taken_at: Option<Timestamp>,
    /// The networks that somebody has signed in from, the newest first.
    pub known: Vec<NetworkHash>,
    /// The challenge of each purpose.
    pub challenges: BTreeMap<Purpose, Challenge>,
}

impl PhoneState {
    /// The code of a purpose, whether it still works or not.
    pub fn code(&self, purpose: Purpose) -> Option<&IssuedCode> {
        self.challenges.get(&purpose)?.code.as_ref()
    }

    /// The code that is on the phone once no send is under way: the message of a request that died may have gone out, so
    /// what it brought counts.
    pub fn live_code(&self, purpose: Purpose) -> Option<IssuedCode> {
        let code = self.code(purpose);
        match self.open(purpose) {
            Some(died) => died.adopted(code),
            None => code.cloned(),
        }
    }

    /// Whether the phone took a message lately: then it is on WhatsApp, whatever a gateway says.
    pub fn took_a_message(&self, now: Timestamp) -> bool {
        self.taken_at.is_some_and(|at| now < at.plus(TAKEN_COUNTS))
    }

    /// The send for a purpose that is under way, or died.
    pub fn open(&self, purpose: Purpose) -> Option<&Open> {
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

    /// The known networks once somebody has signed in from `network`.
    #[must_use]
    pub fn knowing(&self, network: NetworkHash) -> Vec<NetworkHash> {
        let others = self.known.iter().copied().filter(|known| *known != network);
        std::iter::once(network)
            .chain(others)
            .take(NETWORKS_KNOWN)
            .collect()
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
    /// How many digits it has.
    pub length: CodeLength,
    /// When it ends. Provisional until the gateway took its message.
    pub expires_at: Timestamp,
    /// Who may guess it, by challenge id.
    pub bound: BTreeMap<ChallengeHash, Bound>,
    /// Tries left for guesses without a challenge id.
    pub unbound: i64,
    /// Set once, by the right guess.
    pub used: Option<Used>,
    /// The last guess that was counted: a lost reply is recognised by it.
    pub last_guess: Option<LastGuess>,
}

/// What a challenge id is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Tries left.
    pub tries: i64,
    /// The end that its request was told. Until then a code that replaces this one is bound to it, too.
    pub until: Timestamp,
}

/// A guess that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGuess {
    /// Names it.
    pub id: String,
    /// When.
    pub at: Timestamp,
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
///
/// Until it ends, nothing of it is part of the code: a release takes it away, and the item is what it was before.
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
    /// The network that asked for it.
    pub from: Option<NetworkHash>,
    /// The challenge id that the request is answered with.
    pub challenge: ChallengeHash,
    /// Where that id comes from.
    pub origin: Origin,
    /// The new code that its message carries; without one it carries the live code once more.
    pub code: Option<IssuedCode>,
}

/// Where the challenge id of a send comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Drawn for this request: whoever knows it has had the reply.
    Drawn,
    /// Shown by the client.
    Shown,
}

impl Open {
    /// Whether a guess under `challenge` at `now` shows that the message may have gone out: its request died, or was answered
    /// and could not say so in the store.
    pub fn counts_as_sent(&self, challenge: Option<&ChallengeHash>, now: Timestamp) -> bool {
        let answered = self.origin == Origin::Drawn && challenge == Some(&self.challenge);
        answered || self.until <= now
    }

    /// The message of a request that could not say what became of it: the latest that it can have gone out.
    pub const fn lapsed(&self, purpose: Purpose) -> SendMade {
        SendMade {
            at: self.until,
            purpose,
            certainty: Certainty::Lapsed,
            from: self.from,
        }
    }

    /// What `live`, the code before, becomes when the message counts as sent.
    pub fn adopted(&self, live: Option<&IssuedCode>) -> Option<IssuedCode> {
        match &self.code {
            Some(code) => Some(code.clone()),
            None => live.map(|live| live.clone().bind(&self.challenge)),
        }
    }
}

impl IssuedCode {
    /// A fresh code, to be guessed by whoever holds `challenge`.
    pub fn fresh(
        nonce: Nonce,
        kid: String,
        length: CodeLength,
        challenge: &ChallengeHash,
        now: Timestamp,
    ) -> Self {
        Self {
            nonce,
            kid,
            length,
            expires_at: now.plus(CODE_LIFE),
            bound: BTreeMap::new(),
            unbound: i64::from(TRIES),
            used: None,
            last_guess: None,
        }
        .bind(challenge)
    }

    /// The same code, which whoever holds `challenge` may guess, too. Who could before gets no new tries.
    #[must_use]
    pub fn bind(mut self, challenge: &ChallengeHash) -> Self {
        let bound = Bound {
            tries: i64::from(TRIES),
            until: self.expires_at,
        };
        self.bound.entry(challenge.clone()).or_insert(bound);
        self
    }

    /// The same code, which begins to count now: its message was taken.
    #[must_use]
    pub fn starting(mut self, challenge: &ChallengeHash, now: Timestamp) -> Self {
        self.expires_at = now.plus(CODE_LIFE);
        if let Some(bound) = self.bound.get_mut(challenge) {
            bound.until = self.expires_at;
        }
        self
    }

    /// Whether one more message may carry this same code to whoever holds `challenge`: it is unused, tries remain without
    /// an id and with this one, enough of its life is left, and it has room for one more id.
    pub fn repeatable(&self, challenge: &ChallengeHash, now: Timestamp) -> bool {
        let bindable = match self.bound.get(challenge) {
            Some(bound) => bound.tries > 0,
            None => self.bound.len() < IDS_MAX,
        };
        bindable
            && self.used.is_none()
            && self.unbound > 0
            && self.expires_at >= now.plus(REPEAT_LEAVES)
    }

    /// Whether `challenge` has used its tries up.
    pub fn is_spent(&self, challenge: &ChallengeHash) -> bool {
        let bound = self.bound.get(challenge);
        bound.is_some_and(|bound| bound.tries <= 0)
    }

    /// A fresh code in the place of this one. Who could guess this one can guess that one, with as many tries as were
    /// left: a stranger who asks for a code makes nobody's challenge id worthless.
    #[must_use]
    pub fn replaced_by(&self, mut fresh: Self, now: Timestamp) -> Self {
        if self.used.is_some() || self.expires_at <= now {
            return fresh;
        }
        let mut others: Vec<_> = self
            .bound
            .iter()
            .filter(|(challenge, bound)| {
                bound.tries > 0 && now < bound.until && !fresh.bound.contains_key(challenge)
            })
            .collect();
        others.sort_by_key(|(_, bound)| std::cmp::Reverse(bound.until));
        let room = IDS_MAX - fresh.bound.len();
        for (challenge, bound) in others.into_iter().take(room) {
            fresh.bound.insert(challenge.clone(), *bound);
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

    fn id(name: &str) -> ChallengeHash {
        ChallengeHash(name.into())
    }

    fn issued(now: Timestamp) -> IssuedCode {
        IssuedCode::fresh([1; 16], "k".into(), CodeLength::Six, &id("a"), now)
    }

    fn tries(code: &IssuedCode) -> BTreeMap<&str, i64> {
        let bound = code.bound.iter();
        bound
            .map(|(challenge, bound)| (challenge.0.as_str(), bound.tries))
            .collect()
    }

    #[test]
    fn a_code_is_repeated_only_while_it_is_of_use() {
        let now = Timestamp::from_seconds(1_000);
        let check = |case: &str, change: fn(&mut IssuedCode), later: u64, repeatable: bool| {
            let mut code = issued(now);
            change(&mut code);
            let then = now.plus(Duration::from_secs(later));
            assert_eq!(code.repeatable(&id("b"), then), repeatable, "{case}");
        };
        check("a fresh one", |_| (), 0, true);
        check("with three minutes left", |_| (), 420, true);
        check("with less", |_| (), 421, false);
        check("out of unbound tries", |code| code.unbound = 0, 0, false);
        let spent = |code: &mut IssuedCode| {
            for bound in code.bound.values_mut() {
                bound.tries = 0;
            }
        };
        check("out of another's tries", spent, 0, true);
        let used = |code: &mut IssuedCode| {
            code.used = Some(Used {
                at: code.expires_at,
                by: None,
                login: "l".into(),
            });
        };
        check("used", used, 0, false);
        let full = |code: &mut IssuedCode| {
            for name in ["c", "d", "e", "f"] {
                *code = code.clone().bind(&id(name));
            }
        };
        check("with five ids", full, 0, false);
    }

    #[test]
    fn a_code_is_repeated_for_an_id_only_while_it_has_tries() {
        let now = Timestamp::from_seconds(1_000);
        let mut code = issued(now);
        assert!(code.repeatable(&id("a"), now));
        code.bound.get_mut(&id("a")).expect("bound").tries = 0;
        assert!(!code.repeatable(&id("a"), now));
        assert_eq!(tries(&code.bind(&id("a"))), [("a", 0)].into());
    }

    #[test]
    fn a_fresh_code_is_bound_to_whoever_could_guess_the_one_before() {
        let now = Timestamp::from_seconds(1_000);
        let mut before = issued(now);
        before.bound.get_mut(&id("a")).expect("bound").tries = 3;
        let fresh = || IssuedCode::fresh([2; 16], "k".into(), CodeLength::Six, &id("b"), now);
        let replaced = before.replaced_by(fresh(), now);
        assert_eq!(tries(&replaced), [("a", 3), ("b", 5)].into());
        assert_eq!(replaced.bound[&id("a")].until, before.expires_at);
        let late = before.replaced_by(fresh(), before.expires_at);
        assert_eq!(tries(&late), [("b", 5)].into());
        // Its own end counts, however often codes follow each other.
        let next = IssuedCode::fresh(
            [3; 16],
            "k".into(),
            CodeLength::Six,
            &id("c"),
            before.expires_at,
        );
        let mut replaced = replaced;
        replaced.expires_at = before.expires_at.plus(Duration::from_secs(60));
        let next = replaced.replaced_by(next, before.expires_at);
        assert_eq!(tries(&next), [("c", 5)].into());
    }

    #[test]
    fn no_code_has_more_than_five_ids() {
        let now = Timestamp::from_seconds(1_000);
        let mut before = issued(now);
        for name in ["b", "c", "d", "e"] {
            before = before.bind(&id(name));
        }
        let fresh = IssuedCode::fresh([2; 16], "k".into(), CodeLength::Six, &id("f"), now);
        let replaced = before.replaced_by(fresh, now);
        assert_eq!(replaced.bound.len(), IDS_MAX);
        assert!(replaced.bound.contains_key(&id("f")));
    }

    #[test]
    fn only_the_same_challenge_id_is_answered_again_and_only_for_a_minute() {
        let now = Timestamp::from_seconds(1_000);
        let (mine, other) = (id("a"), id("b"));
        let mut code = issued(now);
        assert_eq!(code.answered_again(&mine, now), None);
        code.used = Some(Used {
            at: now,
            by: Some(mine.clone()),
            login: "l".into(),
        });
        let later = |seconds| now.plus(Duration::from_secs(seconds));
        assert!(code.answered_again(&mine, later(59)).is_some());
        assert_eq!(code.answered_again(&mine, later(60)), None);
        assert_eq!(code.answered_again(&other, now), None);
    }

    #[test]
    fn challenge_ids_are_shown_by_no_debug_and_differ() {
        let entropy = Entropy::seeded(1);
        let (one, two) = (ChallengeId::draw(&entropy), ChallengeId::draw(&entropy));
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 22);
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn an_id_belongs_to_the_identifier_as_it_was_given() {
        let id = ChallengeId::draw(&Entropy::seeded(1));
        let phone = |digits| Identifier::Phone(Phone::from_digits(digits).expect("a phone number"));
        let email = |text| {
            Identifier::Email(crate::model::identifier::Email::parse(text).expect("an address"))
        };
        let siti = email("siti@example.com");
        let again = ChallengeId::presented(id.expose());
        assert_eq!(id.hash(&siti), again.hash(&siti));
        for other in [email("budi@example.com"), phone("628123456789")] {
            assert_ne!(id.hash(&siti), id.hash(&other), "{other:?}");
        }
    }

    #[test]
    fn a_phone_knows_the_last_three_networks_and_no_other_phone_sees_that() {
        let phone = Phone::from_digits("628123456789").expect("a phone number");
        let other = Phone::from_digits("628123456780").expect("a phone number");
        let address = |text: &str| {
            let address: std::net::IpAddr = text.parse().expect("an address");
            ClientAddress::from(address)
        };
        let of = |text| NetworkHash::of(&phone, address(text));
        assert_eq!(of("203.0.113.7"), of("203.0.113.200"));
        assert_ne!(of("203.0.113.7"), of("203.0.114.7"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:9::1"));
        let address = address("203.0.113.7");
        assert_ne!(of("203.0.113.7"), NetworkHash::of(&other, address));

        let mut state = PhoneState::default();
        for first in [1, 2, 3, 1, 4] {
            state.known = state.knowing(NetworkHash([first; 8]));
        }
        assert_eq!(state.known, [4, 1, 3].map(|first| NetworkHash([first; 8])));
    }
}
