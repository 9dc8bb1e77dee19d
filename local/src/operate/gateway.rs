//! `gateway check`: whether a gateway and its sessions are as they should be, a line for each thing, with the fix where it is
//! not. It connects, closes and restarts nothing.
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use shared::gateway::GatewayAddress;
use shared::model::phone::Phone;

use super::how::How;
use super::work::Work;

// In reading order: each file uses only what stands above it.

/// The lines that are told.
mod lines;

/// What is checked, and with what.
mod checkup;

/// What to do about a session that is not logged in.
mod advice;

/// Which sessions are checked.
mod targets;

/// HTTP without any secret: to ask who answers at an address.
mod http;

/// What to do about a gateway that gives no good answer.
mod unreached;

/// Whether the gateway answers, what it is, and whether it takes the token.
mod reach;

/// Whether the session can send, and numbers can be looked up.
mod account;

/// Where its webhooks should go, and whether this system answers there.
mod home;

/// Whether its webhooks get here.
mod webhook;

/// One message and its receipt.
mod trial;

use self::checkup::{Checkup, Orders};
use self::lines::Lines;
use self::targets::Target;

/// What can be done with gateways.
#[derive(Clone, Debug, Subcommand)]
pub enum GatewayCommand {
    /// Check whether a gateway is as it should be, and say what to do where it is not
    ///
    /// A line for each thing: does the gateway answer, over TLS; which version is it; does it take the token; is the session
    /// paired and logged in; can numbers be looked up; does this system answer at the address of its webhooks; are they set; are they signed.
    /// It connects, closes and restarts nothing, and changes only what --set-webhook or --to say. No call takes longer than
    /// ten seconds; a test message and its receipt take at most thirty each.
    #[command(after_help = EXIT_STATUS)]
    Check(CheckArguments),
}

/// What `gateway check` is asked.
#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// The name of a session, such as `system`. Without it every session that messages are sent from is checked
    session: Option<String>,
    /// Check the gateway at this URL, whether or not the deployment has it. Nothing is known of its webhooks' address then
    #[arg(long, value_name = "URL", value_parser = address, conflicts_with = "session")]
    url: Option<GatewayAddress>,
    /// A file that holds the token of the session there and nothing else; `-` is the standard input. Without it that of
    /// WHATSAPP_USER_TOKEN
    #[arg(long, value_name = "FILE", requires = "url")]
    token: Option<PathBuf>,
    /// Have a session post its webhooks here where it does not, if this system answers at PUBLIC_BASE_URL
    #[arg(long, conflicts_with = "url")]
    set_webhook: bool,
    /// Send one test message of each session to this phone, and wait for its receipt for up to 30 seconds
    #[arg(long, value_name = "PHONE", value_parser = Phone::parse)]
    to: Option<Phone>,
    /// Where and whether
    #[command(flatten)]
    how: How,
}

const EXIT_STATUS: &str = "\
Exit status: 0 all is well, warnings included; 1 something is wrong; 2 it was asked wrongly.

Environment, as the deployment has it:
  WHATSAPP_SERVER_API, WHATSAPP_USER_TOKEN, WHATSAPP_CA_PEM   the gateway and the session `system`
  PUBLIC_BASE_URL                                             where the webhooks go
  WHATSAPP_WEBHOOK_HMAC_KEY                                   what they are signed with

No token is ever shown. Of addresses only the host is.";

/// What was asked for cannot be done as it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub(super) String);

fn address(text: &str) -> Result<GatewayAddress, &'static str> {
    let address = GatewayAddress::parse(text);
    address.ok_or("give a URL like https://gateway.example")
}

impl GatewayCommand {
    /// Where and whether.
    pub(super) const fn how(&self) -> &How {
        let Self::Check(arguments) = self;
        &arguments.how
    }

    /// The URL of the gateway that is checked without anything of the deployment.
    pub(super) const fn url(&self) -> Option<&GatewayAddress> {
        let Self::Check(arguments) = self;
        arguments.url.as_ref()
    }
}

/// Checks what was asked for, one session after the other.
pub(super) async fn run(work: Work<'_>, command: &GatewayCommand) -> anyhow::Result<()> {
    let GatewayCommand::Check(arguments) = command;
    let targets = find_targets(&work, arguments).await?;
    let mut lines = Lines::new(work.out);
    let orders = Orders {
        set_webhook: arguments.set_webhook,
        to: arguments.to.as_ref(),
        dry_run: work.dry_run,
    };
    for target in targets {
        if !target.sends && arguments.session.is_none() {
            lines.head(&target.head())?;
            lines.left_out("session", "check it by its name")?;
            continue;
        }
        let mut checkup = Checkup {
            backends: work.backends,
            target,
            orders,
            lines: &mut lines,
        };
        checkup.run().await?;
    }
    match lines.wrong() {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        wrong => bail!("{wrong} things are wrong"),
    }
}

async fn find_targets(work: &Work<'_>, arguments: &CheckArguments) -> anyhow::Result<Vec<Target>> {
    let found = match (&arguments.url, &arguments.session) {
        (Some(url), _) => {
            let target = targets::at(work.backends, url, arguments.token.as_deref());
            return Ok(vec![
                target.map_err(|error| UsageError(format!("{error:#}")))?,
            ]);
        }
        (None, Some(name)) => targets::named(work.backends, name).await?,
        (None, None) => targets::every(work.backends).await?,
    };
    if found.is_empty() {
        let none = match &arguments.session {
            Some(name) => format!("there is no session `{name}`: `sessions list` shows them"),
            None => "there is no session: set WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN, add one with `sessions add`, or \
                     check a gateway by its --url"
                .to_owned(),
        };
        return Err(UsageError(none).into());
    }
    Ok(found)
}

impl Checkup<'_, '_> {
    /// Checks everything about the session that can be checked as it is.
    async fn run(&mut self) -> std::io::Result<()> {
        self.lines.head(&self.target.head())?;
        if !self.reach().await? {
            return Ok(());
        }
        let Some(status) = self.ask_status().await? else {
            return Ok(());
        };
        let (status, usable) = self.account(status).await?;
        self.look_up(&status, usable).await?;
        let posts_here = self.webhook(&status).await?;
        self.signature(&status)?;
        self.trial(usable, posts_here).await
    }
}
