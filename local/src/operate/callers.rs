//! The systems that may call, and their keys. A key is shown once, when it is made: only its hash is kept.
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::{Subcommand, ValueEnum};
use shared::model::payment_caller::{PaymentCaller, Scope, draw_key, hash_of};
use shared::platform::timestamp::Timestamp;
use shared::sender::pool::is_session_name;
use shared::store::caller_list::CallerListChanges;
use shared::store::keys::ListChanged;

use super::how::How;
use super::work::Work;

/// How often the list is read again when others change it at the same moment.
const RACES_MAX: usize = 5;
/// How long the old key counts once there is a new one.
const OLD_KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What can be done with callers.
#[derive(Clone, Debug, Subcommand)]
pub enum CallersCommand {
    /// Let one more system call, and print its key
    ///
    /// The key is printed once, on a line of its own, and kept nowhere: only its hash is. Functions know of it within a minute.
    Add {
        /// Its name in the log: letters, digits, `_` and `-`
        #[arg(value_parser = name)]
        name: String,
        /// What it may do; can be given more than once
        #[arg(long, value_name = "SCOPE", default_value = "payments")]
        scope: Vec<ScopeArgument>,
        /// How many events a day (UTC) it may post; without it as many as it likes
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
        daily_cap: Option<u32>,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Show who may call, without keys
    List {
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Make a new key for a system, and print it
    ///
    /// The old one counts for a day more. Asked for again, the day begins anew, and the key of before is gone with it.
    Rotate {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Let a system call no more, with any of its keys
    ///
    /// No function lets it in a minute later. What it posted before is still told.
    Remove {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },
}

/// The scopes, as they are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScopeArgument {
    /// Post events of payments, and read what became of them
    Payments,
    /// Name the client that it asks for in `X-Client-Address`
    OnBehalf,
}

impl From<ScopeArgument> for Scope {
    fn from(scope: ScopeArgument) -> Self {
        match scope {
            ScopeArgument::Payments => Self::Payments,
            ScopeArgument::OnBehalf => Self::OnBehalf,
        }
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    let known = is_session_name(text).then(|| text.to_owned());
    known.ok_or("give 1 to 32 letters, digits, `_` or `-`")
}

impl CallersCommand {
    /// Where and whether.
    pub(super) fn how(&self) -> &How {
        match self {
            Self::Add { how, .. }
            | Self::List { how }
            | Self::Rotate { how, .. }
            | Self::Remove { how, .. } => how,
        }
    }
}

/// Does what was asked for, and tells it.
pub(super) async fn run(work: Work<'_>, command: &CallersCommand) -> anyhow::Result<()> {
    match command {
        CallersCommand::Add {
            name,
            scope,
            daily_cap,
            ..
        } => {
            let added = PaymentCaller {
                name: name.clone(),
                sha256: [0; 32],
                scopes: scope.iter().copied().map(Into::into).collect(),
                daily_cap: *daily_cap,
                retire_at: None,
            };
            add(work, &added).await
        }
        CallersCommand::List { .. } => list(work).await,
        CallersCommand::Rotate { name, .. } => rotate(work, name).await,
        CallersCommand::Remove { name, .. } => remove(work, name).await,
    }
}

async fn add(work: Work<'_>, added: &PaymentCaller) -> anyhow::Result<()> {
    let key = draw_key(&work.backends.entropy);
    let sha256 = hash_of(&key);
    let name = &added.name;
    change(&work, |callers| {
        if has_key(callers, sha256) {
            return Ok(());
        }
        if callers.iter().any(|caller| caller.name == *name) {
            bail!(
                "there is a caller `{name}` already: `callers rotate {name}` makes a new key for it"
            );
        }
        callers.push(PaymentCaller {
            sha256,
            ..added.clone()
        });
        Ok(())
    })
    .await?;
    tell_key(work, name, &key)
}

async fn rotate(work: Work<'_>, name: &str) -> anyhow::Result<()> {
    let key = draw_key(&work.backends.entropy);
    let (sha256, now) = (hash_of(&key), work.backends.clock.now());
    change(&work, |callers| {
        if has_key(callers, sha256) {
            return Ok(());
        }
        // What retires already makes room: two keys of a caller count at a time.
        callers.retain(|caller| caller.name != name || caller.retire_at.is_none());
        let current = callers.iter_mut().find(|caller| caller.name == name);
        let Some(current) = current else {
            bail!("there is no caller `{name}`: `callers list` shows them");
        };
        let next = PaymentCaller {
            sha256,
            ..current.clone()
        };
        current.retire_at = Some(now.plus(OLD_KEY_LIFE));
        callers.push(next);
        Ok(())
    })
    .await?;
    tell_key(work, name, &key)
}

fn tell_key(work: Work<'_>, name: &str, key: &str) -> anyhow::Result<()> {
    if work.dry_run {
        writeln!(work.out, "`{name}` would get a new key")?;
        return Ok(());
    }
    writeln!(
        work.out,
        "the key of `{name}`, which is shown this once and counts within a minute:\n\n{key}"
    )?;
    Ok(())
}

async fn remove(work: Work<'_>, name: &str) -> anyhow::Result<()> {
    change(&work, |callers| {
        let before = callers.len();
        callers.retain(|caller| caller.name != name);
        ensure!(
            callers.len() < before,
            "there is no caller `{name}`: `callers list` shows them"
        );
        Ok(())
    })
    .await?;
    let removed = if work.dry_run {
        "would be removed"
    } else {
        "is removed"
    };
    writeln!(
        work.out,
        "`{name}` {removed}; functions know of it within a minute"
    )?;
    Ok(())
}

async fn list(work: Work<'_>) -> anyhow::Result<()> {
    let seen = CallerListChanges::new(work.backends).read().await?;
    if seen.callers.is_empty() {
        writeln!(
            work.out,
            "there are no callers: `callers add NAME` makes a key"
        )?;
    }
    let now = work.backends.clock.now();
    for caller in &seen.callers {
        writeln!(work.out, "{}", line(caller, now))?;
    }
    Ok(())
}

/// What is known of a caller, on one line. The beginning of the hash tells two keys apart, and says nothing of either.
fn line(caller: &PaymentCaller, now: Timestamp) -> String {
    let scopes: Vec<_> = caller.scopes.iter().map(|scope| scope.name()).collect();
    let cap = caller
        .daily_cap
        .map_or("no cap".to_owned(), |cap| format!("{cap} a day"));
    let [first, second, third, ..] = caller.sha256;
    let life = match caller.retire_at {
        None => String::new(),
        Some(at) if at <= now => ", retired".to_owned(),
        Some(at) => format!(", retires at {}", at.rfc3339()),
    };
    format!(
        "{}: {}, {cap}, key {first:02x}{second:02x}{third:02x}…{life}",
        caller.name,
        scopes.join(" ")
    )
}

/// Whether the key is there: it was written, and only the store's reply was lost.
fn has_key(callers: &[PaymentCaller], sha256: [u8; 32]) -> bool {
    callers.iter().any(|caller| caller.sha256 == sha256)
}

/// Changes the list, again from the beginning while others change it at the same moment.
async fn change(
    work: &Work<'_>,
    change: impl Fn(&mut Vec<PaymentCaller>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let list = CallerListChanges::new(work.backends);
    for _ in 0..RACES_MAX {
        let seen = list.read().await?;
        let mut callers = seen.callers.clone();
        change(&mut callers)?;
        if work.dry_run || list.write(&seen, &callers).await? == ListChanged::Done {
            return Ok(());
        }
    }
    bail!("others change the list of callers all the time: try again")
}
