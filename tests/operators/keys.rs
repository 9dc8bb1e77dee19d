//! Making the keys: by the deployment and by hand, and what happens where they are missing.
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::runtime::Error;
use shared::runtime::custom_resource::ResourceRequest;
use shared::store::{Fields, Item};
use tests::{Reply, TestSystem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::act::*;

const ALL: [&str; 5] = ["codes", "public", "refresh", "signing", "webhooks"];

/// The items of the table of keys, by name.
async fn keys(system: &TestSystem) -> Vec<(String, Item)> {
    let rows = rows(system, "KeysTable").await.into_iter();
    let mut rows: Vec<_> = rows
        .map(|item| (item.text("ring").unwrap().to_owned(), item))
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

async fn names(system: &TestSystem) -> Vec<String> {
    let keys = keys(system).await.into_iter();
    keys.map(|(name, _)| name).collect()
}

/// Takes items out of the table of keys.
async fn lose(system: &TestSystem, names: &[&str]) {
    for name in names {
        let delete = system.dynamodb().delete_item().table_name("KeysTable");
        let name = AttributeValue::S((*name).to_owned());
        delete.key("ring", name).send().await.unwrap();
    }
}

/// The public keys that are published.
async fn published(system: &TestSystem) -> Value {
    let reply = system.get("/.well-known/jwks.json").await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    reply.json["keys"].clone()
}

#[track_caller]
fn check_unavailable(reply: &Reply) {
    let answered = (reply.status, reply.json["error"].as_str());
    assert_eq!(
        answered,
        (503, Some("SERVICE_UNAVAILABLE")),
        "{}",
        reply.json
    );
    assert_eq!(reply.json["retryAfterSeconds"], 5);
}

/// A table as an earlier version left it.
async fn old_table(system: &TestSystem) {
    lose(system, &["public"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_made_and_what_is_there_stays_as_it_is() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        let before = keys(&system).await;
        let said = operate(&system, &["keys", "make"]).await.unwrap();
        assert_eq!(said, "No keys are missing.\n");
        assert_eq!(keys(&system).await, before);
        for gone in [&["codes"][..], &["public"], &["codes", "refresh"], &ALL] {
            lose(&system, gone).await;
            let rest = keys(&system).await;
            let dry = operate(&system, &["keys", "make", "--dry-run"])
                .await
                .unwrap();
            assert!(
                gone.iter()
                    .all(|name| dry.contains(&format!("`{name}` would be made."))),
                "{dry}"
            );
            assert_eq!(keys(&system).await, rest);
            operate(&system, &["keys", "make"]).await.unwrap();
            assert_eq!(names(&system).await, ALL);
            let now = keys(&system).await;
            assert!(rest.iter().all(|kept| now.contains(kept)), "{gone:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_public_halves_of_an_old_table_are_those_of_its_keys() {
    for algorithm in ["ES256", "RS256"] {
        let system = TestSystem::start().await;
        let held = signed_up(&system, PHONE).await;
        let rotate = ["keys", "rotate", "signing", "--algorithm", algorithm];
        operate(&system, &rotate).await.unwrap();
        let before = keys(&system).await;
        let were = published(&system).await;
        assert_eq!(were.as_array().unwrap().len(), 2);
        old_table(&system).await;
        let said = operate(&system, &["keys", "make"]).await.unwrap();
        assert_eq!(said, "`public` is made.\n");
        assert_eq!(keys(&system).await, before, "the same, retirement included");
        assert_eq!(published(&system).await, were);
        assert_eq!(session(&system, &held["token"]).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_publishes_the_keys_of_an_old_table_too() {
    let system = TestSystem::start().await;
    let held = signed_up(&system, PHONE).await;
    old_table(&system).await;
    operate(&system, &["keys", "rotate", "signing"])
        .await
        .unwrap();
    assert_eq!(published(&system).await.as_array().unwrap().len(), 2);
    assert_eq!(session(&system, &held["token"]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_published_follows_a_rotation_that_meets_it() {
    for seed in 0..5 {
        let system = TestSystem::builder().seed(seed).build().await;
        old_table(&system).await;
        let (made, rotated) = tokio::join!(
            operate(&system, &["keys", "make"]),
            operate(&system, &["keys", "rotate", "signing"])
        );
        made.unwrap();
        rotated.unwrap();
        let system = system.with_faults(local::database::Faults::none());
        assert_eq!(
            published(&system).await.as_array().unwrap().len(),
            2,
            "{seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_only_checks_tokens_needs_no_private_key() {
    let system = TestSystem::start().await;
    let held = signed_up(&system, PHONE).await;
    let were = published(&system).await;
    lose(&system, &["signing", "refresh", "codes"]).await;
    // In processes that have read nothing before.
    let cold = system.with_faults(local::database::Faults::none());
    assert_eq!(published(&cold).await, were);
    assert_eq!(session(&cold, &held["token"]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn where_keys_are_missing_nobody_makes_them_on_the_way_and_the_reply_is_honest() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    let held = signed_up(&system, OTHER).await;
    lose(&system, &ALL).await;
    let cold = system.with_faults(local::database::Faults::none());
    let told = system.simulator().messages(None).len();
    let code = json!({ "identifier": PHONE, "method": "whatsapp" });
    for reply in [
        cold.get("/.well-known/jwks.json").await,
        session(&cold, &held["token"]).await,
        refresh(&cold, &held["refreshToken"]).await,
        sign_in(&cold, PHONE, "password").await,
        cold.post("/api/auth/sso-signin", code).await,
        sign_up(&cold, "08121111111").await,
    ] {
        check_unavailable(&reply);
    }
    assert_eq!(system.simulator().messages(None).len(), told);
    assert_eq!(names(&system).await, [""; 0]);
    let refused = operate(&cold, &["keys", "rotate", "codes"])
        .await
        .unwrap_err();
    assert!(refused.contains("`cargo run -- keys make`"), "{refused}");

    operate(&system, &["keys", "make"]).await.unwrap();
    assert_eq!(sign_in(&cold, PHONE, "password").await.status, 200);
}

/// Where CloudFormation waits for its answers. It refuses the first ones.
struct CloudFormation {
    url: String,
    answers: Arc<Mutex<Vec<(String, Value)>>>,
}

impl CloudFormation {
    async fn start(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/answer?signed", listener.local_addr().unwrap());
        let answers: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = Arc::clone(&answers);
        tokio::spawn(async move {
            for number in 0.. {
                let (mut caller, _) = listener.accept().await.unwrap();
                let (head, body) = request(&mut caller).await;
                let status = if number < refusals { 503 } else { 200 };
                let answer = format!(
                    "HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                kept.lock().unwrap().push((head, body));
                caller.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, answers }
    }

    fn asks(&self, what: &str) -> ResourceRequest {
        let mut request = json!({
            "RequestType": what, "ResponseURL": self.url, "StackId": "the stack", "RequestId": "the request",
            "LogicalResourceId": "KeyRings", "ResourceType": "Custom::KeyRings",
            "ResourceProperties": { "Items": ALL },
        });
        if what != "Create" {
            request["PhysicalResourceId"] = json!("key-rings");
        }
        serde_json::from_value(request).unwrap()
    }

    fn last(&self) -> (String, Value) {
        self.answers.lock().unwrap().last().unwrap().clone()
    }
}

/// The head and the JSON body of one request.
async fn request(caller: &mut tokio::net::TcpStream) -> (String, Value) {
    let mut text = String::new();
    loop {
        let mut part = [0; 4096];
        let read = caller.read(&mut part).await.unwrap();
        text.push_str(std::str::from_utf8(&part[..read]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return (head.to_lowercase(), body);
        }
        assert!(read > 0, "{text}");
    }
}

#[tokio::test]
async fn the_deployment_makes_keys_once_and_deletes_none() {
    let system = TestSystem::start().await;
    lose(&system, &ALL).await;
    let (app, stack) = (
        keys_make::App::new(system.backends()),
        CloudFormation::start(0).await,
    );
    let mut made = Vec::new();
    for what in ["Create", "Create", "Update", "Delete"] {
        keys_make::handle(Ok(&app), stack.asks(what)).await.unwrap();
        let (head, answer) = stack.last();
        // As it was signed: no content type.
        assert!(
            head.starts_with("put /answer?signed ") && !head.contains("content-type"),
            "{head}"
        );
        let expected = json!({
            "Status": "SUCCESS", "Reason": "", "PhysicalResourceId": "key-rings", "StackId": "the stack",
            "RequestId": "the request", "LogicalResourceId": "KeyRings",
        });
        assert_eq!(answer, expected, "{what}");
        assert_eq!(names(&system).await, ALL, "{what}");
        made.push(keys(&system).await);
    }
    made.dedup();
    assert_eq!(made.len(), 1, "they stayed as they were");
    old_table(&system).await;
    keys_make::handle(Ok(&app), stack.asks("Update"))
        .await
        .unwrap();
    assert_eq!(keys(&system).await, made[0]);
}

#[tokio::test]
async fn the_deployment_is_told_that_there_are_no_keys_and_why() {
    let system = TestSystem::start().await;
    lose(&system, &ALL).await;
    let down = system.with_faults(local::database::Faults::down());
    let (app, stack) = (
        keys_make::App::new(down.backends()),
        CloudFormation::start(2).await,
    );
    let wrong: Error = "STAGE: no such stage".into();
    for (app, why) in [
        (Ok(&app), "the store failed to look for the keys"),
        (
            Err(&wrong),
            "the function cannot start: STAGE: no such stage",
        ),
    ] {
        keys_make::handle(app, stack.asks("Create")).await.unwrap();
        let (_, answer) = stack.last();
        assert_eq!(answer["Status"], "FAILED");
        let reason = answer["Reason"].as_str().unwrap();
        assert!(reason.starts_with(why), "{reason}");
        // A stack that could not be made is taken down again.
        keys_make::handle(app, stack.asks("Delete")).await.unwrap();
        assert_eq!(stack.last().1["Status"], "SUCCESS");
    }
    assert_eq!(stack.answers.lock().unwrap().len(), 6, "two were refused");
}
