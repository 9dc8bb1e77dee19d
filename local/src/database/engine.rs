//! One DynamoDB request, from the SDK's HTTP request to the engine's method and back.
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A request, parsed as far as it must be.
#[derive(Debug)]
pub struct Request {
    /// Such as `UpdateItem`.
    pub operation: String,
    /// Whether the SDK gives the call up when this attempt fails.
    pub last_attempt: bool,
    body: Value,
}

/// What goes back to the SDK.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The units used, all tables and indexes together.
    pub units: f64,
    /// The JSON body.
    pub body: String,
}

impl Request {
    /// Takes the operation from `X-Amz-Target` and asks the engine for the units.
    pub fn read(request: &HttpRequest) -> Result<Self, ConnectorError> {
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.strip_prefix("DynamoDB_20120810."))
            .ok_or_else(|| ConnectorError::user("no DynamoDB operation".into()))?
            .to_owned();
        let body = request.body().bytes().unwrap_or_default();
        let mut body: Value =
            serde_json::from_slice(body).map_err(|error| ConnectorError::user(error.into()))?;
        if operation.ends_with("Item") || operation.ends_with("Items") || operation == "Query" {
            body["ReturnConsumedCapacity"] = json!("TOTAL");
        }
        let attempt = request.headers().get("amz-sdk-request");
        Ok(Self {
            operation,
            last_attempt: attempt.is_some_and(is_last),
            body,
        })
    }

    /// The tables that the request names, in order, without repeats.
    pub fn tables(&self) -> Vec<String> {
        let single = self.body["TableName"].as_str();
        let batch = self.body["RequestItems"].as_object();
        let mut tables: Vec<String> = single
            .into_iter()
            .chain(batch.into_iter().flatten().map(|(name, _)| name.as_str()))
            .chain(self.parts().iter().filter_map(part_table))
            .map(str::to_owned)
            .collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// The permissions that AWS asks for: of a transaction that writes, those of its parts; of a query of an index, that of the index,
    /// such as `Query` and `PaymentsTable/index/due`.
    pub fn permissions(&self) -> Vec<(String, String)> {
        let parts = self.parts().iter().filter_map(|part| {
            let (act, part) = part.as_object()?.iter().next()?;
            let action = match act.as_str() {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                act => format!("{act}Item"),
            };
            Some((action, part["TableName"].as_str()?.to_owned()))
        });
        let mut permissions: Vec<_> = match self.parts() {
            [] => {
                let index = self.body["IndexName"].as_str();
                let index = index.map(|index| format!("/index/{index}"));
                let index = index.unwrap_or_default();
                let action = |table| (self.operation.clone(), format!("{table}{index}"));
                self.tables().into_iter().map(action).collect()
            }
            _ => parts.collect(),
        };
        permissions.sort();
        permissions.dedup();
        permissions
    }

    /// The key rings that the request names, in order, without repeats. The table of keys has none but them.
    pub fn rings(&self) -> Vec<String> {
        let parts = self.parts().iter();
        let parts = parts.filter_map(|part| Some(part.as_object()?.iter().next()?.1));
        let mut rings: Vec<_> = parts
            .chain([&self.body])
            .flat_map(|part| [&part["Key"], &part["Item"]])
            .filter_map(|key| key["ring"]["S"].as_str().map(str::to_owned))
            .collect();
        rings.sort();
        rings.dedup();
        rings
    }

    /// Whether DynamoDB can refuse this request because a transaction holds the item.
    pub fn may_conflict(&self) -> bool {
        matches!(
            self.operation.as_str(),
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" | "TransactGetItems"
        )
    }

    /// The refusal because a transaction holds an item: the first one, for a transaction.
    pub fn conflict(&self) -> Answer {
        const MESSAGE: &str = "Transaction is ongoing for the item";
        let Some((_, others)) = self.parts().split_first() else {
            return Answer::refusal(
                json!({"__type": dynamodb("TransactionConflictException"), "message": MESSAGE}),
            );
        };
        let mut reasons = vec![json!({"Code": "TransactionConflict", "Message": MESSAGE})];
        reasons.extend(others.iter().map(|_| json!({"Code": "None"})));
        Answer::refusal(json!({
            "__type": dynamodb("TransactionCanceledException"),
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
            "CancellationReasons": reasons,
        }))
    }

    /// Runs the request to its end.
    pub fn run(&self, engine: &Database) -> Answer {
        let outcome = match self.operation.as_str() {
            "BatchGetItem" => self.call(|request| engine.batch_get_item(request)),
            "BatchWriteItem" => self.call(|request| engine.batch_write_item(request)),
            "CreateTable" => self.call(|request| engine.create_table(request)),
            "DeleteItem" => self.call(|request| engine.delete_item(request)),
            "DeleteTable" => self.call(|request| engine.delete_table(request)),
            "DescribeTable" => self.call(|request| engine.describe_table(request)),
            "DescribeTimeToLive" => self.call(|request| engine.describe_time_to_live(request)),
            "GetItem" => self.call(|request| engine.get_item(request)),
            "ListTables" => self.call(|request| engine.list_tables(request)),
            "PutItem" => self.call(|request| engine.put_item(request)),
            "Query" => self.call(|request| engine.query(request)),
            "Scan" => self.call(|request| engine.scan(request)),
            "TransactGetItems" => self.call(|request| engine.transact_get_items(request)),
            "TransactWriteItems" => self.call(|request| engine.transact_write_items(request)),
            "UpdateItem" => self.call(|request| engine.update_item(request)),
            "UpdateTable" => self.call(|request| engine.update_table(request)),
            "UpdateTimeToLive" => self.call(|request| engine.update_time_to_live(request)),
            other => Err(DynoxideError::ValidationException(format!(
                "{other} is not wired to the embedded database"
            ))),
        };
        match outcome {
            Ok(body) => Answer {
                status: 200,
                units: units(&body["ConsumedCapacity"]),
                body: body.to_string(),
            },
            Err(error) => Answer {
                status: error.status_code(),
                units: 0.0,
                body: error.to_json(),
            },
        }
    }

    fn call<Q: DeserializeOwned, A: Serialize>(
        &self,
        act: impl FnOnce(Q) -> dynoxide::Result<A>,
    ) -> dynoxide::Result<Value> {
        let request = Q::deserialize(&self.body)
            .map_err(|error| DynoxideError::ValidationException(error.to_string()))?;
        serde_json::to_value(act(request)?)
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    }

    /// The parts of a transaction.
    fn parts(&self) -> &[Value] {
        self.body["TransactItems"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }
}

impl Answer {
    /// The refusal because the table takes no more.
    pub fn throttled() -> Self {
        Self::refusal(json!({
            "__type": dynamodb("ProvisionedThroughputExceededException"),
            "message": "The level of configured provisioned throughput for the table was exceeded",
        }))
    }

    fn refusal(body: Value) -> Self {
        Self {
            status: 400,
            units: 0.0,
            body: body.to_string(),
        }
    }
}

/// Whether `attempt=4; max=4` is the last one.
fn is_last(attempt: &str) -> bool {
    let number = |name| {
        let mut fields = attempt.split("; ");
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    number("attempt") == number("max")
}

fn dynamodb(exception: &str) -> String {
    format!("com.amazonaws.dynamodb.v20120810#{exception}")
}

fn part_table(part: &Value) -> Option<&str> {
    part.as_object()?.values().next()?["TableName"].as_str()
}

/// One table's capacity, or a list of them.
fn units(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(tables) => tables.iter().map(units).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or(0.0),
    }
}
