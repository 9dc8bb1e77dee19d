//! Sessions are looked after each minute, also while nobody sends.
use std::sync::Arc;
use std::time::Duration;

use local::database::{Call, Faults};
use local::simulator::{Profile, Scenario, SessionOptions, Simulator, SimulatorOptions};
use shared::flows::watch::{NeedsHuman, Watch, WatchReport, WatchedSession, WebhookCheck};
use shared::gateway::{GatewayAddress, SessionToken};
use shared::platform::entropy::Entropy;
use shared::runtime::Backends;
use shared::runtime::settings::{SessionSettings, Settings};
use shared::sender::{Outcome, Outgoing, Reason, Recipient, Repair};
use shared::store::deliveries::{By, Deliveries, Told};
use shared::store::key_maker::KeyMaker;
use shared::store::session_list::{ListedSession, SessionListChanges};
use shared::store::whatsapp_sessions::SessionState::{self, *};
use tokio::time::{Instant, sleep};

use super::stage::{SESSION, Stage, TOKEN, outgoing, send};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings {
        sessions: vec![SessionSettings::new(SESSION, SessionToken::new(TOKEN))],
        ..Settings::default()
    }
}

/// A function of its own, with randomness of its own.
fn watch_with(stage: &Stage, settings: Settings, seed: u64) -> Watch {
    let now = stage.clock.now().millis().unsigned_abs();
    Watch::new(&Backends {
        entropy: Entropy::seeded(now + seed),
        settings: Arc::new(settings),
        ..stage.backends()
    })
}

/// One run, as a function of its own with a time limit of a minute.
async fn run_with(stage: &Stage, settings: Settings) -> WatchReport {
    run_as(stage, settings, 0).await
}

async fn run_as(stage: &Stage, settings: Settings, seed: u64) -> WatchReport {
    let began = Instant::now();
    let watch = watch_with(stage, settings, seed);
    let report = watch.run(stage.clock.now().plus(MINUTE)).await;
    let took = began.elapsed();
    assert!(took < MINUTE, "{took:?}");
    report.expect("the sessions are known")
}

async fn run(stage: &Stage) -> WatchReport {
    run_with(stage, settings()).await
}

/// The run of the next minute.
async fn next_run(stage: &Stage) -> WatchReport {
    sleep(MINUTE).await;
    run(stage).await
}

#[track_caller]
fn session<'a>(report: &'a WatchReport, name: &str) -> &'a WatchedSession {
    let session = report.sessions.iter().find(|session| session.name == name);
    session.unwrap_or_else(|| panic!("no {name}: {report:?}"))
}

/// How the session is after so many runs, what was done in the last one, and how many connects there were in all.
struct Seen {
    case: &'static str,
    scenario: Scenario,
    runs: u32,
    state: SessionState,
    needs_human: Option<NeedsHuman>,
    repair: Repair,
    connects: u64,
}

async fn check(seen: Seen) {
    let case = seen.case;
    let stage = Stage::in_trouble(&seen.scenario).await;
    let mut report = run(&stage).await;
    for _ in 1..seen.runs {
        report = next_run(&stage).await;
    }
    let found = session(&report, SESSION);
    assert_eq!(found.state, Some(seen.state), "{case}: {found:?}");
    assert_eq!(found.needs_human, seen.needs_human, "{case}");
    assert_eq!(found.found.repair, seen.repair, "{case}");
    assert_eq!(found.usable, seen.state == Usable, "{case}");
    assert_eq!(stage.connects(), seen.connects, "{case}");
    // Whoever asks for the status of the channel reads the item.
    let item = stage.item().await.seen.expect("a state");
    assert_eq!(item.state, seen.state, "{case}");
}

#[tokio::test(start_paused = true)]
async fn each_trouble_is_known_within_a_minute_without_a_message() {
    let (none, succeeded) = (Repair::None, Repair::Succeeded);
    for (case, scenario, state, needs_human, repair, connects) in [
        ("well", Scenario::Healthy, Usable, None, none, 0),
        ("cold", Scenario::ColdSession, Usable, None, succeeded, 1),
        (
            "dead object",
            Scenario::DeadObject { logged_in: false },
            Usable,
            None,
            succeeded,
            1,
        ),
        ("zombie", Scenario::Zombie, Usable, None, succeeded, 1),
        (
            "a QR code",
            Scenario::QrNotScanned,
            NeedsPairing,
            Some(NeedsHuman::Pairing),
            none,
            0,
        ),
        (
            "its host is gone",
            Scenario::HostDown { lasts_ms: 600_000 },
            Unreachable,
            None,
            none,
            0,
        ),
        (
            "WhatsApp is gone",
            Scenario::WhatsappUnreachable { lasts_ms: None },
            Reconnecting,
            None,
            none,
            0,
        ),
    ] {
        check(Seen {
            case,
            scenario,
            runs: 1,
            state,
            needs_human,
            repair,
            connects,
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_stays_known_and_is_not_connected_each_minute() {
    check(Seen {
        case: "unlinked by its phone, for an hour",
        scenario: Scenario::Unlinked,
        runs: 55,
        state: Unlinked,
        needs_human: Some(NeedsHuman::Pairing),
        repair: Repair::None,
        connects: 1,
    })
    .await;
    let stage = Stage::in_trouble(&Scenario::StuckObject { logged_in: false }).await;
    run(&stage).await;
    let report = next_run(&stage).await;
    let found = session(&report, SESSION);
    assert_eq!(found.needs_human, Some(NeedsHuman::Restart), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_refuses_the_token_is_named() {
    let stage = Stage::new().await;
    let mut wrong = settings();
    wrong.sessions[0].token = SessionToken::new("of somebody else");
    for minute in 0..2 {
        let report = run_with(&stage, wrong.clone()).await;
        let found = session(&report, SESSION);
        let state = (found.state, found.needs_human);
        let expected = (Some(Misconfigured), Some(NeedsHuman::Misconfigured));
        assert_eq!(state, expected, "{minute}");
        let lasts = stage.clock.now().since(found.since.expect("a time"));
        assert!(lasts >= MINUTE * minute, "{lasts:?}");
        sleep(MINUTE).await;
    }
    let report = run(&stage).await;
    assert!(session(&report, SESSION).usable, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn good_flags_do_not_end_a_restriction() {
    let stage = Stage::in_trouble(&Scenario::Restricted {
        code: 463,
        refusals: None,
    })
    .await;
    let refused = stage.send().await.delivery.outcome;
    assert_eq!(refused, Outcome::NotSent(Reason::Restricted));
    for _ in 0..3 {
        let report = next_run(&stage).await;
        let found = session(&report, SESSION);
        assert_eq!(found.state, Some(Restricted));
        assert_eq!(found.needs_human, Some(NeedsHuman::Restricted));
    }
    stage.gateway.play(&Scenario::Healthy);
    assert_eq!(stage.send().await.delivery.outcome, Outcome::Sent);
    let report = next_run(&stage).await;
    assert!(session(&report, SESSION).usable, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_sends_end_unanswered_is_reset_before_the_next_one() {
    let stage = Stage::in_trouble(&Scenario::HalfOpenGivenUp).await;
    for _ in 0..2 {
        assert_eq!(stage.send().await.delivery.outcome, Outcome::Unknown);
    }
    let report = next_run(&stage).await;
    assert!(session(&report, SESSION).usable, "{report:?}");
    assert_eq!(stage.send().await.delivery.outcome, Outcome::Sent);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_hangs_is_met_by_one_message() {
    let names = ["a", "b", "c"];
    let sessions = names.map(|name| SessionOptions::new(name, &format!("token of {name}")));
    let stage = Stage::with(SimulatorOptions {
        sessions: sessions.into(),
        send_duration: Duration::from_millis(200),
        ..SimulatorOptions::default()
    })
    .await;
    let sessions = names.map(|name| listed(name, None).session);
    let settings = Settings {
        sessions: sessions.clone().into(),
        ..Settings::default()
    };
    run_with(&stage, settings.clone()).await;
    let hangs = Scenario::DeadQueue { delivered: false };
    stage.gateway.play_on("b", &hangs).expect("a session");
    let mut slow = 0;
    for number in 1..=100 {
        if number % 10 == 0 {
            run_with(&stage, settings.clone()).await;
        }
        let sender = stage.sender_of(sessions.clone().into(), number, Faults::none());
        let sent = send(&sender, &stage.clock, outgoing(number)).await;
        let sent = sent.expect("a place");
        assert_eq!(sent.delivery.outcome, Outcome::Sent, "{sent:?}");
        assert!(sent.took < 11 * SECOND, "{sent:?}");
        slow += u32::from(sent.took > 3 * SECOND);
        sleep(6 * SECOND).await;
    }
    assert_eq!(slow, 1, "one message meets it");
    let report = run_with(&stage, settings).await;
    assert!(session(&report, "b").usable, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_does_not_end_needs_a_restart_in_the_first_minute() {
    let hung = Scenario::WhatsappBlackHole { lasts_ms: None };
    let stage = Stage::in_trouble(&hung).await;
    stage.gateway.play(&Scenario::ColdSession);
    let report = run(&stage).await;
    let found = session(&report, SESSION);
    assert_eq!(found.needs_human, Some(NeedsHuman::Restart), "{found:?}");
    assert_eq!(found.found.repair, Repair::Failed);
}

#[tokio::test(start_paused = true)]
async fn two_clients_that_replace_each_other_are_seen_in_the_same_run() {
    for profile in [Profile::B, Profile::C, Profile::D] {
        let stage = Stage::with(SimulatorOptions {
            profile,
            ..SimulatorOptions::default()
        })
        .await;
        let down = Scenario::WhatsappUnreachable {
            lasts_ms: Some(70_000),
        };
        stage.gateway.play(&down);
        let mut minutes = 0;
        while !session(&run(&stage).await, SESSION).usable {
            minutes += 1;
            assert!(minutes < 5, "{profile:?}");
            sleep(MINUTE).await;
        }
        // What it said holds.
        sleep(10 * SECOND).await;
        let sent = stage.send().await;
        assert_eq!(sent.delivery.outcome, Outcome::Sent, "{profile:?}");
        assert!(sent.took < SECOND, "{profile:?}: {:?}", sent.took);
    }
}

#[tokio::test(start_paused = true)]
async fn runs_side_by_side_make_one_connect() {
    let stage = Stage::in_trouble(&Scenario::ColdSession).await;
    let run = |seed| run_as(&stage, settings(), seed);
    let (one, other) = tokio::join!(run(0), run(1));
    assert!(session(&one, SESSION).usable, "{one:?}");
    assert!(session(&other, SESSION).usable, "{other:?}");
    assert_eq!(stage.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_somebody_has_just_found_open_is_not_asked_for_again() {
    let stage = Stage::new().await;
    run(&stage).await;
    let asked = || stage.gateway.calls().count("/session/status");
    let before = asked();
    sleep(2 * SECOND).await;
    assert!(session(&run(&stage).await, SESSION).usable);
    assert_eq!(asked(), before);
    next_run(&stage).await;
    assert_eq!(asked(), before + 1);
}

/// A further session of the list, on a gateway of its own.
fn listed(name: &str, gateway: Option<GatewayAddress>) -> ListedSession {
    let token = SessionToken::new(format!("token of {name}"));
    ListedSession {
        session: SessionSettings {
            gateway,
            ..SessionSettings::new(name, token)
        },
        sends: true,
    }
}

async fn list(stage: &Stage, sessions: &[ListedSession]) {
    let list = SessionListChanges::new(&stage.backends());
    let seen = list.read().await.expect("the list");
    list.write(&seen, sessions).await.expect("written");
}

fn beside(stage: &Stage, name: &str) -> Simulator {
    let session = SessionOptions::new(name, &format!("token of {name}"));
    stage.gateway.beside(SimulatorOptions {
        name: name.into(),
        sessions: vec![session],
        ..SimulatorOptions::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_hangs_or_is_gone_holds_up_no_other() {
    let stage = Stage::in_trouble(&Scenario::ColdSession).await;
    let hanging = beside(&stage, "hanging");
    hanging.play(&Scenario::WhatsappBlackHole { lasts_ms: None });
    hanging.play(&Scenario::ColdSession);
    let nowhere = GatewayAddress::parse("http://nowhere.test");
    let sessions = [
        listed("hanging", Some(hanging.address())),
        listed("gone", nowhere),
    ];
    list(&stage, &sessions).await;
    let report = run(&stage).await;
    let state = |name| session(&report, name).state;
    assert_eq!(state(SESSION), Some(Usable));
    assert_eq!(state("gone"), Some(Unreachable));
    assert_eq!(state("hanging"), Some(NeedsRestart));
    let took = session(&report, SESSION).took;
    assert!(took < 3 * SECOND, "{took:?}");
    let reachable: Vec<_> = report.gateways.iter().map(|one| one.reachable).collect();
    assert_eq!(reachable.iter().filter(|yes| **yes).count(), 2);
    assert_eq!(reachable.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nothing_is_sent_from_is_looked_at_and_left_alone() {
    let sessions = [
        SessionOptions::new(SESSION, TOKEN),
        SessionOptions::new("spare", "token of spare"),
    ];
    let stage = Stage::with(SimulatorOptions {
        sessions: sessions.into(),
        ..SimulatorOptions::default()
    })
    .await;
    let mut spare = listed("spare", None);
    spare.sends = false;
    list(&stage, &[spare.clone()]).await;
    let cold = stage.gateway.play_on("spare", &Scenario::ColdSession);
    cold.expect("a session");
    let report = run(&stage).await;
    let found = session(&report, "spare");
    assert_eq!((found.state, found.sends), (Some(Down), false));
    assert_eq!(stage.connects(), 0);
    spare.sends = true;
    list(&stage, &[spare]).await;
    let report = run(&stage).await;
    assert!(session(&report, "spare").usable, "{report:?}");
    assert_eq!(stage.connects(), 1);
}

/// What a session's webhook is found as, one run after the other.
async fn webhook_found(stage: &Stage) -> WebhookCheck {
    let settings = Settings {
        public_base_url: Some("https://api.example.com".into()),
        ..settings()
    };
    let report = run_with(stage, settings).await;
    sleep(MINUTE).await;
    session(&report, SESSION).found.webhook
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_not_here_is_set_once() {
    for profile in [Profile::A, Profile::B, Profile::C, Profile::D] {
        let stage = Stage::with(SimulatorOptions {
            profile,
            ..SimulatorOptions::default()
        })
        .await;
        let made = KeyMaker::new(&stage.backends()).make_missing().await;
        made.expect("keys");
        assert_eq!(webhook_found(&stage).await, WebhookCheck::Set);
        assert_eq!(webhook_found(&stage).await, WebhookCheck::Ok, "{profile:?}");
        let (gateway, token) = (stage.gateway.gateway(), SessionToken::new(TOKEN));
        let setup = gateway.webhook(&token, SECOND).await.expect("an answer");
        let ours = "https://api.example.com/api/webhooks/whatsapp/system.";
        assert!(setup.address.starts_with(ours), "{profile:?}");
        let elsewhere = gateway.set_webhook(&token, "https://example.com/", SECOND);
        elsewhere.await.expect("an answer");
        assert_eq!(webhook_found(&stage).await, WebhookCheck::Set);
        // Without an address of the API nobody knows what it should be.
        let report = next_run(&stage).await;
        let found = session(&report, SESSION).found.webhook;
        assert_eq!(found, WebhookCheck::Unknown);
    }
}

/// Sends so many messages to users, one each ten seconds, and says that those in `delivered` were.
async fn send_messages(stage: &Stage, numbers: std::ops::Range<u64>, delivered: bool) {
    let deliveries = Deliveries::new(stage.database.client(), "DeliveriesTable".into());
    for number in numbers {
        let message = outgoing(number);
        let id = message.message_id.clone();
        let sent = send(&stage.sender(number), &stage.clock, message).await;
        let outcome = sent.expect("a place").delivery.outcome;
        assert_eq!(outcome, Outcome::Sent);
        if delivered {
            let told = Told {
                message_id: &id,
                by: By::Session(SESSION),
                at: stage.clock.now(),
            };
            let arrived = deliveries.record_delivered(told).await;
            arrived.expect("the store");
        }
        sleep(10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_messages_and_delivers_none_is_mute_until_it_does() {
    let stage = Stage::new().await;
    let mute = |report: &WatchReport| session(report, SESSION).needs_human;
    send_messages(&stage, 1..3, true).await;
    let report = next_run(&stage).await;
    assert_eq!(mute(&report), None);
    send_messages(&stage, 3..8, false).await;
    assert_eq!(mute(&run(&stage).await), None, "they are young");
    sleep(2 * MINUTE).await;
    assert_eq!(
        mute(&run(&stage).await),
        None,
        "two of seven were delivered"
    );
    sleep(7 * MINUTE).await;
    let report = run(&stage).await;
    assert_eq!(mute(&report), Some(NeedsHuman::Mute), "{report:?}");
    let counts = session(&report, SESSION).found.counts;
    assert_eq!((counts.taken, counts.delivered, counts.silent), (5, 0, 5));
    send_messages(&stage, 8..9, false).await;
    assert_eq!(mute(&run(&stage).await), Some(NeedsHuman::Mute));
    send_messages(&stage, 9..10, true).await;
    let report = run(&stage).await;
    assert_eq!(mute(&report), None);
    assert!(session(&report, SESSION).usable);
}

/// Anybody can sign up with phones that are switched off.
#[tokio::test(start_paused = true)]
async fn messages_to_strangers_make_no_session_mute() {
    let stage = Stage::new().await;
    send_messages(&stage, 1..3, true).await;
    next_run(&stage).await;
    sleep(10 * MINUTE).await;
    for number in 3..12 {
        let message = outgoing(number);
        let recipient = Recipient {
            first_contact: true,
            ..Recipient::of(&message.phone)
        };
        let sender = stage.sender(number);
        let picked = sender.pick(&recipient).await.expect("a session");
        let place = sender.take_place(&picked, MINUTE).await.expect("a place");
        let deadline = stage.clock.now().plus(MINUTE);
        let delivery = sender.deliver(place, message.clone(), deadline).await;
        assert_eq!(delivery.outcome, Outcome::Sent);
        sender.record(&delivery).await;
        sleep(10 * SECOND).await;
    }
    sleep(3 * MINUTE).await;
    let report = run(&stage).await;
    let found = session(&report, SESSION);
    assert_eq!((found.needs_human, found.found.counts.silent), (None, 9));
}

/// A phone that is switched off gives no receipt, however often its owner asks.
#[tokio::test(start_paused = true)]
async fn messages_to_one_user_make_no_session_mute() {
    let stage = Stage::new().await;
    send_messages(&stage, 1..3, true).await;
    next_run(&stage).await;
    sleep(10 * MINUTE).await;
    for number in 3..9 {
        let message = Outgoing {
            message_id: outgoing(number).message_id,
            ..outgoing(3 + number % 4)
        };
        let sent = send(&stage.sender(number), &stage.clock, message).await;
        assert_eq!(sent.expect("a place").delivery.outcome, Outcome::Sent);
    }
    sleep(3 * MINUTE).await;
    let report = run(&stage).await;
    let found = session(&report, SESSION);
    assert_eq!((found.needs_human, found.found.counts.silent), (None, 6));
}

#[tokio::test(start_paused = true)]
async fn receipts_that_were_never_seen_show_nothing_by_their_absence() {
    let stage = Stage::new().await;
    send_messages(&stage, 1..9, false).await;
    sleep(3 * MINUTE).await;
    let report = run(&stage).await;
    let found = session(&report, SESSION);
    assert_eq!((found.needs_human, found.found.counts.silent), (None, 8));
}

#[tokio::test(start_paused = true)]
async fn the_sample_of_messages_makes_no_write_of_a_session_dearer() {
    let stage = Stage::new().await;
    send_messages(&stage, 1..40, true).await;
    run(&stage).await;
    assert_eq!(stage.item().await.taken.len(), 16);
    stage.database.forget_calls();
    send_messages(&stage, 40..41, false).await;
    let calls = stage.database.calls();
    let of_session = |call: &&Call| call.tables == ["WhatsAppSessionsTable"];
    assert!(calls.iter().any(|call| of_session(&call)));
    for call in calls.iter().filter(of_session) {
        let units = call.units;
        assert!(units <= 1.0, "{}: {units}", call.operation);
    }
}
