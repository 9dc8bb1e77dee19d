//! Erases what is stored of a phone.
use anyhow::bail;
use shared::model::code::Purpose;
use shared::model::identifier::Identifier;
use shared::model::phone::Phone;
use shared::store::challenges::Challenges;
use shared::store::logins::{Closed, LoginsTable};
use shared::store::registrations::Registrations;
use shared::store::users::Users;
use shared::store::windows::{WindowKey, Windows};
use shared::store::{Transacted, transact};

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
  ended within a few days. The delivery records of 30 days and the logs have the number with its middle masked. Backups of
  the tables can be restored for 35 days. What WhatsApp and the gateway keep is theirs.

  Limits of the phone begin anew, but for wrong passwords of the last quarter of an hour. A sign-in that is under way may
  leave a login that opens nothing: erase once more after a minute. Erasing again is always safe.";

/// Removes the user, its pointers, the phone's codes and sign-ups in one transaction, then the logins that hold the phone.
pub(super) async fn run(work: Work<'_>, phone: &Phone) -> anyhow::Result<()> {
    let (backends, out) = (work.backends, work.out);
    let users = Users::new(backends);
    let challenges = Challenges::new(backends);
    let registrations = Registrations::new(backends);
    let who = Identifier::Phone(phone.clone());
    let window = Windows::new(backends).forget(WindowKey::PasswordOf(&who))?;
    for _ in 0..RACES_MAX {
        let now = backends.clock.now();
        let (removal, state) = tokio::try_join!(users.removal(phone), challenges.read(phone, now))?;
        let (has_user, has_codes) = (removal.is_some(), state.rev > 0);
        let mut writes = removal.unwrap_or_default();
        writes.push(challenges.forget(phone, &state)?);
        writes.push(window.clone());
        // A sign-up stands under the hash of its challenge id, which the phone's code names, or the send under way.
        for challenge in state.ids(Purpose::Signup) {
            writes.push(registrations.drop(challenge)?);
        }
        let user = if has_user { "a user" } else { "no user" };
        let codes = if has_codes { "codes" } else { "no codes" };
        if work.dry_run {
            writeln!(
                out,
                "{phone} has {user} and {codes}. They and its logins would be erased."
            )?;
            return Ok(());
        }
        let erased = transact("erase a phone", &backends.dynamodb, writes);
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
