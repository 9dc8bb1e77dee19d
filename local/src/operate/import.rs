//! Imports users of another system from JSON lines.
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use aws_smithy_types::date_time::{DateTime, Format};
use serde::Deserialize;
use shared::model::account::{PersonName, User, random_id};
use shared::model::identifier::Email;
use shared::model::password::PasswordHash;
use shared::model::phone::Phone;
use shared::platform::entropy::Entropy;
use shared::platform::timestamp::Timestamp;
use shared::store::StoreError;
use shared::store::users::Users;
use shared::store::users::operators::Imported;

use super::work::Work;
use tokio::task::JoinSet;

/// The format, for the help.
pub(super) const FORMAT: &str = r#"The format: UTF-8, one JSON object a line, with
  phone         as people type it: 0812…, +62812…, +1555…
  name          1 to 100 characters
  email         optional; another user's address is left out and reported
  passwordHash  optional; bcrypt ($2a$, $2b$, $2y$), or a PHC string of Argon2 or PBKDF2. It is kept until the user signs
                in with the password, and then made anew
  verifiedAt    when the phone was verified, such as 2024-05-01T08:30:00Z. A user without it is left out: whoever has the
                phone can sign up, and no password of a stranger comes along
  id            optional: the user's id in the tokens; 1 to 64 letters, digits, - and _

  {"phone":"08123456789","name":"Siti","email":"siti@example.com","passwordHash":"$2y$10$…","verifiedAt":"2024-05-01T08:30:00Z"}"#;

/// Lines that are worked on at the same time.
const SIDE_BY_SIDE: usize = 16;

/// Progress is told after so many lines.
const PROGRESS_LINES: usize = 1_000;

/// The longest line in bytes.
const LINE_MAX: usize = 16 * 1024;

/// So many lines are named at the end; the others are counted.
const NOTES_MAX: usize = 1_000;

/// One line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    phone: String,
    name: String,
    email: Option<String>,
    password_hash: Option<String>,
    verified_at: Option<String>,
    id: Option<String>,
}

/// What a line says.
enum Reading {
    User(User),
    NotVerified,
}

/// What became of a line.
enum Fate {
    Added,
    WithoutEmail,
    ThereAlready,
    Problem(String),
}

/// What became of all lines so far.
#[derive(Default)]
struct Tally {
    lines: usize,
    added: usize,
    there_already: usize,
    not_verified: usize,
    problems: usize,
    notes: Vec<(usize, String)>,
    more_notes: usize,
}

/// Imports the users of `file`.
pub(super) async fn run(mut work: Work<'_>, file: &Path) -> anyhow::Result<()> {
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).with_context(|| format!("cannot open {}", file.display()))?)
    };
    let mut tally = Tally::default();
    let imported = import(&mut work, input, &mut tally).await;
    tally.report(work.dry_run, work.out)?;
    imported.with_context(|| {
        format!(
            "stopped at line {}. What was imported stays; import again to go on",
            tally.lines
        )
    })?;
    match tally.problems {
        0 => Ok(()),
        count => bail!("{count} of {} lines could not be imported", tally.lines),
    }
}

async fn import(work: &mut Work<'_>, input: impl Read, tally: &mut Tally) -> anyhow::Result<()> {
    let users = Users::new(work.backends);
    let dry_run = work.dry_run;
    let mut phones = HashMap::new();
    let mut under_way: JoinSet<(usize, Result<Fate, StoreError>)> = JoinSet::new();
    let mut input = BufReader::new(input);
    while let Some(line) = next_line(&mut input)? {
        let number = tally.next_number(work.out)?;
        let user = match line.and_then(|line| read(&line, number, &work.backends.entropy)) {
            Ok(None) => continue,
            Ok(Some(Reading::NotVerified)) => {
                tally.not_verified += 1;
                continue;
            }
            Ok(Some(Reading::User(user))) => user,
            Err(problem) => {
                tally.count(number, Fate::Problem(problem));
                continue;
            }
        };
        // Lines are worked on side by side: the first of a phone is to win, whichever is faster.
        if let Some(earlier) = phones.insert(user.phone.digits().to_owned(), number) {
            phones.insert(user.phone.digits().to_owned(), earlier);
            let problem = format!("line {earlier} has the same phone");
            tally.count(number, Fate::Problem(problem));
            continue;
        }
        let users = users.clone();
        under_way.spawn(async move { (number, add(&users, &user, dry_run).await) });
        if under_way.len() >= SIDE_BY_SIDE {
            settle(&mut under_way, tally).await?;
        }
    }
    while !under_way.is_empty() {
        settle(&mut under_way, tally).await?;
    }
    Ok(())
}

/// Waits for one of the lines that are under way.
async fn settle(
    under_way: &mut JoinSet<(usize, Result<Fate, StoreError>)>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    if let Some(done) = under_way.join_next().await {
        let (number, fate) = done?;
        tally.count(number, fate?);
    }
    Ok(())
}

async fn add(users: &Users, user: &User, dry_run: bool) -> Result<Fate, StoreError> {
    // A read costs less than a transaction that is refused, when an import is repeated.
    if users.by_phone(&user.phone).await?.is_some() {
        return Ok(Fate::ThereAlready);
    }
    if dry_run {
        return Ok(Fate::Added);
    }
    Ok(match users.import(user).await? {
        Imported::Added => Fate::Added,
        Imported::WithoutEmail => Fate::WithoutEmail,
        Imported::PhoneHasUser => Fate::ThereAlready,
        Imported::IdHasUser => Fate::Problem("another user has this id".into()),
    })
}

/// The next line without its end; `None` after the last. The outer error is the file's, the inner one the line's.
fn next_line(input: &mut impl BufRead) -> std::io::Result<Option<Result<String, String>>> {
    let mut line = Vec::new();
    let mut start = input.by_ref().take(LINE_MAX as u64 + 1);
    let read = start.read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.len() > LINE_MAX {
        if !line.ends_with(b"\n") {
            input.skip_until(b'\n')?;
        }
        return Ok(Some(Err(format!("longer than {LINE_MAX} bytes"))));
    }
    Ok(Some(
        String::from_utf8(line).map_err(|_| "not UTF-8".into()),
    ))
}

/// Reads a line; `None` when it is blank.
fn read(line: &str, number: usize, entropy: &Entropy) -> Result<Option<Reading>, String> {
    // Some editors put a byte order mark in front of a file.
    let line = match number {
        1 => line.trim_start_matches('\u{FEFF}').trim(),
        _ => line.trim(),
    };
    if line.is_empty() {
        return Ok(None);
    }
    let line: Line = serde_json::from_str(line).map_err(|error| without_line(&error))?;
    let Some(verified_at) = line.verified_at else {
        return Ok(Some(Reading::NotVerified));
    };
    fn in_field<E: ToString>(field: &str) -> impl Fn(E) -> String {
        move |error| format!("{field}: {}", error.to_string())
    }
    let phone = Phone::parse(&line.phone).map_err(in_field("phone"))?;
    let name = PersonName::parse(&line.name).map_err(in_field("name"))?;
    let email = line.email.as_deref().map(Email::parse).transpose();
    let email = email.map_err(in_field("email"))?;
    let password = line.password_hash.as_deref().map(PasswordHash::import);
    let password = password.transpose().map_err(in_field("passwordHash"))?;
    let id = match line.id {
        Some(id) if is_id(&id) => id,
        Some(_) => return Err("id: use 1 to 64 letters, digits, - and _".into()),
        None => random_id(entropy),
    };
    let created_at =
        point_in_time(&verified_at).ok_or("verifiedAt: write the time as 2024-05-01T08:30:00Z")?;
    Ok(Some(Reading::User(User {
        id,
        phone,
        name,
        email,
        wanted_email: None,
        password,
        ver: 1,
        role: "user".into(),
        created_at,
    })))
}

/// The message without the line that the library counted, which is always the first.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) => format!("{what}, at column {column}"),
        None => text,
    }
}

fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(allowed)
}

fn point_in_time(text: &str) -> Option<Timestamp> {
    let time = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    time.to_millis().ok().map(Timestamp::from_millis)
}

impl Tally {
    /// The number of the next line. Now and then it tells how far the import is.
    fn next_number(&mut self, out: &mut dyn Write) -> std::io::Result<usize> {
        self.lines += 1;
        if self.lines.is_multiple_of(PROGRESS_LINES) {
            self.progress(out)?;
        }
        Ok(self.lines)
    }

    fn count(&mut self, number: usize, fate: Fate) {
        match fate {
            Fate::Added => self.added += 1,
            Fate::ThereAlready => self.there_already += 1,
            Fate::WithoutEmail => {
                self.added += 1;
                let note = "imported without its e-mail address, which is another user's";
                self.note(number, note.into());
            }
            Fate::Problem(problem) => {
                self.problems += 1;
                self.note(number, problem);
            }
        }
    }

    fn note(&mut self, number: usize, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push((number, note));
        } else {
            self.more_notes += 1;
        }
    }

    fn progress(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self {
            lines,
            added,
            there_already,
            not_verified,
            problems,
            ..
        } = self;
        writeln!(
            out,
            "{lines} lines: {added} imported, {there_already} there already, {not_verified} never verified, \
             {problems} with problems"
        )?;
        out.flush()
    }

    fn report(&mut self, dry_run: bool, out: &mut dyn Write) -> std::io::Result<()> {
        self.progress(out)?;
        if dry_run {
            writeln!(
                out,
                "Nothing was changed. E-mail addresses and ids were not looked up."
            )?;
        }
        self.notes.sort_unstable();
        for (number, note) in &self.notes {
            writeln!(out, "line {number}: {note}")?;
        }
        match self.more_notes {
            0 => Ok(()),
            more => writeln!(out, "and {more} more lines"),
        }
    }
}
