//! Several simulated gateways in one process: hosts and sessions of their own, the same phones.
use std::time::Duration;

use local::simulator::{Scenario, SessionOptions, Simulator, SimulatorOptions};
use serde_json::json;
use shared::gateway::{GatewayError, SessionToken};
use tokio::time::sleep;

use crate::harness::{Served, WITHIN, ask, text};

fn options(name: &str, sessions: &[&str]) -> SimulatorOptions {
    let sessions = sessions.iter();
    let sessions = sessions.map(|name| SessionOptions::new(name, &format!("token-{name}")));
    SimulatorOptions {
        name: name.into(),
        sessions: sessions.collect(),
        ..SimulatorOptions::default()
    }
}

fn two() -> (Simulator, Simulator) {
    let first = Simulator::new(options("east", &["system", "session-2"]));
    let second = first.beside(options("west", &["session-3"]));
    (first, second)
}

async fn send(simulator: &Simulator, session: &str, id: &str) -> Result<(), GatewayError> {
    let token = SessionToken::new(format!("token-{session}"));
    let message = text(id);
    let gateway = simulator.gateway();
    gateway
        .send_text(&token, &message, WITHIN)
        .await
        .map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn a_phone_shows_what_came_from_every_gateway() {
    let east = Simulator::new(options("east", &["system", "session-2"]));
    sleep(Duration::from_secs(3)).await;
    let west = east.beside(options("west", &["session-3"]));
    for (gateway, session, id) in [(&east, "session-2", "1"), (&west, "session-3", "2")] {
        send(gateway, session, id).await.expect("sent");
    }
    for gateway in [&east, &west] {
        let messages = gateway.messages(None);
        let from: Vec<_> = messages
            .iter()
            .map(|m| (m.session.as_str(), m.at_ms))
            .collect();
        assert_eq!(from, [("session-2", 3_400), ("session-3", 3_800)]);
    }
    // A token opens nothing at another gateway.
    let foreign = send(&west, "system", "3").await;
    assert!(matches!(
        foreign,
        Err(GatewayError::Refused { status: 401, .. })
    ));
    let calls = |gateway: &Simulator| gateway.calls().count("/chat/send/text");
    assert_eq!((calls(&east), calls(&west)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn who_is_on_whatsapp_is_the_same_for_every_gateway() {
    let (east, west) = two();
    east.play(&Scenario::NotOnWhatsapp {
        phones: vec!["08123456789".into()],
        taken: false,
    });
    let refused = send(&west, "session-3", "1").await.expect_err("no account");
    assert!(refused.to_string().contains("no lid found"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_gone_takes_its_own_sessions_down_and_no_others() {
    let (east, west) = two();
    let lasts_ms = 30_000;
    // A proxy on the same host answers nobody either.
    for before in [Scenario::Healthy, Scenario::Proxy] {
        east.play(&before);
        east.play(&Scenario::HostDown { lasts_ms });
        for session in ["system", "session-2"] {
            let refused = send(&east, session, "1").await;
            let gone = matches!(refused, Err(GatewayError::Unreachable(_)));
            assert!(gone, "{before:?} {session}: {refused:?}");
        }
        send(&west, "session-3", "2").await.expect("sent");
        // Restarting the process does not bring the host back.
        east.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
        sleep(Duration::from_secs(20)).await;
        assert!(send(&east, "system", "1").await.is_err(), "{before:?}");
        let (_, summary) = ask(&west, "GET /sim/state?gateway=east", json!(null)).await;
        assert_eq!(summary["gateway"], "down", "{before:?}: no process either");
        sleep(Duration::from_secs(15)).await;
        for session in ["system", "session-2"] {
            send(&east, session, session)
                .await
                .expect("its sessions start again");
        }
    }
    assert_eq!(west.processes_ended(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_cut_off_when_the_host_goes() {
    let (east, _west) = two();
    east.play(&Scenario::SendQueue { each_ms: 5_000 });
    let sending = tokio::spawn({
        let east = east.clone();
        async move { send(&east, "system", "1").await }
    });
    sleep(Duration::from_secs(1)).await;
    east.play(&Scenario::HostDown { lasts_ms: 1_000 });
    let lost = sending.await.expect("no panic");
    assert!(matches!(lost, Err(GatewayError::Broken(_))), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn any_of_them_takes_orders_for_all() {
    let (east, west) = two();
    let order = json!({"scenario": "cold_session", "session": "session-3"});
    let (status, summary) = ask(&east, "POST /sim/faults", order).await;
    assert_eq!((status, &summary["name"]), (200, &json!("west")));
    assert_eq!(summary["sessions"][0]["state"], "absent");
    assert_eq!(summary["gateways"], json!(["east", "west"]));

    let state = json!({"state": "online"});
    let (status, summary) = ask(&east, "POST /sim/session/session-3", state).await;
    assert_eq!(
        (status, &summary["sessions"][0]["state"]),
        (200, &json!("online"))
    );

    let order = json!({"scenario": "host_down", "gateway": "west"});
    ask(&east, "POST /sim/faults", order).await;
    for (name, host) in [("east", "up"), ("west", "down")] {
        let line = format!("GET /sim/state?gateway={name}");
        let (_, summary) = ask(&east, &line, json!(null)).await;
        assert_eq!(
            (&summary["host"], &summary["gateway"]),
            (&json!(host), &json!(host))
        );
    }
    assert!(send(&west, "session-3", "1").await.is_err());
    let (status, refusal) = ask(&east, "GET /sim/calls?gateway=north", json!(null)).await;
    assert_eq!(
        (status, &refusal["accepted"]),
        (404, &json!(["east", "west"]))
    );
}

#[tokio::test]
async fn each_has_a_port_of_its_own() {
    let east = Served::new(options("east", &["system"])).await;
    let west = Served::of(east.simulator.beside(options("west", &["session-2"]))).await;
    // What stands in front of the gateway is on its host, too.
    east.simulator.play(&Scenario::Proxy);
    east.simulator
        .play(&Scenario::HostDown { lasts_ms: 60_000 });
    let token = SessionToken::new("token-session-2");
    west.client
        .send_text(&token, &text("1"), WITHIN)
        .await
        .expect("sent");
    let mut tries = 0;
    let token = SessionToken::new("token-system");
    while !matches!(
        east.client.status(&token, WITHIN).await,
        Err(GatewayError::Unreachable(_))
    ) {
        tries += 1;
        assert!(tries < 1_000, "the port stays open");
        sleep(Duration::from_millis(5)).await;
    }
    // Whoever is left heals it.
    let order = r#"{"scenario":"healthy","gateway":"east"}"#;
    west.raw("POST /sim/faults", "", order).await;
    while east.client.status(&token, WITHIN).await.is_err() {
        tries += 1;
        assert!(tries < 2_000, "the port stays closed");
        sleep(Duration::from_millis(5)).await;
    }
}
