//! Whatever strangers do from wherever, and whatever WhatsApp does: the owner of a phone gets in from an address that it has
//! signed in from, nobody guesses more often than they may, and what was not charged left no trace.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use local::simulator::Scenario;
use proptest::prelude::*;
use serde_json::json;
use shared::model::challenge::{IDS_MAX, PhoneState, TRIES};
use shared::model::code::{Nonce, Purpose};
use shared::model::limits::DAY;
use shared::platform::timestamp::Timestamp;
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

/// Strangers come from so many networks.
const NETWORKS: u8 = 4;

/// What the owner itself asks for at most: its part of each limit that no stranger uses.
const OWN_PER_WINDOW: usize = 2;
const OWN_PER_DAY: usize = 10;

/// One move of the people, of WhatsApp, or of time.
#[derive(Clone, Debug)]
enum Move {
    /// The owner wants in. Meanwhile strangers do what they do.
    OwnerSignsIn(Vec<Act>),
    Stranger(Act),
    Pass(u64),
    Trouble(Scenario),
    Heal,
}

/// What a stranger does, from one of the networks.
#[derive(Clone, Debug)]
enum Act {
    Asks(u8, Wanted),
    /// Asks again with the challenge id that it has.
    AsksAgain(u8),
    /// Guesses so many times with the challenge id that it has.
    Guesses(u8, u8),
    /// Asks, and guesses with the id that it has while that is under way.
    AsksAndGuesses(u8),
    GivesPasswords(u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    SignIn,
    Reset,
}

fn act() -> impl Strategy<Value = Act> {
    let network = 0..NETWORKS;
    let wanted = prop_oneof![4 => Just(Wanted::SignIn), 1 => Just(Wanted::Reset)];
    prop_oneof![
        4 => (network.clone(), wanted).prop_map(|(network, wanted)| Act::Asks(network, wanted)),
        1 => network.clone().prop_map(Act::AsksAgain),
        4 => (network.clone(), 1..8_u8).prop_map(|(network, times)| Act::Guesses(network, times)),
        2 => network.clone().prop_map(Act::AsksAndGuesses),
        1 => (network, 1..12_u8).prop_map(|(network, times)| Act::GivesPasswords(network, times)),
    ]
}

fn one_move() -> impl Strategy<Value = Move> {
    let seconds: &[u64] = &[1, 20, 60, 61, 180, 430, 600, 3_600, 30_000];
    let trouble = prop_oneof![
        3 => Just(Scenario::Banned),
        2 => Just(Scenario::Unlinked),
        1 => Just(Scenario::ColdSession),
    ];
    prop_oneof![
        3 => proptest::collection::vec(act(), 0..4).prop_map(Move::OwnerSignsIn),
        8 => act().prop_map(Move::Stranger),
        4 => proptest::sample::select(seconds).prop_map(Move::Pass),
        1 => trouble.prop_map(Move::Trouble),
        1 => Just(Move::Heal),
    ]
}

struct Story {
    system: TestSystem,
    well: bool,
    /// When the owner was sent a code.
    owned: Vec<Timestamp>,
    /// The newest challenge id of each network, of a sign-in.
    ids: BTreeMap<u8, String>,
    /// Guesses that were compared, by code and challenge id.
    compared: BTreeMap<(Nonce, String), u32>,
}

/// The system as a stranger calls it.
fn from(system: &TestSystem, network: u8) -> TestSystem {
    system.called_from(Ipv4Addr::new(198, 51, network, 7))
}

/// What may differ between two states of which one was not charged: the count of writes, and what is older than a day.
fn bare(mut state: PhoneState, now: Timestamp) -> PhoneState {
    state.rev = 0;
    state.sends.retain(|send| now < send.at.plus(DAY));
    state
}

impl Story {
    async fn make(&mut self, next: Move) {
        match next {
            Move::OwnerSignsIn(meanwhile) => self.owner_signs_in(meanwhile).await,
            Move::Stranger(act) => self.act(act).await,
            Move::Pass(seconds) => sleep(Duration::from_secs(seconds)).await,
            Move::Trouble(scenario) => {
                heal(&self.system);
                self.system.simulator().play(&scenario);
                self.well = false;
            }
            Move::Heal => {
                heal(&self.system);
                self.well = true;
            }
        }
    }

    /// Asks, and holds a refusal that says so to having left the item as it was.
    async fn ask(&mut self, system: &TestSystem, path: &str, id: Option<&str>) -> Reply {
        let before = state_of(&self.system, &phone(1)).await;
        let mut body = json!({ "identifier": phone(1) });
        if let Some(id) = id {
            (body["purpose"], body["challengeId"]) = ("sso".into(), id.into());
        }
        let asked = system.post(path, body).await;
        if asked.json["charged"] == false {
            let now = self.system.now();
            let after = state_of(&self.system, &phone(1)).await;
            assert_eq!(bare(after, now), bare(before, now), "{}", asked.json);
        }
        asked
    }

    async fn owner_signs_in(&mut self, meanwhile: Vec<Act>) {
        let now = self.system.now();
        let since = |span: Duration| self.owned.iter().filter(|at| now < at.plus(span)).count();
        let fair = since(Duration::from_secs(600)) < OWN_PER_WINDOW && since(DAY) < OWN_PER_DAY;
        let system = self.system.clone();
        if !self.well || !fair {
            if self.ask(&system, "/api/auth/sso-signin", None).await.status == 200 {
                self.owned.push(self.system.now());
                self.well = true;
            }
            return;
        }
        let asked = loop {
            let asked = self.ask(&system, "/api/auth/sso-signin", None).await;
            let waited = self.system.now().since(now).as_secs();
            let Some(seconds) = asked.json["retryAfterSeconds"].as_u64() else {
                break asked;
            };
            assert!(waited + seconds <= 61, "{waited} {}", asked.json);
            sleep(Duration::from_secs(seconds)).await;
        };
        self.owned.push(self.system.now());
        let id = challenge(&asked).to_owned();
        for act in meanwhile {
            self.act(act).await;
        }
        let messages = messages(&self.system, &phone(1));
        let newest = messages
            .iter()
            .rfind(|message| message.text.contains("kode masuk"));
        let code = newest.unwrap().text.split(' ').next().unwrap();
        let opened = verify(&self.system, &phone(1), code, &id).await;
        assert_eq!(opened.status, 200, "{}", opened.json);
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Asks(network, wanted) => {
                let system = from(&self.system, network);
                let path = match wanted {
                    Wanted::SignIn => "/api/auth/sso-signin",
                    Wanted::Reset => "/api/auth/send-password-reset-otp",
                };
                let asked = self.ask(&system, path, None).await;
                if asked.status == 200 && wanted == Wanted::SignIn {
                    self.ids.insert(network, challenge(&asked).to_owned());
                }
            }
            Act::AsksAgain(network) => {
                if let Some(id) = self.ids.get(&network).cloned() {
                    let system = from(&self.system, network);
                    let asked = self.ask(&system, "/api/auth/send-otp", Some(&id)).await;
                    if asked.status == 200 {
                        self.ids.insert(network, challenge(&asked).to_owned());
                    }
                }
            }
            Act::Guesses(network, times) => {
                for number in 0..times {
                    self.guess(network, number).await;
                }
            }
            Act::AsksAndGuesses(network) => {
                let system = from(&self.system, network);
                let asking = tokio::spawn(async move { sign_in(&system, &phone(1)).await });
                for number in 0..8 {
                    sleep(SECOND / 50).await;
                    self.guess(network, number).await;
                }
                let asked = asking.await.unwrap();
                if asked.status == 200 {
                    self.ids.insert(network, challenge(&asked).to_owned());
                }
            }
            Act::GivesPasswords(network, times) => {
                let body = json!({ "identifier": phone(1), "password": "not this one" });
                for _ in 0..times {
                    let system = from(&self.system, network);
                    let given = system.post("/api/auth/signin", body.clone()).await;
                    assert_ne!(given.status, 200);
                }
            }
        }
    }

    /// A wrong guess with the challenge id that a stranger has.
    async fn guess(&mut self, network: u8, number: u8) {
        let Some(id) = self.ids.get(&network).cloned() else {
            return;
        };
        let state = state_of(&self.system, &phone(1)).await;
        let messages = messages(&self.system, &phone(1));
        let codes: Vec<&str> = messages
            .iter()
            .filter_map(|message| message.text.split(' ').next())
            .collect();
        let wrong = (0..)
            .map(|more| format!("{:06}", u32::from(number) + more * 8))
            .find(|guess| !codes.contains(&guess.as_str()));
        let guessed = verify(
            &from(&self.system, network),
            &phone(1),
            &wrong.unwrap(),
            &id,
        )
        .await;
        assert_ne!(guessed.status, 200, "{}", guessed.json);
        let message = guessed.json["message"].as_str().unwrap();
        if message.starts_with("The code is wrong.") {
            let code = state.code(Purpose::Sso).expect("a code to compare with");
            *self.compared.entry((code.nonce, id)).or_default() += 1;
        }
    }

    /// Nobody has guessed more often than they may.
    fn is_within_the_tries(&self) {
        let mut of_code = BTreeMap::<Nonce, u32>::new();
        for ((nonce, _), count) in &self.compared {
            assert!(*count <= TRIES, "{count} guesses with one id");
            *of_code.entry(*nonce).or_default() += count;
        }
        let most = TRIES * u32::try_from(IDS_MAX).unwrap();
        for count in of_code.values() {
            assert!(*count <= most, "{count} guesses at one code");
        }
    }
}

async fn tell(moves: Vec<Move>) {
    let system = with_user(TestSystem::start().await).await;
    let asked = sign_in(&system, &phone(1)).await;
    let code = code_on(&system, &phone(1));
    let opened = verify(&system, &phone(1), &code, challenge(&asked)).await;
    assert_eq!(opened.status, 200, "{}", opened.json);
    let mut story = Story {
        owned: vec![system.now()],
        system,
        well: true,
        ids: BTreeMap::new(),
        compared: BTreeMap::new(),
    };
    for next in moves {
        story.make(next).await;
    }
    story.is_within_the_tries();
}

proptest! {
    // The same stories each time; another seed, or more cases, tells others.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_127),
        ..ProptestConfig::with_cases(40)
    })]

    #[test]
    fn in_any_story_the_owner_gets_in_and_nobody_guesses_more_than_they_may(
        moves in proptest::collection::vec(one_move(), 1..40),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(tell(moves));
    }
}
