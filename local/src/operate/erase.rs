//! Erases what is stored of a phone.
use std::fmt;

use anyhow::bail;
use shared::model::code::Purpose;
use shared::model::identifier::Identifier;
use shared::model::payment::PaymentId;
use shared::model::phone::Phone;
use shared::runtime::Backends;
use shared::store::challenges::Challenges;
use shared::store::logins::{Closed, LoginsTable};
use shared::store::payments::Payments;
use shared::store::registrations::Registrations;
use shared::store::users::Users;
use shared::store::windows::{WindowKey, Windows};
use shared::store::{StoreError, Transacted, Write, transact};

use super::work::Work;

/// How many logins are ended at most before the operator is asked to go on.
pub(super) const LOGINS_MAX: usize = 100_000;

/// How many payments are erased at most before the operator is asked to go on.
const PAYMENTS_MAX: usize = 10_000;

/// How often the transaction is tried when somebody uses the phone meanwhile.
const RACES_MAX: usize = 5;

/// What erasing leaves, for the help.
pub(super) const REMAINS: &str = "\
What remains, and until when:
  Access tokens that were issued before are good for a quarter of an hour, for whoever does not ask this system about
  them. Sign-ups whose code had run out are found by their secret only: they open nothing, and DynamoDB removes what has
  ended within a few days. So are codes that wait for a chat to be opened: for ten minutes whoever opens it from that phone
  can still sign up. A notice that is being sent just now may still arrive. What the payment system posts from now on is about
  new payments: tell it to erase the phone as well. A payment that began within the last seconds is found by erasing once more.
  The delivery records of 30 days and the logs have the number with its middle masked. Backups of the tables can be restored for
  35 days. What WhatsApp and the gateway keep is theirs.

  Limits of the phone begin anew, but for wrong passwords of the last quarter of an hour. A sign-in that is under way may
  leave a login that opens nothing: erase once more after a minute. Erasing again is always safe.";

/// Removes the user, its pointers, the phone's codes and sign-ups in one transaction, then its payments with their notices, and the
/// logins that hold the phone.
pub(super) async fn run(work: Work<'_>, phone: &Phone) -> anyhow::Result<()> {
    let backends = work.backends;
    for _ in 0..RACES_MAX {
        let found = find(backends, phone).await?;
        let Found { user, codes, .. } = found;
        if work.dry_run {
            let payments = of_payments(backends, phone, Payments::waiting_of).await?;
            writeln!(
                work.out,
                "{phone} has {user} and {codes}. They and its logins would be erased, and {payments}."
            )?;
            return Ok(());
        }
        let erased = transact("erase a phone", &backends.dynamodb, found.removal);
        if let Transacted::Done = erased.await? {
            return erase_rest(work, phone, &format!("{user}, {codes}")).await;
        }
    }
    bail!("{phone} is being used by somebody: try again")
}

/// Removes what the transaction has left, and says what was there beside `erased`.
async fn erase_rest(work: Work<'_>, phone: &Phone, erased: &str) -> anyhow::Result<()> {
    let payments = of_payments(work.backends, phone, Payments::erase).await?;
    let logins = LoginsTable::new(work.backends);
    let (logins, more_logins) = match logins.close_of(phone, LOGINS_MAX).await? {
        Closed::Done(logins) => (logins, false),
        Closed::MoreLeft(logins) => (logins, true),
    };
    writeln!(
        work.out,
        "{phone} had {erased} and {logins} logins. They are erased, and {payments}. No message goes out for these any more."
    )?;
    if more_logins || payments.more_left {
        bail!("{phone} has more logins or payments: erase once more");
    }
    writeln!(work.out, "\n{REMAINS}")?;
    Ok(())
}

/// What was found or erased of the payments of a phone.
struct OfPayments {
    payments: usize,
    /// The notices that had not ended.
    waiting: usize,
    more_left: bool,
}

impl fmt::Display for OfPayments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            payments, waiting, ..
        } = self;
        write!(
            f,
            "{payments} payments with {waiting} notices that had not gone out"
        )
    }
}

/// Does `act` to each payment of `phone`, which answers how many notices had not ended.
async fn of_payments(
    backends: &Backends,
    phone: &Phone,
    act: impl AsyncFn(&Payments, &PaymentId) -> Result<usize, StoreError>,
) -> Result<OfPayments, StoreError> {
    let payments = Payments::new(backends);
    let found = payments.of_phone(phone, PAYMENTS_MAX).await?;
    let mut waiting = 0;
    for payment in &found.payments {
        waiting += act(&payments, payment).await?;
    }
    Ok(OfPayments {
        payments: found.payments.len(),
        waiting,
        more_left: found.more_left,
    })
}

/// What is stored of a phone beside its logins and payments.
struct Found {
    /// Whether there is a user, in words.
    user: &'static str,
    /// Whether there are codes, in words.
    codes: &'static str,
    /// The writes that remove all of it, refused when somebody uses the phone meanwhile.
    removal: Vec<Write>,
}

async fn find(backends: &Backends, phone: &Phone) -> Result<Found, StoreError> {
    let challenges = Challenges::new(backends);
    let (users, now) = (Users::new(backends), backends.clock.now());
    let (user, state) = tokio::try_join!(users.removal(phone), challenges.read(phone, now))?;
    let who = Identifier::Phone(phone.clone());
    let mut found = Found {
        user: if user.is_some() { "a user" } else { "no user" },
        codes: if state.rev > 0 { "codes" } else { "no codes" },
        removal: user.unwrap_or_default(),
    };
    found.removal.push(challenges.forget(phone, &state)?);
    let windows = Windows::new(backends);
    found
        .removal
        .push(windows.forget(WindowKey::PasswordOf(&who))?);
    let registrations = Registrations::new(backends);
    // A sign-up stands under the hash of its challenge id, which the phone's code names, or the send under way.
    for challenge in state.ids(Purpose::Signup) {
        found.removal.push(registrations.drop(challenge)?);
    }
    Ok(found)
}
