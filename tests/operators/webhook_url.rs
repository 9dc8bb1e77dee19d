//! Printing the address of a session's webhooks.
use clap::Parser;
use local::cli::Cli;
use shared::runtime::Backends;
use tests::TestSystem;
use tests::webhooks::{self, Form};

use super::act::*;

#[tokio::test(start_paused = true)]
async fn the_address_that_is_printed_is_the_one_that_counts() {
    let system = TestSystem::start().await;
    let said = operate(&system, &["webhook-url"]).await.unwrap();
    let (path, rest) = said.split_once('\n').unwrap();
    assert!(rest.contains("`ApiUrl`"), "{said}");
    let reply = webhooks::post(&system, path, Form::Json, &webhooks::news("QR")).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.json);

    let mut backends: Backends = system.backends().clone();
    let mut settings = (*backends.settings).clone();
    settings.public_base_url = Some("https://api.example.com".into());
    backends.settings = settings.into();
    let token = TempFile::new("token", "of-sales");
    let add = ["sessions", "add", "Sales-2_b", token.0.to_str().unwrap()];
    operate(&system, &add).await.unwrap();
    for (typed, session) in [
        (&["webhook-url"][..], "system"),
        (&["webhook-url", "system", "--dry-run"], "system"),
        (&["webhook-url", "Sales-2_b"], "Sales-2_b"),
    ] {
        let said = operate_with(&backends, typed).await.unwrap();
        let url = said.trim_end();
        let begins = format!("https://api.example.com/api/webhooks/whatsapp/{session}.");
        assert!(url.starts_with(&begins), "{url}");
        let path = url.strip_prefix("https://api.example.com").unwrap();
        let reply = webhooks::post(&system, path, Form::Json, &webhooks::news("QR")).await;
        assert_eq!(reply.status, 200, "{url}: {}", reply.json);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_has_added_has_no_address() {
    let system = TestSystem::start().await;
    let refused = operate(&system, &["webhook-url", "sales"]).await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("there is no session `sales`"), "{refused}");
}

#[test]
fn a_name_that_no_session_can_have_is_refused() {
    for name in ["", "two words", "a/b", "#gateway"] {
        let cli = Cli::try_parse_from(["local", "webhook-url", name]);
        assert!(cli.is_err(), "{name:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_keys_the_command_says_what_makes_them() {
    let system = TestSystem::start().await;
    let delete = system.dynamodb().delete_item().table_name("KeysTable");
    let ring = aws_sdk_dynamodb::types::AttributeValue::S("webhooks".into());
    delete.key("ring", ring).send().await.unwrap();
    let said = operate(&system, &["webhook-url"]).await.unwrap_err();
    assert!(said.contains("`cargo run -- keys make`"), "{said}");
}
