//! What goes to the gateway: one constructor per call, the same for every transport.
use serde_json::{Value, json};

use super::facts::{NEEDED_EVENTS, NewUser, TextMessage};
use crate::model::phone::Phone;

/// The most bytes of an answer that holds one session's facts.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of an answer that holds a list or a picture.
const LIST_BYTES_MAX: usize = 1024 * 1024;

/// What the gateway is to tell by webhook. A version that does not know one of these leaves it out. Not `All`, nor whatever an
/// unlinked session still sends in version 1.0.1 (`Disconnected`): that ends its process.
pub const WEBHOOK_EVENTS: [&str; 6] = [
    "Message",
    "ReadReceipt",
    "LoggedOut",
    "TemporaryBan",
    "ClientOutdated",
    "StreamReplaced",
];

/// One call of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The path below the base URL.
    pub path: &'static str,
    /// The body of a POST; a call without one is a GET.
    pub body: Option<Value>,
    /// The most bytes that its answer may have.
    pub answer_bytes_max: usize,
}

impl Call {
    /// What the gateway's web server shows to everybody, which no session holds up.
    pub const fn front() -> Self {
        Self::get("/").with_long_answer()
    }

    /// The session's flags.
    pub const fn status() -> Self {
        Self::get("/session/status")
    }

    /// Opens the session without waiting. The events are named each time, since some gateways forget them otherwise.
    pub fn connect() -> Self {
        Self::post(
            "/session/connect",
            json!({"Subscribe": WEBHOOK_EVENTS, "Immediate": true}),
        )
    }

    /// Opens a session that belongs to somebody else, without waiting: the events that it posts stay as they are.
    pub fn connect_with(events: &[String]) -> Self {
        Self::post(
            "/session/connect",
            json!({"Subscribe": events, "Immediate": true}),
        )
    }

    /// Closes the socket and keeps the pairing.
    pub fn disconnect() -> Self {
        Self::post("/session/disconnect", json!({}))
    }

    /// Unlinks the device.
    pub fn logout() -> Self {
        Self::post("/session/logout", json!({}))
    }

    /// The QR code to scan.
    pub const fn qr() -> Self {
        Self::get("/session/qr").with_long_answer()
    }

    /// A code to type on the phone.
    pub fn pair_phone(phone: &Phone) -> Self {
        Self::post("/session/pairphone", json!({"Phone": phone.digits()}))
    }

    /// A text under the caller's own message id.
    pub fn send_text(message: &TextMessage) -> Self {
        let account = message.jid.as_ref().map(|jid| jid.0.as_str());
        let recipient = account.unwrap_or(message.phone.digits());
        Self::post(
            "/chat/send/text",
            json!({"Phone": recipient, "Body": message.body.0, "Id": message.id}),
        )
    }

    /// Which numbers are on WhatsApp.
    pub fn check_users(phones: &[Phone]) -> Self {
        let phones: Vec<_> = phones.iter().map(Phone::digits).collect();
        Self::post("/user/check", json!({"Phone": phones})).with_long_answer()
    }

    /// Where the session posts its webhooks.
    pub const fn webhook() -> Self {
        Self::get("/webhook")
    }

    /// Has the session post its webhooks to `address`. The events are named each time: without them no webhook comes any more.
    pub fn set_webhook(address: &str) -> Self {
        Self::post(
            "/webhook",
            json!({"webhookurl": address, "events": WEBHOOK_EVENTS}),
        )
    }

    /// Every session; needs the admin token.
    pub const fn users() -> Self {
        Self::get("/admin/users").with_long_answer()
    }

    /// Makes one more session; needs the admin token. It is given the events that every version knows: the oldest takes no list
    /// with others. Its webhook is set once it has an address.
    pub fn add_user(user: &NewUser) -> Self {
        Self::post(
            "/admin/users",
            json!({
                "name": user.name, "token": user.token.expose(), "webhook": "",
                "events": NEEDED_EVENTS.join(","), "expiration": 0,
            }),
        )
    }

    const fn get(path: &'static str) -> Self {
        Self {
            path,
            body: None,
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    const fn post(path: &'static str, body: Value) -> Self {
        Self {
            path,
            body: Some(body),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    const fn with_long_answer(mut self) -> Self {
        self.answer_bytes_max = LIST_BYTES_MAX;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_names_its_events_and_does_not_wait() {
        assert_eq!(
            Call::connect().body.map(|body| body.to_string()),
            Some(
                r#"{"Immediate":true,"Subscribe":["Message","ReadReceipt","LoggedOut","TemporaryBan","ClientOutdated","StreamReplaced"]}"#
                    .to_owned()
            )
        );
    }
}
