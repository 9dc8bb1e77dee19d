//! What is measured, as CloudWatch reads it in the log.
use std::collections::BTreeSet;
use std::time::Duration;

use local::simulator::Scenario;
use serde_json::{Value, json};
use shared::flows::payments::Notices;
use shared::flows::payments::accept::{About, Event, FirstAttempt, Sent};
use shared::model::language::Language;
use shared::model::notice::{Details, Said};
use shared::model::payment::currency::Currency;
use shared::model::payment::money::Money;
use shared::model::payment::zone::Zone;
use shared::model::payment::{Kind, PaymentId};
use shared::model::payment_caller::{PaymentCaller, Scope};
use shared::model::phone::Phone;
use shared::runtime::metrics::{Meter, Metric, NAMESPACE, Watched, WatchedSession};
use tests::webhooks::{self, Form};
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::logs::{Log, logged};
use super::{PHONE, check, signed_up};

/// A phone that is not on WhatsApp.
const OTHER: &str = "08129999999";

/// The names of the metrics in a line.
fn names(line: &Value) -> BTreeSet<&str> {
    let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
    let metrics = metrics.as_array().unwrap().iter();
    metrics
        .map(|metric| metric["Name"].as_str().unwrap())
        .collect()
}

/// All values of a metric, in order.
fn values(log: &Log, metric: Metric) -> Vec<f64> {
    let lines = log.metrics();
    let values = lines.iter().filter_map(|line| line[metric.name()].as_f64());
    values.collect()
}

async fn ask(system: &TestSystem, phone: &str) -> Reply {
    let body = json!({ "identifier": phone });
    system.post("/api/auth/sso-signin", body).await
}

async fn post(system: &TestSystem, event: &Value) -> Reply {
    let path = webhooks::path(system).await;
    webhooks::post(system, &path, Form::Json, event).await
}

async fn pass() {
    sleep(Duration::from_secs(700)).await;
}

/// A round over two sessions in which everything is seen that can be.
fn round() -> Watched<'static> {
    let session = |name, usable| WatchedSession { name, usable };
    Watched {
        usable_sessions: 1,
        needs_pairing: 1,
        sessions: vec![session("system", true), session("sales", false)],
        ..Watched::default()
    }
}

/// A payment notice that can never be sent, and a round over those that are due.
async fn notices(system: &TestSystem) {
    system.simulator().play(&Scenario::NotOnWhatsapp {
        phones: vec![OTHER.into()],
        taken: false,
    });
    let rupiah = Currency::parse("IDR").unwrap();
    let about = About {
        phone: Phone::parse(OTHER).unwrap(),
        details: Details {
            name: None,
            amount: Money::parse("1", rupiah).unwrap(),
            method: None,
            url: None,
            language: Language::English,
            zone: Zone::default(),
        },
    };
    let event = Event {
        payment: PaymentId::parse("INV-1").unwrap(),
        kind: Kind::Success,
        about: Some(about),
        said: Said::default(),
        expires_at: None,
    };
    let caller = PaymentCaller {
        name: "shop".into(),
        sha256: [0; 32],
        scopes: vec![Scope::Payments],
        daily_cap: None,
        retire_at: None,
    };
    let sent = Sent {
        caller: &caller,
        idempotency_key: None,
        first_attempt: FirstAttempt::Awaited,
        deadline: system.now().plus(Duration::from_secs(20)),
        request_id: "",
    };
    let notices = Notices::new(system.backends());
    notices.take(&event, sent).await.unwrap();
    let deadline = system.now().plus(Duration::from_secs(60));
    notices.deliver_due(deadline).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_written_as_cloudwatch_reads_it() {
    let (system, log, _guard) = logged().await;
    signed_up(&system).await;
    pass().await;
    system.simulator().play(&Scenario::ColdSession);
    check(&ask(&system, PHONE).await, 200, None);
    pass().await;
    check(&ask(&system, PHONE).await, 200, None);
    let messages = system.simulator().messages(None);
    let receipt = webhooks::receipt("Delivered", &[&messages.last().unwrap().id], system.now());
    check(&post(&system, &receipt).await, 200, None);
    Meter::new(&system.backends().settings).watched(&round(), system.now());
    notices(&system).await;

    let lines = log.metrics();
    let written: BTreeSet<_> = lines.iter().flat_map(names).collect();
    // `tests/api/payments_midtrans.rs` has the one that needs an account at a payment gateway.
    let all = Metric::ALL.into_iter();
    let all = all.filter(|metric| *metric != Metric::AmountMismatch);
    let all: BTreeSet<_> = all.map(Metric::name).collect();
    assert_eq!(written, all);
    for line in &lines {
        let definition = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(definition["Namespace"], NAMESPACE);
        assert!(line["_aws"]["Timestamp"].as_i64().unwrap() > 1_000_000_000_000);
        let dimensions = definition["Dimensions"][0].as_array().unwrap();
        let expected = match line.get("Session") {
            Some(_) => vec!["Stack", "Session"],
            None => vec!["Stack"],
        };
        assert_eq!(*dimensions, expected, "{line}");
        for dimension in expected {
            assert!(line[dimension].is_string(), "{line}");
        }
        for name in names(line) {
            assert!(line[name].is_number(), "{name} in {line}");
        }
    }
    let up = lines.iter().filter(|line| !line["SessionUp"].is_null());
    let up: Vec<_> = up
        .map(|line| (&line["Session"], &line["SessionUp"]))
        .collect();
    assert_eq!(
        up,
        [(&json!("system"), &json!(1)), (&json!("sales"), &json!(0))]
    );
    assert_eq!(values(&log, Metric::NeedsPairing), [1.0]);
    assert_eq!(values(&log, Metric::Mute), [0.0]);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_measured_as_it_ended() {
    let unanswered = Scenario::AckLost {
        sends: u32::MAX,
        delivered: true,
        lasts_ms: 6_000,
    };
    for (scenario, ends, in_time) in [
        (Scenario::Healthy, [1.0, 0.0, 0.0], Some(1.0)),
        (Scenario::Unlinked, [0.0, 1.0, 0.0], Some(0.0)),
        (unanswered, [0.0, 0.0, 1.0], Some(0.0)),
        (
            Scenario::NotOnWhatsapp {
                phones: vec![PHONE.into()],
                taken: false,
            },
            [0.0, 1.0, 0.0],
            None,
        ),
    ] {
        let (system, log, _guard) = logged().await;
        signed_up(&system).await;
        pass().await;
        system.simulator().play(&scenario);
        ask(&system, PHONE).await;
        for (metric, end) in [Metric::Sent, Metric::NotSent, Metric::Unknown]
            .into_iter()
            .zip(ends)
        {
            assert_eq!(
                values(&log, metric).last(),
                Some(&end),
                "{metric:?}, {scenario:?}"
            );
        }
        let codes = values(&log, Metric::CodesInTime);
        assert_eq!(codes.get(1).copied(), in_time, "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_is_measured_and_so_is_the_time_that_it_took() {
    let (system, log, _guard) = logged().await;
    signed_up(&system).await;
    pass().await;
    system.simulator().play(&Scenario::ColdSession);
    check(&ask(&system, PHONE).await, 200, None);
    pass().await;
    system
        .simulator()
        .play(&Scenario::GatewayDown { lasts_ms: 60_000 });
    assert_eq!(ask(&system, PHONE).await.status, 503);
    assert_eq!(values(&log, Metric::RecoveryTried), [1.0, 1.0]);
    assert_eq!(values(&log, Metric::RecoverySucceeded), [1.0, 0.0]);
    assert_eq!(values(&log, Metric::RecoveryFailed), [0.0, 1.0]);
    let taken = values(&log, Metric::SecondsToTaken);
    assert!(taken.len() == 2 && taken[0] < taken[1], "{taken:?}");
    assert_eq!(values(&log, Metric::CodesSent), [1.0, 1.0]);
    assert_eq!(values(&log, Metric::CodesVerified), [1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_is_not_measured() {
    let (system, log, _guard) = logged().await;
    signed_up(&system).await;
    let before = log.metrics().len();
    for scenario in [Scenario::Healthy, Scenario::Unlinked] {
        system.simulator().play(&scenario);
        ask(&system, "08123456781").await;
        pass().await;
    }
    assert_eq!(log.metrics().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_delivered_once() {
    let (system, log, _guard) = logged().await;
    signed_up(&system).await;
    // The right code has shown it; no receipt says when.
    assert_eq!(values(&log, Metric::Delivered), [1.0]);
    assert!(values(&log, Metric::SecondsToDelivered).is_empty());
    pass().await;
    let began = system.now();
    check(&ask(&system, PHONE).await, 200, None);
    let messages = system.simulator().messages(None);
    let id = messages.last().unwrap().id.as_str();
    for (kind, seconds) in [("Read", 9), ("Delivered", 4), ("Delivered", 4)] {
        let receipt = webhooks::receipt(kind, &[id], began.plus(Duration::from_secs(seconds)));
        sleep(Duration::from_secs(10)).await;
        check(&post(&system, &receipt).await, 200, None);
    }
    assert_eq!(values(&log, Metric::Delivered), [1.0, 1.0]);
    let seconds = values(&log, Metric::SecondsToDelivered);
    assert!(
        seconds.len() == 1 && (7.0..=9.0).contains(&seconds[0]),
        "{seconds:?}"
    );
}
