//! How this system talks to DynamoDB: retries, time limits, and whom it trusts, the same for every client of it.
use std::time::Duration;

use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, ProvideCredentials, Region, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

/// Amazon Root CA 1 to 4 and Starfield Services Root CA G2: the roots of every AWS endpoint. Compiled in, because
/// reading the system's certificates is the largest part of a cold start.
const AMAZON_ROOTS: &[u8] = include_bytes!("dynamodb/amazon_roots.pem");

/// The configuration of a DynamoDB client. `endpoint` replaces AWS, with or without TLS; `http_client` replaces the
/// network altogether.
///
/// Waits follow tokio's time. A call ends after 3 s at the latest, with up to 4 attempts of 1 s.
pub fn dynamodb_config(
    region: &str,
    credentials: impl ProvideCredentials + 'static,
    endpoint: Option<&str>,
    http_client: Option<SharedHttpClient>,
) -> Config {
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(25));
    let time_limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .credentials_provider(credentials)
        .retry_config(retries)
        .timeout_config(time_limits)
        .http_client(http_client.unwrap_or_else(https_client));
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.build()
}

fn https_client() -> SharedHttpClient {
    let trust = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let tls = TlsContext::builder().with_trust_store(trust).build();
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls.unwrap_or_default())
        .build_https()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::Credentials;
    use tokio::net::TcpListener;

    use super::*;

    /// Reads an item from an endpoint that hangs up; returns the error with its sources.
    async fn failure(scheme: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let credentials = Credentials::new("id", "secret", None, None, "test");
        let config = dynamodb_config("local", credentials, Some(&endpoint), None)
            .to_builder()
            .retry_config(RetryConfig::disabled());
        let client = Client::from_conf(config.build());
        let (sent, _) = tokio::join!(client.list_tables().send(), async {
            drop(listener.accept().await);
        });
        format!("{:?}", sent.expect_err("nobody answers"))
    }

    #[tokio::test]
    async fn endpoints_are_reached_with_and_without_tls_by_the_compiled_in_roots() {
        for scheme in ["http", "https"] {
            let failure = failure(scheme).await;
            assert!(failure.contains("DispatchFailure"), "{scheme}: {failure}");
        }
    }
}
