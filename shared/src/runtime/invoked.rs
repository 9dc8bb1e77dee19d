//! A function that whoever may invokes with IAM, and that answers.
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::{Error, log};
use crate::model::caller::Caller;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;

/// Serves calls until Lambda ends the process.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn run<W, A, H, F, E>(handle: H) -> Result<(), Error>
where
    W: DeserializeOwned,
    A: Serialize,
    H: Fn(W, Caller) -> F,
    F: Future<Output = Result<A, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let service = lambda_runtime::service_fn(|event: LambdaEvent<W>| {
        let LambdaEvent { payload, context } = event;
        let deadline = i64::try_from(context.deadline).unwrap_or(i64::MAX);
        let caller = Caller::with_iam(&context.request_id, Timestamp::from_millis(deadline));
        let handled = Box::pin(handle(payload, caller));
        let span = log::call_span(&context.request_id);
        let work = async move {
            handled.await.map_err(|error| {
                tracing::error!(error = %Chain(&error), "the call failed");
                Error::from(error)
            })
        };
        work.instrument(span)
    });
    lambda_runtime::run(service).await
}
