//! A stand-in for Lambda's Runtime API on loopback, for one process.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use shared::platform::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long a function may take, for whatever it does.
const PATIENCE: Duration = Duration::from_secs(20);

/// The Runtime API of one process.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Where it listens.
    pub address: SocketAddr,
    events: mpsc::UnboundedSender<String>,
    happened: mpsc::UnboundedReceiver<(Instant, Happening)>,
    server: JoinHandle<std::io::Result<()>>,
}

/// What the process asked of the Runtime API.
#[derive(Debug)]
enum Happening {
    Polled,
    Answered(Bytes),
    Failed(Bytes),
}

/// The server's end.
#[derive(Clone)]
struct Desk {
    events: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
    happened: mpsc::UnboundedSender<(Instant, Happening)>,
}

impl RuntimeApi {
    /// Listens on a free port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, waiting) = mpsc::unbounded_channel();
        let (happening, happened) = mpsc::unbounded_channel();
        let desk = Desk {
            events: Arc::new(Mutex::new(waiting)),
            happened: happening,
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/{outcome}",
                post(invocation_ended),
            )
            .route("/2018-06-01/runtime/init/error", post(init_failed))
            .with_state(desk);
        Ok(Self {
            address,
            events,
            happened,
            server: tokio::spawn(axum::serve(listener, router).into_future()),
        })
    }

    /// Waits until the process asks for an event; answers when it did.
    pub async fn polled(&mut self) -> anyhow::Result<Instant> {
        match self.next_happening().await? {
            (at, Happening::Polled) => Ok(at),
            (_, other) => bail!("a poll was expected, not {other:?}"),
        }
    }

    /// Hands an event to the process, which has polled; answers its answer, and how long that took.
    pub async fn invoke(&mut self, event: String) -> anyhow::Result<(Duration, Value)> {
        let handed_over = Instant::now();
        self.events.send(event)?;
        match self.next_happening().await? {
            (at, Happening::Answered(body)) => {
                Ok((at - handed_over, serde_json::from_slice(&body)?))
            }
            (_, other) => bail!("an answer was expected, not {other:?}"),
        }
    }

    async fn next_happening(&mut self) -> anyhow::Result<(Instant, Happening)> {
        let happening = timeout(PATIENCE, self.happened.recv()).await;
        let happening = happening.context("the function takes too long")?;
        match happening.context("the Runtime API ended")? {
            (_, Happening::Failed(reason)) => {
                bail!("the function failed: {}", String::from_utf8_lossy(&reason))
            }
            happened => Ok(happened),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    fn note(&self, happening: Happening) {
        // Whoever measured may have seen enough.
        let _ = self.happened.send((Instant::now(), happening));
    }
}

async fn next(State(desk): State<Desk>) -> Response {
    desk.note(Happening::Polled);
    let Some(event) = desk.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = Clock::system().now().plus(PATIENCE).millis();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", "measured".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:local:000000000000:function:measured".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn invocation_ended(
    State(desk): State<Desk>,
    Path((_id, outcome)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    desk.note(match outcome.as_str() {
        "response" => Happening::Answered(body),
        _ => Happening::Failed(body),
    });
    StatusCode::ACCEPTED
}

async fn init_failed(State(desk): State<Desk>, body: Bytes) -> StatusCode {
    desk.note(Happening::Failed(body));
    StatusCode::ACCEPTED
}
