//! The direct face: the gateway's calls without a socket.
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use shared::gateway::answer::Answer;
use shared::gateway::call::Call;
use shared::gateway::transport::Credential;
use shared::gateway::{Gateway, GatewayError, Transport};
use tokio::time::{sleep, timeout};

use super::handle::Simulator;
use super::scenario::Scenario;
use super::wire::{Reply, Request};

impl Simulator {
    /// This gateway as its callers know it.
    pub fn gateway(&self) -> Gateway {
        Gateway::new(self.clone())
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

    async fn restart(&self, _within: Duration) -> Result<(), GatewayError> {
        self.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
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
