//! `POST /api/auth/refresh` and `POST /api/auth/signout`
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

/// The refresh token of a reply.
#[track_caller]
fn next_token(reply: &Reply) -> Value {
    check_ok(reply)["refreshToken"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_answered_alike_for_a_minute_and_then_ends_the_login() {
    let refreshed = async || {
        let system = system().await;
        let login = logged_in(&system).await;
        let next = next_token(&refresh(&system, &login["refreshToken"]).await);
        (system, login, next)
    };
    for wait in [SECOND, 10 * SECOND, MINUTE - MILLISECOND] {
        let (system, login, next) = refreshed().await;
        pass(wait).await;
        let again = refresh(&system, &login["refreshToken"]).await;
        assert_eq!(next_token(&again), next, "{wait:?}");
    }
    let (system, login, next) = refreshed().await;
    pass(MINUTE).await;
    let reused = refresh(&system, &login["refreshToken"]).await;
    check_problem(&reused, 401, "REFRESH_TOKEN_REUSED", json!({}));
    check_refused(&refresh(&system, &next).await);
}

#[tokio::test(start_paused = true)]
async fn the_minute_begins_when_the_token_is_spent_not_when_it_was_sent() {
    let system = system().await;
    let login = logged_in(&system).await;
    // Two reads, one after the other, before the write.
    let latency = 900 * MILLISECOND;
    let slow = system.with_faults(Faults::none().latency(latency));
    check_ok(&refresh(&slow, &login["refreshToken"]).await);
    pass(MINUTE - latency - MILLISECOND).await;
    check_ok(&refresh(&system, &login["refreshToken"]).await);
    pass(MILLISECOND).await;
    let reused = refresh(&system, &login["refreshToken"]).await;
    check_problem(&reused, 401, "REFRESH_TOKEN_REUSED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_when_told_to_keeps_the_login() {
    let slow = || Faults::none().latency(900 * MILLISECOND);
    for lost in 1..=5 {
        let system = system().await;
        let login = logged_in(&system).await;
        // The token is spent by the fifth call. Its reply is lost, and the outage goes on.
        for lost in [lost, 1, 1] {
            let broken = system.with_faults(slow().from(lost, Fault::ReplyLost));
            check_unavailable(&refresh(&broken, &login["refreshToken"]).await);
            pass(5 * SECOND).await;
        }
        let next = refresh(&system, &login["refreshToken"]).await;
        check_ok(&refresh(&system, &next_token(&next)).await);
    }
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
async fn a_login_ends_ninety_days_after_it_was_opened() {
    let system = system().await;
    let mut login = logged_in(&system).await;
    for _ in 0..3 {
        pass(30 * DAY - SECOND).await;
        login = check_ok(&refresh(&system, &login["refreshToken"]).await).clone();
    }
    check_ok(&session(&system, "GET", "", &login["token"]).await);
    pass(2 * SECOND).await;
    login = check_ok(&refresh(&system, &login["refreshToken"]).await).clone();
    pass(SECOND).await;
    check_refused(&refresh(&system, &login["refreshToken"]).await);
    let ended = session(&system, "GET", "", &login["token"]).await;
    check_problem(&ended, 401, "SESSION_ENDED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_ends_while_it_is_refreshed_gives_no_tokens() {
    // Its last refresh comes three seconds before its end. Another one makes two reads, one after the other, before it gives
    // the same tokens.
    let latency = 900 * MILLISECOND;
    for (case, wait, status) in [
        ("it still lives after the reads", Duration::ZERO, 200),
        ("it has ended after the reads", 2 * SECOND, 401),
    ] {
        let system = system().await;
        let mut login = logged_in(&system).await;
        for _ in 0..3 {
            pass(30 * DAY - SECOND).await;
            login = check_ok(&refresh(&system, &login["refreshToken"]).await).clone();
        }
        let spent = &login["refreshToken"];
        check_ok(&refresh(&system, spent).await);
        pass(wait).await;
        let slow = system.with_faults(Faults::none().latency(latency));
        assert_eq!(refresh(&slow, spent).await.status, status, "{case}");
    }
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

async fn sign_out(system: &TestSystem, token: &Value) -> Reply {
    system.post(SIGNOUT, json!({ "refreshToken": token })).await
}

/// Checks that neither token of a login opens anything.
async fn check_ended(system: &TestSystem, login: &Value) {
    check_refused(&refresh(system, &login["refreshToken"]).await);
    let look = session(system, "GET", "", &login["token"]).await;
    check_problem(&look, 401, "SESSION_ENDED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn signing_out_takes_a_refresh_token_also_when_no_access_token_counts() {
    let system = system().await;
    let login = logged_in(&system).await;
    pass(15 * MINUTE).await;
    for _ in 0..2 {
        let reply = sign_out(&system, &login["refreshToken"]).await;
        assert_eq!(check_ok(&reply), &json!({}));
    }
    check_refused(&refresh(&system, &login["refreshToken"]).await);
    assert!(items(&system, "LoginsTable").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn signing_out_takes_a_refresh_token_that_was_used_before() {
    let system = system().await;
    let login = logged_in(&system).await;
    let next = refresh(&system, &login["refreshToken"]).await;
    check_ok(&sign_out(&system, &login["refreshToken"]).await);
    check_ended(&system, check_ok(&next)).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_token_signs_nobody_out() {
    let system = system().await;
    let login = logged_in(&system).await;
    let token = login["refreshToken"].as_str().expect("a token");
    let (id, _) = token.split_once('.').expect("a login id");
    for forged in [format!("{id}.0.AAAA"), "x".into()] {
        check_refused(&sign_out(&system, &json!(forged)).await);
    }
    let missing = sign_out(&system, &Value::Null).await;
    check_problem(&missing, 400, "MISSING_REFRESH_TOKEN", json!({}));
    check_unavailable(&sign_out(&system.with_faults(Faults::down()), &login["refreshToken"]).await);
    check_ok(&refresh(&system, &login["refreshToken"]).await);
}
