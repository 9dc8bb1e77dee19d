//! `/api/admin/people` and its page: a user's logins are seen and ended, and a phone is erased.
use http::header::LOCATION;
use shared::flows::admin::audit::Audit;
use tests::browser::{Browser, text};

use super::admin_api::{csrf, operator, with_gateway};
use super::*;

const API: &str = "/api/admin/people";
const PAGE: &str = "/admin/dashboard/people";

/// The page of a phone's user.
async fn page_of(browser: &Browser, typed: &str) -> (String, Reply) {
    let form = browser.get(PAGE).await;
    let found = browser
        .submit(&form, "/api/admin/find", &[("sought", typed)])
        .await;
    let address = way(&found).to_owned();
    let page = browser.get(&address).await;
    (address, page)
}

fn way(reply: &Reply) -> &str {
    let way = reply.headers.get(LOCATION).expect("a way");
    way.to_str().expect("text")
}

async fn person(browser: &Browser, typed: &str) -> Value {
    let reply = browser.get(&format!("{API}?phone={typed}")).await;
    check_ok(&reply).clone()
}

/// Signs [`SITI`] in, and answers the refresh token of the login.
async fn signed_in(system: &TestSystem) -> Value {
    let (challenge, code) = sent_code(system, SITI).await;
    let opened = guess(system, SITI, &code, Some(&challenge)).await;
    let token = check_ok(&opened)["refreshToken"].clone();
    pass(2 * MINUTE).await;
    token
}

/// What the audit tells of people, sorted: what, whom, and what came of it.
async fn audited(system: &TestSystem) -> Vec<(String, String, String)> {
    let audit = Audit::new(&system.without_faults());
    let page = audit.page(None, system.now()).await.expect("the store");
    let own = page.entries.into_iter();
    let own = own.filter(|entry| entry.what.starts_with("person-"));
    let told = |entry: shared::store::audit::StoredAudit| {
        (entry.what, entry.whom.unwrap_or_default(), entry.result)
    };
    let mut told: Vec<_> = own.map(told).collect();
    // Those of one moment have no order.
    told.sort();
    told
}

fn entry(what: &str, result: &str) -> (String, String, String) {
    (what.into(), "62812****789".into(), result.into())
}

#[tokio::test(start_paused = true)]
async fn one_login_is_ended_and_the_other_goes_on() {
    let system = with_siti(with_gateway().await).await;
    let [first, second] = [signed_in(&system).await, signed_in(&system).await];
    let browser = operator(&system).await;
    let (address, page) = page_of(&browser, SITI).await;
    assert!(!address.contains(phone(SITI).digits()), "{address}");
    // The first form is that of the login that was used last.
    let ended = browser
        .submit(&page, "/api/admin/people/end-login", &[])
        .await;
    assert_eq!(way(&ended), format!("{address}&done=person-end-login"));
    assert_eq!(refresh(&system, &second).await.status, 401);
    assert_eq!(refresh(&system, &first).await.status, 200);
    let left = person(&browser, SITI).await;
    assert_eq!(left["logins"].as_array().map(Vec::len), Some(1), "{left}");
    assert_eq!(audited(&system).await, [entry("person-end-login", "done")]);
}

#[tokio::test(start_paused = true)]
async fn all_logins_are_ended_at_once() {
    let system = with_siti(with_gateway().await).await;
    let [first, second] = [signed_in(&system).await, signed_in(&system).await];
    let browser = operator(&system).await;
    let (_, page) = page_of(&browser, SITI).await;
    browser
        .submit(&page, "/api/admin/people/end-logins", &[])
        .await;
    for token in [first, second] {
        assert_eq!(refresh(&system, &token).await.status, 401);
    }
    let left = person(&browser, SITI).await;
    assert_eq!(left["logins"], json!([]));
    assert_eq!(left["phone"], "62812****789");
    assert_eq!(audited(&system).await, [entry("person-end-logins", "done")]);
}

#[tokio::test(start_paused = true)]
async fn a_login_of_another_phone_is_not_ended() {
    let system = with_siti(with_gateway().await).await;
    let token = signed_in(&system).await;
    add_user(&system, BUDI).await;
    let browser = operator(&system).await;
    let of_siti = person(&browser, SITI).await;
    let login = of_siti["logins"][0]["id"].as_str().expect("an id");
    let token_of_form = csrf(&browser);
    let fields = [
        ("csrf", token_of_form.as_str()),
        ("phone", BUDI),
        ("login", login),
        ("back", PAGE),
    ];
    let refused = browser.post("/api/admin/people/end-login", &fields).await;
    assert_eq!(way(&refused), format!("{PAGE}?problem=NOT_FOUND"));
    assert_eq!(refresh(&system, &token).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_phone_is_erased_once_its_number_is_typed_and_its_messages_are_found_no_more() {
    let system = with_siti(with_gateway().await).await;
    let token = signed_in(&system).await;
    let browser = operator(&system).await;
    let (address, page) = page_of(&browser, SITI).await;
    let erase = "/api/admin/people/erase";
    for typed in [BUDI, "", "hello"] {
        let refused = browser.submit(&page, erase, &[("confirm", typed)]).await;
        assert_eq!(
            way(&refused),
            format!("{address}&problem=NOT_CONFIRMED"),
            "{typed}"
        );
    }
    assert_eq!(items(&system, "UsersTable").await.len(), 2);
    let messages = format!("/api/admin/deliveries?phone={SITI}");
    let found = browser.get(&messages).await;
    assert_eq!(
        check_ok(&found)["deliveries"].as_array().map(Vec::len),
        Some(1)
    );

    let erased = browser
        .submit(&page, erase, &[("confirm", "0812-3456-789")])
        .await;
    assert_eq!(way(&erased), format!("{address}&done=erased&about=0"));
    for table in ["UsersTable", "LoginsTable", "ChallengesTable"] {
        assert_eq!(items(&system, table).await, Vec::<Item>::new(), "{table}");
    }
    assert_eq!(refresh(&system, &token).await.status, 401);
    let found = browser.get(&messages).await;
    assert_eq!(check_ok(&found)["deliveries"], json!([]));
    let refused = entry("person-erase", "another phone was typed");
    let done = entry("person-erase", "done");
    assert_eq!(
        audited(&system).await,
        [refused.clone(), refused.clone(), refused, done]
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_is_erased_without_a_login_its_token_and_a_fresh_proof() {
    let system = with_siti(with_gateway().await).await;
    let path = "/api/admin/people/erase";
    let stranger = [("phone", SITI), ("confirm", SITI), ("back", PAGE)];
    let refused = Browser::new(&system).post(path, &stranger).await;
    assert!(
        way(&refused).starts_with("/admin/login?next="),
        "{}",
        way(&refused)
    );
    let browser = operator(&system).await;
    let token = csrf(&browser);
    let fields = [
        ("phone", SITI),
        ("confirm", SITI),
        ("back", PAGE),
        ("csrf", token.as_str()),
    ];
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let forged = browser.post_with(path, &fields, &[header]).await;
        check_problem(&forged, 403, "CSRF", json!({}));
    }
    pass(11 * MINUTE).await;
    let late = browser.post(path, &fields).await;
    assert_eq!(
        way(&late),
        format!("/admin/login?again={}&undone=yes", PAGE.replace('/', "%2F"))
    );
    let (_, page) = page_of(&browser, SITI).await;
    assert!(!text(&page).contains(path), "{}", text(&page));
    assert_eq!(items(&system, "UsersTable").await.len(), 2);
    assert_eq!(audited(&system).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_name_with_markup_is_shown_as_it_is_typed() {
    let system = with_gateway().await;
    let name = "<script>alert(1)</script>";
    let mut signing_up = applicant(BUDI);
    signing_up["name"] = name.into();
    let (challenge, code) = signed_up(&system, signing_up).await;
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
    let (_, page) = page_of(&operator(&system).await, BUDI).await;
    let html = text(&page);
    assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
    assert!(!html.contains(name), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_a_user_is_told_and_an_act_that_is_none_is_refused() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let (_, page) = page_of(&browser, BUDI).await;
    assert!(text(&page).contains("No account"), "{}", text(&page));
    assert_eq!(person(&browser, BUDI).await["user"], Value::Null);
    let token = csrf(&browser);
    for (act, problem) in [
        ("end-logins", "NOT_FOUND"),
        ("promote", "NOT_FOUND"),
        ("..", "NOT_FOUND"),
    ] {
        let fields = [("phone", BUDI), ("back", PAGE), ("csrf", token.as_str())];
        let refused = browser.post(&format!("{API}/{act}"), &fields).await;
        assert_eq!(way(&refused), format!("{PAGE}?problem={problem}"), "{act}");
    }
    let stranger = Browser::new(&system);
    let query = format!("{API}?phone={SITI}");
    check_problem(&stranger.get(&query).await, 401, "UNAUTHORIZED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn whoever_erases_is_told_what_was_erased_and_what_is_left() {
    let system = super::paying::with_callers().await;
    add_user(&system, SITI).await;
    system.simulator().play(&Scenario::Unpaired);
    super::paying::post(&system, ("INV-3", "success"), &super::paying::about()).await;
    let browser = operator(&system).await;
    let (_, page) = page_of(&browser, SITI).await;
    let erased = browser
        .submit(&page, "/api/admin/people/erase", &[("confirm", SITI)])
        .await;
    let html = text(&browser.get(way(&erased)).await);
    for told in [
        "1 notice that had not gone out is not sent",
        "quarter of an hour",
        "30 days",
        "35 days",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    for hidden in ["docs/operations.md", "may be stored all the same"] {
        assert!(!html.contains(hidden), "{hidden}: {html}");
    }
}
