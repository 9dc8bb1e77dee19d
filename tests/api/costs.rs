//! What each endpoint costs in calls of the store: sequential round trips, and units as AWS bills them.
use tests::webhooks;

use super::*;

/// How long every call of the store takes here.
const TRIP: Duration = Duration::from_millis(100);
/// How long a send takes here.
const SEND: Duration = Duration::from_millis(400);
const NO_SEND: Duration = Duration::ZERO;
/// How far the drawn time of a message to nobody can be from that.
const DRAWN: Duration = Duration::from_millis(14);

/// What one request cost.
#[derive(Debug, PartialEq)]
struct Cost {
    /// Calls one after the other; those side by side count once.
    trips: u32,
    reads: f64,
    writes: f64,
}

/// A system whose functions have answered before and hold their key rings, as most requests find them.
async fn warm() -> TestSystem {
    let system = TestSystem::builder()
        .environments(ONE)
        .faults(Faults::none().latency(TRIP));
    let system = with_siti(system.build().await).await;
    let (known, new) = ("08131000001", "08131000002");
    add_user(&system, known).await;
    check_sent(&ask_code(&system, known).await);
    check_sent(&system.post(SIGNUP, applicant(new)).await);
    guess(&system, known, "000000", Some("another")).await;
    confirm(&system, new, "000000", "another").await;
    system.get(JWKS).await;
    system.get("/api/status").await;
    system
}

/// Checks the cost of a request that spends `elsewhere` beside the store; returns its reply.
async fn check_cost(
    system: &TestSystem,
    request: impl Future<Output = Reply>,
    elsewhere: Duration,
    (trips, reads, writes): (u32, u32, u32),
) -> Reply {
    system.database().forget_calls();
    let (reply, took) = timed(request).await;
    let calls = system.database().calls();
    let units = |read: bool| {
        let calls = calls
            .iter()
            .filter(|call| call.operation.ends_with("GetItem") == read);
        calls.map(|call| call.units).sum()
    };
    let spent = Cost {
        trips: ((took + DRAWN - elsewhere).as_millis() / TRIP.as_millis()) as u32,
        reads: units(true),
        writes: units(false),
    };
    assert!(
        calls
            .iter()
            .all(|call| call.operation != "Scan" && call.operation != "Query")
    );
    let budget = Cost {
        trips,
        reads: reads.into(),
        writes: writes.into(),
    };
    assert_eq!(spent, budget, "{calls:#?}");
    let beside = (took + DRAWN - elsewhere).as_millis() % TRIP.as_millis();
    assert!(beside <= 2 * DRAWN.as_millis(), "{beside} ms");
    reply
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_code_costs_three_round_trips_whether_the_phone_is_known_or_not() {
    let system = warm().await;
    for typed in [SITI, BUDI] {
        let request = ask_code(&system, typed);
        check_sent(&check_cost(&system, request, SEND, (3, 4, 8)).await);
        let refused = check_cost(&system, ask_code(&system, typed), NO_SEND, (1, 4, 0)).await;
        check_limited(&refused, "cooldown", MINUTE - TRIP);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_process_reads_its_keys_and_sessions_beside_everything_else() {
    let system = warm().await.with_faults(Faults::none().latency(TRIP));
    check_sent(&check_cost(&system, ask_code(&system, SITI), SEND, (3, 6, 8)).await);
}

#[tokio::test(start_paused = true)]
async fn verifying_costs_one_round_trip_for_a_wrong_code_and_two_for_the_right_one() {
    let system = warm().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    // The count of wrong codes from an address is written beside the count of the guess, and taken back beside its use.
    for (otp, cost) in [(wrong(&code), (1, 1, 2)), (&code, (2, 1, 9))] {
        let request = guess(&system, SITI, otp, Some(&challenge));
        check_cost(&system, request, NO_SEND, cost).await;
    }
    // A repeated one is found in its refusal, which AWS bills as one more write.
    let request = guess(&system, SITI, &code, Some(&challenge));
    check_ok(&check_cost(&system, request, NO_SEND, (2, 3, 2)).await);
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_costs_three_round_trips_and_its_confirmation_two() {
    let system = warm().await;
    let request = system.post(SIGNUP, applicant(BUDI));
    let challenge = check_sent(&check_cost(&system, request, SEND, (3, 4, 11)).await).challenge;
    let code = code_on(&system, BUDI);
    for (otp, cost) in [(wrong(&code), (1, 1, 2)), (&code, (2, 1, 15))] {
        let request = confirm(&system, BUDI, otp, &challenge);
        check_cost(&system, request, NO_SEND, cost).await;
    }
    let refused = check_cost(
        &system,
        system.post(SIGNUP, applicant(BUDI)),
        NO_SEND,
        (1, 4, 0),
    )
    .await;
    assert_eq!(refused.status, 409);
}

#[tokio::test(start_paused = true)]
async fn an_email_address_costs_one_round_trip_more_at_the_confirmation() {
    let system = warm().await;
    let mut applicant = applicant(BUDI);
    applicant["email"] = "budi@example.com".into();
    let (challenge, code) = signed_up(&system, applicant).await;
    let request = confirm(&system, BUDI, &code, &challenge);
    check_ok(&check_cost(&system, request, NO_SEND, (3, 1, 19)).await);
}

/// Has a user in [`warm_accounts`] who has not asked for anything.
const TONO: &str = "08131000003";
const PASSWORD: &str = "a long enough secret";

/// The same for the functions of passwords and logins. [`SITI`] has a password.
async fn warm_accounts() -> TestSystem {
    let system = warm().await;
    add_user(&system, TONO).await;
    let body = json!({ "identifier": BUDI, "purpose": "password-reset" });
    check_sent(&system.post(SEND_OTP, body).await);
    let (challenge, code) = sent_reset(&system, SITI).await;
    check_ok(&reset(&system, SITI, &code, Some(&challenge), PASSWORD).await);
    let reply = sign_in(&system, SITI, PASSWORD).await;
    let login = check_ok(&reply);
    refresh(&system, &login["refreshToken"]).await;
    session(&system, "GET", "", &login["token"]).await;
    system
}

#[tokio::test(start_paused = true)]
async fn a_code_again_and_one_for_a_reset_cost_three_round_trips() {
    let system = warm_accounts().await;
    let again = json!({ "identifier": TONO, "purpose": "sso" });
    let request = system.post(SEND_OTP, again);
    check_sent(&check_cost(&system, request, SEND, (3, 4, 8)).await);
    let request = system.post(SEND_RESET, json!({ "identifier": TONO }));
    check_sent(&check_cost(&system, request, SEND, (3, 4, 8)).await);
    let (challenge, _) = signed_up(&system, applicant("08131000004")).await;
    pass(MINUTE).await;
    let again =
        json!({ "identifier": "08131000004", "purpose": "signup", "challengeId": challenge });
    let request = system.post(SEND_OTP, again);
    // Keys and the list of sessions are read again each minute.
    check_sent(&check_cost(&system, request, SEND, (3, 7, 11)).await);
}

#[tokio::test(start_paused = true)]
async fn a_reset_costs_one_round_trip_for_a_wrong_code_and_two_and_a_message_for_the_right_one() {
    let system = warm_accounts().await;
    let (challenge, code) = sent_reset(&system, TONO).await;
    // After the two that set the password come three of the message that tells the phone.
    for (otp, sends, cost) in [
        (wrong(&code), NO_SEND, (1, 1, 2)),
        (&code, SEND, (5, 2, 13)),
    ] {
        let request = reset(&system, TONO, otp, Some(&challenge), "another long secret");
        check_cost(&system, request, sends, cost).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_costs_two_round_trips_and_the_right_one_four() {
    let system = warm_accounts().await;
    for (typed, password, cost) in [
        (TONO, "not this one", (2, 2, 3)),
        (TONO, "not this one", (2, 2, 2)),
        (BUDI, "not this one", (2, 2, 3)),
        (SITI, PASSWORD, (4, 2, 8)),
    ] {
        let request = sign_in(&system, typed, password);
        check_cost(&system, request, NO_SEND, cost).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_costs_two_round_trips_to_look_at_and_one_more_to_change() {
    let system = warm_accounts().await;
    let login = check_ok(&sign_in(&system, SITI, PASSWORD).await).clone();
    let request = session(&system, "GET", "", &login["token"]);
    // Whoever checks a token reads its key ring beside the login, so that a key that was ended counts nowhere.
    check_ok(&check_cost(&system, request, NO_SEND, (2, 3, 0)).await);
    let request = refresh(&system, &login["refreshToken"]);
    let next = check_cost(&system, request, NO_SEND, (3, 4, 1)).await;
    let request = session(&system, "DELETE", "", &check_ok(&next)["token"]);
    check_ok(&check_cost(&system, request, NO_SEND, (3, 3, 2)).await);
    let login = check_ok(&sign_in(&system, SITI, PASSWORD).await).clone();
    let request = session(&system, "DELETE", "?all=true", &login["token"]);
    check_ok(&check_cost(&system, request, NO_SEND, (4, 3, 4)).await);
}

#[tokio::test(start_paused = true)]
async fn reading_costs_next_to_nothing() {
    let system = warm().await;
    for (path, cost) in [
        // Read anew, so that a key that was ended is published no more.
        (JWKS, (1, 1, 0)),
        ("/api/health", (0, 0, 0)),
        ("/api/status", (1, 1, 0)),
    ] {
        let reply = check_cost(&system, system.get(path), NO_SEND, cost).await;
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_with_a_day_of_messages_costs_four_write_units_more() {
    let system = with_siti(TestSystem::builder().environments(ONE).build().await).await;
    at_home(&system, SITI).await;
    for _ in 0..29 {
        check_sent(&ask_code(&system, SITI).await);
        pass(3 * MINUTE).await;
    }
    let system = system.with_faults(Faults::none().latency(TRIP));
    check_sent(&check_cost(&system, ask_code(&system, SITI), SEND, (3, 6, 12)).await);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_costs_one_write_for_each_message_and_nothing_for_those_of_others() {
    let system = warm().await;
    let ids = ["08131000003", "08131000004"].map(|typed| (typed, phone(typed)));
    let mut sent = Vec::new();
    for (typed, phone) in &ids {
        add_user(&system, typed).await;
        check_sent(&ask_code(&system, typed).await);
        let messages = system.simulator().messages(Some(phone));
        sent.push(messages.last().expect("a message").id.clone());
    }
    let path = webhooks::path(&system).await;
    let (one, other) = (sent[0].as_str(), sent[1].as_str());
    let then = system.now().minus(MINUTE);
    let unknown = "3EB0AAAAAAAAAAAAAAAAAA";
    for (case, state, given, cost) in [
        (
            "the first, which reads the key",
            "Delivered",
            vec![],
            (1, 1, 0),
        ),
        ("delivered", "Delivered", vec![one], (1, 0, 1)),
        // Refused by its condition, which AWS bills as a write.
        ("delivered once more", "Delivered", vec![one], (1, 0, 0)),
        ("read", "Read", vec![one], (1, 0, 1)),
        (
            "of two, one of them new",
            "Read",
            vec![one, other],
            (1, 0, 1),
        ),
        ("without a record", "Read", vec![unknown], (1, 0, 0)),
        (
            "of a phone",
            "Read",
            vec!["3A1234567890ABCDEF12"],
            (0, 0, 0),
        ),
    ] {
        let event = webhooks::receipt(state, &given, then);
        let request = webhooks::post(&system, &path, webhooks::Form::FormOfD, &event);
        println!("{case}: {cost:?}, in round trips, read units, write units");
        check_ok(&check_cost(&system, request, NO_SEND, cost).await);
    }
    let event = webhooks::news("LoggedOut");
    let request = webhooks::post(&system, &path, webhooks::Form::FormOfD, &event);
    check_ok(&check_cost(&system, request, NO_SEND, (2, 1, 1)).await);
}
