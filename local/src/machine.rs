//! Everything that runs on this machine: what is started, where it listens, how it ends.
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{anyhow, bail};
use aws_sdk_dynamodb::config::Credentials;
use serde_json::json;
use shared::gateway::SessionToken;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::runtime::settings::{SessionSettings, Settings};
use shared::store::key_maker::KeyMaker;
use shared::store::session_list::{ListedSession, SessionListChanges};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api_gateway::ApiGateway;
use crate::cli::Cli;
use crate::database::EmbeddedDynamoDb;
use crate::demo;
use crate::lambda::Environments;
use crate::operate::{admin_link_path, webhook_path};
use crate::payments;
use crate::schedules;
use crate::simulator::{self, Simulator, SimulatorOptions, is_simulated};
use crate::template::Template;

/// How long requests that are under way may go on when the machine ends.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// The system on this machine, ready to serve. Its `Display` says where everything is.
#[derive(Debug)]
pub struct Machine {
    cli: Cli,
    template: Template,
    backends: Backends,
    api: Option<(TcpListener, SocketAddr)>,
    simulator: Option<(TcpListener, Simulator)>,
    database: Option<EmbeddedDynamoDb>,
    database_listener: Option<TcpListener>,
    secrets: SecretPaths,
    /// Whether somebody has said where the API is for others. Otherwise it is this machine's own address.
    is_address_given: bool,
}

/// Paths of the API that whoever started the machine is told.
#[derive(Debug)]
struct SecretPaths {
    /// Where the gateway's first session posts its webhooks.
    webhook: Option<String>,
    /// The link that signs in to the dashboard, of this start.
    admin_link: Option<String>,
}

impl SecretPaths {
    /// Those of `backends`. A link is made only where there is an `api` on this machine to open it.
    async fn read(
        backends: &Backends,
        api: Option<&(TcpListener, SocketAddr)>,
    ) -> anyhow::Result<Self> {
        let admin_link = match api {
            Some(_) => Some(admin_link_path(backends).await?),
            None => None,
        };
        Ok(Self {
            webhook: first_webhook_path(backends).await?,
            admin_link,
        })
    }
}

impl Machine {
    /// Prepares what `cli` asks for. `settings` are those of the functions; what they leave open is simulated here.
    ///
    /// # Errors
    /// When something cannot start; the message tells the fix.
    pub async fn prepare(cli: Cli, mut settings: Settings) -> anyhow::Result<Self> {
        // The ports come first: a second instance must not touch the first one's file.
        let api = if cli.backends_only {
            None
        } else {
            Some(listen(cli.port, "--port").await?)
        };
        let simulator = simulator_unless_real(&cli, &mut settings).await?;
        let is_address_given = settings.public_base_url.is_some();
        if let Some((_, address)) = &api {
            let base_url = || format!("http://{address}");
            settings.public_base_url.get_or_insert_with(base_url);
        }
        settings
            .credentials
            .get_or_insert_with(|| Credentials::new("local", "local", None, None, "local"));
        let (database, database_listener) = embedded(&cli, &mut settings).await?;
        let template = Template::compiled_in()?;
        let backends = filled(settings, database.as_ref(), &template).await?;
        let secrets = SecretPaths::read(&backends, api.as_ref()).await?;
        let machine = Self {
            cli,
            template,
            backends,
            api,
            simulator,
            database,
            database_listener,
            secrets,
            is_address_given,
        };
        if machine.simulator.is_some() {
            machine.list_simulated().await?;
            machine.set_webhooks().await?;
        }
        if machine.has_demo() {
            demo::seed(&machine.backends).await?;
        }
        Ok(machine)
    }

    /// Lets the simulated gateway post what happens to the API.
    async fn set_webhooks(&self) -> anyhow::Result<()> {
        let base_url = self.backends.settings.public_base_url.as_deref();
        let (Some((_, simulator)), Some(base_url)) = (&self.simulator, base_url) else {
            return Ok(());
        };
        for session in sessions_of(simulator) {
            let path = webhook_path(&self.backends, &session.name).await?;
            simulator.set_webhook(&session.name, &format!("{base_url}{path}"))?;
        }
        Ok(())
    }

    /// Where the API listens.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(|(_, address)| *address)
    }

    /// The simulated gateway.
    pub fn simulator(&self) -> Option<&Simulator> {
        self.simulator.as_ref().map(|(_, simulator)| simulator)
    }

    /// Makes the list of sessions name those of the simulated gateway, and none that an earlier one had. What somebody has
    /// added by hand stays.
    async fn list_simulated(&self) -> anyhow::Result<()> {
        let simulated = self.simulator().into_iter().flat_map(sessions_of).skip(1);
        let list = SessionListChanges::new(&self.backends);
        let seen = list.read().await?;
        let mut sessions = seen.sessions.clone();
        sessions.retain(|listed| !is_simulated(&listed.session.name));
        sessions.extend(simulated.map(|session| ListedSession {
            session,
            sends: true,
        }));
        if sessions != seen.sessions {
            list.write(&seen, &sessions).await?;
        }
        Ok(())
    }

    /// What the functions need to know to use these backends, as environment variables.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let settings = &self.backends.settings;
        let keys = settings.credentials.as_ref();
        let session = settings.sessions.first();
        let variables = [
            ("AWS_ACCESS_KEY_ID", keys.map(|keys| keys.access_key_id())),
            (
                "AWS_ENDPOINT_URL_DYNAMODB",
                settings.dynamodb_url.as_deref(),
            ),
            ("AWS_REGION", Some(settings.region.as_str())),
            (
                "AWS_SECRET_ACCESS_KEY",
                keys.map(|keys| keys.secret_access_key()),
            ),
            ("WHATSAPP_SERVER_API", settings.gateway_url.as_deref()),
            (
                "WHATSAPP_USER_TOKEN",
                session.map(|session| session.token.expose()),
            ),
        ];
        let set = variables.into_iter();
        set.filter_map(|(name, value)| Some((name, value?.to_owned())))
            .collect()
    }

    /// What the functions hold that are called by a schedule. A real gateway is not told to post its webhooks to this machine,
    /// unless somebody gave it an address.
    pub fn scheduled_backends(&self) -> Backends {
        let mut backends = self.backends.clone();
        if self.simulator.is_none() && !self.is_address_given {
            let mut settings = Settings::clone(&backends.settings);
            settings.public_base_url = None;
            backends.settings = settings.into();
        }
        backends
    }

    /// Whether the demo account exists. Its number may be somebody's, so a real gateway gets none.
    const fn has_demo(&self) -> bool {
        !self.cli.empty && self.simulator.is_some()
    }

    fn show_api(&self, address: SocketAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut routes: Vec<_> = self.template.routes.iter().collect();
        routes.sort_by_key(|route| route.matches.as_ref().map_or("~", |(_, path)| path));
        writeln!(f, "\nRoutes")?;
        let width = routes
            .iter()
            .map(|route| route.key().len())
            .max()
            .unwrap_or(0);
        for route in routes {
            writeln!(f, "  {:<width$}  {}", route.key(), route.function)?;
        }
        let (act, path, body) = if self.has_demo() {
            let body = json!({ "identifier": demo::PHONE, "method": "whatsapp" });
            ("Send a code", "/api/auth/sso-signin", body)
        } else {
            let body = json!({ "name": "Your name", "phone": "+62812…", "password": "a long enough secret" });
            ("Sign up with your own number", "/api/auth/signup", body)
        };
        writeln!(
            f,
            "\n{act}:\n\n  curl -X POST http://{address}{path} \\\n    \
             -H 'Content-Type: application/json' \\\n    \
             -d '{body}'"
        )
    }

    fn show_addresses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecretPaths {
            webhook,
            admin_link,
        } = &self.secrets;
        if let Some(address) = self.api_address() {
            writeln!(f, "  API       http://{address}")?;
        }
        if let (Some(base_url), Some(path)) = (&self.backends.settings.public_base_url, webhook) {
            writeln!(f, "  Webhook   {base_url}{path}")?;
        }
        if let (Some(address), Some(path)) = (self.api_address(), admin_link) {
            writeln!(f, "  Operators http://{address}{path}")?;
            writeln!(
                f,
                "            signs in once, within ten minutes; the next start, or `cargo run -- admin-link`, makes another"
            )?;
        }
        Ok(())
    }

    fn show_environment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nThe functions need this environment; `cargo lambda watch` has it, for the usual ports:\n"
        )?;
        for (name, value) in self.environment() {
            writeln!(f, "  export {name}={value}")?;
        }
        Ok(())
    }

    /// Serves until `stop` ends, then lets requests that are under way finish.
    ///
    /// # Errors
    /// When a route leads nowhere, or a server fails.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut servers = Servers::default();
        let scheduled = self.scheduled_backends();
        let api = ApiGateway::new(&self.template, &self.backends, environments(&self.cli))?;
        if let Some((listener, simulator)) = self.simulator {
            let payments = payments::router(api.clone(), self.backends.clone());
            servers.spawn(|stop| async {
                tokio::select! {
                    served = simulator::serve(simulator, payments, listener) => served,
                    () = stop => Ok(()),
                }
            });
        }
        if let (Some(listener), Some(database)) = (self.database_listener, self.database) {
            let engine = database.engine();
            servers.spawn(|stop| async {
                let served = dynoxide::server::serve_with_shutdown(listener, engine, stop).await;
                served.map_err(std::io::Error::other)
            });
        }
        if let Some((listener, _)) = self.api {
            let api = api
                .behind_front_door(&self.template, self.cli.throttle.into())
                .router();
            servers.keep_schedules(self.template, scheduled);
            let api = api.into_make_service_with_connect_info::<SocketAddr>();
            servers.spawn(|stop| {
                axum::serve(listener, api)
                    .with_graceful_shutdown(stop)
                    .into_future()
            });
        }
        servers.run(stop).await
    }
}

fn environments(cli: &Cli) -> Environments {
    Environments {
        in_turn: cli.environments.into(),
        ..Environments::default()
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.backends.settings;
        let gateway = settings.gateway_url.as_deref().unwrap_or_default();
        self.show_addresses(f)?;
        match &self.simulator {
            Some((_, simulator)) => {
                writeln!(
                    f,
                    "  Inbox     {gateway}/sim   what each phone received, and faults to play"
                )?;
                let names: Vec<_> = sessions_of(simulator).map(|session| session.name).collect();
                writeln!(f, "  Sessions  {}", names.join(", "))?;
            }
            None => writeln!(f, "  Gateway   {gateway}")?,
        }
        match (&self.database, self.cli.memory) {
            (Some(_), true) => writeln!(f, "  Tables    in memory")?,
            (Some(_), false) => writeln!(f, "  Tables    {}", self.cli.data.display())?,
            (None, _) => {}
        }
        if let Some(url) = &settings.dynamodb_url {
            writeln!(f, "  DynamoDB  {url}")?;
        }
        if self.has_demo() {
            writeln!(f, "  Account   {}   a demo", demo::PHONE)?;
        }
        match self.api_address() {
            Some(address) => self.show_api(address, f),
            None => self.show_environment(f),
        }
    }
}

/// The path that the webhooks of the first session are posted to.
async fn first_webhook_path(backends: &Backends) -> anyhow::Result<Option<String>> {
    match backends.settings.sessions.first() {
        Some(session) => Ok(Some(webhook_path(backends, &session.name).await?)),
        None => Ok(None),
    }
}

/// The simulated gateway, unless `settings` name a real one.
async fn simulator_unless_real(
    cli: &Cli,
    settings: &mut Settings,
) -> anyhow::Result<Option<(TcpListener, Simulator)>> {
    match (&settings.gateway_url, settings.sessions.is_empty()) {
        (Some(_), false) => Ok(None),
        (None, true) => Ok(Some(simulate(cli, settings).await?)),
        _ => bail!(
            "set both WHATSAPP_SERVER_API and WHATSAPP_USER_TOKEN to use your gateway, or none of them to use \
             the simulated one"
        ),
    }
}

/// The database of this process, unless `settings` name another one; with a port where the functions run elsewhere.
async fn embedded(
    cli: &Cli,
    settings: &mut Settings,
) -> anyhow::Result<(Option<EmbeddedDynamoDb>, Option<TcpListener>)> {
    if settings.dynamodb_url.is_some() {
        return Ok((None, None));
    }
    let mut database_listener = None;
    if cli.backends_only {
        let (listener, address) = listen(cli.db_port, "--db-port").await?;
        settings.dynamodb_url = Some(format!("http://{address}"));
        database_listener = Some(listener);
    }
    let database = if cli.memory {
        EmbeddedDynamoDb::memory()?
    } else {
        EmbeddedDynamoDb::file(&cli.data)?
    };
    Ok((Some(database), database_listener))
}

/// The backends that `settings` name, with the tables and keys that every function needs. An embedded `database` is used
/// without a socket.
async fn filled(
    settings: Settings,
    database: Option<&EmbeddedDynamoDb>,
    template: &Template,
) -> anyhow::Result<Backends> {
    let mut backends = Backends::from_settings(settings).map_err(|error| anyhow!(error))?;
    if let Some(database) = database {
        backends.dynamodb = database.client();
    }
    template.create_tables(&backends.dynamodb).await?;
    KeyMaker::new(&backends).make_missing().await?;
    Ok(backends)
}

async fn simulate(cli: &Cli, settings: &mut Settings) -> anyhow::Result<(TcpListener, Simulator)> {
    let (listener, address) = listen(cli.sim_port, "--sim-port").await?;
    let options = SimulatorOptions {
        profile: cli.sim_profile,
        clock: Clock::system(),
        ..SimulatorOptions::default().with_sessions(cli.sessions)
    };
    settings.gateway_url = Some(format!("http://{address}"));
    payments::simulate_accounts(&mut settings.bridges);
    settings.gateway_admin_token = Some(SessionToken::new(&options.admin_token));
    let simulator = Simulator::new(options);
    settings.sessions = sessions_of(&simulator).take(1).collect();
    Ok((listener, simulator))
}

/// The sessions of a simulated gateway; the first one is that of the settings.
fn sessions_of(simulator: &Simulator) -> impl Iterator<Item = SessionSettings> {
    let sessions = simulator.options().sessions.iter();
    sessions.map(|session| SessionSettings::new(&session.name, SessionToken::new(&session.token)))
}

async fn listen(port: u16, option: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow!(
                "port {port} is in use. End the program that uses it, or choose another port: {option} <PORT>"
            ),
            _ => anyhow!("cannot listen on port {port}: {error}"),
        })?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// What serves, and the word that it shall end.
#[derive(Default)]
struct Servers {
    tasks: JoinSet<std::io::Result<()>>,
    ending: watch::Sender<bool>,
}

impl Servers {
    fn spawn<S>(&mut self, serve: impl FnOnce(Ending) -> S)
    where
        S: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let mut ending = self.ending.subscribe();
        self.tasks.spawn(serve(Box::pin(async move {
            let _ = ending.wait_for(|ending| *ending).await;
        })));
    }

    fn keep_schedules(&mut self, template: Template, backends: Backends) {
        self.spawn(|stop| async move {
            tokio::select! {
                kept = schedules::keep(&template, &backends) => kept,
                () = stop => Ok(()),
            }
        });
    }

    async fn run(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        stop.await;
        self.ending.send_replace(true);
        let ended = async {
            while let Some(server) = self.tasks.join_next().await {
                server??;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(FAREWELL, ended)
            .await
            .unwrap_or(Ok(()))
    }
}

/// Ends when the servers shall.
type Ending = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
