//! Every form of a webhook's body and of its event is read.
use std::time::Duration;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::gateway::webhook::{
    Event, Posted, Receipt, ReceiptKind, SessionChange, SessionNews, WebhookKey,
};
use shared::platform::timestamp::Timestamp;

const JSON: &str = "application/json";
const QUERY: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=xYzZY";

/// 22 November 2026, 11:33:20 UTC.
const AT: Timestamp = Timestamp::from_seconds(1_795_347_200);
const KEY: &str = "a key of more than thirty-two characters";

fn receipt_of(state: &str, ids: &[&str]) -> Value {
    json!({
        "type": "ReadReceipt",
        "state": state,
        "event": {
            "Chat": "6281233784490@s.whatsapp.net", "Sender": "6281233784490:24@s.whatsapp.net",
            "IsFromMe": false, "IsGroup": false, "MessageIDs": ids,
            "Timestamp": "2026-11-22T18:33:20+07:00", "Type": "", "MessageSender": "",
        },
    })
}

fn expected(kind: ReceiptKind, ids: &[&str]) -> Event {
    Event::Receipt(Receipt {
        kind,
        message_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        at: Some(AT),
    })
}

fn with(mut json: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        json.pointer_mut(parent).expect("a parent")[name] = value.clone();
    }
    json
}

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish().into_bytes()
}

fn parts(json: &str) -> Vec<u8> {
    let part = |head: &str, value: &str| {
        format!("--xYzZY\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    };
    let file = "filename=\"name=jsonData\"\r\nContent-Type: image/jpeg";
    [
        part("name=\"file\"", "/tmp/a&b.jpeg"),
        part("name=\"instanceName\"", "system"),
        part("name=\"jsonData\"", json),
        part(
            &format!("name=\"jsonData\"; {file}"),
            r#"{"type":"Connected"}"#,
        ),
        part("name=\"userID\"", "1"),
        "--xYzZY--\r\n".to_owned(),
    ]
    .concat()
    .into_bytes()
}

#[track_caller]
fn check(case: &str, content_type: &str, body: impl AsRef<[u8]>, event: Event) {
    let posted = Posted {
        body: body.as_ref(),
        content_type,
    };
    assert_eq!(posted.event(), event, "{case}");
}

#[test]
fn a_receipt_is_read_in_every_form_of_the_body() {
    let json = receipt_of("Delivered", &["3EB0A"]).to_string();
    let named = with(
        receipt_of("Delivered", &["3EB0A"]),
        &[("/token", json!("t"))],
    );
    let wrapped = json!({ "jsonData": json, "instanceName": "system" });
    let delivered = || expected(ReceiptKind::Delivered, &["3EB0A"]);
    for (case, content_type, body) in [
        (
            "A",
            QUERY,
            form(&[("jsonData", json.as_str()), ("token", "t")]),
        ),
        (
            "B",
            QUERY,
            form(&[
                ("instanceName", "system"),
                ("jsonData", &json),
                ("token", "t"),
            ]),
        ),
        (
            "C and D, with a charset",
            "Application/X-WWW-Form-URLencoded; charset=utf-8",
            form(&[
                ("instanceName", "system"),
                ("jsonData", &json),
                ("userID", "1"),
            ]),
        ),
        ("B as JSON", JSON, named.to_string().into_bytes()),
        ("a form as JSON", JSON, wrapped.to_string().into_bytes()),
        (
            "JSON with a charset",
            "application/json; charset=utf-8",
            json.clone().into_bytes(),
        ),
        ("JSON without a type", "", format!("\n {json}").into_bytes()),
        ("a form without a type", "", form(&[("jsonData", &json)])),
        ("C and D with a file", PARTS, parts(&json)),
        (
            "a boundary in quotes",
            "multipart/form-data; charset=utf-8; Boundary=\"xYzZY\"",
            parts(&json),
        ),
    ] {
        check(case, content_type, body, delivered());
    }
}

#[test]
fn a_receipt_is_read_in_every_form_of_the_event() {
    use ReceiptKind::{Delivered, Read};
    let plain = receipt_of("Delivered", &["3EB0A"]);
    let as_text = json!(plain["event"].to_string());
    let lid = json!("123456789012345@lid");
    for (case, changes, event) in [
        ("as it is", vec![], expected(Delivered, &["3EB0A"])),
        (
            "read",
            vec![("/state", json!("Read")), ("/event/Type", json!("read"))],
            expected(Read, &["3EB0A"]),
        ),
        (
            "the state in the event",
            vec![("/state", Value::Null), ("/event/state", json!("Read"))],
            expected(Read, &["3EB0A"]),
        ),
        (
            "the state as WhatsApp has it",
            vec![("/state", Value::Null), ("/event/Type", json!("read"))],
            expected(Read, &["3EB0A"]),
        ),
        (
            "a text",
            vec![("/event", as_text)],
            expected(Delivered, &["3EB0A"]),
        ),
        (
            "several ids",
            vec![("/event/MessageIDs", json!(["3EB0A", 7, "3EB0B"]))],
            expected(Delivered, &["3EB0A", "3EB0B"]),
        ),
        (
            "no ids",
            vec![("/event/MessageIDs", json!([]))],
            expected(Delivered, &[]),
        ),
        (
            "a name without a number",
            vec![("/event/Chat", lid.clone()), ("/event/Sender", lid)],
            expected(Delivered, &["3EB0A"]),
        ),
        (
            "unknown fields",
            vec![("/event/New", json!({"a": [1]})), ("/more", json!(true))],
            expected(Delivered, &["3EB0A"]),
        ),
        (
            "a time in seconds",
            vec![("/event/Timestamp", json!(1_795_347_200))],
            expected(Delivered, &["3EB0A"]),
        ),
        (
            "the session's own phone",
            vec![("/event/IsFromMe", json!(true))],
            Event::Ignored,
        ),
        (
            "read on the session's own phone",
            vec![("/state", json!("ReadSelf"))],
            Event::Ignored,
        ),
        (
            "a list of another type",
            vec![("/event/MessageIDs", json!("3EB0A"))],
            Event::Ignored,
        ),
    ] {
        let body = with(plain.clone(), &changes).to_string();
        check(case, JSON, body, event);
    }
}

#[test]
fn changes_of_the_session_are_read_by_the_names_of_every_version() {
    use SessionChange::*;
    let none = json!({});
    let renamed = json!({"Action": {}, "FromFullSync": false, "Timestamp": AT.rfc3339()});
    for (name, event, change) in [
        ("Connected", &none, Some(Connected)),
        ("Connected", &Value::Null, Some(Connected)),
        ("Connected", &renamed, None),
        ("Disconnected", &none, Some(Disconnected)),
        ("LoggedOut", &json!({"Reason": 401}), Some(LoggedOut)),
        ("Logged Out", &none, Some(LoggedOut)),
        ("TemporaryBan", &none, Some(TemporaryBan)),
        ("StreamReplaced", &none, Some(StreamReplaced)),
        ("ClientOutdated", &none, Some(ClientOutdated)),
        (
            "ConnectFailure",
            &json!("dial failed"),
            Some(ConnectFailure),
        ),
        ("QR", &json!("code"), None),
        ("Presence", &none, None),
        ("HistorySync", &none, None),
        ("", &none, None),
    ] {
        let body = json!({ "type": name, "event": event }).to_string();
        let expected = change.map_or(Event::Ignored, |change| {
            Event::Session(SessionNews {
                change,
                at: None,
                lasts: None,
                code: None,
            })
        });
        check(name, JSON, body, expected);
    }
    let timed = json!({ "type": "Disconnected", "event": { "Timestamp": AT.rfc3339() } });
    let expected = SessionNews {
        change: Disconnected,
        at: Some(AT),
        lasts: None,
        code: None,
    };
    check(
        "with a time",
        JSON,
        timed.to_string(),
        Event::Session(expected),
    );
}

#[test]
fn a_ban_is_read_with_its_end() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (case, name, event, lasts, code) in [
        (
            "as gateways post it",
            "TemporaryBan",
            json!({ "Code": 101, "Expire": 86_400_000_000_000_u64 }),
            Some(day),
            Some(101),
        ),
        (
            "without an end",
            "TemporaryBan",
            json!({ "Code": 102, "Expire": 0 }),
            None,
            Some(102),
        ),
        (
            "of no time",
            "TemporaryBan",
            json!({ "Expire": "1 day" }),
            None,
            None,
        ),
        (
            "longer than it can last",
            "TemporaryBan",
            json!({ "Expire": u64::MAX }),
            Some(366 * day),
            None,
        ),
        (
            "of another event",
            "LoggedOut",
            json!({ "Expire": 5 }),
            None,
            None,
        ),
    ] {
        let change = if name == "LoggedOut" {
            SessionChange::LoggedOut
        } else {
            SessionChange::TemporaryBan
        };
        let news = SessionNews {
            change,
            at: None,
            lasts,
            code,
        };
        let body = json!({ "type": name, "event": event }).to_string();
        check(case, JSON, body, Event::Session(news));
    }
}

#[test]
fn an_incoming_message_is_read_and_shows_nothing_of_itself() {
    let info = json!({
        "ID": "3AF0", "Chat": "123456789012345@lid", "Sender": "123456789012345:7@lid",
        "SenderAlt": "6281277000101:7@s.whatsapp.net", "IsFromMe": false, "IsGroup": false,
        "PushName": "Siti", "Type": "text", "Timestamp": AT.rfc3339(),
    });
    let plain = json!({ "conversation": "halo" });
    let extended = json!({ "extendedTextMessage": { "text": "halo" } });
    for (case, message, text) in [
        ("plain", plain, Some("halo")),
        ("extended", extended, Some("halo")),
        ("a picture", json!({ "imageMessage": {} }), None),
    ] {
        let event = json!({ "Info": info, "Message": message });
        let body = json!({ "type": "Message", "event": event, "base64": "…" }).to_string();
        let posted = Posted {
            body: body.as_bytes(),
            content_type: JSON,
        };
        let Event::Message(message) = posted.event() else {
            panic!("{case}: no message");
        };
        assert_eq!(message.text.as_deref(), text, "{case}");
        assert_eq!(message.sender_digits(), Some("6281277000101"), "{case}");
        assert_eq!((message.from_me, message.in_group), (false, false));
        assert_eq!((message.id.as_str(), message.at), ("3AF0", Some(AT)));
        assert_eq!(format!("{message:?}"), "IncomingMessage(****)");
    }
    let without = json!({ "type": "Message", "event": { "Message": {} } });
    check("no info", JSON, without.to_string(), Event::Ignored);
}

#[test]
fn what_is_no_webhook_is_ignored() {
    let deep = format!("{{\"type\":{}", "[".repeat(100_000));
    for (case, content_type, body) in [
        ("nothing", "", ""),
        ("nothing in JSON", JSON, ""),
        ("no object", JSON, "[1]"),
        ("no JSON", JSON, "{"),
        ("nested without end", JSON, &deep),
        ("a form without the field", QUERY, "a=b&c"),
        ("a field without JSON", QUERY, "jsonData=hello"),
        ("parts without a boundary", "multipart/form-data", "--\r\n"),
        ("no parts", PARTS, "--xYzZY"),
        (
            "a part without an end",
            PARTS,
            "--xYzZY\r\nContent-Disposition: x",
        ),
    ] {
        check(case, content_type, body, Event::Ignored);
    }
}

#[test]
fn a_signature_counts_in_every_form_and_only_that_of_the_key() {
    let key = WebhookKey::parse(KEY).expect("a key");
    assert_eq!(format!("{key:?}"), "WebhookKey(****)");
    let json = r#"{"type":"ReadReceipt"}"#;
    let ordered = form(&[("instanceName", "a b"), ("jsonData", json), ("userID", "1")]);
    let shuffled = form(&[("userID", "1"), ("instanceName", "a b"), ("jsonData", json)]);
    let fields = r#"{"file":"/tmp/a\u0026b.jpeg","instanceName":"system","jsonData":"{\"type\":\"ReadReceipt\"}","userID":"1"}"#;
    for (case, content_type, body, signed) in [
        ("JSON", JSON, json.as_bytes().to_vec(), json.as_bytes()),
        ("a form", QUERY, ordered.clone(), &ordered),
        ("a form in another order", QUERY, shuffled, &ordered),
        ("a form with a file", PARTS, parts(json), fields.as_bytes()),
    ] {
        let posted = Posted {
            body: &body,
            content_type,
        };
        let signature = |key: &str, signed: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            let tag = hmac::sign(&key, signed);
            let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>()
        };
        let right = signature(KEY, signed);
        assert!(posted.is_signed_with(&key, &right), "{case}");
        for (fault, wrong) in [
            ("another key", signature(&KEY.replace('a', "b"), signed)),
            ("another body", signature(KEY, b"{}")),
            ("in capitals", right.to_ascii_uppercase()),
            ("cut", right[..63].to_owned()),
            ("none", String::new()),
        ] {
            assert!(!posted.is_signed_with(&key, &wrong), "{case}, {fault}");
        }
    }
}

#[test]
fn a_key_is_as_long_as_gateways_want_it() {
    assert!(WebhookKey::parse(&"k".repeat(31)).is_none());
    assert!(WebhookKey::parse(&"k".repeat(32)).is_some());
}

#[test]
fn what_a_real_gateway_sent_is_read() {
    let recorded: Vec<Value> =
        serde_json::from_str(include_str!("webhook_bodies.json")).expect("recorded webhooks");
    let read = recorded.iter().map(|posted| {
        let text = |name: &str| posted[name].as_str().expect("a text");
        let posted = Posted {
            body: text("body").as_bytes(),
            content_type: text("content_type"),
        };
        match posted.event() {
            Event::Receipt(receipt) => format!("{:?} {:?}", receipt.kind, receipt.message_ids),
            Event::Message(message) => format!("{:?} {:?}", message.sender_digits(), message.text),
            other => panic!("{other:?}"),
        }
    });
    let expected = [
        r#"Delivered ["3EB0EAFE385FBE1B3F1831"]"#,
        r#"Read ["DIAL1"]"#,
        r#"Some("6281277000101") Some("ok IN0")"#,
    ];
    assert_eq!(read.collect::<Vec<_>>(), expected);
}

/// A body in one of the forms, with some of its bytes replaced, taken out or doubled.
fn mangled() -> impl Strategy<Value = (Vec<u8>, String)> {
    let json = receipt_of("Delivered", &["3EB0A"]).to_string();
    let good = prop_oneof![
        Just((json.clone().into_bytes(), JSON)),
        Just((form(&[("jsonData", json.as_str()), ("token", "t")]), QUERY)),
        Just((parts(&json), PARTS)),
    ];
    let faults = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..8);
    let declared = prop_oneof![Just(None), "[ -~]{0,40}".prop_map(Some)];
    (good, faults, declared).prop_map(|((mut body, content_type), faults, declared)| {
        for (at, byte, fault) in faults {
            let at = at.index(body.len());
            match fault {
                0 => body[at] = byte,
                1 => body.truncate(at.max(1)),
                _ => body.insert(at, byte),
            }
        }
        (body, declared.unwrap_or_else(|| content_type.to_owned()))
    })
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic((body, content_type) in mangled()) {
        let posted = Posted { body: &body, content_type: &content_type };
        if let Event::Receipt(receipt) = posted.event() {
            prop_assert!(receipt.message_ids.len() <= 1, "{receipt:?}");
        }
        let key = WebhookKey::parse(KEY).expect("a key");
        prop_assert!(!posted.is_signed_with(&key, "00"));
    }
}
