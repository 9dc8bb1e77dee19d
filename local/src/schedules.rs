//! EventBridge Scheduler in this process: calls functions again and again, as `template.yaml` says.
use std::sync::Arc;

use lambda_http::BoxFuture;
use shared::platform::report::Chain;
use shared::platform::timestamp::Timestamp;
use shared::runtime::Backends;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::template::{Schedule, Template};

/// A started function, as one environment of Lambda holds it: it is given the time at which its call ends.
type Environment = Arc<dyn Fn(Timestamp) -> BoxFuture<'static, ()> + Send + Sync>;

/// Starts the function of a folder; `None` when no schedule calls one of that name.
fn start(folder: &str, backends: &Backends) -> Option<Environment> {
    macro_rules! environment {
        ($package:ident) => {{
            let app = Arc::new($package::App::new(backends));
            Some(Arc::new(move |deadline| {
                let app = Arc::clone(&app);
                Box::pin(async move {
                    if let Err(error) = $package::handle(&app, deadline).await {
                        let function = stringify!($package);
                        tracing::error!(function, error = %Chain(&error), "a call of the schedule failed");
                    }
                })
            }))
        }};
    }
    match folder {
        "outbox-deliver" => environment!(outbox_deliver),
        "session-monitor" => environment!(session_monitor),
        _ => None,
    }
}

/// Keeps the schedules of `template` until this is dropped. As on AWS, the first call comes when its time has passed once.
///
/// # Errors
/// When a schedule calls a function that is not known here.
pub async fn keep(template: &Template, backends: &Backends) -> std::io::Result<()> {
    let mut kept = JoinSet::new();
    for schedule in &template.schedules {
        let folder = schedule.function.as_str();
        let unknown = || std::io::Error::other(format!("schedules.rs lacks {folder}"));
        let function = start(folder, backends).ok_or_else(unknown)?;
        let time_limit = template.timeouts[folder];
        let (schedule, clock) = (schedule.clone(), backends.clock.clone());
        kept.spawn(async move {
            let mut turns = turns(&schedule);
            loop {
                turns.tick().await;
                let call = function(clock.now().plus(time_limit));
                if timeout(time_limit, call).await.is_err() {
                    tracing::error!(function = schedule.function, "timed out");
                }
            }
        });
    }
    while kept.join_next().await.is_some() {}
    Ok(())
}

fn turns(schedule: &Schedule) -> tokio::time::Interval {
    let mut turns = interval_at(Instant::now() + schedule.every, schedule.every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}
