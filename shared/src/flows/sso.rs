//! Signing in with a code alone. `account.rs` sends the code.
use super::codes::check::{Answer, Right, RightGuess};
use super::codes::{Codes, VerifyError};
use super::login::{LoginKeys, Logins, SignedIn};
use crate::model::account::User;
use crate::model::challenge::Used;
use crate::model::code::Purpose;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::users::Users;

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
    let opening = Opening {
        codes,
        users,
        logins,
        phone: &phone,
        now,
    };
    match guess? {
        RightGuess::First(right) => {
            let opened = opening.first(&right, answer, user, keys).await;
            codes.settle_guess(&phone, &right, opened).await
        }
        RightGuess::Again(used, right) => {
            let (again, ()) = tokio::join!(opening.again(keys, &used), codes.was_right(&right));
            again
        }
    }
}

/// What a right guess opens a login with.
struct Opening<'a> {
    codes: &'a Codes,
    users: &'a Users,
    logins: &'a Logins,
    phone: &'a Phone,
    now: Timestamp,
}

impl Opening<'_> {
    async fn first(
        &self,
        right: &Right,
        answer: &Answer,
        user: Result<Option<User>, StoreError>,
        keys: Result<LoginKeys, StoreError>,
    ) -> Result<SignedIn, VerifyError> {
        let keys = keys?;
        let user = match user? {
            Some(user) => user,
            // It was read beside the guess, and may be there by now. Nobody was sent the code of a phone without a user: it
            // is right for no one.
            None => self.user().await?,
        };
        let by = answer.challenge.as_ref().map(|id| id.hash(&answer.who));
        let used = self.logins.first_use(by, self.now);
        let login = self.logins.open(&used, &user)?;
        let counts = self
            .codes
            .redeem(self.phone, right, used.clone(), vec![login])
            .await?;
        if counts != used {
            return self.again(Ok(keys), &counts).await;
        }
        Ok(self.logins.first_tokens(&keys, user, &used)?)
    }

    /// The same answer once more, as long as its login lives and is the user's.
    async fn again(
        &self,
        keys: Result<LoginKeys, StoreError>,
        used: &Used,
    ) -> Result<SignedIn, VerifyError> {
        let keys = keys?;
        let (user, login) = tokio::join!(self.user(), self.logins.of_use(used, self.now));
        let user = user?;
        if !login?.is_some_and(|login| login.is_of(&user)) {
            return Err(VerifyError::Expired);
        }
        Ok(self.logins.first_tokens(&keys, user, used)?)
    }

    async fn user(&self) -> Result<User, VerifyError> {
        let user = self.users.by_phone(self.phone).await?;
        user.ok_or(VerifyError::Expired)
    }
}
