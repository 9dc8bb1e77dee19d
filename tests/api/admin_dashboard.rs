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

#[tokio::test(start_paused = true)]
async fn while_every_account_is_locked_for_new_contacts_the_glance_says_so_and_what_to_do() {
    let system = super::open_chat::locked().await;
    assert_eq!(ask_code(&system, SITI).await.status, 503);
    let browser = operator(&system).await;
    let html = text(&browser.get(SESSIONS).await);
    for told in [
        "Messages go out to known contacts only",
        "see whether the sign-ups look like an attack, and add a session",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    assert!(!html.contains("nothing to do"), "{html}");
    let all = browser.get("/api/admin/whatsapp/sessions").await;
    let channel = &all.json["data"]["channel"];
    assert_eq!(channel["verdict"], "known_contacts", "{channel}");
    let html = text(&browser.get(&format!("{SESSIONS}/system")).await);
    for told in [
        "WhatsApp lets this account write to nobody new",
        "--new-chats-per-day",
        "WHATSAPP_USER_TOKEN",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
}

/// A system with a session `branch-2` beside the one of the settings, both paired.
async fn with_branch() -> (TestSystem, Browser) {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let page = browser.get(SESSIONS).await;
    let added = browser
        .submit(
            &page,
            "/api/admin/whatsapp/sessions",
            &[("name", "branch-2")],
        )
        .await;
    assert_eq!(added.status, 303);
    let scanned = local::simulator::SessionState::Paired;
    let simulator = system.simulator();
    simulator.set_state("branch-2", scanned).expect("one");
    pass(MINUTE).await;
    system.watch().await;
    (system, browser)
}

#[tokio::test(start_paused = true)]
async fn while_nothing_goes_out_a_session_that_could_send_is_named() {
    let (system, browser) = with_branch().await;
    let path = format!("{SESSIONS}/branch-2");
    let html = text(&browser.get(&path).await);
    let form = "/api/admin/whatsapp/sessions/branch-2/pool";
    let (before, _) = html.split_once(form).expect("a form");
    let asked = before.rfind("<details").expect("it asks once more");
    assert!(!before[asked..].contains("</details>"), "{html}");
    let token = super::admin_api::csrf(&browser);
    let out = [
        ("csrf", token.as_str()),
        ("sends", "no"),
        ("back", SESSIONS),
    ];
    let out = browser.post(form, &out).await;
    assert!(
        text(
            &browser
                .get(out.headers["location"].to_str().expect("text"))
                .await
        )
        .contains("branch-2 is out of the pool"),
        "{:?}",
        out.headers
    );
    let take = "take branch-2 into the pool";
    assert!(!text(&browser.get(SESSIONS).await).contains(take));
    let broken = system.simulator().play_on("system", &Scenario::Unpaired);
    broken.expect("a session");
    system.watch().await;
    let html = text(&browser.get(SESSIONS).await);
    assert!(html.contains("No message goes out"), "{html}");
    assert!(html.contains(take), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_ready_since_it_was_connected_last() {
    let system = with_gateway().await;
    system.watch().await;
    pass(9 * MINUTE).await;
    system.watch().await;
    system.simulator().play(&Scenario::ColdSession);
    let browser = operator(&system).await;
    let before = system.now();
    let page = browser.get(&format!("{SESSIONS}/system")).await;
    let connect = "/api/admin/whatsapp/sessions/system/connect";
    assert_eq!(browser.submit(&page, connect, &[]).await.status, 303);
    pass(10 * SECOND).await;
    let status = browser
        .get("/api/admin/whatsapp/sessions/system/status")
        .await;
    let session = &status.json["data"]["session"];
    assert_eq!(session["health"], "ready", "{session}");
    let since = session["since"].as_str().expect("a time");
    assert!(
        since >= before.rfc3339().as_str(),
        "{since}, {}",
        before.rfc3339()
    );
}

#[tokio::test(start_paused = true)]
async fn the_host_of_the_gateway_is_named_where_somebody_has_to_look_after_it() {
    let system = with_gateway().await;
    let system = system.with_settings(|settings| {
        settings.gateway_url = Some("https://user:secret@wa.example.com:8443/secret".into());
    });
    system.watch().await;
    let browser = operator(&system).await;
    let status = browser
        .get("/api/admin/whatsapp/sessions/system/status")
        .await;
    let host = status.json["data"]["session"]["gateway"].clone();
    let host = host.as_str().expect("a host");
    assert_eq!(host, "wa.example.com:8443");
    let down = Scenario::GatewayDown { lasts_ms: 600_000 };
    system.simulator().play(&down);
    for path in [SESSIONS.to_owned(), format!("{SESSIONS}/system")] {
        let html = text(&browser.get(&path).await);
        let to_do = html.split("You:</strong>").nth(1).expect("a line");
        let to_do = to_do.split("</p>").next().unwrap_or_default();
        assert!(to_do.contains(host), "{to_do}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_comes_first_and_each_kind_has_a_list_of_its_own() {
    let system =
        TestSystem::builder().simulator(|options| *options = options.clone().with_sessions(20));
    let system = system.build().await;
    system.watch().await;
    let play = |number: u32, scenario: &Scenario| {
        let name = format!("session-{number}");
        let broken = system.simulator().play_on(&name, scenario);
        broken.expect("a session");
    };
    for number in 2..=8 {
        play(number, &Scenario::Banned);
    }
    for number in 9..=15 {
        play(number, &Scenario::Unpaired);
    }
    for _ in 0..2 {
        pass(MINUTE).await;
        system.watch().await;
    }
    let browser = operator(&system).await;
    let html = text(&browser.get(&format!("{SESSIONS}?show=not_well")).await);
    let row = |name: &str| html.find(&format!("id=\"row-{name}\"")).expect("a row");
    assert!(row("session-15") < row("session-2"), "scans first: {html}");
    let of_kind = format!("{SESSIONS}?show=needs_scan");
    assert!(html.contains(&format!("href=\"{of_kind}\"")), "{html}");
    let html = text(&browser.get(&of_kind).await);
    assert_eq!(html.matches("<li class=\"row\"").count(), 7, "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_qr_code_is_connected_and_shown_by_one_press() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let path = "/api/admin/whatsapp/sessions/system/";
    let token = super::admin_api::csrf(&browser);
    let fields = [("csrf", token.as_str()), ("back", SESSIONS)];
    browser.post(&format!("{path}logout"), &fields).await;
    let page = browser.get(SESSIONS).await;
    assert!(text(&page).contains("Connect and scan"), "{}", text(&page));
    let connected = browser.submit(&page, &format!("{path}connect"), &[]).await;
    let way = connected.headers["location"].to_str().expect("text");
    let session = format!("{SESSIONS}/system?done=session-connect&about=system");
    assert_eq!(way, session);
}

#[tokio::test(start_paused = true)]
async fn an_act_says_what_was_done_to_which_session() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let path = format!("{SESSIONS}/system");
    let page = browser.get(&path).await;
    let act = "/api/admin/whatsapp/sessions/system/webhook";
    let hidden = tests::browser::hidden_fields(&page, &path);
    let hidden: Vec<_> = hidden
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let disconnect = act.replace("webhook", "disconnect");
    let done = browser.post(&disconnect, &hidden).await;
    let way = done.headers["location"].to_str().expect("text");
    let html = text(&browser.get(way).await);
    assert!(html.contains("system is disconnected."), "{html}");
    assert!(!html.contains(">Done.<"), "{html}");
    let made_up = format!("{path}?done=session-disconnect&about=%3Cb%3E");
    let html = text(&browser.get(&made_up).await);
    assert!(html.contains("The session is disconnected."), "{html}");
}

/// Whoever sends an operator such a link in a chat makes no page say that something was done.
#[tokio::test(start_paused = true)]
async fn a_link_from_elsewhere_tells_of_nothing_that_was_done() {
    let browser = operator(&with_gateway().await).await;
    for (told, says) in [
        ("done=session-log-out&about=system", "logged out"),
        ("problem=TOO_SOON", "role=\"alert\""),
    ] {
        let page = format!("{SESSIONS}?{told}");
        for (site, says_so) in [("none", false), ("same-site", false), ("same-origin", true)] {
            let html = text(&browser.get_from(site, &page).await);
            assert_eq!(html.contains(says), says_so, "{site}: {html}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_nobody_has_looked_at_are_neither_well_nor_trouble() {
    let system =
        TestSystem::builder().simulator(|options| *options = options.clone().with_sessions(60));
    let browser = operator(&system.build().await).await;
    let html = text(&browser.get(SESSIONS).await);
    let glance = html.split("</section>").next().unwrap_or_default();
    for told in [
        "Messages go out<",
        "50 of 60 sessions are ready. 10 are not looked at yet.",
    ] {
        assert!(glance.contains(told), "{told}: {glance}");
    }
    assert!(!glance.contains("You:"), "{glance}");
    assert!(!glance.contains("show=not_well"), "{glance}");
    let channel = browser.get("/api/admin/whatsapp/sessions").await.json["data"]["channel"].clone();
    assert_eq!(channel["verdict"], "goes_out", "{channel}");
    let counts = (&channel["unseen"], &channel["moreWrong"]);
    assert_eq!(counts, (&json!(10), &json!(0)), "{channel}");
    let html = text(&browser.get(&format!("{SESSIONS}?show=not_well")).await);
    assert!(!html.contains("<li class=\"row\""), "{html}");
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_known_of_any_session_the_page_does_not_say_that_messages_go_out() {
    let system = with_gateway().await;
    let system = system.with_settings(|settings| {
        settings.sessions[0].token = SessionToken::new("a token that the gateway refuses");
    });
    let browser = operator(&system).await;
    let html = text(&browser.get(SESSIONS).await);
    assert!(html.contains("Nobody has looked yet"), "{html}");
    for told in ["Messages go out", "You:", "0 of"] {
        assert!(!html.contains(told), "{told}: {html}");
    }
}

/// The row of `system` in the list of sessions.
async fn row_of_system(browser: &Browser) -> String {
    let html = text(&browser.get(SESSIONS).await);
    let (_, row) = html.split_once("id=\"row-system\"").expect("a row");
    row.split("</li>").next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_has_just_changed_has_no_dash_for_an_age() {
    let system = with_gateway().await;
    system.watch().await;
    let simulator = system.simulator();
    let browser = operator(&system).await;
    let broken = simulator.play_on("system", &Scenario::Unpaired);
    broken.expect("a session");
    pass(10 * SECOND).await;
    let lost = row_of_system(&browser).await;
    assert!(lost.contains("<dt>Since</dt><dd>just now</dd>"), "{lost}");
    pass(MINUTE).await;
    system.watch().await;
    let scanned = simulator.set_state("system", local::simulator::SessionState::Online);
    scanned.expect("a session");
    pass(10 * SECOND).await;
    let back = row_of_system(&browser).await;
    assert!(
        back.contains(">Ready<") || back.contains("Ready</p>"),
        "{back}"
    );
    assert!(back.contains("<dt>Since</dt><dd>just now</dd>"), "{back}");
    let page = text(&browser.get(&format!("{SESSIONS}/system")).await);
    let (_, now) = page.split_once("id=\"now\"").expect("how it is now");
    assert!(
        now.split("</div>")
            .next()
            .unwrap_or_default()
            .contains("just now"),
        "{page}"
    );
    // Nobody has looked for long, so nobody knows.
    pass(5 * MINUTE).await;
    let later = row_of_system(&browser).await;
    for told in ["<dt>Since</dt>", "<dt>For</dt>"] {
        assert!(!later.contains(told), "{told}: {later}");
    }
    system.watch().await;
    pass(MINUTE).await;
    let known = row_of_system(&browser).await;
    assert!(known.contains("<dt>For</dt>"), "{known}");
}
