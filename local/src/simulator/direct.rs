//! The direct face: the gateway's calls without a socket. Answers are read by the same code as those of the HTTP client.
use std::time::Duration;

use async_trait::async_trait;
use shared::gateway::answer::Answer;
use shared::gateway::call::Call;
use shared::gateway::{
    Accepted, Gateway, GatewayError, GatewayUser, SessionStatus, SessionToken, TextMessage,
    UserCheck,
};
use shared::model::phone::Phone;
use tokio::time::timeout;

use super::handle::Simulator;
use super::scenario::Scenario;
use super::wire::{Reply, Request};

impl Simulator {
    async fn call(
        &self,
        call: Call,
        token: &SessionToken,
        within: Duration,
    ) -> Result<Answer, GatewayError> {
        let request = Request {
            post: call.body.is_some(),
            path: call.path.to_owned(),
            credential: token.expose().to_owned(),
            body: call
                .body
                .map_or_else(Vec::new, |body| body.to_string().into_bytes()),
        };
        match timeout(within, self.exchange(request)).await {
            Ok(Reply::Answer { status, body, .. }) => Ok(Answer {
                status,
                body: body.into_bytes(),
            }),
            Ok(Reply::Cut) => Err(GatewayError::Broken("connection closed".into())),
            Ok(Reply::Refused) => Err(GatewayError::Unreachable("connection refused".into())),
            Ok(Reply::Silent) => {
                tokio::time::sleep(within).await;
                Err(GatewayError::TimedOut)
            }
            Err(_) => Err(GatewayError::TimedOut),
        }
    }
}

#[async_trait]
impl Gateway for Simulator {
    async fn status(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<SessionStatus, GatewayError> {
        self.call(Call::status(), token, within)
            .await?
            .session_status()
    }

    async fn connect(&self, token: &SessionToken, within: Duration) -> Result<(), GatewayError> {
        self.call(Call::connect(), token, within).await?.taken()
    }

    async fn disconnect(&self, token: &SessionToken, within: Duration) -> Result<(), GatewayError> {
        self.call(Call::disconnect(), token, within).await?.taken()
    }

    async fn logout(&self, token: &SessionToken, within: Duration) -> Result<(), GatewayError> {
        self.call(Call::logout(), token, within).await?.taken()
    }

    async fn qr(
        &self,
        token: &SessionToken,
        within: Duration,
    ) -> Result<Option<String>, GatewayError> {
        self.call(Call::qr(), token, within).await?.qr()
    }

    async fn pair_phone(
        &self,
        token: &SessionToken,
        phone: &Phone,
        within: Duration,
    ) -> Result<String, GatewayError> {
        self.call(Call::pair_phone(phone), token, within)
            .await?
            .linking_code()
    }

    async fn send_text(
        &self,
        token: &SessionToken,
        message: &TextMessage,
        within: Duration,
    ) -> Result<Accepted, GatewayError> {
        self.call(Call::send_text(message), token, within)
            .await?
            .accepted()
    }

    async fn check_users(
        &self,
        token: &SessionToken,
        phones: &[Phone],
        within: Duration,
    ) -> Result<Vec<UserCheck>, GatewayError> {
        self.call(Call::check_users(phones), token, within)
            .await?
            .user_checks()
    }

    async fn users(
        &self,
        admin_token: &SessionToken,
        within: Duration,
    ) -> Result<Vec<GatewayUser>, GatewayError> {
        self.call(Call::users(), admin_token, within).await?.users()
    }

    async fn restart(&self, _within: Duration) -> Result<(), GatewayError> {
        self.play(&Scenario::GatewayDown { lasts_ms: 1_000 });
        Ok(())
    }
}
