//! The HTTP edge: reading requests, and the one envelope that every reply comes in.
//!
//! A good reply is `{"success":true,"message":…,"data":{…}}`; any other is
//! `{"success":false,"message":…,"error":"CODE","requestId":…}`, with more fields where they help.
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::account::{Email, Identifier, User};
use crate::caller::{Caller, TrustedCallers};
use crate::challenge::ChallengeId;
use crate::code::Code;
use crate::flows::codes::{CodeSent, SendError, VerifyError};
use crate::flows::login::SignedIn;
use crate::limits::{Limit, Limited};
use crate::password::Password;
use crate::phone::Phone;
use crate::report::Chain;
use crate::sender::Reason;
use crate::settings::Settings;
use crate::timestamp::Timestamp;

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Of the time that Lambda gives, this much is kept to record the result and to answer.
const RESERVE: Duration = Duration::from_millis(1_500);

/// The last of that time, in which nothing is done any more but to answer: Lambda ends a function without an answer.
const RESERVE_TO_ANSWER: Duration = Duration::from_millis(500);

/// What a function may take when nobody says how long: a request without a Lambda context, in a test, or one with a
/// deadline long past, from `cargo lambda watch`.
const TIME_ASSUMED: Duration = Duration::from_secs(20);

/// The caller of `request`.
pub fn caller(request: &Request, now: Timestamp) -> Caller {
    let source_ip = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    let remote_ip: Option<IpAddr> = source_ip.and_then(|address| address.parse().ok());
    let context = request.lambda_context_ref();
    let deadline = context.map(|context| context.deadline().into());
    Caller {
        address: remote_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).into(),
        remote_ip,
        request_id: context
            .map(|context| context.request_id.clone())
            .unwrap_or_default(),
        deadline: deadline_of(deadline, now).minus(RESERVE),
    }
}

fn deadline_of(said: Option<Timestamp>, now: Timestamp) -> Timestamp {
    said.filter(|deadline| now < *deadline)
        .unwrap_or(now.plus(TIME_ASSUMED))
}

/// The caller that counts: the one that a trusted caller asks for, or `caller` itself. `X-Caller-Key` carries the trusted
/// caller's key and `X-Client-Address` the address of its client; without a key that is known both are ignored.
///
/// # Errors
/// When the key is known and the address is none.
pub fn on_behalf(
    trusted: &TrustedCallers,
    caller: &Caller,
    request: &Request,
) -> Result<Caller, Problem> {
    let mut caller = caller.clone();
    let known = header(request, "x-caller-key").is_some_and(|key| trusted.know(key));
    if let Some(given) = request.headers().get("x-client-address").filter(|_| known) {
        let address = given.to_str().ok().map(str::trim);
        let address: Option<IpAddr> = address.and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| {
            let message = "Send one IPv4 or IPv6 address in `X-Client-Address`, without a port.";
            Problem::bad_request("INVALID_CLIENT_ADDRESS", message)
        })?;
        (caller.address, caller.remote_ip) = (address.into(), Some(address));
    }
    Ok(caller)
}

/// Does `work` until half a second before Lambda would end the function, and then answers without it. What was begun is left
/// as a process that dies leaves it.
///
/// # Errors
/// Those of `work`, or that there was no time left.
pub async fn within<T>(
    caller: &Caller,
    now: Timestamp,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let left = caller.deadline.plus(RESERVE - RESERVE_TO_ANSWER).since(now);
    match tokio::time::timeout(left, work).await {
        Ok(answer) => answer,
        Err(_) => {
            tracing::error!("request ran out of time");
            Err(Problem::out_of_time())
        }
    }
}

/// A good answer.
#[derive(Debug)]
pub struct Reply {
    message: &'static str,
    data: Value,
}

impl Reply {
    /// A reply with `data`, an object.
    pub const fn new(message: &'static str, data: Value) -> Self {
        Self { message, data }
    }

    /// The reply to whoever asked for a code.
    pub fn code_sent(sent: &CodeSent) -> Self {
        let (message, delivery) = match sent.confirmed {
            true => ("We sent a code to your WhatsApp.", "sent"),
            false => (
                "We may have sent a code to your WhatsApp. If it does not arrive, ask again.",
                "unconfirmed",
            ),
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
    pub fn signed_in(message: &'static str, signed_in: &SignedIn) -> Self {
        Self::new(
            message,
            json!({
                "token": signed_in.token.expose(),
                "tokenExpiresAt": signed_in.expires_at.rfc3339(),
                "refreshToken": signed_in.refresh.expose(),
                "user": user_view(&signed_in.user),
            }),
        )
    }

    /// Adds a field to the data.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Serialize) -> Self {
        self.data[field] = json!(value);
        self
    }
}

/// Any other answer: what the client hears. What the log keeps was logged where it was known.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: Map<String, Value>,
    challenge: Option<&'static str>,
}

impl Problem {
    /// A problem with a code that a client may act on and a message that tells a person what to do.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            more: Map::new(),
            challenge: None,
        }
    }

    /// A request that has to be changed before it is sent again.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// An access token that opens nothing. Says so in `WWW-Authenticate`, too (RFC 6750).
    pub fn refused_token(code: &'static str, message: &str) -> Self {
        Self {
            challenge: Some(r#"Bearer realm="api", error="invalid_token""#),
            ..Self::new(StatusCode::UNAUTHORIZED, code, message)
        }
    }

    /// Something failed here. Logs the whole chain of causes, once.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %Chain(error), "request failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "Something failed on our side. Nothing was charged; try again in a few seconds.",
        )
        .retry_after(Duration::from_secs(5))
    }

    /// The time of the request is over, and what it was about may have happened or not.
    fn out_of_time() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "That took too long on our side. Send the same again in a few seconds.",
        )
        .retry_after(Duration::from_secs(5))
    }

    /// The phone has a user.
    pub fn phone_taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "DUPLICATE_PHONE_VERIFIED",
            "This phone number is registered. Sign in instead.",
        )
    }

    /// A message certainly did not go out, and nothing was charged.
    pub fn not_sent(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with("charged", false)
            .retry_after(Duration::from_secs(5))
    }

    /// A limit says no.
    pub fn limited(limited: &Limited, message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
            .with("limit", limited.limit.name())
            .retry_after(limited.retry_after)
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Serialize) -> Self {
        self.more.insert(field.into(), json!(value));
        self
    }

    /// Says when to come back, in the body and as `Retry-After`.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.with("retryAfterSeconds", seconds_up(wait).max(1))
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Store(error) => Self::internal(&error).with("charged", false),
            SendError::Limited(limited) => Self::limited(
                &limited,
                match limited.limit {
                    Limit::Country => {
                        "Too many codes went to numbers of this country today. Come back tomorrow."
                    }
                    _ => "Too many codes were asked for. Wait before you ask for the next one.",
                },
            ),
            SendError::NoSession => Self::not_sent(
                "WHATSAPP_CONFIG_ERROR",
                "WhatsApp is not set up. The code was not sent and nothing was charged; tell the operator.",
            ),
            SendError::NotSent(Reason::NotOnWhatsApp) => Self::bad_request(
                "NOT_ON_WHATSAPP",
                "This number is not on WhatsApp. Check it, or use one that is; nothing was charged.",
            )
            .with("charged", false),
            SendError::NotSent(reason) => {
                let (code, message) = not_sent(reason);
                let problem = Self::not_sent(code, message);
                match reason {
                    // It lasts for hours, and asking prolongs it.
                    Reason::Restricted => problem.retry_after(Duration::from_secs(300)),
                    _ => problem,
                }
            }
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Wrong { tries_left } => {
                Self::bad_request("INVALID_OTP", "The code is wrong. Check it and try again.")
                    .with("attemptsLeft", tries_left)
            }
            VerifyError::Exhausted => {
                Self::bad_request("INVALID_OTP", "Too many wrong codes. Ask for a new code.")
                    .with("attemptsLeft", 0)
            }
            VerifyError::Unknown => Self::bad_request(
                "INVALID_OTP",
                "There is no such code. Use the challengeId of your last request, or ask for a new code.",
            ),
            VerifyError::Expired => Self::bad_request(
                "OTP_EXPIRED",
                "The code has expired or was used. Ask for a new one.",
            ),
            VerifyError::Overtaken => Self::phone_taken(),
            VerifyError::Limited(limited) => Self::limited(
                &limited,
                "Too many wrong codes came from your network. Wait before you try again.",
            ),
            VerifyError::Store(error) => Self::internal(&error),
        }
    }
}

/// The codes that clients of the earlier system know.
const fn not_sent(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::Busy => (
            "WHATSAPP_SERVICE_UNAVAILABLE",
            "WhatsApp is busy. The code was not sent and nothing was charged; try again in a few seconds.",
        ),
        Reason::SessionDown | Reason::NeedsPairing => (
            "WHATSAPP_SERVICE_UNAVAILABLE",
            "WhatsApp is being reconnected. The code was not sent and nothing was charged; try again shortly.",
        ),
        Reason::GatewayUnreachable => (
            "WHATSAPP_NETWORK_ERROR",
            "WhatsApp cannot be reached. The code was not sent and nothing was charged; try again shortly.",
        ),
        Reason::Deadline => (
            "WHATSAPP_TIMEOUT",
            "WhatsApp took too long. The code was not sent and nothing was charged; try again shortly.",
        ),
        Reason::Misconfigured => (
            "WHATSAPP_AUTH_ERROR",
            "The WhatsApp gateway refuses this system. The code was not sent and nothing was charged; tell the operator.",
        ),
        Reason::Restricted => (
            "WHATSAPP_OTP_FAILED",
            "WhatsApp lets nothing be sent for the time being. The code was not sent and nothing was charged; try again later.",
        ),
        Reason::NotOnWhatsApp | Reason::WrongRecipient | Reason::Rejected => (
            "WHATSAPP_OTP_FAILED",
            "WhatsApp refused the message. The code was not sent and nothing was charged; check the number or try again later.",
        ),
    }
}

/// Reads the body as one JSON object.
///
/// # Errors
/// With the fix, when it is missing, too large, no JSON, no object, or has a field of the wrong type.
///
/// What is not declared to be JSON is refused: any web page can make a browser send that, and nothing else, to any address
/// without asking first (Fetch Standard, CORS-safelisted request-header).
pub fn json_body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    if !header(request, "content-type").is_some_and(is_json) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "Send a JSON object as the body, with `Content-Type: application/json`.",
        ));
    }
    let body = request.body().as_ref();
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!("Send at most {BODY_BYTES_MAX} bytes."),
        ));
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::bad_request(
            "INVALID_JSON",
            "Send a JSON object as the body.",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        // The parser's own message may repeat what was sent, a password among it; the place is enough.
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.is_data() {
            true => Problem::bad_request(
                "INVALID_FIELD",
                format!("A field has the wrong type, or is there twice, before {place}."),
            ),
            false => {
                Problem::bad_request("INVALID_JSON", format!("The body is no JSON at {place}."))
            }
        }
    })
}

/// Whether a media type is JSON (RFC 8259), whatever its parameters.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The text of a field that must be there.
///
/// # Errors
/// With `code`, when it is missing or blank.
pub fn required<'a>(
    field: Option<&'a String>,
    name: &str,
    code: &'static str,
) -> Result<&'a str, Problem> {
    field
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Problem::bad_request(code, format!("`{name}` is missing.")))
}

/// The phone number of a field that must be there.
///
/// # Errors
/// With the fix, when it is missing or no phone number.
pub fn phone(field: Option<&String>, name: &str) -> Result<Phone, Problem> {
    let text = required(field, name, "MISSING_IDENTIFIER")?;
    Phone::parse(text)
        .map_err(|error| Problem::bad_request("INVALID_PHONE_FORMAT", error.to_string()))
}

/// The account of a field that must be there: a phone number, or an e-mail address where `emails` are accepted.
///
/// # Errors
/// With the fix, when it is missing or neither.
pub fn identifier(field: Option<&String>, name: &str, emails: bool) -> Result<Identifier, Problem> {
    let text = required(field, name, "MISSING_IDENTIFIER")?;
    match emails && text.contains('@') {
        true => Email::parse(text)
            .map(Identifier::Email)
            .map_err(|error| Problem::bad_request("INVALID_EMAIL", error.to_string())),
        false => phone(field, name).map(Identifier::Phone),
    }
}

/// The channel that a code is to go out on.
///
/// # Errors
/// When it is another than WhatsApp.
pub fn method(method: Option<&str>) -> Result<(), Problem> {
    match method {
        None | Some("whatsapp") => Ok(()),
        Some(_) => {
            let message = "Use the method `whatsapp`, or leave it out.";
            Err(Problem::bad_request("UNSUPPORTED_METHOD", message))
        }
    }
}

/// A newly chosen password.
///
/// # Errors
/// With the fix, when it cannot be chosen.
pub fn new_password(field: Option<&String>) -> Result<Password, Problem> {
    Password::choose(field.map(String::as_str).unwrap_or_default())
        .map_err(|error| Problem::bad_request("INVALID_PASSWORD", error.to_string()))
}

/// The code of a field that must be there.
///
/// # Errors
/// With the fix, when it is missing or no code.
pub fn code(field: Option<&String>, name: &str) -> Result<Code, Problem> {
    let text = required(field, name, "MISSING_OTP")?;
    Code::parse(text).ok_or_else(|| {
        Problem::bad_request(
            "INVALID_OTP",
            "A code has six or eight digits. Copy it from the message.",
        )
    })
}

/// Whether a code may be guessed without the challenge id of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeIds {
    /// It may not.
    Required,
    /// It may: `UNBOUND_GUESSES` is on.
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

/// The challenge id that a guess comes with.
///
/// # Errors
/// When it is missing and has to be there.
pub fn challenge_id(
    field: Option<&String>,
    ids: ChallengeIds,
) -> Result<Option<ChallengeId>, Problem> {
    if ids == ChallengeIds::Required {
        required(field, "challengeId", "MISSING_CHALLENGE_ID")?;
    }
    Ok(field.map(|id| ChallengeId::presented(id)))
}

/// What a user may know of itself.
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

/// The token of an `Authorization: Bearer` header.
///
/// # Errors
/// When there is none.
pub fn bearer(request: &Request) -> Result<&str, Problem> {
    header(request, "authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            let message = "Send the access token as `Authorization: Bearer …`.";
            Problem {
                challenge: Some(r#"Bearer realm="api""#),
                ..Problem::new(StatusCode::UNAUTHORIZED, "MISSING_TOKEN", message)
            }
        })
}

/// A header's text, if it is there and readable.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Puts an answer into the envelope.
pub fn respond(caller: &Caller, answer: Result<Reply, Problem>) -> Response<Body> {
    let (status, retry_after, challenge, body) = match answer {
        Ok(reply) => {
            let body = json!({ "success": true, "message": reply.message, "data": reply.data });
            (StatusCode::OK, None, None, body)
        }
        Err(problem) => {
            let retry_after = problem
                .more
                .get("retryAfterSeconds")
                .and_then(Value::as_u64);
            let mut body = problem.more;
            body.insert("success".into(), false.into());
            body.insert("message".into(), problem.message.into());
            body.insert("error".into(), problem.code.into());
            body.insert("requestId".into(), caller.request_id.clone().into());
            let (status, challenge) = (problem.status, problem.challenge);
            (status, retry_after, challenge, Value::Object(body))
        }
    };
    let mut response = json_response(status, &body);
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = challenge {
        let challenge = HeaderValue::from_static(challenge);
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A JSON response that nobody may cache.
pub fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn seconds_up(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1_000)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json() {
        for (media_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json-patch", false),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("", false),
        ] {
            assert_eq!(is_json(media_type), expected, "{media_type}");
        }
    }

    #[test]
    fn a_deadline_that_is_past_at_the_start_says_nothing() {
        let now = Timestamp::from_seconds(1_795_000_000);
        let check = |said: Option<i64>, expected: i64| {
            let said = said.map(Timestamp::from_seconds);
            let expected = Timestamp::from_seconds(expected);
            assert_eq!(deadline_of(said, now), expected);
        };
        check(Some(1_795_000_010), 1_795_000_010);
        check(None, 1_795_000_020);
        // What `cargo lambda watch` says.
        check(Some(600), 1_795_000_020);
    }
}
