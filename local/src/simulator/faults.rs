//! Faults that a session carries until they are used up or taken away.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// What goes wrong with the sends and commands of one session.
#[derive(Debug, Default)]
pub(super) struct SessionFaults {
    /// A connect is "already connected" until the process restarts.
    pub stuck: bool,
    /// WhatsApp lets the session log in no more.
    pub refusal: Option<Refusal>,
    /// A dead session still says that it is logged in.
    pub dead_logged_in: bool,
    /// What happens to the next sends, one each.
    pub sends: VecDeque<SendFault>,
    /// While half-open: how many sends it takes until the socket is good again, and whether they arrive.
    pub half_open_sends: Option<u32>,
    pub half_open_delivers: bool,
    /// A send waits for an acknowledgement that never comes, and holds up the queue.
    pub dead_queue: bool,
    pub restriction: Option<Restriction>,
    pub receipts: ReceiptFaults,
    /// The sends that are accepted and never arrive.
    pub silent: Share,
    /// The sends that come upon a busy store: some versions refuse them, the others lose their texts.
    pub busy: Share,
}

/// WhatsApp's answer to a login, and how long it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub code: LoginRefusal,
    /// `None`: until healthy.
    pub until: Option<Instant>,
}

impl Refusal {
    /// One that stands until everything is healthy.
    pub const fn for_good(code: LoginRefusal) -> Self {
        Self { code, until: None }
    }
}

/// Why WhatsApp lets a session not in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum LoginRefusal {
    /// 402: the account is banned for a while.
    #[default]
    Banned,
    /// 405: the library is too old.
    Outdated,
    /// 418: something that the library does not know.
    Unknown,
    /// 503: WhatsApp is busy; the library tries again by itself.
    Unavailable,
}

impl LoginRefusal {
    const CODES: [(Self, u16); 4] = [
        (Self::Banned, 402),
        (Self::Outdated, 405),
        (Self::Unknown, 418),
        (Self::Unavailable, 503),
    ];
}

impl From<LoginRefusal> for u16 {
    fn from(refusal: LoginRefusal) -> Self {
        let mut codes = LoginRefusal::CODES.into_iter();
        codes
            .find(|(known, _)| *known == refusal)
            .map_or(402, |(_, code)| code)
    }
}

impl TryFrom<u16> for LoginRefusal {
    type Error = &'static str;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        let mut codes = Self::CODES.into_iter();
        codes
            .find(|(_, known)| *known == code)
            .map(|(refusal, _)| refusal)
            .ok_or("the code must be 402, 405, 418 or 503")
    }
}

/// What happens to one send.
#[derive(Clone, Copy, Debug)]
pub(super) enum SendFault {
    /// The socket is lost before the acknowledgement, for `down`.
    AckLost { delivered: bool, down: Duration },
    /// The socket is lost before the acknowledgement and back at once, and what the library sends again is never
    /// acknowledged.
    ResendUnanswered { delivered: bool },
    /// The socket breaks while the text is written.
    SocketBreaks,
    /// It arrives, and after `after` the caller sees something else than the answer.
    AnswerLost { how: LostAnswer, after: Duration },
}

/// What a caller sees whose answer is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostAnswer {
    /// The connection is closed.
    #[default]
    Closed,
    /// A proxy's page with status 504.
    #[serde(rename = "proxy_504")]
    Proxy504,
}

/// What goes wrong with the receipts of one session's messages.
#[derive(Debug, Default)]
pub(super) struct ReceiptFaults {
    /// How much later they come.
    pub later: Duration,
    /// The messages that bring none.
    pub lost: Share,
    pub doubled: bool,
    pub reordered: bool,
    /// How many messages there were.
    pub messages: u64,
}

/// Whom WhatsApp refuses an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Whoever has no chat with it.
    NewChats,
    Everybody,
}

/// WhatsApp's refusal of sends.
#[derive(Debug)]
pub(super) struct Restriction {
    pub whom: Refused,
    pub code: u16,
    /// How often it refuses each recipient; `None`: until it is lifted.
    pub refusals: Option<u32>,
    /// How often it did.
    pub refused: BTreeMap<String, u32>,
}

/// A share of all sends, spread evenly.
#[derive(Debug, Default)]
pub(super) struct Share {
    rate: f64,
    owed: f64,
}

impl Share {
    /// From 0, none, to 1, all.
    pub const fn new(rate: f64) -> Self {
        let rate = rate.clamp(0.0, 1.0);
        Self { rate, owed: 0.0 }
    }

    /// Whether the next send belongs to it.
    pub fn takes_next(&mut self) -> bool {
        self.owed += self.rate;
        let takes = self.owed >= 1.0;
        if takes {
            self.owed -= 1.0;
        }
        takes
    }
}

/// How many faults of sends can wait.
const SEND_FAULTS_MAX: u32 = 1_000;

impl SessionFaults {
    /// The next sends fail like this.
    pub fn next_sends(&mut self, sends: u32, fault: SendFault) {
        self.sends.clear();
        let sends = sends.min(SEND_FAULTS_MAX);
        self.sends.extend((0..sends).map(|_| fault));
    }

    /// Why a login at that time fails.
    pub fn refusal_at(&self, at: Instant) -> Option<LoginRefusal> {
        let refusal = self.refusal?;
        let over = refusal.until.is_some_and(|until| until <= at);
        (!over).then_some(refusal.code)
    }

    /// WhatsApp refuses the account these recipients, each so often.
    pub fn restrict(&mut self, whom: Refused, code: u16, refusals: Option<u32>) {
        self.restriction = Some(Restriction {
            whom,
            code,
            refusals,
            refused: BTreeMap::new(),
        });
    }

    /// The code with which WhatsApp refuses a recipient, who has a chat with the account or not.
    pub fn refuses(&mut self, phone: &str, has_chat: bool) -> Option<u16> {
        let restriction = self.restriction.as_mut()?;
        if has_chat && restriction.whom == Refused::NewChats {
            return None;
        }
        let refused = restriction.refused.entry(phone.to_owned()).or_default();
        if restriction.refusals.is_some_and(|most| *refused >= most) {
            return None;
        }
        *refused += 1;
        Some(restriction.code)
    }
}
