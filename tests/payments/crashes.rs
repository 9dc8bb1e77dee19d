//! A process that dies between any two of its steps: nothing is lost, and at most one more message goes out, with the same id.
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::Poll;

use local::database::Faults;
use serde_json::json;
use shared::flows::payments::Notices;
use tests::TestSystem;
use tokio::time::advance;

use super::act::*;

/// Where a process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before the effect of a call to the database.
    BeforeCall(u64),
    /// After it, before the answer.
    AfterCall(u64),
    /// At an await: of the database, of the gateway, of time.
    AtAwait(u64),
}

/// The kinds of steps.
const STEPS: [fn(u64) -> Death; 3] = [Death::BeforeCall, Death::AfterCall, Death::AtAwait];

/// Whether `act` got to its end.
async fn die<T>(system: &TestSystem, death: Death, act: impl AsyncFn(&TestSystem) -> T) -> bool {
    let slow = |seed| Faults::seeded(seed).delay(1.0, MINUTE / 1_200);
    let faults = match death {
        Death::BeforeCall(number) => slow(number).stop_before(number),
        Death::AfterCall(number) => slow(number).stop_after(number),
        Death::AtAwait(number) => slow(number),
    };
    let process = system.with_faults(faults.clone());
    match death {
        Death::AtAwait(number) => drop_at(number, act(&process)).await,
        _ => faults.until_stopped(act(&process)).await.is_some(),
    }
}

/// Lets `process` come to its `number`th await, where it is dropped unless it is done.
async fn drop_at<T>(number: u64, process: impl Future<Output = T>) -> bool {
    let mut process = pin!(process);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        match process.as_mut().poll(context) {
            Poll::Pending if polls < number => Poll::Pending,
            Poll::Pending => Poll::Ready(false),
            Poll::Ready(_) => Poll::Ready(true),
        }
    })
    .await
}

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
