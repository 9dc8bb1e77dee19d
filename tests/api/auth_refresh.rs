//! `POST /api/auth/refresh`
use std::collections::BTreeSet;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[track_caller]
fn check_refused(reply: &Reply) {
    check_problem(reply, 401, "INVALID_REFRESH_TOKEN", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    // Its token is nobody's.
    check_refused(&sample(&system().await, "auth-refresh").await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    for (token, code) in [
        (Value::Null, "MISSING_REFRESH_TOKEN"),
        (json!(" "), "MISSING_REFRESH_TOKEN"),
        (json!(1), "INVALID_FIELD"),
        (json!(["x"]), "INVALID_FIELD"),
    ] {
        check_problem(&refresh(&system, &token).await, 400, code, json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_is_refused_without_a_look_at_the_store() {
    let system = system().await;
    for token in ["x", "a.b.c", "..", &"9".repeat(9_000), "é.0.AAAA"] {
        check_refused(&refresh(&system, &json!(token)).await);
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn the_next_tokens_are_of_the_same_login() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let first = guess(&system, SITI, &code, Some(&challenge)).await;
    let calls = gateway_calls(&system);
    pass(20 * MINUTE).await;
    let next = refresh(&system, &check_ok(&first)["refreshToken"]).await;
    let data = check_signed_in(&system, &next);
    assert_ne!(data["refreshToken"], first.json["data"]["refreshToken"]);
    assert_eq!(data["user"], first.json["data"]["user"]);
    let logins = items(&system, "LoginsTable").await;
    let logins: Vec<_> = logins.iter().filter_map(|login| login.text("id")).collect();
    assert_eq!(logins, [claims(&system, &next).await.sid]);
    assert_eq!(gateway_calls(&system), calls);
}

#[tokio::test(start_paused = true)]
async fn twenty_refreshes_at_once_get_the_same_tokens() {
    let system = system().await;
    let login = logged_in(&system).await;
    let crowd = (0..20).map(|_| {
        let (system, token) = (system.clone(), login["refreshToken"].clone());
        tokio::spawn(async move { refresh(&system, &token).await })
    });
    let mut tokens = BTreeSet::new();
    for one in crowd.collect::<Vec<_>>() {
        let reply = one.await.expect("a reply");
        tokens.insert(check_ok(&reply)["refreshToken"].to_string());
    }
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_login_lives_thirty_days_from_its_last_refresh() {
    let system = system().await;
    let mut token = logged_in(&system).await["refreshToken"].clone();
    for _ in 0..2 {
        pass(30 * DAY - SECOND).await;
        token = check_ok(&refresh(&system, &token).await)["refreshToken"].clone();
    }
    pass(30 * DAY).await;
    check_refused(&refresh(&system, &token).await);
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_with_its_user() {
    let system = system().await;
    let login = logged_in(&system).await;
    remove_user(&system, SITI).await;
    check_refused(&refresh(&system, &login["refreshToken"]).await);
    assert!(items(&system, "LoginsTable").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_the_token_is_not_spent() {
    let system = system().await;
    let login = logged_in(&system).await;
    let down = system.with_faults(Faults::down());
    check_unavailable(&refresh(&down, &login["refreshToken"]).await);
    pass(MINUTE).await;
    check_ok(&refresh(&system, &login["refreshToken"]).await);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_the_store_ends_no_login() {
    for lost in 1..=5 {
        let system = system().await;
        let login = logged_in(&system).await;
        let unlucky = system.with_faults(Faults::none().at(lost, Fault::ReplyLost));
        let next = refresh(&unlucky, &login["refreshToken"]).await;
        pass(MINUTE).await;
        check_ok(&refresh(&system, &check_ok(&next)["refreshToken"]).await);
    }
}
