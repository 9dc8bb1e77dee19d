//! An hour of the whole system as `cargo run` starts it, under a mixed load and random faults: does it stay as it was.
mod book;
mod ended;
mod faults;
mod minute;
mod operator;
mod payments;
mod people;
mod rules;
mod system;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::platform::entropy::Entropy;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use self::book::{Book, Weather};
use self::ended::Ended;
use self::faults::{Order, Stretch};
use self::minute::{Minute, Rows};
use self::operator::Operator;
use self::payments::Payments;
use self::people::People;
use self::system::System;
use crate::pace::between_requests;

pub use self::rules::Report;

/// How far apart acts of people, payments, looks at the state and looks of the operator are, on the mean.
const PEOPLE: Duration = Duration::from_millis(300);
const PAYMENTS: Duration = Duration::from_millis(2_500);
const STATES: Duration = Duration::from_secs(2);
const OPERATOR: Duration = Duration::from_secs(10);
/// After how many minutes the phones are read: before the simulated gateway has forgotten what they received.
const PHONES_READ: usize = 15;
/// How long what was begun may take to its end once nobody begins anything.
const LAST_ACTS: Duration = Duration::from_secs(120);

/// What is to be run.
#[derive(Debug)]
pub struct Plan {
    /// The built program.
    pub program: PathBuf,
    /// Where its tables and its log are.
    pub folder: PathBuf,
    /// How long.
    pub lasts: Duration,
    /// What the faults and the load are drawn from.
    pub seed: u64,
}

/// Runs the system, and holds what was seen against the rules.
///
/// # Errors
/// When it does not start, ends by itself, or cannot be asked.
pub async fn measure(plan: &Plan) -> anyhow::Result<Report> {
    let mut system = System::start(&plan.program, &plan.folder).await?;
    println!("seed {}, log {}", plan.seed, system.log().display());
    let rows = Rows::of(system.data())?;
    let stretches = faults::plan(plan.lasts, plan.seed);
    let book = Arc::new(Book::begin());
    let shared_system = Arc::new(system);
    let acts = load(&shared_system, &book, (plan, &stretches));
    let minutes = watch(&shared_system, &book, (&rows, plan.lasts));
    let play = play(&shared_system, &book, &stretches);
    let (acts, minutes, played) = tokio::join!(acts, minutes, play);
    acts?;
    played?;
    let minutes = minutes?;
    let mut ended = Ended::read(&shared_system, &book, &rows).await?;
    read_notices(&shared_system, &book).await;
    ended.find_missing(&book);
    system = Arc::try_unwrap(shared_system).map_err(|_| anyhow::anyhow!("an act goes on"))?;
    let log = std::fs::read_to_string(system.log()).unwrap_or_default();
    let end = system.end().await;
    Ok(Report::new(
        (&book, minutes, stretches),
        (ended, end.err().map(|error| format!("{error:#}"))),
        &log,
    ))
}

/// Plays each stretch at its time.
async fn play(system: &System, book: &Book, stretches: &[Stretch]) -> anyhow::Result<()> {
    for stretch in stretches {
        sleep_until(book.began() + stretch.from).await;
        println!("{:>4} s  {:?}", stretch.from.as_secs(), stretch.weather);
        if stretch.weather == Weather::Recovery {
            for order in Order::healthy() {
                system.order(&order.path, &order.body).await?;
            }
        }
        book.set_weather(stretch.weather);
        for (at, order) in &stretch.orders {
            sleep_until(book.began() + *at).await;
            println!("{:>4} s  {} {}", at.as_secs(), order.path, order.body);
            system.order(&order.path, &order.body).await?;
        }
    }
    if let Some(last) = stretches.last() {
        sleep_until(book.began() + last.to).await;
    }
    Ok(())
}

/// Looks at the process and its tables each minute.
async fn watch(
    system: &System,
    book: &Book,
    (rows, lasts): (&Rows, Duration),
) -> anyhow::Result<Vec<Minute>> {
    let mut minutes: Vec<Minute> = Vec::new();
    let mut at = Duration::ZERO;
    println!("{}", tables::HEAD);
    while at < lasts {
        at += Duration::from_secs(60).min(lasts - at);
        sleep_until(book.began() + at).await;
        let minute = match minute::look(system, rows, at).await {
            Ok(minute) => minute,
            Err(error) if system.proc().is_ok() => {
                println!("{:>4} s  cannot be read: {error:#}", at.as_secs());
                book.add_oddity("a minute of the system could not be read");
                continue;
            }
            Err(error) => return Err(error),
        };
        if minutes.len() % PHONES_READ == PHONES_READ - 1 {
            read_notices(system, book).await;
        }
        let from = minutes.last().map_or(Duration::ZERO, |minute| minute.at);
        println!("{}", tables::line(book, &minute, from));
        minutes.push(minute);
    }
    Ok(minutes)
}

/// Keeps which notices are on phones. The simulated gateway forgets the oldest messages, and to ask it for all at once
/// would be a load of its own.
async fn read_notices(system: &System, book: &Book) {
    for payment in book.payments() {
        let path = format!("/sim/messages?phone={}", payments::phone(&payment));
        let answer = system.ask_sim(&path, None).await;
        let messages = answer.json["messages"].as_array();
        for message in messages.into_iter().flatten() {
            if let Some(id) = message["id"].as_str() {
                book.add_notice(id, message["duplicate"] == Value::Bool(true));
            }
        }
    }
}

/// People, payments, and those who look, until the silence begins; then what was begun comes to its end.
async fn load(
    system: &Arc<System>,
    book: &Arc<Book>,
    (plan, stretches): (&Plan, &[Stretch]),
) -> anyhow::Result<()> {
    let silence = stretches.last().map_or(plan.lasts, |silence| silence.from);
    let people = Arc::new(People::new(plan.seed));
    let payments = Arc::new(Payments::new(plan.seed + 1));
    let operator = Arc::new(Operator::sign_in(system, book).await?);
    let mut acts = JoinSet::new();
    let each = Entropy::seeded(plan.seed + 2);
    let mut next = [Duration::ZERO; 4];
    let mut looks = 0;
    loop {
        let (kind, at) = soonest(&next);
        if at >= silence {
            break;
        }
        sleep_until(book.began() + at).await;
        next[kind] = at + between_requests(&each, [PEOPLE, PAYMENTS, STATES, OPERATOR][kind]);
        let (system, book) = (Arc::clone(system), Arc::clone(book));
        match kind {
            0 => {
                let people = Arc::clone(&people);
                acts.spawn(async move { people.act(&system, &book).await });
            }
            1 => {
                let payments = Arc::clone(&payments);
                acts.spawn(async move { payments.act(&system, &book).await });
            }
            2 => {
                let route = ["GET /api/status", "GET /api/health"][looks % 2];
                acts.spawn(async move {
                    system.ask(&book, system::Ask::get(route)).await;
                });
            }
            _ => {
                let operator = Arc::clone(&operator);
                acts.spawn(async move { operator.look(&system, &book, looks).await });
            }
        }
        looks += 1;
        while acts.try_join_next().is_some() {}
    }
    let ended = timeout(LAST_ACTS, async {
        while acts.join_next().await.is_some() {}
    })
    .await;
    if ended.is_err() {
        book.add_oddity("an act did not come to its end");
        acts.shutdown().await;
    }
    Ok(())
}

/// Which one comes first, and when.
fn soonest(next: &[Duration; 4]) -> (usize, Duration) {
    let all = next.iter().copied().enumerate();
    all.min_by_key(|(_, at)| *at).unwrap_or_default()
}

/// The folder of a run with this number.
pub fn folder(target: &Path, seed: u64) -> PathBuf {
    target
        .join("soak")
        .join(format!("{}-{seed}", std::process::id()))
}
