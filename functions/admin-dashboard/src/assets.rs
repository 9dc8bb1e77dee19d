//! The style and the script, the same for every page. A browser keeps them and asks whether they are still the same.
use std::hash::{DefaultHasher, Hash, Hasher};

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};
use shared::edge::admin;

const STYLE: &str = include_str!("../../../shared/assets/admin.css");
const SCRIPT: &str = include_str!("../../../shared/assets/admin.js");

/// Answers with the file of that name.
pub fn respond(request: &Request, name: &str) -> Response<Body> {
    let (text, kind) = match name {
        "admin.css" => (STYLE, "text/css; charset=utf-8"),
        "admin.js" => (SCRIPT, "text/javascript; charset=utf-8"),
        _ => return admin::page_response(StatusCode::NOT_FOUND, String::new()),
    };
    let tag = tag(text);
    let known = request.headers().get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, Body::Empty)
    } else {
        (StatusCode::OK, Body::Text(text.to_owned()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    admin::guard(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let keep = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, keep);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// What tells one version of a file from another.
fn tag(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
