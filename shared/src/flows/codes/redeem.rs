//! What a right guess opens, and what is taken back when that fails on our side.
use super::check::Right;
use super::{Codes, VerifyError};
use crate::model::challenge::Used;
use crate::model::phone::Phone;
use crate::store::challenges::{Guess, UseOfCode};
use crate::store::{StoreError, Write};

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

impl Codes {
    /// Uses the code of a right guess up and writes `also`, in one transaction. Answers the use that counts, which is an
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
            code,
            guess,
            known_networks,
            ..
        } = right;
        let purpose = guess.purpose;
        let (used_up, ()) = tokio::join!(
            self.challenges
                .use_code(phone, purpose, code, &used, known_networks, also),
            self.was_right(right),
        );
        match used_up? {
            UseOfCode::Done => Ok(used),
            UseOfCode::OtherRefused => Err(VerifyError::Overtaken),
            UseOfCode::Gone(state) => {
                let by = used.by.as_ref();
                let same_code = state.code(purpose).filter(|now| now.nonce == code.nonce);
                let earlier = same_code.and_then(|code| code.answered_again(by?, used.at));
                earlier.cloned().ok_or(VerifyError::Expired)
            }
        }
    }

    /// Answers what a right guess has opened. When that failed on our side, nothing of the guess stays counted.
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
        self.leave_guess(right.address, &right.guess).await;
    }

    /// The use of a right guess's code by the same answer, which may have come after the guess was read. Nothing when there
    /// is none.
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
        let same_code = code.filter(|code| code.nonce == right.code.nonce);
        let used = same_code.and_then(|code| code.answered_again(challenge.as_ref()?, *at));
        Ok(used.cloned())
    }
}
