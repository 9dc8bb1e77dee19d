//! A process that dies between any two of its steps: nothing is lost, and at most one more message goes out, with the same id.
use std::collections::BTreeMap;

use serde_json::json;
use shared::flows::payments::Notices;
use tests::TestSystem;
use tests::deaths::{STEPS, die};
use tokio::time::advance;

use super::act::*;

/// Lets `act` die at every step, each time in a system that `prepare` makes, and `check` what is left.
async fn dying_at_each<T>(
    prepare: impl AsyncFn() -> TestSystem,
    act: impl AsyncFn(&TestSystem) -> T,
    check: impl AsyncFn(&TestSystem),
) {
    for death in STEPS {
        for step in 1.. {
            assert!(step < 300, "a request that does not end");
            println!("{:?}", death(step));
            let system = prepare().await;
            let survived = die(&system, death(step), &act).await;
            check(&system).await;
            if survived {
                break;
            }
        }
    }
}

/// The schedule, until nothing is left to do.
async fn settle(system: &TestSystem) {
    for _ in 0..8 {
        advance(MINUTE).await;
        deliver(system).await;
    }
}

/// Each message reached the phone once, or twice under the same id, and never another one.
fn check_messages(system: &TestSystem) {
    let mut times = BTreeMap::new();
    for message in system.simulator().messages(None) {
        *times.entry(message.id.clone()).or_insert(0) += 1;
    }
    assert!(times.values().all(|times| *times <= 2), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_taker_dies_is_taken_by_the_same_event_again() {
    let check = async |system: &TestSystem| {
        let again = post(system, "INV-1", "success", about()).await;
        assert!(again.status < 300, "{}", again.json);
        settle(system).await;
        assert_eq!(states(system, "INV-1").await, ["success sent"]);
        assert_eq!(texts(system).len(), 1);
        check_messages(system);
    };
    let act = async |system: &TestSystem| post(system, "INV-1", "success", about()).await;
    dying_at_each(system, act, check).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_said_is_kept_when_whoever_delivers_dies() {
    let prepare = async || {
        let system = system().await;
        let prefer = [("prefer", "respond-async")];
        post_with(&system, "INV-1", "created", created(&system), &prefer).await;
        system
    };
    let act = async |system: &TestSystem| {
        let deadline = system.now().plus(MINUTE);
        let _ = Notices::new(system.backends()).deliver_due(deadline).await;
    };
    let check = async |system: &TestSystem| {
        settle(system).await;
        let states = states(system, "INV-1").await;
        assert_eq!(states[0], "created sent", "{states:?}");
        check_messages(system);
    };
    dying_at_each(prepare, act, check).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_to_pay_after_a_payment_whoever_dies_when() {
    let prepare = async || {
        let system = system().await;
        let prefer = [("prefer", "respond-async")];
        post_with(&system, "INV-1", "created", created(&system), &prefer).await;
        system
    };
    let act = async |system: &TestSystem| {
        let deadline = system.now().plus(MINUTE);
        let _ = Notices::new(system.backends()).deliver_due(deadline).await;
    };
    let check = async |system: &TestSystem| {
        post(system, "INV-1", "success", json!({})).await;
        settle(system).await;
        advance(90 * MINUTE).await;
        settle(system).await;
        let states = states(system, "INV-1").await;
        assert!(states.contains(&"success sent".to_owned()), "{states:?}");
        let texts = texts(system);
        let last = texts.last().expect("a message");
        assert!(last.contains("terima"), "{texts:?}");
        check_messages(system);
    };
    dying_at_each(prepare, act, check).await;
}
