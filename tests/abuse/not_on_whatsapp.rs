//! Numbers that are not on WhatsApp: told at once and for free to whoever signs up with them, and to nobody else.
use std::collections::BTreeSet;
use std::time::Duration;

use local::simulator::Scenario;
use serde_json::{Value, json};
use tests::people::parsed;
use tests::webhooks::{self, Form};
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// A system whose WhatsApp does not know the first phone.
async fn system() -> TestSystem {
    let system = TestSystem::start().await;
    system.simulator().play(&Scenario::NotOnWhatsapp {
        phones: vec![phone(1)],
        taken: false,
    });
    system
}

fn sends(system: &TestSystem) -> u64 {
    system.simulator().calls().count("/chat/send/text")
}

fn look_ups(system: &TestSystem) -> u64 {
    system.simulator().calls().count("/user/check")
}

#[track_caller]
fn check_refused(reply: &Reply) {
    check_error(reply, 400, "NOT_ON_WHATSAPP", None);
    assert_eq!(reply.json["charged"], false);
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_is_told_and_the_gateway_is_asked_once_in_six_hours() {
    let system = system().await;
    for _ in 0..20 {
        check_refused(&sign_up(&system, &phone(1)).await);
        assert_eq!((look_ups(&system), sends(&system)), (1, 0));
    }
    check_ok(&sign_up(&system, &phone(2)).await);
    sleep(6 * HOUR).await;
    check_refused(&sign_up(&system, &phone(1)).await);
    assert_eq!((look_ups(&system), sends(&system)), (3, 1));

    // Whoever gets WhatsApp meanwhile can sign up when the six hours are over.
    system.simulator().play(&Scenario::Healthy);
    sleep(6 * HOUR).await;
    check_ok(&sign_up(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_took_a_message_in_the_last_thirty_days_is_not_remembered_so() {
    for (days, remembered) in [(1, false), (29, false), (31, true)] {
        let system = TestSystem::start().await;
        check_ok(&sign_up(&system, &phone(1)).await);
        sleep(days * 24 * HOUR).await;
        system.simulator().play(&Scenario::NotOnWhatsapp {
            phones: vec![phone(1)],
            taken: false,
        });
        for _ in 0..2 {
            check_refused(&sign_up(&system, &phone(1)).await);
        }
        system.simulator().play(&Scenario::Healthy);
        let again = sign_up(&system, &phone(1)).await;
        if remembered {
            check_refused(&again);
        } else {
            check_ok(&again);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_is_no_message_that_a_number_took() {
    let system = TestSystem::start().await;
    check_ok(&sign_in(&system, &phone(1)).await);
    system.simulator().play(&Scenario::NotOnWhatsapp {
        phones: vec![phone(1)],
        taken: false,
    });
    for _ in 0..2 {
        check_refused(&sign_up(&system, &phone(1)).await);
    }
    assert_eq!(look_ups(&system), 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_gets_its_codes_as_soon_as_its_number_is_back_on_whatsapp() {
    let system = system().await;
    check_refused(&sign_up(&system, &phone(1)).await);
    add_user(&system, &phone(1)).await;
    system.simulator().play(&Scenario::Healthy);
    check_ok(&sign_in(&system, &phone(1)).await);
    assert_eq!(system.simulator().messages(None).len(), 1);
}

/// What is asked of a phone that may have an account.
fn questions() -> [(&'static str, Value); 3] {
    let phone = phone(1);
    [
        ("/api/auth/sso-signin", json!({ "identifier": phone })),
        (
            "/api/auth/send-password-reset-otp",
            json!({ "identifier": phone }),
        ),
        (
            "/api/auth/send-otp",
            json!({ "identifier": phone, "purpose": "sso" }),
        ),
    ]
}

/// A reply without ids and without times.
fn timeless(reply: &Reply) -> (u16, Vec<String>, Value) {
    let mut json = reply.json.clone();
    for (place, field) in [
        ("", "requestId"),
        ("", "retryAfterSeconds"),
        ("/data", "challengeId"),
        ("/data", "expiresAt"),
        ("/data", "resendAfterSeconds"),
    ] {
        if let Some(value) = json.pointer_mut(place).and_then(|json| json.get_mut(field)) {
            value.take();
        }
    }
    let headers = reply.headers.keys().map(ToString::to_string).collect();
    (reply.status, headers, json)
}

/// The seconds to wait, of a reply that says so.
fn wait(reply: &Reply) -> Option<u64> {
    let again = &reply.json["data"]["resendAfterSeconds"];
    again.as_u64().or(reply.json["retryAfterSeconds"].as_u64())
}

#[tokio::test(start_paused = true)]
async fn nobody_learns_whether_a_number_without_whatsapp_has_an_account() {
    for (path, body) in questions() {
        let mut heard = Vec::new();
        for has_account in [true, false] {
            let system = system().await;
            if has_account {
                add_user(&system, &phone(1)).await;
            }
            let mut replies = Vec::new();
            for _ in 0..40 {
                replies.push(system.post(path, body.clone()).await);
                sleep(Duration::from_secs(100)).await;
            }
            let limits = replies.iter().map(|reply| reply.json["limit"].as_str());
            let limits: BTreeSet<_> = limits.collect();
            assert_eq!(limits, [None, Some("day"), Some("window")].into());
            heard.push(replies);
        }
        let [with, without] = &heard[..] else {
            unreachable!()
        };
        for (with, without) in with.iter().zip(without) {
            assert_eq!(timeless(with), timeless(without), "{path}");
            // A send and its stand-in differ by less than half a second, and there were forty.
            let waits = (wait(with).unwrap(), wait(without).unwrap());
            assert!(waits.0.abs_diff(waits.1) <= 20, "{waits:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_from_another_network_has_the_number_looked_up_again() {
    let system = system().await;
    let away = system.called_from([198, 51, 100, 7]);
    check_refused(&sign_up(&away, &phone(1)).await);
    check_refused(&sign_up(&away, &phone(1)).await);
    assert_eq!(look_ups(&system), 1);
    check_refused(&sign_up(&system, &phone(1)).await);
    check_refused(&sign_up(&system, &phone(1)).await);
    assert_eq!(look_ups(&system), 2, "once for each network");
    check_refused(&sign_up(&away, &phone(1)).await);
    system.simulator().play(&Scenario::Healthy);
    check_refused(&sign_up(&away, &phone(1)).await);
    check_ok(&sign_up(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_to_the_account_is_on_whatsapp() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    check_refused(&sign_up(&system, &phone(1)).await);
    system.simulator().play(&Scenario::Healthy);
    let digits = parsed(&phone(1)).digits().to_owned();
    let written = webhooks::written(&digits, "halo");
    let mut from_us = written.clone();
    from_us["event"]["Info"]["IsFromMe"] = json!(true);
    let others = webhooks::written(parsed(&phone(2)).digits(), "halo");
    for event in [from_us, others] {
        let posted = webhooks::post(&system, &path, Form::Json, &event).await;
        assert_eq!(posted.status, 200);
        check_refused(&sign_up(&system, &phone(1)).await);
    }
    let posted = webhooks::post(&system, &path, Form::Json, &written).await;
    assert_eq!(posted.status, 200);
    check_ok(&sign_up(&system, &phone(1)).await);
}
