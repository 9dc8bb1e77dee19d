//! `/admin/dashboard/outbox`: why notices wait, and what an operator does about it.
use shared::flows::admin::audit::Audit;
use shared::flows::payments::Notices;
use tests::browser::{Browser, text};

use super::admin_api::operator;
use super::paying::{about, post, states, with, with_callers};
use super::*;

const PAGE: &str = "/admin/dashboard/outbox";
const API: &str = "/api/admin/outbox";

/// The notices that wait, by their id.
async fn notices(browser: &Browser) -> Map<String, Value> {
    let reply = browser.get(API).await;
    let notices = check_ok(&reply)["notices"].as_array().expect("a list");
    let named = |notice: &Value| {
        (
            notice["id"].as_str().expect("an id").to_owned(),
            notice.clone(),
        )
    };
    notices.iter().map(named).collect()
}

/// The card of a notice.
fn card<'a>(html: &'a str, id: &str) -> &'a str {
    let cards = html.split("<li class=\"row\"").skip(1);
    let mut cards = cards.filter(|card| card.contains(id));
    cards.next().unwrap_or_else(|| panic!("{id}: {html}"))
}

/// One run that delivers what is due.
async fn deliver(system: &TestSystem) {
    let notices = Notices::new(system.backends());
    let deadline = system.now().plus(MINUTE);
    notices.deliver_due(deadline).await.expect("the store");
}

/// A system whose only session may write to nobody new today.
async fn without_new_chats() -> TestSystem {
    let system = with_callers().await;
    system.with_settings(|settings| settings.sessions[0].new_chats_per_day = Some(1))
}

#[tokio::test(start_paused = true)]
async fn a_notice_says_why_it_waits_also_before_its_first_attempt() {
    let system = without_new_chats().await;
    post(&system, ("INV-1", "success"), &about()).await;
    let browser = operator(&system).await;
    let waiting = notices(&browser).await;
    let notice = &waiting["INV-1:success"];
    assert_eq!(
        (&notice["attempts"], &notice["reason"], &notice["stage"]),
        (&json!(0), &json!("no_new_chats"), &json!("late")),
    );
    let html = text(&browser.get(PAGE).await);
    assert!(html.contains("No session takes new chats"), "{html}");
    assert!(html.contains("1 notice is late"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_session_goes_out_minutes_after_one_takes_it() {
    let system = without_new_chats().await;
    post(&system, ("INV-1", "success"), &about()).await;
    let open = system.with_settings(|settings| settings.sessions[0].new_chats_per_day = None);
    for _ in 0..3 {
        pass(MINUTE).await;
        deliver(&open).await;
    }
    assert_eq!(states(&open, "INV-1").await, ["success sent"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_due_is_scheduled_and_what_is_not_needed_any_more_cannot_be_sent() {
    let system = with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    let ends = system.now().plus(48 * 60 * MINUTE).rfc3339();
    let bill = with(about(), &json!({ "expiresAt": ends }));
    for payment in ["INV-1", "INV-2"] {
        post(&system, (payment, "created"), &bill).await;
    }
    post(&system, ("INV-1", "success"), &about()).await;
    let browser = operator(&system).await;
    let waiting = notices(&browser).await;
    let stage = |id: &str| waiting[id]["stage"].as_str().expect("a word").to_owned();
    let warning = |payment: &str| {
        let mut ids = waiting.keys();
        let prefix = format!("{payment}:expiry-warning");
        ids.find(|id| id.starts_with(&prefix))
            .expect("a warning")
            .clone()
    };
    assert_eq!(stage("INV-1:success"), "late");
    assert_eq!(stage("INV-1:created"), "not_needed");
    assert_eq!(stage(&warning("INV-1")), "not_needed");
    assert_eq!(stage("INV-2:created"), "late");
    assert_eq!(stage(&warning("INV-2")), "scheduled");

    let html = text(&browser.get(PAGE).await);
    let retry = |id: &str| format!("/api/admin/outbox/{id}/retry");
    for (id, told, can_be_sent) in [
        ("INV-1:success", "Waits", true),
        ("INV-1:created", "Not needed any more", false),
        (&warning("INV-2"), "Scheduled", true),
    ] {
        let card = card(&html, id);
        assert!(card.contains(told), "{told}: {card}");
        assert_eq!(card.contains(&retry(id)), can_be_sent, "{id}: {card}");
    }
    let first = html.find("INV-1:success").expect("it");
    assert!(
        first < html.find("INV-2:created").expect("it"),
        "facts first"
    );
    assert!(html.contains("2 notices are late"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn all_that_are_late_are_sent_by_one_press_that_is_in_the_audit() {
    let system = with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    for payment in ["INV-1", "INV-2", "INV-3"] {
        post(&system, (payment, "success"), &about()).await;
    }
    // Late ones wait for longer and longer.
    for _ in 0..30 {
        pass(MINUTE).await;
        deliver(&system).await;
    }
    let browser = operator(&system).await;
    let page = browser.get(PAGE).await;
    let html = text(&page);
    assert!(html.contains("3 notices are late"), "{html}");
    let forged = browser
        .post(&format!("{API}/late/retry"), &[("csrf", "0")])
        .await;
    check_problem(&forged, 403, "CSRF", json!({}));
    system.simulator().play(&Scenario::Healthy);
    system.watch().await;
    pass(20 * SECOND).await;
    system.watch().await;
    let sent = browser
        .submit(&page, &format!("{API}/late/retry"), &[])
        .await;
    let way = sent.headers["location"].to_str().expect("text");
    let html = text(&browser.get(way).await);
    assert!(
        html.contains("3 notices are tried within a minute"),
        "{html}"
    );
    pass(SECOND).await;
    deliver(&system).await;
    for payment in ["INV-1", "INV-2", "INV-3"] {
        assert_eq!(
            states(&system, payment).await,
            ["success sent"],
            "{payment}"
        );
    }
    let audit = Audit::new(&system.without_faults());
    let page = audit.page(None, system.now()).await.expect("the store");
    let mut told = page
        .entries
        .iter()
        .filter(|entry| entry.what == "notices-send-now");
    let entry = told.next().expect("an entry");
    assert_eq!(
        (entry.whom.as_deref(), entry.result.as_str()),
        (Some("3 notices"), "done")
    );
}

#[tokio::test(start_paused = true)]
async fn send_now_promises_nothing_while_no_session_can_send() {
    let system = with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    post(&system, ("INV-1", "success"), &about()).await;
    let browser = operator(&system).await;
    let page = browser.get(PAGE).await;
    let html = text(&page);
    assert!(html.contains("No session can send now"), "{html}");
    let path = format!("{API}/INV-1:success/retry");
    let sent = browser.submit(&page, &path, &[]).await;
    let way = sent.headers["location"].to_str().expect("text");
    let html = text(&browser.get(way).await);
    assert!(html.contains("INV-1 is tried within a minute"), "{html}");
    assert!(html.contains("No session can send now"), "{html}");
}
