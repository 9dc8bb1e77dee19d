//! The headers of a request.
use lambda_http::Request;

use super::problem::Problem;

/// The text of a header. Nothing when the header is missing or no text.
pub(super) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
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
        .ok_or_else(Problem::missing_token)
}

/// The value of the cookie `name`. Nothing when it is missing, or there twice.
pub(super) fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    // API Gateway hands cookies over apart from the headers; `lambda_http` has put them back into one.
    let headers = request.headers().get_all("cookie").into_iter();
    let pairs = headers.filter_map(|header| header.to_str().ok());
    let pairs = pairs.flat_map(|header| header.split(';'));
    let values = pairs.filter_map(|pair| pair.trim().split_once('='));
    let mut found = values.filter(|(key, _)| *key == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}
