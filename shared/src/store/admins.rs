//! The table of operators: their logins, and the links that open one.
//!
//! Attributes: `id` (key), `expires_at` (TTL, seconds; every read and condition tests it). `login#…` is a login under the hash
//! of its cookie: `who`, `opened_at` (milliseconds), and where a link opened it `link_made_at` (milliseconds). `link#…` is a link under the hash of its secret, with `used_at` (seconds) once it was used and `late`, how many who came after that are in the audit. `everywhere` has when
//! somebody signed out everywhere, in milliseconds under their name.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, Put, ReturnValuesOnConditionCheckFailure, Update};

use super::batch::{Batches, Read};
use super::{
    Fields, Item, StoreError, Transacted, Write, condition_failed, number, retrying_conflicts,
    text, transact,
};
use crate::model::admin::{AdminHash, AdminName};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How long a login of an operator lives.
pub const ADMIN_LOGIN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a link works.
pub const ADMIN_LINK_LIFE: Duration = Duration::from_secs(10 * 60);

/// How many who come too late with a link are kept in the audit: the owner of a stolen one among them, and nobody fills it.
const LATE_KEPT: i64 = 5;

/// The item that says who signed out everywhere.
const EVERYWHERE: &str = "everywhere";

/// The login of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAdminLogin {
    /// The hash of its cookie.
    pub hash: AdminHash,
    /// Who signed in.
    pub who: AdminName,
    /// When they did.
    pub opened_at: Timestamp,
    /// When the link was made, if one opened it. Whoever signs out everywhere ends what links open that were made before.
    pub link_made_at: Option<Timestamp>,
}

impl StoredAdminLogin {
    /// Whether somebody signed out everywhere at `at`, in milliseconds, and this login with them.
    fn is_ended_by(&self, at: i64) -> bool {
        let since = self.link_made_at.unwrap_or(self.opened_at);
        since.millis() <= at
    }
}

/// A link that opens a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredAdminLink {
    /// When it was made, to the second.
    pub made_at: Timestamp,
    /// Whether somebody who was signed in by a link has signed out everywhere since.
    pub is_over: bool,
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkUse {
    /// It was used, now, by us.
    Done,
    /// It was used before, or has expired.
    Over,
    /// There is no such link, or none any more.
    Unknown,
}

/// All logins and links of operators.
#[derive(Clone, Debug)]
pub struct Admins {
    client: Client,
    batches: Batches,
    table: String,
}

impl Admins {
    /// Those of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            batches: Batches::new(backends),
            table: backends.settings.tables.admins.clone(),
        }
    }

    /// The login of a cookie, strongly consistent; `None` when it has ended. One call reads the login and who signed out
    /// everywhere.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login(
        &self,
        hash: &AdminHash,
        now: Timestamp,
    ) -> Result<Option<StoredAdminLogin>, StoreError> {
        const ACT: &str = "read the login of an operator";
        let (item, everywhere) = self.beside_everywhere(ACT, login_id(hash)).await?;
        let read = item.map(|item| parse(hash.clone(), &item));
        let login = read.map(|login| login.ok_or(StoreError::unreadable(ACT, "login")));
        Ok(login.transpose()?.filter(|login| {
            let ended_at = everywhere.number(login.who.signed_out_as());
            let ended = ended_at.is_some_and(|at| login.is_ended_by(at));
            now < login.opened_at.plus(ADMIN_LOGIN_LIFE) && !ended
        }))
    }

    /// The item `id`, if there is one, and the one that says who signed out everywhere. One strongly consistent call.
    async fn beside_everywhere(
        &self,
        act: &'static str,
        id: String,
    ) -> Result<(Option<Item>, Item), StoreError> {
        let mut batch = self.batches.begin();
        let [item, everywhere] = [id, EVERYWHERE.to_owned()]
            .map(|id| batch.add(Read::new(&self.table, "id", id, |item| Ok(item.cloned()))));
        let found = batch.read(act).await?;
        let everywhere = everywhere.from(&found)?.unwrap_or_default();
        Ok((item.from(&found)?, everywhere))
    }

    /// The write that opens a login, for a transaction.
    ///
    /// # Errors
    /// When the write cannot be built.
    pub fn opening(&self, login: &StoredAdminLogin) -> Result<Write, StoreError> {
        let ends = login.opened_at.plus(ADMIN_LOGIN_LIFE);
        let mut put = Put::builder()
            .table_name(&self.table)
            .item("id", text(login_id(&login.hash)))
            .item("who", text(login.who.stored()))
            .item("opened_at", number(login.opened_at.millis()))
            .item("expires_at", number(ends.seconds_up()));
        if let Some(made_at) = login.link_made_at {
            put = put.item("link_made_at", number(made_at.millis()));
        }
        let put = put
            .condition_expression("attribute_not_exists(id)")
            .build()
            .map_err(StoreError::building("open the login of an operator"))?;
        Ok(Write::put(put))
    }

    /// Ends the login of `before` and makes `writes`, in one transaction. Answers whether the login was still there: of two who do
    /// so at once, one wins.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replace(
        &self,
        before: &AdminHash,
        writes: Vec<Write>,
    ) -> Result<bool, StoreError> {
        const ACT: &str = "open a login of an operator again";
        let close = Delete::builder()
            .table_name(&self.table)
            .key("id", text(login_id(before)))
            .condition_expression("attribute_exists(id)")
            .build()
            .map_err(StoreError::building(ACT))?;
        let writes = [vec![Write::delete(close)], writes].concat();
        let replaced = transact(ACT, &self.client, writes).await?;
        Ok(matches!(replaced, Transacted::Done))
    }

    /// Ends a login. It is no error when it has ended already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn close(&self, hash: &AdminHash) -> Result<(), StoreError> {
        let close = self.client.delete_item().table_name(&self.table);
        let close = close.key("id", text(login_id(hash)));
        let closed = retrying_conflicts(|| close.clone().send()).await;
        closed.map_err(StoreError::during("end the login of an operator"))?;
        Ok(())
    }

    /// Ends all logins of `who` that were opened until `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn close_all(&self, who: &AdminName, now: Timestamp) -> Result<(), StoreError> {
        let close = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(EVERYWHERE))
            .update_expression("SET #who = :now")
            // Whoever was faster with a later time has ended these, too.
            .condition_expression("attribute_not_exists(#who) OR #who < :now")
            .expression_attribute_names("#who", who.signed_out_as())
            .expression_attribute_values(":now", number(now.millis()));
        match retrying_conflicts(|| close.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) => condition_failed("end the logins of an operator", error).map(drop),
        }
    }

    /// The write that makes a link, for a transaction.
    ///
    /// # Errors
    /// When the write cannot be built.
    pub fn making_link(&self, hash: &AdminHash, ends: Timestamp) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .item("id", text(link_id(hash)))
            .item("expires_at", number(ends.seconds()))
            .build()
            .map_err(StoreError::building("make a link for an operator"))?;
        Ok(Write::put(put))
    }

    /// Makes `writes` together, none of which has a condition that may fail.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(&self, act: &'static str, writes: Vec<Write>) -> Result<(), StoreError> {
        match transact(act, &self.client, writes).await? {
            Transacted::Done => Ok(()),
            Transacted::Refused(_) => Err(StoreError::overtaken(act)),
        }
    }

    /// The link under `hash`. One strongly consistent read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn link(&self, hash: &AdminHash) -> Result<Option<StoredAdminLink>, StoreError> {
        const ACT: &str = "read a link of an operator";
        let (link, everywhere) = self.beside_everywhere(ACT, link_id(hash)).await?;
        let ends = link.as_ref().and_then(|link| link.number("expires_at"));
        let made_at = ends.map(|ends| Timestamp::from_seconds(ends).minus(ADMIN_LINK_LIFE));
        let any = AdminName::Link(String::new());
        let ended_at = everywhere.number(any.signed_out_as());
        Ok(made_at.map(|made_at| StoredAdminLink {
            made_at,
            is_over: ended_at.is_some_and(|at| made_at.millis() <= at),
        }))
    }

    /// Uses a link up and writes `also`, in one transaction: of two who use it at once, one wins.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn use_link(
        &self,
        hash: &AdminHash,
        also: Vec<Write>,
        now: Timestamp,
    ) -> Result<LinkUse, StoreError> {
        const ACT: &str = "use the link of an operator";
        let mark = Update::builder()
            .table_name(&self.table)
            .key("id", text(link_id(hash)))
            .update_expression("SET used_at = :now")
            .condition_expression("expires_at > :now AND attribute_not_exists(used_at)")
            .expression_attribute_values(":now", number(now.seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::building(ACT))?;
        let writes = [vec![Write::update(mark)], also].concat();
        match transact(ACT, &self.client, writes).await? {
            Transacted::Done => Ok(LinkUse::Done),
            Transacted::Refused(refusals) => {
                let link = refusals.into_iter().next().flatten();
                let was_there = link.is_some_and(|refusal| refusal.item.is_some());
                Ok(if was_there {
                    LinkUse::Over
                } else {
                    LinkUse::Unknown
                })
            }
        }
    }

    /// Writes `also`, that somebody came too late with a link, for the first few of each link.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_late(&self, hash: &AdminHash, also: Write) -> Result<(), StoreError> {
        const ACT: &str = "keep that a link of an operator was refused";
        keep_late(ACT, (&self.client, &self.table), (link_id(hash), also)).await
    }
}

/// Whether one more who comes too late with the link of `item` is kept in the audit.
pub(super) fn keeps_late(item: &Item) -> bool {
    item.number("late").unwrap_or(0) < LATE_KEPT
}

/// Counts in the item `id` that somebody came too late with its link and writes `also`, in one transaction, for the first few.
pub(super) async fn keep_late(
    act: &'static str,
    (client, table): (&Client, &str),
    (id, also): (String, Write),
) -> Result<(), StoreError> {
    let count = Update::builder()
        .table_name(table)
        .key("id", text(id))
        .update_expression("ADD late :one")
        .condition_expression(
            "attribute_exists(id) AND (attribute_not_exists(late) OR late < :most)",
        )
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":most", number(LATE_KEPT))
        .build()
        .map_err(StoreError::building(act))?;
    let writes = vec![Write::update(count), also];
    transact(act, client, writes).await.map(drop)
}

fn login_id(hash: &AdminHash) -> String {
    format!("login#{}", hash.0)
}

fn link_id(hash: &AdminHash) -> String {
    format!("link#{}", hash.0)
}

fn parse(hash: AdminHash, item: &Item) -> Option<StoredAdminLogin> {
    Some(StoredAdminLogin {
        hash,
        who: AdminName::read(item.text("who")?)?,
        opened_at: Timestamp::from_millis(item.number("opened_at")?),
        link_made_at: item.number("link_made_at").map(Timestamp::from_millis),
    })
}
