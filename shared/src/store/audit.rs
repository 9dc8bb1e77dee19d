//! The table of what operators did. It is only added to and read; entries end after [`AUDIT_LIFE`](crate::store::audit::AUDIT_LIFE).
//!
//! Attributes: `day` (key, such as `2026-11-28`), `at` (range key: the time with milliseconds, then random digits, so that no
//! entry takes the place of another), `who`, `login`, `what`, `whom`, `result`, `address`, `request_id`, `expires_at` (TTL,
//! seconds).
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::Put;

use super::{Fields, Item, StoreError, Write, number, text};
use crate::model::limits::DAY;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How long an entry is kept.
pub const AUDIT_LIFE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// One entry as it is kept. Nothing in it is secret, and phones are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAudit {
    /// Its place in the order of all: [`AuditKey`] reads it.
    pub key: AuditKey,
    /// Who did it.
    pub who: String,
    /// The first digits of the hash of their login, where they had one.
    pub login: Option<String>,
    /// What was done.
    pub what: String,
    /// To whom or what, such as the name of a session.
    pub whom: Option<String>,
    /// What came of it.
    pub result: String,
    /// From which address.
    pub address: String,
    /// The id of the request.
    pub request_id: String,
}

/// The place of an entry among all: a time with milliseconds, and random digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKey(String);

impl AuditKey {
    /// A new one. `random` tells entries of the same millisecond apart.
    pub fn new(at: Timestamp, random: u64) -> Self {
        let time = at.rfc3339();
        let seconds = time.trim_end_matches('Z');
        Self(format!(
            "{seconds}.{:03}Z-{random:016x}",
            at.millis().rem_euclid(1_000)
        ))
    }

    /// Reads one that a page showed: 40 characters that begin with a time.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, random) = text.split_at_checked(24)?;
        let random = random.strip_prefix('-')?;
        let well_formed = random.len() == 16 && random.bytes().all(|c| c.is_ascii_hexdigit());
        Timestamp::parse_rfc3339(time).filter(|_| well_formed && time.ends_with('Z'))?;
        Some(Self(text.to_owned()))
    }

    /// The key as a page carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was.
    pub fn at(&self) -> Timestamp {
        let time = self.0.get(..24).and_then(Timestamp::parse_rfc3339);
        time.unwrap_or(Timestamp::from_millis(0))
    }

    fn day(&self) -> &str {
        self.0.get(..10).unwrap_or_default()
    }
}

/// All entries.
#[derive(Clone, Debug)]
pub struct AuditTable {
    client: Client,
    table: String,
}

impl AuditTable {
    /// Those of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.audit.clone(),
        }
    }

    /// The write of an entry, for a transaction with what it tells of.
    ///
    /// # Errors
    /// When the write cannot be built.
    pub fn adding(&self, entry: &StoredAudit) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item_of(entry)))
            .build()
            .map_err(StoreError::building("add to the audit"))?;
        Ok(Write::put(put))
    }

    /// Adds an entry. Its key is random, so that a repeat after a lost reply writes the same.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add(&self, entry: &StoredAudit) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let added = put.set_item(Some(item_of(entry))).send().await;
        added.map_err(StoreError::during("add to the audit"))?;
        Ok(())
    }

    /// The last `most` entries of the day of `before` that came earlier than `before`, the latest first. Strongly consistent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_day(
        &self,
        before: &AuditKey,
        most: i32,
        now: Timestamp,
    ) -> Result<Vec<StoredAudit>, StoreError> {
        const ACT: &str = "read the audit";
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(most)
            .key_condition_expression("#day = :day AND #at < :before")
            .expression_attribute_names("#day", "day")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":day", text(before.day()))
            .expression_attribute_values(":before", text(before.as_str()))
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let lives = |entry: &StoredAudit| now < entry.key.at().plus(AUDIT_LIFE);
        let items = found.items.unwrap_or_default();
        let entries = items
            .iter()
            .map(|item| parse(item).ok_or(StoreError::unreadable(ACT, "entry")));
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        Ok(entries.into_iter().filter(lives).collect())
    }
}

/// The key before which all entries of the day before that of `key` are.
pub fn end_of_day_before(key: &AuditKey) -> AuditKey {
    let day = key.at().day() * i64::try_from(DAY.as_secs()).unwrap_or(86_400);
    AuditKey::new(Timestamp::from_millis(day * 1_000 - 1), u64::MAX)
}

fn item_of(entry: &StoredAudit) -> Item {
    let ends = entry.key.at().plus(AUDIT_LIFE);
    let mut item = Item::from([
        ("day".into(), text(entry.key.day())),
        ("at".into(), text(entry.key.as_str())),
        ("who".into(), text(&entry.who)),
        ("what".into(), text(&entry.what)),
        ("result".into(), text(&entry.result)),
        ("address".into(), text(&entry.address)),
        ("request_id".into(), text(&entry.request_id)),
        ("expires_at".into(), number(ends.seconds_up())),
    ]);
    for (name, value) in [("login", &entry.login), ("whom", &entry.whom)] {
        if let Some(value) = value {
            item.insert(name.into(), text(value));
        }
    }
    item
}

fn parse(item: &Item) -> Option<StoredAudit> {
    let word = |name| item.text(name).map(str::to_owned);
    Some(StoredAudit {
        key: AuditKey::parse(item.text("at")?)?,
        who: word("who")?,
        login: word("login"),
        what: word("what")?,
        whom: word("whom"),
        result: word("result")?,
        address: word("address")?,
        request_id: word("request_id")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_time_and_are_read_back() {
        let at = Timestamp::from_millis(1_795_000_000_007);
        let key = AuditKey::new(at, 10);
        assert_eq!(key.as_str(), "2026-11-18T11:06:40.007Z-000000000000000a");
        assert_eq!(AuditKey::parse(key.as_str()), Some(key.clone()));
        assert_eq!(key.at(), at);
        let later = AuditKey::new(at.plus(Duration::from_millis(1)), 0);
        assert!(key.as_str() < later.as_str());
        let day_before = end_of_day_before(&key);
        assert!(day_before.as_str().starts_with("2026-11-17T23:59:59.999Z-"));
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        for text in [
            "",
            "2026-11-18",
            "2026-11-18T11:06:40.007Z",
            "2026-11-18T11:06:40.007Z-000000000000000g",
            "2026-11-18T11:06:40.007Z-000000000000000a0",
            "2026-13-18T11:06:40.007Z-000000000000000a",
        ] {
            assert_eq!(AuditKey::parse(text), None, "{text}");
        }
    }
}
