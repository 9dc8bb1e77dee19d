//! Requests reach functions as on AWS, and their answers come back the same way.
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, Request};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt, Response};
use local::api_gateway::{ApiGateway, BODY_MAX};
use local::functions::{Environment, Start};
use local::lambda::Environments;
use local::template::Template;
use serde_json::{Value, json};
use shared::runtime::Backends;
use tests::TestSystem;
use tokio::time::Instant;

const TEMPLATE: &str = "
Globals: { Function: { Timeout: 20 } }
Resources:
  Api: { Type: AWS::Serverless::HttpApi }
  EchoFunction:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt Role.Arn
      Events:
        Echo: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: post, Path: '/echo/{name}' } }
        Other: { Type: HttpApi }
  CountFunction:
    Type: AWS::Serverless::Function
    Properties: { Events: { Count: { Type: HttpApi, Properties: { Method: GET, Path: /count } } } }
  CookiesFunction:
    Type: AWS::Serverless::Function
    Properties: { Events: { Count: { Type: HttpApi, Properties: { Method: GET, Path: /cookies } } } }
  LargeFunction:
    Type: AWS::Serverless::Function
    Properties: { Events: { Large: { Type: HttpApi, Properties: { Method: GET, Path: /large } } } }
  PanicFunction:
    Type: AWS::Serverless::Function
    Properties: { Events: { Panic: { Type: HttpApi, Properties: { Method: GET, Path: /panic } } } }
  SlowFunction:
    Type: AWS::Serverless::Function
    Properties: { Timeout: 2, Events: { Slow: { Type: HttpApi, Properties: { Method: ANY, Path: /slow } } } }
";

fn function(name: &str) -> Option<Start> {
    Some(match name {
        "echo" => |_| on_request(echo),
        "count" => count,
        "cookies" => |_| on_request(cookies),
        "large" => |_| on_request(|_| Response::new("x".repeat(7 << 20).into())),
        "panic" => |_| on_request(|_| panic!("by order")),
        "slow" => slow,
        _ => return None,
    })
}

fn on_request(answer: fn(lambda_http::Request) -> Response<Body>) -> Environment {
    Arc::new(move |request| Box::pin(async move { answer(request) }))
}

/// Answers how often this very environment was asked.
fn count(_: &Backends) -> Environment {
    let count = AtomicU64::new(0);
    Arc::new(move |_| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move { Response::new(count.to_string().into()) })
    })
}

/// Takes a second, or an hour when it is posted to.
fn slow(_: &Backends) -> Environment {
    Arc::new(|request| {
        let hours = u64::from(request.method() == "POST");
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1 + hours * 3600)).await;
            Response::new("done".into())
        })
    })
}

fn cookies(_: lambda_http::Request) -> Response<Body> {
    Response::builder()
        .status(201)
        .header("set-cookie", "a=1; HttpOnly")
        .header("set-cookie", "b=2")
        .header("content-type", "image/png")
        .body(vec![0, 159, 146, 150].into())
        .unwrap()
}

/// What a function sees of a request.
fn echo(request: lambda_http::Request) -> Response<Body> {
    let RequestContext::ApiGatewayV2(context) = request.request_context() else {
        unreachable!("the event is of an HTTP API");
    };
    let headers: Vec<(&str, &str)> = ["cookie", "x-one", "x-forwarded-for", "x-forwarded-proto"]
        .into_iter()
        .filter_map(|name| Some((name, request.headers().get(name)?.to_str().ok()?)))
        .collect();
    let seen = json!({
        "uri": request.uri().to_string(),
        "raw": request.raw_http_path(),
        "method": request.method().as_str(),
        "headers": headers,
        "query": request.query_string_parameters().all("q"),
        "name": request.path_parameters().first("name"),
        "body": match request.body() {
            Body::Text(text) => json!({ "text": text }),
            Body::Binary(bytes) => json!({ "binary": bytes }),
            _ => json!(null),
        },
        "route": context.route_key,
        "sourceIp": context.http.source_ip,
        "time": context.time,
        "deadline": request.lambda_context().deadline,
    });
    Response::new(seen.to_string().into())
}

async fn gateway(environments: Environments) -> ApiGateway {
    let system = TestSystem::builder().build().await;
    let template = Template::parse(TEMPLATE).unwrap();
    ApiGateway::with_functions(&template, system.backends(), environments, function).unwrap()
}

async fn answer(gateway: &ApiGateway, request: Request<impl Into<Vec<u8>>>) -> (u16, String) {
    let source_ip = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    let response = gateway
        .handle(request.map(|body| body.into().into()), source_ip)
        .await;
    let body = String::from_utf8_lossy(response.body()).into_owned();
    (response.status().as_u16(), body)
}

fn get(path: &str) -> Request<&'static str> {
    Request::get(path).body("").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_arrives_as_an_event_of_an_http_api() {
    let gateway = gateway(Environments::default()).await;
    let request = Request::post("/echo/J%C3%B6rg?q=a%20b&q=c&other=+")
        .header("host", "api.test:8090")
        .header("content-type", "application/json")
        .header("cookie", "a=1; b=2")
        .header("x-one", "1")
        .header("x-one", "2")
        .header("x-forwarded-for", "10.0.0.1")
        .body(r#"{"é": 1}"#)
        .unwrap();
    let (status, body) = answer(&gateway, request).await;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({
            "uri": "http://api.test:8090/echo/J%C3%B6rg?q=a%20b&q=c&other=+",
            "raw": "/echo/Jörg",
            "method": "POST",
            "headers": [
                ["cookie", "a=1; b=2"],
                ["x-one", "1,2"],
                ["x-forwarded-for", "10.0.0.1, 203.0.113.7"],
                ["x-forwarded-proto", "http"],
            ],
            "query": ["a b", "c"],
            "name": "Jörg",
            "body": { "text": "{\"é\": 1}" },
            "route": "POST /echo/{name}",
            "sourceIp": "203.0.113.7",
            "time": "22/Nov/2026:11:33:20 +0000",
            "deadline": 1_795_347_220_000_u64,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn bodies_are_text_or_bytes_by_their_media_type() {
    let gateway = gateway(Environments::default()).await;
    for (content_type, body, expected) in [
        ("text/plain", &b"hi"[..], json!({ "text": "hi" })),
        ("application/json", b"", json!(null)),
        (
            "application/octet-stream",
            &[0, 255],
            json!({ "binary": [0, 255] }),
        ),
        (
            "application/x-www-form-urlencoded",
            b"a=1",
            json!({ "binary": b"a=1" }),
        ),
    ] {
        let request = Request::post("/echo/a").header("content-type", content_type);
        let request = request.body(body.to_vec()).unwrap();
        let (_, seen) = answer(&gateway, request).await;
        let seen: Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(seen["body"], expected, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_routes_and_methods_reach_the_default_route() {
    let gateway = gateway(Environments::default()).await;
    for request in [get("/echo/a"), get("/nothing"), get("/count/")] {
        let (status, body) = answer(&gateway, request).await;
        let seen: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &seen["route"]), (200, &json!("$default")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_to_no_host_or_no_path_is_refused() {
    let gateway = gateway(Environments::default()).await;
    let to = |host: &str, path: &str| {
        let request = Request::get(path).header("host", host);
        request.body(Vec::new()).unwrap()
    };
    let refused = (400, r#"{"message":"Bad Request"}"#.to_owned());
    for host in [
        "[::1]:99999x",
        "localhost:99999",
        "localhost:",
        "a@b",
        "a/b",
        "",
    ] {
        assert_eq!(answer(&gateway, to(host, "/")).await, refused, "{host}");
    }
    assert_eq!(answer(&gateway, to("localhost", "*")).await, refused);
    for host in ["localhost", "localhost:8090", "[::1]:8090", "[::1]"] {
        assert_eq!(answer(&gateway, to(host, "/")).await.0, 200, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_default_route_the_answer_is_404() {
    let system = TestSystem::builder().build().await;
    let template = Template::parse("Resources: {}").unwrap();
    let backends = system.backends();
    let gateway = ApiGateway::new(&template, backends, Environments::default()).unwrap();
    let expected = (404, r#"{"message":"Not Found"}"#.to_owned());
    assert_eq!(answer(&gateway, get("/")).await, expected);
}

#[tokio::test(start_paused = true)]
async fn bytes_cookies_and_headers_come_back() {
    let gateway = gateway(Environments::default()).await;
    let request = get("/cookies").map(|_| Vec::new().into());
    let response = gateway.handle(request, Ipv4Addr::LOCALHOST.into()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["content-type"], "image/png");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
    assert_eq!(response.body()[..], [0, 159, 146, 150]);
}

#[tokio::test(start_paused = true)]
async fn limits_are_those_of_aws() {
    let gateway = gateway(Environments::default()).await;
    let too_large = (413, r#"{"message":"Request Entity Too Large"}"#.to_owned());
    // The first is more than API Gateway takes, the second more than Lambda does.
    for size in [BODY_MAX + 1, 7 << 20] {
        let request = Request::post("/echo/a").header("content-type", "text/plain");
        let request = request.body("x".repeat(size)).unwrap();
        assert_eq!(answer(&gateway, request).await, too_large);
    }
    let header = HeaderName::from_static("x-large");
    let request = Request::get("/count").header(header, "x".repeat(10_241));
    let (status, _) = answer(&gateway, request.body("").unwrap()).await;
    assert_eq!(status, 431);
    let (status, _) = answer(&gateway, get("/large")).await;
    assert_eq!(status, 500);
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_function_out_of_time_are_internal_errors() {
    let gateway = gateway(Environments::default()).await;
    let internal = (500, r#"{"message":"Internal Server Error"}"#.to_owned());
    assert_eq!(answer(&gateway, get("/panic")).await, internal);
    let began = Instant::now();
    let request = Request::post("/slow").body("").unwrap();
    assert_eq!(answer(&gateway, request).await, internal);
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(answer(&gateway, get("/slow")).await, (200, "done".into()));
}

#[tokio::test(start_paused = true)]
async fn environments_take_turns_and_share_nothing() {
    let environments = Environments {
        in_turn: 3,
        at_most: 3,
    };
    let gateway = gateway(environments).await;
    let mut counts = Vec::new();
    for _ in 0..6 {
        counts.push(answer(&gateway, get("/count")).await.1);
    }
    assert_eq!(counts, ["1", "1", "1", "2", "2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn an_environment_serves_one_request_at_a_time_and_too_many_are_throttled() {
    let environments = Environments {
        in_turn: 1,
        at_most: 2,
    };
    let gateway = gateway(environments).await;
    let began = Instant::now();
    let (one, two, three) = tokio::join!(
        answer(&gateway, get("/slow")),
        answer(&gateway, get("/slow")),
        answer(&gateway, get("/slow")),
    );
    let unavailable = (503, r#"{"message":"Service Unavailable"}"#.to_owned());
    assert_eq!((one.0, two.0, three), (200, 200, unavailable));
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!(answer(&gateway, get("/slow")).await.0, 200);
}

#[test]
fn a_template_that_cannot_be_understood_names_the_resource() {
    for (template, expected) in [
        (
            "Resources: { Table: { Type: AWS::DynamoDB::Table } }",
            "Table",
        ),
        (
            "Resources: { Codes: { Type: AWS::Serverless::Function } }",
            "Codes: the name of a function ends in `Function`",
        ),
        (
            "Resources: { AFunction: { Type: AWS::Serverless::Function, Properties: { Events: { E: { Type: HttpApi, Properties: { Path: /a } } } } } }",
            "AFunction: event E: /a has no Method",
        ),
    ] {
        let error = format!("{:#}", Template::parse(template).unwrap_err());
        assert!(error.starts_with(expected), "{error}");
    }
}
