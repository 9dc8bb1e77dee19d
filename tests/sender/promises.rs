//! Whatever goes wrong: an answer before the deadline, the truth about the message, and no message twice.
use std::time::Duration;

use local::database::{Fault, Faults};
use local::simulator::{LostAnswer, Profile, Scenario, SimulatorOptions};
use shared::sender::Outcome;
use tokio::time::sleep;

use super::stage::{DEADLINE, Stage, outgoing, phone, send};

fn scenarios() -> Vec<Scenario> {
    let mut scenarios = vec![
        Scenario::Healthy,
        Scenario::ColdSession,
        Scenario::ReconnectFight,
        Scenario::Unlinked,
        Scenario::QrNotScanned,
        Scenario::Banned,
        Scenario::Zombie,
        Scenario::Proxy,
        Scenario::NotOnWhatsapp {
            phones: vec![phone(1).digits().to_owned()],
            taken: false,
        },
    ];
    for each_ms in [100, 2_000, 9_000, 12_000] {
        scenarios.push(Scenario::SendQueue { each_ms });
    }
    for logged_in in [true, false] {
        scenarios.push(Scenario::StuckObject { logged_in });
        scenarios.push(Scenario::DeadObject { logged_in });
    }
    for lasts_ms in [100, 1_000, 3_000, 5_000, 20_000] {
        scenarios.push(Scenario::NetworkBlip { lasts_ms });
        scenarios.push(Scenario::GatewayDown { lasts_ms });
        scenarios.push(Scenario::CrashOnConnect { down_ms: lasts_ms });
        for delivered in [true, false] {
            scenarios.push(Scenario::AckLost {
                sends: 2,
                delivered,
                lasts_ms,
            });
        }
    }
    for delivered in [true, false] {
        for sends in [Some(1), Some(3), None] {
            scenarios.push(Scenario::HalfOpen { sends, delivered });
        }
    }
    for how in [LostAnswer::Closed, LostAnswer::Proxy504] {
        for sends in [1, 2, 3] {
            scenarios.push(Scenario::AnswerLost {
                sends,
                how,
                after_ms: 700,
            });
        }
    }
    for code in [463, 479, 403] {
        for refusals in [Some(1), None] {
            scenarios.push(Scenario::Restricted { code, refusals });
        }
    }
    scenarios
}

/// One send under `scenarios`, all at once, with a database that may be bad.
async fn check(scenarios: &[Scenario], profile: Profile, time_scale: f64, faults: Faults) {
    let stage = Stage::with(SimulatorOptions {
        profile,
        time_scale,
        ..SimulatorOptions::default()
    })
    .await;
    for scenario in scenarios {
        stage.gateway.play(scenario);
    }
    let sender = stage.sender_with(1, faults);
    let sent = send(&sender, &stage.clock, outgoing(1)).await;
    let sent = sent.expect("a place");
    let story = format!("{scenarios:?} {profile:?} {time_scale}: {sent:?}");
    assert!(sent.took <= DEADLINE, "{story}");
    assert!(stage.connects() <= 1, "{story}");
    // What the gateway still has in its queue goes out long after the answer.
    sleep(Duration::from_secs(300)).await;
    let (arrived, twice) = stage.arrived();
    assert_eq!(twice, 0, "{story}");
    match sent.delivery.outcome {
        Outcome::Sent => assert_eq!(arrived, 1, "{story}"),
        Outcome::NotSent(_) => assert_eq!(arrived, 0, "{story}"),
        Outcome::Unknown => assert!(arrived <= 1, "{story}"),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_gateway_does() {
    for scenario in scenarios() {
        let scenario = std::slice::from_ref(&scenario);
        for (profile, time_scale) in [
            (Profile::A, 0.1),
            (Profile::B, 1.0),
            (Profile::B, 0.02),
            (Profile::D, 0.1),
        ] {
            check(scenario, profile, time_scale, Faults::none()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_gateway_does_in_combination_and_with_a_bad_database() {
    let scenarios = scenarios();
    for (seed, first) in scenarios.iter().enumerate() {
        for step in [1, 7, 19] {
            let second = &scenarios[(seed + step) % scenarios.len()];
            let faults = Faults::seeded(seed as u64)
                .odds(Fault::Conflict, 0.05)
                .odds(Fault::RequestLost, 0.05)
                .odds(Fault::ReplyLost, 0.05)
                .odds(Fault::Throttled, 0.05);
            let both = [first.clone(), second.clone()];
            check(&both, Profile::B, 0.1, faults).await;
        }
    }
}
