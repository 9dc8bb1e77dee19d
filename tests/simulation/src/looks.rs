//! How the monitor sees the sessions, and how they truly are meanwhile.
use std::sync::Arc;
use std::time::Duration;

use local::simulator::SessionState;
use tokio::time::sleep;

use crate::ledger::Look;
use crate::people::address;
use crate::schedule::Schedule;
use crate::stage::Ask;

/// Looks of the schedule have numbers from this one on.
const LOOKS: u32 = 100_000;
/// The schedule looks so often.
const MINUTE: Duration = Duration::from_secs(60);

/// One look of the monitor.
pub async fn look(schedule: &Arc<Schedule>, number: u32) {
    let (at, before) = (schedule.universe.time(), states(schedule));
    schedule.stage.tick(number, "session-monitor").await;
    let both = before.into_iter().zip(states(schedule));
    let sessions = both.map(|((name, before), (_, after))| (name, [before, after]));
    let look = Look {
        process: number,
        at,
        sessions: sessions.collect(),
        calm: schedule.universe.is_calm(),
    };
    schedule.universe.ledger().looks.push(look);
}

/// A look each minute, and notices are delivered, whatever else happens.
pub async fn each_minute(schedule: Arc<Schedule>) {
    for number in (LOOKS..).step_by(2) {
        tokio::spawn({
            let schedule = Arc::clone(&schedule);
            async move { look(&schedule, number).await }
        });
        tokio::spawn({
            let stage = Arc::clone(&schedule.stage);
            async move { stage.tick(number + 1, "outbox-deliver").await }
        });
        sleep(MINUTE).await;
    }
}

/// What `GET /api/status` says: its status, and whether it says that messages go out.
pub async fn ask_status(schedule: &Arc<Schedule>, number: u32) {
    let ask = Ask {
        function: "health",
        path: "/api/status".into(),
        payment: None,
        headers: Vec::new(),
        content_type: "application/json",
        body: None,
        from: address(6),
    };
    let answer = schedule.stage.ask(number, ask).await;
    schedule.facts().said_at_the_end = Some((answer.status, answer.json["data"].clone()));
}

fn states(schedule: &Schedule) -> Vec<(String, SessionState)> {
    let gateways = schedule.stage.gateways.iter();
    let sessions = gateways.flat_map(|gateway| {
        let names = gateway.options().sessions.iter();
        names.map(|session| {
            let state = gateway.state(&session.name).expect("a session");
            (session.name.clone(), state)
        })
    });
    sessions.collect()
}
