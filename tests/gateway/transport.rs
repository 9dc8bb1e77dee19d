//! What the client makes of proxies, broken connections and half answers, and what it puts on the wire.
use std::time::Duration;

use shared::gateway::{GatewayError, SessionToken};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::harness::{Then, WITHIN, client, client_of, server, text, token};

async fn send_to(then: Then, within: Duration) -> Result<(), GatewayError> {
    let (address, _served) = server(then).await;
    let sent = client(address)
        .send_text(&token(), &text("3EB0"), within)
        .await;
    sent.map(drop)
}

#[tokio::test]
async fn a_proxys_page_is_told_apart_from_the_gateway() {
    for (answer, status, message) in [
        (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 24\r\n\r\n<h1>502 Bad Gateway</h1>",
            502,
            "<h1>502 Bad Gateway</h1>",
        ),
        (
            "HTTP/1.1 503 Service Temporarily Unavailable\r\n\r\n<p>busy</p>",
            503,
            "<p>busy</p>",
        ),
        (
            "HTTP/1.1 504 Gateway Time-out\r\n\r\n<html>\r\n504",
            504,
            "<html> 504",
        ),
        (
            "HTTP/1.1 404 Not Found\r\n\r\n404 page not found\n",
            404,
            "404 page not found",
        ),
        (
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            500,
            "",
        ),
        (
            "HTTP/1.1 301 Moved Permanently\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            301,
            "",
        ),
        (
            "HTTP/1.1 429 Too Many Requests\r\n\r\n{\"message\":\"rate limit exceeded\"}",
            429,
            "rate limit exceeded",
        ),
    ] {
        let message = message.to_owned();
        let expected = Err(GatewayError::Proxy { status, message });
        assert_eq!(send_to(Then::Answers(answer), WITHIN).await, expected);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_or_unreadable_is_broken() {
    for then in [
        Then::Answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        Then::Answers("HTTP/1.1 200 OK\r\n\r\n<html>welcome</html>"),
        Then::Answers("HTTP/1.1 200 OK\r\n\r\n{\"code\":200,\"data\":{\"Id\":\"3E"),
        Then::Answers("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"code\":200,\"data\":{}}"),
        Then::Answers("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 99\r\n\r\n{\"code\""),
        Then::Answers("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n{"),
        Then::Answers("SSH-2.0-OpenSSH_9.6\r\n"),
        Then::Closes,
        Then::Resets,
    ] {
        let read = send_to(then, WITHIN).await;
        assert!(
            matches!(read, Err(GatewayError::Broken(_))),
            "{then:?}: {read:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read_to_its_end() {
    let body: &'static str = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(2 << 20)).leak();
    let (address, _served) = server(Then::Stalls(body)).await;
    let read = client(address).users(&token(), WITHIN).await.map(drop);
    assert!(matches!(read, Err(GatewayError::Broken(_))), "{read:?}");
}

#[tokio::test]
async fn no_answer_in_time_after_the_request_left() {
    for then in [
        Then::Stalls(""),
        Then::Stalls("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"code\":200"),
    ] {
        let began = Instant::now();
        let read = send_to(then, Duration::from_millis(200)).await;
        assert_eq!(read, Err(GatewayError::TimedOut), "{then:?}");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let read = client(address).connect(&token(), WITHIN).await;
    let refused = "Connection refused (os error 111)".to_owned();
    assert_eq!(read, Err(GatewayError::Unreachable(refused)));
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_is_unreachable() {
    // Nobody accepts, so the TLS handshake never ends; the shorter of both limits counts.
    for (within_ms, most_ms) in [(200, 900), (5_000, 2_000)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let client = client_of(&url, None);
        let began = Instant::now();
        let within = Duration::from_millis(within_ms);
        let read = client.send_text(&token(), &text("1"), within).await;
        assert!(
            matches!(read, Err(GatewayError::Unreachable(_))),
            "{read:?}"
        );
        assert!(began.elapsed() < Duration::from_millis(most_ms));
    }
}

#[tokio::test]
async fn a_send_is_put_on_the_wire_once_with_its_id() {
    let (address, served) = server(Then::Closes).await;
    let token = SessionToken::new("the secret");
    let sent = client(address)
        .send_text(&token, &text("3EB0AA"), WITHIN)
        .await;
    assert!(sent.is_err());
    let request = served.await.expect("a request");
    assert!(
        request.starts_with("POST /chat/send/text HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\ntoken: the secret\r\n"));
    assert!(!request.to_lowercase().contains("authorization"));
    let body = request.split("\r\n\r\n").nth(1).expect("a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        body,
        serde_json::json!({"Phone": "628123456789", "Body": "Your code is 123456", "Id": "3EB0AA"})
    );
}

#[tokio::test]
async fn the_administrator_is_authorized_without_a_scheme() {
    let (address, served) = server(Then::Closes).await;
    let users = client(address)
        .users(&SessionToken::new("admin"), WITHIN)
        .await;
    assert!(users.is_err());
    let request = served.await.expect("a request");
    assert!(
        request.starts_with("GET /admin/users HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nauthorization: admin\r\n"));
}

#[tokio::test]
async fn errors_do_not_tell_the_address() {
    let client = client_of("http://user:secret@127.0.0.1:1/wa", None);
    let error = client
        .status(&token(), WITHIN)
        .await
        .expect_err("nobody there");
    let shown = format!("{error} {error:?} {client:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("127.0.0.1"),
        "{shown}"
    );
}
