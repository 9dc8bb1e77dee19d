//! What the gateway's calls and answers are about: sessions, messages, numbers, and why a call failed.
use std::fmt;

use reqwest::Url;

use crate::model::phone::Phone;
use crate::model::texts::MessageBody;

/// The secret that addresses one session, or the gateway's admin token. Never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionToken(String);

impl SessionToken {
    /// Wraps a token as it was configured.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token itself, for the request header and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(****)")
    }
}

/// The address of a gateway: an HTTP URL that may end in a path. It may hold a secret, so it never shows itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GatewayAddress(String);

impl GatewayAddress {
    /// The address in `text`, without a slash at its end; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.has_host();
        let http = matches!(url.scheme(), "http" | "https");
        (plain && http).then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The address itself, for requests and for whoever keeps it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayAddress(****)")
    }
}

/// An address that restarts the gateway. Whoever knows it can do so, so it never shows itself.
#[derive(Clone)]
pub struct RestartUrl(String);

impl RestartUrl {
    /// Wraps an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address itself, for the request and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RestartUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestartUrl(****)")
    }
}

/// The end of an account's name that begins with its number.
const NUMBERED: &str = "@s.whatsapp.net";

/// WhatsApp's own name of an account, such as `628123456789@s.whatsapp.net`. It holds a phone number, so it never shows
/// itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Jid(pub String);

impl Jid {
    /// Whether this is an account under another number than `digits`. Names without a number are none.
    pub fn is_other_than(&self, digits: &str) -> bool {
        match self.0.strip_suffix(NUMBERED) {
            Some(user) => user != digits,
            None => false,
        }
    }

    /// Whether this is one person, and no group, channel or list.
    pub fn is_person(&self) -> bool {
        let server = self.0.rsplit('@').next();
        matches!(server, Some("s.whatsapp.net" | "lid"))
    }

    /// The digits of the account's number, without the device that may stand behind them. Names without a number have none.
    pub fn digits(&self) -> Option<&str> {
        let user = self.0.strip_suffix(NUMBERED)?;
        user.split([':', '.']).next()
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jid(****)")
    }
}

/// One text to one phone. `id` is the WhatsApp message id: the same for every retry of the same message.
#[derive(Clone, Debug)]
pub struct TextMessage {
    /// The recipient.
    pub phone: Phone,
    /// The recipient's account, where it is known under another number than the phone's.
    pub jid: Option<Jid>,
    /// What the recipient reads.
    pub body: MessageBody,
    /// The message id, such as `3EB0` and 18 upper-case hex digits.
    pub id: String,
}

/// The gateway's word that WhatsApp took a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The id that receipts will name.
    pub id: String,
}

/// The two flags of a session. It is usable only when both are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// The socket to WhatsApp is open.
    pub connected: bool,
    /// The account is logged in.
    pub logged_in: bool,
    /// The account, once it was paired; it stays after a log-out.
    pub jid: Option<String>,
    /// The events that reach the webhook.
    pub events: Vec<String>,
    /// Whether a QR code waits to be scanned. `None` where the version does not say. It is of use only while the socket is
    /// open: afterwards it can be stale.
    pub has_qr_code: Option<bool>,
}

impl SessionStatus {
    /// Whether a message can be sent now.
    pub const fn usable(&self) -> bool {
        self.connected && self.logged_in
    }

    /// The digits of the account's own number, while it is logged in: afterwards the account may be another one's.
    pub fn own_number(&self) -> Option<String> {
        let jid = Jid(self.jid.clone().filter(|_| self.usable())?);
        let digits = jid.digits()?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.to_owned())
    }
}

/// Whether one number is on WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCheck {
    /// The number that was asked, as digits.
    pub query: String,
    /// Whether it has an account.
    pub on_whatsapp: bool,
    /// The account, if the gateway names one.
    pub jid: Option<Jid>,
}

impl UserCheck {
    /// The account, where it is under another number than that of `phone`.
    pub fn other_account(&self, phone: &Phone) -> Option<Jid> {
        let queried = || Jid(format!("{}{NUMBERED}", self.query));
        let named = self.jid.clone().filter(|jid| jid.0.ends_with(NUMBERED));
        Some(named.unwrap_or_else(queried)).filter(|account| account.is_other_than(phone.digits()))
    }
}

/// Where a session posts its webhooks. The address is a secret, so it never shows itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebhookSetup {
    /// The address; empty when there is none.
    pub address: String,
    /// The events that are posted.
    pub events: Vec<String>,
}

impl fmt::Debug for WebhookSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSetup(**** for {:?})", self.events)
    }
}

/// A session as the gateway's administrator sees it.
#[derive(Clone, Debug)]
pub struct GatewayUser {
    /// The gateway's id of the session.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its secret.
    pub token: SessionToken,
    /// Its flags.
    pub status: SessionStatus,
}

/// Why a call brought no good answer, as a fact of the transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The gateway answered with its own error text.
    #[error("the gateway answered {status}: {error}")]
    Refused {
        /// The HTTP status, which carries no class.
        status: u16,
        /// The gateway's error text, in lower case, with phone numbers masked.
        error: String,
    },
    /// Something in front of the gateway answered: HTML, plain text, or a front's `{"message": …}`.
    #[error("a proxy answered {status}: {message}")]
    Proxy {
        /// The HTTP status.
        status: u16,
        /// The first characters of the body, or the front's message.
        message: String,
    },
    /// No connection came about, so the request never left.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(String),
    /// The request left and no answer came within the given time.
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The request left, then the connection broke or the answer could not be read.
    #[error("the gateway's answer was lost: {0}")]
    Broken(String),
}
