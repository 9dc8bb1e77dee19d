//! Whatever is wrong with WhatsApp: the code arrives, once, or the reply says clearly that nothing was sent and nothing
//! was charged.
use std::time::Duration;

use local::simulator::Scenario::*;
use local::simulator::{LostAnswer, Profile, Scenario};
use serde_json::json;
use shared::model::code::Purpose;
use tests::{Reply, TestSystem};
use tokio::time::{Instant, sleep};

use super::act::*;

/// How many bad databases each story is told with.
const SEEDS: u64 = 2;

/// How a request for a code may end.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// The code is on the phone.
    Arrived,
    /// WhatsApp took it and lost it.
    Lost,
    /// Nobody knows; once the trouble is over the same code is to be had again.
    Unconfirmed,
    /// It certainly is not on the phone, and nothing was charged.
    Refused(String),
}

use End::*;

fn refused(error: &str) -> End {
    Refused(error.into())
}

/// A sign-in in `trouble` ends in `end`; with a bad database it may end otherwise, but in time and without a lie.
async fn check<const N: usize>(trouble: [Scenario; N], end: End) {
    check_on(Profile::B, trouble, end).await;
}

async fn check_on<const N: usize>(profile: Profile, trouble: [Scenario; N], end: End) {
    let ended = sign_in_during(profile, &trouble, None).await;
    assert_eq!(ended, end, "{trouble:?}");
    for seed in 0..SEEDS {
        sign_in_during(profile, &trouble, Some(seed)).await;
    }
}

async fn sign_in_during(profile: Profile, trouble: &[Scenario], seed: Option<u64>) -> End {
    println!("{profile:?} {trouble:?} {seed:?}");
    let system = TestSystem::builder().simulator(|options| options.profile = profile);
    let system = with_user(system.build().await)
        .await
        .with_faults(database(seed));
    for scenario in trouble {
        system.simulator().play(scenario);
    }
    let began = Instant::now();
    let asked = sign_in(&system, &phone(1)).await;
    assert!(began.elapsed() <= PATIENCE, "{:?}", began.elapsed());
    assert!(connects(&system) <= 1);
    let end = match (asked.status, delivery(&asked)) {
        (200, Some("sent")) if messages(&system, &phone(1)).is_empty() => Lost,
        (200, Some("sent")) => arrived(&system, &asked).await,
        (200, _) => unconfirmed(&system, &asked).await,
        _ => not_charged(&system, &asked).await,
    };
    let messages = messages(&system, &phone(1));
    assert!(
        messages.iter().all(|message| !message.duplicate),
        "{messages:?}"
    );
    end
}

/// The code is there once, and opens a login.
async fn arrived(system: &TestSystem, asked: &Reply) -> End {
    assert_eq!(messages(system, &phone(1)).len(), 1);
    let code = code_on(system, &phone(1));
    let signed_in = verify(system, &phone(1), &code, challenge(asked)).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.json);
    Arrived
}

/// The next request may come after 15 s, and brings the same code.
async fn unconfirmed(system: &TestSystem, asked: &Reply) -> End {
    assert_eq!(delivery(asked), Some("unconfirmed"));
    assert_eq!(asked.json["data"]["resendAfterSeconds"], 15);
    heal(system);
    let early = sign_in(system, &phone(1)).await;
    assert_eq!(
        (early.status, &early.json["limit"]),
        (429, &json!("cooldown"))
    );
    sleep(15 * SECOND).await;
    let mut again = sign_in(system, &phone(1)).await;
    if delivery(&again) == Some("unconfirmed") {
        // The second one in a row without an answer has the session reset.
        sleep(15 * SECOND).await;
        again = sign_in(system, &phone(1)).await;
    }
    let second = challenge(&again);
    // What the gateway still has in its queue goes out long after the answer.
    sleep(80 * SECOND).await;
    let code = code_on(system, &phone(1));
    let messages = messages(system, &phone(1));
    assert!(messages.len() <= 2 && messages.iter().all(|message| code_in(message) == code));
    for typed in [second, challenge(asked)] {
        assert_eq!(
            verify(system, &phone(1), &wrong(&code, 1), typed)
                .await
                .json["attemptsLeft"],
            4
        );
    }
    assert_eq!(verify(system, &phone(1), &code, second).await.status, 200);
    Unconfirmed
}

/// There is no message and no charge to the phone, and the next code can be had at once.
async fn not_charged(system: &TestSystem, asked: &Reply) -> End {
    assert_eq!(
        (asked.status, &asked.json["charged"]),
        (503, &json!(false)),
        "{}",
        asked.json
    );
    assert_eq!(messages(system, &phone(1)), []);
    let state = state_of(system, &phone(1)).await;
    assert_eq!((state.sends.len(), state.code(Purpose::Sso)), (0, None));
    // What WhatsApp itself refuses counts for whoever asks, and not for the phone.
    let is_of_whatsapp = asked.json["error"] == "WHATSAPP_OTP_FAILED";
    assert_eq!(granted(system).await, usize::from(is_of_whatsapp));
    heal(system);
    let again = sign_in(system, &phone(1)).await;
    assert_eq!(delivery(&again), Some("sent"), "{}", again.json);
    arrived(system, &again).await;
    refused(asked.json["error"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_session_is_absent() {
    for profile in [Profile::A, Profile::B, Profile::D] {
        check_on(profile, [ColdSession], Arrived).await;
    }
    check([Zombie], Arrived).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_blips() {
    for lasts_ms in [100, 1_000, 3_000, 6_000] {
        check([NetworkBlip { lasts_ms }], Arrived).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_half_open() {
    for delivered in [true, false] {
        let sends = Some(1);
        check([HalfOpen { sends, delivered }], Unconfirmed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_session_is_dead_and_a_connect_heals_it() {
    check([DeadObject { logged_in: false }], Arrived).await;
    // The library may be reconnecting by itself: for a minute that is left to it.
    let waits = refused("WHATSAPP_SERVICE_UNAVAILABLE");
    check([DeadObject { logged_in: true }], waits).await;
}

#[tokio::test(start_paused = true)]
async fn the_session_is_stuck_with_already_connected() {
    for profile in [Profile::A, Profile::B, Profile::D] {
        for logged_in in [true, false] {
            let end = refused("WHATSAPP_SERVICE_UNAVAILABLE");
            check_on(profile, [StuckObject { logged_in }], end).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_lost_after_the_delivery() {
    let after_ms = 700;
    for how in [LostAnswer::Closed, LostAnswer::Proxy504] {
        for (sends, end) in [(1, Arrived), (2, Unconfirmed)] {
            let lost = AnswerLost {
                sends,
                how,
                after_ms,
            };
            check([lost], end).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_acknowledgement_is_lost() {
    let sends = 1;
    // Longer than a request lasts, nobody connects a session that may be reconnecting by itself.
    for (lasts_ms, end) in [
        (1_000, Arrived),
        (3_000, Arrived),
        (8_000, Arrived),
        (20_000, Unconfirmed),
    ] {
        for delivered in [true, false] {
            let lost = AckLost {
                sends,
                delivered,
                lasts_ms,
            };
            check([lost], end.clone()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_gateway_is_down_or_a_connect_ends_it() {
    for (lasts_ms, end) in [
        (2_000, Arrived),
        (30_000, refused("WHATSAPP_NETWORK_ERROR")),
    ] {
        check([GatewayDown { lasts_ms }], end.clone()).await;
        let down_ms = lasts_ms;
        check([ColdSession, CrashOnConnect { down_ms }], end).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whatsapp_refuses() {
    let refusals = None;
    for code in [463, 479, 403] {
        let restricted = Restricted { code, refusals };
        check([restricted], refused("WHATSAPP_OTP_FAILED")).await;
    }
    let (phones, taken) = (vec![phone(1)], false);
    let unknown = NotOnWhatsapp { phones, taken };
    // Answered as if the phone had no account: another answer would tell that it has one.
    check([unknown], Lost).await;
}

#[tokio::test(start_paused = true)]
async fn a_restricted_account_asks_for_patience_and_its_number_is_not_blamed() {
    let system = system().await;
    let (code, refusals) = (463, None);
    system.simulator().play(&Restricted { code, refusals });
    for phone in [phone(1), phone(2)] {
        let asked = sign_in(&system, &phone).await;
        assert_eq!((asked.status, &asked.json["charged"]), (503, &json!(false)));
        assert_eq!(asked.json["retryAfterSeconds"], 300);
        assert_eq!(asked.headers["retry-after"], "300");
        let message = asked.json["message"].as_str().unwrap();
        assert!(!message.contains("number"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_has_to_pair_the_session() {
    for scenario in [Unlinked, QrNotScanned, Banned] {
        check([scenario], refused("WHATSAPP_SERVICE_UNAVAILABLE")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_lost_silently() {
    check([SilentLoss { rate: 1.0 }], Lost).await;
    let (phones, taken) = (vec![phone(1)], true);
    check([NotOnWhatsapp { phones, taken }], Lost).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_back_after_300_ms_has_delivered_within_a_second() {
    let system = TestSystem::builder().simulator(|options| {
        options.online_after = Duration::from_millis(300);
        options.send_duration = Duration::from_millis(200);
    });
    let system = with_user(system.build().await).await;
    system.simulator().play(&ColdSession);
    let began = Instant::now();
    let asked = sign_in(&system, &phone(1)).await;
    assert!(began.elapsed() <= SECOND, "{:?}", began.elapsed());
    assert_eq!(arrived(&system, &asked).await, Arrived);
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_whose_code_was_not_sent_leaves_nothing_and_can_be_repeated_at_once() {
    for seed in 0..=SEEDS {
        let faults = database(seed.checked_sub(1));
        let system = TestSystem::builder().faults(faults).build().await;
        system.simulator().play(&Banned);
        let asked = sign_up(&system, &phone(1), "Siti", PASSWORD).await;
        assert_eq!((asked.status, &asked.json["charged"]), (503, &json!(false)));
        assert_eq!(rows(&system, "RegistrationsTable").await, 0);
        heal(&system);
        let again = sign_up(&system, &phone(1), "Siti", PASSWORD).await;
        let code = code_on(&system, &phone(1));
        let confirmed = confirm(&system, &phone(1), &code, challenge(&again)).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.json);
    }
}
