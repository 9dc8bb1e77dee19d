//! What a failed call means for the message: an error's text as an `Observation`.
//!
//! The gateway answers nearly every failure with 500, so the text decides and never the status alone. In doubt the
//! outcome is unknown: only a text that proves that nothing was sent may lead to another send without a mark.
use super::outcome::Outcome;
use crate::gateway::GatewayError;

/// What happened to an attempt, or to a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// WhatsApp took the message.
    Sent,
    /// The message, which goes to nobody, ends like the session's last real one.
    LikeTheLast(Outcome),
    /// Not sent: the session is not usable.
    SessionTrouble,
    /// Not sent: there is no gateway behind the address.
    GatewayDown,
    /// Not sent: a front answered that it cannot reach the gateway, which may be true for a moment only.
    FrontDown,
    /// Not sent: the gateway's own store was busy.
    StoreBusy,
    /// Unknown: an answer came, and it does not tell.
    Lost,
    /// Unknown: no answer came in time, and the call still holds the session's queue.
    Unanswered,
    /// Not sent: something in front of the gateway lets only so many requests pass.
    Throttled,
    /// Not sent: WhatsApp keeps the account from sending, for hours or days.
    Restricted,
    /// Not sent: the number is not on WhatsApp.
    NotOnWhatsApp,
    /// Not sent: WhatsApp knows the recipient under another number, which the next send goes to.
    OtherNumber,
    /// Not sent: this recipient or this text can never be sent.
    WrongRecipient,
    /// Not sent: the address or the token of the gateway is wrong.
    Misconfigured,
    /// Not sent: WhatsApp or the gateway said no, perhaps not for long.
    Rejected,
    /// The recovery's first look showed a usable session, although the send had failed.
    UsableAtOnce,
    /// The session became usable again.
    Recovered,
    /// The session did not become usable in time: nobody could reach the gateway.
    GatewayStaysDown,
    /// The session did not become usable in time.
    SessionStaysDown,
    /// Not sent: somebody has to pair the session.
    Unpaired,
    /// The session did not become usable in time: only a restart of the gateway helps.
    Stuck,
    /// No place in the session's queue before the deadline.
    QueueFull,
    /// Not enough time for another send.
    OutOfTime,
}

/// What `error`, met on the way of a send, says about the message.
pub fn classify(error: &GatewayError) -> Observation {
    match error {
        GatewayError::Refused { status, error } => by_text(*status, &error.to_lowercase()),
        GatewayError::Proxy { status, message } => by_proxy(*status, &message.to_lowercase()),
        GatewayError::Unreachable(_) => Observation::GatewayDown,
        GatewayError::TimedOut => Observation::Unanswered,
        GatewayError::Broken(_) => Observation::Lost,
    }
}

/// The gateway's own words. The first row that matches decides.
const TEXTS: &[(&str, Observation)] = &[
    ("unauthorized", Observation::Misconfigured),
    ("timed out waiting for message send", Observation::Lost),
    // The look-up of the recipient's devices comes before the message leaves.
    (
        "disconnected before info query",
        Observation::SessionTrouble,
    ),
    ("websocket disconnected before", Observation::Lost),
    ("server returned error 463", Observation::Restricted),
    ("rate-overlimit", Observation::Restricted),
    ("info query timed out", Observation::SessionTrouble),
    ("no lid found", Observation::NotOnWhatsApp),
    (
        "message recipient must be a user jid",
        Observation::WrongRecipient,
    ),
    (
        "can't send message to unknown server",
        Observation::WrongRecipient,
    ),
    ("store doesn't contain a device jid", Observation::Unpaired),
    ("failed to fetch lid mappings", Observation::StoreBusy),
    ("failed to save cached sessions", Observation::StoreBusy),
    ("not logged in", Observation::SessionTrouble),
    ("no session", Observation::SessionTrouble),
    ("failed to connect", Observation::SessionTrouble),
    ("server returned error", Observation::Rejected),
    ("can't encrypt message for device", Observation::Rejected),
    ("failed to get group members", Observation::Rejected),
];

/// How the gateway says that the socket was not there when it wanted to write.
const SOCKET_GONE: [&str; 4] = [
    "websocket not connected",
    "frame socket is closed",
    "connection reset by peer",
    "broken pipe",
];

/// What the gateway puts before the text of a send that began.
const SENDING: &str = "error sending message:";

fn by_text(status: u16, text: &str) -> Observation {
    if let Some((_, observation)) = TEXTS.iter().find(|(part, _)| text.contains(part)) {
        return *observation;
    }
    if SOCKET_GONE.iter().any(|part| text.contains(part)) {
        // Without the name of an inner step it can come from the gateway's own resend.
        return if text.contains("failed to ") {
            Observation::SessionTrouble
        } else {
            Observation::Lost
        };
    }
    if text.is_empty() || text.contains(SENDING) {
        return Observation::Lost;
    }
    match status {
        400 => Observation::WrongRecipient,
        401 => Observation::Misconfigured,
        _ if text.contains("not connected") => Observation::SessionTrouble,
        _ => Observation::Rejected,
    }
}

/// Signs that a 502 came from a connection that did carry the request.
const BROKEN_ON_THE_WAY: [&str; 4] = ["eof", "reset", "broken pipe", "timeout"];

fn by_proxy(status: u16, message: &str) -> Observation {
    match status {
        502 if BROKEN_ON_THE_WAY.iter().any(|part| message.contains(part)) => Observation::Lost,
        502 => Observation::FrontDown,
        // Blocked for minutes, and every further request prolongs it.
        403 | 429 if message.contains("spam") => Observation::Restricted,
        403 if message.contains("quota exceeded") => Observation::Restricted,
        429 | 503 => Observation::Throttled,
        408 => Observation::Lost,
        300..=499 => Observation::Misconfigured,
        _ => Observation::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(GatewayError, Observation)]) {
        for (error, expected) in rows {
            assert_eq!(classify(error), *expected, "{error}");
        }
    }

    fn refused(status: u16, error: &str) -> GatewayError {
        GatewayError::Refused {
            status,
            error: error.into(),
        }
    }

    fn sending(inner: &str) -> GatewayError {
        refused(500, &format!("error sending message: {inner}"))
    }

    fn proxy(status: u16, message: &str) -> GatewayError {
        GatewayError::Proxy {
            status,
            message: message.into(),
        }
    }

    #[test]
    fn a_session_that_cannot_send_has_certainly_not_sent() {
        check(&[
            (refused(500, "no session"), Observation::SessionTrouble),
            (refused(500, "No session"), Observation::SessionTrouble),
            (refused(500, "No Session"), Observation::SessionTrouble),
            (
                sending(
                    "failed to get device list: failed to send usync query: websocket not connected",
                ),
                Observation::SessionTrouble,
            ),
            (
                sending("failed to send message node: websocket not connected"),
                Observation::SessionTrouble,
            ),
            (
                sending(
                    "failed to get user info for 62812@s.whatsapp.net to fill LID cache: failed to send usync query: websocket not connected",
                ),
                Observation::SessionTrouble,
            ),
            (
                sending("failed to get device list: info query timed out"),
                Observation::SessionTrouble,
            ),
            (
                sending(
                    "failed to get device list: failed to send usync query: websocket disconnected before info query returned response",
                ),
                Observation::SessionTrouble,
            ),
            (refused(500, "not connected"), Observation::SessionTrouble),
            (
                refused(500, "failed to Connect"),
                Observation::SessionTrouble,
            ),
            (
                refused(500, "could not logout as it was not logged in"),
                Observation::SessionTrouble,
            ),
        ]);
    }

    #[test]
    fn a_session_without_a_pairing_is_told_apart_by_the_first_send() {
        check(&[
            (
                sending("the store doesn't contain a device JID"),
                Observation::Unpaired,
            ),
            (
                refused(
                    500,
                    "Error sending message: the store doesn't contain a device JID",
                ),
                Observation::Unpaired,
            ),
        ]);
    }

    #[test]
    fn a_gateway_whose_own_store_is_busy_has_not_sent() {
        check(&[
            (
                sending(
                    "failed to fetch LID mappings: failed to query: database is locked (5) (SQLITE_BUSY)",
                ),
                Observation::StoreBusy,
            ),
            (
                sending("failed to save cached sessions: database is locked (5) (SQLITE_BUSY)"),
                Observation::StoreBusy,
            ),
        ]);
    }

    #[test]
    fn a_socket_that_is_gone_before_the_message_was_written_has_not_sent() {
        check(&[
            (
                sending("failed to send message node: frame socket is closed"),
                Observation::SessionTrouble,
            ),
            (
                sending(
                    "failed to send message node: write tcp 127.0.0.1:1->127.0.0.1:2: write: connection reset by peer",
                ),
                Observation::SessionTrouble,
            ),
            (sending("frame socket is closed"), Observation::Lost),
        ]);
    }

    #[test]
    fn an_answer_that_does_not_tell_is_unknown() {
        check(&[
            (
                sending("timed out waiting for message send response"),
                Observation::Lost,
            ),
            (
                sending("websocket disconnected before message send returned response"),
                Observation::Lost,
            ),
            (
                sending("websocket disconnected before message send (retry) returned response"),
                Observation::Lost,
            ),
            (sending("websocket not connected"), Observation::Lost),
            (refused(500, "websocket not connected"), Observation::Lost),
            (sending("something new"), Observation::Lost),
            (refused(500, ""), Observation::Lost),
            (
                GatewayError::Broken("connection reset".into()),
                Observation::Lost,
            ),
            (GatewayError::TimedOut, Observation::Unanswered),
        ]);
    }

    #[test]
    fn a_fronts_answer_that_does_not_tell_is_unknown() {
        check(&[
            (
                proxy(504, "<html><title>504 Gateway Time-out</title>"),
                Observation::Lost,
            ),
            (
                proxy(500, "<html>Internal Server Error</html>"),
                Observation::Lost,
            ),
            (proxy(200, "<html>welcome</html>"), Observation::Lost),
            (proxy(408, "request timeout"), Observation::Lost),
            (
                proxy(502, "Post \"http://wuzapi:8080/chat/send/text\": EOF"),
                Observation::Lost,
            ),
            (
                proxy(502, "read tcp 10.0.0.1:1: read: connection reset by peer"),
                Observation::Lost,
            ),
        ]);
    }

    #[test]
    fn a_gateway_that_is_not_there_has_certainly_not_sent() {
        check(&[
            (
                GatewayError::Unreachable("connection refused".into()),
                Observation::GatewayDown,
            ),
            (
                proxy(502, "<html><title>502 Bad Gateway</title>"),
                Observation::FrontDown,
            ),
            (
                proxy(502, "dial tcp 10.0.0.1:8080: connect: connection refused"),
                Observation::FrontDown,
            ),
        ]);
    }

    #[test]
    fn a_front_that_counts_requests_is_no_broken_session() {
        check(&[
            (
                proxy(
                    503,
                    "<html><title>503 Service Temporarily Unavailable</title>",
                ),
                Observation::Throttled,
            ),
            (proxy(429, "rate limit exceeded"), Observation::Throttled),
            (proxy(429, "spam detected"), Observation::Restricted),
            (
                proxy(429, "ip blocked due to spam"),
                Observation::Restricted,
            ),
            (
                proxy(403, "message quota exceeded"),
                Observation::Restricted,
            ),
        ]);
    }

    #[test]
    fn what_whatsapp_refuses_is_told_apart_by_what_helps() {
        check(&[
            (
                sending("server returned error 463"),
                Observation::Restricted,
            ),
            (
                refused(500, "Error sending message: Server returned error 463"),
                Observation::Restricted,
            ),
            (
                sending(
                    "failed to get device list: failed to send usync query: info query returned status 429: rate-overlimit",
                ),
                Observation::Restricted,
            ),
            (sending("server returned error 479"), Observation::Rejected),
            (sending("server returned error 403"), Observation::Rejected),
            (
                sending("can't encrypt message for device: no signal session established"),
                Observation::Rejected,
            ),
            (
                sending("failed to get group members: not found"),
                Observation::Rejected,
            ),
            (
                refused(500, "could not get webhook: sql: no rows"),
                Observation::Rejected,
            ),
        ]);
    }

    #[test]
    fn a_recipient_or_text_that_cannot_be_sent_is_told_apart() {
        check(&[
            (
                sending("no LID found for 62812@s.whatsapp.net from server"),
                Observation::NotOnWhatsApp,
            ),
            (
                sending("message recipient must be a user JID with no device part"),
                Observation::WrongRecipient,
            ),
            (
                sending("can't send message to unknown server x.example"),
                Observation::WrongRecipient,
            ),
            (
                refused(400, "could not decode Payload"),
                Observation::WrongRecipient,
            ),
            (
                refused(400, "missing Phone in Payload"),
                Observation::WrongRecipient,
            ),
            (
                refused(400, "missing Body in Payload"),
                Observation::WrongRecipient,
            ),
            (
                refused(400, "Could not parse Phone"),
                Observation::WrongRecipient,
            ),
            (
                refused(400, "missing StanzaID in ContextInfo"),
                Observation::WrongRecipient,
            ),
        ]);
    }

    #[test]
    fn a_wrong_address_or_token_is_a_matter_of_configuration() {
        check(&[
            (refused(401, "unauthorized"), Observation::Misconfigured),
            (refused(401, "Unauthorized"), Observation::Misconfigured),
            (proxy(401, "token required"), Observation::Misconfigured),
            (proxy(403, "record not found"), Observation::Misconfigured),
            (
                proxy(403, "subscription expired"),
                Observation::Misconfigured,
            ),
            (
                proxy(403, "admin path is not exposed"),
                Observation::Misconfigured,
            ),
            (proxy(404, "404 page not found"), Observation::Misconfigured),
            (
                proxy(301, "<html>Moved Permanently</html>"),
                Observation::Misconfigured,
            ),
        ]);
    }
}
