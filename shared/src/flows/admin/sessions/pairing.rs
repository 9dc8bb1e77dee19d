//! One session, as far as whoever pairs it may see it.
use super::acts::{ActError, Target, qr_of};
use super::{ANSWER_MAX, AdminSessions};
use crate::platform::timestamp::Timestamp;

/// How many digits of a number are shown to whoever pairs it: enough to tell their phones apart.
const LAST_DIGITS: usize = 3;

/// Which account is to be paired, as far as whoever does so may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedAccount {
    /// The name of the session.
    pub session: String,
    /// The last digits of the number that it was paired with last, if that is known.
    pub last_digits: Option<String>,
}

/// What whoever pairs a session may see of it.
#[derive(Debug)]
pub enum PairingNow {
    /// It is paired.
    Paired,
    /// There is no code yet. It is told to connect, if it may be.
    NoCodeYet,
    /// A picture to scan, as a data URL.
    Code(String),
}

impl AdminSessions {
    /// How far the pairing of a session is. One that is closed is connected, under the right that everybody takes.
    ///
    /// # Errors
    /// When there is no such session, its gateway does not answer well, or the store fails.
    pub(in super::super) async fn pairing(
        &self,
        target: Target,
        now: Timestamp,
    ) -> Result<PairingNow, ActError> {
        let status = target.gateway.status(&target.token, ANSWER_MAX).await;
        let status = status.map_err(ActError::Gateway)?;
        match (status.connected, status.logged_in) {
            (_, true) => Ok(PairingNow::Paired),
            (true, false) => {
                let code = qr_of(&target).await?;
                Ok(code.map_or(PairingNow::NoCodeYet, PairingNow::Code))
            }
            (false, false) => match self.connect(target, now).await {
                // Somebody has connected it a moment ago, or the gateway will do so.
                Ok(()) | Err(ActError::TooSoon(_) | ActError::Gateway(_)) => {
                    Ok(PairingNow::NoCodeYet)
                }
                Err(error) => Err(error),
            },
        }
    }
}

impl Target {
    /// Which account it is, for whoever pairs it.
    pub(in super::super) fn account(&self) -> PairedAccount {
        let (session, number) = self.named();
        let last_digits = number.map(|digits| {
            let hidden = digits.len().saturating_sub(LAST_DIGITS);
            digits.chars().skip(hidden).collect()
        });
        PairedAccount {
            session,
            last_digits,
        }
    }
}
