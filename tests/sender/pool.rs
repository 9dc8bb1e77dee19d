//! Several sessions: whichever of them is in trouble, messages go out over the others.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use local::database::Faults;
use local::simulator::{Scenario, SessionOptions, Simulator, SimulatorOptions};
use shared::gateway::SessionToken;
use shared::runtime::settings::SessionSettings;
use shared::sender::{Busy, Delivery, Outcome, PlaceError, Reason, Recipient, Sender};
use shared::store::keys::ListChanged;
use shared::store::session_list::{ListedSession, SessionListChanges};
use shared::store::whatsapp_sessions::{SeenState, SessionState};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::stage::{Sent, Stage, WAIT_MAX, outgoing, phone, send};

const NAMES: [&str; 3] = ["a", "b", "c"];
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// WhatsApp refuses the account.
const RESTRICTED: Scenario = Scenario::Restricted {
    code: 463,
    refusals: None,
};

fn token(name: &str) -> String {
    format!("token of {name}")
}

/// A gateway with three sessions, which take 200 ms for a message.
async fn stage() -> Stage {
    let sessions = NAMES.map(|name| SessionOptions::new(name, &token(name)));
    Stage::with(SimulatorOptions {
        sessions: sessions.into(),
        send_duration: Duration::from_millis(200),
        ..SimulatorOptions::default()
    })
    .await
}

fn settings_of(name: &str) -> SessionSettings {
    SessionSettings::new(name, SessionToken::new(token(name)))
}

fn sender(stage: &Stage, seed: u64) -> Sender {
    stage.sender_of(NAMES.map(settings_of).into(), seed, Faults::none())
}

async fn send_to(stage: &Stage, sender: &Sender, number: u64) -> Sent {
    let sent = send(sender, &stage.clock, outgoing(number)).await;
    sent.expect("a place")
}

/// Which sessions a message was tried on.
fn tried(sent: &Sent) -> BTreeSet<String> {
    let steps = sent.delivery.steps.iter();
    let over = steps.filter_map(|step| step.what.strip_prefix("over "));
    let mut tried: BTreeSet<_> = over.map(str::to_owned).collect();
    tried.insert(sent.delivery.session.clone());
    tried
}

/// The first of twelve phones that `sender` would write to from `name`.
async fn phone_of(sender: &Sender, name: &str) -> u64 {
    for number in 1..100 {
        let picked = sender.pick(&Recipient::of(&phone(number))).await;
        if picked.expect("sessions").session() == name {
            return number;
        }
    }
    panic!("no phone of {name}");
}

/// Sends to twelve phones with session `b` in trouble: each has its code within three seconds, or eleven if it was the first that
/// met the trouble, and only once. Those that come later go round the session.
async fn check_others_send(stage: &Stage, sender: &Sender, case: &str) {
    let mut met = 0;
    for number in 1..=12 {
        let sent = send_to(stage, sender, number).await;
        assert_eq!(sent.delivery.outcome, Outcome::Sent, "{case}: {sent:?}");
        let hung = sent.took > 3 * SECOND;
        assert!(
            !hung || (met == 0 && sent.took < 11 * SECOND),
            "{case}: {sent:?}"
        );
        met += usize::from(tried(&sent).contains("b"));
    }
    assert!(met <= 2, "{case}: {met} messages met the trouble");
    for number in 1..=12 {
        let shown = stage.gateway.messages(Some(&phone(number)));
        assert_eq!(shown.len(), 1, "{case}: {shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_one_session_the_others_send() {
    let refused = |code| Scenario::Restricted {
        code,
        refusals: None,
    };
    for (case, scenario) in [
        ("absent", Scenario::ColdSession),
        (
            "half-open",
            Scenario::HalfOpen {
                sends: None,
                delivered: false,
            },
        ),
        ("unlinked", Scenario::Unlinked),
        ("never paired", Scenario::Unpaired),
        ("a QR code", Scenario::QrNotScanned),
        ("restricted", refused(463)),
        ("hanging", Scenario::DeadQueue { delivered: false }),
        ("dead", Scenario::DeadObject { logged_in: true }),
        ("a fight", Scenario::ReconnectFight),
        ("outdated", Scenario::Outdated),
        ("replaced", Scenario::Replaced),
        ("stuck", Scenario::StuckObject { logged_in: false }),
        ("banned", Scenario::Banned),
    ] {
        let stage = stage().await;
        let sender = sender(&stage, 1);
        stage.gateway.play_on("b", &scenario).expect("a session");
        check_others_send(&stage, &sender, case).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_token_is_refused_is_gone_round() {
    let stage = stage().await;
    let mut sessions = NAMES.map(settings_of);
    sessions[1].token = SessionToken::new("another");
    let sender = stage.sender_of(sessions.into(), 1, Faults::none());
    check_others_send(&stage, &sender, "a wrong token").await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_may_not_write_to_new_contacts_keeps_its_old_ones() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let number = phone_of(&sender, "b").await;
    let locked = Scenario::Restricted {
        code: 463,
        refusals: None,
    };
    stage.gateway.play_on("b", &locked).expect("a session");
    let delivery = send_to_new(&stage, &sender, number).await;
    assert_eq!(delivery.outcome, Outcome::Sent);
    assert_ne!(delivery.session, "b");
    let state = stage.sessions().read("b").await.expect("an item").seen;
    assert_eq!(state.expect("a state").state, SessionState::ColdLocked);

    let phone = phone(number);
    let known = Recipient::of(&phone);
    let recipient = Recipient {
        first_contact: true,
        ..known.clone()
    };
    let again = sender.pick(&recipient).await.expect("sessions");
    assert_ne!(again.session(), "b", "a new contact");
    let known = sender.pick(&known).await.expect("sessions");
    assert_eq!(known.session(), "b", "an old one");
}

#[tokio::test(start_paused = true)]
async fn when_every_session_is_down_the_first_that_comes_back_sends() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    stage.gateway.play(&Scenario::ColdSession);
    let sent = send_to(&stage, &sender, 1).await;
    assert_eq!(sent.delivery.outcome, Outcome::Sent, "{sent:?}");
    assert!(sent.took < 6 * SECOND, "{sent:?}");
    assert_eq!(stage.gateway.messages(None).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_every_session_waits_for_somebody_the_reason_says_so() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    for scenario in [Scenario::Unlinked, Scenario::Unpaired] {
        stage.gateway.play(&scenario);
        for _ in 0..2 {
            let sent = send_to(&stage, &sender, 1).await;
            let expected = Outcome::NotSent(Reason::NeedsPairing);
            assert_eq!(sent.delivery.outcome, expected, "{sent:?}");
        }
    }
    assert!(stage.gateway.messages(None).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_session_that_failed_is_connected_although_another_one_sent() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let number = phone_of(&sender, "b").await;
    stage
        .gateway
        .play_on("b", &Scenario::ColdSession)
        .expect("a session");
    let sent = send_to(&stage, &sender, number).await;
    assert_ne!(sent.delivery.session, "b");
    assert!(sent.took < SECOND, "{sent:?}");
    sleep(2 * SECOND).await;
    assert_eq!(stage.connects(), 1);
    let (gateway, token) = (stage.gateway.gateway(), SessionToken::new(token("b")));
    let status = gateway.status(&token, SECOND).await;
    assert!(status.expect("a status").usable());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_have_gone_out_goes_over_one_more_session_and_no_third() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    stage.gateway.play(&Scenario::AckLost {
        sends: 9,
        delivered: true,
        lasts_ms: 6_000,
    });
    let sent = send_to(&stage, &sender, 1).await;
    assert_eq!(sent.delivery.outcome, Outcome::Unknown, "{sent:?}");
    assert!(tried(&sent).len() <= 2, "{sent:?}");
    let shown = stage.gateway.messages(None);
    assert!(shown.len() <= 2, "{shown:?}");
    let ids: BTreeSet<_> = shown.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), 1, "{shown:?}");
}

/// Sends to a new contact, whom `sender` would write to from `name`.
async fn send_to_new(stage: &Stage, sender: &Sender, number: u64) -> Delivery {
    let mut message = outgoing(number);
    message.first_contact = true;
    let recipient = Recipient {
        first_contact: true,
        ..Recipient::of(&message.phone)
    };
    let picked = sender.pick(&recipient).await.expect("sessions");
    let place = sender.take_place(&picked, WAIT_MAX).await.expect("a place");
    let deadline = stage.clock.now().plus(15 * SECOND);
    let delivery = sender.deliver(place, message.clone(), deadline).await;
    sender.record(&delivery).await;
    delivery
}

/// Sends to a user whom `name` has written to last.
async fn send_as_user_of(stage: &Stage, sender: &Sender, name: &str, number: u64) -> Delivery {
    let message = outgoing(number);
    let recipient = Recipient {
        served_by: Some(name),
        ..Recipient::of(&message.phone)
    };
    let picked = sender.pick(&recipient).await.expect("sessions");
    let place = sender.take_place(&picked, WAIT_MAX).await.expect("a place");
    let deadline = stage.clock.now().plus(15 * SECOND);
    let delivery = sender.deliver(place, message.clone(), deadline).await;
    sender.record(&delivery).await;
    delivery
}

/// Has a session known as being in a state.
async fn see_as(stage: &Stage, name: &str, seen: SeenState) {
    let recorded = stage.sessions().record_state(name, seen).await;
    recorded.expect("the store");
}

/// How often the gateway was asked to send from `name`.
fn sends_from(stage: &Stage, name: &str) -> usize {
    let calls = stage.gateway.calls().calls.into_iter();
    calls
        .filter(|call| call.path == "/chat/send/text" && call.session == name)
        .count()
}

const SIX_HOURS: Duration = Duration::from_secs(6 * 60 * 60);

#[tokio::test(start_paused = true)]
async fn an_account_that_was_refused_is_tried_by_one_message_at_a_time_once_its_time_is_over() {
    let (code, refusals) = (463, None);
    for (new, refused) in [
        (true, Scenario::ColdLocked { code, refusals }),
        (false, Scenario::Restricted { code, refusals }),
    ] {
        let stage = stage().await;
        let sender = sender(&stage, 1);
        let first = phone_of(&sender, "b").await;
        stage.gateway.play_on("b", &refused).expect("a session");
        let before = sends_from(&stage, "b");
        let tried = || sends_from(&stage, "b") - before;
        crowd_of_b(&stage, first, new, 1).await;
        assert_eq!(tried(), 1, "the first meets it");
        sleep(SIX_HOURS - MINUTE).await;
        crowd_of_b(&stage, first, new, 8).await;
        assert_eq!(tried(), 1, "they go round it");
        sleep(MINUTE).await;
        crowd_of_b(&stage, first, new, 8).await;
        assert_eq!(tried(), 2, "one tries it");
        crowd_of_b(&stage, first, new, 8).await;
        sleep(SIX_HOURS - MINUTE).await;
        crowd_of_b(&stage, first, new, 8).await;
        assert_eq!(tried(), 2, "the time began anew");
        stage.gateway.play(&Scenario::Healthy);
        sleep(MINUTE).await;
        crowd_of_b(&stage, first, new, 8).await;
        assert_eq!(tried(), 3, "the others wait for that one");
        crowd_of_b(&stage, first, new, 8).await;
        assert_eq!(tried(), 11, "it sends again");
    }
}

/// Sends to so many phones of session `b` at once, each of which has its message from somewhere.
async fn crowd_of_b(stage: &Stage, number: u64, new: bool, count: u64) {
    let mut crowd = JoinSet::new();
    for seed in 1..=count {
        let (sender, stage) = (sender(stage, number * 100 + seed), stage.clone());
        crowd.spawn(async move {
            if new {
                send_to_new(&stage, &sender, number).await
            } else {
                send_to(&stage, &sender, number).await.delivery
            }
        });
    }
    for delivery in crowd.join_all().await {
        assert_eq!(delivery.outcome, Outcome::Sent, "{delivery:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_with_a_trial_keeps_it_for_some_seconds_only() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let number = phone_of(&sender, "b").await;
    stage.gateway.play_on("b", &RESTRICTED).expect("a session");
    crowd_of_b(&stage, number, false, 1).await;
    sleep(SIX_HOURS).await;
    stage.gateway.play(&Scenario::Healthy);
    let phone = phone(number);
    let picked = sender.pick(&Recipient::of(&phone)).await.expect("sessions");
    assert_eq!(picked.session(), "b");
    sender.take_place(&picked, WAIT_MAX).await.expect("a place");
    // That one is never heard of again.
    for (wait, expected) in [(0, false), (19, false), (1, true)] {
        sleep(wait * SECOND).await;
        let picked = sender.pick(&Recipient::of(&phone)).await.expect("sessions");
        assert_eq!(picked.session() == "b", expected, "{wait}");
    }
    let sent = send_to(&stage, &sender, number).await;
    assert_eq!(sent.delivery.session, "b");
}

#[tokio::test(start_paused = true)]
async fn the_only_session_is_tried_twice_a_minute_whatever_whatsapp_said() {
    let stage = Stage::in_trouble(&Scenario::Restricted {
        code: 463,
        refusals: None,
    })
    .await;
    for wait in [Duration::ZERO, MINUTE, SIX_HOURS] {
        sleep(wait).await;
        let refused = stage.send().await.delivery.outcome;
        assert_eq!(refused, Outcome::NotSent(Reason::Restricted));
    }
    let tried = || stage.gateway.calls().count("/chat/send/text");
    let before = tried();
    for number in 1..=20 {
        let sent = send(&stage.sender(number), &stage.clock, outgoing(number)).await;
        let refused = sent.expect("a place").delivery.outcome;
        assert_eq!(refused, Outcome::NotSent(Reason::Restricted));
        sleep(MINUTE / 10).await;
    }
    let tried = tried() - before;
    assert!((1..=4).contains(&tried), "{tried} in two minutes");
    sleep(SIX_HOURS).await;
    stage.gateway.play(&Scenario::Healthy);
    let mut crowd = JoinSet::new();
    for number in 1..=5 {
        let (sender, clock) = (stage.sender(number), stage.clock.clone());
        crowd.spawn(async move { send(&sender, &clock, outgoing(number)).await });
    }
    for sent in crowd.join_all().await {
        assert_eq!(sent.expect("a place").delivery.outcome, Outcome::Sent);
    }
}

/// How many messages find a place within a second, and when the next one is told to come.
async fn places(sender: &Sender) -> (u32, Duration) {
    let phone = phone(1);
    let picked = sender.pick(&Recipient::of(&phone)).await;
    let picked = picked.expect("sessions");
    let mut taken = 0;
    loop {
        match sender.take_place(&picked, SECOND).await {
            Ok(_) => taken += 1,
            Err(PlaceError::Busy(Busy { retry_after })) => return (taken, retry_after),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_sends_on_to_the_next_session() {
    let first = stage().await;
    let alone = first.sender_of(vec![settings_of("a")], 1, Faults::none());
    let (of_one, _) = places(&alone).await;
    assert!(of_one > 2, "{of_one}");
    let three = stage().await;
    let (of_all, retry_after) = places(&sender(&three, 1)).await;
    assert_eq!(of_all, 3 * of_one);
    assert!(retry_after < SECOND, "{retry_after:?}");
}

#[tokio::test(start_paused = true)]
async fn three_sessions_send_nearly_as_much_as_they_can_and_share_it_evenly() {
    let stage = stage().await;
    for name in NAMES {
        stage.take_cost_of(name, Duration::from_millis(200)).await;
    }
    let began = Instant::now();
    let mut crowd = JoinSet::new();
    for number in 1..=300 {
        let (sender, clock) = (sender(&stage, number), stage.clock.clone());
        crowd.spawn(async move { send(&sender, &clock, outgoing(number)).await });
    }
    let ended = crowd.join_all().await;
    let took = began.elapsed();
    let mut of_session = BTreeMap::new();
    for sent in ended.into_iter().flatten() {
        assert_eq!(sent.delivery.outcome, Outcome::Sent, "{sent:?}");
        *of_session.entry(sent.delivery.session).or_insert(0_u32) += 1;
    }
    let (sent, capacity) = (
        of_session.values().sum::<u32>(),
        3 * 5 * took.as_secs() as u32,
    );
    assert!(
        f64::from(sent) >= 0.95 * f64::from(capacity.min(300)),
        "{of_session:?} in {took:?}"
    );
    let even = f64::from(sent) / 3.0;
    for (name, sent) in &of_session {
        let off = (f64::from(*sent) - even).abs() / even;
        assert!(off < 0.2, "{name}: {of_session:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_served_a_phone_before_serves_it_again() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let number = phone_of(&sender, "a").await;
    for (served_by, expected) in [
        (None, "a"),
        (Some("b"), "b"),
        (Some("c"), "c"),
        (Some("gone"), "a"),
    ] {
        let phone = phone(number);
        let recipient = Recipient {
            served_by,
            ..Recipient::of(&phone)
        };
        let picked = sender.pick(&recipient).await.expect("sessions");
        assert_eq!(picked.session(), expected, "{served_by:?}");
    }
    for name in NAMES {
        let usable = SeenState::beginning(SessionState::Usable, stage.clock.now());
        see_as(&stage, name, usable).await;
    }
    sleep(SECOND).await;
    stage
        .gateway
        .play_on("b", &Scenario::Unpaired)
        .expect("a session");
    let _ = send_to(&stage, &sender, phone_of(&sender, "b").await).await;
    let phone = phone(number);
    let recipient = Recipient {
        served_by: Some("b"),
        ..Recipient::of(&phone)
    };
    let picked = sender.pick(&recipient).await.expect("sessions");
    assert_eq!(picked.session(), "a", "b cannot send");
}

#[tokio::test(start_paused = true)]
async fn a_listed_session_sends_and_one_that_is_taken_off_sends_no_more_a_minute_later() {
    let stage = stage().await;
    let sender = stage.sender_of(vec![settings_of("a")], 1, Faults::none());
    let changes = SessionListChanges::new(&stage.backends());
    let served = async || {
        let mut served = BTreeSet::new();
        for number in 1..=20 {
            let picked = sender.pick(&Recipient::of(&phone(number))).await;
            served.insert(picked.expect("sessions").session().to_owned());
        }
        served.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(served().await, ["a"]);
    let listed = |name, sends| ListedSession {
        session: settings_of(name),
        sends,
    };
    let change = async |sessions: &[ListedSession]| {
        let seen = changes.read().await.expect("the list");
        let changed = changes.write(&seen, sessions).await;
        assert_eq!(changed.expect("the store"), ListChanged::Done);
    };
    change(&[listed("b", true), listed("c", false)]).await;
    sleep(60 * SECOND).await;
    assert_eq!(served().await, ["a", "b"]);
    change(&[listed("b", false), listed("c", true)]).await;
    sleep(60 * SECOND).await;
    assert_eq!(served().await, ["a", "c"]);
    change(&[]).await;
    sleep(60 * SECOND).await;
    assert_eq!(served().await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_change_the_list_one_learns_that_it_was_changed() {
    let stage = stage().await;
    let changes = SessionListChanges::new(&stage.backends());
    let listed = ListedSession {
        session: settings_of("b"),
        sends: true,
    };
    let seen = changes.read().await.expect("the list");
    for expected in [ListChanged::Done, ListChanged::LostRace] {
        let changed = changes.write(&seen, std::slice::from_ref(&listed)).await;
        assert_eq!(changed.expect("the store"), expected);
    }
    assert_eq!(changes.read().await.expect("the list").sessions, [listed]);
}

/// Sessions `a` and `b` on one gateway, `c` on another.
async fn two_gateways() -> (Stage, Simulator, Sender) {
    let two = ["a", "b"].map(|name| SessionOptions::new(name, &token(name)));
    let east = SimulatorOptions {
        name: "east".into(),
        sessions: two.into(),
        send_duration: Duration::from_millis(200),
        ..SimulatorOptions::default()
    };
    let stage = Stage::with(east.clone()).await;
    let west = stage.gateway.beside(SimulatorOptions {
        name: "west".into(),
        sessions: vec![SessionOptions::new("c", &token("c"))],
        ..east
    });
    let mut sessions = NAMES.map(settings_of);
    sessions[2].gateway = Some(west.address());
    let sender = stage.sender_of(sessions.into(), 1, Faults::none());
    (stage, west, sender)
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_down_takes_its_own_sessions_with_it_and_no_others() {
    for (host, left) in [("east", vec!["c"]), ("west", vec!["a", "b"])] {
        let (stage, west, sender) = two_gateways().await;
        let down = [&stage.gateway, &west]
            .into_iter()
            .find(|gateway| gateway.options().name == host);
        let scenario = Scenario::HostDown { lasts_ms: 600_000 };
        down.expect("a gateway").play(&scenario);
        for number in 1..=12 {
            let sent = send_to(&stage, &sender, number).await;
            assert_eq!(sent.delivery.outcome, Outcome::Sent, "{host}: {sent:?}");
            assert!(sent.took < 3 * SECOND, "{host}: {sent:?}");
            assert!(left.contains(&&*sent.delivery.session), "{host}: {sent:?}");
        }
        assert_eq!(stage.arrived(), (12, 0), "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_hangs_holds_up_only_those_who_meet_it_first() {
    let (stage, _west, sender) = two_gateways().await;
    stage
        .gateway
        .play(&Scenario::WhatsappBlackHole { lasts_ms: None });
    let mut slow = 0;
    for number in 1..=12 {
        let sent = send_to(&stage, &sender, number).await;
        assert_eq!(sent.delivery.outcome, Outcome::Sent, "{sent:?}");
        assert_eq!(sent.delivery.session, "c");
        slow += u32::from(sent.took > 3 * SECOND);
        assert!(sent.took < 14 * SECOND, "{sent:?}");
    }
    assert!(slow <= 2, "{slow} messages were held up");
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_after_any_call_to_the_store_while_the_sessions_change_leaves_nothing_behind()
{
    for change in [Change::TakenOut, Change::Moved, Change::Added] {
        die_after_each_call(change).await;
    }
}

/// What happens to the sessions while somebody sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Two of them are taken out.
    TakenOut,
    /// One of them lives on another gateway from now on.
    Moved,
    /// There is one more.
    Added,
}

impl Change {
    /// The sessions from now on.
    fn sessions(self, west: &Simulator) -> Vec<SessionSettings> {
        let mut sessions = NAMES.map(settings_of).to_vec();
        match self {
            Self::TakenOut => sessions.drain(..2).for_each(drop),
            Self::Moved => sessions[1].gateway = Some(west.address()),
            Self::Added => sessions.push(SessionSettings {
                gateway: Some(west.address()),
                ..settings_of("d")
            }),
        }
        sessions
    }
}

async fn die_after_each_call(change: Change) {
    let mut calls = 0;
    loop {
        calls += 1;
        assert!(calls < 60, "a send that does not end");
        let stage = stage().await;
        let west = stage.gateway.beside(SimulatorOptions {
            name: "west".into(),
            sessions: ["b", "d"]
                .map(|name| SessionOptions::new(name, &token(name)))
                .into(),
            ..SimulatorOptions::default()
        });
        let number = phone_of(&sender(&stage, 1), "b").await;
        stage
            .gateway
            .play_on("b", &Scenario::ColdSession)
            .expect("a session");
        let faults = Faults::none().stop_after(calls);
        let dying = stage.sender_of(NAMES.map(settings_of).into(), calls, faults.clone());
        let sending = send(&dying, &stage.clock, outgoing(number));
        let died = faults.until_stopped(sending).await.is_none();
        // Whatever was taken of the sessions passes by itself.
        let sessions = change.sessions(&west);
        let left = stage.sender_of(sessions.clone(), calls, Faults::none());
        let next = send_to(&stage, &left, number).await;
        assert_eq!(
            next.delivery.outcome,
            Outcome::Sent,
            "{change:?} after call {calls}: {next:?}"
        );
        sleep(16 * SECOND).await;
        let later = stage.sender_of(sessions, calls + 100, Faults::none());
        let again = send_to(&stage, &later, number + 100).await;
        assert_eq!(
            again.delivery.outcome,
            Outcome::Sent,
            "{change:?} after call {calls}: {again:?}"
        );
        assert!(
            again.took < 3 * SECOND,
            "{change:?} after call {calls}: {again:?}"
        );
        let shown = stage.gateway.messages(Some(&phone(number)));
        assert!(shown.len() <= 2, "{change:?} after call {calls}: {shown:?}");
        if !died {
            break;
        }
    }
    assert!(calls > 8, "only {calls} calls");
}

/// Nobody but its own session may be able to write to a user while WhatsApp lets the accounts write to nobody new.
#[tokio::test(start_paused = true)]
async fn a_restricted_session_is_tried_for_its_own_users_once_the_others_have_failed() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let own = phone_of(&sender, "b").await;
    for name in ["a", "c"] {
        stage.gateway.play_on(name, &RESTRICTED).expect("a session");
    }
    let now = stage.clock.now();
    let restricted = SeenState {
        until: Some(now.plus(SIX_HOURS)),
        ..SeenState::beginning(SessionState::Restricted, now)
    };
    see_as(&stage, "b", restricted).await;
    let sent = send_to(&stage, &sender, own).await;
    assert_eq!(sent.delivery.outcome, Outcome::Sent, "{sent:?}");
    assert_eq!(sent.delivery.session, "b");
    assert_eq!(stage.gateway.messages(Some(&phone(own))).len(), 1);
}

/// Whoever asks for phones without an account keeps nobody from trying a session that may send again.
#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_takes_no_place_of_one_that_tries_a_session() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let now = stage.clock.now();
    let restricted = SeenState {
        until: Some(now),
        ..SeenState::beginning(SessionState::Restricted, now.minus(SIX_HOURS))
    };
    see_as(&stage, "b", restricted).await;
    let pretender = phone(1);
    let nobody = Recipient {
        served_by: Some("b"),
        is_nobody: true,
        ..Recipient::of(&pretender)
    };
    let picked = sender.pick(&nobody).await.expect("sessions");
    assert_eq!(picked.session(), "b");
    let place = sender.take_place(&picked, SECOND).await.expect("a place");
    let sent = send_as_user_of(&stage, &sender, "b", 2).await;
    assert_eq!(sent.outcome, Outcome::Sent, "{sent:?}");
    assert_eq!(sent.session, "b");
    sender.leave_place(&place).await;
}

/// WhatsApp refuses one user alone. The others would be new to the accounts that they went to.
#[tokio::test(start_paused = true)]
async fn one_user_who_is_refused_moves_the_others_of_the_session_nowhere() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    stage.gateway.play_on("b", &RESTRICTED).expect("a session");
    let refused = send_as_user_of(&stage, &sender, "b", 1).await;
    stage.gateway.play(&Scenario::Healthy);
    assert_ne!(refused.session, "b", "{refused:?}");
    let state = stage.sessions().read("b").await.expect("an item").seen;
    assert_eq!(state.expect("a state").state, SessionState::Restricted);
    for number in 2..=4 {
        let sent = send_as_user_of(&stage, &sender, "b", number).await;
        assert_eq!(sent.outcome, Outcome::Sent, "{sent:?}");
        assert_eq!(sent.session, "b", "{sent:?}");
    }
}

/// So does whoever was refused, and asks again and again.
#[tokio::test(start_paused = true)]
async fn whoever_was_refused_does_not_keep_the_others_from_trying_their_session() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let restricted = Scenario::Restricted {
        code: 463,
        refusals: None,
    };
    stage.gateway.play_on("b", &restricted).expect("a session");
    for _ in 0..8 {
        send_as_user_of(&stage, &sender, "b", 1).await;
        sleep(5 * SECOND).await;
    }
    assert_eq!(sends_from(&stage, "b"), 1);
    stage.gateway.play(&Scenario::Healthy);
    send_as_user_of(&stage, &sender, "b", 1).await;
    let sent = send_as_user_of(&stage, &sender, "b", 2).await;
    assert_eq!(sent.session, "b", "{sent:?}");
}

/// Once three users were refused, nobody doubts it any more.
#[tokio::test(start_paused = true)]
async fn an_account_that_refuses_all_is_tried_by_three_of_its_users() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    let restricted = Scenario::Restricted {
        code: 463,
        refusals: None,
    };
    stage.gateway.play_on("b", &restricted).expect("a session");
    for round in 0..30 {
        for number in 1..=8 {
            let sent = send_as_user_of(&stage, &sender, "b", number).await;
            assert_eq!(sent.outcome, Outcome::Sent, "{round}: {sent:?}");
        }
        sleep(5 * SECOND).await;
    }
    assert_eq!(sends_from(&stage, "b"), 3);
}

/// What an account refuses to users of another session says nothing about its own.
#[tokio::test(start_paused = true)]
async fn users_of_another_session_who_are_refused_move_none_of_its_own() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    for (name, scenario) in [
        ("a", Scenario::Unpaired),
        ("b", RESTRICTED),
        ("c", Scenario::Unpaired),
    ] {
        stage.gateway.play_on(name, &scenario).expect("a session");
    }
    for number in 1..=2 {
        let sent = send_as_user_of(&stage, &sender, "a", number).await;
        assert_ne!(sent.outcome, Outcome::Sent, "{sent:?}");
        sleep(MINUTE).await;
    }
    send_as_user_of(&stage, &sender, "b", 3).await;
    stage.gateway.play(&Scenario::Healthy);
    sleep(3 * MINUTE).await;
    let sent = send_as_user_of(&stage, &sender, "b", 4).await;
    assert_eq!(sent.session, "b", "{sent:?}");
}

/// Users who have chats with an account that writes to nobody new, while their own session does not send.
#[tokio::test(start_paused = true)]
async fn users_of_another_session_who_have_a_chat_wait_for_no_turn_and_end_no_lock() {
    let stage = stage().await;
    let sender = sender(&stage, 1);
    for name in ["b", "c"] {
        let unpaired = Scenario::Unpaired;
        stage.gateway.play_on(name, &unpaired).expect("a session");
    }
    let seen = SeenState::beginning(SessionState::ColdLocked, stage.clock.now());
    see_as(&stage, "a", seen).await;
    for number in 1..=5 {
        // Beside somebody who has none.
        stage.gateway.play_on("a", &RESTRICTED).expect("a session");
        let refused = send_as_user_of(&stage, &sender, "b", 9).await;
        assert_ne!(refused.outcome, Outcome::Sent, "{refused:?}");
        stage
            .gateway
            .play_on("a", &Scenario::Healthy)
            .expect("a session");
        let sent = send_as_user_of(&stage, &sender, "b", number).await;
        assert_eq!(sent.outcome, Outcome::Sent, "{sent:?}");
        let item = stage.sessions().read("a").await.expect("an item");
        let state = item.seen.expect("a state").state;
        assert_eq!(state, SessionState::ColdLocked);
    }
}
