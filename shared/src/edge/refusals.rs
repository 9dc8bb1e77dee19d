//! What a client is told of each error of a flow. Errors of one endpoint alone stand in that endpoint's file.
use lambda_http::http::StatusCode;

use super::problem::{AGAIN_SOON, Problem};
use crate::flows::codes::{SendError, VerifyError};
use crate::flows::session::RefreshError;
use crate::model::limits::Limit;
use crate::model::password::PasswordError;
use crate::model::replies::{self, Text};
use crate::sender::{HUMAN_TAKES, Reason};

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Store(error) => Self::internal(&error).uncharged(),
            SendError::Limited(limited) => Self::limited(&limited, limit_message(limited.limit)),
            SendError::NoSession => Self::not_sent("WHATSAPP_CONFIG_ERROR", replies::NOT_SET_UP)
                .with("recovering", false)
                .retry_after(HUMAN_TAKES),
            SendError::NotSent {
                reason: Reason::NotOnWhatsApp,
                ..
            } => Self::bad_request("NOT_ON_WHATSAPP", replies::NOT_ON_WHATSAPP).uncharged(),
            SendError::NotSent {
                reason,
                retry_after,
                chat,
            } => {
                let (code, message) = not_sent(reason);
                let mut problem =
                    Self::not_sent(code, message).retry_after(retry_after.unwrap_or(AGAIN_SOON));
                if reason.needs_human() {
                    problem = problem.with("recovering", false);
                }
                match chat {
                    Some(chat) => problem.offering(chat),
                    None => problem,
                }
            }
        }
    }
}

/// The message to somebody who gets no code because of a limit.
const fn limit_message(limit: Limit) -> Text {
    match limit {
        Limit::InProgress => replies::CODE_BEING_SENT,
        Limit::Cooldown => replies::LAST_CODE_FRESH,
        Limit::Country => replies::COUNTRY_FULL,
        Limit::Window | Limit::Day | Limit::CodesFromAddress => replies::TOO_MANY_CODES,
        // Of notices, which are no codes.
        Limit::NoticesOfCaller => replies::TOO_MANY_NOTICES,
        // Of guesses, which ask for no code.
        Limit::WrongCodesFromAddress => replies::TOO_MANY_WRONG_CODES,
        Limit::WrongPasswords | Limit::PhonesFailedFromAddress => replies::TOO_MANY_PASSWORDS,
    }
}

/// The code and the message for each reason. The codes are those that clients of the earlier system know.
const fn not_sent(reason: Reason) -> (&'static str, Text) {
    match reason {
        Reason::Busy => ("WHATSAPP_SERVICE_UNAVAILABLE", replies::WHATSAPP_BUSY),
        Reason::SessionDown => (
            "WHATSAPP_SERVICE_UNAVAILABLE",
            replies::NOT_SENT_RECONNECTING,
        ),
        Reason::NeedsPairing | Reason::NeedsRestart => {
            ("WHATSAPP_SERVICE_UNAVAILABLE", replies::OUT_OF_ORDER)
        }
        Reason::GatewayUnreachable => ("WHATSAPP_NETWORK_ERROR", replies::WHATSAPP_UNREACHABLE),
        Reason::Deadline => ("WHATSAPP_TIMEOUT", replies::WHATSAPP_TOO_SLOW),
        Reason::Misconfigured => ("WHATSAPP_AUTH_ERROR", replies::GATEWAY_REFUSES_SYSTEM),
        Reason::Restricted => ("WHATSAPP_OTP_FAILED", replies::WHATSAPP_RESTRICTS),
        Reason::NotOnWhatsApp | Reason::WrongRecipient | Reason::Rejected => {
            ("WHATSAPP_OTP_FAILED", replies::WHATSAPP_REFUSED)
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Wrong { tries_left } => {
                Self::wrong_code(replies::CODE_WRONG).with("attemptsLeft", tries_left)
            }
            VerifyError::Exhausted => {
                Self::wrong_code(replies::CODE_EXHAUSTED).with("attemptsLeft", 0)
            }
            VerifyError::Unknown => Self::wrong_code(replies::CODE_UNKNOWN),
            VerifyError::Expired => Self::bad_request("OTP_EXPIRED", replies::CODE_EXPIRED),
            VerifyError::Overtaken => Self::phone_taken(),
            VerifyError::Limited(limited) => Self::limited(&limited, replies::TOO_MANY_WRONG_CODES),
            VerifyError::Store(error) => Self::internal(&error),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        let (code, message) = match error {
            RefreshError::Refused => ("INVALID_REFRESH_TOKEN", replies::REFRESH_INVALID),
            RefreshError::Reused => ("REFRESH_TOKEN_REUSED", replies::REFRESH_REUSED),
            RefreshError::Store(error) => return Self::internal(&error),
        };
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        Self::bad_request("INVALID_PASSWORD", error.text()).with("reason", error.reason())
    }
}
