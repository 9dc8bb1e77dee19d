//! Nobody learns from this endpoint whether a phone has a user.
use super::*;

/// Replies to one phone over a day: asked twice every 121 s, 31 times.
async fn a_day(typed: &str) -> Vec<(u16, Vec<(String, String)>, Value)> {
    let system = system().await;
    let began = system.now();
    let mut faces = Vec::new();
    for round in 0..31 {
        let due = began.plus(round * 121 * SECOND);
        pass(due.since(system.now())).await;
        for _ in 0..2 {
            faces.push(face(&ask_code(&system, typed).await));
        }
    }
    faces
}

#[tokio::test(start_paused = true)]
async fn an_unknown_phone_is_answered_and_limited_like_a_known_one_all_day() {
    let (known, unknown) = (a_day(SITI).await, a_day(BUDI).await);
    for (number, (known, unknown)) in known.iter().zip(&unknown).enumerate() {
        assert_eq!(known, unknown, "request {number}");
    }
    let statuses: Vec<u16> = known.iter().map(|(status, ..)| *status).collect();
    // One address gets three codes in ten minutes, and ten in a day.
    assert_eq!(
        statuses[..10],
        [200, 429, 200, 429, 200, 429, 429, 429, 429, 429]
    );
    let granted = statuses.iter().filter(|status| **status == 200);
    assert_eq!(granted.count(), 10);
}

/// Replies to one phone while WhatsApp is down, and after.
async fn an_outage(typed: &str, scenario: &Scenario) -> Vec<(u16, Vec<(String, String)>, Value)> {
    let system = system().await;
    system.simulator().play(scenario);
    let mut faces = vec![face(&ask_code(&system, typed).await)];
    faces.push(face(&ask_code(&system, typed).await));
    system.simulator().play(&Scenario::Healthy);
    faces.push(face(&ask_code(&system, typed).await));
    faces.push(face(&ask_code(&system, typed).await));
    faces
}

#[tokio::test(start_paused = true)]
async fn an_unknown_phone_is_answered_like_a_known_one_during_an_outage() {
    let passing = [
        Scenario::ColdSession,
        Scenario::DeadObject { logged_in: true },
        Scenario::NetworkBlip { lasts_ms: 2_000 },
        Scenario::GatewayDown { lasts_ms: 2_000 },
        Scenario::Proxy,
    ];
    for scenario in outages()
        .iter()
        .map(|(scenario, _)| scenario)
        .chain(&passing)
    {
        let (known, unknown) = (
            an_outage(SITI, scenario).await,
            an_outage(BUDI, scenario).await,
        );
        assert_eq!(known, unknown, "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_phone_takes_the_time_of_a_known_one_and_gets_no_message() {
    let system = system().await;
    let (known, unknown) = (
        timed(ask_code(&system, SITI)).await,
        timed(ask_code(&system, BUDI)).await,
    );
    check_sent(&known.0);
    check_sent(&unknown.0);
    assert!(
        known.1.abs_diff(unknown.1) <= 100 * MILLISECOND,
        "{:?} {:?}",
        known.1,
        unknown.1
    );
    assert_eq!(inbox(&system, SITI).len(), 1);
    assert_eq!(inbox(&system, BUDI).len(), 0);
    assert_eq!(sends(&system), 1);
}
