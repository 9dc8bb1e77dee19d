//! DynamoDB: one method is one atomic domain act, one file is one table.
//!
//! Not found is `Option`; a lost race is a named outcome of the act; `StoreError` means that the store itself failed.
//!
//! In reading order:

/// Several items, read in one call.
pub mod batch;

/// The table of challenges: one item per phone.
pub mod challenges;

/// The table of limits that count within a window.
pub mod windows;

/// The table of users.
pub mod users;

/// The table of sign-ups that wait for their code.
pub mod registrations;

/// The table of codes that wait for their chat to be opened.
pub mod open_chats;

/// The table of logins.
pub mod logins;

/// The list of WhatsApp sessions, in the table of key rings.
pub mod session_list;

/// The list of the systems that may post events of payments, in the table of key rings.
pub mod caller_list;

/// The table of key rings, as it is read.
pub mod keys;

/// Making and rotating key rings: for the deployment and the operators, never for an endpoint.
pub mod key_maker;

/// The WhatsApp sessions: queue, state as it was seen last, connect right.
pub mod whatsapp_sessions;

/// What became of each message.
pub mod deliveries;

/// The payments and their notices.
pub mod payments;

/// The logins of operators, and the links that open one.
pub mod admins;

/// What operators did.
pub mod audit;

/// The links that show the QR code of a session.
pub mod pairing_links;

/// The incidents that have ended.
pub mod incidents;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update,
};

/// A DynamoDB item, or a map inside of one.
pub type Item = HashMap<String, AttributeValue>;

/// One write of a transaction. A flow carries it from one table's file to another's and does not look into it.
#[must_use = "it changes nothing by itself: it belongs into a transaction"]
#[derive(Clone, Debug)]
pub struct Write(TransactWriteItem);

impl Write {
    fn put(put: Put) -> Self {
        Self(TransactWriteItem::builder().put(put).build())
    }

    fn update(update: Update) -> Self {
        Self(TransactWriteItem::builder().update(update).build())
    }

    fn delete(delete: Delete) -> Self {
        Self(TransactWriteItem::builder().delete(delete).build())
    }

    fn condition_check(check: ConditionCheck) -> Self {
        Self(TransactWriteItem::builder().condition_check(check).build())
    }
}

/// The store failed in the named act. Nothing is known about the act's effect.
#[derive(Debug, thiserror::Error)]
#[error("the store failed to {act}")]
pub struct StoreError {
    act: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// Says that `act` failed because of `source`: `.map_err(StoreError::during("read the user"))`.
    pub fn during<E>(act: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self {
            act,
            source: source.into(),
        }
    }

    /// Says that `act` could not be put into a request.
    pub fn building(act: &'static str) -> impl FnOnce(BuildError) -> Self {
        move |source| Self {
            act,
            source: source.into(),
        }
    }

    /// Says that `act` did not find what is made with the deployment; `fix` tells what makes it.
    pub fn not_made(act: &'static str, fix: String) -> Self {
        Self {
            act,
            source: fix.into(),
        }
    }

    /// Says that the store left out part of `act`, because it had too much to do.
    pub fn overloaded(act: &'static str) -> Self {
        Self {
            act,
            source: "it has too much to do, and left a part out".into(),
        }
    }

    /// Says that others changed the item at each try of `act`.
    pub fn overtaken(act: &'static str) -> Self {
        Self {
            act,
            source: "others changed the item at each try".into(),
        }
    }

    /// Says that `act` found an item that this version cannot read.
    pub fn unreadable(act: &'static str, attribute: &str) -> Self {
        Self {
            act,
            source: format!("attribute `{attribute}` is missing or of another type").into(),
        }
    }
}

/// A string attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A binary attribute.
pub fn bytes(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Typed reading of an [`Item`]: `None` when the attribute is missing or of another type.
pub trait Fields {
    /// A string.
    fn text(&self, name: &str) -> Option<&str>;
    /// A whole number.
    fn number(&self, name: &str) -> Option<i64>;
    /// Bytes.
    fn bytes(&self, name: &str) -> Option<&[u8]>;
    /// A map.
    fn map(&self, name: &str) -> Option<&Item>;
}

impl Fields for Item {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_s().ok().map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_n().ok()?.parse().ok()
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.get(name)?.as_b().ok().map(Blob::as_ref)
    }

    fn map(&self, name: &str) -> Option<&Item> {
        self.get(name)?.as_m().ok()
    }
}

/// A write that meets a transaction on the same item is refused, and the SDK does not repeat it. This many times it is
/// repeated here, after 10 ms and then twice as long each time.
const CONFLICTS_MAX: u32 = 6;

/// Makes `call`, a write of one item, again while it conflicts with a transaction.
pub async fn retrying_conflicts<T, E, F>(call: impl Fn() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    retrying(call, |error| {
        error.code() == Some("TransactionConflictException")
    })
    .await
}

async fn retrying<T, E, F>(
    call: impl Fn() -> F,
    conflicts: impl Fn(&E) -> bool,
) -> Result<T, SdkError<E>>
where
    F: Future<Output = Result<T, SdkError<E>>>,
{
    for tries in 0..CONFLICTS_MAX {
        match call().await {
            Err(SdkError::ServiceError(refused)) if conflicts(refused.err()) => {
                tokio::time::sleep(Duration::from_millis(10 << tries)).await;
            }
            answer => return answer,
        }
    }
    call().await
}

/// Errors of writes that can fail on their condition.
pub trait ConditionFailed: Sized {
    /// The failed condition, if that is what the error says.
    fn condition_failed(self) -> Option<ConditionalCheckFailedException>;
    /// Whether that is what the error says.
    fn is_condition_failed(&self) -> bool;
}

macro_rules! condition_failed_for {
    ($($error:ty),*) => {$(
        impl ConditionFailed for $error {
            fn condition_failed(self) -> Option<ConditionalCheckFailedException> {
                match self {
                    Self::ConditionalCheckFailedException(failed) => Some(failed),
                    _ => None,
                }
            }

            fn is_condition_failed(&self) -> bool {
                self.is_conditional_check_failed_exception()
            }
        }
    )*};
}

condition_failed_for!(
    aws_sdk_dynamodb::operation::put_item::PutItemError,
    aws_sdk_dynamodb::operation::update_item::UpdateItemError
);

/// Tells a failed condition from a failed store: the item that failed it, when the request asked for it.
///
/// # Errors
/// When it is anything else: the store failed to `act`.
pub fn condition_failed<E>(
    act: &'static str,
    error: SdkError<E>,
) -> Result<Option<Item>, StoreError>
where
    E: ConditionFailed + std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(refused) if refused.err().is_condition_failed() => Ok(refused
            .into_err()
            .condition_failed()
            .and_then(|failed| failed.item)),
        other => Err(StoreError::during(act)(other)),
    }
}

/// Per write of a transaction, whether its condition refused it.
pub type Refusals = Vec<Option<Refusal>>;

/// A write of a transaction that was refused by its condition.
#[derive(Debug)]
pub struct Refusal {
    /// The item as it is, when the write asked for it.
    pub item: Option<Item>,
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Transacted {
    /// Everything was written.
    Done,
    /// Nothing was written, because of the conditions named.
    Refused(Refusals),
}

/// Writes all of `writes` or none. A lost reply is repeated under the same idempotency token.
pub async fn transact(
    act: &'static str,
    client: &Client,
    writes: Vec<Write>,
) -> Result<Transacted, StoreError> {
    let items: Vec<_> = writes.into_iter().map(|Write(item)| item).collect();
    let call = || {
        client
            .transact_write_items()
            .set_transact_items(Some(items.clone()))
            .send()
    };
    let sent = retrying(call, is_conflict).await;
    match sent {
        Ok(_) => Ok(Transacted::Done),
        Err(SdkError::ServiceError(refused)) if is_refused(refused.err()) => {
            match refused.into_err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    let reasons = cancelled.cancellation_reasons.unwrap_or_default();
                    let refusals = reasons.into_iter().map(|reason| {
                        (reason.code.as_deref() == Some("ConditionalCheckFailed"))
                            .then_some(Refusal { item: reason.item })
                    });
                    Ok(Transacted::Refused(refusals.collect()))
                }
                _ => Ok(Transacted::Refused(Vec::new())),
            }
        }
        Err(failed) => Err(StoreError::during(act)(failed)),
    }
}

fn is_refused(error: &TransactWriteItemsError) -> bool {
    names_reason(error, "ConditionalCheckFailed")
}

/// Whether only other transactions were in the way, so that nothing was written: it may be sent again as a new one. A
/// transaction that is in progress is none of those: it is this very one, which the SDK asks for again under its own token.
/// As a new one it would be done twice.
fn is_conflict(error: &TransactWriteItemsError) -> bool {
    names_reason(error, "TransactionConflict") && !is_refused(error)
}

fn names_reason(error: &TransactWriteItemsError, code: &str) -> bool {
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled
            .cancellation_reasons()
            .iter()
            .any(|reason| reason.code() == Some(code)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::{
        TransactionCanceledException, TransactionInProgressException,
    };

    use super::*;

    #[test]
    fn a_transaction_in_progress_is_not_sent_again_as_another_one() {
        let error = TransactWriteItemsError::TransactionInProgressException(
            TransactionInProgressException::builder().build(),
        );
        assert_eq!((is_conflict(&error), is_refused(&error)), (false, false));
    }

    #[test]
    fn a_cancelled_transaction_is_repeated_only_when_nothing_but_others_was_in_the_way() {
        for (codes, conflict, refused) in [
            (["None", "TransactionConflict"], true, false),
            (["TransactionConflict", "TransactionConflict"], true, false),
            (["None", "ConditionalCheckFailed"], false, true),
            (
                ["TransactionConflict", "ConditionalCheckFailed"],
                false,
                true,
            ),
            (["None", "ValidationError"], false, false),
        ] {
            // The codes stand in the reasons; the message is for people.
            let reasons = codes.map(|code| CancellationReason::builder().code(code).build());
            let error = TransactWriteItemsError::TransactionCanceledException(
                TransactionCanceledException::builder()
                    .set_cancellation_reasons(Some(reasons.into()))
                    .build(),
            );
            assert_eq!(
                (is_conflict(&error), is_refused(&error)),
                (conflict, refused),
                "{codes:?}"
            );
        }
    }
}
