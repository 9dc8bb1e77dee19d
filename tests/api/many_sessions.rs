//! Codes over several WhatsApp sessions: a phone keeps its sender, and a change of sender changes nothing else.
use super::*;
use local::simulator::{SessionOptions, SessionState};

const NAMES: [&str; 3] = ["system", "second", "third"];

/// A system with three sessions, and Siti's account.
async fn three_sessions() -> TestSystem {
    let sessions = NAMES.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let system = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = with_siti(system.build().await).await;
    at_home(&system, SITI).await;
    system
}

/// The session that the last message came from, and its code.
fn last(system: &TestSystem) -> (String, String) {
    let last = system.simulator().messages(None).pop();
    let last = last.expect("a message");
    (last.session, last.text[..6].to_owned())
}

fn play(system: &TestSystem, session: &str, scenario: &Scenario) {
    let played = system.simulator().play_on(session, scenario);
    played.expect("a session");
}

#[tokio::test(start_paused = true)]
async fn a_phone_keeps_the_session_that_served_it_and_goes_elsewhere_while_that_is_off() {
    let system = three_sessions().await;
    check_sent(&ask_code(&system, SITI).await);
    let (first, _) = last(&system);

    play(&system, &first, &Scenario::Unpaired);
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    let (second, _) = last(&system);
    assert_ne!(second, first);

    // The first one is the phone's own by its hash, and it can send again. The contact stays where it is.
    let healthy = system.simulator().set_state(&first, SessionState::Online);
    healthy.expect("a session");
    system.simulator().play(&Scenario::Healthy);
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    assert_eq!(last(&system).0, second);

    play(&system, &second, &Scenario::Unpaired);
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    assert_ne!(last(&system).0, second);
}

#[tokio::test(start_paused = true)]
async fn another_session_changes_neither_the_code_nor_the_limits() {
    let system = three_sessions().await;
    let sent = check_sent(&ask_code(&system, SITI).await);
    let (mut session, code) = last(&system);
    for times in 2..=5 {
        play(&system, &session, &Scenario::Unpaired);
        system.simulator().play(&Scenario::Healthy);
        pass(MINUTE).await;
        let again = json!({ "identifier": SITI, "purpose": "sso", "challengeId": sent.challenge });
        let again = check_sent(&system.post(SEND_OTP, again).await);
        assert_eq!(again.challenge, sent.challenge, "{times}");
        let (next, repeated) = last(&system);
        assert_eq!(repeated, code, "{times}");
        session = next;
    }
    let refused = ask_code(&system, SITI).await;
    assert_eq!(refused.json["limit"], "window", "{}", refused.json);
    check_ok(&guess(&system, SITI, &code, Some(&sent.challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn known_and_unknown_phones_end_alike_while_one_session_is_out_of_order() {
    for scenario in [
        Scenario::ColdSession,
        Scenario::Unpaired,
        Scenario::Unlinked,
    ] {
        let system = three_sessions().await;
        for name in NAMES {
            play(&system, name, &scenario);
            for typed in [SITI, BUDI] {
                check_sent(&ask_code(&system, typed).await);
            }
            let healthy = system.simulator().set_state(name, SessionState::Online);
            healthy.expect("a session");
            pass(11 * MINUTE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_channel_works_as_long_as_one_session_does() {
    let system = three_sessions().await;
    check_sent(&ask_code(&system, SITI).await);
    let state = async || system.get("/api/status").await.json["data"]["whatsapp"].clone();
    for (number, name) in NAMES.into_iter().enumerate() {
        assert_eq!(state().await, "usable", "{name}");
        play(&system, name, &Scenario::Unpaired);
        pass(11 * MINUTE).await;
        let asked = ask_code(&system, SITI).await;
        assert_eq!(asked.status == 200, number < 2, "{}", asked.json);
    }
    assert_eq!(state().await, "needs_pairing");
}
