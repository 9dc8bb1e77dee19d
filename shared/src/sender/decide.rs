//! What to do after an observation. No clock, no waiting, no calls: a table that ends, whatever it is told.
use std::time::Duration;

use super::classify::Observation;
use super::outcome::{Outcome, Reason};

/// What was tried so far for one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    observations: u8,
    /// An attempt may have sent the message, so from here on no failure is certain.
    maybe_sent: bool,
    lost: u8,
    recoveries: u8,
    usable_at_once: u8,
    throttled: u8,
    rejected: u8,
    store_busy: u8,
    other_number: u8,
}

/// The next step for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send with the same message id, after a pause and in a new place of the queue.
    Send {
        /// How long to pause first.
        after: Duration,
    },
    /// Make the session usable.
    Recover {
        /// The gateway itself was down, so it is about to start its sessions by itself.
        gateway_was_down: bool,
    },
    /// It is over.
    Finish(Outcome),
}

const OBSERVATIONS_MAX: u8 = 16;
const RECOVERIES_MAX: u8 = 2;
const THROTTLED_MAX: u8 = 3;
const THROTTLED_PAUSE: Duration = Duration::from_millis(500);
const REJECTED_PAUSE: Duration = Duration::from_secs(2);
const STORE_BUSY_MAX: u8 = 9;
const STORE_BUSY_PAUSE: Duration = Duration::from_millis(400);

/// What to do after `observation`, and the progress that it makes.
pub fn decide(mut progress: Progress, observation: Observation) -> (Progress, Step) {
    progress.observations += 1;
    progress.maybe_sent |= matches!(observation, Observation::Lost | Observation::Unanswered);
    let observation = progress.last_allowed(observation);
    let step = match progress.another_try(observation) {
        Some(step) => step,
        None => Step::Finish(progress.outcome(observation)),
    };
    (progress, step)
}

impl Progress {
    /// `observation`, or that the time is over once there were too many. A message that has an outcome keeps it.
    const fn last_allowed(&self, observation: Observation) -> Observation {
        let has_outcome = matches!(observation, Observation::Sent | Observation::LikeTheLast(_));
        if self.observations >= OBSERVATIONS_MAX && !has_outcome {
            Observation::OutOfTime
        } else {
            observation
        }
    }

    /// The step that is worth a try after `observation`, unless it was taken as often as it may be.
    fn another_try(&mut self, observation: Observation) -> Option<Step> {
        let (count, max, step) = match observation {
            Observation::Recovered => return Some(Step::AT_ONCE),
            Observation::SessionTrouble | Observation::FrontDown | Observation::GatewayDown => {
                let gateway_was_down = observation == Observation::GatewayDown;
                let step = Step::Recover { gateway_was_down };
                (&mut self.recoveries, RECOVERIES_MAX, step)
            }
            Observation::UsableAtOnce => (&mut self.usable_at_once, 1, Step::AT_ONCE),
            Observation::Lost => (&mut self.lost, 1, Step::AT_ONCE),
            Observation::OtherNumber => (&mut self.other_number, 1, Step::AT_ONCE),
            Observation::Rejected => (&mut self.rejected, 1, Step::send_after(REJECTED_PAUSE)),
            Observation::StoreBusy => {
                let step = Step::send_after(STORE_BUSY_PAUSE);
                (&mut self.store_busy, STORE_BUSY_MAX, step)
            }
            Observation::Throttled => {
                let step = Step::send_after(THROTTLED_PAUSE);
                (&mut self.throttled, THROTTLED_MAX, step)
            }
            _ => return None,
        };
        *count += 1;
        (*count <= max).then_some(step)
    }

    /// How the message ends after `observation`. Once it may have been sent, no failure is certain.
    pub(super) const fn outcome(&self, observation: Observation) -> Outcome {
        match observation {
            Observation::Sent => Outcome::Sent,
            Observation::LikeTheLast(outcome) => outcome,
            _ if self.maybe_sent => Outcome::Unknown,
            _ => match reason(observation) {
                Some(reason) => Outcome::NotSent(reason),
                None => Outcome::Unknown,
            },
        }
    }
}

/// Why a message is not sent that ends with `observation`; `None` when nobody knows whether it is.
const fn reason(observation: Observation) -> Option<Reason> {
    Some(match observation {
        Observation::Sent
        | Observation::LikeTheLast(_)
        | Observation::Lost
        | Observation::Unanswered => return None,
        Observation::SessionTrouble | Observation::UsableAtOnce | Observation::SessionStaysDown => {
            Reason::SessionDown
        }
        Observation::FrontDown | Observation::GatewayDown | Observation::GatewayStaysDown => {
            Reason::GatewayUnreachable
        }
        Observation::StoreBusy | Observation::Throttled | Observation::QueueFull => Reason::Busy,
        Observation::Rejected | Observation::OtherNumber => Reason::Rejected,
        Observation::Restricted => Reason::Restricted,
        Observation::NotOnWhatsApp => Reason::NotOnWhatsApp,
        Observation::WrongRecipient => Reason::WrongRecipient,
        Observation::Misconfigured => Reason::Misconfigured,
        Observation::Unpaired => Reason::NeedsPairing,
        Observation::Stuck => Reason::NeedsRestart,
        Observation::Recovered | Observation::OutOfTime => Reason::Deadline,
    })
}

impl Step {
    /// A send without a pause.
    const AT_ONCE: Self = Self::send_after(Duration::ZERO);

    const fn send_after(after: Duration) -> Self {
        Self::Send { after }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Observation::*;
    use super::*;

    const AGAIN: Step = Step::Send {
        after: Duration::ZERO,
    };
    const RECOVER: Step = Step::Recover {
        gateway_was_down: false,
    };
    const UNKNOWN: Step = Step::Finish(Outcome::Unknown);

    fn not_sent(reason: Reason) -> Step {
        Step::Finish(Outcome::NotSent(reason))
    }

    fn check(story: &[(Observation, Step)]) {
        let mut progress = Progress::default();
        for (number, (observation, expected)) in story.iter().enumerate() {
            let (next, step) = decide(progress, *observation);
            assert_eq!(step, *expected, "after {number}: {observation:?}");
            progress = next;
        }
    }

    #[test]
    fn a_message_that_was_taken_is_sent() {
        check(&[(Sent, Step::Finish(Outcome::Sent))]);
    }

    #[test]
    fn a_message_to_nobody_ends_as_it_is_told() {
        for outcome in [Outcome::Unknown, Outcome::NotSent(Reason::Rejected)] {
            check(&[(LikeTheLast(outcome), Step::Finish(outcome))]);
        }
    }

    #[test]
    fn a_recovered_session_sends_again() {
        check(&[
            (SessionTrouble, RECOVER),
            (Recovered, AGAIN),
            (Sent, Step::Finish(Outcome::Sent)),
        ]);
    }

    #[test]
    fn a_session_that_claims_to_be_usable_gets_one_more_send() {
        check(&[
            (SessionTrouble, RECOVER),
            (UsableAtOnce, AGAIN),
            (SessionTrouble, RECOVER),
            (UsableAtOnce, not_sent(Reason::SessionDown)),
        ]);
    }

    #[test]
    fn recoveries_are_limited() {
        check(&[
            (SessionTrouble, RECOVER),
            (Recovered, AGAIN),
            (
                GatewayDown,
                Step::Recover {
                    gateway_was_down: true,
                },
            ),
            (Recovered, AGAIN),
            (GatewayDown, not_sent(Reason::GatewayUnreachable)),
        ]);
    }

    #[test]
    fn an_answered_unknown_is_repeated_once() {
        check(&[(Lost, AGAIN), (Sent, Step::Finish(Outcome::Sent))]);
        check(&[(Lost, AGAIN), (Lost, UNKNOWN)]);
    }

    #[test]
    fn a_send_of_unknown_end_makes_every_later_failure_unknown() {
        for failure in [
            Restricted,
            NotOnWhatsApp,
            WrongRecipient,
            Misconfigured,
            QueueFull,
            OutOfTime,
            Unpaired,
            SessionStaysDown,
        ] {
            check(&[(Lost, AGAIN), (failure, UNKNOWN)]);
        }
    }

    #[test]
    fn our_own_time_out_is_never_repeated() {
        check(&[(Unanswered, UNKNOWN)]);
    }

    #[test]
    fn a_throttled_send_pauses_three_times() {
        let pause = Step::Send {
            after: THROTTLED_PAUSE,
        };
        check(&[
            (Throttled, pause),
            (Throttled, pause),
            (Throttled, pause),
            (Throttled, not_sent(Reason::Busy)),
        ]);
    }

    #[test]
    fn a_gateway_whose_store_is_busy_is_asked_again_for_some_seconds() {
        let pause = Step::Send {
            after: STORE_BUSY_PAUSE,
        };
        let mut story = vec![(StoreBusy, pause); STORE_BUSY_MAX as usize];
        story.push((StoreBusy, not_sent(Reason::Busy)));
        check(&story);
    }

    #[test]
    fn a_front_that_cannot_reach_the_gateway_is_no_gateway_that_was_down() {
        check(&[
            (FrontDown, RECOVER),
            (Recovered, AGAIN),
            (Sent, Step::Finish(Outcome::Sent)),
        ]);
    }

    #[test]
    fn a_rejected_message_gets_one_slow_retry() {
        let slowly = Step::Send {
            after: REJECTED_PAUSE,
        };
        check(&[(Rejected, slowly), (Rejected, not_sent(Reason::Rejected))]);
    }

    #[test]
    fn what_no_retry_can_help_ends_at_once() {
        for (observation, reason) in [
            (Restricted, Reason::Restricted),
            (NotOnWhatsApp, Reason::NotOnWhatsApp),
            (WrongRecipient, Reason::WrongRecipient),
            (Misconfigured, Reason::Misconfigured),
            (Unpaired, Reason::NeedsPairing),
            (Stuck, Reason::NeedsRestart),
            (QueueFull, Reason::Busy),
            (OutOfTime, Reason::Deadline),
            (SessionStaysDown, Reason::SessionDown),
            (GatewayStaysDown, Reason::GatewayUnreachable),
        ] {
            check(&[(observation, not_sent(reason))]);
        }
    }

    fn any_observation() -> impl Strategy<Value = Observation> {
        prop::sample::select(vec![
            Sent,
            SessionTrouble,
            GatewayDown,
            FrontDown,
            StoreBusy,
            OtherNumber,
            Stuck,
            Lost,
            Unanswered,
            Throttled,
            Restricted,
            NotOnWhatsApp,
            WrongRecipient,
            Misconfigured,
            Rejected,
            UsableAtOnce,
            Recovered,
            GatewayStaysDown,
            SessionStaysDown,
            Unpaired,
            QueueFull,
            OutOfTime,
        ])
    }

    proptest! {
        #[test]
        fn every_story_ends_and_never_calls_a_possible_delivery_not_sent(
            observations in prop::collection::vec(any_observation(), OBSERVATIONS_MAX as usize)
        ) {
            let mut progress = Progress::default();
            let mut maybe_sent = false;
            for observation in observations {
                maybe_sent |= matches!(observation, Lost | Unanswered);
                let (next, step) = decide(progress, observation);
                progress = next;
                if let Step::Finish(outcome) = step {
                    let denied = matches!(outcome, Outcome::NotSent(_));
                    prop_assert!(!(maybe_sent && denied), "{outcome:?} after a possible delivery");
                    prop_assert_eq!(outcome == Outcome::Sent, observation == Sent);
                    return Ok(());
                }
            }
            prop_assert!(false, "still going after {} observations", OBSERVATIONS_MAX);
        }
    }
}
