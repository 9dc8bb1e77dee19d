//! A session's webhook: where it is, and which events go there. Pure.
use super::profile::Profile;

/// What every version can tell.
const EVENTS: [&str; 6] = [
    "All",
    "Message",
    "ReadReceipt",
    "Presence",
    "ChatPresence",
    "HistorySync",
];
/// What B, C and D can be asked for besides, as far as it is about messages and the connection. Not all of it is ever told.
const EVENTS_SINCE_B: [&str; 16] = [
    "ClientOutdated",
    "ConnectFailure",
    "Connected",
    "Disconnected",
    "KeepAliveRestored",
    "KeepAliveTimeout",
    "LoggedOut",
    "PairError",
    "PairSuccess",
    "QR",
    "QRScannedWithoutMultidevice",
    "Receipt",
    "StreamError",
    "StreamReplaced",
    "TemporaryBan",
    "UndecryptableMessage",
];

/// Whether a version knows events of that name. Others are dropped unseen.
pub(super) fn is_known(event: &str, profile: Profile) -> bool {
    let own = match profile {
        Profile::A => None,
        Profile::B => Some("MessageSent"),
        Profile::C | Profile::D => Some("QRTimeout"),
    };
    let since_b = profile != Profile::A && EVENTS_SINCE_B.contains(&event);
    EVENTS.contains(&event) || since_b || own == Some(event)
}

/// As the gateway has it: in its database, and in the memory of its process, which do not always agree.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    /// Where events go; empty: nowhere.
    pub url: String,
    /// The events that go there now, separated by commas.
    pub events: String,
    /// The events in the database: `GET /webhook` shows them, and they count after a restart.
    stored: String,
    /// What signs the posts of C and D.
    pub key: Option<String>,
}

impl Webhook {
    pub fn new(url: &str, key: Option<&str>) -> Self {
        let events = "Message,ReadReceipt";
        Self {
            url: url.into(),
            events: events.into(),
            stored: events.into(),
            key: key.map(Into::into),
        }
    }

    /// Whether events of that type go anywhere.
    pub fn takes(&self, kind: &str) -> bool {
        let mut names = self.events.split(',');
        !self.url.is_empty() && names.any(|name| name == kind || name == "All")
    }

    /// What `GET /webhook` calls its subscriptions.
    pub fn stored(&self) -> Vec<&str> {
        self.stored.split(',').collect()
    }

    /// A connect names its events, or none.
    pub fn connected(&mut self, named: Option<Vec<String>>, profile: Profile) {
        self.events = match named {
            Some(events) => events.join(","),
            None => profile.events_unless_named(&self.events),
        };
        if profile != Profile::D {
            self.stored.clone_from(&self.events);
        }
    }

    /// A disconnect forgets the events; D only until it starts again.
    pub fn disconnected(&mut self, profile: Profile) {
        self.events.clear();
        if profile != Profile::D {
            self.stored.clear();
        }
    }

    /// The process starts again.
    pub fn restarted(&mut self) {
        self.events.clone_from(&self.stored);
    }

    /// Somebody sets it. Without a list of events nothing is told any more, although the list in the database stays; A
    /// uses another list only after the next connect.
    pub fn set(&mut self, url: String, events: Option<&[String]>, profile: Profile) {
        self.url = url;
        if let Some(events) = events {
            self.stored = events.join(",");
        }
        if profile != Profile::A {
            self.events = events.map(|events| events.join(",")).unwrap_or_default();
        }
    }

    /// Somebody takes it away.
    pub fn delete(&mut self, profile: Profile) {
        self.set(String::new(), Some(&[]), profile);
    }
}
