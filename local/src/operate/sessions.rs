//! The list of WhatsApp sessions that messages are sent from, beside the one of `WHATSAPP_USER_TOKEN`.
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use shared::gateway::{GatewayAddress, SessionToken};
use shared::platform::timestamp::Timestamp;
use shared::runtime::settings::{SYSTEM_SESSION, SessionSettings};
use shared::sender::pool::is_session_name;
use shared::store::session_list::{Changed, ListedSession, SessionListChanges};
use shared::store::whatsapp_sessions::{SessionItem, WhatsAppSessions};

use super::how::How;
use super::work::Work;

/// How often the list is read again when others change it at the same moment.
const RACES_MAX: usize = 5;
/// The longest token.
const TOKEN_MAX: u64 = 1_024;

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

/// What is known of a session beside its token. What is not given stays as it is.
#[derive(Args, Clone, Debug)]
pub struct Facts {
    /// Whether messages are sent from it
    #[arg(long = "use", value_name = "USE")]
    used_for: Option<Use>,
    /// After so many people that it wrote to for the first time on a day it serves no more sign-ups; `none` for no limit
    #[arg(long, value_name = "NUMBER", value_parser = chats)]
    new_chats_per_day: Option<Chats>,
    /// The URL of its gateway; `none` for that of WHATSAPP_SERVER_API
    #[arg(long, value_name = "URL", value_parser = gateway)]
    gateway: Option<Place>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Use {
    /// Messages are sent from it.
    Send,
    /// It is known, and no message is sent from it.
    Off,
}

/// A limit of new chats, or none.
#[derive(Clone, Copy, Debug)]
struct Chats(Option<u32>);

/// A gateway of its own, or none.
#[derive(Clone, Debug)]
struct Place(Option<GatewayAddress>);

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

fn chats(text: &str) -> Result<Chats, String> {
    if text == "none" {
        return Ok(Chats(None));
    }
    let most: Result<u32, _> = text.parse();
    let most = most.map_err(|_| "give a whole number, or `none`")?;
    Ok(Chats(Some(most)))
}

fn gateway(text: &str) -> Result<Place, String> {
    if text == "none" {
        return Ok(Place(None));
    }
    let address = GatewayAddress::parse(text);
    let address = address.ok_or("give a URL like https://gateway.example, or `none`")?;
    Ok(Place(Some(address)))
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

impl Facts {
    fn apply(&self, listed: &mut ListedSession) {
        if let Some(used_for) = self.used_for {
            listed.sends = used_for == Use::Send;
        }
        if let Some(Chats(most)) = self.new_chats_per_day {
            listed.session.new_chats_per_day = most;
        }
        if let Some(Place(gateway)) = &self.gateway {
            listed.session.gateway.clone_from(gateway);
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

async fn add(work: Work<'_>, name: &str, token: &Path, facts: &Facts) -> anyhow::Result<()> {
    let mut added = ListedSession {
        session: SessionSettings::new(name, read_token(token)?),
        sends: true,
    };
    facts.apply(&mut added);
    let changed = change(&work, |sessions| {
        match sessions.iter().find(|listed| listed.session.name == name) {
            None => sessions.push(added.clone()),
            Some(there) if *there == added => {}
            Some(_) => bail!(
                "there is a session `{name}` already: change it with `sessions set {name}`, or choose another name"
            ),
        }
        refuse_twin(&work, sessions, &added.session)?;
        Ok(())
    });
    if changed.await? {
        forget(&work, name).await?;
        return tell(work, name, "is added");
    }
    unchanged(work, name, "is there already, like this")
}

async fn set(
    work: Work<'_>,
    name: &str,
    token: Option<&Path>,
    facts: &Facts,
) -> anyhow::Result<()> {
    let token = token.map(read_token).transpose()?;
    let changed = change(&work, |sessions| {
        let listed = sessions
            .iter_mut()
            .find(|listed| listed.session.name == name);
        let listed = listed.with_context(|| unlisted(name))?;
        facts.apply(listed);
        if let Some(token) = &token {
            listed.session.token = token.clone();
        }
        let session = listed.session.clone();
        refuse_twin(&work, sessions, &session)
    });
    if !changed.await? {
        return unchanged(work, name, "is like this already");
    }
    if token.is_some() || facts.gateway.is_some() {
        forget(&work, name).await?;
    }
    tell(work, name, "is changed")
}

async fn remove(work: Work<'_>, name: &str) -> anyhow::Result<()> {
    let changed = change(&work, |sessions| {
        sessions.retain(|listed| listed.session.name != name);
        Ok(())
    });
    ensure!(changed.await?, unlisted(name));
    forget(&work, name).await?;
    tell(work, name, "is removed")
}

/// Refuses a session that is another one of the list, or the configured one, under a second name: a message would go round
/// to the account that has failed.
fn refuse_twin(
    work: &Work<'_>,
    sessions: &[ListedSession],
    added: &SessionSettings,
) -> anyhow::Result<()> {
    let configured = work.backends.settings.sessions.iter();
    let others = sessions.iter().map(|listed| &listed.session);
    let mut others = others
        .chain(configured)
        .filter(|other| other.name != added.name);
    let twin = others.find(|other| other.token == added.token && other.gateway == added.gateway);
    match twin {
        Some(twin) => bail!("this is the token of the session `{}`", twin.name),
        None => Ok(()),
    }
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
        if work.dry_run || list.write(&seen, &sessions).await? == Changed::Done {
            return Ok(true);
        }
    }
    bail!("others change the list all the time: try again")
}

fn tell(work: Work<'_>, name: &str, done: &str) -> anyhow::Result<()> {
    let Work { out, dry_run, .. } = work;
    if dry_run {
        writeln!(out, "`{name}` {done}: not really, since this is a dry run.")?;
    } else {
        writeln!(out, "`{name}` {done}.")?;
        writeln!(out, "Functions know of it within a minute.")?;
    }
    Ok(())
}

/// Reads a token from a file, or from the standard input.
fn read_token(file: &Path) -> anyhow::Result<SessionToken> {
    let mut text = String::new();
    let from: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(file);
        Box::new(opened.with_context(|| format!("{}", file.display()))?)
    };
    let read = from.take(TOKEN_MAX + 1).read_to_string(&mut text);
    read.with_context(|| format!("{}: a token is text", file.display()))?;
    let token = text.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(
        !token.is_empty() && plain && text.len() as u64 <= TOKEN_MAX,
        "{}: put the session's token there and nothing else",
        file.display()
    );
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
        let seen = seen(&system, now);
        writeln!(
            out,
            "{SYSTEM_SESSION}  send, of WHATSAPP_USER_TOKEN; {seen}"
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
        let (facts, seen) = (facts(listed, &item, now), seen(&item, now));
        writeln!(out, "{name}  {facts}; {seen}")?;
    }
    Ok(())
}

/// What is known of a session of the list.
fn facts(listed: &ListedSession, item: &SessionItem, now: Timestamp) -> String {
    let ListedSession { session, sends } = listed;
    let mut facts = vec![if *sends { "send" } else { "off" }.to_owned()];
    if session.gateway.is_some() {
        facts.push("on a gateway of its own".into());
    }
    if let Some(most) = session.new_chats_per_day {
        let today = item.new_chats_on(now);
        facts.push(format!("{today} of {most} new chats today"));
    }
    facts.join(", ")
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
