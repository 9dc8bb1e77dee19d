//! Whether a session's messages arrive: WhatsApp can take them and deliver none, which no answer and no status shows. Neither
//! does it where a gateway's store was busy and a single message left without its text.
use std::collections::HashSet;
use std::time::Duration;

use crate::model::limits::DAY;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::arrivals::Arrivals;
use crate::store::whatsapp_sessions::{SessionItem, TakenMessage};

/// A message is given so long to be delivered.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
/// So many users whose messages have no receipt are no chance. A phone that is switched off gives none, so several messages to
/// one user count once, and those that anybody can have asked for do not.
const SILENT_MIN: usize = 5;
/// A session whose receipts were never seen tells nothing by their absence, and neither do receipts of so long ago.
const USED_TO_DELIVER: Duration = Duration::from_secs(7 * DAY.as_secs());

/// A session's receipts come soon if most of the last ones came within this.
const SOON: Duration = Duration::from_secs(5);
/// How long that is taken to hold.
const SOON_HOLDS: Duration = DAY;

/// A message that was taken, and when its record says that it was delivered.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The message.
    pub message: TakenMessage,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
}

/// How many of the messages arrived that were taken two to ten minutes ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of how many it is known that they were taken.
    pub taken: usize,
    /// How many of these were delivered.
    pub delivered: usize,
    /// How many were not.
    pub silent: usize,
}

/// How many of the messages that are old enough arrived.
pub fn count(checked: &[Checked], now: Timestamp) -> Counts {
    let delivered: Vec<_> = old_enough(checked, now)
        .map(|one| one.delivered_at.is_some())
        .collect();
    let arrived = delivered.iter().filter(|delivered| **delivered).count();
    Counts {
        taken: delivered.len(),
        delivered: arrived,
        silent: delivered.len() - arrived,
    }
}

fn old_enough(checked: &[Checked], now: Timestamp) -> impl Iterator<Item = &Checked> {
    let is_old_enough = move |one: &&Checked| now.since(one.message.at) >= DELIVERED_WITHIN;
    checked.iter().filter(is_old_enough)
}

/// What the messages show about the session of `item`. It becomes mute when none of enough messages was delivered although it
/// used to deliver, and stays so until one is.
pub fn arrivals(item: &SessionItem, checked: &[Checked], now: Timestamp) -> Arrivals {
    let last_seen = checked.iter().filter_map(|one| one.delivered_at).max();
    let delivered_at = item.delivered_at.max(last_seen);
    let one_arrived = last_seen.is_some_and(|at| item.mute_since.is_none_or(|since| at >= since));
    let used_to_deliver = item
        .delivered_at
        .is_some_and(|at| now.since(at) < USED_TO_DELIVER);
    let none_arrived = old_enough(checked, now).all(|one| one.delivered_at.is_none());
    let to_users = old_enough(checked, now).filter(|one| !one.message.of_anybody);
    let users: HashSet<_> = to_users.map(|one| one.message.phone).collect();
    let mute = none_arrived && users.len() >= SILENT_MIN && used_to_deliver;
    let begins = mute.then_some(now);
    Arrivals {
        delivered_at,
        mute_since: item.mute_since.or(begins).filter(|_| !one_arrived),
        receipts_take: receipts_take(checked).or(item.receipts_take),
    }
}

/// How long the receipts of the messages took that were delivered: the middle one.
fn receipts_take(checked: &[Checked]) -> Option<Duration> {
    let took = |one: &Checked| Some(one.delivered_at?.since(one.message.at));
    let mut took: Vec<_> = checked.iter().filter_map(took).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}

/// Whether a message of the session of `item` that has no receipt after some seconds has probably not arrived: the receipts
/// of others come soon, or came until it fell mute.
pub fn receipts_come_soon(item: &SessionItem, now: Timestamp) -> bool {
    let lately = item
        .delivered_at
        .is_some_and(|at| now.since(at) < SOON_HOLDS);
    let soon = item.receipts_take.is_some_and(|take| take <= SOON);
    lately && soon || item.mute_since.is_some()
}

#[cfg(test)]
mod tests {
    use super::super::samples::at;
    use super::*;
    use crate::model::phone::PhoneMark;

    const MINUTE: i64 = 60_000;

    /// Messages that were taken at these times, and delivered.
    fn checked(messages: &[(i64, Option<i64>)]) -> Vec<Checked> {
        let messages = messages.iter().map(|(taken, delivered)| Checked {
            message: TakenMessage {
                id: format!("3EB0{taken:018X}"),
                at: at(*taken),
                phone: PhoneMark::from_bytes((*taken as u16).to_be_bytes()),
                of_anybody: false,
            },
            delivered_at: delivered.map(at),
        });
        messages.collect()
    }

    fn silent(number: i64) -> Vec<(i64, Option<i64>)> {
        (0..number)
            .map(|number| (-9 * MINUTE + number, None))
            .collect()
    }

    fn session(delivered: Option<i64>, mute: Option<i64>) -> SessionItem {
        SessionItem {
            delivered_at: delivered.map(at),
            mute_since: mute.map(at),
            ..SessionItem::default()
        }
    }

    #[test]
    fn a_session_is_mute_from_five_silent_messages_until_one_is_delivered() {
        let (lately, long_ago) = (Some(-60 * MINUTE), Some(-7 * 24 * 60 * MINUTE));
        let since = Some(-20 * MINUTE);
        let young: Vec<_> = (0..5).map(|number| (-MINUTE - number, None)).collect();
        let with = |more: (i64, Option<i64>)| [silent(5), vec![more]].concat();
        let (old, new) = ((-3 * MINUTE, Some(-2 * MINUTE)), (-1_000, Some(0)));
        for (case, item, messages, mute) in [
            ("five", session(lately, None), silent(5), Some(0)),
            ("four", session(lately, None), silent(4), None),
            ("young", session(lately, None), young, None),
            ("never delivered", session(None, None), silent(5), None),
            ("long ago", session(long_ago, None), silent(5), None),
            ("one of six", session(lately, None), with(old), None),
            ("still", session(lately, since), silent(1), since),
            ("no more", session(lately, since), vec![], since),
            ("a young one", session(lately, since), with(new), None),
        ] {
            let shown = arrivals(&item, &checked(&messages), at(0));
            assert_eq!(shown.mute_since, mute.map(at), "{case}");
        }
    }

    #[test]
    fn the_last_delivery_is_kept() {
        let delivered = |item, messages: &[_]| {
            let shown = arrivals(&session(item, None), &checked(messages), at(0));
            shown.delivered_at
        };
        let two = [
            (-5 * MINUTE, Some(-4 * MINUTE)),
            (-3 * MINUTE, Some(-2 * MINUTE)),
        ];
        assert_eq!(delivered(None, &two), Some(at(-2 * MINUTE)));
        assert_eq!(
            delivered(Some(-MINUTE), &two),
            Some(at(-MINUTE)),
            "a later one"
        );
        assert_eq!(delivered(None, &[]), None);
    }

    #[test]
    fn receipts_that_come_soon_make_one_that_does_not_come_tell_something() {
        let item = |delivered, take: Option<u64>, mute| SessionItem {
            receipts_take: take.map(Duration::from_secs),
            ..session(delivered, mute)
        };
        let day = -24 * 60 * MINUTE;
        for (case, item, expected) in [
            ("soon", item(Some(-MINUTE), Some(5), None), true),
            ("late", item(Some(-MINUTE), Some(6), None), false),
            ("nobody knows", item(Some(-MINUTE), None, None), false),
            ("long ago", item(Some(day), Some(1), None), false),
            ("never", item(None, None, None), false),
            ("mute", item(Some(day), Some(60), Some(-MINUTE)), true),
        ] {
            assert_eq!(receipts_come_soon(&item, at(0)), expected, "{case}");
        }
    }

    #[test]
    fn the_middle_one_says_how_long_receipts_take() {
        let taken = |seconds: &[i64], before: Option<u64>| {
            let messages: Vec<_> = seconds
                .iter()
                .map(|took| (-9 * MINUTE, Some(-9 * MINUTE + took * 1_000)))
                .chain(silent(2))
                .collect();
            let item = SessionItem {
                receipts_take: before.map(Duration::from_secs),
                ..SessionItem::default()
            };
            let shown = arrivals(&item, &checked(&messages), at(0));
            shown.receipts_take.map(|take| take.as_secs())
        };
        assert_eq!(taken(&[2, 300, 1], Some(9)), Some(2));
        assert_eq!(taken(&[], Some(9)), Some(9));
        assert_eq!(taken(&[], None), None);
    }

    #[test]
    fn messages_count_once_they_had_two_minutes() {
        let messages = [
            (-9 * MINUTE, None),
            (-2 * MINUTE, Some(-MINUTE)),
            (-2 * MINUTE + 1, None),
        ];
        let expected = Counts {
            taken: 2,
            delivered: 1,
            silent: 1,
        };
        assert_eq!(count(&checked(&messages), at(0)), expected);
    }
}
