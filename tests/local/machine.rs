//! `cargo run` starts what it promises, over real sockets.
use std::collections::BTreeMap;
use std::net::SocketAddr;

use clap::Parser;
use local::cli::Cli;
use local::machine::Machine;
use local::simulator::Scenario;
use serde_json::{Value, json};
use shared::runtime::settings::Settings;
use shared::runtime::settings::vars::Vars;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::deployment::lambda_metadata;

/// Ports that are free, and tables in memory.
fn cli(more: &[&str]) -> Cli {
    let all = [
        "local",
        "--port=0",
        "--sim-port=0",
        "--db-port=0",
        "--memory",
    ];
    Cli::parse_from(all.iter().chain(more))
}

/// One HTTP request on its own connection: the status and the body.
async fn request(address: SocketAddr, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn sign_in(api: SocketAddr) -> (u16, Value) {
    let body = json!({ "identifier": "08123456789", "method": "whatsapp" });
    request(api, "POST", "/api/auth/sso-signin", &body).await
}

#[tokio::test]
async fn the_first_request_delivers_a_code_and_the_end_waits_for_it() {
    let machine = Machine::prepare(cli(&[]), Settings::default())
        .await
        .unwrap();
    let (api, simulator) = (
        machine.api_address().unwrap(),
        machine.simulator().unwrap().clone(),
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(machine.serve(async { drop(stopped.await) }));
    let asking = tokio::spawn(sign_in(api));
    while simulator.calls().count("/chat/send/text") == 0 {
        tokio::task::yield_now().await;
    }
    drop(stop);
    let (status, reply) = asking.await.unwrap();
    assert_eq!((status, &reply["data"]["delivery"]), (200, &json!("sent")));
    assert_eq!(simulator.messages(None).len(), 1);
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(api).await.is_err());
}

#[tokio::test]
async fn each_start_prints_a_link_that_leads_to_the_pages_for_operators() {
    let mut links = Vec::new();
    for _ in 0..2 {
        let machine = Machine::prepare(cli(&[]), Settings::default());
        let machine = machine.await.unwrap();
        let api = machine.api_address().unwrap();
        let printed = machine.to_string();
        let mut lines = printed.lines();
        let link = lines.find_map(|line| line.trim().strip_prefix("Operators http://"));
        let path = link.unwrap().strip_prefix(&api.to_string()).unwrap();
        assert!(path.starts_with("/admin/link/"), "{path}");
        links.push(path.to_owned());
        tokio::spawn(machine.serve(std::future::pending()));
        assert_eq!(request(api, "GET", path, &Value::Null).await.0, 200);
    }
    assert_ne!(links[0], links[1]);
    let without_api = Machine::prepare(cli(&["--backends-only"]), Settings::default());
    assert!(
        !without_api
            .await
            .unwrap()
            .to_string()
            .contains("/admin/link/")
    );
}

#[tokio::test]
async fn codes_leave_through_the_sessions_beside_the_first() {
    let machine = Machine::prepare(cli(&["--sessions=3"]), Settings::default());
    let machine = machine.await.unwrap();
    let (api, simulator) = (machine.api_address(), machine.simulator().unwrap().clone());
    assert!(machine.to_string().contains("system, session-2, session-3"));
    tokio::spawn(machine.serve(std::future::pending()));
    let unpaired = simulator.play_on("system", &Scenario::Unpaired);
    unpaired.unwrap();
    assert_eq!(sign_in(api.unwrap()).await.0, 200);
    let session = simulator.messages(None)[0].session.clone();
    assert!(["session-2", "session-3"].contains(&&*session), "{session}");
    for sessions in ["--sessions=0", "--sessions=10"] {
        assert!(Cli::try_parse_from(["local", sessions]).is_err());
    }
}

#[tokio::test]
async fn other_backends_are_used_when_the_environment_names_them() {
    let backends = Machine::prepare(cli(&["--backends-only"]), Settings::default());
    let backends = backends.await.unwrap();
    assert_eq!(backends.api_address(), None);
    let simulator = backends.simulator().unwrap().clone();
    let environment = backends.environment().into_iter();
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let settings = Settings::from_vars(&Vars(environment)).unwrap();
    tokio::spawn(backends.serve(std::future::pending()));

    let machine = Machine::prepare(cli(&[]), settings).await.unwrap();
    let api = machine.api_address().unwrap();
    assert!(machine.simulator().is_none());
    tokio::spawn(machine.serve(std::future::pending()));
    assert_eq!(sign_in(api).await.0, 200);
    assert_eq!(simulator.messages(None).len(), 1);
}

#[tokio::test]
async fn a_real_gateway_posts_here_only_where_somebody_has_said_so_whatever_the_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let port = port.to_string();
    let own = format!("http://127.0.0.1:{port}");
    let cli = || {
        let typed = ["local", "--port", &port, "--sim-port=0", "--memory"];
        Cli::parse_from(typed)
    };
    for given in [None, Some(own.as_str()), Some("https://api.example.com")] {
        let vars = [
            ("WHATSAPP_SERVER_API", Some("http://127.0.0.1:1")),
            ("WHATSAPP_USER_TOKEN", Some("a-token")),
            ("PUBLIC_BASE_URL", given),
        ];
        let vars = vars.into_iter();
        let vars = vars.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let settings = Settings::from_vars(&Vars(vars.collect())).unwrap();
        let machine = Machine::prepare(cli(), settings).await.unwrap();
        let scheduled = machine.scheduled_backends().settings;
        assert_eq!(scheduled.public_base_url.as_deref(), given);
    }
}

#[tokio::test]
async fn cargo_lambda_watch_has_the_environment_of_backends_only() {
    let backends = Machine::prepare(cli(&["--backends-only"]), Settings::default());
    let names = backends.await.unwrap().environment().into_iter();
    let usual = Cli::parse_from(["local"]);
    let expected: BTreeMap<_, _> = names
        .map(|(name, value)| match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => (name, format!("http://127.0.0.1:{}", usual.db_port)),
            "WHATSAPP_SERVER_API" => (name, format!("http://127.0.0.1:{}", usual.sim_port)),
            _ => (name, value),
        })
        .collect();
    let metadata = lambda_metadata();
    let written = metadata["env"].as_table().unwrap().iter();
    let written = written.map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()));
    assert_eq!(written.collect::<BTreeMap<_, _>>(), expected);
}

#[tokio::test]
async fn what_cannot_start_tells_the_fix() {
    let first = Machine::prepare(cli(&[]), Settings::default())
        .await
        .unwrap();
    let port = first.api_address().unwrap().port();
    let second = cli(&[]);
    let second = Machine::prepare(Cli { port, ..second }, Settings::default()).await;
    let expected = format!(
        "port {port} is in use. End the program that uses it, or choose another port: --port <PORT>"
    );
    assert_eq!(second.unwrap_err().to_string(), expected);

    let half = Settings {
        gateway_url: Some("http://gateway.test".into()),
        ..Settings::default()
    };
    let error = Machine::prepare(cli(&[]), half).await.unwrap_err();
    assert!(error.to_string().contains("WHATSAPP_USER_TOKEN"), "{error}");
}
