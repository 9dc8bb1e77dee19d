//! A good answer.
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::problem::seconds_up;
use super::response::json_response;
use crate::flows::codes::order::CodeSent;
use crate::flows::login::SignedIn;
use crate::model::account::User;
use crate::model::caller::Caller;
use crate::model::replies::{self, Text};

/// A good answer.
#[derive(Debug)]
pub struct Reply {
    message: Text,
    data: Value,
    status: StatusCode,
    /// The id of the user who is signed in by it.
    user_id: Option<String>,
    event: Option<SecurityEvent>,
}

/// What the log keeps of a good answer, because it changes who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityEvent {
    /// Somebody signed in with a password.
    SignedInWithPassword,
    /// Somebody signed in with a code.
    SignedInWithCode,
    /// A user was made, and signed in.
    SignedUp,
    /// A password was set with a code, which ended every login.
    PasswordReset,
    /// A login was ended.
    SignedOut,
    /// All logins of a user were ended.
    SignedOutEverywhere,
}

impl SecurityEvent {
    const fn name(self) -> &'static str {
        match self {
            Self::SignedInWithPassword => "signed_in_with_password",
            Self::SignedInWithCode => "signed_in_with_code",
            Self::SignedUp => "signed_up",
            Self::PasswordReset => "password_reset",
            Self::SignedOut => "signed_out",
            Self::SignedOutEverywhere => "signed_out_everywhere",
        }
    }
}

impl Reply {
    /// A reply with `data`, an object.
    pub const fn new(message: Text, data: Value) -> Self {
        Self {
            message,
            data,
            status: StatusCode::OK,
            user_id: None,
            event: None,
        }
    }

    /// The reply to whoever asked for a code.
    pub fn code_sent(sent: &CodeSent) -> Self {
        let (message, delivery) = if sent.confirmed {
            (replies::CODE_SENT, "sent")
        } else {
            (replies::CODE_UNCONFIRMED, "unconfirmed")
        };
        Self::new(
            message,
            json!({
                "challengeId": sent.challenge.expose(),
                "expiresAt": sent.expires_at.rfc3339(),
                "resendAfterSeconds": seconds_up(sent.resend_after),
                "codeDigits": sent.digits,
                "delivery": delivery,
            }),
        )
    }

    /// The reply to whoever signed in.
    pub fn signed_in(message: Text, signed_in: &SignedIn) -> Self {
        let data = json!({
            "token": signed_in.token.expose(),
            "tokenExpiresAt": signed_in.expires_at.rfc3339(),
            "refreshToken": signed_in.refresh.expose(),
            "user": user_view(&signed_in.user),
        });
        Self {
            user_id: Some(signed_in.user.id.clone()),
            ..Self::new(message, data)
        }
    }

    /// Adds a field to the data.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Serialize) -> Self {
        self.data[field] = json!(value);
        self
    }

    /// Answers with another status than 200.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Leaves a line in the log.
    #[must_use]
    pub fn logged_as(self, event: SecurityEvent) -> Self {
        Self {
            event: Some(event),
            ..self
        }
    }

    /// Logs the event, if there is one, and puts the reply into the envelope.
    pub(super) fn into_response(self, caller: &Caller) -> Response<Body> {
        if let Some(event) = self.event {
            tracing::info!(event = event.name(), user = self.user_id, "login changed");
        }
        let message = self.message.written(caller.language);
        let body = json!({ "success": true, "message": message, "data": self.data });
        json_response(self.status, &body)
    }
}

/// What a user is shown of their own account.
pub fn user_view(user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name.as_str(),
        "phone": user.phone.digits(),
        "email": user.email.as_ref().map(|email| email.as_str()),
        "emailVerified": false,
        "role": user.role,
    })
}
