//! What the gateway's calls and answers are about: sessions, messages, numbers, and why a call failed.
use std::fmt;
use std::net::IpAddr;

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

    /// Its host, with the port where it is named: what may be shown of it.
    pub fn host(&self) -> String {
        let url = Url::parse(&self.0).ok();
        url.as_ref().map(shown_host).unwrap_or_default()
    }

    /// Whether tokens and messages travel to it without TLS, and to another machine than this one.
    pub fn is_plain_to_others(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_plain_to_others(&url))
    }
}

/// The host of `url` with its port where that is named, and nothing that may be secret.
fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn is_plain_to_others(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<IpAddr, _> = bare.parse();
    let here = match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    url.scheme() == "http" && !here
}

impl fmt::Debug for GatewayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayAddress(****)")
    }
}

/// An address that restarts a gateway. Whoever knows it can do so, so it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct RestartUrl(String);

impl RestartUrl {
    /// Wraps an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address in `text`; `None` when it is no HTTP URL.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text.trim()).ok()?;
        let http = matches!(url.scheme(), "http" | "https") && url.has_host();
        http.then(|| Self(url.into()))
    }

    /// Whether it travels without TLS to another machine, where others can read it.
    pub fn is_plain_to_others(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_plain_to_others(&url))
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
    /// Whether the session has a key of its own to sign its webhooks with. `None` where the version does not say.
    pub signs_webhooks: Option<bool>,
    /// The version, as far as the answer shows it.
    pub version: GatewayVersion,
}

/// The versions of the gateway whose answers can be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayVersion {
    /// Of spring 2025: it names the two flags and nothing else.
    #[default]
    Spring2025,
    /// 1.0.1, of August 2025: it names the QR code, too.
    V101,
    /// 1.0.5 or newer, from October 2025 on: it says whether it signs webhooks.
    Since105,
    /// A fork of 1.0.6 that takes no connect while a session starts.
    GuardsStart,
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

/// The events that every version knows, and without which nothing is known of messages. A version leaves out what it does not
/// know of the others, so their absence shows nothing.
pub const NEEDED_EVENTS: [&str; 2] = ["Message", "ReadReceipt"];
/// Every event: some versions end their process over one of those that this stands for.
const ALL_EVENTS: &str = "All";

/// The events that nothing can do without and that `events` lacks.
pub fn missing_events(events: &[String]) -> Vec<&'static str> {
    let posted = |event: &str| {
        events
            .iter()
            .any(|posted| posted == event || posted == ALL_EVENTS)
    };
    let missing = NEEDED_EVENTS.into_iter().filter(|event| !posted(event));
    missing.collect()
}

/// Where a session posts its webhooks. The address is a secret, so it never shows itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebhookSetup {
    /// The address; empty when there is none.
    pub address: String,
    /// The events that are posted.
    pub events: Vec<String>,
}

impl WebhookSetup {
    /// The host that they go to, with its port where that is named: what may be shown of the address.
    pub fn host(&self) -> Option<String> {
        let url = Url::parse(&self.address).ok()?;
        Some(shown_host(&url))
    }

    /// Whether every event is posted. That ends the process of some versions.
    pub fn posts_all(&self) -> bool {
        self.events.iter().any(|event| event == ALL_EVENTS)
    }
}

impl fmt::Debug for WebhookSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSetup(**** for {:?})", self.events)
    }
}

/// A session that the gateway is asked to make.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its secret, which whoever asks has drawn.
    pub token: SessionToken,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_its_host_and_nothing_secret_and_knows_whether_others_can_listen() {
        for (address, host, plain) in [
            ("https://gateway.example", "gateway.example", false),
            (
                "https://me:secret@gateway.example/secret",
                "gateway.example",
                false,
            ),
            (
                "http://me:secret@gateway.example:8080/wa",
                "gateway.example:8080",
                true,
            ),
            ("http://10.0.0.7:8080", "10.0.0.7:8080", true),
            ("http://127.0.0.1:8091", "127.0.0.1:8091", false),
            ("http://[::1]:8091", "[::1]:8091", false),
            ("http://[::ffff:127.0.0.1]", "[::ffff:7f00:1]", false),
            ("http://localhost", "localhost", false),
            ("http://wuzapi.localhost", "wuzapi.localhost", false),
            ("http://localhost.example", "localhost.example", true),
            ("http://127.0.0.1.example", "127.0.0.1.example", true),
        ] {
            let parsed = GatewayAddress::parse(address).expect(address);
            assert_eq!(parsed.host(), host, "{address}");
            assert_eq!(parsed.is_plain_to_others(), plain, "{address}");
        }
    }

    #[test]
    fn a_restart_hook_is_an_http_url_that_may_have_a_query() {
        for (text, plain) in [
            ("https://deploy.example/hook?key=a", Some(false)),
            (" http://deploy.example/hook\n", Some(true)),
            ("http://127.0.0.1/hook", Some(false)),
            ("deploy.example/hook", None),
            ("ftp://deploy.example/hook", None),
            ("", None),
        ] {
            let parsed = RestartUrl::parse(text);
            let found = parsed.map(|url| url.is_plain_to_others());
            assert_eq!(found, plain, "{text}");
        }
    }
}
