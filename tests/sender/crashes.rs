//! A function that dies while it recovers a session: the others take over, and nothing stays taken.
use std::time::Duration;

use local::database::Faults;
use local::simulator::{Scenario, SimulatorOptions};
use shared::sender::{Outcome, Reason};
use tokio::time::{sleep, timeout};

use super::stage::{Stage, outgoing, send};

const SECOND: Duration = Duration::from_secs(1);

/// Runs one send on a cold session until its `calls`th call to the store has had its effect, then drops it.
async fn die_after_store_call(stage: &Stage, calls: u64) -> bool {
    let faults = Faults::none().stop_after(calls);
    let sender = stage.sender_with(calls, faults.clone());
    let sending = send(&sender, &stage.clock, outgoing(calls));
    faults.until_stopped(sending).await.is_none()
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_after_any_call_to_the_store_stops_nobody_for_longer_than_the_window() {
    let mut died = true;
    let mut calls = 0;
    while died {
        calls += 1;
        assert!(calls < 50, "a send that does not end");
        let stage = Stage::in_trouble(&Scenario::ColdSession).await;
        died = die_after_store_call(&stage, calls).await;
        sleep(16 * SECOND).await;
        let next = stage.send().await;
        assert_eq!(
            next.delivery.outcome,
            Outcome::Sent,
            "after call {calls}: {next:?}"
        );
        assert!(stage.connects() <= 2, "after call {calls}");
    }
    assert!(calls > 8, "only {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_winner_that_dies_before_its_connect_leaves_the_right_to_the_next_window() {
    // 1 the list, 2 read, 3 slot, 4 look, 5 what was seen, 6 the gateway's item, 7 the right.
    let stage = Stage::in_trouble(&Scenario::ColdSession).await;
    assert!(die_after_store_call(&stage, 7).await);
    let taken = stage.item().await;
    assert_eq!(
        taken.connect_after,
        Some(stage.clock.now().plus(15 * SECOND))
    );
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, Outcome::NotSent(Reason::SessionDown));
    assert_eq!(stage.connects(), 0);
    sleep(15 * SECOND).await;
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, Outcome::Sent);
    assert_eq!(stage.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_winner_that_dies_after_its_connect_leaves_a_session_that_others_find() {
    let stage = Stage::with(SimulatorOptions {
        online_after: 2 * SECOND,
        ..SimulatorOptions::default()
    })
    .await;
    stage.gateway.play(&Scenario::ColdSession);
    let sender = stage.sender(1);
    let winner = send(&sender, &stage.clock, outgoing(1));
    let dead = timeout(Duration::from_millis(100), winner).await;
    assert!(dead.is_err());
    assert_eq!(stage.connects(), 1);
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, Outcome::Sent, "{next:?}");
    assert!(next.took <= 3 * SECOND, "{next:?}");
    assert_eq!(stage.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_when_a_send_is_dropped() {
    for millis in (0..3_000).step_by(130) {
        let stage = Stage::in_trouble(&Scenario::ColdSession).await;
        let sender = stage.sender(1);
        let sending = send(&sender, &stage.clock, outgoing(1));
        let _ = timeout(Duration::from_millis(millis), sending).await;
        let calls =
            |stage: &Stage| stage.gateway.calls().calls.len() + stage.database.calls().len();
        let before = calls(&stage);
        sleep(60 * SECOND).await;
        assert_eq!(calls(&stage), before, "dropped after {millis} ms");
    }
}
