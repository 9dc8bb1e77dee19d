//! One simulated gateway behind each of its faces, and servers that misbehave on purpose.
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use local::simulator::{Simulator, SimulatorOptions, router, serve};
use serde_json::Value;
use shared::gateway::wuzapi::Wuzapi;
use shared::gateway::{Gateway, SessionToken, TextMessage};
use shared::model::phone::Phone;
use shared::model::texts::MessageBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

pub const WITHIN: Duration = Duration::from_secs(200);

/// A simulator behind its HTTP face, and the client that calls it.
pub struct Served {
    pub simulator: Simulator,
    pub client: Gateway,
    pub address: SocketAddr,
}

impl Served {
    pub async fn new(options: SimulatorOptions) -> Self {
        Self::of(Simulator::new(options)).await
    }

    pub async fn of(simulator: Simulator) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(simulator.clone(), axum::Router::new(), listener));
        Self {
            simulator,
            client: client(address),
            address,
        }
    }

    /// A request written by hand: its status and body.
    pub async fn raw(&self, line: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let request = format!(
            "{line} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }
}

pub fn client(address: SocketAddr) -> Gateway {
    client_of(&format!("http://{address}"), None)
}

pub fn client_of(url: &str, ca_pem: Option<&str>) -> Gateway {
    Gateway::new(Wuzapi::new(url, ca_pem).expect("a client"))
}

pub fn token() -> SessionToken {
    SessionToken::new("system-session-token")
}

pub fn phone() -> Phone {
    Phone::parse("08123456789").expect("a phone")
}

pub fn text(id: &str) -> TextMessage {
    TextMessage {
        phone: phone(),
        jid: None,
        body: MessageBody("Your code is 123456".into()),
        id: id.into(),
    }
}

/// A request by hand, such as `GET /webhook`, without a socket: its status and body.
pub async fn ask(simulator: &Simulator, line: &str, body: Value) -> (u16, Value) {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("token", "system-session-token")
        .body(Body::from(body.to_string()))
        .expect("a request");
    let response = router(simulator.clone()).oneshot(request).await;
    let (head, body) = response.expect("an answer").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let body = serde_json::from_slice(&body).expect("JSON");
    (head.status.as_u16(), body)
}

/// What a server does after it has read one whole request.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// It writes this and closes.
    Answers(&'static str),
    /// It writes this and falls silent.
    Stalls(&'static str),
    /// It closes.
    Closes,
    /// It resets the connection.
    Resets,
}

/// A server that takes one request and returns it; its address is there at once.
pub async fn server(then: Then) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let request = whole_request(&mut stream).await;
        match then {
            Then::Answers(answer) => stream.write_all(answer.as_bytes()).await.expect("written"),
            Then::Stalls(part) => {
                stream.write_all(part.as_bytes()).await.expect("written");
                std::future::pending::<()>().await;
            }
            Then::Closes => {}
            Then::Resets => stream.set_zero_linger().expect("a socket"),
        }
        request
    });
    (address, served)
}

async fn whole_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.expect("a request");
        request.extend_from_slice(&part[..read]);
        let seen = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = seen.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return seen;
            }
        }
        assert!(read > 0, "the caller left early");
    }
}
