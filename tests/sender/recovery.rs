//! A session that dials, logs in and breaks as the real gateway's do: the code arrives in the same request wherever the
//! session is back in time, and whoever has to act is named as soon as it can be known.
use std::time::Duration;

use local::database::Faults;
use local::simulator::{Network, Profile, Scenario, SessionOptions, Simulator, SimulatorOptions};
use shared::gateway::{GatewayAddress, RestartUrl, SessionToken};
use shared::runtime::settings::{SessionSettings, Settings};
use shared::sender::{Busy, ChannelState, Content, Outcome, Reason, Sender};
use shared::store::whatsapp_sessions::SessionState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::stage::{SESSION, Sent, Stage, TOKEN, outgoing, phone, send};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const SEND: Duration = ms(200);
const VERSIONS: [Profile; 4] = [Profile::A, Profile::B, Profile::C, Profile::D];

async fn stage(profile: Profile, dial: Duration, login: Duration) -> Stage {
    let options = SimulatorOptions {
        profile,
        send_duration: SEND,
        restart_after: ms(500),
        ..SimulatorOptions::default()
    };
    Stage::with(options.with_dial_and_login(dial, login)).await
}

/// A session that has just sent a message, so that nothing of an earlier trouble counts.
async fn well(profile: Profile, dial: Duration, login: Duration) -> Stage {
    let stage = stage(profile, dial, login).await;
    assert_eq!(stage.send().await.delivery.outcome, Outcome::Sent);
    stage
}

async fn channel(stage: &Stage) -> ChannelState {
    stage.onlooker().channel().await.expect("the store").state
}

#[track_caller]
fn check_sent(case: &str, sent: &Sent, within: Duration) {
    assert_eq!(sent.delivery.outcome, Outcome::Sent, "{case}: {sent:?}");
    assert!(
        sent.took <= within,
        "{case}: later than {within:?}: {sent:?}"
    );
}

/// How a session is lost, and how long it takes until WhatsApp is there for a new dial.
enum Loss {
    Absent,
    Restart,
    Drop,
    Outage(Duration),
}

impl Loss {
    fn begin(&self, stage: &Stage) {
        let lasts = |life: &Duration| u64::try_from(life.as_millis()).ok();
        stage.gateway.play(&match self {
            Self::Absent => Scenario::ColdSession,
            Self::Restart => Scenario::GatewayDown { lasts_ms: 500 },
            Self::Drop => Scenario::Drop,
            Self::Outage(life) => Scenario::WhatsappUnreachable {
                lasts_ms: lasts(life),
            },
        });
    }

    /// The longest time from the loss to the first dial that can succeed: the library tries at 0, 2, 6, 12 seconds.
    fn until_dial(&self) -> Duration {
        match self {
            Self::Absent | Self::Drop => Duration::ZERO,
            Self::Restart => ms(500),
            Self::Outage(life) if *life <= ms(2_000) => ms(2_000),
            Self::Outage(_) => ms(6_000),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_code_arrives_in_the_same_request_wherever_the_session_is_back_in_time() {
    for profile in VERSIONS {
        for dial in [0, 100, 300, 600, 1_000].map(ms) {
            for login in [0, 100, 300, 1_000, 3_000].map(ms) {
                for (name, loss) in [
                    ("absent", Loss::Absent),
                    ("restart", Loss::Restart),
                    ("drop", Loss::Drop),
                    ("outage of 2 s", Loss::Outage(ms(2_000))),
                    ("outage of 5 s", Loss::Outage(ms(5_000))),
                ] {
                    let case = format!("{profile:?}, dial {dial:?}, login {login:?}, {name}");
                    let stage = well(profile, dial, login).await;
                    sleep(ms(10_000)).await;
                    loss.begin(&stage);
                    let sent = stage.send().await;
                    // What the gateway needs, the place in the queue that the first attempt took, and ours.
                    let within = loss.until_dial() + dial + login + SEND * 2 + ms(300);
                    check_sent(&case, &sent, within);
                    assert_eq!(stage.arrived(), (2, 0), "{case}");
                    assert_eq!(channel(&stage).await, ChannelState::Usable, "{case}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_drop_right_after_a_recovery_is_recovered_too() {
    let stage = well(Profile::B, ms(100), ms(300)).await;
    for number in 1..=2 {
        stage.gateway.play(&Scenario::ColdSession);
        check_sent("a drop", &stage.send().await, ms(2_000));
        assert_eq!(stage.connects(), number);
        sleep(ms(2_000)).await;
    }
    // The third connect within a minute is a fight: it is made, and ends the short waits.
    stage.gateway.play(&Scenario::ColdSession);
    check_sent("the third", &stage.send().await, ms(2_500));
    sleep(ms(2_000)).await;
    stage.gateway.play(&Scenario::ColdSession);
    let fourth = stage.send().await;
    assert_eq!(
        fourth.delivery.outcome,
        Outcome::NotSent(Reason::SessionDown)
    );
    assert_eq!(stage.connects(), 3);
    sleep(ms(15_000)).await;
    check_sent("a window later", &stage.send().await, ms(2_000));
}

#[tokio::test(start_paused = true)]
async fn one_answer_of_a_front_is_no_gateway_that_is_down() {
    let stage = well(Profile::B, ms(100), ms(300)).await;
    stage.gateway.play(&Scenario::Proxy);
    stage.gateway.play(&Scenario::GatewayDown { lasts_ms: 1 });
    sleep(ms(2)).await;
    stage.gateway.play(&Scenario::ColdSession);
    check_sent("connected at once", &stage.send().await, ms(2_000));
}

#[tokio::test(start_paused = true)]
async fn two_unanswered_sends_have_the_session_reset() {
    for profile in VERSIONS {
        for (name, scenario) in [
            (
                "half-open",
                Scenario::HalfOpen {
                    sends: None,
                    delivered: false,
                },
            ),
            ("a dead queue", Scenario::DeadQueue { delivered: false }),
        ] {
            let case = format!("{profile:?}, {name}");
            let stage = well(profile, ms(100), ms(300)).await;
            sleep(ms(5_000)).await;
            stage.gateway.play(&scenario);
            // A request a second.
            let ends = crowd(&stage, 30, ms(1_000)).await;
            let first = ends.iter().filter(|(end, _)| is_sent(end));
            let first = first.map(|(_, at)| *at).min();
            assert!(
                first.is_some_and(|at| at <= ms(25_000)),
                "{case}: {first:?} {ends:?}"
            );
            assert_eq!(
                stage.gateway.calls().count("/session/disconnect"),
                1,
                "{case}"
            );
            // D takes no connect for a second after a disconnect.
            let connects = if profile == Profile::D { 2 } else { 1 };
            assert_eq!(stage.connects(), connects, "{case}");
            assert_eq!(channel(&stage).await, ChannelState::Usable, "{case}");
        }
    }
}

/// Sends one code from each of `count` functions, the next one `apart` later, and answers when each one was done.
async fn crowd(stage: &Stage, count: u64, apart: Duration) -> Vec<(Result<Sent, Busy>, Duration)> {
    let began = Instant::now();
    let mut crowd = JoinSet::new();
    for number in 0..count {
        let (sender, clock) = (stage.sender(10 + number), stage.clock.clone());
        crowd.spawn(async move {
            sleep(apart * u32::try_from(number).expect("a small crowd")).await;
            let sent = send(&sender, &clock, outgoing(10 + number)).await;
            (sent, began.elapsed())
        });
    }
    crowd.join_all().await
}

fn is_sent(end: &Result<Sent, Busy>) -> bool {
    let sent = end.as_ref();
    sent.is_ok_and(|sent| sent.delivery.outcome == Outcome::Sent)
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_when_whatsapps_ends() {
    for profile in VERSIONS {
        let stage = well(profile, ms(100), ms(300)).await;
        sleep(ms(5_000)).await;
        stage.gateway.play(&Scenario::ColdSession);
        stage
            .gateway
            .play(&Scenario::WhatsappUnreachable { lasts_ms: None });
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(300) {
            let sent = stage.send().await;
            assert_ne!(sent.delivery.outcome, Outcome::Sent, "{profile:?}");
            sleep(ms(1_000)).await;
        }
        stage.gateway.play(&Scenario::WhatsappBack);
        let back = Instant::now();
        while stage.send().await.delivery.outcome != Outcome::Sent {
            sleep(ms(500)).await;
        }
        assert!(
            back.elapsed() <= Duration::from_secs(35),
            "{profile:?}: {:?}",
            back.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_the_old_one_replaced_is_connected_again() {
    let stage = well(Profile::B, ms(100), ms(300)).await;
    sleep(ms(5_000)).await;
    stage.gateway.play(&Scenario::HalfOpenGivenUp);
    sleep(Duration::from_secs(240)).await;
    // f/t for ever: a request sees it, and another a minute later connects.
    assert_eq!(
        stage.send().await.delivery.outcome,
        Outcome::NotSent(Reason::SessionDown)
    );
    sleep(Duration::from_secs(50)).await;
    check_sent("after a minute", &stage.send().await, ms(5_000));
}

#[tokio::test(start_paused = true)]
async fn what_only_a_restart_ends_is_restarted_or_told() {
    for (profile, scenario) in [
        (Profile::A, Scenario::Replaced),
        (Profile::D, Scenario::Replaced),
        (Profile::A, Scenario::Unpaired),
    ] {
        let unpaired = matches!(scenario, Scenario::Unpaired);
        let stage = well(profile, ms(100), ms(300)).await;
        stage.gateway.play(&scenario);
        let mut outcome = stage.send().await.delivery.outcome;
        for _ in 0..4 {
            sleep(ms(6_000)).await;
            outcome = stage.send().await.delivery.outcome;
        }
        let (reason, state) = if unpaired {
            (Reason::NeedsPairing, ChannelState::NeedsPairing)
        } else {
            (Reason::NeedsRestart, ChannelState::NeedsRestart)
        };
        assert_eq!(
            outcome,
            Outcome::NotSent(reason),
            "{profile:?} {scenario:?}"
        );
        assert_eq!(channel(&stage).await, state, "{profile:?} {scenario:?}");
        if unpaired {
            continue;
        }
        let sender = stage.restarting_sender(77);
        let sent = send(&sender, &stage.clock, outgoing(77))
            .await
            .expect("a place");
        check_sent("restarted", &sent, ms(5_000));
        assert_eq!(stage.gateway.processes_ended(), 1, "{profile:?}");
    }
}

/// The session of the stage on one gateway, and `west` on another, with a hook for each.
fn two_gateways(stage: &Stage) -> (Simulator, Sender) {
    let token = "token of west";
    let west = stage.gateway.beside(SimulatorOptions {
        name: "west".into(),
        sessions: vec![SessionOptions::new("west", token)],
        ..stage.gateway.options().clone()
    });
    let hook = |address: GatewayAddress| {
        RestartUrl::new(format!("{}/hooks/restart?key=1", address.expose()))
    };
    let settings = Settings {
        sessions: vec![
            SessionSettings::new(SESSION, SessionToken::new(TOKEN)),
            SessionSettings {
                gateway: Some(west.address()),
                restart_url: Some(hook(west.address())),
                ..SessionSettings::new("west", SessionToken::new(token))
            },
        ],
        restart_url: Some(hook(stage.gateway.address())),
        ..Settings::default()
    };
    let sender = stage.sender_in(settings, 1, Faults::none());
    (west, sender)
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_stuck_is_restarted_by_its_own_hook_and_no_other_one_is() {
    for (stuck, expected) in [("west", (0, 1)), ("gateway", (1, 0))] {
        let stage = stage(Profile::D, ms(100), ms(300)).await;
        let (west, sender) = two_gateways(&stage);
        let gateways = [&stage.gateway, &west].into_iter();
        let mut gateways = gateways.filter(|gateway| gateway.options().name == stuck);
        let gateway = gateways.next().expect("a gateway");
        gateway.play(&Scenario::Replaced);
        let mut wards = sender.wards().await.expect("the store");
        for _ in 0..4 {
            for ward in &mut wards {
                let until = stage.clock.now().plus(ms(35_000));
                sender.look_after(ward, until).await;
            }
            sleep(ms(20_000)).await;
        }
        let restarted = (stage.gateway.processes_ended(), west.processes_ended());
        assert_eq!(restarted, expected, "{stuck}");
        let states = wards
            .iter()
            .map(|ward| ward.item().seen.map(|seen| seen.state));
        let states: Vec<_> = states.collect();
        assert_eq!(states, [Some(SessionState::Usable); 2], "{stuck}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_contact_is_looked_up_and_sent_to_whom_whatsapp_names() {
    let first = |number| {
        let mut message = outgoing(number);
        message.first_contact = true;
        message
    };
    let stage = well(Profile::B, ms(0), ms(0)).await;
    let digits = |number| phone(number).digits().to_owned();
    stage.gateway.play(&Scenario::NoDevices {
        phones: vec![digits(5)],
        migrated: true,
    });
    stage.gateway.play(&Scenario::MovedNumber {
        phone: digits(6),
        to: "5215512345678".into(),
    });
    let outcome = async |number| {
        let sent = send(&stage.sender(number), &stage.clock, first(number)).await;
        sent.expect("a place").delivery.outcome
    };
    assert_eq!(outcome(5).await, Outcome::NotSent(Reason::NotOnWhatsApp));
    assert_eq!(outcome(6).await, Outcome::Sent);
    assert_eq!(outcome(7).await, Outcome::Sent);
    let to: Vec<_> = stage
        .gateway
        .messages(None)
        .into_iter()
        .map(|message| message.phone)
        .collect();
    assert!(to.contains(&"5215512345678".to_owned()), "{to:?}");
    stage.gateway.play(&Scenario::CheckThrottled);
    assert_eq!(outcome(8).await, Outcome::Sent, "no answer is no reason");
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_a_number_is_not_on_whatsapp_is_confirmed() {
    let stage = well(Profile::D, ms(0), ms(0)).await;
    stage.gateway.play(&Scenario::NotOnWhatsapp {
        phones: vec![phone(5).digits().to_owned()],
        taken: false,
    });
    let sent = send(&stage.sender(5), &stage.clock, outgoing(5))
        .await
        .expect("a place");
    assert_eq!(
        sent.delivery.outcome,
        Outcome::NotSent(Reason::NotOnWhatsApp)
    );
    assert_eq!(stage.gateway.calls().count("/user/check"), 1);
    stage.gateway.play(&Scenario::CheckThrottled);
    let sent = send(&stage.sender(6), &stage.clock, outgoing(5))
        .await
        .expect("a place");
    assert_eq!(
        sent.delivery.outcome,
        Outcome::NotSent(Reason::Rejected),
        "nobody confirmed it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_store_of_the_gateway_is_asked_again() {
    let stage = well(Profile::D, ms(0), ms(0)).await;
    stage.gateway.play(&Scenario::StoreBusy { rate: 0.6 });
    for number in 10..30 {
        let sent = send(&stage.sender(number), &stage.clock, outgoing(number)).await;
        check_sent("busy", &sent.expect("a place"), ms(9_000));
    }
    assert_eq!(stage.arrived().1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_spell_is_forgotten_as_fast_as_it_was_learned() {
    let stage = well(Profile::B, ms(0), ms(0)).await;
    stage.gateway.play(&Scenario::SendQueue { each_ms: 6_000 });
    for _ in 0..3 {
        assert_eq!(stage.send().await.delivery.outcome, Outcome::Sent);
    }
    stage.gateway.play(&Scenario::SendQueue { each_ms: 100 });
    sleep(ms(5_000)).await;
    let ends = crowd(&stage, 10, Duration::ZERO).await;
    let sent = ends.iter().filter(|(end, _)| is_sent(end)).count();
    assert_eq!(sent, 10, "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_takes_the_time_and_the_end_of_a_real_one() {
    let stage = well(Profile::B, ms(0), ms(0)).await;
    for each_ms in [150, 450, 900] {
        stage.gateway.play(&Scenario::SendQueue { each_ms });
        for _ in 0..6 {
            stage.send().await;
            sleep(ms(5_000)).await;
        }
        let mut nobody = outgoing(500 + each_ms);
        nobody.content = Content::Nobody;
        let sent = send(&stage.sender(500 + each_ms), &stage.clock, nobody)
            .await
            .expect("a place");
        assert_eq!(sent.delivery.outcome, Outcome::Sent);
        // It repeats no time of a real one exactly.
        let differs = sent.took.abs_diff(ms(each_ms));
        assert!(differs <= ms(each_ms / 32 + 1), "{each_ms}: {differs:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_that_swallows_everything_is_no_missing_pairing() {
    let stage = well(Profile::B, ms(100), ms(300)).await;
    stage.gateway.set_network(Network::BlackHole);
    let sent = stage.send().await;
    assert_ne!(
        sent.delivery.outcome,
        Outcome::NotSent(Reason::NeedsPairing),
        "{sent:?}"
    );
}
