//! What is no request is refused with a 4xx, without a call to the store or the gateway.
use local::api_gateway::BODY_MAX;
use local::template::Template;
use shared::edge::body::BODY_BYTES_MAX;
use tests::contract;

use super::*;

mod properties;
mod reasons;

const JSON: &str = "application/json";

/// Routes whose bodies are read otherwise, or not before somebody is known.
const OTHERS: [&str; 3] = ["/api/admin/", "/api/payments/", "/api/webhooks/"];

/// Every route that takes JSON. What a gateway posts is taken whatever it is, payment systems and operators are known before
/// anything is done, and pages take forms (`admin_login.rs`).
fn posts() -> Vec<String> {
    let template = Template::compiled_in().expect("template.yaml can be read");
    let routes = template.routes.into_iter();
    routes
        .filter_map(|route| route.matches)
        .filter(|(method, _)| method == "POST")
        .map(|(_, path)| path)
        .filter(|path| !contract::leads_to_pages(path))
        .filter(|path| !OTHERS.iter().any(|other| path.starts_with(other)))
        .collect()
}

/// Posts a body to every route, under its type.
async fn check_bodies(content_type: &str, bodies: &[&[u8]], status: u16, code: &str) {
    let system = system().await;
    for path in &posts() {
        for body in bodies {
            let headers = [("content-type", content_type)];
            let reply = system.request("POST", path, &headers, *body).await;
            check_problem(&reply, status, code, json!({}));
        }
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_json_object_is_refused() {
    let deep = r#"{"x":"#.repeat(2_000);
    let deep_array = format!(r#"{{"x":{}"#, "[".repeat(BODY_BYTES_MAX - 10));
    let bodies: [&[u8]; 21] = [
        b"",
        b" \n ",
        b"null",
        b"true",
        b"123",
        br#""08123456789""#,
        b"[]",
        br#"[{"identifier":"08123456789"}]"#,
        b"{",
        b"{}{}",
        br#"{"identifier":"08123456789""#,
        br#"{"identifier":"08123456789",}"#,
        br#"{identifier:"08123456789"}"#,
        br#"{'identifier':'08123456789'}"#,
        b"identifier=08123456789&method=whatsapp",
        b"<xml/>",
        b"\xef\xbb\xbf",
        b"{}\xef\xbb\xbf",
        b"{\"identifier\":\"\xff\xfe\"",
        deep.as_bytes(),
        deep_array.as_bytes(),
    ];
    check_bodies(JSON, &bodies, 400, "INVALID_JSON").await;
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_before_the_body_is_skipped() {
    let system = system().await;
    let body = format!("\u{FEFF}{}", json!({ "identifier": SITI }));
    let reply = system.request("POST", SIGNIN, &[("content-type", JSON)], body);
    check_sent(&reply.await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_declared_to_be_json_is_refused() {
    let body = json!({ "identifier": SITI }).to_string();
    // The first three are what a web page can make a browser send to any address.
    let types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/octet-stream",
        "application/jsonp",
        "",
    ];
    for content_type in types {
        let bodies: [&[u8]; 3] = [body.as_bytes(), b"identifier=1", b"\x00\x01\x02\xff"];
        check_bodies(content_type, &bodies, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    }
    let system = system().await;
    let undeclared = system.request("POST", SIGNIN, &[], body.clone()).await;
    check_problem(&undeclared, 415, "UNSUPPORTED_MEDIA_TYPE", json!({}));
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let headers = [("content-type", content_type)];
        let reply = system.request("POST", SIGNIN, &headers, body.clone()).await;
        check_sent(&reply);
        pass(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_of_the_wrong_type_is_refused() {
    let bodies: Vec<Vec<u8>> = [
        "identifier",
        "otp",
        "challengeId",
        "phone",
        "name",
        "password",
        "email",
    ]
    .into_iter()
    .flat_map(|field| {
        [
            json!(1),
            json!(1.5),
            json!(true),
            json!([]),
            json!({}),
            json!(["0812"]),
        ]
        .map(|value| json!({ field: value }).to_string().into_bytes())
    })
    .collect();
    let system = system().await;
    for path in &posts() {
        for body in &bodies {
            let headers = [("content-type", JSON)];
            let reply = system.request("POST", path, &headers, body.clone()).await;
            // The field may be one that this route ignores.
            assert_eq!(reply.status, 400, "{}", reply.json);
            let code = reply.json["error"].as_str().expect("a code").to_owned();
            assert!(
                code == "INVALID_FIELD" || code.starts_with("MISSING_"),
                "{code}"
            );
            check_problem(&reply, 400, &code, json!({}));
        }
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn nesting_in_fields_that_nobody_knows_is_ignored_however_deep() {
    let deep = format!(
        r#"{{"x":{}{},"identifier":""}}"#,
        "[".repeat(8_000),
        "]".repeat(8_000)
    );
    let system = system().await;
    let reply = system
        .request("POST", SIGNIN, &[("content-type", JSON)], deep)
        .await;
    check_problem(&reply, 400, "MISSING_IDENTIFIER", json!({}));
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_there_twice_is_refused() {
    let twice = r#"{"identifier":"08123456789","identifier":"08129876543","otp":"1"}"#;
    let system = system().await;
    for path in [SIGNIN, SSO_VERIFY, SIGNUP, VERIFY_OTP] {
        let headers = [("content-type", JSON)];
        let reply = system.request("POST", path, &headers, twice).await;
        check_problem(&reply, 400, "INVALID_FIELD", json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn nulls_are_missing_fields() {
    let body = json!({
        "identifier": null, "otp": null, "challengeId": null, "method": null,
        "name": null, "password": null, "email": null, "locale": null,
    });
    let system = system().await;
    for (path, code) in [
        (SIGNIN, "MISSING_IDENTIFIER"),
        (SSO_VERIFY, "MISSING_IDENTIFIER"),
        (SIGNUP, "MISSING_IDENTIFIER"),
        (VERIFY_OTP, "MISSING_CHALLENGE_ID"),
    ] {
        check_problem(&system.post(path, body.clone()).await, 400, code, json!({}));
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused_however_good_it_is() {
    let padded = |bytes: usize| {
        let mut body = json!({ "identifier": SITI }).to_string().into_bytes();
        body.resize(bytes, b' ');
        body
    };
    let (just_over, megabyte) = (padded(BODY_BYTES_MAX + 1), padded(1 << 20));
    check_bodies(JSON, &[&just_over, &megabyte], 413, "PAYLOAD_TOO_LARGE").await;
    let system = system().await;
    // Lambda takes 6 MB and API Gateway 10: their own answers.
    for bytes in [7 << 20, BODY_MAX + 1] {
        let headers = [("content-type", JSON)];
        let reply = system
            .request("POST", SIGNIN, &headers, padded(bytes))
            .await;
        assert_eq!(reply.status, 413);
        assert_eq!(reply.json, json!({ "message": "Request Entity Too Large" }));
    }
    check_untouched(&system);
    let largest = system.request(
        "POST",
        SIGNIN,
        &[("content-type", JSON)],
        padded(BODY_BYTES_MAX),
    );
    check_sent(&largest.await);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_repeats_nothing_of_what_was_sent() {
    let system = system().await;
    for body in [
        r#"{"phone":"08129876543","name":"Budi","password":["hunter2hunter2"]}"#,
        r#"{"phone":"08129876543","name":"Budi","password":"hunter2hunter2""#,
        r#"{"phone":"hunter2hunter2"}"#,
        r#"{"phone":"08129876543","name":"Budi","password":"x","email":"hunter2hunter2"}"#,
        r#"{"hunter2hunter2":1,"hunter2hunter2":2}"#,
    ] {
        for path in &posts() {
            let reply = system
                .request("POST", path, &[("content-type", JSON)], body)
                .await;
            assert_eq!(reply.status, 400);
            assert!(
                !reply.json.to_string().contains("hunter2"),
                "{}",
                reply.json
            );
        }
    }
}
