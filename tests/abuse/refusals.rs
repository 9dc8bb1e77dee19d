//! While WhatsApp refuses an account, what strangers ask for neither makes that worse nor keeps owners out.
use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use local::simulator::Scenario;
use tests::{Reply, TestSystem};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::act::*;

const SECOND: Duration = Duration::from_secs(1);

const COLD_LOCKED: Scenario = Scenario::ColdLocked {
    code: 463,
    refusals: None,
};

const RESTRICTED: Scenario = Scenario::Restricted {
    code: 463,
    refusals: None,
};

fn elsewhere(system: &TestSystem) -> TestSystem {
    system.called_from(Ipv4Addr::new(198, 51, 100, 7))
}

fn sends(system: &TestSystem) -> u64 {
    system.simulator().calls().count("/chat/send/text")
}

fn look_ups(system: &TestSystem) -> u64 {
    system.simulator().calls().count("/user/check")
}

#[track_caller]
fn check_restricted(reply: &Reply) {
    check_error(reply, 503, "WHATSAPP_OTP_FAILED", None);
    assert_eq!(reply.json["charged"], false);
}

#[track_caller]
fn check_address_full(reply: &Reply) {
    check_error(reply, 429, "RATE_LIMITED", Some("address"));
}

/// A system where an address may ask for so many codes, and the first phone has an owner.
async fn with_places(places: usize) -> TestSystem {
    let system = TestSystem::builder();
    let system = system.settings(|settings| settings.policy.codes_per_address.places = places);
    with_owner_of(system.build().await).await
}

#[tokio::test(start_paused = true)]
async fn while_the_account_writes_to_nobody_new_sign_ups_try_it_once_a_minute() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    system.simulator().play(&COLD_LOCKED);
    let (sent, looked_up) = (sends(&system), look_ups(&system));
    let tried = || (sends(&system) - sent, look_ups(&system) - looked_up);
    check_restricted(&sign_up(&away, &phone(20)).await);
    check_restricted(&sign_up(&away, &phone(21)).await);
    assert_eq!(tried(), (2, 2), "the first meets it, the second tries it");
    let began = Instant::now();
    for number in 22..172 {
        check_restricted(&sign_up(&away, &phone(number)).await);
    }
    assert_eq!(tried(), (2, 2));
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    sleep(MINUTE).await;
    let mut crowd = JoinSet::new();
    for number in 22..42 {
        let away = away.clone();
        crowd.spawn(async move { sign_up(&away, &phone(number)).await });
    }
    for refused in crowd.join_all().await {
        check_restricted(&refused);
    }
    assert_eq!(tried(), (3, 3), "one of many at once");
    // Nobody is kept out once it is over.
    system.simulator().play(&Scenario::Healthy);
    sleep(MINUTE).await;
    for number in 22..25 {
        check_ok(&sign_up(&away, &phone(number)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_whom_whatsapp_refuses_keep_nobody_from_signing_in() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    system.simulator().play(&COLD_LOCKED);
    let asking = tokio::spawn(async move {
        for number in 20..260 {
            tokio::spawn({
                let away = away.clone();
                async move { sign_up(&away, &phone(number)).await }
            });
            sleep(SECOND / 4).await;
        }
    });
    for _ in 0..3 {
        sleep(15 * SECOND).await;
        let began = Instant::now();
        let asked = sign_in(&system, &phone(1)).await;
        check_ok(&asked);
        assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
        let code = code_on(&system, &phone(1));
        check_ok(&verify(&system, &phone(1), &code, challenge(&asked)).await);
        sleep(61 * SECOND).await;
    }
    asking.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_whatsapp_refuses_counts_for_the_address_that_asks() {
    let system = with_places(3).await;
    let away = elsewhere(&system);
    system.simulator().play(&COLD_LOCKED);
    for number in 20..25 {
        check_restricted(&sign_up(&away, &phone(number)).await);
        sleep(SECOND).await;
    }
    sleep(MINUTE).await;
    check_restricted(&sign_up(&away, &phone(30)).await);
    check_address_full(&sign_up(&away, &phone(31)).await);
    let state = state_of(&system, &phone(20)).await;
    assert_eq!(state.sends, [], "the phone pays nothing");
    check_ok(&sign_in(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_whatsapp_refuses_count_for_the_address_that_asks() {
    let system = with_places(3).await;
    let away = elsewhere(&system);
    let phones = (20..40).map(phone).collect();
    let taken = false;
    let simulator = system.simulator();
    simulator.play(&Scenario::NotOnWhatsapp { phones, taken });
    simulator.play(&Scenario::CheckThrottled);
    for number in 20..23 {
        let refused = sign_up(&away, &phone(number)).await;
        check_error(&refused, 503, "WHATSAPP_OTP_FAILED", None);
        assert_eq!(refused.json["charged"], false);
    }
    let before = (sends(&system), look_ups(&system));
    for number in 23..40 {
        check_address_full(&sign_up(&away, &phone(number)).await);
    }
    assert_eq!((sends(&system), look_ups(&system)), before);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_sends_nothing_is_tried_once_a_minute_whoever_asks() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    system.simulator().play(&RESTRICTED);
    let sent = sends(&system);
    let began = Instant::now();
    for _ in 0..60 {
        check_restricted(&sign_in(&away, &phone(1)).await);
        sleep(SECOND / 10).await;
    }
    let minutes = began.elapsed().as_secs() / 60;
    let tried = sends(&system) - sent;
    assert!(tried <= 2 + minutes, "{tried} sends to one phone");
    system.simulator().play(&Scenario::Healthy);
    sleep(MINUTE).await;
    check_ok(&sign_in(&system, &phone(1)).await);
}

/// An account whose phone has left WhatsApp tries nothing, so it takes no turn.
#[tokio::test(start_paused = true)]
async fn a_user_who_has_left_whatsapp_takes_nobody_s_turn_to_try_the_account() {
    let system = with_owner().await;
    add_user(&system, &phone(2)).await;
    let away = elsewhere(&system);
    check_ok(&sign_in(&away, &phone(2)).await);
    system.simulator().play(&RESTRICTED);
    check_restricted(&sign_in(&system, &phone(1)).await);
    system.simulator().play(&Scenario::Healthy);
    let phones = vec![phone(2)];
    let left = Scenario::NotOnWhatsapp {
        phones,
        taken: false,
    };
    system.simulator().play(&left);
    sleep(MINUTE).await;
    let sent = sends(&system);
    sign_in(&away, &phone(2)).await;
    assert_eq!(sends(&system), sent + 1, "it tries the account");
    check_ok(&sign_in(&system, &phone(1)).await);
}

/// Sign-ups may try an account as well, and take no user's turn.
#[tokio::test(start_paused = true)]
async fn sign_ups_keep_no_owner_from_an_account_that_writes_to_contacts_again() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    system.simulator().play(&RESTRICTED);
    for _ in 0..2 {
        check_restricted(&sign_in(&system, &phone(1)).await);
        sleep(2 * SECOND).await;
    }
    system.simulator().play(&Scenario::Healthy);
    system.simulator().play(&COLD_LOCKED);
    let began = Instant::now();
    let stranger = tokio::spawn(async move {
        for number in 100.. {
            sign_up(&away, &phone(number)).await;
            sleep(SECOND / 3).await;
        }
    });
    while sign_in(&system, &phone(1)).await.status != 200 {
        sleep(3 * SECOND).await;
        assert!(began.elapsed() < 2 * MINUTE, "the owner is kept out");
    }
    stranger.abort();
}

#[tokio::test(start_paused = true)]
async fn while_the_account_writes_to_nobody_new_whoever_signs_up_again_tries_it_once_a_minute() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    // The code is taken and does not arrive, so that there is no chat.
    system.simulator().play(&Scenario::SilentLoss { rate: 1.0 });
    check_ok(&sign_up(&away, &phone(20)).await);
    sleep(MINUTE).await;
    system.simulator().play(&Scenario::Healthy);
    system.simulator().play(&COLD_LOCKED);
    let sent = sends(&system);
    let began = Instant::now();
    for _ in 0..60 {
        check_restricted(&sign_up(&away, &phone(20)).await);
        sleep(SECOND).await;
    }
    let minutes = began.elapsed().as_secs() / 60;
    let tried = sends(&system) - sent;
    assert!(tried <= 2 + minutes, "{tried} sends");
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_sent_known_and_unknown_phones_are_refused_and_charged_alike() {
    let mut heard = Vec::new();
    for target in [1, 9] {
        let system = with_places(6).await;
        add_user(&system, &phone(2)).await;
        system.simulator().play(&RESTRICTED);
        check_restricted(&sign_in(&system, &phone(2)).await);
        check_restricted(&sign_in(&system, &phone(2)).await);
        sleep(2 * SECOND).await;
        let away = elsewhere(&system);
        let mut replies = Vec::new();
        for _ in 0..10 {
            let began = Instant::now();
            let reply = sign_in(&away, &phone(target)).await;
            let said = (reply.status, reply.json["error"].clone());
            replies.push((said, reply.json["limit"].clone(), began.elapsed()));
            sleep(2 * SECOND).await;
        }
        let full = replies.iter().filter(|((status, _), _, _)| *status == 429);
        assert_eq!(full.count(), 4, "{replies:?}");
        heard.push(replies);
    }
    for (with, without) in heard[0].iter().zip(&heard[1]) {
        assert_eq!((&with.0, &with.1), (&without.0, &without.1));
        let apart = with.2.abs_diff(without.2);
        assert!(apart < Duration::from_millis(100), "{with:?} {without:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_phones_without_an_account_keeps_no_trial_from_the_others() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    system.simulator().play(&RESTRICTED);
    check_restricted(&sign_in(&system, &phone(1)).await);
    check_restricted(&sign_in(&system, &phone(1)).await);
    system.simulator().play(&Scenario::Healthy);
    for number in 20..90 {
        sign_in(&away, &phone(number)).await;
        sleep(SECOND).await;
    }
    check_ok(&sign_in(&system, &phone(1)).await);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_are_not_on_whatsapp_take_nobody_s_turn_to_try_the_account() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    system.simulator().play(&COLD_LOCKED);
    check_restricted(&sign_up(&away, &phone(20)).await);
    check_restricted(&sign_up(&away, &phone(21)).await);
    let (phones, taken) = ((40..60).map(phone).collect(), false);
    system.simulator().play(&Scenario::Healthy);
    let missing = Scenario::NotOnWhatsapp { phones, taken };
    system.simulator().play(&missing);
    sleep(MINUTE).await;
    for number in 40..60 {
        let refused = sign_up(&away, &phone(number)).await;
        check_error(&refused, 400, "NOT_ON_WHATSAPP", None);
    }
    check_ok(&sign_up(&system, &phone(22)).await);
}

/// Two accounts of a stranger, whose messages WhatsApp refuses for a reason of their own, and an owner who asks now and then.
#[tokio::test(start_paused = true)]
async fn users_whom_whatsapp_refuses_alone_take_not_all_the_turns_to_try_the_account() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    for number in [2, 3] {
        add_user(&system, &phone(number)).await;
        let asked = sign_in(&away, &phone(number)).await;
        let code = code_on(&system, &phone(number));
        check_ok(&verify(&away, &phone(number), &code, challenge(&asked)).await);
    }
    sleep(11 * MINUTE).await;
    system.simulator().play(&RESTRICTED);
    let mut strangers = JoinSet::new();
    for number in [2, 3] {
        let away = away.clone();
        strangers.spawn(async move {
            loop {
                sign_in(&away, &phone(number)).await;
                sleep(SECOND / 5).await;
            }
        });
    }
    sleep(10 * SECOND).await;
    system.simulator().play(&Scenario::Healthy);
    let (phones, taken) = ([2, 3].map(phone).into(), false);
    let left = Scenario::NotOnWhatsapp { phones, taken };
    system.simulator().play(&left);
    // Nobody can say that they have left, so each is refused as the account may be.
    system.simulator().play(&Scenario::CheckThrottled);
    let began = Instant::now();
    while sign_in(&system, &phone(1)).await.status != 200 {
        assert!(began.elapsed() < MINUTE, "the owner is kept out");
        sleep(7 * SECOND).await;
    }
}

/// An account that writes to nobody new, and has written to users: to some who have a chat with it, and to others, who ask from
/// elsewhere, and whose phones never got it.
async fn lock_with_users(system: &TestSystem, reached: Range<u64>, never_reached: Range<u64>) {
    for number in reached {
        add_user(system, &phone(number)).await;
        check_ok(&sign_in(system, &phone(number)).await);
    }
    system.simulator().play(&Scenario::SilentLoss { rate: 1.0 });
    for number in never_reached {
        add_user(system, &phone(number)).await;
        check_ok(&sign_in(&elsewhere(system), &phone(number)).await);
    }
    sleep(11 * MINUTE).await;
    system.simulator().play(&Scenario::Healthy);
    system.simulator().play(&COLD_LOCKED);
}

/// An account that writes to nobody new refuses a user who never answered it. That is no reason to keep it from the others.
#[tokio::test(start_paused = true)]
async fn a_user_whom_whatsapp_refuses_alone_makes_an_account_pass_for_restricted_once() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    lock_with_users(&system, 4..8, 2..3).await;
    let sent = sends(&system);
    let began = Instant::now();
    check_restricted(&sign_in(&away, &phone(2)).await);
    check_ok(&sign_in(&system, &phone(1)).await);
    for number in [4, 5, 6, 7, 4, 5, 6, 7] {
        for _ in 0..5 {
            check_restricted(&sign_in(&away, &phone(2)).await);
            sleep(3 * SECOND).await;
        }
        check_ok(&sign_in(&system, &phone(number)).await);
        sleep(MINUTE / 2).await;
    }
    let minutes = began.elapsed().as_secs() / 60;
    let refused = sends(&system) - sent - 9;
    assert!(refused <= 2 + minutes, "{refused} sends to one phone");
}

/// The one message that tried the account may have gone out. Those that tried nothing did not.
#[tokio::test(start_paused = true)]
async fn whoever_has_no_turn_is_told_that_nothing_was_sent() {
    let system = with_owner().await;
    add_user(&system, &phone(2)).await;
    system.simulator().play(&RESTRICTED);
    check_restricted(&sign_in(&system, &phone(1)).await);
    sleep(MINUTE).await;
    let swallowed = Scenario::HalfOpen {
        sends: Some(1),
        delivered: false,
    };
    system.simulator().play(&swallowed);
    let tried = sign_in(&system, &phone(1)).await;
    assert_eq!(
        tried.json["data"]["delivery"], "unconfirmed",
        "{}",
        tried.json
    );
    let sent = sends(&system);
    for number in [2, 9] {
        check_restricted(&sign_in(&elsewhere(&system), &phone(number)).await);
    }
    assert_eq!(sends(&system), sent);
}

/// The accounts of a stranger who never answered, one after the other.
#[tokio::test(start_paused = true)]
async fn users_whom_whatsapp_refuses_show_little_about_an_account_that_has_just_sent_to_others() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    lock_with_users(&system, 4..7, 20..23).await;
    for number in 4..7 {
        check_ok(&sign_in(&system, &phone(number)).await);
        sleep(SECOND).await;
        check_restricted(&sign_in(&away, &phone(16 + number)).await);
        sleep(2 * SECOND).await;
    }
}

/// An account that sends to users all the time, and may write to nobody new.
#[tokio::test(start_paused = true)]
async fn a_busy_account_that_writes_to_nobody_new_is_known_as_locked() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    lock_with_users(&system, 4..8, 0..0).await;
    let sent = sends(&system);
    let began = Instant::now();
    let (mut taken, mut number) = (0, 100);
    for user in [4, 5, 6, 7].into_iter().cycle().take(9) {
        check_ok(&sign_in(&system, &phone(user)).await);
        taken += 1;
        for _ in 0..10 {
            check_restricted(&sign_up(&away, &phone(number)).await);
            number += 1;
            sleep(2 * SECOND).await;
        }
    }
    let minutes = began.elapsed().as_secs() / 60;
    let refused = sends(&system) - sent - taken;
    assert!(refused <= 2 + minutes, "{refused} sign-ups were refused");
}

/// WhatsApp begins to refuse all just after it has taken a message. One user alone asks from then on.
#[tokio::test(start_paused = true)]
async fn an_account_that_refuses_all_shows_it_although_it_had_just_sent() {
    let system = with_owner().await;
    add_user(&system, &phone(2)).await;
    check_ok(&sign_in(&system, &phone(2)).await);
    sleep(11 * MINUTE).await;
    check_ok(&sign_in(&system, &phone(1)).await);
    sleep(10 * SECOND).await;
    system.simulator().play(&RESTRICTED);
    for _ in 0..6 {
        check_restricted(&sign_in(&system, &phone(2)).await);
        sleep(62 * SECOND).await;
    }
    let status = system.request("GET", "/api/status", &[], "").await;
    assert_eq!(status.status, 503, "{}", status.json);
}

/// The same after a user was refused alone, who asks again and again.
#[tokio::test(start_paused = true)]
async fn an_account_that_refuses_all_shows_it_although_one_user_was_refused_before() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    lock_with_users(&system, 4..5, 2..3).await;
    check_restricted(&sign_in(&away, &phone(2)).await);
    sleep(2 * SECOND).await;
    check_ok(&sign_in(&system, &phone(4)).await);
    system.simulator().play(&RESTRICTED);
    for _ in 0..7 {
        sleep(62 * SECOND).await;
        check_restricted(&sign_in(&away, &phone(2)).await);
    }
    let status = system.request("GET", "/api/status", &[], "").await;
    assert_eq!(status.status, 503, "{}", status.json);
}

/// A user whose chat is gone, and somebody without an account, while the account sends to others.
#[tokio::test(start_paused = true)]
async fn users_whose_chat_is_gone_are_offered_one_as_those_without_an_account_are() {
    let system = with_owner().await;
    let away = elsewhere(&system);
    lock_with_users(&system, 4..7, 20..23).await;
    system.watch().await;
    for number in 4..7 {
        check_ok(&sign_in(&system, &phone(number)).await);
        sleep(SECOND).await;
        let user = sign_in(&away, &phone(16 + number)).await;
        check_restricted(&user);
        assert!(user.json["data"]["openChat"].is_string(), "{}", user.json);
        sleep(2 * SECOND).await;
    }
}
