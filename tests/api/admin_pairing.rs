//! `/admin/pairing/{link}`: the page that shows the QR code of one session to whoever holds its phone.
use std::sync::{Arc, Mutex};

use http::header::LOCATION;
use local::simulator::{SessionOptions, SessionState};
use shared::flows::admin::audit::{Audit, Who};
use shared::flows::admin::pairing_links::PairingLinks;
use shared::gateway::chat::ChatHook;
use shared::model::caller::{Caller, TrustedCallers};
use shared::model::payment_caller::hash_of;
use tests::browser::{Browser, hidden_fields, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::admin_api::{csrf, operator};
use super::*;

const SESSION_PAGE: &str = "/admin/dashboard/whatsapp-sessions/system";
const MAKE: &str = "/api/admin/whatsapp/sessions/system/pairinglink";
const PICTURE: &str = "data:image/png;base64,";

/// A system with two sessions that nobody has paired.
async fn unpaired() -> TestSystem {
    let sessions =
        ["system", "branch-7"].map(|name| SessionOptions::new(name, &format!("{name}-token")));
    let system = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = system.build().await;
    system.simulator().play(&Scenario::Unpaired);
    system
}

/// Makes a link of a session, and answers its path.
async fn link(system: &TestSystem, session: &str) -> String {
    let links = PairingLinks::new(&system.without_faults());
    let caller = Caller::with_iam("test", system.now().plus(MINUTE));
    let from = (&caller, system.now());
    let made = links.make(session, Who::Monitor, from).await;
    made.expect("the store").path()
}

/// Opens a link as a person does, and answers what its page shows then.
async fn open(browser: &Browser, path: &str) -> Reply {
    let asked = browser.get(path).await;
    let opened = browser.submit(&asked, path, &[]).await;
    if opened.status != 303 {
        return opened;
    }
    assert_eq!(opened.headers[LOCATION], path);
    browser.get(path).await
}

/// The same, once the session has had time to make a code.
async fn open_and_wait(browser: &Browser, path: &str) -> Reply {
    open(browser, path).await;
    pass(3 * SECOND).await;
    browser.get(path).await
}

fn picture(page: &Reply) -> Option<String> {
    let html = String::from_utf8(page.body.clone()).expect("text");
    let (_, rest) = html.split_once(PICTURE)?;
    rest.split('"').next().map(str::to_owned)
}

#[track_caller]
fn check_gone(reply: &Reply, says: &str) {
    assert_eq!(reply.status, 410, "{}", text(reply));
    assert!(text(reply).contains(says), "{}", text(reply));
    assert_eq!(picture(reply), None);
}

async fn audit(system: &TestSystem) -> Vec<String> {
    let audit = Audit::new(&system.without_faults());
    let page = audit.page(None, system.now()).await.expect("the store");
    let told = page.entries.iter().map(|entry| {
        let whom = entry.whom.as_deref().unwrap_or("-");
        format!("{}: {} {whom} {}", entry.who, entry.what, entry.result)
    });
    let mut told: Vec<_> = told
        .filter(|entry| entry.contains("pairing-link"))
        .collect();
    told.sort_unstable();
    told
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_of_a_link_that_is_not_there() {
    check_gone(
        &sample(&unpaired().await, "admin-pairing").await,
        "sudah berakhir",
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_has_the_link_sees_the_code_until_the_session_is_paired() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    let browser = Browser::new(&system);
    let shown = open_and_wait(&browser, &path).await;
    assert_eq!(shown.status, 200, "{}", text(&shown));
    let first = picture(&shown).expect("a code");
    // The first code lasts a minute, the others twenty seconds.
    pass(MINUTE).await;
    let second = picture(&browser.get(&path).await).expect("another code");
    assert_ne!(first, second, "it changes");

    let scanned = system.simulator().set_state("system", SessionState::Paired);
    scanned.expect("a session");
    pass(3 * SECOND).await;
    let paired = browser.get(&path).await;
    assert!(text(&paired).contains("Paired."), "{}", text(&paired));
    assert_eq!(picture(&paired), None);
    check_gone(&browser.get(&path).await, "has ended");
    // Also when the account is unlinked again.
    system.simulator().play(&Scenario::Unpaired);
    check_gone(&browser.get(&path).await, "has ended");
    assert_eq!(
        audit(&system).await,
        [
            "link: pairing-link-open system done",
            "monitor: pairing-link-make system done",
            "unknown: pairing-link-paired system done",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_preview_uses_nothing_up_and_a_second_browser_is_told_that_it_was_used() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    for _ in 0..3 {
        let preview = Browser::new(&system).get(&path).await;
        assert_eq!((preview.status, picture(&preview)), (200, None));
    }
    let (first, second) = (Browser::new(&system), Browser::new(&system));
    let (asked, waiting) = (first.get(&path).await, second.get(&path).await);
    let shown = open_and_wait(&first, &path).await;
    assert!(picture(&shown).is_some(), "{}", text(&shown));
    check_gone(
        &second.submit(&waiting, &path, &[]).await,
        "another browser",
    );
    check_gone(&second.get(&path).await, "another browser");
    check_gone(&Browser::new(&system).get(&path).await, "another browser");
    // The first one may press its button twice, and load the page as often as it likes.
    let pressed = first.submit(&asked, &path, &[]).await;
    assert_eq!(pressed.status, 303, "{}", text(&pressed));
    let again = first.get(&path).await;
    assert_eq!(again.status, 200, "{}", text(&again));
    assert!(picture(&again).is_some(), "{}", text(&again));
    let told = audit(&system).await;
    let refused = "link: pairing-link-open system used or expired";
    assert!(told.contains(&refused.to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn of_two_browsers_that_open_a_link_at_once_one_gets_it() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    let browsers = [Browser::new(&system), Browser::new(&system)];
    let (one, other) = tokio::join!(browsers[0].get(&path), browsers[1].get(&path));
    let (one, other) = tokio::join!(
        browsers[0].submit(&one, &path, &[]),
        browsers[1].submit(&other, &path, &[])
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_after_a_quarter_of_an_hour_opened_or_not() {
    let system = unpaired().await;
    let paths = [
        link(&system, "system").await,
        link(&system, "branch-7").await,
    ];
    let (opened, waiting) = (Browser::new(&system), Browser::new(&system));
    open(&opened, &paths[0]).await;
    let asked = waiting.get(&paths[1]).await;
    pass(14 * MINUTE).await;
    assert_eq!(opened.get(&paths[0]).await.status, 200);
    pass(MINUTE).await;
    check_gone(&opened.get(&paths[0]).await, "has ended");
    check_gone(&waiting.submit(&asked, &paths[1], &[]).await, "has ended");
    check_gone(&Browser::new(&system).get(&paths[1]).await, "has ended");
}

#[tokio::test(start_paused = true)]
async fn a_link_shows_its_own_session_and_no_other() {
    let system = unpaired().await;
    let paths = [
        link(&system, "system").await,
        link(&system, "branch-7").await,
    ];
    let browsers = [Browser::new(&system), Browser::new(&system)];
    for (browser, path) in browsers.iter().zip(&paths) {
        let shown = open_and_wait(browser, path).await;
        assert!(picture(&shown).is_some(), "{}", text(&shown));
        // So each shows another code.
        pass(MINUTE).await;
    }
    // Whoever has opened one link has not opened the other one.
    check_gone(&browsers[0].get(&paths[1]).await, "another browser");
    let sneaked = format!("{}?session=branch-7", paths[0]);
    let shown = picture(&browsers[0].get(&sneaked).await).expect("a code");
    let second = picture(&browsers[1].get(&paths[1]).await).expect("a code");
    assert_ne!(shown, second);
    // The operators' pages and acts are not open to that browser.
    for path in [
        "/api/admin/whatsapp/sessions/system/qr",
        "/api/admin/incidents",
    ] {
        check_problem(&browsers[0].get(path).await, 401, "UNAUTHORIZED", json!({}));
    }
    // One of a session that is gone shows nothing.
    let gone = link(&system, "nobody").await;
    check_gone(&open(&Browser::new(&system), &gone).await, "has ended");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_link_shows_nothing_and_is_not_kept() {
    let system = unpaired().await;
    let real = link(&system, "system").await;
    let rows = people::rows(&system, "AuditTable").await;
    let made_up = format!("/admin/pairing/{}", "0".repeat(64));
    for path in [
        &made_up,
        &real[..real.len() - 1],
        "/admin/pairing/%3Cb%3E",
        "/admin/pairing/x",
    ] {
        check_gone(&Browser::new(&system).get(path).await, "has ended");
        let posted = Browser::new(&system).post(path, &[]).await;
        assert!([403, 410].contains(&posted.status), "{path}");
    }
    assert_eq!(people::rows(&system, "AuditTable").await, rows);
}

#[tokio::test(start_paused = true)]
async fn no_other_site_opens_a_link() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    let browser = Browser::new(&system);
    let page = browser.get(&path).await;
    let token = tests::browser::hidden_fields(&page, &path);
    let token = &token
        .iter()
        .find(|(name, _)| name == "csrf")
        .expect("one")
        .1;
    for (fields, headers) in [
        (vec![], vec![]),
        (vec![("csrf", "0")], vec![]),
        (
            vec![("csrf", token.as_str())],
            vec![("origin", "https://evil.example")],
        ),
        (
            vec![("csrf", token.as_str())],
            vec![("sec-fetch-site", "cross-site")],
        ),
    ] {
        let forged = browser.post_with(&path, &fields, &headers).await;
        assert_eq!(forged.status, 403, "{fields:?} {headers:?}");
    }
    assert_eq!(open(&browser, &path).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_operator_makes_a_link_with_a_fresh_proof_and_reads_it_once() {
    let system = unpaired().await;
    let browser = operator(&system).await;
    let token = csrf(&browser);
    let fields = [("csrf", token.as_str()), ("back", SESSION_PAGE)];
    let made = browser.post(MAKE, &fields).await;
    let way = made.headers[LOCATION].to_str().expect("text").to_owned();
    assert_eq!(
        way,
        format!("{SESSION_PAGE}?done=done"),
        "no secret in an address"
    );
    let page = text(&browser.get(&way).await);
    let (_, rest) = page.split_once("/admin/pairing/").expect("a link");
    let secret: String = rest.chars().take(64).collect();
    let path = format!("/admin/pairing/{secret}");
    assert!(
        !text(&browser.get(&way).await).contains(&secret),
        "shown once"
    );
    let shown = open_and_wait(&Browser::new(&system), &path).await;
    assert!(picture(&shown).is_some(), "{}", text(&shown));

    let json = [JSON, ("x-csrf-token", token.as_str())];
    let cookie = format!("__Host-admin={}", browser.login().expect("a login"));
    let headers = [&json[..], &[("cookie", cookie.as_str())]].concat();
    let made = system.request("POST", MAKE, &headers, "{}").await;
    let path = made.json["data"]["path"].as_str().expect("a path");
    assert_eq!(Browser::new(&system).get(path).await.status, 200);

    pass(11 * MINUTE).await;
    let late = system.request("POST", MAKE, &headers, "{}").await;
    check_problem(&late, 403, "SUDO_REQUIRED", json!({}));
    let told = audit(&system).await;
    let made = told
        .iter()
        .filter(|entry| entry.contains("pairing-link-make"));
    assert_eq!(made.count(), 2, "{told:?}");
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(start_paused = true)]
async fn the_page_tells_nothing_but_the_code_and_the_table_no_secret() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    let browser = Browser::new(&system);
    let shown = open_and_wait(&browser, &path).await;
    let html = String::from_utf8(shown.body.clone()).expect("text");
    let without_code = html.replace(&picture(&shown).expect("a code"), "");
    for secret in ["system-token", "branch-7", "62811", "whatsapp-sessions"] {
        assert!(!without_code.contains(secret), "{secret}: {without_code}");
    }
    let secret = path.rsplit('/').next().expect("a secret");
    let cookie = browser
        .cookies()
        .remove("__Host-pairing")
        .expect("a cookie");
    for table in ["AdminsTable", "AuditTable", "WhatsAppSessionsTable"] {
        let scanned = system.dynamodb().scan().table_name(table).send().await;
        let scanned = format!("{:?}", scanned.expect("the store").items);
        for secret in [secret, &cookie] {
            assert!(!scanned.contains(secret), "{table}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_or_a_gateway_that_is_down_shows_no_code_and_uses_nothing_up() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    let browser = Browser::new(&system);
    let asked = browser.get(&path).await;
    let down = browser.on(&system.with_faults(Faults::down()));
    assert_eq!(down.get(&path).await.status, 503);
    assert_eq!(down.submit(&asked, &path, &[]).await.status, 503);
    assert!(picture(&open_and_wait(&browser, &path).await).is_some());
    system
        .simulator()
        .play(&Scenario::GatewayDown { lasts_ms: 5_000 });
    let silent = browser.get(&path).await;
    assert_eq!((silent.status, picture(&silent)), (200, None));
    assert!(text(&silent).contains("on its way"), "{}", text(&silent));
}

/// What a chat was told, and its address. It answers with `status`.
async fn chat(status: u16) -> (ChatHook, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&told);
    tokio::spawn(async move {
        loop {
            let (mut caller, _) = listener.accept().await.expect("a caller");
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut part = [0; 4096];
                let read = caller.read(&mut part).await.expect("a request");
                assert!(read > 0, "the caller left early");
                request.push_str(std::str::from_utf8(&part[..read]).expect("text"));
            }
            heard.lock().expect("one").push(request);
            let answer =
                format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = caller.write_all(answer.as_bytes()).await;
        }
    });
    (ChatHook::new(format!("http://{address}/hook-secret")), told)
}

async fn monitor(system: &TestSystem) {
    let app = session_monitor::App::new(system.backends());
    let deadline = system.now().plus(MINUTE);
    session_monitor::handle(&app, deadline)
        .await
        .expect("a run");
}

/// Real time: the chat is at a real socket.
#[tokio::test]
async fn a_chat_gets_one_link_for_a_session_that_needs_pairing_also_of_two_monitors() {
    let (hook, told) = chat(200).await;
    let system = TestSystem::builder().settings(|settings| {
        settings.pairing_hook = Some(hook);
        settings.public_base_url = Some("https://api.example.com/".into());
    });
    let system = system.build().await;
    monitor(&system).await;
    assert_eq!(told.lock().expect("one").len(), 0, "it is well");
    system.simulator().play(&Scenario::Unpaired);
    tokio::time::sleep(6 * SECOND).await;
    tokio::join!(monitor(&system), monitor(&system));
    monitor(&system).await;
    let told = told.lock().expect("one").clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("session system needs pairing"),
        "{}",
        told[0]
    );
    let (_, rest) = told[0]
        .split_once("https://api.example.com/admin")
        .expect("a link");
    let path: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
    let page = Browser::new(&system).get(&format!("/admin{path}")).await;
    assert_eq!(page.status, 200, "{}", text(&page));
    assert!(
        audit(&system)
            .await
            .contains(&"monitor: pairing-link-make system done".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn behind_a_cdn_the_audit_has_the_address_of_whoever_opened_the_link() {
    let system = unpaired().await;
    let key = hash_of("the key of the CDN").map(|byte| format!("{byte:02x}"));
    let system = system.with_settings(|settings| {
        settings.trusted_callers = TrustedCallers::parse(&key.concat()).expect("a hash");
    });
    let path = link(&system, "system").await;
    pass(SECOND).await;
    let browser = Browser::new(&system);
    let asked = hidden_fields(&browser.get(&path).await, &path);
    let fields: Vec<_> = asked
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let cdn = [
        ("x-caller-key", "the key of the CDN"),
        ("cloudfront-viewer-address", "198.51.100.7:46532"),
    ];
    let opened = browser.post_with(&path, &fields, &cdn).await;
    assert_eq!(opened.status, 303, "{}", text(&opened));
    let page = Audit::new(&system.without_faults());
    let page = page.page(None, system.now()).await.expect("the store");
    assert_eq!(page.entries[0].what, "pairing-link-open");
    assert_eq!(page.entries[0].address, "198.51.100.7");
}

/// Five: a thief uses them up less easily than one, and nobody fills the audit.
#[tokio::test(start_paused = true)]
async fn browsers_that_come_too_late_are_in_the_audit_five_times_for_each_link() {
    let system = unpaired().await;
    let path = link(&system, "system").await;
    let waiting = Browser::new(&system);
    let asked = waiting.get(&path).await;
    open(&Browser::new(&system), &path).await;
    assert_eq!(late_in(&audit(&system).await), 0);
    for number in 1..=8 {
        check_gone(&Browser::new(&system).get(&path).await, "another browser");
        assert_eq!(late_in(&audit(&system).await), number.min(5));
    }
    let path = link(&system, "system").await;
    open(&Browser::new(&system), &path).await;
    for number in 1..=8 {
        let posted = waiting.submit(&asked, &path, &[]).await;
        check_gone(&posted, "another browser");
        assert_eq!(late_in(&audit(&system).await), 5 + number.min(5));
    }
}

/// How many came too late, by the audit.
fn late_in(audit: &[String]) -> usize {
    let late = audit
        .iter()
        .filter(|entry| entry.ends_with("pairing-link-open system used or expired"));
    late.count()
}

#[tokio::test(start_paused = true)]
async fn a_late_browser_whose_entry_is_lost_is_recorded_by_the_next_one() {
    for number in 1..=6 {
        let system = unpaired().await;
        let path = link(&system, "system").await;
        open(&Browser::new(&system), &path).await;
        for fault in [Fault::ReplyLost, Fault::Throttled] {
            let faulty = system.with_faults(Faults::none().at(number, fault));
            Browser::new(&faulty).get(&path).await;
        }
        check_gone(&Browser::new(&system).get(&path).await, "another browser");
        let told = audit(&system).await;
        assert!((1..=3).contains(&late_in(&told)), "call {number}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_says_which_account_to_pair_and_shows_no_whole_number() {
    let system = unpaired().await;
    system.watch().await;
    let path = link(&system, "system").await;
    let browser = Browser::new(&system);
    let asked = text(&browser.get(&path).await);
    assert!(
        !asked.contains("Session:"),
        "to nobody who has not opened it: {asked}"
    );
    let shown = text(&open_and_wait(&browser, &path).await);
    assert!(
        shown.contains("Session: <strong>system</strong>"),
        "{shown}"
    );
}
