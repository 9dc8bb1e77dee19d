//! Over which session a message to a phone without an account would go tells nobody that it has none.
use super::*;
use aws_lc_rs::digest;
use local::simulator::{SessionOptions, SessionState, SimulatorOptions};
use shared::platform::timestamp::Timestamp;
use shared::store::whatsapp_sessions::WhatsAppSessions;

const NAMES: [&str; 2] = ["system", "second"];

/// A system with two sessions.
async fn two_sessions() -> TestSystem {
    sessions(&NAMES, |_| ()).await
}

/// A system with sessions of these names, which the monitor has looked at.
async fn sessions(names: &[&str], change: impl FnOnce(&mut SimulatorOptions)) -> TestSystem {
    let session = |name: &&str| SessionOptions::new(name, &format!("token-of-{name}"));
    let system = TestSystem::builder().simulator(|options| {
        options.sessions = names.iter().map(session).collect();
        change(options);
    });
    let system = system.build().await;
    system.watch().await;
    system
}

/// Asks for a code, and answers which session its message went over, if it went to somebody.
async fn session_of(system: &TestSystem, typed: &str) -> String {
    let before: Vec<_> = items(system, "DeliveriesTable").await;
    check_sent(&ask_code(system, typed).await);
    let mut after = items(system, "DeliveriesTable").await;
    // Beside the record stands the item of its request, which has no session.
    after.retain(|item| !before.contains(item) && item.contains_key("session"));
    let delivery = after.pop().expect("a delivery");
    delivery.text("session").expect("a session").to_owned()
}

/// The first phone from the `number`th on whose message goes over `session`; it has an account, or none.
async fn phone_of(system: &TestSystem, session: &str, number: u32, known: bool) -> String {
    for number in number..number + 30 {
        let typed = typed_phone(number);
        if known {
            add_user(system, &typed).await;
        }
        if session_of(system, &typed).await == session {
            return typed;
        }
    }
    panic!("no phone of {session}");
}

fn play(system: &TestSystem, session: &str, scenario: &Scenario) {
    let played = system.simulator().play_on(session, scenario);
    played.expect("a session");
}

fn heal(system: &TestSystem, session: &str) {
    let healthy = system.simulator().set_state(session, SessionState::Online);
    healthy.expect("a session");
    system.simulator().play(&Scenario::Healthy);
}

/// So many requests wait in the queue of `session` that the next one has to wait so long.
async fn fill(system: &TestSystem, session: &str, wait: Duration) {
    let free_at = system.now().plus(wait).millis().to_string();
    let key = AttributeValue::S(session.into());
    let update = system
        .dynamodb()
        .update_item()
        .table_name("WhatsAppSessionsTable")
        .key("name", key)
        .update_expression("SET free_at = :at")
        .expression_attribute_values(":at", AttributeValue::N(free_at));
    update.send().await.expect("the store works");
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_names_of_the_sessions_cannot_tell_which_one_a_phone_gets() {
    let system = two_sessions().await;
    let guessed = |typed: &str| {
        let hash = |name: &&&str| {
            let text = format!("{name}\n{}", phone(typed).digits());
            digest::digest(&digest::SHA256, text.as_bytes())
                .as_ref()
                .to_vec()
        };
        NAMES
            .iter()
            .min_by_key(hash)
            .expect("a session")
            .to_string()
    };
    let mut right = 0;
    for number in 1..=16 {
        let typed = typed_phone(number);
        right += u32::from(session_of(&system, &typed).await == guessed(&typed));
    }
    assert!((3..=13).contains(&right), "{right} of 16");
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_an_account_waits_in_the_queue_that_one_with_an_account_waits_in() {
    let system = two_sessions().await;
    let known = phone_of(&system, "system", 1, true).await;
    let unknown = phone_of(&system, "system", 101, false).await;
    // An outage takes both elsewhere, and there they stay.
    play(&system, "system", &Scenario::Unpaired);
    pass(11 * MINUTE).await;
    for typed in [&known, &unknown] {
        assert_eq!(session_of(&system, typed).await, "second");
    }
    heal(&system, "system");
    system.watch().await;
    for round in 0..2 {
        pass(11 * MINUTE).await;
        let mut took = Vec::new();
        for typed in [&known, &unknown] {
            fill(&system, "second", 3 * SECOND).await;
            let (asked, time) = timed(ask_code(&system, typed)).await;
            check_sent(&asked);
            took.push(time);
        }
        assert!(took[0] >= 3 * SECOND, "{round}: {took:?}");
        assert!(took[0].abs_diff(took[1]) < SECOND, "{round}: {took:?}");
    }
}

/// What WhatsApp is known to refuse on `session`, and until when.
async fn locked_until(system: &TestSystem, session: &str) -> Option<(&'static str, Timestamp)> {
    let item = WhatsAppSessions::of(&system.without_faults())
        .read(session)
        .await;
    let seen = item.expect("the store works").seen?;
    Some((seen.state.as_str(), seen.until?))
}

#[tokio::test(start_paused = true)]
async fn an_account_that_writes_to_nobody_new_serves_its_contacts_whatever_strangers_ask_for() {
    let system = two_sessions().await;
    let mut phones = Vec::new();
    for (number, session) in [(1, "system"), (101, "second")] {
        let known = phone_of(&system, session, number, true).await;
        let unknown = phone_of(&system, session, number + 50, false).await;
        phones.push([known, unknown]);
    }
    let [contacts, others] = [&phones[0], &phones[1]];
    let (code, refusals) = (463, None);
    play(&system, "system", &Scenario::ColdLocked { code, refusals });
    play(&system, "second", &Scenario::Banned);
    pass(11 * MINUTE).await;
    // The first one to be refused is a user of the other session.
    check_refused_as_new(&ask_code(&system, &others[0]).await);
    for round in 0..3 {
        for typed in contacts.iter().rev() {
            pass(61 * SECOND).await;
            let asked = ask_code(&system, typed).await;
            assert_eq!(asked.status, 200, "{round} {typed}: {}", asked.json);
        }
        system.watch().await;
        let lock = locked_until(&system, "system").await;
        let (stranger, took) = timed(ask_code(&system, &others[1])).await;
        check_refused_as_new(&stranger);
        // A message to a user may begin the time anew, and none to nobody does.
        assert_eq!(locked_until(&system, "system").await, lock, "{round}");
        assert_eq!(lock.expect("a lock").0, "cold_locked", "{round}");
        pass(2 * SECOND).await;
        let (user, users_took) = timed(ask_code(&system, &others[0])).await;
        assert_eq!(face(&stranger), face(&user), "{round}");
        let apart = took.abs_diff(users_took);
        let alike = apart < 300 * MILLISECOND;
        assert!(alike, "{round}: {took:?} {users_took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_without_users_speaks_for_no_phone_without_an_account() {
    let slowly = |options: &mut SimulatorOptions| options.send_duration = 900 * MILLISECOND;
    let system = sessions(&["system", "second", "third"], slowly).await;
    let user = typed_phone(1);
    add_user(&system, &user).await;
    check_sent(&ask_code(&system, &user).await);
    pass(11 * MINUTE).await;
    let (asked, users_took) = timed(ask_code(&system, &user)).await;
    check_sent(&asked);
    let mut strangers = (301..).map(typed_phone);
    for typed in strangers.by_ref().take(12) {
        pass(SECOND).await;
        let (asked, took) = timed(ask_code(&system, &typed)).await;
        check_sent(&asked);
        let apart = took.abs_diff(users_took);
        assert!(apart < 100 * MILLISECOND, "{took:?} {users_took:?}");
    }

    for number in 201..221 {
        pass(SECOND).await;
        check_sent(&system.post(SIGNUP, applicant(&typed_phone(number))).await);
    }
    pass(11 * MINUTE).await;
    let (code, refusals) = (463, None);
    let restricted = Scenario::Restricted { code, refusals };
    system.simulator().play(&restricted);
    for typed in [user].into_iter().chain(strangers.take(12)) {
        let asked = ask_code(&system, &typed).await;
        assert_eq!(asked.status, 503, "{}", asked.json);
        pass(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_an_account_stays_where_it_is_once_other_sessions_have_users() {
    let system = sessions(&["system", "second", "third", "fourth"], |_| ()).await;
    let user = typed_phone(1);
    add_user(&system, &user).await;
    let home = session_of(&system, &user).await;
    let strangers: Vec<_> = (301..313).map(typed_phone).collect();
    for typed in &strangers {
        assert_eq!(session_of(&system, typed).await, home);
    }
    for number in 2..20 {
        let typed = typed_phone(number);
        add_user(&system, &typed).await;
        session_of(&system, &typed).await;
    }
    pass(11 * MINUTE).await;
    for typed in &strangers {
        assert_eq!(session_of(&system, typed).await, home, "{typed}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_signs_up_and_asks_to_sign_in_makes_no_account_pass_for_restricted() {
    let system = two_sessions().await;
    let user = phone_of(&system, "system", 1, true).await;
    let (code, refusals) = (463, None);
    play(&system, "system", &Scenario::ColdLocked { code, refusals });
    let sign_up = async |typed: &str| system.post(SIGNUP, applicant(typed)).await;
    for number in 401.. {
        sign_up(&typed_phone(number)).await;
        if locked_until(&system, "system").await.is_some() {
            break;
        }
    }
    for typed in (501..513).map(typed_phone) {
        check_sent(&sign_up(&typed).await);
        pass(61 * SECOND).await;
        check_sent(&ask_code(&system, &typed).await);
        pass(61 * SECOND).await;
        sign_up(&typed).await;
    }
    let lock = locked_until(&system, "system").await;
    assert_eq!(lock.expect("a lock").0, "cold_locked");
    pass(11 * MINUTE).await;
    assert_eq!(session_of(&system, &user).await, "system");
}

/// Checks the reply to whoever WhatsApp does not let the account write to.
#[track_caller]
fn check_refused_as_new(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.json);
    assert!(reply.json["data"]["openChat"].is_string(), "{}", reply.json);
}
