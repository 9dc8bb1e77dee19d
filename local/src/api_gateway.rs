//! A small API Gateway: it makes events of requests, as an HTTP API does, and responses of answers, with its limits.
mod event;
mod front;
mod routes;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::json;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;

use crate::functions::{self, Start};
use crate::lambda::{Code, Environments, InvokeError, Lambda};
use crate::template::{Route, Template};
use event::Origin;
use front::FrontDoor;
use routes::Routes;

/// The largest request body, in bytes.
pub const BODY_MAX: usize = 10 * 1024 * 1024;

/// The largest header section, in bytes.
const HEADERS_MAX: usize = 10_240;

/// How long API Gateway waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP API of a template, with the functions behind it. Clones are the same API.
#[derive(Clone, Debug)]
pub struct ApiGateway {
    deployment: Arc<Deployment>,
    /// Lets everything in when there is none.
    door: Option<Arc<FrontDoor>>,
    throttles: Throttles,
}

/// Whether the throttles of the template hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttles {
    /// They do.
    On,
    /// Every route takes all requests.
    Off,
}

#[derive(Debug)]
struct Deployment {
    routes: Routes,
    functions: BTreeMap<String, Lambda>,
    backends: Backends,
}

impl ApiGateway {
    /// Deploys the functions of `template` that have routes.
    ///
    /// # Errors
    /// When a route names a function that is not in this repository.
    pub fn new(
        template: &Template,
        backends: &Backends,
        environments: Environments,
    ) -> anyhow::Result<Self> {
        Self::with_functions(template, backends, environments, functions::find)
    }

    /// The same with functions that `find` knows by their folder names.
    ///
    /// # Errors
    /// When a route names a function that `find` does not know.
    pub fn with_functions(
        template: &Template,
        backends: &Backends,
        environments: Environments,
        find: impl Fn(&str) -> Option<Start>,
    ) -> anyhow::Result<Self> {
        let lambda = |route: &Route| {
            let name = route.function.as_str();
            let start = find(name)
                .with_context(|| format!("{} leads to `{name}`, which is unknown", route.key()))?;
            let timeout = template.timeouts.get(name).copied();
            let timeout = timeout.unwrap_or(INTEGRATION_TIMEOUT);
            let code = Code {
                name,
                timeout,
                start,
            };
            let lambda = Lambda::new(code, backends.clone(), environments);
            Ok((name.to_owned(), lambda))
        };
        let functions: anyhow::Result<_> = template.routes.iter().map(lambda).collect();
        Ok(Self {
            deployment: Arc::new(Deployment {
                routes: Routes::new(template.routes.clone()),
                functions: functions?,
                backends: backends.clone(),
            }),
            door: None,
            throttles: Throttles::Off,
        })
    }

    /// The same behind the CORS and the throttles of `template`.
    #[must_use]
    pub fn behind_front_door(self, template: &Template, throttles: Throttles) -> Self {
        Self {
            door: Some(Arc::new(FrontDoor::new(template.front.clone()))),
            throttles,
            ..self
        }
    }

    /// Answers one request from `source_ip`. Dropping this kills the function that works on it.
    pub async fn handle(&self, request: Request<Bytes>, source_ip: IpAddr) -> Response<Bytes> {
        let Some(door) = &self.door else {
            return self.answer(request, source_ip).await;
        };
        if let Some(preflight) = door.preflight(request.method(), request.headers()) {
            return preflight;
        }
        let request_headers = request.headers().clone();
        let mut response = self.answer(request, source_ip).await;
        door.open(&request_headers, response.headers_mut());
        response
    }

    /// Whether the throttle of `route` takes one more request now.
    fn admits(&self, route: &Route, now: Timestamp) -> bool {
        let door = self.door.as_ref();
        let door = door.filter(|_| self.throttles == Throttles::On);
        door.is_none_or(|door| door.admits(&route.key(), now))
    }

    /// Answers one request as API Gateway does, and writes its line in the log.
    async fn answer(&self, request: Request<Bytes>, source_ip: IpAddr) -> Response<Bytes> {
        let Deployment {
            routes,
            functions,
            backends,
        } = &*self.deployment;
        let (request, body) = request.into_parts();
        if let Err((status, message)) = check_request(&request, &body) {
            return refuse(status, message);
        }
        let (method, path) = (request.method.as_str(), request.uri.path());
        let Some(matched) = routes.find(method, path) else {
            return refuse(StatusCode::NOT_FOUND, "Not Found");
        };
        if !self.admits(matched.route, backends.clock.now()) {
            return refuse(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let Some(lambda) = functions.get(&matched.route.function) else {
            return failed();
        };
        let request_id = format!("{:016x}", u64::from_be_bytes(backends.entropy.bytes()));
        let origin = Origin {
            source_ip,
            request_id: &request_id,
            time: backends.clock.now(),
        };
        let event = event::event(&matched, &request, &body, origin).to_string();
        let mut response = invoke(lambda, &event).await;
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("apigw-requestid", id);
        }
        tracing::info!(
            function = matched.route.function,
            status = response.status().as_u16(),
            milliseconds = backends.clock.now().since(origin.time).as_millis() as u64,
            // Not the path, as on AWS: that of a webhook is a secret.
            "{}",
            matched.route.key()
        );
        response
    }

    /// The API as a service for a socket. It needs the peer's address: serve it with connect info.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().fallback(serve).with_state(self.clone())
    }
}

/// Like Lambda, it lets the function go on when the client hangs up.
async fn serve(
    State(gateway): State<ApiGateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let response = match to_bytes(body, BODY_MAX).await {
        Ok(body) => {
            let request = Request::from_parts(parts, body);
            let handling = tokio::spawn(async move { gateway.handle(request, peer.ip()).await });
            handling.await.unwrap_or_else(|_| failed())
        }
        Err(_) => refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
    };
    response.map(Body::from).into_response()
}

/// Refuses what is too large for API Gateway, or no request to it.
fn check_request(request: &Parts, body: &Bytes) -> Result<(), (StatusCode, &'static str)> {
    if body.len() > BODY_MAX {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Err((status, "Request Entity Too Large"));
    }
    if size(&request.headers) > HEADERS_MAX {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err((status, "Request Header Fields Too Large"));
    }
    let host = request.headers.get(HOST);
    if !request.uri.path().starts_with('/') || !host.is_none_or(is_host) {
        return Err((StatusCode::BAD_REQUEST, "Bad Request"));
    }
    Ok(())
}

/// The function's response, or API Gateway's own when it brings none in time.
async fn invoke(lambda: &Lambda, event: &str) -> Response<Bytes> {
    let invocation = tokio::time::timeout(INTEGRATION_TIMEOUT, lambda.invoke(event)).await;
    match invocation {
        Ok(Ok(answer)) => event::response(&answer).unwrap_or_else(failed),
        Ok(Err(InvokeError::TooLarge)) => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Ok(Err(InvokeError::TimedOut | InvokeError::Failed)) => failed(),
        Ok(Err(InvokeError::Throttled)) | Err(_) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

fn failed() -> Response<Bytes> {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

/// API Gateway's own answer.
fn refuse(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = Response::new(json!({ "message": message }).to_string().into());
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Whether a `Host` header names a host, and a port or none (RFC 9110, section 7.2).
fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else {
        return false;
    };
    let port = authority.as_str().strip_prefix(authority.host());
    port == Some("") || authority.port_u16().is_some()
}

fn size(headers: &HeaderMap) -> usize {
    let lines = headers.iter();
    lines
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}
