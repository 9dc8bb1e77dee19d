//! The direct face: the gateway's calls without a socket.
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use shared::gateway::answer::Answer;
use shared::gateway::call::Call;
use shared::gateway::transport::Credential;
use shared::gateway::{Gateway, GatewayAddress, GatewayError, RestartUrl, Transport};
use tokio::time::{sleep, timeout};

use super::handle::Simulator;
use super::scenario::Scenario;
use super::wire::{Reply, Request};

impl Simulator {
    /// This gateway as its callers know it.
    pub fn gateway(&self) -> Gateway {
        Gateway::new(self.clone())
    }

    /// Where the direct faces of other gateways find this one, by its name.
    ///
    /// # Panics
    /// When its name cannot be that of a host.
    pub fn address(&self) -> GatewayAddress {
        let address = GatewayAddress::parse(&format!("http://{}.test", self.options().name));
        address.expect("a name that can be a host's")
    }
}

/// An address where no gateway is.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn exchange(
        &self,
        _call: Call,
        _credential: Credential<'_>,
        _within: Duration,
    ) -> Result<Answer, GatewayError> {
        Err(GatewayError::Unreachable("no such host".into()))
    }

    fn elsewhere(&self, _address: &GatewayAddress) -> Arc<dyn Transport> {
        Arc::new(Self)
    }

    async fn restart(&self, _hook: &RestartUrl, _within: Duration) -> Result<(), GatewayError> {
        Err(GatewayError::Unreachable("no such host".into()))
    }
}

#[async_trait]
impl Transport for Simulator {
    async fn exchange(
        &self,
        call: Call,
        credential: Credential<'_>,
        within: Duration,
    ) -> Result<Answer, GatewayError> {
        match timeout(within, self.reply_to(request(call, credential))).await {
            Ok(Reply::Answer { status, body, .. }) => Ok(Answer {
                status,
                body: body.into_bytes(),
            }),
            Ok(Reply::Cut) => Err(GatewayError::Broken("connection closed".into())),
            Ok(Reply::Refused) => Err(GatewayError::Unreachable("connection refused".into())),
            Ok(Reply::Silent) => {
                sleep(within).await;
                Err(GatewayError::TimedOut)
            }
            Err(_) => Err(GatewayError::TimedOut),
        }
    }

    fn elsewhere(&self, address: &GatewayAddress) -> Arc<dyn Transport> {
        let mut gateways = self.gateways().into_iter();
        match gateways.find(|gateway| gateway.address() == *address) {
            Some(gateway) => Arc::new(gateway),
            None => Arc::new(Nowhere),
        }
    }

    /// A hook that begins with the address of a gateway is that gateway's; any other one is this one's.
    async fn restart(&self, hook: &RestartUrl, _within: Duration) -> Result<(), GatewayError> {
        let gateways = self.gateways().into_iter();
        let mut named =
            gateways.filter(|gateway| hook.expose().starts_with(gateway.address().expose()));
        named
            .next()
            .unwrap_or_else(|| self.clone())
            .play(&Scenario::GatewayDown { lasts_ms: 1_000 });
        Ok(())
    }
}

fn request(call: Call, credential: Credential<'_>) -> Request {
    let body = call.body.map(|body| body.to_string().into_bytes());
    let method = match body {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    Request {
        method,
        path: call.path.to_owned(),
        credential: credential.token().expose().to_owned(),
        body: body.unwrap_or_default(),
    }
}
