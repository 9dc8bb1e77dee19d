//! What `template.yaml` says about tables, routes and time limits: the same file that is deployed decides here.
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml_ng::Value;

/// The template that this program was built with.
const COMPILED_IN: &str = include_str!("../../template.yaml");

/// Lambda's time limit for a function that names none.
const TIMEOUT_SECONDS: u64 = 3;

/// The parts of a template that a small AWS needs.
#[derive(Clone, Debug)]
pub struct Template {
    tables: Vec<Table>,
    /// The routes in the template's order.
    pub routes: Vec<Route>,
    /// What is called again and again, in the template's order.
    pub schedules: Vec<Schedule>,
    /// The time limit of each function, under its folder name.
    pub timeouts: BTreeMap<String, Duration>,
    /// What stands before the functions.
    pub front: Front,
}

/// What an HTTP API does before a function sees a request.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// What pages may do.
    pub cors: Cors,
    default_throttle: Option<Throttle>,
    throttles: BTreeMap<String, Throttle>,
}

impl Front {
    /// The throttle of the route with this key; a route without one takes what API Gateway takes.
    pub fn throttle(&self, route: &str) -> Throttle {
        let own = self.throttles.get(route).or(self.default_throttle.as_ref());
        own.copied().unwrap_or(Throttle {
            rate: 10_000.0,
            burst: 5_000.0,
        })
    }
}

/// How many requests a route takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// A second, in the long run.
    pub rate: f64,
    /// At once.
    pub burst: f64,
}

/// What pages of other origins may do. Which origins, the stack's parameter says; where it says none, the API has no CORS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Cors {
    /// The methods that they may use.
    pub allow_methods: Vec<String>,
    /// The headers that they may send.
    pub allow_headers: Vec<String>,
    /// The headers that they may read.
    pub expose_headers: Vec<String>,
    /// How many seconds a browser remembers this.
    pub max_age: u32,
}

/// One function that is called again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The folder name of the function.
    pub function: String,
    /// The time from one call to the next.
    pub every: Duration,
}

/// One route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The folder name of the function behind it.
    pub function: String,
    /// The method and the path; `None` is `$default`.
    pub matches: Option<(String, String)>,
}

impl Route {
    /// As API Gateway names it: `GET /api/health` or `$default`.
    pub fn key(&self) -> String {
        match &self.matches {
            Some((method, path)) => format!("{method} {path}"),
            None => "$default".to_owned(),
        }
    }
}

impl Template {
    /// The template of this program's own source.
    ///
    /// # Errors
    /// When it cannot be understood; the message names the resource.
    pub fn compiled_in() -> anyhow::Result<Self> {
        Self::parse(COMPILED_IN).context("template.yaml")
    }

    /// Reads a template. CloudFormation's tags (`!Ref`, `!Sub`, …) may stand wherever their value does not matter here.
    ///
    /// # Errors
    /// When it cannot be understood; the message names the resource.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let document: Document = serde_yaml_ng::from_str(text)?;
        let mut template = Self {
            tables: Vec::new(),
            routes: Vec::new(),
            schedules: Vec::new(),
            timeouts: BTreeMap::new(),
            front: Front::default(),
        };
        for (id, resource) in document.resources {
            let id = id.as_str().context("a resource's name is no text")?;
            let resource: Resource = read(resource).with_context(|| id.to_owned())?;
            let properties = resource.properties;
            let added = match resource.kind.as_str() {
                "AWS::DynamoDB::Table" => template.add_table(id, properties),
                "AWS::Serverless::HttpApi" => template.set_front(properties, &document.parameters),
                "AWS::Serverless::Function" => {
                    let timeout = document.globals.function.timeout;
                    template.add_function(id, properties, timeout.unwrap_or(TIMEOUT_SECONDS))
                }
                _ => Ok(()),
            };
            added.with_context(|| id.to_owned())?;
        }
        Ok(template)
    }

    fn add_table(&mut self, id: &str, properties: Value) -> anyhow::Result<()> {
        self.tables.push(Table {
            name: id.to_owned(),
            properties: read(properties)?,
        });
        Ok(())
    }

    fn set_front(
        &mut self,
        properties: Value,
        parameters: &BTreeMap<String, Parameter>,
    ) -> anyhow::Result<()> {
        let api: HttpApi = read(properties)?;
        self.front = api.front(parameters)?;
        Ok(())
    }

    fn add_function(
        &mut self,
        id: &str,
        properties: Value,
        default_timeout: u64,
    ) -> anyhow::Result<()> {
        let function: Function = read(properties)?;
        let folder = folder_name(id)?;
        let timeout = Duration::from_secs(function.timeout.unwrap_or(default_timeout));
        self.timeouts.insert(folder.clone(), timeout);
        for (name, event) in function.events {
            let function = folder.clone();
            let event_name = || format!("event {name}");
            match event.kind.as_str() {
                "HttpApi" => {
                    let matches = event.properties.route().with_context(event_name)?;
                    self.routes.push(Route { function, matches });
                }
                "ScheduleV2" => {
                    let every = event.properties.every().with_context(event_name)?;
                    self.schedules.push(Schedule { function, every });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the tables that do not exist yet, named by their logical ids.
    ///
    /// # Errors
    /// When the database refuses one; the message names it.
    pub async fn create_tables(&self, client: &Client) -> anyhow::Result<()> {
        for table in &self.tables {
            table
                .create(client)
                .await
                .with_context(|| format!("cannot create the table {}", table.name))?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpApi {
    #[serde(default)]
    cors_configuration: Value,
    default_route_settings: Option<RouteSettings>,
    #[serde(default)]
    route_settings: BTreeMap<String, RouteSettings>,
}

impl HttpApi {
    fn front(self, parameters: &BTreeMap<String, Parameter>) -> anyhow::Result<Front> {
        let default = self.default_route_settings;
        let throttles = self.route_settings.into_iter().map(|(route, settings)| {
            let throttle = settings.throttle(parameters);
            Ok((route.clone(), throttle.with_context(|| route)?))
        });
        Ok(Front {
            cors: cors(self.cors_configuration)?,
            default_throttle: default
                .map(|settings| settings.throttle(parameters))
                .transpose()?,
            throttles: throttles.collect::<anyhow::Result<_>>()?,
        })
    }
}

/// The configuration itself, or what stands first in an `!If`: this machine's API has pages.
fn cors(value: Value) -> anyhow::Result<Cors> {
    match value {
        Value::Null => Ok(Cors::default()),
        Value::Tagged(choice) => {
            let first = choice.value.get(1).cloned();
            Ok(read(first.context("CORS: nothing stands in its !If")?)?)
        }
        value => Ok(read(value)?),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RouteSettings {
    throttling_rate_limit: Value,
    throttling_burst_limit: Value,
}

impl RouteSettings {
    fn throttle(&self, parameters: &BTreeMap<String, Parameter>) -> anyhow::Result<Throttle> {
        Ok(Throttle {
            rate: number(&self.throttling_rate_limit, parameters)?,
            burst: number(&self.throttling_burst_limit, parameters)?,
        })
    }
}

/// A parameter of the stack.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    default: Option<Value>,
}

/// A number, or the default of the parameter that is named in its place.
fn number(value: &Value, parameters: &BTreeMap<String, Parameter>) -> anyhow::Result<f64> {
    let named = match value {
        Value::Tagged(tagged) => tagged.value.as_str(),
        _ => None,
    };
    let value = match named {
        Some(name) => parameters
            .get(name)
            .and_then(|parameter| parameter.default.as_ref())
            .with_context(|| format!("the parameter {name} has no default"))?,
        None => value,
    };
    value.as_f64().context("a throttle is no number")
}

#[derive(Clone, Debug)]
struct Table {
    name: String,
    properties: TableProperties,
}

impl Table {
    async fn create(&self, client: &Client) -> anyhow::Result<()> {
        let table = &self.properties;
        let attributes = table.attribute_definitions.iter().map(|attribute| {
            AttributeDefinition::builder()
                .attribute_name(&attribute.attribute_name)
                .attribute_type(ScalarAttributeType::from(attribute.attribute_type.as_str()))
                .build()
        });
        let indexes = table.global_secondary_indexes.iter().map(Index::build);
        let indexes: Vec<_> = indexes.collect::<anyhow::Result<_>>()?;
        let created = client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.collect::<Result<_, _>>()?))
            .set_key_schema(Some(key_schema(&table.key_schema)?))
            .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
            .send()
            .await;
        let there_already = |error: &SdkError<CreateTableError>| {
            let error = error.as_service_error();
            error.is_some_and(CreateTableError::is_resource_in_use_exception)
        };
        match created {
            Ok(_) => self.set_time_to_live(client).await,
            Err(error) if there_already(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn set_time_to_live(&self, client: &Client) -> anyhow::Result<()> {
        let Some(life) = &self.properties.time_to_live_specification else {
            return Ok(());
        };
        let life = TimeToLiveSpecification::builder()
            .attribute_name(&life.attribute_name)
            .enabled(life.enabled)
            .build()?;
        client
            .update_time_to_live()
            .table_name(&self.name)
            .time_to_live_specification(life)
            .send()
            .await?;
        Ok(())
    }
}

fn key_schema(keys: &[Key]) -> anyhow::Result<Vec<KeySchemaElement>> {
    let elements = keys.iter().map(|key| {
        KeySchemaElement::builder()
            .attribute_name(&key.attribute_name)
            .key_type(KeyType::from(key.key_type.as_str()))
            .build()
    });
    Ok(elements.collect::<Result<_, _>>()?)
}

/// `AuthSsoSigninFunction` is made from the folder `auth-sso-signin`.
fn folder_name(id: &str) -> anyhow::Result<String> {
    let Some(words) = id.strip_suffix("Function") else {
        bail!("the name of a function ends in `Function`");
    };
    let mut folder = String::new();
    for letter in words.chars() {
        if letter.is_ascii_uppercase() && !folder.is_empty() {
            folder.push('-');
        }
        folder.push(letter.to_ascii_lowercase());
    }
    Ok(folder)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_yaml_ng::Error> {
    serde_yaml_ng::from_value(value)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    globals: Globals,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    resources: serde_yaml_ng::Mapping,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Globals {
    function: GlobalFunction,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct GlobalFunction {
    timeout: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Function {
    timeout: Option<u64>,
    #[serde(default)]
    events: BTreeMap<String, Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: EventProperties,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct EventProperties {
    method: Option<String>,
    path: Option<String>,
    schedule_expression: Option<String>,
}

impl EventProperties {
    /// The time in `rate(1 minute)`. Other schedules are none that this machine keeps.
    fn every(self) -> anyhow::Result<Duration> {
        let expression = self.schedule_expression.context("no ScheduleExpression")?;
        let rate = expression
            .strip_prefix("rate(")
            .and_then(|rate| rate.strip_suffix(')'));
        let (number, unit) = rate
            .and_then(|rate| rate.split_once(' '))
            .with_context(|| format!("{expression} is no rate"))?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 60 * 60,
            "day" => 24 * 60 * 60,
            _ => bail!("{unit} is no unit of a rate"),
        };
        Ok(Duration::from_secs(seconds) * number.parse()?)
    }

    fn route(self) -> anyhow::Result<Option<(String, String)>> {
        match (self.method, self.path) {
            (None, None) => Ok(None),
            (Some(method), Some(path)) if path.starts_with('/') => {
                Ok(Some((method.to_ascii_uppercase(), path)))
            }
            (_, Some(path)) if path.starts_with('/') => bail!("{path} has no Method"),
            (_, path) => bail!("Path must begin with `/`, not {path:?}"),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableProperties {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: Option<TimeToLive>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Key>,
    projection: IndexProjection,
}

impl Index {
    fn build(&self) -> anyhow::Result<GlobalSecondaryIndex> {
        let projection = Projection::builder()
            .projection_type(ProjectionType::from(
                self.projection.projection_type.as_str(),
            ))
            .set_non_key_attributes(self.projection.non_key_attributes.clone())
            .build();
        Ok(GlobalSecondaryIndex::builder()
            .index_name(&self.index_name)
            .set_key_schema(Some(key_schema(&self.key_schema)?))
            .projection(projection)
            .build()?)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProjection {
    projection_type: String,
    non_key_attributes: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}
