//! `local` as a process, as `cargo run` starts it, and what can be asked of it from outside.
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{Client, Method, redirect};
use serde_json::Value;
use shared::platform::tls;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::book::Book;

/// How many sessions it has.
const SESSIONS: &str = "3";
/// How long it may take to start, and to end when it is told to.
const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(20);
/// How long an answer may take: more than any function may.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// The simulated gateway takes no orders while its process is down.
const ORDER_MAX: Duration = Duration::from_secs(120);

/// The running system.
#[derive(Debug)]
pub struct System {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    /// The API, the simulated gateway, and the path of the link that signs an operator in.
    pub api: String,
    sim: String,
    pub admin_link: String,
    /// The key that posts events of payments and names the clients that it asks for.
    key: String,
    client: Client,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status; 0 when no answer came.
    pub status: u16,
    /// The body, where it is JSON.
    pub json: Value,
    /// The body.
    pub text: String,
    /// The cookies that were set, as `name=value`.
    pub cookies: Vec<String>,
}

impl Answer {
    /// The `error` of its envelope, or an empty text.
    pub fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }
}

/// A request to the API.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The route as the book has it, such as `POST /api/auth/signin`.
    pub route: &'static str,
    /// The path, where the route has parameters.
    pub path: Option<String>,
    /// The headers besides that of the body.
    pub headers: Vec<(&'a str, String)>,
    /// JSON, or a form.
    pub body: Option<String>,
}

impl Ask<'_> {
    /// A request with a body of JSON.
    pub fn json(route: &'static str, body: &Value) -> Self {
        Self {
            route,
            path: None,
            headers: vec![("content-type", "application/json".into())],
            body: Some(body.to_string()),
        }
    }

    /// A request without a body.
    pub fn get(route: &'static str) -> Self {
        Self {
            route,
            path: None,
            headers: Vec::new(),
            body: None,
        }
    }
}

impl System {
    /// Starts `program` with its tables in `folder`, and adds a caller.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (data, log) = (folder.join("dynamodb.db"), folder.join("local.log"));
        let mut child = Command::new(program)
            .args(["--port", "0", "--sim-port", "0", "--sessions", SESSIONS])
            .arg("--data")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let said = timeout(START_MAX, first_words(&mut child)).await??;
        let client = Client::builder()
            .tls_backend_preconfigured(tls::trusting(None).context("no public authorities")?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER_MAX)
            .build()?;
        let api = after(&said, "API ")?;
        let sim = after(&said, "Inbox ")?;
        let link = after(&said, "Operators ")?;
        let key = add_caller(program, &data).await?;
        Ok(Self {
            child,
            data,
            log,
            admin_link: link.replace(&api, ""),
            sim: sim.trim_end_matches("/sim").to_owned(),
            api,
            key,
            client,
        })
    }

    /// The file that has its tables.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The file that has its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The folder of `/proc` that tells of the process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn proc(&self) -> anyhow::Result<PathBuf> {
        let id = self.child.id().context("the system has ended")?;
        Ok(Path::new("/proc").join(id.to_string()))
    }

    /// The headers of a backend that asks for the client at `address`.
    pub fn on_behalf(&self, address: &str) -> Vec<(&'static str, String)> {
        vec![
            ("x-caller-key", self.key.clone()),
            ("x-client-address", address.to_owned()),
        ]
    }

    /// The header of a payment system.
    pub fn as_payment_system(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.key))
    }

    /// Asks the API, and keeps that in the book.
    pub async fn ask(&self, book: &Book, ask: Ask<'_>) -> Answer {
        let begun = book.now();
        let (method, path) = ask.route.split_once(' ').unwrap_or(("GET", ask.route));
        let path = ask.path.as_deref().unwrap_or(path);
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let mut request = self.client.request(method, format!("{}{path}", self.api));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        let answer = answer_of(request.send().await).await;
        book.add_request(begun, ask.route, (answer.status, answer.error()));
        answer
    }

    /// Asks the simulated gateway at one of its own paths; a body makes it a POST.
    pub async fn ask_sim(&self, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("{}{path}", self.sim);
        let request = match body {
            Some(body) => self.client.post(url).body(body.to_string()),
            None => self.client.get(url),
        };
        answer_of(request.send().await).await
    }

    /// Gives the simulated gateway an order, again until it takes it.
    ///
    /// # Errors
    /// When it refuses, or cannot be asked for long.
    pub async fn order(&self, path: &str, order: &Value) -> anyhow::Result<()> {
        let until = Instant::now() + ORDER_MAX;
        loop {
            let answer = self.ask_sim(path, Some(order)).await;
            match answer.status {
                200 => return Ok(()),
                400..500 => bail!("{path} {order}: {}", answer.json),
                _ => ensure!(Instant::now() < until, "{path} cannot be asked: {order}"),
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Tells it to end, as a terminal does, and waits for that.
    ///
    /// # Errors
    /// When it does not end, or with a failure.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the system has ended before")?;
        let told = Command::new("kill").arg(id.to_string()).status().await?;
        ensure!(told.success(), "kill: {told}");
        let ended = timeout(END_MAX, self.child.wait()).await;
        let ended = ended.context("the system does not end")??;
        ensure!(ended.success(), "the system ended with {ended}");
        Ok(())
    }
}

/// What it prints until it serves.
async fn first_words(child: &mut Child) -> anyhow::Result<String> {
    let stdout = child.stdout.take().context("its output")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await? {
        said.push_str(&line);
        said.push('\n');
        if line.contains("Ctrl-C ends it") {
            return Ok(said);
        }
    }
    bail!("the system has ended: {said}")
}

/// The word after `name` on the line that begins with it.
fn after(said: &str, name: &str) -> anyhow::Result<String> {
    let line = said
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    Ok(word
        .with_context(|| format!("it does not say `{name}`"))?
        .to_owned())
}

/// Lets one more system call; answers its key.
async fn add_caller(program: &Path, data: &Path) -> anyhow::Result<String> {
    let added = Command::new(program)
        .args([
            "callers",
            "add",
            "soak",
            "--scope",
            "payments",
            "--scope",
            "on-behalf",
        ])
        .arg("--data")
        .arg(data)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&added.stdout);
    ensure!(
        added.status.success(),
        "callers add: {}",
        String::from_utf8_lossy(&added.stderr)
    );
    Ok(said.lines().last().context("no key")?.trim().to_owned())
}

async fn answer_of(sent: reqwest::Result<reqwest::Response>) -> Answer {
    let Ok(response) = sent else {
        return Answer::default();
    };
    let status = response.status().as_u16();
    let cookies = response.headers().get_all("set-cookie").iter();
    let cookies =
        cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned));
    let cookies = cookies.collect();
    let text = response.text().await.unwrap_or_default();
    Answer {
        status,
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
        cookies,
    }
}
