//! The control API below `/sim`, beside its page.
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::catalogue::{self, Order};
use super::handle::Simulator;
use super::inbox::{InboxMessage, digits_of};
use super::options::Conditions;
use super::orders::{UnknownGateway, UnknownSession};
use super::scenario::Scenario;
use super::state::SessionState;

const PATHS: [&str; 11] = [
    "GET /sim",
    "GET /sim/messages?phone=",
    "DELETE /sim/messages",
    "POST /sim/incoming",
    "GET /sim/hooks",
    "GET /sim/state",
    "POST /sim/session/{token or name}",
    "GET /sim/faults",
    "POST /sim/faults",
    "GET /sim/calls",
    "POST /sim/reset",
];

/// Something is wrong with a control request.
struct Refusal(StatusCode, Value);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl From<UnknownSession> for Refusal {
    fn from(error: UnknownSession) -> Self {
        let body = json!({"error": error.to_string(), "accepted": error.known});
        Self(StatusCode::NOT_FOUND, body)
    }
}

impl From<UnknownGateway> for Refusal {
    fn from(error: UnknownGateway) -> Self {
        let body = json!({"error": error.to_string(), "accepted": error.known});
        Self(StatusCode::NOT_FOUND, body)
    }
}

pub(super) fn router() -> Router<Simulator> {
    Router::new()
        .route("/sim", get(|| async { Html(include_str!("page.html")) }))
        .route("/sim/messages", get(messages).delete(clear_messages))
        .route("/sim/incoming", post(incoming))
        .route("/sim/hooks", get(hooks))
        .route("/sim/state", get(state))
        .route("/sim/session/{session}", post(set_session))
        .route(
            "/sim/faults",
            get(|| async { Json(catalogue::list()) }).post(play),
        )
        .route("/sim/calls", get(calls))
        .route("/sim/reset", post(reset))
        .route("/sim/{*rest}", any(unknown))
        .method_not_allowed_fallback(unknown)
}

async fn unknown() -> Refusal {
    let body = json!({"error": "there is no such path or method", "accepted": PATHS});
    Refusal(StatusCode::NOT_FOUND, body)
}

#[derive(Deserialize)]
struct WhichPhone {
    phone: Option<String>,
}

async fn messages(
    State(simulator): State<Simulator>,
    Query(which): Query<WhichPhone>,
) -> Json<Value> {
    let phone = which.phone.filter(|phone| !phone.trim().is_empty());
    let messages = inbox_of(&simulator, phone.as_deref());
    Json(json!({
        "duplicates": messages.iter().filter(|message| message.duplicate).count(),
        "resent": messages.iter().map(|message| u64::from(message.resent)).sum::<u64>(),
        "messages": messages,
    }))
}

async fn clear_messages(State(simulator): State<Simulator>) -> Json<Value> {
    let deleted = simulator.messages(None).len();
    simulator.clear_messages();
    Json(json!({"deleted": deleted}))
}

/// A phone writes to the account of a session.
async fn incoming(State(simulator): State<Simulator>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let mut body = object(&body)?;
    let mut text = |key: &str| {
        let text = catalogue::take::<String>(&mut body, key, "a text")
            .ok()
            .flatten();
        text.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            let problem = format!("`{key}` must be a text");
            let body = json!({"error": problem, "accepted": ["session", "phone", "text"]});
            Refusal(StatusCode::BAD_REQUEST, body)
        })
    };
    let (session, phone, text) = (text("session")?, text("phone")?, text("text")?);
    let gateway = simulator.that_has(&session);
    let id = gateway.incoming(&session, &digits_of(&phone), &text)?;
    Ok(Json(json!({ "id": id })))
}

/// What was posted to webhooks. Addresses and tokens are not shown, since they are secrets.
async fn hooks(
    State(simulator): State<Simulator>,
    Query(which): Query<WhichGateway>,
) -> Result<Json<Value>, Refusal> {
    let hooks = which.of(&simulator)?.hooks();
    let hooks = hooks.iter().map(|hook| {
        json!({
            "number": hook.number, "at_ms": hook.at_ms, "session": hook.session, "type": hook.kind,
            "content_type": hook.content_type, "signed": hook.signature.is_some(),
            "attempt": hook.attempt, "answer": hook.answer, "event": hook.event(),
        })
    });
    Ok(Json(json!({ "hooks": hooks.collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
struct WhichGateway {
    gateway: Option<String>,
}

impl WhichGateway {
    /// The gateway of that name; without one, the one that is asked.
    fn of(&self, asked: &Simulator) -> Result<Simulator, UnknownGateway> {
        match &self.gateway {
            Some(name) => asked.gateway_named(name),
            None => Ok(asked.clone()),
        }
    }
}

async fn state(
    State(simulator): State<Simulator>,
    Query(which): Query<WhichGateway>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(which.of(&simulator)?.summary()))
}

async fn calls(
    State(simulator): State<Simulator>,
    Query(which): Query<WhichGateway>,
) -> Result<Response, Refusal> {
    Ok(Json(which.of(&simulator)?.calls()).into_response())
}

async fn reset(State(simulator): State<Simulator>) -> Json<Value> {
    simulator.reset();
    Json(simulator.summary())
}

async fn set_session(
    State(simulator): State<Simulator>,
    Path(session): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let simulator = simulator.that_has(&session);
    let mut body = object(&body)?;
    let bad = |problem: String| {
        let mut accepted = json!(SessionState::ALL);
        if let Some(list) = accepted.as_array_mut() {
            list.push("process_down".into());
        }
        let body = json!({"error": problem, "accepted": accepted, "parameters": {"lasts_ms": "then online"}});
        Refusal(StatusCode::BAD_REQUEST, body)
    };
    let lasts = catalogue::take_ms(&mut body, "lasts_ms").map_err(bad)?;
    let state = body.remove("state").unwrap_or_default();
    if let Some(key) = body.keys().next() {
        return Err(bad(format!("`{key}` is not known here")));
    }
    if matches!(state.as_str(), Some("process_down" | "S10")) {
        let lasts_ms = lasts.map_or(10_000, |lasts| lasts.as_millis() as u64);
        simulator.play_on(&session, &Scenario::GatewayDown { lasts_ms })?;
    } else {
        let state = serde_json::from_value(state)
            .map_err(|_| bad("`state` must be one of the accepted ones".into()))?;
        match lasts {
            Some(lasts) => simulator.set_state_for(&session, state, lasts)?,
            None => simulator.set_state(&session, state)?,
        }
    }
    Ok(Json(simulator.summary()))
}

async fn play(State(simulator): State<Simulator>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let order = catalogue::read(object(&body)?).map_err(|problem| {
        let body = json!({"error": problem, "accepted": catalogue::list()});
        Refusal(StatusCode::BAD_REQUEST, body)
    })?;
    let simulator = match (&order.gateway, &order.session) {
        (Some(name), _) => simulator.gateway_named(name)?,
        (None, Some(session)) => simulator.that_has(session),
        (None, None) => simulator,
    };
    carry_out(&simulator, &order)?;
    Ok(Json(simulator.summary()))
}

fn carry_out(simulator: &Simulator, order: &Order) -> Result<(), UnknownSession> {
    if let Some(session) = &order.session {
        simulator.state(session)?;
    }
    simulator.now(|world, _| {
        let Conditions { profile, pace, .. } = &mut world.conditions;
        *profile = order.profile.unwrap_or(*profile);
        pace.time_scale = order.time_scale.unwrap_or(pace.time_scale);
        pace.send = order.send.unwrap_or(pace.send);
        pace.dial = order.dial.unwrap_or(pace.dial);
        pace.login = order.login.unwrap_or(pace.login);
        pace.restart = order.restart.unwrap_or(pace.restart);
        let answering = &mut world.answering;
        answering.delivered = order.receipt.unwrap_or(answering.delivered);
        answering.read = order.read.or(answering.read);
        answering.devices = order.devices.unwrap_or(answering.devices);
        world.lid = order.lid.unwrap_or(world.lid);
        world.webhook_format = order.webhook_format.unwrap_or(world.webhook_format);
    });
    match (&order.scenario, &order.session) {
        (Some(scenario), Some(session)) => simulator.play_on(session, scenario)?,
        (Some(scenario), None) => simulator.play(scenario),
        (None, _) => {}
    }
    Ok(())
}

/// What a phone received that is named in any form, or every phone.
fn inbox_of(simulator: &Simulator, phone: Option<&str>) -> Vec<InboxMessage> {
    simulator.messages_to(phone.map(digits_of).as_deref())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| {
        let body = json!({"error": "the body must be a JSON object"});
        Refusal(StatusCode::BAD_REQUEST, body)
    })
}
