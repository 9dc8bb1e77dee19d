//! Where commands work: the file of this machine, another DynamoDB, the tables of a stack.
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use clap::Parser;
use local::cli::Cli;
use local::database::EmbeddedDynamoDb;
use local::machine::Machine;
use local::operate;
use shared::runtime::Backends;
use shared::runtime::settings::vars::Vars;
use shared::runtime::settings::{Settings, Tables};
use shared::store::users::Users;

use super::act::*;

const LINE: &str = r#"{"phone":"08123456789","name":"Siti","verifiedAt":"2024-05-01T08:30:00Z"}"#;

/// Types a command with `settings`, as the program does.
async fn typed(typed: &[&str], settings: Settings) -> anyhow::Result<Backends> {
    let cli = Cli::try_parse_from(["local"].iter().chain(typed))?;
    let command = cli.command.unwrap();
    let backends = operate::backends(&command, &cli.data, settings).await?;
    operate::run(&command, &backends, &mut Vec::new()).await?;
    Ok(backends)
}

async fn has_user(backends: &Backends) -> bool {
    let user = Users::new(backends).by_phone(&parsed(PHONE)).await;
    user.unwrap().is_some()
}

#[tokio::test]
async fn the_file_of_this_machine_is_worked_on_also_while_it_is_open() {
    let lines = TempFile::new("place.jsonl", LINE);
    let data = TempFile::new("place.db", "");
    std::fs::remove_file(&data.0).unwrap();
    let command = ["users", "erase", PHONE, "--data", data.path()];
    let missing = typed(&command, Settings::default()).await.unwrap_err();
    assert!(missing.to_string().contains("--data"), "{missing}");
    assert!(!data.0.exists());

    EmbeddedDynamoDb::file(&data.0).unwrap();
    let command = ["users", "import", lines.path(), "--data", data.path()];
    let backends = typed(&command, Settings::default()).await.unwrap();
    assert!(has_user(&backends).await);

    // Another process has the file open, and both write at once.
    let running = EmbeddedDynamoDb::file(&data.0).unwrap();
    let running = Backends {
        dynamodb: running.client(),
        ..backends.clone()
    };
    assert!(has_user(&running).await);
    let write = |backends: &Backends| {
        let update = backends.dynamodb.update_item().table_name("LimitsTable");
        let key = aws_sdk_dynamodb::types::AttributeValue::S("counter".into());
        let one = aws_sdk_dynamodb::types::AttributeValue::N("1".into());
        let update = update
            .key("id", key)
            .update_expression("ADD n :one")
            .expression_attribute_values(":one", one);
        tokio::spawn(async move {
            for _ in 0..100 {
                update.clone().send().await.unwrap();
            }
        })
    };
    let (one, other) = tokio::join!(write(&backends), write(&running));
    one.and(other).unwrap();
    let items = running
        .dynamodb
        .scan()
        .table_name("LimitsTable")
        .send()
        .await;
    assert_eq!(items.unwrap().items()[0]["n"].as_n().unwrap(), "200");
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", data.path()));
    }
}

/// A DynamoDB over HTTP, and the settings of whoever uses it.
async fn dynamodb() -> Settings {
    let cli = Cli::parse_from([
        "local",
        "--backends-only",
        "--memory",
        "--db-port=0",
        "--sim-port=0",
    ]);
    let machine = Machine::prepare(cli, Settings::default()).await.unwrap();
    let environment = machine.environment().into_iter();
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let settings = Settings::from_vars(&Vars(environment.collect())).unwrap();
    tokio::spawn(machine.serve(std::future::pending()));
    settings
}

#[tokio::test]
async fn another_dynamodb_and_the_tables_of_a_stack_are_worked_on() {
    let settings = dynamodb().await;
    let lines = TempFile::new("stack.jsonl", LINE);
    let import = ["users", "import", lines.path()];
    let keyless = Settings {
        credentials: None,
        ..settings.clone()
    };
    let backends = typed(&import, keyless).await.unwrap();
    assert!(has_user(&backends).await);

    let stack = ["users", "import", lines.path(), "--stack", "prod"];
    let error = typed(&stack, settings.clone())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the stack prod has no ChallengesTable here"),
        "{error}"
    );

    let Tables {
        challenges,
        limits,
        users,
        registrations,
        open_chats,
        logins,
        keys,
        deliveries,
        payments,
        whatsapp_sessions,
        admins,
        audit,
        incidents,
    } = Tables::default();
    for (table, key) in [
        (challenges, "phone"),
        (limits, "id"),
        (users, "id"),
        (registrations, "id"),
        (open_chats, "id"),
        (logins, "id"),
        (keys, "ring"),
        (deliveries, "message_id"),
        (payments, "payment_id"),
        (whatsapp_sessions, "name"),
        (admins, "id"),
        (audit, "day"),
        (incidents, "list"),
    ] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(ScalarAttributeType::S);
        let schema = KeySchemaElement::builder()
            .attribute_name(key)
            .key_type(KeyType::Hash);
        let create = backends.dynamodb.create_table();
        let create = create
            .table_name(format!("prod-{table}-1AB2CD3EF4"))
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(schema.build().unwrap());
        create.send().await.unwrap();
    }
    let prod = typed(&stack, settings.clone()).await.unwrap();
    assert_eq!(prod.settings.tables.users, "prod-UsersTable-1AB2CD3EF4");
    assert!(has_user(&prod).await);
    let rotate = ["keys", "rotate", "codes", "--stack=prod"];
    let missing = typed(&rotate, settings.clone()).await.unwrap_err();
    let missing = format!("{missing:#}");
    assert!(missing.contains("`cargo run -- keys make`"), "{missing}");
    for command in [["keys", "make", "--stack=prod"].as_slice(), &rotate] {
        typed(command, settings.clone()).await.unwrap();
    }
}

#[test]
fn the_help_says_what_is_needed() {
    for (typed, expected) in [
        (&["--help"][..], "users"),
        (&["users", "--help"], "move-phone"),
        (&["users", "--help"], "AWS_PROFILE"),
        (&["keys", "--help"], "--stack"),
        (&["users", "import", "--help"], "passwordHash"),
        (&["users", "erase", "--help"], "What remains"),
        (&["keys", "rotate", "--help"], "refresh"),
    ] {
        let shown = Cli::try_parse_from(["local"].iter().chain(typed)).unwrap_err();
        let shown = shown.to_string();
        assert!(shown.contains(expected), "{typed:?}: {shown}");
    }
    for wrong in [
        &["users", "erase", "12"][..],
        &["users", "move-phone", "08123456789"],
        &["keys", "rotate", "everything"],
        &["keys", "rotate", "codes", "--retire-after", "soon"],
    ] {
        assert!(
            Cli::try_parse_from(["local"].iter().chain(wrong)).is_err(),
            "{wrong:?}"
        );
    }
}
