//! Many notices, many deliverers.
use std::collections::BTreeSet;

use futures_util::future::join_all;
use local::simulator::SessionOptions;
use serde_json::json;
use tests::{TestSystem, people};
use tokio::time::advance;

use super::act::*;

const NOTICES: u64 = 200;

/// A system with three sessions.
async fn three_sessions() -> TestSystem {
    let sessions = ["system", "second", "third"];
    let sessions = sessions.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let system = TestSystem::builder()
        .settings(|settings| settings.notices.pace = MINUTE / 120)
        .simulator(|options| options.sessions = sessions.into());
    let system = system.build().await;
    allow(&system, &[shop()]).await;
    system
}

#[tokio::test(start_paused = true)]
async fn many_notices_drain_through_deliverers_side_by_side_and_each_goes_out_once() {
    let system = three_sessions().await;
    let prefer = [("prefer", "respond-async")];
    for number in 0..NOTICES {
        let mut body = about();
        body["phone"] = json!(people::phone(number));
        let told = post_with(&system, &format!("INV-{number}"), "success", body, &prefer).await;
        assert_eq!(told.status, 202, "{}", told.json);
    }
    let began = system.now();
    while texts(&system).len() < NOTICES as usize {
        let waited = system.now().since(began);
        assert!(waited < 10 * MINUTE, "{waited:?}: {}", texts(&system).len());
        join_all((0..3).map(|_| deliver(&system))).await;
        advance(MINUTE / 60).await;
    }
    let sent = system.simulator().messages(None);
    let ids: BTreeSet<_> = sent.iter().map(|message| message.id.clone()).collect();
    assert_eq!(
        (ids.len(), sent.len()),
        (NOTICES as usize, NOTICES as usize)
    );
    let waited = system.now().since(began);
    // Two a second from each of three sessions.
    assert!(waited < 2 * MINUTE, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn codes_go_before_notices() {
    let system = three_sessions().await;
    for number in 100..105 {
        people::add_user(&system, &people::phone(number)).await;
    }
    let prefer = [("prefer", "respond-async")];
    for number in 0..60 {
        let mut body = about();
        body["phone"] = json!(people::phone(number));
        post_with(&system, &format!("INV-{number}"), "success", body, &prefer).await;
    }
    let codes = async {
        for number in 100..105 {
            let began = system.now();
            let asked = people::sign_in(&system, &people::phone(number)).await;
            assert_eq!(asked.status, 200, "{}", asked.json);
            let waited = system.now().since(began);
            assert!(waited < MINUTE / 20, "{waited:?}");
            tokio::time::sleep(MINUTE / 12).await;
        }
    };
    let notices = async {
        for _ in 0..5 {
            deliver(&system).await;
            tokio::time::sleep(MINUTE / 6).await;
        }
    };
    tokio::join!(codes, notices);
}
