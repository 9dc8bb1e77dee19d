//! A resource of the stack that a function makes: what CloudFormation asks of it, and where it waits for the answer.
//!
//! CloudFormation waits for an hour and then gives up on the whole deployment, so every request is answered, failures first of
//! all. The answer goes to an address that the request brings, signed in advance for this one answer.
use std::fmt;
use std::time::Duration;

use lambda_runtime::LambdaEvent;
use reqwest::{Client, StatusCode, redirect, retry};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::platform::report::Chain;
use crate::platform::tls;

/// How often the answer is sent, and the pause before it is sent again.
const ANSWERS_MAX: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that one sending of the answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// CloudFormation takes answers of 4 KiB at most.
const REASON_CHARS_MAX: usize = 800;

/// What CloudFormation asks.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceRequest {
    /// What for.
    pub request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
}

/// What CloudFormation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RequestType {
    /// The resource is new in the stack.
    Create,
    /// Its properties have changed.
    Update,
    /// It leaves the stack, or the stack is deleted.
    Delete,
}

// The address is good for whoever has it.
impl fmt::Debug for ResourceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id) = (self.request_type, &self.logical_resource_id);
        write!(f, "ResourceRequest({kind:?} {id})")
    }
}

/// CloudFormation was not told. Its cause is left out, because it names the address.
#[derive(Debug, thiserror::Error)]
#[error("answer CloudFormation: {0}")]
pub struct NotAnswered(String);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    reason: &'a str,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
}

impl ResourceRequest {
    /// Tells CloudFormation what became of it. `id` names the resource for good: under another one CloudFormation would
    /// delete it as a replaced one.
    ///
    /// # Errors
    /// When CloudFormation cannot be reached, or does not take the answer.
    pub async fn answer(
        &self,
        id: &str,
        outcome: Result<(), &dyn std::error::Error>,
    ) -> Result<(), NotAnswered> {
        let reason = match outcome {
            Ok(()) => String::new(),
            Err(error) => Chain(error)
                .to_string()
                .chars()
                .take(REASON_CHARS_MAX)
                .collect(),
        };
        let answer = Answer {
            status: if outcome.is_ok() { "SUCCESS" } else { "FAILED" },
            reason: &reason,
            // Whatever a new one had to fail with, its deletion comes back under the id that is given here.
            physical_resource_id: self.physical_resource_id.as_deref().unwrap_or(id),
            stack_id: &self.stack_id,
            request_id: &self.request_id,
            logical_resource_id: &self.logical_resource_id,
        };
        let answer = serde_json::to_string(&answer).map_err(|error| not_answered(&error))?;
        let client = client().ok_or_else(|| NotAnswered("no TLS".into()))?;
        let mut tries = 1;
        loop {
            match put(&client, &self.response_url, answer.clone()).await {
                Err(_) if tries < ANSWERS_MAX => tries += 1,
                answered => return answered,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The address was signed for a request without a content type, which a text has none of.
async fn put(client: &Client, url: &str, answer: String) -> Result<(), NotAnswered> {
    let sent = client.put(url).timeout(ANSWER_MAX).body(answer).send();
    let answered = sent
        .await
        .map_err(|error| not_answered(&error.without_url()))?;
    match answered.status() {
        StatusCode::OK => Ok(()),
        status => Err(NotAnswered(format!("the answer was refused with {status}"))),
    }
}

fn not_answered(error: &dyn std::error::Error) -> NotAnswered {
    NotAnswered(Chain(error).to_string())
}

fn client() -> Option<Client> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls::trusting(None)?)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .no_proxy();
    client.build().ok()
}

/// Serves requests of CloudFormation until Lambda ends the process.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn run<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(ResourceRequest) -> F,
    F: Future<Output = Result<(), NotAnswered>>,
{
    let service = lambda_runtime::service_fn(|event: LambdaEvent<ResourceRequest>| {
        let handled = Box::pin(handle(event.payload));
        async move { handled.await.map_err(Error::from) }
    });
    lambda_runtime::run(service).await
}
