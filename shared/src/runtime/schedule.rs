//! What a function that a schedule calls is given, and how it is served.
use lambda_runtime::LambdaEvent;
use serde::de::IgnoredAny;
use tracing::Instrument;

use super::{Error, log};
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;

/// Serves the calls of a schedule until Lambda ends the process. What the schedule says does not matter, only that it calls;
/// `handle` is given the time at which Lambda ends the call.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn run<H, F, E>(handle: H) -> Result<(), Error>
where
    H: Fn(Timestamp) -> F,
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let service = lambda_runtime::service_fn(|event: LambdaEvent<IgnoredAny>| {
        let context = event.context;
        let deadline = i64::try_from(context.deadline).unwrap_or(i64::MAX);
        let handled = Box::pin(handle(Timestamp::from_millis(deadline)));
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
