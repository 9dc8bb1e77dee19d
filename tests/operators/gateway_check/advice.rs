//! A session that is down: what the deployment has seen of it decides what is advised, and without a deployment both
//! possibilities are told.
use shared::flows::watch::Watch;
use shared::store::whatsapp_sessions::{SeenState, SessionState, WhatsAppSessions};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A system whose gateway has this trouble.
async fn in_trouble(profile: Profile, scenario: &Scenario) -> (TestSystem, Backends) {
    let system = TestSystem::builder().simulator(|options| options.profile = profile);
    let system = system.build().await;
    let mut backends = system.backends().clone();
    let mut settings = (*backends.settings).clone();
    settings.gateway_url = Some("https://gateway.example".into());
    backends.settings = settings.into();
    system.simulator().play(scenario);
    tokio::time::sleep(Duration::from_secs(5)).await;
    (system, backends)
}

/// Lets the deployment look at its sessions for five minutes.
async fn watched(backends: &Backends) {
    for _ in 0..5 {
        let deadline = backends.clock.now().plus(MINUTE);
        Watch::new(backends).run(deadline).await.unwrap();
        tokio::time::sleep(MINUTE).await;
    }
}

/// The line about the account's login.
async fn line(backends: &Backends) -> String {
    let said = operate_with(backends, &["gateway", "check", "system"]).await;
    let (Ok(said) | Err(said)) = said;
    let mut lines = said.lines().filter(|line| line.contains(" logged in: "));
    lines.next().unwrap_or(&said).to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_the_deployment_has_seen_decides_what_is_advised() {
    const REFUSED: &str =
        "connected it 5 times. Look at the gateway's log: WhatsApp may have banned the account";
    const RESTART: &str =
        "no connect helps, as the deployment has seen. Restart the gateway's process";
    const SCAN: &str =
        "not linked any more, as the deployment has seen. Connect it, and scan its code";
    let stuck = |logged_in| Scenario::StuckObject { logged_in };
    let dead = |logged_in| Scenario::DeadObject { logged_in };
    for (profile, scenario, expected) in [
        (Profile::C, Scenario::Banned, REFUSED),
        (Profile::D, Scenario::Banned, RESTART),
        (Profile::B, Scenario::Outdated, REFUSED),
        (Profile::D, Scenario::Outdated, RESTART),
        (Profile::A, Scenario::Unlinked, SCAN),
        (Profile::C, Scenario::Unlinked, SCAN),
        (Profile::A, Scenario::Replaced, RESTART),
        (Profile::D, Scenario::Replaced, RESTART),
        (Profile::B, stuck(true), RESTART),
        (Profile::C, stuck(false), RESTART),
        (Profile::A, dead(true), RESTART),
        (Profile::D, dead(false), RESTART),
        (Profile::C, dead(true), "yes, and connected"),
    ] {
        let (_system, backends) = in_trouble(profile, &scenario).await;
        watched(&backends).await;
        let said = line(&backends).await;
        assert!(said.contains(expected), "{profile:?} {scenario:?}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ban_whose_end_is_known_is_told_with_it_and_a_restriction_is_a_warning() {
    let (system, backends) = in_trouble(Profile::C, &Scenario::Banned).await;
    let items = WhatsAppSessions::of(&backends);
    let now = backends.clock.now();
    let ends = now.plus(60 * MINUTE);
    let banned = SeenState {
        until: Some(ends),
        ..SeenState::beginning(SessionState::Banned, now)
    };
    items.record_state("system", banned).await.unwrap();
    let said = line(&backends).await;
    let expected = format!("banned the account until {}. Wait", ends.rfc3339());
    assert!(said.contains(&expected), "{said}");

    system.simulator().play(&Scenario::Healthy);
    tokio::time::sleep(MINUTE).await;
    let now = backends.clock.now();
    let restricted = SeenState::beginning(SessionState::Restricted, now);
    items.record_state("system", restricted).await.unwrap();
    let said = operate_with(&backends, &["gateway", "check", "system"]).await;
    let (Ok(said) | Err(said)) = said;
    let expected = "warning   account: WhatsApp refused the account's last messages";
    assert!(said.contains(expected), "{said}");
}

#[tokio::test]
async fn without_a_deployment_both_possibilities_are_told() {
    for (profile, scenario, parts) in [
        (
            "c",
            Scenario::Banned,
            ["does not reach WhatsApp", "has ended the session (banned"],
        ),
        (
            "d",
            Scenario::StuckObject { logged_in: false },
            ["has a QR code then", "restart its process"],
        ),
    ] {
        let site = Site::new(profile).await;
        site.simulator.play(&scenario);
        let url = site.gateway.clone();
        let checked = site.check(&["--url", &url]).await;
        for part in parts {
            checked.has(profile, ("wrong", "logged in", part));
        }
        assert!(!checked.said.contains("The deployment"), "{}", checked.said);
    }
}
