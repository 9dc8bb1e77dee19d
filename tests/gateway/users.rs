//! Sessions that the gateway's administrator makes.
use std::time::Duration;

use local::simulator::{Profile, SessionState, Simulator, SimulatorOptions};
use shared::gateway::{GatewayError, NewUser, SessionToken};

use crate::harness::{Served, text};

const WITHIN: Duration = Duration::from_secs(10);
const PROFILES: [Profile; 4] = [Profile::A, Profile::B, Profile::C, Profile::D];

fn options(profile: Profile) -> SimulatorOptions {
    SimulatorOptions {
        profile,
        ..SimulatorOptions::default()
    }
}

fn new_user(token: &str) -> NewUser {
    NewUser {
        name: "branch-2".into(),
        token: SessionToken::new(token),
    }
}

fn admin() -> SessionToken {
    SessionToken::new("gateway-admin-token")
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_made_sends_once_somebody_has_scanned_its_code() {
    for profile in PROFILES {
        let simulator = Simulator::new(options(profile));
        let (gateway, user) = (simulator.gateway(), new_user("a-new-token"));
        let added = gateway.add_user(&admin(), &user, WITHIN).await;
        assert_eq!(added, Ok(()), "{profile:?}");
        let users = gateway.users(&admin(), WITHIN).await.expect("users");
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["system", "branch-2"], "{profile:?}");

        let connected = gateway.connect(&user.token, WITHIN).await;
        assert_eq!(connected, Ok(()), "{profile:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let code = gateway.qr(&user.token, WITHIN).await.expect("an answer");
        assert!(code.is_some(), "{profile:?}: a code to scan");
        let scanned = simulator.set_state("branch-2", SessionState::Paired);
        scanned.expect("a session");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let sent = gateway.send_text(&user.token, &text("3EB0"), WITHIN).await;
        assert!(sent.is_ok(), "{profile:?}: {sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_made_only_by_the_administrator_and_once() {
    for profile in PROFILES {
        let gateway = Simulator::new(options(profile)).gateway();
        let (user, other) = (new_user("a-new-token"), SessionToken::new("another"));
        let refused = gateway.add_user(&other, &user, WITHIN).await;
        let is = |answer: &Result<(), GatewayError>, wanted: u16| matches!(answer, Err(GatewayError::Refused { status, .. }) if *status == wanted);
        assert!(is(&refused, 401), "{profile:?}: {refused:?}");
        let added = gateway.add_user(&admin(), &user, WITHIN).await;
        assert_eq!(added, Ok(()), "{profile:?}");
        let again = gateway.add_user(&admin(), &user, WITHIN).await;
        assert!(is(&again, 409), "{profile:?}: {again:?}");
    }
}

#[tokio::test]
async fn a_session_is_made_over_http_as_well() {
    let served = Served::new(options(Profile::A)).await;
    let user = new_user("a-new-token");
    let added = served.client.add_user(&admin(), &user, WITHIN).await;
    assert_eq!(added, Ok(()));
    assert!(served.simulator.state("branch-2").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connect_for_somebody_else_leaves_their_events_as_they_are() {
    let simulator = Simulator::new(options(Profile::B));
    let (gateway, token) = (simulator.gateway(), crate::harness::token());
    simulator
        .set_state("system", SessionState::Absent)
        .expect("a session");
    let theirs = ["Message".to_owned(), "ChatPresence".to_owned()];
    let connected = gateway.connect_with(&token, &theirs, WITHIN).await;
    assert_eq!(connected, Ok(()));
    let setup = gateway.webhook(&token, WITHIN).await.expect("an answer");
    assert_eq!(setup.events, theirs);
}
