//! Users and their logins, as operators see them and act on them.
use super::audit::Audit;
use super::sessions::Operator;
use crate::flows::erasure::{AtMost, EraseError, Erased, Erasure};
use crate::model::account::User;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::logins::{Login, LoginsTable};
use crate::store::users::{LoginsEnded, Users};

/// How many logins are shown at most.
pub const LOGINS_MAX: usize = 50;

/// How much one act erases at most: what is left takes another one. The operators' command has no such hurry.
const AT_MOST: AtMost = AtMost {
    logins: 100,
    payments: 50,
    messages: 100,
};

/// Somebody, as an operator sees them.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user of the phone, if it has one.
    pub user: Option<User>,
    /// Their logins, the last one that was used first.
    pub logins: Vec<Login>,
    /// Whether there may be more.
    pub more_left: bool,
}

/// What an operator does to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonAct {
    /// Ends the login of this id.
    EndLogin(String),
    /// Ends every login.
    EndLogins,
    /// Erases what is stored of the phone. The operator has typed the phone once more.
    Erase {
        /// What was typed.
        confirmed: Option<Phone>,
    },
}

impl PersonAct {
    /// The words for it in the audit.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::EndLogin(_) => "person-end-login",
            Self::EndLogins => "person-end-logins",
            Self::Erase { .. } => "person-erase",
        }
    }

    /// Whether only somebody may do it who has just proved who they are: nothing brings back what was erased.
    pub const fn needs_proof(&self) -> bool {
        matches!(self, Self::Erase { .. })
    }
}

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonDone {
    /// It was done.
    Done,
    /// So much was erased.
    Erased(Erased),
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The phone has no user, or the user no such login.
    #[error("there is no such user or login")]
    NotThere,
    /// The phone that was typed to confirm it is another one.
    #[error("another phone was typed to confirm it")]
    NotConfirmed,
    /// Somebody uses the phone all the time.
    #[error("the phone is being used by somebody")]
    InUse,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EraseError> for PersonError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::InUse => Self::InUse,
            EraseError::Store(error) => Self::Store(error),
        }
    }
}

/// Users and their logins, for operators.
#[derive(Clone, Debug)]
pub struct AdminPeople {
    users: Users,
    logins: LoginsTable,
    erasure: Erasure,
    audit: Audit,
}

impl AdminPeople {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            users: Users::new(backends),
            logins: LoginsTable::new(backends),
            erasure: Erasure::new(backends),
            audit: Audit::new(backends),
        }
    }

    /// The user of `phone` with their logins. Three reads.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, phone: &Phone, now: Timestamp) -> Result<Person, StoreError> {
        let (user, found) = tokio::try_join!(
            self.users.by_phone(phone),
            self.logins.of_phone(phone, LOGINS_MAX, now)
        )?;
        let mut logins = found.logins;
        // Those that were ended all at once stay in the table until their time, and open nothing.
        logins.retain(|login| user.as_ref().is_some_and(|user| login.is_of(user)));
        Ok(Person {
            user,
            logins,
            more_left: found.more_left,
        })
    }

    /// Does `act` to the user of `phone`, and keeps that in the audit, also when it was refused.
    ///
    /// # Errors
    /// When it was not done, or the store fails. If the audit cannot be written, it may have been done.
    pub async fn act(
        &self,
        phone: &Phone,
        act: &PersonAct,
        operator: Operator<'_>,
    ) -> Result<PersonDone, PersonError> {
        let done = self.perform(phone, act, operator.now).await;
        let result = match &done {
            Ok(PersonDone::Erased(erased)) if erased.more_left => "done, more is left",
            Ok(_) => "done",
            Err(PersonError::NotThere) => "not there",
            Err(PersonError::NotConfirmed) => "another phone was typed",
            Err(PersonError::InUse) => "in use",
            Err(PersonError::Store(_)) => "the store failed",
        };
        let whom = phone.to_string();
        let entry = operator.did(act.as_str(), &whom, result);
        self.audit.record(entry, operator.now).await?;
        done
    }

    async fn perform(
        &self,
        phone: &Phone,
        act: &PersonAct,
        now: Timestamp,
    ) -> Result<PersonDone, PersonError> {
        match act {
            PersonAct::EndLogin(id) => self.end_login(phone, id, now).await?,
            PersonAct::EndLogins => self.end_logins(phone).await?,
            PersonAct::Erase { confirmed } => {
                if confirmed.as_ref() != Some(phone) {
                    return Err(PersonError::NotConfirmed);
                }
                let erased = self.erasure.erase(phone, AT_MOST, now).await?;
                return Ok(PersonDone::Erased(erased));
            }
        }
        Ok(PersonDone::Done)
    }

    async fn end_login(&self, phone: &Phone, id: &str, now: Timestamp) -> Result<(), PersonError> {
        let login = self.logins.read(id, now).await?;
        let login = login.filter(|login| login.phone == *phone);
        let login = login.ok_or(PersonError::NotThere)?;
        Ok(self.logins.close(&login.id).await?)
    }

    async fn end_logins(&self, phone: &Phone) -> Result<(), PersonError> {
        let user = self.users.by_phone(phone).await?;
        let user = user.ok_or(PersonError::NotThere)?;
        match self.users.end_logins(&user).await? {
            LoginsEnded::Done => Ok(()),
            LoginsEnded::NoSuchUser => Err(PersonError::NotThere),
        }
    }
}
