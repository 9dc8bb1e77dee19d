//! One message, and each thing that goes wrong with a session or its gateway.
use std::time::Duration;

use local::simulator::{LostAnswer, Profile, Scenario, SimulatorOptions};
use shared::platform::clock::Clock;
use shared::sender::{ChannelState, Content, Delivery, Outcome, Outgoing, Reason, Recipient};
use shared::store::Fields;
use shared::store::whatsapp_sessions::SessionState;
use tokio::time::Instant;

use super::stage::{SESSION, Stage, outgoing, phone, send};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What one send under `scenario` comes to: its outcome, how many messages the phone shows, how many connects it took,
/// and the most time.
#[derive(Clone, Copy)]
struct Expected {
    outcome: Outcome,
    messages: usize,
    connects: u64,
    within: Duration,
}

const fn sent(connects: u64, within: Duration) -> Expected {
    Expected {
        outcome: Outcome::Sent,
        messages: 1,
        connects,
        within,
    }
}

const fn not_sent(reason: Reason, connects: u64, within: Duration) -> Expected {
    Expected {
        outcome: Outcome::NotSent(reason),
        messages: 0,
        connects,
        within,
    }
}

async fn check(scenario: Scenario, expected: Expected) -> Stage {
    let stage = Stage::new().await;
    check_on(stage, scenario, expected).await
}

async fn check_on(stage: Stage, scenario: Scenario, expected: Expected) -> Stage {
    stage.gateway.play(&scenario);
    let sent = stage.send().await;
    assert_eq!(
        sent.delivery.outcome, expected.outcome,
        "{scenario:?}: {sent:?}"
    );
    assert_eq!(
        stage.arrived(),
        (expected.messages, 0),
        "{scenario:?}: {sent:?}"
    );
    assert_eq!(
        stage.connects(),
        expected.connects,
        "{scenario:?}: {sent:?}"
    );
    assert!(sent.took <= expected.within, "{scenario:?}: {sent:?}");
    for message in stage.gateway.messages(None) {
        assert_eq!(message.id, sent.delivery.message_id);
    }
    stage
}

async fn profile(profile: Profile) -> Stage {
    Stage::with(SimulatorOptions {
        profile,
        ..SimulatorOptions::default()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_healthy_session_sends_at_once_and_writes_nothing_before_the_record() {
    let stage = Stage::new().await;
    let sender = stage.sender(1);
    let picked = sender.pick(&Recipient::of(&phone(1))).await.unwrap();
    let place = sender.take_place(&picked, ms(6_000)).await.unwrap();
    stage.database.forget_calls();
    let deadline = stage.clock.now().plus(ms(15_000));
    let delivery = sender.deliver(place, outgoing(1), deadline).await;
    assert_eq!(delivery.outcome, Outcome::Sent);
    assert_eq!(stage.database.calls(), []);
    assert_eq!(stage.arrived(), (1, 0));
    assert_eq!(
        stage.gateway.calls().counts.len(),
        1,
        "nothing but the send"
    );
}

#[tokio::test(start_paused = true)]
async fn an_absent_session_is_connected_and_the_message_arrives() {
    check(Scenario::ColdSession, sent(1, ms(2_000))).await;
}

#[tokio::test(start_paused = true)]
async fn old_gateways_say_no_session_instead_of_two_flags() {
    let stage = profile(Profile::A).await;
    check_on(stage, Scenario::ColdSession, sent(1, ms(2_500))).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_back_300_ms_after_the_connect_has_sent_within_a_second() {
    let stage = Stage::with(SimulatorOptions {
        online_after: ms(300),
        send_duration: ms(200),
        ..SimulatorOptions::default()
    })
    .await;
    check_on(stage, Scenario::ColdSession, sent(1, ms(1_000))).await;
}

#[tokio::test(start_paused = true)]
async fn a_recovery_takes_at_most_300_ms_longer_than_the_session() {
    for online_after in [0, 100, 300, 450, 777, 1_500, 2_600, 4_000] {
        let stage = Stage::with(SimulatorOptions {
            online_after: ms(online_after),
            send_duration: ms(10),
            ..SimulatorOptions::default()
        })
        .await;
        // Beyond the place that the first attempt took, which lasts 300 ms.
        let within = ms(online_after.max(300) + 300 + 10);
        check_on(stage, Scenario::ColdSession, sent(1, within)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_blip_is_waited_for_and_not_connected() {
    for lasts_ms in [500, 1_500, 2_500] {
        let within = ms(lasts_ms + 300 + 200);
        check(Scenario::NetworkBlip { lasts_ms }, sent(0, within)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_library_that_does_not_reconnect_in_a_minute_is_helped() {
    let waits = not_sent(Reason::SessionDown, 0, ms(12_200));
    let stage = check(Scenario::DeadObject { logged_in: true }, waits).await;
    tokio::time::sleep(Duration::from_secs(48)).await;
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, Outcome::Sent, "{next:?}");
    assert!(next.took <= ms(5_000), "{next:?}");
    assert_eq!(stage.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_object_is_healed_by_a_connect() {
    check(
        Scenario::DeadObject { logged_in: false },
        sent(1, ms(2_000)),
    )
    .await;
    check(Scenario::Zombie, sent(1, ms(2_000))).await;
}

#[tokio::test(start_paused = true)]
async fn already_connected_is_no_answer_and_a_stuck_session_ends_in_time() {
    let stage = profile(Profile::A).await;
    let stuck = Scenario::StuckObject { logged_in: false };
    let down = not_sent(Reason::SessionDown, 1, ms(7_000));
    let stage = check_on(stage, stuck, down).await;
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, down.outcome);
    assert!(next.took <= ms(12_200), "{next:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let next = stage.send().await;
    let outcome = Outcome::NotSent(Reason::NeedsRestart);
    assert_eq!(next.delivery.outcome, outcome, "{next:?}");
    assert_eq!(next.delivery.retry_after, Some(Duration::from_secs(300)));
    assert_eq!(channel(&stage).await, ChannelState::NeedsRestart);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_asked_for_again_under_the_same_id() {
    for how in [LostAnswer::Closed, LostAnswer::Proxy504] {
        let lost = Scenario::AnswerLost {
            sends: 1,
            how,
            after_ms: 500,
        };
        let stage = check(lost, sent(0, ms(1_500))).await;
        assert_eq!(stage.gateway.messages(None)[0].resent, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn two_lost_answers_are_an_unknown_outcome() {
    let lost = Scenario::AnswerLost {
        sends: 2,
        how: LostAnswer::Closed,
        after_ms: 0,
    };
    let unknown = Expected {
        outcome: Outcome::Unknown,
        ..sent(0, ms(1_500))
    };
    check(lost, unknown).await;
}

#[tokio::test(start_paused = true)]
async fn a_socket_lost_before_the_acknowledgement_sends_the_same_id_again() {
    for delivered in [true, false] {
        let lost = Scenario::AckLost {
            sends: 1,
            delivered,
            lasts_ms: 6_500,
        };
        check(lost, sent(0, ms(8_000))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_session_answers_and_the_message_is_sent_again() {
    for delivered in [true, false] {
        let stage = Stage::with(SimulatorOptions {
            // The acknowledgement is given up after 3 s instead of 75.
            time_scale: 0.04,
            ..SimulatorOptions::default()
        })
        .await;
        let half_open = Scenario::HalfOpen {
            sends: Some(1),
            delivered,
        };
        check_on(stage, half_open, sent(0, ms(4_000))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_time_out_is_unknown_and_nothing_is_repeated() {
    let stage = Stage::in_trouble(&Scenario::HalfOpen {
        sends: None,
        delivered: false,
    })
    .await;
    let sent = stage.send().await;
    assert_eq!(sent.delivery.outcome, Outcome::Unknown);
    assert!(sent.took <= ms(10_050), "{sent:?}");
    assert_eq!(stage.gateway.calls().count("/chat/send/text"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restricted_account_is_not_tried_again() {
    let restricted = Scenario::Restricted {
        code: 463,
        refusals: None,
    };
    let stage = check(restricted, not_sent(Reason::Restricted, 0, ms(500))).await;
    assert_eq!(stage.gateway.calls().count("/chat/send/text"), 1);
    assert_eq!(channel(&stage).await, ChannelState::Restricted);

    // Who has no account is told the same, for as long as that is fresh, and does not make it look better.
    let outcome = async || to_nobody(&stage).await.outcome;
    let refused = Outcome::NotSent(Reason::Restricted);
    assert_eq!(outcome().await, refused);
    tokio::time::sleep(Duration::from_secs(590)).await;
    assert_eq!(outcome().await, refused);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(outcome().await, Outcome::Sent);
    assert_eq!(channel(&stage).await, ChannelState::Restricted);

    stage.gateway.play(&Scenario::Healthy);
    assert_eq!(stage.send().await.delivery.outcome, Outcome::Sent);
    assert_eq!(channel(&stage).await, ChannelState::Usable);
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_a_restriction_that_a_message_to_nobody_meets_meanwhile() {
    let stage = check(
        Scenario::Restricted {
            code: 463,
            refusals: None,
        },
        not_sent(Reason::Restricted, 0, ms(500)),
    )
    .await;
    assert_eq!(channel(&stage).await, ChannelState::Restricted);

    stage.gateway.play(&Scenario::Healthy);
    let slow = Stage {
        database: stage.database.clone(),
        gateway: stage.gateway.clone(),
        clock: Clock::following_runtime(stage.clock.now().minus(Duration::from_secs(2))),
    };
    // A message to nobody ends as if it had met the restriction, before the one to a user is taken and by a clock that is fast.
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        to_nobody(&stage).await.outcome
    };
    let (sent, pretended) = tokio::join!(slow.send(), meanwhile);
    assert_eq!(pretended, Outcome::NotSent(Reason::Restricted));
    assert_eq!(sent.delivery.outcome, Outcome::Sent);
    assert_eq!(channel(&stage).await, ChannelState::Usable);
}

/// A message to somebody who has no account.
async fn to_nobody(stage: &Stage) -> Delivery {
    let nobody = Outgoing {
        content: Content::Nobody,
        ..outgoing(2)
    };
    let sent = send(&stage.sender(2), &stage.clock, nobody).await;
    sent.expect("a place").delivery
}

async fn channel(stage: &Stage) -> ChannelState {
    stage.sender(3).channel().await.expect("the store").state
}

#[tokio::test(start_paused = true)]
async fn a_passing_refusal_gets_one_slow_retry() {
    let refusal = |refusals| Scenario::Restricted {
        code: 479,
        refusals: Some(refusals),
    };
    check(refusal(1), sent(0, ms(3_000))).await;
    check(refusal(5), not_sent(Reason::Rejected, 0, ms(3_000))).await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_whatsapp_takes_the_time_of_a_message() {
    let stranger = Scenario::NotOnWhatsapp {
        phones: vec![phone(1).digits().to_owned()],
        taken: false,
    };
    let began = Instant::now();
    check(stranger, not_sent(Reason::NotOnWhatsApp, 0, ms(500))).await;
    // Not sooner than a message would be sent, or the time would tell that the number has an account.
    assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_waits_for_a_scan_needs_a_person() {
    let unpaired = not_sent(Reason::NeedsPairing, 0, ms(500));
    let stage = check(Scenario::QrNotScanned, unpaired).await;
    let seen = stage.item().await.seen.unwrap();
    assert_eq!(seen.state, SessionState::Unlinked);
    let channel = stage.sender(2).channel().await.unwrap();
    assert_eq!(channel.state, ChannelState::NeedsPairing);
    assert_eq!(channel.since, Some(seen.since));
}

#[tokio::test(start_paused = true)]
async fn an_unlinked_session_needs_a_person_from_the_first_send_on() {
    let unpaired = not_sent(Reason::NeedsPairing, 0, ms(100));
    let stage = check(Scenario::Unlinked, unpaired).await;
    assert_eq!(channel(&stage).await, ChannelState::NeedsPairing);
    // Once the object is gone, a connect makes the QR code that the person needs.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, unpaired.outcome, "{next:?}");
    assert!(next.took <= ms(3_000), "{next:?}");
    assert_eq!(stage.connects(), 1);
    assert_eq!(channel(&stage).await, ChannelState::NeedsPairing);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_comes_back_is_given_time_to_start_its_sessions() {
    for lasts_ms in [500, 2_000, 4_000] {
        check(
            Scenario::GatewayDown { lasts_ms },
            sent(0, ms(lasts_ms + 2_500)),
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stays_down_is_waited_for_and_after_half_a_minute_given_up_soon() {
    let down = Scenario::GatewayDown { lasts_ms: 60_000 };
    let given_up = not_sent(Reason::GatewayUnreachable, 0, ms(12_200));
    let stage = check(down, given_up).await;
    tokio::time::sleep(Duration::from_secs(18)).await;
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, given_up.outcome);
    assert!(next.took <= ms(2_500), "{next:?}");
    let channel = stage.sender(9).channel().await.unwrap();
    assert_eq!(channel.state, ChannelState::Down);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_dies_of_a_connect_is_not_asked_again_soon() {
    let stage = Stage::in_trouble(&Scenario::ColdSession).await;
    let crash = Scenario::CrashOnConnect { down_ms: 60_000 };
    let given_up = not_sent(Reason::GatewayUnreachable, 1, ms(12_200));
    let stage = check_on(stage, crash, given_up).await;
    let next = stage.send().await;
    assert_eq!(next.delivery.outcome, given_up.outcome);
    assert_eq!(stage.connects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_counts_requests_is_not_taken_for_an_outage() {
    let stage = Stage::in_trouble(&Scenario::Proxy).await;
    let token = shared::gateway::SessionToken::new(super::stage::TOKEN);
    for _ in 0..21 {
        let _ = stage.gateway.gateway().status(&token, ms(100)).await;
    }
    let sent = stage.send().await;
    assert_eq!(sent.delivery.outcome, Outcome::Sent, "{sent:?}");
    assert!(sent.took <= ms(1_500), "{sent:?}");
    assert_eq!(stage.arrived(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_a_matter_of_configuration() {
    let stage = Stage::with(SimulatorOptions {
        sessions: vec![local::simulator::SessionOptions::new(SESSION, "another")],
        ..SimulatorOptions::default()
    })
    .await;
    let sent = stage.send().await;
    assert_eq!(
        sent.delivery.outcome,
        Outcome::NotSent(Reason::Misconfigured)
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_takes_the_same_time_and_gets_no_message() {
    for scenario in [Scenario::Healthy, Scenario::ColdSession] {
        let (known, unknown) = (Stage::new().await, Stage::new().await);
        known.gateway.play(&scenario);
        unknown.gateway.play(&scenario);
        let message = send(&known.sender(1), &known.clock, outgoing(1))
            .await
            .unwrap();
        let nobody = Outgoing {
            content: Content::Nobody,
            ..outgoing(1)
        };
        let nothing = send(&unknown.sender(1), &unknown.clock, nobody)
            .await
            .unwrap();
        assert_eq!(message.delivery.outcome, nothing.delivery.outcome);
        assert_eq!(unknown.arrived(), (0, 0));
        let difference = message.took.abs_diff(nothing.took);
        assert!(difference <= ms(150), "{message:?} {nothing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_that_cannot_end_before_the_deadline() {
    let stage = Stage::new().await;
    let sender = stage.sender(1);
    let picked = sender.pick(&Recipient::of(&phone(1))).await.unwrap();
    let place = sender.take_place(&picked, ms(6_000)).await.unwrap();
    let deadline = stage.clock.now().plus(ms(2_900));
    let began = Instant::now();
    let delivery = sender.deliver(place, outgoing(1), deadline).await;
    assert_eq!(delivery.outcome, Outcome::NotSent(Reason::Deadline));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(stage.gateway.calls().counts.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_short_deadline_cuts_the_recovery_and_not_the_reply() {
    let stage = Stage::in_trouble(&Scenario::StuckObject { logged_in: true }).await;
    for left in [3_000, 3_500, 4_000, 6_000, 9_000] {
        let sender = stage.sender(left);
        let picked = sender.pick(&Recipient::of(&phone(left))).await.unwrap();
        let place = sender.take_place(&picked, ms(0)).await.unwrap();
        let deadline = stage.clock.now().plus(ms(left));
        let delivery = sender.deliver(place, outgoing(left), deadline).await;
        assert!(
            matches!(delivery.outcome, Outcome::NotSent(_)),
            "{delivery:?}"
        );
        assert!(stage.clock.now() <= deadline, "{delivery:?}");
        tokio::time::sleep(ms(400)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_recorded_with_its_story_and_a_masked_phone() {
    let stage = Stage::in_trouble(&Scenario::ColdSession).await;
    let sent = stage.send().await;
    let read = stage
        .database
        .client()
        .get_item()
        .table_name("DeliveriesTable");
    let key = shared::store::text(sent.delivery.message_id.as_str());
    let item = read
        .key("message_id", key)
        .send()
        .await
        .unwrap()
        .item
        .unwrap();
    assert_eq!(item.text("outcome"), Some("sent"));
    assert_eq!(item.text("session"), Some(SESSION));
    assert_eq!(item.text("purpose"), Some("sso"));
    assert_eq!(item.text("phone"), Some(phone(1).to_string().as_str()));
    let thirty_days = 30 * 24 * 60 * 60;
    let kept = item.number("expires_at").unwrap() - item.number("at").unwrap() / 1_000;
    assert!((thirty_days..=thirty_days + 1).contains(&kept));
    let steps: Vec<_> = item["steps"]
        .as_l()
        .unwrap()
        .iter()
        .map(|step| step.as_m().unwrap().text("what").unwrap().to_owned())
        .collect();
    assert_eq!(
        steps,
        [
            "send: the gateway answered 500: no session",
            "connect",
            "recovery: usable",
            "send: taken"
        ]
    );
    assert!(!format!("{:?}", sent.delivery).contains(phone(1).digits()));
}

#[tokio::test(start_paused = true)]
async fn the_channel_is_known_from_the_store_alone_and_without_a_token() {
    let stage = Stage::new().await;
    let channel = async || stage.sender(9).channel().await.unwrap().state;
    assert_eq!(channel().await, ChannelState::Unknown);
    stage.send().await;
    assert_eq!(channel().await, ChannelState::Usable);
    assert_eq!(stage.gateway.calls().count("/session/status"), 0);
    let onlooker = stage.onlooker().channel().await.unwrap();
    assert_eq!(onlooker.state, ChannelState::Usable);
}

#[tokio::test(start_paused = true)]
async fn a_slow_gateway_teaches_the_queue_its_pace() {
    let stage = Stage::with(SimulatorOptions {
        send_duration: ms(1_000),
        ..SimulatorOptions::default()
    })
    .await;
    for _ in 0..8 {
        stage.send().await;
    }
    let cost = stage.item().await.cost.unwrap();
    assert!((ms(750)..=ms(1_000)).contains(&cost), "{cost:?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_in_the_queue_waits_as_long_after_a_message_to_nobody_as_after_a_real_one() {
    let refused = |code| Scenario::Restricted {
        code,
        refusals: None,
    };
    for (case, scenario) in [
        ("refused", refused(479)),
        ("restricted", refused(463)),
        ("taken", Scenario::Healthy),
    ] {
        let mut free_after = Vec::new();
        for to_nobody in [false, true] {
            let stage = Stage::new().await;
            stage.take_cost_as(ms(900)).await;
            stage.gateway.play(&scenario);
            for number in 1..=3 {
                send(&stage.sender(number), &stage.clock, outgoing(number))
                    .await
                    .unwrap();
            }
            let mut message = outgoing(4);
            if to_nobody {
                message.content = Content::Nobody;
            }
            send(&stage.sender(4), &stage.clock, message).await.unwrap();
            let free_at = stage.item().await.free_at.unwrap();
            free_after.push(free_at.since(stage.clock.now()).as_millis().div_ceil(50));
        }
        let (real, nobody) = (free_after[0], free_after[1]);
        assert!(
            real <= 1,
            "{case}: a place is left as soon as it is known how it ends"
        );
        assert!(
            real.abs_diff(nobody) <= 1,
            "{case}: {free_after:?} times 50 ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_leaves_the_state_of_the_session_as_a_real_one_does() {
    let restricted = Scenario::Restricted {
        code: 463,
        refusals: None,
    };
    for scenario in [restricted, Scenario::SocketBreaks { sends: u32::MAX }] {
        let mut looked_at = Vec::new();
        for to_nobody in [false, true] {
            let stage = Stage::new().await;
            stage.gateway.play(&scenario);
            for number in 1..=2 {
                send(&stage.sender(number), &stage.clock, outgoing(number))
                    .await
                    .unwrap();
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            let began = stage.clock.now();
            let mut message = outgoing(3);
            if to_nobody {
                message.content = Content::Nobody;
            }
            send(&stage.sender(3), &stage.clock, message).await.unwrap();
            let seen = stage.item().await.seen.unwrap();
            looked_at.push((seen.state, seen.at >= began, seen.since >= began));
        }
        assert_eq!(looked_at[0], looked_at[1], "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_ends_like_one_that_lost_the_session_itself() {
    let stage = Stage::new().await;
    stage.gateway.play(&Scenario::AckLost {
        sends: u32::MAX,
        delivered: true,
        lasts_ms: 6_000,
    });
    let real = stage.send().await;
    assert_eq!(real.delivery.outcome, Outcome::Unknown, "{real:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let nobody = Outgoing {
        content: Content::Nobody,
        ..outgoing(2)
    };
    let nobody = send(&stage.sender(2), &stage.clock, nobody).await.unwrap();
    assert_eq!(nobody.delivery.outcome, Outcome::Unknown, "{nobody:?}");
    let apart = real.took.abs_diff(nobody.took);
    assert!(apart < ms(1_000), "{:?} and {:?}", real.took, nobody.took);
}
