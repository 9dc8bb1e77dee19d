//! What the process holds, and what is in its tables.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use local::database::EmbeddedDynamoDb;
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use shared::runtime::settings::Tables;

use super::system::System;
use crate::process::number_in;

/// The most pages that are read of a table; a page has up to a megabyte.
const PAGES_MAX: usize = 1_000;

/// What was seen at one moment.
#[derive(Clone, Debug)]
pub struct Minute {
    /// The time since the beginning of the run.
    pub at: Duration,
    /// Memory, and that part of it which is no file's.
    pub resident_kib: u64,
    pub anonymous_kib: u64,
    pub threads: u64,
    /// Open files and sockets.
    pub files: u64,
    /// The size of the data file and its log.
    pub data_bytes: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, i64>,
    /// What the sessions hold.
    pub held: Held,
}

/// What of all sessions is not free at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How far the fullest queue reaches.
    pub queue: Duration,
    /// How far ahead the pace of notices is paid.
    pub pace: Duration,
    /// How long until the last connect right and trial end.
    pub rights: Duration,
}

/// Reads of the tables of the running system, beside it, as an operator's commands read them.
#[derive(Debug)]
pub struct Rows {
    client: Client,
    tables: Vec<String>,
}

impl Rows {
    /// Those in the file at `data`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of(data: &Path) -> anyhow::Result<Self> {
        let client = EmbeddedDynamoDb::file(data)?.without_calls().client();
        // Whole tables are read in the end, by an engine that is not built for speed.
        let config = client.config().to_builder();
        let config = config.timeout_config(TimeoutConfig::disabled());
        let client = Client::from_conf(config.build());
        let mut tables = Tables::default();
        let tables = tables.names_mut().map(|name| name.clone());
        Ok(Self {
            client,
            tables: tables.into(),
        })
    }

    /// Rows by table.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn counts(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let mut counts = BTreeMap::new();
        for name in &self.tables {
            let described = self.client.describe_table().table_name(name).send().await?;
            let count = described.table().and_then(|table| table.item_count());
            counts.insert(name.clone(), count.context("no count of rows")?);
        }
        Ok(counts)
    }

    /// Rows that should have been deleted by now, by table.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn overdue(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let mut counts = BTreeMap::new();
        let now = Clock::system().now();
        for table in &self.tables {
            counts.insert(table.clone(), self.count_over(table, now).await?);
        }
        Ok(counts)
    }

    /// Rows whose time was over at `now`.
    async fn count_over(&self, table: &str, now: Timestamp) -> anyhow::Result<i64> {
        let (mut count, mut last) = (0, None);
        let now = AttributeValue::N(now.seconds().to_string());
        for _ in 0..PAGES_MAX {
            let scan = self.client.scan().table_name(table).select(Select::Count);
            let scan = scan
                .filter_expression("expires_at < :now")
                .expression_attribute_values(":now", now.clone());
            let page = scan.set_exclusive_start_key(last.take()).send().await?;
            count += i64::from(page.count);
            last = page.last_evaluated_key;
            if last.is_none() {
                break;
            }
        }
        Ok(count)
    }

    /// What the sessions hold now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn held(&self) -> anyhow::Result<Held> {
        let now = Clock::system().now();
        let sessions = self
            .client
            .scan()
            .table_name("WhatsAppSessionsTable")
            .send()
            .await?;
        let mut held = Held::default();
        for session in sessions.items() {
            let left = |name: &str| {
                let until = session
                    .get(name)
                    .and_then(|value| value.as_n().ok()?.parse().ok());
                until.map_or(Duration::ZERO, |until| {
                    Timestamp::from_millis(until).since(now)
                })
            };
            held.queue = held.queue.max(left("free_at"));
            held.pace = held.pace.max(left("unhurried_until"));
            held.rights = held
                .rights
                .max(left("connect_after"))
                .max(left("trial_ends"));
        }
        Ok(held)
    }

    /// The reservations of codes that are not settled, and how many of them have not passed by themselves.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn reservations(&self) -> anyhow::Result<(usize, usize)> {
        let now = Clock::system().now();
        let (mut all, mut open, mut last) = (0, 0, None);
        for _ in 0..PAGES_MAX {
            let scan = self.client.scan().table_name("ChallengesTable");
            let page = scan.set_exclusive_start_key(last.take()).send().await?;
            let values = page.items().iter().flat_map(|item| item.values());
            for until in values.filter_map(until_of) {
                all += 1;
                open += usize::from(until > now);
            }
            last = page.last_evaluated_key;
            if last.is_none() {
                break;
            }
        }
        Ok((all, open))
    }
}

/// Until when the reservation counts that stands in a challenge.
fn until_of(challenge: &AttributeValue) -> Option<Timestamp> {
    let open = challenge.as_m().ok()?.get("open")?.as_m().ok()?;
    let until = open.get("until")?.as_n().ok()?.parse().ok()?;
    Some(Timestamp::from_millis(until))
}

/// What is to be seen now.
///
/// # Errors
/// When the system has ended, or its tables cannot be read.
pub async fn look(system: &System, rows: &Rows, at: Duration) -> anyhow::Result<Minute> {
    let proc = system.proc()?;
    let status = std::fs::read_to_string(proc.join("status")).context("the system has ended")?;
    Ok(Minute {
        at,
        resident_kib: number_in(&status, "VmRSS:")?,
        anonymous_kib: number_in(&status, "RssAnon:")?,
        threads: number_in(&status, "Threads:")?,
        files: std::fs::read_dir(proc.join("fd"))?.count() as u64,
        data_bytes: size(system.data()),
        rows: rows.counts().await?,
        held: rows.held().await?,
    })
}

/// Of the database and the files beside it.
fn size(data: &Path) -> u64 {
    let beside = ["", "-wal", "-shm"].map(|end| format!("{}{end}", data.display()));
    let sizes = beside
        .iter()
        .filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
    sizes.sum()
}
