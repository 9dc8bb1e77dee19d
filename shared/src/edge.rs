//! The HTTP edge: reading requests, and the one envelope that every reply comes in.
//!
//! A good reply is `{"success":true,"message":…,"data":{…}}`; any other is
//! `{"success":false,"message":…,"error":"CODE","requestId":…}`, with more fields where they help.
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::flows::codes::order::CodeSent;
use crate::flows::codes::{SendError, VerifyError};
use crate::flows::login::SignedIn;
use crate::flows::session::RefreshError;
use crate::model::account::{PersonName, User};
use crate::model::caller::{Caller, TrustedCallers};
use crate::model::challenge::ChallengeId;
use crate::model::code::Code;
use crate::model::identifier::{Email, Identifier};
use crate::model::language::Language;
use crate::model::limits::{Limit, Limited};
use crate::model::password::{Password, PasswordError};
use crate::model::phone::Phone;
use crate::model::replies::{self, Text};
use crate::model::typed;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::log;
use crate::runtime::settings::Settings;
use crate::sender::{HUMAN_TAKES, Reason};

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// When it is worth asking again after a failure of which nobody knows how long it lasts.
const AGAIN_SOON: Duration = Duration::from_secs(5);

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
    if let Some(address) = remote_ip {
        log::name_address(address);
    }
    let context = request.lambda_context_ref();
    let deadline = context.map(|context| context.deadline().into());
    Caller {
        address: remote_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).into(),
        remote_ip,
        request_id: context
            .map(|context| context.request_id.clone())
            .unwrap_or_default(),
        deadline: deadline_of(deadline, now).minus(RESERVE),
        language: language(request),
    }
}

/// The language that a client asks for: by `locale` in the body, or by `Accept-Language`. Otherwise English.
fn language(request: &Request) -> Language {
    #[derive(Deserialize)]
    struct Asked {
        locale: Option<String>,
    }
    let body = request.body().as_ref();
    let asked = (body.len() <= BODY_BYTES_MAX).then(|| serde_json::from_slice::<Asked>(body));
    let locale = asked.and_then(|asked| asked.ok()?.locale);
    asked_language(request, locale.as_deref()).unwrap_or(Language::English)
}

/// The language that a client asks for: by the `locale` of its body, otherwise by `Accept-Language`.
pub fn asked_language(request: &Request, locale: Option<&str>) -> Option<Language> {
    Language::asked(locale, header(request, "accept-language"))
}

fn deadline_of(said: Option<Timestamp>, now: Timestamp) -> Timestamp {
    said.filter(|deadline| now < *deadline)
        .unwrap_or(now.plus(TIME_ASSUMED))
}

/// The caller that counts: the one that a trusted caller asks for, or `caller` itself. `X-Caller-Key` carries the trusted
/// caller's key; a backend names its client in `X-Client-Address`, CloudFront in `CloudFront-Viewer-Address`. Without a key
/// that is known both are ignored.
///
/// # Errors
/// When the key is known, and an address is none or the two differ. Behind CloudFront anybody can write the backend's header,
/// and through a backend that passes headers on CloudFront's: so neither wins.
pub fn on_behalf(
    trusted: &TrustedCallers,
    caller: &Caller,
    request: &Request,
) -> Result<Caller, Problem> {
    let mut caller = caller.clone();
    let known = header(request, "x-caller-key").is_some_and(|key| trusted.know(key));
    if !known {
        return Ok(caller);
    }
    let named = client_address(request, "x-client-address", |text| text.parse().ok())?;
    let viewer = client_address(request, "cloudfront-viewer-address", without_port)?;
    if named.is_some() && viewer.is_some() && named != viewer {
        return Err(invalid_client_address());
    }
    if let Some(address) = named.or(viewer) {
        (caller.address, caller.remote_ip) = (address.into(), Some(address));
        log::name_address(address);
    }
    Ok(caller)
}

/// The address in a header, if the request has that header.
fn client_address(
    request: &Request,
    name: &str,
    parse: impl FnOnce(&str) -> Option<IpAddr>,
) -> Result<Option<IpAddr>, Problem> {
    let Some(given) = request.headers().get(name) else {
        return Ok(None);
    };
    let address = given.to_str().ok().and_then(|text| parse(text.trim()));
    address.map(Some).ok_or_else(invalid_client_address)
}

/// The address in `198.51.100.1:46532` or `2001:db8::1:46532`: CloudFront writes no brackets around an IPv6 address.
fn without_port(text: &str) -> Option<IpAddr> {
    let (address, port) = text.rsplit_once(':')?;
    // The parser of numbers takes a sign, too.
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_port.then(|| address.parse().ok())?
}

fn invalid_client_address() -> Problem {
    Problem::bad_request("INVALID_CLIENT_ADDRESS", replies::CLIENT_ADDRESS)
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
    // What a request does is large; on the heap it leaves the stack to what it calls.
    match tokio::time::timeout(left, Box::pin(work)).await {
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
    message: Text,
    data: Value,
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
            event: None,
        }
    }

    /// Leaves a line in the log.
    #[must_use]
    pub fn logged_as(self, event: SecurityEvent) -> Self {
        Self {
            event: Some(event),
            ..self
        }
    }

    /// The reply to whoever asked for a code.
    pub fn code_sent(sent: &CodeSent) -> Self {
        let (message, delivery) = match sent.confirmed {
            true => (replies::CODE_SENT, "sent"),
            false => (replies::CODE_UNCONFIRMED, "unconfirmed"),
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

/// Any other answer: what the client hears, and what only the log keeps.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: Text,
    more: Map<String, Value>,
    challenge: Option<&'static str>,
    /// What failed here, with everything that caused it.
    cause: Option<String>,
}

impl Problem {
    /// A problem with a code that a client may act on and a message that tells a person what to do.
    pub fn new(status: StatusCode, code: &'static str, message: Text) -> Self {
        Self {
            status,
            code,
            message,
            more: Map::new(),
            challenge: None,
            cause: None,
        }
    }

    /// A request that has to be changed before it is sent again.
    pub fn bad_request(code: &'static str, message: Text) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// An access token that opens nothing. Says so in `WWW-Authenticate`, too (RFC 6750).
    pub fn refused_token(code: &'static str, message: Text) -> Self {
        Self {
            challenge: Some(r#"Bearer realm="api", error="invalid_token""#),
            ..Self::new(StatusCode::UNAUTHORIZED, code, message)
        }
    }

    /// Something failed here. The log keeps the whole chain of causes.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            replies::FAILED_HERE,
        );
        Self {
            cause: Some(Chain(error).to_string()),
            ..problem.retry_after(Duration::from_secs(5))
        }
    }

    /// The time of the request is over, and what it was about may have happened or not.
    fn out_of_time() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            replies::TOOK_TOO_LONG,
        )
        .retry_after(Duration::from_secs(5))
    }

    /// The phone has a user.
    pub fn phone_taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "DUPLICATE_PHONE_VERIFIED",
            replies::PHONE_TAKEN,
        )
    }

    /// A message certainly did not go out, and nothing was charged.
    pub fn not_sent(code: &'static str, message: Text) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with("charged", false)
            .retry_after(AGAIN_SOON)
    }

    /// A limit says no.
    pub fn limited(limited: &Limited, message: Text) -> Self {
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

    /// The one line that a refusal leaves: an error when something failed here, a warning when an operator or a security
    /// team may have to act, and otherwise for the record.
    fn log(&self) {
        let (error, status) = (self.code, self.status.as_u16());
        let limit = self.more.get("limit").and_then(Value::as_str);
        if let Some(cause) = &self.cause {
            tracing::error!(error, status, cause, "request failed");
        } else if self.is_alarming() {
            tracing::warn!(error, status, limit, "request refused");
        } else {
            tracing::info!(error, status, limit, "request refused");
        }
    }

    /// Whether it tells of an outage, an attack or a limit, rather than of a client that has to be corrected or a login
    /// that has ended.
    fn is_alarming(&self) -> bool {
        const OF_CLIENTS: [&str; 3] = ["MISSING_TOKEN", "SESSION_ENDED", "TOKEN_EXPIRED"];
        match self.status {
            StatusCode::UNAUTHORIZED => !OF_CLIENTS.contains(&self.code),
            StatusCode::BAD_REQUEST => ["CAPTCHA_FAILED", "INVALID_OTP"].contains(&self.code),
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => true,
            status => status.is_server_error(),
        }
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
            SendError::Limited(limited) => Self::limited(&limited, limit_message(limited.limit)),
            SendError::NoSession => Self::not_sent("WHATSAPP_CONFIG_ERROR", replies::NOT_SET_UP)
                .with("recovering", false)
                .retry_after(HUMAN_TAKES),
            SendError::NotSent {
                reason: Reason::NotOnWhatsApp,
                ..
            } => Self::bad_request("NOT_ON_WHATSAPP", replies::NOT_ON_WHATSAPP)
                .with("charged", false),
            SendError::NotSent {
                reason,
                retry_after,
            } => {
                let (code, message) = not_sent(reason);
                let problem =
                    Self::not_sent(code, message).retry_after(retry_after.unwrap_or(AGAIN_SOON));
                if reason.needs_human() {
                    problem.with("recovering", false)
                } else {
                    problem
                }
            }
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Wrong { tries_left } => {
                Self::bad_request("INVALID_OTP", replies::CODE_WRONG)
                    .with("attemptsLeft", tries_left)
            }
            VerifyError::Exhausted => {
                Self::bad_request("INVALID_OTP", replies::CODE_EXHAUSTED).with("attemptsLeft", 0)
            }
            VerifyError::Unknown => Self::bad_request("INVALID_OTP", replies::CODE_UNKNOWN),
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

/// What somebody is told whom a limit refuses a code.
const fn limit_message(limit: Limit) -> Text {
    match limit {
        Limit::InProgress => replies::CODE_BEING_SENT,
        Limit::Cooldown => replies::LAST_CODE_FRESH,
        Limit::Country => replies::COUNTRY_FULL,
        _ => replies::TOO_MANY_CODES,
    }
}

/// The codes that clients of the earlier system know.
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
            replies::NOT_DECLARED_JSON,
        ));
    }
    let body = request.body().as_ref();
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            replies::TOO_LARGE.with("bytes", BODY_BYTES_MAX.to_string()),
        ));
    }
    // Some editors and clients put a byte order mark in front; RFC 8259, section 8.1, lets a parser ignore it.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::bad_request("INVALID_JSON", replies::NO_OBJECT));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        unreadable(Some(field), error.inner())
    })?;
    json.end().map_err(|error| unreadable(None, &error))?;
    Ok(read)
}

/// What is wrong with a body that the parser refuses. Its own message may repeat what was sent, a password among it: the field
/// and the place are enough.
fn unreadable(field: Option<String>, error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return Problem::bad_request("INVALID_JSON", replies::NO_JSON.with("place", place));
    }
    let text = error.to_string();
    // Only names of fields that are known come here: others are skipped whatever they hold.
    let twice = text
        .strip_prefix("duplicate field `")
        .and_then(|rest| rest.split('`').next());
    match (twice, field) {
        (Some(field), _) => Problem::bad_request(
            "INVALID_FIELD",
            replies::FIELD_TWICE
                .with("field", field)
                .with("place", place),
        )
        .with("field", field)
        .with("reason", "twice"),
        (None, field) => {
            let field = field.unwrap_or_default();
            Problem::bad_request(
                "INVALID_FIELD",
                replies::FIELD_WRONG_TYPE
                    .with("field", field.clone())
                    .with("place", place),
            )
            .with("field", field)
            .with("reason", "wrong_type")
        }
    }
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
        .filter(|text| !typed::plain(text).is_empty())
        .ok_or_else(|| Problem::bad_request(code, replies::FIELD_MISSING.with("field", name)))
}

/// The phone number of a field that must be there.
///
/// # Errors
/// With the fix, when it is missing or no phone number.
pub fn phone(field: Option<&String>, name: &str) -> Result<Phone, Problem> {
    let text = required(field, name, "MISSING_IDENTIFIER")?;
    let phone = Phone::parse(text).map_err(|error| {
        Problem::bad_request("INVALID_PHONE_FORMAT", error.text()).with("reason", error.reason())
    })?;
    log::name_phone(&phone);
    Ok(phone)
}

/// The account of a field that must be there: a phone number, or an e-mail address where `emails` are accepted.
///
/// # Errors
/// With the fix, when it is missing or neither.
pub fn identifier(field: Option<&String>, name: &str, emails: bool) -> Result<Identifier, Problem> {
    let text = required(field, name, "MISSING_IDENTIFIER")?;
    match emails && typed::plain(text).contains('@') {
        true => Email::parse(text)
            .map(Identifier::Email)
            .map_err(|_| Problem::bad_request("INVALID_EMAIL", replies::EMAIL_INVALID)),
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
            let message = replies::METHOD_UNKNOWN;
            Err(Problem::bad_request("UNSUPPORTED_METHOD", message))
        }
    }
}

/// The name of a field that must be there.
///
/// # Errors
/// With the fix, when it is missing or no name.
pub fn name(field: Option<&String>, name: &str) -> Result<PersonName, Problem> {
    let text = required(field, name, "MISSING_NAME")?;
    PersonName::parse(text).map_err(|error| {
        Problem::bad_request("INVALID_NAME", error.text()).with("reason", error.reason())
    })
}

/// The newly chosen password of a field that must be there. `known` is what others may know of whoever chooses it.
///
/// # Errors
/// With the fix, when it is missing or cannot be chosen.
pub fn new_password(
    field: Option<&String>,
    name: &str,
    known: &[&str],
) -> Result<Password, Problem> {
    required(field, name, "MISSING_PASSWORD")?;
    // Spaces around a password belong to it.
    let text = field.map(String::as_str).unwrap_or_default();
    Ok(Password::choose(text, known)?)
}

/// The code of a field that must be there.
///
/// # Errors
/// With the fix, when it is missing or no code.
pub fn code(field: Option<&String>, name: &str) -> Result<Code, Problem> {
    let text = required(field, name, "MISSING_OTP")?;
    Code::parse(text).ok_or_else(|| Problem::bad_request("INVALID_OTP", replies::CODE_DIGITS))
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
            let message = replies::TOKEN_MISSING;
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

/// Puts an answer into the envelope, and into the log what of it belongs there.
pub fn respond(caller: &Caller, answer: Result<Reply, Problem>) -> Response<Body> {
    let (status, retry_after, challenge, body) = match answer {
        Ok(reply) => {
            if let Some(event) = reply.event {
                let user = reply.data["user"]["id"].as_str();
                tracing::info!(event = event.name(), user, "login changed");
            }
            let message = reply.message.written(caller.language);
            let body = json!({ "success": true, "message": message, "data": reply.data });
            (StatusCode::OK, None, None, body)
        }
        Err(problem) => {
            problem.log();
            let retry_after = problem
                .more
                .get("retryAfterSeconds")
                .and_then(Value::as_u64);
            let mut body = problem.more;
            body.insert("success".into(), false.into());
            let message = problem.message.written(caller.language);
            body.insert("message".into(), message.into());
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

/// For two years browsers come by HTTPS only. They heed it only in a reply that came so.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

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
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
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
