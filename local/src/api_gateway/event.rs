//! The event of a request, payload format 2.0, and the response of an answer.
use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use serde_json::{Map, Value, json};
use shared::platform::timestamp::Timestamp;

use super::routes::{Matched, decoded};

/// Media types whose bodies are handed on as text, besides `text/*`. Everything else is base64, a form too.
const TEXT_TYPES: [&str; 3] = [
    "application/javascript",
    "application/json",
    "application/xml",
];

/// What API Gateway knows about a request besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Whom the connection came from.
    pub source_ip: IpAddr,
    /// The id that logs and replies name.
    pub request_id: &'a str,
    /// When it came.
    pub time: Timestamp,
}

/// The event as JSON.
pub fn event(matched: &Matched<'_>, request: &Parts, body: &[u8], origin: Origin<'_>) -> Value {
    let query = request.uri.query().unwrap_or("");
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.route.key(),
        "rawPath": decoded(request.uri.path()),
        "rawQueryString": query,
        "headers": headers(&request.headers, &host(request), origin.source_ip),
        "requestContext": request_context(matched, request, origin),
        "isBase64Encoded": false,
    });
    if let Some(cookies) = header(&request.headers, &COOKIE) {
        event["cookies"] = cookies.split("; ").collect();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = query_parameters(query);
    }
    if !matched.parameters.is_empty() {
        let parameters = matched.parameters.iter();
        event["pathParameters"] = parameters
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect::<Map<_, _>>()
            .into();
    }
    if !body.is_empty() {
        let text = is_text(&header(&request.headers, &CONTENT_TYPE).unwrap_or_default());
        event["isBase64Encoded"] = json!(!text);
        event["body"] = if text {
            json!(String::from_utf8_lossy(body))
        } else {
            json!(STANDARD.encode(body))
        };
    }
    event
}

fn host(request: &Parts) -> String {
    header(&request.headers, &HOST).unwrap_or_else(|| "localhost".to_owned())
}

fn request_context(matched: &Matched<'_>, request: &Parts, origin: Origin<'_>) -> Value {
    json!({
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": host(request).split(':').next(),
        "domainPrefix": "local",
        "http": {
            "method": request.method.as_str(),
            "path": decoded(request.uri.path()),
            "protocol": "HTTP/1.1",
            "sourceIp": origin.source_ip.to_string(),
            "userAgent": header(&request.headers, &USER_AGENT).unwrap_or_default(),
        },
        "requestId": origin.request_id,
        "routeKey": matched.route.key(),
        "stage": "$default",
        "time": log_time(origin.time),
        "timeEpoch": origin.time.millis(),
    })
}

/// The function's answer, from JSON; `None` when it is none that API Gateway understands.
pub fn response(answer: &str) -> Option<Response<Bytes>> {
    let answer: ApiGatewayV2httpResponse = serde_json::from_str(answer).ok()?;
    let body = answer.body.as_deref().unwrap_or_default();
    let body = if answer.is_base64_encoded {
        Bytes::from(STANDARD.decode(body).ok()?)
    } else {
        Bytes::copy_from_slice(body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status_code.try_into().ok()?).ok()?;
    *response.headers_mut() = answer.headers;
    for cookie in &answer.cookies {
        let cookie = HeaderValue::from_str(cookie).ok()?;
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Some(response)
}

/// All values of a header, combined as API Gateway does.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let separator = if name == COOKIE { "; " } else { "," };
    (!values.is_empty()).then(|| values.join(separator))
}

/// The headers by their lower-case names, and those that API Gateway adds. Cookies have a place of their own.
fn headers(headers: &HeaderMap, host: &str, source_ip: IpAddr) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = headers
        .keys()
        .filter(|name| *name != COOKIE)
        .filter_map(|name| Some((name.to_string(), header(headers, name)?)))
        .collect();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    all.insert("x-forwarded-port".into(), port.into());
    all.insert("x-forwarded-proto".into(), "http".into());
    all.insert(
        "host".into(),
        if name.is_empty() { "localhost" } else { host }.into(),
    );
    all.entry("x-forwarded-for".into())
        .and_modify(|addresses| *addresses = format!("{addresses}, {source_ip}"))
        .or_insert_with(|| source_ip.to_string());
    all
}

/// Decoded, with the values of one name combined by commas.
fn query_parameters(query: &str) -> Value {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|values| *values = format!("{values},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    json!(parameters)
}

fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    let media_type = media_type.to_ascii_lowercase();
    media_type.starts_with("text/") || TEXT_TYPES.contains(&media_type.as_str())
}

/// `22/Nov/2026:11:33:20 +0000`
fn log_time(time: Timestamp) -> String {
    use aws_smithy_types::date_time::{DateTime, Format};
    let date = DateTime::from_secs(time.seconds()).fmt(Format::HttpDate);
    let date = date.unwrap_or_default();
    match date.split(' ').collect::<Vec<_>>()[..] {
        [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
        _ => date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_api_gateway_takes_for_text() {
        for (content_type, text) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/csv", true),
            ("application/xml", true),
            ("application/vnd.api+json", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=text/", false),
            ("", false),
        ] {
            assert_eq!(is_text(content_type), text, "{content_type}");
        }
    }

    #[test]
    fn the_time_is_in_the_format_of_access_logs() {
        let time = Timestamp::from_seconds(1_795_347_200);
        assert_eq!(log_time(time), "22/Nov/2026:11:33:20 +0000");
    }

    #[test]
    fn an_answer_without_a_status_is_none() {
        assert!(response("{}").is_none());
        assert!(response("null").is_none());
        assert!(response(r#"{"statusCode": 99, "cookies": []}"#).is_none());
    }
}
