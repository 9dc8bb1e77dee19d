//! Each time messages could not be sent from a session: counted by the messages, begun and ended by the monitor.
use local::simulator::{SessionOptions, SessionState};
use shared::store::incidents::{INCIDENT_LIFE, IncidentKey};
use shared::store::whatsapp_sessions::WhatsAppSessions;
use tests::browser::text;

use super::admin_api::operator;
use super::*;

const INCIDENTS: &str = "/api/admin/incidents";
const INCIDENTS_PAGE: &str = "/admin/dashboard/incidents";
const SESSIONS: &str = "/api/admin/whatsapp/sessions";
const SESSIONS_PAGE: &str = "/admin/dashboard/whatsapp-sessions";

/// One run of the monitor, as a process of its own.
async fn monitor(system: &TestSystem) {
    let app = session_monitor::App::new(system.backends());
    let deadline = system.now().plus(MINUTE);
    session_monitor::handle(&app, deadline)
        .await
        .expect("a run");
}

/// The runs of so many minutes.
async fn minutes(system: &TestSystem, minutes: u32) {
    for _ in 0..minutes {
        pass(MINUTE).await;
        monitor(system).await;
    }
}

async fn incidents(system: &TestSystem) -> Value {
    let reply = operator(system).await.get(INCIDENTS).await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    reply.json["data"].clone()
}

fn counts(failed: i64, waited: i64, elsewhere: i64) -> Value {
    json!({ "failed": failed, "unconfirmed": 0, "waited": waited, "elsewhere": elsewhere })
}

async fn fail(system: &TestSystem, phone: &str) {
    let refused = ask_code(system, phone).await;
    assert_eq!(refused.status, 503, "{}", refused.json);
}

/// A system whose session was unpaired and found so, and where two codes failed.
async fn in_trouble() -> TestSystem {
    let system = system().await;
    minutes(&system, 1).await;
    system.simulator().play(&Scenario::Unpaired);
    for _ in 0..2 {
        fail(&system, SITI).await;
    }
    minutes(&system, 1).await;
    system
}

fn repair(system: &TestSystem) {
    let repaired = system.simulator().set_state("system", SessionState::Online);
    repaired.expect("a session");
    system.simulator().play(&Scenario::Healthy);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_while_it_lasts_and_kept_when_it_is_over() {
    let system = in_trouble().await;
    let now = incidents(&system).await;
    let current = &now["current"][0];
    assert_eq!(current["session"], "system", "{now}");
    assert_eq!(current["incident"]["codes"], counts(2, 0, 0), "{now}");
    assert_eq!(current["incident"]["cause"], "needs_pairing", "{now}");
    assert_eq!(now["past"], json!([]));

    let browser = operator(&system).await;
    let sessions = browser.get(SESSIONS).await;
    let wrong = &sessions.json["data"]["channel"]["wrong"][0];
    assert_eq!(wrong["incident"]["codes"], counts(2, 0, 0), "{wrong}");
    for page in [SESSIONS_PAGE, INCIDENTS_PAGE] {
        let page = text(&browser.get(page).await);
        assert!(page.contains("2 codes failed"), "{page}");
        assert!(page.contains("since "), "{page}");
    }
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("Is not paired"), "it goes on: {page}");

    repair(&system);
    minutes(&system, 2).await;
    let after = incidents(&system).await;
    assert_eq!(after["current"], json!([]), "{after}");
    let past = &after["past"][0];
    assert_eq!(past["codes"], counts(2, 0, 0), "{after}");
    assert_eq!(past["since"], current["incident"]["since"], "{after}");
    let seconds = past["seconds"].as_u64().expect("seconds");
    assert!((60..240).contains(&seconds), "{after}");
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("Was not paired"), "{page}");
    let sessions = browser.get(SESSIONS).await;
    assert_eq!(sessions.json["data"]["channel"]["wrong"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_code_that_waits_for_its_session_makes_an_incident_that_no_monitor_has_seen() {
    let system = system().await;
    minutes(&system, 1).await;
    system.simulator().play(&Scenario::ColdSession);
    check_sent(&ask_code(&system, SITI).await);
    minutes(&system, 1).await;
    let told = incidents(&system).await;
    let past = &told["past"][0];
    assert_eq!(past["codes"], counts(0, 1, 0), "{told}");
    assert_eq!(past["connects"], 1, "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_code_that_its_session_sends_at_once_writes_nothing_about_incidents() {
    let system = system().await;
    minutes(&system, 1).await;
    check_sent(&ask_code(&system, SITI).await);
    minutes(&system, 2).await;
    let told = incidents(&system).await;
    assert_eq!((&told["current"], &told["past"]), (&json!([]), &json!([])));
    let sessions = WhatsAppSessions::of(&system.without_faults());
    let item = sessions.read("system").await.expect("the store");
    assert_eq!(item.incident, None);
}

#[tokio::test(start_paused = true)]
async fn codes_that_another_session_sends_count_for_the_one_that_should_have() {
    let sessions =
        ["system", "second"].map(|name| SessionOptions::new(name, &format!("{name}-token")));
    let system = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = with_siti(system.build().await).await;
    minutes(&system, 1).await;
    check_sent(&ask_code(&system, SITI).await);
    let own = people::messages(&system, SITI)
        .pop()
        .expect("a message")
        .session;
    let simulator = system.simulator();
    simulator.play_on(&own, &Scenario::Unpaired).expect("one");
    // The first one finds it out, and moves to the other session for good. The second one knows before it tries.
    pass(MINUTE).await;
    check_sent(&ask_code(&system, SITI).await);
    let mut others = (0..20).map(|number| format!("0812777{number:04}"));
    for phone in others.by_ref().take(8) {
        add_user(&system, &phone).await;
        check_sent(&ask_code(&system, &phone).await);
    }
    minutes(&system, 1).await;
    let told = incidents(&system).await;
    let current = &told["current"][0];
    assert_eq!(current["session"], json!(own), "{told}");
    let codes = &current["incident"]["codes"];
    let elsewhere = codes["elsewhere"].as_i64().expect("a number");
    assert!(
        (2..9).contains(&elsewhere),
        "half of the others, too: {told}"
    );
    assert_eq!(codes["failed"], 0, "{told}");
}

/// The verdict on the channel, and since when it is so.
async fn verdict(system: &TestSystem) -> (Value, Value) {
    let reply = operator(system).await.get(SESSIONS).await;
    let channel = &reply.json["data"]["channel"];
    (channel["verdict"].clone(), channel["since"].clone())
}

#[tokio::test(start_paused = true)]
async fn trouble_is_as_old_as_its_incident_whatever_its_name_is_meanwhile() {
    let sessions =
        ["system", "second"].map(|name| SessionOptions::new(name, &format!("{name}-token")));
    let system = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = with_siti(system.build().await).await;
    minutes(&system, 5).await;
    let break_it = |name: &str| {
        let broken = system.simulator().play_on(name, &Scenario::Unlinked);
        broken.expect("a session");
    };
    break_it("second");
    pass(SECOND).await;
    let lost = verdict(&system).await;
    assert_eq!(lost, (json!("goes_out_over_others"), Value::Null));
    minutes(&system, 3).await;
    break_it("system");
    minutes(&system, 1).await;
    let began = incidents(&system).await["current"].clone();
    let began = began.as_array().expect("a list").iter();
    let began = began.map(|one| one["incident"]["since"].to_string());
    let last = began.max().expect("incidents");
    for minute in 0..6 {
        let (verdict, since) = verdict(&system).await;
        assert_eq!(verdict, "stopped", "{minute}");
        assert_eq!(since.to_string(), last, "{minute}");
        minutes(&system, 1).await;
    }
    let page = text(&operator(&system).await.get(SESSIONS_PAGE).await);
    let clock = last.get(12..17).expect("a time");
    let told = page.matches(&format!("{clock} UTC (")).count();
    assert!(told >= 3, "the verdict, its incident and its row: {page}");
}

#[tokio::test(start_paused = true)]
async fn two_monitors_at_once_make_one_incident_of_it() {
    let system = system().await;
    tokio::join!(monitor(&system), monitor(&system));
    system.simulator().play(&Scenario::Unpaired);
    fail(&system, SITI).await;
    for _ in 0..3 {
        pass(MINUTE).await;
        tokio::join!(monitor(&system), monitor(&system));
    }
    repair(&system);
    for _ in 0..3 {
        pass(MINUTE).await;
        tokio::join!(monitor(&system), monitor(&system));
    }
    check_one(&system, "two monitors").await;
}

/// One incident has ended, with one code that failed.
async fn check_one(system: &TestSystem, case: &str) {
    let told = incidents(system).await;
    let past = told["past"].as_array().expect("a list");
    assert_eq!(past.len(), 1, "{case}: {told}");
    assert_eq!(past[0]["codes"], counts(1, 0, 0), "{case}: {told}");
    assert_eq!(told["current"], json!([]), "{case}: {told}");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_killed_anywhere_leaves_the_rest_to_the_next_one() {
    for faults in [
        Faults::stop_before as fn(Faults, u64) -> Faults,
        Faults::stop_after,
    ] {
        for number in 1.. {
            let system = system().await;
            minutes(&system, 1).await;
            system.simulator().play(&Scenario::Unpaired);
            fail(&system, SITI).await;
            minutes(&system, 1).await;
            repair(&system);
            pass(MINUTE).await;
            let faults = faults(Faults::none(), number);
            let killed = system.with_faults(faults.clone());
            let lived = faults.until_stopped(monitor(&killed)).await.is_some();
            minutes(&system, 2).await;
            check_one(&system, &format!("killed at call {number}")).await;
            if lived {
                assert!(number > 3, "it made calls");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_reply_is_lost_each_message_counts_once_and_each_incident_is_kept_once() {
    for number in 1..=40 {
        let system = system().await;
        minutes(&system, 1).await;
        system.simulator().play(&Scenario::Unpaired);
        let faulty = system.with_faults(Faults::none().at(number, Fault::ReplyLost));
        fail(&faulty, SITI).await;
        minutes(&faulty, 1).await;
        repair(&system);
        minutes(&faulty, 2).await;
        check_one(&system, &format!("reply {number} was lost")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_again_soon_is_one_incident_and_later_another_one() {
    let system = in_trouble().await;
    repair(&system);
    minutes(&system, 1).await;
    system.simulator().play(&Scenario::Unpaired);
    minutes(&system, 1).await;
    repair(&system);
    minutes(&system, 1).await;
    assert_eq!(
        incidents(&system).await["past"].as_array().map(Vec::len),
        Some(1)
    );
    minutes(&system, 3).await;
    system.simulator().play(&Scenario::Unpaired);
    minutes(&system, 1).await;
    repair(&system);
    minutes(&system, 2).await;
    let told = incidents(&system).await;
    let past = told["past"].as_array().expect("a list");
    assert_eq!(past.len(), 2, "{told}");
    assert_eq!(
        past[0]["codes"],
        counts(0, 0, 0),
        "the latest first: {told}"
    );
    assert_eq!(past[1]["codes"], counts(2, 0, 0), "{told}");
}

#[tokio::test(start_paused = true)]
async fn past_incidents_are_paged_and_end_after_their_time() {
    let system = system().await;
    let browser = operator(&system).await;
    let put = |minutes: u32, days: u64| {
        let began = system
            .now()
            .minus(minutes * MINUTE)
            .minus(Duration::from_secs(86_400 * days));
        let number = |value: i64| AttributeValue::N(value.to_string());
        let key = IncidentKey::new(began, "system");
        let ended = began.plus(MINUTE);
        let table = system.dynamodb().put_item().table_name("IncidentsTable");
        table
            .item("list", AttributeValue::S("past".into()))
            .item("id", AttributeValue::S(key.as_str().into()))
            .item("ended", number(ended.millis()))
            .item("connects", number(1))
            .item("restarts", number(0))
            .item("rev", number(1))
            .item("expires_at", number(ended.plus(INCIDENT_LIFE).seconds()))
    };
    for minutes in 0..60 {
        put(minutes, 1).send().await.expect("the store");
    }
    put(0, 401).send().await.expect("the store");
    let first = browser.get(INCIDENTS).await.json["data"].clone();
    assert_eq!(first["past"].as_array().map(Vec::len), Some(50));
    let older = first["older"].as_str().expect("older ones");
    let second = browser.get(&format!("{INCIDENTS}?before={older}")).await;
    let second = &second.json["data"];
    assert_eq!(
        second["past"].as_array().map(Vec::len),
        Some(10),
        "{second}"
    );
    assert_eq!(second["older"], Value::Null);
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains(&format!("?before={older}")), "{page}");
    let page = browser
        .get(&format!("{INCIDENTS_PAGE}?before=%3Cb%3E"))
        .await;
    assert_eq!(page.status, 200);
    let wrong = browser.get(&format!("{INCIDENTS}?before=%3Cb%3E")).await;
    let fields = json!({ "field": "before", "reason": "wrong_type" });
    check_problem(&wrong, 400, "INVALID_FIELD", fields);
}

#[tokio::test(start_paused = true)]
async fn an_incident_keeps_its_first_cause_and_tells_the_last_one_beside_it() {
    let system = in_trouble().await;
    let down = Scenario::GatewayDown { lasts_ms: 75_000 };
    system.simulator().play(&down);
    minutes(&system, 1).await;
    let now = incidents(&system).await;
    let incident = &now["current"][0]["incident"];
    assert_eq!(
        (&incident["cause"], &incident["lastCause"]),
        (&json!("needs_pairing"), &json!("unreachable")),
        "{now}"
    );
    let browser = operator(&system).await;
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("At first: Was not paired"), "{page}");
    assert!(page.contains("Its gateway does not answer"), "{page}");
    assert!(!page.contains("Is not paired"), "{page}");
    pass(MINUTE).await;
    repair(&system);
    minutes(&system, 2).await;
    let after = incidents(&system).await;
    let past = &after["past"][0];
    assert_eq!(past["cause"], "needs_pairing", "{after}");
    assert_eq!(past["lastCause"], "unreachable", "{after}");
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("Was not paired"), "{page}");
    assert!(page.contains("Its gateway did not answer"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_no_monitor_has_seen_yet_has_the_cause_that_its_message_met() {
    let system = system().await;
    minutes(&system, 1).await;
    system.simulator().play(&Scenario::Unpaired);
    pass(SECOND).await;
    fail(&system, SITI).await;
    let now = incidents(&system).await;
    let incident = &now["current"][0]["incident"];
    assert_eq!(incident["cause"], "unlinked", "{now}");
    assert_eq!(incident["lastCause"], Value::Null, "{now}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_for_new_contacts_is_an_incident_until_it_ends() {
    let system = super::open_chat::locked().await;
    let browser = operator(&system).await;
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(
        page.contains("No incident of more than a minute is known"),
        "{page}"
    );
    assert!(!page.contains("all the time"), "{page}");
    fail(&system, SITI).await;
    minutes(&system, 1).await;
    let now = incidents(&system).await;
    let current = &now["current"][0];
    assert_eq!(current["incident"]["cause"], "cold_locked", "{now}");
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("Writes to known contacts only"), "{page}");

    system.simulator().play(&Scenario::Healthy);
    // One sign-up an hour or so tries the account, and shows that the lock is over.
    pass(7 * 60 * MINUTE).await;
    check_sent(&system.post(SIGNUP, applicant(BUDI)).await);
    minutes(&system, 2).await;
    let after = incidents(&system).await;
    assert_eq!(after["current"], json!([]), "{after}");
    assert_eq!(after["past"][0]["cause"], "cold_locked", "{after}");
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("Wrote to known contacts only"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn incidents_of_many_sessions_with_one_cause_are_one_entry_that_names_them() {
    let system =
        TestSystem::builder().simulator(|options| *options = options.clone().with_sessions(12));
    let system = system.build().await;
    minutes(&system, 1).await;
    let unpaired = system.simulator().play_on("session-7", &Scenario::Unpaired);
    unpaired.expect("a session");
    minutes(&system, 6).await;
    let down = Scenario::GatewayDown { lasts_ms: 150_000 };
    system.simulator().play(&down);
    minutes(&system, 2).await;
    let browser = operator(&system).await;
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(
        page.contains("11 sessions: Its gateway does not answer"),
        "{page}"
    );
    assert_eq!(page.matches("<section class=\"glance").count(), 2, "{page}");
    assert!(page.contains(">session-7</a>: "), "its own one: {page}");
    let (_, named) = page.split_once("<details").expect("which ones");
    let named = named.split("</details>").next().unwrap_or_default();
    assert_eq!(named.matches("/whatsapp-sessions/").count(), 11, "{page}");
    let told = incidents(&system).await;
    let current = told["current"].as_array().map(Vec::len);
    assert_eq!(current, Some(12), "JSON has each: {told}");

    minutes(&system, 4).await;
    let page = text(&browser.get(INCIDENTS_PAGE).await);
    assert!(page.contains("<h2>11 sessions</h2>"), "{page}");
    assert!(page.contains("Its gateway did not answer"), "{page}");
    assert_eq!(page.matches("<li class=\"row\"").count(), 1, "{page}");
    assert!(page.len() < 60 * 1024, "{} bytes", page.len());
    let page = browser.in_language("id").get(INCIDENTS_PAGE).await;
    assert!(text(&page).contains("<h2>11 sesi</h2>"), "{}", text(&page));
}

#[tokio::test(start_paused = true)]
async fn two_sessions_in_trouble_have_an_entry_each() {
    let system =
        TestSystem::builder().simulator(|options| *options = options.clone().with_sessions(2));
    let system = system.build().await;
    minutes(&system, 1).await;
    let down = Scenario::GatewayDown { lasts_ms: 150_000 };
    system.simulator().play(&down);
    minutes(&system, 2).await;
    let page = text(&operator(&system).await.get(INCIDENTS_PAGE).await);
    assert_eq!(page.matches("<section class=\"glance").count(), 2, "{page}");
}
