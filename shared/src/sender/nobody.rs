//! A message to nobody takes the same steps as a real one, so that a reply does not tell whether a phone has an account.
//! It ends like the session's last real message, if that failed lately. Otherwise it takes about the time of those that were
//! taken. On a session that is not the phone's own it ends like one to the contact of another session.
use std::time::Duration;

use super::outcome::{Outcome, Reason};
use super::rank::{Contact, is_refused};
use super::run::{Run, SendAnswer};
use crate::gateway::GatewayError;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{REMEMBERED, RecentSend, SendEnd, SessionState};

/// How long the end of a message speaks for those that go to nobody.
const END_SPEAKS: Duration = Duration::from_secs(600);

/// How much the time of a message to nobody may differ from one that was seen: by this part of it.
const SPREAD_PART: u32 = 32;

/// The least time for the answer of a look at the end of a message.
const LOOK_MIN: Duration = Duration::from_millis(100);

/// The ends that say something about other messages. Missing are those that concern one recipient alone, and those that
/// every message meets, also one to nobody. A session can be down or not paired whatever its status says, so these two are
/// here.
const ENDS: [(Outcome, SendEnd); 8] = [
    (Outcome::Sent, SendEnd::Taken),
    (Outcome::Unknown, SendEnd::Unknown),
    (Outcome::NotSent(Reason::Busy), SendEnd::Busy),
    (Outcome::NotSent(Reason::SessionDown), SendEnd::Down),
    (Outcome::NotSent(Reason::NeedsPairing), SendEnd::Unpaired),
    (Outcome::NotSent(Reason::Rejected), SendEnd::Rejected),
    (Outcome::NotSent(Reason::Restricted), SendEnd::Restricted),
    (Outcome::NotSent(Reason::Deadline), SendEnd::Late),
];

/// The end of a send that stands for `outcome`, if it is one of [`ENDS`].
pub(super) fn end_of(outcome: Outcome) -> Option<SendEnd> {
    let mut ends = ENDS.into_iter();
    ends.find_map(|(listed, end)| (listed == outcome).then_some(end))
}

/// The outcome of a message that ends with `end`; `None` if WhatsApp took it.
fn failure_of(end: SendEnd) -> Option<Outcome> {
    let mut failures = ENDS
        .into_iter()
        .filter(|(outcome, _)| *outcome != Outcome::Sent);
    failures.find_map(|(outcome, listed)| (listed == end).then_some(outcome))
}

/// Whether messages to nobody may end like `send`, or take its time. They stand for messages to users: what WhatsApp says
/// to a first contact, to whoever signs up, or to somebody who opened a chat, which anybody can ask for, says nothing about
/// those, and it takes longer. What it refuses to the contact of another session it says to those only, see [`Run::refusal_as_new`].
pub(super) fn speaks_for_others(
    send: &RecentSend,
    contact: Contact,
    recent: &[RecentSend],
) -> bool {
    let enough_taken =
        recent.len() >= REMEMBERED && recent.iter().all(|send| send.end == SendEnd::Taken);
    match send.end {
        SendEnd::Restricted => contact.is_of_its_user(),
        SendEnd::Rejected => !contact.is_of_anybody(),
        SendEnd::Taken => !(contact == Contact::New && enough_taken),
        _ => true,
    }
}

impl Run<'_> {
    /// Sends nothing, and takes the time and the end of a real message.
    pub(super) async fn send_to_nobody(
        &mut self,
        within: Duration,
    ) -> Result<SendAnswer, GatewayError> {
        let began = self.sent_at;
        if !self.session_is_usable(within).await? {
            return self.end_unusable(began).await;
        }
        let looked = self.now().since(began);
        let last = self.refusal_as_new(began);
        if let Some((outcome, last)) = last.or_else(|| self.last_failure(began)) {
            return self.end_like(last, outcome).await;
        }
        let took = self.time_of_a_taken_send().unwrap_or(self.place.cost);
        let until = began.plus(took.min(within));
        // A session can seem usable for a moment, and a send that takes longer than that fails.
        self.sleep_until(until.minus(looked)).await;
        let left = until.since(self.now()).max(looked);
        let still_usable = self.session_is_usable(left + LOOK_MIN).await?;
        self.sleep_until(until).await;
        if still_usable {
            Ok(SendAnswer::Taken)
        } else {
            Ok(SendAnswer::NotUsable)
        }
    }

    /// Does the same for a message to a user that WhatsApp would refuse for `reason`. It never counts as sent.
    pub(super) async fn pretend_to_send(
        &mut self,
        reason: Reason,
        within: Duration,
    ) -> Result<SendAnswer, GatewayError> {
        Ok(match self.send_to_nobody(within).await? {
            SendAnswer::Taken => SendAnswer::LikeTheLast(Outcome::NotSent(reason)),
            answer => answer,
        })
    }

    async fn session_is_usable(&self, within: Duration) -> Result<bool, GatewayError> {
        let (gateway, token) = (&self.place.gateway, &self.place.token);
        Ok(gateway.status(token, within).await?.usable())
    }

    /// Ends on a session whose status says that it cannot send. A real message learns from its send that nobody has paired the
    /// session, and looks no further.
    async fn end_unusable(&mut self, began: Timestamp) -> Result<SendAnswer, GatewayError> {
        let last = self.last_failure(began);
        match last.filter(|(_, last)| last.end == SendEnd::Unpaired) {
            Some((outcome, last)) => self.end_like(last, outcome).await,
            None => Ok(SendAnswer::NotUsable),
        }
    }

    /// Takes the time of `last`, and ends as it did.
    async fn end_like(
        &mut self,
        last: RecentSend,
        outcome: Outcome,
    ) -> Result<SendAnswer, GatewayError> {
        let began = self.sent_at;
        // Whoever comes next would find the queue shorter than after a real one.
        if let Some(after) = last.requeued_after {
            self.sleep_until(began.plus(after)).await;
            let _ = self.queue_again(Duration::ZERO).await;
        }
        // That is the time of all its sends, so it may be longer than one send.
        self.sleep_until(began.plus(last.took)).await;
        Ok(SendAnswer::LikeTheLast(outcome))
    }

    /// The end of a message to the contact of another session, while WhatsApp lets the account write to nobody new.
    fn refusal_as_new(&self, now: Timestamp) -> Option<(Outcome, RecentSend)> {
        let item = &self.place.item;
        let locked = item.seen.map(|seen| seen.state) == Some(SessionState::ColdLocked);
        let refused = RecentSend {
            at: now,
            took: item.refused_as_new_after.unwrap_or(self.place.cost),
            end: SendEnd::Restricted,
            requeued_after: None,
        };
        let is_new = self.place.contact == Contact::OfAnother;
        (locked && is_new).then_some((Outcome::NotSent(Reason::Restricted), refused))
    }

    /// The session's last real message, if it failed, and how. One of long ago says nothing, and neither does one that nobody knows
    /// the end of while WhatsApp refuses the account: whoever has no turn certainly sends nothing.
    fn last_failure(&self, now: Timestamp) -> Option<(Outcome, RecentSend)> {
        let item = &self.place.item;
        let is_refused = is_refused(item, self.place.contact);
        let speaks = |send: &&RecentSend| !(is_refused && send.end == SendEnd::Unknown);
        let last = item.recent.iter().rev().find(speaks)?;
        let outcome = failure_of(last.end)?;
        (now.since(last.at) < END_SPEAKS).then_some((outcome, *last))
    }

    /// A time near those of the last real messages that were taken; `None` if none was.
    fn time_of_a_taken_send(&self) -> Option<Duration> {
        let recent = self.place.item.recent.iter();
        let taken = recent.filter(|send| send.end == SendEnd::Taken);
        let entropy = &self.services.entropy;
        drawn_near(taken.map(|send| send.took).collect(), |bound| {
            entropy.below(bound)
        })
    }
}

/// A time near those of `times`, which are in milliseconds. As they lie close together or far apart, so do the drawn ones.
///
/// It lies between two neighbours of `times`, and is neither of them nor the middle. Two that are equal, and one that is
/// alone, are spread first. So whoever has measured all of `times` finds none of them again, except by chance: a
/// spread one can meet another neighbour, and timers round to milliseconds.
fn drawn_near(mut times: Vec<Duration>, below: impl Fn(u64) -> u64) -> Option<Duration> {
    const STEPS: u64 = 1_000;
    times.sort_unstable();
    let mut pairs: Vec<_> = times.windows(2).map(|pair| (pair[0], pair[1])).collect();
    if let [alone] = times[..] {
        pairs.push((alone, alone));
    }
    if pairs.is_empty() {
        return None;
    }
    let (shorter, longer) = spread(pairs[below(pairs.len() as u64) as usize]);
    // An odd number of half steps: never the beginning, the middle or the end.
    let half_steps = 2 * below(STEPS) + 1;
    Some(shorter + (longer - shorter).mul_f64(half_steps as f64 / (2 * STEPS) as f64))
}

/// `pair`, and a range of some per cent around it if both are equal.
fn spread(pair: (Duration, Duration)) -> (Duration, Duration) {
    let (shorter, longer) = pair;
    if shorter < longer {
        return pair;
    }
    let width = (shorter / SPREAD_PART).max(Duration::from_millis(1));
    (shorter.saturating_sub(width), longer + width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_drawn_time_is_near_those_that_were_seen_and_repeats_none(
            times in prop::collection::btree_set(1_u64..60_000, 0..6), drawn in any::<u64>(),
        ) {
            let times: Vec<_> = times.into_iter().map(Duration::from_millis).collect();
            let time = drawn_near(times.clone(), |bound| drawn % bound);
            prop_assert_eq!(time.is_some(), !times.is_empty());
            let Some(time) = time else { return Ok(()) };
            prop_assert!(!times.contains(&time), "{time:?} is one of {times:?}");
            let (least, most) = match times[..] {
                [alone] => spread((alone, alone)),
                _ => (times[0], times[times.len() - 1]),
            };
            prop_assert!(least < time && time < most, "{time:?} of {times:?}");
        }

        #[test]
        fn a_time_that_was_seen_several_times_is_not_repeated(
            seen in 0_u64..60_000, times in 1_usize..6, drawn in any::<u64>(),
        ) {
            let seen = Duration::from_millis(seen);
            let time = drawn_near(vec![seen; times], |bound| drawn % bound).unwrap();
            let (least, most) = spread((seen, seen));
            prop_assert!(least < time && time < most && time != seen, "{time:?} of {seen:?}");
        }
    }
}
