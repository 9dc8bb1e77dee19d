//! What the tests share: the whole system under test, with one method per act.
//!
//! | to | use |
//! |---|---|
//! | start the usual system | [`TestSystem::start`] |
//! | start another one: clock, seed, faults, settings, simulator | [`TestSystem::builder`] |
//! | call the API | [`TestSystem::post`], [`TestSystem::get`], [`TestSystem::request`]; from another address with [`TestSystem::called_from`] |
//! | break WhatsApp, and read what phones received | [`TestSystem::simulator`] |
//! | take what the gateway posts to webhooks | [`Simulator::set_webhook`], [`Simulator::post_hooks_to`], [`Simulator::hooks`] |
//! | let the tables fail in the middle of a test | [`TestSystem::with_faults`] |
//! | let a process die at any of its steps | [`deaths`] |
//! | act as people do: ask for a code, read it on the phone, sign in | [`people`] |
//! | be an operator in a browser | [`browser`] |
//! | post what a gateway posts | [`webhooks`] |
//! | look at what is stored | [`TestSystem::database`], [`TestSystem::dynamodb`], [`TestSystem::without_faults`] |
//! | call a store, a flow or the sender directly | [`TestSystem::backends`] |
//! | hold a reply against `openapi.yaml` | nothing: every reply is, see [`contract`] |
//! | find a secret in the log | nothing: every request looks for one |
//!
//! What only one area needs stands in its target: `act.rs` in `abuse`, `journeys` and `operators`, `stage.rs` in `sender`,
//! `harness.rs` in `gateway`. A new endpoint needs no new target: it is one more file in `tests/api`.

/// `openapi.yaml` as the judge of replies.
pub mod contract;

/// Processes that die between two of their steps.
pub mod deaths;

/// What people do.
pub mod people;

/// What operators do in their browsers.
pub mod browser;

/// What a gateway posts by itself.
pub mod webhooks;

/// The log of every test, which tells no secret.
mod log;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use http::{HeaderMap, Request};
use local::api_gateway::ApiGateway;
use local::database::{EmbeddedDynamoDb, Faults};
use local::lambda::Environments;
use local::simulator::{Simulator, SimulatorOptions};
use local::template::Template;
use serde_json::Value;
use shared::flows::watch::Watch;
use shared::gateway::{Gateway, SessionToken, Transport};
use shared::model::account::{PersonName, User};
use shared::model::phone::Phone;
use shared::platform::clock::Clock;
use shared::platform::entropy::Entropy;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::runtime::settings::{SessionSettings, Settings};
use shared::store::key_maker::KeyMaker;

/// When a system under test begins: 22 November 2026, 11:33:20 UTC.
pub const START: Timestamp = Timestamp::from_seconds(1_795_347_200);

/// The whole system in this process: API, functions, database, gateway simulator. Clones are the same system.
///
/// Its clock follows tokio's time, its randomness a seed, and there is no socket, so that a test with
/// `start_paused = true` is fast and repeats itself.
#[derive(Clone, Debug)]
pub struct TestSystem {
    api: ApiGateway,
    database: EmbeddedDynamoDb,
    simulator: Simulator,
    backends: Backends,
    environments: Environments,
    source_ip: IpAddr,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `Null` when it is not JSON.
    pub json: Value,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// How a system under test differs from the usual one.
#[derive(Debug)]
pub struct TestSystemBuilder {
    clock: Clock,
    environments: Environments,
    faults: Faults,
    gateway: Option<Gateway>,
    seed: u64,
    settings: Settings,
    simulator: SimulatorOptions,
}

impl TestSystem {
    /// The usual system: empty tables, one WhatsApp session that is online, no faults.
    pub async fn start() -> Self {
        Self::builder().build().await
    }

    /// A system with differences.
    pub fn builder() -> TestSystemBuilder {
        TestSystemBuilder {
            clock: Clock::following_runtime(START),
            environments: Environments::default(),
            faults: Faults::none(),
            gateway: None,
            seed: 0,
            settings: Settings::default(),
            simulator: SimulatorOptions::default(),
        }
    }

    /// Lets the monitor look once at every session, as it does each minute.
    ///
    /// # Panics
    /// When the sessions are not known.
    pub async fn watch(&self) {
        let deadline = self.now().plus(Duration::from_secs(60));
        let watched = Watch::new(self.backends()).run(deadline).await;
        watched.expect("the sessions are known");
    }

    /// The same tables, WhatsApp and time, reached by processes of their own, with `faults` on the way to the tables.
    #[must_use]
    pub fn with_faults(&self, faults: Faults) -> Self {
        let dynamodb = self.database.client_with(faults);
        let backends = Backends {
            dynamodb,
            ..self.backends.clone()
        };
        Self {
            api: deploy(&backends, self.environments),
            backends,
            ..self.clone()
        }
    }

    /// The same tables, WhatsApp and time, reached by processes of their own whose settings differ.
    #[must_use]
    pub fn with_settings(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = (*self.backends.settings).clone();
        change(&mut settings);
        let backends = Backends {
            settings: Arc::new(settings),
            ..self.backends.clone()
        };
        Self {
            api: deploy(&backends, self.environments),
            backends,
            ..self.clone()
        }
    }

    /// The same system, called from another address.
    #[must_use]
    pub fn called_from(&self, source_ip: impl Into<IpAddr>) -> Self {
        Self {
            source_ip: source_ip.into(),
            ..self.clone()
        }
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], "").await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        let headers = [("content-type", "application/json")];
        self.request("POST", path, &headers, body.to_string()).await
    }

    /// Any request. Dropping this kills the function that works on it.
    ///
    /// # Panics
    /// When `path` or `headers` cannot stand in a request, the reply is not as `openapi.yaml` has it, or the log tells a
    /// secret of either.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let body = body.into();
        let authorization = headers.iter().find(|(name, _)| *name == "authorization");
        log::keep_path(path);
        for (_, cookie) in headers.iter().filter(|(name, _)| *name == "cookie") {
            log::keep_cookie(cookie);
        }
        log::keep(authorization.map(|(_, value)| *value), &body);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.api.handle(request, self.source_ip).await;
        let (parts, body) = response.into_parts();
        let reply = Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
            body: body.to_vec(),
        };
        for cookie in reply.headers.get_all("set-cookie") {
            log::keep_cookie(cookie.to_str().unwrap_or_default());
        }
        log::keep(None, &reply.body);
        contract::check(method, path, &reply);
        reply
    }

    /// What the functions hold: for tests of stores, sender and flows.
    pub fn backends(&self) -> &Backends {
        &self.backends
    }

    /// The tables.
    pub fn database(&self) -> &EmbeddedDynamoDb {
        &self.database
    }

    /// A client of the tables without faults, for looking.
    pub fn dynamodb(&self) -> Client {
        self.database.client()
    }

    /// The backends, without faults on the way to the tables: for tests that prepare or read what is stored.
    pub fn without_faults(&self) -> Backends {
        Backends {
            dynamodb: self.dynamodb(),
            ..self.backends.clone()
        }
    }

    /// A user as a sign-up makes it, but without a password. It is not in the tables.
    ///
    /// # Panics
    /// When `phone` is no phone number.
    pub fn user(&self, phone: &str) -> User {
        User {
            id: format!("user of {phone}"),
            phone: Phone::parse(phone).expect("a phone number"),
            name: PersonName::parse("Siti").expect("a name"),
            email: None,
            wanted_email: None,
            password: None,
            ver: 1,
            role: "user".into(),
            created_at: self.now(),
        }
    }

    /// WhatsApp.
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.backends.clock.now()
    }
}

impl TestSystemBuilder {
    /// Another source of time, such as [`Clock::system`].
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Other numbers of environments.
    #[must_use]
    pub fn environments(mut self, environments: Environments) -> Self {
        self.environments = environments;
        self
    }

    /// Faults on the way to the tables.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Another way to WhatsApp than calling the simulator directly.
    #[must_use]
    pub fn gateway(mut self, transport: impl Transport + 'static) -> Self {
        self.gateway = Some(Gateway::new(transport));
        self
    }

    /// Another seed of randomness; it is 0 otherwise.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Changes the settings. The sessions are those of the simulator.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes the simulator.
    #[must_use]
    pub fn simulator(mut self, change: impl FnOnce(&mut SimulatorOptions)) -> Self {
        change(&mut self.simulator);
        self
    }

    /// Starts the system.
    ///
    /// # Panics
    /// When it cannot start, which is a defect of the repository.
    pub async fn build(self) -> TestSystem {
        // The SDK draws its retries' jitter from this.
        fastrand::seed(self.seed);
        log::read();
        let database = EmbeddedDynamoDb::memory().expect("a database in memory");
        let created = database.create_tables(template()).await;
        created.expect("the tables of template.yaml");

        for session in &self.simulator.sessions {
            log::keep_token(&session.token);
        }
        let sessions = self.simulator.sessions.iter();
        let sessions = sessions
            .map(|session| SessionSettings::new(&session.name, SessionToken::new(&session.token)));
        let mut settings = self.settings;
        settings.sessions = sessions.collect();
        settings.stack_name = Some("tests".into());
        let simulator = Simulator::new(SimulatorOptions {
            clock: self.clock.clone(),
            ..self.simulator
        });
        let mut backends = Backends {
            dynamodb: database.client(),
            gateway: self.gateway.unwrap_or_else(|| simulator.gateway()),
            clock: self.clock,
            entropy: Entropy::seeded(self.seed),
            settings: Arc::new(settings),
        };
        // As the deployment does, before there is anybody to ask for anything.
        let made = KeyMaker::new(&backends).make_missing().await;
        made.expect("the key rings");
        database.forget_calls();
        backends.dynamodb = database.client_with(self.faults);
        TestSystem {
            api: deploy(&backends, self.environments),
            database,
            simulator,
            backends,
            environments: self.environments,
            source_ip: Ipv4Addr::new(203, 0, 113, 1).into(),
        }
    }
}

/// Read once: thousands of systems start in one run.
fn template() -> &'static Template {
    static TEMPLATE: LazyLock<Template> =
        LazyLock::new(|| Template::compiled_in().expect("template.yaml can be read"));
    &TEMPLATE
}

fn deploy(backends: &Backends, environments: Environments) -> ApiGateway {
    ApiGateway::new(template(), backends, environments).expect("functions for all routes")
}
