//! Sending a code to the user of a phone. A phone without one is answered in the same way; it gets no message.
use super::codes::order::{Alone, CodeSent, Order, Recipient};
use super::codes::{Codes, SendError};
use crate::model::caller::Caller;
use crate::model::challenge::ChallengeId;
use crate::model::code::Purpose;
use crate::model::identifier::Identifier;
use crate::model::language::Language;
use crate::platform::timestamp::Timestamp;
use crate::store::users::Users;

/// A wish for a code.
#[derive(Debug)]
pub struct Wish {
    /// Whose account.
    pub who: Identifier,
    /// The challenge id of an earlier request for the same: it stays the same if the phone's code is bound to it.
    pub keep: Option<ChallengeId>,
    /// What the message is written in.
    pub language: Language,
}

/// Sends a code for `purpose` to the user of a phone, if it has one.
///
/// # Errors
/// When no code went out; nothing was charged then.
pub async fn send_code(
    codes: &Codes,
    users: &Users,
    purpose: Purpose,
    wish: &Wish,
    caller: &Caller,
    now: Timestamp,
) -> Result<CodeSent, SendError> {
    let phone = &users.phone_of(&wish.who).await?;
    let (user, survey) = tokio::join!(users.by_phone(phone), codes.survey(phone, caller, now));
    let (user, survey) = (user?, survey?);
    let keep = wish.keep.clone();
    let order = Order {
        phone,
        who: &wish.who,
        purpose,
        caller,
        // Limited like a user, whoever it is: the eleventh request of a day must not tell.
        verified: true,
        recipient: match user {
            Some(_) => Recipient::User,
            None => Recipient::Nobody,
        },
        language: wish.language,
        keep: keep.filter(|id| survey.is_bound(purpose, &id.hash(&wish.who))),
    };
    codes.send(&survey, &order, &Alone, now).await
}
