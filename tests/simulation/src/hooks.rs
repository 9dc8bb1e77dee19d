//! What the gateways post: receipts and news of sessions, on a way that loses, delays and doubles them.
use std::sync::{Arc, Weak};
use std::time::Duration;

use local::simulator::Hook;
use shared::model::webhook;
use tokio::time::sleep;

use crate::ledger::Receipt;
use crate::people::address;
use crate::schedule::Schedule;
use crate::stage::Ask;
use crate::universe::Purpose;

/// Where the API is for gateways.
pub const API: &str = "https://api.test";
/// Posts of the first gateway have numbers from this one on, those of the second from twice as much.
const HOOKS: u32 = 1_000_000;
/// The fault of the way, which is none of the process at its end.
const WAY: u32 = 9_999;

/// What happens to one post.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Lost,
    AnswerLost,
    Late(Duration),
    Doubled,
}

/// Has every session post to the API.
///
/// # Panics
/// When the ring of the addresses is missing, which is a defect of the simulation.
pub fn set(schedule: &Arc<Schedule>) {
    let stage = &schedule.stage;
    for (number, gateway) in (1..).zip(&stage.gateways) {
        for session in &gateway.options().sessions {
            let path = webhook::path(&stage.addresses, &session.name, stage.now()).expect("a key");
            let set = gateway.set_webhook(&session.name, &format!("{API}{path}"));
            set.expect("a session");
        }
        // The gateways are a part of the schedule, so they do not hold it.
        let schedule = Arc::downgrade(schedule);
        gateway.post_hooks_to(move |hook| take(schedule.clone(), HOOKS * number, hook));
    }
}

/// Brings one post to the API, or not.
async fn take(schedule: Weak<Schedule>, first: u32, hook: Hook) -> Option<u16> {
    let schedule = schedule.upgrade()?;
    let number = first + 10 * u32::try_from(hook.number).ok()?;
    let universe = &schedule.universe;
    let mut dice = universe.dice(Purpose::Hook, number, 0);
    let fault = dice
        .chance(universe.odds.webhook)
        .then(|| match dice.below(4) {
            0 => Fault::Lost,
            1 => Fault::AnswerLost,
            2 => Fault::Late(dice.millis(500..=25_000)),
            _ => Fault::Doubled,
        });
    let fault = fault.filter(|_| universe.strikes((number, WAY)));
    universe.note(
        number,
        format_args!("{} of {}, {fault:?}", hook.kind, hook.session),
    );
    match fault {
        Some(Fault::Lost) => return None,
        Some(Fault::Late(by)) => sleep(by).await,
        Some(Fault::Doubled) => {
            schedule.stage.ask(number + 1, ask(&hook)?).await;
        }
        Some(Fault::AnswerLost) | None => {}
    }
    let answer = schedule.stage.ask(number, ask(&hook)?).await;
    let ids = hook.event()["event"]["MessageIDs"].clone();
    let ids: Vec<_> = ids
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str())
        .map(str::to_owned)
        .collect();
    if answer.status == 200 && !ids.is_empty() {
        universe.ledger().receipts.push(Receipt {
            session: hook.session.clone(),
            posted: answer.at,
            at: answer.done,
            ids,
        });
    }
    match fault {
        Some(Fault::AnswerLost) => None,
        _ => Some(answer.status).filter(|status| *status != 0),
    }
}

fn ask(hook: &Hook) -> Option<Ask> {
    let path = hook.url.strip_prefix(API)?;
    Some(Ask {
        function: "whatsapp-webhook",
        path: path.to_owned(),
        payment: None,
        headers: Vec::new(),
        content_type: hook.content_type,
        body: Some(hook.body.clone()),
        from: address(8),
    })
}
