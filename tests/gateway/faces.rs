//! Both faces give the same answers, and they are those of the gateway's contract.
use std::time::Duration;

use local::simulator::{LostAnswer, Profile, Scenario, SessionState, Simulator, SimulatorOptions};
use shared::gateway::{Gateway, GatewayError};

use crate::harness::{Served, phone, text, token};

const PROFILES: [Profile; 4] = [Profile::A, Profile::B, Profile::C, Profile::D];
const LIFE: Duration = Duration::from_secs(600);
/// Enough for every answer at the time scale of these tests, and not for one that never comes.
const WITHIN: Duration = Duration::from_millis(1_500);

#[derive(Clone, Copy, Debug)]
enum Ask {
    Status,
    Connect,
    Disconnect,
    Logout,
    Qr,
    Pair,
    Send,
    Check,
    Users,
}

/// What a face answers, in one line. What happened to a connection is told in each face's own words, so they are left out.
async fn ask(face: &Gateway, ask: Ask) -> String {
    let token = token();
    let answer = match ask {
        Ask::Status => face
            .status(&token, WITHIN)
            .await
            .map(|status| format!("{status:?}")),
        Ask::Connect => face.connect(&token, WITHIN).await.map(|()| "ok".into()),
        Ask::Disconnect => face.disconnect(&token, WITHIN).await.map(|()| "ok".into()),
        Ask::Logout => face.logout(&token, WITHIN).await.map(|()| "ok".into()),
        Ask::Qr => face
            .qr(&token, WITHIN)
            .await
            .map(|code| format!("{code:?}")),
        Ask::Pair => face.pair_phone(&token, &phone(), WITHIN).await,
        Ask::Send => face
            .send_text(&token, &text("3EB0"), WITHIN)
            .await
            .map(|sent| sent.id),
        Ask::Check => face
            .check_users(&token, &[phone()], WITHIN)
            .await
            .map(|checks| format!("{checks:?}")),
        Ask::Users => {
            let admin = shared::gateway::SessionToken::new("gateway-admin-token");
            face.users(&admin, WITHIN)
                .await
                .map(|users| format!("{users:?}"))
        }
    };
    match answer {
        Ok(answer) => answer,
        Err(GatewayError::Refused { status, error }) => format!("{status} {error}"),
        Err(GatewayError::Proxy { status, message }) => format!("proxy {status} {message}"),
        Err(GatewayError::Unreachable(_)) => "unreachable".into(),
        Err(GatewayError::Broken(_)) => "broken".into(),
        Err(GatewayError::TimedOut) => "timed out".into(),
    }
}

fn options(profile: Profile) -> SimulatorOptions {
    SimulatorOptions {
        profile,
        send_duration: Duration::from_millis(2),
        time_scale: 0.002,
        ..SimulatorOptions::default()
    }
}

/// What both faces answer after `prepare`; they must agree.
async fn both(profile: Profile, call: Ask, prepare: impl Fn(&Simulator)) -> String {
    let direct = Simulator::new(options(profile));
    let served = Served::new(options(profile)).await;
    prepare(&direct);
    prepare(&served.simulator);
    let direct = direct.gateway();
    let (direct, http) = tokio::join!(ask(&direct, call), ask(&served.client, call));
    assert_eq!(direct, http, "{profile:?} {call:?}");
    direct
}

async fn in_state(profile: Profile, state: SessionState, call: Ask) -> String {
    both(profile, call, |simulator| {
        simulator
            .set_state_for("system", state, LIFE)
            .expect("a session");
    })
    .await
}

#[tokio::test]
async fn commands_answer_by_state_as_the_contract_says() {
    const CONNECTED: &str = "500 already connected";
    const GUARDED: &str = "409 session is already starting or active";
    const NO_SESSION: &str = "500 no session";
    const CLOSED: &str = "500 cannot disconnect because it is not logged in";
    const NO_LOGOUT: &str = "500 could not disconnect as it was not connected";
    const NOT_CONNECTED: &str = "500 not connected";
    const SEND_CLOSED: &str = "500 error sending message: failed to get device list: failed to send usync query: websocket not connected";
    const SEND_TIMED_OUT: &str = "500 error sending message: failed to get device list: failed to send usync query: info query timed out";
    const SEND_UNPAIRED: &str = "500 error sending message: the store doesn't contain a device jid";
    use SessionState as S;
    // State, then the answers to connect, disconnect, logout, qr and send.
    let rows = [
        (
            S::Absent,
            ["ok", NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION],
        ),
        (
            S::LoggingIn,
            [
                CONNECTED,
                "ok",
                "500 could not logout as it was not logged in",
                "None",
                SEND_TIMED_OUT,
            ],
        ),
        (
            S::Unlinking,
            ["ok", CLOSED, NO_LOGOUT, NOT_CONNECTED, SEND_UNPAIRED],
        ),
        (
            S::Paired,
            ["ok", CLOSED, NO_LOGOUT, NOT_CONNECTED, SEND_CLOSED],
        ),
        (
            S::Online,
            [CONNECTED, "ok", "ok", "500 already logged in", "3EB0"],
        ),
        (
            S::Reconnecting,
            ["ok", CLOSED, NO_LOGOUT, NOT_CONNECTED, SEND_CLOSED],
        ),
        (
            S::Dead,
            ["ok", CLOSED, NO_LOGOUT, NOT_CONNECTED, SEND_CLOSED],
        ),
        (
            S::LoggedOut,
            ["ok", NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION],
        ),
        (
            S::Zombie,
            ["ok", NO_SESSION, NO_SESSION, NO_SESSION, NO_SESSION],
        ),
        (
            S::HalfOpen,
            [
                CONNECTED,
                "ok",
                "500 could not perform logout",
                "500 already logged in",
                "500 error sending message: timed out waiting for message send response",
            ],
        ),
    ];
    let calls = [
        Ask::Connect,
        Ask::Disconnect,
        Ask::Logout,
        Ask::Qr,
        Ask::Send,
    ];
    for profile in PROFILES {
        for (state, answers) in rows {
            for (call, answer) in calls.into_iter().zip(answers) {
                let spoken = in_state(profile, state, call).await;
                let object = !matches!(state, S::Absent | S::LoggedOut | S::Zombie);
                let expected = match (profile, call, answer) {
                    (Profile::A, Ask::Connect, _) if object => CONNECTED,
                    (Profile::D, Ask::Connect, "ok") if object => GUARDED,
                    (Profile::A, Ask::Disconnect, "ok") if state == S::LoggingIn => CLOSED,
                    // The only text whose words differ, beyond their case.
                    (Profile::A, _, "500 already logged in") => "500 already loggedin",
                    _ => answer,
                };
                assert_eq!(spoken, expected, "{profile:?} {state:?} {call:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_qr_wait_differs_most_between_versions() {
    let disconnect = [
        "500 cannot disconnect because it is not logged in",
        "timed out",
        "ok",
        "ok",
    ];
    for (profile, disconnect) in PROFILES.into_iter().zip(disconnect) {
        for (call, expected) in [
            (Ask::Connect, "500 already connected"),
            (Ask::Disconnect, disconnect),
            (Ask::Logout, "500 could not logout as it was not logged in"),
            (Ask::Pair, "SIMU-1234"),
            (
                Ask::Send,
                "500 error sending message: the store doesn't contain a device jid",
            ),
        ] {
            let spoken = in_state(profile, SessionState::QrWait, call).await;
            assert_eq!(spoken, expected, "{profile:?} {call:?}");
        }
    }
}

#[tokio::test]
async fn flags_checks_and_lists_are_read_alike_from_every_version() {
    for profile in PROFILES {
        // A dial that does not end answers nothing.
        let answers = SessionState::ALL.into_iter();
        for state in answers.filter(|state| *state != SessionState::Starting) {
            let status = in_state(profile, state, Ask::Status).await;
            let usable = status.contains("connected: true, logged_in: true");
            let online = matches!(state, SessionState::Online | SessionState::HalfOpen);
            assert_eq!(usable, online, "{profile:?} {state:?} {status}");
            in_state(profile, state, Ask::Check).await;
            in_state(profile, state, Ask::Pair).await;
        }
        let users = in_state(profile, SessionState::Online, Ask::Users).await;
        assert!(
            users.contains("name: \"system\", token: SessionToken(****)"),
            "{users}"
        );
    }
}

#[tokio::test]
async fn faults_look_alike_through_both_faces() {
    let half_open = Scenario::HalfOpen {
        sends: Some(1),
        delivered: false,
    };
    let ack_lost = Scenario::AckLost {
        sends: 1,
        delivered: true,
        lasts_ms: 60_000,
    };
    let lost = |how| Scenario::AnswerLost {
        sends: 1,
        how,
        after_ms: 5,
    };
    let restricted = Scenario::Restricted {
        code: 463,
        refusals: Some(1),
    };
    let stranger = Scenario::NotOnWhatsapp {
        phones: vec!["+62 812-3456-789".into()],
        taken: false,
    };
    let down = Scenario::GatewayDown { lasts_ms: 60_000 };
    for (scenario, call, expected) in [
        (
            half_open,
            Ask::Send,
            "500 error sending message: timed out waiting for message send response",
        ),
        (
            ack_lost,
            Ask::Send,
            "500 error sending message: websocket disconnected before message send returned response",
        ),
        (lost(LostAnswer::Closed), Ask::Send, "broken"),
        (
            lost(LostAnswer::Proxy504),
            Ask::Send,
            "proxy 504 <html> <head><title>504 Gateway Time-out</title></head> <body> <center><h1>504 Gateway Time-out</h1></center> <hr><center>nginx</center> </body> </html>",
        ),
        (
            restricted,
            Ask::Send,
            "500 error sending message: server returned error 463",
        ),
        (
            stranger,
            Ask::Send,
            "500 error sending message: no lid found for 6281****89@s.whatsapp.net from server",
        ),
        (
            Scenario::CheckThrottled,
            Ask::Check,
            "500 failed to check if users are on whatsapp: failed to send usync query: info query returned status 429: rate-overlimit",
        ),
        (down, Ask::Send, "unreachable"),
    ] {
        for profile in PROFILES {
            let seen = both(profile, call, |simulator| simulator.play(&scenario)).await;
            assert_eq!(seen, expected, "{profile:?} {scenario:?}");
        }
    }
}

#[tokio::test]
async fn a_stuck_object_refuses_in_the_words_of_its_version() {
    let stuck = Scenario::StuckObject { logged_in: false };
    for profile in PROFILES {
        let seen = both(profile, Ask::Connect, |simulator| simulator.play(&stuck)).await;
        let expected = if profile == Profile::D {
            "409 session is already starting or active"
        } else {
            "500 already connected"
        };
        assert_eq!(seen, expected, "{profile:?}");
    }
}

#[tokio::test]
async fn the_port_is_closed_while_the_gateway_is_down_and_open_again_after() {
    let served = Served::new(options(Profile::B)).await;
    served
        .simulator
        .play(&Scenario::GatewayDown { lasts_ms: 300 });
    // A connection that is on its way when the port closes is broken instead.
    for seen in ["unreachable", "SessionStatus"] {
        let mut tries = 0;
        while !ask(&served.client, Ask::Status).await.starts_with(seen) {
            tries += 1;
            assert!(tries < 1_000, "never {seen}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    served.simulator.play(&Scenario::Healthy);
    assert_eq!(ask(&served.client, Ask::Send).await, "3EB0");
}

#[tokio::test]
async fn a_send_goes_on_when_its_caller_hangs_up() {
    let served = Served::new(SimulatorOptions::default()).await;
    served.simulator.play(&Scenario::SendQueue { each_ms: 500 });
    let soon = Duration::from_millis(300);
    let first = served.client.send_text(&token(), &text("1"), soon).await;
    assert_eq!(first, Err(GatewayError::TimedOut));
    let second = served.client.send_text(&token(), &text("2"), LIFE).await;
    assert!(second.is_ok());
    let arrived: Vec<_> = served
        .simulator
        .messages(None)
        .into_iter()
        .map(|m| m.id)
        .collect();
    assert_eq!(arrived, ["1", "2"]);
}
