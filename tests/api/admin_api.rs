//! `/api/admin`: what operators ask and do.
use http::header::LOCATION;
use shared::flows::admin::audit::Audit;
use shared::flows::admin::links::AdminLinks;
use shared::gateway::{NewUser, SessionToken};
use shared::model::admin::AdminSecret;
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::payment_caller::hash_of;
use shared::runtime::settings::{SessionSettings, Settings};
use shared::store::session_list::{ListedSession, SessionListChanges};
use tests::browser::{Browser, text};

use super::*;

const SESSIONS: &str = "/api/admin/whatsapp/sessions";
const SESSIONS_PAGE: &str = "/admin/dashboard/whatsapp-sessions";
const ADMIN_TOKEN: &str = "gateway-admin-token";

/// What the simulated gateway has somebody type on the phone.
const LINKING_CODE: &str = "SIMU-1234";

/// A system whose gateway lists all its sessions.
pub(super) async fn with_gateway() -> TestSystem {
    let settings = |settings: &mut Settings| {
        settings.gateway_admin_token = Some(SessionToken::new(ADMIN_TOKEN));
    };
    TestSystem::builder().settings(settings).build().await
}

/// Somebody who is signed in as an operator.
pub(super) async fn operator(system: &TestSystem) -> Browser {
    let links = AdminLinks::new(&system.without_faults());
    let caller = Caller::with_iam("test", system.now().plus(MINUTE));
    let link = links.make(&caller, system.now()).await.expect("a link");
    let browser = Browser::new(system);
    let page = browser.get(&link.path()).await;
    let signed_in = browser.submit(&page, &link.path(), &[]).await;
    assert_eq!(signed_in.status, 303, "{}", text(&signed_in));
    browser
}

pub(super) fn csrf(browser: &Browser) -> String {
    let cookie = browser.login().expect("a login");
    let secret = AdminSecret::parse(&cookie).expect("a secret");
    secret.csrf().expose().to_owned()
}

/// Posts a form as a page does.
async fn submit(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
    let token = csrf(browser);
    let own = [("csrf", token.as_str()), ("back", SESSIONS_PAGE)];
    let fields: Vec<_> = own.iter().chain(fields).copied().collect();
    browser.post(path, &fields).await
}

fn way(reply: &Reply) -> &str {
    let way = reply.headers.get(LOCATION).expect("a way");
    way.to_str().expect("text")
}

async fn session(browser: &Browser, id: &str) -> Value {
    let reply = browser.get(&format!("{SESSIONS}/{id}/status")).await;
    reply.json["data"]["session"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_refused_for_want_of_a_login() {
    let reply = sample(&with_gateway().await, "admin-api").await;
    check_problem(&reply, 401, "UNAUTHORIZED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn all_sessions_of_the_gateway_are_shown_and_no_token_is() {
    let system = TestSystem::builder()
        .settings(|settings| {
            settings.gateway_admin_token = Some(SessionToken::new(ADMIN_TOKEN));
        })
        .simulator(|options| *options = options.clone().with_sessions(2));
    let system = system.build().await;
    let system = system.with_settings(|settings| settings.sessions.truncate(1));
    let reply = operator(&system).await.get(SESSIONS).await;
    let sessions = reply.json["data"]["sessions"].as_array().expect("sessions");
    let shown: Vec<_> = sessions
        .iter()
        .map(|session| (&session["name"], &session["owner"], &session["health"]))
        .collect();
    let (ours, theirs) = (
        (json!("system"), json!("system")),
        (json!("session-2"), json!("customer")),
    );
    let ready = json!("ready");
    assert_eq!(
        shown,
        [(&ours.0, &ours.1, &ready), (&theirs.0, &theirs.1, &ready)]
    );
    assert_eq!(reply.json["data"]["channel"]["verdict"], "goes_out");
    let body = text(&reply);
    for secret in ["session-token", ADMIN_TOKEN] {
        assert!(!body.contains(secret), "{secret}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_unpaired_and_paired_again() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let gone = submit(&browser, &format!("{SESSIONS}/system/logout"), &[]).await;
    let done = |act: &str| format!("{SESSIONS_PAGE}?done=session-{act}&about=system");
    assert_eq!(way(&gone), done("log-out"));
    assert_eq!(session(&browser, "system").await["health"], "needs_scan");

    let opened = submit(&browser, &format!("{SESSIONS}/system/connect"), &[]).await;
    assert_eq!(way(&opened), done("connect"));
    pass(3 * SECOND).await;
    let code = browser.get(&format!("{SESSIONS}/system/qr")).await;
    let picture = code.json["data"]["qr"].as_str().unwrap_or_default();
    assert!(
        picture.starts_with("data:image/png;base64,"),
        "{}",
        code.json
    );

    let scanned = local::simulator::SessionState::Paired;
    system
        .simulator()
        .set_state("system", scanned)
        .expect("one");
    pass(3 * SECOND).await;
    let paired = session(&browser, "system").await;
    assert_eq!(
        (&paired["connected"], &paired["loggedIn"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_waits_for_a_scan_is_not_disconnected() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let disconnect = format!("{SESSIONS}/system/disconnect");
    let page = format!("{SESSIONS_PAGE}/system");
    assert!(text(&browser.get(&page).await).contains(&disconnect));
    submit(&browser, &format!("{SESSIONS}/system/logout"), &[]).await;
    submit(&browser, &format!("{SESSIONS}/system/connect"), &[]).await;
    pass(3 * SECOND).await;
    for page in [SESSIONS_PAGE, &page] {
        let html = text(&browser.get(page).await);
        assert!(!html.contains(&disconnect), "{page}: {html}");
    }
    let refused = submit(&browser, &disconnect, &[]).await;
    assert_eq!(
        way(&refused),
        format!("{SESSIONS_PAGE}?problem=WAITS_FOR_SCAN")
    );
    let calls = system.simulator().calls();
    assert_eq!(calls.count("/session/disconnect"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_code_of_a_pairing_is_shown_in_the_answer_and_in_no_address() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    submit(&browser, &format!("{SESSIONS}/system/logout"), &[]).await;
    submit(&browser, &format!("{SESSIONS}/system/connect"), &[]).await;
    pass(3 * SECOND).await;
    for (language, told) in [("en", "Type this code"), ("id", "Ketik kode ini")] {
        let browser = browser.on(&system).in_language(language);
        let path = format!("{SESSIONS}/system/pairphone");
        let shown = submit(&browser, &path, &[("phone", SITI)]).await;
        assert_eq!(shown.status, 200, "{language}: {}", text(&shown));
        assert!(!shown.headers.contains_key(LOCATION), "{language}");
        let html = text(&shown);
        assert!(html.contains(told), "{language}: {html}");
        assert!(html.contains(LINKING_CODE), "{language}: {html}");
        let back = format!("href=\"{SESSIONS_PAGE}\"");
        assert!(html.contains(&back), "{language}: {html}");
    }
}

/// What a page has in its part with this id, and how that begins.
fn part<'a>(html: &'a str, id: &str) -> (&'a str, &'a str) {
    let (before, rest) = html.split_once(&format!("id=\"{id}\"")).expect(id);
    let tag = before.rsplit('<').next().unwrap_or_default();
    let (attributes, inside) = rest.split_once('>').expect("a tag");
    let end = format!("</{}>", tag.split(' ').next().unwrap_or_default());
    (attributes, inside.split(&end).next().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn the_page_with_a_code_to_type_says_when_its_session_is_paired() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    submit(&browser, &format!("{SESSIONS}/system/logout"), &[]).await;
    submit(&browser, &format!("{SESSIONS}/system/connect"), &[]).await;
    pass(3 * SECOND).await;
    let path = format!("{SESSIONS}/system/pairphone");
    let shown = text(&submit(&browser, &path, &[("phone", SITI)]).await);
    assert!(shown.contains("/admin/assets/admin.js"), "{shown}");
    assert!(
        !shown.contains("http-equiv"),
        "it would ask for another code: {shown}"
    );
    let (attributes, said) = part(&shown, "paired");
    assert!(attributes.contains("data-live"), "{shown}");
    assert_eq!(said.trim(), "", "not yet");
    // The script asks there, and shows what stands in the part of the same name.
    let asked = format!("{SESSIONS_PAGE}/system");
    let (attributes, _) = part(&shown, "live");
    assert!(
        attributes.contains(&format!("data-from=\"{asked}\"")),
        "{shown}"
    );
    let html = text(&browser.get(&asked).await);
    let (attributes, said) = part(&html, "paired");
    assert!(
        attributes.contains("data-live hidden"),
        "it stands elsewhere there: {html}"
    );
    assert_eq!(said.trim(), "", "{html}");
    let simulator = system.simulator();
    let typed = simulator.set_state("system", local::simulator::SessionState::Paired);
    typed.expect("a session");
    pass(10 * SECOND).await;
    for (language, told) in [("en", "Paired"), ("id", "Tertaut")] {
        let browser = browser.on(&system).in_language(language);
        let html = text(&browser.get(&asked).await);
        let (_, said) = part(&html, "paired");
        assert!(said.contains(told), "{language}: {html}");
    }
    let script = text(&browser.get("/admin/assets/admin.js").await);
    assert!(script.contains("live.dataset.from"), "{script}");
}

#[tokio::test(start_paused = true)]
async fn no_address_has_a_page_show_a_code_of_somebody_else() {
    let browser = operator(&with_gateway().await).await;
    for path in [SESSIONS_PAGE.to_owned(), format!("{SESSIONS_PAGE}/system")] {
        let page = browser.get(&format!("{path}?code=EVIL-2345")).await;
        assert_eq!(page.status, 200, "{path}");
        let html = text(&page);
        assert!(!html.contains("EVIL-2345"), "{path}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_added_sends_once_it_was_scanned() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let added = submit(&browser, SESSIONS, &[("name", "branch-2")]).await;
    assert_eq!(way(&added), format!("{SESSIONS_PAGE}/branch-2?done=added"));
    let waits = session(&browser, "branch-2").await;
    assert_eq!(
        (&waits["pool"], &waits["health"]),
        (&json!("in"), &json!("needs_scan"))
    );

    pass(3 * SECOND).await;
    let scanned = local::simulator::SessionState::Paired;
    system
        .simulator()
        .set_state("branch-2", scanned)
        .expect("one");
    system
        .simulator()
        .play_on("system", &Scenario::Unpaired)
        .expect("one");
    pass(2 * MINUTE).await;
    let fresh = system.with_settings(|_| {});
    add_user(&fresh, SITI).await;
    let sent = ask_code(&fresh, SITI).await;
    assert_eq!(sent.status, 200, "{}", sent.json);
    let messages = people::messages(&system, SITI);
    assert_eq!(
        messages.last().map(|message| message.session.as_str()),
        Some("branch-2")
    );

    let again = submit(&browser, SESSIONS, &[("name", "branch-2")]).await;
    assert_eq!(way(&again), format!("{SESSIONS_PAGE}?problem=NAME_TAKEN"));
}

/// Puts the session `branch-2` into the list, without anything being sent from it, and has the gateway make it.
async fn leave_half_added(system: &TestSystem) {
    let backends = system.without_faults();
    let token = SessionToken::new("a-token-that-was-drawn");
    let list = SessionListChanges::new(&backends);
    let seen = list.read().await.expect("the store");
    let session = SessionSettings::new("branch-2", token.clone());
    let listed = ListedSession {
        session,
        sends: false,
    };
    list.write(&seen, &[listed]).await.expect("the store");
    let user = NewUser {
        name: "branch-2".into(),
        token,
    };
    let admin_token = SessionToken::new(ADMIN_TOKEN);
    let made = backends.gateway.add_user(&admin_token, &user, MINUTE).await;
    assert_eq!(made, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_interrupted_adds_the_session_again_under_its_name() {
    let system = with_gateway().await;
    leave_half_added(&system).await;
    let browser = operator(&system).await;
    let added = submit(&browser, SESSIONS, &[("name", "branch-2")]).await;
    assert_eq!(way(&added), format!("{SESSIONS_PAGE}/branch-2?done=added"));
    let waits = session(&browser, "branch-2").await;
    assert_eq!(
        (&waits["pool"], &waits["health"]),
        (&json!("in"), &json!("needs_scan"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_paired_session_that_was_taken_out_of_the_pool_is_not_added_again() {
    let system = with_gateway().await;
    leave_half_added(&system).await;
    let browser = operator(&system).await;
    let connect = format!("{SESSIONS}/branch-2/connect");
    submit(&browser, &connect, &[]).await;
    pass(3 * SECOND).await;
    let scanned = local::simulator::SessionState::Paired;
    let simulator = system.simulator();
    simulator.set_state("branch-2", scanned).expect("one");
    pass(MINUTE).await;
    let disconnect = format!("{SESSIONS}/branch-2/disconnect");
    submit(&browser, &disconnect, &[]).await;
    let again = submit(&browser, SESSIONS, &[("name", "branch-2")]).await;
    assert_eq!(way(&again), format!("{SESSIONS_PAGE}?problem=NAME_TAKEN"));
    assert_eq!(session(&browser, "branch-2").await["pool"], "out");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_weighs_more_gets_more_new_phones_and_takes_none_away() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    submit(&browser, SESSIONS, &[("name", "branch-2")]).await;
    let scanned = local::simulator::SessionState::Paired;
    let simulator = system.simulator();
    simulator.set_state("branch-2", scanned).expect("one");
    pass(2 * MINUTE).await;
    system.watch().await;
    let fresh = system.with_settings(|_| {});
    let served = async |system: &TestSystem, numbers: std::ops::Range<u32>| {
        let mut by_branch = Vec::new();
        for number in numbers {
            let phone = format!("0812777{number:04}");
            add_user(system, &phone).await;
            let sent = ask_code(system, &phone).await;
            assert_eq!(sent.status, 200, "{}", sent.json);
            let messages = people::messages(system, &phone);
            let last = messages.last().expect("a message");
            by_branch.push(last.session == "branch-2");
            pass(2 * SECOND).await;
        }
        by_branch
    };
    let before = served(&fresh, 0..24).await;
    let path = format!("{SESSIONS}/branch-2/weight");
    let weighed = submit(&browser, &path, &[("weight", "100")]).await;
    let done = "done=session-weight-100&about=branch-2";
    assert_eq!(way(&weighed), format!("{SESSIONS_PAGE}?{done}"));
    assert_eq!(session(&browser, "branch-2").await["weight"], 100);
    pass(2 * MINUTE).await;
    let heavier = system.with_settings(|_| {});
    assert_eq!(served(&heavier, 0..24).await, before, "they have a session");
    let of_new = served(&heavier, 100..124).await;
    let branch = |served: &[bool]| served.iter().filter(|by_branch| **by_branch).count();
    assert!(branch(&before) < 18, "half of 24: {}", branch(&before));
    assert!(branch(&of_new) >= 18, "ten of eleven: {}", branch(&of_new));

    for (path, weight, problem) in [
        (path.as_str(), "101", "INVALID_FIELD"),
        (path.as_str(), "heavy", "INVALID_FIELD"),
        (&format!("{SESSIONS}/system/weight"), "20", "IN_SETTINGS"),
    ] {
        let refused = submit(&browser, path, &[("weight", weight)]).await;
        let told = format!("{SESSIONS_PAGE}?problem={problem}");
        assert_eq!(way(&refused), told, "{path} {weight}");
    }
    assert_eq!(session(&browser, "branch-2").await["weight"], 100);
    let audit = Audit::new(&system.without_faults());
    let page = audit.page(None, system.now()).await.expect("the store");
    let told = |what: &str, whom: &str, result: &str| {
        page.entries.iter().any(|entry| {
            (
                entry.what.as_str(),
                entry.whom.as_deref(),
                entry.result.as_str(),
            ) == (what, Some(whom), result)
        })
    };
    assert!(told("session-weight-100", "branch-2", "done"));
    assert!(told("session-weight-20", "system", "one of the settings"));
}

#[tokio::test(start_paused = true)]
async fn of_two_connects_at_once_one_is_told_to_wait() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    system.simulator().play(&Scenario::ColdSession);
    let path = format!("{SESSIONS}/system/connect");
    let both = tokio::join!(submit(&browser, &path, &[]), submit(&browser, &path, &[]));
    let mut ways = [way(&both.0), way(&both.1)];
    ways.sort_unstable();
    let [done, soon] = ["done=session-connect&about=system", "problem=TOO_SOON"]
        .map(|end| format!("{SESSIONS_PAGE}?{end}"));
    assert_eq!(ways, [done, soon]);
    assert_eq!(system.simulator().calls().count("/session/connect"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_act_needs_a_login_its_token_and_for_some_a_fresh_proof() {
    let system = with_gateway().await;
    let path = format!("{SESSIONS}/system/logout");
    let stranger = Browser::new(&system)
        .post(&path, &[("back", SESSIONS_PAGE)])
        .await;
    assert_eq!(
        way(&stranger),
        format!("/admin/login?next={}", SESSIONS_PAGE.replace('/', "%2F"))
    );
    let browser = operator(&system).await;
    for token in ["", "0"] {
        let forged = browser.post(&path, &[("csrf", token)]).await;
        check_problem(&forged, 403, "CSRF", json!({}));
    }
    let token = csrf(&browser);
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let forged = browser
            .post_with(&path, &[("csrf", &token)], &[header])
            .await;
        check_problem(&forged, 403, "CSRF", json!({}));
    }
    pass(11 * MINUTE).await;
    let late = submit(&browser, &path, &[]).await;
    assert_eq!(
        way(&late),
        format!(
            "/admin/login?again={}&undone=yes",
            SESSIONS_PAGE.replace('/', "%2F")
        )
    );
    let late = browser.get(&format!("{SESSIONS}/system/qr")).await;
    check_problem(&late, 403, "SUDO_REQUIRED", json!({}));
    assert_eq!(system.simulator().calls().count("/session/logout"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_discarded_by_a_second_press_and_the_answer_names_it() {
    const OUTBOX: &str = "/admin/dashboard/outbox";
    let system = super::paying::with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    super::paying::post(&system, ("INV-3", "success"), &super::paying::about()).await;
    let browser = operator(&system).await;
    let html = text(&browser.get(OUTBOX).await);
    let path = "/api/admin/outbox/INV-3:success/discard";
    let (before, _) = html.split_once(path).expect("a form that discards");
    let opened = before.rfind("<details").expect("a confirmation");
    assert!(!before[opened..].contains("</details>"), "{html}");
    assert!(before[opened..].contains("INV-3"), "it names what: {html}");
    assert!(
        html.contains("session was not paired"),
        "why, in words: {html}"
    );

    pass(MINUTE).await;
    let html = text(&browser.get(OUTBOX).await);
    assert!(html.contains("Next attempt"), "{html}");
    let token = csrf(&browser);
    let fields = [("csrf", token.as_str()), ("back", OUTBOX)];
    let told = browser.post(path, &fields).await;
    let html = text(&browser.get(way(&told)).await);
    assert!(html.contains("INV-3 is discarded"), "{html}");
    let made_up = format!("{OUTBOX}?done=notice-discarded&about=%3Cb%3E");
    let html = text(&browser.get(&made_up).await);
    assert!(html.contains("The notice is discarded"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_form_leads_back_to_no_other_site() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let token = csrf(&browser);
    for back in [
        "https://evil.example",
        "//evil.example",
        "/admin/../api",
        "/api/admin",
    ] {
        let fields = [("csrf", token.as_str()), ("back", back)];
        let path = format!("{SESSIONS}/system/disconnect");
        let way_back = browser.post(&path, &fields).await;
        assert!(
            way(&way_back).starts_with("/admin?"),
            "{back}: {}",
            way(&way_back)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_ended_unsent_is_sent_again() {
    let system = super::paying::with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    super::paying::post(&system, ("INV-1", "success"), &super::paying::about()).await;
    let notices = shared::flows::payments::Notices::new(system.backends());
    for _ in 0..26 {
        pass(60 * MINUTE).await;
        let deadline = system.now().plus(MINUTE);
        notices.deliver_due(deadline).await.expect("the store");
    }
    let browser = operator(&system).await;
    let dead = browser.get("/api/admin/outbox?state=dead").await;
    let item = &dead.json["data"]["notices"][0];
    assert_eq!(
        (&item["id"], &item["state"]),
        (&json!("INV-1:success"), &json!("dead"))
    );

    system.simulator().play(&Scenario::Healthy);
    pass(11 * MINUTE).await;
    let token = csrf(&browser);
    let fields = [
        ("csrf", token.as_str()),
        ("back", "/admin/dashboard/outbox"),
    ];
    let path = "/api/admin/outbox/INV-1:success/retry";
    let told = browser.post(path, &fields).await;
    let sent = "/admin/dashboard/outbox?done=notice-sent-now&about=INV-1";
    assert_eq!(way(&told), sent);
    let html = text(&browser.get(way(&told)).await);
    assert!(html.contains("INV-1 is tried within a minute."), "{html}");
    pass(SECOND).await;
    let deadline = system.now().plus(MINUTE);
    notices.deliver_due(deadline).await.expect("the store");
    for state in ["dead", "waiting"] {
        let left = browser
            .get(&format!("/api/admin/outbox?state={state}"))
            .await;
        assert_eq!(left.json["data"]["notices"], json!([]), "{state}");
    }
    assert_eq!(system.simulator().messages(None).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_act_is_in_the_audit_also_one_that_was_refused() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    for act in ["disconnect", "webhook"] {
        submit(&browser, &format!("{SESSIONS}/system/{act}"), &[]).await;
    }
    let audit = Audit::new(&system.without_faults());
    let page = audit.page(None, system.now()).await.expect("the store");
    let told: Vec<_> = page
        .entries
        .iter()
        .map(|entry| {
            (
                entry.what.as_str(),
                entry.whom.as_deref(),
                entry.result.as_str(),
            )
        })
        .collect();
    let own = told
        .iter()
        .filter(|(what, ..)| what.starts_with("session-"));
    let mut own: Vec<_> = own.copied().collect();
    own.sort_unstable();
    assert_eq!(
        own,
        [
            ("session-disconnect", Some("system"), "done"),
            ("session-set-webhook", Some("system"), "no public address"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn behind_a_cdn_the_audit_has_the_address_of_the_operator() {
    let system = with_gateway().await;
    let key = hash_of("the key of the CDN").map(|byte| format!("{byte:02x}"));
    let system = system.with_settings(|settings| {
        settings.trusted_callers = TrustedCallers::parse(&key.concat()).expect("a hash");
    });
    let browser = operator(&system).await;
    let token = csrf(&browser);
    let cdn = [
        ("x-caller-key", "the key of the CDN"),
        ("cloudfront-viewer-address", "198.51.100.7:46532"),
    ];
    for path in [
        format!("{SESSIONS}/system/disconnect"),
        "/api/admin/outbox/INV-1:success/retry".into(),
    ] {
        pass(SECOND).await;
        let fields = [("csrf", token.as_str())];
        browser.post_with(&path, &fields, &cdn).await;
        let audit = Audit::new(&system.without_faults());
        let page = audit.page(None, system.now()).await.expect("the store");
        assert_eq!(page.entries[0].address, "198.51.100.7", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_told_and_nothing_is_done() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let down = browser.on(&system.with_faults(Faults::down()));
    let shown = down.get(SESSIONS).await;
    let later = json!({ "retryAfterSeconds": 5 });
    check_problem(&shown, 503, "SERVICE_UNAVAILABLE", later);
    let done = submit(&down, &format!("{SESSIONS}/system/logout"), &[]).await;
    assert_eq!(
        way(&done),
        format!("{SESSIONS_PAGE}?problem=SERVICE_UNAVAILABLE")
    );
    assert_eq!(system.simulator().calls().count("/session/logout"), 0);
}
