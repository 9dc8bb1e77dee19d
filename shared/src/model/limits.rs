//! May one more code go to this phone now? Pure: state and time in, verdict out.
//!
//! What takes a place in these limits: a message that was sent or may have been, and a request that was answered as if one
//! had been. What is under way holds a place until it ends, so that no limit is passed by requests that run side by side.

/// The limits of a deployment.
mod policy;

pub use self::policy::{DAY, Limit, Limited, Policy, WindowLimit};
use crate::model::challenge::{NetworkHash, PhoneState, SendMade};
use crate::model::code::Purpose;
use crate::platform::timestamp::Timestamp;

/// Who asks for one more message, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// What the code is for.
    pub purpose: Purpose,
    /// Since when the phone has a user, if it has one.
    pub account_since: Option<Timestamp>,
    /// The network that the request comes from.
    pub from: NetworkHash,
    /// How the message is asked for.
    pub way: Way,
}

/// How a message is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a request of a client, which anybody can make.
    FromAClient,
    /// By a message of the phone itself.
    FromThePhone,
}

impl Asker {
    /// Whether `send` is known to have sent nothing: the phone had no user yet, and then only a sign-up sends anything.
    fn asked_before_account(&self, send: &SendMade, now: Timestamp) -> bool {
        send.purpose != Purpose::Signup && self.had_no_account(send.at, now)
    }

    /// Whether the phone had no user yet at `then`, and has one `now`.
    pub fn had_no_account(&self, then: Timestamp, now: Timestamp) -> bool {
        // Imported users may be dated as anybody likes.
        let since = self.account_since.filter(|since| *since <= now);
        since.is_some_and(|since| then < since)
    }
}

/// Decides whether one more message may go out now. If so, it answers the messages to remember: those of the last day, and
/// the one whose lapsed reservation the new one replaces.
///
/// The last part of a phone's window and day belongs to the networks that somebody has signed in from, so that no stranger
/// uses all of it up; nor does a stranger's message make its owner wait.
///
/// # Errors
/// The limit that lasts longest, of those that say no.
pub fn decide(
    state: &PhoneState,
    asker: Asker,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<SendMade>, Limited> {
    let places = Places::of(state, asker, now);
    let verdicts = [
        places.in_progress(),
        places.cooldown(state, policy),
        places.window(policy, now),
        places.day(policy),
    ];
    let refusals = verdicts.into_iter().filter_map(Result::err);
    let longest = refusals
        .filter(|refusal| refusal.until > now)
        .max_by_key(|refusal| refusal.until);
    match longest {
        Some(Refusal { limit, until }) => Err(Limited {
            limit,
            retry_after: until.since(now),
        }),
        None => Ok(places.to_remember),
    }
}

/// A limit says no.
struct Refusal {
    limit: Limit,
    /// When it says yes again.
    until: Timestamp,
}

/// What one limit says. `until` is when it says yes again, if it says no.
const fn verdict(limit: Limit, until: Option<Timestamp>) -> Result<(), Refusal> {
    match until {
        Some(until) => Err(Refusal { limit, until }),
        None => Ok(()),
    }
}

/// The messages that take a place now.
struct Places {
    /// The messages to remember when one more is granted.
    to_remember: Vec<SendMade>,
    /// The messages that went out, or may have, the oldest first.
    sent: Vec<SendMade>,
    /// The messages under way, as late as they can go out.
    under_way: Vec<SendMade>,
    asker: Asker,
    /// Whether somebody has signed in from the asker's network.
    at_home: bool,
}

impl Places {
    fn of(state: &PhoneState, asker: Asker, now: Timestamp) -> Self {
        let mut to_remember = state.sends.clone();
        let mut sent = state.sends.clone();
        let mut under_way = Vec::new();
        for (purpose, challenge) in &state.challenges {
            let Some(open) = &challenge.open else {
                continue;
            };
            // Whoever died may have sent at any time of its lease, and a message counts from when it was sent.
            let lapsed = open.lapsed(*purpose);
            if now < open.until {
                under_way.push(lapsed);
                continue;
            }
            sent.push(lapsed);
            // This one's reservation gives way to the new one; those of other purposes stay where they are.
            if *purpose == asker.purpose {
                to_remember.push(lapsed);
            }
        }
        for list in [&mut to_remember, &mut sent] {
            list.retain(|send| now < send.at.plus(DAY) && !asker.asked_before_account(send, now));
            list.sort_by_key(|send| send.at);
        }
        Self {
            to_remember,
            sent,
            under_way,
            asker,
            at_home: state.knows(asker.from),
        }
    }

    fn same_purpose(&self) -> impl Iterator<Item = &SendMade> {
        let purpose = self.asker.purpose;
        self.sent.iter().filter(move |send| send.purpose == purpose)
    }

    /// One request at a time is served for a purpose.
    fn in_progress(&self) -> Result<(), Refusal> {
        let mut under_way = self.under_way.iter();
        let same = under_way.find(|send| send.purpose == self.asker.purpose);
        // The place of a send under way is as late as its reservation can end.
        verdict(Limit::InProgress, same.map(|send| send.at))
    }

    /// Some time lies between two codes. Whoever is at home does not wait for what somebody asked for elsewhere, and whoever
    /// writes from the phone does not wait at all.
    fn cooldown(&self, state: &PhoneState, policy: &Policy) -> Result<(), Refusal> {
        if self.asker.way == Way::FromThePhone {
            return Ok(());
        }
        let elsewhere = |send: &SendMade| send.from.is_some_and(|from| !state.knows(from));
        let until = self
            .same_purpose()
            .filter(|send| !(self.at_home && elsewhere(send)))
            .map(|send| send.at.plus(policy.wait_after(send)))
            .max();
        verdict(Limit::Cooldown, until)
    }

    /// So many codes of a purpose go out within a window.
    fn window(&self, policy: &Policy, now: Timestamp) -> Result<(), Refusal> {
        let within: Vec<SendMade> = self
            .same_purpose()
            .filter(|send| now < send.at.plus(policy.window))
            .copied()
            .collect();
        let all = policy.codes_per_window;
        // Two of five are kept for those at home, rounded down: with fewer than three nothing is kept.
        let share = Share {
            of_one: (all * 3 / 5).max(1),
            of_strangers: all - all * 2 / 5,
            of_all: all,
        };
        let leaves = self.frees_a_place(&within, share);
        verdict(Limit::Window, leaves.map(|at| at.plus(policy.window)))
    }

    /// So many messages go out in a day, whatever they are for.
    fn day(&self, policy: &Policy) -> Result<(), Refusal> {
        let purpose = self.asker.purpose;
        let all = match purpose {
            Purpose::Signup => policy.messages_per_day,
            Purpose::Sso | Purpose::PasswordReset | Purpose::Admin => {
                policy.messages_per_day_verified
            }
        };
        // Whoever may sign up has no account yet: what was asked for as if there were one went out to nobody.
        let within: Vec<SendMade> = self
            .sent
            .iter()
            .chain(&self.under_way)
            .filter(|send| purpose != Purpose::Signup || send.purpose == purpose)
            .copied()
            .collect();
        // A third is kept for those at home, rounded down.
        let share = Share {
            of_one: (all / 3).max(1),
            of_strangers: all - all / 3,
            of_all: all,
        };
        let leaves = self.frees_a_place(&within, share);
        verdict(Limit::Day, leaves.map(|at| at.plus(DAY)))
    }

    /// When the message was sent that has to leave before there is room for one more of this asker; `None` when there is room.
    fn frees_a_place(&self, sends: &[SendMade], share: Share) -> Option<Timestamp> {
        let all = sends.iter().map(|send| send.at).collect();
        if self.at_home {
            return nth_last(all, share.of_all);
        }
        let own = sends
            .iter()
            .filter(|send| send.from == Some(self.asker.from));
        let own = nth_last(own.map(|send| send.at).collect(), share.of_one);
        // Nobody has signed in with a phone that signs up: what is kept for its owner would be kept for nobody.
        let of_strangers = match self.asker.purpose {
            Purpose::Signup => share.of_all,
            Purpose::Sso | Purpose::PasswordReset | Purpose::Admin => share.of_strangers,
        };
        own.max(nth_last(all, of_strangers))
    }
}

/// How many places of a limit there are, and for whom.
#[derive(Clone, Copy)]
struct Share {
    /// For one network that nobody has signed in from.
    of_one: usize,
    /// For all of those together.
    of_strangers: usize,
    /// For everybody together.
    of_all: usize,
}

/// The `places`th of `times` counted from the last: when it has left, there is room for one more.
fn nth_last(mut times: Vec<Timestamp>, places: usize) -> Option<Timestamp> {
    times.sort();
    let leaving = times.len().checked_sub(places.max(1))?;
    times.get(leaving).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::challenge::{
        AttemptId, Certainty, Challenge, ChallengeHash, OpenSend, Origin,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn ago(seconds: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn sent(purpose: Purpose, seconds_ago: u64) -> SendMade {
        SendMade {
            at: ago(seconds_ago),
            purpose,
            certainty: Certainty::Sent,
            from: Some(HOME),
        }
    }

    /// A network that somebody has signed in from.
    const HOME: NetworkHash = NetworkHash([1; 8]);
    /// Two that nobody has.
    const AWAY: NetworkHash = NetworkHash([2; 8]);
    const FAR_AWAY: NetworkHash = NetworkHash([3; 8]);

    fn asker(purpose: Purpose, from: NetworkHash) -> Asker {
        Asker {
            purpose,
            account_since: None,
            from,
            way: Way::FromAClient,
        }
    }

    fn from(network: NetworkHash, send: SendMade) -> SendMade {
        SendMade {
            from: Some(network),
            ..send
        }
    }

    fn state(sends: &[SendMade]) -> PhoneState {
        PhoneState {
            sends: sends.to_vec(),
            known_networks: vec![HOME],
            ..PhoneState::default()
        }
    }

    fn with_open(
        mut state: PhoneState,
        purpose: Purpose,
        at: Timestamp,
        until: Timestamp,
    ) -> PhoneState {
        let open = OpenSend {
            attempt: AttemptId("a".into()),
            message_id: "m".into(),
            session: "s".into(),
            at,
            until,
            from: Some(HOME),
            challenge: ChallengeHash("c".into()),
            origin: Origin::New,
            code: None,
        };
        state.challenges.insert(
            purpose,
            Challenge {
                code: None,
                open: Some(open),
            },
        );
        state
    }

    /// `None` is a yes; otherwise the limit and the seconds to wait.
    fn check(state: &PhoneState, expected: Option<(Limit, u64)>) {
        check_from(HOME, state, expected);
    }

    fn check_from(network: NetworkHash, state: &PhoneState, expected: Option<(Limit, u64)>) {
        let asker = asker(Purpose::Sso, network);
        let verdict = decide(state, asker, &Policy::default(), NOW);
        let said = verdict.err().map(|no| (no.limit, no.retry_after.as_secs()));
        assert_eq!(said, expected, "{state:?}");
    }

    #[test]
    fn strangers_use_three_of_a_window_and_the_owner_all_of_it() {
        let strangers: Vec<SendMade> = (1..=3)
            .map(|n| from(AWAY, sent(Purpose::Sso, 600 - n * 60)))
            .collect();
        for network in [AWAY, FAR_AWAY] {
            check_from(network, &state(&strangers), Some((Limit::Window, 60)));
            check_from(network, &state(&strangers[1..]), None);
        }
        check(&state(&strangers), None);
        let mut all = strangers;
        all.push(sent(Purpose::Sso, 100));
        check(&state(&all), None);
        all.push(sent(Purpose::Sso, 70));
        check(&state(&all), Some((Limit::Window, 60)));
    }

    #[test]
    fn what_was_asked_for_before_there_was_an_account_takes_no_place_once_there_is_one() {
        let sends: Vec<SendMade> = (1..=20)
            .map(|n| from(AWAY, sent(Purpose::Sso, 40_000 + n * 700)))
            .chain((1..=10).map(|n| from(AWAY, sent(Purpose::Signup, 30_000 + n * 700))))
            .collect();
        let state = state(&sends);
        for (case, since, allowed) in [
            ("no account", None, false),
            ("an account since then", Some(ago(30_000)), true),
            ("an older account", Some(ago(80_000)), false),
            ("an account of tomorrow", Some(NOW.plus(DAY)), false),
        ] {
            let asker = Asker {
                account_since: since,
                ..asker(Purpose::Sso, HOME)
            };
            let verdict = decide(&state, asker, &Policy::default(), NOW);
            assert_eq!(verdict.is_ok(), allowed, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn whoever_writes_from_the_phone_waits_for_no_cooldown_and_for_every_other_limit() {
        let writes = Asker {
            way: Way::FromThePhone,
            ..asker(Purpose::Sso, HOME)
        };
        let codes = |count: u64| {
            let sends = (0..count).map(|n| sent(Purpose::Sso, 20 - n));
            state(&sends.collect::<Vec<_>>())
        };
        check(&codes(1), Some((Limit::Cooldown, 40)));
        for (count, limit) in [(1, None), (4, None), (5, Some(Limit::Window))] {
            let verdict = decide(&codes(count), writes, &Policy::default(), NOW);
            assert_eq!(verdict.err().map(|no| no.limit), limit, "{count}");
        }
    }

    #[test]
    fn a_stranger_uses_ten_of_a_day_all_of_them_twenty_and_the_owner_thirty() {
        let day = |network, count: u64| {
            let sends =
                (0..count).map(move |n| from(network, sent(Purpose::Sso, 40_000 - n * 700)));
            sends.collect::<Vec<_>>()
        };
        let left = 86_400 - 40_000;
        check_from(AWAY, &state(&day(AWAY, 9)), None);
        check_from(AWAY, &state(&day(AWAY, 10)), Some((Limit::Day, left)));
        check_from(FAR_AWAY, &state(&day(AWAY, 10)), None);
        check_from(FAR_AWAY, &state(&day(AWAY, 20)), Some((Limit::Day, left)));
        check(&state(&day(AWAY, 29)), None);
        check(&state(&day(AWAY, 30)), Some((Limit::Day, left)));
    }

    #[test]
    fn whoever_signs_up_shares_with_nobody_at_home() {
        let policy = Policy::default();
        let decide = |network, sends: &[SendMade]| {
            let asker = asker(Purpose::Signup, network);
            let state = PhoneState {
                known_networks: vec![],
                ..state(sends)
            };
            decide(&state, asker, &policy, NOW).map_err(|no| no.limit)
        };
        let sends: Vec<SendMade> = (1..=3)
            .map(|n| from(AWAY, sent(Purpose::Signup, 600 - n * 60)))
            .collect();
        assert_eq!(decide(AWAY, &sends), Err(Limit::Day));
        assert_eq!(decide(FAR_AWAY, &sends), Ok(sends));
    }

    #[test]
    fn a_stranger_s_message_makes_the_owner_wait_for_nothing() {
        let strangers = state(&[from(AWAY, sent(Purpose::Sso, 10))]);
        check(&strangers, None);
        check_from(AWAY, &strangers, Some((Limit::Cooldown, 50)));
        let owners = state(&[sent(Purpose::Sso, 10)]);
        for network in [HOME, AWAY] {
            check_from(network, &owners, Some((Limit::Cooldown, 50)));
        }
    }

    #[test]
    fn a_first_code_is_granted() {
        check(&PhoneState::default(), None);
    }

    #[test]
    fn a_minute_lies_between_two_codes_of_one_purpose() {
        check(
            &state(&[sent(Purpose::Sso, 10)]),
            Some((Limit::Cooldown, 50)),
        );
        check(&state(&[sent(Purpose::Sso, 60)]), None);
        check(&state(&[sent(Purpose::Signup, 10)]), None);
    }

    #[test]
    fn an_unconfirmed_message_asks_for_a_shorter_wait_and_a_lapsed_one_for_none() {
        let unconfirmed = SendMade {
            certainty: Certainty::Unconfirmed,
            ..sent(Purpose::Sso, 5)
        };
        check(&state(&[unconfirmed]), Some((Limit::Cooldown, 10)));
        let lapsed = SendMade {
            certainty: Certainty::Lapsed,
            ..sent(Purpose::Sso, 5)
        };
        check(&state(&[lapsed]), None);
    }

    #[test]
    fn five_codes_fill_the_window_whatever_became_of_them() {
        let mut sends: Vec<SendMade> = (1..=5).map(|n| sent(Purpose::Sso, 600 - n * 60)).collect();
        sends[0].certainty = Certainty::Lapsed;
        check(&state(&sends), Some((Limit::Window, 60)));
        check(&state(&sends[1..]), None);
    }

    #[test]
    fn the_day_counts_every_purpose_and_what_is_under_way() {
        let sends: Vec<SendMade> = (0..29)
            .map(|n| sent(Purpose::Signup, 40_000 - n * 700))
            .collect();
        check(&state(&sends), None);
        let full = with_open(
            state(&sends),
            Purpose::Signup,
            ago(1),
            NOW.plus(Duration::from_secs(9)),
        );
        check(&full, Some((Limit::Day, 86_400 - 40_000)));
    }

    #[test]
    fn codes_that_went_to_nobody_keep_no_one_from_signing_up() {
        let sends: Vec<SendMade> = (0..10)
            .map(|n| sent(Purpose::Sso, 40_000 - n * 700))
            .collect();
        let policy = Policy::default();
        let verdict = decide(&state(&sends), asker(Purpose::Signup, HOME), &policy, NOW);
        assert_eq!(verdict.as_ref(), Ok(&sends));
    }

    #[test]
    fn a_phone_gets_ten_messages_a_day_to_sign_up_with() {
        let sends: Vec<SendMade> = (0..10)
            .map(|n| sent(Purpose::Signup, 40_000 - n * 700))
            .collect();
        let verdict = decide(
            &state(&sends),
            asker(Purpose::Signup, HOME),
            &Policy::default(),
            NOW,
        );
        assert_eq!(verdict.map_err(|no| no.limit), Err(Limit::Day));
    }

    #[test]
    fn a_send_under_way_blocks_its_purpose_until_its_lease_ends_and_then_takes_a_place() {
        let until = NOW.plus(Duration::from_secs(7));
        check(
            &with_open(state(&[]), Purpose::Sso, ago(1), until),
            Some((Limit::InProgress, 7)),
        );
        check(&with_open(state(&[]), Purpose::Signup, ago(1), until), None);
        let lapsed = with_open(state(&[]), Purpose::Sso, ago(30), ago(1));
        let sends =
            decide(&lapsed, asker(Purpose::Sso, HOME), &Policy::default(), NOW).expect("granted");
        assert_eq!(
            sends,
            [SendMade {
                certainty: Certainty::Lapsed,
                ..sent(Purpose::Sso, 1)
            }]
        );
    }

    #[test]
    fn a_lapsed_send_takes_one_place_however_many_codes_follow_for_another_purpose() {
        let lapsed = with_open(state(&[]), Purpose::Sso, ago(30), ago(1));
        let policy = Policy::default();
        let kept = decide(&lapsed, asker(Purpose::Signup, HOME), &policy, NOW);
        assert_eq!(kept, Ok(vec![]));
        let policy = Policy {
            messages_per_day_verified: 1,
            ..policy
        };
        let verdict = decide(&lapsed, asker(Purpose::PasswordReset, HOME), &policy, NOW);
        assert_eq!(verdict.map_err(|no| no.limit), Err(Limit::Day));
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten() {
        let sends = decide(
            &state(&[sent(Purpose::Sso, 86_400), sent(Purpose::Sso, 86_399)]),
            asker(Purpose::Sso, HOME),
            &Policy::default(),
            NOW,
        );
        assert_eq!(sends, Ok(vec![sent(Purpose::Sso, 86_399)]));
    }
}
