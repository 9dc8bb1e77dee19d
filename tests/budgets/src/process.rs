//! One function as a process, as Lambda starts it.
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::runtime_api::RuntimeApi;

/// The number after `name` in what `/proc` says of a process.
pub fn number_in(status: &str, name: &str) -> anyhow::Result<u64> {
    let found = status.lines().find_map(|line| line.strip_prefix(name));
    let number = found.and_then(|rest| rest.split_whitespace().next());
    let number = number.and_then(|number| number.parse().ok());
    number.with_context(|| name.to_owned())
}

/// A started function that waits for an event.
#[derive(Debug)]
pub struct Process {
    /// From the start of the process until it asked for its first event.
    pub init: Duration,
    api: RuntimeApi,
    child: Child,
    /// Where valgrind writes what it has counted.
    counts: Option<PathBuf>,
}

impl Process {
    /// Starts the bootstrap `program` with nothing but `environment`, and waits until it asks for its first event.
    pub async fn start(program: &Path, environment: &[(&str, String)]) -> anyhow::Result<Self> {
        Self::start_as(Command::new(program), environment, None)
            .await
            .with_context(|| format!("cannot start {}", program.display()))
    }

    /// The same with its instructions counted. Nothing where valgrind is not installed.
    pub async fn start_counted(
        program: &Path,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Option<Self>> {
        let installed = Command::new("valgrind").arg("--version").output().await;
        match installed {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            installed => installed.context("cannot run valgrind")?,
        };
        let counts = std::env::temp_dir().join(format!("counts-{}", std::process::id()));
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(format!("--log-file={}", counts.display()))
            .arg(program);
        Self::start_as(command, environment, Some(counts))
            .await
            .map(Some)
    }

    async fn start_as(
        mut command: Command,
        environment: &[(&str, String)],
        counts: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let mut api = RuntimeApi::start().await?;
        command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_NAME", "measured")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command.spawn()?;
        let polled = api.polled().await?;
        Ok(Self {
            init: polled - started,
            api,
            child,
            counts,
        })
    }

    /// Hands it an event and waits until it asks for the next one; answers its answer, and how long that took.
    pub async fn invoke(&mut self, event: String) -> anyhow::Result<(Duration, Value)> {
        let answered = self.api.invoke(event).await?;
        self.api.polled().await?;
        Ok(answered)
    }

    /// The processor time that its threads have used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(self.proc("task")?)? {
            let times = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let running = times.split(' ').next().unwrap_or_default();
            nanoseconds += running.parse::<u64>().context("schedstat")?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The memory that it holds, in KiB.
    pub fn resident_kib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(self.proc("status")?)?;
        Ok(number_in(&status, "VmRSS:")? as f64)
    }

    /// Ends it; answers how many instructions it has executed.
    pub async fn end_counted(mut self) -> anyhow::Result<u64> {
        let id = self.child.id().context("the function has ended")?;
        // A signal that can be caught, so that valgrind reports.
        let kill = Command::new("kill").arg(id.to_string()).status().await?;
        anyhow::ensure!(kill.success(), "kill: {kill}");
        self.child.wait().await?;
        let counts = self.counts.take().context("nothing was counted")?;
        let report = std::fs::read_to_string(&counts)?;
        std::fs::remove_file(&counts)?;
        let total = report
            .lines()
            .find_map(|line| line.split_once("Collected :"));
        let (_, total) = total.with_context(|| format!("no total in: {report}"))?;
        total.trim().parse().context("the total")
    }

    /// Ends it.
    pub async fn end(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let id = self.child.id().context("the function has ended")?;
        Ok(format!("/proc/{id}/{file}"))
    }
}
