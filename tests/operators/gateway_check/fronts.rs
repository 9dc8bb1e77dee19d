//! What answers at the gateway's URL: another site, a redirect, a certificate that is not trusted.
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate that signs itself, for this name.
fn certificate_for(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

/// A front with TLS and a certificate of its own before the gateway at `to`; its URL, and the certificate in PEM.
async fn front_with_tls(to: &str, certificate: CertificateParams) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let cert = certificate.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let to = to.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            // A caller that does not trust the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut gateway = TcpStream::connect(&to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut gateway).await;
        }
    });
    (url, cert.pem())
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_has_its_line() {
    let site = Site::new("b").await;
    let (url, pem) = front_with_tls(&site.gateway, certificate_for("localhost")).await;
    let site = site.set("WHATSAPP_SERVER_API", &url);
    let distrusted = site.check(&["system"]).await;
    assert_eq!(distrusted.status, 1, "{}", distrusted.said);
    distrusted.has("its own", ("wrong", "reachable", "Set WHATSAPP_CA_PEM"));
    let trusted = site.set("WHATSAPP_CA_PEM", &pem);
    for typed in [&["system"][..], &["--url", &url]] {
        let checked = trusted.check(typed).await;
        assert_eq!(checked.status, 0, "{}", checked.said);
        checked.has("its own, trusted", ("ok", "reachable", "over TLS, in "));
    }
}

#[tokio::test]
async fn each_trouble_with_a_certificate_has_its_fix() {
    let mut site = Site::new("b").await;
    let (_, other) = front_with_tls(&site.gateway, certificate_for("localhost")).await;
    let mut named = certificate_for("localhost");
    named.distinguished_name.push(DnType::CommonName, "another");
    let mut authority = certificate_for("localhost");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut expired = certificate_for("localhost");
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = certificate_for("localhost");
    early.not_before = date_time_ymd(2100, 1, 1);
    let wrong_name = certificate_for("gateway.example");
    for (case, certificate, pem, fix) in [
        ("an authority's own", authority, None, "CA:FALSE"),
        ("expired", expired, None, "Renew the gateway's certificate"),
        ("not yet valid", early, None, "Set the clocks"),
        (
            "another name",
            wrong_name,
            None,
            "a name that the certificate is for",
        ),
        (
            "another name of the authority",
            named,
            Some(&other),
            "WHATSAPP_CA_PEM is another authority",
        ),
        (
            "another authority",
            certificate_for("localhost"),
            Some(&other),
            "WHATSAPP_CA_PEM is another authority",
        ),
    ] {
        let (url, own) = front_with_tls(&site.gateway, certificate).await;
        let pem = pem.unwrap_or(&own);
        site.vars.insert("WHATSAPP_CA_PEM".into(), pem.clone());
        let checked = site.check(&["--url", &url]).await;
        assert_eq!(checked.status, 1, "{case}: {}", checked.said);
        checked.has(case, ("wrong", "reachable", fix));
        assert!(
            !checked.said.contains("Set WHATSAPP_CA_PEM"),
            "{case}: {}",
            checked.said
        );
    }
    let plain = site.gateway.replace("http://", "https://");
    let checked = site.check(&["--url", &plain]).await;
    checked.has("no TLS", ("wrong", "reachable", "speaks no TLS"));
}

/// What a web server answers, and the line about it.
type Case = (&'static str, fn() -> Response, (&'static str, &'static str));

/// A web server that gives this answer to everything.
async fn web_server(answer: fn() -> Response) -> String {
    let router = Router::new().fallback(move || async move { answer() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

#[tokio::test]
async fn what_is_no_gateway_is_said_to_be_none() {
    let none = "there is no wuzapi at this URL";
    let cases: [Case; 7] = [
        (
            "a page",
            || Html("<h1>Hi</h1>").into_response(),
            ("version", none),
        ),
        ("empty JSON", || "{}".into_response(), ("version", none)),
        ("nothing", || "".into_response(), ("version", none)),
        (
            "a redirect",
            || Redirect::permanent("https://me:hush@www.example:8443/hush?hush").into_response(),
            (
                "version",
                "leads elsewhere, to https://www.example:8443. Give",
            ),
        ),
        (
            "a redirect to a path",
            || Redirect::to("/login?hush").into_response(),
            ("version", "leads elsewhere, to http://127.0.0.1:"),
        ),
        (
            "too many requests",
            || StatusCode::TOO_MANY_REQUESTS.into_response(),
            ("status", "only so many requests pass"),
        ),
        (
            "a front that fails",
            || StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            ("status", "Look at what stands in front"),
        ),
    ];
    let site = Site::new("b").await;
    for (case, answer, (what, found)) in cases {
        let url = web_server(answer).await;
        let checked = site.check(&["--url", &url]).await;
        assert_eq!(checked.status, 1, "{case}: {}", checked.said);
        checked.has(case, ("wrong", what, found));
        assert!(
            !checked.said.contains("database"),
            "{case}: {}",
            checked.said
        );
    }
}

#[tokio::test]
async fn what_a_gateway_says_forges_no_line() {
    let answer = || {
        let forged = "Odd\n  ok        signature: forged\r\u{1b}[2J\u{202e}";
        let data = serde_json::json!({
            "connected": true, "loggedIn": true, "qrcode": "", "events": "Message,ReadReceipt",
            "webhook": "https://hooks.example", "subscribe": ["Message", "ReadReceipt", forged],
        });
        axum::Json(serde_json::json!({"code": 200, "data": data})).into_response()
    };
    let url = web_server(answer).await;
    let checked = Site::new("b").await.check(&["--url", &url]).await;
    let said = &checked.said;
    checked.has("the list", ("ok", "webhook", "Message, ReadReceipt, Odd "));
    let odd = |c: &char| c.is_control() && *c != '\n' || *c == '\u{202e}';
    assert_eq!(said.chars().find(odd), None, "{said}");
    let forged = "  ok        signature: forged";
    let mut lines = said.lines();
    assert!(!lines.any(|line| line.starts_with(forged)), "{said}");
}
