//! What a session tells its webhook, in the words of each version. Pure; the time is handed in.
use serde_json::{Value, json};
use shared::platform::timestamp::Timestamp;

use super::faults::LoginRefusal;
use super::picture;
use super::profile::Profile;

/// The account of a simulated device, for the parts of an address that stand for nobody else.
const USER_SERVER: &str = "s.whatsapp.net";

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A phone has messages of the session, or shows them.
    Receipt(Receipt),
    /// Somebody wrote to the account.
    Message(Written),
    /// WhatsApp took a text of the session.
    MessageSent(Written),
    /// WhatsApp let the session in.
    Connected,
    /// The socket was lost.
    Disconnected,
    /// Another client took its place.
    Replaced,
    /// The phone unlinked the device.
    LoggedOut,
    /// WhatsApp did not let it in.
    LoginRefused(LoginRefusal),
    /// Its first dials failed, so many of them.
    DialsFailed(u32),
    /// A QR code can be scanned.
    Qr(u64),
    /// Nobody scanned one.
    QrTimeout,
    /// Somebody scanned one, with the phone of this account.
    Paired(String),
}

/// What one device of a phone says of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub state: ReceiptState,
    pub phone: String,
    /// 0 is the phone itself, others are linked to it.
    pub device: u16,
    pub ids: Vec<String>,
}

/// How far messages came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiptState {
    Delivered,
    Read,
}

/// A text between a phone and the session's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub phone: String,
    pub id: String,
    pub text: String,
}

/// How addresses look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressing {
    /// By phone number.
    Phone,
    /// By WhatsApp's own number of a person, `…@lid`, as of accounts that it moved to these.
    Lid,
}

impl Event {
    /// Its type in that version; `None` when the version does not tell it.
    pub fn kind(&self, profile: Profile) -> Option<&'static str> {
        let since_b = profile != Profile::A;
        let since_c = matches!(profile, Profile::C | Profile::D);
        let (kind, told) = match self {
            Self::Receipt(_) => ("ReadReceipt", true),
            Self::Message(_) => ("Message", true),
            Self::MessageSent(_) => ("MessageSent", profile == Profile::B),
            Self::Connected => ("Connected", since_b),
            Self::Disconnected => ("Disconnected", since_b),
            Self::Replaced => ("StreamReplaced", profile == Profile::D),
            // B means to tell "Logged Out", and has lost what it would tell it with.
            Self::LoggedOut => ("LoggedOut", since_c),
            Self::LoginRefused(LoginRefusal::Banned) => ("TemporaryBan", since_c),
            Self::LoginRefused(LoginRefusal::Outdated) => ("ClientOutdated", since_c),
            Self::LoginRefused(LoginRefusal::Unknown) => ("ConnectFailure", since_b),
            // The library goes on by itself, and tells only that the socket closed.
            Self::LoginRefused(LoginRefusal::Unavailable) => return None,
            Self::DialsFailed(_) => ("ConnectFailure", since_c),
            Self::Qr(_) => ("QR", since_b),
            Self::QrTimeout => ("QRTimeout", since_c),
            Self::Paired(_) => ("PairSuccess", since_c),
        };
        told.then_some(kind)
    }

    /// What is posted: the event, and what stands beside it.
    pub fn json(&self, kind: &str, at: Timestamp, addressing: Addressing) -> Value {
        let mut posted = match self {
            Self::Receipt(receipt) => receipt.json(at, addressing),
            Self::Message(written) => json!({"event": written.json(at, addressing)}),
            Self::MessageSent(written) => json!({"event": {
                "Info": {
                    "ID": written.id, "Timestamp": at.rfc3339(), "Chat": address(&written.phone),
                    "IsFromMe": true, "MessageType": "text",
                },
                "Message": {"conversation": written.text},
            }}),
            Self::Connected | Self::Disconnected | Self::Replaced => json!({"event": {}}),
            Self::LoggedOut => json!({"event": {"OnConnect": false, "Reason": 401}}),
            Self::LoginRefused(refusal) => refused_json(*refusal),
            Self::DialsFailed(attempts) => json!({
                "event": "ConnectFailure", "attempts": attempts,
                "error": "couldn't dial whatsapp web websocket",
                "reason": "Failed to connect after retry attempts",
            }),
            Self::Qr(number) => json!({
                "event": "code", "qrCodeBase64": picture::data_url(Some(*number)),
            }),
            Self::QrTimeout => json!({"event": "timeout"}),
            Self::Paired(jid) => json!({"event": {
                "ID": jid, "LID": "", "BusinessName": "", "Platform": "android",
            }}),
        };
        posted["type"] = kind.into();
        posted
    }
}

fn refused_json(refusal: LoginRefusal) -> Value {
    let event = match refusal {
        LoginRefusal::Banned => json!({"Code": 101, "Expire": 86_400_000_000_000_u64}),
        LoginRefusal::Outdated | LoginRefusal::Unavailable => json!({}),
        LoginRefusal::Unknown => json!({"Reason": u16::from(refusal), "Message": "", "Raw": null}),
    };
    json!({ "event": event })
}

impl Receipt {
    /// Whether another one, of other messages, can come with it.
    pub fn is_beside(&self, other: &Self) -> bool {
        let whose = |receipt: &Self| (receipt.state, receipt.phone.clone(), receipt.device);
        whose(self) == whose(other) && !other.ids.iter().any(|id| self.ids.contains(id))
    }

    fn json(&self, at: Timestamp, addressing: Addressing) -> Value {
        let (state, kind) = match self.state {
            ReceiptState::Delivered => ("Delivered", ""),
            ReceiptState::Read => ("Read", "read"),
        };
        let mut event = source(&self.phone, self.device, addressing);
        event["MessageIDs"] = json!(self.ids);
        event["Timestamp"] = at.rfc3339().into();
        event["Type"] = kind.into();
        event["MessageSender"] = "".into();
        json!({"event": event, "state": state})
    }
}

impl Written {
    fn json(&self, at: Timestamp, addressing: Addressing) -> Value {
        let mut info = source(&self.phone, 0, addressing);
        let more = json!({
            "ID": self.id, "ServerID": 0, "Type": "text", "PushName": "Simulated", "Timestamp": at.rfc3339(),
            "Category": "", "Multicast": false, "MediaType": "", "Edit": "",
            "MsgBotInfo": {"EditType": "", "EditTargetID": "", "EditSenderTimestampMS": "0001-01-01T00:00:00Z"},
            "MsgMetaInfo": {
                "TargetID": "", "TargetSender": "", "DeprecatedLIDSession": null, "ThreadMessageID": "",
                "ThreadMessageSenderJID": "",
            },
            "VerifiedName": null, "DeviceSentMeta": null,
        });
        if let (Value::Object(info), Value::Object(more)) = (&mut info, more) {
            info.extend(more);
        }
        let message = json!({"conversation": self.text});
        json!({
            "Info": info, "Message": message, "RawMessage": message,
            "IsEphemeral": false, "IsViewOnce": false, "IsViewOnceV2": false, "IsViewOnceV2Extension": false,
            "IsDocumentWithCaption": false, "IsLottieSticker": false, "IsEdit": false,
            "SourceWebMsg": null, "UnavailableRequestID": "", "RetryCount": 0, "NewsletterMeta": null,
        })
    }
}

/// Whose chat it is, and which device of the person it comes from.
fn source(phone: &str, device: u16, addressing: Addressing) -> Value {
    let (user, server, mode, alternative) = match addressing {
        Addressing::Phone => (phone.to_owned(), USER_SERVER, "", String::new()),
        Addressing::Lid => (lid(phone), "lid", "lid", address(phone)),
    };
    let part = match device {
        0 => String::new(),
        device => format!(":{device}"),
    };
    json!({
        "Chat": format!("{user}@{server}"), "Sender": format!("{user}{part}@{server}"),
        "IsFromMe": false, "IsGroup": false, "AddressingMode": mode, "SenderAlt": alternative,
        "RecipientAlt": "", "BroadcastListOwner": "",
    })
}

fn address(phone: &str) -> String {
    format!("{phone}@{USER_SERVER}")
}

/// WhatsApp's own number of a person.
fn lid(phone: &str) -> String {
    phone.chars().rev().chain("00".chars()).collect()
}
