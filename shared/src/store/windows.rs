//! The table of limits that count within a window, such as codes per client address.
//!
//! Attributes: `id` (key: see `WindowKey`), `granted` (set of attempt ids), `window_ends` (milliseconds),
//! `expires_at` (TTL, seconds). A window starts with the first grant after the one before has ended. Grants are a set of
//! ids, so that granting and giving back are each safe to repeat.
use std::fmt;

use aws_lc_rs::digest;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnValuesOnConditionCheckFailure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::batch::Read;
use super::{Fields, Item, StoreError, Write, condition_failed, number, retrying_conflicts, text};
use crate::model::address::ClientAddress;
use crate::model::challenge::AttemptId;
use crate::model::identifier::Identifier;
use crate::model::limits::WindowLimit;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum WindowKey<'a> {
    /// Codes granted to a client address.
    CodesFrom(ClientAddress),
    /// Codes granted for a country, in one shard of its [cap](crate::model::country).
    CodesTo {
        /// The first digits of its numbers.
        country: &'a str,
        /// The number of the shard.
        shard: usize,
    },
    /// Wrong codes from a client address.
    GuessesFrom {
        /// The address.
        address: ClientAddress,
        /// The number of the window: they begin at fixed times.
        number: i64,
    },
    /// Wrong passwords for an account from anywhere, by what it was named by. So an e-mail address and its phone are counted
    /// apart, and nobody finds out that they belong together.
    PasswordOf(&'a Identifier),
    /// The same from a client address.
    PasswordOfFrom(&'a Identifier, ClientAddress),
    /// Phones that a wrong password was given for from a client address.
    PasswordFrom(ClientAddress),
}

/// A wish for a place in a window.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The window.
    pub window: WindowKey<'a>,
    /// Who wants the place. Once in the window, it holds one place however often it asks.
    pub attempt: &'a AttemptId,
    /// The places of the window, and how long it is.
    pub limit: &'a WindowLimit,
    /// When.
    pub now: Timestamp,
}

/// All windows.
#[derive(Clone, Debug)]
pub struct Windows {
    client: Client,
    table: String,
}

/// A window that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Places taken in it.
    pub granted: usize,
    /// When it ends.
    pub ends: Timestamp,
}

/// Whether there was a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It is taken.
    Granted,
    /// The window is full.
    Full(Window),
}

/// What became of a phone's mark in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// It is there now.
    New,
    /// It was there before, or this very mark was written and only its reply lost.
    Held,
    /// The window is full of others.
    Full(Window),
}

impl Windows {
    /// The windows of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.limits.clone(),
        }
    }

    /// The window that is running, strongly consistent; `None` when none is running.
    pub async fn read(
        &self,
        key: WindowKey<'_>,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(key.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during("read a window"))?;
        Ok(running_in(found.item.as_ref(), now))
    }

    /// The same read, to be made together with others.
    pub fn reading(&self, key: WindowKey<'_>, now: Timestamp) -> Read<Option<Window>> {
        let running = move |item: Option<&Item>| Ok(running_in(item, now));
        Read::new(&self.table, "id", key.to_string(), running)
    }

    /// Takes a place in a window unless it is full, in one conditional update: a second one when `running`, the window as it
    /// was read, is no longer true.
    pub async fn grant(
        &self,
        claim: Claim<'_>,
        running: Option<Window>,
    ) -> Result<Grant, StoreError> {
        Ok(match self.take(claim, running).await? {
            Marked::New | Marked::Held => Grant::Granted,
            Marked::Full(window) => Grant::Full(window),
        })
    }

    /// Marks `phone` in the window of `key` unless it is full, however often: it takes one place.
    pub async fn mark(
        &self,
        key: WindowKey<'_>,
        phone: &Phone,
        limit: &WindowLimit,
        now: Timestamp,
    ) -> Result<Marked, StoreError> {
        let claim = Claim {
            window: key,
            attempt: &mark_of(phone),
            limit,
            now,
        };
        self.take(claim, None).await
    }

    /// Takes the mark of `phone` away.
    pub async fn unmark(&self, key: WindowKey<'_>, phone: &Phone) -> Result<(), StoreError> {
        self.give_back(key, &mark_of(phone)).await
    }

    async fn take(&self, claim: Claim<'_>, running: Option<Window>) -> Result<Marked, StoreError> {
        let mut is_running = running.is_some();
        for _ in 0..3 {
            let change = if is_running {
                self.join_window(claim)
            } else {
                self.start_window(claim)
            };
            let Some(found) = self.update(claim.window, change).await? else {
                return Ok(Marked::New);
            };
            let window = parse(&found);
            match window.filter(|window| claim.now < window.ends) {
                // The update went through and only its reply was lost.
                Some(_) if grants(&found).contains(&claim.attempt.0) => return Ok(Marked::Held),
                Some(window) if window.granted >= claim.limit.places => {
                    return Ok(Marked::Full(window));
                }
                running => is_running = running.is_some(),
            }
        }
        Err(StoreError::unreadable(
            "take a place in a window",
            "window_ends",
        ))
    }

    /// Takes a place in a window that ends at `ends`, whoever begins it, unless it is full. One conditional update.
    pub async fn grant_until(
        &self,
        key: WindowKey<'_>,
        attempt: &AttemptId,
        ends: Timestamp,
        places: usize,
    ) -> Result<Grant, StoreError> {
        let places = i64::try_from(places).unwrap_or(i64::MAX);
        let change = self
            .client
            .update_item()
            .update_expression(
                "SET window_ends = :ends, expires_at = :expires ADD granted :attempt",
            )
            .condition_expression("attribute_not_exists(granted) OR size(granted) < :places")
            .expression_attribute_values(":attempt", set_of(attempt))
            .expression_attribute_values(":ends", number(ends.millis()))
            .expression_attribute_values(":expires", number(ends.seconds_up()))
            .expression_attribute_values(":places", number(places));
        Ok(match self.update(key, change).await? {
            Some(found) if !grants(&found).contains(&attempt.0) => Grant::Full(Window {
                granted: grants(&found).len(),
                ends,
            }),
            _ => Grant::Granted,
        })
    }

    /// Gives a grant back: nothing was sent.
    pub async fn give_back(
        &self,
        key: WindowKey<'_>,
        attempt: &AttemptId,
    ) -> Result<(), StoreError> {
        let change = self
            .client
            .update_item()
            .update_expression("DELETE granted :attempt")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":attempt", set_of(attempt));
        self.update(key, change).await.map(drop)
    }

    /// The write that removes a window, for a transaction.
    pub fn forget(&self, key: WindowKey<'_>) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("id", text(key.to_string()))
            .build()
            .map_err(StoreError::building("forget a window"))?;
        Ok(Write::delete(delete))
    }

    fn join_window(&self, claim: Claim<'_>) -> UpdateItemFluentBuilder {
        let Claim {
            attempt,
            limit,
            now,
            ..
        } = claim;
        let places = i64::try_from(limit.places).unwrap_or(i64::MAX);
        self.client
            .update_item()
            .update_expression("ADD granted :attempt")
            .condition_expression(
                "window_ends > :now AND (attribute_not_exists(granted) \
                 OR size(granted) < :places AND NOT contains(granted, :id))",
            )
            .expression_attribute_values(":id", text(&attempt.0))
            .expression_attribute_values(":attempt", set_of(attempt))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":places", number(places))
    }

    fn start_window(&self, claim: Claim<'_>) -> UpdateItemFluentBuilder {
        let Claim {
            attempt,
            limit,
            now,
            ..
        } = claim;
        let ends = now.plus(limit.window);
        self.client
            .update_item()
            .update_expression("SET granted = :attempt, window_ends = :ends, expires_at = :expires")
            .condition_expression("attribute_not_exists(id) OR window_ends <= :now")
            .expression_attribute_values(":attempt", set_of(attempt))
            .expression_attribute_values(":ends", number(ends.millis()))
            .expression_attribute_values(":expires", number(ends.seconds_up()))
            .expression_attribute_values(":now", number(now.millis()))
    }

    /// Makes the change; the item as it was when its condition refused it.
    async fn update(
        &self,
        key: WindowKey<'_>,
        change: UpdateItemFluentBuilder,
    ) -> Result<Option<Item>, StoreError> {
        let change = change
            .table_name(&self.table)
            .key("id", text(key.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retrying_conflicts(|| change.clone().send()).await {
            Ok(_) => Ok(None),
            Err(failed) => condition_failed("take a place in a window", failed)
                .map(Option::unwrap_or_default)
                .map(Some),
        }
    }
}

impl fmt::Display for WindowKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodesFrom(address) => write!(f, "address#{address}"),
            Self::CodesTo { country, shard } => write!(f, "country#{country}#{shard}"),
            Self::GuessesFrom { address, number } => write!(f, "guess#{number}#{address}"),
            Self::PasswordOfFrom(Identifier::Phone(phone), address) => {
                let both = format!("{}#{address}", phone.digits());
                write!(f, "password#{}", short_hash(&both))
            }
            Self::PasswordOfFrom(Identifier::Email(email), address) => {
                let both = format!("{}#{address}", email.as_str());
                write!(f, "password#{}", short_hash(&both))
            }
            Self::PasswordOf(Identifier::Phone(phone)) => {
                write!(f, "password#phone#{}", phone.digits())
            }
            Self::PasswordOf(Identifier::Email(email)) => {
                write!(f, "password#email#{}", short_hash(email.as_str()))
            }
            Self::PasswordFrom(address) => write!(f, "password#address#{address}"),
        }
    }
}

/// A phone among those of an address: 64 bits of its hash.
fn mark_of(phone: &Phone) -> AttemptId {
    AttemptId(short_hash(phone.digits()))
}

/// Without a phone number in it, an id is nothing that has to be erased.
fn short_hash(of: &str) -> String {
    let hash = digest::digest(&digest::SHA256, of.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..8])
}

fn set_of(attempt: &AttemptId) -> AttributeValue {
    AttributeValue::Ss(vec![attempt.0.clone()])
}

fn grants(item: &Item) -> &[String] {
    item.get("granted")
        .and_then(|granted| granted.as_ss().ok())
        .map_or(&[], Vec::as_slice)
}

fn running_in(item: Option<&Item>, now: Timestamp) -> Option<Window> {
    item.and_then(parse).filter(|window| now < window.ends)
}

fn parse(item: &Item) -> Option<Window> {
    Some(Window {
        granted: grants(item).len(),
        ends: Timestamp::from_millis(item.number("window_ends")?),
    })
}
