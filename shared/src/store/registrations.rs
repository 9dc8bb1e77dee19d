//! The table of sign-ups that wait for their code.
//!
//! Attributes: `id` (key: the hash of the challenge id), `phone`, `name`, `email`, `password`, `expires_at` (TTL, seconds;
//! every read tests it).
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, Put, Update};

use super::{Fields, Item, StoreError, Write, number, text};
use crate::model::account::{PersonName, Registration};
use crate::model::challenge::ChallengeHash;
use crate::model::identifier::Email;
use crate::model::password::PasswordHash;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// The sign-ups that wait.
#[derive(Clone, Debug)]
pub struct Registrations {
    client: Client,
    table: String,
}

impl Registrations {
    /// The registrations of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.registrations.clone(),
        }
    }

    /// The registration of a challenge id, strongly consistent; `None` when it has expired.
    pub async fn read(
        &self,
        challenge: &ChallengeHash,
        now: Timestamp,
    ) -> Result<Option<Registration>, StoreError> {
        const ACT: &str = "read the registration";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(&challenge.0))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let registration = found
            .item
            .map(|item| parse(&item).ok_or(StoreError::unreadable(ACT, "registration")))
            .transpose()?;
        Ok(registration.filter(|registration| now < registration.expires_at))
    }

    /// The write that keeps `registration`, for a transaction.
    pub fn put(&self, registration: &Registration) -> Result<Write, StoreError> {
        let mut item = Item::from([
            ("id".into(), text(&registration.challenge.0)),
            ("phone".into(), text(registration.phone.digits())),
            ("name".into(), text(registration.name.as_str())),
            ("password".into(), text(registration.password.phc())),
            (
                "expires_at".into(),
                number(registration.expires_at.seconds()),
            ),
        ]);
        if let Some(email) = &registration.email {
            item.insert("email".into(), text(email.as_str()));
        }
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .build()
            .map_err(StoreError::building("keep a registration"))?;
        Ok(Write::put(put))
    }

    /// The write that moves the registration's end, for a transaction: refused when it is gone.
    pub fn prolong(
        &self,
        challenge: &ChallengeHash,
        expires_at: Timestamp,
    ) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(&challenge.0))
            .update_expression("SET expires_at = :expires_at")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":expires_at", number(expires_at.seconds()))
            .build()
            .map_err(StoreError::building("prolong a registration"))?;
        Ok(Write::update(update))
    }

    /// The write that removes the registration, for a transaction: refused when it is gone or has expired.
    pub fn take(&self, challenge: &ChallengeHash, now: Timestamp) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("id", text(&challenge.0))
            .condition_expression("expires_at > :now")
            .expression_attribute_values(":now", number(now.seconds()))
            .build()
            .map_err(StoreError::building("take a registration"))?;
        Ok(Write::delete(delete))
    }

    /// The write that removes the registration if it is there, for a transaction.
    pub fn drop(&self, challenge: &ChallengeHash) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("id", text(&challenge.0))
            .build()
            .map_err(StoreError::building("drop a registration"))?;
        Ok(Write::delete(delete))
    }
}

fn parse(item: &Item) -> Option<Registration> {
    Some(Registration {
        challenge: ChallengeHash(item.text("id")?.into()),
        phone: Phone::from_digits(item.text("phone")?).ok()?,
        name: PersonName::parse(item.text("name")?).ok()?,
        email: item
            .text("email")
            .and_then(|email| Email::parse(email).ok()),
        password: PasswordHash::stored(item.text("password")?),
        expires_at: Timestamp::from_seconds(item.number("expires_at")?),
    })
}
