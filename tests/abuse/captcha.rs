//! A CAPTCHA before a sign-up, verified by a service on this machine over HTTP.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shared::model::caller::TrustedCallers;
use shared::model::captcha::{CaptchaRules, CaptchaSecret, CaptchaSettings};
use tests::{Reply, TestSystem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::act::*;

const SECRET: &str = "hush & hush";

/// The SHA-256 of `the key of a backend`.
const KEY_HASH: &str = "91f91c0089b82a0d4c680c8e075e8b80f17638d2a21645de9557a4f8c312fc11";

/// What the service was asked, one form each.
type Asked = Arc<Mutex<Vec<String>>>;

/// A service that does what the token says: `solved…` passes once, and others do worse.
async fn service(asked: Asked) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut spent = BTreeSet::new();
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let form = form(&mut caller).await;
            let token = form
                .split('&')
                .find_map(|pair| pair.strip_prefix("response="));
            let token = token.unwrap().to_owned();
            asked.lock().unwrap().push(form);
            let no = |error: &str| format!(r#"{{"success":false,"error-codes":["{error}"]}}"#);
            let (status, body) = match token.as_str() {
                "silence" => {
                    tokio::spawn(async move { caller.read_u8().await });
                    continue;
                }
                "failure" => (500, r#"{"success":true}"#.into()),
                "elsewhere" => (302, r#"{"success":true}"#.into()),
                "garbage" => (200, "<html>".into()),
                "much" => (200, format!(r#"{{"success":true}}{}"#, " ".repeat(20_000))),
                "misconfigured" => (200, no("invalid-input-secret")),
                scored if scored.starts_with("scored") => (200, scored_answer(scored)),
                solved if !solved.starts_with("solved") => (400, no("invalid-input-response")),
                solved if !spent.insert(solved.to_owned()) => (200, no("timeout-or-duplicate")),
                _ => (200, r#"{"success":true,"error-codes":[]}"#.into()),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} So\r\nlocation: /\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            // Whoever finds it too long hangs up.
            let _ = caller.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/siteverify")
}

/// What reCAPTCHA v3 says of `scored-0.9-www.example.com-signup`.
fn scored_answer(token: &str) -> String {
    let parts: Vec<_> = token.splitn(4, '-').collect();
    let [_, score, hostname, action] = parts[..] else {
        panic!("{token}: no score, hostname and action");
    };
    let score: f64 = score.parse().unwrap();
    json!({ "success": true, "score": score, "hostname": hostname, "action": action }).to_string()
}

/// The body of one request.
async fn form(caller: &mut TcpStream) -> String {
    let mut request = String::new();
    loop {
        let mut part = [0; 4096];
        let read = caller.read(&mut part).await.unwrap();
        assert!(read > 0, "the caller left early");
        request.push_str(std::str::from_utf8(&part[..read]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.contains("application/x-www-form-urlencoded"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        if body.len() == length.lines().next().unwrap().parse::<usize>().unwrap() {
            return body.to_owned();
        }
    }
}

async fn system_asking(verify_url: String) -> TestSystem {
    system_with(verify_url, CaptchaRules::default()).await
}

async fn system_with(verify_url: String, rules: CaptchaRules) -> TestSystem {
    let system = TestSystem::builder().settings(|settings| {
        let secret = CaptchaSecret::new(SECRET);
        let captcha = CaptchaSettings {
            verify_url,
            secret,
            rules,
        };
        settings.captcha = Some(captcha.into());
        settings.trusted_callers = TrustedCallers::parse(KEY_HASH).unwrap();
    });
    system.build().await
}

async fn system() -> (TestSystem, Asked) {
    let asked = Asked::default();
    let verify_url = service(asked.clone()).await;
    (system_asking(verify_url).await, asked)
}

async fn sign_up_with(system: &TestSystem, token: impl Into<Value>) -> Reply {
    let mut applicant = applicant(&phone(1));
    applicant["captchaToken"] = token.into();
    system.post("/api/auth/signup", applicant).await
}

/// Checks a refusal, and that nothing came of the request.
async fn check_refused(system: &TestSystem, reply: &Reply, status: u16, error: &str) {
    check_error(reply, status, error, None);
    assert_eq!(reply.json["charged"], false);
    assert!(system.database().calls().is_empty());
    assert!(system.simulator().calls().counts.is_empty());
}

#[tokio::test]
async fn a_solved_captcha_lets_one_request_pass() {
    let (system, asked) = system().await;
    check_ok(&sign_up_with(&system, " solved/1 ").await);
    let question = "secret=hush+%26+hush&response=solved%2F1&remoteip=203.0.113.1";
    assert_eq!(*asked.lock().unwrap(), [question]);

    system.database().forget_calls();
    let again = sign_up_with(&system, "solved/1").await;
    check_error(&again, 400, "CAPTCHA_FAILED", None);
    assert!(system.database().calls().is_empty());
    // What is answered otherwise spends a token too.
    let early = sign_up_with(&system, "solved/2").await;
    check_error(&early, 429, "RATE_LIMITED", Some("cooldown"));
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_captcha_that_was_not_solved_stops_a_sign_up_before_anything_is_read() {
    let (system, asked) = system().await;
    for token in [Value::Null, json!(""), json!(" "), json!("x".repeat(8_193))] {
        let reply = sign_up_with(&system, token).await;
        check_refused(&system, &reply, 400, "CAPTCHA_FAILED").await;
    }
    assert!(asked.lock().unwrap().is_empty());
    let reply = sign_up_with(&system, "unsolved").await;
    check_refused(&system, &reply, 400, "CAPTCHA_FAILED").await;
    check_ok(&sign_up_with(&system, "solved").await);
}

#[tokio::test]
async fn a_score_that_is_too_low_is_no_person() {
    let (system, _) = system().await;
    for token in ["scored-0-x-y", "scored-0.1-x-y", "scored-0.49-x-y"] {
        let reply = sign_up_with(&system, token).await;
        check_refused(&system, &reply, 400, "CAPTCHA_FAILED").await;
    }
    let reply = sign_up_with(&system, "scored-0.5-x-y").await;
    check_ok(&reply);
}

#[tokio::test]
async fn a_captcha_of_another_page_or_for_another_action_lets_nobody_pass() {
    let verify_url = service(Asked::default()).await;
    let rules = CaptchaRules {
        least_score: 0.7,
        hostnames: vec!["www.example.com".into(), "example.com".into()],
        action: Some("signup".into()),
    };
    let system = system_with(verify_url, rules).await;
    for token in [
        "scored-0.6-www.example.com-signup",
        "scored-0.9-evil.example-signup",
        "scored-0.9-www.example.com.evil.example-signup",
        "scored-0.9--signup",
        "scored-0.9-www.example.com-login",
        "scored-0.9-www.example.com-",
        // Without a hostname and an action.
        "solved",
    ] {
        let reply = sign_up_with(&system, token).await;
        check_refused(&system, &reply, 400, "CAPTCHA_FAILED").await;
    }
    let reply = sign_up_with(&system, "scored-0.7-WWW.example.com-signup").await;
    check_ok(&reply);
}

#[tokio::test]
async fn without_a_verdict_nobody_signs_up_and_nothing_is_charged() {
    let (system, asked) = system().await;
    for token in ["failure", "elsewhere", "garbage", "much", "misconfigured"] {
        let reply = sign_up_with(&system, token).await;
        check_refused(&system, &reply, 503, "CAPTCHA_UNAVAILABLE").await;
    }
    assert_eq!(asked.lock().unwrap().len(), 5);
    check_ok(&sign_up_with(&system, "solved").await);

    let nobody = system_asking("http://127.0.0.1:1/".into()).await;
    let reply = sign_up_with(&nobody, "solved").await;
    check_refused(&nobody, &reply, 503, "CAPTCHA_UNAVAILABLE").await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_takes_three_seconds_at_most() {
    let (system, _) = system().await;
    let began = Instant::now();
    let reply = sign_up_with(&system, "silence").await;
    assert!(began.elapsed() < Duration::from_millis(3_100));
    check_refused(&system, &reply, 503, "CAPTCHA_UNAVAILABLE").await;
}

#[tokio::test]
async fn the_service_hears_the_whole_address_of_the_client() {
    let (system, asked) = system().await;
    let applicant =
        |token| json!({"name": "Siti", "phone": phone(1), "password": "-", "captchaToken": token});
    let path = "/api/auth/signup";
    // A request that has to be changed spends no token.
    let refused = system.post(path, applicant("solved-0")).await;
    check_error(&refused, 400, "INVALID_PASSWORD", None);
    assert!(asked.lock().unwrap().is_empty());

    let mut applicant = applicant("unsolved");
    applicant["password"] = PASSWORD.into();
    let headers = [
        ("content-type", "application/json"),
        ("x-caller-key", "the key of a backend"),
        ("x-client-address", "2001:db8:1:2:3:4:5:6"),
    ];
    let refused = system
        .request("POST", path, &headers, applicant.to_string())
        .await;
    check_error(&refused, 400, "CAPTCHA_FAILED", None);
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].ends_with("&remoteip=2001%3Adb8%3A1%3A2%3A3%3A4%3A5%3A6"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn only_a_sign_up_has_a_captcha_and_its_resend_needs_its_challenge_id() {
    let (system, asked) = system().await;
    add_user(&system, &phone(2)).await;
    check_ok(&sign_in(&system, &phone(2)).await);
    for challenge in [Value::Null, json!("AAAAAAAAAAAAAAAAAAAAAA")] {
        let body = json!({ "identifier": phone(1), "purpose": "signup", "challengeId": challenge });
        let refused = system.post("/api/auth/send-otp", body).await;
        assert_eq!(refused.status, 400);
    }
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(system.simulator().messages(None).len(), 1);
}
