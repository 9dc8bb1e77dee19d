//! The simulator's control API, and requests that only a hand can write.
use std::collections::BTreeSet;

use local::simulator::{Profile, SimulatorOptions};
use serde_json::{Value, json};

use crate::harness::{Served, WITHIN, text, token};

const DOCUMENT: &str = include_str!("../../docs/simulator.md");
const TOKEN: &str = "Token: system-session-token\r\n";

async fn served() -> Served {
    Served::new(SimulatorOptions::default()).await
}

impl Served {
    async fn control(&self, line: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.raw(line, "", body).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }
}

#[tokio::test]
async fn a_message_is_found_by_its_phone_in_any_form() {
    let served = served().await;
    served
        .client
        .send_text(&token(), &text("3EB0"), WITHIN)
        .await
        .expect("sent");
    for phone in ["", "628123456789", "%2B62%20812-3456-789", "08123456789"] {
        let (status, inbox) = served
            .control(&format!("GET /sim/messages?phone={phone}"), "")
            .await;
        assert_eq!(
            (status, inbox["messages"][0]["id"].as_str()),
            (200, Some("3EB0")),
            "{phone}"
        );
        assert_eq!(
            (&inbox["duplicates"], &inbox["resent"]),
            (&json!(0), &json!(0))
        );
    }
    let (_, inbox) = served
        .control("GET /sim/messages?phone=628999999999", "")
        .await;
    assert_eq!(inbox["messages"], json!([]));
    let deleted = served.control("DELETE /sim/messages", "").await;
    assert_eq!(deleted, (200, json!({"deleted": 1})));
    assert!(served.simulator.messages(None).is_empty());
}

#[tokio::test]
async fn a_session_is_put_into_a_state_by_name_or_token() {
    let served = served().await;
    for (session, asked, state) in [
        ("system", "absent", "absent"),
        ("system-session-token", "qr_wait", "qr_wait"),
        ("system", "S9", "half_open"),
    ] {
        let (status, summary) = served
            .control(
                &format!("POST /sim/session/{session}"),
                &format!(r#"{{"state":"{asked}"}}"#),
            )
            .await;
        assert_eq!(
            (status, &summary["sessions"][0]["state"]),
            (200, &json!(state))
        );
    }
    let summary = served.control("GET /sim/state", "").await.1.to_string();
    assert!(
        !summary.contains("system-session-token"),
        "tokens are not shown"
    );
}

#[tokio::test]
async fn calls_are_counted_without_tokens() {
    let served = served().await;
    served
        .client
        .status(&token(), WITHIN)
        .await
        .expect("a status");
    served
        .raw("GET /session/status", "token: wrong\r\n", "")
        .await;
    let (_, log) = served.control("GET /sim/calls", "").await;
    assert_eq!(log["counts"], json!({"/session/status": 2}));
    let outcomes: Vec<_> = (0..2)
        .map(|call| {
            (
                log["calls"][call]["session"].clone(),
                log["calls"][call]["outcome"].clone(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            (json!("system"), json!("200")),
            (json!("unknown"), json!("401 unauthorized"))
        ]
    );
    assert!(!log.to_string().contains("system-session-token"));
}

#[tokio::test]
async fn bad_control_requests_are_refused_with_what_is_accepted() {
    let served = served().await;
    for (line, body, status) in [
        ("POST /sim/faults", "", 400),
        ("POST /sim/faults", "[]", 400),
        ("POST /sim/faults", r#"{"scenario":"nonsense"}"#, 400),
        ("POST /sim/faults", r#"{"scenario":7,"sends":"many"}"#, 400),
        (
            "POST /sim/faults",
            r#"{"scenario":7,"session":"nobody"}"#,
            404,
        ),
        ("POST /sim/session/system", r#"{"state":"happy"}"#, 400),
        (
            "POST /sim/session/system",
            r#"{"state":"online","color":1}"#,
            400,
        ),
        ("POST /sim/session/nobody", r#"{"state":"online"}"#, 404),
        ("POST /sim/faults", r#"{"gateway":"nobody"}"#, 404),
        ("POST /sim/faults", r#"{"devices":9}"#, 400),
        (
            "POST /sim/incoming",
            r#"{"session":"system","phone":"0812"}"#,
            400,
        ),
        (
            "POST /sim/incoming",
            r#"{"session":"nobody","phone":"0812","text":"a"}"#,
            404,
        ),
        ("GET /sim/nothing", "", 404),
        ("PUT /sim/messages", "", 404),
    ] {
        let (answered, refusal) = served.control(line, body).await;
        assert_eq!(answered, status, "{line} {body}");
        assert!(refusal["error"].is_string(), "{line} {body}: {refusal}");
    }
    let (_, refusal) = served
        .control("POST /sim/faults", r#"{"scenario":"nonsense"}"#)
        .await;
    let accepted = refusal["accepted"]["scenarios"].as_array().expect("a list");
    assert!(
        accepted
            .iter()
            .any(|entry| entry["scenario"] == "half_open" && entry["parameters"]["sends"] == 1)
    );
}

#[tokio::test]
async fn knobs_are_turned_with_or_without_a_scenario() {
    let served = served().await;
    let body = r#"{"scenario":"network_blip","lasts_ms":60000,"profile":"d","time_scale":0.01}"#;
    let (_, summary) = served.control("POST /sim/faults", body).await;
    assert_eq!(
        (&summary["profile"], &summary["time_scale"]),
        (&json!("d"), &json!(0.01))
    );
    assert_eq!(summary["sessions"][0]["state"], "reconnecting");
    let (_, summary) = served.control("POST /sim/faults", r#"{"send_ms":7}"#).await;
    assert_eq!(
        (&summary["send_ms"], &summary["profile"]),
        (&json!(7), &json!("d"))
    );
    let (_, summary) = served.control("POST /sim/reset", "").await;
    assert_eq!(
        (&summary["send_ms"], &summary["profile"]),
        (&json!(400), &json!("b"))
    );
}

#[tokio::test]
async fn dial_login_and_version_are_turned_and_shown() {
    let served = served().await;
    let body = r#"{"profile":"c","dial_ms":50,"login_ms":2000,"restart_ms":9000,"receipt_ms":70,"read_ms":80,"devices":2,"lid":true,"webhook_format":"json"}"#;
    let (_, summary) = served.control("POST /sim/faults", body).await;
    for (key, value) in [
        ("profile", json!("c")),
        ("dial_ms", json!(50)),
        ("login_ms", json!(2_000)),
        ("restart_ms", json!(9_000)),
        ("receipt_ms", json!(70)),
        ("read_ms", json!(80)),
        ("devices", json!(2)),
        ("lid", json!(true)),
        ("webhook_format", json!("json")),
        ("network", json!("reachable")),
        ("processes_ended", json!(0)),
    ] {
        assert_eq!(summary[key], value, "{key}");
    }
    let body = r#"{"scenario":"whatsapp_unreachable"}"#;
    let (_, summary) = served.control("POST /sim/faults", body).await;
    assert_eq!(summary["network"], "unreachable");
    let session = &summary["sessions"][0];
    assert_eq!(
        (&session["connected"], &session["loggedIn"]),
        (&json!(false), &json!(true))
    );
    let body = r#"{"scenario":"login_refused","code":405}"#;
    let (status, _) = served.control("POST /sim/faults", body).await;
    assert_eq!(status, 200);
    let body = r#"{"scenario":"login_refused","code":404}"#;
    let (status, refusal) = served.control("POST /sim/faults", body).await;
    assert_eq!(status, 400);
    let problem = refusal["error"].as_str().expect("a text");
    assert!(problem.ends_with("402, 405, 418 or 503"), "{problem}");
}

#[tokio::test]
async fn a_number_that_is_another_ones_on_whatsapp_is_told_by_a_check() {
    let served = served().await;
    let body = r#"{"scenario":"moved_number","phone":"0812 3456 789","to":"+62 811 0000 001"}"#;
    served.control("POST /sim/faults", body).await;
    let asked = r#"{"Phone":["628123456789","+628999999999"]}"#;
    let (_, answer) = served.raw("POST /user/check", TOKEN, asked).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let users = &answer["data"]["Users"];
    let user = |query: &str, jid: &str| json!({"IsInWhatsapp": true, "JID": jid, "Query": query, "VerifiedName": ""});
    let moved = user("628123456789", "628110000001@s.whatsapp.net");
    let usual = user("+628999999999", "628999999999@s.whatsapp.net");
    assert_eq!(users, &json!([moved, usual]));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (status, page) = served().await.raw("GET /sim", "", "").await;
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>"));
    assert!(!page.contains("//cdn") && !page.contains("http://") && !page.contains("https://"));
}

#[tokio::test]
async fn input_is_refused_in_the_gateways_own_words() {
    for (profile, texts) in [
        (
            Profile::B,
            [
                "could not decode Payload",
                "missing Phone in Payload",
                "missing Body in Payload",
            ],
        ),
        (
            Profile::A,
            [
                "Could not decode Payload",
                "Missing Phone in Payload",
                "Missing Body in Payload",
            ],
        ),
    ] {
        let served = Served::new(SimulatorOptions {
            profile,
            ..SimulatorOptions::default()
        })
        .await;
        for (line, body, text) in [
            ("POST /session/connect", "", texts[0]),
            ("POST /chat/send/text", "{", texts[0]),
            (
                "POST /chat/send/text",
                r#"{"Phone":5,"Body":"a"}"#,
                texts[0],
            ),
            ("POST /chat/send/text", r#"{"body":"a"}"#, texts[1]),
            ("POST /chat/send/text", r#"{"phone":"62"}"#, texts[2]),
            ("POST /user/check", r#"{"Phone":"62"}"#, texts[0]),
            ("POST /user/check", r#"{"Phone":[]}"#, texts[1]),
        ] {
            let (status, body) = served.raw(line, TOKEN, body).await;
            let expected = format!("{{\"code\":400,\"error\":\"{text}\",\"success\":false}}\n");
            assert_eq!((status, body), (400, expected), "{line}");
        }
    }
}

#[tokio::test]
async fn a_token_may_stand_in_the_query_and_unknown_paths_are_plain() {
    let served = served().await;
    let (status, _) = served
        .raw("GET /session/status?token=system-session-token", "", "")
        .await;
    assert_eq!(status, 200);
    let unknown = served.raw("GET /nothing", TOKEN, "").await;
    assert_eq!(unknown, (404, "404 page not found\n".to_owned()));
    let (status, _) = served.raw("GET /session/connect", TOKEN, "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_connect_that_does_not_return_at_once_waits_for_the_socket() {
    let served = Served::new(SimulatorOptions {
        time_scale: 0.01,
        ..SimulatorOptions::default()
    })
    .await;
    served
        .control("POST /sim/session/system", r#"{"state":"absent"}"#)
        .await;
    let (status, body) = served.raw("POST /session/connect", TOKEN, "{}").await;
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("failed to Connect"), "{body}");
    let (_, summary) = served.control("GET /sim/state", "").await;
    assert_eq!(
        summary["sessions"][0]["events"], "",
        "events that are not named are forgotten"
    );
}

/// The names in the first column of the table below a heading of the simulator's document.
fn documented(heading: &str) -> BTreeSet<String> {
    let section = DOCUMENT.split(&format!("\n## {heading}\n")).nth(1);
    let section = section.and_then(|rest| rest.split("\n## ").next());
    let rows = section.unwrap_or_default().lines();
    let cells = rows.filter_map(|row| row.strip_prefix("| `")?.split(" |").next());
    let names = cells.flat_map(|cell| cell.trim_end_matches('`').split("`, `"));
    // The head of a table is a name like the others.
    names
        .filter(|name| *name != "scenario")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_document_lists_everything_that_is_accepted() {
    let served = served().await;
    let (_, accepted) = served.control("GET /sim/faults", "").await;
    let mut scenarios = BTreeSet::new();
    for entry in accepted["scenarios"].as_array().expect("a list") {
        let [name, about] = ["scenario", "about"].map(|key| entry[key].as_str().expect("a text"));
        let row = format!("\n| `{name}` | {about} |\n");
        assert!(DOCUMENT.contains(&row), "docs/simulator.md lacks:{row}");
        scenarios.insert(name.to_owned());
    }
    assert_eq!(documented("Faults"), scenarios);
    let knobs = accepted["knobs"]
        .as_object()
        .expect("knobs")
        .keys()
        .cloned();
    assert_eq!(documented("Knobs"), knobs.collect());
    let (_, refusal) = served.control("GET /sim/nothing", "").await;
    let paths = refusal["accepted"].as_array().expect("a list").iter();
    let paths = paths.filter_map(|path| path.as_str().map(str::to_owned));
    assert_eq!(documented("Its own paths"), paths.collect());
}

#[tokio::test]
async fn a_phone_writes_and_the_posts_are_shown_without_secrets() {
    let served = served().await;
    let set = r#"{"webhookurl":"http://127.0.0.1:9/a-secret-path","events":["Message"]}"#;
    served.raw("POST /webhook", TOKEN, set).await;
    let wrote = r#"{"session":"system","phone":"0812 3456 789","text":"hello"}"#;
    let (status, answer) = served.control("POST /sim/incoming", wrote).await;
    assert_eq!(status, 200, "{answer}");
    let hook = loop {
        let (_, hooks) = served.control("GET /sim/hooks", "").await;
        let hook = hooks["hooks"][0].clone();
        if hook.is_object() {
            break hook;
        }
    };
    assert_eq!(
        (&hook["type"], &hook["attempt"]),
        (&json!("Message"), &json!(1))
    );
    let info = &hook["event"]["event"]["Info"];
    assert_eq!(
        (&info["ID"], &info["Chat"]),
        (&answer["id"], &json!("628123456789@s.whatsapp.net"))
    );
    let hook = hook.to_string();
    assert!(
        !hook.contains("a-secret-path") && !hook.contains("system-session-token"),
        "{hook}"
    );
}
