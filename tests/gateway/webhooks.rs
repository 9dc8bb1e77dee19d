//! What the simulated gateway posts to webhooks: forms, subscriptions, tries, in each version.
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use local::simulator::{
    Hook, Profile, Scenario, SessionOptions, SessionState, Simulator, SimulatorOptions,
    WebhookFormat,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::platform::clock::Clock;
use shared::platform::timestamp::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::harness::{Served, WITHIN, ask, text, token};

const PROFILES: [Profile; 4] = [Profile::A, Profile::B, Profile::C, Profile::D];
const URL: &str = "http://127.0.0.1:9/hook";
const KEY: &str = "a key of at least thirty-two characters";
/// What everything can be asked for by; `All` would end B when its device is unlinked.
const BY_NAME: [&str; 12] = [
    "Message",
    "MessageSent",
    "ReadReceipt",
    "Connected",
    "Disconnected",
    "ConnectFailure",
    "LoggedOut",
    "ClientOutdated",
    "TemporaryBan",
    "StreamReplaced",
    "PairSuccess",
    "QR",
];

fn options(profile: Profile) -> SimulatorOptions {
    SimulatorOptions {
        profile,
        sessions: vec![SessionOptions {
            hmac_key: Some(KEY.into()),
            ..SessionOptions::new("system", "system-session-token").with_webhook(URL)
        }],
        ..SimulatorOptions::default()
    }
}

/// A simulator that posts the events of these names.
async fn telling(profile: Profile, events: &[&str]) -> Simulator {
    let simulator = Simulator::new(options(profile));
    let set = json!({"webhookurl": URL, "events": events});
    ask(&simulator, "POST /webhook", set).await;
    simulator
}

async fn send(simulator: &Simulator, id: &str) {
    let (token, text) = (token(), text(id));
    let gateway = simulator.gateway();
    let sent = gateway.send_text(&token, &text, WITHIN).await;
    sent.expect("sent");
}

fn kinds(simulator: &Simulator) -> Vec<&'static str> {
    simulator.hooks().iter().map(|hook| hook.kind).collect()
}

/// A value without what differs from one event to the next.
fn without_ids(mut event: Value) -> Value {
    fn take(value: &mut Value) {
        let Value::Object(fields) = value else {
            return;
        };
        for (name, value) in fields {
            let apart = [
                "ID",
                "Chat",
                "Sender",
                "PushName",
                "Timestamp",
                "conversation",
            ];
            match name.as_str() {
                "MessageIDs" => *value = json!(value.as_array().map(Vec::len)),
                name if apart.contains(&name) => *value = "…".into(),
                _ => take(value),
            }
        }
    }
    take(&mut event);
    event
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_looks_like_what_the_gateway_posted() {
    let simulator = Simulator::new(SimulatorOptions {
        read_after: Some(Duration::from_secs(1)),
        ..options(Profile::A)
    });
    send(&simulator, "3EB0").await;
    sleep(Duration::from_secs(2)).await;
    let written = simulator.incoming("system", "6281277000101", "ok");
    written.expect("a session");
    sleep(Duration::from_secs(1)).await;
    let recorded: Value = serde_json::from_str(include_str!("webhooks.json")).expect("JSON");
    let recorded = recorded["posts"].as_array().expect("posts");
    let hooks = simulator.hooks();
    assert_eq!(hooks.len(), recorded.len());
    for (hook, recorded) in hooks.iter().zip(recorded) {
        assert_eq!(hook.content_type, recorded["content_type"]);
        assert_eq!(json!(names_of(hook)), recorded["fields"]);
        let expected = without_ids(recorded["event"].clone());
        assert_eq!(without_ids(hook.event()), expected, "{}", hook.kind);
    }
    let Value::Object(receipt) = hooks[0].event()["event"].take() else {
        panic!("an object")
    };
    let [chat, sender] = ["Chat", "Sender"].map(|name| receipt[name].clone());
    assert_eq!(
        (&chat, &sender),
        (&json!("628123456789@s.whatsapp.net"), &chat)
    );
    assert_eq!(receipt["MessageIDs"], json!(["3EB0"]));
    let message = &hooks[2].event()["event"];
    assert_eq!(message["Info"]["Sender"], "6281277000101@s.whatsapp.net");
    assert_eq!(message["Message"]["conversation"], "ok");
}

/// The fields of a form, or the keys of a JSON body.
fn names_of(hook: &Hook) -> Vec<String> {
    if hook.content_type == "application/json" {
        let body: Value = serde_json::from_str(&hook.body).expect("JSON");
        return body
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
    }
    let pairs = hook.body.split('&');
    let names = pairs.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
    names.collect()
}

#[tokio::test(start_paused = true)]
async fn each_version_says_in_its_own_way_whose_event_it_is() {
    for (profile, format, names, signed) in [
        (
            Profile::A,
            WebhookFormat::Form,
            vec!["jsonData", "token"],
            false,
        ),
        (
            Profile::B,
            WebhookFormat::Form,
            vec!["instanceName", "jsonData", "token"],
            false,
        ),
        (
            Profile::C,
            WebhookFormat::Form,
            vec!["instanceName", "jsonData", "userID"],
            true,
        ),
        (
            Profile::D,
            WebhookFormat::Form,
            vec!["instanceName", "jsonData", "userID"],
            true,
        ),
        (
            Profile::B,
            WebhookFormat::Json,
            vec!["event", "state", "token", "type"],
            false,
        ),
        (
            Profile::D,
            WebhookFormat::Json,
            vec!["event", "instanceName", "state", "type", "userID"],
            true,
        ),
    ] {
        let simulator = Simulator::new(SimulatorOptions {
            webhook_format: format,
            ..options(profile)
        });
        send(&simulator, "3EB0").await;
        sleep(Duration::from_secs(1)).await;
        let [hook] = &simulator.hooks()[..] else {
            panic!("one post")
        };
        assert_eq!(names_of(hook), names, "{profile:?} {format:?}");
        assert_eq!(hook.signature.is_some(), signed, "{profile:?} {format:?}");
        assert_eq!(hook.event()["state"], "Delivered", "{profile:?} {format:?}");
        assert_eq!(hook.url, URL);
    }
}

#[tokio::test(start_paused = true)]
async fn each_version_tells_what_it_can() {
    use Scenario as S;
    let blip = S::NetworkBlip { lasts_ms: 3_000 };
    let refused = S::LoginRefused {
        code: 418.try_into().expect("a code"),
        lasts_ms: None,
    };
    let back = vec!["Disconnected", "Connected"];
    let codes = vec!["QR"; 6];
    for (scenario, lasts, expected) in [
        (blip, 10, [vec![], back.clone(), back.clone(), back.clone()]),
        (S::Drop, 10, [vec![], back.clone(), back.clone(), back]),
        // B has nothing left to tell it with, and lives because it was not asked for all events.
        (
            S::Unlinked,
            10,
            [vec![], vec![], vec!["LoggedOut"], vec!["LoggedOut"]],
        ),
        (
            S::Replaced,
            10,
            [vec![], vec![], vec![], vec!["StreamReplaced"]],
        ),
        (
            S::Banned,
            10,
            [vec![], vec![], vec!["TemporaryBan"], vec!["TemporaryBan"]],
        ),
        (
            S::Outdated,
            10,
            [
                vec![],
                vec![],
                vec!["ClientOutdated"],
                vec!["ClientOutdated"],
            ],
        ),
        (
            refused,
            10,
            [
                vec![],
                vec!["ConnectFailure"],
                vec!["ConnectFailure"],
                vec!["ConnectFailure"],
            ],
        ),
        (S::ColdSession, 10, [vec![], vec![], vec![], vec![]]),
        (
            S::QrNotScanned,
            200,
            [vec![], codes.clone(), codes.clone(), codes],
        ),
    ] {
        for (profile, expected) in PROFILES.into_iter().zip(expected) {
            let simulator = telling(profile, &BY_NAME).await;
            simulator.play(&scenario);
            // Nobody looks meanwhile.
            sleep(Duration::from_secs(lasts)).await;
            assert_eq!(kinds(&simulator), expected, "{profile:?} {scenario:?}");
            assert_eq!(simulator.processes_ended(), 0, "{profile:?} {scenario:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_brings_what_no_name_can_ask_for() {
    let unscanned = Scenario::QrNotScanned;
    for (profile, last) in [
        (Profile::B, "QR"),
        (Profile::C, "QRTimeout"),
        (Profile::D, "QRTimeout"),
    ] {
        let simulator = telling(profile, &["All"]).await;
        simulator.play(&unscanned);
        sleep(Duration::from_secs(200)).await;
        assert_eq!(kinds(&simulator).last(), Some(&last), "{profile:?}");
        let codes: BTreeSet<_> = simulator
            .hooks()
            .iter()
            .map(|hook| hook.event()["qrCodeBase64"].to_string())
            .filter(|code| code.starts_with("\"data:image/png;base64,"))
            .collect();
        assert_eq!(codes.len(), 6, "{profile:?}");
    }
    let simulator = telling(Profile::B, &["All"]).await;
    send(&simulator, "3EB0").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(kinds(&simulator), ["MessageSent", "ReadReceipt"]);
    simulator.play(&Scenario::Unlinked);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(
        (kinds(&simulator).len(), simulator.processes_ended()),
        (2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_scan_is_told_before_the_login() {
    for (profile, expected) in [
        (Profile::A, vec![]),
        (Profile::B, vec!["QR", "Connected"]),
        (Profile::C, vec!["QR", "PairSuccess", "Connected"]),
        (Profile::D, vec!["QR", "PairSuccess", "Connected"]),
    ] {
        let simulator = telling(profile, &BY_NAME).await;
        for state in [SessionState::QrWait, SessionState::Paired] {
            simulator.set_state("system", state).expect("a session");
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(kinds(&simulator), expected, "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn first_dials_that_fail_are_told_after_the_third() {
    for profile in [Profile::C, Profile::D] {
        let simulator = telling(profile, &["All"]).await;
        simulator.play(&Scenario::ColdSession);
        simulator.play(&Scenario::WhatsappUnreachable { lasts_ms: None });
        let connect = json!({"Subscribe": ["All"], "Immediate": true});
        ask(&simulator, "POST /session/connect", connect).await;
        sleep(Duration::from_secs(14)).await;
        assert_eq!(kinds(&simulator), [""; 0], "{profile:?}");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(kinds(&simulator), ["ConnectFailure"], "{profile:?}");
        let event = simulator.hooks()[0].event();
        // Not an object, as other events are.
        assert_eq!(
            (&event["event"], &event["attempts"]),
            (&json!("ConnectFailure"), &json!(3))
        );
    }
}

/// A request of the gateway, and its body.
type Made<'a> = (&'a str, Value);

#[tokio::test(start_paused = true)]
async fn only_what_was_asked_for_is_told() {
    let set = |events: Value| {
        (
            "POST /webhook",
            json!({"webhookurl": URL, "events": events}),
        )
    };
    let mute = || ("POST /webhook", json!({ "webhookurl": URL }));
    let put = |active: bool| {
        let body = json!({"webhook": URL, "events": ["ReadReceipt"], "active": active});
        ("PUT /webhook", body)
    };
    let off = || ("POST /session/disconnect", json!({}));
    let connect = |events: Value| ("POST /session/connect", events);
    let on = || connect(json!({"Immediate": true}));
    let named = || connect(json!({"Subscribe": ["ReadReceipt"], "Immediate": true}));
    let cases: [(&str, Vec<Made<'_>>, [bool; 4]); 9] = [
        ("at first", vec![], [true; 4]),
        // A minds a new list only after the next connect.
        (
            "other events",
            vec![set(json!(["Message"]))],
            [true, false, false, false],
        ),
        ("no events", vec![mute()], [true, false, false, false]),
        (
            "no events, then named",
            vec![mute(), set(json!(["ReadReceipt"]))],
            [true; 4],
        ),
        ("put", vec![mute(), put(true)], [true; 4]),
        ("put without active", vec![put(false)], [false; 4]),
        (
            "deleted",
            vec![("DELETE /webhook", Value::Null)],
            [false; 4],
        ),
        (
            "connected without events",
            vec![off(), on()],
            [true, false, false, false],
        ),
        ("connected with events", vec![off(), named()], [true; 4]),
    ];
    for (case, requests, told) in cases {
        for (profile, told) in PROFILES.into_iter().zip(told) {
            let simulator = Simulator::new(options(profile));
            for (line, body) in &requests {
                let (status, answer) = ask(&simulator, line, body.clone()).await;
                assert_eq!(status, 200, "{case} {profile:?} {line}: {answer}");
                // The start guard of D.
                sleep(Duration::from_secs(2)).await;
            }
            send(&simulator, "3EB0").await;
            sleep(Duration::from_secs(1)).await;
            let receipts = kinds(&simulator).contains(&"ReadReceipt");
            assert_eq!(receipts, told, "{case} {profile:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_brings_back_the_list_of_the_database() {
    for profile in PROFILES {
        let simulator = telling(profile, &["ReadReceipt"]).await;
        // In memory nothing is left of it, but for A.
        ask(&simulator, "POST /webhook", json!({ "webhookurl": URL })).await;
        simulator.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
        sleep(Duration::from_secs(5)).await;
        send(&simulator, "3EB0").await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(kinds(&simulator), ["ReadReceipt"], "{profile:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c_and_d_post_again_until_it_is_taken() {
    for (profile, taken_at, expected) in [
        (Profile::A, u32::MAX, vec![0]),
        (Profile::B, u32::MAX, vec![0]),
        (Profile::C, u32::MAX, vec![0, 30, 90, 210, 450]),
        (Profile::D, 3, vec![0, 30, 90]),
        (Profile::D, 1, vec![0]),
    ] {
        let simulator = Simulator::new(options(profile));
        let tries = Arc::new(AtomicU32::new(0));
        simulator.post_hooks_to(move |_| {
            let tried = tries.fetch_add(1, Ordering::Relaxed) + 1;
            // Nobody can be reached at first; then somebody refuses.
            let refused = (tried > 1).then_some(503);
            async move {
                if tried >= taken_at {
                    Some(200)
                } else {
                    refused
                }
            }
        });
        send(&simulator, "3EB0").await;
        sleep(Duration::from_secs(3_600)).await;
        let hooks = simulator.hooks();
        let began = hooks[0].at_ms;
        let seconds: Vec<_> = hooks
            .iter()
            .map(|hook| (hook.at_ms - began) / 1_000)
            .collect();
        assert_eq!(seconds, expected, "{profile:?}");
        let attempts: Vec<_> = hooks.iter().map(|hook| hook.attempt as usize).collect();
        assert_eq!(
            attempts,
            (1..=expected.len()).collect::<Vec<_>>(),
            "{profile:?}"
        );
        let bodies: BTreeSet<_> = hooks.iter().map(|hook| &hook.body).collect();
        assert_eq!(bodies.len(), 1, "{profile:?}: the same event");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_takes_its_tries_with_it() {
    let simulator = Simulator::new(options(Profile::D));
    let posts = Arc::new(AtomicU32::new(0));
    let counted = posts.clone();
    simulator.post_hooks_to(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { None }
    });
    send(&simulator, "3EB0").await;
    sleep(Duration::from_secs(10)).await;
    simulator.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(posts.load(Ordering::Relaxed), 1);
    assert_eq!(simulator.hooks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_webhook_holds_up_no_other_event() {
    let simulator = Simulator::new(options(Profile::B));
    let (seen, mut hooks) = mpsc::unbounded_channel();
    simulator.post_hooks_to(move |hook| {
        let seen = seen.clone();
        async move {
            // The first one takes longer than a gateway waits.
            let slow = hook.event()["event"]["MessageIDs"][0] == "1";
            sleep(Duration::from_secs(if slow { 60 } else { 1 })).await;
            seen.send(hook).ok();
            Some(200)
        }
    });
    let began = Instant::now();
    send(&simulator, "1").await;
    send(&simulator, "2").await;
    let first = hooks.recv().await.expect("a post");
    assert_eq!(first.event()["event"]["MessageIDs"], json!(["2"]));
    assert!(began.elapsed() < Duration::from_secs(3));
    sleep(Duration::from_secs(60)).await;
    let answers: Vec<_> = simulator.hooks().iter().map(|hook| hook.answer).collect();
    assert_eq!(answers, [None, Some(200)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_carries_the_time_of_the_clock() {
    let start = Timestamp::from_seconds(1_795_347_200);
    let simulator = Simulator::new(SimulatorOptions {
        clock: Clock::following_runtime(start),
        ..options(Profile::B)
    });
    sleep(Duration::from_secs(10)).await;
    simulator
        .incoming("system", "62812", "hi")
        .expect("a session");
    sleep(Duration::from_secs(5)).await;
    let event = simulator.hooks()[0].event();
    assert_eq!(event["event"]["Info"]["Timestamp"], "2026-11-22T11:33:30Z");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_set_by_hand_gets_what_the_session_tells_already() {
    let simulator = Simulator::new(SimulatorOptions::default());
    send(&simulator, "1").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(kinds(&simulator), [""; 0], "there is none yet");
    simulator.set_webhook("system", URL).expect("a session");
    simulator.play(&Scenario::Drop);
    send(&simulator, "2").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(kinds(&simulator), ["ReadReceipt"]);
    assert!(simulator.set_webhook("nobody", URL).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_somebody_writes_arrives_as_it_was_in_every_form(text in "\\PC{1,80}|[ -~]{1,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            for profile in PROFILES {
                for webhook_format in [WebhookFormat::Form, WebhookFormat::Json] {
                    let simulator = Simulator::new(SimulatorOptions {
                        webhook_format,
                        ..options(profile)
                    });
                    simulator.incoming("system", "62812", &text).expect("a session");
                    sleep(Duration::from_secs(1)).await;
                    let event = simulator.hooks()[0].event();
                    assert_eq!(event["event"]["Message"]["conversation"], text);
                }
            }
        });
    }
}

/// A server on this machine that takes posts: its port, and what it was sent.
async fn receiver() -> (u16, mpsc::UnboundedReceiver<(HeaderMap, String)>) {
    let (seen, posts) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: String| async move {
        seen.send((headers, body)).ok();
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let app = Router::new().route("/hook", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, posts)
}

#[tokio::test]
async fn the_http_face_really_posts() {
    let served = Served::new(options(Profile::D)).await;
    let (port, mut posts) = receiver().await;
    let url = format!("http://127.0.0.1:{port}/hook");
    let set = json!({"webhookurl": url, "events": ["ReadReceipt"]});
    ask(&served.simulator, "POST /webhook", set).await;
    send(&served.simulator, "3EB0").await;
    let (headers, body) = posts.recv().await.expect("a post");
    let hook = &served.simulator.hooks()[0];
    assert_eq!(body, hook.body);
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let signature = headers["x-hmac-signature"].to_str().ok();
    assert_eq!(signature, hook.signature.as_deref());
}

#[tokio::test]
async fn the_http_face_posts_to_this_machine_only() {
    let served = Served::new(SimulatorOptions {
        time_scale: 0.0001,
        ..options(Profile::D)
    })
    .await;
    for url in [
        "http://192.0.2.1/hook",
        "https://127.0.0.1/hook",
        "not an address",
    ] {
        let set = json!({"webhookurl": url, "events": ["Message"]});
        ask(&served.simulator, "POST /webhook", set).await;
        served
            .simulator
            .incoming("system", "62812", "hi")
            .expect("a session");
        let tries = || {
            served
                .simulator
                .hooks()
                .into_iter()
                .filter(|hook| hook.url == url)
        };
        let mut looks = 0;
        while tries().count() < 5 {
            looks += 1;
            assert!(looks < 1_000, "{url} was given up early");
            sleep(Duration::from_millis(5)).await;
        }
        assert!(tries().all(|hook| hook.answer.is_none()), "{url}");
    }
}
