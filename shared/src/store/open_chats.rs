//! The table of codes that wait for somebody to open the chat.
//!
//! Attributes: `id` (key: the hash of the word and the phone), `session`, `purpose`, `challenge` (the hash of the challenge id),
//! `address`, `language`, for a sign-up `name`, `email` and `password`; `answered_by` (the attempt that answers it); `expires_at`
//! (TTL, seconds; every read and the claim test it). None of them names the phone or the word.
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::{Fields, Item, StoreError, condition_failed, number, text};
use crate::model::account::PersonName;
use crate::model::address::ClientAddress;
use crate::model::challenge::{AttemptId, ChallengeHash};
use crate::model::code::Purpose;
use crate::model::identifier::Email;
use crate::model::language::Language;
use crate::model::open_chat::{ChatHash, WaitingApplicant, WaitingCode};
use crate::model::password::PasswordHash;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// The codes that wait for their chat.
#[derive(Clone, Debug)]
pub struct OpenChats {
    client: Client,
    table: String,
}

/// Who answers a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The caller.
    Us,
    /// Somebody else, or nobody any more.
    Others,
}

impl OpenChats {
    /// The table of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.open_chats.clone(),
        }
    }

    /// Keeps a code until its chat is opened.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(&self, waiting: &WaitingCode) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let kept = put.set_item(Some(item_of(waiting))).send().await;
        kept.map_err(StoreError::during("keep a code until its chat is opened"))?;
        Ok(())
    }

    /// The code that waits under `hash` and that nobody answers yet, strongly consistent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read(
        &self,
        hash: &ChatHash,
        now: Timestamp,
    ) -> Result<Option<WaitingCode>, StoreError> {
        const ACT: &str = "read the code that waits for a chat";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(&hash.0))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let unanswered = found.item.filter(|item| item.text("answered_by").is_none());
        let waiting = unanswered
            .map(|item| parse(&item).ok_or(StoreError::unreadable(ACT, "open chat")))
            .transpose()?;
        Ok(waiting.filter(|waiting| now < waiting.expires_at))
    }

    /// Makes `attempt` the one that answers the chat, unless another one does or it has expired. One conditional update.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim(
        &self,
        hash: &ChatHash,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<AnsweredBy, StoreError> {
        let claimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&hash.0))
            .condition_expression("expires_at > :now AND attribute_not_exists(answered_by)")
            .update_expression("SET answered_by = :attempt")
            .expression_attribute_values(":now", number(now.seconds()))
            .expression_attribute_values(":attempt", text(&attempt.0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = claimed else {
            return Ok(AnsweredBy::Us);
        };
        let found = condition_failed("claim an opened chat", error)?;
        // Only the reply of the store may have been lost.
        let is_ours = found.is_some_and(|item| item.text("answered_by") == Some(&attempt.0));
        Ok(if is_ours {
            AnsweredBy::Us
        } else {
            AnsweredBy::Others
        })
    }

    /// Lets the chat be answered again: `attempt` certainly sent nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unclaim(&self, hash: &ChatHash, attempt: &AttemptId) -> Result<(), StoreError> {
        let unclaimed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&hash.0))
            .condition_expression("answered_by = :attempt")
            .update_expression("REMOVE answered_by")
            .expression_attribute_values(":attempt", text(&attempt.0))
            .send()
            .await;
        match unclaimed {
            Ok(_) => Ok(()),
            Err(error) => condition_failed("let a chat be answered again", error).map(drop),
        }
    }

    /// Forgets a code whose chat was answered.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, hash: &ChatHash) -> Result<(), StoreError> {
        let forget = self.client.delete_item().table_name(&self.table);
        let forgotten = forget.key("id", text(&hash.0)).send().await;
        forgotten.map_err(StoreError::during("forget an answered chat"))?;
        Ok(())
    }
}

fn item_of(waiting: &WaitingCode) -> Item {
    let mut item = Item::from([
        ("id".into(), text(&waiting.hash.0)),
        ("session".into(), text(&waiting.session)),
        ("purpose".into(), text(waiting.purpose.name())),
        ("challenge".into(), text(&waiting.challenge.0)),
        ("address".into(), text(waiting.address.to_string())),
        ("language".into(), text(waiting.language.tag())),
        ("expires_at".into(), number(waiting.expires_at.seconds())),
    ]);
    if let Some(applicant) = &waiting.applicant {
        item.insert("name".into(), text(applicant.name.as_str()));
        item.insert("password".into(), text(applicant.password.phc()));
        if let Some(email) = &applicant.email {
            item.insert("email".into(), text(email.as_str()));
        }
    }
    item
}

fn parse(item: &Item) -> Option<WaitingCode> {
    let applicant = match item.text("name") {
        Some(name) => Some(WaitingApplicant {
            name: PersonName::parse(name).ok()?,
            email: item
                .text("email")
                .and_then(|email| Email::parse(email).ok()),
            password: PasswordHash::stored(item.text("password")?),
        }),
        None => None,
    };
    Some(WaitingCode {
        hash: ChatHash(item.text("id")?.into()),
        session: item.text("session")?.into(),
        purpose: Purpose::named(item.text("purpose")?)?,
        challenge: ChallengeHash(item.text("challenge")?.into()),
        address: ClientAddress::read(item.text("address")?)?,
        language: Language::of_tag(item.text("language")?)?,
        applicant,
        expires_at: Timestamp::from_seconds(item.number("expires_at")?),
    })
}
