//! What a tick of the outbox costs: with nothing due, however much is stored; and with many notices due after an outage.
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use local::simulator::SessionOptions;
use serde_json::json;
use shared::flows::payments::Notices;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::store::caller_list::CallerListChanges;
use tests::{TestSystem, people};
use tokio::task::JoinSet;
use tokio::time::advance;

use crate::report::{Findings, median};

/// How many notices are stored that have ended.
const STORED: [u64; 3] = [1_000, 100_000, 1_000_000];
/// How often a tick is measured.
const TICKS: usize = 30;
/// The most read units of a tick with nothing due: half a unit for each of the two priorities.
const UNITS_MAX: f64 = 1.0;
/// How much longer a tick may take with the most stored than with the fewest.
const GROWTH_MAX: f64 = 2.0;
/// What one batch holds.
const BATCH: u64 = 25;

/// How many notices wait after the outage, how many deliverers run, and what a send takes.
const WAITING: u64 = 10_000;
const DELIVERERS: usize = 3;
const SEND: Duration = Duration::from_millis(200);
/// The distance between two notices of one session, and how many sessions there are.
const PACE: Duration = Duration::from_millis(250);
const SESSIONS: [&str; 3] = ["system", "second", "third"];
const KEY: &str = "pay_benchmark";

/// Measures ticks and a drain. Needs paused time.
pub async fn measure() -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    findings.table("notices stored, tick with nothing due µs (median), read units");
    let mut medians = Vec::new();
    for stored in STORED {
        let (micros, units) = idle_tick(stored).await?;
        medians.push(micros);
        findings.row(&[
            stored.to_string(),
            format!("{micros:.0}"),
            units.to_string(),
        ]);
        findings.hold("a tick with nothing due", "read units", units, UNITS_MAX);
    }
    let growth = medians[medians.len() - 1] / medians[0];
    findings.hold(
        "a tick with the most stored",
        "times that with the fewest",
        growth,
        GROWTH_MAX,
    );
    findings.markdown.push('\n');
    drain(&mut findings).await?;
    Ok(findings)
}

/// The time of a tick with nothing due, and its read units.
async fn idle_tick(stored: u64) -> anyhow::Result<(f64, f64)> {
    let system = TestSystem::start().await;
    for first in (0..stored).step_by(usize::try_from(BATCH)?) {
        store(&system, first..stored.min(first + BATCH)).await?;
    }
    let notices = Notices::new(system.backends());
    let (mut micros, mut units) = (Vec::new(), 0.0);
    for _ in 0..TICKS {
        system.database().forget_calls();
        // Paused time stands still: what passes is the processor's.
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let began = std::time::Instant::now();
        let delivered = notices.deliver_due(system.now().plus(MINUTE)).await?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
        ensure!(delivered.sent == 0, "something was due: {delivered:?}");
        units = system
            .database()
            .calls()
            .iter()
            .map(|call| call.units)
            .sum();
    }
    Ok((median(&micros), units))
}

const MINUTE: Duration = Duration::from_secs(60);

/// Notices that have ended, as they are kept.
async fn store(system: &TestSystem, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let text = |text: String| AttributeValue::S(text);
    let puts = numbers.map(|number| {
        let put = PutRequest::builder()
            .item("payment_id", text(format!("INV-{number}")))
            .item("item", text("notice#success".into()))
            .item("state", text("sent".into()))
            .item("message_id", text(format!("3EB0{number:018X}")))
            .build()?;
        anyhow::Ok(WriteRequest::builder().put_request(put).build())
    });
    let puts = puts.collect::<anyhow::Result<Vec<_>>>()?;
    let write = system
        .dynamodb()
        .batch_write_item()
        .request_items("PaymentsTable", puts);
    write.send().await.context("notices are stored")?;
    Ok(())
}

/// Lets many notices go out through several deliverers and sessions.
async fn drain(findings: &mut Findings) -> anyhow::Result<()> {
    let system = waiting().await?;
    system.database().forget_calls();
    let began = system.now();
    let (mut units, mut calls) = (0.0, 0);
    while system.simulator().messages(None).len() < usize::try_from(WAITING)? {
        let mut deliverers = JoinSet::new();
        for _ in 0..DELIVERERS {
            let notices = Notices::new(system.backends());
            let deadline = system.now().plus(MINUTE);
            deliverers.spawn(async move { notices.deliver_due(deadline).await });
        }
        for delivered in deliverers.join_all().await {
            delivered?;
        }
        units += system
            .database()
            .calls()
            .iter()
            .map(|call| call.units)
            .sum::<f64>();
        calls += system.database().calls().len();
        system.database().forget_calls();
        ensure!(
            system.now().since(began) < 10 * 60 * MINUTE,
            "it does not end"
        );
        advance(Duration::from_secs(1)).await;
    }
    let messages = system.simulator().messages(None);
    let ids: BTreeSet<_> = messages.iter().map(|message| &message.id).collect();
    let doubles = messages.len() - ids.len();
    let took = system.now().since(began).as_secs_f64();
    let each_second = messages.len() as f64 / took;
    let pace = SESSIONS.len() as f64 / PACE.as_secs_f64();
    findings.table("notices due at once, sent, sent twice, sent a second, the pace a second, calls per notice, units per notice");
    let per = |sum: f64| format!("{:.1}", sum / WAITING as f64);
    findings.row(&[
        WAITING.to_string(),
        ids.len().to_string(),
        doubles.to_string(),
        format!("{each_second:.1}"),
        format!("{pace:.1}"),
        per(calls as f64),
        per(units),
    ]);
    findings.hold(
        "sends of a notice that was sent",
        "sends",
        doubles as f64,
        0.0,
    );
    findings.hold(
        "the pace that is kept",
        "times the pace",
        each_second / pace,
        1.05,
    );
    Ok(())
}

/// A system whose notices wait.
async fn waiting() -> anyhow::Result<TestSystem> {
    let sessions = SESSIONS.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let builder = TestSystem::builder().settings(|settings| settings.notices.pace = PACE);
    let builder = builder.simulator(|options| {
        options.sessions = sessions.into();
        options.send_duration = SEND;
    });
    let system = builder.build().await;
    let list = CallerListChanges::new(system.backends());
    let caller = PaymentCaller {
        name: "benchmark".into(),
        sha256: hash_of(KEY),
        scopes: vec![Scope::Payments],
        daily_cap: None,
        retire_at: None,
    };
    list.write(&list.read().await?, &[caller]).await?;
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("prefer", "respond-async"),
    ];
    for number in 0..WAITING {
        let body = json!({ "phone": people::phone(number), "amount": 150_000, "currency": "IDR" });
        let path = format!("/api/payments/INV-{number}/success");
        let reply = system
            .request("POST", &path, &headers, body.to_string())
            .await;
        ensure!(reply.status == 202, "{}", reply.json);
    }
    Ok(system)
}
