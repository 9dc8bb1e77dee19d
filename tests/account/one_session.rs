//! The only session in each of its bad states: what a request is told, what the status of the channel says without any further
//! message, and which metric tells an operator in the first minute.
use std::time::Duration;

use local::simulator::{Scenario, SessionOptions, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use shared::runtime::metrics::Metric;
use shared::store::whatsapp_sessions::WhatsAppSessions;
use shared::store::whatsapp_sessions::arrivals::Arrivals;
use tests::webhooks::{self, Form};
use tests::{Reply, TestSystem, people};
use tokio::time::sleep;

use super::logs::Log;

/// What is done to the session.
enum Trouble {
    /// It begins so.
    Plays(Vec<Scenario>),
    /// Nobody can know before messages have met it: so many.
    Meets(Scenario, u64),
    /// Somebody whom the account has written to has met it.
    MeetsContact(Scenario),
    /// Somebody who signs up has met it.
    MeetsNewContact(Scenario),
    /// None of its messages arrives any more.
    Mute,
    /// The gateway does not know its token.
    WrongToken,
}

/// A bad state, and what is said of it after the first run of the monitor.
struct Case {
    name: &'static str,
    trouble: Trouble,
    /// What `/api/status` says.
    status: &'static str,
    /// The metric that is 1.
    metric: Metric,
    /// The reply to a request for a code.
    reply: Told,
}

/// A status, what became of the message or which error it was, and whether something is being done.
type Told = (u16, Option<&'static str>, Option<bool>);

const SENT: Told = (200, Some("sent"), None);
const UNCONFIRMED: Told = (200, Some("unconfirmed"), None);
const OUT_OF_ORDER: Told = (503, Some("WHATSAPP_SERVICE_UNAVAILABLE"), Some(false));

fn cases() -> Vec<Case> {
    use Trouble::{Meets, MeetsContact, MeetsNewContact, Mute, Plays, WrongToken};
    let (code, refusals) = (463, None);
    let case = |name, trouble, status, metric, reply| Case {
        name,
        trouble,
        status,
        metric,
        reply,
    };
    let (hangs, gone) = (
        Scenario::WhatsappBlackHole { lasts_ms: None },
        Scenario::HostDown { lasts_ms: 600_000 },
    );
    let usable = Metric::UsableSessions;
    vec![
        case(
            "absent",
            Plays(vec![Scenario::ColdSession]),
            "usable",
            usable,
            SENT,
        ),
        case(
            "half-open",
            Meets(Scenario::HalfOpenGivenUp, 2),
            "usable",
            usable,
            SENT,
        ),
        case(
            "hanging",
            Meets(Scenario::DeadQueue { delivered: false }, 2),
            "usable",
            usable,
            SENT,
        ),
        case(
            "a QR code",
            Plays(vec![Scenario::QrNotScanned]),
            "needs_pairing",
            Metric::NeedsPairing,
            OUT_OF_ORDER,
        ),
        case(
            "unlinked",
            Plays(vec![Scenario::Unlinked]),
            "needs_pairing",
            Metric::NeedsPairing,
            OUT_OF_ORDER,
        ),
        case(
            "a login that does not end",
            Plays(vec![hangs, Scenario::ColdSession]),
            "needs_restart",
            Metric::NeedsRestart,
            // The gateway holds the send back as well, so nobody knows.
            UNCONFIRMED,
        ),
        case(
            "restricted",
            MeetsContact(Scenario::Restricted { code, refusals }),
            "restricted",
            Metric::Restricted,
            (503, Some("WHATSAPP_OTP_FAILED"), Some(false)),
        ),
        case(
            "cold-locked",
            MeetsNewContact(Scenario::ColdLocked { code, refusals }),
            "cold_locked",
            Metric::Restricted,
            SENT,
        ),
        case("mute", Mute, "usable", Metric::Mute, SENT),
        case(
            "a wrong token",
            WrongToken,
            "misconfigured",
            Metric::TokenRefused,
            (503, Some("WHATSAPP_AUTH_ERROR"), Some(false)),
        ),
        case(
            "its host is gone",
            Plays(vec![gone]),
            "down",
            Metric::GatewaysDown,
            (503, Some("WHATSAPP_NETWORK_ERROR"), Some(true)),
        ),
    ]
}

async fn system(case: &Case) -> TestSystem {
    let builder = TestSystem::builder();
    let builder = match case.trouble {
        Trouble::WrongToken => builder.gateway(Simulator::new(SimulatorOptions {
            sessions: vec![SessionOptions::new("system", "another token")],
            ..SimulatorOptions::default()
        })),
        _ => builder,
    };
    let system = builder.build().await;
    for number in 1..=9 {
        people::add_user(&system, &people::phone(number)).await;
    }
    system
}

async fn sign_up(system: &TestSystem) -> Reply {
    let body =
        json!({ "phone": people::phone(50), "name": "Budi", "password": "kuda-lari-kencang" });
    system.post("/api/auth/signup", body).await
}

/// A message that was taken from the account before.
async fn one_chat(system: &TestSystem, number: u64) {
    let asked = people::sign_in(system, &people::phone(number)).await;
    assert_eq!(asked.status, 200, "{}", asked.json);
    sleep(Duration::from_secs(61)).await;
}

async fn bring_about(system: &TestSystem, trouble: &Trouble) {
    match trouble {
        Trouble::Plays(scenarios) => {
            for scenario in scenarios {
                system.simulator().play(scenario);
            }
        }
        Trouble::Meets(scenario, messages) => {
            // The first one is nobody new to the account.
            one_chat(system, 1).await;
            system.simulator().play(scenario);
            for number in 1..=*messages {
                people::sign_in(system, &people::phone(number)).await;
            }
        }
        Trouble::MeetsContact(scenario) => {
            one_chat(system, 9).await;
            system.simulator().play(scenario);
            people::sign_in(system, &people::phone(9)).await;
        }
        Trouble::MeetsNewContact(scenario) => {
            one_chat(system, 9).await;
            system.simulator().play(scenario);
            let refused = sign_up(system).await;
            assert_eq!(refused.json["error"], "WHATSAPP_OTP_FAILED");
            assert_eq!(refused.json["charged"], false);
        }
        Trouble::Mute => {
            let now = Some(system.now());
            let arrivals = Arrivals {
                delivered_at: now,
                mute_since: now,
                receipts_take: None,
            };
            let sessions = WhatsAppSessions::of(system.backends());
            let recorded = sessions.record_arrivals("system", arrivals).await;
            recorded.unwrap();
        }
        Trouble::WrongToken => {}
    }
}

/// The run of the monitor that comes within a minute.
async fn tick(system: &TestSystem) {
    let monitor = session_monitor::App::new(system.backends());
    let deadline = system.now().plus(Duration::from_secs(60));
    let watched = session_monitor::handle(&monitor, deadline).await;
    watched.unwrap();
}

async fn status(system: &TestSystem) -> Value {
    system.get("/api/status").await.json["data"]["whatsapp"].clone()
}

fn last(log: &Log, metric: Metric) -> Option<f64> {
    let lines = log.metrics();
    let mut values = lines.iter().rev();
    values.find_map(|line| line[metric.name()].as_f64())
}

#[tokio::test(start_paused = true)]
async fn each_bad_state_of_the_only_session_is_told_to_whoever_asks_and_to_whoever_has_to_act() {
    for case in cases() {
        let name = case.name;
        let log = Log::default();
        let _log = tracing::subscriber::set_default(shared::runtime::log::json_lines(log.clone()));
        let system = system(&case).await;
        bring_about(&system, &case.trouble).await;
        tick(&system).await;
        assert_eq!(status(&system).await, case.status, "{name}");
        assert_eq!(last(&log, case.metric), Some(1.0), "{name}");
        let up = if ["usable", "cold_locked"].contains(&case.status) {
            1.0
        } else {
            0.0
        };
        assert_eq!(last(&log, Metric::SessionUp), Some(up), "{name}");
        let asked = people::sign_in(&system, &people::phone(9)).await;
        let (status, word, recovering) = case.reply;
        assert_eq!(asked.status, status, "{name}: {}", asked.json);
        let error = asked.json["error"].as_str();
        let told = error.or(asked.json["data"]["delivery"].as_str());
        assert_eq!(told, word, "{name}");
        if status == 503 {
            assert_eq!(asked.json["charged"], false, "{name}");
            let told = asked.json["recovering"].as_bool().unwrap_or(true);
            assert_eq!(Some(told), recovering, "{name}: {}", asked.json);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_tells_shows_at_once_and_in_the_metrics_of_the_next_minute() {
    const HOUR: u64 = 3_600_000_000_000;
    for (event, expected, metric) in [
        (
            webhooks::news("LoggedOut"),
            "needs_pairing",
            Metric::NeedsPairing,
        ),
        (
            webhooks::news("ClientOutdated"),
            "needs_restart",
            Metric::NeedsRestart,
        ),
        (
            json!({ "type": "TemporaryBan", "event": { "Code": 101, "Expire": HOUR } }),
            "restricted",
            Metric::Restricted,
        ),
    ] {
        let log = Log::default();
        let _log = tracing::subscriber::set_default(shared::runtime::log::json_lines(log.clone()));
        let system = TestSystem::start().await;
        let path = webhooks::path(&system).await;
        let dead = Scenario::DeadObject { logged_in: true };
        system.simulator().play(&dead);
        let told = webhooks::post(&system, &path, Form::Json, &event).await;
        assert_eq!(told.status, 200);
        assert_eq!(status(&system).await, expected);
        assert_eq!(last(&log, metric), None);
        let kind = &event["type"];
        // A minute later the monitor has looked, too: what it can mend it does.
        sleep(Duration::from_secs(2)).await;
        tick(&system).await;
        if kind == "TemporaryBan" {
            assert_eq!(last(&log, metric), Some(1.0), "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ban_is_waited_out_and_ends_when_whatsapp_said_it_would() {
    let system = TestSystem::start().await;
    people::add_user(&system, &people::phone(1)).await;
    let path = webhooks::path(&system).await;
    system
        .simulator()
        .play(&Scenario::DeadObject { logged_in: true });
    let hours = 3;
    let event = json!({
        "type": "TemporaryBan",
        "event": { "Code": 101, "Expire": hours * 3_600_000_000_000_u64 },
    });
    webhooks::post(&system, &path, Form::Json, &event).await;
    let connects = || system.simulator().calls().count("/session/connect");
    for minute in 0..hours * 60 {
        tick(&system).await;
        assert_eq!(
            status(&system).await,
            "restricted",
            "after {minute} minutes"
        );
        if minute % 60 == 0 {
            let asked = people::sign_in(&system, &people::phone(1)).await;
            assert_eq!(asked.json["error"], "WHATSAPP_OTP_FAILED", "{}", asked.json);
            assert_eq!(asked.json["recovering"], false, "{}", asked.json);
            assert_eq!(status(&system).await, "restricted");
        }
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(connects(), 0, "no connect helps before");
    for _ in 0..3 {
        sleep(Duration::from_secs(60)).await;
        tick(&system).await;
    }
    assert_eq!(status(&system).await, "usable");
    let asked = people::sign_in(&system, &people::phone(1)).await;
    assert_eq!(asked.status, 200, "{}", asked.json);
    assert_eq!(connects(), 1);
}
