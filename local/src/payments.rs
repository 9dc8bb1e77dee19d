//! What belongs to payments on this machine, beside the simulated gateway: genuine webhooks of payment gateways, and the notices
//! that are still to go out.
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use shared::model::bridge::{BridgeName, Secret, midtrans};
use shared::model::keys::RingName;
use shared::model::notice::{Notice, Priority};
use shared::model::webhook;
use shared::platform::report::Chain;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use shared::runtime::settings::BridgeSettings;
use shared::store::StoreError;
use shared::store::keys::KeyRing;
use shared::store::payments::Payments;

use crate::api_gateway::ApiGateway;

/// The most notices that are shown of one priority.
const SHOWN_MAX: i32 = 100;
/// What is due within this is shown, so everything is.
const FAR_AHEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the routes here work with.
#[derive(Clone, Debug)]
struct Desk {
    api: ApiGateway,
    backends: Backends,
}

/// The answer to a request that cannot be served.
type Refusal = (StatusCode, Json<Value>);

/// Gives a simulated account of each payment gateway its secret, where nobody has set one.
pub fn simulate_accounts(settings: &mut BridgeSettings) {
    let secret = |text| Secret::parse(text).into_iter().collect();
    if settings.midtrans_keys.is_empty() {
        settings.midtrans_keys = secret("SB-Mid-server-simulated");
    }
    if settings.xendit_tokens.is_empty() {
        settings.xendit_tokens = secret("simulated-callback-token");
    }
}

/// The routes: `GET /sim/outbox` and `POST /sim/payments/{gateway}`. Webhooks go to `api`.
pub fn router(api: ApiGateway, backends: Backends) -> Router {
    Router::new()
        .route("/sim/outbox", get(outbox))
        .route("/sim/payments/{gateway}", post(play))
        .with_state(Desk { api, backends })
}

/// The notices that have not ended, those that are due first in front.
async fn outbox(State(desk): State<Desk>) -> Result<Json<Value>, Refusal> {
    let waiting = waiting(&desk.backends).await.map_err(|error| {
        let problem = json!({ "error": Chain(&error).to_string() });
        (StatusCode::SERVICE_UNAVAILABLE, Json(problem))
    })?;
    Ok(Json(json!({ "notices": waiting })))
}

async fn waiting(backends: &Backends) -> Result<Vec<Value>, StoreError> {
    let payments = Payments::new(backends);
    let ever = backends.clock.now().plus(FAR_AHEAD);
    let mut waiting = Vec::new();
    for priority in Priority::ALL {
        for due in payments.due(priority, ever, SHOWN_MAX).await? {
            let kept = payments.read(&due.payment).await?;
            let notice = kept
                .as_ref()
                .and_then(|kept| kept.story.notice(&due.notice));
            waiting.extend(notice.map(|notice| view(due.payment.as_str(), priority, notice)));
        }
    }
    Ok(waiting)
}

fn view(payment: &str, priority: Priority, notice: &Notice) -> Value {
    json!({
        "payment": payment,
        "notice": notice.id.as_str(),
        "queue": priority.name(),
        "state": notice.state.name(),
        "attempts": notice.attempts,
        "dueAt": notice.due_at.map(Timestamp::rfc3339),
        "deliverBy": notice.deliver_by.rfc3339(),
        "lastError": notice.last_error,
    })
}

/// Posts what a payment gateway would, genuine, with the fields of the body in the place of the usual ones.
async fn play(
    State(desk): State<Desk>,
    Path(gateway): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let bridge = BridgeName::ALL
        .into_iter()
        .find(|bridge| bridge.name() == gateway);
    let bridge = bridge.ok_or_else(|| {
        let known = BridgeName::ALL.map(BridgeName::name);
        let problem = json!({ "error": "there is no such payment gateway", "accepted": known });
        (StatusCode::NOT_FOUND, Json(problem))
    })?;
    let given = if body.is_empty() {
        b"{}"
    } else {
        body.as_ref()
    };
    let given: Map<String, Value> = serde_json::from_slice(given).map_err(|error| {
        let problem = json!({ "error": format!("send one JSON object: {error}") });
        (StatusCode::BAD_REQUEST, Json(problem))
    })?;
    let posted = match bridge {
        BridgeName::Midtrans => desk.midtrans(given),
        BridgeName::Xendit => desk.xendit(given),
    };
    desk.post(bridge, posted).await
}

impl Desk {
    /// A notification of Midtrans, signed.
    fn midtrans(&self, given: Map<String, Value>) -> Value {
        let mut body = json!({
            "order_id": "INV-0042", "transaction_status": "settlement", "status_code": "200",
            "gross_amount": "150000.00", "currency": "IDR", "payment_type": "qris",
            "transaction_id": "00000000-0000-4000-8000-000000000042", "fraud_status": "accept",
        });
        replace(&mut body, given);
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let signed = midtrans::Signed {
            order_id: text("order_id"),
            status_code: text("status_code"),
            gross_amount: text("gross_amount"),
        };
        let key = self.backends.settings.bridges.midtrans_keys.first();
        let signature = key.map(|key| midtrans::sign(&signed, key));
        body["signature_key"] = json!(signature);
        body
    }

    /// The callback of an invoice of Xendit.
    fn xendit(&self, given: Map<String, Value>) -> Value {
        let now = self.backends.clock.now().rfc3339();
        let mut body = json!({
            "id": "000000000000000000000042", "external_id": "INV-0042", "user_id": "simulated",
            "status": "PAID", "merchant_name": "Tokoku", "amount": 150_000, "paid_amount": 150_000,
            "currency": "IDR", "payment_channel": "QRIS", "paid_at": now, "created": now, "updated": now,
        });
        replace(&mut body, given);
        body
    }

    /// Posts a webhook to the API, and tells what that answered.
    async fn post(&self, bridge: BridgeName, body: Value) -> Result<Json<Value>, Refusal> {
        let failed = |problem: String| {
            let problem = json!({ "error": problem });
            (StatusCode::SERVICE_UNAVAILABLE, Json(problem))
        };
        let now = self.backends.clock.now();
        let ring = KeyRing::new(&self.backends, RingName::Webhooks)
            .get(now)
            .await;
        let ring = ring.map_err(|error| failed(Chain(&error).to_string()))?;
        let path = webhook::bridge_path(&ring, bridge, now);
        let path = path.ok_or_else(|| failed("there is no key for webhooks yet".into()))?;
        let token = self.backends.settings.bridges.xendit_tokens.first();
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/json");
        if let (BridgeName::Xendit, Some(token)) = (bridge, token) {
            request = request.header("x-callback-token", token.expose());
        }
        let request = request.body(body.to_string().into());
        let request = request.map_err(|error| failed(error.to_string()))?;
        let answer = self.api.handle(request, Ipv4Addr::LOCALHOST.into()).await;
        let status = answer.status().as_u16();
        let reply: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok(Json(
            json!({ "posted": body, "status": status, "reply": reply }),
        ))
    }
}

fn replace(body: &mut Value, given: Map<String, Value>) {
    for (field, value) in given {
        body[field] = value;
    }
}
