//! The reservation of a code: what a send will bring, before its message goes out.
use std::time::Duration;

use super::order::{Companion, Order};
use super::survey::{SilentSend, Survey};
use super::{Codes, SendError, log_store_error};
use crate::model::challenge::{
    AttemptId, Certainty, ChallengeHash, ChallengeId, IssuedCode, NewCode, NotOnWhatsApp, OpenSend,
    Origin, PhoneState, SendMade,
};
use crate::model::code::{Code, CodeLength, Purpose};
use crate::model::keys::{Key, Ring};
use crate::model::limits::{self, Asker, Limit, Limited, Policy};
use crate::model::phone::Phone;
use crate::model::texts::{Brand, CodeMessage, MessageBody};
use crate::platform::timestamp::Timestamp;
use crate::sender::Picked;
use crate::store::StoreError;
use crate::store::challenges::sends::{Release, Reservation, Reserved};

/// How often a reservation is tried when others change the phone's state meanwhile.
const RACES_MAX: usize = 12;

/// The longest pause before it is tried again, in milliseconds.
const RACE_PAUSE_MS_MAX: u64 = 20;

/// A reservation outlives its request's deadline by this much, for clocks that differ.
const LEASE_SLACK: Duration = Duration::from_secs(2);

/// One attempt to send a code.
pub(super) struct Attempt<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) companion: &'a dyn Companion,
    /// The limits of the phone.
    pub(super) policy: Policy,
    pub(super) asker: Asker,
    pub(super) id: AttemptId,
    /// The challenge id that the request is answered with, unless an earlier one is kept.
    pub(super) new_challenge: ChallengeId,
    pub(super) message_id: String,
    /// The sessions to send from. None for a test number.
    pub(super) picked: Option<Picked>,
    /// The message before, if it seems not to have arrived.
    pub(super) silent: Option<SilentSend>,
    pub(super) begun_at: Timestamp,
    /// When the request has to be answered.
    pub(super) deadline: Timestamp,
}

impl Attempt<'_> {
    /// The challenge id that the request is answered with, when `live` is the code on the phone.
    ///
    /// An id that the client shows, and that has no tries left, gives way to a new id for the same code. To keep it would take
    /// another code, and the one on the phone would be worth nothing: whoever used up an id could take the code away. A
    /// sign-up keeps its id, which its registration is found by.
    ///
    /// An opened chat is answered under the id that its client was told. What is known of it is its hash.
    fn challenge(&self, live: Option<&IssuedCode>) -> (&ChallengeId, ChallengeHash, Origin) {
        let Order { who, purpose, .. } = *self.order;
        if let Some(opened) = &self.order.answers {
            return (
                &self.new_challenge,
                opened.challenge.clone(),
                Origin::Earlier,
            );
        }
        let spent = |shown: &ChallengeId| live.is_some_and(|code| code.is_spent(&shown.hash(who)));
        match &self.order.keep {
            Some(shown) if purpose.keeps_challenge_id() || !spent(shown) => {
                (shown, shown.hash(who), Origin::Earlier)
            }
            _ => {
                let new = &self.new_challenge;
                (new, new.hash(who), Origin::New)
            }
        }
    }

    /// The session that is tried first; nothing for a test number.
    fn session(&self) -> &str {
        self.picked.as_ref().map_or("", Picked::session)
    }

    /// Whether the message before seems not to have arrived, and this one goes through another session.
    fn goes_elsewhere(&self) -> bool {
        let silent = self.silent.as_ref();
        silent.is_some_and(|silent| silent.session != self.session())
    }

    /// The send that is to be reserved, still without a code.
    fn open(&self, challenge: ChallengeHash, origin: Origin) -> OpenSend {
        OpenSend {
            attempt: self.id.clone(),
            message_id: self.message_id.clone(),
            session: self.session().to_owned(),
            at: self.begun_at,
            until: self.deadline.plus(LEASE_SLACK),
            from: Some(self.asker.from),
            challenge,
            origin,
            code: None,
        }
    }
}

/// A reservation that was granted.
pub(super) struct Prepared {
    pub(super) reservation: Reservation,
    /// The challenge id that the request is answered with.
    pub(super) challenge: ChallengeId,
    /// The code that its message carries, once it is bound to that id.
    pub(super) code: IssuedCode,
    pub(super) secret: Code,
}

impl Prepared {
    /// What the phone is to read.
    pub(super) fn message(&self, brand: &Brand, order: &Order<'_>, now: Timestamp) -> MessageBody {
        brand.code_message(&CodeMessage {
            purpose: order.purpose,
            language: order.language,
            code: &self.secret,
            life: self.code.expires_at.since(now),
        })
    }
}

impl Codes {
    /// Reserves the code, on the state that was read or, when others were faster, on the one they left. When others were faster
    /// each time, with sends or with guesses, the refusal says that one is in progress: to ask again at once may do.
    pub(super) async fn reserve(
        &self,
        survey: &Survey,
        attempt: &Attempt<'_>,
    ) -> Result<Prepared, SendError> {
        let phone = attempt.order.phone;
        let mut state = survey.state.clone();
        for _ in 0..RACES_MAX {
            let prepared = self.prepare(state, &survey.ring, attempt)?;
            let challenge = &prepared.reservation.open.challenge;
            let also = attempt.companion.with_reservation(challenge)?;
            let reserved = self
                .challenges
                .reserve(phone, &prepared.reservation, also)
                .await;
            match reserved {
                Ok(Reserved::Granted) => return Ok(prepared),
                Ok(Reserved::LostRace) => {
                    // Others may write all the time, such as wrong guesses: to come back at another moment gets through.
                    let pause = Duration::from_millis(self.entropy.below(RACE_PAUSE_MS_MAX));
                    tokio::time::sleep(pause).await;
                    state = self.state_now(phone, attempt.begun_at).await?;
                    if let Some(silent) = &attempt.silent {
                        silent.mark(&mut state);
                    }
                }
                Err(error) => {
                    // It may have been written all the same.
                    self.release(attempt, &prepared, None).await;
                    return Err(error.into());
                }
            }
        }
        Err(SendError::Limited(Limited {
            limit: Limit::InProgress,
            retry_after: Duration::from_secs(1),
        }))
    }

    /// Forgets that `phone` is not on WhatsApp: somebody has written from it. Rarely more than a read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hear_from(&self, phone: &Phone, now: Timestamp) -> Result<(), StoreError> {
        match self.state_now(phone, now).await?.not_on_whatsapp {
            Some(_) => self.challenges.forget_not_on_whatsapp(phone).await,
            None => Ok(()),
        }
    }

    /// The phone's state as it is now. Read like everything else that a send reads, so that no function needs another right.
    async fn state_now(&self, phone: &Phone, now: Timestamp) -> Result<PhoneState, StoreError> {
        let mut batch = self.batches.begin();
        let state = batch.add(self.challenges.reading(phone, now));
        state.from(&batch.read("read a phone's challenges alone").await?)
    }

    /// The reservation on `state`: the live code once more, or a new one.
    fn prepare(
        &self,
        state: PhoneState,
        ring: &Ring,
        attempt: &Attempt<'_>,
    ) -> Result<Prepared, SendError> {
        let Order { phone, purpose, .. } = *attempt.order;
        let now = attempt.begun_at;
        let sends = limits::decide(&state, attempt.asker, &attempt.policy, now)
            .map_err(SendError::Limited)?;
        let before = state.live_code(purpose);
        // A code from before the account was sent to nobody. Its ids are not kept: whoever asked for it holds them.
        let of_nobody = |code: &&IssuedCode| attempt.asker.had_no_account(code.begun_at(), now);
        let live = before.as_ref().filter(|code| !of_nobody(code));
        let (challenge, hash, origin) = attempt.challenge(live);
        let mut open = attempt.open(hash, origin);
        let unsure = is_unsure(&sends, purpose) && !attempt.goes_elsewhere();
        let (code, key) = match repeated(live, ring, &mut open, unsure) {
            Some(repeated) => repeated,
            None => {
                let key = current_key(ring, now)?;
                let length = CodeLength::new(purpose, state.failures);
                let fresh = self.fresh_code(key, length, &open);
                let code = match live {
                    Some(live) => live.replaced_by(fresh, now),
                    None => fresh,
                };
                open.code = Some(code.clone());
                (code, key)
            }
        };
        Ok(Prepared {
            secret: self.secret(key, &code.source(purpose, phone)),
            challenge: challenge.clone(),
            code,
            reservation: Reservation {
                purpose,
                seen: state,
                sends,
                live: before,
                open,
            },
        })
    }

    /// A code that nobody has yet, for the challenge id of `open`.
    fn fresh_code(&self, key: &Key, length: CodeLength, open: &OpenSend) -> IssuedCode {
        let new = NewCode {
            nonce: self.entropy.bytes(),
            kid: key.kid.clone(),
            length,
        };
        IssuedCode::fresh(new, &open.challenge, open.at).carried_by(&open.message_id)
    }

    /// Takes the reservation back: nothing was sent. A failure is logged, and the reservation lapses.
    pub(super) async fn release(
        &self,
        attempt: &Attempt<'_>,
        prepared: &Prepared,
        not_on_whatsapp: Option<NotOnWhatsApp>,
    ) {
        let (phone, reservation) = (attempt.order.phone, &prepared.reservation);
        let released = match attempt.companion.with_release(&reservation.open.challenge) {
            Ok(also) => {
                let release = Release {
                    reservation,
                    not_on_whatsapp,
                    also,
                };
                self.challenges.release(phone, release).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = released {
            log_store_error("[WhatsApp System] a reservation is left to lapse", &error);
        }
    }
}

/// The live code, to be sent once more and bound to the challenge id of `open`, with its key. `None` when it cannot be. It goes
/// out under its last id while nobody is sure that it arrived: the phone shows a message once, however often it comes.
fn repeated<'a>(
    live: Option<&IssuedCode>,
    ring: &'a Ring,
    open: &mut OpenSend,
    unsure: bool,
) -> Option<(IssuedCode, &'a Key)> {
    let live = live?;
    let key = ring.find(&live.kid, open.at)?;
    if !live.repeatable(&open.challenge, open.at) {
        return None;
    }
    if let Some(last) = live.message_id.as_ref().filter(|_| unsure) {
        open.message_id.clone_from(last);
    }
    let again = live.clone().bind(&open.challenge);
    Some((again.carried_by(&open.message_id), key))
}

/// Whether nobody knows what became of the last message for `purpose`.
fn is_unsure(sends: &[SendMade], purpose: Purpose) -> bool {
    let last = sends.iter().rev().find(|send| send.purpose == purpose);
    last.is_some_and(|send| send.certainty != Certainty::Sent)
}

fn current_key(ring: &Ring, now: Timestamp) -> Result<&Key, StoreError> {
    let unreadable = StoreError::unreadable("find a key for the code", "keys");
    ring.current(now).ok_or(unreadable)
}
