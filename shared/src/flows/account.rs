//! Sending a code to the user of a phone. A phone without a user gets the same answer, and no message.
use super::codes::order::{Alone, CodeSent, Order, Recipient};
use super::codes::{Codes, SendError};
use crate::model::caller::Caller;
use crate::model::challenge::ChallengeId;
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::users::Users;

/// A request for a code.
#[derive(Debug)]
pub struct CodeRequest {
    /// What the code is for.
    pub purpose: Purpose,
    /// The account.
    pub who: Identifier,
    /// The challenge id of an earlier request for the same. The answer names it again if the phone's code is bound to it.
    pub keep: Option<ChallengeId>,
    /// The language of the message.
    pub language: Language,
}

/// Sends codes to users.
#[derive(Clone, Debug)]
pub struct AccountCodes {
    codes: Codes,
    users: Users,
}

impl AccountCodes {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            users: Users::new(backends),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.codes.warm_up(now).await
    }

    /// Sends a code to the user of a phone, if it has one.
    ///
    /// # Errors
    /// When no code went out. Nothing was charged then.
    pub async fn send(
        &self,
        request: &CodeRequest,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<CodeSent, SendError> {
        let Self { codes, users } = self;
        let CodeRequest { purpose, who, .. } = request;
        let phone = &users.phone_of(who).await?;
        let mut survey = codes.survey(phone, caller, now).await?;
        let keep = request.keep.clone();
        let order = Order {
            phone,
            who,
            purpose: *purpose,
            caller,
            account_since: survey.user.as_ref().map(|user| user.created_at),
            recipient: match survey.user {
                Some(_) => Recipient::User,
                None => Recipient::Nobody,
            },
            language: request.language,
            keep: keep.filter(|id| survey.is_bound(*purpose, &id.hash(who))),
            answers: None,
        };
        codes.listen(&mut survey, &order).await;
        codes.send(&survey, &order, &Alone).await
    }
}
