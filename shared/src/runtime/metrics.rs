//! Metrics: lines of the log in CloudWatch's embedded metric format, from which CloudWatch makes metrics by itself.
//!
//! Each name is paid for by the month, once for each value of its dimensions. So there are few, and none for a phone, a country
//! or a purpose. docs/operations.md lists them.
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::Settings;
use crate::platform::timestamp::Timestamp;

/// The namespace of all of them.
pub const NAMESPACE: &str = "WhatsAppMessages";

/// What lines of metrics are known by among the events of the log.
pub(super) const TARGET: &str = "metrics";

/// The field of such an event that holds the line.
pub(super) const FIELD: &str = "metrics";

/// The dimension that all of them have.
const STACK: &str = "Stack";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Of each message: whether WhatsApp took it.
    Sent,
    /// Of each message: whether it certainly was not sent.
    NotSent,
    /// Of each message: whether the gateway may have sent it.
    Unknown,
    /// From the request for a code to the end of its message, if WhatsApp took it.
    SecondsToTaken,
    /// How long a message waited for its places in queues.
    PlaceWaitSeconds,
    /// Recoveries that messages waited for.
    RecoveryTried,
    /// Those after which the session was usable.
    RecoverySucceeded,
    /// The others.
    RecoveryFailed,
    /// Codes that WhatsApp took.
    CodesSent,
    /// Of each code: whether WhatsApp took it within [`IN_TIME`].
    CodesInTime,
    /// Codes that came back right.
    CodesVerified,
    /// Messages that are known to have reached their phone.
    Delivered,
    /// From the first try at a message until it was on the phone, where a receipt says when.
    SecondsToDelivered,
    /// Sessions that can send.
    UsableSessions,
    /// Sessions that somebody has to pair.
    NeedsPairing,
    /// Sessions whose gateway somebody has to restart.
    NeedsRestart,
    /// Sessions whose account WhatsApp keeps from sending, to all or to new contacts.
    Restricted,
    /// Sessions whose token the gateway refuses, or whose gateway has another address.
    TokenRefused,
    /// Sessions that take messages and deliver none.
    Mute,
    /// Gateways that do not answer.
    GatewaysDown,
    /// Sessions that have not been usable for two minutes.
    SessionsDown,
    /// Sessions whose recovery has just failed.
    RecoveryFailing,
    /// Sessions that do not post their webhooks here.
    WebhookMissing,
    /// Messages that were taken minutes ago and have not reached their phone.
    Silent,
    /// Notices that ended unsent.
    NoticesDead,
    /// How far the oldest notice that is due is through its time, in hundredths.
    NoticesOldest,
    /// Webhooks of payment gateways that tell something else than is stored: another amount, or that a cancelled payment was paid.
    PaymentMismatch,
    /// Of each session: whether it can send.
    SessionUp,
}

/// A code that is taken within this time has arrived while its reader still waits for it.
pub const IN_TIME: Duration = Duration::from_secs(30);

impl Metric {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Sent,
        Self::NotSent,
        Self::Unknown,
        Self::SecondsToTaken,
        Self::PlaceWaitSeconds,
        Self::RecoveryTried,
        Self::RecoverySucceeded,
        Self::RecoveryFailed,
        Self::CodesSent,
        Self::CodesInTime,
        Self::CodesVerified,
        Self::Delivered,
        Self::SecondsToDelivered,
        Self::UsableSessions,
        Self::NeedsPairing,
        Self::NeedsRestart,
        Self::Restricted,
        Self::TokenRefused,
        Self::Mute,
        Self::GatewaysDown,
        Self::SessionsDown,
        Self::RecoveryFailing,
        Self::WebhookMissing,
        Self::Silent,
        Self::NoticesDead,
        Self::NoticesOldest,
        Self::PaymentMismatch,
        Self::SessionUp,
    ];

    /// Its name in CloudWatch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "Sent",
            Self::NotSent => "NotSent",
            Self::Unknown => "Unknown",
            Self::SecondsToTaken => "SecondsToTaken",
            Self::PlaceWaitSeconds => "PlaceWaitSeconds",
            Self::RecoveryTried => "RecoveryTried",
            Self::RecoverySucceeded => "RecoverySucceeded",
            Self::RecoveryFailed => "RecoveryFailed",
            Self::CodesSent => "CodesSent",
            Self::CodesInTime => "CodesInTime",
            Self::CodesVerified => "CodesVerified",
            Self::Delivered => "Delivered",
            Self::SecondsToDelivered => "SecondsToDelivered",
            Self::UsableSessions => "UsableSessions",
            Self::NeedsPairing => "NeedsPairing",
            Self::NeedsRestart => "NeedsRestart",
            Self::Restricted => "Restricted",
            Self::TokenRefused => "TokenRefused",
            Self::Mute => "Mute",
            Self::GatewaysDown => "GatewaysDown",
            Self::SessionsDown => "SessionsDown",
            Self::RecoveryFailing => "RecoveryFailing",
            Self::WebhookMissing => "WebhookMissing",
            Self::Silent => "Silent",
            Self::NoticesDead => "NoticesDead",
            Self::NoticesOldest => "NoticesOldest",
            Self::PaymentMismatch => "PaymentMismatch",
            Self::SessionUp => "SessionUp",
        }
    }

    /// Whether each session has its own.
    pub const fn is_per_session(self) -> bool {
        matches!(self, Self::SessionUp)
    }
}

/// Writes the metrics of one stack; nothing where there is none, as on a laptop.
#[derive(Clone, Debug)]
pub struct Meter {
    stack: Option<String>,
}

/// Values that are written together, in one line.
#[derive(Debug)]
#[must_use = "nothing is measured before it is written"]
pub struct Line {
    at: Timestamp,
    dimensions: Vec<&'static str>,
    definitions: Vec<Value>,
    values: Map<String, Value>,
}

/// What one round over all sessions has seen.
#[derive(Clone, Debug, Default)]
pub struct Watched<'a> {
    /// Sessions that can send.
    pub usable_sessions: usize,
    /// Sessions that somebody has to pair.
    pub needs_pairing: usize,
    /// Sessions whose gateway somebody has to restart.
    pub needs_restart: usize,
    /// Sessions whose account WhatsApp keeps from sending, to all or to new contacts.
    pub restricted: usize,
    /// Sessions whose token the gateway refuses.
    pub token_refused: usize,
    /// Sessions that take messages and deliver none.
    pub mute: usize,
    /// Gateways that do not answer.
    pub gateways_down: usize,
    /// Sessions that have not been usable for two minutes or more.
    pub sessions_down: usize,
    /// Sessions whose recovery failed in this round.
    pub recovery_failing: usize,
    /// Sessions that do not post their webhooks here, and could not be told to.
    pub webhook_missing: usize,
    /// Messages that were taken minutes ago and have not reached their phone.
    pub silent: usize,
    /// Each session.
    pub sessions: Vec<WatchedSession<'a>>,
}

/// One session of such a round.
#[derive(Clone, Copy, Debug)]
pub struct WatchedSession<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it can send.
    pub usable: bool,
}

impl Meter {
    /// The metrics of the stack that `settings` name.
    pub fn new(settings: &Settings) -> Self {
        Self {
            stack: settings.stack_name.clone(),
        }
    }

    /// A line of values that were measured at `at`.
    pub fn line(&self, at: Timestamp) -> Line {
        Line {
            at,
            dimensions: vec![STACK],
            definitions: Vec::new(),
            values: Map::from_iter(
                self.stack
                    .as_deref()
                    .map(|stack| (STACK.to_owned(), stack.into())),
            ),
        }
    }

    /// Writes that a message which was begun at `begun` was delivered at `at`. Gateways give whole seconds, so it may be said to
    /// have been delivered before.
    pub fn delivered(&self, at: Timestamp, begun: Timestamp) {
        let line = self.line(at).count(Metric::Delivered, 1);
        line.seconds(Metric::SecondsToDelivered, at.since(begun))
            .write();
    }

    /// Writes what a round over all sessions has seen.
    pub fn watched(&self, watched: &Watched<'_>, at: Timestamp) {
        let counts = [
            (Metric::UsableSessions, watched.usable_sessions),
            (Metric::NeedsPairing, watched.needs_pairing),
            (Metric::NeedsRestart, watched.needs_restart),
            (Metric::Restricted, watched.restricted),
            (Metric::TokenRefused, watched.token_refused),
            (Metric::Mute, watched.mute),
            (Metric::GatewaysDown, watched.gateways_down),
            (Metric::SessionsDown, watched.sessions_down),
            (Metric::RecoveryFailing, watched.recovery_failing),
            (Metric::WebhookMissing, watched.webhook_missing),
            (Metric::Silent, watched.silent),
        ];
        let line = self.line(at);
        let line = counts
            .into_iter()
            .fold(line, |line, (metric, count)| line.count(metric, count));
        line.write();
        for session in &watched.sessions {
            let line = self.line(at).of_session(session.name);
            line.count(Metric::SessionUp, usize::from(session.usable))
                .write();
        }
    }
}

impl Line {
    /// Adds a number of things.
    pub fn count(self, metric: Metric, count: usize) -> Self {
        self.with(metric, "Count", count.into())
    }

    /// Adds a time, in seconds with milliseconds.
    pub fn seconds(self, metric: Metric, time: Duration) -> Self {
        let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.with(metric, "Seconds", (f64::from(millis) / 1_000.0).into())
    }

    /// Writes the line.
    pub fn write(self) {
        let mut line = self.values;
        if !line.contains_key(STACK) {
            return;
        }
        line.insert(
            "_aws".into(),
            json!({
                "Timestamp": self.at.millis(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [self.dimensions],
                    "Metrics": self.definitions,
                }],
            }),
        );
        let line = Value::Object(line).to_string();
        tracing::info!(target: TARGET, metrics = line);
    }

    fn of_session(mut self, name: &str) -> Self {
        self.dimensions.push("Session");
        self.values.insert("Session".into(), name.into());
        self
    }

    fn with(mut self, metric: Metric, unit: &str, value: Value) -> Self {
        let name = metric.name();
        self.definitions.push(json!({ "Name": name, "Unit": unit }));
        self.values.insert(name.into(), value);
        self
    }
}
