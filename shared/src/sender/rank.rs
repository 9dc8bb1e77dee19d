//! How fit a session is for a message, from what is known about it.
use std::time::Duration;

use crate::model::phone::PhoneMark;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::refused;
use crate::store::whatsapp_sessions::{SeenState, SendEnd, SessionItem, SessionState};

/// A session whose last message ended in a way that nobody knows gets no other for so long, where another session is usable.
const QUARANTINE: Duration = Duration::from_secs(60);

/// How long trouble that was seen is taken to go on.
const TROUBLE_HOLDS: Duration = Duration::from_secs(120);

/// How long WhatsApp is taken to keep an account from sending where nobody has said that.
const RESTRICTION_HOLDS: Duration = Duration::from_secs(6 * 60 * 60);

/// How long after a message that tried an account that WhatsApp refuses the next one may.
pub const TRIAL_PAUSE: Duration = Duration::from_secs(60);

/// How long after a message to a user that tried an account one to another user may.
pub const NEXT_USER_PAUSE: Duration = Duration::from_secs(30);

/// So many users who were refused one after the other leave no doubt that WhatsApp refuses the account.
const REFUSED_FOR_CERTAIN: usize = 3;

/// How long a refusal of fewer is doubted.
const DOUBTED_FOR: Duration = Duration::from_secs(60 * 60);

/// How long after the last message to a user that a mute session took, another one tries it.
const MUTE_TRIAL_PAUSE: Duration = Duration::from_secs(600);

/// What counts beside the session: how well it knows the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// It has written to the recipient before, as far as is known.
    Known,
    /// Another session has written to the recipient, who does not sign up. WhatsApp may take this one's message for one to
    /// somebody new. It is not ranked apart: for whoever that other session cannot serve, this one is what is left.
    OfAnother,
    /// No session is known to have written to the recipient, who does not sign up: a user of another system. To rank it apart
    /// would tell, since a phone without an account has a session of its own.
    Unserved,
    /// The recipient has just written to it, whether or not it knew them before. WhatsApp may refuse the answer all the same.
    WroteFirst,
    /// It has written to the recipient before, who signs up. What WhatsApp says to those says nothing about users: anybody can
    /// ask for it.
    Applicant,
    /// It never wrote to the recipient, who signs up.
    New,
}

impl Contact {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::OfAnother => "of_another",
            Self::Unserved => "unserved",
            Self::WroteFirst => "wrote_first",
            Self::Applicant => "applicant",
            Self::New => "new",
        }
    }

    /// Whether it is to a user whose session this is, as far as is known.
    pub const fn is_of_its_user(self) -> bool {
        matches!(self, Self::Known | Self::Unserved)
    }

    /// Whether anybody can have such a message sent. What WhatsApp says to it says nothing about users.
    pub const fn is_of_anybody(self) -> bool {
        matches!(self, Self::New | Self::Applicant | Self::WroteFirst)
    }

    /// Whether it is to somebody who signs up, and has not just written.
    pub const fn signs_up(self) -> bool {
        matches!(self, Self::New | Self::Applicant)
    }
}

/// How fit a session is. The first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// It sends.
    Usable,
    /// WhatsApp kept its account from sending, or its messages did not arrive, and that may be over. One message at a time
    /// shows it: [`Rank::order`].
    Trial,
    /// It may send: nobody has looked yet, or its last messages ended oddly.
    Doubtful,
    /// It sends, and its last messages did not arrive. It comes last also for those that it served before, but for a trial.
    Mute,
    /// Not now, and it comes back by itself or by a connect.
    Recovering,
    /// Not before somebody does something about it.
    NeedsHuman,
    /// It writes to nobody new now: it has written to as many people for the first time today as it may, or WhatsApp refuses its
    /// account, and a message has just tried it.
    Closed,
}

impl Rank {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Trial => "trial",
            Self::Doubtful => "doubtful",
            Self::Mute => "mute",
            Self::Recovering => "recovering",
            Self::NeedsHuman => "needs_human",
            Self::Closed => "closed",
        }
    }

    /// Whether it is worth a send without a recovery.
    pub fn may_send(self) -> bool {
        self <= Self::Mute
    }

    /// Its place among others. A session to be tried out counts as one that sends: its own recipients try it, and whoever comes
    /// second goes elsewhere.
    pub fn order(self) -> Self {
        match self {
            Self::Trial => Self::Usable,
            other => other,
        }
    }
}

/// What a message is, where some give way to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A code, which somebody waits for.
    Code,
    /// A payment notice.
    Notice,
}

impl Urgency {
    /// How many of the `per_day` new chats of a session are open to such messages: the last fifth is for codes.
    pub const fn new_chats(self, per_day: u32) -> u32 {
        match self {
            Self::Code => per_day,
            Self::Notice => per_day - per_day.div_ceil(5),
        }
    }
}

/// How fit the session of `item` is at `now`. It may open a new chat while it has opened fewer than `new_chats_max` on that day,
/// if that is limited.
pub fn rank(
    item: &SessionItem,
    contact: Contact,
    new_chats_max: Option<u32>,
    now: Timestamp,
) -> Rank {
    let full = new_chats_max.is_some_and(|most| item.new_chats_on(now) >= i64::from(most));
    if contact == Contact::New && full {
        return Rank::Closed;
    }
    let Some(seen) = item.seen else {
        return Rank::Doubtful;
    };
    if is_refused(item, contact) {
        return match while_restricted(item, seen, now) {
            Rank::NeedsHuman if contact.signs_up() && was_tried(item, now) => Rank::Closed,
            rank => rank,
        };
    }
    let rank = match seen.state {
        SessionState::Banned if seen.until.is_some_and(|until| now < until) => {
            return Rank::NeedsHuman;
        }
        // The monitor connects it.
        SessionState::Banned => return Rank::Doubtful,
        SessionState::Usable | SessionState::ColdLocked => {
            return while_usable(item, contact, now);
        }
        SessionState::Restricted => Rank::NeedsHuman,
        SessionState::Reconnecting
        | SessionState::Starting
        | SessionState::Opening
        | SessionState::Suspect
        | SessionState::Unreachable
        | SessionState::Down => Rank::Recovering,
        SessionState::NeedsPairing
        | SessionState::Unlinked
        | SessionState::NeedsRestart
        | SessionState::Misconfigured => Rank::NeedsHuman,
    };
    // Trouble that nobody has looked at for so long may be over.
    if now.since(seen.at) >= TROUBLE_HOLDS {
        return Rank::Doubtful;
    }
    rank
}

/// Whether WhatsApp refused the account of `item` such a message the last time, so that one a minute tries it.
///
/// Of an account that is locked for new contacts that holds for whoever signs up. Users may have chats with it that this system does
/// not know of.
pub fn is_refused(item: &SessionItem, contact: Contact) -> bool {
    match item.seen.map(|seen| seen.state) {
        Some(SessionState::Restricted) => true,
        Some(SessionState::ColdLocked) => contact.signs_up(),
        _ => false,
    }
}

/// Whether a user of the session, whose phone is `phone`, tries its account before the others, although WhatsApp refuses it as far as
/// is known. What it says to few may be about them alone, and to the others these users are new: so for an hour, until three were
/// refused, others of them try it, one in half a minute.
pub fn is_tried_by(
    item: &SessionItem,
    contact: Contact,
    phone: Option<PhoneMark>,
    now: Timestamp,
) -> bool {
    let is_doubted = |seen: &SeenState| {
        seen.state == SessionState::Restricted
            && now.since(seen.since) < DOUBTED_FOR
            && item.refused_since(seen.since) < REFUSED_FOR_CERTAIN
    };
    let was_refused = phone.is_none_or(|phone| refused::find(&item.refused, phone, now).is_some());
    let was_tried = item
        .tried_at
        .is_some_and(|at| now.since(at) < NEXT_USER_PAUSE);
    item.seen.as_ref().is_some_and(is_doubted)
        && contact.is_of_its_user()
        && !(was_refused || was_tried || item.is_on_trial(now))
}

fn was_tried(item: &SessionItem, now: Timestamp) -> bool {
    let tried = item.tried_by_others_at;
    tried.is_some_and(|at| now.since(at) < TRIAL_PAUSE)
}

/// Its status has nothing against it. Its last messages may.
fn while_usable(item: &SessionItem, contact: Contact, now: Timestamp) -> Rank {
    if item.mute_since.is_some() {
        while_mute(item, contact, now)
    } else if in_quarantine(item, now) {
        Rank::Doubtful
    } else {
        Rank::Usable
    }
}

/// One message to its own users tries in ten minutes whether what it sends arrives again. Nothing else would show that, once
/// all others go over other sessions.
fn while_mute(item: &SessionItem, contact: Contact, now: Timestamp) -> Rank {
    let last = item.last_to_user().max(item.mute_since);
    let is_due = last.is_some_and(|at| now.since(at) >= MUTE_TRIAL_PAUSE);
    if is_due && contact.is_of_its_user() && !item.is_on_trial(now) {
        Rank::Trial
    } else {
        Rank::Mute
    }
}

/// What WhatsApp says about an account holds for hours, and no look shows that it is over: only a message does.
/// Others keep away from it until one was taken.
fn while_restricted(item: &SessionItem, seen: SeenState, now: Timestamp) -> Rank {
    let until = seen
        .until
        .unwrap_or_else(|| seen.since.plus(RESTRICTION_HOLDS));
    if now < until || item.is_on_trial(now) {
        Rank::NeedsHuman
    } else {
        Rank::Trial
    }
}

/// Whether nobody knows how the last message ended, and that was not long ago.
fn in_quarantine(item: &SessionItem, now: Timestamp) -> bool {
    let last = item.recent.last();
    last.is_some_and(|send| send.end == SendEnd::Unknown && now.since(send.at) < QUARANTINE)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, known};
    use super::*;
    use crate::store::whatsapp_sessions::RecentSend;

    fn rank_of(item: &SessionItem, contact: Contact) -> Rank {
        rank(item, contact, None, at(0))
    }

    #[test]
    fn each_state_has_its_rank() {
        for (state, rank) in [
            (SessionState::Usable, Rank::Usable),
            (SessionState::Down, Rank::Recovering),
            (SessionState::Suspect, Rank::Recovering),
            (SessionState::Unreachable, Rank::Recovering),
            (SessionState::Unlinked, Rank::NeedsHuman),
            (SessionState::Restricted, Rank::NeedsHuman),
            (SessionState::Misconfigured, Rank::NeedsHuman),
        ] {
            let item = known(state, -9_000, -50);
            assert_eq!(rank_of(&item, Contact::Known), rank, "{state:?}");
        }
        let unseen = SessionItem::default();
        assert_eq!(rank_of(&unseen, Contact::New), Rank::Doubtful);
    }

    #[test]
    fn trouble_that_nobody_has_looked_at_for_two_minutes_may_be_over() {
        for state in [
            SessionState::Down,
            SessionState::Unlinked,
            SessionState::Misconfigured,
        ] {
            let item = known(state, -999_000, -120_000);
            assert_eq!(rank_of(&item, Contact::Known), Rank::Doubtful, "{state:?}");
            let item = known(state, -999_000, -119_000);
            assert!(!rank_of(&item, Contact::Known).may_send(), "{state:?}");
        }
        let restricted = known(SessionState::Restricted, -999_000, -999_000);
        assert_eq!(rank_of(&restricted, Contact::Known), Rank::NeedsHuman);
        let hours_ago = -6 * 60 * 60_000;
        for state in [SessionState::Restricted, SessionState::ColdLocked] {
            let restricted = known(state, hours_ago, -50);
            let rank = rank_of(&restricted, Contact::New);
            assert_eq!(rank, Rank::Trial, "{state:?}");
        }
    }

    #[test]
    fn a_restriction_ends_when_it_was_said_to_and_is_tried_by_one_message() {
        let until = |state, end, trial_ends: Option<i64>| {
            let mut item = known(state, -999_000, -50);
            item.seen.as_mut().expect("a state").until = Some(at(end));
            item.trial_ends = trial_ends.map(at);
            rank_of(&item, Contact::New)
        };
        for state in [SessionState::Restricted, SessionState::ColdLocked] {
            for (end, trial_ends, expected) in [
                (1, None, Rank::NeedsHuman),
                (0, None, Rank::Trial),
                (0, Some(1), Rank::NeedsHuman),
                (0, Some(0), Rank::Trial),
                (1, Some(0), Rank::NeedsHuman),
            ] {
                assert_eq!(
                    until(state, end, trial_ends),
                    expected,
                    "{state:?} {end} {trial_ends:?}"
                );
            }
        }
        assert_eq!(until(SessionState::Banned, 1, None), Rank::NeedsHuman);
        assert_eq!(until(SessionState::Banned, 0, None), Rank::Doubtful);
        assert!(Rank::Trial.may_send());
    }

    #[test]
    fn an_account_that_was_just_tried_is_closed_for_new_contacts() {
        for state in [SessionState::Restricted, SessionState::ColdLocked] {
            for (tried_at, expected) in [
                (None, Rank::NeedsHuman),
                (Some(-59_999), Rank::Closed),
                (Some(-60_000), Rank::NeedsHuman),
            ] {
                let item = SessionItem {
                    tried_by_others_at: tried_at.map(at),
                    ..known(state, -90_000, -50)
                };
                let rank = rank_of(&item, Contact::New);
                assert_eq!(rank, expected, "{state:?} {tried_at:?}");
            }
        }
        let tried = SessionItem {
            tried_by_others_at: Some(at(-1)),
            ..known(SessionState::ColdLocked, -90_000, -50)
        };
        assert_eq!(rank_of(&tried, Contact::Unserved), Rank::Usable);
        let usable = SessionItem {
            seen: known(SessionState::Usable, -9_000, -50).seen,
            ..tried
        };
        assert_eq!(rank_of(&usable, Contact::New), Rank::Usable);
    }

    #[test]
    fn an_account_that_is_locked_for_new_contacts_serves_the_others() {
        let locked = known(SessionState::ColdLocked, -9_000, -50);
        assert_eq!(rank_of(&locked, Contact::Known), Rank::Usable);
        assert_eq!(rank_of(&locked, Contact::OfAnother), Rank::Usable);
        assert_eq!(rank_of(&locked, Contact::New), Rank::NeedsHuman);
    }

    #[test]
    fn a_session_whose_messages_do_not_arrive_comes_after_the_others() {
        let mute = |state| SessionItem {
            mute_since: Some(at(-9_000)),
            ..known(state, -9_000, -50)
        };
        for (state, expected) in [
            (SessionState::Usable, Rank::Mute),
            (SessionState::ColdLocked, Rank::Mute),
            (SessionState::Down, Rank::Recovering),
            (SessionState::Restricted, Rank::NeedsHuman),
        ] {
            assert_eq!(rank_of(&mute(state), Contact::Known), expected, "{state:?}");
        }
    }

    #[test]
    fn a_day_has_room_for_so_many_new_chats() {
        let mut item = known(SessionState::Usable, -9_000, -50);
        item.new_chats = Some((at(0).day(), 20));
        let of = |contact, most| rank(&item, contact, most, at(0));
        assert_eq!(of(Contact::New, Some(20)), Rank::Closed);
        assert_eq!(of(Contact::New, Some(21)), Rank::Usable);
        assert_eq!(of(Contact::New, None), Rank::Usable);
        assert_eq!(of(Contact::Known, Some(20)), Rank::Usable);
        item.new_chats = Some((at(0).day() - 1, 20));
        let yesterday = rank(&item, Contact::New, Some(20), at(0));
        assert_eq!(yesterday, Rank::Usable);
    }

    #[test]
    fn notices_leave_a_fifth_of_the_new_chats_to_codes() {
        for (per_day, of_notices) in [(0, 0), (1, 0), (2, 1), (5, 4), (9, 7), (20, 16)] {
            assert_eq!(Urgency::Notice.new_chats(per_day), of_notices, "{per_day}");
            assert_eq!(Urgency::Code.new_chats(per_day), per_day);
        }
        assert_eq!(Urgency::Notice.new_chats(u32::MAX), u32::MAX / 5 * 4);
    }

    #[test]
    fn an_unknown_end_keeps_others_away_for_a_minute() {
        let send = |millis, end| RecentSend {
            at: at(millis),
            took: Duration::from_secs(10),
            end,
            requeued_after: None,
        };
        let (unknown, taken) = (SendEnd::Unknown, SendEnd::Taken);
        for (recent, expected) in [
            (vec![send(-59_000, unknown)], Rank::Doubtful),
            (vec![send(-60_000, unknown)], Rank::Usable),
            (
                vec![send(-2_000, unknown), send(-1_000, taken)],
                Rank::Usable,
            ),
            (
                vec![send(-2_000, taken), send(-1_000, unknown)],
                Rank::Doubtful,
            ),
        ] {
            let item = SessionItem {
                recent: recent.clone(),
                ..known(SessionState::Usable, -99_000, -50)
            };
            assert_eq!(rank_of(&item, Contact::Known), expected, "{recent:?}");
        }
    }
}
