//! What is not sent is not charged.

use local::simulator::{LostAnswer, SessionOptions, Simulator, SimulatorOptions};
use tokio::task::JoinSet;

use super::*;

#[tokio::test(start_paused = true)]
async fn an_outage_charges_nothing_and_the_next_request_succeeds_at_once() {
    for (scenario, code) in outages() {
        let system = system().await;
        system.simulator().play(&scenario);
        for _ in 0..6 {
            check_outage(&ask_code(&system, SITI).await, code);
        }
        assert!(inbox(&system, SITI).is_empty(), "{scenario:?}");
        system.simulator().play(&Scenario::Healthy);
        let (reply, took) = timed(ask_code(&system, SITI)).await;
        check_sent(&reply);
        assert!(took <= SECOND, "{scenario:?}: {took:?}");
        assert_eq!(inbox(&system, SITI).len(), 1, "{scenario:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_whatsapp_refuses_is_not_charged() {
    let system = system().await;
    system.simulator().play(&Scenario::Restricted {
        code: 463,
        refusals: None,
    });
    check_restricted(&ask_code(&system, SITI).await);
    system.simulator().play(&Scenario::Healthy);
    check_sent(&ask_code(&system, SITI).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_session_the_operator_is_asked_for() {
    let system = TestSystem::builder().simulator(|options| options.sessions.clear());
    let system = with_siti(system.build().await).await;
    check_needs_somebody(&ask_code(&system, SITI).await, "WHATSAPP_CONFIG_ERROR");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_refuses_the_token_is_told_apart() {
    let simulator = Simulator::new(SimulatorOptions {
        sessions: vec![SessionOptions::new("system", "another token")],
        ..SimulatorOptions::default()
    });
    let system = TestSystem::builder().gateway(simulator);
    let system = with_siti(system.build().await).await;
    check_needs_somebody(&ask_code(&system, SITI).await, "WHATSAPP_AUTH_ERROR");
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_the_queue_full_is_not_charged() {
    let system = system().await;
    let mut crowd = JoinSet::new();
    for number in 0..25 {
        let system = system.clone();
        crowd.spawn(async move { (number, ask_code(&system, &typed_phone(number)).await) });
    }
    let mut refused = Vec::new();
    for (number, reply) in crowd.join_all().await {
        if reply.status != 200 {
            check_not_sent_for(&reply, "WHATSAPP_SERVICE_UNAVAILABLE", 1);
            refused.push(number);
        }
    }
    // The queue is 6 s long, at 300 ms for a send that nobody has measured yet.
    assert_eq!(refused.len(), 25 - 21);
    for number in refused {
        check_sent(&ask_code(&system, &typed_phone(number)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_runs_out_of_time_says_so_and_charges_nothing() {
    let system =
        TestSystem::builder().simulator(|options| options.online_after = 3_300 * MILLISECOND);
    let system = with_siti(system.build().await).await;
    system.simulator().play(&Scenario::ColdSession);
    // The session is back too late for a send, because every call of the store takes almost a second.
    let slow = system.with_faults(Faults::none().latency(900 * MILLISECOND));
    let (reply, took) = timed(ask_code(&slow, SITI)).await;
    check_not_sent_for(&reply, "WHATSAPP_TIMEOUT", 8);
    assert!(took <= 15 * SECOND, "{took:?}");
    check_sent(&ask_code(&system, SITI).await);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_have_gone_out_is_unconfirmed_and_may_be_asked_for_again_soon() {
    let system = system().await;
    system.simulator().play(&Scenario::AnswerLost {
        sends: 2,
        how: LostAnswer::Proxy504,
        after_ms: 0,
    });
    let sent = check_code_sent(&ask_code(&system, SITI).await, "unconfirmed");
    assert_eq!(sent.resend_after, 15 * SECOND);
    check_limited(&ask_code(&system, SITI).await, "cooldown", 15 * SECOND);
    // The code on the phone works, and the next message has the same one.
    let code = code_on(&system, SITI);
    pass(15 * SECOND).await;
    check_sent(&ask_code(&system, SITI).await);
    assert_eq!(code_on(&system, SITI), code);
    // It comes under the same id, so the phone shows one message.
    assert_eq!(inbox(&system, SITI).len(), 1);
    // The one after it is shown: somebody who asks once more has lost the first.
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    assert_eq!(inbox(&system, SITI).len(), 2);
    check_ok(&guess(&system, SITI, &code, Some(&sent.challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_nothing_is_sent_and_nothing_charged() {
    let system = system().await;
    let reply = ask_code(&system.with_faults(Faults::down()), SITI).await;
    check_not_sent(&reply, "SERVICE_UNAVAILABLE");
    assert_eq!(gateway_calls(&system), 0);
    check_sent(&ask_code(&system, SITI).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_down_in_between_charges_nothing_that_was_not_sent() {
    let mut sent = 0;
    for broken_from in 2..20 {
        let system = system().await;
        let faults = Faults::none().from(broken_from, Fault::RequestLost);
        let reply = ask_code(&system.with_faults(faults), SITI).await;
        let messages = inbox(&system, SITI).len();
        match reply.status {
            200 => {
                check_sent(&reply);
                assert_eq!(messages, 1, "from call {broken_from}");
                sent += 1;
            }
            _ => {
                check_not_sent(&reply, "SERVICE_UNAVAILABLE");
                assert_eq!(messages, 0, "from call {broken_from}");
                // A reservation that could not be taken back has lapsed by then.
                pass(17 * SECOND).await;
                check_sent(&ask_code(&system, SITI).await);
            }
        }
    }
    assert!((1..18).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_single_failure_of_the_store_is_not_seen_and_charges_once() {
    for fault in [
        Fault::RequestLost,
        Fault::ReplyLost,
        Fault::Throttled,
        Fault::Conflict,
    ] {
        for number in 1..=12 {
            let system = system().await;
            let unlucky = system.with_faults(Faults::none().at(number, fault));
            check_sent(&ask_code(&unlucky, SITI).await);
            assert_eq!(inbox(&system, SITI).len(), 1);
            let phone = &items(&system, "ChallengesTable").await[0];
            let address = &items(&system, "LimitsTable").await[0];
            let sends = phone["sends"].as_l().expect("a list").len();
            let granted = address["granted"].as_ss().expect("a set").len();
            assert_eq!((sends, granted), (1, 1), "{fault:?} at {number}");
        }
    }
}
