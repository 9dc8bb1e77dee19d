//! Gives a user another phone.
use std::io::Write;

use anyhow::bail;
use shared::phone::Phone;
use shared::runtime::Backends;
use shared::store::challenges::Challenges;
use shared::store::logins::LoginsTable;
use shared::store::users::{Moved, Users};

/// Moves the user in one transaction, then removes the logins that hold the old phone.
pub(super) async fn run(
    backends: &Backends,
    from: &Phone,
    to: &Phone,
    dry_run: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let users = Users::new(backends);
    let from = &stored(&users, from).await?;
    if from == to {
        bail!("the user has this phone already: give another one to move to");
    }
    let (user, there) = tokio::try_join!(users.by_phone(from), users.by_phone(to))?;
    let moved = match (user, there) {
        (None, Some(_)) => {
            bail!("{from} has no user, and {to} has one: it may have been moved already")
        }
        (None, None) => Moved::NoUser,
        (Some(_), Some(_)) => Moved::Taken,
        (Some(_), None) if dry_run => {
            writeln!(out, "The user of {from} would get the phone {to}.")?;
            return Ok(());
        }
        (Some(_), None) => {
            let (challenges, now) = (Challenges::new(backends), backends.clock.now());
            users.change_phone(&challenges, from, to, now).await?
        }
    };
    match moved {
        Moved::Done => {}
        Moved::NoUser => bail!("{from} has no user"),
        Moved::Taken => bail!("{to} has a user already, who would have to be erased first"),
        Moved::LostRace => bail!("the user of {from} is being changed by somebody else: try again"),
    }
    writeln!(
        out,
        "The user of {from} has the phone {to} now, and is signed out everywhere."
    )?;
    let logins = LoginsTable::new(backends).close_all_of(from).await?;
    writeln!(out, "{logins} logins under {from} were removed.")?;
    Ok(())
}

/// The number that a phone's user is stored under: the one from before its country changed the numbers, where only that one
/// has a user.
async fn stored(users: &Users, phone: &Phone) -> anyhow::Result<Phone> {
    if let Some(former) = phone.former()
        && users.by_phone(phone).await?.is_none()
        && users.by_phone(&former).await?.is_some()
    {
        return Ok(former);
    }
    Ok(phone.clone())
}
