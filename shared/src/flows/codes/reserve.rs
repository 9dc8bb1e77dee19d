//! The reservation of a code: what a send will bring, before its message goes out.
use std::time::Duration;

use super::order::{Companion, Order};
use super::survey::Survey;
use super::{Codes, SendError, log_store_error};
use crate::model::challenge::{ChallengeId, IssuedCode, Open, PhoneState};
use crate::model::code::{Code, CodeLength};
use crate::model::keys::{Key, Ring};
use crate::model::limits::{self, Asker, Limit, Limited, Policy};
use crate::model::texts::{Brand, CodeMessage, MessageBody};
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::challenges::{Reservation, Reserved};

/// How often a reservation is tried when others change the phone's state meanwhile.
const RACES_MAX: usize = 5;

/// One try to send a code.
pub(super) struct Attempt<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) companion: &'a dyn Companion,
    /// The limits of the phone.
    pub(super) policy: Policy,
    pub(super) asker: Asker,
    /// The challenge id that the request is answered with.
    pub(super) challenge: ChallengeId,
    /// The reservation, still without its code.
    pub(super) open: Open,
    /// When the request has to be answered.
    pub(super) deadline: Timestamp,
}

/// A reservation that was granted.
pub(super) struct Prepared {
    pub(super) reservation: Reservation,
    /// The code that its message carries, once it is bound to the request's challenge id.
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
    /// Reserves the code, on the state that was read or, when others were faster, on the state they left.
    pub(super) async fn reserve(
        &self,
        survey: &Survey,
        attempt: &Attempt<'_>,
    ) -> Result<Prepared, SendError> {
        let phone = attempt.order.phone;
        let mut state = survey.state.clone();
        for _ in 0..RACES_MAX {
            let prepared = self.prepare(state, &survey.ring, attempt)?;
            let also = attempt
                .companion
                .with_reservation(&attempt.open.challenge)?;
            let reserved = self
                .challenges
                .reserve(phone, &prepared.reservation, also)
                .await;
            match reserved {
                Ok(Reserved::Granted) => return Ok(prepared),
                Ok(Reserved::LostRace) => {
                    state = self.challenges.read(phone, attempt.open.at).await?;
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

    /// The reservation on `state`: the live code once more, or a new one.
    fn prepare(
        &self,
        state: PhoneState,
        ring: &Ring,
        attempt: &Attempt<'_>,
    ) -> Result<Prepared, SendError> {
        let Order { phone, purpose, .. } = *attempt.order;
        let (challenge, now) = (&attempt.open.challenge, attempt.open.at);
        let sends = limits::decide(&state, attempt.asker, &attempt.policy, now)
            .map_err(SendError::Limited)?;
        let live = state.live_code(purpose);
        let repeated = live.as_ref().and_then(|code| {
            let key = ring.find(&code.kid, now)?;
            let repeatable = code.repeatable(challenge, now);
            repeatable.then(|| (code.clone().bind(challenge), key))
        });
        let (code, key, new_code) = match repeated {
            Some((code, key)) => (code, key, None),
            None => {
                let key = current_key(ring, now)?;
                let code = self.new_code(&state, live.as_ref(), key, attempt);
                (code.clone(), key, Some(code))
            }
        };
        Ok(Prepared {
            secret: self.secret(key, &code, purpose, phone),
            reservation: Reservation {
                purpose,
                seen: state,
                sends,
                live,
                open: Open {
                    code: new_code,
                    ..attempt.open.clone()
                },
            },
            code,
        })
    }

    /// A new code in the place of `live`.
    fn new_code(
        &self,
        state: &PhoneState,
        live: Option<&IssuedCode>,
        key: &Key,
        attempt: &Attempt<'_>,
    ) -> IssuedCode {
        let Open { at, challenge, .. } = &attempt.open;
        let length = CodeLength::after(state.failures);
        let nonce = self.entropy.bytes();
        let code = IssuedCode::fresh(nonce, key.kid.clone(), length, challenge, *at);
        match live {
            Some(live) => live.replaced_by(code, *at),
            None => code,
        }
    }

    /// Takes the reservation back: nothing was sent. A failure is logged, and the reservation lapses.
    pub(super) async fn release(
        &self,
        attempt: &Attempt<'_>,
        prepared: &Prepared,
        not_on_whatsapp_until: Option<Timestamp>,
    ) {
        let (phone, reservation) = (attempt.order.phone, &prepared.reservation);
        let released = match attempt.companion.with_release(&attempt.open.challenge) {
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
}

fn current_key(ring: &Ring, now: Timestamp) -> Result<&Key, StoreError> {
    let unreadable = StoreError::unreadable("find a key for the code", "keys");
    ring.current(now).ok_or(unreadable)
}
