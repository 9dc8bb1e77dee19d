//! The table of logins: what a signed-in user holds.
//!
//! Attributes: `id` (key), `user_id`, `phone`, `ver`, `created_at` (milliseconds), `expires_at` (TTL, seconds).
use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::{Item, StoreError, number, text};
use crate::account::User;
use crate::runtime::Backends;
use crate::timestamp::Timestamp;

/// How long a login lives.
pub const LOGIN_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// All logins.
#[derive(Clone, Debug)]
pub struct LoginsTable {
    table: String,
}

impl LoginsTable {
    /// The logins of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            table: backends.settings.tables.logins.clone(),
        }
    }

    /// The write that opens a login of `user`, for a transaction.
    pub fn open(
        &self,
        id: &str,
        user: &User,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let item = Item::from([
            ("id".into(), text(id)),
            ("user_id".into(), text(&user.id)),
            ("phone".into(), text(user.phone.digits())),
            ("ver".into(), number(user.ver)),
            ("created_at".into(), number(now.millis())),
            (
                "expires_at".into(),
                number(now.plus(LOGIN_LIFE).seconds_up()),
            ),
        ]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id)")
            .build()
            .map_err(StoreError::building("open a login"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
