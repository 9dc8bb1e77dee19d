//! Whatever people, WhatsApp and crashes do in whatever order: the limits hold, and a failure charges nothing.
//!
//! A small model of the limits runs beside the system. It knows only what can be seen from outside: replies, messages,
//! and when a process was killed.
use std::time::Duration;

use local::simulator::Scenario;
use proptest::prelude::*;
use shared::platform::timestamp::Timestamp;
use tests::{Reply, TestSystem};
use tokio::time::{sleep, timeout};

use super::act::*;

/// Fewer messages a day than usual, so that stories come to their end: for whoever signs in, and for whoever signs up.
const SIGN_INS_PER_DAY: usize = 12;
const SIGN_UPS_PER_DAY: usize = 7;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WINDOW: Duration = Duration::from_secs(600);
/// The codes of a window for whoever has signed in from its address. Everybody here is new, and gets three fifths.
const CODES_PER_WINDOW: usize = 9;
const PER_WINDOW: usize = CODES_PER_WINDOW * 3 / 5;
/// A request that died holds its place until its deadline and a little more.
const RESERVED: Duration = PATIENCE.saturating_add(Duration::from_secs(2));
/// The gateway goes on so long, at most, with a message whose sender died.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long the gateway may go on with a message of unknown outcome: it counts from the reply, and is seen later.
const HELD_MAX: Duration = Duration::from_secs(75);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    SignIn,
    SignUp,
}

/// One move of the people of two phones, of WhatsApp, or of time.
#[derive(Clone, Debug)]
enum Move {
    /// The first phone has a user, the second has none.
    Ask(usize, Purpose),
    /// The process that works on it is killed meanwhile.
    AskAndDie(usize, Purpose, Duration),
    /// Wrong guesses under the newest challenge id.
    Guess(usize, u32),
    Pass(u64),
    Trouble(Scenario),
}

fn purpose() -> impl Strategy<Value = Purpose> {
    prop_oneof![3 => Just(Purpose::SignIn), 1 => Just(Purpose::SignUp)]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let half_open = Scenario::HalfOpen {
        sends: Some(1),
        delivered: false,
    };
    prop_oneof![
        4 => Just(Scenario::Healthy),
        2 => Just(Scenario::Banned),
        1 => Just(Scenario::ColdSession),
        1 => Just(half_open),
        1 => Just(Scenario::SendQueue { each_ms: 9_000 }),
    ]
}

fn one_move() -> impl Strategy<Value = Move> {
    let seconds: &[u64] = &[1, 15, 45, 60, 61, 120, 600, 3_600, 20_000];
    prop_oneof![
        8 => (0..2_usize, purpose()).prop_map(|(phone, purpose)| Move::Ask(phone, purpose)),
        2 => (0..2_usize, purpose(), 0..12_000_u64).prop_map(|(phone, purpose, millis)| {
            Move::AskAndDie(phone, purpose, Duration::from_millis(millis))
        }),
        2 => (0..2_usize, 1..6_u32).prop_map(|(phone, times)| Move::Guess(phone, times)),
        6 => proptest::sample::select(seconds).prop_map(Move::Pass),
        3 => scenario().prop_map(Move::Trouble),
    ]
}

/// A message that takes a place in the limits: when, and how long the next one waits.
#[derive(Clone, Copy, Debug)]
struct Place {
    purpose: Purpose,
    at: Timestamp,
    wait: Duration,
}

/// What the limits of one phone must be.
#[derive(Debug, Default)]
struct Model {
    /// Places that are certainly taken.
    sure: Vec<Place>,
    /// The same, and those that somebody who died may have taken, as late and as long as can be.
    perhaps: Vec<Place>,
}

impl Model {
    fn charge(&mut self, purpose: Purpose, at: Timestamp, wait: u64) {
        let wait = Duration::from_secs(wait);
        let place = Place { purpose, at, wait };
        self.sure.push(place);
        self.perhaps.push(place);
    }

    /// Until when nothing is granted, if `places` are taken.
    fn closed_until(&self, places: &[Place], purpose: Purpose) -> Timestamp {
        let all: Vec<Timestamp> = places.iter().map(|place| place.at).collect();
        let same = places.iter().filter(|place| place.purpose == purpose);
        let times: Vec<Timestamp> = same.clone().map(|place| place.at).collect();
        // What was sent to somebody who may still sign up went to nobody.
        let day = match purpose {
            Purpose::SignIn => nth_last(&all, SIGN_INS_PER_DAY),
            Purpose::SignUp => nth_last(&times, SIGN_UPS_PER_DAY),
        };
        let cooldown = same.map(|place| place.at.plus(place.wait));
        let window = nth_last(&times, PER_WINDOW).map(|at| at.plus(WINDOW));
        let day = day.map(|at| at.plus(DAY));
        let limits = cooldown.chain(window).chain(day);
        limits.max().unwrap_or(Timestamp::from_seconds(0))
    }
}

fn nth_last(times: &[Timestamp], number: usize) -> Option<Timestamp> {
    let mut times = times.to_vec();
    times.sort();
    times.iter().rev().nth(number - 1).copied()
}

struct Story {
    system: TestSystem,
    models: [Model; 2],
    /// The newest challenge id of each phone, of a sign-in.
    ids: [Option<String>; 2],
}

fn name(number: usize) -> String {
    phone(number as u64 + 1)
}

async fn ask(system: &TestSystem, number: usize, purpose: Purpose) -> Reply {
    match purpose {
        Purpose::SignIn => sign_in(system, &name(number)).await,
        Purpose::SignUp => sign_up(system, &name(number), "Siti", PASSWORD).await,
    }
}

impl Story {
    async fn make(&mut self, next: Move) {
        match next {
            // Whoever has a user does not sign up.
            Move::Ask(0, Purpose::SignUp) | Move::AskAndDie(0, Purpose::SignUp, _) => {}
            Move::Ask(number, purpose) => {
                self.ask(number, purpose).await;
            }
            Move::AskAndDie(number, purpose, life) => self.ask_and_die(number, purpose, life).await,
            Move::Guess(number, times) => self.guess(number, times).await,
            Move::Pass(seconds) => sleep(Duration::from_secs(seconds)).await,
            Move::Trouble(scenario) => {
                heal(&self.system);
                let each_ms = 400;
                self.system
                    .simulator()
                    .play(&Scenario::SendQueue { each_ms });
                self.system.simulator().play(&scenario);
            }
        }
    }

    /// Asks, and holds the reply against the model. A refusal is honest: when its time is over it is no more.
    async fn ask(&mut self, number: usize, purpose: Purpose) {
        let refused = self.ask_once(number, purpose).await;
        if let Some((limit, seconds)) = refused {
            sleep(Duration::from_secs(seconds)).await;
            let again = self.ask_once(number, purpose).await;
            assert!(
                again.is_none_or(|(other, _)| other != limit),
                "{limit} again"
            );
        }
    }

    /// The limit that says no, and for how long.
    async fn ask_once(&mut self, number: usize, purpose: Purpose) -> Option<(String, u64)> {
        let model = &self.models[number];
        let closed = |places| model.closed_until(places, purpose);
        let (sure, perhaps) = (closed(&model.sure), closed(&model.perhaps));
        let began = self.system.now();
        let asked = ask(&self.system, number, purpose).await;
        let now = self.system.now();
        let model = &mut self.models[number];
        match (asked.status, delivery(&asked)) {
            (429, _) => {
                let seconds = asked.json["retryAfterSeconds"].as_u64().unwrap();
                assert!(began < perhaps, "nothing was charged: {}", asked.json);
                assert!(
                    seconds <= perhaps.since(began).as_secs() + 1,
                    "{}",
                    asked.json
                );
                return Some((asked.json["limit"].to_string(), seconds));
            }
            (503, _) => assert_eq!(asked.json["charged"], false),
            (200, Some("sent")) => model.charge(purpose, now, 60),
            (200, Some("unconfirmed")) => model.charge(purpose, now, 15),
            _ => panic!("{}", asked.json),
        }
        assert!(began >= sure, "a limit is passed: {}", asked.json);
        if let (200, Purpose::SignIn) = (asked.status, purpose) {
            self.ids[number] = Some(challenge(&asked).to_owned());
        }
        None
    }

    async fn ask_and_die(&mut self, number: usize, purpose: Purpose, life: Duration) {
        let before = messages(&self.system, &name(number)).len();
        let process = self.system.with_faults(database(None));
        let asked = timeout(life, ask(&process, number, purpose)).await;
        // If it was done before, it makes no difference: its reply is lost.
        drop(asked);
        let wait = 60 * SECOND;
        let at = self.system.now().plus(RESERVED);
        let perhaps = Place { purpose, at, wait };
        // The gateway goes on with what it was given.
        sleep(SEND_MAX).await;
        let model = &mut self.models[number];
        model.perhaps.push(perhaps);
        if let Some(message) = messages(&self.system, &name(number)).get(before) {
            let at = tests::START.plus(Duration::from_millis(message.at_ms));
            let wait = Duration::ZERO;
            model.sure.push(Place { purpose, at, wait });
        }
    }

    async fn guess(&mut self, number: usize, times: u32) {
        let Some(id) = &self.ids[number] else { return };
        for time in 0..times {
            let guess = format!("{time:06}");
            let guessed = verify(&self.system, &name(number), &guess, id).await;
            assert_ne!(guessed.status, 200, "{}", guessed.json);
        }
    }

    /// No phone shows more than it may.
    fn is_within_the_limits(&self) {
        for (number, per_day) in [SIGN_INS_PER_DAY, SIGN_UPS_PER_DAY].into_iter().enumerate() {
            let messages = messages(&self.system, &name(number));
            let times = |of: &str| -> Vec<u64> {
                let those = messages.iter().filter(|message| message.text.contains(of));
                those.map(|message| message.at_ms).collect()
            };
            for of in ["kode masuk", "kode pendaftaran"] {
                at_most(PER_WINDOW, WINDOW, &times(of));
            }
            at_most(per_day, DAY, &times(""));
        }
    }
}

/// Any `count` + 1 messages take longer than `span`, but for what the gateway holds back.
fn at_most(count: usize, span: Duration, times: &[u64]) {
    let least = (span - HELD_MAX).as_millis();
    for few in times.windows(count + 1) {
        assert!(u128::from(few[count] - few[0]) >= least, "{few:?}");
    }
}

async fn tell(moves: Vec<Move>) {
    // All of them ask from one address that nobody has signed in from: its share of each limit counts.
    let system = TestSystem::builder().settings(|settings| {
        settings.policy.messages_per_day = 3 * SIGN_UPS_PER_DAY;
        settings.policy.messages_per_day_verified = 3 * SIGN_INS_PER_DAY;
        settings.policy.codes_per_window = CODES_PER_WINDOW;
    });
    let system = with_user(system.build().await).await;
    let mut story = Story {
        system,
        models: Default::default(),
        ids: Default::default(),
    };
    for next in moves {
        story.make(next).await;
    }
    story.is_within_the_limits();
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_takes_one_place_however_many_codes_of_another_purpose_follow() {
    use Purpose::{SignIn, SignUp};
    let died = Move::AskAndDie(1, SignIn, Duration::from_millis(1));
    let asks = [SignIn, SignIn, SignIn].map(|purpose| Move::Ask(1, purpose));
    let then = [SignUp, SignUp, SignIn].map(|purpose| Move::Ask(1, purpose));
    let story = asks
        .into_iter()
        .chain([Move::Pass(60), died, Move::Pass(15)])
        .chain(then);
    tell(story.collect()).await;
}

proptest! {
    // The same stories each time; another seed, or more cases, tells others.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_122),
        ..ProptestConfig::with_cases(20)
    })]

    #[test]
    fn in_any_story_limits_hold_failures_are_free_and_refusals_are_honest(
        moves in proptest::collection::vec(one_move(), 1..40),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(tell(moves));
    }
}
