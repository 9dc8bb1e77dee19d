//! `GET /api/auth/session` and `DELETE /api/auth/session`
use super::*;

/// Checks the refusal of an access token, in the body and as browsers and libraries read it.
#[track_caller]
fn check_refused(reply: &Reply, code: &str) {
    check_problem(reply, 401, code, json!({}));
    let challenge = match code {
        "MISSING_TOKEN" => r#"Bearer realm="api""#,
        _ => r#"Bearer realm="api", error="invalid_token""#,
    };
    assert_eq!(reply.headers["www-authenticate"], challenge);
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    // Its token is nobody's.
    check_refused(
        &sample(&system().await, "auth-session").await,
        "INVALID_TOKEN",
    );
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_token_is_told_who_that_is() {
    let system = system().await;
    let login = logged_in(&system).await;
    let calls = gateway_calls(&system);
    let reply = session(&system, "GET", "", &login["token"]).await;
    assert_eq!(check_ok(&reply), &json!({ "user": login["user"] }));
    assert!(!reply.headers.contains_key("www-authenticate"));
    assert_eq!(gateway_calls(&system), calls);
}

#[tokio::test(start_paused = true)]
async fn without_a_bearer_token_one_is_asked_for() {
    let system = system().await;
    for method in ["GET", "DELETE"] {
        for given in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer  "),
            Some("Basic c2l0aQ=="),
        ] {
            let headers: Vec<_> = given
                .iter()
                .map(|given| ("authorization", *given))
                .collect();
            let reply = system.request(method, SESSION, &headers, "").await;
            check_refused(&reply, "MISSING_TOKEN");
        }
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_ours_or_was_changed_opens_nothing() {
    let system = system().await;
    let login = logged_in(&system).await;
    let token = login["token"].as_str().expect("a token");
    let parts: Vec<_> = token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    for changed in [
        "garbage".into(),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{claims}.{header}.{signature}"),
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("{header}.{claims}x.{signature}"),
        login["refreshToken"].as_str().expect("a token").into(),
    ] {
        for method in ["GET", "DELETE"] {
            let reply = session(&system, method, "?all=true", &json!(changed)).await;
            check_refused(&reply, "INVALID_TOKEN");
        }
    }
    check_ok(&session(&system, "GET", "", &login["token"]).await);
}

#[tokio::test(start_paused = true)]
async fn an_ended_login_and_an_expired_token_are_told_apart() {
    let system = system().await;
    let login = logged_in(&system).await;
    check_ok(&session(&system, "DELETE", "?all=false", &login["token"]).await);
    let reply = session(&system, "GET", "", &login["token"]).await;
    check_refused(&reply, "SESSION_ENDED");
    pass(15 * MINUTE).await;
    for method in ["GET", "DELETE"] {
        let reply = session(&system, method, "", &login["token"]).await;
        check_refused(&reply, "TOKEN_EXPIRED");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_cannot_be_read_ends_nothing() {
    let system = system().await;
    let login = logged_in(&system).await;
    for query in [
        "?all=maybe",
        "?all=",
        "?all=TRUE",
        "?all=1",
        "?all=true&all=false",
        "?all=false&all=true",
    ] {
        let reply = session(&system, "DELETE", query, &login["token"]).await;
        check_problem(&reply, 400, "INVALID_PARAMETER", json!({}));
    }
    check_ok(&session(&system, "GET", "", &login["token"]).await);
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_with_its_user() {
    let system = system().await;
    let login = logged_in(&system).await;
    remove_user(&system, SITI).await;
    let reply = session(&system, "GET", "", &login["token"]).await;
    check_refused(&reply, "SESSION_ENDED");
    check_ok(&session(&system, "DELETE", "", &login["token"]).await);
}

#[tokio::test(start_paused = true)]
async fn signing_out_again_is_signing_out() {
    let system = system().await;
    let first = logged_in(&system).await;
    pass(MINUTE).await;
    let second = logged_in(&system).await;
    for _ in 0..2 {
        check_ok(&session(&system, "DELETE", "", &first["token"]).await);
    }
    // A token that opens nothing does not end the login that lives.
    let everywhere = session(&system, "DELETE", "?all=true", &first["token"]).await;
    check_refused(&everywhere, "SESSION_ENDED");
    check_ok(&session(&system, "GET", "", &second["token"]).await);
    for _ in 0..2 {
        check_ok(&session(&system, "DELETE", "?all=true", &second["token"]).await);
    }
    check_ok(&session(&system, "DELETE", "?all=true", &first["token"]).await);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_nobody_is_signed_out() {
    let system = system().await;
    let login = logged_in(&system).await;
    let down = system.with_faults(Faults::down());
    for (method, query) in [("GET", ""), ("DELETE", ""), ("DELETE", "?all=true")] {
        check_unavailable(&session(&down, method, query, &login["token"]).await);
    }
    check_ok(&session(&system, "GET", "", &login["token"]).await);
}
