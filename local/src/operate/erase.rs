//! Erases what is stored of a phone.
use anyhow::{Context, bail};
use shared::flows::erasure::{AtMost, Erased, Erasure, Stored};
use shared::model::phone::Phone;

use super::work::Work;

/// How many logins are ended at most before the operator is asked to go on.
pub(super) const LOGINS_MAX: usize = 100_000;

/// How much is erased at most before the operator is asked to go on.
const AT_MOST: AtMost = AtMost {
    logins: LOGINS_MAX,
    payments: 10_000,
    messages: 10_000,
};

/// What erasing leaves, for the help.
pub(super) const REMAINS: &str = "\
What remains, and until when:
  Access tokens that were issued before are good for a quarter of an hour, for whoever does not ask this system about
  them. Sign-ups whose code had run out are found by their secret only: they open nothing, and DynamoDB removes what has
  ended within a few days. So are codes that wait for a chat to be opened: for ten minutes whoever opens it from that phone
  can still sign up. A notice that is being sent just now may still arrive. What the payment system posts from now on is about
  new payments: tell it to erase the phone as well. A payment that began within the last seconds is found by erasing once more.
  The delivery records of 30 days and the logs have the number with its middle masked; no delivery is found by the phone any more. Backups of the tables can be restored for
  35 days. What WhatsApp and the gateway keep is theirs.

  Limits of the phone begin anew, but for wrong passwords of the last quarter of an hour. A sign-in that is under way may
  leave a login that opens nothing: erase once more after a minute. Erasing again is always safe.";

/// Erases what the flow erases, and says what was there.
pub(super) async fn run(work: Work<'_>, phone: &Phone) -> anyhow::Result<()> {
    let erasure = Erasure::new(work.backends);
    let now = work.backends.clock.now();
    if work.dry_run {
        let stored = erasure.look(phone, AT_MOST, now).await?;
        writeln!(
            work.out,
            "{phone} has {}. They and its logins would be erased, and {}.",
            user_and_codes(stored, " and "),
            payments(stored)
        )?;
        return Ok(());
    }
    let erased = erasure.erase(phone, AT_MOST, now).await;
    let erased = erased.with_context(|| format!("{phone} was not erased: try again"))?;
    let Erased { stored, logins, .. } = erased;
    writeln!(
        work.out,
        "{phone} had {} and {logins} logins. They are erased, and {}. No message goes out for these any more.",
        user_and_codes(stored, ", "),
        payments(stored)
    )?;
    if erased.more_left {
        bail!("{phone} has more logins, payments or messages: erase once more");
    }
    writeln!(work.out, "\n{REMAINS}")?;
    Ok(())
}

/// Whether there is a user and whether there are codes, in words.
fn user_and_codes(stored: Stored, between: &str) -> String {
    let user = if stored.user { "a user" } else { "no user" };
    let codes = if stored.codes { "codes" } else { "no codes" };
    format!("{user}{between}{codes}")
}

fn payments(stored: Stored) -> String {
    format!(
        "{} payments with {} notices that had not gone out",
        stored.payments, stored.waiting
    )
}
