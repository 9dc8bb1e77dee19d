//! The table of logins: what a signed-in user holds.
//!
//! Attributes: `id` (key), `user_id`, `phone`, `ver`, `generation`, `opened_at` and `rotated_at` (milliseconds), `expires_at`
//! (TTL, seconds; every read and condition tests it). The index `by_phone` lists the ids of a phone's logins.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure};

use super::batch::{Batches, Read};
use super::{Fields, Item, StoreError, Write, condition_failed, number, retrying_conflicts, text};
use crate::model::account::User;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How long a login lives after it was opened or refreshed. However often it is refreshed, it ends when the settings'
/// `login_max` has passed since it was opened.
pub const LOGIN_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The pages of the index that one act reads at most, of 1 MiB each.
const PAGES_MAX: usize = 1_000;

/// What a signed-in user holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// 128 random bits in hex.
    pub id: String,
    /// The user's id.
    pub user_id: String,
    /// The user's phone when it was opened.
    pub phone: Phone,
    /// The user's `ver` when it was opened.
    pub ver: i64,
    /// How often it was refreshed.
    pub generation: i64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was opened or last refreshed.
    pub rotated_at: Timestamp,
    /// When it ends, unless it is refreshed.
    pub expires_at: Timestamp,
}

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The login has the next generation now.
    Done,
    /// Another refresh was faster. This is the login as it is; it lives.
    LostRace(Login),
    /// The login has ended, and nothing was changed.
    Ended,
}

/// How many logins of a phone were ended.
#[must_use = "more logins may be left"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// So many, and these were all.
    Done(usize),
    /// So many, and more are left.
    MoreLeft(usize),
}

/// The logins of a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginsOfPhone {
    /// The logins.
    pub logins: Vec<Login>,
    /// Whether there may be more.
    pub more_left: bool,
}

/// All logins.
#[derive(Clone, Debug)]
pub struct LoginsTable {
    client: Client,
    table: String,
    login_max: Duration,
}

impl Login {
    /// A new login of `user`.
    pub fn new(id: &str, user: &User, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            user_id: user.id.clone(),
            phone: user.phone.clone(),
            ver: user.ver,
            generation: 0,
            opened_at: now,
            rotated_at: now,
            expires_at: now.plus(LOGIN_LIFE),
        }
    }

    /// Whether it is a login of `user` that nothing has ended since it was opened.
    pub fn is_of(&self, user: &User) -> bool {
        self.user_id == user.id && self.ver == user.ver
    }
}

impl LoginsTable {
    /// The logins of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.logins.clone(),
            login_max: backends.settings.login_max,
        }
    }

    /// When a login ends that is opened or refreshed at `now`.
    fn end(&self, login: &Login, now: Timestamp) -> Timestamp {
        let longest = login.opened_at.plus(self.login_max);
        longest.min(now.plus(LOGIN_LIFE))
    }

    fn lives(&self, login: &Login, now: Timestamp) -> bool {
        now < login.expires_at && now < login.opened_at.plus(self.login_max)
    }

    /// The write that opens a login, for a transaction.
    pub fn open(&self, login: &Login) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(login)))
            .condition_expression("attribute_not_exists(id)")
            .build()
            .map_err(StoreError::building("open a login"))?;
        Ok(Write::put(put))
    }

    /// Opens a login. Its id is random, so that a repeat after a lost reply writes the same.
    pub async fn put(&self, login: &Login) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(login)));
        retrying_conflicts(|| put.clone().send())
            .await
            .map(drop)
            .map_err(StoreError::during("open a login"))
    }

    /// The login of an id, strongly consistent; `None` when it has ended.
    pub async fn read(&self, id: &str, now: Timestamp) -> Result<Option<Login>, StoreError> {
        const ACT: &str = "read the login";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let login = found
            .item
            .map(|item| parse(&item).ok_or(StoreError::unreadable(ACT, "login")))
            .transpose()?;
        Ok(login.filter(|login| self.lives(login, now)))
    }

    /// Moves a login from `generation` to the next one at `now`, if it lives then and is at that generation. `login` is the
    /// login as it was read. One conditional update.
    pub async fn rotate(
        &self,
        login: Login,
        generation: i64,
        now: Timestamp,
    ) -> Result<Rotated, StoreError> {
        // It may have ended since it was read.
        if !self.lives(&login, now) {
            return Ok(Rotated::Ended);
        }
        if login.generation != generation {
            return Ok(Rotated::LostRace(login));
        }
        let rotate = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&login.id))
            .update_expression(
                "SET generation = generation + :one, opened_at = :opened_at, rotated_at = :now, expires_at = :expires_at",
            )
            .condition_expression("generation = :generation AND expires_at > :now_seconds")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":generation", number(generation))
            .expression_attribute_values(":opened_at", number(login.opened_at.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":now_seconds", number(now.seconds()))
            .expression_attribute_values(":expires_at", number(self.end(&login, now).seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retrying_conflicts(|| rotate.clone().send()).await {
            Ok(_) => Ok(Rotated::Done),
            Err(failed) => {
                let found = condition_failed("refresh a login", failed)?;
                let found = found.as_ref().and_then(parse);
                let found = found.filter(|login| self.lives(login, now));
                Ok(found.map_or(Rotated::Ended, Rotated::LostRace))
            }
        }
    }

    /// The logins that were opened under `phone` and live, the last one that was used first: `most` of them at most. One read of the
    /// index and one of the logins. The index may miss one that was opened within the last seconds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of_phone(
        &self,
        phone: &Phone,
        most: usize,
        now: Timestamp,
    ) -> Result<LoginsOfPhone, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_phone")
            .key_condition_expression("phone = :phone")
            .expression_attribute_values(":phone", text(phone.digits()))
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(StoreError::during("list the logins of a phone"))?;
        let mut logins = Vec::new();
        let ids = found.items().iter().filter_map(|item| item.text("id"));
        let mut batch = Batches::over(&self.client).begin();
        let reads: Vec<_> = ids.map(|id| batch.add(self.reading(id))).collect();
        if !reads.is_empty() {
            let read = batch.read("read the logins of a phone").await?;
            for login in reads {
                logins.extend(login.from(&read)?);
            }
        }
        logins.retain(|login| self.lives(login, now));
        logins.sort_by_key(|login| std::cmp::Reverse(login.rotated_at));
        Ok(LoginsOfPhone {
            logins,
            more_left: found.last_evaluated_key.is_some(),
        })
    }

    fn reading(&self, id: &str) -> Read<Option<Login>> {
        Read::new(&self.table, "id", id, |item| Ok(item.and_then(parse)))
    }

    /// Ends the logins that were opened under `phone`, one after the other, `most` of them. The index may miss one that was
    /// opened within the last seconds.
    pub async fn close_of(&self, phone: &Phone, most: usize) -> Result<Closed, StoreError> {
        const ACT: &str = "list the logins of a phone";
        let (mut closed, mut from) = (0, None);
        for _ in 0..PAGES_MAX {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by_phone")
                .key_condition_expression("phone = :phone")
                .expression_attribute_values(":phone", text(phone.digits()))
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(StoreError::during(ACT))?;
            for item in page.items() {
                if closed == most {
                    return Ok(Closed::MoreLeft(closed));
                }
                let id = item.text("id").ok_or(StoreError::unreadable(ACT, "id"))?;
                self.close(id).await?;
                closed += 1;
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(Closed::Done(closed));
            }
        }
        Ok(Closed::MoreLeft(closed))
    }

    /// Ends a login.
    pub async fn close(&self, id: &str) -> Result<(), StoreError> {
        let close = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("id", text(id));
        retrying_conflicts(|| close.clone().send())
            .await
            .map(drop)
            .map_err(StoreError::during("end a login"))
    }
}

fn item(login: &Login) -> Item {
    Item::from([
        ("id".into(), text(&login.id)),
        ("user_id".into(), text(&login.user_id)),
        ("phone".into(), text(login.phone.digits())),
        ("ver".into(), number(login.ver)),
        ("generation".into(), number(login.generation)),
        ("opened_at".into(), number(login.opened_at.millis())),
        ("rotated_at".into(), number(login.rotated_at.millis())),
        ("expires_at".into(), number(login.expires_at.seconds())),
    ])
}

fn parse(item: &Item) -> Option<Login> {
    let rotated_at = item.number("rotated_at")?;
    Some(Login {
        id: item.text("id")?.into(),
        user_id: item.text("user_id")?.into(),
        phone: Phone::from_digits(item.text("phone")?).ok()?,
        ver: item.number("ver")?,
        generation: item.number("generation")?,
        // Logins that were opened before this was kept count from their last refresh.
        opened_at: Timestamp::from_millis(item.number("opened_at").unwrap_or(rotated_at)),
        rotated_at: Timestamp::from_millis(rotated_at),
        expires_at: Timestamp::from_seconds(item.number("expires_at")?),
    })
}
