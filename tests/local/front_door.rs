//! CORS and throttles of the template, on this machine.
use std::net::Ipv4Addr;
use std::time::Duration;

use http::{Request, Response};
use local::api_gateway::{ApiGateway, Throttles};
use local::lambda::Environments;
use local::template::Template;
use tests::TestSystem;

const PAGE: &str = "http://localhost:5173";

async fn api(throttles: Throttles) -> ApiGateway {
    let system = TestSystem::start().await;
    let template = Template::compiled_in().unwrap();
    let api = ApiGateway::new(&template, system.backends(), Environments::default()).unwrap();
    api.behind_front_door(&template, throttles)
}

async fn ask(
    api: &ApiGateway,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Vec<u8>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Vec::new().into()).unwrap();
    let response = api.handle(request, Ipv4Addr::LOCALHOST.into()).await;
    response.map(|body| body.to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_page_of_this_machine_may_call_the_api_and_another_may_not() {
    let api = api(Throttles::On).await;
    for (origin, allowed) in [
        (PAGE, true),
        ("http://127.0.0.1:3000", true),
        ("http://[::1]:3000", true),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
        ("null", false),
    ] {
        let asks = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let preflight = ask(&api, "OPTIONS", "/api/auth/sso-signin", &asks).await;
        assert_eq!(preflight.status(), 204, "{origin}");
        let headers = preflight.headers();
        let origin_back = headers.get("access-control-allow-origin");
        assert_eq!(origin_back.is_some(), allowed, "{origin}");
        if allowed {
            assert_eq!(headers["access-control-allow-methods"], "DELETE,GET,POST");
            let may_send = headers["access-control-allow-headers"].to_str().unwrap();
            assert!(may_send.contains("authorization") && may_send.contains("content-type"));
            assert_eq!(headers["access-control-max-age"], "600");
        }
        let answer = ask(&api, "GET", "/api/health", &[("origin", origin)]).await;
        assert_eq!(answer.status(), 200);
        let readable = answer.headers().get("access-control-allow-origin");
        assert_eq!(readable.is_some(), allowed, "{origin}");
    }
    let other = ask(&api, "OPTIONS", "/api/health", &[]).await;
    assert_eq!(other.status(), 405, "no preflight, no answer to one");
}

#[tokio::test(start_paused = true)]
async fn a_route_takes_its_burst_and_then_its_rate() {
    let api = api(Throttles::On).await;
    let json = [("content-type", "application/json"), ("origin", PAGE)];
    let mut taken = 0;
    let refused = loop {
        let answer = ask(&api, "POST", "/api/auth/signin", &json).await;
        if answer.status() == 429 {
            break answer;
        }
        taken += 1;
    };
    assert_eq!(taken, 20);
    assert_eq!(refused.body(), br#"{"message":"Too Many Requests"}"#);
    assert_eq!(refused.headers()["access-control-allow-origin"], PAGE);
    // Another route has a bucket of its own.
    let other = ask(&api, "POST", "/api/auth/signup", &json).await;
    assert_ne!(other.status(), 429);
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut taken = 0;
    while ask(&api, "POST", "/api/auth/signin", &json).await.status() != 429 {
        taken += 1;
    }
    assert_eq!(taken, 10);
}

#[tokio::test(start_paused = true)]
async fn throttles_can_be_lifted() {
    let api = api(Throttles::Off).await;
    for _ in 0..300 {
        let answer = ask(&api, "GET", "/api/health", &[]).await;
        assert_eq!(answer.status(), 200);
    }
}

#[test]
fn a_throttle_may_be_a_parameter_of_the_stack() {
    let template = Template::parse(
        "Parameters: { Rate: { Type: Number, Default: 7 } }\n\
         Resources:\n  Api:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      \
         RouteSettings: { GET /x: { ThrottlingRateLimit: !Ref Rate, ThrottlingBurstLimit: 9 } }\n",
    );
    let throttle = template.unwrap().front.throttle("GET /x");
    assert_eq!((throttle.rate, throttle.burst), (7.0, 9.0));
}
