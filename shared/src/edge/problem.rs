//! Any answer but a good one: what the client is told, and what only the log keeps.
use std::time::Duration;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::response::json_response;
use crate::model::caller::Caller;
use crate::model::language::Language;
use crate::model::limits::{Limit, Limited};
use crate::model::open_chat::ChatOffer;
use crate::model::replies::{self, Text};
use crate::platform::report::Chain;

/// When to ask again after a failure of unknown length.
pub(super) const AGAIN_SOON: Duration = Duration::from_secs(5);

/// Any answer but a good one: what the client is told, and what only the log keeps.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: Text,
    limit: Option<Limit>,
    retry_after: Option<Duration>,
    /// What is wrong with the access token, if that is the problem.
    token: Option<TokenFault>,
    /// The chat that the person may open.
    chat: Option<Box<ChatOffer>>,
    /// More fields of the body.
    fields: Map<String, Value>,
    attention: Attention,
    /// What failed here, with everything that caused it.
    cause: Option<Box<str>>,
}

/// What is wrong with an access token.
#[derive(Clone, Copy, Debug)]
enum TokenFault {
    Missing,
    Refused,
}

impl TokenFault {
    /// The value of `WWW-Authenticate` (RFC 6750).
    const fn authenticate(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Missing => r#"Bearer realm="api""#,
            Self::Refused => r#"Bearer realm="api", error="invalid_token""#,
        })
    }
}

/// Who may have to act on a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// The client alone: it corrects its request, or signs in again.
    Client,
    /// An operator or a security team: it tells of an outage, an attack or a limit.
    Operator,
}

impl Attention {
    /// What the status suggests. A problem that is otherwise says so.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
                Self::Operator
            }
            status if status.is_server_error() => Self::Operator,
            _ => Self::Client,
        }
    }
}

impl Problem {
    /// A problem with a code for the client's program, and a message that tells a person what to do.
    pub fn new(status: StatusCode, code: &'static str, message: Text) -> Self {
        Self {
            status,
            code,
            message,
            limit: None,
            retry_after: None,
            token: None,
            chat: None,
            fields: Map::new(),
            attention: Attention::of_status(status),
            cause: None,
        }
    }

    /// A request that has to be changed before it is sent again.
    pub fn bad_request(code: &'static str, message: Text) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A code that is not right. Many of these may be an attack.
    pub fn wrong_code(message: Text) -> Self {
        Self::bad_request("INVALID_OTP", message).for_attention_of(Attention::Operator)
    }

    /// A request without an access token. `WWW-Authenticate` asks for one.
    pub fn missing_token() -> Self {
        let problem = Self::new(
            StatusCode::UNAUTHORIZED,
            "MISSING_TOKEN",
            replies::TOKEN_MISSING,
        );
        Self {
            token: Some(TokenFault::Missing),
            ..problem.for_attention_of(Attention::Client)
        }
    }

    /// A request without the key of a caller. `WWW-Authenticate` asks for one.
    pub fn missing_key() -> Self {
        let (code, message) = ("MISSING_CALLER_KEY", replies::CALLER_KEY_MISSING);
        Self {
            token: Some(TokenFault::Missing),
            ..Self::new(StatusCode::UNAUTHORIZED, code, message)
        }
    }

    /// An access token that is not accepted. `WWW-Authenticate` says so, too.
    pub fn refused_token(code: &'static str, message: Text) -> Self {
        Self {
            token: Some(TokenFault::Refused),
            ..Self::new(StatusCode::UNAUTHORIZED, code, message)
        }
    }

    /// Something failed here. The log keeps the whole chain of causes.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self {
            cause: Some(Chain(error).to_string().into()),
            ..Self::unavailable(replies::FAILED_HERE)
        }
    }

    /// The time of the request is over. What it asked for may have happened or not.
    pub(super) fn out_of_time() -> Self {
        Self::unavailable(replies::TOOK_TOO_LONG)
    }

    fn unavailable(message: Text) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            message,
        )
        .retry_after(AGAIN_SOON)
    }

    /// The phone has a user.
    pub fn phone_taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "DUPLICATE_PHONE_VERIFIED",
            replies::PHONE_TAKEN,
        )
    }

    /// The message certainly did not go out, and nothing was charged.
    pub fn not_sent(code: &'static str, message: Text) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .uncharged()
            .retry_after(AGAIN_SOON)
    }

    /// A limit refuses the request.
    pub fn limited(limited: &Limited, message: Text) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message);
        Self {
            limit: Some(limited.limit),
            ..problem.retry_after(limited.retry_after)
        }
    }

    /// Says that no limit was charged.
    #[must_use]
    pub fn uncharged(self) -> Self {
        self.with("charged", false)
    }

    /// Says when to ask again, in the body and as `Retry-After`.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// Adds a field to the body.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Serialize) -> Self {
        self.fields.insert(field.into(), json!(value));
        self
    }

    /// Keeps in the log what caused it.
    #[must_use]
    pub fn because_of(self, error: &dyn std::error::Error) -> Self {
        Self {
            cause: Some(Chain(error).to_string().into()),
            ..self
        }
    }

    /// Offers a chat, and says so instead of what was to be said.
    #[must_use]
    pub fn offering(self, chat: Box<ChatOffer>) -> Self {
        Self {
            message: replies::OPEN_CHAT,
            chat: Some(chat),
            ..self
        }
    }

    /// Says who may have to act, where the status suggests somebody else.
    #[must_use]
    pub fn for_attention_of(self, attention: Attention) -> Self {
        Self { attention, ..self }
    }

    /// Logs the problem, and puts it into the envelope.
    pub(super) fn into_response(self, caller: &Caller) -> Response<Body> {
        self.log();
        let retry_after = self.retry_after.map(|wait| seconds_up(wait).max(1));
        let mut body = self.fields;
        body.insert("success".into(), false.into());
        let message = self.message.written(caller.language);
        body.insert("message".into(), message.into());
        body.insert("error".into(), self.code.into());
        body.insert("requestId".into(), caller.request_id.clone().into());
        if let Some(limit) = self.limit {
            body.insert("limit".into(), limit.name().into());
        }
        if let Some(seconds) = retry_after {
            body.insert("retryAfterSeconds".into(), seconds.into());
        }
        if let Some(chat) = &self.chat {
            body.insert("data".into(), offered(chat, caller.language));
        }
        let mut response = json_response(self.status, &Value::Object(body));
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(fault) = self.token {
            headers.insert(header::WWW_AUTHENTICATE, fault.authenticate());
        }
        response
    }

    /// The code for the client's program.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The status that it is answered with.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Logs the problem, and says what a page tells a person of it.
    pub fn told_on_page(&self, language: Language) -> String {
        self.log();
        self.message.written(language)
    }

    /// When to ask again, as the header `Retry-After` says it.
    pub fn retry_after_header(&self) -> Option<HeaderValue> {
        let wait = self.retry_after?;
        Some(HeaderValue::from(seconds_up(wait).max(1)))
    }

    /// Writes the one line that a refusal leaves in the log.
    fn log(&self) {
        let (error, status) = (self.code, self.status.as_u16());
        let limit = self.limit.map(Limit::name);
        match (&self.cause, self.attention) {
            (Some(cause), _) => {
                tracing::error!(error, status, cause = &**cause, "request failed");
            }
            (None, Attention::Operator) => tracing::warn!(error, status, limit, "request refused"),
            (None, Attention::Client) => tracing::info!(error, status, limit, "request refused"),
        }
    }
}

/// What a client is told of a chat that its person may open: a link that opens it with the text written, and the id that the
/// code will need.
fn offered(chat: &ChatOffer, language: Language) -> Value {
    let text = replies::OPEN_CHAT_TEXT.with("word", chat.word.expose());
    let text: String = form_urlencoded::byte_serialize(text.written(language).as_bytes()).collect();
    // In an address a space is no plus.
    let text = text.replace('+', "%20");
    json!({
        "openChat": format!("https://wa.me/{}?text={text}", chat.number),
        "challengeId": chat.challenge.expose(),
    })
}

/// The wait in whole seconds, rounded up.
pub(super) fn seconds_up(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1_000)
        .try_into()
        .unwrap_or(u64::MAX)
}
