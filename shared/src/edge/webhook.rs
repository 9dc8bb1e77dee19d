//! A webhook of the gateway, as it is posted.
use lambda_http::http::StatusCode;

use super::headers::header;
use super::problem::Problem;
use super::request::Incoming;
use crate::flows::webhooks::Webhook;
use crate::gateway::webhook::Posted;
use crate::model::replies;

/// The largest webhook that is read. A receipt has less than a kilobyte; a message with its picture may have many.
pub const WEBHOOK_BYTES_MAX: usize = 256 * 1024;

/// The webhook in an incoming request.
///
/// # Errors
/// When it is too large.
pub fn webhook<'a>(incoming: &Incoming<'a>) -> Result<Webhook<'a>, Problem> {
    let request = incoming.request;
    let body = request.body().as_ref();
    if body.len() > WEBHOOK_BYTES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            replies::TOO_LARGE.with("bytes", WEBHOOK_BYTES_MAX.to_string()),
        ));
    }
    Ok(Webhook {
        path: request.uri().path(),
        posted: Posted {
            body,
            content_type: header(request, "content-type").unwrap_or_default(),
        },
        signature: header(request, "x-hmac-signature"),
        deadline: incoming.caller.deadline,
    })
}
