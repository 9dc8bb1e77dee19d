//! `POST /api/auth/verify-password-reset-otp`
use shared::model::texts::Brand;

use super::*;

/// The usual system, where clients of the earlier system may guess without a challenge id.
async fn system() -> TestSystem {
    lenient().await
}

const NEW: &str = "a long enough secret";
const OTHER: &str = "another long secret";

#[track_caller]
fn check_wrong(reply: &Reply, attempts_left: u32) {
    let fields = json!({ "attemptsLeft": attempts_left });
    check_problem(reply, 400, "INVALID_OTP", fields);
}

#[track_caller]
fn check_expired(reply: &Reply) {
    check_problem(reply, 400, "OTP_EXPIRED", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_is_served() {
    // Its challenge id belongs to nobody.
    let reply = sample(&system().await, "auth-verify-password-reset-otp").await;
    check_problem(&reply, 400, "INVALID_OTP", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_to_be_changed_says_how_and_takes_no_try() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    let good = json!({
        "identifier": SITI, "otp": code, "challengeId": challenge, "newPassword": NEW,
    });
    system.database().forget_calls();
    for (field, value, code) in [
        ("identifier", Value::Null, "MISSING_IDENTIFIER"),
        ("identifier", json!("0812"), "INVALID_PHONE_FORMAT"),
        ("otp", Value::Null, "MISSING_OTP"),
        ("otp", json!("12345"), "INVALID_OTP"),
        ("otp", json!(123_456), "INVALID_FIELD"),
        ("challengeId", json!(1), "INVALID_FIELD"),
        ("newPassword", Value::Null, "MISSING_PASSWORD"),
        ("newPassword", json!(" "), "MISSING_PASSWORD"),
        ("newPassword", json!("1234567"), "INVALID_PASSWORD"),
        ("newPassword", json!("Password123"), "INVALID_PASSWORD"),
        ("newPassword", json!(SITI), "INVALID_PASSWORD"),
        ("newPassword", json!("é".repeat(129)), "INVALID_PASSWORD"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        check_problem(&system.post(RESET, bad).await, 400, code, json!({}));
    }
    assert_eq!(system.database().calls(), []);
    check_ok(&system.post(RESET, good).await);
}

#[tokio::test(start_paused = true)]
async fn the_name_is_no_password_and_the_code_is_not_used_up_by_it() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    // The name is not known before the code is right.
    let named = reset(&system, SITI, &code, Some(&challenge), "Siti siti!").await;
    check_problem(&named, 400, "INVALID_PASSWORD", json!({}));
    check_ok(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
    check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_signed_in_by_it() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    let reply = reset(&system, SITI, &code, Some(&challenge), NEW).await;
    assert_eq!(check_ok(&reply), &json!({}));
    assert!(items(&system, "LoginsTable").await.is_empty());
    check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
}

/// What a message about a new password begins with.
const TOLD: [&str; 2] = ["Kata sandi Anda telah diganti", "Your password was changed"];

/// The messages on a phone that tell of a new password.
fn told(system: &TestSystem, typed: &str) -> Vec<String> {
    let messages = system.simulator().messages(Some(&phone(typed)));
    let texts = messages.into_iter().map(|message| message.text);
    texts
        .filter(|text| TOLD.iter().any(|begins| text.contains(begins)))
        .collect()
}

/// What the deliveries of such messages came to.
async fn told_outcomes(system: &TestSystem) -> Vec<String> {
    let deliveries = items(system, "DeliveriesTable").await;
    let told = deliveries
        .iter()
        .filter(|item| item.text("purpose") == Some("password-changed"));
    told.map(|item| item.text("outcome").unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_phone_is_told_in_its_language_by_a_message_of_the_brand() {
    const AMERICAN: &str = "+15551234567";
    let [indonesian, english] = TOLD;
    for (typed, locale, accepted, begins) in [
        (SITI, None, None, indonesian),
        (SITI, Some("en"), Some("id"), english),
        (SITI, None, Some("en-GB"), english),
        (AMERICAN, None, None, english),
        (AMERICAN, Some("id"), None, indonesian),
    ] {
        let system = TestSystem::builder()
            .settings(|settings| settings.brand = Brand::parse("Tokoku").expect("a name"));
        let system = system.build().await;
        add_user(&system, typed).await;
        let sent = json!({ "identifier": typed });
        let sent = check_sent(&system.post(SEND_RESET, sent).await);
        let code = system.simulator().messages(None)[0].text[8..14].to_owned();
        let body = json!({
            "identifier": typed, "otp": code, "challengeId": sent.challenge, "newPassword": NEW, "locale": locale,
        });
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(accepted.map(|accepted| ("accept-language", accepted)));
        let reply = system
            .request("POST", RESET, &headers, body.to_string())
            .await;
        assert_eq!(check_ok(&reply), &json!({}));
        let told = told(&system, typed);
        assert_eq!(told.len(), 1, "{told:?}");
        let expected = format!("Tokoku: {begins}");
        assert!(told[0].starts_with(&expected), "{locale:?}: {told:?}");
        assert_eq!(told_outcomes(&system).await, ["sent"]);
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_password_that_was_changed_is_told() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    check_wrong(
        &reset(&system, SITI, wrong(&code), Some(&challenge), NEW).await,
        4,
    );
    let named = reset(&system, SITI, &code, Some(&challenge), "Siti siti!").await;
    check_problem(&named, 400, "INVALID_PASSWORD", json!({}));
    let unknown = check_sent(&system.post(SEND_RESET, json!({ "identifier": BUDI })).await);
    reset(&system, BUDI, &code, Some(&unknown.challenge), NEW).await;
    assert_eq!(told(&system, SITI).len() + told(&system, BUDI).len(), 0);
    for _ in 0..3 {
        check_ok(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
    }
    check_expired(&reset(&system, SITI, &code, Some(&challenge), OTHER).await);
    assert_eq!(told(&system, SITI).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn telling_the_phone_counts_for_no_limit() {
    let system = TestSystem::builder().settings(|settings| {
        settings.policy.messages_per_day_verified = 2;
    });
    let system = with_siti(system.build().await).await;
    at_home(&system, SITI).await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    let before = items(&system, "LimitsTable").await.len();
    check_ok(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
    assert_eq!(told(&system, SITI).len(), 1);
    // The count of wrong codes from the address was taken along with the guess, and taken back.
    assert!(items(&system, "LimitsTable").await.len() <= before + 1);
    check_sent(&ask_code(&system, SITI).await);
    pass(MINUTE).await;
    let refused = ask_code(&system, SITI).await;
    assert_eq!(
        (refused.status, &refused.json["limit"]),
        (429, &json!("day"))
    );
}

/// The longest that a reset waits for its message.
const TOLD_WITHIN: Duration = Duration::from_secs(6);

#[tokio::test(start_paused = true)]
async fn while_whatsapp_is_down_the_reply_is_the_same_and_waits_a_little() {
    let usual = system().await;
    let (challenge, code) = sent_reset(&usual, SITI).await;
    let usual = face(&reset(&usual, SITI, &code, Some(&challenge), NEW).await);
    for (outage, _) in outages() {
        let system = system().await;
        let (challenge, code) = sent_reset(&system, SITI).await;
        system.simulator().play(&outage);
        let request = reset(&system, SITI, &code, Some(&challenge), NEW);
        let (reply, took) = timed(request).await;
        assert_eq!(face(&reply), usual, "{outage:?}");
        assert!(took <= TOLD_WITHIN, "{outage:?}: {took:?}");
        assert_eq!(told_outcomes(&system).await, ["not_sent"], "{outage:?}");
        assert!(told(&system, SITI).is_empty(), "{outage:?}");
        check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_or_a_store_that_takes_its_time_is_waited_for_a_little() {
    for each_ms in [100, 4_000, 60_000] {
        let system = system().await;
        let (challenge, code) = sent_reset(&system, SITI).await;
        system.simulator().play(&Scenario::SendQueue { each_ms });
        let request = reset(&system, SITI, &code, Some(&challenge), NEW);
        let (reply, took) = timed(request).await;
        check_ok(&reply);
        assert!(took <= TOLD_WITHIN, "{each_ms} ms: {took:?}");
    }
    for latency in [500, 990] {
        let system = system().await;
        let (challenge, code) = sent_reset(&system, SITI).await;
        let slow = system.with_faults(Faults::none().latency(latency * MILLISECOND));
        let request = reset(&slow, SITI, &code, Some(&challenge), NEW);
        let (reply, took) = timed(request).await;
        check_ok(&reply);
        assert!(took <= 3 * SECOND + TOLD_WITHIN, "{latency} ms: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_after_the_change_fails_no_reply() {
    let good = Faults::none();
    let usual = system().await;
    let (challenge, code) = sent_reset(&usual, SITI).await;
    let counted = usual.with_faults(good.clone());
    check_ok(&reset(&counted, SITI, &code, Some(&challenge), NEW).await);
    // The session is read, its queue entered, the delivery kept, and the session told.
    for last in 0..4 {
        let system = system().await;
        let (challenge, code) = sent_reset(&system, SITI).await;
        let down = Faults::none().from(good.attempts() - last, Fault::RequestLost);
        let down = system.with_faults(down);
        let request = reset(&down, SITI, &code, Some(&challenge), NEW);
        let (reply, took) = timed(request).await;
        assert_eq!(check_ok(&reply), &json!({}));
        assert!(took <= TOLD_WITHIN + SECOND, "{last}: {took:?}");
        check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_of_the_earlier_system_name_the_password_otherwise_and_have_no_challenge_id() {
    let system = system().await;
    let (_, code) = sent_reset(&system, SITI).await;
    let body = json!({ "identifier": SITI, "otp": code, "password": NEW });
    check_ok(&system.post(RESET, body.clone()).await);
    // Without an id nobody can tell a repeated request from a stranger's.
    check_expired(&system.post(RESET, body).await);
}

#[tokio::test(start_paused = true)]
async fn five_tries_belong_to_a_challenge_id_and_five_to_those_without_one() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    for challenge in [Some(challenge.as_str()), None] {
        for attempts_left in (0..5).rev() {
            let reply = reset(&system, SITI, wrong(&code), challenge, NEW).await;
            check_wrong(&reply, attempts_left);
        }
        check_wrong(&reset(&system, SITI, &code, challenge, NEW).await, 0);
    }
    let reply = reset(&system, SITI, &code, Some("AAAAAAAAAAAAAAAAAAAAAA"), NEW).await;
    check_problem(&reply, 400, "INVALID_OTP", json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_code_of_yesterday_or_of_another_purpose_sets_nothing() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    pass(10 * MINUTE).await;
    check_expired(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
    let (challenge, code) = sent_code(&system, SITI).await;
    let reply = reset(&system, SITI, &code, Some(&challenge), NEW).await;
    check_problem(&reply, 400, "INVALID_OTP", json!({}));
}

#[tokio::test(start_paused = true)]
async fn the_same_answer_again_sets_no_other_password() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    check_ok(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
    check_ok(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
    check_expired(&reset(&system, SITI, &code, Some(&challenge), OTHER).await);
    check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
    pass(MINUTE).await;
    check_expired(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
}

#[tokio::test(start_paused = true)]
async fn of_two_passwords_at_once_the_one_that_counts_is_confirmed() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    let slow = system.with_faults(Faults::none().latency(100 * MILLISECOND));
    let (one, other) = tokio::join!(
        reset(&slow, SITI, &code, Some(&challenge), NEW),
        reset(&slow, SITI, &code, Some(&challenge), OTHER),
    );
    for (reply, password) in [(one, NEW), (other, OTHER)] {
        let signed_in = sign_in(&system, SITI, password).await;
        match reply.status {
            200 => drop(check_signed_in(&system, &signed_in)),
            _ => {
                check_expired(&reply);
                assert_eq!(signed_in.status, 401);
            }
        }
    }
}

/// Sets a password while something else happens between its two round trips.
async fn reset_during(system: &TestSystem, other: impl Future<Output = ()>) -> Reply {
    let (challenge, code) = sent_reset(system, SITI).await;
    let slow = system.with_faults(Faults::none().latency(100 * MILLISECOND));
    // The keys are read by the first.
    check_wrong(
        &reset(&slow, SITI, wrong(&code), Some(&challenge), NEW).await,
        4,
    );
    let meanwhile = async {
        tokio::time::sleep(150 * MILLISECOND).await;
        other.await;
    };
    tokio::join!(reset(&slow, SITI, &code, Some(&challenge), NEW), meanwhile).0
}

#[tokio::test(start_paused = true)]
async fn signing_out_everywhere_meanwhile_does_not_get_in_the_way() {
    let system = system().await;
    let login = logged_in(&system).await;
    let reply = reset_during(&system, async {
        check_ok(&session(&system, "DELETE", "?all=true", &login["token"]).await);
    });
    check_ok(&reply.await);
    check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_goes_meanwhile_takes_the_code_along() {
    let system = system().await;
    check_expired(&reset_during(&system, remove_user(&system, SITI)).await);
    assert_eq!(sign_in(&system, SITI, NEW).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn guesses_for_an_unknown_phone_are_answered_like_those_for_a_known_one() {
    let mut heard = Vec::new();
    for typed in [SITI, BUDI] {
        let system = system().await;
        let sent = check_sent(
            &system
                .post(SEND_RESET, json!({ "identifier": typed }))
                .await,
        );
        let mut faces = Vec::new();
        for challenge in [Some(sent.challenge.as_str()), None, Some("another")] {
            for _ in 0..6 {
                faces.push(face(&reset(&system, typed, "000000", challenge, NEW).await));
            }
        }
        heard.push(faces);
    }
    assert_eq!(heard[0], heard[1]);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_down_no_try_is_counted_and_nothing_set() {
    let system = system().await;
    let (challenge, code) = sent_reset(&system, SITI).await;
    let down = system.with_faults(Faults::down());
    for otp in [code.as_str(), wrong(&code)] {
        check_unavailable(&reset(&down, SITI, otp, Some(&challenge), NEW).await);
    }
    check_wrong(
        &reset(&system, SITI, wrong(&code), Some(&challenge), NEW).await,
        4,
    );
    check_ok(&reset(&system, SITI, &code, Some(&challenge), NEW).await);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_the_store_counts_no_try_twice_and_sets_one_password() {
    for lost in 1..=8 {
        let system = system().await;
        let (challenge, code) = sent_reset(&system, SITI).await;
        for (otp, again) in [(wrong(&code), 3), (&code, 0)] {
            let unlucky = system.with_faults(Faults::none().at(lost, Fault::ReplyLost));
            let reply = reset(&unlucky, SITI, otp, Some(&challenge), NEW).await;
            match again {
                0 => drop(check_ok(&reply)),
                tries => {
                    check_wrong(&reply, tries + 1);
                    check_wrong(
                        &reset(&system, SITI, otp, Some(&challenge), NEW).await,
                        tries,
                    );
                }
            }
        }
        check_signed_in(&system, &sign_in(&system, SITI, NEW).await);
    }
}
