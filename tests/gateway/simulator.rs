//! The simulator's state machine through its direct face, under paused time.
use std::time::Duration;

use local::simulator::{
    LostAnswer, Profile, Scenario, SessionOptions, SessionState, Simulator, SimulatorOptions,
};
use shared::gateway::{GatewayError, SessionToken, TextMessage};
use shared::model::phone::Phone;
use shared::model::texts::MessageBody;
use tokio::time::{Instant, sleep};

const WITHIN: Duration = Duration::from_secs(200);

fn simulator() -> Simulator {
    Simulator::new(SimulatorOptions::default())
}

fn token() -> SessionToken {
    SessionToken::new("system-session-token")
}

fn text(id: &str) -> TextMessage {
    TextMessage {
        phone: Phone::parse("08123456789").expect("a phone"),
        jid: None,
        body: MessageBody("Your code is 123456".into()),
        id: id.into(),
    }
}

async fn flags(simulator: &Simulator) -> (bool, bool) {
    let status = simulator
        .gateway()
        .status(&token(), WITHIN)
        .await
        .expect("a status");
    (status.connected, status.logged_in)
}

/// Sends and says how: `sent`, or the end of the error.
async fn send(simulator: &Simulator, id: &str) -> String {
    match simulator
        .gateway()
        .send_text(&token(), &text(id), WITHIN)
        .await
    {
        Ok(accepted) => {
            assert_eq!(accepted.id, id);
            "sent".into()
        }
        Err(GatewayError::Refused { error, .. }) => error.replace("error sending message: ", ""),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_absent_session_comes_back_a_second_after_connect() {
    let simulator = simulator();
    simulator.play(&Scenario::ColdSession);
    assert_eq!(flags(&simulator).await, (false, false));
    assert_eq!(send(&simulator, "1").await, "no session");
    simulator
        .gateway()
        .connect(&token(), WITHIN)
        .await
        .expect("taken");
    let began = Instant::now();
    assert_eq!(
        flags(&simulator).await,
        (true, false),
        "once it has dialled"
    );
    assert_eq!(began.elapsed().as_millis(), 700);
    sleep(Duration::from_millis(299)).await;
    assert_eq!(flags(&simulator).await, (true, false));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(flags(&simulator).await, (true, true));
    assert_eq!(send(&simulator, "1").await, "sent");
    assert_eq!(simulator.messages(None).len(), 1);
    assert_eq!(simulator.calls().count("/session/connect"), 1);
}

#[tokio::test(start_paused = true)]
async fn sends_of_a_session_go_one_at_a_time_even_when_their_caller_left() {
    let simulator = simulator();
    simulator.play(&Scenario::SendQueue { each_ms: 1_000 });
    let began = Instant::now();
    let impatient = simulator
        .gateway()
        .send_text(&token(), &text("1"), Duration::from_millis(10))
        .await;
    assert_eq!(impatient, Err(GatewayError::TimedOut));
    let (second, third) = (text("2"), text("3"));
    let (token, gateway) = (token(), simulator.gateway());
    let (second, third) = tokio::join!(
        gateway.send_text(&token, &second, WITHIN),
        gateway.send_text(&token, &third, WITHIN),
    );
    assert!(second.is_ok() && third.is_ok());
    assert_eq!(began.elapsed().as_millis(), 3_000);
    let arrived: Vec<_> = simulator.messages(None).iter().map(|m| m.at_ms).collect();
    assert_eq!(arrived, [1_000, 2_000, 3_000]);
}

#[tokio::test(start_paused = true)]
async fn two_sessions_send_side_by_side() {
    let simulator = Simulator::new(SimulatorOptions {
        sessions: vec![
            SessionOptions::new("a", "ta"),
            SessionOptions::new("b", "tb"),
        ],
        ..SimulatorOptions::default()
    });
    let began = Instant::now();
    let (a, b) = (SessionToken::new("ta"), SessionToken::new("tb"));
    let (first, second) = (text("1"), text("2"));
    let gateway = simulator.gateway();
    let sent = tokio::join!(
        gateway.send_text(&a, &first, WITHIN),
        gateway.send_text(&b, &second, WITHIN),
    );
    assert!(sent.0.is_ok() && sent.1.is_ok());
    assert_eq!(began.elapsed().as_millis(), 400);
    let duplicates: Vec<_> = simulator
        .messages(None)
        .iter()
        .map(|m| m.duplicate)
        .collect();
    assert_eq!(duplicates, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_token_is_unauthorized() {
    let stranger = SessionToken::new("x");
    let refused = simulator().gateway().status(&stranger, WITHIN).await;
    let (status, error) = (401, "unauthorized".to_owned());
    assert_eq!(refused, Err(GatewayError::Refused { status, error }));
}

#[tokio::test(start_paused = true)]
async fn a_blip_heals_by_itself() {
    let simulator = simulator();
    simulator.play(&Scenario::NetworkBlip { lasts_ms: 3_000 });
    assert_eq!(flags(&simulator).await, (false, true));
    assert!(
        send(&simulator, "1")
            .await
            .ends_with("websocket not connected")
    );
    sleep(Duration::from_secs(3)).await;
    assert_eq!(send(&simulator, "1").await, "sent");
}

#[tokio::test(start_paused = true)]
async fn two_clients_fight_until_both_are_dead() {
    let simulator = simulator();
    simulator.play(&Scenario::ReconnectFight);
    let mut seen = vec![];
    for _ in 0..6 {
        seen.push(flags(&simulator).await);
        sleep(Duration::from_secs(2)).await;
    }
    let (up, down) = ((true, true), (false, true));
    assert_eq!(seen, [up, down, up, down, up, (false, false)]);
    simulator
        .gateway()
        .connect(&token(), WITHIN)
        .await
        .expect("heals");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(send(&simulator, "1").await, "sent");
}

#[tokio::test(start_paused = true)]
async fn a_stuck_object_refuses_connect_until_the_gateway_restarts() {
    let simulator = simulator();
    simulator.play(&Scenario::StuckObject { logged_in: true });
    assert_eq!(flags(&simulator).await, (false, true));
    let refused = simulator.gateway().connect(&token(), WITHIN).await;
    let (status, error) = (500, "already connected".to_owned());
    assert_eq!(refused, Err(GatewayError::Refused { status, error }));
    simulator.play(&Scenario::GatewayDown { lasts_ms: 5_000 });
    let refused = simulator.gateway().connect(&token(), WITHIN).await;
    assert!(
        matches!(refused, Err(GatewayError::Unreachable(_))),
        "{refused:?}"
    );
    sleep(Duration::from_secs(6)).await;
    assert_eq!(send(&simulator, "1").await, "sent");
}

#[tokio::test(start_paused = true)]
async fn a_dead_object_heals_with_connect_but_not_in_profiles_a_and_d() {
    for (profile, heals) in [
        (Profile::A, false),
        (Profile::B, true),
        (Profile::C, true),
        (Profile::D, false),
    ] {
        let simulator = Simulator::new(SimulatorOptions {
            profile,
            ..SimulatorOptions::default()
        });
        simulator.play(&Scenario::DeadObject { logged_in: false });
        assert_eq!(
            simulator.gateway().connect(&token(), WITHIN).await.is_ok(),
            heals
        );
        sleep(Duration::from_secs(1)).await;
        assert_eq!(flags(&simulator).await, (heals, heals), "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_for_one_send() {
    let simulator = simulator();
    simulator.play(&Scenario::HalfOpen {
        sends: Some(1),
        delivered: true,
    });
    assert_eq!(flags(&simulator).await, (true, true));
    let began = Instant::now();
    assert_eq!(
        send(&simulator, "1").await,
        "timed out waiting for message send response"
    );
    assert_eq!(began.elapsed().as_secs(), 75);
    assert_eq!(send(&simulator, "1").await, "sent");
    let [message] = &simulator.messages(None)[..] else {
        panic!("one message")
    };
    assert_eq!((message.resent, message.duplicate), (1, false));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_lost_with_its_socket() {
    let simulator = simulator();
    simulator.play(&Scenario::AckLost {
        sends: 1,
        delivered: false,
        lasts_ms: 8_000,
    });
    assert_eq!(
        send(&simulator, "1").await,
        "websocket disconnected before message send returned response"
    );
    assert!(simulator.messages(None).is_empty());
    sleep(Duration::from_secs(3)).await;
    assert_eq!(send(&simulator, "1").await, "sent");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_back_in_time_saves_its_send() {
    let simulator = simulator();
    simulator.play(&Scenario::AckLost {
        sends: 1,
        delivered: true,
        lasts_ms: 2_000,
    });
    assert_eq!(send(&simulator, "1").await, "sent");
    assert_eq!(simulator.messages(None)[0].resent, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_after_delivery() {
    for (how, seen) in [
        (
            LostAnswer::Closed,
            "the gateway's answer was lost: connection closed",
        ),
        (LostAnswer::Proxy504, "a proxy answered 504"),
    ] {
        let simulator = simulator();
        simulator.play(&Scenario::AnswerLost {
            sends: 1,
            how,
            after_ms: 0,
        });
        let answer = send(&simulator, "1").await;
        assert!(answer.starts_with(seen), "{answer}");
        assert_eq!(simulator.messages(None).len(), 1);
        assert_eq!(send(&simulator, "1").await, "sent");
        assert_eq!(simulator.messages(None)[0].resent, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_cuts_off_who_waits_and_what_was_not_sent_yet() {
    let simulator = simulator();
    simulator.play(&Scenario::SendQueue { each_ms: 5_000 });
    let sending = tokio::spawn({
        let simulator = simulator.clone();
        async move { send(&simulator, "1").await }
    });
    sleep(Duration::from_secs(1)).await;
    simulator.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
    let seen = sending.await.expect("no panic");
    assert!(seen.starts_with("the gateway's answer was lost"), "{seen}");
    sleep(Duration::from_secs(20)).await;
    assert!(simulator.messages(None).is_empty());
}

#[tokio::test(start_paused = true)]
async fn silent_loss_is_accepted_and_does_not_arrive() {
    let simulator = simulator();
    simulator.play(&Scenario::SilentLoss { rate: 0.5 });
    for id in ["1", "2", "3", "4"] {
        assert_eq!(send(&simulator, id).await, "sent");
    }
    let arrived: Vec<_> = simulator
        .messages(None)
        .iter()
        .map(|m| m.id.clone())
        .collect();
    assert_eq!(arrived, ["1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_not_on_whatsapp() {
    let simulator = simulator();
    simulator.play(&Scenario::NotOnWhatsapp {
        phones: vec!["0812 3456 789".into()],
        taken: false,
    });
    let checks = simulator
        .gateway()
        .check_users(&token(), &[text("1").phone], WITHIN)
        .await;
    assert!(checks.is_ok_and(|checks| !checks[0].on_whatsapp));
    let seen = send(&simulator, "1").await;
    assert!(seen.starts_with("no lid found for"), "{seen}");
    assert!(!seen.contains("628123456789"), "the number is masked");
}

#[tokio::test(start_paused = true)]
async fn a_logged_out_session_waits_for_a_scan_that_ends_unused() {
    let simulator = simulator();
    simulator
        .gateway()
        .logout(&token(), WITHIN)
        .await
        .expect("logged out");
    assert_eq!(flags(&simulator).await, (false, false));
    simulator
        .gateway()
        .connect(&token(), WITHIN)
        .await
        .expect("taken");
    assert_eq!(flags(&simulator).await, (true, false));
    assert_eq!(simulator.gateway().qr(&token(), WITHIN).await, Ok(None));
    sleep(Duration::from_millis(300)).await;
    assert_eq!(
        send(&simulator, "1").await,
        "the store doesn't contain a device jid"
    );
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..160 {
        sleep(Duration::from_millis(990)).await;
        codes.insert(
            simulator
                .gateway()
                .qr(&token(), WITHIN)
                .await
                .expect("a code"),
        );
    }
    assert_eq!(codes.len(), 6);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(simulator.state("system"), Ok(SessionState::Absent));
}

#[tokio::test(start_paused = true)]
async fn a_zombie_is_replaced_by_connect() {
    let simulator = simulator();
    simulator.play(&Scenario::Zombie);
    assert_eq!(send(&simulator, "1").await, "no session");
    simulator
        .gateway()
        .connect(&token(), WITHIN)
        .await
        .expect("taken");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(flags(&simulator).await, (true, true));
}

#[tokio::test(start_paused = true)]
async fn a_connect_can_crash_the_gateway_for_every_session() {
    let simulator = simulator();
    simulator.play(&Scenario::ColdSession);
    simulator.play(&Scenario::CrashOnConnect { down_ms: 5_000 });
    simulator
        .gateway()
        .connect(&token(), WITHIN)
        .await
        .expect("answered first");
    let status = simulator.gateway().status(&token(), WITHIN).await;
    assert!(
        matches!(status, Err(GatewayError::Unreachable(_))),
        "{status:?}"
    );
    sleep(Duration::from_secs(6)).await;
    assert_eq!(flags(&simulator).await, (true, true));
}

#[tokio::test(start_paused = true)]
async fn disconnecting_during_the_qr_wait_hangs_in_profile_b() {
    let simulator = simulator();
    simulator.play(&Scenario::QrNotScanned);
    let hangs = simulator
        .gateway()
        .disconnect(&token(), Duration::from_secs(2))
        .await;
    assert_eq!(hangs, Err(GatewayError::TimedOut));
    assert_eq!(flags(&simulator).await, (false, false));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_gives_up_after_thirty_seconds_while_the_gateway_goes_on() {
    let simulator = simulator();
    simulator.play(&Scenario::Proxy);
    simulator.play(&Scenario::SendQueue { each_ms: 40_000 });
    let began = Instant::now();
    let seen = send(&simulator, "1").await;
    assert!(seen.starts_with("a proxy answered 504"), "{seen}");
    assert_eq!(began.elapsed().as_secs(), 30);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(simulator.messages(None).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_limits_a_burst() {
    let simulator = simulator();
    simulator.play(&Scenario::Proxy);
    let mut limited = 0;
    for _ in 0..30 {
        let status = simulator.gateway().status(&token(), WITHIN).await;
        limited += u32::from(matches!(
            status,
            Err(GatewayError::Proxy { status: 503, .. })
        ));
    }
    assert_eq!(limited, 9);
}
