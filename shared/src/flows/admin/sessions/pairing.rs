//! One session, as far as whoever pairs it may see it.
use super::acts::ActError;
use super::key::SessionKey;
use super::{ANSWER_MAX, AdminSessions};
use crate::platform::timestamp::Timestamp;

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
    pub async fn pairing(&self, key: &SessionKey, now: Timestamp) -> Result<PairingNow, ActError> {
        let target = self.target(key).await?;
        let status = target.gateway.status(&target.token, ANSWER_MAX).await;
        let status = status.map_err(ActError::Gateway)?;
        match (status.connected, status.logged_in) {
            (_, true) => Ok(PairingNow::Paired),
            (true, false) => {
                let code = self.qr(key).await?;
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
