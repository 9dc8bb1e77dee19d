//! Erases what is stored of a phone.
use anyhow::bail;
use shared::model::code::Purpose;
use shared::model::identifier::Identifier;
use shared::model::phone::Phone;
use shared::runtime::Backends;
use shared::store::challenges::Challenges;
use shared::store::logins::{Closed, LoginsTable};
use shared::store::registrations::Registrations;
use shared::store::users::Users;
use shared::store::windows::{WindowKey, Windows};
use shared::store::{StoreError, Transacted, Write, transact};

use super::work::Work;

/// How many logins are ended at most before the operator is asked to go on.
pub(super) const LOGINS_MAX: usize = 100_000;

/// How often the transaction is tried when somebody uses the phone meanwhile.
const RACES_MAX: usize = 5;

/// What erasing leaves, for the help.
pub(super) const REMAINS: &str = "\
What remains, and until when:
  Access tokens that were issued before are good for a quarter of an hour, for whoever does not ask this system about
  them. Sign-ups whose code had run out are found by their secret only: they open nothing, and DynamoDB removes what has
  ended within a few days. So are codes that wait for a chat to be opened: for ten minutes whoever opens it from that phone
  can still sign up. Payments that name the phone, and their notices, are found by their own names only: DynamoDB removes
  them 90 days after their last event, and until then they have the number and the customer's name. The delivery records of 30 days and the logs have the number with its middle masked. Backups of
  the tables can be restored for 35 days. What WhatsApp and the gateway keep is theirs.

  Limits of the phone begin anew, but for wrong passwords of the last quarter of an hour. A sign-in that is under way may
  leave a login that opens nothing: erase once more after a minute. Erasing again is always safe.";

/// Removes the user, its pointers, the phone's codes and sign-ups in one transaction, then the logins that hold the phone.
pub(super) async fn run(work: Work<'_>, phone: &Phone) -> anyhow::Result<()> {
    let (backends, out) = (work.backends, work.out);
    for _ in 0..RACES_MAX {
        let Found {
            user,
            codes,
            removal,
        } = find(backends, phone).await?;
        if work.dry_run {
            writeln!(
                out,
                "{phone} has {user} and {codes}. They and its logins would be erased."
            )?;
            return Ok(());
        }
        let erased = transact("erase a phone", &backends.dynamodb, removal);
        if let Transacted::Refused(_) = erased.await? {
            continue;
        }
        let logins = LoginsTable::new(backends);
        match logins.close_of(phone, LOGINS_MAX).await? {
            Closed::Done(logins) => writeln!(
                out,
                "{phone} had {user}, {codes} and {logins} logins. They are erased.\n\n{REMAINS}"
            )?,
            Closed::MoreLeft(logins) => bail!(
                "{phone} had {user} and {codes}, which are erased, and {logins} logins of more: erase once more"
            ),
        }
        return Ok(());
    }
    bail!("{phone} is being used by somebody: try again")
}

/// What is stored of a phone beside its logins.
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
