//! What operators do: import, erase and move users, make and rotate keys, list WhatsApp sessions and callers, check gateways, make links that
//! sign in to the dashboard. On the
//! database file of this machine, or on a deployed
//! stack.
//!
//! Whatever is asked for again when it is done already changes nothing, so an act that was interrupted is simply repeated.
//! Full phone numbers are read and never shown.

mod admin_link;
mod backends;
mod bridge_url;
mod callers;
mod command;
mod erase;
mod gateway;
mod how;
mod import;
mod make;
mod move_phone;
mod rotate;
mod secret_file;
mod sessions;
mod told;
mod webhook_url;
mod work;

use std::io::Write;

use anyhow::Context;
use shared::model::phone::Phone;
use shared::runtime::Backends;
use shared::runtime::settings::Settings;
use shared::runtime::settings::vars::{SettingsError, Vars};

pub use admin_link::path as admin_link_path;
pub use backends::backends;
pub use command::{AlgorithmArgument, Command, KeysCommand, RingArgument, UsersCommand};
pub use gateway::{GatewayCommand, UsageError};
pub use how::How;
pub use webhook_url::path as webhook_path;

use crate::preview;

use told::Told;
use work::Work;

/// The settings of whoever asks for `command`, which may name a gateway that the environment `vars` does not.
///
/// # Errors
/// When a variable cannot be read; the message names it.
pub fn settings(command: Option<&Command>, mut vars: Vars) -> Result<Settings, SettingsError> {
    const CONFIGURED: &str = "WHATSAPP_SERVER_API";
    let url = match command {
        Some(Command::Gateway(check)) if vars.get(CONFIGURED).is_none() => check.url(),
        _ => None,
    };
    let Some(url) = url else {
        return Settings::from_vars(&vars);
    };
    // The token of the environment is taken at that URL, and needs no other gateway.
    let url = url.expose().to_owned();
    vars.0.insert(CONFIGURED.into(), url);
    Ok(Settings {
        gateway_url: None,
        ..Settings::from_vars(&vars)?
    })
}

/// What the process ends with after `error`: 2 where it was asked wrongly, and 1 for everything else.
pub fn exit_status(error: &anyhow::Error) -> u8 {
    let is_asked_wrongly = error.is::<UsageError>() || error.is::<SettingsError>();
    if is_asked_wrongly { 2 } else { 1 }
}

/// Does what `command` asks for, and tells it to `out`.
///
/// # Errors
/// When something was not done; the message tells what and, where there is one, the fix.
pub async fn run(
    command: &Command,
    backends: &Backends,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut told = Told::new(out);
    let work = Work {
        backends,
        dry_run: command.how().is_some_and(|how| how.dry_run),
        out: &mut told,
    };
    act(command, work).await?;
    let all_told = told.end();
    all_told.context("it is done, but this could not be told in full")
}

async fn act(command: &Command, work: Work<'_>) -> anyhow::Result<()> {
    match command {
        Command::Users(UsersCommand::Import { file, .. }) => import::run(work, file).await,
        Command::Users(UsersCommand::Erase { phone, .. }) => erase_all(work, phone).await,
        Command::Users(UsersCommand::MovePhone {
            from, to, anyway, ..
        }) => {
            let wish = move_phone::Move {
                from,
                to,
                anyway: *anyway,
            };
            move_phone::run(work, &wish).await
        }
        Command::AdminLink { .. } => admin_link::run(work).await,
        Command::BridgeUrl { gateway, .. } => bridge_url::run(work, (*gateway).into()).await,
        Command::Callers(command) => callers::run(work, command).await,
        Command::WebhookUrl { session, .. } => webhook_url::run(work, session).await,
        Command::Keys(KeysCommand::Make { .. }) => make::run(work).await,
        Command::Keys(KeysCommand::Rotate {
            ring,
            retire_after,
            algorithm,
            ..
        }) => {
            let wish = rotate::Wish {
                retire_after: *retire_after,
                algorithm: algorithm.map(Into::into),
            };
            rotate::run(work, (*ring).into(), &wish).await
        }
        Command::Sessions(command) => sessions::run(work, command).await,
        Command::Gateway(command) => gateway::run(work, command).await,
        Command::Preview(options) => {
            let brand = &work.backends.settings.brand;
            Ok(preview::run(options, brand, work.out)?)
        }
    }
}

/// Erases what is stored of a phone, and what was stored before its country changed its numbers.
async fn erase_all(work: Work<'_>, phone: &Phone) -> anyhow::Result<()> {
    for phone in [phone.clone()].iter().chain(&phone.former()) {
        let work = Work {
            out: &mut *work.out,
            ..work
        };
        erase::run(work, phone).await?;
    }
    Ok(())
}
