//! Beginning a sign-up: keeping a registration, and sending the code that confirms it.
//!
//! Each request is its own registration, under its own challenge id. It becomes a user only when it is confirmed with that
//! id and the code that went to the phone (`signup_confirmation.rs`). So nobody can slip a password under somebody else's
//! confirmation, and a failed send leaves nothing behind.
use std::time::Duration;

use super::codes::order::{CodeSent, Companion, Order, Recipient};
use super::codes::{Codes, SendError};
use crate::gateway::captcha::{Captcha, CaptchaError};
use crate::model::account::{Applicant, Registration};
use crate::model::caller::Caller;
use crate::model::challenge::{CODE_LIFE, ChallengeHash, ChallengeId};
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::model::open_chat::WaitingApplicant;
use crate::model::password::{self, HashError, PasswordHash};
use crate::platform::clock::Clock;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::registrations::Registrations;
use crate::store::users::Users;
use crate::store::{StoreError, Write};

/// A registration outlives the code that confirms it: the code's life starts only when the gateway took its message.
pub(super) const REGISTRATION_LIFE: Duration = CODE_LIFE.saturating_add(Duration::from_secs(60));

/// A request to sign up.
#[derive(Debug)]
pub struct Application {
    /// Who signs up.
    pub applicant: Applicant,
    /// What shows that the CAPTCHA was solved, where there is one.
    pub captcha_token: Option<String>,
    /// The language of the message.
    pub language: Language,
}

/// A request to send the code of a registration again.
#[derive(Debug)]
pub struct ResendRequest {
    /// What the registration's phone is named by.
    pub who: Identifier,
    /// The challenge id of the registration. The answer names it again.
    pub challenge: ChallengeId,
    /// The language of the message.
    pub language: Language,
}

/// Why no sign-up was begun. Nothing was charged, nothing is kept.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// As far as is known, nobody solved the CAPTCHA.
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

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Send(error.into())
    }
}

impl From<StoreError> for ResendError {
    fn from(error: StoreError) -> Self {
        Self::Send(error.into())
    }
}

/// Begins sign-ups.
#[derive(Debug)]
pub struct SignUps {
    codes: Codes,
    registrations: Registrations,
    captcha: Captcha,
    clock: Clock,
}

impl SignUps {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            registrations: Registrations::new(backends),
            captcha: Captcha::new(backends.settings.captcha.clone()),
            clock: backends.clock.clone(),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.codes.warm_up(now).await
    }

    /// Keeps the registration and sends the code that confirms it. Without a solved CAPTCHA nothing is read.
    ///
    /// # Errors
    /// When the CAPTCHA was not solved, the phone has a user, or no code went out.
    pub async fn register(
        &self,
        application: &Application,
        caller: &Caller,
    ) -> Result<CodeSent, RegisterError> {
        let token = application.captcha_token.as_deref();
        self.captcha.check(token, caller.remote_ip).await?;
        // The check may have taken seconds.
        let now = self.clock.now();
        let Applicant {
            phone, password, ..
        } = &application.applicant;
        let mut survey = self.codes.survey(phone, caller, now).await?;
        if survey.user.is_some() {
            return Err(RegisterError::PhoneTaken);
        }
        let order = Order {
            phone,
            who: &Identifier::Phone(phone.clone()),
            purpose: Purpose::Signup,
            caller,
            account_since: None,
            recipient: Recipient::Applicant,
            language: application.language,
            keep: None,
            answers: None,
        };
        self.codes.listen(&mut survey, &order).await;
        // Hashing is the expensive part, so it is only for a request whose code can get to its person.
        let admitted = self.codes.admit(&survey, &order).await?;
        let new = NewRegistration {
            registrations: &self.registrations,
            applicant: &application.applicant,
            password: password::hash(password, self.codes.salt()).await?,
            expires_at: now.plus(REGISTRATION_LIFE),
        };
        Ok(self.codes.send_admitted(admitted, &new).await?)
    }
}

/// A registration that is written with the reservation of its code.
struct NewRegistration<'a> {
    registrations: &'a Registrations,
    applicant: &'a Applicant,
    password: PasswordHash,
    expires_at: Timestamp,
}

impl Companion for NewRegistration<'_> {
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

    fn applicant(&self) -> Option<WaitingApplicant> {
        Some(WaitingApplicant {
            name: self.applicant.name.clone(),
            email: self.applicant.email.clone(),
            password: self.password.clone(),
        })
    }
}

/// Sends the codes of registrations again.
#[derive(Clone, Debug)]
pub struct Resends {
    codes: Codes,
    users: Users,
    registrations: Registrations,
}

impl Resends {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
            registrations: Registrations::new(backends),
        }
    }

    /// Sends the code of a registration once more.
    ///
    /// # Errors
    /// When there is no such registration, or no code went out. Nothing was charged then.
    pub async fn send(
        &self,
        request: &ResendRequest,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<CodeSent, ResendError> {
        let ResendRequest { who, challenge, .. } = request;
        let phone = &self.users.phone_of(who).await?;
        let challenge_hash = challenge.hash(who);
        let (registration, survey) = tokio::join!(
            self.registrations.read(&challenge_hash, now),
            self.codes.survey(phone, caller, now),
        );
        // Without a registration nothing may be charged: it would keep the phone's owner from signing up.
        let registration = registration?
            .filter(|registration| registration.phone == *phone)
            .ok_or(ResendError::NoRegistration)?;
        let mut survey = survey?;
        if survey.user.is_some() {
            return Err(ResendError::PhoneTaken);
        }
        let order = Order {
            phone,
            who,
            purpose: Purpose::Signup,
            caller,
            account_since: None,
            recipient: Recipient::Applicant,
            language: request.language,
            keep: Some(challenge.clone()),
            answers: None,
        };
        self.codes.listen(&mut survey, &order).await;
        let prolonged = ProlongedRegistration {
            registrations: &self.registrations,
            expires_at: now.plus(REGISTRATION_LIFE),
            registration,
        };
        Ok(self.codes.send(&survey, &order, &prolonged).await?)
    }
}

/// A registration that lives on with the code that is sent again.
struct ProlongedRegistration<'a> {
    registrations: &'a Registrations,
    /// As it was before.
    registration: Registration,
    expires_at: Timestamp,
}

impl Companion for ProlongedRegistration<'_> {
    fn with_reservation(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        let after = self.expires_at;
        Ok(vec![self.registrations.prolong(challenge, after)?])
    }

    fn with_release(&self, challenge: &ChallengeHash) -> Result<Vec<Write>, StoreError> {
        let before = self.registration.expires_at;
        Ok(vec![self.registrations.prolong(challenge, before)?])
    }

    fn applicant(&self) -> Option<WaitingApplicant> {
        Some(WaitingApplicant::of(self.registration.clone()))
    }
}
