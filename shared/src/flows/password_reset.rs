//! Setting a new password with a code. `account.rs` sends the code.
//!
//! The user is not signed in by it, every login made before ends, and the phone is told by a message.
use super::account_change::{AccountChanges, Notice};
use super::codes::check::{Answer, AnswerFor, CountedGuess, RightGuess};
use super::codes::redeem::OurFailure;
use super::codes::{Codes, VerifyError};
use crate::model::account::User;
use crate::model::caller::Caller;
use crate::model::challenge::Used;
use crate::model::code::Purpose;
use crate::model::identifier::Email;
use crate::model::language::Language;
use crate::model::password::{self, HashError, Match, Password, PasswordError};
use crate::model::phone::Phone;
use crate::model::texts::AccountChange;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::users::Users;

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

impl OurFailure for ResetError {
    fn is_ours(&self) -> bool {
        match self {
            Self::Code(error) => error.is_ours(),
            // The code was right, and whoever has it types another password.
            Self::Password(_) => true,
            Self::Hash(_) => true,
        }
    }
}

/// Sets passwords.
#[derive(Clone, Debug)]
pub struct PasswordResets {
    codes: Codes,
    users: Users,
    changes: AccountChanges,
}

/// A request to set a new password.
#[derive(Debug)]
pub struct ResetRequest {
    /// The code, and whose account it is for.
    pub answer: Answer,
    /// The new password.
    pub password: Password,
    /// The language of the message about it, if one was asked for.
    pub language: Option<Language>,
}

/// Whether this request changed the password.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Changed {
    /// It did.
    Now {
        /// The session that the code came from.
        served_by: Option<String>,
    },
    /// The same answer had changed it before.
    Before,
}

impl PasswordResets {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            changes: AccountChanges::new(backends),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.codes.warm_up(now).await
    }

    /// Sets the user's password and ends all logins, in the transaction that uses the code up; then the phone is told. The
    /// same answer within a minute succeeds again, changes nothing, and tells nobody.
    ///
    /// # Errors
    /// When the code is not right, or the store fails.
    pub async fn set_password(
        &self,
        request: &ResetRequest,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), ResetError> {
        let phone = self.users.phone_of(&request.answer.who).await?;
        if let Changed::Now { served_by } = self.change(&phone, request, now).await? {
            let notice = Notice {
                change: AccountChange::Password,
                phone: &phone,
                served_by: served_by.as_deref(),
                language: request.language,
                request_id: &caller.request_id,
            };
            self.changes.tell(&notice, caller.deadline).await;
        }
        Ok(())
    }

    async fn change(
        &self,
        phone: &Phone,
        request: &ResetRequest,
        now: Timestamp,
    ) -> Result<Changed, ResetError> {
        let (codes, users, answer) = (&self.codes, &self.users, &request.answer);
        let answer_for = AnswerFor {
            purpose: Purpose::PasswordReset,
            phone,
            answer,
        };
        let (guess, user) = tokio::join!(codes.check(answer_for, now), users.by_phone(phone),);
        let resetting = Resetting {
            flow: self,
            phone,
            password: &request.password,
            now,
        };
        match guess? {
            RightGuess::First(right) => {
                let reset = resetting.first(&right, answer, user).await;
                codes.settle_guess(&right, reset).await
            }
            RightGuess::Again(_, right) => {
                let (again, ()) = tokio::join!(resetting.again(), codes.uncharge_address(&right));
                again
            }
        }
    }
}

/// Setting a password with a right guess.
struct Resetting<'a> {
    flow: &'a PasswordResets,
    phone: &'a Phone,
    password: &'a Password,
    now: Timestamp,
}

impl Resetting<'_> {
    async fn first(
        &self,
        right: &CountedGuess,
        answer: &Answer,
        user: Result<Option<User>, StoreError>,
    ) -> Result<Changed, ResetError> {
        let PasswordResets { codes, users, .. } = self.flow;
        let user = match user? {
            Some(user) => user,
            // The user may have been made since that was read. If not, nobody was sent this code, and it opens nothing.
            None => self.user().await?,
        };
        let email = user.email.as_ref().map_or("", Email::as_str);
        let known = [user.name.as_str(), user.phone.digits(), email];
        self.password.check_against(&known)?;
        let hash = password::hash(self.password, codes.salt()).await?;
        let ours = Used {
            at: self.now,
            by: answer.challenge.as_ref().map(|id| id.hash(&answer.who)),
            login: codes.use_id(),
        };
        let change = users.password_change(&user, &hash)?;
        let redeemed = codes.redeem(right, ours.clone(), vec![change]);
        match redeemed.await {
            Ok(used) if used == ours => Ok(Changed::Now {
                served_by: right.served_by.clone(),
            }),
            // Another request with this answer was faster.
            Ok(_) => self.again().await,
            // The user has just gone, and the code with it.
            Err(VerifyError::Overtaken) => Err(VerifyError::Expired.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The same answer again, if it is about the same password. The user is read anew: what was read beside the guess may be
    /// older than that password.
    async fn again(&self) -> Result<Changed, ResetError> {
        let user = self.user().await?;
        let hash = user.password.as_ref().ok_or(VerifyError::Expired)?;
        match password::verify(self.password, hash).await? {
            Match::Wrong => Err(VerifyError::Expired.into()),
            Match::Right | Match::RightButOutdated => Ok(Changed::Before),
        }
    }

    async fn user(&self) -> Result<User, ResetError> {
        let user = self.flow.users.by_phone(self.phone).await?;
        Ok(user.ok_or(VerifyError::Expired)?)
    }
}
