//! How this system talks to DynamoDB: retries, time limits, and whom it trusts, the same for every client of it.
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, ProvideCredentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::{Client, Config};

/// The HTTP client below the SDK.
mod https;

pub use https::{UnreadableCa, aws_https_client, https_client_trusting};

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
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .credentials_provider(credentials)
        .retry_config(retries)
        .timeout_config(time_limits)
        .http_client(http_client.unwrap_or_else(aws_https_client));
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.build()
}

/// The same client over the same connections, which makes one attempt where the other makes four.
pub fn trying_once(client: &Client) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_dynamodb::config::Credentials;
    use aws_smithy_types::retry::RetryMode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn config(endpoint: Option<&str>) -> Config {
        let credentials = Credentials::new("id", "secret", None, None, "test");
        dynamodb_config("local", credentials, endpoint, None)
    }

    /// Reads an item from an endpoint that hangs up; returns the error with its sources.
    async fn failure(scheme: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let client = trying_once(&Client::from_conf(config(Some(&endpoint))));
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

    #[test]
    fn retries_and_time_limits_fit_into_a_request() {
        let config = config(None);
        let retries = config.retry_config().expect("set");
        assert_eq!(retries.mode(), RetryMode::Standard);
        assert_eq!(retries.max_attempts(), 4);
        assert_eq!(retries.initial_backoff(), Duration::from_millis(25));
        let limits = config.timeout_config().expect("set");
        let millis = |limit: Option<Duration>| limit.map(|limit| limit.as_millis());
        assert_eq!(millis(limits.operation_attempt_timeout()), Some(1_000));
        assert_eq!(millis(limits.operation_timeout()), Some(3_000));
    }

    /// A DynamoDB without tables; counts its connections.
    async fn listener() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                        stream.write_all(answer).await.expect("written");
                    }
                });
            }
        });
        (endpoint, connections)
    }

    #[tokio::test]
    async fn what_was_tried_once_leaves_its_connection_to_the_usual_client() {
        let (endpoint, connections) = listener().await;
        let client = Client::from_conf(config(Some(&endpoint)));
        let once = trying_once(&client);
        assert_eq!(
            once.config().retry_config().map(RetryConfig::max_attempts),
            Some(1)
        );
        once.list_tables().send().await.expect("an answer");
        client.list_tables().send().await.expect("an answer");
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }
}
