//! Completing a sign-up: turning a registration into a user. `signup.rs` keeps the registration and sends the code.
use super::codes::check::{Answer, AnswerFor, CountedGuess, RightGuess};
use super::codes::{Codes, VerifyError};
use super::login::{LoginKeys, Logins, SignedIn};
use crate::model::account::{Registration, User};
use crate::model::challenge::{ChallengeHash, Used};
use crate::model::code::Purpose;
use crate::model::phone::Phone;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::registrations::Registrations;
use crate::store::users::{EmailClaim, Users};

/// A sign-up that was confirmed.
#[derive(Debug)]
pub struct Confirmed {
    /// The new user, signed in.
    pub signed_in: SignedIn,
    /// What became of the e-mail address, if one was given.
    pub email: Option<EmailClaim>,
}

/// Completes sign-ups.
#[derive(Clone, Debug)]
pub struct SignUpConfirmations {
    codes: Codes,
    users: Users,
    registrations: Registrations,
    logins: Logins,
}

impl SignUpConfirmations {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            registrations: Registrations::new(backends),
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

    /// Turns the registration of the answer's challenge id into a user, and signs it in. The same answer within a minute
    /// gets the same login again.
    ///
    /// # Errors
    /// When the code is not right, the phone has a user by now, or the store fails.
    pub async fn confirm(&self, answer: &Answer, now: Timestamp) -> Result<Confirmed, VerifyError> {
        let codes = &self.codes;
        let phone = &self.users.phone_of(&answer.who).await?;
        let challenge = answer.challenge.as_ref().ok_or(VerifyError::Unknown)?;
        let challenge = challenge.hash(&answer.who);
        let answer_for = AnswerFor {
            purpose: Purpose::Signup,
            phone,
            answer,
        };
        let (guess, registration, keys) = tokio::join!(
            codes.check(answer_for, now),
            self.registrations.read(&challenge, now),
            self.logins.keys(now),
        );
        let confirming = Confirming {
            flow: self,
            phone,
            challenge,
            now,
        };
        match guess? {
            RightGuess::First(right) => {
                let first = async { confirming.first(&right, registration, &keys?).await };
                let confirmed = first.await;
                codes.settle_guess(&right, confirmed).await
            }
            RightGuess::Again(used, right) => {
                let again = async { confirming.again(&keys?, &used).await };
                let (again, ()) = tokio::join!(again, codes.uncharge_address(&right));
                again
            }
        }
    }
}

/// Confirming a sign-up with a right guess.
struct Confirming<'a> {
    flow: &'a SignUpConfirmations,
    phone: &'a Phone,
    challenge: ChallengeHash,
    now: Timestamp,
}

impl Confirming<'_> {
    async fn first(
        &self,
        right: &CountedGuess,
        registration: Result<Option<Registration>, StoreError>,
        keys: &LoginKeys,
    ) -> Result<Confirmed, VerifyError> {
        let SignUpConfirmations {
            codes,
            users,
            registrations,
            logins,
        } = self.flow;
        let registration = registration?.filter(|found| found.phone == *self.phone);
        let Some(registration) = registration else {
            return self.perhaps_again(right, keys).await;
        };
        let user = registration.into_user(logins.user_id(), self.now);
        let ours = logins.first_use(Some(self.challenge.clone()), self.now);
        let mut writes = users.creation(&user)?;
        writes.push(logins.open(&ours, &user)?);
        writes.push(registrations.take(&self.challenge, self.now)?);
        match codes.redeem(right, ours.clone(), writes).await {
            Ok(used) if used == ours => self.sign_in(keys, user, &used).await,
            Ok(used) => self.again(keys, &used).await,
            // Refused beside the code: the phone has a user by now, or the registration has just ended.
            Err(VerifyError::Overtaken) if users.by_phone(self.phone).await?.is_none() => {
                self.perhaps_again(right, keys).await
            }
            Err(error) => Err(error),
        }
    }

    /// The registration is gone: because the same answer was faster, or because it has ended.
    async fn perhaps_again(
        &self,
        right: &CountedGuess,
        keys: &LoginKeys,
    ) -> Result<Confirmed, VerifyError> {
        let used = self.flow.codes.other_use(right).await?;
        self.again(keys, &used.ok_or(VerifyError::Expired)?).await
    }

    /// The same answer once more, as long as its login lives and is the user's.
    async fn again(&self, keys: &LoginKeys, used: &Used) -> Result<Confirmed, VerifyError> {
        let (user, login) = tokio::join!(
            self.flow.users.by_phone(self.phone),
            self.flow.logins.login_of(used, self.now),
        );
        let user = user?.ok_or(VerifyError::Expired)?;
        if !login?.is_some_and(|login| login.is_of(&user)) {
            return Err(VerifyError::Expired);
        }
        self.sign_in(keys, user, used).await
    }

    /// The answer to a confirmation. It is the same however often it is asked for, also when the first request died before
    /// it had claimed the e-mail address.
    async fn sign_in(
        &self,
        keys: &LoginKeys,
        mut user: User,
        used: &Used,
    ) -> Result<Confirmed, VerifyError> {
        let email = self.claim_email(&mut user).await;
        Ok(Confirmed {
            signed_in: self.flow.logins.first_tokens(keys, user, used)?,
            email,
        })
    }

    /// Claims the e-mail address that the user wants, if there is one. The user exists whatever becomes of that.
    async fn claim_email(&self, user: &mut User) -> Option<EmailClaim> {
        let Some(wanted) = user.wanted_email.take() else {
            return user.email.is_some().then_some(EmailClaim::Claimed);
        };
        let claim = match self.flow.users.claim_email(user, &wanted).await {
            Ok(claim) => claim,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "an e-mail address was not claimed");
                EmailClaim::Taken
            }
        };
        if claim == EmailClaim::Claimed {
            user.email = Some(wanted);
        }
        Some(claim)
    }
}
