//! The fields of a body, as domain types. Each error says what to send instead.
use super::problem::Problem;
use crate::model::account::PersonName;
use crate::model::challenge::ChallengeId;
use crate::model::code::Code;
use crate::model::identifier::{Email, Identifier};
use crate::model::password::Password;
use crate::model::phone::Phone;
use crate::model::replies;
use crate::model::typed;
use crate::runtime::log;
use crate::runtime::settings::Settings;

/// The text of a field that must be there, without the spaces around it.
///
/// # Errors
/// With `code`, when the field is missing or blank.
pub fn required<'a>(
    field: Option<&'a str>,
    name: &str,
    code: &'static str,
) -> Result<&'a str, Problem> {
    field
        .map(str::trim)
        .filter(|text| !typed::plain(text).is_empty())
        .ok_or_else(|| Problem::bad_request(code, replies::FIELD_MISSING.with("field", name)))
}

/// The phone number of the field `name`. The log names the phone from now on.
///
/// # Errors
/// When it is missing or no phone number.
pub fn phone(field: Option<&str>, name: &str) -> Result<Phone, Problem> {
    let text = required(field, name, "MISSING_IDENTIFIER")?;
    let phone = Phone::parse(text).map_err(|error| {
        Problem::bad_request("INVALID_PHONE_FORMAT", error.text()).with("reason", error.reason())
    })?;
    log::name_phone(&phone);
    Ok(phone)
}

/// What an account may be named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifiers {
    /// Its phone number alone.
    Phones,
    /// Its phone number or its e-mail address: `EMAIL_IDENTIFIER` is on.
    PhonesAndEmails,
}

impl Identifiers {
    /// As configured.
    pub const fn of(settings: &Settings) -> Self {
        if settings.email_identifier {
            Self::PhonesAndEmails
        } else {
            Self::Phones
        }
    }
}

/// The account that the field `identifier` names.
///
/// # Errors
/// When it is missing or neither a phone number nor an accepted e-mail address.
pub fn identifier(field: Option<&str>, accepted: Identifiers) -> Result<Identifier, Problem> {
    let text = required(field, "identifier", "MISSING_IDENTIFIER")?;
    if accepted == Identifiers::PhonesAndEmails && typed::plain(text).contains('@') {
        email(text).map(Identifier::Email)
    } else {
        phone(field, "identifier").map(Identifier::Phone)
    }
}

/// An e-mail address.
///
/// # Errors
/// When the text is none.
pub fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|_| Problem::bad_request("INVALID_EMAIL", replies::EMAIL_INVALID))
}

/// Checks the field `method`: the channel that a code is to go out on.
///
/// # Errors
/// When it names another channel than WhatsApp.
pub fn only_whatsapp(method: Option<&str>) -> Result<(), Problem> {
    match method {
        None | Some("whatsapp") => Ok(()),
        Some(_) => Err(Problem::bad_request(
            "UNSUPPORTED_METHOD",
            replies::METHOD_UNKNOWN,
        )),
    }
}

/// A person's name, from the field `name`.
///
/// # Errors
/// When it is missing or no name.
pub fn person_name(field: Option<&str>) -> Result<PersonName, Problem> {
    let text = required(field, "name", "MISSING_NAME")?;
    PersonName::parse(text).map_err(|error| {
        Problem::bad_request("INVALID_NAME", error.text()).with("reason", error.reason())
    })
}

/// The newly chosen password of the field `name`. It must not be made of `known`: what others may know of its owner.
///
/// # Errors
/// When it is missing or cannot be chosen.
pub fn new_password(field: Option<&str>, name: &str, known: &[&str]) -> Result<Password, Problem> {
    required(field, name, "MISSING_PASSWORD")?;
    // Spaces around a password belong to it.
    Ok(Password::choose(field.unwrap_or_default(), known)?)
}

/// The code of the field `otp`.
///
/// # Errors
/// When it is missing or no code.
pub fn code(field: Option<&str>) -> Result<Code, Problem> {
    let text = required(field, "otp", "MISSING_OTP")?;
    Code::parse(text).ok_or_else(|| Problem::wrong_code(replies::CODE_DIGITS))
}

/// Whether a code may be guessed without the challenge id of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeIds {
    /// Each guess needs the challenge id.
    Required,
    /// A guess may come without one: `UNBOUND_GUESSES` is on.
    Optional,
}

impl ChallengeIds {
    /// As configured.
    pub const fn of(settings: &Settings) -> Self {
        if settings.unbound_guesses {
            Self::Optional
        } else {
            Self::Required
        }
    }
}

/// The challenge id of the field `challengeId`, for what cannot do without.
///
/// # Errors
/// When it is missing.
pub fn required_challenge_id(field: Option<&str>) -> Result<ChallengeId, Problem> {
    let id = required(field, "challengeId", "MISSING_CHALLENGE_ID")?;
    Ok(ChallengeId::presented(id))
}

/// The challenge id that a guess comes with.
///
/// # Errors
/// When it is missing and `ids` require it.
pub fn challenge_id(
    field: Option<&str>,
    ids: ChallengeIds,
) -> Result<Option<ChallengeId>, Problem> {
    match ids {
        ChallengeIds::Required => required_challenge_id(field).map(Some),
        ChallengeIds::Optional => Ok(field.map(ChallengeId::presented)),
    }
}
