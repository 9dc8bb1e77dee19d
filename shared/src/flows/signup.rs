//! Signing up. Each request is its own registration, under its own challenge id; it becomes a user only when it is
//! confirmed with that id and the code that went to the phone. So nobody can slip a password under somebody else's
//! confirmation, and a failed send leaves nothing behind.
use std::time::Duration;

use super::account::Wish;
use super::codes::check::{Answer, Right, RightGuess};
use super::codes::order::{CodeSent, Companion, Order, Recipient};
use super::codes::{Codes, SendError, VerifyError};
use super::login::{LoginKeys, Logins, SignedIn};
use crate::gateway::captcha::{Captcha, CaptchaError};
use crate::model::account::{Applicant, Registration, User};
use crate::model::caller::Caller;
use crate::model::challenge::{CODE_LIFE, ChallengeHash, Used};
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::model::password::{self, HashError, PasswordHash};
use crate::model::phone::Phone;
use crate::platform::clock::Clock;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::store::registrations::Registrations;
use crate::store::users::{EmailClaim, Users};
use crate::store::{StoreError, Write};

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
    /// The phone has a user by now.
    #[error("the phone has a user")]
    PhoneTaken,
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
    fn with_reservation(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
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

    fn with_release(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(vec![self.registrations.drop(challenge)?])
    }
}

/// A registration that lives on with the code that was asked for again.
struct Longer<'a> {
    registrations: &'a Registrations,
    expires_at: Timestamp,
    expired_at_before: Timestamp,
}

impl Companion for Longer<'_> {
    fn with_reservation(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        Ok(vec![
            self.registrations.prolong(challenge, self.expires_at)?,
        ])
    }

    fn with_release(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        let before = self.expired_at_before;
        Ok(vec![self.registrations.prolong(challenge, before)?])
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
        who: &Identifier::Phone(phone.clone()),
        purpose: Purpose::Signup,
        caller,
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
    Ok(codes.send(&survey, &order, &waiting, now).await?)
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
    let challenge = wish.keep.as_ref().map(|id| id.hash(&wish.who));
    let waiting = async {
        match &challenge {
            Some(challenge) => registrations.read(challenge, now).await,
            None => Ok(None),
        }
    };
    let (waiting, user, survey) = tokio::join!(
        waiting,
        users.by_phone(phone),
        codes.survey(phone, caller, now),
    );
    // Without a registration nothing may be charged: it would keep the phone's owner from signing up.
    let registration = waiting?
        .filter(|registration| registration.phone == *phone)
        .ok_or(ResendError::NoRegistration)?;
    if user?.is_some() {
        return Err(ResendError::PhoneTaken);
    }
    let order = Order {
        phone,
        who: &wish.who,
        purpose: Purpose::Signup,
        caller,
        verified: false,
        recipient: Recipient::Applicant,
        language: wish.language,
        keep: wish.keep.clone(),
    };
    let longer = Longer {
        registrations,
        expires_at: now.plus(REGISTRATION_LIFE),
        expired_at_before: registration.expires_at,
    };
    Ok(codes.send(&survey?, &order, &longer, now).await?)
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
    let challenge = answer.challenge.as_ref().ok_or(VerifyError::Unknown)?;
    let challenge = challenge.hash(&answer.who);
    let (guess, registration, keys) = tokio::join!(
        codes.check(Purpose::Signup, phone, answer, now),
        registrations.read(&challenge, now),
        logins.keys(now),
    );
    let confirming = Confirming {
        codes,
        users,
        registrations,
        logins,
        phone,
        challenge,
        now,
    };
    match guess? {
        RightGuess::First(right) => {
            let confirmed = confirming.first(&right, registration, keys).await;
            codes.settle_guess(phone, &right, confirmed).await
        }
        RightGuess::Again(used, right) => {
            let (again, ()) = tokio::join!(confirming.again(keys, &used), codes.was_right(&right));
            again
        }
    }
}

/// What a right guess confirms a sign-up with.
struct Confirming<'a> {
    codes: &'a Codes,
    users: &'a Users,
    registrations: &'a Registrations,
    logins: &'a Logins,
    phone: &'a Phone,
    challenge: ChallengeHash,
    now: Timestamp,
}

impl Confirming<'_> {
    async fn first(
        &self,
        right: &Right,
        registration: Result<Option<Registration>, StoreError>,
        keys: Result<LoginKeys, StoreError>,
    ) -> Result<Confirmed, VerifyError> {
        let keys = keys?;
        let registration = registration?.filter(|found| found.phone == *self.phone);
        let Some(registration) = registration else {
            return self.perhaps_again(right, keys).await;
        };
        let user = registration.into_user(self.logins.user_id(), self.now);
        let challenge = &self.challenge;
        let ours = self.logins.first_use(Some(challenge.clone()), self.now);
        let mut also = self.users.create(&user)?;
        also.push(self.logins.open(&ours, &user)?);
        also.push(self.registrations.take(challenge, self.now)?);
        let redeemed = self
            .codes
            .redeem(self.phone, right, ours.clone(), also)
            .await;
        match redeemed {
            Ok(used) if used == ours => {
                signed_in(self.users, self.logins, &keys, user, &used).await
            }
            Ok(used) => self.again(Ok(keys), &used).await,
            // Refused beside the code: the phone has a user by now, or the registration has just ended.
            Err(VerifyError::Overtaken) if self.users.by_phone(self.phone).await?.is_none() => {
                self.perhaps_again(right, keys).await
            }
            Err(error) => Err(error),
        }
    }

    /// The registration is gone: because the same answer was faster, or because it has ended.
    async fn perhaps_again(
        &self,
        right: &Right,
        keys: LoginKeys,
    ) -> Result<Confirmed, VerifyError> {
        let used = self.codes.use_of(self.phone, right).await?;
        self.again(Ok(keys), &used.ok_or(VerifyError::Expired)?)
            .await
    }

    /// The same answer once more, as long as its login lives and is the user's.
    async fn again(
        &self,
        keys: Result<LoginKeys, StoreError>,
        used: &Used,
    ) -> Result<Confirmed, VerifyError> {
        let keys = keys?;
        let (user, login) = tokio::join!(
            self.users.by_phone(self.phone),
            self.logins.of_use(used, self.now),
        );
        let user = user?.ok_or(VerifyError::Expired)?;
        if !login?.is_some_and(|login| login.is_of(&user)) {
            return Err(VerifyError::Expired);
        }
        signed_in(self.users, self.logins, &keys, user, used).await
    }
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
