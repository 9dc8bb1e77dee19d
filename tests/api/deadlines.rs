//! Every request is answered before Lambda ends its function, also by functions that send nothing.
use super::*;

/// What Lambda gives these functions, less half a second.
const LATEST: Duration = Duration::from_millis(9_500);

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_its_time_is_not_waited_for_to_the_end() {
    let system = system().await;
    let (challenge, code) = sent_code(&system, SITI).await;
    let login = check_ok(&guess(&system, SITI, &code, Some(&challenge)).await).clone();
    let guessed = json!({
        "identifier": SITI, "otp": "000000", "challengeId": "AAAAAAAAAAAAAAAAAAAAAA",
        "newPassword": "another long secret",
    });
    let password = json!({ "identifier": SITI, "password": "a long enough secret" });
    let token = json!({ "refreshToken": login["refreshToken"] });
    let mut cut = 0;
    for (path, body) in [
        (SSO_VERIFY, &guessed),
        (VERIFY_OTP, &guessed),
        (RESET, &guessed),
        (PASSWORD_SIGNIN, &password),
        (REFRESH, &token),
    ] {
        // Each call just ends in time, and items are always held by somebody's transaction.
        let faults = Faults::none().latency(990 * MILLISECOND);
        let slow = system.with_faults(faults.from(3, Fault::Conflict));
        let (reply, took) = timed(slow.post(path, body.clone())).await;
        check_unavailable(&reply);
        assert!(took <= LATEST, "{path}: {took:?}");
        cut += usize::from(took == LATEST);
    }
    // The others gave up before by themselves.
    assert!(cut >= 2, "only {cut} ran out of time");
}

#[tokio::test(start_paused = true)]
async fn what_was_cut_off_can_be_sent_again() {
    let system = system().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    // The user is made in time, and the answer is not.
    for from in 6..12 {
        let faults = Faults::none().latency(990 * MILLISECOND);
        let slow = system.with_faults(faults.from(from, Fault::Conflict));
        let reply = confirm(&slow, BUDI, &code, &challenge).await;
        assert_ne!(reply.status, 500, "{}", reply.json);
        if reply.status == 200 {
            break;
        }
    }
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
}
