//! May one more code go to this phone now? Pure: state and time in, verdict out.
//!
//! A limit is charged only by a message that was sent. What is under way holds a place until it ends, so that no limit is
//! passed by requests that run side by side.
use std::time::Duration;

use crate::challenge::{Certainty, PhoneState, SendMade};
use crate::code::Purpose;
use crate::timestamp::Timestamp;

/// The day of the per-day limits.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Wrong guesses in a row from which each new code waits longer.
const FAILURES_FREE: i64 = 20;

/// The longest wait that wrong guesses bring.
const FAILURES_WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// The limits of a deployment.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Between two codes of one phone and purpose.
    pub cooldown: Duration,
    /// The same after a message of unknown outcome.
    pub cooldown_unconfirmed: Duration,
    /// Codes per phone and purpose within `window`.
    pub codes_per_window: usize,
    /// The window of `codes_per_window`.
    pub window: Duration,
    /// Messages per phone and day over all purposes, while no account of the phone was verified.
    pub messages_per_day: usize,
    /// The same once it was.
    pub messages_per_day_verified: usize,
    /// Granted codes per client address.
    pub codes_per_address: WindowLimit,
    /// How long a number is remembered not to be on WhatsApp.
    pub not_on_whatsapp: Duration,
    /// Wrong passwords per phone.
    pub passwords_per_phone: WindowLimit,
    /// Wrong passwords per client address.
    pub passwords_per_address: WindowLimit,
}

/// A limit within a window that starts with the first of what it counts.
#[derive(Clone, Copy, Debug)]
pub struct WindowLimit {
    /// Places per window.
    pub places: usize,
    /// How long a window is.
    pub window: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(60),
            cooldown_unconfirmed: Duration::from_secs(15),
            codes_per_window: 5,
            window: Duration::from_secs(600),
            messages_per_day: 10,
            messages_per_day_verified: 30,
            codes_per_address: WindowLimit {
                places: 100,
                window: Duration::from_secs(600),
            },
            not_on_whatsapp: Duration::from_secs(6 * 60 * 60),
            passwords_per_phone: WindowLimit {
                places: 10,
                window: Duration::from_secs(900),
            },
            passwords_per_address: WindowLimit {
                places: 100,
                window: Duration::from_secs(900),
            },
        }
    }
}

/// Which limit said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Another request for the same code is being served.
    InProgress,
    /// The last code is too fresh.
    Cooldown,
    /// Too many codes in the window.
    Window,
    /// Too many messages to this phone in a day.
    Day,
    /// Too many wrong guesses in a row.
    Failures,
    /// Too many codes asked from one client address.
    Address,
    /// Too many codes for one country in a day.
    Country,
    /// Too many wrong passwords for a phone.
    Password,
    /// Too many wrong passwords from one client address.
    PasswordAddress,
}

impl Limit {
    /// Its name in replies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Cooldown => "cooldown",
            Self::Window => "window",
            Self::Day => "day",
            Self::Failures => "failures",
            Self::Address => "address",
            Self::Country => "country",
            Self::Password => "password",
            Self::PasswordAddress => "password_address",
        }
    }
}

/// A refusal: nothing was charged, nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which limit.
    pub limit: Limit,
    /// When to come back.
    pub retry_after: Duration,
}

/// Decides whether one more message for `purpose` may go out now, and answers the messages to remember when it does:
/// those of the last day, and the one whose lapsed reservation it replaces.
///
/// # Errors
/// The limit that lasts longest, of those that say no.
pub fn decide(
    state: &PhoneState,
    purpose: Purpose,
    policy: &Policy,
    verified: bool,
    now: Timestamp,
) -> Result<Vec<SendMade>, Limited> {
    let mut kept = state.sends.clone();
    let mut sends = state.sends.clone();
    let mut under_way = Vec::new();
    for (of, challenge) in &state.challenges {
        let Some(open) = &challenge.open else {
            continue;
        };
        // Whoever died may have sent at any time of its lease, and a message counts from when it was sent.
        let place = SendMade {
            at: open.until,
            purpose: *of,
            certainty: Certainty::Lapsed,
        };
        if now < open.until {
            under_way.push((place, open.until));
            continue;
        }
        sends.push(place);
        // This one's reservation gives way to the new one; those of other purposes stay where they are.
        if *of == purpose {
            kept.push(place);
        }
    }
    for list in [&mut kept, &mut sends] {
        list.retain(|send| now < send.at.plus(DAY));
        list.sort_by_key(|send| send.at);
    }

    let mut refusals = Vec::new();
    if let Some((_, until)) = under_way.iter().find(|(place, _)| place.purpose == purpose) {
        refusals.push((Limit::InProgress, *until));
    }
    let same: Vec<&SendMade> = sends
        .iter()
        .filter(|send| send.purpose == purpose)
        .collect();
    refusals.extend(
        same.iter()
            .map(|send| (Limit::Cooldown, send.at.plus(policy.wait_after(send)))),
    );
    let failures = failures_wait(state.failures);
    if let Some(last) = same.last().filter(|_| !failures.is_zero()) {
        refusals.push((Limit::Failures, last.at.plus(failures)));
    }
    let in_window: Vec<Timestamp> = same
        .iter()
        .map(|send| send.at)
        .filter(|at| now < at.plus(policy.window))
        .collect();
    refusals.extend(
        frees_a_place(&in_window, policy.codes_per_window)
            .map(|at| (Limit::Window, at.plus(policy.window))),
    );
    // Whoever may sign up has no account yet: what was asked for as if there were one went out to nobody.
    let went_out = |send: &&SendMade| purpose != Purpose::Signup || send.purpose == purpose;
    let places = sends.iter().chain(under_way.iter().map(|(place, _)| place));
    let in_day: Vec<Timestamp> = places.filter(went_out).map(|send| send.at).collect();
    let per_day = if verified {
        policy.messages_per_day_verified
    } else {
        policy.messages_per_day
    };
    refusals.extend(frees_a_place(&in_day, per_day).map(|at| (Limit::Day, at.plus(DAY))));

    match refusals
        .into_iter()
        .filter(|(_, until)| *until > now)
        .max_by_key(|(_, until)| *until)
    {
        Some((limit, until)) => Err(Limited {
            limit,
            retry_after: until.since(now),
        }),
        None => Ok(kept),
    }
}

impl Policy {
    fn wait_after(&self, send: &SendMade) -> Duration {
        match send.certainty {
            Certainty::Sent => self.cooldown,
            Certainty::Unconfirmed => self.cooldown_unconfirmed,
            Certainty::Lapsed => Duration::ZERO,
        }
    }
}

/// The send whose leaving makes room for one more, when `sends` (oldest first) fill `places`.
fn frees_a_place(sends: &[Timestamp], places: usize) -> Option<Timestamp> {
    let leaving = sends.len().checked_sub(places.max(1))?;
    sends.get(leaving).copied()
}

/// 2^n minutes for the n-th failure past the free ones, at most an hour.
fn failures_wait(failures: i64) -> Duration {
    match failures - FAILURES_FREE {
        ..0 => Duration::ZERO,
        past => Duration::from_secs(60 << past.min(6)).min(FAILURES_WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::{AttemptId, Challenge, Open};

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn ago(seconds: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn sent(purpose: Purpose, seconds_ago: u64) -> SendMade {
        SendMade {
            at: ago(seconds_ago),
            purpose,
            certainty: Certainty::Sent,
        }
    }

    fn state(sends: &[SendMade]) -> PhoneState {
        PhoneState {
            sends: sends.to_vec(),
            ..PhoneState::default()
        }
    }

    fn with_open(
        mut state: PhoneState,
        purpose: Purpose,
        at: Timestamp,
        until: Timestamp,
    ) -> PhoneState {
        let open = Open {
            attempt: AttemptId("a".into()),
            message_id: "m".into(),
            session: "s".into(),
            at,
            until,
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
        let verdict = decide(state, Purpose::Sso, &Policy::default(), true, NOW);
        let said = verdict.err().map(|no| (no.limit, no.retry_after.as_secs()));
        assert_eq!(said, expected, "{state:?}");
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
        let verdict = decide(&state(&sends), Purpose::Signup, &policy, false, NOW);
        assert_eq!(verdict.as_ref(), Ok(&sends));
    }

    #[test]
    fn an_unverified_phone_gets_ten_messages_a_day() {
        let sends: Vec<SendMade> = (0..10)
            .map(|n| sent(Purpose::Sso, 40_000 - n * 700))
            .collect();
        let verdict = decide(&state(&sends), Purpose::Sso, &Policy::default(), false, NOW);
        assert_eq!(verdict.map_err(|no| no.limit), Err(Limit::Day));
    }

    #[test]
    fn a_send_under_way_blocks_its_purpose_until_its_lease_ends_and_then_takes_a_place() {
        let until = NOW.plus(Duration::from_secs(7));
        check(
            &with_open(PhoneState::default(), Purpose::Sso, ago(1), until),
            Some((Limit::InProgress, 7)),
        );
        check(
            &with_open(PhoneState::default(), Purpose::Signup, ago(1), until),
            None,
        );
        let lapsed = with_open(PhoneState::default(), Purpose::Sso, ago(30), ago(1));
        let sends = decide(&lapsed, Purpose::Sso, &Policy::default(), true, NOW).expect("granted");
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
        let lapsed = with_open(PhoneState::default(), Purpose::Sso, ago(30), ago(1));
        let policy = Policy::default();
        let kept = decide(&lapsed, Purpose::Signup, &policy, true, NOW);
        assert_eq!(kept, Ok(vec![]));
        let policy = Policy {
            messages_per_day_verified: 1,
            ..policy
        };
        let verdict = decide(&lapsed, Purpose::PasswordReset, &policy, true, NOW);
        assert_eq!(verdict.map_err(|no| no.limit), Err(Limit::Day));
    }

    #[test]
    fn from_twenty_failures_each_new_code_waits_longer_but_never_over_an_hour() {
        for (failures, wait) in [
            (19, 0),
            (20, 60),
            (21, 120),
            (25, 1_920),
            (26, 3_600),
            (i64::MAX, 3_600),
        ] {
            let state = PhoneState {
                failures,
                ..state(&[sent(Purpose::Sso, 60)])
            };
            let left = (wait > 60).then(|| (Limit::Failures, wait - 60));
            check(&state, left);
        }
    }

    #[test]
    fn what_is_older_than_a_day_is_forgotten() {
        let sends = decide(
            &state(&[sent(Purpose::Sso, 86_400), sent(Purpose::Sso, 86_399)]),
            Purpose::Sso,
            &Policy::default(),
            true,
            NOW,
        );
        assert_eq!(sends, Ok(vec![sent(Purpose::Sso, 86_399)]));
    }
}
