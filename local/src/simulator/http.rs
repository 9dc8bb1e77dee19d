//! The HTTP face: the gateway's own paths, and a door that is shut while its process is down.
//!
//! Everything of the simulator is behind the one door, so its page cannot be opened anew while the gateway is down;
//! connections that it kept go on.
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use http_body::Frame;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::control;
use super::handle::Simulator;
use super::post;
use super::wire::{Reply, Request};

/// The most bytes of a request.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// How often a shut door looks whether the process is back.
const LOOK: Duration = Duration::from_millis(10);

/// The gateway's paths and, below `/sim`, the control API with its page.
pub fn router(simulator: Simulator) -> Router {
    control::router().fallback(gateway).with_state(simulator)
}

/// Serves [`router`] and what is `beside` it on `listener`, and refuses connections while the gateway process is down.
///
/// # Errors
/// When the listener has no address, or there can be no client for webhooks.
pub async fn serve(simulator: Simulator, beside: Router, listener: TcpListener) -> io::Result<()> {
    let taker = post::over_http().ok_or_else(|| io::Error::other("no HTTP client for webhooks"))?;
    simulator.posts_at_least_to(taker);
    let door = Door {
        address: listener.local_addr()?,
        listener: Some(listener),
        simulator: simulator.clone(),
    };
    axum::serve(door, beside.merge(router(simulator))).await
}

async fn gateway(State(simulator): State<Simulator>, request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else {
        return cut();
    };
    let request = Request {
        method: head.method,
        credential: credential(&path, head.uri.query(), &head.headers),
        path,
        body: body.into(),
    };
    match simulator.reply_to(request).await {
        Reply::Answer {
            status,
            content_type,
            body,
        } => {
            let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Reply::Cut | Reply::Refused => cut(),
        Reply::Silent => match std::future::pending::<Infallible>().await {},
    }
}

/// The header `token`, else the query's; for the administrator's paths `Authorization`.
fn credential(path: &str, query: Option<&str>, headers: &HeaderMap) -> String {
    let name = if path.starts_with("/admin/") {
        "authorization"
    } else {
        "token"
    };
    let header = headers.get(name).and_then(|value| value.to_str().ok());
    let query = query.into_iter().flat_map(|query| query.split('&'));
    let mut query = query.filter_map(|pair| pair.strip_prefix("token="));
    header
        .or_else(|| query.next())
        .unwrap_or_default()
        .to_owned()
}

/// A response that fails before its first byte, so that the connection closes without an answer.
fn cut() -> Response {
    Response::new(Body::new(Lost))
}

struct Lost;

impl HttpBody for Lost {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}

/// A listener that is gone while the process is down.
struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    simulator: Simulator,
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let mut process = self.simulator.process();
        loop {
            if self.simulator.is_shut() {
                self.listener = None;
                sleep(LOOK).await;
                continue;
            }
            let Some(listener) = &self.listener else {
                self.listener = TcpListener::bind(self.address).await.ok();
                if self.listener.is_none() {
                    sleep(LOOK).await;
                }
                continue;
            };
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => return accepted,
                    // Too many open files, or a caller that left already.
                    Err(_) => sleep(LOOK).await,
                },
                _ = process.changed() => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
