//! What the gateway tells by itself: the body of a webhook as one event, in the form of every version.
//!
//! Whatever is not understood is `Event::Ignored`: versions differ in what they send, and the next one sends more.
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::facts::Jid;
use crate::platform::timestamp::Timestamp;

/// The forms that a body comes in.
mod form;

/// Whether a body is signed.
mod signature;

use self::form::Form;

pub use self::signature::WebhookKey;

/// A webhook as it was posted.
#[derive(Clone, Copy)]
pub struct Posted<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The media type that it is declared as.
    pub content_type: &'a str,
}

/// One thing that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Messages reached a phone, or were read there.
    Receipt(Receipt),
    /// Somebody wrote.
    Message(IncomingMessage),
    /// The session's connection changed.
    Session(SessionNews),
    /// Nothing that is of use here.
    Ignored,
}

/// What became of messages that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What became of them.
    pub kind: ReceiptKind,
    /// Their ids. There may be none.
    pub message_ids: Vec<String>,
    /// When it happened, if the event says so.
    pub at: Option<Timestamp>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptKind {
    /// It is on the phone.
    Delivered,
    /// Somebody has opened it there.
    Read,
}

/// A message that somebody wrote. It never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingMessage {
    /// Its id.
    pub id: String,
    /// The chat that it was written in.
    pub chat: Jid,
    /// Who wrote it, from which of their devices.
    pub sender: Jid,
    /// The same account by its other name, if the event has one: of a name without a number, the one with the number.
    pub sender_alt: Option<Jid>,
    /// Whether it was written with the session's own account, on the phone or on another device.
    pub from_me: bool,
    /// Whether the chat is a group.
    pub in_group: bool,
    /// What it says. Pictures and the like say nothing.
    pub text: Option<String>,
    /// When it was written, if the event says so.
    pub at: Option<Timestamp>,
}

impl IncomingMessage {
    /// The digits of the sender's number, where one of its names has them.
    pub fn sender_digits(&self) -> Option<&str> {
        let other = self.sender_alt.as_ref();
        self.sender.digits().or_else(|| other.and_then(Jid::digits))
    }
}

impl fmt::Debug for IncomingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IncomingMessage(****)")
    }
}

/// A change of the session's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNews {
    /// What changed.
    pub change: SessionChange,
    /// When, if the event says so; most do not.
    pub at: Option<Timestamp>,
    /// For how long WhatsApp closes the account out, if it does and says so.
    pub lasts: Option<Duration>,
    /// WhatsApp's number for why it does.
    pub code: Option<i64>,
}

/// What can happen to a session's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// The session has logged in.
    Connected,
    /// The socket was lost.
    Disconnected,
    /// The account unlinked the session.
    LoggedOut,
    /// WhatsApp keeps the account out for a while.
    TemporaryBan,
    /// Another client of the same account took over.
    StreamReplaced,
    /// WhatsApp takes no client of this gateway's version any more.
    ClientOutdated,
    /// A connect did not come about.
    ConnectFailure,
}

impl Posted<'_> {
    /// What the body tells.
    pub fn event(&self) -> Event {
        let json = Form::of(self.content_type, self.body).json(self.body);
        json.and_then(|json| event(&json)).unwrap_or(Event::Ignored)
    }

    /// Whether `signature`, the header `x-hmac-signature`, is that of the body under `key`.
    pub fn is_signed_with(&self, key: &WebhookKey, signature: &str) -> bool {
        let signed = Form::of(self.content_type, self.body).signed(self.body);
        signed.iter().any(|signed| key.signs(signed, signature))
    }
}

fn event(posted: &Value) -> Option<Event> {
    let event = object(&posted["event"]);
    let at = time(&event["Timestamp"]);
    match posted["type"].as_str()? {
        "ReadReceipt" => receipt(posted, &event, at).map(Event::Receipt),
        "Message" => message(&event).map(Event::Message),
        name => {
            let change = session_change(name, &event)?;
            Some(Event::Session(SessionNews {
                change,
                at,
                lasts: ban_lasts(change, &event),
                code: event["Code"].as_i64(),
            }))
        }
    }
}

/// The event, also where a version writes it as a text.
fn object(event: &Value) -> Cow<'_, Value> {
    let written = event
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    written.map_or(Cow::Borrowed(event), Cow::Owned)
}

/// A receipt of somebody else. What the session's own devices say of a message is nothing about its recipient.
fn receipt(posted: &Value, event: &Value, at: Option<Timestamp>) -> Option<Receipt> {
    if event["IsFromMe"] == true {
        return None;
    }
    let state = posted["state"].as_str().or(event["state"].as_str());
    // A version that says it nowhere else has WhatsApp's own word for it.
    let state = state.or(event["Type"].as_str())?;
    let kind = match state.to_ascii_lowercase().as_str() {
        "delivered" | "" => ReceiptKind::Delivered,
        "read" => ReceiptKind::Read,
        _ => return None,
    };
    let ids = event["MessageIDs"].as_array()?.iter();
    Some(Receipt {
        kind,
        message_ids: ids.filter_map(|id| Some(id.as_str()?.to_owned())).collect(),
        at,
    })
}

fn message(event: &Value) -> Option<IncomingMessage> {
    let (info, message) = (&event["Info"], &event["Message"]);
    let jid = |name| text(&info[name]).map(|jid| Jid(jid.to_owned()));
    let written =
        text(&message["conversation"]).or_else(|| text(&message["extendedTextMessage"]["text"]));
    Some(IncomingMessage {
        id: text(&info["ID"])?.to_owned(),
        chat: jid("Chat")?,
        sender: jid("Sender")?,
        sender_alt: jid("SenderAlt"),
        from_me: info["IsFromMe"] == true,
        in_group: info["IsGroup"] == true,
        text: written.map(str::to_owned),
        at: time(&info["Timestamp"]),
    })
}

/// A text that is not empty.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn session_change(name: &str, event: &Value) -> Option<SessionChange> {
    Some(match name {
        // A change of the account's display name has the same type, and says what it did.
        "Connected" if event["Action"].is_null() => SessionChange::Connected,
        "Disconnected" => SessionChange::Disconnected,
        "LoggedOut" | "Logged Out" => SessionChange::LoggedOut,
        "TemporaryBan" => SessionChange::TemporaryBan,
        "StreamReplaced" => SessionChange::StreamReplaced,
        "ClientOutdated" => SessionChange::ClientOutdated,
        "ConnectFailure" => SessionChange::ConnectFailure,
        _ => return None,
    })
}

/// The longest ban that is believed: a longer one is not temporary.
const BAN_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How long a ban lasts, which gateways give in nanoseconds.
fn ban_lasts(change: SessionChange, event: &Value) -> Option<Duration> {
    let nanoseconds = event["Expire"].as_u64();
    let nanoseconds =
        nanoseconds.filter(|lasts| change == SessionChange::TemporaryBan && *lasts > 0);
    nanoseconds.map(|lasts| Duration::from_nanos(lasts).min(BAN_MAX))
}

/// A time with any offset, or in seconds.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Timestamp::parse_rfc3339(text),
        value => value.as_u64().and_then(|seconds| {
            let seconds = u32::try_from(seconds).ok()?;
            Some(Timestamp::from_seconds(seconds.into()))
        }),
    }
}
