//! Codes that a gateway took and that never arrived: only a receipt that does not come shows it.
use local::simulator::{InboxMessage, SessionOptions};
use shared::store::whatsapp_sessions::WhatsAppSessions;
use shared::store::whatsapp_sessions::arrivals::Arrivals;
use tests::webhooks::{self, Form};

use super::*;

const NAMES: [&str; 3] = ["system", "second", "third"];

/// When a code without a receipt may be asked for again.
const DOUBTFUL_AFTER: Duration = Duration::from_secs(15);

/// Receipts of `session` are known to take so long.
async fn receipts_take(system: &TestSystem, session: &str, take: Duration) {
    let arrivals = Arrivals {
        delivered_at: Some(system.now()),
        mute_since: None,
        receipts_take: Some(take),
    };
    let sessions = WhatsAppSessions::of(&system.without_faults());
    let recorded = sessions.record_arrivals(session, arrivals).await;
    recorded.expect("the store works");
}

/// A system whose session brings receipts within a second.
async fn heard() -> TestSystem {
    let system = system().await;
    receipts_take(&system, "system", SECOND).await;
    system
}

fn inbox(system: &TestSystem, typed: &str) -> Vec<InboxMessage> {
    system.simulator().messages(Some(&phone(typed)))
}

/// Three sessions that the monitor has looked at, as it does each minute, and whose receipts come within a second.
async fn three_heard() -> TestSystem {
    let sessions = NAMES.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let system = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = with_siti(system.build().await).await;
    for name in NAMES {
        receipts_take(&system, name, SECOND).await;
    }
    look(&system).await;
    system
}

/// A run of the monitor.
async fn look(system: &TestSystem) {
    let monitor = session_monitor::App::new(system.backends());
    let deadline = system.now().plus(MINUTE);
    let watched = session_monitor::handle(&monitor, deadline).await;
    watched.expect("the sessions are known");
}

/// Only `session` is paired.
fn unpair_all_but(system: &TestSystem, session: &str) {
    for name in NAMES.into_iter().filter(|name| *name != session) {
        let unpaired = system.simulator().play_on(name, &Scenario::Unpaired);
        unpaired.expect("a session");
    }
}

/// The message that arrived last has its receipt.
async fn delivered(system: &TestSystem, typed: &str) {
    let message = inbox(system, typed).pop().expect("a message");
    let path = webhooks::path_of(system, &message.session).await;
    let receipt = webhooks::receipt("Delivered", &[&message.id], system.now());
    check_ok(&webhooks::post(system, &path, Form::Json, &receipt).await);
}

async fn sign_up(system: &TestSystem, typed: &str) -> Reply {
    system.post(SIGNUP, applicant(typed)).await
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_code_that_did_not_arrive_may_be_asked_for_again_after_15_seconds() {
    let system = heard().await;
    let sent = check_sent(&sign_up(&system, BUDI).await);
    pass(DOUBTFUL_AFTER - SECOND).await;
    let refused = sign_up(&system, BUDI).await;
    assert_eq!(refused.json["limit"], "cooldown", "{}", refused.json);
    pass(SECOND).await;
    check_sent(&sign_up(&system, BUDI).await);
    // The next one, too, by the registration's own way to it.
    pass(DOUBTFUL_AFTER).await;
    let again = json!({ "identifier": BUDI, "purpose": "signup", "challengeId": sent.challenge });
    check_sent(&system.post(SEND_OTP, again).await);
    let [shown] = &inbox(&system, BUDI)[..] else {
        panic!("the phone shows it once");
    };
    assert_eq!(shown.resent, 2);
    // No limit but the wait is another one.
    pass(DOUBTFUL_AFTER).await;
    let refused = sign_up(&system, BUDI).await;
    assert_eq!(refused.json["limit"], "day", "{}", refused.json);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_arrived_or_may_have_is_waited_for() {
    for (case, take, has_receipt, granted) in [
        ("silent", Some(1), false, true),
        ("it arrived", Some(1), true, false),
        ("receipts take long", Some(20), false, false),
        ("receipts were never seen", None, false, false),
    ] {
        let system = system().await;
        if let Some(seconds) = take {
            receipts_take(&system, "system", Duration::from_secs(seconds)).await;
        }
        check_sent(&sign_up(&system, BUDI).await);
        if has_receipt {
            delivered(&system, BUDI).await;
        }
        pass(20 * SECOND).await;
        let again = sign_up(&system, BUDI).await;
        assert_eq!(again.status == 200, granted, "{case}: {}", again.json);
        if !granted {
            check_limited(&again, "cooldown", 40 * SECOND);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_through_another_session_if_there_is_one() {
    let system = three_heard().await;
    check_sent(&sign_up(&system, BUDI).await);
    pass(DOUBTFUL_AFTER).await;
    check_sent(&sign_up(&system, BUDI).await);
    let shown = inbox(&system, BUDI);
    assert_ne!(shown[0].session, shown[1].session);
    assert_ne!(shown[0].id, shown[1].id, "a message of another account");
    assert_eq!(shown[0].text[..6], shown[1].text[..6], "the same code");
    // While the others cannot send, the same one does.
    unpair_all_but(&system, &shown[1].session);
    look(&system).await;
    pass(DOUBTFUL_AFTER).await;
    check_sent(&sign_up(&system, BUDI).await);
    let shown = inbox(&system, BUDI);
    assert_eq!((shown.len(), shown[1].resent), (2, 1), "{shown:?}");
}

/// Three sessions, of which the one that has served Siti is mute.
async fn with_mute_session() -> (TestSystem, String) {
    let sessions = NAMES.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let system = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = with_siti(system.build().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let own = inbox(&system, SITI)[0].session.clone();
    let mute = Arrivals {
        delivered_at: Some(system.now()),
        mute_since: Some(system.now()),
        receipts_take: Some(SECOND),
    };
    let store = WhatsAppSessions::of(&system.without_faults());
    store.record_arrivals(&own, mute).await.expect("the store");
    (system, own)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_known_to_be_mute_comes_last_for_its_own_phones() {
    let (system, own) = with_mute_session().await;
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    let shown = inbox(&system, SITI);
    assert_ne!(shown[1].session, own);
    // Even those that nobody has seen yet come before it, and it sends when nobody else can.
    unpair_all_but(&system, &own);
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    assert_eq!(inbox(&system, SITI)[2].session, own);
}

/// Otherwise nothing would show that its messages arrive again, once all others go over other sessions.
#[tokio::test(start_paused = true)]
async fn one_message_in_ten_minutes_tries_a_mute_session_until_one_arrives() {
    for arrives in [false, true] {
        let (system, own) = with_mute_session().await;
        pass(10 * MINUTE).await;
        check_sent(&ask_code(&system, SITI).await);
        if arrives {
            delivered(&system, SITI).await;
            system.watch().await;
        }
        pass(MINUTE).await;
        check_sent(&ask_code(&system, SITI).await);
        let over: Vec<_> = inbox(&system, SITI)
            .iter()
            .map(|message| message.session == own)
            .collect();
        assert_eq!(over, [true, true, arrives]);
        let store = WhatsAppSessions::of(&system.without_faults());
        let item = store.read(&own).await.expect("the store");
        assert_eq!(item.mute_since.is_none(), arrives);
    }
}

#[tokio::test(start_paused = true)]
async fn known_and_unknown_phones_are_answered_alike_but_at_home() {
    let system = heard().await;
    at_home(&system, SITI).await;
    let away = system.called_from([198, 51, 100, 7]);
    for typed in [SITI, BUDI] {
        check_sent(&ask_code(&away, typed).await);
        for seconds in [14, 6, 30] {
            pass(Duration::from_secs(seconds)).await;
            let refused = ask_code(&away, typed).await;
            assert_eq!(refused.json["limit"], "cooldown", "{typed} {seconds}");
        }
        pass(10 * SECOND).await;
        check_sent(&ask_code(&away, typed).await);
        pass(11 * MINUTE).await;
    }
    // Who asks from where somebody has signed in knows that there is an account.
    check_sent(&ask_code(&system, SITI).await);
    pass(DOUBTFUL_AFTER).await;
    check_sent(&ask_code(&system, SITI).await);
    pass(DOUBTFUL_AFTER).await;
    delivered(&system, SITI).await;
    check_limited(&ask_code(&system, SITI).await, "cooldown", 45 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_guess_meanwhile_changes_nothing_about_it_and_neither_does_a_store_that_fails() {
    let system = heard().await;
    let (challenge, code) = signed_up(&system, applicant(BUDI)).await;
    pass(DOUBTFUL_AFTER).await;
    let unread = system.with_faults(Faults::none().on_table("DeliveriesTable", Fault::Throttled));
    check_limited(&sign_up(&unread, BUDI).await, "cooldown", 45 * SECOND);
    let asked = sign_up(&system, BUDI);
    let guessed = confirm(&system, BUDI, wrong(&code), &challenge);
    let (asked, _) = tokio::join!(asked, guessed);
    check_sent(&asked);
    check_ok(&confirm(&system, BUDI, &code, &challenge).await);
}

/// The whole way: receipts teach the monitor how soon they come, and a gateway whose store is busy loses a text.
#[tokio::test(start_paused = true)]
async fn a_text_that_a_busy_gateway_lost_is_sent_again_as_soon_as_it_is_asked_for() {
    let system = system().await;
    let path = webhooks::path(&system).await;
    let api = system.clone();
    system.simulator().post_hooks_to(move |hook| {
        let (api, path) = (api.clone(), path.clone());
        async move {
            let headers = [("content-type", hook.content_type)];
            let reply = api.request("POST", &path, &headers, hook.body.as_str());
            Some(reply.await.status)
        }
    });
    let set = system
        .simulator()
        .set_webhook("system", "http://127.0.0.1:9/hook");
    set.expect("a session");
    // The connect of the recovery names the events.
    system.simulator().play(&Scenario::ColdSession);
    for number in 0..3 {
        check_sent(&sign_up(&system, &typed_phone(number)).await);
        tokio::time::sleep(10 * SECOND).await;
    }
    look(&system).await;
    system.simulator().play(&Scenario::SilentLoss { rate: 1.0 });
    check_sent(&sign_up(&system, BUDI).await);
    assert_eq!(inbox(&system, BUDI), []);
    system.simulator().play(&Scenario::Healthy);
    tokio::time::sleep(DOUBTFUL_AFTER).await;
    check_sent(&sign_up(&system, BUDI).await);
    assert_eq!(inbox(&system, BUDI).len(), 1);
    // It arrived: now there is nothing to doubt.
    tokio::time::sleep(DOUBTFUL_AFTER).await;
    let refused = sign_up(&system, BUDI).await;
    assert_eq!(refused.json["limit"], "cooldown", "{}", refused.json);
}
