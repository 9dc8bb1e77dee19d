//! HTTP without any secret: to ask who answers at an address.
use reqwest::{Client, redirect};
use shared::platform::tls;

/// A client that trusts the authorities in `ca_pem`, or the public ones. It follows no redirect.
pub(super) fn client_trusting(ca_pem: Option<&str>) -> Option<Client> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls::trusting(ca_pem)?)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build();
    client.ok()
}
