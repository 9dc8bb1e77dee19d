//! How a post gets to its webhook.
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::{ClientConfig, RootCertStore};

use super::hook::Hook;

/// Whoever takes posts: it returns the status that it answers with, or none when it cannot be reached.
pub(super) type Taker =
    Arc<dyn Fn(Hook) -> Pin<Box<dyn Future<Output = Option<u16>> + Send>> + Send + Sync>;

/// How long a webhook may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 10;
const SIGNATURE: &str = "x-hmac-signature";

/// Takes posts by making them, over HTTP and on this machine only. `None` when there can be no client.
pub(super) fn over_http() -> Option<Taker> {
    let stays_here = Policy::custom(|attempt| {
        if is_on_this_machine(attempt.url()) && attempt.previous().len() < REDIRECTS_MAX {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    let client = Client::builder()
        .tls_backend_preconfigured(no_tls()?)
        .redirect(stays_here)
        .no_proxy()
        .build();
    let client = client.ok()?;
    Some(Arc::new(move |hook| Box::pin(posted(client.clone(), hook))))
}

async fn posted(client: Client, hook: Hook) -> Option<u16> {
    let url = Url::parse(&hook.url).ok().filter(is_on_this_machine)?;
    let mut post = client.post(url).header(CONTENT_TYPE, hook.content_type);
    if let Some(signature) = hook.signature {
        post = post.header(SIGNATURE, signature);
    }
    let answer = post.body(hook.body).send().await.ok()?;
    Some(answer.status().as_u16())
}

/// A simulator tells nothing to anybody else.
fn is_on_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|it| it.is_loopback()))
}

/// Trusts nobody: there is no TLS on the way to this machine.
fn no_tls() -> Option<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    let nobody = RootCertStore::empty();
    Some(config.with_root_certificates(nobody).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        for (url, called) in [
            ("http://127.0.0.1:8090/hook", true),
            ("http://127.9.9.9/hook", true),
            ("http://[::1]:8090/hook", true),
            ("http://localhost:8090/hook", true),
            ("https://localhost:8090/hook", false),
            ("http://192.0.2.1/hook", false),
            ("http://localhost.example/hook", false),
            ("http://127.0.0.1.example/hook", false),
            ("file:///hook", false),
        ] {
            let known = Url::parse(url).expect(url);
            assert_eq!(is_on_this_machine(&known), called, "{url}");
        }
    }
}
