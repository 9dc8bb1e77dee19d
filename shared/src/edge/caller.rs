//! Who sends a request: the address, the language, and until when an answer is of use.
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde::Deserialize;

use super::body::BODY_BYTES_MAX;
use super::headers::header;
use super::problem::Problem;
use crate::model::caller::Caller;
use crate::model::language::Language;
use crate::model::replies;
use crate::platform::timestamp::Timestamp;
use crate::runtime::log;

/// The part of Lambda's time that is kept to record the result and to answer.
const RESERVE: Duration = Duration::from_millis(1_500);

/// The last part of it, in which nothing is done but to answer: Lambda ends a late function without an answer.
const RESERVE_TO_ANSWER: Duration = Duration::from_millis(500);

/// The time for a request whose deadline is not known. A test has none, and `cargo lambda watch` names one long past.
const TIME_ASSUMED: Duration = Duration::from_secs(20);

/// The caller of `request`, as API Gateway saw it.
pub(super) fn read(request: &Request, now: Timestamp) -> Caller {
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
        language: reply_language(request),
    }
}

/// How long the work on a request may take, so that there is time to answer.
pub(super) fn time_left(caller: &Caller, now: Timestamp) -> Duration {
    let end_of_work = caller.deadline.plus(RESERVE - RESERVE_TO_ANSWER);
    end_of_work.since(now)
}

/// The deadline that Lambda gave, or the assumed one when that is missing or past.
fn deadline_of(given: Option<Timestamp>, now: Timestamp) -> Timestamp {
    given
        .filter(|deadline| now < *deadline)
        .unwrap_or(now.plus(TIME_ASSUMED))
}

/// The language of the reply: the one that was asked for, otherwise English.
fn reply_language(request: &Request) -> Language {
    /// Read apart from the other fields: a refusal of the body is written in this language, too.
    #[derive(Deserialize)]
    struct Locale {
        locale: Option<String>,
    }
    let body = request.body().as_ref();
    let read = (body.len() <= BODY_BYTES_MAX).then(|| serde_json::from_slice::<Locale>(body));
    let locale = read.and_then(|read| read.ok()?.locale);
    asked_language(request, locale.as_deref()).unwrap_or(Language::English)
}

/// The language that a client asks for: by the field `locale` of its body, otherwise by `Accept-Language`.
pub(super) fn asked_language(request: &Request, locale: Option<&str>) -> Option<Language> {
    Language::asked(locale, header(request, "accept-language"))
}

/// A backend names its client in this header.
const CLIENT_ADDRESS: &str = "x-client-address";
/// CloudFront names its viewer in this one.
const VIEWER_ADDRESS: &str = "cloudfront-viewer-address";

/// The key of whoever names the client that it asks for. Only that of a trusted caller counts.
pub(super) fn key_on_behalf(request: &Request) -> Option<&str> {
    let names = |name| request.headers().contains_key(name);
    let key = header(request, "x-caller-key");
    key.filter(|_| names(CLIENT_ADDRESS) || names(VIEWER_ADDRESS))
}

/// The client that a trusted caller names, whom limits are counted for.
///
/// # Errors
/// When an address cannot be read or the two differ. Anybody can send the backend's header through
/// CloudFront, and CloudFront's header through a backend that passes headers on. So neither header wins over the other.
pub(super) fn on_behalf(caller: &Caller, request: &Request) -> Result<Caller, Problem> {
    let mut caller = caller.clone();
    let client = client_address(request, CLIENT_ADDRESS, |text| text.parse().ok())?;
    let viewer = client_address(request, VIEWER_ADDRESS, without_port)?;
    if client.is_some() && viewer.is_some() && client != viewer {
        return Err(invalid_client_address());
    }
    if let Some(address) = client.or(viewer) {
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
    let Some(value) = request.headers().get(name) else {
        return Ok(None);
    };
    let address = value.to_str().ok().and_then(|text| parse(text.trim()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_past_at_the_start_says_nothing() {
        let now = Timestamp::from_seconds(1_795_000_000);
        for (case, given, expected) in [
            ("Lambda's deadline", Some(1_795_000_010), 1_795_000_010),
            ("no deadline", None, 1_795_000_020),
            ("that of `cargo lambda watch`", Some(600), 1_795_000_020),
        ] {
            let given = given.map(Timestamp::from_seconds);
            let expected = Timestamp::from_seconds(expected);
            assert_eq!(deadline_of(given, now), expected, "{case}");
        }
    }
}
