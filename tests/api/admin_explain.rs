//! `/api/admin/explain` and its page: what would happen to a code, and that nothing happens by asking.
use http::header::LOCATION;
use tests::browser::text;

use super::admin_api::{operator, with_gateway};
use super::*;

const API: &str = "/api/admin/explain";
const PAGE: &str = "/admin/dashboard/explain";

async fn explained(system: &TestSystem, typed: &str, purpose: &str) -> Value {
    let path = format!("{API}?phone={typed}&purpose={purpose}");
    let reply = operator(system).await.get(&path).await;
    check_ok(&reply).clone()
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_an_account_is_answered_as_sent_and_gets_nothing() {
    let system = with_siti(with_gateway().await).await;
    for (case, typed, purpose, recipient, answer) in [
        ("a user", SITI, "sso", "user", "sent"),
        ("no user", BUDI, "sso", "nobody", "sent"),
        ("a sign-up", BUDI, "signup", "applicant", "sent"),
        (
            "a user signs up",
            SITI,
            "signup",
            "has_account",
            "has_account",
        ),
        ("no operator", SITI, "admin", "nobody", "sent"),
    ] {
        let told = explained(&system, typed, purpose).await;
        assert_eq!(
            (&told["recipient"], &told["elsewhere"]["answer"]),
            (&json!(recipient), &json!(answer)),
            "{case}"
        );
        assert_eq!(told["atHome"], Value::Null, "{case}");
        assert_eq!(told["sessions"][0]["name"], "system", "{case}");
        assert_eq!(told["sessions"][0]["rank"], "doubtful", "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_that_says_no_is_told_with_its_end_and_holds_until_then() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let sent_at = system.now();
    let told = explained(&system, SITI, "sso").await;
    let until = sent_at.plus(MINUTE).rfc3339();
    assert_eq!(
        told["elsewhere"],
        json!({ "answer": "limited", "limit": "cooldown", "until": until })
    );
    assert_eq!(told["liveCode"]["digits"], 6);
    assert_eq!(told["liveCode"]["challengesWithTries"], 1);
    assert_eq!(told["last"]["confirmed"], true);
    let session = &told["sessions"][0];
    assert_eq!(
        (&session["servedBefore"], &session["rank"]),
        (&json!(true), &json!("usable"))
    );
    assert_eq!(told["order"], "known");
    pass(MINUTE + SECOND).await;
    let told = explained(&system, SITI, "sso").await;
    assert_eq!(told["elsewhere"]["answer"], "sent");
    check_sent(&ask_code(&system, SITI).await);
}

#[tokio::test(start_paused = true)]
async fn the_owners_network_is_told_apart_from_all_others() {
    let system = with_siti(with_gateway().await).await;
    at_home(&system, SITI).await;
    for _ in 0..5 {
        check_sent(&ask_code(&system, SITI).await);
        pass(MINUTE + SECOND).await;
    }
    let told = explained(&system, SITI, "sso").await;
    for place in ["atHome", "elsewhere"] {
        assert_eq!(told[place]["limit"], "window", "{place}: {told}");
    }
    pass(6 * MINUTE).await;
    let told = explained(&system, SITI, "sso").await;
    assert_eq!(
        (&told["atHome"]["answer"], &told["elsewhere"]["answer"]),
        (&json!("sent"), &json!("limited")),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_down_comes_after_one_that_sends() {
    let system =
        TestSystem::builder().simulator(|options| *options = options.clone().with_sessions(2));
    let system = with_siti(system.build().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let before = explained(&system, SITI, "sso").await;
    let first = before["sessions"][0]["name"].as_str().expect("a session");
    system
        .simulator()
        .play_on(first, &Scenario::Unpaired)
        .expect("a session");
    pass(2 * MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    let after = explained(&system, SITI, "sso").await;
    let second = after["sessions"][0]["name"].as_str().expect("a session");
    assert_ne!(first, second, "{after}");
    assert_eq!(after["sessions"][1]["rank"], "needs_human", "{after}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_charged_or_written_by_asking() {
    let system = with_siti(with_gateway().await).await;
    let browser = operator(&system).await;
    let tables = [
        "ChallengesTable",
        "DeliveriesTable",
        "LimitsTable",
        "UsersTable",
        "WhatsAppSessionsTable",
        "AuditTable",
    ];
    let mut before = Vec::new();
    for table in tables {
        before.push(items(&system, table).await);
    }
    system.database().forget_calls();
    for purpose in ["sso", "signup", "password-reset", "admin"] {
        let path = format!("{API}?phone={SITI}&purpose={purpose}");
        check_ok(&browser.get(&path).await);
    }
    let calls = system.database().calls();
    let reads = ["BatchGetItem", "GetItem"];
    assert!(
        calls
            .iter()
            .all(|call| reads.contains(&call.operation.as_str())),
        "{calls:#?}"
    );
    for (table, before) in tables.into_iter().zip(before) {
        assert_eq!(items(&system, table).await, before, "{table}");
    }
    assert!(system.simulator().messages(None).is_empty());
    assert_eq!(system.simulator().calls().count("/chat/send/text"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_page_tells_it_in_words_with_the_text_and_no_code() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let code = code_on(&system, SITI);
    for (language, limit) in [
        ("en", "No: the last one is too fresh"),
        ("id", "Tidak: kode terakhir masih terlalu baru"),
    ] {
        let browser = operator(&system).await.in_language(language);
        let form = browser.get(PAGE).await;
        let fields = [("sought", SITI), ("purpose", "sso")];
        let found = browser.submit(&form, "/api/admin/find", &fields).await;
        let way = found.headers.get(LOCATION).expect("a way");
        let way = way.to_str().expect("text");
        assert!(
            way.starts_with(PAGE) && way.ends_with("&purpose=sso"),
            "{way}"
        );
        assert!(!way.contains(phone(SITI).digits()), "{way}");
        let html = text(&browser.get(way).await);
        for shown in [limit, "62812****789", "••••••"] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        for hidden in [&code, phone(SITI).digits()] {
            assert!(!html.contains(hidden), "{html}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_and_a_purpose_are_needed_and_a_login() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    for (query, error) in [
        ("phone=08123456789", "INVALID_FIELD"),
        ("phone=08123456789&purpose=other", "INVALID_FIELD"),
        ("purpose=sso", "MISSING_IDENTIFIER"),
        ("phone=0812&purpose=sso", "INVALID_PHONE_FORMAT"),
    ] {
        let reply = browser.get(&format!("{API}?{query}")).await;
        assert_eq!(reply.json["error"], error, "{query}");
    }
    let stranger = tests::browser::Browser::new(&system);
    let query = format!("{API}?phone={SITI}&purpose=sso");
    check_problem(&stranger.get(&query).await, 401, "UNAUTHORIZED", json!({}));
    let form = browser.get(PAGE).await;
    let fields = [("sought", "3EB0744E286B549C2DECD9")];
    let refused = browser.submit(&form, "/api/admin/find", &fields).await;
    let way = refused.headers.get(LOCATION).expect("a way");
    let way = way.to_str().expect("text");
    assert!(
        way.starts_with(&format!("{PAGE}?problem=NOT_RECOGNISED")),
        "{way}"
    );
    let html = text(&browser.get(way).await);
    assert!(html.contains("That is not a phone number."), "{html}");
    assert!(html.contains("value=\"3EB0744E286B549C2DECD9\""), "{html}");
}

/// The page that explains a code to sign in.
async fn page(system: &TestSystem, typed: &str) -> String {
    page_for(system, typed, "sso").await
}

async fn page_for(system: &TestSystem, typed: &str, purpose: &str) -> String {
    let browser = operator(system).await;
    let form = browser.get(PAGE).await;
    let fields = [("sought", typed), ("purpose", purpose)];
    let found = browser.submit(&form, "/api/admin/find", &fields).await;
    let way = found.headers.get(LOCATION).expect("a way");
    text(&browser.get(way.to_str().expect("text")).await)
}

const YES: &str = "Yes, a code is sent at once";

#[tokio::test(start_paused = true)]
async fn while_no_session_is_ready_the_page_says_so_first_and_never_yes() {
    for (case, scenario, answer, told, verdict) in [
        (
            "nobody can help but a person",
            Scenario::Unpaired,
            "no_session",
            "No session can send now",
            "No: no session can send it",
        ),
        (
            "WhatsApp is out of reach",
            Scenario::WhatsappUnreachable { lasts_ms: None },
            "sent",
            "No session is known to be ready now",
            "Allowed",
        ),
    ] {
        let system = with_siti(with_gateway().await).await;
        check_sent(&ask_code(&system, SITI).await);
        pass(2 * MINUTE).await;
        assert!(page(&system, SITI).await.contains(YES), "{case}");
        system.simulator().play(&scenario);
        let refused = ask_code(&system, SITI).await;
        assert_eq!(refused.status, 503, "{case}: {}", refused.json);
        let api = explained(&system, SITI, "sso").await;
        assert_eq!(api["elsewhere"]["answer"], answer, "{case}: {api}");
        let html = page(&system, SITI).await;
        assert!(!html.contains(YES), "{case}: {html}");
        let (before, _) = html.split_once(verdict).expect(case);
        assert!(before.contains(told), "{case}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_was_refused_is_the_last_one_whatever_went_out_before() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    pass(2 * MINUTE).await;
    system.simulator().play(&Scenario::Unpaired);
    assert_eq!(ask_code(&system, SITI).await.status, 503);
    let html = page(&system, SITI).await;
    let (_, last) = html.split_once("Last try").expect("the last try");
    let last = last.split("</div>").next().unwrap_or_default();
    assert!(last.contains("Not sent"), "{last}");
    assert!(last.contains("<code>needs_pairing</code>"), "{last}");
    assert!(html.contains("Last one that went out"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn who_has_no_account_is_answered_and_nothing_is_called_sent() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let html = page(&system, BUDI).await;
    assert!(html.contains("Answered as if a code were sent"), "{html}");
    assert!(!html.contains(YES), "{html}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_locked_for_new_contacts_is_a_yes_only_for_whom_it_has_served() {
    let system = super::open_chat::locked().await;
    system.simulator().play(&Scenario::Healthy);
    add_user(&system, BUDI).await;
    check_sent(&ask_code(&system, BUDI).await);
    // So soon after a message that was taken, a refusal says nothing of the account.
    pass(MINUTE).await;
    system.simulator().play(&super::open_chat::LOCK);
    assert_eq!(ask_code(&system, SITI).await.status, 503);
    pass(2 * MINUTE).await;

    let known = explained(&system, BUDI, "sso").await;
    assert_eq!(known["elsewhere"]["answer"], "sent", "{known}");
    assert!(page(&system, BUDI).await.contains(YES));

    let other = explained(&system, SITI, "sso").await;
    assert_eq!(other["elsewhere"]["answer"], "known_contacts", "{other}");
    let html = page(&system, SITI).await;
    assert!(!html.contains(YES), "{html}");
    for told in [
        "Only if the phone has a chat with system",
        "is asked to write first",
        "Known contacts only",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    assert_eq!(ask_code(&system, SITI).await.status, 503, "as it was told");
}

#[tokio::test(start_paused = true)]
async fn whoever_signs_up_at_a_locked_account_is_told_as_refused_and_offered_a_chat() {
    let system = super::open_chat::locked().await;
    let refused = system.post(SIGNUP, applicant(BUDI)).await;
    assert!(
        refused.json["data"]["openChat"].is_string(),
        "{}",
        refused.json
    );
    let html = page_for(&system, BUDI, "signup").await;
    assert!(html.contains("No session can send now"), "{html}");
    assert!(
        !html.contains("signs up with this phone gets a message"),
        "{html}"
    );
    assert!(html.contains("is asked to write first"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_code_that_has_arrived_is_told_as_on_the_phone() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    assert!(page(&system, SITI).await.contains("taken by WhatsApp"));
    super::admin_deliveries::receipt(&system, "Delivered").await;
    let html = page(&system, SITI).await;
    assert!(!html.contains("taken by WhatsApp"), "{html}");
    let (_, last) = html
        .split_once("Last one that went out")
        .expect("the last one");
    let last = last.split("</div>").next().unwrap_or_default();
    assert!(last.contains("on the phone"), "{last}");
    let (_, tried) = html.split_once("Last try").expect("the last try");
    let tried = tried.split("</div>").next().unwrap_or_default();
    assert!(tried.contains("Delivered"), "{tried}");
}

#[tokio::test(start_paused = true)]
async fn of_who_has_no_account_no_code_is_told_to_work_or_to_have_gone_out() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, BUDI).await);
    let told = explained(&system, BUDI, "sso").await;
    assert_eq!(
        (&told["liveCode"], &told["last"]),
        (&Value::Null, &Value::Null)
    );
    let html = page(&system, BUDI).await;
    assert!(!html.contains("taken by WhatsApp"), "{html}");
    assert!(!html.contains("digits, ends"), "{html}");
}
