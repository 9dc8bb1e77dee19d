//! `POST /api/auth/signin`
use super::*;

const PASSWORD: &str = "a long enough secret";

/// Has a user without a password.
const NOBODY_SET: &str = "08131000001";

/// The usual system, in which [`SITI`] has a password.
async fn with_password() -> TestSystem {
    let system = system().await;
    add_user(&system, NOBODY_SET).await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    check_ok(&reset(&system, SITI, &code, Some(&challenge), PASSWORD).await);
    system.database().forget_calls();
    system
}

#[track_caller]
fn check_wrong(reply: &Reply) {
    check_problem(reply, 401, "INVALID_CREDENTIALS", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    // Its password is not the one of the system.
    check_wrong(&sample(&with_password().await, "auth-signin").await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how() {
    let system = system().await;
    for (body, code) in [
        (json!({ "password": PASSWORD }), "MISSING_IDENTIFIER"),
        (
            json!({ "identifier": "0812", "password": PASSWORD }),
            "INVALID_PHONE_FORMAT",
        ),
        (json!({ "identifier": SITI }), "MISSING_PASSWORD"),
        (
            json!({ "identifier": SITI, "password": " " }),
            "MISSING_PASSWORD",
        ),
        (
            json!({ "identifier": SITI, "password": 12_345_678 }),
            "INVALID_FIELD",
        ),
    ] {
        check_problem(
            &system.post(PASSWORD_SIGNIN, body).await,
            400,
            code,
            json!({}),
        );
    }
    check_untouched(&system);
}

#[tokio::test(start_paused = true)]
async fn the_right_password_opens_a_login_of_its_own_each_time() {
    let system = with_password().await;
    let calls = gateway_calls(&system);
    for number in 1..=3 {
        let reply = sign_in(&system, "+62 812-3456-789", PASSWORD).await;
        check_signed_in(&system, &reply);
        // The password was set once, which ended what was before.
        assert_eq!(claims(&system, &reply).await.ver, 2);
        assert_eq!(items(&system, "LoginsTable").await.len(), number);
    }
    assert_eq!(gateway_calls(&system), calls);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_no_password_and_no_account_are_answered_alike_to_the_limit() {
    let mut heard = Vec::new();
    for typed in [SITI, NOBODY_SET, BUDI] {
        let system = with_password().await;
        let mut faces = Vec::new();
        for _ in 0..11 {
            faces.push(face(&sign_in(&system, typed, "not this one").await));
        }
        check_limited(
            &sign_in(&system, typed, PASSWORD).await,
            "password",
            15 * MINUTE,
        );
        heard.push(faces);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0], heard[2]);
    let statuses: Vec<_> = heard[0].iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [[401; 10].as_slice(), &[429]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_password_of_any_length_is_only_wrong() {
    let system = with_password().await;
    for password in ["x", &"é".repeat(129), &"x".repeat(15_000)] {
        check_wrong(&sign_in(&system, SITI, password).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_has_so_many_wrong_passwords_for_all_phones_together() {
    let system =
        TestSystem::builder().settings(|settings| settings.policy.passwords_per_address.places = 3);
    let system = system.build().await;
    for number in 1..=3 {
        check_wrong(&sign_in(&system, &typed_phone(number), PASSWORD).await);
    }
    let full = sign_in(&system, &typed_phone(4), PASSWORD).await;
    check_limited(&full, "password_address", 15 * MINUTE);
    let elsewhere = system.called_from([198, 51, 100, 1]);
    check_wrong(&sign_in(&elsewhere, &typed_phone(4), PASSWORD).await);
    pass(15 * MINUTE).await;
    check_wrong(&sign_in(&system, &typed_phone(4), PASSWORD).await);
}

#[tokio::test(start_paused = true)]
async fn of_thirty_guesses_at_once_ten_are_compared() {
    let system = with_password().await;
    let crowd = (0..30).map(|_| {
        let system = system.clone();
        tokio::spawn(async move { sign_in(&system, SITI, "not this one").await.status })
    });
    let mut compared = 0;
    for one in crowd.collect::<Vec<_>>() {
        compared += u32::from(one.await.expect("a status") == 401);
    }
    assert_eq!(compared, 10);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_nobody_signs_in_and_nothing_is_charged() {
    let system = with_password().await;
    let down = system.with_faults(Faults::down());
    for _ in 0..12 {
        for password in [PASSWORD, "not this one"] {
            check_unavailable(&sign_in(&down, SITI, password).await);
        }
    }
    check_signed_in(&system, &sign_in(&system, SITI, PASSWORD).await);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_counted_once_even_when_the_reply_of_the_store_is_lost() {
    for lost in 1..=6 {
        let system = with_password().await;
        let unlucky = system.with_faults(Faults::none().at(lost, Fault::ReplyLost));
        check_wrong(&sign_in(&unlucky, SITI, "not this one").await);
        for _ in 0..9 {
            check_wrong(&sign_in(&system, SITI, "not this one").await);
        }
        let full = sign_in(&system, SITI, "not this one").await;
        assert_eq!(full.json["limit"], "password");
    }
}
