//! The sessions that this deployment may send from, and in which order a recipient gets them.
//!
//! A contact keeps its sender: first comes the session that served the phone before, then the others as their names and the
//! phone are hashed together, so that the load spreads and each phone has an order of its own. A session with a larger weight
//! comes first for more phones. Of these, the fittest are taken first.
//!
//! For codes that hash has a key, and a phone without an account keeps its session as well. Otherwise whoever waits in the queue
//! of another session than the names say would be known to have an account.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;

use super::delivery::Delivery;
use super::rank::{Contact, Rank, Urgency, is_refused, is_tried_by, rank};
use crate::model::phone::{Phone, PhoneMark};
use crate::model::weight::Weight;
use crate::platform::timestamp::Timestamp;
use crate::runtime::settings::{SYSTEM_SESSION, SessionSettings};
use crate::store::StoreError;
use crate::store::session_list::{ListedSession, SessionList};
use crate::store::whatsapp_sessions::{SessionItem, SessionState};

/// How many sessions are looked at before the others.
pub(super) const CANDIDATES: usize = 2;

/// How many more are looked at for one that has users, when none of the first has any.
pub(super) const LOOKED_AT_FOR_NOBODY: usize = 8;

/// The configured sessions, and those of the list.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    configured: Vec<SessionSettings>,
    list: SessionList,
}

impl Pool {
    /// The sessions of `configured` and of `list`. A configured one whose name cannot be the key of an item is left out and
    /// named in the log.
    pub(super) fn new(configured: &[SessionSettings], list: SessionList) -> Self {
        let (configured, unnamed): (Vec<_>, Vec<_>) = configured
            .iter()
            .cloned()
            .partition(|session| is_session_name(&session.name));
        for session in unnamed {
            tracing::error!(
                session = session.name,
                "[WhatsApp System] a session's name is 1 to 32 letters, digits, `_` or `-`: it is not used"
            );
        }
        Self { configured, list }
    }

    /// The names of the configured sessions. Whoever only looks how a session is needs no token, and knows one by its name.
    pub(super) fn configured_names(&self) -> Vec<String> {
        if self.configured.is_empty() {
            return vec![SYSTEM_SESSION.to_owned()];
        }
        let names = self.configured.iter();
        names.map(|session| session.name.clone()).collect()
    }

    /// The sessions as they were known last, without a call.
    pub(super) fn last_known(&self) -> Vec<SessionSettings> {
        let listed = self.list.last();
        self.with(listed.as_deref().map(Vec::as_slice).unwrap_or_default())
    }

    /// The sessions as they were at most a minute ago. When the list cannot be read, those that were known last go on.
    pub(super) async fn sessions(&self, now: Timestamp) -> Vec<SessionSettings> {
        match self.list.get(now).await {
            Ok(listed) => self.with(&listed),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "[WhatsApp System] the list of sessions could not be read: those that were known last go on"
                );
                self.last_known()
            }
        }
    }

    /// The sessions as they were at most a minute ago, with those that nothing is sent from.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn every_session(
        &self,
        now: Timestamp,
    ) -> Result<Vec<ListedSession>, StoreError> {
        let listed = self.list.get(now).await?;
        Ok(self.merged(&listed))
    }

    fn with(&self, listed: &[ListedSession]) -> Vec<SessionSettings> {
        let all = self.merged(listed).into_iter();
        all.filter(|listed| listed.sends)
            .map(|listed| listed.session)
            .collect()
    }

    /// The configured sessions, and those of `listed` that have other names.
    fn merged(&self, listed: &[ListedSession]) -> Vec<ListedSession> {
        let configured = self.configured.iter().map(|session| ListedSession {
            session: session.clone(),
            sends: true,
        });
        let configured_name = |name: &str| self.configured.iter().any(|one| one.name == name);
        let others = listed
            .iter()
            .filter(|other| !configured_name(&other.session.name));
        configured.chain(others.cloned()).collect()
    }
}

/// Whom a message is for, as far as that decides which session it gets.
#[derive(Clone, Debug)]
pub struct Recipient<'a> {
    /// The phone.
    pub phone: &'a Phone,
    /// The secret that the order is drawn with. Empty where whoever asks knows the phone's owner.
    pub order_key: &'a [u8],
    /// The session that served the phone before, where that is known. For nobody, the one that would have.
    pub served_by: Option<&'a str>,
    /// Whether the person signs up: anybody can do that with any phone.
    pub signs_up: bool,
    /// Whether no session is known to have written to the phone, whose person signs up.
    pub first_contact: bool,
    /// Whether none is known to, although the person does not sign up: a user of another system.
    pub unserved: bool,
    /// Whether the person has just written to the session that answers.
    pub wrote_first: bool,
    /// The session whose last message seems not to have reached the phone: others come before it.
    pub silent: Option<&'a str>,
    /// Whether the message goes to nobody, who tries no session for the others.
    pub is_nobody: bool,
    /// What the message is, which decides how many of a session's new chats are left for it.
    pub urgency: Urgency,
}

impl<'a> Recipient<'a> {
    /// Somebody whom any session may have written to, as far as is known.
    pub const fn of(phone: &'a Phone) -> Self {
        Self {
            phone,
            order_key: &[],
            served_by: None,
            signs_up: false,
            first_contact: false,
            unserved: false,
            wrote_first: false,
            silent: None,
            is_nobody: false,
            urgency: Urgency::Code,
        }
    }

    /// `sessions` for this recipient, in its order.
    pub(super) fn candidates(&self, sessions: Vec<SessionSettings>) -> Vec<Candidate> {
        let ordered = self.order(sessions).into_iter();
        let candidate = |session: SessionSettings| Candidate {
            contact: self.contact(&session.name),
            phone: Some(self.phone.mark()),
            is_nobody: self.is_nobody,
            new_chats_max: session
                .new_chats_per_day
                .map(|most| self.urgency.new_chats(most)),
            session,
        };
        ordered.map(candidate).collect()
    }

    /// How well the session called `name` knows the recipient.
    fn contact(&self, name: &str) -> Contact {
        match self.served_by {
            _ if self.wrote_first => Contact::WroteFirst,
            _ if self.first_contact => Contact::New,
            _ if self.unserved => Contact::Unserved,
            Some(served_by) if served_by != name && self.signs_up => Contact::New,
            Some(served_by) if served_by != name => Contact::OfAnother,
            Some(_) if self.signs_up => Contact::Applicant,
            Some(_) | None => Contact::Known,
        }
    }

    /// `sessions` in the order of this recipient.
    pub(super) fn order(&self, mut sessions: Vec<SessionSettings>) -> Vec<SessionSettings> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.order_key);
        let place = |session: &SessionSettings| {
            let is = |name: Option<&str>| name == Some(session.name.as_str());
            let turn = turn(draw(&key, &session.name, self.phone), session.weight);
            (is(self.silent), !is(self.served_by), turn)
        };
        sessions.sort_by_cached_key(place);
        sessions
    }
}

/// What a session draws for a phone: the same number each time, and each number as likely as any other.
fn draw(key: &hmac::Key, name: &str, phone: &Phone) -> u64 {
    let place = format!("session-order\n{name}\n{}", phone.digits());
    let mut drawn = [0; 8];
    drawn.copy_from_slice(&hmac::sign(key, place.as_bytes()).as_ref()[..8]);
    u64::from_be_bytes(drawn)
}

/// Weighted rendezvous hashing: each phone has its own order of the sessions, the smallest turn first. A session that comes, goes
/// or gets another weight changes no other's place beside the rest.
///
/// With `u` drawn from 0 to 1, `-ln(1 - u) / weight` is an exponential variable whose rate is the weight, and of such variables
/// each is the smallest as often as its rate is in their sum. It only falls when the weight is raised, so no phone leaves a session
/// that got heavier. With equal weights the order is that of the drawn numbers.
///
/// Source: the logarithmic method of C. Schindelhauer and G. Schomaker, Weighted Distributed Hash Tables, SPAA 2005; as
/// rendezvous hashing in J. Resch, New Hashing Algorithms for Data Storage, Storage Developer Conference 2015.
fn turn(drawn: u64, weight: Weight) -> u64 {
    // As many bits as a float keeps, so that `u` is below 1.
    const BITS: u32 = f64::MANTISSA_DIGITS;
    let u = (drawn >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64;
    let turn = -(-u).ln_1p() / f64::from(weight.get());
    // The bits of floats that are not negative are in the order of the floats. Zero may be -0.
    turn.abs().to_bits()
}

/// One session for a recipient, of which nothing was read yet.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) session: SessionSettings,
    pub(super) contact: Contact,
    pub(super) phone: Option<PhoneMark>,
    pub(super) is_nobody: bool,
    /// How many new chats a day it may have for one more to be opened.
    pub(super) new_chats_max: Option<u32>,
}

/// One session for a recipient, and what is known about it.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) session: SessionSettings,
    pub(super) item: SessionItem,
    pub(super) rank: Rank,
    pub(super) contact: Contact,
    /// As in [`Candidate`].
    pub(super) is_nobody: bool,
    /// As in [`Candidate`].
    pub(super) new_chats_max: Option<u32>,
    /// Whether it is the first in the recipient's order, however fit it is.
    pub(super) comes_first: bool,
}

impl Choice {
    /// Each of `candidates`, with its item from `items`.
    pub(super) fn of_each(
        candidates: &[Candidate],
        items: &HashMap<String, SessionItem>,
        now: Timestamp,
    ) -> Vec<Self> {
        let choice = |candidate: &Candidate| {
            let item = items.get(&candidate.session.name).cloned();
            Self::new(candidate.clone(), item.unwrap_or_default(), now)
        };
        candidates.iter().map(choice).collect()
    }

    pub(super) fn new(candidate: Candidate, item: SessionItem, now: Timestamp) -> Self {
        let Candidate {
            session,
            contact,
            phone,
            is_nobody,
            new_chats_max,
        } = candidate;
        let rank = match rank(&item, contact, new_chats_max, now) {
            Rank::NeedsHuman if is_tried_by(&item, contact, phone, now) => Rank::Trial,
            rank => rank,
        };
        Self {
            rank,
            session,
            item,
            contact,
            is_nobody,
            new_chats_max,
            comes_first: false,
        }
    }

    pub(super) fn explained(&self, recipient: &Recipient<'_>) -> SessionForPhone {
        let name = self.session.name.as_str();
        SessionForPhone {
            name: name.to_owned(),
            rank: self.rank,
            contact: self.contact,
            served_before: recipient.served_by == Some(name),
            is_silent: recipient.silent == Some(name),
            state: self.item.seen.map(|seen| seen.state),
            opens_chat: self.may_refuse_as_new() && self.chat().is_some(),
        }
    }

    /// Whether WhatsApp may refuse a message to the recipient because the account has not written to them before.
    fn may_refuse_as_new(&self) -> bool {
        let state = self.item.seen.map(|seen| seen.state);
        self.is_locked() || state == Some(SessionState::ColdLocked)
    }

    /// Whether a message may be tried on it that others did not send. WhatsApp refuses its account, perhaps: its own users try that,
    /// one in half a minute, since nobody else may be able to write to them.
    pub(super) fn may_be_tried(&self) -> bool {
        let is_own = self.contact.is_of_its_user();
        self.rank.may_send() || is_own && is_refused(&self.item, self.contact)
    }

    /// Whether the account writes to nobody new now, as far as is known, and would to whoever writes first.
    fn is_locked(&self) -> bool {
        let state = self.item.seen.map(|seen| seen.state);
        match self.rank {
            Rank::Closed => state.is_some_and(|state| {
                matches!(state, SessionState::Usable | SessionState::ColdLocked)
            }),
            _ => self.contact.signs_up() && state == Some(SessionState::ColdLocked),
        }
    }

    /// The chat with its account. None while what it sends does not arrive, and where nobody knows its number.
    fn chat(&self) -> Option<ChatToOpen> {
        let number = self.item.own_number.clone()?;
        self.item.mute_since.is_none().then(|| ChatToOpen {
            session: self.session.name.clone(),
            number,
        })
    }
}

/// One session for a recipient, for whoever explains what would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionForPhone {
    /// Its name.
    pub name: String,
    /// How fit it is for a message to the recipient.
    pub rank: Rank,
    /// How well it knows the recipient.
    pub contact: Contact,
    /// Whether it served the recipient before.
    pub served_before: bool,
    /// Whether its last message to the recipient seems not to have arrived, so that it comes after the others.
    pub is_silent: bool,
    /// The state in which it was last seen.
    pub state: Option<SessionState>,
    /// Whether the recipient is offered the chat with it, should WhatsApp refuse the message as one to somebody new.
    pub opens_chat: bool,
}

impl SessionForPhone {
    /// Whether a message to the recipient may be tried on it.
    pub fn is_open(&self) -> bool {
        self.rank != Rank::Closed
    }

    /// Whether WhatsApp lets it write to known contacts only, and it is not known to have served the recipient, who does not
    /// sign up.
    pub fn is_for_others(&self) -> bool {
        self.state == Some(SessionState::ColdLocked)
            && !self.served_before
            && !self.contact.signs_up()
    }
}

/// A chat that a recipient may open, who cannot be written to first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatToOpen {
    /// The session that will answer.
    pub session: String,
    /// The digits of its number.
    pub number: String,
}

/// The sessions for a recipient, the best first. There is one at least.
#[derive(Clone, Debug)]
pub struct Picked {
    pub(super) all: Arc<[Choice]>,
    /// Those of which nothing was read.
    pub(super) unread: Arc<[Candidate]>,
    /// Those that write to nobody new now.
    closed: Arc<[Choice]>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// No session is configured.
    #[error("no WhatsApp session is configured")]
    NoSession,
    /// Every session has written to as many people for the first time today as it may, or WhatsApp refuses its account.
    #[error("no session writes to one more new contact now")]
    NoNewChats(Option<ChatToOpen>),
    /// The store failed.
    #[error("the session is not known")]
    Store(#[source] StoreError),
}

impl Picked {
    /// The best of `choices`, which are in the recipient's order, and the others behind it.
    pub(super) fn new(mut choices: Vec<Choice>, unread: &[Candidate]) -> Result<Self, PickError> {
        let first = choices.first_mut().ok_or(PickError::NoSession)?;
        first.comes_first = true;
        let (closed, mut open): (Vec<_>, Vec<_>) = choices
            .into_iter()
            .partition(|choice| choice.rank == Rank::Closed);
        if open.is_empty() {
            let mut locked = closed.iter().filter(|choice| choice.is_locked());
            return Err(PickError::NoNewChats(locked.find_map(Choice::chat)));
        }
        open.sort_by_key(|choice| choice.rank.order());
        Ok(Self {
            all: open.into(),
            unread: unread.into(),
            closed: closed.into(),
        })
    }

    /// The session called `name` and no other, if it is among them.
    pub fn only(self, name: &str) -> Result<Self, PickError> {
        let all = self.all.iter();
        let only: Arc<[Choice]> = all
            .filter(|choice| choice.session.name == name)
            .cloned()
            .collect();
        if only.is_empty() {
            return Err(PickError::NoSession);
        }
        Ok(Self {
            all: only,
            unread: Arc::default(),
            closed: Arc::default(),
        })
    }

    /// The chat that the recipient may open, once `delivery` did not get through: with the first session whose account WhatsApp
    /// lets write to nobody new.
    pub fn chat_to_open(&self, delivery: &Delivery) -> Option<ChatToOpen> {
        let locked = |choice: &&Choice| {
            let refused = delivery.refused_as_new(&choice.session.name);
            refused.unwrap_or_else(|| choice.is_locked())
        };
        let mut locked = self.all.iter().chain(&*self.closed).filter(locked);
        locked.find_map(Choice::chat)
    }

    /// The same sessions, the one called `name` before the others.
    pub(super) fn led_by(self, name: &str) -> Self {
        let (first, others): (Vec<_>, Vec<_>) = self
            .all
            .iter()
            .cloned()
            .partition(|choice| choice.session.name == name);
        Self {
            all: first.into_iter().chain(others).collect(),
            ..self
        }
    }

    pub(super) fn first(&self) -> &Choice {
        &self.all[0]
    }

    /// The name of the best session.
    pub fn session(&self) -> &str {
        &self.first().session.name
    }

    /// How long the best session has not been usable, as far as is known.
    pub fn unusable_for(&self, now: Timestamp) -> Duration {
        let seen = self.first().item.seen.filter(|seen| !seen.state.is_open());
        seen.map_or(Duration::ZERO, |seen| now.since(seen.since))
    }

    /// When a message of the session called `name` is known to have reached its phone.
    pub fn delivered_at(&self, name: &str) -> Option<Timestamp> {
        let choice = self.all.iter().find(|choice| choice.session.name == name)?;
        choice.item.delivered_at
    }

    /// The state in which that session was last seen: a hint, which may be old.
    pub fn state(&self) -> Option<SessionState> {
        self.first().item.seen.map(|seen| seen.state)
    }
}

/// Whether `name` can be a session's name: 1 to 32 letters, digits, `_` or `-`.
pub fn is_session_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::gateway::SessionToken;
    use crate::store::whatsapp_sessions::GATEWAY;

    fn sessions(names: &[&str]) -> Vec<SessionSettings> {
        let session = |name: &&str| SessionSettings::new(*name, SessionToken::new(*name));
        names.iter().map(session).collect()
    }

    fn order(phone: &Phone, served_by: Option<&str>, names: &[&str]) -> Vec<String> {
        let recipient = Recipient {
            served_by,
            ..Recipient::of(phone)
        };
        let ordered = recipient.order(sessions(names)).into_iter();
        ordered.map(|session| session.name).collect()
    }

    fn phone(number: u64) -> Phone {
        Phone::parse(&format!("+62812{:08}", 10_000_000 + number)).expect("a phone")
    }

    #[test]
    fn the_load_spreads_evenly() {
        let mut served = BTreeMap::new();
        for number in 0..3_000 {
            let first = order(&phone(number), None, &["a", "b", "c"]).remove(0);
            *served.entry(first).or_insert(0) += 1;
        }
        assert!(
            served.values().all(|times| (900..1_100).contains(times)),
            "{served:?}"
        );
    }

    /// The session that a new phone gets, where the sessions weigh as much.
    fn first(number: u64, weighed: &[(&str, i64)]) -> String {
        let session = |(name, weight): &(&str, i64)| SessionSettings {
            weight: Weight::new(*weight).expect("a weight"),
            ..SessionSettings::new(*name, SessionToken::new(*name))
        };
        let sessions = weighed.iter().map(session).collect();
        let phone = phone(number);
        Recipient::of(&phone).order(sessions).remove(0).name
    }

    #[test]
    fn each_session_gets_its_share_of_new_phones() {
        let weighed = [("a", 1), ("b", 10), ("c", 29)];
        let mut served = BTreeMap::new();
        for number in 0..8_000 {
            *served.entry(first(number, &weighed)).or_insert(0_i64) += 1;
        }
        for (name, weight) in weighed {
            let (got, share) = (served[name], 200 * weight);
            assert!(
                (got - share).abs() < 60 + share / 20,
                "{name}: {got}, not {share}"
            );
        }
    }

    #[test]
    fn equal_weights_change_no_order() {
        for number in 0..500 {
            let at = |weight| first(number, &[("a", weight), ("b", weight), ("c", weight)]);
            assert_eq!(at(1), at(10), "{number}");
            assert_eq!(at(100), at(10), "{number}");
        }
    }

    #[test]
    fn the_smallest_and_the_largest_draw_have_a_turn() {
        let turns = |weight| [0, u64::MAX / 2, u64::MAX].map(|drawn| turn(drawn, weight));
        for weight in [Weight::LEAST, Weight::USUAL, Weight::MOST] {
            let turns = turns(weight);
            assert!(turns.is_sorted() && turns[0] == 0, "{weight}: {turns:?}");
            assert!(f64::from_bits(turns[2]).is_finite(), "{weight}");
        }
    }

    proptest! {
        #[test]
        fn another_weight_moves_only_phones_to_or_from_its_session(
            number in 0_u64..90_000_000,
            weights in [1_i64..=100, 1..=100, 1..=100],
            other in 1_i64..=100,
        ) {
            let [a, b, c] = weights;
            let before = first(number, &[("a", a), ("b", b), ("c", c)]);
            let after = first(number, &[("a", a), ("b", b), ("c", other)]);
            if after != before {
                let moved = if other > c { (&after, other) } else { (&before, c) };
                prop_assert_eq!(moved.0, "c", "{} to {}", c, other);
                prop_assert!(other != c);
            }
        }

        #[test]
        fn a_phone_that_has_a_session_stays_whatever_it_weighs(
            number in 0_u64..90_000_000,
            weights in [1_i64..=100, 1..=100],
        ) {
            let phone = phone(number);
            let mut sessions = sessions(&["a", "b"]);
            for (session, weight) in sessions.iter_mut().zip(weights) {
                session.weight = Weight::new(weight).expect("a weight");
            }
            for name in ["a", "b"] {
                let recipient = Recipient { served_by: Some(name), ..Recipient::of(&phone) };
                prop_assert_eq!(&recipient.order(sessions.clone())[0].name, name);
            }
        }

        #[test]
        fn a_session_that_goes_moves_nobody_else(number in 0_u64..90_000_000) {
            let phone = phone(number);
            let with = order(&phone, None, &["a", "b", "c", "d"]);
            let without: Vec<_> = with.iter().filter(|name| *name != "c").cloned().collect();
            prop_assert_eq!(order(&phone, None, &["d", "a", "b"]), without);
        }

        #[test]
        fn whoever_served_a_phone_before_comes_first(number in 0_u64..90_000_000) {
            let phone = phone(number);
            for name in ["a", "b", "c"] {
                prop_assert_eq!(&order(&phone, Some(name), &["a", "b", "c"])[0], name);
            }
            let gone = order(&phone, Some("gone"), &["a", "b", "c"]);
            prop_assert_eq!(gone, order(&phone, None, &["a", "b", "c"]));
        }
    }

    #[test]
    fn the_order_of_a_phone_depends_on_the_key() {
        let drawn = |key| {
            let first = |number| {
                let phone = phone(number);
                let recipient = Recipient {
                    order_key: key,
                    ..Recipient::of(&phone)
                };
                recipient.order(sessions(&["a", "b"])).remove(0).name
            };
            (0..200).map(first).collect::<Vec<_>>()
        };
        let (one, other) = (drawn(b"one"), drawn(b"another"));
        let alike = one.iter().zip(&other).filter(|(one, other)| one == other);
        let alike = alike.count();
        assert!((60..140).contains(&alike), "{alike} of 200");
    }

    #[test]
    fn the_session_whose_message_did_not_arrive_comes_last() {
        let phone = phone(1);
        for name in ["a", "b", "c"] {
            let recipient = Recipient {
                served_by: Some(name),
                silent: Some(name),
                ..Recipient::of(&phone)
            };
            let ordered = recipient.order(sessions(&["a", "b", "c"]));
            assert_eq!(ordered[2].name, name);
        }
    }

    #[test]
    fn a_session_name_is_a_short_word_that_no_other_item_has() {
        for (name, expected) in [
            ("system", true),
            ("Sales-2_b", true),
            ("", false),
            ("two words", false),
            (GATEWAY, false),
            ("a-name-that-is-longer-than-32-char", false),
        ] {
            assert_eq!(is_session_name(name), expected, "{name:?}");
        }
    }
}
