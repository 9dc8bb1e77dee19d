//! The seam of the gateway: one exchange, a call for an answer.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::answer::Answer;
use super::call::Call;
use super::facts::{GatewayAddress, GatewayError, RestartUrl, SessionToken};

/// Brings calls to a gateway.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Makes one call, once, and returns the answer as it came. It is over `within` the given time, and no answer is
    /// longer than the call allows.
    async fn exchange(
        &self,
        call: Call,
        credential: Credential<'_>,
        within: Duration,
    ) -> Result<Answer, GatewayError>;

    /// The same to the gateway at another address.
    fn elsewhere(&self, address: &GatewayAddress) -> Arc<dyn Transport>;

    /// Posts to `hook`, which has a gateway's process restarted. This goes to whatever runs the gateway, which has its own
    /// address and no credential, so it is not an exchange.
    async fn restart(&self, hook: &RestartUrl, within: Duration) -> Result<(), GatewayError>;
}

/// What opens a call.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// A session's own token.
    Session(&'a SessionToken),
    /// The token of the gateway's administrator.
    Admin(&'a SessionToken),
}

impl<'a> Credential<'a> {
    /// The token, whoever it belongs to.
    pub const fn token(self) -> &'a SessionToken {
        match self {
            Self::Session(token) | Self::Admin(token) => token,
        }
    }
}
