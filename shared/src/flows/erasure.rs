//! Erasing what is stored of a phone, for the operators' command and for their dashboard.
//!
//! The user, its pointers, the phone's codes and sign-ups go in one transaction. Its payments with their notices, the logins that
//! hold the phone and the way from the phone to its messages go after that. Erasing again is always safe.
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::payment::PaymentId;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::challenges::Challenges;
use crate::store::deliveries::Deliveries;
use crate::store::deliveries::search::Unlinked;
use crate::store::logins::{Closed, LoginsTable};
use crate::store::payments::Payments;
use crate::store::registrations::Registrations;
use crate::store::users::Users;
use crate::store::windows::{WindowKey, Windows};
use crate::store::{StoreError, Write};

/// How often the transaction is tried when somebody uses the phone meanwhile.
const RACES_MAX: usize = 5;

/// How much is erased at most before somebody is asked to go on.
#[derive(Clone, Copy, Debug)]
pub struct AtMost {
    /// Logins.
    pub logins: usize,
    /// Payments.
    pub payments: usize,
    /// Messages that are unlinked from the phone.
    pub messages: usize,
}

/// What is stored of a phone beside its logins and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whether it has a user.
    pub user: bool,
    /// Whether it has codes.
    pub codes: bool,
    /// How many payments it has.
    pub payments: usize,
    /// How many notices of these had not ended.
    pub waiting: usize,
}

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// What there was.
    pub stored: Stored,
    /// How many logins.
    pub logins: usize,
    /// Whether there may be more to erase.
    pub more_left: bool,
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Somebody uses the phone all the time.
    #[error("the phone is being used by somebody")]
    InUse,
    /// The store failed. Some may be erased.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Erases phones.
#[derive(Clone, Debug)]
pub struct Erasure {
    users: Users,
    challenges: Challenges,
    windows: Windows,
    registrations: Registrations,
    payments: Payments,
    logins: LoginsTable,
    deliveries: Deliveries,
}

/// What the transaction removes.
struct Found {
    user: bool,
    codes: bool,
    /// The writes that remove all of it, refused when somebody uses the phone meanwhile.
    removal: Vec<Write>,
}

/// What was found or erased of the payments of a phone.
struct OfPayments {
    payments: usize,
    waiting: usize,
    more_left: bool,
}

impl Erasure {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            users: Users::new(backends),
            challenges: Challenges::new(backends),
            windows: Windows::new(backends),
            registrations: Registrations::new(backends),
            payments: Payments::new(backends),
            logins: LoginsTable::new(backends),
            deliveries: Deliveries::of(backends),
        }
    }

    /// What would be erased. Nothing is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look(
        &self,
        phone: &Phone,
        most: AtMost,
        now: Timestamp,
    ) -> Result<Stored, StoreError> {
        let found = self.find(phone, now).await?;
        let payments = self.of_payments(phone, most, Payments::waiting_of).await?;
        Ok(found.stored(&payments))
    }

    /// Erases what is stored of `phone`.
    ///
    /// # Errors
    /// When it is being used all the time, or the store fails.
    pub async fn erase(
        &self,
        phone: &Phone,
        most: AtMost,
        now: Timestamp,
    ) -> Result<Erased, EraseError> {
        for _ in 0..RACES_MAX {
            let mut found = self.find(phone, now).await?;
            let removal = std::mem::take(&mut found.removal);
            if self.users.remove_with(removal).await? {
                return Ok(self.erase_rest(phone, most, &found).await?);
            }
        }
        Err(EraseError::InUse)
    }

    /// Removes what the transaction has left.
    async fn erase_rest(
        &self,
        phone: &Phone,
        most: AtMost,
        found: &Found,
    ) -> Result<Erased, StoreError> {
        let payments = self.of_payments(phone, most, Payments::erase).await?;
        let (logins, more_logins) = match self.logins.close_of(phone, most.logins).await? {
            Closed::Done(logins) => (logins, false),
            Closed::MoreLeft(logins) => (logins, true),
        };
        let unlinked = self.deliveries.unlink(phone, most.messages).await?;
        let more_messages = matches!(unlinked, Unlinked::MoreLeft(_));
        Ok(Erased {
            stored: found.stored(&payments),
            logins,
            more_left: more_logins || more_messages || payments.more_left,
        })
    }

    /// Does `act` to each payment of `phone`, which answers how many notices had not ended.
    async fn of_payments(
        &self,
        phone: &Phone,
        most: AtMost,
        act: impl AsyncFn(&Payments, &PaymentId) -> Result<usize, StoreError>,
    ) -> Result<OfPayments, StoreError> {
        let found = self.payments.of_phone(phone, most.payments).await?;
        let mut waiting = 0;
        for payment in &found.payments {
            waiting += act(&self.payments, payment).await?;
        }
        Ok(OfPayments {
            payments: found.payments.len(),
            waiting,
            more_left: found.more_left,
        })
    }

    async fn find(&self, phone: &Phone, now: Timestamp) -> Result<Found, StoreError> {
        let (user, state) =
            tokio::try_join!(self.users.removal(phone), self.challenges.read(phone, now))?;
        let who = Identifier::Phone(phone.clone());
        let mut found = Found {
            user: user.is_some(),
            codes: state.rev > 0,
            removal: user.unwrap_or_default(),
        };
        found.removal.push(self.challenges.forget(phone, &state)?);
        let passwords = self.windows.forget(WindowKey::PasswordOf(&who))?;
        found.removal.push(passwords);
        // A sign-up stands under the hash of its challenge id, which the phone's code names, or the send under way.
        for challenge in state.ids(Purpose::Signup) {
            found.removal.push(self.registrations.drop(challenge)?);
        }
        Ok(found)
    }
}

impl Found {
    const fn stored(&self, payments: &OfPayments) -> Stored {
        Stored {
            user: self.user,
            codes: self.codes,
            payments: payments.payments,
            waiting: payments.waiting,
        }
    }
}
