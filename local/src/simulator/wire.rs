//! A request, and what its caller sees, whichever face it came through.
use http::Method;
use serde_json::Value;

/// A request, as either face hands it over.
#[derive(Debug)]
pub(super) struct Request {
    pub method: Method,
    pub path: String,
    /// The header `token`, or `Authorization` for the admin's paths.
    pub credential: String,
    pub body: Vec<u8>,
}

/// What the caller gets to see.
#[derive(Debug)]
pub(super) enum Reply {
    /// An HTTP answer.
    Answer {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// The connection is closed without an answer.
    Cut,
    /// There is nobody to connect to.
    Refused,
    /// No answer, ever.
    Silent,
}

impl Reply {
    /// What the gateway's static file server says to a path that it does not have. It asks for no token and takes no
    /// lock, so any answer to it means that the process lives.
    pub fn not_found() -> Self {
        Self::Answer {
            status: 404,
            content_type: "text/plain; charset=utf-8",
            body: "404 page not found\n".into(),
        }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::Answer {
            status,
            content_type: "application/json",
            body: format!("{body}\n"),
        }
    }

    /// The line for the call log: never the data of a good answer.
    pub fn outcome(&self) -> String {
        match self {
            Self::Answer {
                status,
                content_type,
                body,
            } => match serde_json::from_str::<Value>(body) {
                Ok(answer) => match answer["error"].as_str() {
                    Some(error) => format!("{status} {error}"),
                    None => status.to_string(),
                },
                Err(_) => format!("{status} {content_type}"),
            },
            Self::Cut => "connection closed without an answer".into(),
            Self::Refused => "connection refused".into(),
            Self::Silent => "no answer".into(),
        }
    }
}

/// The JSON object of a body.
pub(super) fn fields(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// A field of it, whatever the case of its name.
pub(super) fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    let mut fields = body.as_object()?.iter();
    fields
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A text of it; empty when it is missing.
pub(super) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    field(body, name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
