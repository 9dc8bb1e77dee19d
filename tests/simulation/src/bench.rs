//! What all schedules of one thread use in turn: a database in memory, a client of it, and what stands in it at the beginning.
use std::sync::Arc;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use dynoxide::Database;
use local::template::Template;
use serde_json::{Value, json};
use shared::gateway::Gateway;
use shared::model::keys::{Ring, RingName};
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::runtime::dynamodb::dynamodb_config;
use shared::runtime::settings::Settings;
use shared::store::caller_list::CallerListChanges;
use shared::store::key_maker::KeyMaker;
use shared::store::keys::KeyRing;

use crate::alarms::{self, Alarm};
use crate::shop;
use crate::tables::Tables;

/// When every schedule begins: 22 November 2026, 11:33:20 UTC.
pub const START: Timestamp = Timestamp::from_seconds(1_795_347_200);

/// The database of one thread.
pub struct Bench {
    /// What the template says.
    pub template: Template,
    /// A client of the tables, on whose way things go wrong while a process runs.
    pub client: Client,
    engine: Database,
    tables: Tables,
    /// The tables, and the attributes of their keys.
    keys: Vec<(String, Vec<String>)>,
    /// The key rings, as the deployment makes them.
    rings: Vec<Value>,
    /// What the addresses of webhooks are made of.
    pub addresses: Arc<Ring>,
    /// What rings where.
    pub alarms: Vec<Alarm>,
}

impl Bench {
    /// Makes the tables and the key rings.
    ///
    /// # Errors
    /// When that fails, which is a defect of the repository.
    pub fn new() -> anyhow::Result<Self> {
        let engine = Database::memory()?;
        let template = Template::compiled_in()?;
        let tables = Tables::new(engine.clone());
        let client = client(&tables);
        let mut bench = Self {
            template,
            client,
            engine,
            tables,
            keys: Vec::new(),
            rings: Vec::new(),
            addresses: Arc::new(Ring { keys: Vec::new() }),
            alarms: alarms::of_template()?,
        };
        bench.prepare()?;
        Ok(bench)
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        self.addresses = runtime.block_on(async {
            let database = local::database::EmbeddedDynamoDb::over(self.engine.clone());
            database.create_tables(&self.template).await?;
            let nowhere = local::simulator::Simulator::new(Default::default());
            let backends = Backends {
                dynamodb: self.client.clone(),
                gateway: Gateway::new(nowhere),
                clock: Clock::following_runtime(START),
                entropy: Entropy::seeded(0),
                settings: Settings::default().into(),
            };
            KeyMaker::new(&backends).make_missing().await?;
            let callers = CallerListChanges::new(&backends);
            let seen = callers.read().await?;
            callers.write(&seen, &[shop()]).await?;
            let addresses = KeyRing::new(&backends, RingName::Webhooks);
            let addresses = addresses.read(backends.clock.now()).await?;
            anyhow::Ok(addresses)
        })?;

        self.rings = self.items("KeysTable")?;
        self.keys = self.read_keys()?;
        Ok(())
    }

    fn read_keys(&self) -> anyhow::Result<Vec<(String, Vec<String>)>> {
        let tables = self
            .engine
            .list_tables(serde_json::from_value(json!({}))?)?;
        let tables = serde_json::to_value(tables)?["TableNames"].take();
        let tables: Vec<String> = serde_json::from_value(tables)?;
        let mut keys = Vec::new();
        for table in tables {
            let request = serde_json::from_value(json!({ "TableName": table }))?;
            let found = serde_json::to_value(self.engine.describe_table(request)?)?;
            let schema = found["Table"]["KeySchema"].as_array().context("no key")?;
            let names = schema
                .iter()
                .filter_map(|part| part["AttributeName"].as_str());
            keys.push((table, names.map(str::to_owned).collect()));
        }
        Ok(keys)
    }

    /// Everything is as at the beginning.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reset(&self) -> anyhow::Result<()> {
        let written = self.tables.forget();
        for (table, keys) in &self.keys {
            if !written.contains(table) {
                continue;
            }
            for item in self.items(table)? {
                let key: serde_json::Map<_, _> = keys
                    .iter()
                    .map(|name| (name.clone(), item[name].clone()))
                    .collect();
                let request = json!({"TableName": table, "Key": key});
                self.engine.delete_item(serde_json::from_value(request)?)?;
            }
        }
        if written.contains("KeysTable") {
            for ring in &self.rings {
                self.put("KeysTable", ring)?;
            }
        }
        Ok(())
    }

    /// Puts an item.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put(&self, table: &str, item: &Value) -> anyhow::Result<()> {
        let request = json!({"TableName": table, "Item": item});
        self.engine.put_item(serde_json::from_value(request)?)?;
        Ok(())
    }

    /// All items of a table.
    ///
    /// # Errors
    /// When the database fails.
    pub fn items(&self, table: &str) -> anyhow::Result<Vec<Value>> {
        let request = json!({"TableName": table, "ConsistentRead": true});
        let found = self.engine.scan(serde_json::from_value(request)?)?;
        let mut found = serde_json::to_value(found)?;
        let items = found["Items"].take();
        let items = items.as_array().context("no items")?;
        Ok(items.clone())
    }
}

fn client(tables: &Tables) -> Client {
    let credentials = Credentials::new("local", "local", None, None, "local");
    let http_client = aws_sdk_dynamodb::config::SharedHttpClient::new(tables.clone());
    let config = dynamodb_config("local", credentials, None, Some(http_client))
        .to_builder()
        // The SDK's retry quota belongs to the process; here one process stands for many.
        .retry_partition(
            RetryPartition::custom("simulation")
                .token_bucket(TokenBucket::unlimited())
                .build(),
        )
        // Nobody reads a signature here, and it is a tenth of what a call costs.
        .allow_no_auth()
        .auth_scheme_preference([AuthSchemeId::from("noAuth")])
        .build();
    Client::from_conf(config)
}

/// The payment system that may tell of payments.
fn shop() -> PaymentCaller {
    PaymentCaller {
        name: "shop".into(),
        sha256: hash_of(shop::KEY),
        scopes: vec![Scope::Payments],
        daily_cap: None,
        retire_at: None,
    }
}
