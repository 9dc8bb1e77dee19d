//! How often a gateway sees a connect: once for each session and window, and never two at a time.
use std::time::Duration;

use local::database::Faults;
use local::simulator::{Scenario, SessionOptions, SimulatorOptions};
use shared::sender::{Outcome, Reason};
use shared::store::whatsapp_sessions::connects::{ConnectClaim, ConnectRight};
use shared::store::whatsapp_sessions::{GATEWAY, SessionItem};
use tokio::time::{advance, sleep};

use super::stage::{Stage, outgoing, send};

/// When the gateway saw a connect, in seconds since the first.
fn connects(stage: &Stage) -> Vec<u64> {
    let calls = stage.gateway.calls().calls;
    let connects = calls.iter().filter(|call| call.path == "/session/connect");
    let at: Vec<_> = connects.map(|call| call.at_ms).collect();
    at.iter().map(|ms| (ms - at[0]) / 1_000).collect()
}

#[tokio::test(start_paused = true)]
async fn the_windows_of_a_session_that_stays_down_grow_to_half_a_minute() {
    let stage = Stage::in_trouble(&Scenario::Banned).await;
    let began = stage.clock.now();
    while stage.clock.now().since(began) < Duration::from_secs(240) {
        let sent = stage.send().await;
        assert_ne!(sent.delivery.outcome, Outcome::Sent);
    }
    let at = connects(&stage);
    let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The first connect was made while the library seemed to reconnect. What it left is connected again at once.
    assert_eq!(gaps.len(), 6, "{at:?}");
    assert!(gaps[0] < 15, "{at:?}");
    for gap in &gaps[1..] {
        assert!((30..34).contains(gap), "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_sessions_of_one_gateway_are_connected_one_after_the_other() {
    let stage = Stage::with(SimulatorOptions {
        sessions: vec![
            SessionOptions::new("a", "token-a"),
            SessionOptions::new("b", "token-b"),
        ],
        ..SimulatorOptions::default()
    })
    .await;
    stage.gateway.play(&Scenario::ColdSession);
    let (a, b) = (
        stage.sender_on("a", "token-a", 1, Faults::none()),
        stage.sender_on("b", "token-b", 2, Faults::none()),
    );
    let (a, b) = tokio::join!(
        send(&a, &stage.clock, outgoing(1)),
        send(&b, &stage.clock, outgoing(2)),
    );
    for sent in [a, b] {
        assert_eq!(sent.unwrap().delivery.outcome, Outcome::Sent);
    }
    assert_eq!(connects(&stage), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_winner_that_was_frozen_does_not_connect_when_it_wakes() {
    let stage = Stage::in_trouble(&Scenario::ColdSession).await;
    let (sessions, nobody) = (stage.sessions(), SessionItem::default());
    let another = ConnectClaim {
        attempt_id: "another session",
        now: stage.clock.now(),
        wait: Duration::from_secs(3),
        early: false,
        over_library: false,
    };
    let taken = sessions.take_connect_right(GATEWAY, &nobody, &another);
    assert!(matches!(taken.await.unwrap(), ConnectRight::Won(_)));
    let (sender, clock) = (stage.sender(1), stage.clock.clone());
    let frozen = tokio::spawn(async move { send(&sender, &clock, outgoing(1)).await });
    // Not before the gateway is about to take a connect: a right that comes to nothing keeps everybody from the next one.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.item().await.connect_at, None);
    sleep(Duration::from_millis(900)).await;
    assert!(stage.item().await.connect_at.is_some(), "it won the right");
    advance(Duration::from_secs(8)).await;
    let sent = frozen.await.unwrap().unwrap();
    assert_eq!(sent.delivery.outcome, Outcome::NotSent(Reason::SessionDown));
    assert_eq!(stage.connects(), 0);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(stage.send().await.delivery.outcome, Outcome::Sent);
}
