//! The list of WhatsApp sessions that messages are sent from, beside the one of `WHATSAPP_USER_TOKEN`.
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::Subcommand;
use shared::gateway::{GatewayAddress, SessionToken};
use shared::model::weight::Weight;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::runtime::settings::{SYSTEM_SESSION, SessionSettings};
use shared::sender::pool::is_session_name;
use shared::store::keys::ListChanged;
use shared::store::session_list::{ListedSession, SessionListChanges};
use shared::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

use super::how::How;
use super::secret_file;
use super::work::Work;

/// What an operator says of a session.
mod facts;

use self::facts::Facts;

/// How often the list is read again when others change it at the same moment.
const RACES_MAX: usize = 5;

/// What can be done with sessions.
#[derive(Clone, Debug, Subcommand)]
pub enum SessionsCommand {
    /// Send from one more session
    ///
    /// Functions know of it within a minute. It should be paired already: see docs/gateway.md.
    Add {
        /// Its name in logs and commands: letters, digits, `_` and `-`
        #[arg(value_parser = name)]
        name: String,
        /// A file that holds its token on the gateway and nothing else; `-` is the standard input
        token: PathBuf,
        /// What is known of it
        #[command(flatten)]
        facts: Facts,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Show the sessions and how they were seen last
    List {
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Change what is known of a session
    Set {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        /// A file that holds its new token; `-` is the standard input
        #[arg(long, value_name = "FILE")]
        token: Option<PathBuf>,
        /// What is known of it
        #[command(flatten)]
        facts: Facts,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },

    /// Send from a session no more, and forget its token
    ///
    /// No message begins on it a minute later. It stays on its gateway.
    Remove {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        /// Where and whether
        #[command(flatten)]
        how: How,
    },
}

/// Reads a session's name.
fn name(text: &str) -> Result<String, String> {
    if text == SYSTEM_SESSION {
        return Err("that is the session of WHATSAPP_USER_TOKEN, which is always there".into());
    }
    if is_session_name(text) {
        Ok(text.to_owned())
    } else {
        Err("give 1 to 32 letters, digits, `_` or `-`".into())
    }
}

impl SessionsCommand {
    /// Where and whether.
    pub(super) fn how(&self) -> &How {
        match self {
            Self::Add { how, .. }
            | Self::List { how }
            | Self::Set { how, .. }
            | Self::Remove { how, .. } => how,
        }
    }
}

/// Does what was asked for, and tells it.
pub(super) async fn run(work: Work<'_>, command: &SessionsCommand) -> anyhow::Result<()> {
    match command {
        SessionsCommand::Add {
            name, token, facts, ..
        } => add(work, name, token, facts).await,
        SessionsCommand::List { .. } => list(work).await,
        SessionsCommand::Set {
            name, token, facts, ..
        } => set(work, name, token.as_deref(), facts).await,
        SessionsCommand::Remove { name, .. } => remove(work, name).await,
    }
}

async fn add(mut work: Work<'_>, name: &str, token: &Path, facts: &Facts) -> anyhow::Result<()> {
    let added = ListedSession {
        session: SessionSettings::new(name, read_token(token)?),
        sends: true,
    };
    let wish = facts.change(None)?;
    let changed = change(&work, |sessions| {
        let there = sessions
            .iter()
            .find(|listed| listed.session.name == name)
            .cloned();
        let mut with_it = sessions.clone();
        with_it.retain(|listed| listed.session.name != name);
        with_it.push(added.clone());
        wish.apply(&mut with_it, name)?;
        if let Some(there) = there {
            ensure!(
                with_it.contains(&there),
                "there is a session `{name}` already: change it with `sessions set {name}`, or choose another name"
            );
            return Ok(());
        }
        *sessions = with_it;
        refuse_twin(&work, sessions, name)
    });
    if changed.await? {
        forget(&work, name).await?;
        tell(&mut work, name, "is added")?;
        return tell_uncompared(work).await;
    }
    unchanged(work, name, "is there already, like this")
}

async fn set(
    mut work: Work<'_>,
    name: &str,
    token: Option<&Path>,
    facts: &Facts,
) -> anyhow::Result<()> {
    let wish = facts.change(token.map(read_token).transpose()?)?;
    let is_another = token.is_some() || facts.name_a_gateway();
    let changed = change(&work, |sessions| {
        let mut listed = sessions.iter();
        ensure!(
            listed.any(|listed| listed.session.name == name),
            unlisted(name)
        );
        wish.apply(sessions, name)?;
        if is_another {
            refuse_twin(&work, sessions, name)?;
        }
        Ok(())
    });
    if !changed.await? {
        return unchanged(work, name, "is like this already");
    }
    if is_another {
        forget(&work, name).await?;
    }
    tell(&mut work, name, "is changed")?;
    if token.is_some() {
        tell_uncompared(work).await?;
    }
    Ok(())
}

async fn remove(mut work: Work<'_>, name: &str) -> anyhow::Result<()> {
    let changed = change(&work, |sessions| {
        sessions.retain(|listed| listed.session.name != name);
        Ok(())
    });
    ensure!(changed.await?, unlisted(name));
    forget(&work, name).await?;
    tell(&mut work, name, "is removed")
}

/// Refuses the session called `name` where it has the token of another one of the list, or of the configured one: a message
/// would go round to the account that has failed. One gateway has many addresses, so the address makes no difference.
fn refuse_twin(work: &Work<'_>, sessions: &[ListedSession], name: &str) -> anyhow::Result<()> {
    let listed = sessions.iter().map(|listed| &listed.session);
    let configured = work.backends.settings.sessions.iter();
    let all = listed.chain(configured);
    let (named, others): (Vec<_>, Vec<_>) = all.partition(|session| session.name == name);
    let is_one_of_them =
        |other: &&&SessionSettings| named.iter().any(|one| one.token == other.token);
    match others.iter().find(is_one_of_them) {
        Some(twin) => bail!(
            "this is the token of the session `{}`: each session has one of its own, also on another gateway",
            twin.name
        ),
        None => Ok(()),
    }
}

/// Says that the token was not compared with that of the configured session, where there is one and its token is not known.
async fn tell_uncompared(work: Work<'_>) -> anyhow::Result<()> {
    let Work { backends, out, .. } = work;
    if backends.settings.sessions.is_empty() && is_system_known(backends).await? {
        writeln!(
            out,
            "WHATSAPP_USER_TOKEN is not set here, so nobody has looked whether this is the session `{SYSTEM_SESSION}` again."
        )?;
    }
    Ok(())
}

/// Whether somebody has used the session of `WHATSAPP_USER_TOKEN`, which a deployment may know and this process not.
async fn is_system_known(backends: &Backends) -> anyhow::Result<bool> {
    let item = WhatsAppSessions::of(backends).read(SYSTEM_SESSION).await?;
    Ok(item != SessionItem::default())
}

/// Forgets what is known of the account that had the name: it says nothing about the next one.
async fn forget(work: &Work<'_>, name: &str) -> anyhow::Result<()> {
    if work.dry_run {
        return Ok(());
    }
    Ok(WhatsAppSessions::of(work.backends).forget(name).await?)
}

fn unchanged(work: Work<'_>, name: &str, why: &str) -> anyhow::Result<()> {
    writeln!(work.out, "`{name}` {why}. Nothing was changed.")?;
    Ok(())
}

fn unlisted(name: &str) -> String {
    format!("there is no session `{name}` in the list: `sessions list` shows them")
}

/// Changes the list as `edit` says. Answers whether that is a change.
async fn change(
    work: &Work<'_>,
    edit: impl Fn(&mut Vec<ListedSession>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let list = SessionListChanges::new(work.backends);
    for _ in 0..RACES_MAX {
        let seen = list.read().await?;
        let mut sessions = seen.sessions.clone();
        edit(&mut sessions)?;
        if sessions == seen.sessions {
            return Ok(false);
        }
        if work.dry_run || list.write(&seen, &sessions).await? == ListChanged::Done {
            return Ok(true);
        }
    }
    bail!("others change the list all the time: try again")
}

fn tell(work: &mut Work<'_>, name: &str, done: &str) -> anyhow::Result<()> {
    let Work { out, dry_run, .. } = work;
    if *dry_run {
        writeln!(out, "`{name}` {done}: not really, since this is a dry run.")?;
    } else {
        writeln!(out, "`{name}` {done}.")?;
        writeln!(out, "Functions know of it within a minute.")?;
    }
    Ok(())
}

/// Reads a token from a file, or from the standard input.
fn read_token(file: &Path) -> anyhow::Result<SessionToken> {
    let token = secret_file::read(file, "the session's token")?;
    Ok(SessionToken::new(token))
}

async fn list(work: Work<'_>) -> anyhow::Result<()> {
    let Work { backends, out, .. } = work;
    let items = WhatsAppSessions::of(backends);
    let now = backends.clock.now();
    let listed = SessionListChanges::new(backends).read().await?.sessions;
    let system = items.read(SYSTEM_SESSION).await?;
    let is_configured = !backends.settings.sessions.is_empty() || system != SessionItem::default();
    if is_configured {
        let (on, seen) = (on(None, backends), seen(&system, now));
        writeln!(
            out,
            "{SYSTEM_SESSION}  send, {on}, of WHATSAPP_USER_TOKEN; {seen}"
        )?;
    } else if listed.is_empty() {
        writeln!(
            out,
            "There is no session. Set WHATSAPP_USER_TOKEN, or add one with `sessions add`."
        )?;
    }
    for listed in &listed {
        let name = &listed.session.name;
        let item = items.read(name).await?;
        let on = on(listed.session.gateway.as_ref(), backends);
        let (used_for, facts, seen) = (
            used_for(listed),
            facts(listed, &item, now),
            seen(&item, now),
        );
        writeln!(out, "{name}  {used_for}, {on}{facts}; {seen}")?;
    }
    Ok(())
}

const fn used_for(listed: &ListedSession) -> &'static str {
    if listed.sends { "send" } else { "off" }
}

/// The gateway at `address`, or the configured one, by its host alone: the rest of an address may hold a secret.
fn on(address: Option<&GatewayAddress>, backends: &Backends) -> String {
    let configured = backends.settings.gateway_url.as_deref();
    let configured = configured.and_then(GatewayAddress::parse);
    match address.or(configured.as_ref()) {
        Some(address) => format!("on {}", address.host()),
        None => "on the gateway of WHATSAPP_SERVER_API".into(),
    }
}

/// What else is known of a session of the list, each behind a comma.
fn facts(listed: &ListedSession, item: &SessionItem, now: Timestamp) -> String {
    let session = &listed.session;
    let hook = session.restart_url.as_ref();
    let hook = hook.map(|_| ", with a restart hook".to_owned());
    let chats = session.new_chats_per_day.map(|most| {
        let today = item.new_chats_on(now);
        format!(", {today} of {most} new chats today")
    });
    let weight = session.weight;
    let weight = (weight != Weight::USUAL).then(|| format!(", weight {weight}"));
    hook.into_iter().chain(chats).chain(weight).collect()
}

/// How a session was seen last.
fn seen(item: &SessionItem, now: Timestamp) -> String {
    match item.seen {
        None => "nobody has looked yet".into(),
        Some(seen) => format!(
            "{} since {}, seen {} s ago",
            seen.state.as_str(),
            seen.since.rfc3339(),
            now.since(seen.at).as_secs()
        ),
    }
}
