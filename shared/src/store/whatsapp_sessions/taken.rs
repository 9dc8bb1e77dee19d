//! The messages of the last minutes that WhatsApp took from a session, as a sample: from their records one can see whether any
//! of them arrive.
use std::cmp::Reverse;
use std::time::Duration;

use super::packed::{TIME_BYTES, read_time_with_flag, time_with_flag};
use crate::model::phone::PhoneMark;
use crate::platform::timestamp::Timestamp;

/// How long a message is remembered.
pub const TAKEN_LIFE: Duration = Duration::from_secs(600);
/// How many messages are remembered at most.
const TAKEN_MAX: usize = 16;
/// What every id begins with.
const ID_PREFIX: &str = "3EB0";
/// The bytes of the rest of an id.
const ID_BYTES: usize = 9;
/// An id, a time, and whom it was for.
const ENTRY_BYTES: usize = ID_BYTES + TIME_BYTES + 2;

/// A message that WhatsApp took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenMessage {
    /// Its id.
    pub id: String,
    /// When it was taken, to the second.
    pub at: Timestamp,
    /// Whom it was for.
    pub phone: PhoneMark,
    /// Whether anybody can have asked for it, also for a phone that is switched off.
    pub of_anybody: bool,
}

/// `taken` with the `newest` one: without those that are too old, and thinned out where they are dense, so that they cover the
/// whole of their time also when there are many. Those that anybody can have asked for make room for the others: they do not
/// show whether messages arrive.
pub fn with(taken: &[TakenMessage], newest: TakenMessage) -> Vec<TakenMessage> {
    let recent = |one: &&TakenMessage| one.id != newest.id && newest.at.since(one.at) < TAKEN_LIFE;
    let mut taken: Vec<_> = taken.iter().filter(recent).cloned().collect();
    taken.push(newest);
    while taken.len() > TAKEN_MAX {
        taken.remove(densest(&taken));
    }
    taken
}

/// The message whose neighbours are the closest to each other, of those that anybody can have asked for if there are any, or else
/// of those to whom there are the most; never the first or the last.
fn densest(taken: &[TakenMessage]) -> usize {
    let gaps = taken.windows(3).enumerate();
    let gaps = gaps.map(|(before, three)| (before + 1, three[2].at.since(three[0].at)));
    let to_the_same = |one: &TakenMessage| {
        taken
            .iter()
            .filter(|other| other.phone == one.phone)
            .count()
    };
    let closest = gaps.min_by_key(|(place, gap)| {
        let one = &taken[*place];
        (!one.of_anybody, Reverse(to_the_same(one)), *gap)
    });
    closest.map_or(0, |(place, _)| place)
}

/// As the item keeps them. An id of another form is left out.
pub(super) fn packed(taken: &[TakenMessage]) -> Vec<u8> {
    taken.iter().filter_map(pack).flatten().collect()
}

fn pack(one: &TakenMessage) -> Option<[u8; ENTRY_BYTES]> {
    let digits = one.id.strip_prefix(ID_PREFIX)?;
    let id = u128::from_str_radix(digits, 16).ok()?.to_be_bytes();
    let (front, id) = id.split_at(id.len() - ID_BYTES);
    let whole = digits.len() == 2 * ID_BYTES && front.iter().all(|byte| *byte == 0);
    let time = time_with_flag(one.at, one.of_anybody).filter(|_| whole)?;
    let mut entry = [0; ENTRY_BYTES];
    entry[..ID_BYTES].copy_from_slice(id);
    entry[ID_BYTES..][..TIME_BYTES].copy_from_slice(&time);
    entry[ID_BYTES + TIME_BYTES..].copy_from_slice(&one.phone.to_bytes());
    Some(entry)
}

/// The messages in what [`packed`] made.
pub(super) fn read(packed: &[u8]) -> Vec<TakenMessage> {
    packed.as_chunks().0.iter().map(unpack).collect()
}

fn unpack(entry: &[u8; ENTRY_BYTES]) -> TakenMessage {
    let [id @ .., a, b, c, d, first, second] = *entry;
    let digits: String = id.iter().map(|byte| format!("{byte:02X}")).collect();
    let (at, of_anybody) = read_time_with_flag([a, b, c, d]);
    TakenMessage {
        id: format!("{ID_PREFIX}{digits}"),
        at,
        phone: PhoneMark::from_bytes([first, second]),
        of_anybody,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_795_000_000;

    fn message(id: &str, seconds: i64) -> TakenMessage {
        TakenMessage {
            id: id.to_owned(),
            at: Timestamp::from_seconds(START + seconds),
            phone: PhoneMark::from_bytes([0, 1]),
            of_anybody: false,
        }
    }

    /// A session that took a message at each of these seconds.
    fn taken_at(seconds: impl IntoIterator<Item = i64>) -> Vec<TakenMessage> {
        let mut taken = Vec::new();
        for second in seconds {
            let id = format!("3EB0{second:018X}");
            taken = with(&taken, message(&id, second));
        }
        taken
    }

    #[test]
    fn few_messages_are_all_remembered_until_they_are_too_old() {
        let seconds = |taken: Vec<TakenMessage>| -> Vec<_> {
            let seconds = taken.iter().map(|one| one.at.seconds() - START);
            seconds.collect()
        };
        assert_eq!(seconds(taken_at([0, 1, 2, 300])), [0, 1, 2, 300]);
        assert_eq!(seconds(taken_at([0, 1, 2, 601])), [2, 601]);
    }

    #[test]
    fn a_message_that_is_sent_again_is_there_once() {
        let taken = taken_at([0, 1]);
        let again = with(&taken, message(&taken[0].id, 9));
        let ids: Vec<_> = again.iter().map(|one| &one.id).collect();
        assert_eq!(ids, [&taken[1].id, &taken[0].id]);
    }

    proptest! {
        #[test]
        fn what_is_packed_can_be_read(
            messages in prop::collection::vec(("3EB0[0-9A-F]{18}", any::<[u8; 2]>(), any::<bool>()), 0..16),
        ) {
            let messages = messages.into_iter();
            let taken: Vec<_> = messages
                .map(|(id, mark, of_anybody)| TakenMessage {
                    phone: PhoneMark::from_bytes(mark),
                    of_anybody,
                    ..message(&id, 0)
                })
                .collect();
            prop_assert_eq!(read(&packed(&taken)), taken);
        }

        #[test]
        fn many_messages_are_remembered_from_the_whole_time(every in 1_i64..40, for_seconds in 900_i64..3_000) {
            let taken = taken_at((0..for_seconds).step_by(every as usize));
            prop_assert!(taken.len() <= TAKEN_MAX);
            let last = taken[taken.len() - 1].at;
            let old = taken.iter().filter(|one| last.since(one.at) >= Duration::from_secs(120));
            prop_assert!(old.count() >= 5, "{:?}", taken);
        }
    }

    #[test]
    fn few_users_who_ask_often_crowd_no_others_out() {
        let mut taken = Vec::new();
        for second in (0..600).step_by(30) {
            // One of two in turn is one of four users, the other one is somebody else.
            for (after, phone) in [(0, second / 30 % 4), (1, 1_000 + second)] {
                let newest = TakenMessage {
                    phone: PhoneMark::from_bytes((phone as u16).to_be_bytes()),
                    ..message(&format!("3EB0{:018X}", second + after), second + after)
                };
                taken = with(&taken, newest);
            }
        }
        let others = taken.iter().filter(|one| one.phone.to_bytes()[0] > 2);
        assert!(others.count() >= TAKEN_MAX / 2, "{taken:?}");
    }

    #[test]
    fn what_anybody_asked_for_makes_room_for_messages_to_users() {
        let mut taken = Vec::new();
        for second in 0..600 {
            let id = format!("3EB0{second:018X}");
            let of_anybody = second % 30 != 0;
            let newest = TakenMessage {
                of_anybody,
                ..message(&id, second)
            };
            taken = with(&taken, newest);
        }
        let to_users = taken.iter().filter(|one| !one.of_anybody);
        assert!(to_users.count() >= TAKEN_MAX - 2, "{taken:?}");
    }

    #[test]
    fn an_id_of_another_form_is_left_out() {
        for id in [
            "",
            "3EB0",
            "3EB0XYZ",
            "ABCD0123456789ABCDEF01",
            "3EB00123456789ABCDEF0123",
        ] {
            let taken = [message(id, 0)];
            assert!(packed(&taken).is_empty(), "{taken:?}");
        }
    }
}
