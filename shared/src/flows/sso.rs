//! Signing in with a code alone. An unknown phone is answered like a known one; it gets no message.
use super::codes::{
    Alone, Answer, CodeSent, Codes, Order, Recipient, RightGuess, SendError, VerifyError,
};
use super::login::{Logins, SignedIn};
use crate::caller::Caller;
use crate::challenge::ChallengeId;
use crate::code::Purpose;
use crate::phone::Phone;
use crate::store::users::Users;
use crate::texts::Language;
use crate::timestamp::Timestamp;

/// Sends a sign-in code to `phone`.
///
/// # Errors
/// When no code went out; nothing was charged then.
pub async fn send_code(
    codes: &Codes,
    users: &Users,
    phone: &Phone,
    caller: &Caller,
    language: Language,
    now: Timestamp,
) -> Result<CodeSent, SendError> {
    let (user, survey) = tokio::join!(users.by_phone(phone), codes.survey(phone, caller, now));
    let user = user?;
    let order = Order {
        phone,
        purpose: Purpose::Sso,
        caller,
        verified: user.is_some(),
        recipient: match user {
            Some(_) => Recipient::User,
            None => Recipient::Nobody,
        },
        language,
    };
    codes.send(survey?, &order, &Alone, now).await
}

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
    let (guess, user, ring) = tokio::join!(
        codes.check(Purpose::Sso, answer, now),
        users.by_phone(&answer.phone),
        logins.ring(now),
    );
    let (guess, ring) = (guess?, ring?);
    // Nobody was sent the code of a phone without a user: it is right for no one.
    let user = user?.ok_or(VerifyError::Expired)?;
    let used = match guess {
        RightGuess::Again(used) => used,
        RightGuess::First(code) => {
            let by = answer.challenge.as_ref().map(ChallengeId::hash);
            let used = logins.first_use(by, now);
            let login = logins.open(&used, &user)?;
            codes
                .redeem(Purpose::Sso, &answer.phone, &code, used, vec![login])
                .await?
        }
    };
    Ok(logins.token(&ring, user, &used)?)
}
