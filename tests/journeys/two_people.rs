//! Two people and one phone. The stranger knows everything but what is on the phone.
use std::time::Duration;

use shared::model::password::{self, Match, Password};
use shared::platform::entropy::Entropy;
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

const STRANGERS_PASSWORD: &str = "the stranger's own words";

/// Signing up takes two requests each.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    OwnerAsks,
    OwnerAnswers,
    StrangerAsks,
    StrangerGuesses,
}

use Act::*;

/// Every order in which both ask before they answer.
const ORDERS: [[Act; 4]; 6] = [
    [OwnerAsks, OwnerAnswers, StrangerAsks, StrangerGuesses],
    [OwnerAsks, StrangerAsks, OwnerAnswers, StrangerGuesses],
    [OwnerAsks, StrangerAsks, StrangerGuesses, OwnerAnswers],
    [StrangerAsks, OwnerAsks, OwnerAnswers, StrangerGuesses],
    [StrangerAsks, OwnerAsks, StrangerGuesses, OwnerAnswers],
    [StrangerAsks, StrangerGuesses, OwnerAsks, OwnerAnswers],
];

/// Asks until it is granted.
async fn owner_asks(system: &TestSystem) -> Reply {
    loop {
        let asked = sign_up(system, &phone(1), "Siti", PASSWORD).await;
        match asked.json["retryAfterSeconds"].as_u64() {
            Some(seconds) => sleep(Duration::from_secs(seconds)).await,
            None => return asked,
        }
    }
}

/// The code that is on the phone works at once.
async fn owner_answers(system: &TestSystem, asked: &Reply) {
    let code = code_on(system, &phone(1));
    let confirmed = confirm(system, &phone(1), &code, challenge(asked)).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.json);
}

async fn stranger_asks(system: &TestSystem) -> Reply {
    sign_up(system, &phone(1), "Mallory", STRANGERS_PASSWORD).await
}

/// Uses up every try of the stranger's own challenge id, if there is one, and some of a made-up one.
async fn stranger_guesses(system: &TestSystem, asked: &Reply) {
    let own = asked.json["data"]["challengeId"].as_str();
    for id in [own.unwrap_or("made-up"), "made-up"] {
        for number in 0..6 {
            let guess = format!("{number:06}");
            let guessed = confirm(system, &phone(1), &guess, id).await;
            assert_eq!(guessed.status, 400, "{}", guessed.json);
        }
    }
}

/// The phone belongs to the owner, and the stranger's password opens nothing.
async fn is_the_owners(system: &TestSystem) {
    let user = user_of(system, &phone(1)).await.unwrap();
    assert_eq!(user.name.as_str(), "Siti");
    let hash = user.password.unwrap();
    for (password, expected) in [(PASSWORD, Match::Right), (STRANGERS_PASSWORD, Match::Wrong)] {
        let matched = password::verify(&Password::given(password), &hash).await;
        assert_eq!(matched.unwrap(), expected);
    }
    assert_eq!(rows(system, "LoginsTable").await, 1);
}

#[tokio::test(start_paused = true)]
async fn in_whatever_order_two_people_sign_up_the_phone_is_its_owners() {
    for order in ORDERS {
        for pauses in [[0, 0, 0], [61, 61, 61], [0, 61, 0], [61, 0, 61]] {
            println!("{order:?} {pauses:?}");
            let system = TestSystem::start().await;
            let (mut owners, mut strangers) = (None, None);
            for (act, pause) in order.into_iter().zip(pauses.into_iter().chain([0])) {
                match act {
                    OwnerAsks => owners = Some(owner_asks(&system).await),
                    OwnerAnswers => owner_answers(&system, owners.as_ref().unwrap()).await,
                    StrangerAsks => strangers = Some(stranger_asks(&system).await),
                    StrangerGuesses => stranger_guesses(&system, strangers.as_ref().unwrap()).await,
                }
                sleep(pause * SECOND).await;
            }
            is_the_owners(&system).await;
            // The used code is worth nothing, even to somebody who has learnt it by now.
            if let Some(id) = strangers.unwrap().json["data"]["challengeId"].as_str() {
                let late = confirm(&system, &phone(1), &code_on(&system, &phone(1)), id).await;
                assert_ne!(late.status, 200);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_asks_and_guesses_again_and_again_does_not_wear_the_owner_out() {
    let system = TestSystem::start().await;
    let asked = owner_asks(&system).await;
    for _ in 0..3 {
        sleep(61 * SECOND).await;
        stranger_guesses(&system, &stranger_asks(&system).await).await;
    }
    owner_answers(&system, &asked).await;
    is_the_owners(&system).await;
}

#[tokio::test(start_paused = true)]
async fn two_people_who_sign_up_side_by_side_do_not_get_into_each_others_way() {
    for seed in 0..12 {
        println!("{seed}");
        let chance = Entropy::seeded(seed);
        let pause = || sleep(Duration::from_millis(chance.below(3_000)));
        let system = TestSystem::builder().seed(seed).build().await;
        let system = system.with_faults(database(Some(seed)).delay(0.5, SECOND / 2));
        let owner = async {
            pause().await;
            let asked = owner_asks(&system).await;
            pause().await;
            owner_answers(&system, &asked).await;
        };
        let stranger = async {
            pause().await;
            let asked = stranger_asks(&system).await;
            pause().await;
            stranger_guesses(&system, &asked).await;
        };
        tokio::join!(owner, stranger);
        is_the_owners(&system).await;
    }
}

/// Everything a stranger can guess without having asked.
async fn guess_without_asking(system: &TestSystem, code: &str) {
    for number in 0..8 {
        let guess = wrong(code, number);
        let unbound = verify_unbound(system, &phone(1), &guess).await;
        let made_up = verify(system, &phone(1), &guess, "made-up").await;
        assert_eq!((unbound.status, made_up.status), (400, 400));
    }
}

#[tokio::test(start_paused = true)]
async fn guesses_of_a_stranger_do_not_stop_the_one_who_asked() {
    for faults in databases() {
        let system = lenient().await.with_faults(faults);
        let asked = sign_in(&system, &phone(1)).await;
        let code = code_on(&system, &phone(1));
        guess_without_asking(&system, &code).await;
        let unbound = verify_unbound(&system, &phone(1), &code).await;
        assert_eq!(
            (unbound.status, &unbound.json["attemptsLeft"]),
            (400, &0.into())
        );
        let signed_in = verify(&system, &phone(1), &code, challenge(&asked)).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.json);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_asks_too_has_tries_of_its_own() {
    for strangers_first in [true, false] {
        let system = system().await;
        let first = sign_in(&system, &phone(1)).await;
        sleep(60 * SECOND).await;
        let second = sign_in(&system, &phone(1)).await;
        let code = code_on(&system, &phone(1));
        let (strangers, owners) = if strangers_first {
            (challenge(&first), challenge(&second))
        } else {
            (challenge(&second), challenge(&first))
        };
        for tries_left in [4, 3, 2, 1, 0, 0] {
            let guessed = verify(&system, &phone(1), &wrong(&code, 1), strangers).await;
            assert_eq!(guessed.json["attemptsLeft"], tries_left);
        }
        let late = verify(&system, &phone(1), &code, strangers).await;
        assert_eq!(late.status, 400);
        let signed_in = verify(&system, &phone(1), &code, owners).await;
        assert_eq!(signed_in.status, 200);
    }
}
