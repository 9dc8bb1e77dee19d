//! The systems that may post events of payments, as an operator keeps them.
use std::time::Duration;

use shared::store::caller_list::CallerListChanges;
use tests::TestSystem;
use tokio::time::sleep;

use super::act::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Types a command about callers.
async fn callers(system: &TestSystem, typed: &[&str]) -> Result<String, String> {
    let typed: Vec<_> = ["callers"].iter().chain(typed).copied().collect();
    operate(system, &typed).await
}

/// The key that a command has printed.
fn key(said: &str) -> String {
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("pay_") && last.len() == 47, "{said}");
    last.to_owned()
}

/// The status of a request with `key`: 404 for whoever is let in, since there is no payment.
async fn status(system: &TestSystem, key: &str) -> u16 {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str())];
    let path = "/api/payments/INV-1/notifications";
    system.request("GET", path, &headers, "").await.status
}

#[tokio::test(start_paused = true)]
async fn a_key_is_shown_once_and_counts_until_it_is_rotated_or_removed() {
    let system = TestSystem::start().await;
    let first = key(&callers(&system, &["add", "shop", "--daily-cap", "50"])
        .await
        .unwrap());
    sleep(2 * MINUTE).await;
    assert_eq!(status(&system, &first).await, 404);
    let text = callers(&system, &["list"]).await.unwrap();
    assert!(text.starts_with("shop: payments, 50 a day, key "), "{text}");
    assert!(!text.contains(&first), "{text}");

    let second = key(&callers(&system, &["rotate", "shop"]).await.unwrap());
    sleep(2 * MINUTE).await;
    for key in [&first, &second] {
        assert_eq!(status(&system, key).await, 404, "both count for a day");
    }
    let text = callers(&system, &["list"]).await.unwrap();
    assert!(
        text.lines().count() == 2 && text.contains(", retires at "),
        "{text}"
    );
    sleep(24 * 60 * MINUTE).await;
    assert_eq!(
        (
            status(&system, &first).await,
            status(&system, &second).await
        ),
        (401, 404)
    );

    callers(&system, &["remove", "shop"]).await.unwrap();
    sleep(2 * MINUTE).await;
    assert_eq!(status(&system, &second).await, 401);
    let text = callers(&system, &["list"]).await.unwrap();
    assert!(text.starts_with("there are no callers"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_changes_nothing_and_says_what_can() {
    let system = TestSystem::start().await;
    for (typed, fix) in [
        (&["rotate", "shop"][..], "`callers list` shows them"),
        (&["remove", "shop"], "`callers list` shows them"),
    ] {
        let error = callers(&system, typed).await.unwrap_err();
        assert!(error.contains(fix), "{error}");
    }
    let said = callers(&system, &["add", "shop", "--dry-run"])
        .await
        .unwrap();
    assert!(!said.contains("pay_"), "{said}");
    let list = CallerListChanges::new(system.backends());
    assert_eq!(list.read().await.unwrap().callers, []);
    callers(&system, &["add", "shop"]).await.unwrap();
    let backend = ["add", "backend", "--scope", "on-behalf"];
    callers(&system, &backend).await.unwrap();
    let text = callers(&system, &["list"]).await.unwrap();
    assert!(text.contains("backend: on-behalf, "), "{text}");
    let before = list.read().await.unwrap().callers;
    let error = callers(&system, &["add", "shop"]).await.unwrap_err();
    assert!(error.contains("`callers rotate shop`"), "{error}");
    for typed in [
        &["rotate", "shop", "--dry-run"],
        &["remove", "shop", "--dry-run"],
    ] {
        callers(&system, typed).await.unwrap();
    }
    assert_eq!(list.read().await.unwrap().callers, before);
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_whatever_happens_to_the_database_meanwhile() {
    for faults in databases() {
        let system = TestSystem::start().await;
        let faulty = system.with_faults(faults);
        let added = key(&callers(&faulty, &["add", "shop"]).await.unwrap());
        let rotated = key(&callers(&faulty, &["rotate", "shop"]).await.unwrap());
        sleep(2 * MINUTE).await;
        for key in [added, rotated] {
            assert_eq!(status(&system, &key).await, 404);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_address_of_a_payment_gateway_is_printed_and_is_its_own() {
    let system = TestSystem::start().await;
    let mut paths = Vec::new();
    for gateway in ["midtrans", "xendit"] {
        let said = operate(&system, &["bridge-url", gateway]).await.unwrap();
        let path = said.lines().next().unwrap().to_owned();
        assert!(
            path.starts_with(&format!("/api/webhooks/{gateway}/")),
            "{said}"
        );
        let headers = [("content-type", "application/json")];
        let reply = system.request("POST", &path, &headers, "{}").await;
        assert_ne!(reply.status, 404, "{gateway}");
        paths.push(path);
    }
    let tag = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    assert_ne!(tag(&paths[0]), tag(&paths[1]));
}
