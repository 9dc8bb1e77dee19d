//! The body of a request: one JSON object.
use lambda_http::Request;
use lambda_http::http::StatusCode;
use serde::de::DeserializeOwned;

use super::headers::header;
use super::problem::Problem;
use crate::model::replies;

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Reads the body as one JSON object.
///
/// A body that is not declared as JSON is refused. Any web page can make a browser send such a body to any address without
/// asking first (Fetch Standard, CORS-safelisted request-header); it cannot do that with JSON.
///
/// # Errors
/// With the fix, when the body is missing, too large, no JSON, no object, or has a field of the wrong type.
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
    // Some editors and clients put a byte order mark in front. RFC 8259, section 8.1, lets a parser ignore it.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::bad_request("INVALID_JSON", replies::NO_OBJECT));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        unreadable(&field, error.inner())
    })?;
    json.end().map_err(|error| unreadable("", &error))?;
    Ok(read)
}

/// What is wrong with a body that the parser refuses at `field`. The parser's own message may repeat what was sent, such as
/// a password. So the reply names only the field and the position.
fn unreadable(field: &str, error: &serde_json::Error) -> Problem {
    let position = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return Problem::bad_request("INVALID_JSON", replies::NO_JSON.with("place", position));
    }
    let text = error.to_string();
    // Only known fields can be named twice: the parser skips all others.
    let twice = text
        .strip_prefix("duplicate field `")
        .and_then(|rest| rest.split('`').next());
    let (field, reason, message) = match twice {
        Some(field) => (field, "twice", replies::FIELD_TWICE),
        None => (field, "wrong_type", replies::FIELD_WRONG_TYPE),
    };
    let message = message.with("field", field).with("place", position);
    Problem::bad_request("INVALID_FIELD", message)
        .with("field", field)
        .with("reason", reason)
}

/// Whether a media type is JSON (RFC 8259), whatever its parameters.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
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
}
