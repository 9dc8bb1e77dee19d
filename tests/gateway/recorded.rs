//! The simulator against what the gateway's own code answered: `recorded.json` holds the exchanges, and how the simulator
//! comes into the state that they were recorded in.
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use local::simulator::{Profile, Scenario, SessionState, Simulator, SimulatorOptions, router};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// How long the recording's client waited.
const PATIENCE: Duration = Duration::from_secs(200);
const BODY_BYTES_MAX: usize = 1 << 20;

#[derive(Deserialize)]
struct Recording {
    states: Vec<RecordedState>,
}

/// One state of the gateway, and what it answered in it.
#[derive(Deserialize)]
struct RecordedState {
    state: String,
    /// What brings a new simulator there.
    prepare: Vec<Step>,
    exchanges: Vec<Exchange>,
}

/// One step on the way into a state.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Play(Scenario),
    State(SessionState),
    WaitMs(u64),
    DialAndLoginMs(u64, u64),
    Call(Post),
    /// A call that goes on by itself, after that many milliseconds.
    CallAfterMs(u64, Post),
    PlayAfterMs(u64, Scenario),
}

#[derive(Clone, Deserialize)]
struct Post {
    path: String,
    body: Value,
}

#[derive(Deserialize)]
struct Exchange {
    gateways: Vec<Profile>,
    request: Asked,
    answer: Answered,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    path: String,
    auth: Auth,
    /// A text is sent as it is, anything else as JSON.
    #[serde(default)]
    body: Value,
}

/// Which token or secret a request shows.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Auth {
    Token,
    Admin,
    Wrong,
    None,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    /// An answer: its status, content type and body.
    Answer(u16, String, Value),
    /// The connection was closed or refused.
    Closed,
    /// Nothing, for as long as the client waited.
    Nothing,
}

/// A simulator without dials and logins, so that a state is reached at once.
fn simulator(profile: Profile) -> Simulator {
    let options = SimulatorOptions {
        profile,
        send_duration: Duration::from_millis(10),
        ..SimulatorOptions::default()
    };
    Simulator::new(options.with_dial_and_login(Duration::ZERO, Duration::ZERO))
}

async fn prepare(simulator: &Simulator, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Play(scenario) => simulator.play(scenario),
            Step::State(state) => simulator.set_state("system", *state).expect("a session"),
            Step::WaitMs(ms) => sleep(Duration::from_millis(*ms)).await,
            Step::DialAndLoginMs(dial, login) => {
                let [dial, login] = [dial, login].map(|ms| Duration::from_millis(*ms));
                simulator.set_dial_and_login(dial, login);
            }
            Step::Call(post) => drop(ask(simulator, &post.request()).await),
            Step::CallAfterMs(ms, post) => {
                let (simulator, request) = (simulator.clone(), post.request());
                let after = Duration::from_millis(*ms);
                tokio::spawn(async move {
                    sleep(after).await;
                    ask(&simulator, &request).await
                });
                tokio::task::yield_now().await;
            }
            Step::PlayAfterMs(ms, scenario) => {
                let (simulator, scenario) = (simulator.clone(), scenario.clone());
                let after = Duration::from_millis(*ms);
                tokio::spawn(async move {
                    sleep(after).await;
                    simulator.play(&scenario);
                });
            }
        }
    }
}

impl Post {
    fn request(&self) -> Asked {
        Asked {
            method: "POST".into(),
            path: self.path.clone(),
            auth: Auth::Token,
            body: self.body.clone(),
        }
    }
}

async fn ask(simulator: &Simulator, asked: &Asked) -> Answered {
    let body = match &asked.body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let (name, value) = match asked.auth {
        Auth::Token => ("token", "system-session-token"),
        Auth::Admin => ("authorization", "gateway-admin-token"),
        Auth::Wrong => ("token", "wrong"),
        Auth::None => ("accept", "*/*"),
    };
    let request = Request::builder()
        .method(asked.method.as_str())
        .uri(&asked.path)
        .header(name, value)
        .body(Body::from(body))
        .expect("a request");
    match timeout(PATIENCE, answered(simulator, request)).await {
        Ok(answer) => answer.unwrap_or(Answered::Closed),
        Err(_) => Answered::Nothing,
    }
}

async fn answered(simulator: &Simulator, request: Request<Body>) -> Option<Answered> {
    let response = router(simulator.clone()).oneshot(request).await.ok()?;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.ok()?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let content_type = head.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Some(Answered::Answer(
        head.status.as_u16(),
        content_type.to_owned(),
        body,
    ))
}

/// The same answer without what differs from one gateway to the next: ids, names, secrets, times, addresses.
fn without_ids(answer: Answered) -> Answered {
    match answer {
        Answered::Answer(status, content_type, mut body) => {
            take_ids(&mut body);
            Answered::Answer(status, content_type, body)
        }
        other => other,
    }
}

fn take_ids(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(take_ids),
        Value::Object(fields) => {
            for (key, value) in fields {
                // What a user's own settings are.
                if key == "s3_config"
                    && let Some(settings) = value.as_object()
                {
                    *value = settings.keys().cloned().collect();
                }
                take_id(key, value);
                take_ids(value);
            }
        }
        _ => {}
    }
}

fn take_id(key: &str, value: &mut Value) {
    let apart = match key {
        // Whether there is one is an answer, too.
        "jid" | "display_name" => value != "",
        "QRCode" | "qrcode" => value.as_str().is_some_and(|code| code.starts_with("data:")),
        "autostart" | "db_connected" | "hmac_configured" | "total_users" => true,
        "Id" | "id" | "name" | "token" | "webhook" | "events" | "Timestamp" | "timestamp"
        | "LinkingCode" | "uptime" | "memory_stats" | "goroutines" => true,
        _ => false,
    };
    if apart {
        *value = "…".into();
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulator_answers_as_the_gateway_did() {
    let recording: Recording =
        serde_json::from_str(include_str!("recorded.json")).expect("a recording");
    let (mut asked, mut wrong) = (0, vec![]);
    for known in &recording.states {
        for exchange in &known.exchanges {
            for profile in &exchange.gateways {
                let simulator = simulator(*profile);
                prepare(&simulator, &known.prepare).await;
                let answer = without_ids(ask(&simulator, &exchange.request).await);
                let expected = without_ids(exchange.answer.clone());
                asked += 1;
                if answer != expected {
                    let Asked { method, path, .. } = &exchange.request;
                    wrong.push(format!(
                        "{profile:?}, {}: {method} {path}\n  the gateway: {expected:?}\n  the simulator: {answer:?}",
                        known.state
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(asked > 300, "{asked} exchanges");
}
