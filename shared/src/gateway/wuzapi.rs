//! The transport to the real gateway, over HTTP.
//!
//! One call is one request on its own connection: nothing is repeated, no redirect is followed, and no idle connection is
//! kept, since that of a frozen function is dead. Whether a call got a connection is remembered, because without one no
//! message can have left.
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Response, redirect, retry};
use tower::util::MapResponseLayer;

use super::answer::Answer;
use super::call::Call;
use super::facts::{GatewayAddress, GatewayError, RestartUrl};
use super::transport::{Credential, Transport};
use crate::platform::tls;

/// The longest wait for a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The header of a session's token.
const TOKEN: HeaderName = HeaderName::from_static("token");

tokio::task_local! {
    /// Whether the request of this task got a connection. See [`watched`].
    static CONNECTED: Cell<bool>;
}

/// A wuzapi gateway. Clones share their configuration.
#[derive(Clone)]
pub struct Wuzapi {
    base_url: Arc<str>,
    ca_pem: Option<Arc<str>>,
    /// Made at the first call: most functions make none, and to read all public authorities is a good part of a start.
    client: Arc<OnceLock<Client>>,
    /// The clients for other gateways.
    others: Arc<Mutex<HashMap<GatewayAddress, Wuzapi>>>,
}

/// Why there can be no client. The address itself is not shown, since it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum WuzapiError {
    /// The address.
    #[error("the gateway's address must be like https://gateway.example, without a query")]
    Address,
    /// The private certificate authority.
    #[error("the gateway's CA must be one or more certificates in PEM")]
    Ca,
}

impl Wuzapi {
    /// A client for the gateway at `base_url`, which may end in a path. With `ca_pem` only that authority is trusted,
    /// else the public ones that are compiled in.
    ///
    /// # Errors
    /// When the address or the certificates cannot be read.
    pub fn new(base_url: &str, ca_pem: Option<&str>) -> Result<Self, WuzapiError> {
        let address = GatewayAddress::parse(base_url).ok_or(WuzapiError::Address)?;
        if ca_pem.is_some_and(|ca_pem| tls::trusting(Some(ca_pem)).is_none()) {
            return Err(WuzapiError::Ca);
        }
        Ok(Self {
            base_url: address.expose().into(),
            ca_pem: ca_pem.map(Into::into),
            client: Arc::default(),
            others: Arc::default(),
        })
    }

    fn client(&self) -> Result<&Client, GatewayError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = client_trusting(self.ca_pem.as_deref())?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends the request of `call` and reads its answer. Only inside of [`watched`].
    async fn request(
        &self,
        call: Call,
        credential: Credential<'_>,
        within: Duration,
    ) -> Result<Answer, GatewayError> {
        let url = format!("{}{}", self.base_url, call.path);
        let request = match call.body {
            Some(body) => self.client()?.post(url).json(&body),
            None => self.client()?.get(url),
        };
        let (name, value) = header(credential)?;
        let request = request.timeout(within).header(name, value);
        read(
            request.send().await.map_err(transport_error)?,
            call.answer_bytes_max,
        )
        .await
    }
}

/// Reads a whole answer of at most `bytes_max`. Only inside of [`watched`].
async fn read(mut response: Response, bytes_max: usize) -> Result<Answer, GatewayError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
        if body.len() + chunk.len() > bytes_max {
            let problem = format!("the body of a {status} is longer than {bytes_max} bytes");
            return Err(GatewayError::Broken(problem));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// An HTTP client that trusts the given authority, or the public ones.
fn client_trusting(ca_pem: Option<&str>) -> Result<Client, GatewayError> {
    // Not expected: `Wuzapi::new` has read the same authority. Without a client nothing leaves.
    let unusable = |error: String| GatewayError::Unreachable(format!("no TLS: {error}"));
    let tls = tls::trusting(ca_pem).ok_or_else(|| unusable("no authority".into()))?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connector_layer(MapResponseLayer::new(mark_connected))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_proxy()
        .build()
        .map_err(|error| unusable(error.to_string()))
}

#[async_trait]
impl Transport for Wuzapi {
    async fn exchange(
        &self,
        call: Call,
        credential: Credential<'_>,
        within: Duration,
    ) -> Result<Answer, GatewayError> {
        watched(self.request(call, credential, within)).await
    }

    fn elsewhere(&self, address: &GatewayAddress) -> Arc<dyn Transport> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let other = others.entry(address.clone()).or_insert_with(|| Self {
            base_url: address.expose().into(),
            ca_pem: self.ca_pem.clone(),
            client: Arc::default(),
            others: Arc::default(),
        });
        Arc::new(other.clone())
    }

    async fn restart(&self, hook: &RestartUrl, within: Duration) -> Result<(), GatewayError> {
        // The hook belongs to whatever runs the gateway, so the gateway's own authority says nothing about it.
        let request = client_trusting(None)?.post(hook.expose()).timeout(within);
        let answered = watched(async { request.send().await.map_err(transport_error) });
        let status = answered.await?.status();
        if status.is_success() {
            return Ok(());
        }
        Err(GatewayError::Proxy {
            status: status.as_u16(),
            message: "the restart was refused".into(),
        })
    }
}

impl fmt::Debug for Wuzapi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wuzapi")
    }
}

/// Does `work`, which is one request, and remembers for [`transport_error`] whether it got a connection.
async fn watched<T>(work: impl Future<Output = T>) -> T {
    CONNECTED.scope(Cell::new(false), work).await
}

/// Passes a fresh connection on, and remembers that the call of this task has one.
fn mark_connected<T>(connection: T) -> T {
    // Outside of a call nobody asks.
    let _ = CONNECTED.try_with(|connected| connected.set(true));
    connection
}

/// What a failed request means: without a connection nothing left, with one the message may be on its way. Outside of
/// [`watched`] nobody knows, so the message counts as being on its way.
fn transport_error(error: reqwest::Error) -> GatewayError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let connected = CONNECTED.try_with(Cell::get).unwrap_or(true);
    if error.is_connect() || !connected {
        GatewayError::Unreachable(cause.to_string())
    } else if error.is_timeout() {
        GatewayError::TimedOut
    } else {
        GatewayError::Broken(cause.to_string())
    }
}

/// The header that opens a call. A token that cannot stand in a header opens no session. The gateway is not asked: this
/// gives the answer that it has for every wrong token.
fn header(credential: Credential<'_>) -> Result<(HeaderName, HeaderValue), GatewayError> {
    let name = match credential {
        Credential::Session(_) => TOKEN,
        Credential::Admin(_) => AUTHORIZATION,
    };
    let value = HeaderValue::from_str(credential.token().expose());
    let mut value = value.map_err(|_| GatewayError::Refused {
        status: 401,
        error: "unauthorized".into(),
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Gateway, SessionToken};

    #[test]
    fn an_address_is_an_http_url_that_may_end_in_a_path() {
        for (address, base_url) in [
            ("https://gateway.example", "https://gateway.example"),
            (" http://127.0.0.1:8091/ ", "http://127.0.0.1:8091"),
            ("https://gateway.example/wa/", "https://gateway.example/wa"),
        ] {
            let gateway = Wuzapi::new(address, None).expect(address);
            assert_eq!(&*gateway.base_url, base_url);
        }
        for address in [
            "",
            "gateway",
            "ftp://gateway",
            "https://gateway/?a=b",
            "https://g/#a",
        ] {
            assert!(
                matches!(Wuzapi::new(address, None), Err(WuzapiError::Address)),
                "{address}"
            );
        }
    }

    #[test]
    fn a_ca_without_a_certificate_is_refused() {
        for pem in [
            "",
            "nothing",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let gateway = Wuzapi::new("https://gateway.example", Some(pem));
            assert!(matches!(gateway, Err(WuzapiError::Ca)), "{pem}");
        }
    }

    #[tokio::test]
    async fn a_token_that_is_no_header_is_unauthorized() {
        let gateway = Gateway::new(Wuzapi::new("http://127.0.0.1:1", None).expect("a client"));
        let token = SessionToken::new("a\nb");
        let refused = gateway.status(&token, Duration::from_secs(1)).await;
        let (status, error) = (401, "unauthorized".to_owned());
        assert_eq!(refused, Err(GatewayError::Refused { status, error }));
    }
}
