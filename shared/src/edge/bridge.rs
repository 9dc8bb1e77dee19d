//! Webhooks of payment gateways, and what they are answered with.
use lambda_http::http::StatusCode;
use serde_json::json;

use super::headers::header;
use super::problem::Problem;
use super::reply::Reply;
use super::request::Incoming;
use crate::flows::payments::bridge::{Bridge, BridgeError, BridgeWebhook, Bridged};
use crate::model::replies;

/// Takes the webhook in a request.
///
/// # Errors
/// When it is not genuine, cannot be read, or the store fails.
pub async fn take(bridge: &Bridge, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let request = incoming.request;
    let webhook = BridgeWebhook {
        path: request.uri().path(),
        body: request.body().as_ref(),
        token: header(request, "x-callback-token"),
        deadline: incoming.caller.deadline,
        request_id: &incoming.caller.request_id,
    };
    let bridged = bridge.take(webhook, incoming.now).await?;
    let data = match bridged {
        Bridged::Noted => json!({}),
        Bridged::Ignored(why) => json!({ "ignored": why }),
    };
    Ok(Reply::new(replies::WEBHOOK_TAKEN, data))
}

impl From<BridgeError> for Problem {
    fn from(error: BridgeError) -> Self {
        match error {
            BridgeError::NotGenuine => Self::new(
                StatusCode::UNAUTHORIZED,
                "WEBHOOK_NOT_GENUINE",
                replies::WEBHOOK_NOT_GENUINE,
            ),
            BridgeError::Malformed => {
                Self::bad_request("INVALID_WEBHOOK", replies::WEBHOOK_UNREADABLE)
            }
            BridgeError::Store(error) => Self::internal(&error),
        }
    }
}
