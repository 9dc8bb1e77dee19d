//! Connections over TLS: the given authority is trusted, and only that one.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use shared::gateway::GatewayError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::{client_of, text, token};

const WITHIN: Duration = Duration::from_secs(5);
const SENT: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"data\":{\"Id\":\"3EB0\"}}        ";

/// A server with a certificate of its own; its address, and the certificate in PEM.
async fn server() -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a server");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            // A caller that does not trust the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.expect("a request");
            assert!(read > 0);
            stream.write_all(SENT).await.expect("written");
            stream.shutdown().await.expect("closed");
        }
    });
    (address, cert.pem())
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_given() {
    let (address, pem) = server().await;
    let url = format!("https://localhost:{}", address.port());
    let client = client_of(&url, Some(&pem));
    let sent = client.send_text(&token(), &text("3EB0"), WITHIN).await;
    assert!(sent.is_ok(), "{sent:?}");
}

#[tokio::test]
async fn another_authority_or_another_name_is_not_trusted() {
    let (address, pem) = server().await;
    let (_, other_pem) = server().await;
    for (host, pem) in [
        ("localhost", None),
        ("localhost", Some(&other_pem)),
        ("127.0.0.1", Some(&pem)),
    ] {
        let url = format!("https://{host}:{}", address.port());
        let client = client_of(&url, pem.map(String::as_str));
        let sent = client.send_text(&token(), &text("3EB0"), WITHIN).await;
        assert!(
            matches!(sent, Err(GatewayError::Unreachable(_))),
            "{host}: {sent:?}"
        );
    }
}
