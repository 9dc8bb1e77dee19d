//! The table of challenges: one item per phone.
//!
//! Attributes: `phone` (key), `rev`, `expires_at` (TTL, seconds), `failures`, `sends` (list of maps), `known` (list of
//! networks, the newest first), `not_on_whatsapp_until` and `not_on_whatsapp_from` when a send has shown that, `taken_at` and
//! `served_by` once a gateway took a message to it, `pretended_by` once a message to nobody was answered as sent since then, and
//! per purpose a map named after it with `code` and `open`. Times inside are milliseconds. Every
//! write raises `rev`.
//!
//! What a send will bring stands in `open` until its message went out: a new code, or the challenge id that the live one is
//! to be bound to. So whatever happens meanwhile, a release takes `open` away and leaves the rest as it is.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, ReturnValue, ReturnValuesOnConditionCheckFailure, Update};

use self::change::Change;
use self::item::parse;
use super::batch::Read;
use super::{
    Fields, Item, Refusals, StoreError, Transacted, Write, condition_failed, number,
    retrying_conflicts, text, transact,
};
use crate::model::challenge::{ON_WHATSAPP_FOR, PhoneState};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// The sends of codes.
pub mod sends;

/// The guesses at a code.
pub mod guesses;

/// The networks that somebody has signed in from.
pub mod networks;

/// Who has written to a phone.
pub mod contact;

/// People who write to the account.
pub mod writers;

/// An update of one phone's item.
mod change;

/// The state of a phone as an item, and back.
mod item;

/// How long an item lives after the phone's last code. That is longer than any limit, so that failures keep adding up, and as
/// long as it counts that the phone took a message.
const ITEM_LIFE: Duration = ON_WHATSAPP_FOR;

/// The challenges of all phones.
#[derive(Clone, Debug)]
pub struct Challenges {
    client: Client,
    table: String,
}

impl Challenges {
    /// The challenges of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.challenges.clone(),
        }
    }

    /// Reads a phone's state, strongly consistent. A phone never seen has the default state.
    pub async fn read(&self, phone: &Phone, now: Timestamp) -> Result<PhoneState, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(READ))?;
        state_in(found.item.as_ref(), now)
    }

    /// The same read, to be made together with others.
    pub fn reading(&self, phone: &Phone, now: Timestamp) -> Read<PhoneState> {
        let state = move |item: Option<&Item>| state_in(item, now);
        Read::new(&self.table, "phone", phone.digits(), state)
    }

    /// The write that removes everything about a phone, for a transaction: refused when it changed since it was seen.
    pub fn forget(&self, phone: &Phone, seen: &PhoneState) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("phone", text(phone.digits()));
        let delete = match seen.rev {
            0 => delete.condition_expression("attribute_not_exists(phone)"),
            rev => delete
                .condition_expression("rev = :seen")
                .expression_attribute_values(":seen", number(rev)),
        };
        let delete = delete
            .build()
            .map_err(StoreError::building("forget a phone's challenges"))?;
        Ok(Write::delete(delete))
    }

    /// Makes a change, together with `also` in one transaction when there is more to write.
    async fn write(
        &self,
        phone: &Phone,
        change: Change,
        also: Vec<Write>,
    ) -> Result<Written, StoreError> {
        if also.is_empty() {
            return Ok(match self.update(phone, change).await? {
                Updated::Done(_) => Written::Done,
                Updated::Refused(state) => Written::Refused(state),
            });
        }
        let act = change.act;
        let mut writes = vec![self.transaction_write(phone, change)?];
        writes.extend(also);
        Ok(match transact(act, &self.client, writes).await? {
            Transacted::Done => Written::Done,
            Transacted::Refused(refusals) => match refusals.first() {
                Some(Some(_)) => Written::Refused(state_of_first(refusals).unwrap_or_default()),
                _ => Written::OtherRefused,
            },
        })
    }

    async fn update(&self, phone: &Phone, change: Change) -> Result<Updated, StoreError> {
        let act = change.act;
        let call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let call = change.put_into_call(call);
        let sent = retrying_conflicts(|| call.clone().send()).await;
        let state = |item: &Item| parse(item).ok_or(StoreError::unreadable(act, "challenges"));
        match sent {
            Ok(done) => Ok(Updated::Done(state(&done.attributes.unwrap_or_default())?)),
            Err(failed) => match condition_failed(act, failed)? {
                None => Ok(Updated::Refused(PhoneState::default())),
                Some(item) => Ok(Updated::Refused(state(&item)?)),
            },
        }
    }

    /// A change as a write of a transaction.
    fn transaction_write(&self, phone: &Phone, change: Change) -> Result<Write, StoreError> {
        let act = change.act;
        let write = Update::builder()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let write = change.put_into_write(write).build();
        Ok(Write::update(write.map_err(StoreError::building(act))?))
    }
}

/// The state after a change, or as it was when it refused the change.
enum Updated {
    Done(PhoneState),
    Refused(PhoneState),
}

/// What became of a change and of what was written with it.
enum Written {
    Done,
    /// The state refused it.
    Refused(PhoneState),
    /// The state was fine, but one of the other writes was refused. Nothing was written.
    OtherRefused,
}

/// What [`Challenges::read`] does.
const READ: &str = "read the phone's challenges";

/// The state that an item holds at `now`. A phone never seen has the default state.
fn state_in(item: Option<&Item>, now: Timestamp) -> Result<PhoneState, StoreError> {
    let Some(item) = item else {
        return Ok(PhoneState::default());
    };
    let state = parse(item).ok_or(StoreError::unreadable(READ, "challenges"))?;
    Ok(match item.number("expires_at") {
        Some(expires_at) if now < Timestamp::from_seconds(expires_at) => state,
        // Only the revision counts of what TTL has not removed yet.
        _ => PhoneState {
            rev: state.rev,
            ..PhoneState::default()
        },
    })
}

/// The state that refused the first write of a transaction.
fn state_of_first(refusals: Refusals) -> Option<PhoneState> {
    parse(&refusals.into_iter().next()??.item?)
}
