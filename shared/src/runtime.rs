//! What every `main.rs` calls: the backends of a deployment, and the loop that serves requests.
use std::sync::Arc;
use std::time::Duration;

use lambda_http::{Body, Request, Response, service_fn};
use tracing::Instrument;

use crate::gateway::wuzapi::Wuzapi;
use crate::gateway::{Gateway, GatewayAddress};
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::runtime::settings::Settings;

/// The configuration of a deployment.
pub mod settings;

/// A resource of the stack that a function makes.
pub mod custom_resource;

/// A function that a schedule calls.
pub mod schedule;

/// A function that is invoked with IAM.
pub mod invoked;

/// How this system talks to DynamoDB.
pub mod dynamodb;

/// What is written to the log, and how.
pub mod log;

/// What is counted and measured.
pub mod metrics;

pub use lambda_http::Error;

/// Everything outside of the process, and the sources of time and randomness. A function's `App` takes its part of it.
#[derive(Clone, Debug)]
pub struct Backends {
    /// The one DynamoDB client of the process.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The one gateway client of the process.
    pub gateway: Gateway,
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
        log::log_as_json();
        Self::from_settings(Settings::from_env()?)
    }

    /// The backends that `settings` name.
    ///
    /// # Errors
    /// When there are no keys to AWS, or the gateway's URL or certificate authority cannot be used.
    pub fn from_settings(settings: Settings) -> Result<Self, Error> {
        if let Some(phone) = settings.test_numbers.review() {
            tracing::warn!(%phone, "[WhatsApp System] a review number has a fixed code");
        }
        warn_of_plain_http(&settings);
        let credentials = settings
            .credentials
            .clone()
            .ok_or("AWS_ACCESS_KEY_ID: set it, and AWS_SECRET_ACCESS_KEY; any text does for a local DynamoDB")?;
        let endpoint = settings.dynamodb_url.as_deref();
        let ca_pem = settings.dynamodb_ca_pem.as_deref();
        let http_client = ca_pem.map(dynamodb::https_client_trusting).transpose()?;
        let config =
            dynamodb::dynamodb_config(&settings.region, credentials, endpoint, http_client);
        let gateway_url = settings.gateway_url.as_deref().unwrap_or(NO_GATEWAY);
        let gateway = Wuzapi::new(gateway_url, settings.gateway_ca_pem.as_deref())?;
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(config),
            gateway: Gateway::new(gateway),
            clock: Clock::system(),
            entropy: Entropy::system(),
            settings: Arc::new(settings),
        })
    }

    /// Makes the first contact before the first request, while Lambda does not charge the caller's time: then the
    /// connection is open and the keys are in memory. The request can do without, so this takes 300 ms at most and
    /// never fails. `WARMUP=off` leaves it out.
    pub async fn warm_up<E: std::error::Error>(
        &self,
        first_contact: impl Future<Output = Result<(), E>>,
    ) {
        if !self.settings.warm_up {
            return;
        }
        match tokio::time::timeout(WARM_UP_MAX, first_contact).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "not warmed up"),
            Err(_) => tracing::warn!("not warmed up in time"),
        }
    }
}

/// Says that what goes to the gateway can be read on the way. That may be meant inside of a private network, so it is no error.
fn warn_of_plain_http(settings: &Settings) {
    let address = settings.gateway_url.as_deref();
    let address = address.and_then(GatewayAddress::parse);
    if let Some(address) = address.filter(GatewayAddress::is_plain_to_others) {
        tracing::warn!(
            gateway = address.host(),
            "[WhatsApp System] WHATSAPP_SERVER_API is without TLS: whoever can listen on the way reads the token and the codes. \
             Use https://, or keep the way inside of a private network"
        );
    }
}

/// The longest that a start waits for its first contact.
const WARM_UP_MAX: Duration = Duration::from_millis(300);

/// Never called: without `WHATSAPP_SERVER_API` no session is configured. The name cannot exist (RFC 2606).
const NO_GATEWAY: &str = "http://gateway.invalid";

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
        let span = log::request_span(&request);
        let answer = handle(request).instrument(span);
        async { Ok::<_, std::convert::Infallible>(answer.await) }
    }))
    .await
}
