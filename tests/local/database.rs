//! The embedded database answers as DynamoDB does, and its faults do what they promise.
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use local::database::{EmbeddedDynamoDb, Fault, Faults};
use local::template::Template;
use shared::store::{Fields, Item, number, text};
use tokio::time::Instant;

async fn database() -> EmbeddedDynamoDb {
    let database = EmbeddedDynamoDb::memory().unwrap();
    let template = Template::compiled_in().unwrap();
    database.create_tables(&template).await.unwrap();
    database.forget_calls();
    database
}

/// Adds 1 to a counter and returns it; the error is the code, or `none` when no answer came.
async fn add(client: &Client) -> Result<i64, String> {
    let reply = client
        .update_item()
        .table_name("LimitsTable")
        .key("id", text("counter"))
        .update_expression("ADD n :one")
        .expression_attribute_values(":one", number(1))
        .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
        .send()
        .await;
    match reply {
        Ok(reply) => Ok(reply.attributes.unwrap().number("n").unwrap()),
        Err(error) => Err(error.code().unwrap_or("none").to_owned()),
    }
}

async fn counter(database: &EmbeddedDynamoDb) -> i64 {
    let read = database.client().get_item().table_name("LimitsTable");
    let reply = read.key("id", text("counter")).send().await.unwrap();
    reply.item.map_or(0, |item| item.number("n").unwrap())
}

async fn put_both(client: &Client) -> Result<(), aws_sdk_dynamodb::Error> {
    let put = |id: &str| {
        let put = Put::builder()
            .table_name("LimitsTable")
            .item("id", AttributeValue::S(id.into()))
            .build();
        TransactWriteItem::builder().put(put.unwrap()).build()
    };
    client
        .transact_write_items()
        .transact_items(put("a"))
        .transact_items(put("b"))
        .send()
        .await?;
    Ok(())
}

/// One `ADD`: its result, the effects that stay, the attempts it took.
async fn check(faults: Faults, result: Result<i64, &str>, effects: i64, attempts: u64) {
    let database = database().await;
    let client = database.client_with(faults.clone());
    let expected = result.map_err(str::to_owned);
    assert_eq!(add(&client).await, expected, "{faults:?}");
    assert_eq!(counter(&database).await, effects, "{faults:?}");
    assert_eq!(faults.attempts(), attempts, "{faults:?}");
}

#[tokio::test(start_paused = true)]
async fn faults_do_what_they_promise_and_the_sdk_tries_again() {
    let at = |number, fault| Faults::none().at(number, fault);
    check(Faults::none(), Ok(1), 1, 1).await;
    check(at(1, Fault::RequestLost), Ok(1), 1, 2).await;
    check(at(1, Fault::ReplyLost), Ok(2), 2, 2).await;
    check(at(1, Fault::Throttled), Ok(1), 1, 2).await;
    // The SDK leaves conflicts to its caller.
    let conflict = Err("TransactionConflictException");
    check(at(1, Fault::Conflict), conflict, 0, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_stays_becomes_an_error_after_four_attempts() {
    check(Faults::down(), Err("none"), 0, 4).await;
    let lost = Faults::none().from(1, Fault::ReplyLost);
    check(lost, Err("none"), 4, 4).await;
    let throttled = Err("ProvisionedThroughputExceededException");
    check(Faults::none().from(1, Fault::Throttled), throttled, 0, 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_conflict_cancels_a_whole_transaction_and_names_its_first_item() {
    let database = database().await;
    let client = database.client_with(Faults::none().at(1, Fault::Conflict));
    let Err(aws_sdk_dynamodb::Error::TransactionCanceledException(error)) = put_both(&client).await
    else {
        panic!("the transaction is cancelled");
    };
    let codes: Vec<_> = error
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(codes, ["TransactionConflict", "None"]);
    let items = client.scan().table_name("LimitsTable").send().await;
    assert_eq!(items.unwrap().items(), <[Item; 0]>::default());
}

#[tokio::test(start_paused = true)]
async fn reads_do_not_conflict() {
    let database = database().await;
    let client = database.client_with(Faults::none().from(1, Fault::Conflict));
    let read = client.get_item().table_name("LimitsTable");
    assert!(read.key("id", text("counter")).send().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_gets_no_answer_and_does_nothing_more() {
    for (faults, effects) in [
        (Faults::none().stop_before(2), 1),
        (Faults::none().stop_after(2), 2),
    ] {
        let database = database().await;
        let client = database.client_with(faults.clone());
        let process = async {
            loop {
                add(&client).await.unwrap();
            }
        };
        assert_eq!(faults.until_stopped(process).await, None::<()>);
        assert_eq!(counter(&database).await, effects, "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_replays_its_faults_and_delays() {
    let run = |seed| async move {
        let database = database().await;
        let faults = Faults::seeded(seed)
            .odds(Fault::RequestLost, 0.2)
            .odds(Fault::ReplyLost, 0.2)
            .delay(0.5, Duration::from_millis(80));
        let client = database.client_with(faults);
        for _ in 0..20 {
            let _ = add(&client).await;
        }
        let calls = database.calls();
        calls.into_iter().map(|call| call.fault).collect::<Vec<_>>()
    };
    let first = run(7).await;
    for fault in [None, Some(Fault::RequestLost), Some(Fault::ReplyLost)] {
        assert!(first.contains(&fault), "{fault:?} happens");
    }
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_comes_through_where_last_attempts_are_spared() {
    for fault in [Fault::RequestLost, Fault::Throttled] {
        let lost = Faults::seeded(1).odds(fault, 1.0);
        check(lost.sparing_last_attempts(), Ok(1), 1, 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn latency_tells_the_round_trips_and_calls_tell_the_units() {
    let database = database().await;
    let client = database.client_with(Faults::none().latency(Duration::from_millis(10)));
    let began = Instant::now();
    let (one, other) = tokio::join!(add(&client), add(&client));
    assert_eq!(one.unwrap().max(other.unwrap()), 2);
    put_both(&client).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(20) && took < Duration::from_millis(30));
    let calls: Vec<_> = database
        .calls()
        .into_iter()
        .map(|call| (call.operation, call.tables, call.units))
        .collect();
    let limits = || vec!["LimitsTable".to_owned()];
    assert_eq!(
        calls,
        [
            ("UpdateItem".to_owned(), limits(), 1.0),
            ("UpdateItem".to_owned(), limits(), 1.0),
            ("TransactWriteItems".to_owned(), limits(), 4.0),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_by_the_time_limits() {
    let database = database().await;
    let faults = Faults::none().latency(Duration::from_secs(60));
    let began = Instant::now();
    assert_eq!(add(&database.client_with(faults)).await, Err("none".into()));
    assert!(began.elapsed() <= Duration::from_secs(3));
    assert_eq!(counter(&database).await, 0);
}

#[tokio::test]
async fn a_file_keeps_what_was_written() {
    let folder = std::env::temp_dir().join(format!("local-database-{}", std::process::id()));
    let path = folder.join("kept").join("dynamodb.db");
    for expected in [1, 2] {
        let database = EmbeddedDynamoDb::file(&path).unwrap();
        let template = Template::compiled_in().unwrap();
        database.create_tables(&template).await.unwrap();
        assert_eq!(add(&database.client()).await, Ok(expected));
    }
    std::fs::remove_dir_all(folder).unwrap();
}
