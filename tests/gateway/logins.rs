//! How a session of the simulator comes to be usable and ceases to be, as the real gateway does it, under paused time.
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use local::simulator::{
    LoginRefusal, Network, Profile, Scenario, SessionOptions, SessionState, Simulator,
    SimulatorOptions, router,
};
use shared::gateway::{GatewayError, SessionToken, TextMessage};
use shared::model::phone::Phone;
use shared::model::texts::MessageBody;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

const WITHIN: Duration = Duration::from_secs(600);
const PROFILES: [Profile; 4] = [Profile::A, Profile::B, Profile::C, Profile::D];
const GUARDED: &str = "409 session is already starting or active";
const CONNECTED: &str = "500 already connected";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn simulator(profile: Profile) -> Simulator {
    let options = SimulatorOptions {
        profile,
        send_duration: ms(10),
        ..SimulatorOptions::default()
    };
    Simulator::new(options.with_dial_and_login(ms(700), ms(300)))
}

fn token() -> SessionToken {
    SessionToken::new("system-session-token")
}

/// What an answer says, in one line.
fn line<T>(answer: Result<T, GatewayError>, good: impl FnOnce(T) -> String) -> String {
    match answer {
        Ok(answer) => good(answer),
        Err(GatewayError::Refused { status, error }) => {
            let error = error.replace("error sending message: ", "");
            format!("{status} {error}")
        }
        Err(GatewayError::Unreachable(_)) => "unreachable".into(),
        Err(GatewayError::Broken(_)) => "broken".into(),
        Err(error) => error.to_string(),
    }
}

async fn flags(simulator: &Simulator) -> String {
    let shown = |flag: bool| if flag { "t" } else { "f" };
    line(
        simulator.gateway().status(&token(), WITHIN).await,
        |status| format!("{}/{}", shown(status.connected), shown(status.logged_in)),
    )
}

async fn connect(simulator: &Simulator) -> String {
    line(simulator.gateway().connect(&token(), WITHIN).await, |()| {
        "ok".into()
    })
}

async fn disconnect(simulator: &Simulator) -> String {
    line(
        simulator.gateway().disconnect(&token(), WITHIN).await,
        |()| "ok".into(),
    )
}

async fn qr(simulator: &Simulator) -> String {
    line(
        simulator.gateway().qr(&token(), WITHIN).await,
        |code| match code {
            Some(_) => "a code".into(),
            None => "no code".into(),
        },
    )
}

async fn send(simulator: &Simulator, id: &str) -> String {
    let message = TextMessage {
        phone: Phone::parse("08123456789").expect("a phone"),
        jid: None,
        body: MessageBody("Your code is 123456".into()),
        id: id.into(),
    };
    line(
        simulator
            .gateway()
            .send_text(&token(), &message, WITHIN)
            .await,
        |_| "sent".into(),
    )
}

/// What something answers and how long that takes.
async fn timed<T>(answer: impl Future<Output = T>) -> (T, u128) {
    let began = Instant::now();
    let answer = answer.await;
    (answer, began.elapsed().as_millis())
}

fn in_background(
    simulator: &Simulator,
    id: &'static str,
) -> tokio::task::JoinHandle<(String, u128)> {
    let simulator = simulator.clone();
    tokio::spawn(async move { timed(send(&simulator, id)).await })
}

#[tokio::test(start_paused = true)]
async fn every_call_waits_for_a_dial_and_only_a_answers_a_connect_meanwhile() {
    for profile in PROFILES {
        let simulator = simulator(profile);
        simulator.play(&Scenario::ColdSession);
        assert_eq!(connect(&simulator).await, "ok");
        let again = timed(connect(&simulator));
        let (again, status, code) =
            tokio::join!(again, timed(flags(&simulator)), timed(qr(&simulator)));
        let waits = if profile == Profile::A { 0 } else { 700 };
        assert_eq!(again, (CONNECTED.into(), waits), "{profile:?}");
        assert_eq!(status, ("t/f".into(), 700), "{profile:?}");
        assert_eq!(code, ("no code".into(), 700), "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_for_dial_and_login_and_then_works() {
    for profile in PROFILES {
        let simulator = simulator(profile);
        simulator.play(&Scenario::ColdSession);
        assert_eq!(connect(&simulator).await, "ok");
        let sent = timed(send(&simulator, "1")).await;
        assert_eq!(sent, ("sent".into(), 1_010), "{profile:?}");
        assert_eq!(flags(&simulator).await, "t/t");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_process_logs_in_anew() {
    let simulator = simulator(Profile::B);
    simulator.play(&Scenario::GatewayDown { lasts_ms: 5_000 });
    assert_eq!(flags(&simulator).await, "unreachable");
    sleep(ms(5_000)).await;
    assert_eq!(timed(flags(&simulator)).await, ("t/f".into(), 700));
    sleep(ms(300)).await;
    assert_eq!(flags(&simulator).await, "t/t");
}

#[tokio::test(start_paused = true)]
async fn a_scan_logs_in_like_a_connect() {
    let simulator = simulator(Profile::B);
    simulator
        .set_state("system", SessionState::Paired)
        .expect("a session");
    sleep(ms(100)).await;
    assert_eq!(flags(&simulator).await, "t/f");
    assert_eq!(qr(&simulator).await, "no code");
    sleep(ms(300)).await;
    assert_eq!(flags(&simulator).await, "t/t");
}

#[tokio::test(start_paused = true)]
async fn a_drop_with_the_network_there_shows_in_nothing_but_time() {
    for profile in PROFILES {
        let simulator = simulator(profile);
        simulator.set_dial_and_login(ms(0), ms(2_000));
        simulator.play(&Scenario::Drop);
        assert_eq!(flags(&simulator).await, "t/t", "{profile:?}");
        assert_eq!(connect(&simulator).await, CONNECTED, "{profile:?}");
        let sent = timed(send(&simulator, "1")).await;
        assert_eq!(sent, ("sent".into(), 2_010), "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_library_tries_again_at_2_6_12_and_20_seconds() {
    for (away, back) in [
        (1_000, 2_000),
        (5_000, 6_000),
        (6_001, 12_000),
        (13_000, 20_000),
    ] {
        let simulator = simulator(Profile::A);
        let lasts_ms = Some(away);
        simulator.play(&Scenario::WhatsappUnreachable { lasts_ms });
        let began = Instant::now();
        assert_eq!(flags(&simulator).await, "f/t");
        let (sent, took) = timed(send(&simulator, "1")).await;
        assert!(sent.ends_with("websocket not connected"), "{sent}");
        assert_eq!(took, 0);
        while flags(&simulator).await == "f/t" {
            sleep(ms(1)).await;
        }
        let dialled = began.elapsed().as_millis();
        assert_eq!(dialled, back + 700, "{away}");
        assert_eq!(timed(send(&simulator, "1")).await, ("sent".into(), 310));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_while_whatsapp_cannot_be_reached_ends_a_and_b_with_all_sessions() {
    // The profile, then what a connect says from absent and beside a client that reconnects.
    for (profile, absent, sleeping) in [
        (Profile::A, "unreachable", "f/t"),
        (Profile::B, "unreachable", "unreachable"),
        (Profile::C, "f/f", "f/f"),
        (Profile::D, "f/f", "f/t"),
    ] {
        for (cold, expected) in [(true, absent), (false, sleeping)] {
            let simulator = simulator(profile);
            if cold {
                simulator.play(&Scenario::ColdSession);
            }
            simulator.set_network(Network::Unreachable);
            connect(&simulator).await;
            assert_eq!(flags(&simulator).await, expected, "{profile:?} {cold}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_finds_no_whatsapp_dies_at_each_start_until_it_is_back() {
    let simulator = simulator(Profile::B);
    let lasts_ms = Some(12_000);
    simulator.play(&Scenario::WhatsappUnreachable { lasts_ms });
    assert_eq!(connect(&simulator).await, "ok");
    sleep(ms(14_000)).await;
    assert_eq!(flags(&simulator).await, "unreachable");
    assert_eq!(simulator.processes_ended(), 3);
    sleep(ms(2_000)).await;
    assert_eq!(flags(&simulator).await, "t/t");
}

#[tokio::test(start_paused = true)]
async fn a_dial_into_a_black_hole_holds_up_everything_until_it_is_over() {
    for (profile, ends) in [
        (Profile::A, 25_000),
        (Profile::B, 25_000),
        (Profile::D, 10_000),
    ] {
        let simulator = simulator(profile);
        let lasts_ms = Some(25_000);
        simulator.play(&Scenario::WhatsappBlackHole { lasts_ms });
        let (status, sent) = tokio::join!(timed(flags(&simulator)), timed(send(&simulator, "1")));
        assert_eq!(status, ("f/t".into(), ends), "{profile:?}");
        assert!(sent.0.ends_with("websocket not connected"), "{sent:?}");
        assert_eq!(sent.1, ends, "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_beside_a_sleeping_client_is_usable_for_seconds_and_then_dead() {
    for profile in [Profile::B, Profile::C] {
        let simulator = simulator(profile);
        simulator.set_dial_and_login(ms(50), ms(50));
        let lasts_ms = Some(2_500);
        simulator.play(&Scenario::WhatsappUnreachable { lasts_ms });
        sleep(ms(3_000)).await;
        assert_eq!(connect(&simulator).await, "ok");
        sleep(ms(100)).await;
        assert_eq!(flags(&simulator).await, "t/t", "{profile:?}");
        sleep(ms(2_899)).await;
        assert_eq!(flags(&simulator).await, "t/t", "{profile:?}");
        sleep(ms(101)).await;
        assert_eq!(flags(&simulator).await, "f/f", "{profile:?}");
        sleep(ms(60_000)).await;
        assert_eq!(flags(&simulator).await, "f/f", "{profile:?}");
        assert_eq!(connect(&simulator).await, "ok");
        sleep(ms(60_000)).await;
        assert_eq!(flags(&simulator).await, "t/t", "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_a_restart_heals_in_a_and_d_one_connect_heals_in_b_and_c() {
    let refused = |code| Scenario::LoginRefused {
        code,
        lasts_ms: Some(60_000),
    };
    for (scenario, shown) in [
        (Scenario::Replaced, "f/f"),
        (refused(LoginRefusal::Banned), "f/t"),
        (refused(LoginRefusal::Outdated), "f/t"),
        (refused(LoginRefusal::Unknown), "f/t"),
    ] {
        for (profile, says) in [
            (Profile::A, CONNECTED),
            (Profile::B, "ok"),
            (Profile::C, "ok"),
            (Profile::D, GUARDED),
        ] {
            let simulator = simulator(profile);
            simulator.play(&scenario);
            assert_eq!(flags(&simulator).await, shown, "{profile:?} {scenario:?}");
            sleep(ms(120_000)).await;
            assert_eq!(flags(&simulator).await, shown, "{profile:?} {scenario:?}");
            assert_eq!(connect(&simulator).await, says, "{profile:?} {scenario:?}");
            sleep(ms(5_000)).await;
            let healed = if says == "ok" { "t/t" } else { shown };
            assert_eq!(flags(&simulator).await, healed, "{profile:?} {scenario:?}");
            simulator.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
            sleep(ms(2_000)).await;
            assert_eq!(flags(&simulator).await, "t/t", "{profile:?} {scenario:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_flickers() {
    let simulator = simulator(Profile::B);
    simulator.play(&Scenario::ColdSession);
    simulator.play(&Scenario::Banned);
    assert_eq!(connect(&simulator).await, "ok");
    assert_eq!(timed(flags(&simulator)).await, ("t/f".into(), 700));
    sleep(ms(49)).await;
    assert_eq!(flags(&simulator).await, "t/f");
    sleep(ms(1)).await;
    assert_eq!(flags(&simulator).await, "f/f");
}

#[tokio::test(start_paused = true)]
async fn after_503_the_library_tries_again_with_flickers_until_it_is_let_in() {
    let simulator = simulator(Profile::A);
    simulator.set_dial_and_login(ms(0), ms(300));
    let code = LoginRefusal::Unavailable;
    let lasts_ms = Some(5_000);
    simulator.play(&Scenario::LoginRefused { code, lasts_ms });
    // The library's waits begin when a login was refused.
    for (after, shown) in [
        (0, "t/t"),
        (50, "f/t"),
        (2_050, "t/t"),
        (2_100, "f/t"),
        (6_100, "t/t"),
    ] {
        let elapsed = simulator.calls().calls.back().map_or(0, |call| call.at_ms);
        sleep(ms(after - elapsed)).await;
        assert_eq!(flags(&simulator).await, shown, "{after}");
    }
    sleep(ms(300)).await;
    assert_eq!(flags(&simulator).await, "t/t");
    assert_eq!(connect(&simulator).await, CONNECTED);
}

#[tokio::test(start_paused = true)]
async fn d_refuses_a_connect_for_a_second_after_a_disconnect() {
    let simulator = simulator(Profile::D);
    assert_eq!(disconnect(&simulator).await, "ok");
    sleep(ms(999)).await;
    assert_eq!(connect(&simulator).await, GUARDED);
    sleep(ms(1)).await;
    assert_eq!(connect(&simulator).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_session_carries_its_queue_out_minutes_late() {
    let simulator = simulator(Profile::A);
    simulator.play(&Scenario::HalfOpen {
        sends: None,
        delivered: false,
    });
    let sends = ["1", "2", "3"].map(|id| in_background(&simulator, id));
    let mut seen = vec![];
    for sent in sends {
        seen.push(sent.await.expect("no panic"));
    }
    let no_ack = "500 timed out waiting for message send response";
    assert_eq!(seen[0], (no_ack.into(), 75_000));
    assert_eq!(seen[1], ("broken".into(), 150_000));
    assert_eq!(seen[2].0, "broken", "it took more than 120 s");
    let arrived: Vec<_> = simulator.messages(None);
    let arrived: Vec<_> = arrived.iter().map(|m| (m.id.as_str(), m.at_ms)).collect();
    assert_eq!(arrived, [("3", 191_010)]);
}

#[tokio::test(start_paused = true)]
async fn disconnect_and_connect_end_a_half_open_session_at_once() {
    for profile in PROFILES {
        let simulator = simulator(profile);
        simulator.play(&Scenario::HalfOpen {
            sends: None,
            delivered: false,
        });
        let waiting = in_background(&simulator, "1");
        sleep(ms(3_000)).await;
        assert_eq!(disconnect(&simulator).await, "ok");
        sleep(ms(1_000)).await;
        assert_eq!(connect(&simulator).await, "ok");
        assert_eq!(send(&simulator, "2").await, "sent");
        let cut_off = "500 websocket disconnected before message send returned response";
        let seen = waiting.await.expect("no panic");
        assert_eq!(seen, (cut_off.into(), 8_000), "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_session_that_its_library_gave_up_needs_a_connect() {
    let simulator = simulator(Profile::B);
    simulator.play(&Scenario::HalfOpenGivenUp);
    assert_eq!(flags(&simulator).await, "t/t");
    sleep(ms(600_000)).await;
    assert_eq!(flags(&simulator).await, "f/t");
    assert_eq!(connect(&simulator).await, "ok");
    assert_eq!(send(&simulator, "1").await, "sent");
}

#[tokio::test(start_paused = true)]
async fn a_dead_queue_hangs_until_disconnect_and_connect_or_the_next_drop() {
    for by_drop in [false, true] {
        let simulator = simulator(Profile::B);
        simulator.play(&Scenario::DeadQueue { delivered: true });
        let first = in_background(&simulator, "1");
        sleep(ms(5_000)).await;
        let second = in_background(&simulator, "2");
        sleep(ms(100_000)).await;
        assert_eq!(flags(&simulator).await, "t/t");
        assert!(!first.is_finished() && !second.is_finished());
        if by_drop {
            simulator.play(&Scenario::Drop);
        } else {
            assert_eq!(disconnect(&simulator).await, "ok");
            assert_eq!(connect(&simulator).await, "ok");
        }
        assert_eq!(send(&simulator, "3").await, "sent", "{by_drop}");
        let again = "500 websocket disconnected before message send (retry) returned response";
        assert_eq!(first.await.expect("no panic").0, again, "{by_drop}");
        let second = second.await.expect("no panic").0;
        let old_client =
            "500 failed to get device list: failed to send usync query: websocket not connected";
        assert_eq!(second, if by_drop { "sent" } else { old_client });
    }
}

#[tokio::test(start_paused = true)]
async fn an_unlinked_session_is_unpaired_for_a_moment_and_then_gone() {
    for profile in PROFILES {
        let simulator = simulator(profile);
        simulator.play(&Scenario::Unlinked);
        assert_eq!(flags(&simulator).await, "f/f");
        let unpaired = "500 the store doesn't contain a device jid";
        assert_eq!(send(&simulator, "1").await, unpaired, "{profile:?}");
        sleep(ms(900)).await;
        assert_eq!(send(&simulator, "1").await, "500 no session", "{profile:?}");
        assert_eq!(connect(&simulator).await, "ok");
        assert_eq!(flags(&simulator).await, "t/f");
        sleep(ms(100)).await;
        assert_eq!(qr(&simulator).await, "a code");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_never_paired_shows_no_flags_and_says_it_to_a_send() {
    let simulator = simulator(Profile::B);
    simulator.play(&Scenario::Unpaired);
    assert_eq!(flags(&simulator).await, "f/f");
    let unpaired = "500 the store doesn't contain a device jid";
    assert_eq!(send(&simulator, "1").await, unpaired);
    assert_eq!(qr(&simulator).await, "500 not connected");
}

#[tokio::test(start_paused = true)]
async fn a_busy_store_refuses_in_c_and_d_and_loses_the_text_in_a_and_b() {
    let busy = "500 failed to fetch lid mappings: database is locked (5) (sqlite_busy)";
    for profile in PROFILES {
        let simulator = simulator(profile);
        simulator.play(&Scenario::StoreBusy { rate: 0.5 });
        let seen = [send(&simulator, "1").await, send(&simulator, "2").await];
        let loses = matches!(profile, Profile::A | Profile::B);
        let second = if loses { "sent" } else { busy };
        assert_eq!(seen, ["sent", second], "{profile:?}");
        assert_eq!(simulator.messages(None).len(), 1, "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_without_devices_is_accepted_in_a_and_b_and_refused_in_c_and_d() {
    for profile in PROFILES {
        for migrated in [true, false] {
            let simulator = simulator(profile);
            let phones = vec!["0812 3456 789".into()];
            simulator.play(&Scenario::NoDevices { phones, migrated });
            let refuses = matches!(profile, Profile::C | Profile::D) && migrated;
            let seen = send(&simulator, "1").await;
            assert_eq!(seen == "sent", !refuses, "{profile:?} {migrated} {seen}");
            assert!(simulator.messages(None).is_empty());
        }
    }
}

/// The status of a request without a token, and how long it takes.
async fn get(simulator: &Simulator, path: &str) -> (u16, u128) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = router(simulator.clone()).oneshot(request);
    let (answer, took) = timed(answer).await;
    (answer.expect("an answer").status().as_u16(), took)
}

#[tokio::test(start_paused = true)]
async fn a_list_of_users_waits_for_every_dial_and_only_the_root_answers_always() {
    for profile in PROFILES {
        let mut options = SimulatorOptions {
            profile,
            ..SimulatorOptions::default()
        };
        options.sessions.push(SessionOptions::new("other", "other"));
        let simulator = Simulator::new(options.with_dial_and_login(ms(3_000), ms(100)));
        let absent = simulator.set_state("system", SessionState::Absent);
        absent.expect("a session");
        assert_eq!(connect(&simulator).await, "ok");
        let other = SessionToken::new("other");
        let (status, took) = timed(simulator.gateway().status(&other, WITHIN)).await;
        assert!(status.is_ok());
        assert_eq!(took, 0, "nothing holds up the other session: {profile:?}");
        assert_eq!(get(&simulator, "/").await, (404, 0), "{profile:?}");

        let admin = SessionToken::new("gateway-admin-token");
        let newer = matches!(profile, Profile::C | Profile::D);
        let gateway = simulator.gateway();
        let list = timed(gateway.users(&admin, WITHIN));
        let health = get(&simulator, "/health");
        let status = timed(gateway.status(&other, WITHIN));
        let (list, health, status) = tokio::join!(list, health, status);
        assert!(list.0.is_ok());
        assert_eq!(list.1, 3_000, "{profile:?}");
        let expected = if newer { (200, 3_000) } else { (404, 0) };
        assert_eq!(health, expected, "{profile:?}");
        let held_up = if newer { 3_000 } else { 0 };
        assert_eq!(status.1, held_up, "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b_dies_of_an_unlinked_session_that_tells_every_event() {
    for (events, dies) in [("All", true), ("Message", false)] {
        let simulator = simulator(Profile::B);
        simulator.play(&Scenario::ColdSession);
        let body = format!(r#"{{"Subscribe":["{events}"],"Immediate":true}}"#);
        let request = Request::post("/session/connect").header("token", "system-session-token");
        let request = request.body(Body::from(body)).expect("a request");
        let answer = router(simulator.clone()).oneshot(request).await;
        assert!(answer.is_ok());
        sleep(ms(2_000)).await;
        simulator.play(&Scenario::Unlinked);
        sleep(ms(900)).await;
        let seen = flags(&simulator).await;
        assert_eq!(seen == "unreachable", dies, "{events}: {seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_breaks_while_a_text_is_written_says_that_it_was_not_sent() {
    for (profile, text) in [
        (Profile::B, "connection reset by peer"),
        (Profile::D, "frame socket is closed"),
    ] {
        let simulator = simulator(profile);
        simulator.play(&Scenario::SocketBreaks { sends: 1 });
        let seen = send(&simulator, "1").await;
        assert!(seen.ends_with(text), "{profile:?}: {seen}");
        assert!(simulator.messages(None).is_empty(), "{profile:?}");
        assert_eq!(send(&simulator, "1").await, "sent", "{profile:?}");
    }
}
