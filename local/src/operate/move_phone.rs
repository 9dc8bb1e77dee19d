//! Gives a user another phone, and tells both phones.
use std::io::Write;
use std::time::Duration;

use anyhow::{anyhow, bail};
use shared::flows::account_change::{AccountChanges, Notice, TOLD_WITHIN, Told};
use shared::gateway::GatewayError;
use shared::model::phone::Phone;
use shared::model::texts::AccountChange;
use shared::runtime::Backends;
use shared::store::challenges::Challenges;
use shared::store::logins::{Closed, LoginsTable};
use shared::store::users::Users;
use shared::store::users::operators::{Moved, PhoneChange};

use super::erase::LOGINS_MAX;
use super::work::Work;

/// The longest that WhatsApp is asked about the new phone.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// A move that was asked for.
pub(super) struct Move<'a> {
    pub(super) from: &'a Phone,
    pub(super) to: &'a Phone,
    /// Also to a phone that WhatsApp does not know.
    pub(super) anyway: bool,
}

/// Moves the user in one transaction, then removes the logins that hold the old phone.
pub(super) async fn run(work: Work<'_>, wish: &Move<'_>) -> anyhow::Result<()> {
    let Work { backends, out, .. } = work;
    let users = Users::new(backends);
    let from = &stored(&users, wish.from).await?;
    let to = wish.to;
    if from == to {
        bail!("the user has this phone already: give another one to move to");
    }
    let (user, there) = tokio::try_join!(users.by_phone(from), users.by_phone(to))?;
    match (user, there) {
        (None, Some(_)) => {
            bail!("{from} has no user, and {to} has one: it may have been moved already")
        }
        (None, None) => return check_moved(Moved::NoUser, from, to),
        (Some(_), Some(_)) => return check_moved(Moved::Taken, from, to),
        (Some(_), None) => ask_whatsapp(backends, wish, out).await?,
    }
    if work.dry_run {
        writeln!(out, "The user of {from} would get the phone {to}.")?;
        return Ok(());
    }
    let (challenges, now) = (Challenges::new(backends), backends.clock.now());
    // Afterwards nothing is known of the phone.
    let left = challenges.read(from, now).await?;
    let phones = PhoneChange { from, to };
    let moved = users.change_phone(&challenges, &phones, now).await?;
    check_moved(moved, from, to)?;
    writeln!(
        out,
        "The user of {from} has the phone {to} now, and is signed out everywhere."
    )?;
    remove_logins(backends, from, out).await?;
    let by = left.writer();
    notify_both(backends, (from, by), to, out).await
}

fn check_moved(moved: Moved, from: &Phone, to: &Phone) -> anyhow::Result<()> {
    match moved {
        Moved::Done => Ok(()),
        Moved::NoUser => bail!("{from} has no user"),
        Moved::Taken => bail!("{to} has a user already, who would have to be erased first"),
        Moved::LostRace => bail!("the user of {from} is being changed by somebody else: try again"),
    }
}

async fn remove_logins(
    backends: &Backends,
    phone: &Phone,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let logins = LoginsTable::new(backends);
    match logins.close_of(phone, LOGINS_MAX).await? {
        Closed::Done(logins) => writeln!(out, "{logins} logins under {phone} were removed.")?,
        Closed::MoreLeft(logins) => writeln!(
            out,
            "{logins} logins under {phone} were removed, and more are left. They open nothing: erase {phone} to remove them."
        )?,
    }
    Ok(())
}

/// Asks WhatsApp about the new phone before anything is changed. That proves the gateway's settings, too: a gateway that is
/// none would end up as the state of the session that everybody shares.
async fn ask_whatsapp(
    backends: &Backends,
    wish: &Move<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(session) = backends.settings.sessions.first() else {
        return Ok(());
    };
    let to = wish.to;
    let phones: Vec<Phone> = [to.clone()].into_iter().chain(to.former()).collect();
    let asked = backends
        .gateway
        .check_users(&session.token, &phones, LOOK_UP_WITHIN);
    match asked.await {
        Ok(checks) if checks.iter().any(|check| check.on_whatsapp) => Ok(()),
        Ok(checks) if checks.is_empty() => {
            writeln!(out, "The gateway does not say whether {to} is on WhatsApp.")?;
            Ok(())
        }
        Ok(_) if wish.anyway => {
            writeln!(out, "{to} is not on WhatsApp: no code will reach its user.")?;
            Ok(())
        }
        Ok(_) => bail!(
            "{to} is not on WhatsApp, so no code would reach its user: give another phone, or move to it all the same with --anyway. Nothing was changed"
        ),
        Err(GatewayError::Refused { status, error }) if status >= 500 => {
            writeln!(
                out,
                "The gateway could not ask WhatsApp about {to}: it answered {status}, {error}."
            )?;
            Ok(())
        }
        Err(error) => Err(anyhow!(error).context(
            "the gateway of WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN cannot be used, and nothing was changed. Set both right, or leave both out and tell the phones yourself",
        )),
    }
}

/// Tells both phones by a message each, the old one from the session that it knows. Whoever moved the user reads which of them was not told.
async fn notify_both(
    backends: &Backends,
    (from, served_by): (&Phone, Option<&str>),
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
    for (change, phone, served_by) in [
        (AccountChange::PhoneLeft, from, served_by),
        (AccountChange::PhoneTaken, to, None),
    ] {
        let notice = Notice {
            change,
            phone,
            served_by,
            language: None,
            request_id: "",
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
