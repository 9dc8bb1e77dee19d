//! Setting a new password with a code. `account.rs` sends the code.
//!
//! The user is not signed in by it, and every login made before ends.
use super::codes::{Answer, Codes, RightGuess, VerifyError};
use crate::account::{Email, User};
use crate::challenge::{ChallengeId, Used};
use crate::code::Purpose;
use crate::password::{self, HashError, Match, Password, PasswordError};
use crate::store::StoreError;
use crate::store::users::Users;
use crate::timestamp::Timestamp;

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The code is not right.
    #[error(transparent)]
    Code(#[from] VerifyError),
    /// The code is right, and it can be used again with a password that is not made of what is known of the user.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<StoreError> for ResetError {
    fn from(error: StoreError) -> Self {
        Self::Code(error.into())
    }
}

/// Sets the user's password and ends all logins, in the transaction that uses the code up. The same answer within a minute
/// succeeds again and changes nothing.
///
/// # Errors
/// When the code is not right, or the store fails.
pub async fn set_password(
    codes: &Codes,
    users: &Users,
    answer: &Answer,
    password: &Password,
    now: Timestamp,
) -> Result<(), ResetError> {
    let phone = users.phone_of(&answer.who).await?;
    let (guess, user) = tokio::join!(
        codes.check(Purpose::PasswordReset, &phone, answer, now),
        users.by_phone(&phone),
    );
    let guess = guess?;
    // Nobody was sent the code of a phone without a user: it is right for no one.
    let user = user?.ok_or(VerifyError::Expired)?;
    let code = match guess {
        RightGuess::First(code) => code,
        RightGuess::Again(_) => return set_before(&user, password).await,
    };
    let email = user.email.as_ref().map_or("", Email::as_str);
    password.check_against(&[user.name.as_str(), user.phone.digits(), email])?;
    let hash = password::hash(password, codes.salt()).await?;
    let used = Used {
        at: now,
        by: answer.challenge.as_ref().map(ChallengeId::hash),
        login: codes.use_id(),
    };
    let change = users.change_password(&user, &hash)?;
    let redeemed = codes
        .redeem(
            Purpose::PasswordReset,
            &phone,
            &code,
            used.clone(),
            vec![change],
        )
        .await;
    match redeemed {
        Ok(counts) if counts == used => Ok(()),
        // Another request with this answer was faster; it may have been about another password.
        Ok(_) => {
            let user = users.by_phone(&phone).await?.ok_or(VerifyError::Expired)?;
            set_before(&user, password).await
        }
        // The user has just gone, and the code with it.
        Err(VerifyError::Overtaken) => Err(VerifyError::Expired.into()),
        Err(error) => Err(error.into()),
    }
}

/// The same answer again, if it is about the same password.
async fn set_before(user: &User, password: &Password) -> Result<(), ResetError> {
    let hash = user.password.as_ref().ok_or(VerifyError::Expired)?;
    match password::verify(password, hash).await? {
        Match::Wrong => Err(VerifyError::Expired.into()),
        _ => Ok(()),
    }
}
