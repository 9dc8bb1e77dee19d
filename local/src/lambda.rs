//! A small Lambda: environments that serve one request at a time, with a deadline, and that share no memory.
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, Service, service_fn};
use shared::runtime::Backends;
use shared::runtime::log::request_span;
use tokio::time::Instant;
use tracing::Instrument;

use crate::functions::{Environment, Start};

/// What Lambda takes and gives at most, in bytes.
const PAYLOAD_MAX: usize = 6 * 1024 * 1024;

/// How long an environment that nothing needs is kept. Amazon says no number; minutes are usual.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How many environments a function has.
#[derive(Clone, Copy, Debug)]
pub struct Environments {
    /// So many take turns even when one would do, so that nothing works only because it was remembered.
    pub in_turn: usize,
    /// So many requests are served at a time; more are throttled.
    pub at_most: usize,
}

impl Default for Environments {
    fn default() -> Self {
        Self {
            in_turn: 4,
            at_most: 200,
        }
    }
}

/// One deployed function.
pub struct Lambda {
    name: String,
    timeout: Duration,
    start: Start,
    backends: Backends,
    environments: Environments,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    /// Those that wait for a request, the one that has waited longest in front.
    idle: VecDeque<Idle>,
    busy: usize,
}

/// An environment that waits for a request.
struct Idle {
    environment: Environment,
    since: Instant,
}

impl Pool {
    /// Takes the one whose turn it is. So many take turns; those beyond, which a burst of requests has left, wait in front
    /// until they are let go.
    fn take(&mut self, in_turn: usize) -> Option<Environment> {
        let beyond = self.idle.len().saturating_sub(in_turn);
        self.idle.remove(beyond).map(|idle| idle.environment)
    }

    /// Lets those go that have waited for long, except for so many.
    fn let_go(&mut self, in_turn: usize, now: Instant) {
        while self.idle.len() + self.busy > in_turn
            && self
                .idle
                .front()
                .is_some_and(|idle| now.duration_since(idle.since) > IDLE_MAX)
        {
            self.idle.pop_front();
        }
    }
}

/// Why an invocation brought no answer of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// All environments are busy.
    #[error("throttled")]
    Throttled,
    /// The event or the answer is larger than Lambda takes.
    #[error("payload too large")]
    TooLarge,
    /// The function did not end in its time; its environment is gone.
    #[error("timed out")]
    TimedOut,
    /// The function panicked, or the event is none that it can read.
    #[error("failed")]
    Failed,
}

/// What is deployed as a function.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// The function's name.
    pub name: &'a str,
    /// The longest that one invocation may take.
    pub timeout: Duration,
    /// Starts an environment of it.
    pub start: Start,
}

impl Lambda {
    /// Deploys a function.
    pub fn new(code: Code<'_>, backends: Backends, environments: Environments) -> Self {
        Self {
            name: code.name.to_owned(),
            timeout: code.timeout,
            start: code.start,
            backends,
            environments,
            pool: Mutex::default(),
        }
    }

    /// Runs the function with an event as JSON and returns its answer as JSON. Dropping this kills the environment.
    ///
    /// # Errors
    /// When the function gave no answer.
    pub async fn invoke(&self, event: &str) -> Result<String, InvokeError> {
        if event.len() > PAYLOAD_MAX {
            return Err(InvokeError::TooLarge);
        }
        let payload: LambdaRequest = serde_json::from_str(event).map_err(|error| {
            tracing::error!(function = self.name, %error, "the event cannot be read");
            InvokeError::Failed
        })?;
        let mut running = self.take().ok_or(InvokeError::Throttled)?;
        let environment = running.environment.clone();
        let mut adapter = Adapter::from(service_fn(move |request| {
            let span = request_span(&request);
            let answer = environment(request).instrument(span);
            async { Ok::<_, Infallible>(answer.await) }
        }));
        let invocation = async {
            adapter
                .call(LambdaEvent::new(payload, self.context()))
                .await
        };
        let Ok(ended) = tokio::time::timeout(self.timeout, caught(invocation)).await else {
            tracing::error!(function = self.name, "timed out");
            return Err(InvokeError::TimedOut);
        };
        // Lambda's runtime survives a panic, and so does the environment.
        running.keep = true;
        let Some(Ok(answer)) = ended else {
            tracing::error!(function = self.name, "panicked");
            return Err(InvokeError::Failed);
        };
        let answer = serde_json::to_string(&answer).map_err(|_| InvokeError::Failed)?;
        if answer.len() > PAYLOAD_MAX {
            return Err(InvokeError::Failed);
        }
        Ok(answer)
    }

    fn context(&self) -> Context {
        let mut context = Context::default();
        let id = u128::from_be_bytes(self.backends.entropy.bytes());
        context.request_id = format!("{id:032x}");
        let deadline = self.backends.clock.now().plus(self.timeout);
        context.deadline = u64::try_from(deadline.millis()).unwrap_or(0);
        context.invoked_function_arn = format!(
            "arn:aws:lambda:local:000000000000:function:{name}",
            name = self.name
        );
        context
    }

    fn take(&self) -> Option<Running<'_>> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let Environments { in_turn, .. } = self.environments;
        pool.let_go(in_turn, Instant::now());
        let all = pool.idle.len() + pool.busy;
        let environment = if all < in_turn {
            (self.start)(&self.backends)
        } else if let Some(idle) = pool.take(in_turn) {
            idle
        } else if all < self.environments.at_most {
            (self.start)(&self.backends)
        } else {
            return None;
        };
        pool.busy += 1;
        Some(Running {
            lambda: self,
            environment,
            keep: false,
        })
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lambda").field("name", &self.name).finish()
    }
}

/// An environment at work. It goes back into the pool only when its invocation came to an end.
struct Running<'a> {
    lambda: &'a Lambda,
    environment: Environment,
    keep: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let pool = self.lambda.pool.lock();
        let mut pool = pool.unwrap_or_else(PoisonError::into_inner);
        pool.busy -= 1;
        if self.keep {
            pool.idle.push_back(Idle {
                environment: self.environment.clone(),
                since: Instant::now(),
            });
        }
    }
}

/// Runs `future` to its end; `None` when it panicked.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)))
            .map_or(std::task::Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_burst_has_left_is_let_go_and_the_others_take_turns() {
        const IN_TURN: usize = 4;
        let mut now = Instant::now();
        let mut pool = Pool::default();
        pool.idle.extend((0..50).map(|_| Idle {
            environment: std::sync::Arc::new(|_| unreachable!("no request comes")),
            since: now,
        }));
        for _ in 0..20 {
            now += IDLE_MAX / 10;
            pool.let_go(IN_TURN, now);
            let environment = pool.take(IN_TURN).unwrap();
            pool.idle.push_back(Idle {
                environment,
                since: now,
            });
        }
        assert_eq!(pool.idle.len(), IN_TURN);
        pool.let_go(IN_TURN, now + IDLE_MAX * 10);
        assert_eq!(pool.idle.len(), IN_TURN);
    }
}
