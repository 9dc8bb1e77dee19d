//! Checking a guess: it is counted first, then compared.
//!
//! What was read beside a guess is no evidence of what happened after it. So whatever would end in "expired" is read again
//! before it is said.
use std::sync::Arc;
use std::time::Duration;

use super::{Codes, VerifyError, log_store_error};
use crate::model::address::ClientAddress;
use crate::model::challenge::{AttemptId, ChallengeId, IssuedCode, NetworkHash, PhoneState, Used};
use crate::model::code::{Code, Purpose};
use crate::model::identifier::Identifier;
use crate::model::keys::Ring;
use crate::model::limits::{Limit, Limited};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::challenges::guesses::{Counted, Guess};
use crate::store::challenges::sends::Commit;
use crate::store::windows::{ClaimUntil, Grant, Window, WindowKey};

/// How long after the last guess to wait for it: when no tries are left, it may have been the right one, and its request may
/// still be writing what it opens.
const USE_AWAITED: Duration = Duration::from_secs(3);

/// How often the state is read while that is waited for.
const READ_EVERY: Duration = Duration::from_millis(100);

/// What somebody gives to prove that a code reached them.
#[derive(Debug)]
pub struct Answer {
    /// The account that it is given for.
    pub who: Identifier,
    /// The challenge id that the request for the code was answered with.
    pub challenge: Option<ChallengeId>,
    /// The code.
    pub code: Code,
    /// Where the request came from.
    pub address: ClientAddress,
}

/// An answer with what it is compared with.
#[derive(Clone, Copy, Debug)]
pub struct AnswerFor<'a> {
    /// What the code is to open.
    pub purpose: Purpose,
    /// The phone of the account.
    pub phone: &'a Phone,
    /// The answer.
    pub answer: &'a Answer,
}

/// A right guess.
#[derive(Debug)]
pub enum RightGuess {
    /// For the first time. The code is still to be used up.
    First(CountedGuess),
    /// Once more, within [`ANSWER_AGAIN`](crate::model::challenge::ANSWER_AGAIN) and with the same challenge id.
    Again(Used, CountedGuess),
}

/// A right guess as it was counted. Its counts are taken back when its code is used, or cannot be used.
#[derive(Clone, Debug)]
pub struct CountedGuess {
    pub(super) phone: Phone,
    pub(super) code: IssuedCode,
    pub(super) guess: Guess,
    /// The phone's known networks once the code is used.
    pub(super) known_networks: Vec<NetworkHash>,
    /// The session that the phone has its messages from.
    pub served_by: Option<String>,
    pub(super) address: ClientAddress,
}

impl Codes {
    /// Counts an answer as a guess at the phone's code and as one from its address, then compares it.
    ///
    /// # Errors
    /// When the guess is not right, or the store fails.
    pub async fn check(
        &self,
        answer_for: AnswerFor<'_>,
        now: Timestamp,
    ) -> Result<RightGuess, VerifyError> {
        let AnswerFor {
            purpose,
            phone,
            answer,
        } = answer_for;
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
        let checking = Checking {
            codes: self,
            phone,
            answer,
            ring,
            guess,
            adopted: false,
            keys_are_fresh: false,
        };
        checking.run().await
    }

    /// Gives the place of a guess back that was not wrong.
    pub(super) async fn give_guess_back(&self, address: ClientAddress, guess: &Guess) {
        let window = GuessWindow::of(address, self.policy.guesses_per_address.window, guess.at);
        let attempt = AttemptId(guess.id.clone());
        if let Err(error) = self.windows.give_back(window.key, &attempt).await {
            log_store_error("an address keeps a guess that was not wrong", &error);
        }
    }

    /// Gives the try of a guess back that was not wrong.
    pub(super) async fn uncount(&self, phone: &Phone, guess: &Guess, code: &IssuedCode) {
        let uncounted = self.challenges.uncount_guess(phone, guess, &code.nonce);
        if let Err(error) = uncounted.await {
            log_store_error("a guess that was not wrong stays counted", &error);
        }
    }
}

/// One answer on its way to a verdict.
struct Checking<'a> {
    codes: &'a Codes,
    phone: &'a Phone,
    answer: &'a Answer,
    ring: Arc<Ring>,
    guess: Guess,
    /// Whether the send that was under way counts as sent by now.
    adopted: bool,
    /// Whether the ring was read for this guess.
    keys_are_fresh: bool,
}

/// What to do about a guess that was not counted.
enum Refused {
    /// It repeats a right one.
    Again(Box<RightGuess>),
    /// What was in the way is gone.
    CountAgain,
    /// The right guess may be under way elsewhere, about to be answered.
    Wait,
}

impl Checking<'_> {
    async fn run(mut self) -> Result<RightGuess, VerifyError> {
        let codes = self.codes;
        if codes.full_addresses.has(self.answer.address, self.guess.at) {
            self.refuse_uncounted().await?;
        }
        let (counted, granted) = tokio::join!(
            codes.challenges.count_guess(self.phone, &self.guess),
            self.grant(),
        );
        let checked = match granted {
            Ok(granted) => self.judge(counted?, granted).await,
            Err(error) => {
                if let Counted::Compare(_, code) = counted? {
                    codes.uncount(self.phone, &self.guess, &code).await;
                }
                return Err(error.into());
            }
        };
        // For its address a guess stays counted when it was wrong, had no tries left, or came with an id that was never given
        // out. A right one stays counted until it is used.
        if let Err(VerifyError::Expired | VerifyError::Store(_)) = checked {
            codes
                .give_guess_back(self.answer.address, &self.guess)
                .await;
        }
        checked
    }

    /// Refuses the guess without counting it for the phone, when the window of its address is still full and nobody has signed
    /// in from its network. A place that was taken here is the guess's own: it is not taken again.
    async fn refuse_uncounted(&self) -> Result<(), VerifyError> {
        let (granted, state) = tokio::join!(
            self.grant(),
            self.codes.challenges.read(self.phone, self.guess.at),
        );
        match granted? {
            Grant::Full(window) if !state?.knows(self.network()) => {
                Err(self.address_is_full(window))
            }
            Grant::Full(_) | Grant::Granted => Ok(()),
        }
    }

    /// Counts the guess for its address.
    async fn grant(&self) -> Result<Grant, StoreError> {
        let limit = &self.codes.policy.guesses_per_address;
        let window = GuessWindow::of(self.answer.address, limit.window, self.guess.at);
        let attempt = AttemptId(self.guess.id.clone());
        let claim = ClaimUntil {
            window: window.key,
            attempt: &attempt,
            places: limit.places,
            ends: window.ends,
        };
        self.codes.windows.grant_until(claim).await
    }

    /// Compares the guess unless its address has no place left.
    async fn judge(&mut self, counted: Counted, granted: Grant) -> Result<RightGuess, VerifyError> {
        let Grant::Full(window) = granted else {
            return self.compare_counted(counted).await;
        };
        let (Counted::Compare(state, _) | Counted::Refused(state)) = &counted;
        // In the networks that the phone knows only the tries of its ids are limited, or neighbours would shut each other out.
        if state.knows(self.network()) {
            return self.compare_counted(counted).await;
        }
        let full_addresses = &self.codes.full_addresses;
        full_addresses.add(self.answer.address, window.ends);
        if let Counted::Compare(_, code) = &counted {
            self.codes.uncount(self.phone, &self.guess, code).await;
        }
        Err(self.address_is_full(window))
    }

    fn address_is_full(&self, window: Window) -> VerifyError {
        VerifyError::Limited(Limited {
            limit: Limit::WrongCodesFromAddress,
            retry_after: window.ends.since(self.guess.at),
        })
    }

    async fn compare_counted(&mut self, mut counted: Counted) -> Result<RightGuess, VerifyError> {
        let challenges = &self.codes.challenges;
        loop {
            counted = match counted {
                Counted::Compare(state, code) => return self.compare(&state, code),
                Counted::Refused(state) => match self.refused(&state).await? {
                    Refused::Again(right) => return Ok(*right),
                    Refused::CountAgain => challenges.count_guess(self.phone, &self.guess).await?,
                    Refused::Wait => {
                        tokio::time::sleep(READ_EVERY).await;
                        Counted::Refused(challenges.read(self.phone, self.guess.at).await?)
                    }
                },
            };
        }
    }

    fn compare(&self, state: &PhoneState, code: IssuedCode) -> Result<RightGuess, VerifyError> {
        if self.is_right(&code) {
            Ok(RightGuess::First(self.right(state, code)))
        } else {
            Err(VerifyError::Wrong {
                tries_left: tries_left(&code, &self.guess).unwrap_or(0),
            })
        }
    }

    /// Why a guess was not counted, and what to do next.
    async fn refused(&mut self, state: &PhoneState) -> Result<Refused, VerifyError> {
        if !self.adopted && self.adopt_send_under_way(state).await? {
            return Ok(Refused::CountAgain);
        }
        let (purpose, now) = (self.guess.purpose, self.guess.at);
        let code = state.code(purpose).ok_or(VerifyError::Unknown)?;
        let tries_left = tries_left(code, &self.guess).ok_or(VerifyError::Unknown)?;
        if let Some(used) = answered_again(code, &self.guess) {
            return self.repeated(state, code, used);
        }
        if code.used.is_some() || code.expires_at <= now {
            return Err(VerifyError::Expired);
        }
        if tries_left > 0 {
            return self.read_keys_again().await;
        }
        if self.may_be_answered_elsewhere(code) {
            Ok(Refused::Wait)
        } else {
            Err(VerifyError::Exhausted)
        }
    }

    /// Counts a send under way as sent, where the guess shows that its message may have gone out and nobody could say so.
    /// Answers whether there was one.
    async fn adopt_send_under_way(&mut self, state: &PhoneState) -> Result<bool, StoreError> {
        let Guess {
            purpose,
            challenge,
            at,
            ..
        } = &self.guess;
        let open = state.open(*purpose);
        let Some(open) = open.filter(|open| open.counts_as_sent(challenge.as_ref(), *at)) else {
            return Ok(false);
        };
        let live = state.code(*purpose);
        if let Some(code) = open.adopted(live) {
            let commit = Commit {
                send: open.lapsed(*purpose),
                taken: None,
                code: &code,
                last_guess: live.and_then(|live| live.last_guess.as_ref()),
            };
            let challenges = &self.codes.challenges;
            challenges.commit(self.phone, open, commit).await?;
        }
        self.adopted = true;
        Ok(true)
    }

    /// Answers a right guess again. Whoever holds this challenge id has given the right code before: nothing is left to be
    /// guessed.
    fn repeated(
        &self,
        state: &PhoneState,
        code: &IssuedCode,
        used: &Used,
    ) -> Result<Refused, VerifyError> {
        if !self.is_right(code) {
            return Err(VerifyError::Expired);
        }
        let right = self.right(state, code.clone());
        let again = RightGuess::Again(used.clone(), right);
        Ok(Refused::Again(Box::new(again)))
    }

    /// Reads the ring: the code's key may be newer than what is in memory. Once, before the try is counted.
    async fn read_keys_again(&mut self) -> Result<Refused, VerifyError> {
        if self.keys_are_fresh {
            return Err(VerifyError::Expired);
        }
        self.keys_are_fresh = true;
        self.ring = self.codes.ring.read(self.guess.at).await?;
        self.guess.kids = kids(&self.ring, self.guess.at);
        Ok(Refused::CountAgain)
    }

    /// Whether the last try may have been the right one, whose request still writes what it opens.
    fn may_be_answered_elsewhere(&self, code: &IssuedCode) -> bool {
        let last_guess = code.last_guess.as_ref();
        let bound = last_guess.filter(|_| self.guess.challenge.is_some());
        bound.is_some_and(|last| self.codes.clock.now() < last.at.plus(USE_AWAITED))
    }

    fn is_right(&self, code: &IssuedCode) -> bool {
        let key = self.ring.find(&code.kid, self.guess.at);
        key.is_some_and(|key| {
            let source = code.source(self.guess.purpose, self.phone);
            self.codes.secret(key, &source).matches(&self.answer.code)
        })
    }

    fn right(&self, state: &PhoneState, code: IssuedCode) -> CountedGuess {
        CountedGuess {
            phone: self.phone.clone(),
            code,
            guess: self.guess.clone(),
            known_networks: state.known_networks_with(self.network()),
            served_by: state.writer().map(str::to_owned),
            address: self.answer.address,
        }
    }

    fn network(&self) -> NetworkHash {
        NetworkHash::of(self.phone, self.answer.address)
    }
}

/// The window that the guesses of an address count in. Such windows begin at fixed times, so that one write is enough.
struct GuessWindow {
    key: WindowKey<'static>,
    ends: Timestamp,
}

impl GuessWindow {
    fn of(address: ClientAddress, length: Duration, at: Timestamp) -> Self {
        let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        let number = at.millis().div_euclid(length);
        Self {
            key: WindowKey::GuessesFrom { address, number },
            ends: Timestamp::from_millis((number + 1).saturating_mul(length)),
        }
    }
}

fn tries_left(code: &IssuedCode, guess: &Guess) -> Option<i64> {
    match &guess.challenge {
        None => Some(code.unbound),
        Some(challenge) => code.bound.get(challenge).map(|bound| bound.tries),
    }
}

fn answered_again<'a>(code: &'a IssuedCode, guess: &Guess) -> Option<&'a Used> {
    code.answered_again(guess.challenge.as_ref()?, guess.at)
}

fn kids(ring: &Ring, now: Timestamp) -> Vec<String> {
    ring.live(now).map(|key| key.kid.clone()).collect()
}
