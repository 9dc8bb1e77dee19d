use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use local::database::Faults;

use crate::TestSystem;

/// Where a process dies.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// Before the effect of a call to the database.
    BeforeCall(u64),
    /// After it, before the answer.
    AfterCall(u64),
    /// At an await: of the database, of the gateway, of time.
    AtAwait(u64),
}

use Death::*;

/// The kinds of steps.
pub const STEPS: [fn(u64) -> Death; 3] = [BeforeCall, AfterCall, AtAwait];

/// Whether `act` got to its end.
pub async fn die<T>(
    system: &TestSystem,
    death: Death,
    act: impl AsyncFn(&TestSystem) -> T,
) -> bool {
    // Calls that run side by side end one by one, in an order of their own at each step.
    let slow = |seed| Faults::seeded(seed).delay(1.0, Duration::from_millis(50));
    let faults = match death {
        BeforeCall(number) => slow(number).stop_before(number),
        AfterCall(number) => slow(number).stop_after(number),
        AtAwait(number) => slow(number),
    };
    let process = system.with_faults(faults.clone());
    let ended = match death {
        AtAwait(number) => drop_at(number, act(&process)).await,
        _ => faults.until_stopped(act(&process)).await,
    };
    ended.is_some()
}

/// Lets `process` come to its `number`th await, where it is dropped unless it is done.
async fn drop_at<T>(number: u64, process: impl Future<Output = T>) -> Option<T> {
    let mut process = pin!(process);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        match process.as_mut().poll(context) {
            Poll::Pending if polls < number => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(done) => Poll::Ready(Some(done)),
        }
    })
    .await
}
