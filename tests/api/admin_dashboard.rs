//! `/admin/dashboard`: the pages of operators. What they look like is shown by `tests/browser`.
use local::simulator::{SessionOptions, SimulatorOptions};
use shared::gateway::SessionToken;
use tests::browser::{Browser, text};

use super::admin_api::{operator, with_gateway};
use super::*;

const SESSIONS: &str = "/admin/dashboard/whatsapp-sessions";
const PAGES: [&str; 8] = [
    SESSIONS,
    "/admin/dashboard/whatsapp-sessions/system",
    "/admin/dashboard/incidents",
    "/admin/dashboard/outbox",
    "/admin/dashboard/deliveries",
    "/admin/dashboard/explain",
    "/admin/dashboard/people",
    "/admin/dashboard/audit",
];

#[tokio::test(start_paused = true)]
async fn the_sample_event_leads_to_the_sign_in_page() {
    let reply = sample(&with_gateway().await, "admin-dashboard").await;
    assert_eq!(reply.status, 303);
}

#[tokio::test(start_paused = true)]
async fn every_page_needs_a_login_and_comes_back_after_it() {
    let system = with_gateway().await;
    for page in PAGES {
        let reply = Browser::new(&system).get(page).await;
        let way = reply
            .headers
            .get("location")
            .and_then(|way| way.to_str().ok());
        let expected = format!("/admin/login?next={}", page.replace('/', "%2F"));
        assert_eq!(way, Some(expected.as_str()), "{page}");
    }
    let browser = operator(&system).await;
    for page in PAGES {
        assert_eq!(browser.get(page).await.status, 200, "{page}");
    }
    assert_eq!(browser.get("/admin/dashboard/nowhere").await.status, 404);
    assert_eq!(browser.get("/admin").await.status, 303);
}

#[tokio::test(start_paused = true)]
async fn the_sessions_are_shown_in_both_languages_within_60_kib_and_without_a_token() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let assets = ["/admin/assets/admin.css", "/admin/assets/admin.js"];
    let mut bytes = 0;
    for asset in assets {
        let reply = browser.get(asset).await;
        assert_eq!(reply.status, 200, "{asset}");
        bytes += reply.body.len();
    }
    for (language, verdict) in [("en", "Messages go out"), ("id", "Pesan terkirim")] {
        let page = operator(&system)
            .await
            .in_language(language)
            .get(SESSIONS)
            .await;
        let html = text(&page);
        assert!(html.contains(verdict), "{html}");
        assert!(!html.contains("session-token"), "{html}");
        assert!(
            bytes + page.body.len() < 60 * 1024,
            "{} bytes",
            page.body.len()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_with_markup_is_shown_as_it_is_typed() {
    let name = "<script>alert(1)</script>";
    let system = TestSystem::builder()
        .settings(|settings| {
            settings.gateway_admin_token = Some(SessionToken::new("gateway-admin-token"));
        })
        .simulator(|options: &mut SimulatorOptions| {
            options
                .sessions
                .push(SessionOptions::new(name, "the-token-of-a-customer"));
        });
    let system = system.build().await;
    let system = system.with_settings(|settings| settings.sessions.truncate(1));
    let html = text(&operator(&system).await.get(SESSIONS).await);
    assert!(
        html.contains("&#60;script&#62;alert(1)&#60;/script&#62;"),
        "{html}"
    );
    assert!(!html.contains(name), "{html}");
    assert!(!html.contains("the-token-of-a-customer"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_path_that_climbs_finds_nothing() {
    let browser = operator(&with_gateway().await).await;
    for path in [
        "/admin/assets/..%2Fadmin.css",
        "/admin/assets/other.css",
        "/admin/dashboard/whatsapp-sessions/..",
        "/admin/dashboard/whatsapp-sessions/%2e%2e%2f",
        "/admin/dashboard/whatsapp-sessions/nobody",
    ] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_asset_that_is_known_is_not_sent_again() {
    let browser = operator(&with_gateway().await).await;
    let first = browser.get("/admin/assets/admin.css").await;
    let tag = first
        .headers
        .get("etag")
        .expect("a tag")
        .to_str()
        .expect("text");
    let system = with_gateway().await;
    let headers = [("if-none-match", tag)];
    let again = system
        .request("GET", "/admin/assets/admin.css", &headers, "")
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_told_on_a_page() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let down = browser.on(&system.with_faults(Faults::down()));
    let page = down.get(SESSIONS).await;
    assert_eq!(page.status, 503);
    assert!(text(&page).contains("That did not work"), "{}", text(&page));
}
