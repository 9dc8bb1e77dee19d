//! What an operator sees of one session: pure, from the session's item and its flags.
use std::time::Duration;

use super::super::incidents::Incident;
use super::key::SessionKey;
use crate::gateway::SessionStatus;
use crate::model::weight::Weight;
use crate::platform::timestamp::Timestamp;
use crate::sender::mute::Counts;
use crate::sender::spacing;
use crate::store::whatsapp_sessions::{SeenState, SendEnd, SessionItem, SessionState};

/// A session that has not come back by itself for so long needs somebody to find out why.
const TRIES_LONG: Duration = Duration::from_secs(5 * 60);

/// What began within so long began just now.
const JUST_NOW: Duration = Duration::from_secs(60);

/// How a session is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Messages go out.
    Ready,
    /// Messages go out to people that it has written to before, and to nobody new.
    Limited,
    /// It comes back: somebody or something connects it.
    Recovering,
    /// WhatsApp takes its messages, and none arrives.
    Mute,
    /// Not connected.
    Down,
    /// Somebody has to scan its QR code, or type a code on its phone.
    NeedsScan,
    /// Somebody has to restart its gateway.
    NeedsRestart,
    /// WhatsApp keeps its account from sending.
    Restricted,
    /// The gateway refuses its token, or is none.
    Misconfigured,
    /// Nobody has looked yet.
    Unknown,
}

impl Health {
    /// Every word, the best first.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Limited,
        Self::Recovering,
        Self::Mute,
        Self::Down,
        Self::NeedsScan,
        Self::NeedsRestart,
        Self::Restricted,
        Self::Misconfigured,
        Self::Unknown,
    ];

    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Limited => "limited",
            Self::Recovering => "recovering",
            Self::Mute => "mute",
            Self::Down => "down",
            Self::NeedsScan => "needs_scan",
            Self::NeedsRestart => "needs_restart",
            Self::Restricted => "restricted",
            Self::Misconfigured => "misconfigured",
            Self::Unknown => "unknown",
        }
    }

    /// Whether messages go out.
    pub const fn sends(self) -> bool {
        matches!(self, Self::Ready | Self::Limited)
    }

    /// Whether it is known not to be well.
    pub const fn is_trouble(self) -> bool {
        !matches!(self, Self::Ready | Self::Unknown)
    }

    /// Whether only a person can help.
    pub const fn needs_person(self) -> bool {
        matches!(
            self,
            Self::NeedsScan | Self::NeedsRestart | Self::Restricted | Self::Misconfigured
        )
    }

    /// The word that replies have for it, read back.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// How a session is behind a gateway that may be silent: whatever else is wrong, that has to answer first.
    const fn behind(self, gateway_is_silent: bool) -> Self {
        if gateway_is_silent { Self::Down } else { self }
    }

    /// Its place among others in a list of what somebody has to do: what a person mends with one act is first.
    pub const fn urgency(self) -> u8 {
        match self {
            Self::NeedsScan => 0,
            Self::NeedsRestart => 1,
            Self::Misconfigured => 2,
            Self::Restricted => 3,
            Self::Mute => 4,
            Self::Down => 5,
            Self::Recovering => 6,
            Self::Limited => 7,
            Self::Unknown => 8,
            Self::Ready => 9,
        }
    }
}

/// Whom a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This system: its messages go out from it.
    System,
    /// A customer of the gateway, who sends from it by themselves.
    Customer,
}

impl Owner {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Customer => "customer",
        }
    }
}

/// Whether this system sends from a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolPlace {
    /// It does, and the settings say so: the session of `WHATSAPP_USER_TOKEN`.
    Configured,
    /// It does.
    In,
    /// It is known, and nothing is sent from it.
    Out,
    /// It is a customer's.
    NotOurs,
}

impl PoolPlace {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::In => "in",
            Self::Out => "out",
            Self::NotOurs => "not_ours",
        }
    }
}

/// The two flags of a session at its gateway, a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// The socket to WhatsApp is open.
    pub connected: bool,
    /// The account is logged in.
    pub logged_in: bool,
    /// Whether a QR code waits to be scanned, where the version says so.
    pub has_qr_code: Option<bool>,
}

impl From<&SessionStatus> for Flags {
    fn from(status: &SessionStatus) -> Self {
        Self {
            connected: status.connected,
            logged_in: status.logged_in,
            has_qr_code: status.has_qr_code,
        }
    }
}

/// What the gateway of a session says of it just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayAnswer {
    /// These are its flags.
    Flags(Flags),
    /// Nothing: the gateway does not answer.
    Silent,
    /// It was not asked, or gave an answer without flags.
    Unknown,
}

impl GatewayAnswer {
    /// The flags, if it told them.
    pub const fn flags(self) -> Option<Flags> {
        match self {
            Self::Flags(flags) => Some(flags),
            Self::Silent | Self::Unknown => None,
        }
    }
}

/// What is being done about a session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: nothing has to be, or it is not ours to do.
    Nothing,
    /// It was told to connect at that time, and that may still help.
    Connecting(Timestamp),
    /// The next message or look connects it, from that time on.
    NextConnect(Timestamp),
    /// It is looked at each minute, and connected as soon as that can help.
    EachMinute,
    /// It is left alone until that time, and then tried again.
    LeftAloneUntil(Timestamp),
    /// Only a person can help.
    WaitsForPerson,
}

impl Doing {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Connecting(_) => "connecting",
            Self::NextConnect(_) => "next_connect",
            Self::EachMinute => "each_minute",
            Self::LeftAloneUntil(_) => "left_alone",
            Self::WaitsForPerson => "waits_for_person",
        }
    }

    /// The time that it has.
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Connecting(at) | Self::NextConnect(at) | Self::LeftAloneUntil(at) => Some(at),
            Self::Nothing | Self::EachMinute | Self::WaitsForPerson => None,
        }
    }
}

/// How the last messages went that were sent from a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastSends {
    /// How many of the last ones are remembered.
    pub of: usize,
    /// How many of these WhatsApp took.
    pub taken: usize,
    /// How long those took, in the middle.
    pub median: Option<Duration>,
    /// The last one that failed, if one did.
    pub failed: Option<(SendEnd, Timestamp)>,
}

impl LastSends {
    fn of(item: &SessionItem) -> Self {
        let mut took: Vec<_> = item
            .recent
            .iter()
            .filter(|send| send.end == SendEnd::Taken)
            .map(|send| send.took)
            .collect();
        took.sort_unstable();
        let mut newest_first = item.recent.iter().rev();
        let failed = newest_first.find(|send| send.end != SendEnd::Taken);
        Self {
            of: item.recent.len(),
            taken: took.len(),
            median: took.get(took.len() / 2).copied(),
            failed: failed.map(|send| (send.end, send.at)),
        }
    }
}

/// One session, as an operator sees it. Its token is not here.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// What its pages and acts are called by.
    pub key: SessionKey,
    /// Its name.
    pub name: String,
    /// Whom it is for.
    pub owner: Owner,
    /// Whether messages are sent from it.
    pub pool: PoolPlace,
    /// The host of its gateway, where that is known.
    pub gateway: Option<String>,
    /// How it is.
    pub health: Health,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// When WhatsApp may let it send again, while it does not and that is known.
    pub locked_until: Option<Timestamp>,
    /// When somebody last looked. Nothing where the flags are of this moment and nobody looked before.
    pub seen_at: Option<Timestamp>,
    /// Its flags; nothing where the gateway did not answer.
    pub flags: Option<Flags>,
    /// Whether its gateway does not answer: just now, or when somebody looked last.
    pub gateway_is_silent: bool,
    /// What is being done about it.
    pub doing: Doing,
    /// The number of its account, masked.
    pub number: Option<String>,
    /// How its last messages went.
    pub last_sends: LastSends,
    /// When a message of it is known to have arrived last.
    pub delivered_at: Option<Timestamp>,
    /// How many of its last messages arrived, where that was read: for the session's own page only.
    pub arrivals: Option<Counts>,
    /// People that it was given to write to for the first time today.
    pub new_chats: i64,
    /// How many of these it may have in a day.
    pub new_chats_most: Option<u32>,
    /// Its share of new recipients. Customers' sessions have none.
    pub weight: Option<Weight>,
    /// How often it was connected within the last hour, as far as that is remembered.
    pub connects_last_hour: usize,
    /// The time in which messages cannot be sent from it, while that goes on.
    pub incident: Option<Incident>,
}

impl SessionView {
    /// Whether its socket to WhatsApp is open.
    pub fn is_open(&self) -> bool {
        self.flags.is_some_and(|flags| flags.connected)
    }

    /// Since when it is not well, as far as that is known: the word for how it is may have changed meanwhile.
    pub fn in_trouble_since(&self) -> Option<Timestamp> {
        if self.health == Health::Ready {
            return None;
        }
        let began = self.incident.as_ref().map(|incident| incident.began);
        began.or(self.since)
    }

    /// Whether it has been as it is for less than a minute, where nobody knows exactly: it was seen otherwise since then.
    pub fn has_just_changed(&self, now: Timestamp) -> bool {
        let is_known = self.since.or(self.in_trouble_since()).is_some();
        let seen_otherwise = self.seen_at.filter(|_| !is_known);
        seen_otherwise.is_some_and(|at| now.since(at) < JUST_NOW)
    }

    /// Whether it was lost just now, and nobody has found out yet whether its account was unlinked.
    pub fn may_be_unpaired(&self) -> bool {
        let is_out = self.flags.is_some_and(|flags| !flags.logged_in);
        let is_new = self.since.is_none() && self.seen_at.is_some();
        is_out && is_new && matches!(self.health, Health::Down | Health::Recovering)
    }

    /// How it is, for whoever sorts by what has to be done: before anything else its gateway has to answer.
    pub const fn trouble(&self) -> Health {
        self.health.behind(self.gateway_is_silent)
    }

    /// Whether it has been trying to come back for so long that somebody should look after it.
    pub fn has_failed_long(&self, now: Timestamp) -> bool {
        let tries = matches!(self.health, Health::Down | Health::Recovering);
        let since = self.in_trouble_since();
        tries && since.is_some_and(|since| now.since(since) >= TRIES_LONG)
    }

    /// Whether its account is logged in.
    pub fn is_logged_in(&self) -> bool {
        self.flags.is_some_and(|flags| flags.logged_in)
    }
}

/// What is known of one of our sessions.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its item.
    pub item: &'a SessionItem,
    /// What its gateway says just now.
    pub answer: GatewayAnswer,
    /// The present time.
    pub now: Timestamp,
}

impl Known<'_> {
    /// How the session is. Its flags are newer than what was seen of it, but not everything shows in them.
    pub fn health(&self) -> Health {
        let health = match (self.answer, self.health_as_seen()) {
            (GatewayAnswer::Flags(flags), _) => self.health_by(flags),
            // Nothing goes out over a gateway that does not answer, whatever was seen before.
            (
                GatewayAnswer::Silent,
                Health::Ready | Health::Limited | Health::Recovering | Health::Unknown,
            ) => Health::Down,
            (GatewayAnswer::Silent | GatewayAnswer::Unknown, seen) => seen,
        };
        let is_mute = self.item.mute_since.is_some() && health.sends();
        if is_mute { Health::Mute } else { health }
    }

    fn state(&self) -> Option<SessionState> {
        self.item.seen.map(|seen| seen.state)
    }

    fn health_by(&self, flags: Flags) -> Health {
        match (flags.connected, flags.logged_in) {
            (true, true) => match self.state() {
                Some(SessionState::Restricted | SessionState::Banned) => Health::Restricted,
                Some(SessionState::ColdLocked) => Health::Limited,
                Some(SessionState::Suspect) => Health::Recovering,
                _ => Health::Ready,
            },
            (true, false) if self.waits_for_pairing(flags) => Health::NeedsScan,
            (true, false) => Health::Recovering,
            (false, logged_in) => match self.health_as_seen() {
                // It was paired, whatever was seen before that.
                Health::Ready | Health::Limited | Health::NeedsScan | Health::Unknown
                    if logged_in =>
                {
                    Health::Recovering
                }
                Health::Ready | Health::Limited | Health::Unknown => Health::Down,
                seen => seen,
            },
        }
    }

    /// Whether its gateway does not answer: just now, or when somebody looked last.
    pub fn gateway_is_silent(&self) -> bool {
        match self.answer {
            GatewayAnswer::Silent => true,
            GatewayAnswer::Unknown => self.state() == Some(SessionState::Unreachable),
            GatewayAnswer::Flags(_) => false,
        }
    }

    fn waits_for_pairing(&self, flags: Flags) -> bool {
        let unpaired = [SessionState::NeedsPairing, SessionState::Unlinked];
        let seen_unpaired = self.state().is_some_and(|state| unpaired.contains(&state));
        flags.has_qr_code == Some(true) || seen_unpaired
    }

    fn health_as_seen(&self) -> Health {
        let Some(state) = self.state() else {
            return Health::Unknown;
        };
        match state {
            SessionState::Usable => Health::Ready,
            SessionState::ColdLocked => Health::Limited,
            SessionState::Reconnecting
            | SessionState::Starting
            | SessionState::Opening
            | SessionState::Suspect => Health::Recovering,
            SessionState::Down if spacing::stabilising(self.item, self.now) => Health::Recovering,
            SessionState::Down | SessionState::Unreachable => Health::Down,
            SessionState::NeedsPairing | SessionState::Unlinked => Health::NeedsScan,
            SessionState::NeedsRestart => Health::NeedsRestart,
            SessionState::Restricted | SessionState::Banned => Health::Restricted,
            SessionState::Misconfigured => Health::Misconfigured,
        }
    }

    /// What is being done about the session.
    pub fn doing(&self) -> Doing {
        match self.health() {
            Health::Ready | Health::Limited => Doing::Nothing,
            Health::Restricted => match self.item.seen.and_then(|seen| seen.until) {
                Some(until) if self.now < until => Doing::LeftAloneUntil(until),
                _ => Doing::EachMinute,
            },
            health if health.needs_person() => Doing::WaitsForPerson,
            Health::Recovering | Health::Down => self.doing_to_connect(),
            _ => Doing::EachMinute,
        }
    }

    fn doing_to_connect(&self) -> Doing {
        let (item, now) = (self.item, self.now);
        let next = spacing::next_connect(item, None);
        match item.connect_at {
            Some(at) if spacing::stabilising(item, now) => Doing::Connecting(at),
            Some(_) if now < next => Doing::NextConnect(next),
            _ => Doing::EachMinute,
        }
    }

    /// Since when the session is as it is, where what was seen says the same as the flags.
    pub fn since(&self) -> Option<Timestamp> {
        let seen = self.item.seen?;
        let agrees = self.health_as_seen() == self.health() || self.health() == Health::Mute;
        let since = |seen: SeenState| self.item.mute_since.unwrap_or(seen.since);
        // It may have been away between two looks that found it ready.
        let connected_at = self.item.connect_at;
        let connected_at = connected_at.filter(|_| self.health() == Health::Ready);
        agrees.then(|| connected_at.map_or(since(seen), |at| at.max(since(seen))))
    }

    /// When WhatsApp may let it send again, while it does not and that is known.
    pub fn locked_until(&self) -> Option<Timestamp> {
        let is_locked = matches!(self.health(), Health::Limited | Health::Restricted);
        let until = self.item.seen.and_then(|seen| seen.until);
        until.filter(|until| is_locked && self.now < *until)
    }

    /// How it is, for whoever sorts by what has to be done.
    pub fn trouble(&self) -> Health {
        self.health().behind(self.gateway_is_silent())
    }

    /// How the last messages went.
    pub fn last_sends(&self) -> LastSends {
        LastSends::of(self.item)
    }

    /// How often the session was connected within the last hour, as far as that is remembered.
    pub fn connects_last_hour(&self) -> usize {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        let connects = self.item.connects.iter();
        connects.filter(|at| self.now.since(**at) < HOUR).count()
    }
}

/// How a customer's session is: only its flags are known.
pub const fn customers_health(flags: Flags) -> Health {
    match (flags.connected, flags.logged_in) {
        (true, true) => Health::Ready,
        (true, false) => Health::NeedsScan,
        (false, true) => Health::Recovering,
        (false, false) => Health::Down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn item(state: SessionState) -> SessionItem {
        SessionItem {
            seen: Some(SeenState::beginning(
                state,
                NOW.minus(Duration::from_secs(90)),
            )),
            ..SessionItem::default()
        }
    }

    const fn flags(connected: bool, logged_in: bool) -> Option<Flags> {
        Some(Flags {
            connected,
            logged_in,
            has_qr_code: None,
        })
    }

    #[track_caller]
    fn check(case: &str, item: &SessionItem, flags: Option<Flags>, expected: (Health, Doing)) {
        let answer = flags.map_or(GatewayAnswer::Unknown, GatewayAnswer::Flags);
        check_answer(case, item, answer, expected);
    }

    #[track_caller]
    fn check_answer(
        case: &str,
        item: &SessionItem,
        answer: GatewayAnswer,
        expected: (Health, Doing),
    ) {
        let known = Known {
            item,
            answer,
            now: NOW,
        };
        assert_eq!((known.health(), known.doing()), expected, "{case}");
    }

    #[test]
    fn nothing_is_well_behind_a_gateway_that_does_not_answer() {
        let (down, person) = (Doing::EachMinute, Doing::WaitsForPerson);
        for (state, health, doing) in [
            (SessionState::Usable, Health::Down, down),
            (SessionState::ColdLocked, Health::Down, down),
            (SessionState::Unreachable, Health::Down, down),
            (SessionState::Unlinked, Health::NeedsScan, person),
            (SessionState::NeedsRestart, Health::NeedsRestart, person),
        ] {
            let case = format!("{state:?}");
            check_answer(&case, &item(state), GatewayAnswer::Silent, (health, doing));
        }
        for (answer, state, is_silent) in [
            (GatewayAnswer::Silent, SessionState::Usable, true),
            (GatewayAnswer::Unknown, SessionState::Unreachable, true),
            (GatewayAnswer::Unknown, SessionState::Down, false),
        ] {
            let item = item(state);
            let known = Known {
                item: &item,
                answer,
                now: NOW,
            };
            assert_eq!(known.gateway_is_silent(), is_silent, "{answer:?} {state:?}");
        }
    }

    #[test]
    fn good_flags_are_believed_but_for_what_they_cannot_show() {
        let good = flags(true, true);
        for (case, state, health, doing) in [
            ("well", SessionState::Usable, Health::Ready, Doing::Nothing),
            ("back", SessionState::Down, Health::Ready, Doing::Nothing),
            (
                "scanned",
                SessionState::NeedsPairing,
                Health::Ready,
                Doing::Nothing,
            ),
            (
                "locked",
                SessionState::ColdLocked,
                Health::Limited,
                Doing::Nothing,
            ),
            (
                "banned",
                SessionState::Banned,
                Health::Restricted,
                Doing::EachMinute,
            ),
            (
                "silent",
                SessionState::Suspect,
                Health::Recovering,
                Doing::EachMinute,
            ),
        ] {
            check(case, &item(state), good, (health, doing));
        }
        let mute = SessionItem {
            mute_since: Some(NOW),
            ..item(SessionState::Usable)
        };
        check("mute", &mute, good, (Health::Mute, Doing::EachMinute));
    }

    #[test]
    fn an_open_socket_without_a_login_waits_for_a_scan_or_logs_in() {
        let waits = (Health::NeedsScan, Doing::WaitsForPerson);
        let logs_in = (Health::Recovering, Doing::EachMinute);
        check(
            "unlinked",
            &item(SessionState::Unlinked),
            flags(true, false),
            waits,
        );
        check(
            "logs in",
            &item(SessionState::Usable),
            flags(true, false),
            logs_in,
        );
        let code = Some(Flags {
            has_qr_code: Some(true),
            ..flags(true, false).expect("flags")
        });
        check("a code", &item(SessionState::Usable), code, waits);
    }

    #[test]
    fn whoever_is_logged_in_and_lost_the_socket_is_paired_and_comes_back() {
        for state in [SessionState::Usable, SessionState::Unlinked] {
            let comes_back = (Health::Recovering, Doing::EachMinute);
            check("paired", &item(state), flags(false, true), comes_back);
        }
        let unpaired = (Health::NeedsScan, Doing::WaitsForPerson);
        let unlinked = item(SessionState::Unlinked);
        check("unpaired", &unlinked, flags(false, false), unpaired);
    }

    #[test]
    fn what_is_down_says_when_it_is_connected_next() {
        let ago = |seconds| NOW.minus(Duration::from_secs(seconds));
        let down = item(SessionState::Down);
        check("down", &down, None, (Health::Down, Doing::EachMinute));
        let connected = SessionItem {
            connect_at: Some(ago(2)),
            connect_after: Some(NOW.plus(Duration::from_secs(13))),
            ..item(SessionState::Down)
        };
        let doing = Doing::Connecting(ago(2));
        check(
            "just connected",
            &connected,
            None,
            (Health::Recovering, doing),
        );
        let waits = SessionItem {
            connect_at: Some(ago(10)),
            connect_after: Some(NOW.plus(Duration::from_secs(20))),
            ..item(SessionState::Down)
        };
        let doing = Doing::NextConnect(NOW.plus(Duration::from_secs(20)));
        check("waits", &waits, None, (Health::Down, doing));
        let nobody = SessionItem::default();
        check(
            "nobody looked",
            &nobody,
            None,
            (Health::Unknown, Doing::EachMinute),
        );
    }

    #[test]
    fn a_session_tells_since_when_only_what_was_seen_so() {
        let down = item(SessionState::Down);
        let since = |flags| {
            Known {
                item: &down,
                answer: GatewayAnswer::Flags(flags),
                now: NOW,
            }
            .since()
        };
        let flags = |connected| flags(connected, connected).expect("flags");
        assert_eq!(since(flags(false)), down.seen.map(|seen| seen.since));
        assert_eq!(since(flags(true)), None);
    }
}
