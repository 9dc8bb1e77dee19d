//! The users whose messages WhatsApp refused from a session lately. One of them that is refused once more shows nothing new, and
//! lets the others try the account first.
use std::time::Duration;

use super::packed::{TIME_BYTES, read_time_with_flag, time_with_flag};
use crate::model::phone::PhoneMark;
use crate::platform::timestamp::Timestamp;

/// How long a user is remembered.
const REFUSED_LIFE: Duration = Duration::from_secs(600);
/// How many are remembered at most: the last ones.
const REFUSED_MAX: usize = 24;
/// A time and a mark.
const ENTRY_BYTES: usize = TIME_BYTES + 2;

/// A user whose message WhatsApp refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedUser {
    /// Who.
    pub phone: PhoneMark,
    /// When it was refused last, to the second.
    pub at: Timestamp,
    /// Whether WhatsApp refused that message, and said nothing of the account.
    pub of_the_message: bool,
}

/// When the user of `phone` was refused last, if that was within ten minutes before `now`.
pub fn find(refused: &[RefusedUser], phone: PhoneMark, now: Timestamp) -> Option<RefusedUser> {
    let is_it = |one: &&RefusedUser| one.phone == phone && now.since(one.at) < REFUSED_LIFE;
    refused.iter().rev().find(is_it).copied()
}

/// `refused` with the `newest` one: each user once, and without those of long ago.
pub fn with(refused: &[RefusedUser], newest: RefusedUser) -> Vec<RefusedUser> {
    let recent = |one: &RefusedUser| newest.at.since(one.at) < REFUSED_LIFE;
    let mut refused = without(refused, newest.phone);
    refused.retain(recent);
    refused.push(newest);
    let too_many = refused.len().saturating_sub(REFUSED_MAX);
    refused.drain(..too_many);
    refused
}

/// `refused` without the user of `phone`, whose message was taken.
pub fn without(refused: &[RefusedUser], phone: PhoneMark) -> Vec<RefusedUser> {
    let others = refused.iter().filter(|one| one.phone != phone);
    others.copied().collect()
}

/// As the item keeps them.
pub(super) fn packed(refused: &[RefusedUser]) -> Vec<u8> {
    refused.iter().filter_map(pack).flatten().collect()
}

fn pack(one: &RefusedUser) -> Option<[u8; ENTRY_BYTES]> {
    let [a, b, c, d] = time_with_flag(one.at, one.of_the_message)?;
    let [first, second] = one.phone.to_bytes();
    Some([a, b, c, d, first, second])
}

/// The users in what [`packed`] made.
pub(super) fn read(packed: &[u8]) -> Vec<RefusedUser> {
    packed.as_chunks().0.iter().map(unpack).collect()
}

fn unpack(entry: &[u8; ENTRY_BYTES]) -> RefusedUser {
    let [a, b, c, d, mark @ ..] = *entry;
    let (at, of_the_message) = read_time_with_flag([a, b, c, d]);
    RefusedUser {
        phone: PhoneMark::from_bytes(mark),
        at,
        of_the_message,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_795_000_000;

    fn user(number: u16, seconds: i64) -> RefusedUser {
        RefusedUser {
            phone: PhoneMark::from_bytes(number.to_be_bytes()),
            at: Timestamp::from_seconds(START + seconds),
            of_the_message: number % 2 == 1,
        }
    }

    #[test]
    fn a_user_is_remembered_for_ten_minutes_and_once() {
        let one = user(1, 0);
        let refused = with(&[user(2, -30), user(1, -20)], one);
        assert_eq!(refused, [user(2, -30), one]);
        let at = |seconds| find(&refused, one.phone, user(1, seconds).at);
        assert_eq!((at(599), at(600)), (Some(one), None));
        assert_eq!(find(&refused, user(3, 0).phone, one.at), None);
        assert_eq!(with(&refused, user(3, 600)), [user(3, 600)]);
        assert_eq!(without(&refused, one.phone), [user(2, -30)]);
    }

    proptest! {
        #[test]
        fn the_last_ones_are_remembered_as_they_were(numbers in prop::collection::vec(any::<u16>(), 1..40)) {
            let mut refused = Vec::new();
            for (second, number) in numbers.iter().enumerate() {
                refused = with(&refused, user(*number, second as i64));
            }
            prop_assert!(refused.len() <= REFUSED_MAX);
            prop_assert_eq!(refused.last().map(|one| one.phone), numbers.last().map(|last| user(*last, 0).phone));
            prop_assert_eq!(read(&packed(&refused)), refused);
        }
    }
}
