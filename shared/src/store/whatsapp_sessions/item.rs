//! What is known about a session, and how its item keeps that.
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::incident::Incident;
use super::refused::{self, RefusedUser};
use super::taken::{self, TakenMessage};
use crate::model::challenge::ON_WHATSAPP_FOR;
use crate::platform::timestamp::Timestamp;
use crate::store::{Fields, Item, number, text};

/// The key.
pub(super) const NAME: &str = "name";
const FREE_AT: &str = "free_at";
/// Until when the pace of messages that are not urgent is used up.
pub(super) const UNHURRIED_UNTIL: &str = "unhurried_until";
const COST: &str = "cost_ms";
const ASKED_AT: &str = "asked_at";
const ASKED_BY: &str = "asked_by";
const SEEN_STATE: &str = "seen_state";
const SEEN_SINCE: &str = "seen_since";
const SEEN_AT: &str = "seen_at";
const SEEN_UNTIL: &str = "seen_until";
const CONNECT_AT: &str = "connect_at";
const CONNECT_AFTER: &str = "connect_after";
const CONNECT_WAIT: &str = "connect_wait_ms";
const CONNECT_BY: &str = "connect_by";
const CONNECTS: &str = "connects";
const OVER_LIBRARY: &str = "over_library";
const REFUSED_SINCE: &str = "refused_since";
const REFUSALS: &str = "refusals";
const UNANSWERED_SINCE: &str = "unanswered_since";
const UNANSWERED: &str = "unanswered";
const RECENT: &str = "recent";
const RESTARTS: &str = "restarts";
const SERVED_AT: &str = "served_at";
const TAKEN: &str = "taken";
const REFUSED: &str = "refused";
const DELIVERED_AT: &str = "delivered_at";
const MUTE_SINCE: &str = "mute_since";
const RECEIPTS_TAKE: &str = "receipt_ms";
const TRIAL_ENDS: &str = "trial_ends";
const REFUSED_AS_NEW: &str = "refused_new_ms";
const TRIED_AT: &str = "tried_at";
const PAIRING_CALLED: &str = "pairing_called";
const TRIED_BY_OTHERS_AT: &str = "tried_by_others_at";
pub(super) const OWN_NUMBER: &str = "own_number";
/// Before the number of the day.
const NEW_CHATS: &str = "new_chats_";

/// A send costs no less than this.
pub(super) const COST_MIN: Duration = Duration::from_millis(50);
/// A send costs no more than this.
pub(super) const COST_MAX: Duration = Duration::from_secs(5);

/// How many of the last connects, sends and restarts an item remembers.
pub const REMEMBERED: usize = 5;

/// What is known about a session. Everything is missing until it happens for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionItem {
    /// The first free place of the queue.
    pub free_at: Option<Timestamp>,
    /// Until when the pace of messages that are not urgent is used up.
    pub unhurried_until: Option<Timestamp>,
    /// How long the gateway takes for one send.
    pub cost: Option<Duration>,
    /// When somebody last asked the gateway for the session's state, or began to.
    pub asked_at: Option<Timestamp>,
    /// The attempt that asked then.
    pub asked_by: Option<String>,
    /// The state that the last answer showed.
    pub seen: Option<SeenState>,
    /// When the connect right was taken last.
    pub connect_at: Option<Timestamp>,
    /// When the connect right is free again.
    pub connect_after: Option<Timestamp>,
    /// How long the right was taken for; it grows while the session stays down.
    pub connect_wait: Option<Duration>,
    /// The attempt that took the right.
    pub connect_by: Option<String>,
    /// When the right was taken the last times, oldest first.
    pub connects: Vec<Timestamp>,
    /// Whether the last connect was made while the gateway's library was reconnecting by itself. That may have made two clients.
    pub over_library: bool,
    /// Since when connects are refused although the session is down.
    pub refused_since: Option<Timestamp>,
    /// How many connects were refused since then.
    pub refusals: i64,
    /// Since when sends end without an answer, with no success between.
    pub unanswered_since: Option<Timestamp>,
    /// How many sends ended so.
    pub unanswered: i64,
    /// How the last real sends ended, oldest first.
    pub recent: Vec<RecentSend>,
    /// When a message to somebody who is known to it, or to a user that no session is known to have served, last ended.
    pub served_at: Option<Timestamp>,
    /// Some of the messages that were taken in the last minutes, oldest first.
    pub taken: Vec<TakenMessage>,
    /// The users whose messages WhatsApp refused lately, oldest first.
    pub refused: Vec<RefusedUser>,
    /// When the last message is known to have been delivered.
    pub delivered_at: Option<Timestamp>,
    /// Since when messages are taken and none is delivered.
    pub mute_since: Option<Timestamp>,
    /// How long receipts take, as most of the last ones did.
    pub receipts_take: Option<Duration>,
    /// How long WhatsApp took to refuse the last message to somebody whom it had not written to.
    pub refused_as_new_after: Option<Duration>,
    /// Until when one message has it for itself, which tries whether WhatsApp lets it send again.
    pub trial_ends: Option<Timestamp>,
    /// When a message to a user last tried an account that WhatsApp had refused.
    pub tried_at: Option<Timestamp>,
    /// When one last did that anybody can have sent. It takes no user's turn.
    pub tried_by_others_at: Option<Timestamp>,
    /// The digits of its account's own number.
    pub own_number: Option<String>,
    /// When the gateway was asked to restart the last times, oldest first. Only in the gateway's own item.
    pub restarts: Vec<Timestamp>,
    /// The last day on which it was given new contacts to write to, and how many.
    pub new_chats: Option<(i64, i64)>,
    /// The time in which messages could not be sent, until the next one begins.
    pub incident: Option<Incident>,
    /// When somebody was last called to pair it.
    pub pairing_called: Option<Timestamp>,
}

impl SessionItem {
    /// How many new contacts it was given to write to on the day of `now`.
    pub fn new_chats_on(&self, now: Timestamp) -> i64 {
        let today = self.new_chats.filter(|(day, _)| *day == now.day());
        today.map_or(0, |(_, chats)| chats)
    }

    /// When it last took a message that not just anybody can have asked for, of the last minutes.
    pub fn last_to_user(&self) -> Option<Timestamp> {
        let to_users = self.taken.iter().filter(|one| !one.of_anybody);
        to_users.map(|one| one.at).max()
    }

    /// How many users the account was kept from sending to since `since`, of the last minutes.
    pub fn refused_since(&self, since: Timestamp) -> usize {
        let refused = self.refused.iter().filter(|one| !one.of_the_message);
        // They are kept to the second.
        let later = refused.filter(|one| since.seconds() <= one.at.seconds());
        later.count()
    }

    /// Whether a message has it for itself, which tries it.
    pub fn is_on_trial(&self, now: Timestamp) -> bool {
        self.trial_ends.is_some_and(|ends| now < ends)
    }

    /// Whether it has users, as far as the last thirty days tell. A phone keeps its session for so long.
    pub fn serves(&self, now: Timestamp) -> bool {
        let served = self.served_at;
        served.is_some_and(|at| now < at.plus(ON_WHATSAPP_FOR))
    }
}

/// How long a real message took and how it ended, on a session whose status had nothing against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentSend {
    /// When it ended.
    pub at: Timestamp,
    /// The time from its first send to its end. Of a message that was taken once its session had come back, how long its last
    /// send took.
    pub took: Duration,
    /// How it ended.
    pub end: SendEnd,
    /// When it took its last further place in the queue, counted from its first send, if it took one.
    pub requeued_after: Option<Duration>,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendEnd {
    /// WhatsApp took it.
    Taken,
    /// Nobody knows whether WhatsApp took it.
    Unknown,
    /// The gateway was busy.
    Busy,
    /// The session could not send it, whatever its status said.
    Down,
    /// The session is not paired, whatever its status said.
    Unpaired,
    /// WhatsApp refused it.
    Rejected,
    /// WhatsApp keeps the account from sending.
    Restricted,
    /// The time was over before it could be sent.
    Late,
}

impl SendEnd {
    const ALL: [Self; 8] = [
        Self::Taken,
        Self::Unknown,
        Self::Busy,
        Self::Down,
        Self::Unpaired,
        Self::Rejected,
        Self::Restricted,
        Self::Late,
    ];

    /// The word for it in the store and in replies to operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unknown => "unknown",
            Self::Busy => "busy",
            Self::Down => "down",
            Self::Unpaired => "unpaired",
            Self::Rejected => "rejected",
            Self::Restricted => "restricted",
            Self::Late => "late",
        }
    }
}

/// A session's state, as somebody has seen it at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenState {
    /// The state.
    pub state: SessionState,
    /// Since when the session has it.
    pub since: Timestamp,
    /// When it was seen last.
    pub at: Timestamp,
    /// When it is worth a try again, if that is known: WhatsApp has said when a ban ends, and other restrictions are given some
    /// hours.
    pub until: Option<Timestamp>,
}

impl SeenState {
    /// `state`, which begins at `at`.
    pub const fn beginning(state: SessionState, at: Timestamp) -> Self {
        Self {
            state,
            since: at,
            at,
            until: None,
        }
    }

    /// `state` as it is seen at `now`: since `before`, if that is the same.
    pub fn after(before: Option<Self>, state: SessionState, now: Timestamp) -> Self {
        let same = before.filter(|before| before.state == state);
        Self {
            state,
            since: same.map_or(now, |before| before.since),
            at: now,
            until: same.and_then(|before| before.until),
        }
    }
}

/// What a session is, as far as a sender cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Open and logged in.
    Usable,
    /// Logged in and not open: the gateway's library reconnects by itself.
    Reconnecting,
    /// Not open, of a gateway that has just come back and starts its sessions by itself.
    Starting,
    /// Neither open nor logged in.
    Down,
    /// The gateway dials for it, or logs in. A session that waits for a scan has the same flags, and a QR code.
    Opening,
    /// Open, with a QR code: it waits for somebody to scan that.
    NeedsPairing,
    /// Not paired, and without a QR code. A connect makes one.
    Unlinked,
    /// Only a restart of the gateway helps: it refuses every connect, or its login does not end.
    NeedsRestart,
    /// Open and logged in by its flags, but sends end without an answer.
    Suspect,
    /// The gateway does not answer.
    Unreachable,
    /// Open and logged in, and WhatsApp keeps the account from sending.
    Restricted,
    /// Open and logged in, and WhatsApp keeps the account from writing to people that it never wrote to, as far as is known.
    /// Others are served.
    ColdLocked,
    /// WhatsApp has closed the account out, and said until when. No connect helps before that.
    Banned,
    /// The gateway refuses the token, or is none.
    Misconfigured,
}

impl SessionState {
    const ALL: [Self; 14] = [
        Self::Usable,
        Self::Reconnecting,
        Self::Starting,
        Self::Down,
        Self::Opening,
        Self::NeedsPairing,
        Self::Unlinked,
        Self::NeedsRestart,
        Self::Suspect,
        Self::Unreachable,
        Self::Restricted,
        Self::ColdLocked,
        Self::Banned,
        Self::Misconfigured,
    ];

    /// Whether its flags are good and believed. WhatsApp may keep it from sending all the same.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Usable | Self::Restricted | Self::ColdLocked)
    }

    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Reconnecting => "reconnecting",
            Self::Starting => "starting",
            Self::Down => "down",
            Self::Opening => "opening",
            Self::NeedsPairing => "needs_pairing",
            Self::Unlinked => "unlinked",
            Self::NeedsRestart => "needs_restart",
            Self::Suspect => "suspect",
            Self::Unreachable => "unreachable",
            Self::Restricted => "restricted",
            Self::ColdLocked => "cold_locked",
            Self::Banned => "banned",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// What an item says. What this version cannot read counts as missing.
pub(super) fn read_item(item: &Item) -> SessionItem {
    let time = |name| item.number(name).map(Timestamp::from_millis);
    let span = |name| {
        let millis = u64::try_from(item.number(name)?).ok()?;
        Some(Duration::from_millis(millis))
    };
    let words = |name| item.text(name).map(str::to_owned);
    SessionItem {
        free_at: time(FREE_AT),
        unhurried_until: time(UNHURRIED_UNTIL),
        cost: span(COST).map(|cost| cost.clamp(COST_MIN, COST_MAX)),
        asked_at: time(ASKED_AT),
        asked_by: words(ASKED_BY),
        seen: read_seen(item),
        connect_at: time(CONNECT_AT),
        connect_after: time(CONNECT_AFTER),
        connect_wait: span(CONNECT_WAIT),
        connect_by: words(CONNECT_BY),
        connects: read_times(item, CONNECTS),
        over_library: matches!(item.get(OVER_LIBRARY), Some(AttributeValue::Bool(true))),
        refused_since: time(REFUSED_SINCE),
        refusals: item.number(REFUSALS).unwrap_or(0),
        unanswered_since: time(UNANSWERED_SINCE),
        unanswered: item.number(UNANSWERED).unwrap_or(0),
        recent: read_recent(item),
        served_at: time(SERVED_AT),
        taken: taken::read(item.bytes(TAKEN).unwrap_or_default()),
        refused: refused::read(item.bytes(REFUSED).unwrap_or_default()),
        delivered_at: time(DELIVERED_AT),
        mute_since: time(MUTE_SINCE),
        receipts_take: span(RECEIPTS_TAKE),
        refused_as_new_after: span(REFUSED_AS_NEW),
        trial_ends: time(TRIAL_ENDS),
        tried_at: time(TRIED_AT),
        tried_by_others_at: time(TRIED_BY_OTHERS_AT),
        own_number: words(OWN_NUMBER),
        restarts: read_times(item, RESTARTS),
        new_chats: read_new_chats(item),
        incident: Incident::read(item),
        pairing_called: time(PAIRING_CALLED),
    }
}

/// The state that was seen last, if this version knows it.
fn read_seen(item: &Item) -> Option<SeenState> {
    let time = |name| item.number(name).map(Timestamp::from_millis);
    let word = item.text(SEEN_STATE)?;
    let mut states = SessionState::ALL.into_iter();
    Some(SeenState {
        state: states.find(|state| state.as_str() == word)?,
        since: time(SEEN_SINCE)?,
        at: time(SEEN_AT)?,
        until: time(SEEN_UNTIL),
    })
}

/// The attribute that counts the new chats of a day.
pub(super) fn new_chats_of(day: i64) -> String {
    format!("{NEW_CHATS}{day}")
}

/// The new chats of the last day that has any.
fn read_new_chats(item: &Item) -> Option<(i64, i64)> {
    let of_days = item.keys().filter_map(|name| {
        let day = name.strip_prefix(NEW_CHATS)?.parse().ok()?;
        Some((day, item.number(name)?))
    });
    of_days.max()
}

fn read_list<'a>(item: &'a Item, name: &str) -> &'a [AttributeValue] {
    match item.get(name) {
        Some(AttributeValue::L(list)) => list,
        _ => &[],
    }
}

fn read_times(item: &Item, name: &str) -> Vec<Timestamp> {
    let times = read_list(item, name).iter();
    times
        .filter_map(|at| at.as_n().ok()?.parse().ok())
        .map(Timestamp::from_millis)
        .collect()
}

/// One text, since the list is written with each message: when it ended, how long it took, how, and when it took a further
/// place, if it did.
fn recent_send(send: &RecentSend) -> AttributeValue {
    let (at, took, end) = (send.at.millis(), send.took.as_millis(), send.end.as_str());
    text(match send.requeued_after {
        None => format!("{at} {took} {end}"),
        Some(after) => format!("{at} {took} {end} {}", after.as_millis()),
    })
}

/// The last sends as the item keeps them.
pub(super) fn recent_sends(sends: &[RecentSend]) -> AttributeValue {
    let from = sends.len().saturating_sub(REMEMBERED);
    AttributeValue::L(sends[from..].iter().map(recent_send).collect())
}

fn read_recent(item: &Item) -> Vec<RecentSend> {
    let sends = read_list(item, RECENT).iter();
    sends.filter_map(read_recent_send).collect()
}

fn read_recent_send(send: &AttributeValue) -> Option<RecentSend> {
    let mut words = send.as_s().ok()?.split(' ');
    let (at, took, end) = (words.next()?, words.next()?, words.next()?);
    let span = |millis: &str| millis.parse().ok().map(Duration::from_millis);
    Some(RecentSend {
        at: Timestamp::from_millis(at.parse().ok()?),
        took: span(took)?,
        requeued_after: words.next().and_then(span),
        end: SendEnd::ALL
            .into_iter()
            .find(|known| known.as_str() == end)?,
    })
}

pub(super) fn times(points: &[Timestamp]) -> AttributeValue {
    AttributeValue::L(points.iter().map(|point| time(*point)).collect())
}

/// The last points in time with one more.
pub(super) fn times_with(points: &[Timestamp], now: Timestamp) -> AttributeValue {
    let from = points.len().saturating_sub(REMEMBERED - 1);
    let mut points = points[from..].to_vec();
    points.push(now);
    times(&points)
}

pub(super) fn time(point: Timestamp) -> AttributeValue {
    number(point.millis())
}

pub(super) fn millis(span: Duration) -> AttributeValue {
    number(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
