//! Signing up. Each request is its own registration, under its own challenge id; it becomes a user only when it is
//! confirmed with that id and the code that went to the phone. So nobody can slip a password under somebody else's
//! confirmation, and a failed send leaves nothing behind.
use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;

use super::account::Wish;
use super::codes::{
    Answer, CodeSent, Codes, Companion, Order, Recipient, RightGuess, SendError, VerifyError,
};
use super::login::{LoginKeys, Logins, SignedIn};
use crate::account::{Applicant, Registration, User};
use crate::caller::Caller;
use crate::captcha::{Captcha, CaptchaError};
use crate::challenge::{CODE_LIFE, ChallengeHash, ChallengeId, Used};
use crate::clock::Clock;
use crate::code::Purpose;
use crate::password::{self, HashError, PasswordHash};
use crate::report::Chain;
use crate::store::StoreError;
use crate::store::registrations::Registrations;
use crate::store::users::{EmailClaim, Users};
use crate::texts::Language;
use crate::timestamp::Timestamp;

/// A registration outlives the code that confirms it, which starts to count only when the gateway took its message.
const REGISTRATION_LIFE: Duration = CODE_LIFE.saturating_add(Duration::from_secs(60));

/// What somebody asks for who signs up.
#[derive(Debug)]
pub struct Application {
    /// Who that is.
    pub applicant: Applicant,
    /// What shows that the CAPTCHA was solved, where there is one.
    pub captcha_token: Option<String>,
    /// What the message is written in.
    pub language: Language,
}

/// Why no sign-up was begun. Nothing was charged, nothing is kept.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Nobody solved the CAPTCHA, as far as is known.
    #[error(transparent)]
    Captcha(#[from] CaptchaError),
    /// The phone has a user.
    #[error("the phone has a user")]
    PhoneTaken,
    /// No code went out.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Why the code of a registration was not sent again. Nothing was charged.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// There is no registration of that challenge id and phone.
    #[error("there is no such registration")]
    NoRegistration,
    /// No code went out.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl From<StoreError> for ResendError {
    fn from(error: StoreError) -> Self {
        Self::Send(error.into())
    }
}

/// A sign-up that was confirmed.
#[derive(Debug)]
pub struct Confirmed {
    /// The new user, signed in.
    pub signed_in: SignedIn,
    /// What became of the e-mail address, if one was given.
    pub email: Option<EmailClaim>,
}

struct Waiting<'a> {
    registrations: &'a Registrations,
    applicant: &'a Applicant,
    password: PasswordHash,
    expires_at: Timestamp,
}

impl Companion for Waiting<'_> {
    fn with_reservation(
        &self,
        challenge: &ChallengeHash,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let registration = Registration {
            challenge: challenge.clone(),
            phone: self.applicant.phone.clone(),
            name: self.applicant.name.clone(),
            email: self.applicant.email.clone(),
            password: self.password.clone(),
            expires_at: self.expires_at,
        };
        Ok(vec![self.registrations.put(&registration)?])
    }

    fn with_release(
        &self,
        challenge: &ChallengeHash,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        Ok(vec![self.registrations.drop(challenge)?])
    }
}

/// A registration that lives on with the code that was asked for again.
struct Longer<'a> {
    registrations: &'a Registrations,
    expires_at: Timestamp,
}

impl Companion for Longer<'_> {
    fn with_reservation(
        &self,
        challenge: &ChallengeHash,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        Ok(vec![
            self.registrations.prolong(challenge, self.expires_at)?,
        ])
    }

    fn with_release(&self, _: &ChallengeHash) -> Result<Vec<TransactWriteItem>, StoreError> {
        Ok(Vec::new())
    }
}

/// Keeps the registration and sends the code that confirms it. Without a solved CAPTCHA nothing is even read.
///
/// # Errors
/// When the CAPTCHA was not solved, the phone has a user, or no code went out.
pub async fn register(
    codes: &Codes,
    users: &Users,
    registrations: &Registrations,
    captcha: &Captcha,
    application: &Application,
    caller: &Caller,
    clock: &Clock,
) -> Result<CodeSent, RegisterError> {
    let Application {
        applicant,
        captcha_token,
        language,
    } = application;
    captcha
        .check(captcha_token.as_deref(), caller.remote_ip)
        .await?;
    // The check may have taken seconds.
    let now = clock.now();
    let phone = &applicant.phone;
    let (user, survey) = tokio::join!(users.by_phone(phone), codes.survey(phone, caller, now));
    if user.map_err(SendError::from)?.is_some() {
        return Err(RegisterError::PhoneTaken);
    }
    let survey = survey?;
    let order = Order {
        phone,
        purpose: Purpose::Signup,
        caller,
        counts_for_country: true,
        verified: false,
        recipient: Recipient::Applicant,
        language: *language,
        keep: None,
    };
    // Hashing is the expensive part: only for a request that the limits let through.
    codes.may_send(&survey, &order, now)?;
    let waiting = Waiting {
        registrations,
        applicant,
        password: password::hash(&applicant.password, codes.salt()).await?,
        expires_at: now.plus(REGISTRATION_LIFE),
    };
    Ok(codes.send(survey, &order, &waiting, now).await?)
}

/// Sends the code of a registration once more.
///
/// # Errors
/// When there is no such registration, or no code went out; nothing was charged then.
pub async fn resend(
    codes: &Codes,
    users: &Users,
    registrations: &Registrations,
    wish: &Wish,
    caller: &Caller,
    now: Timestamp,
) -> Result<CodeSent, ResendError> {
    let phone = &users.phone_of(&wish.who).await?;
    let challenge = wish.keep.as_ref().map(ChallengeId::hash);
    let waiting = async {
        match &challenge {
            Some(challenge) => registrations.read(challenge, now).await,
            None => Ok(None),
        }
    };
    let (waiting, survey) = tokio::join!(waiting, codes.survey(phone, caller, now));
    // Without a registration nothing may be charged: it would keep the phone's owner from signing up.
    waiting?
        .filter(|registration| registration.phone == *phone)
        .ok_or(ResendError::NoRegistration)?;
    let order = Order {
        phone,
        purpose: Purpose::Signup,
        caller,
        counts_for_country: true,
        verified: false,
        recipient: Recipient::Applicant,
        language: wish.language,
        keep: wish.keep.clone(),
    };
    let longer = Longer {
        registrations,
        expires_at: now.plus(REGISTRATION_LIFE),
    };
    Ok(codes.send(survey?, &order, &longer, now).await?)
}

/// Turns the registration of the answer's challenge id into a user, and signs it in.
///
/// # Errors
/// When the code is not right, the phone has a user by now, or the store fails.
pub async fn confirm(
    codes: &Codes,
    users: &Users,
    registrations: &Registrations,
    logins: &Logins,
    answer: &Answer,
    now: Timestamp,
) -> Result<Confirmed, VerifyError> {
    let phone = &users.phone_of(&answer.who).await?;
    let challenge = answer
        .challenge
        .as_ref()
        .ok_or(VerifyError::Unknown)?
        .hash();
    let (guess, registration, user, keys) = tokio::join!(
        codes.check(Purpose::Signup, phone, answer, now),
        registrations.read(&challenge, now),
        users.by_phone(phone),
        logins.keys(now),
    );
    let (guess, registration, user, keys) = (guess?, registration?, user?, keys?);
    let code = match guess {
        RightGuess::First(code) => code,
        RightGuess::Again(used) => {
            let user = user.ok_or(VerifyError::Expired)?;
            return signed_in(users, logins, &keys, user, &used).await;
        }
    };
    let registration = registration
        .filter(|registration| registration.phone == *phone)
        .ok_or(VerifyError::Expired)?;
    let user = registration.into_user(logins.user_id(), now);
    let ours = logins.first_use(Some(challenge.clone()), now);
    let mut also = users.create(&user)?;
    also.push(logins.open(&ours, &user)?);
    also.push(registrations.take(&challenge, now)?);
    let redeemed = codes
        .redeem(Purpose::Signup, phone, &code, ours.clone(), also)
        .await;
    let used = match redeemed {
        // Refused beside the code: the phone has a user by now, or the registration has just ended.
        Err(VerifyError::Overtaken) if users.by_phone(phone).await?.is_none() => {
            return Err(VerifyError::Expired);
        }
        redeemed => redeemed?,
    };
    if used != ours {
        let user = users.by_phone(phone).await?.ok_or(VerifyError::Expired)?;
        return signed_in(users, logins, &keys, user, &used).await;
    }
    signed_in(users, logins, &keys, user, &used).await
}

/// The answer to a confirmation: the same however often it is asked for, also when the first request died before it had
/// claimed the e-mail address. The user exists whatever becomes of that.
async fn signed_in(
    users: &Users,
    logins: &Logins,
    keys: &LoginKeys,
    mut user: User,
    used: &Used,
) -> Result<Confirmed, VerifyError> {
    let email =
        match user.wanted_email.take() {
            None => user.email.is_some().then_some(EmailClaim::Claimed),
            Some(wanted) => {
                let claim = users.claim_email(&user, &wanted).await.unwrap_or_else(|error| {
                tracing::error!(error = %Chain(&error), "an e-mail address was not claimed");
                EmailClaim::Taken
            });
                if claim == EmailClaim::Claimed {
                    user.email = Some(wanted);
                }
                Some(claim)
            }
        };
    Ok(Confirmed {
        signed_in: logins.first_tokens(keys, user, used)?,
        email,
    })
}
