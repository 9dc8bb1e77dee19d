//! Sending a code and checking a guess: the steps that every purpose shares.
//!
//! A send takes three round trips to the store. First everything is read, side by side (`Codes::survey`); then the code is
//! reserved, the client address granted and a place in the session's queue taken; the message goes out; then the
//! reservation is committed or released. What dies on the way leaves a reservation that lapses by itself.
use std::sync::Arc;
use std::time::Duration;

use super::country_cap::CountryDays;
use crate::model::account::random_id;
use crate::model::address::ClientAddress;
use crate::model::caller::Caller;
use crate::model::challenge::{
    AttemptId, Certainty, ChallengeHash, ChallengeId, IssuedCode, NetworkHash, Open, Origin,
    PhoneState, SendMade, Used,
};
use crate::model::code::{Code, CodeLength, Purpose};
use crate::model::identifier::Identifier;
use crate::model::keys::{Key, Ring, RingName};
use crate::model::language::Language;
use crate::model::limits::{self, Asker, Limit, Limited, Policy};
use crate::model::phone::Phone;
use crate::model::test_numbers::{REVIEW_CODES_PER_DAY, REVIEW_NUMBER_USED, TestNumbers};
use crate::model::texts::{Brand, CodeMessage};
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::sender::{
    Busy, Content, Delivery, Outcome, Outgoing, PickError, Picked, Place, Reason, Sender,
};
use crate::store::challenges::{
    Challenges, Charge, Counted, Guess, Reservation, Reserved, UseOfCode,
};
use crate::store::keys::KeyRing;
use crate::store::windows::{Grant, Window, WindowKey, Windows};
use crate::store::{StoreError, Write};

/// A code request aims at an answer within this time.
const SEND_WITHIN: Duration = Duration::from_secs(15);

/// The longest wait for a place in the session's queue.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(6);

/// A reservation outlives its request's deadline by this much, for clocks that differ.
const LEASE_SLACK: Duration = Duration::from_secs(2);

/// How often a reservation is tried when others change the phone's state meanwhile.
const RACES_MAX: usize = 5;

/// Out of tries, the right guess may have been the last one, whose request is still writing what it opens: so long after
/// the last guess that is waited for.
const USE_AWAITED: Duration = Duration::from_secs(3);

/// Between two looks for that.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Codes: sending them and checking guesses.
#[derive(Clone, Debug)]
pub struct Codes {
    challenges: Challenges,
    windows: Windows,
    countries: CountryDays,
    ring: KeyRing,
    sender: Sender,
    policy: Policy,
    unbound_guesses: bool,
    test_numbers: TestNumbers,
    brand: Brand,
    clock: Clock,
    entropy: Entropy,
}

/// Everything a send is decided on, read in one round trip.
#[derive(Debug)]
pub struct Survey {
    state: PhoneState,
    window: Option<Window>,
    /// Nothing is picked for a test number.
    picked: Option<Picked>,
    ring: Arc<Ring>,
}

/// A code to be sent.
#[derive(Debug)]
pub struct Order<'a> {
    /// To whom.
    pub phone: &'a Phone,
    /// What the request named that phone by.
    pub who: &'a Identifier,
    /// What for.
    pub purpose: Purpose,
    /// Who asks.
    pub caller: &'a Caller,
    /// Whether the phone gets as many messages a day as one with a user.
    pub verified: bool,
    /// Whether somebody is to receive the message. An unknown phone gets everything but the message.
    pub recipient: Recipient,
    /// What the message is written in.
    pub language: Language,
    /// The challenge id of an earlier request, to be answered with again.
    pub keep: Option<ChallengeId>,
}

/// Who is to receive the message, and what the reply may tell of that.
///
/// A number that is not on WhatsApp is told to whoever signs up with it. To anybody else that would tell that the number has
/// an account, for nothing is sent to a number without one: both are answered, and limited, as if a message had gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Somebody who signs up.
    Applicant,
    /// The user of an account. The reply must not tell that there is one.
    User,
    /// Nobody. The reply must not tell.
    Nobody,
}

/// Writes that share the fate of a reservation.
pub trait Companion: Sync {
    /// What is written with the reservation.
    fn with_reservation(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError>;
    /// What is written when it is released.
    fn with_release(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError>;
}

/// Nothing is written with the reservation.
#[derive(Debug)]
pub struct Alone;

impl Companion for Alone {
    fn with_reservation(&self, _: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(Vec::new())
    }

    fn with_release(&self, _: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(Vec::new())
    }
}

/// A code that went out, or may have.
#[derive(Debug)]
pub struct CodeSent {
    /// Binds the guess to this request.
    pub challenge: ChallengeId,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// When the next one may be asked for.
    pub resend_after: Duration,
    /// Whether the gateway's word is there.
    pub confirmed: bool,
    /// How many digits it has.
    pub digits: usize,
}

/// Why no code went out. Nothing was charged.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A limit says no.
    #[error("the limit `{}` says no", .0.limit.name())]
    Limited(Limited),
    /// There is no WhatsApp session to send from.
    #[error("no WhatsApp session is configured")]
    NoSession,
    /// The message certainly did not go out.
    #[error("the message was not sent: {reason:?}")]
    NotSent {
        /// Why.
        reason: Reason,
        /// How long until it is worth asking again, where that is known.
        retry_after: Option<Duration>,
    },
    /// The store failed before anything was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SendError {
    /// The message was not sent, and nobody knows when the next one may be.
    const fn not_sent(reason: Reason) -> Self {
        Self::NotSent {
            reason,
            retry_after: None,
        }
    }
}

impl From<PickError> for SendError {
    fn from(error: PickError) -> Self {
        match error {
            PickError::NoSession => Self::NoSession,
            PickError::Store(error) => Self::Store(error),
        }
    }
}

/// What somebody gives to prove that a code reached them.
#[derive(Debug)]
pub struct Answer {
    /// Whose account.
    pub who: Identifier,
    /// The challenge id that the request for the code was answered with.
    pub challenge: Option<ChallengeId>,
    /// The code.
    pub code: Code,
    /// Where the request came from.
    pub address: ClientAddress,
}

/// A right guess.
#[derive(Debug)]
pub enum RightGuess {
    /// For the first time. The code is still to be used up.
    First(Right),
    /// Once more, within a minute and with the same challenge id.
    Again(Used, Right),
}

/// What a right guess was counted as, to be taken back.
#[derive(Clone, Debug)]
pub struct Right {
    code: IssuedCode,
    guess: Guess,
    /// The networks to be known once the code is used.
    known: Vec<NetworkHash>,
    address: ClientAddress,
}

/// Why a guess opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Wrong; so many tries are left for this challenge id, or for guesses without one.
    #[error("the code is wrong, {tries_left} tries are left")]
    Wrong {
        /// Tries left.
        tries_left: i64,
    },
    /// Not compared: no tries are left.
    #[error("no tries are left")]
    Exhausted,
    /// Not compared: the code has expired or was used.
    #[error("the code has expired or was used")]
    Expired,
    /// Not compared, not counted: there is no such challenge.
    #[error("there is no such challenge")]
    Unknown,
    /// Right, but what it was to open is there already.
    #[error("somebody else was faster")]
    Overtaken,
    /// Not compared, not counted: too many wrong codes came from the same address.
    #[error("the limit `{}` says no", .0.limit.name())]
    Limited(Limited),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A send that is under way.
struct Going<'a> {
    order: &'a Order<'a>,
    asker: Asker,
    attempt: &'a AttemptId,
    challenge: ChallengeHash,
    companion: &'a dyn Companion,
}

/// Places in limits beside the phone's own, to be given back when nothing was sent.
#[derive(Clone, Copy)]
struct Places<'a> {
    address: WindowKey<'a>,
    country: Option<WindowKey<'a>>,
}

/// A reservation that was granted.
struct Prepared {
    reservation: Reservation,
    /// The code that its message carries, once it is bound to the request's challenge id.
    code: IssuedCode,
    secret: Code,
}

impl Codes {
    /// Codes over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            challenges: Challenges::new(backends),
            windows: Windows::new(backends),
            countries: CountryDays::new(backends),
            ring: KeyRing::new(backends, RingName::Codes),
            sender: Sender::new(backends),
            policy: backends.settings.policy.clone(),
            unbound_guesses: backends.settings.unbound_guesses,
            test_numbers: backends.settings.test_numbers.clone(),
            brand: backends.settings.brand.clone(),
            clock: backends.clock.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Names a use of a code that opens no login.
    pub fn use_id(&self) -> String {
        random_id(&self.entropy)
    }

    /// The salt of a new password.
    pub fn salt(&self) -> [u8; 16] {
        self.entropy.bytes()
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.ring.warm_up(now).await
    }

    /// Round trip 1: reads all that a send is decided on.
    ///
    /// # Errors
    /// When the store fails or no session is configured.
    pub async fn survey(
        &self,
        phone: &Phone,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Survey, SendError> {
        let picked = async {
            match self.test_numbers.code(phone) {
                None => self.sender.pick(phone).await.map(Some),
                Some(_) => Ok(None),
            }
        };
        let (state, window, picked, ring) = tokio::join!(
            self.challenges.read(phone, now),
            self.windows.read(WindowKey::CodesFrom(caller.address), now),
            picked,
            self.ring.get(now),
        );
        Ok(Survey {
            state: state?,
            window: window?,
            picked: picked?,
            ring: ring?,
        })
    }

    /// Whether the phone's present code, working or not, is bound to `challenge`.
    pub fn is_bound(survey: &Survey, purpose: Purpose, challenge: &ChallengeHash) -> bool {
        let code = survey.state.code(purpose);
        code.is_some_and(|code| code.bound.contains_key(challenge))
    }

    /// Whether a send would be granted as things stand. Writes nothing.
    ///
    /// # Errors
    /// When a limit says no, or the number is known not to be on WhatsApp and the reply may tell.
    pub fn may_send(
        &self,
        survey: &Survey,
        order: &Order<'_>,
        now: Timestamp,
    ) -> Result<(), SendError> {
        let until = survey.state.not_on_whatsapp_until;
        if order.recipient == Recipient::Applicant && until.is_some_and(|until| now < until) {
            return Err(SendError::not_sent(Reason::NotOnWhatsApp));
        }
        if let Some(window) = survey
            .window
            .filter(|w| w.granted >= self.policy.codes_per_address.places)
        {
            return Err(SendError::Limited(full_address(window, now)));
        }
        limits::decide(
            &survey.state,
            asker(order),
            &self.policy_of(order.phone),
            now,
        )
        .map(drop)
        .map_err(SendError::Limited)
    }

    /// Round trips 2 and 3, and the message between them.
    ///
    /// # Errors
    /// When a limit says no, the message certainly did not go out, or the store failed before it could.
    pub async fn send(
        &self,
        survey: Survey,
        order: &Order<'_>,
        companion: &dyn Companion,
        now: Timestamp,
    ) -> Result<CodeSent, SendError> {
        self.may_send(&survey, order, now)?;
        let attempt = AttemptId::draw(&self.entropy);
        let (challenge, origin) = self.challenge_id(&survey.state, order);
        let message_id = crate::sender::message_id(&self.entropy);
        let deadline = order.caller.deadline.min(now.plus(SEND_WITHIN));
        let open = Open {
            attempt: attempt.clone(),
            message_id: message_id.clone(),
            session: match &survey.picked {
                Some(picked) => picked.session().to_owned(),
                None => String::new(),
            },
            at: now,
            until: deadline.plus(LEASE_SLACK),
            from: Some(asker(order).from),
            challenge: challenge.hash(order.who),
            origin,
            code: None,
        };
        let address = WindowKey::CodesFrom(order.caller.address);
        let limit = &self.policy.codes_per_address;
        let going = Going {
            order,
            asker: asker(order),
            attempt: &attempt,
            challenge: challenge.hash(order.who),
            companion,
        };
        let (prepared, grant, country, place) = tokio::join!(
            self.reserve(&survey, &going, &open, now),
            self.windows
                .grant(address, &attempt, survey.window, limit, now),
            self.grant_country(order, &attempt, now),
            self.take_place(&survey),
        );
        let places = Places {
            address,
            country: country.as_ref().ok().copied().flatten(),
        };
        let held = place.as_ref().ok().cloned().flatten();
        let granted = granted(grant, country.map(drop), now).and(place);
        let (prepared, place) = match (prepared, granted) {
            (Ok(prepared), Ok(place)) => (prepared, place),
            (Err(error), _) => {
                tokio::join!(self.give_back(places, &attempt), self.leave_place(held));
                return Err(error);
            }
            (Ok(prepared), Err(error)) => {
                tokio::join!(
                    self.release(&going, &prepared, None),
                    self.give_back(places, &attempt),
                    self.leave_place(held),
                );
                return Err(error);
            }
        };

        let code = &prepared.code;
        let content = match order.recipient {
            Recipient::Nobody => Content::Nobody,
            Recipient::Applicant | Recipient::User => {
                let life = code.expires_at.since(now);
                Content::Text(self.brand.code_message(&CodeMessage {
                    purpose: order.purpose,
                    language: order.language,
                    code: &prepared.secret,
                    life,
                }))
            }
        };
        let outgoing = Outgoing {
            purpose: order.purpose.name(),
            message_id,
            phone: order.phone.clone(),
            content,
            first_contact: order.recipient == Recipient::Applicant
                && !survey.state.took_a_message(now),
        };
        let delivery = match place {
            Some(place) => Some(self.sender.deliver(place, outgoing, deadline).await),
            None => None,
        };
        self.settle(&going, prepared, places, delivery.as_ref(), challenge)
            .await
    }

    /// The challenge id that a send is answered with.
    ///
    /// A shown id without tries gives way to a new one for the same code. To keep it would take another code, and the one
    /// on the phone would be worth nothing: whoever used up an id could take it away. A sign-up keeps its id, which its
    /// registration is found by.
    fn challenge_id(&self, state: &PhoneState, order: &Order<'_>) -> (ChallengeId, Origin) {
        let spent = |shown: &ChallengeId| {
            let code = state.live_code(order.purpose);
            code.is_some_and(|code| code.is_spent(&shown.hash(order.who)))
        };
        match &order.keep {
            Some(shown) if order.purpose.requires_challenge_id() || !spent(shown) => {
                (shown.clone(), Origin::Shown)
            }
            _ => (ChallengeId::draw(&self.entropy), Origin::Drawn),
        }
    }

    /// Reserves the code, on the state that was read or, when others were faster, on the state they left.
    async fn reserve(
        &self,
        survey: &Survey,
        going: &Going<'_>,
        open: &Open,
        now: Timestamp,
    ) -> Result<Prepared, SendError> {
        let phone = going.order.phone;
        let mut state = survey.state.clone();
        for _ in 0..RACES_MAX {
            let policy = self.policy_of(phone);
            let sends =
                limits::decide(&state, going.asker, &policy, now).map_err(SendError::Limited)?;
            let prepared = self.prepare(state, sends, survey, going, open.clone(), now)?;
            let also = going.companion.with_reservation(&going.challenge)?;
            let reserved = self
                .challenges
                .reserve(phone, &prepared.reservation, also)
                .await;
            match reserved {
                Ok(Reserved::Granted) => return Ok(prepared),
                Ok(Reserved::LostRace) => state = self.challenges.read(phone, now).await?,
                Err(error) => {
                    // It may have been written all the same.
                    self.release(going, &prepared, None).await;
                    return Err(error.into());
                }
            }
        }
        Err(SendError::Limited(Limited {
            limit: Limit::InProgress,
            retry_after: Duration::from_secs(1),
        }))
    }

    /// The reservation on `state`: the live code once more, or a new one.
    fn prepare(
        &self,
        state: PhoneState,
        sends: Vec<SendMade>,
        survey: &Survey,
        going: &Going<'_>,
        open: Open,
        now: Timestamp,
    ) -> Result<Prepared, StoreError> {
        let order = going.order;
        let live = state.live_code(order.purpose);
        let repeated = live
            .as_ref()
            .filter(|code| code.repeatable(&going.challenge, now))
            .and_then(|code| Some((code, survey.ring.find(&code.kid, now)?)));
        let (code, key, fresh) = match repeated {
            Some((code, key)) => (code.clone().bind(&going.challenge), key, None),
            None => {
                let key = survey
                    .ring
                    .current(now)
                    .ok_or(StoreError::unreadable("find a key for the code", "keys"))?;
                let (nonce, kid) = (self.entropy.bytes(), key.kid.clone());
                let length = CodeLength::after(state.failures);
                let code = IssuedCode::fresh(nonce, kid, length, &going.challenge, now);
                let code = match &live {
                    Some(live) => live.replaced_by(code, now),
                    None => code,
                };
                (code.clone(), key, Some(code))
            }
        };
        let secret = self.secret(key, &code, order.purpose, order.phone);
        Ok(Prepared {
            reservation: Reservation {
                purpose: order.purpose,
                seen: state,
                sends,
                live,
                open: Open {
                    code: fresh,
                    ..open
                },
            },
            code,
            secret,
        })
    }

    async fn grant_country(
        &self,
        order: &Order<'_>,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<WindowKey<'_>>, SendError> {
        match order.recipient {
            Recipient::Applicant => self.countries.grant(order.phone, attempt, now).await,
            // A cap is about messages to people without an account: nobody gets one, and a user has an account.
            Recipient::User | Recipient::Nobody => Ok(None),
        }
    }

    /// A place in the queue of the session that was picked.
    async fn take_place(&self, survey: &Survey) -> Result<Option<Place>, SendError> {
        let Some(picked) = &survey.picked else {
            return Ok(None);
        };
        match self.sender.take_place(picked, PLACE_WAIT_MAX).await? {
            Ok(place) => Ok(Some(place)),
            Err(Busy { retry_after }) => Err(SendError::NotSent {
                reason: Reason::Busy,
                retry_after: Some(retry_after),
            }),
        }
    }

    async fn leave_place(&self, place: Option<Place>) {
        if let Some(place) = place {
            self.sender.leave_place(&place).await;
        }
    }

    /// The limits of a phone: those of all, or fewer codes a day for the review number.
    fn policy_of(&self, phone: &Phone) -> Policy {
        let mut policy = self.policy.clone();
        if self.test_numbers.is_review(phone) {
            for most in [
                &mut policy.messages_per_day,
                &mut policy.messages_per_day_verified,
            ] {
                *most = REVIEW_CODES_PER_DAY.min(*most);
            }
        }
        policy
    }

    /// The code that goes to the phone.
    fn secret(&self, key: &Key, code: &IssuedCode, purpose: Purpose, phone: &Phone) -> Code {
        if self.test_numbers.is_review(phone) {
            tracing::warn!(%phone, purpose = purpose.name(), "{REVIEW_NUMBER_USED}");
        }
        match self.test_numbers.code(phone) {
            None => Code::derive(&key.secret, &code.nonce, purpose, phone, code.length),
            Some(fixed) => fixed.clone(),
        }
    }

    /// Round trip 3: charges what was sent, takes back what was not.
    async fn settle(
        &self,
        going: &Going<'_>,
        prepared: Prepared,
        places: Places<'_>,
        delivery: Option<&Delivery>,
        challenge: ChallengeId,
    ) -> Result<CodeSent, SendError> {
        // A test number has its code without a message.
        let outcome = delivery.map_or(Outcome::Sent, |delivery| delivery.outcome);
        let record = async {
            if let Some(delivery) = delivery {
                self.sender.record(delivery).await;
            }
        };
        let certainty = match outcome {
            Outcome::Sent => Certainty::Sent,
            Outcome::Unknown => Certainty::Unconfirmed,
            Outcome::NotSent(Reason::NotOnWhatsApp) if going.order.recipient == Recipient::User => {
                Certainty::Sent
            }
            Outcome::NotSent(reason) => {
                let unknown = reason == Reason::NotOnWhatsApp;
                let now = self.clock.now();
                let took_a_message = prepared.reservation.seen.took_a_message(now);
                let not_on_whatsapp_until =
                    (unknown && !took_a_message).then(|| now.plus(self.policy.not_on_whatsapp));
                let give_back = async {
                    // To find that out cost a look-up, which whoever tries numbers out pays for.
                    if !unknown {
                        self.give_back(places, going.attempt).await;
                    }
                };
                tokio::join!(
                    self.release(going, &prepared, not_on_whatsapp_until),
                    give_back,
                    record,
                );
                return Err(SendError::NotSent {
                    reason,
                    retry_after: delivery.and_then(|delivery| delivery.retry_after),
                });
            }
        };
        let Order { phone, purpose, .. } = *going.order;
        let Prepared {
            reservation,
            code,
            secret,
        } = prepared;
        let at = self.clock.now();
        let send = SendMade {
            at,
            purpose,
            certainty,
            from: reservation.open.from,
        };
        let code = match &reservation.open.code {
            None => code,
            Some(_) => code.starting(&going.challenge, at),
        };
        let expires_at = code.expires_at;
        let somebodys = delivery.is_some() && going.order.recipient != Recipient::Nobody;
        let taken = somebodys && outcome == Outcome::Sent;
        let charge = Charge {
            send,
            taken_at: taken.then_some(reservation.open.at),
        };
        let (committed, ()) = tokio::join!(
            self.challenges
                .commit(phone, &reservation.open, charge, &code),
            record,
        );
        if let Err(error) = committed {
            // The message is out: the caller gets its code. The reservation lapses and takes its place in the limits.
            log_store_error(
                "[WhatsApp System] the code was sent but not committed",
                &error,
            );
        }
        let mut after = PhoneState {
            sends: reservation.sends,
            known: reservation.seen.known,
            ..PhoneState::default()
        };
        after.sends.push(send);
        let policy = self.policy_of(phone);
        let next = limits::decide(&after, going.asker, &policy, at);
        Ok(CodeSent {
            challenge,
            expires_at,
            resend_after: next.map_or_else(|limited| limited.retry_after, |_| Duration::ZERO),
            confirmed: certainty == Certainty::Sent,
            digits: secret.digits().len(),
        })
    }

    async fn release(
        &self,
        going: &Going<'_>,
        prepared: &Prepared,
        not_on_whatsapp_until: Option<Timestamp>,
    ) {
        let (phone, reservation) = (going.order.phone, &prepared.reservation);
        let released = match going.companion.with_release(&going.challenge) {
            Ok(also) => {
                self.challenges
                    .release(phone, reservation, not_on_whatsapp_until, also)
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = released {
            log_store_error("[WhatsApp System] a reservation is left to lapse", &error);
        }
    }

    async fn give_back(&self, places: Places<'_>, attempt: &AttemptId) {
        let (address, ()) = tokio::join!(
            self.windows.give_back(places.address, attempt),
            self.countries.give_back(places.country, attempt),
        );
        if let Err(error) = address {
            log_store_error(
                "[WhatsApp System] an address keeps a grant that it did not use",
                &error,
            );
        }
    }

    /// Counts an answer as a guess for `phone` and from its address, then compares it.
    ///
    /// # Errors
    /// When the guess is not right, or the store fails.
    pub async fn check(
        &self,
        purpose: Purpose,
        phone: &Phone,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<RightGuess, VerifyError> {
        let challenge = answer.challenge.as_ref().map(|id| id.hash(&answer.who));
        if challenge.is_none() && (purpose.requires_challenge_id() || !self.unbound_guesses) {
            return Err(VerifyError::Unknown);
        }
        let ring = self.ring.get(now).await?;
        let guess = Guess {
            purpose,
            challenge,
            id: AttemptId::draw(&self.entropy).0,
            kids: kids(&ring, now),
            at: now,
        };
        let mut checking = Checking {
            codes: self,
            phone,
            answer,
            ring,
            guess,
            adopted: false,
            reread: false,
        };
        let limit = &self.policy.guesses_per_address;
        let attempt = AttemptId(checking.guess.id.clone());
        let place = guesses_from(answer.address, limit.window, now);
        let (counted, granted) = tokio::join!(
            self.challenges.count_guess(phone, &checking.guess),
            self.windows
                .grant_until(place.key, &attempt, place.ends, limit.places),
        );
        let checked = match granted {
            Ok(Grant::Granted) => match counted {
                Ok(counted) => checking.check(counted, now).await,
                Err(error) => Err(error.into()),
            },
            // A phone's own addresses are limited by its ids alone, or neighbours would shut each other out.
            Ok(Grant::Full(window)) => match counted? {
                Counted::Compare(state, code) if !state.known.contains(&checking.network()) => {
                    self.uncount(phone, &checking.guess, &code).await;
                    return Err(VerifyError::Limited(Limited {
                        limit: Limit::CodeAddress,
                        retry_after: window.ends.since(now),
                    }));
                }
                counted => checking.check(counted, now).await,
            },
            Err(error) => {
                if let Counted::Compare(_, code) = counted? {
                    self.uncount(phone, &checking.guess, &code).await;
                }
                return Err(error.into());
            }
        };
        // Wrong codes stay counted, and those of ids that were never given out; right ones until they are used.
        if let Err(VerifyError::Expired | VerifyError::Store(_)) = checked {
            self.leave_guess(answer.address, &attempt, now).await;
        }
        checked
    }

    /// Gives the place of a guess back that was not wrong.
    async fn leave_guess(&self, address: ClientAddress, attempt: &AttemptId, at: Timestamp) {
        let place = guesses_from(address, self.policy.guesses_per_address.window, at);
        if let Err(error) = self.windows.give_back(place.key, attempt).await {
            log_store_error("an address keeps a guess that was not wrong", &error);
        }
    }

    async fn uncount(&self, phone: &Phone, guess: &Guess, code: &IssuedCode) {
        let uncounted = self.challenges.uncount_guess(phone, guess, &code.nonce);
        if let Err(error) = uncounted.await {
            log_store_error("a guess that was not wrong stays counted", &error);
        }
    }

    /// What a right guess has opened; when that failed on our side, nothing of the guess stays counted.
    ///
    /// # Errors
    /// Those of `opened`.
    pub async fn settle_guess<T, E: OurFailure>(
        &self,
        phone: &Phone,
        right: &Right,
        opened: Result<T, E>,
    ) -> Result<T, E> {
        if opened.as_ref().is_err_and(OurFailure::is_ours) {
            tokio::join!(
                self.uncount(phone, &right.guess, &right.code),
                self.was_right(right),
            );
        }
        opened
    }

    /// Gives the place of a right guess back: no wrong code came from its address.
    pub async fn was_right(&self, right: &Right) {
        let attempt = AttemptId(right.guess.id.clone());
        self.leave_guess(right.address, &attempt, right.guess.at)
            .await;
    }

    /// Whether the code of a right guess was used by the same answer meanwhile: what was read beside a guess says nothing
    /// about that. Nothing when it was not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn use_of(&self, phone: &Phone, right: &Right) -> Result<Option<Used>, StoreError> {
        let Guess {
            purpose,
            challenge,
            at,
            ..
        } = &right.guess;
        let state = self.challenges.read(phone, *at).await?;
        let code = state.code(*purpose);
        let code = code.filter(|code| code.nonce == right.code.nonce);
        let used = code.and_then(|code| code.answered_again(challenge.as_ref()?, *at));
        Ok(used.cloned())
    }

    fn is_right(
        &self,
        ring: &Ring,
        phone: &Phone,
        purpose: Purpose,
        code: &IssuedCode,
        guessed: &Code,
        now: Timestamp,
    ) -> bool {
        let key = ring.find(&code.kid, now);
        key.is_some_and(|key| self.secret(key, code, purpose, phone).matches(guessed))
    }

    /// Uses the code of a right guess up and writes `also`, in one transaction; answers the use that counts, which is an
    /// earlier one when this guess repeats it.
    ///
    /// # Errors
    /// When somebody else was faster, or the store fails.
    pub async fn redeem(
        &self,
        phone: &Phone,
        right: &Right,
        used: Used,
        also: Vec<Write>,
    ) -> Result<Used, VerifyError> {
        let Right {
            code, guess, known, ..
        } = right;
        let purpose = guess.purpose;
        let (used_up, ()) = tokio::join!(
            self.challenges
                .use_code(phone, purpose, code, &used, known, also),
            self.was_right(right),
        );
        match used_up? {
            UseOfCode::Done => Ok(used),
            UseOfCode::OtherRefused => Err(VerifyError::Overtaken),
            UseOfCode::Gone(state) => {
                let by = used.by.as_ref();
                let earlier = state
                    .code(purpose)
                    .filter(|now_live| now_live.nonce == code.nonce)
                    .and_then(|code| code.answered_again(by?, used.at));
                earlier.cloned().ok_or(VerifyError::Expired)
            }
        }
    }
}

/// Errors that may be no fault of whoever asked.
pub trait OurFailure {
    /// Whether something failed on our side.
    fn is_ours(&self) -> bool;
}

impl OurFailure for VerifyError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// One answer on its way to a verdict.
struct Checking<'a> {
    codes: &'a Codes,
    phone: &'a Phone,
    answer: &'a Answer,
    ring: Arc<Ring>,
    guess: Guess,
    adopted: bool,
    reread: bool,
}

impl Checking<'_> {
    fn network(&self) -> NetworkHash {
        NetworkHash::of(self.phone, self.answer.address)
    }

    async fn check(
        &mut self,
        mut counted: Counted,
        now: Timestamp,
    ) -> Result<RightGuess, VerifyError> {
        loop {
            counted = match counted {
                Counted::Compare(state, code) => return self.compare(&state, code, now),
                Counted::Refused(state) => match self.refused(&state, now).await? {
                    Refused::Again(right) => return Ok(*right),
                    Refused::CountAgain => {
                        let challenges = &self.codes.challenges;
                        challenges.count_guess(self.phone, &self.guess).await?
                    }
                    Refused::Wait => {
                        tokio::time::sleep(LOOK_EVERY).await;
                        Counted::Refused(self.codes.challenges.read(self.phone, now).await?)
                    }
                },
            };
        }
    }

    fn compare(
        &self,
        state: &PhoneState,
        code: IssuedCode,
        now: Timestamp,
    ) -> Result<RightGuess, VerifyError> {
        if !self.is_right(&code, now) {
            return Err(VerifyError::Wrong {
                tries_left: tries_left(&code, &self.guess).unwrap_or(0),
            });
        }
        Ok(RightGuess::First(self.right(state, code)))
    }

    fn right(&self, state: &PhoneState, code: IssuedCode) -> Right {
        Right {
            code,
            guess: self.guess.clone(),
            known: state.knowing(self.network()),
            address: self.answer.address,
        }
    }

    fn is_right(&self, code: &IssuedCode, now: Timestamp) -> bool {
        let (codes, purpose) = (self.codes, self.guess.purpose);
        codes.is_right(
            &self.ring,
            self.phone,
            purpose,
            code,
            &self.answer.code,
            now,
        )
    }

    /// Why a guess was not counted, and what to do next.
    async fn refused(
        &mut self,
        state: &PhoneState,
        now: Timestamp,
    ) -> Result<Refused, VerifyError> {
        let Guess {
            purpose, challenge, ..
        } = &self.guess;
        let open = state.open(*purpose);
        let open = open.filter(|open| open.counts_as_sent(challenge.as_ref(), now));
        if let Some(open) = open.filter(|_| !self.adopted) {
            // Its message may be on the phone, and nobody could say so: now it counts as sent.
            if let Some(code) = open.adopted(state.code(*purpose)) {
                let charge = Charge {
                    send: open.lapsed(*purpose),
                    taken_at: None,
                };
                let challenges = &self.codes.challenges;
                challenges.commit(self.phone, open, charge, &code).await?;
            }
            self.adopted = true;
            return Ok(Refused::CountAgain);
        }
        let code = state.code(*purpose).ok_or(VerifyError::Unknown)?;
        let tries_left = tries_left(code, &self.guess).ok_or(VerifyError::Unknown)?;
        if let Some(used) = answered_again(code, &self.guess, now) {
            // Whoever holds this challenge id has given the right code before: nothing is left to be guessed.
            return match self.is_right(code, now) {
                true => {
                    let right = self.right(state, code.clone());
                    let again = RightGuess::Again(used.clone(), right);
                    Ok(Refused::Again(Box::new(again)))
                }
                false => Err(VerifyError::Expired),
            };
        }
        if code.used.is_some() || code.expires_at <= now {
            return Err(VerifyError::Expired);
        }
        if tries_left > 0 && !self.reread {
            // The key may be newer than the ring in memory: it is read again before the try is counted.
            self.reread = true;
            self.ring = self.codes.ring.read(now).await?;
            self.guess.kids = kids(&self.ring, now);
            return Ok(Refused::CountAgain);
        }
        if tries_left > 0 {
            return Err(VerifyError::Expired);
        }
        let last = code.last_guess.as_ref().filter(|_| challenge.is_some());
        match last.is_some_and(|last| self.codes.clock.now() < last.at.plus(USE_AWAITED)) {
            true => Ok(Refused::Wait),
            false => Err(VerifyError::Exhausted),
        }
    }
}

/// What to do about a guess that was not counted.
enum Refused {
    /// It repeats a right one.
    Again(Box<RightGuess>),
    /// Something was in the way that is not any more.
    CountAgain,
    /// The right guess may be under way elsewhere, about to be answered.
    Wait,
}

/// The place of guesses from an address: windows that begin at fixed times, so that one write is enough.
struct GuessPlace {
    key: WindowKey<'static>,
    ends: Timestamp,
}

fn guesses_from(address: ClientAddress, window: Duration, at: Timestamp) -> GuessPlace {
    let length = i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1);
    let number = at.millis().div_euclid(length);
    GuessPlace {
        key: WindowKey::GuessesFrom { address, number },
        ends: Timestamp::from_millis((number + 1).saturating_mul(length)),
    }
}

fn asker(order: &Order<'_>) -> Asker {
    Asker {
        purpose: order.purpose,
        verified: order.verified,
        from: NetworkHash::of(order.phone, order.caller.address),
    }
}

fn tries_left(code: &IssuedCode, guess: &Guess) -> Option<i64> {
    match &guess.challenge {
        None => Some(code.unbound),
        Some(challenge) => code.bound.get(challenge).map(|bound| bound.tries),
    }
}

fn answered_again<'a>(code: &'a IssuedCode, guess: &Guess, now: Timestamp) -> Option<&'a Used> {
    code.answered_again(guess.challenge.as_ref()?, now)
}

fn kids(ring: &Ring, now: Timestamp) -> Vec<String> {
    ring.live(now).map(|key| key.kid.clone()).collect()
}

/// Whether the address and the country let the message go.
fn granted(
    grant: Result<Grant, StoreError>,
    country: Result<(), SendError>,
    now: Timestamp,
) -> Result<(), SendError> {
    match grant? {
        Grant::Full(window) => Err(SendError::Limited(full_address(window, now))),
        _ => country,
    }
}

fn full_address(window: Window, now: Timestamp) -> Limited {
    Limited {
        limit: Limit::Address,
        retry_after: window.ends.since(now),
    }
}

fn log_store_error(event: &'static str, error: &StoreError) {
    tracing::error!(error = %Chain(error), "{event}");
}
