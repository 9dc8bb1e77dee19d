//! Everything that the pages of operators do to a table.
use std::time::Duration;

use local::simulator::{Scenario, SessionState};
use serde_json::json;
use shared::flows::admin::audit::Who;
use shared::flows::admin::pairing_links::PairingLinks;
use shared::model::admin::{AdminPhones, AdminSecret};
use shared::model::caller::Caller;
use tests::TestSystem;
use tests::browser::{Browser, hidden_fields};
use tests::people::{code_on, wrong};
use tokio::time::advance;

use super::replies::Asker;

/// The function that makes links, which no route leads to.
pub const LINK_MAKER: &str = "admin-link";

const PAGES: &str = "admin-login";
const ADMIN: &str = "08111222333";
const CODE: &str = "/admin/login/code";
const LOGIN: &str = "/admin/login";
const MINUTE: Duration = Duration::from_secs(60);

async fn system() -> TestSystem {
    let admins = AdminPhones::parse(ADMIN).expect("phones");
    let system = TestSystem::builder().settings(|settings| settings.admins = admins);
    system.build().await
}

/// Asks on behalf of a client, with a key that nobody knows.
async fn ask_on_behalf(system: &TestSystem) {
    let headers = [
        ("x-caller-key", "unknown"),
        ("x-client-address", "198.51.100.1"),
    ];
    let reply = system.request("GET", LOGIN, &headers, "").await;
    assert_eq!(reply.status, 200);
}

/// Makes a link, and answers its path.
async fn make_link(asker: &mut Asker, system: &TestSystem) -> String {
    let app = admin_link::App::new(system.backends());
    let wish = serde_json::from_value(json!({ "for": "sign-in" }));
    let caller = Caller::with_iam("test", system.now().plus(MINUTE));
    system.database().forget_calls();
    let made = admin_link::handle(&app, wish.expect("a wish"), &caller).await;
    asker.watch(system, LINK_MAKER);
    made.expect("the store").path
}

/// Signs in and out, with codes and links that are right, wrong and used.
async fn sign_in_and_out(asker: &mut Asker) {
    let system = system().await;
    let link = make_link(asker, &system).await;
    system.database().forget_calls();
    ask_on_behalf(&system).await;
    let browser = Browser::new(&system);
    for _ in 0..2 {
        let page = browser.get(&link).await;
        browser.submit(&page, &link, &[]).await;
    }
    browser.get(LOGIN).await;
    let page = browser.ask_for_code(ADMIN).await;
    browser.submit(&page, LOGIN, &[]).await;
    let code = code_on(&system, ADMIN);
    for code in [&*wrong(&code, 1), &code, &code] {
        browser.submit(&page, CODE, &[("code", code)]).await;
    }
    for everywhere in ["no", "yes"] {
        let cookie = browser.login().as_deref().and_then(AdminSecret::parse);
        let token = cookie.expect("a login").csrf();
        let fields = [("csrf", token.expose()), ("everywhere", everywhere)];
        browser.post("/admin/logout", &fields).await;
        advance(11 * MINUTE).await;
        browser.sign_in(ADMIN).await;
    }
    // Whoever is at home may ask early for a code that did not arrive.
    for seconds in [11 * 60, 20] {
        advance(Duration::from_secs(seconds)).await;
        browser.ask_for_code(ADMIN).await;
    }
    asker.watch(&system, PAGES);
}

/// Asks for codes in each trouble of WhatsApp, and guesses too often.
async fn meet_troubles(asker: &mut Asker) {
    for scenario in [
        Scenario::ColdSession,
        Scenario::Unpaired,
        Scenario::WhatsappUnreachable { lasts_ms: None },
        Scenario::AckLost {
            sends: 1,
            delivered: true,
            lasts_ms: 60_000,
        },
    ] {
        let system = system().await;
        system.simulator().play(&scenario);
        for phone in [ADMIN, "08129999999"] {
            Browser::new(&system).ask_for_code(phone).await;
        }
        asker.watch(&system, PAGES);
    }
    let system = system().await;
    for _ in 0..25 {
        let browser = Browser::new(&system);
        let page = browser.ask_for_code(ADMIN).await;
        for number in 0..6 {
            let code = format!("{number:08}");
            let fields = hidden_fields(&page, LOGIN);
            if fields.iter().any(|(name, _)| name == "challenge") {
                browser.submit(&page, CODE, &[("code", &code)]).await;
            }
        }
        advance(2 * MINUTE).await;
    }
    asker.watch(&system, PAGES);
}

/// Opens pairing links: of a session that is closed, one that waits, and one that is paired.
async fn pair(asker: &mut Asker) {
    let system = TestSystem::start().await;
    system.simulator().play(&Scenario::Unpaired);
    let links = PairingLinks::new(&system.without_faults());
    let caller = Caller::with_iam("test", system.now().plus(MINUTE));
    let from = (&caller, system.now());
    let made = links.make("system", Who::Monitor, from).await;
    let path = made.expect("the store").path();
    system.database().forget_calls();
    let (browser, second) = (Browser::new(&system), Browser::new(&system));
    let waiting = second.get(&path).await;
    let page = browser.get(&path).await;
    browser.submit(&page, &path, &[]).await;
    for state in [SessionState::LoggedOut, SessionState::Paired] {
        browser.get(&path).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        browser.get(&path).await;
        second.submit(&waiting, &path, &[]).await;
        system.simulator().set_state("system", state).expect("one");
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    browser.get(&path).await;
    let behind_a_cdn = [
        ("x-caller-key", "the key of the CDN"),
        ("cloudfront-viewer-address", "198.51.100.7:46532"),
    ];
    browser.post_with(&path, &[], &behind_a_cdn).await;
    asker.watch(&system, "admin-pairing");
}

/// Does all of it.
pub async fn use_pages(asker: &mut Asker) {
    Box::pin(sign_in_and_out(asker)).await;
    Box::pin(meet_troubles(asker)).await;
    Box::pin(pair(asker)).await;
}
