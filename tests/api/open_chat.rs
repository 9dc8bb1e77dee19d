//! While WhatsApp lets the account write to nobody new, whoever writes first is answered with the code.
use std::collections::BTreeSet;

use local::simulator::{Profile, SessionOptions, WebhookFormat};
use shared::gateway::SessionToken;
use shared::runtime::settings::SessionSettings;
use tests::TestSystemBuilder;
use tests::webhooks::{self, Form};
use tokio::task::JoinSet;

use super::*;

const OPEN_CHATS: &str = "OpenChatsTable";

/// How long a webhook and the answer to it take at most.
const ANSWERED: Duration = Duration::from_secs(5);

pub(super) const LOCK: Scenario = Scenario::ColdLocked {
    code: 463,
    refusals: None,
};

/// Changes what stands beside a text, from the phone with these digits.
type Change = fn(&mut Value, &str);

/// Faults from that call on.
type FaultsAt<'a> = &'a dyn Fn(u64) -> Faults;

/// What a refusal offers.
#[derive(Debug)]
struct Offer {
    /// The number to write to.
    number: String,
    /// The text to write.
    text: String,
    challenge: String,
}

impl Offer {
    fn word(&self) -> &str {
        self.text.rsplit(' ').next().expect("a word")
    }
}

/// The usual system, with Siti as a user of another system: nobody has written to her. WhatsApp lets the account write to
/// nobody new, its number is known, and its webhooks get here.
pub(super) async fn locked() -> TestSystem {
    locked_with(TestSystem::builder()).await
}

async fn locked_with(builder: TestSystemBuilder) -> TestSystem {
    let system = with_siti(builder.build().await).await;
    webhooks::post_to_api(&system).await;
    system.watch().await;
    pass(SECOND).await;
    system.simulator().play(&LOCK);
    system
}

/// A person writes to the account, and time passes until that was answered, if it is.
async fn write(system: &TestSystem, typed: &str, text: &str) {
    write_to(system, "system", typed, text).await;
}

async fn write_to(system: &TestSystem, session: &str, typed: &str, text: &str) {
    let digits = phone(typed).digits().to_owned();
    let wrote = system.simulator().incoming(session, &digits, text);
    wrote.expect("a session");
    tokio::time::sleep(ANSWERED).await;
}

/// The fields of a refusal that offers a chat, and what it offers.
#[track_caller]
fn offered(reply: &Reply) -> Offer {
    let data = &reply.json["data"];
    let fields = json!({
        "charged": false, "recovering": false, "retryAfterSeconds": 300, "data": data,
    });
    check_problem(reply, 503, "WHATSAPP_OTP_FAILED", fields);
    let names: Vec<_> = data.as_object().expect("data").keys().collect();
    assert_eq!(names, ["challengeId", "openChat"]);
    let link = data["openChat"].as_str().expect("a link");
    let link = link
        .strip_prefix("https://wa.me/")
        .expect("a link of WhatsApp");
    let (number, query) = link.split_once('?').expect("a text");
    assert!(!query.contains('+') && query.is_ascii(), "{query}");
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let (name, text) = fields.next().expect("a field");
    assert_eq!(name, "text");
    Offer {
        number: number.into(),
        text: text.into_owned(),
        challenge: data["challengeId"].as_str().expect("an id").into(),
    }
}

async fn sign_up(system: &TestSystem, typed: &str) -> Offer {
    offered(&system.post(SIGNUP, applicant(typed)).await)
}

/// What waits for a chat.
async fn waiting(system: &TestSystem) -> usize {
    items(system, OPEN_CHATS).await.len()
}

#[tokio::test(start_paused = true)]
async fn whoever_signs_up_and_writes_first_gets_the_code_as_the_answer() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    assert_eq!(offer.number, "628110000001", "the session's own number");
    assert_eq!(offer.text, format!("My code, please: {}", offer.word()));
    assert_eq!(inbox(&system, BUDI).len(), 0);
    assert_eq!(waiting(&system).await, 1);
    assert_eq!(items(&system, "RegistrationsTable").await.len(), 0);

    write(&system, BUDI, &offer.text).await;
    let code = code_on(&system, BUDI);
    assert_eq!(waiting(&system).await, 0, "answered");
    let confirmed = confirm(&system, BUDI, &code, &offer.challenge).await;
    assert_eq!(check_ok(&confirmed)["user"]["name"], "Budi");
    // The account stays locked for everybody else, and Budi is served from now on.
    assert_eq!(
        system.get("/api/status").await.json["data"]["whatsapp"],
        "cold_locked"
    );
    pass(MINUTE).await;
    check_sent(&ask_code(&system, BUDI).await);
    sign_up(&system, &typed_phone(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_user_whom_nobody_has_written_to_signs_in_and_resets_with_an_answer() {
    let system = locked().await;
    let offer = offered(&ask_code(&system, SITI).await);
    // That she is refused says nothing about people whom the account has written to.
    let status = system.get("/api/status").await;
    assert_eq!(status.json["data"]["whatsapp"], "cold_locked");
    write(&system, SITI, &offer.text.to_lowercase()).await;
    let code = code_on(&system, SITI);
    check_ok(&guess(&system, SITI, &code, Some(&offer.challenge)).await);

    let system = locked().await;
    let asked = system
        .post(SEND_RESET, json!({ "identifier": SITI, "locale": "id" }))
        .await;
    let offer = offered(&asked);
    assert_eq!(offer.text, format!("Minta kode saya: {}", offer.word()));
    write(&system, SITI, &offer.text).await;
    let code = code_on(&system, SITI);
    let secret = "a long enough secret";
    check_ok(&reset(&system, SITI, &code, Some(&offer.challenge), secret).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_charged_like_every_code_and_nothing_is_before() {
    let system = locked().await;
    for _ in 0..12 {
        offered(&ask_code(&system, SITI).await);
    }
    let offer = offered(&ask_code(&system, SITI).await);
    write(&system, SITI, &offer.text).await;
    assert_eq!(inbox(&system, SITI).len(), 1);
    let refused = ask_code(&system, SITI).await;
    assert_eq!(refused.json["limit"], "cooldown", "{}", refused.json);
    let state = people::state_of(&system, SITI).await;
    assert_eq!(state.sends.len(), 1);
    assert_eq!(state.served_by.as_deref(), Some("system"));
    let records = items(&system, "DeliveriesTable").await;
    let sent = records
        .iter()
        .filter(|record| record.text("outcome") == Some("sent"));
    assert_eq!(sent.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_twice_and_wrote_the_older_text_gets_in_with_the_newer_one_at_once() {
    for asked_by in [SITI, BUDI] {
        let system = locked().await;
        let mut offers = Vec::new();
        for _ in 0..2 {
            offers.push(match asked_by {
                SITI => offered(&ask_code(&system, SITI).await),
                _ => sign_up(&system, asked_by).await,
            });
        }
        for offer in &offers {
            write(&system, asked_by, &offer.text).await;
        }
        let [code, again] = &inbox(&system, asked_by)[..] else {
            panic!("two messages");
        };
        assert_eq!(code[..6], again[..6], "the same code");
        match asked_by {
            SITI => {
                let id = Some(offers[1].challenge.as_str());
                check_ok(&guess(&system, SITI, &code[..6], id).await);
            }
            _ => confirm_with(&system, asked_by, &offers[1]).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_texts_than_a_phone_gets_codes_wait_for_the_limits() {
    let system = locked().await;
    let mut offers = Vec::new();
    for _ in 0..4 {
        offers.push(offered(&ask_code(&system, SITI).await));
    }
    for offer in &offers {
        write(&system, SITI, &offer.text).await;
    }
    assert_eq!(
        inbox(&system, SITI).len(),
        3,
        "what one network may have in ten minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_whatsapp_refuses_keeps_nobody_else_from_writing_first() {
    let system = locked().await;
    let [first, other] = [
        sign_up(&system, BUDI).await,
        offered(&ask_code(&system, SITI).await),
    ];
    pass(SECOND).await;
    system.simulator().play(&Scenario::Restricted {
        code: 463,
        refusals: Some(1),
    });
    write(&system, BUDI, &first.text).await;
    assert_eq!(inbox(&system, BUDI).len(), 0);
    let status = system.get("/api/status").await;
    assert_eq!(status.json["data"]["whatsapp"], "cold_locked");
    system.simulator().play(&LOCK);
    for other in ["081234567801", "081234567802"] {
        sign_up(&system, other).await;
    }
    write(&system, SITI, &other.text).await;
    let code = code_on(&system, SITI);
    check_ok(&guess(&system, SITI, &code, Some(&other.challenge)).await);
    write(&system, BUDI, &first.text).await;
    confirm_with(&system, BUDI, &first).await;
}

#[tokio::test(start_paused = true)]
async fn a_word_is_answered_once_and_to_its_own_phone_only() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    for text in [
        "halo",
        "",
        "My code, please: K7QPM-2XWZR",
        &offer.text[..26],
    ] {
        write(&system, BUDI, text).await;
    }
    write(&system, SITI, &offer.text).await;
    write(&system, &typed_phone(7), &offer.text).await;
    assert_eq!(sends(&system), 1, "only the message that was refused");
    for _ in 0..3 {
        write(&system, BUDI, &offer.text).await;
    }
    assert_eq!(inbox(&system, BUDI).len(), 1);
    assert_eq!(sends(&system), 2);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_comes_twenty_times_at_once_and_again_later_brings_one_message() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    write(&system, BUDI, "halo").await;
    let path = webhooks::path(&system).await;
    let event = message(BUDI, &offer.text);
    let mut posts = JoinSet::new();
    for _ in 0..20 {
        let (system, path, event) = (system.clone(), path.clone(), event.clone());
        posts.spawn(async move { webhooks::post(&system, &path, Form::FormOfD, &event).await });
    }
    for reply in posts.join_all().await {
        check_ok(&reply);
    }
    for form in Form::ALL {
        pass(30 * SECOND).await;
        check_ok(&webhooks::post(&system, &path, form, &event).await);
    }
    assert_eq!(inbox(&system, BUDI).len(), 1);
    confirm_with(&system, BUDI, &offer).await;
}

async fn confirm_with(system: &TestSystem, typed: &str, offer: &Offer) {
    let code = code_on(system, typed);
    check_ok(&confirm(system, typed, &code, &offer.challenge).await);
}

/// A message as a gateway posts it.
fn message(typed: &str, text: &str) -> Value {
    webhooks::written(phone(typed).digits(), text)
}

#[tokio::test(start_paused = true)]
async fn a_word_counts_in_every_form_of_a_person_s_own_message_and_in_no_other() {
    let system = locked().await;
    let path = webhooks::path(&system).await;
    let cases: [(&str, bool, Change); 10] = [
        ("from the account itself", false, |info, _| {
            info["IsFromMe"] = json!(true)
        }),
        ("in a group", false, |info, _| info["IsGroup"] = json!(true)),
        ("in a group that is not said to be one", false, |info, _| {
            info["Chat"] = json!("120363@g.us");
        }),
        ("for everybody", false, |info, _| {
            info["Chat"] = json!("status@broadcast")
        }),
        ("in a channel", false, |info, _| {
            info["Chat"] = json!("120363@newsletter")
        }),
        ("without a number", false, |info, _| {
            info["Sender"] = json!("771@lid")
        }),
        ("long ago", false, |info, _| {
            info["Timestamp"] = json!("2026-11-22T11:00:00Z")
        }),
        ("from a device", true, |info, digits| {
            info["Sender"] = json!(format!("{digits}:24@s.whatsapp.net"));
        }),
        ("by another name", true, |info, digits| {
            info["Chat"] = json!("771@lid");
            info["Sender"] = json!("771:24@lid");
            info["SenderAlt"] = json!(format!("{digits}:24@s.whatsapp.net"));
        }),
        ("as an extended text", true, |_, _| {}),
    ];
    for (number, (case, counts, change)) in (1..).zip(cases) {
        let typed = &typed_phone(number);
        let offer = sign_up(&system, typed).await;
        write(&system, typed, "halo").await;
        let mut event = message(typed, &offer.text);
        change(&mut event["event"]["Info"], phone(typed).digits());
        if case == "as an extended text" {
            event["event"]["Message"] = json!({ "extendedTextMessage": { "text": offer.text } });
        }
        check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
        assert_eq!(inbox(&system, typed).len(), usize::from(counts), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_that_has_expired_is_answered_no_more() {
    for (waits, answers) in [(10 * MINUTE - 10 * SECOND, 1), (10 * MINUTE, 0)] {
        let system = locked().await;
        let offer = sign_up(&system, BUDI).await;
        pass(waits).await;
        write(&system, BUDI, &offer.text).await;
        assert_eq!(inbox(&system, BUDI).len(), answers, "after {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_whole_life_of_a_code() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    pass(9 * MINUTE).await;
    write(&system, BUDI, &offer.text).await;
    pass(9 * MINUTE).await;
    confirm_with(&system, BUDI, &offer).await;
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_whose_code_is_asked_for_again_keeps_its_id() {
    let system = with_siti(TestSystem::start().await).await;
    system.watch().await;
    let (challenge, _) = signed_up(&system, applicant(BUDI)).await;
    // As if that message had ended without an answer, and without a chat.
    let key = AttributeValue::S(phone(BUDI).digits().into());
    let state = system
        .dynamodb()
        .update_item()
        .table_name("ChallengesTable");
    let state = state
        .key("phone", key)
        .update_expression("REMOVE taken_at, served_by");
    state.send().await.expect("the store works");
    system.simulator().reset();
    webhooks::post_to_api(&system).await;
    system.simulator().play(&LOCK);
    pass(2 * MINUTE).await;
    let again = json!({ "identifier": BUDI, "purpose": "signup", "challengeId": challenge });
    let offer = offered(&system.post(SEND_OTP, again).await);
    assert_eq!(offer.challenge, challenge);
    // Later than the registration alone would have lived.
    pass(9 * MINUTE + 30 * SECOND).await;
    write(&system, BUDI, &offer.text).await;
    confirm_with(&system, BUDI, &offer).await;
}

#[tokio::test(start_paused = true)]
async fn known_and_unknown_phones_are_offered_a_chat_alike() {
    let system = locked().await;
    // What one user meets, those without an account meet, too.
    offered(&ask_code(&system, SITI).await);
    let asks = [
        (SIGNIN, json!({ "identifier": SITI })),
        (SEND_RESET, json!({ "identifier": SITI })),
        (SEND_OTP, json!({ "identifier": SITI, "purpose": "sso" })),
    ];
    for (path, known) in asks {
        let mut unknown = known.clone();
        unknown["identifier"] = json!(BUDI);
        let rows = waiting(&system).await;
        let (of_known, known_took) = timed(system.post(path, known)).await;
        let status = system.get("/api/status").await.json["data"].clone();
        assert_eq!(waiting(&system).await, rows + 1, "{path}");
        let (of_unknown, unknown_took) = timed(system.post(path, unknown)).await;
        assert_eq!(face(&of_known), face(&of_unknown), "{path}");
        assert_eq!(waiting(&system).await, rows + 2, "{path}");
        assert!(
            known_took.abs_diff(unknown_took) < SECOND,
            "{known_took:?} {unknown_took:?}"
        );
        assert_eq!(
            system.get("/api/status").await.json["data"],
            status,
            "{path}"
        );
        // What is offered to an unknown phone names nothing.
        let offer = offered(&of_unknown);
        write(&system, BUDI, &offer.text).await;
        assert_eq!(inbox(&system, BUDI).len(), 0, "{path}");
        offered(&of_known);
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_s_new_chats_that_are_used_up_are_offered_a_chat_as_well() {
    let open = with_siti(TestSystem::start().await).await;
    let system = open.with_settings(|settings| settings.sessions[0].new_chats_per_day = Some(2));
    webhooks::post_to_api(&system).await;
    system.watch().await;
    for number in 1..=2 {
        check_sent(&system.post(SIGNUP, applicant(&typed_phone(number))).await);
    }
    let offer = sign_up(&system, BUDI).await;
    write(&system, BUDI, &offer.text).await;
    confirm_with(&system, BUDI, &offer).await;
    // People with an account are served.
    check_sent(&ask_code(&system, SITI).await);
    sign_up(&system, &typed_phone(3)).await;
}

#[tokio::test(start_paused = true)]
async fn of_several_sessions_the_one_that_is_named_answers_and_no_other() {
    let names = ["system", "second", "third"];
    let sessions = names.map(|name| SessionOptions::new(name, &format!("token-of-{name}")));
    let builder = TestSystem::builder().simulator(|options| options.sessions = sessions.into());
    let system = locked_with(builder).await;
    let mut named = BTreeSet::new();
    for number in 1..=12 {
        let typed = &typed_phone(number);
        let offer = sign_up(&system, typed).await;
        let which = offer
            .number
            .strip_prefix("62811000000")
            .expect("an account");
        let session = names[which.parse::<usize>().expect("a number") - 1];
        named.insert(session);
        let other = names.into_iter().find(|name| *name != session);
        write_to(&system, other.expect("another"), typed, &offer.text).await;
        assert_eq!(inbox(&system, typed).len(), 0, "written to another number");
        write_to(&system, session, typed, &offer.text).await;
        let messages = system.simulator().messages(Some(&phone(typed)));
        let [message] = &messages[..] else {
            panic!("one message: {messages:?}");
        };
        assert_eq!(message.session, session);
    }
    assert_eq!(named.len(), 3, "the load spreads: {named:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_taken_out_of_service_meanwhile_does_not_answer() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    let others = system.with_settings(|settings| {
        settings.sessions = vec![SessionSettings::new("other", SessionToken::new("other"))];
    });
    write(&system, BUDI, "halo").await;
    let path = webhooks::path(&system).await;
    let event = message(BUDI, &offer.text);
    check_ok(&webhooks::post(&others, &path, Form::Json, &event).await);
    assert_eq!(sends(&system), 1);
    // It is back.
    write(&system, BUDI, &offer.text).await;
    confirm_with(&system, BUDI, &offer).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_down_when_the_chat_is_opened_is_brought_back() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    write(&system, BUDI, "halo").await;
    system.simulator().play(&Scenario::ColdSession);
    let path = webhooks::path(&system).await;
    let event = message(BUDI, &offer.text);
    check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
    confirm_with(&system, BUDI, &offer).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_fails_leaves_nothing_behind_and_can_be_asked_for_again() {
    let system = locked().await;
    let offer = offered(&ask_code(&system, SITI).await);
    let before = people::state_of(&system, SITI).await;
    system.simulator().play(&Scenario::Restricted {
        code: 463,
        refusals: None,
    });
    write(&system, SITI, &offer.text).await;
    let after = people::state_of(&system, SITI).await;
    assert_eq!(
        (before.sends, before.challenges),
        (after.sends, after.challenges)
    );
    system.simulator().play(&Scenario::Healthy);
    write(&system, SITI, &offer.text).await;
    let code = code_on(&system, SITI);
    check_ok(&guess(&system, SITI, &code, Some(&offer.challenge)).await);
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_has_an_account_by_now_gets_no_code_for_a_sign_up() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    add_user(&system, BUDI).await;
    write(&system, BUDI, &offer.text).await;
    assert_eq!(inbox(&system, BUDI).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_the_store_does_to_a_webhook_there_is_one_message_and_no_5xx() {
    let lasting = |fault| move |call| Faults::none().from(call, fault);
    let once = |fault| move |call| Faults::none().at(call, fault);
    // After the last one, the person may have to ask for a code once more: a process that dies answers nothing twice.
    let cases: [(&str, usize, FaultsAt<'_>); 6] = [
        ("a lost reply", 1, &once(Fault::ReplyLost)),
        ("a lost request", 1, &once(Fault::RequestLost)),
        (
            "replies that are lost from then on",
            0,
            &lasting(Fault::ReplyLost),
        ),
        (
            "requests that are lost from then on",
            0,
            &lasting(Fault::RequestLost),
        ),
        (
            "a table that refuses from then on",
            0,
            &lasting(Fault::Throttled),
        ),
        ("a process that dies", 0, &|call| {
            Faults::none().stop_after(call)
        }),
    ];
    for (case, least, faults_at) in cases {
        let mut call = 0;
        loop {
            call += 1;
            assert!(call < 60, "{case}: an answer that does not end");
            let faults = faults_at(call);
            check_answered_once(&faults, (case, least, call)).await;
            if faults.attempts() < call {
                break;
            }
        }
        assert!(call > 6, "{case}: only {call} calls");
    }
}

/// Posts a webhook to a function with `faults`, and lets the person write once more a minute later.
async fn check_answered_once(faults: &Faults, (case, least, call): (&str, usize, u64)) {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    write(&system, BUDI, "halo").await;
    let path = webhooks::path(&system).await;
    let event = message(BUDI, &offer.text);
    let failing = system.with_faults(faults.clone());
    let post = webhooks::post(&failing, &path, Form::Json, &event);
    let reply = faults.until_stopped(post).await;
    // Without the key of the address nobody knows whose webhook it is.
    if let Some(reply) = reply.filter(|_| call > 1) {
        check_ok(&reply);
    }
    // Past the lease of a process that died.
    pass(MINUTE).await;
    write(&system, BUDI, &offer.text).await;
    let shown = inbox(&system, BUDI).len();
    assert!(
        (least..=1).contains(&shown),
        "{case}, call {call}: {shown} messages"
    );
    if shown == 1 {
        confirm_with(&system, BUDI, &offer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_takes_the_offer_away_and_nothing_else() {
    let system = locked().await;
    let failing = system.with_faults(Faults::none().on_table(OPEN_CHATS, Fault::Throttled));
    check_restricted(&failing.post(SIGNUP, applicant(BUDI)).await);
    assert_eq!(waiting(&system).await, 0);
    sign_up(&system, BUDI).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_is_offered_a_hundred_chats_in_ten_minutes_and_others_go_on() {
    let system = locked().await;
    for number in 1..=100 {
        sign_up(&system, &typed_phone(number)).await;
    }
    for number in 101..=110 {
        check_restricted(&system.post(SIGNUP, applicant(&typed_phone(number))).await);
    }
    assert_eq!(waiting(&system).await, 100);
    let elsewhere = system.called_from([198, 51, 100, 7]);
    sign_up(&elsewhere, &typed_phone(101)).await;
    pass(10 * MINUTE).await;
    sign_up(&system, &typed_phone(102)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_guesses_words_gets_nothing_and_writes_nothing() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    let path = webhooks::path(&system).await;
    let (sent, stored) = (sends(&system), items(&system, OPEN_CHATS).await);
    let alphabet = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let chance = shared::platform::entropy::Entropy::seeded(9);
    system.database().forget_calls();
    for number in 0..300 {
        let drawn: [u8; 10] = chance.bytes();
        let drawn = drawn.map(|byte| char::from(alphabet[usize::from(byte % 32)]));
        let word: String = drawn.into_iter().collect();
        let word = format!("{}-{}", &word[..5], &word[5..]);
        let typed = if number % 2 == 0 { BUDI } else { SITI };
        let event = message(typed, &word);
        check_ok(&webhooks::post(&system, &path, Form::Json, &event).await);
    }
    let calls = system.database().calls();
    let writes = calls.iter().flat_map(|call| &call.permissions);
    let is_read = |action: &str| ["GetItem", "BatchGetItem"].contains(&action);
    let writes: Vec<_> = writes.filter(|(action, _)| !is_read(action)).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(sends(&system), sent);
    assert_eq!(items(&system, OPEN_CHATS).await, stored);
    write(&system, BUDI, &offer.text).await;
    confirm_with(&system, BUDI, &offer).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_names_neither_the_phone_nor_the_word_nor_the_id() {
    let system = locked().await;
    let offer = sign_up(&system, BUDI).await;
    let [item] = &items(&system, OPEN_CHATS).await[..] else {
        panic!("one item");
    };
    let kept = format!("{item:?}");
    for secret in [
        phone(BUDI).digits(),
        offer.word(),
        &offer.challenge,
        "a long enough secret",
    ] {
        assert!(!kept.contains(secret), "{secret} in {kept}");
    }
    let ends = item.number("expires_at").expect("an end");
    assert!(ends <= system.now().plus(10 * MINUTE).seconds());
}

#[tokio::test(start_paused = true)]
async fn without_a_number_that_is_known_there_is_no_offer() {
    let builder = TestSystem::builder().simulator(|options| options.profile = Profile::A);
    // The status of this version does not name the account.
    let system = locked_with(builder).await;
    check_restricted(&system.post(SIGNUP, applicant(BUDI)).await);
    check_restricted(&ask_code(&system, SITI).await);
    assert_eq!(waiting(&system).await, 0);
}

#[tokio::test(start_paused = true)]
async fn every_version_s_message_opens_the_chat() {
    for profile in [Profile::B, Profile::C, Profile::D] {
        for (format, lid) in [
            (WebhookFormat::Form, false),
            (WebhookFormat::Json, false),
            (WebhookFormat::Form, true),
        ] {
            let builder = TestSystem::builder().simulator(|options| {
                options.profile = profile;
                options.webhook_format = format;
                options.lid = lid;
            });
            let system = locked_with(builder).await;
            let offer = sign_up(&system, BUDI).await;
            write(&system, BUDI, &offer.text).await;
            let case = format!("{profile:?} {format:?} {lid}");
            assert_eq!(inbox(&system, BUDI).len(), 1, "{case}");
            confirm_with(&system, BUDI, &offer).await;
        }
    }
}
