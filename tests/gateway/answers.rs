//! Whatever comes back, reading it ends in an answer or in an error.
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::gateway::GatewayError;
use shared::gateway::answer::Answer;

/// JSON that resembles an answer more or less.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("data"),
        Just("Data"),
        Just("error"),
        Just("success"),
        Just("message"),
        Just("connected"),
        Just("loggedIn"),
        Just("Users"),
        Just("QRCode"),
        Just("Id"),
        Just("id"),
        Just("token"),
        Just("events"),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|pairs| pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        ".{0,200}".prop_map(String::into_bytes),
        (value(), any::<prop::sample::Index>()).prop_map(|(value, cut)| {
            let mut text = value.to_string().into_bytes();
            text.truncate(cut.index(text.len() + 1));
            text
        }),
        value().prop_map(|value| json!({"code": 200, "data": value, "success": true})
            .to_string()
            .into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_answer_is_read_without_a_panic(status in 100u16..=999, body in body()) {
        let answer = Answer { status, body };
        let errors = [
            answer.session_status().err(),
            answer.taken().err(),
            answer.qr().err(),
            answer.linking_code().err(),
            answer.accepted().err(),
            answer.user_checks().err(),
            answer.users().err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(error.to_string().chars().count() < 500);
            prop_assert!(!matches!(error, GatewayError::TimedOut | GatewayError::Unreachable(_)));
        }
    }

    #[test]
    fn a_text_is_accepted_only_by_a_good_status(status in 300u16..=999, id in "[0-9A-F]{1,22}") {
        let body = json!({"code": status, "data": {"Details": "Sent", "Id": id}, "success": true});
        let answer = Answer { status, body: body.to_string().into_bytes() };
        prop_assert!(answer.accepted().is_err());
    }
}
