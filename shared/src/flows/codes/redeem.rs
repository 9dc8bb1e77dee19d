//! What a right guess opens, and what is taken back when that fails.
use super::check::CountedGuess;
use super::{Codes, VerifyError, log_store_error};
use crate::model::challenge::Used;
use crate::runtime::metrics::Metric;
use crate::store::challenges::guesses::{CodeUse, UseOfCode};
use crate::store::deliveries::{By, Told};
use crate::store::{StoreError, Write};

/// Errors after a right guess that may be no fault of the guess.
pub trait OurFailure {
    /// Whether something failed that the guess has nothing to do with.
    fn is_ours(&self) -> bool;
}

impl OurFailure for VerifyError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

impl Codes {
    /// Uses the code of a right guess up and writes `also`, in one transaction. Answers the use that counts: `used`, or the
    /// earlier one that this guess repeats.
    ///
    /// # Errors
    /// When somebody else was faster, or the store fails.
    pub async fn redeem(
        &self,
        right: &CountedGuess,
        used: Used,
        also: Vec<Write>,
    ) -> Result<Used, VerifyError> {
        let (purpose, code) = (right.guess.purpose, &right.code);
        let code_use = CodeUse {
            purpose,
            code,
            used: &used,
            known_networks: &right.known_networks,
        };
        let (used_up, (), ()) = tokio::join!(
            self.challenges.use_code(&right.phone, code_use, also),
            self.uncharge_address(right),
            self.record_delivered(right),
        );
        match used_up? {
            UseOfCode::Done => {
                self.measure_verified(right);
                Ok(used)
            }
            UseOfCode::OtherRefused => Err(VerifyError::Overtaken),
            UseOfCode::Gone(state) => {
                let by = used.by.as_ref();
                let same_code = state.code(purpose).filter(|now| now.nonce == code.nonce);
                let earlier = same_code.and_then(|code| code.answered_again(by?, used.at));
                earlier.cloned().ok_or(VerifyError::Expired)
            }
        }
    }

    /// Measures a code that came back, unless it needed no message.
    fn measure_verified(&self, right: &CountedGuess) {
        if self.test_numbers.code(&right.phone).is_none() {
            let line = self.meter.line(right.guess.at);
            line.count(Metric::CodesVerified, 1).write();
        }
    }

    /// Keeps that the message of a right guess has reached its phone, whatever its receipts say. A failure is logged and nothing
    /// more.
    async fn record_delivered(&self, right: &CountedGuess) {
        let Some(message_id) = &right.code.message_id else {
            return;
        };
        // Without a message nobody could have read it there.
        if self.test_numbers.code(&right.phone).is_some() {
            return;
        }
        let told = Told {
            message_id,
            by: By::Owner,
            at: right.guess.at,
        };
        match self.deliveries.record_delivered(told).await {
            // No receipt says when.
            Ok(Some(_)) => self.meter.line(told.at).count(Metric::Delivered, 1).write(),
            Ok(None) => {}
            Err(error) => log_store_error(
                "a message that was delivered is not recorded as that",
                &error,
            ),
        }
    }

    /// Answers what a right guess has opened. When that failed for another reason than the guess, nothing of it stays counted.
    ///
    /// # Errors
    /// Those of `opened`.
    pub async fn settle_guess<T, E: OurFailure>(
        &self,
        right: &CountedGuess,
        opened: Result<T, E>,
    ) -> Result<T, E> {
        if opened.as_ref().is_err_and(OurFailure::is_ours) {
            tokio::join!(
                self.uncount(&right.phone, &right.guess, &right.code),
                self.uncharge_address(right),
            );
        }
        opened
    }

    /// Gives the place of a right guess among the wrong codes of its address back.
    pub async fn uncharge_address(&self, right: &CountedGuess) {
        self.give_guess_back(right.address, &right.guess).await;
    }

    /// The use of a right guess's code by another request with the same answer, read anew: it may have come after the guess
    /// was counted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn other_use(&self, right: &CountedGuess) -> Result<Option<Used>, StoreError> {
        let CountedGuess {
            phone, code, guess, ..
        } = right;
        let state = self.challenges.read(phone, guess.at).await?;
        let now = state.code(guess.purpose);
        let same_code = now.filter(|now| now.nonce == code.nonce);
        let used =
            same_code.and_then(|code| code.answered_again(guess.challenge.as_ref()?, guess.at));
        Ok(used.cloned())
    }
}
