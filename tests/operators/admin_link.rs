//! Links that sign in to the pages for operators: the command that makes them, and the function.
use admin_link::{App, Wish, handle};
use serde_json::json;
use shared::model::caller::Caller;
use shared::runtime::Backends;
use tests::browser::Browser;
use tests::people::rows;
use tests::{Reply, TestSystem};

use super::act::*;

async fn use_link(system: &TestSystem, path: &str) -> Reply {
    let browser = Browser::new(system);
    let page = browser.get(path).await;
    browser.submit(&page, path, &[]).await
}

#[tokio::test(start_paused = true)]
async fn the_link_that_is_printed_signs_in_once_also_when_replies_are_lost() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        let said = operate(&system, &["admin-link"]).await.unwrap();
        let (path, rest) = said.split_once('\n').unwrap();
        assert!(rest.contains("`ApiUrl`"), "{said}");
        for status in [303, 410] {
            assert_eq!(use_link(&system, path).await.status, status, "{path}");
        }
        assert_eq!(rows(&system, "AuditTable").await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_makes_no_link() {
    let system = TestSystem::start().await;
    let said = operate(&system, &["admin-link", "--dry-run"]).await;
    assert_eq!(said.unwrap(), "A link would be made that signs in once.\n");
    assert_eq!(rows(&system, "AdminsTable").await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_function_makes_the_same_link_and_no_other() {
    let system = TestSystem::start().await;
    let mut backends: Backends = system.backends().clone();
    let mut settings = (*backends.settings).clone();
    settings.public_base_url = Some("https://api.example.com".into());
    backends.settings = settings.into();
    let wish: Wish = serde_json::from_value(json!({ "for": "sign-in" })).unwrap();
    let caller = Caller::with_iam("request", system.now());
    let made = handle(&App::new(&backends), wish, &caller).await.unwrap();
    let shown = json!(made);
    let url = format!("https://api.example.com{}", made.path);
    assert_eq!(shown["url"], json!(url));
    assert_eq!(shown["expiresAt"], "2026-11-22T11:43:20Z");
    assert_eq!(use_link(&system, &made.path).await.status, 303);
    for other in [
        json!({}),
        json!({ "for": "everything" }),
        json!({ "for": "sign-in", "life": 9 }),
    ] {
        assert!(
            serde_json::from_value::<Wish>(other.clone()).is_err(),
            "{other}"
        );
    }
}
