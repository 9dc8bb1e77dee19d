//! What the item of a session says of its last incident.
use std::iter::Sum;
use std::time::Duration;

use crate::platform::timestamp::Timestamp;
use crate::store::{Fields, Item};

/// Trouble that begins so soon after the end of an incident belongs to it.
pub const SAME_WITHIN: Duration = Duration::from_secs(120);

pub(super) const BEGAN: &str = "incident_began";
pub(super) const ENDED: &str = "incident_ended";
pub(super) const CAUSE: &str = "incident_cause";
pub(super) const LAST_CAUSE: &str = "incident_last_cause";
pub(super) const CONNECTS: &str = "incident_connects";
pub(super) const RESTARTS: &str = "incident_restarts";
pub(super) const TRIED_UNTIL: &str = "incident_tried_until";
pub(super) const REV: &str = "incident_rev";
pub(super) const KEPT: &str = "incident_kept";
/// Before the last digit of the ids of messages that were counted.
pub(super) const COUNTED: &str = "incident_by_";
pub(super) const DIGITS: &str = "0123456789abcdef";

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedKind {
    /// A code.
    Code,
    /// A payment notice, or another message without a code.
    Notice,
}

/// What became of a message that its session could not send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedEnd {
    /// It was not sent.
    Failed,
    /// It was sent once the session had come back, or is kept to be sent later.
    Waited,
    /// Another session sent it.
    Elsewhere,
    /// Nobody knows whether it was sent.
    Unconfirmed,
}

impl MissedKind {
    /// Both, in the order in which they are told.
    pub const ALL: [Self; 2] = [Self::Code, Self::Notice];

    const fn word(self) -> &'static str {
        match self {
            Self::Code => "codes",
            Self::Notice => "notices",
        }
    }
}

impl MissedEnd {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 4] = [
        Self::Failed,
        Self::Unconfirmed,
        Self::Waited,
        Self::Elsewhere,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Waited => "waited",
            Self::Elsewhere => "elsewhere",
            Self::Unconfirmed => "unconfirmed",
        }
    }

    /// Whether it shows that the session could not send. An answer that is missing shows that only together with others.
    pub(super) const fn shows_trouble(self) -> bool {
        !matches!(self, Self::Unconfirmed)
    }
}

pub(super) fn counter(kind: MissedKind, end: MissedEnd) -> String {
    format!("incident_{}_{}", kind.word(), end.word())
}

/// How many messages of one kind ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// They were not sent.
    pub failed: i64,
    /// Nobody knows whether they were sent.
    pub unconfirmed: i64,
    /// They were sent once the session had come back, or are kept to be sent later.
    pub waited: i64,
    /// Another session sent them.
    pub elsewhere: i64,
}

impl Missed {
    /// Reads those of `kind`.
    pub(in crate::store) fn read(item: &Item, kind: MissedKind) -> Self {
        let of = |end| item.number(&counter(kind, end)).unwrap_or(0);
        Self {
            failed: of(MissedEnd::Failed),
            unconfirmed: of(MissedEnd::Unconfirmed),
            waited: of(MissedEnd::Waited),
            elsewhere: of(MissedEnd::Elsewhere),
        }
    }

    /// The attributes that they are kept as.
    pub(in crate::store) fn attributes(self, kind: MissedKind) -> [(String, i64); 4] {
        [
            (counter(kind, MissedEnd::Failed), self.failed),
            (counter(kind, MissedEnd::Unconfirmed), self.unconfirmed),
            (counter(kind, MissedEnd::Waited), self.waited),
            (counter(kind, MissedEnd::Elsewhere), self.elsewhere),
        ]
    }

    /// Whether there are none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl Sum for Missed {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            failed: sum.failed + one.failed,
            unconfirmed: sum.unconfirmed + one.unconfirmed,
            waited: sum.waited + one.waited,
            elsewhere: sum.elsewhere + one.elsewhere,
        })
    }
}

/// The last incident of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Since when messages could not be sent from it.
    pub began: Timestamp,
    /// When they could again; nothing while they cannot.
    pub ended: Option<Timestamp>,
    /// The word for what was wrong, as it was seen first.
    pub cause: Option<String>,
    /// The same as it was seen last, where that is another one.
    pub last_cause: Option<String>,
    /// How often the session was connected meanwhile.
    pub connects: i64,
    /// How often its gateway was restarted meanwhile.
    pub restarts: i64,
    /// The codes that were to be sent meanwhile.
    pub codes: Missed,
    /// The same of notices, and of other messages without a code.
    pub notices: Missed,
    /// The last connect or restart that was counted.
    pub(super) tried_until: Option<Timestamp>,
    /// Rises with each change.
    pub rev: i64,
    /// The change up to which it is in the table of incidents.
    kept: i64,
    /// Some of the messages that were counted.
    pub(super) counted: Vec<String>,
}

impl Incident {
    /// What the item of a session says.
    pub(super) fn read(item: &Item) -> Option<Self> {
        let at = |name| item.number(name).map(Timestamp::from_millis);
        let counted = DIGITS.chars();
        let counted = counted.filter_map(|digit| item.text(&format!("{COUNTED}{digit}")));
        Some(Self {
            began: at(BEGAN)?,
            ended: at(ENDED),
            cause: item.text(CAUSE).map(str::to_owned),
            last_cause: item.text(LAST_CAUSE).map(str::to_owned),
            connects: item.number(CONNECTS).unwrap_or(0),
            restarts: item.number(RESTARTS).unwrap_or(0),
            codes: Missed::read(item, MissedKind::Code),
            notices: Missed::read(item, MissedKind::Notice),
            tried_until: at(TRIED_UNTIL),
            rev: item.number(REV).unwrap_or(0),
            kept: item.number(KEPT).unwrap_or(0),
            counted: counted.map(str::to_owned).collect(),
        })
    }

    /// One that goes on since `began`.
    #[cfg(test)]
    pub fn beginning(began: Timestamp) -> Self {
        let item = Item::from([(BEGAN.to_owned(), crate::store::number(began.millis()))]);
        Self::read(&item).expect("it began")
    }

    /// The word for what is or was wrong at last.
    pub fn latest_cause(&self) -> Option<&str> {
        self.last_cause.as_deref().or(self.cause.as_deref())
    }

    /// Whether messages cannot be sent, as far as was seen.
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether it has ended and is not in the table of incidents as it is now.
    pub const fn is_to_keep(&self) -> bool {
        !self.is_open() && self.kept < self.rev
    }

    /// Those of `times` that belong to it and were not counted yet, and the last of all that were.
    pub fn untold(&self, times: &[Timestamp]) -> (i64, Option<Timestamp>) {
        // A message connects the session before it is counted.
        let from = self
            .tried_until
            .unwrap_or(self.began.minus(SAME_WITHIN / 2));
        let new: Vec<_> = times.iter().filter(|at| **at > from).collect();
        (new.len() as i64, new.into_iter().max().copied())
    }
}

/// A message that its session could not send at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedMessage {
    /// The session that would have sent it.
    pub session: String,
    /// What it was.
    pub kind: MissedKind,
    /// What became of it.
    pub end: MissedEnd,
}
