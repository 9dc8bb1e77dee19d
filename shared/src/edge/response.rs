//! A response as HTTP carries it: JSON that nobody may cache.
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use serde_json::Value;

/// Browsers use HTTPS alone for two years. They obey this only in a reply that came over HTTPS.
pub(super) const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

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
