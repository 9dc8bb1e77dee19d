//! From twenty wrong codes in a row each new code waits longer, up to an hour. The right code ends that.
use std::time::Duration;

use serde_json::json;
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

const SECOND: Duration = Duration::from_secs(1);

async fn guess(system: &TestSystem, asked: &Reply, code: &str) -> Reply {
    let challenge = &asked.json["data"]["challengeId"];
    let body = json!({ "identifier": phone(1), "otp": code, "challengeId": challenge });
    system.post("/api/auth/sso-verify", body).await
}

/// The code of the newest message.
fn code(system: &TestSystem) -> String {
    let messages = system.simulator().messages(None);
    messages.last().unwrap().text[..6].to_owned()
}

async fn guess_wrong(system: &TestSystem, asked: &Reply) {
    let code = match system.simulator().messages(None).is_empty() {
        false if code(system) == "000000" => "111111",
        _ => "000000",
    };
    let wrong = guess(system, asked, code).await;
    check(&wrong, 400, Some("INVALID_OTP"), None);
}

/// Guesses wrong twenty times, five times a code; answers the newest code's request.
async fn twenty_wrong(system: &TestSystem) -> Reply {
    for number in 1.. {
        let asked = sign_in(system, &phone(1)).await;
        check(&asked, 200, None, None);
        for _ in 0..5 {
            guess_wrong(system, &asked).await;
        }
        if number == 4 {
            return asked;
        }
        // Nineteen make nobody wait.
        sleep(60 * SECOND).await;
    }
    unreachable!()
}

/// Checks that the next code waits for exactly so long, and asks for it then.
async fn next_after(system: &TestSystem, wait: u64, limit: &str) -> Reply {
    for left in [wait, 1] {
        let early = sign_in(system, &phone(1)).await;
        check(&early, 429, Some("RATE_LIMITED"), Some(limit));
        assert_eq!(early.json["retryAfterSeconds"], left);
        sleep(Duration::from_secs(if left == 1 { 1 } else { wait - 1 })).await;
    }
    let asked = sign_in(system, &phone(1)).await;
    check(&asked, 200, None, None);
    asked
}

#[tokio::test(start_paused = true)]
async fn from_twenty_wrong_codes_each_new_one_waits_longer_with_an_account_and_without() {
    for has_account in [true, false] {
        let system = TestSystem::start().await;
        if has_account {
            add_user(&system, &phone(1)).await;
        }
        twenty_wrong(&system).await;
        // The twentieth makes nobody wait longer than anybody waits; but four codes nearly fill ten minutes.
        sleep(600 * SECOND).await;
        let mut asked = sign_in(&system, &phone(1)).await;
        for minutes in [2, 4, 8, 16, 32, 60] {
            guess_wrong(&system, &asked).await;
            asked = next_after(&system, minutes * 60, "failures").await;
        }
        // A phone without an account has ten messages a day.
        if has_account {
            guess_wrong(&system, &asked).await;
            next_after(&system, 3_600, "failures").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_code_is_taken_meanwhile_and_ends_the_waiting() {
    let system = TestSystem::start().await;
    add_user(&system, &phone(1)).await;
    twenty_wrong(&system).await;
    sleep(60 * SECOND).await;
    let asked = sign_in(&system, &phone(1)).await;
    for _ in 0..4 {
        guess_wrong(&system, &asked).await;
    }
    let early = sign_in(&system, &phone(1)).await;
    assert_eq!(early.json["retryAfterSeconds"], 16 * 60);
    // Whoever waits for the next code is not locked out: the last one opens.
    let opened = guess(&system, &asked, &code(&system)).await;
    check(&opened, 200, None, None);
    sleep(10 * 60 * SECOND).await;
    let asked = sign_in(&system, &phone(1)).await;
    check(&asked, 200, None, None);
    guess_wrong(&system, &asked).await;
    next_after(&system, 60, "cooldown").await;
}
