//! The HTTP client below the SDK. It is the library that the gateway's client uses, so that a function holds one of them
//! and not two.
use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use reqwest::{Client, Method, redirect, retry};

use crate::platform::tls;

/// The longest wait for a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// An HTTP client that trusts Amazon's authorities and no others.
pub fn aws_https_client() -> SharedHttpClient {
    https_client(AMAZON_ROOTS)
}

/// A certificate authority that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("DYNAMODB_CA_PEM: give one or more certificates in PEM")]
pub struct UnreadableCa;

/// An HTTP client that trusts the authorities of `ca_pem` instead of Amazon's.
///
/// # Errors
/// When they cannot be read.
pub fn https_client_trusting(ca_pem: &str) -> Result<SharedHttpClient, UnreadableCa> {
    match tls::trusting(Some(ca_pem)) {
        Some(_) => Ok(https_client(ca_pem)),
        None => Err(UnreadableCa),
    }
}

/// Amazon Root CA 1 to 4 and Starfield Services Root CA G2: the roots of every AWS endpoint.
const AMAZON_ROOTS: &str = include_str!("amazon_roots.pem");

fn https_client(ca_pem: impl Into<String>) -> SharedHttpClient {
    SharedHttpClient::new(Https(SharedHttpConnector::new(Connector {
        ca_pem: ca_pem.into(),
        client: OnceLock::new(),
    })))
}

/// What the SDK asks for a connector: there is one, whatever it is set to. The SDK ends a call that takes too long.
#[derive(Debug)]
struct Https(SharedHttpConnector);

impl HttpClient for Https {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.clone()
    }
}

/// The client and its connections, made when the first one is asked for.
#[derive(Debug)]
struct Connector {
    ca_pem: String,
    client: OnceLock<Client>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.client() {
            Ok(client) => HttpConnectorFuture::new(exchange(client, request)),
            Err(error) => HttpConnectorFuture::ready(Err(error)),
        }
    }
}

impl Connector {
    fn client(&self) -> Result<Client, ConnectorError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let tls = tls::trusting(Some(&self.ca_pem))
            .ok_or_else(|| ConnectorError::user(UnreadableCa.into()))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .no_proxy()
            .build()
            .map_err(|error| ConnectorError::user(error.into()))?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

async fn exchange(client: Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let method = Method::from_bytes(request.method().as_bytes());
    let method = method.map_err(|error| ConnectorError::user(error.into()))?;
    let Some(body) = request.body().bytes().map(<[u8]>::to_vec) else {
        return Err(ConnectorError::user("a body that comes in pieces".into()));
    };
    let mut asked = client.request(method, request.uri()).body(body);
    for (name, value) in request.headers() {
        asked = asked.header(name, value);
    }
    let mut response = asked.send().await.map_err(lost)?;
    let status = response.status().as_u16().try_into();
    let status = status.map_err(|_| ConnectorError::other("no status".into(), None))?;
    let headers = std::mem::take(response.headers_mut());
    let body = response.bytes().await.map_err(lost)?;
    let mut answer = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        // What is no text says nothing to the SDK.
        if let Ok(value) = value.to_str() {
            let (name, value) = (name.as_str().to_owned(), value.to_owned());
            answer.headers_mut().append(name, value);
        }
    }
    Ok(answer)
}

/// Either way the SDK may try again.
fn lost(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_cannot_be_read_is_refused() {
        for pem in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(https_client_trusting(pem).is_err(), "{pem}");
        }
        assert!(https_client_trusting(AMAZON_ROOTS).is_ok());
    }
}
