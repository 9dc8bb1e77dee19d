//! How often codes are to be had, and that the replies tell it.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

/// Asks as soon as the reply before allows, and a second earlier.
async fn check_resend_after(system: &TestSystem, typed: &str, waits: &[u64]) {
    let mut wait = check_sent(&ask_code(system, typed).await).resend_after;
    for (number, expected) in waits.iter().enumerate() {
        assert_eq!(wait.as_secs(), *expected, "after code {}", number + 1);
        pass(wait - SECOND).await;
        assert_eq!(ask_code(system, typed).await.status, 429);
        pass(SECOND).await;
        wait = check_sent(&ask_code(system, typed).await).resend_after;
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_code_is_granted_exactly_when_the_last_reply_said() {
    // The fifth code fills the window: the sixth has to wait until the first leaves it.
    let waits = [60, 60, 60, 60, 359, 60, 60, 60, 60, 359];
    for typed in [SITI, BUDI] {
        let system = system().await;
        at_home(&system, typed).await;
        // An unknown phone's requests take another time, as much as sends differ.
        check_resend_after(&system, typed, &waits).await;
    }
    // From elsewhere the third does.
    let waits = [60, 60, 480, 60, 60, 480];
    check_resend_after(&system().await, SITI, &waits).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_guesses_in_a_row_make_codes_longer_and_nobody_wait() {
    let system = system().await;
    at_home(&system, SITI).await;
    for _ in 0..2 {
        let (challenge, code) = sent_code(&system, SITI).await;
        for _ in 0..5 {
            guess(&system, SITI, wrong(&code), Some(&challenge)).await;
        }
        pass(10 * MINUTE).await;
    }
    let asked = ask_code(&system, SITI).await;
    assert_eq!(check_ok(&asked)["codeDigits"], 8);
    let text = inbox(&system, SITI).pop().expect("a message");
    let code = text.split(' ').next().expect("a word");
    assert_eq!(code.len(), 8);
    let challenge = check_ok(&asked)["challengeId"].as_str().expect("an id");
    let cut = guess(&system, SITI, &code[..6], Some(challenge)).await;
    check_problem(&cut, 400, "INVALID_OTP", json!({ "attemptsLeft": 4 }));
    // A right guess ends it.
    check_ok(&guess(&system, SITI, code, Some(challenge)).await);
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
}

#[tokio::test(start_paused = true)]
async fn five_codes_fill_ten_minutes() {
    let system = system().await;
    at_home(&system, SITI).await;
    for _ in 0..5 {
        check_sent(&ask_code(&system, SITI).await);
        pass(MINUTE).await;
    }
    // Five sends of 400 ms each lie between now and the beginning of the window.
    check_limited(
        &ask_code(&system, SITI).await,
        "window",
        5 * MINUTE - 1_600 * MILLISECOND,
    );
    // It is this phone's limit, and this purpose's.
    check_sent(&ask_code(&system, BUDI).await);
}

#[tokio::test(start_paused = true)]
async fn a_phone_gets_thirty_messages_a_day() {
    let system = system().await;
    at_home(&system, SITI).await;
    let began = system.now();
    for round in 0..30 {
        pass(began.plus(round * 3 * MINUTE).since(system.now())).await;
        check_sent(&ask_code(&system, SITI).await);
    }
    pass(began.plus(90 * MINUTE).since(system.now())).await;
    let left = 24 * 60 * MINUTE - 90 * MINUTE + 400 * MILLISECOND;
    check_limited(&ask_code(&system, SITI).await, "day", left);
    pass(left).await;
    check_sent(&ask_code(&system, SITI).await);
}

#[tokio::test(start_paused = true)]
async fn an_address_gets_a_hundred_codes_in_ten_minutes() {
    let system = system().await;
    let ends = system.now().plus(10 * MINUTE);
    for number in 0..100 {
        check_sent(&ask_code(&system, &typed_phone(number)).await);
    }
    let refused = ask_code(&system, SITI).await;
    check_limited(&refused, "address", ends.since(system.now()));
    let elsewhere = system.called_from(Ipv4Addr::new(203, 0, 113, 2));
    check_sent(&ask_code(&elsewhere, SITI).await);
    pass(ends.since(system.now())).await;
    check_sent(&ask_code(&system, &typed_phone(100)).await);
}

/// A system that grants two codes per address.
async fn strict() -> TestSystem {
    let strict =
        TestSystem::builder().settings(|settings| settings.policy.codes_per_address.places = 2);
    with_siti(strict.build().await).await
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_or_not_sent_is_not_counted_for_the_address() {
    let system = strict().await;
    system.simulator().play(&Scenario::QrNotScanned);
    for number in 0..3 {
        let reply = ask_code(&system, &typed_phone(number)).await;
        check_needs_somebody(&reply, "WHATSAPP_SERVICE_UNAVAILABLE");
    }
    system.simulator().play(&Scenario::Healthy);
    check_sent(&ask_code(&system, SITI).await);
    for _ in 0..3 {
        check_limited(&ask_code(&system, SITI).await, "cooldown", MINUTE);
    }
    check_sent(&ask_code(&system, BUDI).await);
    assert_eq!(
        ask_code(&system, &typed_phone(1)).await.json["limit"],
        "address"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_network_counts_as_one_address() {
    let system = strict().await;
    let from = |address: &str| system.called_from(address.parse::<Ipv6Addr>().expect("an address"));
    check_sent(&ask_code(&from("2001:db8:1:2::1"), &typed_phone(1)).await);
    check_sent(&ask_code(&from("2001:db8:1:2:ffff::9"), &typed_phone(2)).await);
    let refused = ask_code(&from("2001:db8:1:2:3:4:5:6"), &typed_phone(3)).await;
    assert_eq!(refused.json["limit"], "address");
    check_sent(&ask_code(&from("2001:db8:1:3::1"), &typed_phone(3)).await);
    let mapped: IpAddr = "::ffff:203.0.113.9".parse().expect("an address");
    check_sent(&ask_code(&system.called_from(mapped), &typed_phone(4)).await);
    let four = system.called_from(Ipv4Addr::new(203, 0, 113, 9));
    check_sent(&ask_code(&four, &typed_phone(5)).await);
    assert_eq!(ask_code(&four, &typed_phone(6)).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn nobody_writes_themselves_another_address() {
    let system = strict().await;
    for (number, status) in [(1, 200), (2, 200), (3, 429)] {
        let elsewhere = format!("198.51.100.{number}");
        let headers = [
            ("content-type", "application/json"),
            ("x-forwarded-for", elsewhere.as_str()),
            ("x-client-address", &elsewhere),
            ("forwarded", "for=198.51.100.7"),
        ];
        let body = json!({ "identifier": typed_phone(number) }).to_string();
        let reply = system.request("POST", SIGNIN, &headers, body).await;
        assert_eq!(reply.status, status, "{}", reply.json);
    }
}
