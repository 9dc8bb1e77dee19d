//! Many functions at once on one session.
use std::time::Duration;

use local::database::{Fault, Faults};
use local::simulator::{Scenario, SimulatorOptions};
use shared::sender::{Busy, Outcome};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::stage::{DEADLINE, Sent, Stage, outgoing, send};

const CROWD: u64 = 100;

async fn stage() -> Stage {
    let stage = Stage::with(SimulatorOptions {
        send_duration: Duration::from_millis(100),
        ..SimulatorOptions::default()
    })
    .await;
    stage.gateway.play(&Scenario::ColdSession);
    stage
}

/// A hundred functions send at once, each with `faults` of its own.
async fn send_all(stage: &Stage, faults: impl Fn(u64) -> Faults) -> Vec<Result<Sent, Busy>> {
    let mut crowd = JoinSet::new();
    for number in 1..=CROWD {
        let sender = stage.sender_with(number, faults(number));
        let clock = stage.clock.clone();
        crowd.spawn(async move { send(&sender, &clock, outgoing(number)).await });
    }
    crowd.join_all().await
}

/// Everybody got a clear answer in time, one connect healed the session, and each message is there once.
fn check(stage: &Stage, began: Instant, replies: &[Result<Sent, Busy>]) -> usize {
    assert!(began.elapsed() <= DEADLINE, "{:?}", began.elapsed());
    assert_eq!(stage.connects(), 1);
    let mut sent = 0;
    for reply in replies.iter().flatten() {
        match reply.delivery.outcome {
            Outcome::Sent => sent += 1,
            Outcome::NotSent(_) => {}
            Outcome::Unknown => panic!("{reply:?}"),
        }
    }
    assert_eq!(stage.arrived(), (sent, 0));
    sent
}

#[tokio::test(start_paused = true)]
async fn a_crowd_on_a_session_that_is_down_makes_one_connect() {
    let stage = stage().await;
    let began = Instant::now();
    let replies = send_all(&stage, |_| Faults::none()).await;
    let sent = check(&stage, began, &replies);
    // Nobody has measured this gateway yet: 300 ms for each, and at most 6 s.
    assert_eq!(sent, 25);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_on_a_gateway_of_known_pace_is_served_as_far_as_the_queue_goes() {
    let stage = stage().await;
    let cost = Duration::from_millis(110);
    stage.take_cost_as(cost).await;
    let began = Instant::now();
    let replies = send_all(&stage, |_| Faults::none()).await;
    assert_eq!(check(&stage, began, &replies), 55);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_no_worse_off_with_a_bad_database() {
    for seed in 0..5 {
        let stage = stage().await;
        let cost = Duration::from_millis(110);
        stage.take_cost_as(cost).await;
        let began = Instant::now();
        let faults = |number| {
            Faults::seeded(seed * 1_000 + number)
                .odds(Fault::Conflict, 0.05)
                .odds(Fault::RequestLost, 0.05)
                .odds(Fault::ReplyLost, 0.05)
                .odds(Fault::Throttled, 0.05)
        };
        let replies = send_all(&stage, faults).await;
        let sent = check(&stage, began, &replies);
        // A lost reply wastes a place.
        assert!(sent >= 45, "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_crowd_waits_one_asks_the_gateway() {
    let stage = stage().await;
    stage
        .gateway
        .play(&Scenario::StuckObject { logged_in: true });
    let began = Instant::now();
    let replies = send_all(&stage, |_| Faults::none()).await;
    assert!(
        replies
            .iter()
            .flatten()
            .all(|reply| reply.delivery.outcome != Outcome::Sent)
    );
    let looks = stage.gateway.calls().count("/session/status");
    let most = began.elapsed().as_millis() as u64 / 100 + 10;
    assert!(looks <= most, "{looks} looks in {:?}", began.elapsed());
}
