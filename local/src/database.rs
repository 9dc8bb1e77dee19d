//! DynamoDB in this process: the real SDK, whose HTTP client calls the embedded engine without a socket.
//!
//! It needs no thread and no timer of its own, so it works under paused time; `Faults` break calls on their way.
mod engine;
mod faults;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::{Credentials, HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use shared::runtime::dynamodb::dynamodb_config;

use crate::template::Template;

pub use faults::{Fault, Faults};

/// The calls that are kept; older ones are forgotten.
const CALLS_MAX: usize = 100_000;

/// A DynamoDB of its own. Clones are the same database.
#[derive(Clone)]
pub struct EmbeddedDynamoDb {
    engine: dynoxide::Database,
    /// The last calls; `None`: they are not kept.
    calls: Option<Arc<Mutex<VecDeque<Call>>>>,
}

/// One attempt of the SDK to call the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Such as `UpdateItem`.
    pub operation: String,
    /// The tables it names, in order, without repeats.
    pub tables: Vec<String>,
    /// The permissions that AWS asks for, such as `UpdateItem` and a table, in order, without repeats.
    pub permissions: Vec<(String, String)>,
    /// The key rings that it names, in order, without repeats.
    pub rings: Vec<String>,
    /// The read or write units that it used. None when it failed, although AWS charges a refused write.
    pub units: f64,
    /// The HTTP status of the engine's answer; `None` when the call never reached the engine.
    pub status: Option<u16>,
    /// What broke it on its way.
    pub fault: Option<Fault>,
}

impl EmbeddedDynamoDb {
    /// A database that lives as long as this process.
    ///
    /// # Errors
    /// When the engine does not start.
    pub fn memory() -> anyhow::Result<Self> {
        Ok(Self::over(dynoxide::Database::memory()?))
    }

    /// A database in the file at `path`, which is made if it does not exist, with its folder.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database.
    pub fn file(path: &Path) -> anyhow::Result<Self> {
        let opened = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let path = path.to_str().context("the path is not UTF-8")?;
            anyhow::Ok(dynoxide::Database::new(path)?)
        };
        let engine = opened().with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self::over(engine))
    }

    /// The database that `engine` is.
    pub fn over(engine: dynoxide::Database) -> Self {
        Self {
            engine,
            calls: Some(Arc::default()),
        }
    }

    /// The same database, which keeps no calls: for a process that serves for hours, where nobody counts them.
    #[must_use]
    pub fn without_calls(self) -> Self {
        Self {
            calls: None,
            ..self
        }
    }

    /// A client of this database, configured as in production.
    pub fn client(&self) -> Client {
        self.client_with(Faults::none())
    }

    /// The same with `faults` on the way.
    pub fn client_with(&self, faults: Faults) -> Client {
        let credentials = Credentials::new("local", "local", None, None, "local");
        let http_client = SharedHttpClient::new(Embedded {
            database: self.clone(),
            faults,
        });
        let config = dynamodb_config("local", credentials, None, Some(http_client))
            .to_builder()
            // The SDK's retry quota belongs to the process; here one process stands for many.
            .retry_partition(
                RetryPartition::custom("embedded")
                    .token_bucket(TokenBucket::unlimited())
                    .build(),
            )
            .build();
        Client::from_conf(config)
    }

    /// Makes the tables of `template` that do not exist yet.
    ///
    /// # Errors
    /// When the engine refuses one; the message names it.
    pub async fn create_tables(&self, template: &Template) -> anyhow::Result<()> {
        template.create_tables(&self.client()).await
    }

    /// The calls since the start or since [`forget_calls`](Self::forget_calls), in the order in which they ended:
    /// round trips and units can be counted.
    pub fn calls(&self) -> Vec<Call> {
        self.kept_calls()
            .map(|calls| calls.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        if let Some(mut calls) = self.kept_calls() {
            calls.clear();
        }
    }

    /// The engine itself, to serve it over HTTP.
    pub fn engine(&self) -> dynoxide::Database {
        self.engine.clone()
    }

    fn kept_calls(&self) -> Option<MutexGuard<'_, VecDeque<Call>>> {
        let calls = self.calls.as_ref()?;
        Some(calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record(&self, call: Call) {
        let Some(mut calls) = self.kept_calls() else {
            return;
        };
        if calls.len() == CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    }
}

impl std::fmt::Debug for EmbeddedDynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedDynamoDb")
    }
}

/// The SDK's HTTP client.
#[derive(Clone, Debug)]
struct Embedded {
    database: EmbeddedDynamoDb,
    faults: Faults,
}

impl HttpClient for Embedded {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Embedded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.answer(request).await })
    }
}

impl Embedded {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = engine::Request::read(&request)?;
        let fault = self.faults.next(&request).await;
        // A call over a socket lets others run, before and after its effect. So does this one.
        tokio::task::yield_now().await;
        let mut call = Call {
            operation: request.operation.clone(),
            tables: request.tables(),
            permissions: request.permissions(),
            rings: request.rings(),
            units: 0.0,
            status: None,
            fault,
        };
        let answer = match fault {
            Some(Fault::RequestLost | Fault::StoppedBefore) => None,
            Some(Fault::Throttled) => Some(engine::Answer::throttled()),
            Some(Fault::Conflict) => Some(request.conflict()),
            Some(Fault::ReplyLost | Fault::StoppedAfter) | None => {
                let answer = request.run(&self.database.engine);
                call.status = Some(answer.status);
                call.units = answer.units;
                Some(answer)
            }
        };
        self.database.record(call);
        tokio::task::yield_now().await;
        match (fault, answer) {
            (Some(Fault::StoppedBefore | Fault::StoppedAfter), _) => {
                match self.faults.stop().await {}
            }
            (Some(Fault::ReplyLost), _) => {
                Err(ConnectorError::io("the reply was lost, by order".into()))
            }
            (_, Some(answer)) => respond(answer),
            (_, None) => Err(ConnectorError::io("the request was lost, by order".into())),
        }
    }
}

fn respond(answer: engine::Answer) -> Result<HttpResponse, ConnectorError> {
    let status = answer
        .status
        .try_into()
        .map_err(|error| ConnectorError::user(Box::new(error)))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
