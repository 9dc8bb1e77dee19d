//! The forms that the body of a webhook comes in, by version and settings of the gateway: JSON, a form with the JSON in the
//! field `jsonData`, and the same form with a file beside it.
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

/// The field of a form that holds the event.
const EVENT: &str = "jsonData";

/// How a body is written.
pub(super) enum Form {
    /// As JSON.
    Json,
    /// As a form, like a query.
    Query,
    /// As a form in parts (RFC 7578), with the line that parts them.
    Parts(String),
}

impl Form {
    /// As the body is declared; as it looks where that says nothing.
    pub(super) fn of(content_type: &str, body: &[u8]) -> Self {
        let mut words = content_type.split(';').map(str::trim);
        let media_type = words.next().unwrap_or_default().to_ascii_lowercase();
        let mut boundary = || words.find_map(|word| parameter(word, "boundary"));
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        match media_type.as_str() {
            "multipart/form-data" => Self::Parts(boundary().unwrap_or_default().to_owned()),
            "application/x-www-form-urlencoded" => Self::Query,
            _ if first == Some(&b'{') => Self::Json,
            _ => Self::Query,
        }
    }

    /// The event's JSON.
    pub(super) fn json(&self, body: &[u8]) -> Option<Value> {
        let json: Value = match self {
            Self::Json => serde_json::from_slice(body).ok()?,
            Self::Query => {
                let mut fields = form_urlencoded::parse(body);
                let (_, event) = fields.find(|(name, _)| name == EVENT)?;
                serde_json::from_str(&event).ok()?
            }
            Self::Parts(boundary) => {
                let event = text_fields(body, boundary).remove(EVENT)?;
                serde_json::from_str(&event).ok()?
            }
        };
        // A gateway that writes JSON and cannot read its own event sends the form as it is.
        match json[EVENT].as_str() {
            Some(event) => serde_json::from_str(event).ok(),
            None => Some(json),
        }
    }

    /// What the gateway may have signed: any of these.
    pub(super) fn signed<'a>(&self, body: &'a [u8]) -> Vec<Cow<'a, [u8]>> {
        match self {
            Self::Json => vec![body.into()],
            Self::Query => vec![body.into(), in_order(body).into()],
            // Not the file, but the fields beside it, which the gateway turns into JSON for that.
            Self::Parts(boundary) => {
                vec![json_of(&text_fields(body, boundary)).into_bytes().into()]
            }
        }
    }
}

/// The value of a parameter such as `name="value"`, if `word` is that parameter.
fn parameter<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let (known, value) = word.split_once('=')?;
    let is_it = known.trim().eq_ignore_ascii_case(name);
    is_it.then(|| value.trim().trim_matches('"'))
}

/// A form whose fields are in alphabetical order.
fn in_order(body: &[u8]) -> Vec<u8> {
    let mut fields: Vec<&[u8]> = body.split(|byte| *byte == b'&').collect();
    fields.sort_by_key(|field| field.split(|byte| *byte == b'=').next());
    fields.join(&b'&')
}

/// The fields of a form in parts, without its files.
fn text_fields(body: &[u8], boundary: &str) -> BTreeMap<String, String> {
    const LINE: &[u8] = b"\r\n";
    // The line that parts a form belongs to the part before it, and to none at the beginning.
    let body = [LINE, body].concat();
    let delimiter = format!("\r\n--{boundary}");
    let mut fields = BTreeMap::new();
    let mut rest = split(&body, delimiter.as_bytes()).map(|(_, rest)| rest);
    while let Some(begun) = rest {
        let (part, next) = match split(begun, delimiter.as_bytes()) {
            Some((part, next)) => (part, Some(next)),
            None => (begun, None),
        };
        fields.extend(text_field(part));
        rest = next;
    }
    fields
}

/// The name and the value of a part, unless it is a file.
fn text_field(part: &[u8]) -> Option<(String, String)> {
    let (head, value) = split(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(head).ok()?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.trim().eq_ignore_ascii_case("content-disposition");
        is_it.then_some(value)
    })?;
    let mut words = disposition.split(';').map(str::trim);
    let is_file = words
        .clone()
        .any(|word| parameter(word, "filename").is_some());
    let name = words.find_map(|word| parameter(word, "name"))?;
    let value = String::from_utf8_lossy(value);
    (!is_file).then(|| (name.to_owned(), value.into_owned()))
}

/// What is before the first `mark`, and what is behind it.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// The fields as the gateway's language writes JSON: it escapes what could end a script in a page.
fn json_of(fields: &BTreeMap<String, String>) -> String {
    let json = serde_json::to_string(fields).unwrap_or_default();
    let escapes = ['<', '>', '&', '\u{2028}', '\u{2029}'];
    escapes.into_iter().fold(json, |json, character| {
        let code = u32::from(character);
        json.replace(character, &format!("\\u{code:04x}"))
    })
}
