//! `/admin/login`, `/admin/link` and `/admin/logout`: who gets in as an operator, and who does not.
use std::time::Duration;

use local::database::Faults;
use serde_json::json;
use shared::flows::admin::audit::Audit;
use shared::flows::admin::links::AdminLinks;
use shared::flows::admin::logins::{AdminLogin, AdminLoginError, AdminLogins};
use shared::model::admin::{AdminPhones, AdminSecret};
use shared::model::caller::Caller;
use shared::platform::entropy::Entropy;
use tests::browser::{Browser, hidden_fields, text};
use tests::people::{code_on, messages, rows, wrong};
use tests::{Reply, TestSystem};
use tokio::time::{Instant, advance};

use super::{MILLISECOND, MINUTE, SEND_OTP, SIGNIN, SITI, SSO_VERIFY, add_user};

/// An operator, without a user account.
const ADMIN: &str = "08111222333";
/// Another one.
const OTHER_ADMIN: &str = "08111222444";

const CODE: &str = "/admin/login/code";
const LOGIN: &str = "/admin/login";
const LOGOUT: &str = "/admin/logout";

async fn system() -> TestSystem {
    system_for(&format!("{ADMIN},{OTHER_ADMIN}")).await
}

async fn system_for(phones: &str) -> TestSystem {
    let admins = AdminPhones::parse(phones).expect("phones");
    let system = TestSystem::builder().settings(|settings| settings.admins = admins);
    system.build().await
}

/// The path of a new link.
async fn link(system: &TestSystem) -> String {
    let links = AdminLinks::new(&system.without_faults());
    let caller = Caller::with_iam("test", system.now().plus(MINUTE));
    let link = links.make(&caller, system.now()).await;
    link.expect("the store").path()
}

async fn use_link(browser: &Browser, path: &str) -> Reply {
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{}", text(&page));
    browser.submit(&page, path, &[]).await
}

/// Each entry of the audit as `who: what result`, the oldest first.
async fn audit(system: &TestSystem) -> Vec<String> {
    let audit = Audit::new(&system.without_faults());
    let page = audit.page(None, system.now()).await.expect("the store");
    let entries = page.entries.iter().rev();
    entries
        .map(|entry| format!("{}: {} {}", entry.who, entry.what, entry.result))
        .collect()
}

async fn login(system: &TestSystem, browser: &Browser) -> Result<AdminLogin, AdminLoginError> {
    let cookie = browser.login().as_deref().and_then(AdminSecret::parse);
    let logins = AdminLogins::new(&system.without_faults());
    logins.current(cookie.as_ref(), system.now()).await
}

fn cookie_set(reply: &Reply) -> &str {
    let cookie = reply.headers.get("set-cookie").expect("a cookie");
    cookie.to_str().expect("text")
}

fn location(reply: &Reply) -> &str {
    let location = reply.headers.get("location").expect("a way");
    location.to_str().expect("text")
}

#[tokio::test(start_paused = true)]
async fn a_code_of_eight_digits_signs_an_operator_in_who_has_no_account() {
    let system = system().await;
    let browser = Browser::new(&system);
    assert!(!browser.is_signed_in().await);
    let reply = browser.sign_in(ADMIN).await;
    assert_eq!(location(&reply), "/admin");
    let cookie = cookie_set(&reply);
    assert!(cookie.starts_with("__Host-admin="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; Secure; SameSite=Strict"),
        "{cookie}"
    );
    assert!(browser.is_signed_in().await);
    assert_eq!(code_on(&system, ADMIN).len(), 8);
    let login = login(&system, &browser).await.expect("a login");
    assert_eq!(login.who.to_string(), "62811****333");
    assert_eq!(audit(&system).await, ["62811****333: sign-in done"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_no_operator_gets_the_same_answer_in_the_same_time_and_no_message() {
    let mut answers = Vec::new();
    for phone in [ADMIN, SITI, "08129999999"] {
        let system = system().await;
        add_user(&system, SITI).await;
        let browser = Browser::new(&system);
        let begun = Instant::now();
        let page = browser.ask_for_code(phone).await;
        let took = begun.elapsed();
        let html = hidden_fields(&page, CODE).into_iter();
        let html = html.fold(text(&page), |html, (_, value)| html.replace(&value, "…"));
        assert_eq!(
            messages(&system, phone).len(),
            usize::from(phone == ADMIN),
            "{phone}"
        );
        answers.push((page.status, html, took));
    }
    assert_eq!(answers[0].0, 200);
    for other in &answers[1..] {
        assert_eq!((other.0, &other.1), (answers[0].0, &answers[0].1));
        let apart = other.2.abs_diff(answers[0].2);
        assert!(apart < Duration::from_millis(1_500), "{apart:?} apart");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pages_and_the_message_are_in_the_language_of_the_browser() {
    for (language, title, word) in [
        ("id-ID,id;q=0.9", "<html lang=\"id\">", "dasbor"),
        ("en", "<html lang=\"en\">", "dashboard"),
    ] {
        let system = system().await;
        let browser = Browser::new(&system).in_language(language);
        let page = browser.ask_for_code(ADMIN).await;
        assert!(text(&page).contains(title), "{language}: {}", text(&page));
        let message = &messages(&system, ADMIN)[0].text;
        assert!(message.contains(word), "{language}: {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_a_phone_hold_and_the_code_before_stays_good() {
    let system = system().await;
    let browser = Browser::new(&system);
    let page = browser.ask_for_code(ADMIN).await;
    let again = browser.submit(&page, LOGIN, &[]).await;
    assert_eq!(again.status, 429, "{}", text(&again));
    assert!(again.headers.contains_key("retry-after"));
    assert_eq!(messages(&system, ADMIN).len(), 1);
    // The page that says so still takes the code.
    let code = code_on(&system, ADMIN);
    let reply = browser.submit(&again, CODE, &[("code", &code)]).await;
    assert_eq!(reply.status, 303, "{}", text(&reply));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_code_is_told_beside_its_field_and_kept_in_the_audit() {
    let system = system().await;
    let browser = Browser::new(&system);
    let page = browser.ask_for_code(ADMIN).await;
    let right = code_on(&system, ADMIN);
    for (case, code, status) in [
        ("six digits", "123456", 400),
        ("another code", &*wrong(&right, 1), 400),
        ("no code", "", 400),
    ] {
        let reply = browser.submit(&page, CODE, &[("code", code)]).await;
        assert_eq!(reply.status, status, "{case}: {}", text(&reply));
        let told = r#"aria-invalid="true" aria-describedby="code-error code-hint""#;
        assert!(text(&reply).contains(told), "{case}: {}", text(&reply));
        assert!(browser.login().is_none(), "{case}");
    }
    let refused = "unproven 62811****333: sign-in wrong code";
    assert_eq!(audit(&system).await, [refused, refused]);
    let reply = browser.submit(&page, CODE, &[("code", &right)]).await;
    assert_eq!(reply.status, 303);
}

#[tokio::test(start_paused = true)]
async fn nobody_fills_the_audit_with_guesses_at_a_code_that_there_is_not() {
    let system = system().await;
    let browser = Browser::new(&system);
    let page = browser.ask_for_code(SITI).await;
    let csrf = hidden_fields(&page, CODE).swap_remove(0).1;
    for phone in [ADMIN, SITI] {
        let given = [
            ("csrf", &*csrf),
            ("phone", phone),
            ("challenge", "unknown"),
            ("code", "12345678"),
        ];
        for _ in 0..20 {
            let reply = browser.post(CODE, &given).await;
            assert_eq!(reply.status, 400, "{phone}: {}", text(&reply));
        }
        assert_eq!(audit(&system).await, [""; 0], "{phone}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_worth_nothing_without_its_challenge_id_and_for_another_purpose() {
    let system = system().await;
    let lenient = system.with_settings(|settings| settings.unbound_guesses = true);
    add_user(&lenient, ADMIN).await;
    let browser = Browser::new(&lenient);
    let page = browser.ask_for_code(ADMIN).await;
    let code = code_on(&lenient, ADMIN);
    let fields = hidden_fields(&page, CODE);
    let csrf = &fields
        .iter()
        .find(|(name, _)| name == "csrf")
        .expect("a token")
        .1;
    for challenge in ["", "unknown"] {
        let given = [
            ("csrf", &**csrf),
            ("phone", ADMIN),
            ("challenge", challenge),
            ("code", &code),
        ];
        let reply = browser.post(CODE, &given).await;
        assert_eq!(reply.status, 400, "{challenge}: {}", text(&reply));
    }
    let elsewhere = json!({ "identifier": ADMIN, "otp": code });
    let reply = lenient.post(SSO_VERIFY, elsewhere).await;
    assert_eq!(reply.status, 400, "{}", reply.json);
    let public = json!({ "identifier": ADMIN, "purpose": "admin", "method": "whatsapp" });
    let reply = lenient.post(SEND_OTP, public).await;
    assert_eq!(reply.json["error"], "UNSUPPORTED_PURPOSE");
    let reply = browser.submit(&page, CODE, &[("code", &code)]).await;
    assert_eq!(reply.status, 303, "{}", text(&reply));
}

#[tokio::test(start_paused = true)]
async fn a_code_of_the_api_signs_no_operator_in() {
    let system = system().await;
    add_user(&system, ADMIN).await;
    let asked = system
        .post(SIGNIN, json!({ "identifier": ADMIN, "method": "whatsapp" }))
        .await;
    let challenge = asked.json["data"]["challengeId"].as_str().expect("an id");
    let code = code_on(&system, ADMIN);
    let browser = Browser::new(&system);
    let page = browser.get(LOGIN).await;
    let given = [("phone", ADMIN), ("challenge", challenge), ("code", &code)];
    let csrf = hidden_fields(&page, LOGIN);
    let given = [&[("csrf", &*csrf[0].1)], &given[..]].concat();
    let reply = browser.post(CODE, &given).await;
    assert_eq!((reply.status, browser.login()), (400, None));
}

#[tokio::test(start_paused = true)]
async fn the_same_right_code_within_a_minute_signs_in_once_more_in_the_place_of_the_first() {
    let system = system().await;
    let browser = Browser::new(&system);
    let page = browser.ask_for_code(ADMIN).await;
    let code = code_on(&system, ADMIN);
    let first = browser.on(&system);
    // The reply to the first tap is lost; or somebody else has the code and the page.
    let reply = first.submit(&page, CODE, &[("code", &code)]).await;
    assert_eq!(reply.status, 303, "{}", text(&reply));
    assert!(first.is_signed_in().await);
    let reply = browser.submit(&page, CODE, &[("code", &code)]).await;
    assert_eq!(reply.status, 303);
    assert!(browser.is_signed_in().await && !first.is_signed_in().await);
    sign_out(&system, &browser, &[("everywhere", "yes")]).await;
    let reply = browser.submit(&page, CODE, &[("code", &code)]).await;
    assert_eq!((reply.status, browser.login()), (400, None));
}

#[tokio::test(start_paused = true)]
async fn of_many_who_use_a_code_at_once_one_stays_signed_in() {
    let system = system().await;
    let browser = Browser::new(&system);
    let page = browser.ask_for_code(ADMIN).await;
    let code = code_on(&system, ADMIN);
    let browsers: Vec<_> = (0..8).map(|_| browser.on(&system)).collect();
    let given = [("code", code.as_str())];
    let posts = browsers
        .iter()
        .map(|browser| browser.submit(&page, CODE, &given));
    futures_util::future::join_all(posts).await;
    let mut signed_in = 0;
    for browser in &browsers {
        signed_in += usize::from(browser.login().is_some() && browser.is_signed_in().await);
    }
    assert_eq!(signed_in, 1);
}

#[tokio::test(start_paused = true)]
async fn a_link_signs_in_once_and_its_preview_uses_nothing_up() {
    let system = system_for(ADMIN).await;
    let path = link(&system).await;
    advance(MILLISECOND).await;
    let browser = Browser::new(&system);
    for _ in 0..3 {
        assert_eq!(browser.get(&path).await.status, 200);
    }
    assert_eq!(use_link(&browser, &path).await.status, 303);
    assert!(browser.is_signed_in().await);
    advance(MILLISECOND).await;
    let thief = Browser::new(&system);
    let replayed = use_link(&thief, &path).await;
    assert_eq!((replayed.status, thief.login()), (410, None));
    let kept = audit(&system).await;
    let [made, used, refused] = &kept[..] else {
        panic!("three entries: {kept:?}");
    };
    assert_eq!(made, "deployment: link-make done");
    let used = used.strip_prefix("link ").expect("whoever had the link");
    assert_eq!(
        used.split_once(": ").map(|(_, did)| did),
        Some("link-use done")
    );
    assert_eq!(refused, "unknown: link-use used or expired");
}

#[tokio::test(start_paused = true)]
async fn nobody_fills_the_audit_with_a_link_that_was_used() {
    let system = system_for(ADMIN).await;
    let path = link(&system).await;
    assert_eq!(use_link(&Browser::new(&system), &path).await.status, 303);
    for number in 1..=8 {
        let late = use_link(&Browser::new(&system), &path).await;
        assert_eq!(late.status, 410);
        let kept = audit(&system).await;
        let late = kept
            .iter()
            .filter(|entry| *entry == "unknown: link-use used or expired");
        assert_eq!(late.count(), number.min(5), "{kept:?}");
    }
}

/// A thief keeps a link for later.
#[tokio::test(start_paused = true)]
async fn a_link_that_was_made_before_signing_out_everywhere_signs_nobody_in() {
    let system = system_for(ADMIN).await;
    let (kept, own) = (link(&system).await, link(&system).await);
    let (thief, owner) = (Browser::new(&system), Browser::new(&system));
    assert_eq!(use_link(&owner, &own).await.status, 303);
    advance(MINUTE / 30).await;
    sign_out(&system, &owner, &[("everywhere", "yes")]).await;
    advance(MINUTE / 30).await;
    assert_eq!(use_link(&thief, &kept).await.status, 410);
    assert!(!thief.is_signed_in().await);
    let next = link(&system).await;
    assert_eq!(use_link(&owner, &next).await.status, 303);
    assert!(owner.is_signed_in().await);
}

/// If somebody else was faster with a link, its owner ends that login by another one.
#[tokio::test(start_paused = true)]
async fn whoever_signed_in_by_a_link_ends_the_logins_of_all_links() {
    let system = system_for(ADMIN).await;
    let (thief, owner) = (Browser::new(&system), Browser::new(&system));
    for browser in [&thief, &owner] {
        let path = link(&system).await;
        assert_eq!(use_link(browser, &path).await.status, 303);
    }
    assert!(thief.is_signed_in().await && owner.is_signed_in().await);
    advance(MILLISECOND).await;
    sign_out(&system, &owner, &[("everywhere", "yes")]).await;
    assert!(!thief.is_signed_in().await && !owner.is_signed_in().await);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_use_a_link_at_once_one_wins() {
    let system = system().await;
    let path = link(&system).await;
    let browsers: Vec<_> = (0..8).map(|_| Browser::new(&system)).collect();
    let uses = browsers.iter().map(|browser| use_link(browser, &path));
    let replies = futures_util::future::join_all(uses).await;
    let won = replies.iter().filter(|reply| reply.status == 303).count();
    let lost = replies.iter().filter(|reply| reply.status == 410).count();
    assert_eq!((won, lost), (1, 7));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_too_old_made_up_or_misspelt_signs_nobody_in() {
    let system = system().await;
    let path = link(&system).await;
    let made_up = format!("/admin/link/{}", "0".repeat(64));
    let misspelt = format!("{}x", &path[..path.len() - 1]);
    let browser = Browser::new(&system);
    for path in [&made_up, &misspelt] {
        assert_eq!(use_link(&browser, path).await.status, 410, "{path}");
    }
    advance(10 * MINUTE).await;
    assert_eq!(use_link(&browser, &path).await.status, 410);
    assert!(browser.login().is_none());
    // What anybody can make up does not fill the audit.
    assert_eq!(audit(&system).await.len(), 2);
}

/// Ends the login of a browser.
async fn sign_out(system: &TestSystem, browser: &Browser, fields: &[(&str, &str)]) -> Reply {
    let token = login(system, browser).await.expect("a login").csrf;
    let fields = [&[("csrf", token.expose())], fields].concat();
    browser.post(LOGOUT, &fields).await
}

#[tokio::test(start_paused = true)]
async fn nobody_is_signed_in_without_a_cookie_with_a_made_up_one_or_with_a_stale_one() {
    let system = system().await;
    let owner = Browser::new(&system);
    owner.sign_in(ADMIN).await;
    let stolen = owner.login().expect("a login");
    let last = if stolen.ends_with('0') { "1" } else { "0" };
    for (case, cookie) in [
        ("none", String::new()),
        ("made up", "0".repeat(64)),
        ("nearly right", format!("{}{last}", &stolen[..63])),
        (
            "its hash",
            AdminSecret::parse(&stolen).expect("a secret").hash().0,
        ),
    ] {
        let browser = Browser::new(&system);
        browser.put_cookie("__Host-admin", &cookie);
        assert!(!browser.is_signed_in().await, "{case}");
    }
    let link = use_link(&Browser::new(&system), &link(&system).await).await;
    assert_eq!(link.status, 303);
    advance(12 * 60 * MINUTE - Duration::from_secs(1)).await;
    assert!(owner.is_signed_in().await);
    advance(Duration::from_secs(1)).await;
    assert!(!owner.is_signed_in().await, "after twelve hours");
}

#[tokio::test(start_paused = true)]
async fn a_cookie_of_a_form_is_no_login_and_a_login_is_none_of_a_form() {
    let system = system().await;
    let browser = Browser::new(&system);
    browser.get(LOGIN).await;
    let form = browser
        .cookies()
        .remove("__Host-admin-form")
        .expect("a cookie");
    browser.put_cookie("__Host-admin", &form);
    assert!(!browser.is_signed_in().await);
}

#[tokio::test(start_paused = true)]
async fn a_form_of_another_site_does_nothing() {
    let system = system().await;
    let path = link(&system).await;
    let browser = Browser::new(&system);
    let page = browser.get(&path).await;
    let right = hidden_fields(&page, &path).remove(0).1;
    let other = Browser::new(&system);
    let other = hidden_fields(&other.get(LOGIN).await, LOGIN).remove(0).1;
    let (ours, evil) = (
        ("origin", "http://localhost"),
        ("origin", "https://evil.example"),
    );
    for (case, token, header) in [
        ("no token", "", ours),
        ("a made-up token", "x", ours),
        ("the token of another browser", &other, ours),
        ("another site", &right, evil),
        ("a site that hides", &right, ("origin", "null")),
        ("a neighbour", &right, ("sec-fetch-site", "same-site")),
        ("a stranger", &right, ("sec-fetch-site", "cross-site")),
    ] {
        for (path, fields) in [
            (&*path, &[][..]),
            (LOGIN, &[("phone", ADMIN)]),
            (
                CODE,
                &[("phone", ADMIN), ("challenge", "x"), ("code", "12345678")],
            ),
        ] {
            let fields = [&[("csrf", token)], fields].concat();
            let reply = browser.post_with(path, &fields, &[header]).await;
            assert_eq!(reply.status, 403, "{case}: {}", text(&reply));
        }
    }
    assert!(messages(&system, ADMIN).is_empty() && browser.login().is_none());
    // Without a cookie a right token is none.
    let reply = Browser::new(&system).post(&path, &[("csrf", &right)]).await;
    assert_eq!(reply.status, 403);
    let same = [ours, ("sec-fetch-site", "same-origin")];
    let reply = browser.post_with(&path, &[("csrf", &right)], &same).await;
    assert_eq!(reply.status, 303, "{}", text(&reply));
}

#[tokio::test(start_paused = true)]
async fn no_other_site_signs_an_operator_out() {
    let system = system().await;
    let browser = Browser::new(&system);
    browser.sign_in(ADMIN).await;
    let token = login(&system, &browser).await.expect("a login").csrf;
    for fields in [&[][..], &[("csrf", "x")]] {
        assert_eq!(browser.post(LOGOUT, fields).await.status, 403);
    }
    let fields = [("csrf", token.expose())];
    let evil = [("origin", "https://evil.example")];
    assert_eq!(browser.post_with(LOGOUT, &fields, &evil).await.status, 403);
    assert!(browser.is_signed_in().await);
    assert_eq!(browser.post(LOGOUT, &fields).await.status, 303);
}

#[tokio::test(start_paused = true)]
async fn signing_out_ends_this_login_and_everywhere_all_of_this_operator() {
    let system = system().await;
    let browsers = [ADMIN, ADMIN, ADMIN, OTHER_ADMIN].map(|phone| (phone, Browser::new(&system)));
    for (phone, browser) in &browsers {
        browser.sign_in(phone).await;
        advance(2 * MINUTE).await;
    }
    let [first, second, third, other] = browsers.map(|(_, browser)| browser);
    let stolen = first.on(&system);
    let reply = sign_out(&system, &first, &[]).await;
    assert_eq!((location(&reply), first.login()), (LOGIN, None));
    assert!(
        !stolen.is_signed_in().await,
        "the cookie that was signed out"
    );
    assert!(second.is_signed_in().await && third.is_signed_in().await);
    advance(MILLISECOND).await;
    sign_out(&system, &second, &[("everywhere", "yes")]).await;
    assert!(!third.is_signed_in().await, "everywhere");
    assert!(other.is_signed_in().await, "another operator");
    third.sign_in(ADMIN).await;
    assert!(third.is_signed_in().await, "whoever signs in afterwards");
    let ends: Vec<_> = audit(&system).await;
    assert_eq!(
        &ends[4..6],
        [
            "62811****333: sign-out done",
            "62811****333: sign-out-everywhere done"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_when_its_phone_is_no_operator_s_any_more() {
    let system = system().await;
    let browser = Browser::new(&system);
    browser.sign_in(ADMIN).await;
    let others = AdminPhones::parse(OTHER_ADMIN).expect("phones");
    let changed = system.with_settings(|settings| settings.admins = others);
    assert!(!browser.on(&changed).is_signed_in().await);
    // Nor does a code that was on the way.
    let page = Browser::new(&system);
    advance(2 * MINUTE).await;
    let asked = page.ask_for_code(ADMIN).await;
    let code = code_on(&system, ADMIN);
    let late = page
        .on(&changed)
        .submit(&asked, CODE, &[("code", &code)])
        .await;
    assert_eq!(late.status, 400, "{}", text(&late));
    assert!(browser.is_signed_in().await);
}

#[tokio::test(start_paused = true)]
async fn whoever_proves_again_who_they_are_gets_another_login_for_the_old_one() {
    let system = system().await;
    let browser = Browser::new(&system);
    browser.sign_in(ADMIN).await;
    let old = browser.on(&system);
    let before = login(&system, &browser).await.expect("a login");
    advance(10 * MINUTE).await;
    assert!(!before.proved_lately(system.now()));
    let back = "/admin/dashboard/whatsapp-sessions/system";
    let page = browser.get(&format!("/admin/login?again={back}")).await;
    assert!(
        text(&page).contains("younger than ten minutes"),
        "{}",
        text(&page)
    );
    let page = browser.submit(&page, LOGIN, &[("phone", ADMIN)]).await;
    let code = code_on(&system, ADMIN);
    let reply = browser.submit(&page, CODE, &[("code", &code)]).await;
    assert_eq!(location(&reply), back);
    let after = login(&system, &browser).await.expect("a login");
    assert!(after.proved_lately(system.now()) && after.hash != before.hash);
    assert!(!old.is_signed_in().await);
}

#[tokio::test(start_paused = true)]
async fn the_way_back_tells_nothing_of_what_was_done() {
    let system = system().await;
    for told in ["done=erased&about=500", "problem=CSRF", "d%6Fne=added"] {
        let browser = Browser::new(&system);
        let next = format!("/admin/dashboard/outbox?{told}&state=dead");
        let escaped: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = browser.get(&format!("/admin/login?next={escaped}")).await;
        let fields = hidden_fields(&page, LOGIN);
        let kept = fields.iter().find(|(name, _)| name == "next");
        let kept = kept.map(|(_, next)| next.as_str());
        assert_eq!(kept, Some("/admin/dashboard/outbox?state=dead"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_from_elsewhere_says_nothing_of_what_was_done() {
    const ENDED: &str = "Your login has ended";
    let browser = Browser::new(&system().await);
    let page = format!("{LOGIN}?next=/admin&undone=yes");
    for (site, says_so) in [
        ("none", false),
        ("cross-site", false),
        ("same-origin", true),
    ] {
        let html = text(&browser.get_from(site, &page).await);
        assert_eq!(html.contains(ENDED), says_so, "{site}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_back_leads_nowhere_else() {
    let system = system().await;
    for (next, leads_to) in [
        ("/admin/dashboard/outbox", "/admin/dashboard/outbox"),
        (
            "/admin/dashboard/outbox?state=dead",
            "/admin/dashboard/outbox?state=dead",
        ),
        ("//evil.example", "/admin"),
        ("/admin/../x", "/admin"),
        ("/admin/%2e%2e/x", "/admin"),
        ("https://evil.example/admin", "/admin"),
        ("https:", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/admin\r\nSet-Cookie: a=b", "/admin"),
        ("/api/auth/session", "/admin"),
        ("", "/admin"),
    ] {
        let browser = Browser::new(&system);
        let escaped: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        for query in ["next", "again"] {
            let page = browser
                .get(&format!("/admin/login?{query}={escaped}"))
                .await;
            let kept = hidden_fields(&page, LOGIN)
                .into_iter()
                .find(|(name, _)| name == "next");
            let expected = (next == leads_to).then(|| ("next".to_owned(), next.to_owned()));
            assert_eq!(kept, expected, "{query} {next:?}");
        }
        let page = browser.ask_for_code(ADMIN).await;
        let fields = hidden_fields(&page, CODE).into_iter();
        let fields: Vec<_> = fields.filter(|(name, _)| name != "next").collect();
        let code = code_on(&system, ADMIN);
        let mut fields: Vec<_> = fields.iter().map(|(k, v)| (&**k, &**v)).collect();
        fields.extend([("code", &*code), ("next", next)]);
        let reply = browser.post(CODE, &fields).await;
        assert_eq!(location(&reply), leads_to, "{next:?}");
        let signed_in = browser.get(&format!("/admin/login?next={escaped}")).await;
        assert_eq!(location(&signed_in), leads_to, "{next:?}");
        advance(11 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn markup_in_a_field_is_shown_as_text() {
    let system = system().await;
    let browser = Browser::new(&system);
    let page = browser.get(LOGIN).await;
    let markup = r#""><script>alert(1)</script><b id='x'>"#;
    let given = [("phone", markup), ("challenge", markup), ("code", markup)];
    for (path, given) in [
        (LOGIN, &given[..1]),
        (LOGIN, &given[..]),
        (CODE, &given[..]),
    ] {
        let csrf = hidden_fields(&page, LOGIN).remove(0).1;
        let fields = [&[("csrf", &*csrf), ("next", markup)], given].concat();
        let html = text(&browser.post(path, &fields).await);
        assert!(!html.contains("<script") && !html.contains("<b "), "{html}");
        assert!(html.contains("&#60;script&#62;"), "it is shown: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_page_and_no_way_tells_a_secret() {
    let system = system().await;
    let browser = Browser::new(&system);
    let mut replies = vec![browser.get(LOGIN).await, browser.ask_for_code(ADMIN).await];
    let code = code_on(&system, ADMIN);
    replies.push(
        browser
            .submit(&replies[1], CODE, &[("code", &wrong(&code, 1))])
            .await,
    );
    replies.push(browser.submit(&replies[1], CODE, &[("code", &code)]).await);
    let path = link(&system).await;
    replies.push(browser.get(&path).await);
    replies.push(use_link(&Browser::new(&system), &path).await);
    replies.push(use_link(&Browser::new(&system), &path).await);
    let link = path.rsplit('/').next().expect("a secret");
    let cookies = browser.cookies();
    let secrets = cookies
        .values()
        .map(String::as_str)
        .chain([link, &code, "62811122"]);
    for secret in secrets {
        for reply in &replies {
            assert!(!text(reply).contains(secret), "{}", text(reply));
            let way = reply.headers.get("location");
            assert!(way.is_none_or(|way| !way.to_str().expect("text").contains(secret)));
        }
    }
    // What is kept are hashes.
    for table in ["AdminsTable", "AuditTable"] {
        let kept = system.dynamodb().scan().table_name(table).send().await;
        let kept = format!("{:?}", kept.expect("the table").items());
        for secret in cookies.values().map(String::as_str).chain([link]) {
            assert!(!kept.contains(secret), "{table}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_attempts_meet_the_limits_and_an_operator_still_gets_in() {
    let system = system().await;
    let mut told = std::collections::BTreeMap::new();
    for number in 0..1_000_u32 {
        let [_, _, a, b] = (number / 20).to_be_bytes();
        let stranger = Browser::new(&system.called_from([198, 51, a, b]));
        let page = stranger.ask_for_code(ADMIN).await;
        let status = if page.status == 200 {
            let guess = format!("{:08}", number * 7 + 1);
            let guessed = stranger.submit(&page, CODE, &[("code", &guess)]).await;
            guessed.status
        } else {
            page.status
        };
        assert!(stranger.login().is_none(), "attempt {number}");
        *told.entry(status).or_insert(0) += 1;
        advance(Duration::from_secs(30)).await;
    }
    let sent = messages(&system, ADMIN).len();
    assert!(sent <= 30, "{sent} messages within a day");
    assert!(
        told[&429] > 900 && told.keys().all(|status| [400, 429].contains(status)),
        "{told:?}"
    );
    assert!(rows(&system, "AuditTable").await < 200);
    let owner = Browser::new(&system);
    assert_eq!(use_link(&owner, &link(&system).await).await.status, 303);
    assert!(owner.is_signed_in().await);
}

#[tokio::test(start_paused = true)]
async fn while_the_tables_are_down_nobody_gets_in_and_a_page_says_when_to_come_back() {
    let system = system().await;
    let browser = Browser::new(&system);
    browser.sign_in(ADMIN).await;
    let path = link(&system).await;
    let page = browser.get(&path).await;
    let down = browser.on(&system.with_faults(Faults::down()));
    for reply in [
        down.get(LOGIN).await,
        down.submit(&page, &path, &[]).await,
        down.ask_for_code(OTHER_ADMIN).await,
    ] {
        assert_eq!(reply.status, 503, "{}", text(&reply));
        assert!(reply.headers.contains_key("retry-after"));
    }
    assert!(browser.is_signed_in().await, "once they are back");
}

#[tokio::test(start_paused = true)]
async fn no_bytes_in_a_form_bring_a_failure_or_a_message() {
    let system = system().await;
    let browser = Browser::new(&system);
    let csrf = hidden_fields(&browser.get(LOGIN).await, LOGIN).remove(0).1;
    let cookies = browser
        .cookies()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("cookie", &*cookies),
    ];
    let entropy = Entropy::seeded(7);
    for path in [LOGIN, CODE, LOGOUT, "/admin/link/x"] {
        for _ in 0..50 {
            let fields = ["&phone=", "&code=", "&challenge=", "&next=", "&="];
            let mut body = format!("csrf={csrf}").into_bytes();
            for field in fields {
                body.extend(field.bytes().chain(entropy.bytes::<24>()));
            }
            let reply = system.request("POST", path, &headers, body).await;
            assert!(
                (400..500).contains(&reply.status),
                "{path}: {}",
                text(&reply)
            );
        }
    }
    assert!(system.simulator().messages(None).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_form_is_refused() {
    let system = system().await;
    for path in [LOGIN, CODE, LOGOUT] {
        let json = [("content-type", "application/json")];
        let reply = system.request("POST", path, &json, "{}").await;
        assert_eq!(reply.status, 415, "{path}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let reply = system
            .request("POST", path, &form, "x".repeat(17_000))
            .await;
        assert_eq!(reply.status, 413, "{path}");
    }
    assert_eq!(system.request("DELETE", LOGIN, &[], "").await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn whoever_acts_after_their_login_has_ended_is_told_that_nothing_was_done() {
    let system = system().await;
    let browser = super::admin_api::operator(&system).await;
    let act = "/api/admin/whatsapp/sessions/system/logout";
    let token = super::admin_api::csrf(&browser);
    let back = "/admin/dashboard/whatsapp-sessions";
    let fields = [("csrf", token.as_str()), ("back", back)];
    for (after, told) in [
        (11 * MINUTE, "Nothing was done yet."),
        (13 * 60 * MINUTE, "Your login has ended. Nothing was done."),
    ] {
        tokio::time::advance(after).await;
        let refused = browser.post(act, &fields).await;
        let way = refused.headers["location"].to_str().expect("text");
        let html = text(&browser.get(way).await);
        assert!(html.contains(told), "{told}: {html}");
        assert!(html.contains("name=\"next\""), "they come back: {html}");
    }
    assert_eq!(system.simulator().calls().count("/session/logout"), 0);
    let visit = browser.get(back).await;
    let way = visit.headers["location"].to_str().expect("text");
    let html = text(&browser.get(way).await);
    assert!(
        !html.contains("Nothing was done"),
        "who looks has done nothing: {html}"
    );
}
