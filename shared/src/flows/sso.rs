//! Signing in with a code alone. `account.rs` sends the code.
use super::codes::{Answer, Codes, RightGuess, VerifyError};
use super::login::{Logins, SignedIn};
use crate::challenge::ChallengeId;
use crate::code::Purpose;
use crate::store::users::Users;
use crate::timestamp::Timestamp;

/// Checks an answer and opens a login with it.
///
/// # Errors
/// When the code is not right, or the store fails.
pub async fn verify(
    codes: &Codes,
    users: &Users,
    logins: &Logins,
    answer: &Answer,
    now: Timestamp,
) -> Result<SignedIn, VerifyError> {
    let phone = users.phone_of(&answer.who).await?;
    let (guess, user, keys) = tokio::join!(
        codes.check(Purpose::Sso, &phone, answer, now),
        users.by_phone(&phone),
        logins.keys(now),
    );
    let (guess, keys) = (guess?, keys?);
    // Nobody was sent the code of a phone without a user: it is right for no one.
    let user = user?.ok_or(VerifyError::Expired)?;
    let used = match guess {
        RightGuess::Again(used) => used,
        RightGuess::First(code) => {
            let by = answer.challenge.as_ref().map(ChallengeId::hash);
            let used = logins.first_use(by, now);
            let login = logins.open(&used, &user)?;
            codes
                .redeem(Purpose::Sso, &phone, &code, used, vec![login])
                .await?
        }
    };
    Ok(logins.first_tokens(&keys, user, &used)?)
}
