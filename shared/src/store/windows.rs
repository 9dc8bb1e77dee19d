//! The table of limits that count within a window, such as codes per client address.
//!
//! Attributes: `id` (key: see `WindowKey`), `granted` (set of attempt ids), `window_ends` (milliseconds),
//! `expires_at` (TTL, seconds). A window starts with the first grant after the one before has ended, or at a
//! fixed time that its key or its claim names. Grants are a set of ids, so that granting and giving back are each safe to repeat.
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
use crate::model::notice::NoticeId;
use crate::model::payment::PaymentId;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum WindowKey<'a> {
    /// Codes granted to a client address.
    CodesFrom(ClientAddress),
    /// Chats that a client address was offered to open.
    ChatsFrom(ClientAddress),
    /// Codes granted for a country, in one shard of its [cap](crate::model::country).
    CodesTo {
        /// The first digits of its numbers.
        country: &'a str,
        /// The number of the shard.
        shard: usize,
    },
    /// Notices of a payment system on one day, in one shard of its cap.
    NoticesOf {
        /// The name of the payment system.
        caller: &'a str,
        /// The day.
        day: i64,
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
    /// Wrong passwords for an account from anywhere. An e-mail address and its phone are counted apart, so that nobody finds
    /// out that they belong together.
    PasswordOf(&'a Identifier),
    /// Wrong passwords for an account from a client address.
    PasswordOfFrom(&'a Identifier, ClientAddress),
    /// Phones that a wrong password was given for from a client address.
    PasswordFrom(ClientAddress),
}

/// A request for a place in a window that begins with its first grant.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The window.
    pub window: WindowKey<'a>,
    /// Who wants the place. It holds one place, however often it asks.
    pub attempt: &'a AttemptId,
    /// The places of the window, and how long it is.
    pub limit: &'a WindowLimit,
    /// When the place is asked for.
    pub now: Timestamp,
}

/// A request for a place in a window that ends at a fixed time.
#[derive(Clone, Copy, Debug)]
pub struct ClaimUntil<'a> {
    /// The window.
    pub window: WindowKey<'a>,
    /// Who wants the place. It holds one place, however often it asks.
    pub attempt: &'a AttemptId,
    /// The places of the window.
    pub places: usize,
    /// When the window ends.
    pub ends: Timestamp,
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
    /// The attempt has a place.
    Granted,
    /// The window is full.
    Full(Window),
}

/// What became of a request for a place, for whoever has to know whether an earlier request had it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceTaken {
    /// The place was taken by this request.
    New,
    /// The attempt had its place before, or this very request was granted and only the store's reply lost.
    Before,
    /// The window is full of others.
    Full(Window),
}

/// How often a place is asked for when the window ends or begins meanwhile.
const RACES_MAX: usize = 3;

impl Windows {
    /// The windows of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.limits.clone(),
        }
    }

    /// The read of the window of `key` that is running; `None` when none is running.
    pub fn reading(&self, key: WindowKey<'_>, now: Timestamp) -> Read<Option<Window>> {
        let running = move |item: Option<&Item>| Ok(running_in(item, now));
        Read::new(&self.table, "id", key.to_string(), running)
    }

    /// Takes a place in a window unless it is full. One conditional update as a rule; one more when `running`, the window as it
    /// was read, is no longer true.
    pub async fn grant(
        &self,
        claim: Claim<'_>,
        running: Option<Window>,
    ) -> Result<Grant, StoreError> {
        Ok(match self.take_place(claim, running).await? {
            PlaceTaken::New | PlaceTaken::Before => Grant::Granted,
            PlaceTaken::Full(window) => Grant::Full(window),
        })
    }

    /// Does what [`grant`](Self::grant) does, and tells whether the attempt had its place before.
    ///
    /// # Errors
    /// When the store fails, or the window ended or began at each try. No place was taken in the second case.
    pub async fn take_place(
        &self,
        claim: Claim<'_>,
        running: Option<Window>,
    ) -> Result<PlaceTaken, StoreError> {
        let mut is_running = running.is_some();
        for _ in 0..RACES_MAX {
            let change = if is_running {
                self.join_window(claim)
            } else {
                self.start_window(claim)
            };
            let Updated::Refused(found) = self.update(claim.window, change).await? else {
                return Ok(PlaceTaken::New);
            };
            let window = parse(&found);
            match window.filter(|window| claim.now < window.ends) {
                Some(_) if grants(&found).contains(&claim.attempt.0) => {
                    return Ok(PlaceTaken::Before);
                }
                Some(window) if window.granted >= claim.limit.places => {
                    return Ok(PlaceTaken::Full(window));
                }
                running => is_running = running.is_some(),
            }
        }
        Err(StoreError::overtaken(TAKE_PLACE))
    }

    /// Takes a place in a window that ends at a fixed time, whoever begins it, unless it is full. One conditional update.
    pub async fn grant_until(&self, claim: ClaimUntil<'_>) -> Result<Grant, StoreError> {
        let ClaimUntil {
            window,
            attempt,
            places,
            ends,
        } = claim;
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
        Ok(match self.update(window, change).await? {
            Updated::Refused(found) if !grants(&found).contains(&attempt.0) => {
                Grant::Full(Window {
                    granted: grants(&found).len(),
                    ends,
                })
            }
            // A refused attempt that has its place had it before, or only the store's reply was lost.
            Updated::Refused(_) | Updated::Done => Grant::Granted,
        })
    }

    /// Gives the place of `attempt` back. Does nothing when it has none.
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

    async fn update(
        &self,
        key: WindowKey<'_>,
        change: UpdateItemFluentBuilder,
    ) -> Result<Updated, StoreError> {
        let change = change
            .table_name(&self.table)
            .key("id", text(key.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retrying_conflicts(|| change.clone().send()).await {
            Ok(_) => Ok(Updated::Done),
            Err(failed) => {
                let found = condition_failed(TAKE_PLACE, failed)?;
                Ok(Updated::Refused(found.unwrap_or_default()))
            }
        }
    }
}

/// What changes of a window are for, as errors name it.
const TAKE_PLACE: &str = "take a place in a window";

/// What became of a change.
enum Updated {
    Done,
    /// The item as it was when it refused the change.
    Refused(Item),
}

impl fmt::Display for WindowKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodesFrom(address) => write!(f, "address#{address}"),
            Self::ChatsFrom(address) => write!(f, "chat#{address}"),
            Self::CodesTo { country, shard } => write!(f, "country#{country}#{shard}"),
            Self::NoticesOf { caller, day, shard } => {
                write!(f, "caller#{caller}#{day}#{shard}")
            }
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

/// The attempt that a phone takes its place under where phones are counted: 64 bits of the phone's hash. So a phone takes one
/// place, whoever asks and however often.
pub fn attempt_of(phone: &Phone) -> AttemptId {
    AttemptId(short_hash(phone.digits()))
}

/// The attempt that a notice takes its place under: one place, however often its event comes.
pub fn attempt_of_notice(payment: &PaymentId, notice: &NoticeId) -> AttemptId {
    AttemptId(short_hash(&format!("{}#{notice}", payment.as_str())))
}

/// A hash in the place of a phone or an address, so that nobody who looks at the table reads one. Whoever tries all numbers out
/// finds it; the window is gone within a day.
fn short_hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
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
