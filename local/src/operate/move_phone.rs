//! Gives a user another phone, and tells both phones.
use std::io::Write;

use anyhow::bail;
use shared::flows::account_change::{AccountChanges, Notice, TOLD_WITHIN, Told};
use shared::model::phone::Phone;
use shared::model::texts::AccountChange;
use shared::runtime::Backends;
use shared::store::challenges::Challenges;
use shared::store::logins::LoginsTable;
use shared::store::users::{Moved, Users};

use super::work::Work;

/// Moves the user in one transaction, then removes the logins that hold the old phone.
pub(super) async fn run(work: Work<'_>, from: &Phone, to: &Phone) -> anyhow::Result<()> {
    let Work {
        backends,
        dry_run,
        out,
    } = work;
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
    check_moved(moved, from, to)?;
    writeln!(
        out,
        "The user of {from} has the phone {to} now, and is signed out everywhere."
    )?;
    let logins = LoginsTable::new(backends).close_all_of(from).await?;
    writeln!(out, "{logins} logins under {from} were removed.")?;
    notify_both(backends, from, to, out).await
}

fn check_moved(moved: Moved, from: &Phone, to: &Phone) -> anyhow::Result<()> {
    match moved {
        Moved::Done => Ok(()),
        Moved::NoUser => bail!("{from} has no user"),
        Moved::Taken => bail!("{to} has a user already, who would have to be erased first"),
        Moved::LostRace => bail!("the user of {from} is being changed by somebody else: try again"),
    }
}

/// Tells both phones by a message each. Whoever moved the user reads which of them was not told.
async fn notify_both(
    backends: &Backends,
    from: &Phone,
    to: &Phone,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if backends.settings.sessions.is_empty() {
        writeln!(
            out,
            "Neither phone was told: set WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN to have that done, or tell them yourself."
        )?;
        return Ok(());
    }
    let changes = AccountChanges::new(backends);
    for (change, phone) in [
        (AccountChange::PhoneLeft, from),
        (AccountChange::PhoneTaken, to),
    ] {
        let notice = Notice {
            change,
            phone,
            language: None,
        };
        let deadline = backends.clock.now().plus(TOLD_WITHIN);
        let told = match changes.tell(&notice, deadline).await {
            Told::Yes => "was told by a message",
            Told::Perhaps => "may have been told: the gateway gave no clear answer",
            Told::No => "was not told: no message went out. Tell them yourself",
            Told::TestNumber => "gets no messages, and was not told",
        };
        writeln!(out, "{phone} {told}.")?;
    }
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
