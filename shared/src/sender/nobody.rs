//! A message to nobody takes the same steps as a real one, so that a reply does not tell whether a phone has an account.
//! Its time and its end are those of the session's last real messages.
use std::time::Duration;

use super::classify::Observation;
use super::outcome::{Outcome, Reason};
use super::run::Run;
use crate::gateway::GatewayError;
use crate::platform::timestamp::Timestamp;
use crate::store::whatsapp_sessions::{REMEMBERED, RecentSend, SendEnd};

/// How long the end of a message speaks for those that go to nobody.
const END_SPEAKS: Duration = Duration::from_secs(600);

/// The ends that say something about other messages. Missing are those of one recipient, and those that every status shows.
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
/// to a first contact, which anybody can ask for, says nothing about those, and it takes longer.
pub(super) fn speaks_for_others(
    send: &RecentSend,
    first_contact: bool,
    recent: &[RecentSend],
) -> bool {
    let users_known =
        recent.len() >= REMEMBERED && recent.iter().all(|send| send.end == SendEnd::Taken);
    match send.end {
        SendEnd::Rejected | SendEnd::Restricted => !first_contact,
        SendEnd::Taken => !(first_contact && users_known),
        _ => true,
    }
}

impl Run<'_> {
    /// Sends nothing, and takes the time and the end of a real message.
    pub(super) async fn send_to_nobody(
        &self,
        began: Timestamp,
        within: Duration,
    ) -> Result<Observation, GatewayError> {
        let (gateway, token) = (&self.services.gateway, &self.place.token);
        if !gateway.status(token, within).await?.usable() {
            return Ok(Observation::SessionTrouble);
        }
        if let Some((outcome, took)) = self.last_failure(began) {
            self.sleep_until(began.plus(took)).await;
            return Ok(Observation::LikeTheLast(outcome));
        }
        match self.time_of_a_taken_send() {
            Some(took) => {
                let end = began.plus(took.min(within));
                tokio::time::sleep(self.services.clock.until(end)).await;
            }
            None => self.pass_the_cost(began).await,
        }
        Ok(Observation::Sent)
    }

    /// How the session's last real message failed, and how long it took. A message that was taken, and one of long ago,
    /// say nothing.
    fn last_failure(&self, now: Timestamp) -> Option<(Outcome, Duration)> {
        let last = self.place.item.recent.last()?;
        let outcome = failure_of(last.end)?;
        (now.since(last.at) < END_SPEAKS).then_some((outcome, last.took))
    }

    /// A time like those of the last real messages that were taken.
    fn time_of_a_taken_send(&self) -> Option<Duration> {
        let recent = self.place.item.recent.iter();
        let taken = recent.filter(|send| send.end == SendEnd::Taken);
        let entropy = &self.services.entropy;
        drawn_between(taken.map(|send| send.took).collect(), |bound| {
            entropy.below(bound)
        })
    }
}

/// A time between two neighbours of `times`, in equal steps. None is repeated as it is: whoever measured all of them would
/// know it again. As they lie close together or far apart, so do the drawn ones.
fn drawn_between(mut times: Vec<Duration>, below: impl Fn(u64) -> u64) -> Option<Duration> {
    const STEPS: u64 = 1_000;
    times.sort_unstable();
    let pairs: Vec<&[Duration]> = times.windows(2).collect();
    let Some(number) = (pairs.len() as u64)
        .checked_sub(1)
        .map(|last| below(last + 1))
    else {
        return times.first().copied();
    };
    let pair = pairs.get(number as usize)?;
    let [shorter, longer] = pair else {
        return None;
    };
    let step = (*longer - *shorter).mul_f64(below(STEPS) as f64 / STEPS as f64);
    Some(*shorter + step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_drawn_time_lies_within_those_that_were_seen(
            times in prop::collection::vec(0_u64..60_000, 0..6), drawn in any::<u64>(),
        ) {
            let times: Vec<_> = times.into_iter().map(Duration::from_millis).collect();
            let time = drawn_between(times.clone(), |bound| drawn % bound);
            prop_assert_eq!(time.is_some(), !times.is_empty());
            prop_assert!(time.is_none_or(|time| times.iter().min() <= Some(&time)));
            prop_assert!(time.is_none_or(|time| times.iter().max() >= Some(&time)));
        }
    }
}
