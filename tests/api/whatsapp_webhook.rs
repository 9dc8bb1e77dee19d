//! `POST /api/webhooks/whatsapp/{session}`
use std::collections::BTreeMap;

use shared::gateway::webhook::WebhookKey;
use shared::model::keys::RingName;
use shared::model::webhook;
use shared::platform::entropy::Entropy;
use shared::platform::timestamp::Timestamp;
use shared::store::deliveries::{Cause, Deliveries, DeliveryItem};
use shared::store::key_maker::{KeyMaker, Rotated, Rotation};
use shared::store::keys::KeyRing;
use tests::webhooks::{self, Form};

use super::*;

const STATUS: &str = "/api/status";
const KEY: &str = "a key of more than thirty-two characters";

/// Asks for a code of [`SITI`]: the id of its message.
async fn sent_message(system: &TestSystem) -> String {
    check_sent(&ask_code(system, SITI).await);
    last_message(system, SITI)
}

fn last_message(system: &TestSystem, typed: &str) -> String {
    let messages = system.simulator().messages(Some(&phone(typed)));
    messages.last().expect("a message").id.clone()
}

/// When a message was delivered and read, as its record says.
async fn times(system: &TestSystem, id: &str) -> (Option<Timestamp>, Option<Timestamp>) {
    let records = items(system, "DeliveriesTable").await;
    let record = records
        .iter()
        .find(|record| record.text("message_id") == Some(id));
    let record = record.expect("a record of the message");
    let time = |name: &str| record.number(name).map(Timestamp::from_millis);
    (time("delivered_at"), time("read_at"))
}

/// The record of a message that was just sent.
async fn keep(system: &TestSystem, message_id: &str) {
    keep_of(system, message_id, &["system"]).await;
}

/// The same of one that was tried on these sessions, and sent from the last of them.
async fn keep_of(system: &TestSystem, message_id: &str, tried: &[&str]) {
    let delivery = DeliveryItem {
        message_id,
        purpose: "sso",
        phone: &phone("08123456789"),
        cause: &Cause::default(),
        session: tried.last().expect("a session"),
        tried: tried.to_vec(),
        outcome: "sent",
        reason: None,
        steps: vec![("send: sent", 412)],
        chat_offered: false,
        at: system.now(),
    };
    let deliveries = Deliveries::of(&system.without_faults());
    deliveries.keep(delivery).await.expect("the store works");
}

fn after(system: &TestSystem, seconds: u64) -> Timestamp {
    // Receipts have whole seconds.
    Timestamp::from_seconds(system.now().seconds()).plus(Duration::from_secs(seconds))
}

async fn channel(system: &TestSystem) -> Value {
    system.get(STATUS).await.json["data"]["whatsapp"].clone()
}

/// What the tables hold, but for keys.
async fn stored(system: &TestSystem) -> Vec<Item> {
    let mut stored = items(system, "DeliveriesTable").await;
    stored.extend(items(system, "WhatsAppSessionsTable").await);
    stored
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_no_session_s() {
    let reply = sample(&system().await, "whatsapp-webhook").await;
    check_problem(&reply, 401, "UNKNOWN_WEBHOOK", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_in_every_form_is_kept_with_its_message() {
    for form in Form::ALL {
        let system = system().await;
        let (id, path) = (sent_message(&system).await, webhooks::path(&system).await);
        pass(10 * SECOND).await;
        let (delivered, read) = (after(&system, 0), after(&system, 0).minus(SECOND));
        for (state, at, expected) in [
            ("ReadSelf", delivered, (None, None)),
            ("Delivered", delivered, (Some(delivered), None)),
            ("Read", read, (Some(read), Some(read))),
        ] {
            let event = webhooks::receipt(state, &[&id], at);
            let reply = webhooks::post(&system, &path, form, &event).await;
            assert_eq!(*check_ok(&reply), json!({}));
            assert_eq!(times(&system, &id).await, expected, "{form:?}, {state}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_earliest_times_are_kept_however_receipts_come() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    let chance = Entropy::seeded(3);
    for round in 0..60 {
        let id = format!("3EB0{round:018X}");
        keep(&system, &id).await;
        let at = |seconds: u64| after(&system, 0).minus(Duration::from_secs(seconds));
        let mut receipts = Vec::new();
        for _ in 0..=chance.below(6) {
            let state = ["Delivered", "Read"][chance.below(2) as usize];
            let receipt = (state, at(chance.below(10)));
            receipts.extend([receipt, receipt]);
        }
        for last in (1..receipts.len()).rev() {
            receipts.swap(last, chance.below(last as u64 + 1) as usize);
        }
        for (state, at) in &receipts {
            let event = webhooks::receipt(state, &[&id], *at);
            check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
        }
        let first = |state: Option<&str>| {
            let of_state = receipts
                .iter()
                .filter(|(is, _)| state.is_none_or(|state| *is == state));
            of_state.map(|(_, at)| *at).min()
        };
        let expected = (first(None), first(Some("Read")));
        assert_eq!(times(&system, &id).await, expected, "{receipts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_others_leave_no_trace() {
    let system = system().await;
    let id = sent_message(&system).await;
    let path = webhooks::path(&system).await;
    let before = stored(&system).await;
    let unknown = "3EB0AAAAAAAAAAAAAAAAAA";
    for ids in [
        &[][..],
        &["3A1234567890ABCDEF12"],
        &[unknown],
        &[unknown, "x"],
    ] {
        let event = webhooks::receipt("Read", ids, system.now().minus(MINUTE));
        check_ok(&webhooks::post(&system, &path, Form::FormOfD, &event).await);
    }
    let mut own = webhooks::receipt("Read", &[&id], system.now());
    own["event"]["IsFromMe"] = json!(true);
    let written = json!({
        "type": "Message",
        "event": {
            "Info": { "ID": id, "Chat": "628123456789@s.whatsapp.net", "Sender": "628123456789@s.whatsapp.net" },
            "Message": { "conversation": "halo" },
        },
    });
    for event in [
        own,
        written,
        webhooks::news("HistorySync"),
        json!({}),
        json!({"type": 7}),
    ] {
        check_ok(&webhooks::post(&system, &path, Form::FormOfA, &event).await);
    }
    let mut now = stored(&system).await;
    now.sort_by_key(|item| item.text("message_id").map(str::to_owned));
    let mut before = before;
    before.sort_by_key(|item| item.text("message_id").map(str::to_owned));
    assert_eq!(now, before);
    // One receipt names many: those of ours are found among them.
    let other = "3EB0BBBBBBBBBBBBBBBBBB";
    keep(&system, other).await;
    let at = after(&system, 0);
    let event = webhooks::receipt("Delivered", &["x", other, unknown, &id], at);
    check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
    for id in [&id, other] {
        assert_eq!(times(&system, id).await, (Some(at), None), "{id}");
    }
}

/// The path that another session than the system's posts to.
async fn path_of(system: &TestSystem, session: &str) -> String {
    let ring = KeyRing::new(&system.without_faults(), RingName::Webhooks);
    let ring = ring.read(system.now()).await.expect("a ring");
    webhook::path(&ring, session, system.now()).expect("a key")
}

/// What is stored under a message's id.
async fn stored_of(system: &TestSystem, id: &str) -> Option<Item> {
    let records = items(system, "DeliveriesTable").await;
    let mut records = records.into_iter();
    records.find(|record| record.text("message_id") == Some(id))
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_comes_before_the_record_of_its_message_waits_for_it() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    for (number, states) in [
        &["Delivered"][..],
        &["Read"],
        &["Read", "Delivered"],
        &["Delivered", "Read", "Delivered"],
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("3EB0CCCCCCCCCCCCCCCC{number:02X}");
        let at = after(&system, 0);
        for state in states {
            let event = webhooks::receipt(state, &[&id], at);
            let (reply, took) = timed(webhooks::post(&system, &path, Form::Json, &event)).await;
            check_ok(&reply);
            assert_eq!(took, Duration::ZERO, "nobody waits");
        }
        let waiting = stored_of(&system, &id).await.expect("a receipt");
        let ends = waiting.number("expires_at").expect("an end");
        assert_eq!(ends, at.seconds() + 60 * 60);
        // The send hangs as long as one can.
        pass(15 * SECOND).await;
        keep(&system, &id).await;
        let read = states.contains(&"Read").then_some(at);
        assert_eq!(times(&system, &id).await, (Some(at), read), "{states:?}");
        let record = stored_of(&system, &id).await.expect("a record");
        let ends = record.number("expires_at").expect("an end");
        assert!(ends > at.seconds() + 29 * 24 * 60 * 60, "{record:?}");
        assert_eq!(record.get("told_by"), None);
        // Recorded again, it keeps what came back, and so it does with a receipt more.
        keep(&system, &id).await;
        let event = webhooks::receipt("Delivered", &[&id], at.plus(SECOND));
        check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
        keep(&system, &id).await;
        assert_eq!(times(&system, &id).await, (Some(at), read), "{states:?}");
    }
    // An old one waits for nothing.
    let old = "3EB0DDDDDDDDDDDDDDDDDD";
    let event = webhooks::receipt("Delivered", &[old], system.now().minus(31 * SECOND));
    check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
    assert_eq!(stored_of(&system, old).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_hangs_is_recorded_with_the_receipt_that_came_before_its_end() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    let hangs = Scenario::DeadQueue { delivered: true };
    system.simulator().play(&hangs);
    let delivered = async {
        tokio::time::sleep(2 * SECOND).await;
        let id = last_message(&system, SITI);
        let at = after(&system, 0);
        let event = webhooks::receipt("Delivered", &[&id], at);
        check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
        (id, at)
    };
    let (asked, (id, at)) = tokio::join!(ask_code(&system, SITI), delivered);
    assert_eq!(asked.json["data"]["delivery"], "unconfirmed");
    let record = stored_of(&system, &id).await.expect("a record");
    assert_eq!(record.text("outcome"), Some("unknown"));
    assert_eq!(times(&system, &id).await, (Some(at), None));
}

#[tokio::test(start_paused = true)]
async fn a_session_tells_of_its_own_messages_only() {
    let system = system().await;
    let (ours, others) = (
        webhooks::path(&system).await,
        path_of(&system, "other").await,
    );
    let receipt = |state, id: &str| webhooks::receipt(state, &[id], after(&system, 0));
    let at = Some(after(&system, 0));
    let post = async |path: &str, event: Value| {
        check_ok(&webhooks::post(&system, path, Form::Json, &event).await);
    };
    for (number, tried, expected) in [
        (0, &["system"][..], None),
        (1, &["system", "third"], None),
        (2, &["other", "system"], at),
        (3, &["system", "other"], at),
    ] {
        // After its record, and before.
        let id = format!("3EB00000000000000000{number:02X}");
        keep_of(&system, &id, tried).await;
        post(&others, receipt("Read", &id)).await;
        assert_eq!(times(&system, &id).await, (expected, expected), "{tried:?}");
        let id = format!("3EB0FFFFFFFFFFFFFFFF{number:02X}");
        post(&others, receipt("Delivered", &id)).await;
        keep_of(&system, &id, tried).await;
        assert_eq!(times(&system, &id).await, (expected, None), "{tried:?}");
        post(&ours, receipt("Read", &id)).await;
        assert_eq!(times(&system, &id).await, (at, at), "{tried:?}");
    }
    // Sent again under its id over another session, a message keeps what the first one told.
    let id = "3EB0ABABABABABABABABAB";
    keep_of(&system, id, &["other"]).await;
    keep_of(&system, id, &["system"]).await;
    post(&others, receipt("Delivered", id)).await;
    keep_of(&system, id, &["system"]).await;
    assert_eq!(times(&system, id).await, (at, None));
    // Neither does it tell of another session's connection.
    sent_message(&system).await;
    post(&others, webhooks::news("LoggedOut")).await;
    assert_eq!(channel(&system).await, "usable");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_many_messages_is_bounded_work_whoever_they_are_of() {
    let slow = Faults::none().latency(Duration::from_millis(50));
    let system = TestSystem::builder().faults(slow).build().await;
    let path = webhooks::path(&system).await;
    let id = |number: u64| format!("3EB0{number:018X}");
    let ids: Vec<_> = (0..200).map(id).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let event = webhooks::receipt("Delivered", &ids, system.now());
    let post = || webhooks::post(&system, &path, Form::Json, &event);
    check_ok(&post().await);
    system.database().forget_calls();
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (system, path, event) = (system.clone(), path.clone(), event.clone());
        posts.spawn(async move { webhooks::post(&system, &path, Form::Json, &event).await });
    }
    let (replies, took) = timed(posts.join_all()).await;
    for reply in &replies {
        check_ok(reply);
    }
    assert!(took < SECOND, "{took:?}");
    let calls = system.database().calls();
    let about_messages = calls
        .iter()
        .filter(|call| call.tables.contains(&"DeliveriesTable".to_owned()));
    let operations: Vec<_> = about_messages.map(|call| &*call.operation).collect();
    assert_eq!(operations, ["BatchGetItem"; 20], "one read each");
    assert_eq!(items(&system, "DeliveriesTable").await, []);
    // Those of ours among them are found.
    for number in [0, 7, 99] {
        keep(&system, &id(number)).await;
    }
    check_ok(&post().await);
    let at = after(&system, 0);
    for number in [0, 7, 99] {
        let delivered = times(&system, &id(number)).await.0;
        assert!(delivered.is_some_and(|it| it <= at), "{number}");
    }
    assert_eq!(items(&system, "DeliveriesTable").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_recorded_again_keeps_what_came_back() {
    let system = system().await;
    let (id, path) = (sent_message(&system).await, webhooks::path(&system).await);
    let at = after(&system, 0);
    let event = webhooks::receipt("Delivered", &[&id], at);
    check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
    keep(&system, &id).await;
    assert_eq!(times(&system, &id).await, (Some(at), None));
}

#[tokio::test(start_paused = true)]
async fn a_code_that_was_verified_counts_as_delivered() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let first = last_message(&system, SITI);
    guess(&system, SITI, wrong(&code), Some(&challenge)).await;
    assert_eq!(times(&system, &first).await, (None, None), "a wrong guess");
    // The same code, in another message.
    pass(MINUTE).await;
    let again = check_sent(&ask_code(&system, SITI).await).challenge;
    assert_eq!(code_on(&system, SITI), code);
    let second = last_message(&system, SITI);
    pass(5 * SECOND).await;
    let now = system.now();
    check_ok(&guess(&system, SITI, &code, Some(&again)).await);
    assert_eq!(times(&system, &second).await, (Some(now), None));
    assert_eq!(times(&system, &first).await, (None, None), "nobody knows");

    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    let now = system.now();
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
    let signed_up = last_message(&system, BUDI);
    assert_eq!(times(&system, &signed_up).await, (Some(now), None));

    let (challenge, code) = sent_reset(&system, SITI).await;
    let id = last_message(&system, SITI);
    let now = system.now();
    check_ok(
        &reset(
            &system,
            SITI,
            &code,
            Some(&challenge),
            "a long enough secret",
        )
        .await,
    );
    assert_eq!(times(&system, &id).await, (Some(now), None));
}

#[tokio::test(start_paused = true)]
async fn a_code_is_verified_also_where_nobody_can_say_that_it_was_delivered() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let without = system.with_faults(Faults::none().on_table("DeliveriesTable", Fault::Throttled));
    check_ok(&guess(&without, SITI, &code, Some(&challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_know_the_address_changes_nothing() {
    let system = system().await;
    let (id, path) = (sent_message(&system).await, webhooks::path(&system).await);
    let before = stored(&system).await;
    let tag = path.rsplit('.').next().expect("a tag");
    let (shorter, other) = (&path[..path.len() - 1], path.replace("system", "other"));
    let receipt = webhooks::receipt("Read", &[&id], system.now());
    for wrong in [
        "/api/webhooks/whatsapp/system",
        "/api/webhooks/whatsapp/system.",
        &format!("/api/webhooks/whatsapp/{tag}"),
        &format!("{path}A"),
        &other,
        shorter,
    ] {
        for event in [&receipt, &webhooks::news("LoggedOut")] {
            let reply = webhooks::post(&system, wrong, Form::Json, event).await;
            check_problem(&reply, 401, "UNKNOWN_WEBHOOK", json!({}));
        }
    }
    let reply = system.get(&path).await;
    check_problem(&reply, 405, "METHOD_NOT_ALLOWED", json!({}));
    assert_eq!(reply.headers["allow"], "POST");
    assert_eq!(stored(&system).await, before);
    check_ok(&webhooks::post(&system, &path, Form::Json, &receipt).await);
    assert_ne!(stored(&system).await, before);
}

#[tokio::test(start_paused = true)]
async fn with_a_key_only_signed_webhooks_count() {
    let system =
        TestSystem::builder().settings(|settings| settings.webhook_key = WebhookKey::parse(KEY));
    let system = with_siti(system.build().await).await;
    let (id, path) = (sent_message(&system).await, webhooks::path(&system).await);
    let before = stored(&system).await;
    let event = webhooks::receipt("Read", &[&id], after(&system, 0));
    for form in Form::ALL {
        let unsigned = webhooks::post(&system, &path, form, &event).await;
        let foreign = webhooks::post_signed(&system, &path, (form, "another key"), &event).await;
        for reply in [unsigned, foreign] {
            check_problem(&reply, 401, "INVALID_WEBHOOK_SIGNATURE", json!({}));
        }
        // The address counts all the same.
        let unknown = format!("{path}A");
        let reply = webhooks::post_signed(&system, &unknown, (form, KEY), &event).await;
        check_problem(&reply, 401, "UNKNOWN_WEBHOOK", json!({}));
    }
    assert_eq!(stored(&system).await, before);
    for (form, seconds) in Form::ALL.into_iter().zip((0..4).rev()) {
        let at = after(&system, 0).minus(Duration::from_secs(4 - seconds));
        let event = webhooks::receipt("Read", &[&id], at);
        check_ok(&webhooks::post_signed(&system, &path, (form, KEY), &event).await);
        assert_eq!(times(&system, &id).await, (Some(at), Some(at)), "{form:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_genuine_and_not_understood_is_taken_and_what_is_too_large_is_not() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    for body in ["", "hello", "{", "jsonData=", "{\"type\":[]}", "--0f7a--"] {
        for content_type in [
            "application/json",
            "text/plain",
            "multipart/form-data",
            "\u{7}",
        ] {
            let headers = match content_type {
                "\u{7}" => vec![],
                content_type => vec![("content-type", content_type)],
            };
            check_ok(&system.request("POST", &path, &headers, body).await);
        }
    }
    let largest = 256 * 1024;
    for (bytes, fits) in [(largest, true), (largest + 1, false)] {
        let event = webhooks::news("Message").to_string();
        let body = format!("{event}{}", " ".repeat(bytes - event.len()));
        let headers = [("content-type", "application/json")];
        let reply = system.request("POST", &path, &headers, body).await;
        if fits {
            check_ok(&reply);
        } else {
            check_problem(&reply, 413, "PAYLOAD_TOO_LARGE", json!({}));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_posted_to_a_genuine_address_is_answered_with_200() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    let chance = Entropy::seeded(5);
    let below = |most: usize| chance.below(most as u64) as usize;
    let types = [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ];
    let event = webhooks::receipt(
        "Read",
        &["3EB0AAAAAAAAAAAAAAAAAA"],
        system.now().minus(MINUTE),
    );
    for _ in 0..1_000 {
        let mut body = Form::ALL[below(4)].body(&event);
        for _ in 0..=below(6) {
            let at = below(body.len());
            match below(4) {
                0 => body[at] = chance.bytes::<1>()[0],
                1 => body.truncate(at.max(1)),
                2 => body.insert(at, b'"'),
                _ => body.extend_from_within(at..),
            }
        }
        let headers = [("content-type", types[below(3)])];
        check_ok(&system.request("POST", &path, &headers, body).await);
    }
    // Some of them are receipts of now, which wait for an hour.
    let waiting = items(&system, "DeliveriesTable").await;
    for item in waiting {
        assert_eq!(item.get("session"), None, "{item:?}");
        let ends = item.number("expires_at").expect("an end");
        assert!(ends <= system.now().seconds() + 60 * 60, "{item:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_the_gateway_is_asked_to_come_again() {
    let system = system().await;
    let (id, path) = (sent_message(&system).await, webhooks::path(&system).await);
    let down = |table| system.with_faults(Faults::none().on_table(table, Fault::Throttled));
    let at = after(&system, 0);
    let receipt = webhooks::receipt("Read", &[&id], at);
    for (table, event) in [
        ("KeysTable", &receipt),
        ("DeliveriesTable", &receipt),
        ("WhatsAppSessionsTable", &webhooks::news("LoggedOut")),
    ] {
        let reply = webhooks::post(&down(table), &path, Form::FormOfD, event).await;
        check_unavailable(&reply);
    }
    check_ok(&webhooks::post(&system, &path, Form::FormOfD, &receipt).await);
    assert_eq!(times(&system, &id).await, (Some(at), Some(at)));
}

#[tokio::test(start_paused = true)]
async fn an_unlinked_session_shows_at_once_and_no_event_makes_one_usable() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    for (sent_before, kind, state) in [
        (true, "Disconnected", "recovering"),
        (true, "StreamReplaced", "recovering"),
        (true, "LoggedOut", "needs_pairing"),
        (true, "Logged Out", "needs_pairing"),
        (false, "Connected", "recovering"),
        (true, "Connected", "usable"),
        (true, "ConnectFailure", "down"),
        (true, "TemporaryBan", "restricted"),
        (true, "ClientOutdated", "needs_restart"),
        (false, "Disconnected", "needs_restart"),
    ] {
        if sent_before {
            pass(MINUTE).await;
            sent_message_somewhere(&system).await;
            assert_eq!(channel(&system).await, "usable", "before {kind}");
        }
        let event = webhooks::news(kind);
        check_ok(&webhooks::post(&system, &path, Form::FormOfD, &event).await);
        assert_eq!(channel(&system).await, state, "after {kind}");
        // The same again, which newer gateways post when a reply was lost.
        check_ok(&webhooks::post(&system, &path, Form::FormOfD, &event).await);
        assert_eq!(channel(&system).await, state, "after {kind}, twice");
    }
}

/// Sends a code to a user that nobody asked a code for before.
async fn sent_message_somewhere(system: &TestSystem) {
    let typed = typed_phone(system.now().seconds() as u32 % 10_000_000);
    add_user(system, &typed).await;
    check_sent(&ask_code(system, &typed).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_later_is_not_overwritten_by_an_old_event() {
    let system = system().await;
    sent_message(&system).await;
    let path = webhooks::path(&system).await;
    let old = json!({
        "type": "LoggedOut",
        "event": { "Timestamp": after(&system, 0).minus(MINUTE).rfc3339() },
    });
    check_ok(&webhooks::post(&system, &path, Form::Json, &old).await);
    assert_eq!(channel(&system).await, "usable");
    // A change of the account's display name has the type of a login.
    let renamed = json!({ "type": "Connected", "event": { "Action": {}, "FromFullSync": false } });
    check_ok(&webhooks::post(&system, &path, Form::Json, &webhooks::news("LoggedOut")).await);
    check_ok(&webhooks::post(&system, &path, Form::Json, &renamed).await);
    assert_eq!(channel(&system).await, "needs_pairing");
    // Whoever sends next looks, whatever an event said.
    pass(MINUTE).await;
    sent_message(&system).await;
    assert_eq!(channel(&system).await, "usable");
}

#[tokio::test(start_paused = true)]
async fn an_address_counts_until_its_key_retires() {
    let system = system().await;
    let old = webhooks::path(&system).await;
    rotate_key(&system).await;
    pass(3 * MINUTE).await;
    let new = webhooks::path(&system).await;
    assert_ne!(old, new);
    let event = webhooks::news("Presence");
    for path in [&old, &new] {
        check_ok(&webhooks::post(&system, path, Form::Json, &event).await);
    }
    pass(Duration::from_secs(32 * 24 * 60 * 60)).await;
    let reply = webhooks::post(&system, &old, Form::Json, &event).await;
    check_problem(&reply, 401, "UNKNOWN_WEBHOOK", json!({}));
    check_ok(&webhooks::post(&system, &new, Form::Json, &event).await);
}

/// Rotates the key of the addresses.
async fn rotate_key(system: &TestSystem) {
    let rotation = Rotation {
        name: RingName::Webhooks,
        turn: RingName::Webhooks.turn(),
        algorithm: None,
    };
    let keys = KeyMaker::new(&system.without_faults());
    let rotated = keys.rotate(rotation, system.now()).await;
    assert!(matches!(rotated, Ok(Rotated::Done(_))), "{rotated:?}");
}

/// What is done to a webhook on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    Genuine,
    TwiceAtOnce,
    SignedByAnother,
    Unsigned,
    ToAnotherAddress,
    /// Changed after it was signed.
    Changed,
    /// Signed, and not understood.
    Garbage,
}

const TREATMENTS: [Treatment; 7] = [
    Treatment::Genuine,
    Treatment::TwiceAtOnce,
    Treatment::SignedByAnother,
    Treatment::Unsigned,
    Treatment::ToAnotherAddress,
    Treatment::Changed,
    Treatment::Garbage,
];

/// One of thousands of webhooks.
struct Drawn {
    treatment: Treatment,
    form: Form,
    event: Value,
}

impl Drawn {
    /// Posts it, and answers the status.
    async fn post(&self, system: &TestSystem, path: &str) -> u16 {
        let Self {
            form, ref event, ..
        } = *self;
        let signed = (form, KEY);
        let reply = match self.treatment {
            Treatment::Genuine => webhooks::post_signed(system, path, signed, event).await,
            Treatment::TwiceAtOnce => {
                let (reply, other) = tokio::join!(
                    Box::pin(webhooks::post_signed(system, path, signed, event)),
                    Box::pin(webhooks::post_signed(system, path, signed, event)),
                );
                assert_eq!(reply.status, other.status);
                reply
            }
            Treatment::SignedByAnother => {
                webhooks::post_signed(system, path, (form, "another key"), event).await
            }
            Treatment::Unsigned => webhooks::post(system, path, form, event).await,
            Treatment::ToAnotherAddress => {
                let path = path.replace("system", "sales");
                webhooks::post_signed(system, &path, signed, event).await
            }
            Treatment::Changed => {
                let signature = webhooks::signature(KEY, &Form::Json.signed(event));
                let body = event.to_string().replacen("3EB0", "3EB1", 1);
                let headers = [
                    ("content-type", "application/json"),
                    ("x-hmac-signature", signature.as_str()),
                ];
                system.request("POST", path, &headers, body).await
            }
            Treatment::Garbage => {
                let garbage = json!({ "type": "ReadReceipt", "state": 7, "event": [event] });
                webhooks::post_signed(system, path, signed, &garbage).await
            }
        };
        reply.status
    }
}

#[tokio::test(start_paused = true)]
async fn of_thousands_of_webhooks_all_that_are_genuine_count_and_no_other() {
    const MESSAGES: u64 = 40;
    let system =
        TestSystem::builder().settings(|settings| settings.webhook_key = WebhookKey::parse(KEY));
    let system = system.build().await;
    let path = webhooks::path(&system).await;
    let id = |number: u64| format!("3EB0{number:018X}");
    // The last of them is of somebody else.
    for number in 0..MESSAGES - 1 {
        keep(&system, &id(number)).await;
    }
    pass(MINUTE).await;
    let chance = Entropy::seeded(11);
    let start = after(&system, 0);
    let mut expected: BTreeMap<String, [Option<Timestamp>; 2]> = BTreeMap::new();
    for _ in 0..4_000 {
        let id = id(chance.below(MESSAGES));
        let at = start.minus(Duration::from_secs(31 + chance.below(100)));
        let read = chance.below(3) == 0;
        let drawn = Drawn {
            treatment: TREATMENTS[chance.below(7) as usize],
            form: Form::ALL[chance.below(4) as usize],
            event: webhooks::receipt(if read { "Read" } else { "Delivered" }, &[&id], at),
        };
        let status = drawn.post(&system, &path).await;
        let Drawn {
            treatment, form, ..
        } = drawn;
        let taken = match treatment {
            Treatment::Genuine | Treatment::TwiceAtOnce | Treatment::Garbage => 200,
            _ => 401,
        };
        assert_eq!(status, taken, "{treatment:?}, {form:?}");
        if matches!(treatment, Treatment::Genuine | Treatment::TwiceAtOnce) {
            let earliest = |known: &mut Option<Timestamp>| {
                *known = Some(known.map_or(at, |known| known.min(at)));
            };
            let [delivered, was_read] = expected.entry(id).or_default();
            earliest(delivered);
            if read {
                earliest(was_read);
            }
        }
    }
    let records = items(&system, "DeliveriesTable").await;
    assert_eq!(records.len() as u64, MESSAGES - 1, "none was made");
    for record in records {
        let id = record.text("message_id").expect("an id");
        let time = |name: &str| record.number(name).map(Timestamp::from_millis);
        let kept = [time("delivered_at"), time("read_at")];
        assert_eq!(kept, expected.remove(id).unwrap_or_default(), "{id}");
    }
}

/// The gateway's own posts, as the simulator makes them, in every version and form.
#[tokio::test(start_paused = true)]
async fn what_the_simulated_gateway_posts_is_taken() {
    use local::simulator::{Profile, Scenario, WebhookFormat};
    for profile in [Profile::A, Profile::B, Profile::C, Profile::D] {
        for (webhook_format, lid) in [
            (WebhookFormat::Form, false),
            (WebhookFormat::Json, false),
            (WebhookFormat::Form, true),
        ] {
            let system = TestSystem::builder()
                .simulator(|options| {
                    options.profile = profile;
                    options.webhook_format = webhook_format;
                    options.lid = lid;
                    options.devices = 2;
                    options.read_after = Some(Duration::from_secs(3));
                    options.sessions[0].hmac_key = Some(KEY.into());
                })
                .settings(|settings| {
                    if matches!(profile, Profile::C | Profile::D) {
                        settings.webhook_key = WebhookKey::parse(KEY);
                    }
                })
                .build()
                .await;
            let system = with_siti(system).await;
            let path = webhooks::path(&system).await;
            let api = system.clone();
            system.simulator().post_hooks_to(move |hook| {
                let (api, path) = (api.clone(), path.clone());
                async move {
                    let mut headers = vec![("content-type", hook.content_type)];
                    if let Some(signature) = &hook.signature {
                        headers.push(("x-hmac-signature", signature));
                    }
                    let reply = api
                        .request("POST", &path, &headers, hook.body.as_str())
                        .await;
                    Some(reply.status)
                }
            });
            system
                .simulator()
                .set_webhook("system", "http://127.0.0.1:9/hook")
                .expect("a session");
            // The connect of the recovery names the events.
            system.simulator().play(&Scenario::ColdSession);
            let id = sent_message(&system).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            let (delivered, read) = times(&system, &id).await;
            let case = format!("{profile:?} {webhook_format:?} {lid}");
            assert!(
                delivered.is_some() && read.is_some(),
                "{case} {:?}",
                system.simulator().hooks()
            );
            assert!(
                system
                    .simulator()
                    .hooks()
                    .iter()
                    .all(|hook| hook.answer == Some(200)),
                "{case}"
            );
            system.simulator().play(&Scenario::Unlinked);
            tokio::time::sleep(Duration::from_secs(2)).await;
            // Versions before C tell nobody that the phone has unlinked them.
            let told = matches!(profile, Profile::C | Profile::D);
            let expected = if told { "needs_pairing" } else { "usable" };
            assert_eq!(channel(&system).await, expected, "{case}");
        }
    }
}
