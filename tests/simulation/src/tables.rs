//! The way to the tables: the SDK's HTTP client, which calls the embedded database, and on which everything goes wrong now and then.
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::ledger::{Kept, Right};
use crate::process::{self, Process};
use crate::universe::Purpose;

/// What happens to one attempt of the SDK to call the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The connection breaks before the effect.
    RequestLost,
    /// The connection breaks after it.
    ReplyLost,
    /// No answer ever comes, and there is no effect.
    Swallowed,
    /// The effect comes so much later, when the caller may have given up or be gone.
    Late(Duration),
    /// The effect comes a second time, so much later.
    Doubled(Duration),
    /// The table takes no more.
    Throttled,
    /// A transaction holds the item.
    Conflict,
    /// An answer from before, where the call does not ask for the present state.
    Stale,
    /// It takes long.
    Slow(Duration),
}

/// The SDK's HTTP client.
#[derive(Clone)]
pub struct Tables {
    engine: Database,
    memory: Arc<Mutex<Memory>>,
}

/// What the way to the tables remembers during one schedule.
#[derive(Default)]
struct Memory {
    /// The last answers to reads that may be stale, by their requests.
    answers: HashMap<String, Vec<Answer>>,
    /// The answers to reads, for as long as nothing writes to a table of theirs.
    reads: Reads,
    /// The tables that something was written to.
    written: BTreeSet<String>,
    /// The answers to transactions that were carried out, by their tokens: the same again is answered alike. The engine would keep
    /// them from schedule to schedule.
    transactions: HashMap<String, Answer>,
}

/// A read: its operation and request.
type Read = (String, Vec<u8>);

/// Answers to reads with the tables that they are of, and the reads of each table.
#[derive(Default)]
struct Reads {
    answers: HashMap<Read, (Answer, Vec<String>)>,
    by_table: HashMap<String, HashSet<Read>>,
}

impl Reads {
    fn answer(&self, read: &Read) -> Option<Answer> {
        self.answers.get(read).map(|(answer, _)| answer.clone())
    }

    fn keep(&mut self, read: Read, answer: Answer, tables: Vec<String>) {
        for table in &tables {
            let reads = self.by_table.entry(table.clone()).or_default();
            reads.insert(read.clone());
        }
        self.answers.insert(read, (answer, tables));
    }

    /// Something is written to a table.
    fn forget(&mut self, table: &str) {
        for read in self.by_table.remove(table).into_iter().flatten() {
            let known = self.answers.remove(&read);
            for other in known.into_iter().flat_map(|(_, tables)| tables) {
                if let Some(reads) = self.by_table.get_mut(&other) {
                    reads.remove(&read);
                }
            }
        }
    }
}

/// So many answers are kept from schedule to schedule.
const KNOWN_READS_MAX: usize = 1_000;

/// What goes back to the SDK.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    body: String,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tables")
    }
}

impl HttpClient for Tables {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Tables {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (this, process) = (self.clone(), process::current());
        HttpConnectorFuture::new(async move {
            let call = Call::read(&request)?;
            let answer = match process {
                None => this.run(&call),
                Some(process) => this.answer(call, &process).await?,
            };
            let status = answer.status.try_into();
            let status = status.map_err(|error| ConnectorError::user(Box::new(error)))?;
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            let headers = response.headers_mut();
            headers.insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}

/// One request.
#[derive(Clone, Debug)]
struct Call {
    operation: String,
    body: Vec<u8>,
}

impl Call {
    fn read(request: &HttpRequest) -> Result<Self, ConnectorError> {
        let target = request.headers().get("x-amz-target");
        let operation = target.and_then(|target| target.strip_prefix("DynamoDB_20120810."));
        let operation = operation.ok_or_else(|| ConnectorError::user("no operation".into()))?;
        Ok(Self {
            operation: operation.to_owned(),
            body: request.body().bytes().unwrap_or_default().to_vec(),
        })
    }

    /// The table that it names; nothing for a batch, whose tables the SDK keeps in no order.
    fn table(&self) -> &str {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let after = |mark: &str| {
            let at = text.find(mark)? + mark.len();
            text[at..].split('"').next()
        };
        let is_batch = self.operation == "BatchGetItem";
        let table = if is_batch {
            None
        } else {
            after("\"TableName\":\"")
        };
        table.unwrap_or("several")
    }

    /// The tables that a write names.
    fn tables(&self) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let named = text.split("\"TableName\":\"").skip(1);
        named.filter_map(|rest| rest.split('"').next())
    }

    /// The tables that a read names.
    fn tables_read(&self) -> Vec<String> {
        if self.operation != "BatchGetItem" {
            return self.tables().map(str::to_owned).collect();
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let requests = body["RequestItems"].as_object();
        let tables = requests.into_iter().flat_map(|tables| tables.keys());
        tables.cloned().collect()
    }

    fn is_write(&self) -> bool {
        matches!(
            self.operation.as_str(),
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems"
        )
    }

    /// What may be answered as it was before: a read that does not ask for the present state. Its key among the answers.
    fn may_be_stale(&self) -> Option<String> {
        if !matches!(
            self.operation.as_str(),
            "GetItem" | "Query" | "BatchGetItem"
        ) {
            return None;
        }
        let mut body: Value = serde_json::from_slice(&self.body).ok()?;
        let consistent = |request: &Value| request["ConsistentRead"] == true;
        let is_present = match body["RequestItems"].as_object() {
            Some(tables) => tables.values().any(consistent),
            None => consistent(&body),
        };
        if is_present {
            return None;
        }
        // The time up to which an index is read differs from look to look.
        if !body["IndexName"].is_null() {
            body["ExpressionAttributeValues"].take();
        }
        Some(body.to_string())
    }

    fn conflict(&self) -> Answer {
        const MESSAGE: &str = "Transaction is ongoing for the item";
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(parts) = body["TransactItems"].as_array() else {
            let kind = dynamodb("TransactionConflictException");
            return Answer::refusal(json!({"__type": kind, "message": MESSAGE}));
        };
        let mut reasons = vec![json!({"Code": "None"}); parts.len()];
        reasons[0] = json!({"Code": "TransactionConflict", "Message": MESSAGE});
        Answer::refusal(json!({
            "__type": dynamodb("TransactionCanceledException"),
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
            "CancellationReasons": reasons,
        }))
    }
}

impl Answer {
    fn of(outcome: dynoxide::Result<String>) -> Self {
        match outcome {
            Ok(body) => Self { status: 200, body },
            Err(error) => Self {
                status: error.status_code(),
                body: error.to_json(),
            },
        }
    }

    fn refusal(body: Value) -> Self {
        Self {
            status: 400,
            body: body.to_string(),
        }
    }

    fn throttled() -> Self {
        Self::refusal(json!({
            "__type": dynamodb("ProvisionedThroughputExceededException"),
            "message": "The level of configured provisioned throughput for the table was exceeded",
        }))
    }

    /// What became of it, in a word.
    fn word(&self) -> &str {
        if self.status == 200 {
            return "ok";
        }
        let named = self.body.split("\"__type\":\"").nth(1);
        let name = named.and_then(|rest| rest.split('"').next());
        name.and_then(|name| name.split('#').nth(1))
            .unwrap_or("refused")
    }
}

fn dynamodb(exception: &str) -> String {
    format!("com.amazonaws.dynamodb.v20120810#{exception}")
}

impl Tables {
    /// Over this database.
    pub fn new(engine: Database) -> Self {
        Self {
            engine,
            memory: Arc::default(),
        }
    }

    /// Forgets the schedule before, but for what was read of tables that it has not written to; the tables that it has.
    pub fn forget(&self) -> BTreeSet<String> {
        let mut memory = self.memory();
        let mut known = std::mem::take(&mut *memory);
        for table in &known.written {
            known.reads.forget(table);
        }
        if known.reads.answers.len() < KNOWN_READS_MAX {
            memory.reads = known.reads;
        }
        known.written
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call of a process, with what goes wrong on its way.
    async fn answer(&self, call: Call, process: &Arc<Process>) -> Result<Answer, ConnectorError> {
        let universe = &process.universe;
        let (who, number) = (process.number, process.next_call());
        let mut dice = universe.dice(Purpose::Call, who, number);
        let way = dice.millis(0..=6);
        let fault = dice.chance(process.table_odds(number)).then(|| {
            let fault = draw(&mut dice);
            let fits = match fault {
                Fault::Conflict | Fault::Doubled(_) => call.is_write(),
                Fault::Stale => !call.is_write(),
                _ => true,
            };
            if fits { fault } else { Fault::Throttled }
        });
        let fault = fault.filter(|_| universe.strikes((who, number)));
        sleep(way).await;
        let told = |what: &str| {
            let (operation, table) = (&call.operation, call.table());
            match fault {
                Some(fault) => universe.note(
                    who,
                    format_args!("{number} {operation} {table}: {what}, {fault:?}"),
                ),
                None => universe.note(who, format_args!("{number} {operation} {table}: {what}")),
            }
        };
        let lost = || Err(ConnectorError::io("lost, by order".into()));
        let answer = match fault {
            Some(Fault::RequestLost) => {
                told("lost");
                return lost();
            }
            Some(Fault::Swallowed) => {
                told("swallowed");
                return std::future::pending().await;
            }
            Some(Fault::Late(by)) => {
                told("late");
                self.run_later(call.clone(), process, by).await
            }
            Some(Fault::Throttled) => Answer::throttled(),
            Some(Fault::Conflict) => call.conflict(),
            Some(Fault::Stale) => self.stale(&call).unwrap_or_else(|| self.run(&call)),
            Some(Fault::Slow(by)) => {
                let answer = self.run_of(process, &call);
                sleep(by).await;
                answer
            }
            Some(Fault::ReplyLost) | None => self.run_of(process, &call),
            Some(Fault::Doubled(by)) => {
                let answer = self.run_of(process, &call);
                drop(self.spawned(call.clone(), process, by));
                answer
            }
        };
        if !matches!(fault, Some(Fault::Late(_))) {
            told(answer.word());
        }
        sleep(way / 2).await;
        if fault == Some(Fault::ReplyLost) {
            return lost();
        }
        Ok(answer)
    }

    /// Runs a call later, whoever still waits for it.
    async fn run_later(&self, call: Call, process: &Arc<Process>, by: Duration) -> Answer {
        match self.spawned(call, process, by).await {
            Ok(answer) => answer,
            Err(_) => Answer::throttled(),
        }
    }

    fn spawned(
        &self,
        call: Call,
        process: &Arc<Process>,
        by: Duration,
    ) -> tokio::task::JoinHandle<Answer> {
        let (this, process) = (self.clone(), Arc::clone(process));
        tokio::spawn(async move {
            sleep(by).await;
            let answer = this.run_of(&process, &call);
            let (operation, word) = (&call.operation, answer.word());
            let late = format_args!("{operation} {}: {word}, late", call.table());
            process.universe.note(process.number, late);
            answer
        })
    }

    /// An answer to the same question from before.
    fn stale(&self, call: &Call) -> Option<Answer> {
        let key = call.may_be_stale()?;
        self.memory().answers.get(&key)?.first().cloned()
    }

    /// Runs a transaction, unless one with its token was carried out.
    fn transact(&self, call: &Call) -> Answer {
        let mut body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let token = body
            .as_object_mut()
            .and_then(|body| body.remove("ClientRequestToken"));
        let token = token.and_then(|token| token.as_str().map(str::to_owned));
        let token = token.unwrap_or_default();
        let known = self.memory().transactions.get(&token).cloned();
        known.unwrap_or_else(|| {
            let body = body.to_string().into_bytes();
            let outcome = run(&body, |request| self.engine.transact_write_items(request));
            let answer = Answer::of(outcome);
            if answer.status == 200 {
                self.memory().transactions.insert(token, answer.clone());
            }
            answer
        })
    }

    /// Runs a call to its end, and writes what it came to into the ledger, whoever still waits for it. In a schedule in which nothing
    /// is stale nobody asks for what was answered before.
    fn run_of(&self, process: &Process, call: &Call) -> Answer {
        let universe = &process.universe;
        let is_kept = universe.odds.table > 0.0 && !universe.is_calm();
        let answer = match (is_kept, call.is_write()) {
            (true, _) => self.run(call),
            (false, true) => self.write(call),
            (false, false) => self.read(call),
        };
        note_right(call, &answer, process);
        note_kept(call, &answer, process);
        answer
    }

    /// Runs a call to its end, and keeps its answer for whoever is to get an old one.
    fn run(&self, call: &Call) -> Answer {
        let answer = if call.is_write() {
            self.write(call)
        } else {
            self.read(call)
        };
        if let Some(key) = call.may_be_stale() {
            let mut memory = self.memory();
            let known = memory.answers.entry(key).or_default();
            known.push(answer.clone());
            // The last but one, so that it is old, and not too old.
            if known.len() > 2 {
                known.remove(0);
            }
        }
        answer
    }

    fn write(&self, call: &Call) -> Answer {
        let mut memory = self.memory();
        for table in call.tables() {
            memory.reads.forget(table);
            if !memory.written.contains(table) {
                memory.written.insert(table.to_owned());
            }
        }
        drop(memory);
        if call.operation == "TransactWriteItems" {
            return self.transact(call);
        }
        self.carry_out(call)
    }

    /// Most reads are of what was read before: of keys, and of the session's item that somebody waits for.
    fn read(&self, call: &Call) -> Answer {
        let read = (call.operation.clone(), call.body.clone());
        if let Some(known) = self.memory().reads.answer(&read) {
            return known;
        }
        let answer = self.carry_out(call);
        let mut memory = self.memory();
        memory.reads.keep(read, answer.clone(), call.tables_read());
        answer
    }

    fn carry_out(&self, call: &Call) -> Answer {
        let engine = &self.engine;
        let body = &call.body;
        let outcome = match call.operation.as_str() {
            "BatchGetItem" => run(body, |request| engine.batch_get_item(request)),
            "DeleteItem" => run(body, |request| engine.delete_item(request)),
            "GetItem" => run(body, |request| engine.get_item(request)),
            "PutItem" => run(body, |request| engine.put_item(request)),
            "Query" => run(body, |request| engine.query(request)),
            "Scan" => run(body, |request| engine.scan(request)),
            "TransactGetItems" => run(body, |request| engine.transact_get_items(request)),
            "UpdateItem" => run(body, |request| engine.update_item(request)),
            other => Err(DynoxideError::ValidationException(format!(
                "{other} is not wired to the simulation"
            ))),
        };
        Answer::of(outcome)
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    act: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> dynoxide::Result<String> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
    serde_json::to_string(&act(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Writes a connect right that was won into the ledger.
fn note_right(call: &Call, answer: &Answer, process: &Process) {
    const TAKES: &[u8] = b"connect_by = :attempt";
    let takes =
        call.operation == "UpdateItem" && answer.status == 200 && contains(&call.body, TAKES);
    if takes {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let session = body["Key"]["name"]["S"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let (at, process, universe) = (process.universe.time(), process.number, &process.universe);
        universe.ledger().rights.push(Right {
            at,
            process,
            session,
        });
    }
}

/// Writes a record of a message that was kept into the ledger.
fn note_kept(call: &Call, answer: &Answer, process: &Process) {
    const KEEPS: &[u8] = b"ADD tried :tried";
    let keeps =
        call.operation == "UpdateItem" && answer.status == 200 && contains(&call.body, KEEPS);
    if keeps {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let tried = body["ExpressionAttributeValues"][":tried"]["SS"].as_array();
        let tried = tried.into_iter().flatten().filter_map(Value::as_str);
        let (at, id) = (process.universe.time(), &body["Key"]["message_id"]["S"]);
        process.universe.ledger().kept.push(Kept {
            at,
            id: id.as_str().unwrap_or_default().to_owned(),
            tried: tried.map(str::to_owned).collect(),
        });
    }
}

fn draw(dice: &mut crate::dice::Dice) -> Fault {
    match dice.below(20) {
        0..=2 => Fault::RequestLost,
        3..=6 => Fault::ReplyLost,
        7 => Fault::Swallowed,
        8..=9 => Fault::Late(dice.millis(200..=2_500)),
        10..=11 => Fault::Doubled(dice.millis(5..=2_000)),
        12..=13 => Fault::Throttled,
        14..=15 => Fault::Conflict,
        16..=17 => Fault::Stale,
        _ => Fault::Slow(dice.millis(50..=950)),
    }
}
