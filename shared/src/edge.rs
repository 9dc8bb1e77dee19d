//! The HTTP edge: reading requests, and the one envelope that every answer comes in.
//!
//! A good answer is `{"success":true,"message":…,"data":{…}}`. Any other is
//! `{"success":false,"message":…,"error":"CODE","requestId":…}`, with more fields where they help.
//!
//! In reading order; each file uses only those above it:

/// A response as HTTP carries it.
pub mod response;

/// Any answer but a good one.
pub mod problem;

/// What a client is told of each error of a flow.
mod refusals;

/// A good answer.
pub mod reply;

/// The headers of a request.
mod headers;

/// The body of a request: one JSON object.
pub mod body;

/// A webhook of the gateway, as it is posted.
pub mod webhook;

/// The fields of a body, as domain types.
pub mod fields;

/// Who sends a request: the address, the language, and until when an answer is of use.
mod caller;

/// One request from its arrival to its answer.
pub mod request;

/// Requests of payment systems.
pub mod payments;

/// Webhooks of payment gateways.
pub mod bridge;

/// Requests of operators, and the pages that answer them.
pub mod admin;

/// What operators are refused.
pub mod operators;
