//! Where `now` comes from. A request reads it when it begins, and passes it down to whatever decides.
//!
//! Only what follows longer work, such as a message, reads it again, because the time that passed matters there.
use std::time::Duration;

use tokio::time::Instant;

use crate::platform::timestamp::Timestamp;

/// A source of time that is handed in, never reached for.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Runtime { start: Timestamp, started: Instant },
}

impl Clock {
    /// The machine's wall clock. It goes on while Lambda has the process frozen, which a monotonic clock may not.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `start` now and then follows tokio's time, so that a paused runtime moves it.
    pub fn following_runtime(start: Timestamp) -> Self {
        Self(Source::Runtime {
            start,
            started: Instant::now(),
        })
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Runtime { start, started } => start.plus(started.elapsed()),
        }
    }

    /// How much time is left until `deadline`; zero when it has passed.
    pub fn until(&self, deadline: Timestamp) -> Duration {
        deadline.since(self.now())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn system_now() -> Timestamp {
    std::time::SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_following_clock_moves_with_the_runtime() {
        let start = Timestamp::from_seconds(1_000);
        let clock = Clock::following_runtime(start);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(clock.now(), Timestamp::from_millis(1_002_500));
        assert_eq!(clock.until(start), Duration::ZERO);
    }
}
