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

/// A system whose gateway has so many sessions, one of which is ours.
async fn with_customers(sessions: u32) -> TestSystem {
    let system = TestSystem::builder()
        .settings(|settings| {
            settings.gateway_admin_token = Some(SessionToken::new("gateway-admin-token"));
        })
        .simulator(|options: &mut SimulatorOptions| {
            let further = (2..=sessions).map(|number| format!("customer-{number}"));
            let further =
                further.map(|name| SessionOptions::new(&name, &format!("token-of-{name}")));
            options.sessions.extend(further);
        });
    let system = system.build().await;
    system.with_settings(|settings| settings.sessions.truncate(1))
}

#[tokio::test(start_paused = true)]
async fn sessions_come_fifty_on_a_page_and_each_is_on_one() {
    let browser = operator(&with_customers(120).await).await;
    let mut names = Vec::new();
    let mut next = Some(1);
    while let Some(page) = next {
        let path = format!("/api/admin/whatsapp/sessions?page={page}");
        let data = browser.get(&path).await.json["data"].clone();
        let sessions = data["sessions"].as_array().expect("sessions").clone();
        assert!(sessions.len() <= 50, "{}", sessions.len());
        names.extend(sessions.iter().map(|one| one["name"].to_string()));
        next = data["nextPage"].as_u64();
    }
    assert_eq!(names.len(), 120);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 120);

    for (page, shown, links) in [
        ("", "Page 1", vec!["?page=2"]),
        ("?page=2", "Page 2", vec!["?page=1", "?page=3"]),
        ("?page=99", "Page 3", vec!["?page=2"]),
        ("?page=x", "Page 1", vec!["?page=2"]),
    ] {
        let html = text(&browser.get(&format!("{SESSIONS}{page}")).await);
        assert!(html.contains(shown), "{page}: {html}");
        for link in links {
            assert!(
                html.contains(&format!("{SESSIONS}{link}\"")),
                "{page}: {link}"
            );
        }
    }
    let refused = browser.get("/api/admin/whatsapp/sessions?page=x").await;
    check_problem(
        &refused,
        400,
        "INVALID_FIELD",
        json!({ "field": "page", "reason": "wrong_type" }),
    );
}

/// A system with so many sessions of its own, of which every second one is unpaired.
async fn half_unpaired(sessions: u8) -> TestSystem {
    let system = TestSystem::builder()
        .simulator(|options| *options = options.clone().with_sessions(sessions));
    let system = system.build().await;
    system.watch().await;
    for number in (2..=sessions).step_by(2) {
        let name = format!("session-{number}");
        let broken = system.simulator().play_on(&name, &Scenario::Unpaired);
        broken.expect("a session");
    }
    pass(MINUTE).await;
    system.watch().await;
    system
}

#[tokio::test(start_paused = true)]
async fn many_sessions_are_counted_and_those_that_are_not_well_have_a_list_of_their_own() {
    let system = half_unpaired(120).await;
    let browser = operator(&system).await;
    let html = text(&browser.get(SESSIONS).await);
    for told in [
        "60 of 120 sessions are ready.",
        "sessions: Waits for a scan",
        "You:</strong> <a id=\"todo-1\"",
        "?show=not_well\"",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    let glance = html.split("</section>").next().unwrap_or_default();
    let kinds = glance.matches("<li><span class=\"mark").count();
    assert!((1..=5).contains(&kinds), "by how they are: {glance}");
    assert!(html.len() < 60 * 1024, "{} bytes", html.len());
    let list = format!("{SESSIONS}?show=not_well");
    let html = text(&browser.get(&list).await);
    assert_eq!(html.matches("<li class=\"row\"").count(), 50, "{html}");
    assert!(html.contains("60 of 120 sessions are ready."), "{html}");
    let next = format!("{SESSIONS}?show=not_well&#38;page=2");
    assert!(html.contains(&next), "{html}");
    let html = text(&browser.get(&format!("{list}&page=2")).await);
    assert_eq!(html.matches("<li class=\"row\"").count(), 10, "{html}");
    let rows = html.split("<ul class=\"rows").nth(1).unwrap_or_default();
    assert!(!rows.contains(">Ready<"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn the_list_ends_no_session_and_asks_for_what_a_person_has_to_do() {
    let system = half_unpaired(2).await;
    let browser = operator(&system).await;
    let html = text(&browser.get(SESSIONS).await);
    assert!(!html.contains("/disconnect"), "{html}");
    assert!(
        !html.contains("/session-2/connect"),
        "scan is the only way: {html}"
    );
    assert!(html.contains("scan the QR code of session-2"), "{html}");
    let html = text(&browser.get(&format!("{SESSIONS}/system")).await);
    assert!(html.contains("/system/disconnect"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_answer_is_told_as_that_before_and_after_somebody_looked() {
    let system = with_gateway().await;
    system.watch().await;
    let down = Scenario::GatewayDown { lasts_ms: 600_000 };
    system.simulator().play(&down);
    let browser = operator(&system).await;
    for looked in ["nobody looked", "somebody looked"] {
        for path in [SESSIONS.to_owned(), format!("{SESSIONS}/system")] {
            let html = text(&browser.get(&path).await);
            assert!(html.contains("Gateway does not answer"), "{looked}: {html}");
            assert!(!html.contains(">Disconnected<"), "{looked}: {html}");
        }
        let html = text(&browser.get(SESSIONS).await);
        assert!(
            !html.contains("/system/connect"),
            "it can only fail: {html}"
        );
        let told = browser.get("/api/admin/whatsapp/sessions").await;
        let told = &told.json["data"]["sessions"][0];
        assert_eq!(told["health"], "down", "{looked}: {told}");
        pass(MINUTE).await;
        system.watch().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_link_that_loads_a_page_again_keeps_what_it_shows_and_not_what_was_told() {
    let browser = operator(&with_gateway().await).await;
    for (asked, expected) in [
        ("outbox", "outbox"),
        ("outbox?state=dead&done=done", "outbox?state=dead"),
        (
            "deliveries?messageId=3EB01&problem=CSRF",
            "deliveries?messageId=3EB01",
        ),
        ("outbox?other=%22%3E", "outbox"),
        (
            "whatsapp-sessions?show=not_well&done=done",
            "whatsapp-sessions?show=not_well",
        ),
    ] {
        let html = text(&browser.get(&format!("/admin/dashboard/{asked}")).await);
        let link = format!("<a href=\"/admin/dashboard/{expected}\" data-refresh>");
        assert!(html.contains(&link), "{asked}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_says_how_many_of_its_last_messages_arrived() {
    let system = with_gateway().await;
    let phone = people::phone(1);
    people::add_user(&system, &phone).await;
    people::sign_in(&system, &phone).await;
    let browser = operator(&system).await;
    let path = format!("{SESSIONS}/system");
    let young = text(&browser.get(&path).await);
    assert!(!young.contains("Arrived, of the last minutes"), "{young}");
    pass(3 * MINUTE).await;
    let html = text(&browser.get(&path).await);
    assert!(html.contains("Arrived, of the last minutes"), "{html}");
    let status = browser
        .get("/api/admin/whatsapp/sessions/system/status")
        .await;
    let arrivals = &status.json["data"]["session"]["arrivals"];
    assert_eq!(
        *arrivals,
        json!({ "of": 1, "delivered": 0 }),
        "nothing posts receipts here"
    );
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
