//! What is broken when: calm stretches and faults in turn, drawn from a seed.
use std::time::Duration;

use serde_json::{Value, json};
use shared::platform::entropy::Entropy;

use super::book::Weather;

/// The sessions of the system.
const SESSIONS: [&str; 3] = ["system", "session-2", "session-3"];
/// How long a stretch of faults and one without are together, where there is time.
const CYCLE: Duration = Duration::from_secs(400);

/// A stretch of the run.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// What is to be in it.
    pub weather: Weather,
    /// From when to when, since the beginning of the run.
    pub from: Duration,
    pub to: Duration,
    /// The orders to the simulated gateway, each with its time since the beginning of the run.
    pub orders: Vec<(Duration, Order)>,
}

/// An order to the simulated gateway.
#[derive(Clone, Debug)]
pub struct Order {
    /// The path that takes it.
    pub path: String,
    /// The order.
    pub body: Value,
}

impl Order {
    fn fault(body: Value) -> Self {
        Self {
            path: "/sim/faults".into(),
            body,
        }
    }

    fn state(session: &str, body: Value) -> Self {
        Self {
            path: format!("/sim/session/{session}"),
            body,
        }
    }

    /// Everything works again.
    pub fn healthy() -> Vec<Self> {
        let heal =
            ["healthy", "whatsapp_back"].map(|name| Self::fault(json!({ "scenario": name })));
        // The speed of sends is the gateway's, and stays as an order before left it.
        let speed = Self::fault(json!({ "send_ms": 400 }));
        heal.into_iter().chain([speed]).collect()
    }
}

/// The stretches of a run of so long.
pub fn plan(lasts: Duration, seed: u64) -> Vec<Stretch> {
    let entropy = Entropy::seeded(seed);
    let share = |part: u32, least: u64, most: u64| {
        (lasts / part).clamp(Duration::from_secs(least), Duration::from_secs(most))
    };
    let (silence, calm, recovery) = (share(20, 30, 180), share(12, 30, 300), share(6, 30, 60));
    let middle = lasts.saturating_sub(silence + calm * 2);
    let cycles = u32::try_from(middle.as_secs() / CYCLE.as_secs())
        .unwrap_or(1)
        .max(1);
    let faults = (middle / cycles).mul_f64(0.42);
    let between = (middle / cycles).saturating_sub(faults + recovery);
    let mut kinds = vec![(Weather::Calm, calm)];
    for cycle in 1..=cycles {
        kinds.extend([(Weather::Faults, faults), (Weather::Recovery, recovery)]);
        let last = if cycle == cycles {
            calm
        } else {
            Duration::ZERO
        };
        kinds.push((Weather::Calm, between + last));
    }
    kinds.push((Weather::Silence, silence));
    let mut from = Duration::ZERO;
    let stretches = kinds.into_iter().map(|(weather, length)| {
        let (began, to) = (from, from + length);
        from = to;
        let orders = match weather {
            Weather::Faults => draw(&entropy, (began, to)),
            _ => Vec::new(),
        };
        Stretch {
            weather,
            from: began,
            to,
            orders,
        }
    });
    stretches.collect()
}

/// Three faults, one after the other; each next one adds to those before.
fn draw(entropy: &Entropy, (from, to): (Duration, Duration)) -> Vec<(Duration, Order)> {
    let third = (to - from) / 3;
    let order = |number: u32| (from + third * number, one(entropy, third));
    (0..3).map(order).collect()
}

/// A random fault which lasts about so long.
fn one(entropy: &Entropy, about: Duration) -> Order {
    let among = |count: usize| usize::try_from(entropy.below(count as u64)).unwrap_or_default();
    let session = SESSIONS[among(SESSIONS.len())];
    let ms = u64::try_from(about.as_millis()).unwrap_or_default();
    let lasts_ms = ms / 2 + entropy.below(ms / 2);
    let down_ms = (3_000 + entropy.below(15_000)).min(ms);
    let on_one = |mut body: Value| {
        body["session"] = session.into();
        Order::fault(body)
    };
    let few = 1 + entropy.below(4);
    match among(24) {
        0 => on_one(json!({ "scenario": "network_blip", "lasts_ms": down_ms })),
        1 => Order::fault(json!({ "scenario": "network_blip", "lasts_ms": down_ms })),
        2 => on_one(json!({ "scenario": "drop" })),
        3 => Order::fault(json!({ "scenario": "drop" })),
        4 => Order::state(session, json!({ "state": "absent" })),
        5 => Order::state(
            session,
            json!({ "state": "logged_out", "lasts_ms": lasts_ms }),
        ),
        6 => on_one(json!({ "scenario": "dead_object" })),
        7 => on_one(json!({ "scenario": "zombie" })),
        8 => on_one(json!({ "scenario": "reconnect_fight" })),
        9 => on_one(json!({ "scenario": "half_open", "sends": few })),
        10 => on_one(json!({ "scenario": "dead_queue" })),
        11 => on_one(json!({ "scenario": "ack_lost", "lasts_ms": down_ms, "sends": few })),
        12 => on_one(json!({ "scenario": "answer_lost", "sends": few })),
        13 => on_one(json!({ "scenario": "socket_breaks", "sends": few })),
        14 => Order::fault(
            json!({ "scenario": "send_queue", "each_ms": 1_000 + entropy.below(2_500) }),
        ),
        15 => Order::fault(json!({ "scenario": "check_throttled" })),
        16 => on_one(json!({ "scenario": "login_refused", "code": 503, "lasts_ms": lasts_ms })),
        17 => Order::fault(json!({ "scenario": "whatsapp_unreachable", "lasts_ms": down_ms })),
        18 => Order::fault(json!({ "scenario": "whatsapp_black_hole", "lasts_ms": down_ms })),
        19 => Order::fault(json!({ "scenario": "gateway_down", "lasts_ms": down_ms })),
        20 => Order::fault(json!({ "scenario": "host_down", "lasts_ms": down_ms })),
        21 => Order::fault(json!({ "scenario": "receipts_lost", "rate": 0.5 })),
        22 => Order::fault(json!({ "scenario": "receipts_delayed", "by_ms": down_ms })),
        _ => Order::fault(json!({ "scenario": "receipts_doubled" })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn stretches_follow_each_other_and_end_in_silence() {
        for lasts in [HOUR / 20, HOUR / 6, HOUR] {
            let stretches = plan(lasts, 16);
            let mut until = Duration::ZERO;
            for stretch in &stretches {
                assert_eq!(stretch.from, until, "{lasts:?}");
                until = stretch.to;
            }
            assert!(lasts.abs_diff(until) < Duration::from_secs(1), "{lasts:?}");
            let last = stretches.last().map(|stretch| stretch.weather);
            assert_eq!(last, Some(Weather::Silence), "{lasts:?}");
            let faults = stretches.iter().flat_map(|stretch| &stretch.orders);
            assert!(faults.count() >= 3, "{lasts:?}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let drawn = |seed| {
            let stretches = plan(HOUR, seed).into_iter();
            let orders = stretches.flat_map(|stretch| stretch.orders);
            orders
                .map(|(at, order)| format!("{at:?} {order:?}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(drawn(16), drawn(16));
        assert_ne!(drawn(16), drawn(17));
    }
}
