//! The resource `KeyRings` of the stack: makes the key rings when it is deployed. Nobody reaches it over HTTP, and no other
//! function may write keys.
//!
//! A ring that exists is never changed, also not when the stack is updated or deleted.
use std::time::Duration;

use shared::platform::report::Chain;
use shared::runtime::custom_resource::{NotAnswered, RequestType, ResourceRequest};
use shared::runtime::{Backends, Error};
use shared::store::StoreError;
use shared::store::key_maker::KeyMaker;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    keys: KeyMaker,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            keys: KeyMaker::new(backends),
        }
    }
}

/// The id of the resource. It never changes: CloudFormation deletes a resource under its old id when the id is another one.
const ID: &str = "key-rings";

/// The longest that making the keys may take. It leaves time to say that it failed.
const MAKING_MAX: Duration = Duration::from_secs(25);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error("the function cannot start: {0}")]
    NotStarted(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the keys were not made in time")]
    OutOfTime,
}

/// Answers one request of CloudFormation, also when the function could not start: a deployment that gets no answer waits.
///
/// # Errors
/// When CloudFormation does not take the answer. Lambda asks again then.
pub async fn handle(
    app: Result<&App, &Error>,
    request: ResourceRequest,
) -> Result<(), NotAnswered> {
    let done = match request.request_type {
        RequestType::Create | RequestType::Update => make(app).await,
        RequestType::Delete => Ok(()),
    };
    if let Err(error) = &done {
        tracing::error!(error = %Chain(error), "the key rings are not made");
    }
    let outcome = match &done {
        Ok(()) => Ok(()),
        Err(error) => Err(error as &dyn std::error::Error),
    };
    request.answer(ID, outcome).await
}

async fn make(app: Result<&App, &Error>) -> Result<(), NotMade> {
    let app = app.map_err(|error| NotMade::NotStarted(error.to_string()))?;
    // On the heap: what the store does is deeply nested, and the compiler follows it only so far.
    let making = Box::pin(app.keys.make_missing());
    let making = tokio::time::timeout(MAKING_MAX, making);
    let made = making.await.map_err(|_| NotMade::OutOfTime)??;
    tracing::info!(?made, "the key rings are there");
    Ok(())
}
