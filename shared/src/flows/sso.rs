//! Signing in with a code alone. `account.rs` sends the code.
use super::codes::check::{Answer, AnswerFor, CountedGuess, RightGuess};
use super::codes::{Codes, VerifyError};
use super::login::{LoginKeys, Logins, SignedIn};
use crate::model::account::User;
use crate::model::challenge::Used;
use crate::model::code::Purpose;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::users::Users;

/// Opens logins with a code.
#[derive(Clone, Debug)]
pub struct CodeSignIns {
    codes: Codes,
    users: Users,
    logins: Logins,
}

impl CodeSignIns {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            logins: Logins::new(backends),
        }
    }

    /// Reads the keys before they are needed, in a single attempt each.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        tokio::try_join!(self.codes.warm_up(now), self.logins.warm_up(now))?;
        Ok(())
    }

    /// Checks an answer and opens a login with it. The same answer within a minute gets the same login again.
    ///
    /// # Errors
    /// When the code is not right, or the store fails.
    pub async fn sign_in(&self, answer: &Answer, now: Timestamp) -> Result<SignedIn, VerifyError> {
        let Self {
            codes,
            users,
            logins,
        } = self;
        let phone = &users.phone_of(&answer.who).await?;
        let answer_for = AnswerFor {
            purpose: Purpose::Sso,
            phone,
            answer,
        };
        let (guess, user, keys) = tokio::join!(
            codes.check(answer_for, now),
            users.by_phone(phone),
            logins.keys(now),
        );
        let opening = Opening {
            flow: self,
            phone,
            now,
        };
        match guess? {
            RightGuess::First(right) => {
                let opened = opening
                    .first(&right, answer, ReadBeside { user, keys })
                    .await;
                codes.settle_guess(&right, opened).await
            }
            RightGuess::Again(used, right) => {
                let again = async { opening.again(&keys?, &used).await };
                let (again, ()) = tokio::join!(again, codes.uncharge_address(&right));
                again
            }
        }
    }
}

/// What was read beside the check of a guess. A failure counts only once the guess is right.
struct ReadBeside {
    user: Result<Option<User>, StoreError>,
    keys: Result<LoginKeys, StoreError>,
}

/// Opening a login with a right guess.
struct Opening<'a> {
    flow: &'a CodeSignIns,
    phone: &'a Phone,
    now: Timestamp,
}

impl Opening<'_> {
    async fn first(
        &self,
        right: &CountedGuess,
        answer: &Answer,
        beside: ReadBeside,
    ) -> Result<SignedIn, VerifyError> {
        let CodeSignIns { codes, logins, .. } = self.flow;
        let keys = beside.keys?;
        let user = match beside.user? {
            Some(user) => user,
            // The user may have been made since that was read. If not, nobody was sent this code, and it opens nothing.
            None => self.user().await?,
        };
        let by = answer.challenge.as_ref().map(|id| id.hash(&answer.who));
        let ours = logins.first_use(by, self.now);
        let login = logins.open(&ours, &user)?;
        let redeemed = codes.redeem(right, ours.clone(), vec![login]);
        let used = redeemed.await?;
        if used != ours {
            return self.again(&keys, &used).await;
        }
        Ok(logins.first_tokens(&keys, user, &used)?)
    }

    /// The same answer once more, as long as its login lives and is the user's.
    async fn again(&self, keys: &LoginKeys, used: &Used) -> Result<SignedIn, VerifyError> {
        let logins = &self.flow.logins;
        let (user, login) = tokio::join!(self.user(), logins.login_of(used, self.now));
        let user = user?;
        if !login?.is_some_and(|login| login.is_of(&user)) {
            return Err(VerifyError::Expired);
        }
        Ok(logins.first_tokens(keys, user, used)?)
    }

    async fn user(&self) -> Result<User, VerifyError> {
        let user = self.flow.users.by_phone(self.phone).await?;
        user.ok_or(VerifyError::Expired)
    }
}
