//! The same for whatever chance brings.
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Posts each body to some route of one system; time goes on between them. A good reply needs a body that `may_be_good`.
fn check_any<T: Clone + std::fmt::Debug>(
    body: impl Strategy<Value = T>,
    bytes: impl Fn(T) -> Vec<u8>,
    may_be_good: impl Fn(&T) -> bool,
) {
    let paused = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = paused.expect("a runtime");
    let system = runtime.block_on(system());
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(400)
    });
    let any = (prop::sample::select(posts()), body);
    let outcome = runner.run(&any, |(path, body)| {
        let may_be_good = may_be_good(&body);
        let before = gateway_calls(&system);
        let reply = runtime.block_on(async {
            pass(MINUTE).await;
            system
                .request("POST", &path, &[("content-type", JSON)], bytes(body))
                .await
        });
        if reply.status == 200 {
            prop_assert!(may_be_good, "{}", reply.json);
        } else {
            prop_assert!((400..500).contains(&reply.status), "{}", reply.json);
            prop_assert_eq!(&reply.json["success"], false);
            prop_assert_eq!(gateway_calls(&system), before);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn no_bytes_bring_a_failure_or_a_message() {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "\\{[\"a-z:,\\[\\]{}0-9\\\\ ]{0,60}\\}".prop_map(String::into_bytes),
    ];
    check_any(bytes, |bytes| bytes, |_| false);
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[+0-9 -]{0,18}".prop_map(Value::from),
        Just(json!(SITI)),
        Just(json!("sso")),
        Just(json!("123456")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            any_object(inner),
        ]
    })
}

/// Objects whose keys are those that the routes know, or others.
fn any_object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let known = [
        "purpose",
        "refreshToken",
        "identifier",
        "phone",
        "otp",
        "challengeId",
        "method",
        "locale",
        "name",
        "password",
        "email",
    ];
    let key = prop_oneof![
        9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,8}",
    ];
    prop::collection::btree_map(key, value, 0..8).prop_map(|fields| fields.into_iter().collect())
}

/// Whether an identifier is in it that a route may answer with a code.
fn names_a_phone(body: &Value) -> bool {
    ["identifier", "phone"].iter().any(|field| {
        let typed = body[*field].as_str();
        typed.is_some_and(|typed| Phone::parse(typed).is_ok())
    })
}

#[test]
fn no_json_brings_a_failure_or_a_message_unless_it_names_a_phone() {
    let body = prop_oneof![1 => any_json(), 3 => any_object(any_json())];
    check_any(body, |body| body.to_string().into_bytes(), names_a_phone);
}
