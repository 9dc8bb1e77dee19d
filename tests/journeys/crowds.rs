//! Many people at once, and one person many times.
use std::collections::BTreeSet;
use std::time::Duration;

use local::database::Faults;
use local::simulator::Scenario;
use shared::model::challenge::ChallengeId;
use shared::model::code::Purpose;
use shared::model::identifier::Identifier;
use shared::model::phone::Phone;
use tests::{Reply, TestSystem};
use tokio::time::{Instant, sleep, sleep_until};

use super::act::*;

/// `count` requests at once, numbered from 1.
async fn at_once<F>(count: u64, request: impl Fn(u64) -> F) -> Vec<Reply>
where
    F: Future<Output = Reply> + Send + 'static,
{
    let requests: Vec<_> = (1..=count)
        .map(|number| tokio::spawn(request(number)))
        .collect();
    let mut replies = Vec::new();
    for request in requests {
        replies.push(request.await.unwrap());
    }
    replies
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies
        .iter()
        .filter(|reply| reply.status == status)
        .count()
}

/// A hundred people sign in while the session is down. Answers how many get their code.
async fn crowd_on_a_cold_session(database: Faults) -> usize {
    let system = TestSystem::builder().simulator(|options| {
        options.send_duration = Duration::from_millis(100);
    });
    let system = system.build().await;
    for number in 1..=100 {
        add_user(&system, &phone(number)).await;
    }
    system.simulator().play(&Scenario::ColdSession);
    let busy = system.with_faults(database);
    let began = Instant::now();
    let replies = at_once(100, |number| {
        let system = busy.clone();
        async move { sign_in(&system, &phone(number)).await }
    })
    .await;
    assert!(began.elapsed() <= PATIENCE, "{:?}", began.elapsed());
    assert_eq!(connects(&system), 1);
    for (number, reply) in (1..).zip(&replies) {
        let expected = match (reply.status, delivery(reply)) {
            (200, Some("sent")) => 1,
            (503, None) => 0,
            _ => panic!("{}", reply.json),
        };
        assert_eq!(messages(&system, &phone(number)).len(), expected);
    }
    count(&replies, 200)
}

#[tokio::test(start_paused = true)]
async fn a_crowd_on_a_cold_session_makes_one_connect_and_is_answered_truly() {
    for seed in [None, Some(1)] {
        let served = crowd_on_a_cold_session(database(seed)).await;
        // Until the gateway is measured the queue takes 300 ms for each message, and 6 s of them. Then it takes less, for those
        // who try again.
        assert!((19..=30).contains(&served), "{served}");
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_requests_of_one_phone_at_once_bring_one_message() {
    for database in databases() {
        let system = system().await.with_faults(database);
        let replies = at_once(50, |_| {
            let system = system.clone();
            async move { sign_in(&system, &phone(1)).await }
        })
        .await;
        assert_eq!((count(&replies, 200), count(&replies, 429)), (1, 49));
        assert_eq!(messages(&system, &phone(1)).len(), 1);
        assert_eq!(granted(&system).await, 1);
        let sent = replies.iter().find(|reply| reply.status == 200).unwrap();
        let code = code_on(&system, &phone(1));
        let signed_in = verify(&system, &phone(1), &code, challenge(sent)).await;
        assert_eq!(signed_in.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_are_refused_hold_nobody_up() {
    let system = system().await;
    add_user(&system, &phone(2)).await;
    at_once(50, |_| {
        let system = system.clone();
        async move { sign_in(&system, &phone(1)).await }
    })
    .await;
    let began = Instant::now();
    assert_eq!(delivery(&sign_in(&system, &phone(2)).await), Some("sent"));
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn of_a_hundred_wrong_guesses_at_once_five_are_compared() {
    for database in databases() {
        let system = TestSystem::builder().settings(|settings| {
            settings.policy.guesses_per_address.places = 1_000;
        });
        let system = with_user(system.build().await).await.with_faults(database);
        let asked = sign_in(&system, &phone(1)).await;
        let (id, code) = (challenge(&asked).to_owned(), code_on(&system, &phone(1)));
        // Under a challenge id that nobody was given, none is even counted.
        let replies = guess_all(&system, &code, "AAAAAAAAAAAAAAAAAAAAAA").await;
        assert_eq!(count(&replies, 400), 100);
        assert_eq!(counted(&system, &id).await, (0, 5));

        let replies = guess_all(&system, &code, &id).await;
        assert_eq!(count(&replies, 400), 100);
        assert_eq!(counted(&system, &id).await, (5, 0));
        // A bad database may count one and not say so in time: that one is not compared.
        let compared = replies.iter().filter(|reply| is_compared(reply));
        assert!(compared.count() <= 5);
        let late = verify(&system, &phone(1), &code, &id).await;
        assert_eq!((late.status, is_compared(&late)), (400, false));
    }
}

/// A hundred wrong guesses at once.
async fn guess_all(system: &TestSystem, code: &str, id: &str) -> Vec<Reply> {
    at_once(100, |number| {
        let (system, id) = (system.clone(), id.to_owned());
        let guess = wrong(code, number as u32);
        async move { verify(&system, &phone(1), &guess, &id).await }
    })
    .await
}

/// Whether a refused guess was compared with the code.
fn is_compared(reply: &Reply) -> bool {
    let message = reply.json["message"].as_str().unwrap();
    message.starts_with("The code is wrong.")
}

/// The wrong guesses that were counted, and the tries that are left for a challenge id.
async fn counted(system: &TestSystem, id: &str) -> (i64, i64) {
    let state = state_of(system, &phone(1)).await;
    let code = state.code(Purpose::Sso).unwrap();
    let who = Identifier::Phone(Phone::parse(&phone(1)).unwrap());
    let left = code.bound[&ChallengeId::presented(id).hash(&who)].tries;
    (state.failures, left)
}

#[tokio::test(start_paused = true)]
async fn fifty_right_answers_at_once_open_one_login() {
    for database in databases() {
        let system = system().await.with_faults(database);
        let asked = sign_in(&system, &phone(1)).await;
        let (id, code) = (challenge(&asked).to_owned(), code_on(&system, &phone(1)));
        let replies = at_once(50, |_| {
            let (system, id, code) = (system.clone(), id.clone(), code.clone());
            async move { verify(&system, &phone(1), &code, &id).await }
        })
        .await;
        // To check the tokens takes time, too: the published keys are read anew.
        let answered = Instant::now();
        let mut sessions = BTreeSet::new();
        for reply in &replies {
            sessions.insert(claims_of(&system, reply).await.unwrap().sid);
        }
        assert_eq!(sessions.len(), 1);
        assert_eq!(rows(&system, "LoginsTable").await, 1);

        sleep_until(answered + 59 * SECOND).await;
        let again = verify(&system, &phone(1), &code, &id).await;
        assert!(sessions.contains(&claims_of(&system, &again).await.unwrap().sid));
        sleep_until(answered + 60 * SECOND).await;
        let late = verify(&system, &phone(1), &code, &id).await;
        assert_eq!(late.json["error"], "OTP_EXPIRED");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_send_leaves_every_limit_as_it_was() {
    for database in databases() {
        let system = system().await.with_faults(database);
        sign_in(&system, &phone(1)).await;
        sleep(60 * SECOND).await;
        // The item has the messages of the phone, of its window and its day.
        let before = (state_of(&system, &phone(1)).await, granted(&system).await);
        system.simulator().play(&Scenario::Banned);
        let replies = at_once(5, |_| {
            let system = system.clone();
            async move { sign_in(&system, &phone(1)).await }
        })
        .await;
        assert!(
            replies
                .iter()
                .all(|reply| [429, 503].contains(&reply.status))
        );
        let mut after = (state_of(&system, &phone(1)).await, granted(&system).await);
        after.0.rev = before.0.rev;
        assert_eq!(after, before);
        heal(&system);
        assert_eq!(delivery(&sign_in(&system, &phone(1)).await), Some("sent"));
    }
}
