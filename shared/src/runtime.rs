//! What every `main.rs` calls: the backends of a deployment, and the loop that serves requests.
use std::sync::Arc;

use lambda_http::{Body, Request, Response, service_fn};

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::gateway::Gateway;
use crate::settings::Settings;

/// How this system talks to DynamoDB.
pub mod dynamodb;

pub use lambda_http::Error;

/// Everything outside of the process, and the sources of time and randomness. A function's `App` takes its part of it.
#[derive(Clone, Debug)]
pub struct Backends {
    /// The one DynamoDB client of the process.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The one gateway client of the process.
    pub gateway: Arc<dyn Gateway>,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Configuration.
    pub settings: Arc<Settings>,
}

impl Backends {
    /// The backends that the environment names.
    ///
    /// # Errors
    /// When a variable is missing or cannot be read; the message names it.
    pub fn from_env() -> Result<Self, Error> {
        Err("not wired yet".into())
    }
}

/// Serves requests until Lambda ends the process.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn run<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Request) -> F,
    F: Future<Output = Response<Body>> + Send,
{
    lambda_http::run(service_fn(|request| {
        let answer = handle(request);
        async { Ok::<_, std::convert::Infallible>(answer.await) }
    }))
    .await
}
