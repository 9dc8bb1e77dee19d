//! `/api/admin/deliveries` and its page: a code that never came is found by phone, and told step by step.
use http::header::LOCATION;
use shared::store::deliveries::{Cause, Deliveries, DeliveryItem};
use tests::browser::{Browser, text};
use tests::webhooks;

use super::admin_api::{csrf, operator, with_gateway};
use super::*;

const API: &str = "/api/admin/deliveries";
const PAGE: &str = "/admin/dashboard/deliveries";
const FIND: &str = "/api/admin/find";

/// Looks for what somebody types, and answers where that leads.
async fn find(browser: &Browser, typed: &str) -> String {
    let page = browser.get(PAGE).await;
    let found = browser.submit(&page, FIND, &[("sought", typed)]).await;
    way(&found).to_owned()
}

fn way(reply: &Reply) -> &str {
    let way = reply.headers.get(LOCATION).expect("a way");
    way.to_str().expect("text")
}

/// The messages that a query finds.
async fn found(browser: &Browser, query: &str) -> Vec<Value> {
    let reply = browser.get(&format!("{API}?{query}")).await;
    let found = check_ok(&reply)["deliveries"].as_array();
    found.expect("a list").clone()
}

/// Posts a receipt of the last message, as the gateway does.
pub(super) async fn receipt(system: &TestSystem, state: &str) {
    let messages = system.simulator().messages(None);
    let id = messages.last().expect("a message").id.clone();
    let path = webhooks::path(system).await;
    let event = webhooks::receipt(state, &[&id], system.now());
    check_ok(&webhooks::post(system, &path, webhooks::Form::FormOfD, &event).await);
}

/// Keeps the record of a message to [`SITI`], as a send does.
async fn keep(system: &TestSystem, message_id: &str) {
    let delivery = DeliveryItem {
        message_id,
        purpose: "sso",
        phone: &phone(SITI),
        cause: &Cause::default(),
        session: "system",
        tried: vec!["system"],
        outcome: "sent",
        reason: None,
        steps: vec![("send: sent", 412)],
        chat_offered: false,
        at: system.now(),
    };
    let deliveries = Deliveries::of(&system.without_faults());
    deliveries.keep(delivery).await.expect("the store works");
}

#[tokio::test(start_paused = true)]
async fn a_code_is_found_by_its_phone_with_its_steps_and_receipts() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let messages = system.simulator().messages(None);
    let id = messages.last().expect("a message").id.clone();
    for state in ["Delivered", "Read"] {
        receipt(&system, state).await;
    }
    let browser = operator(&system).await;
    let address = find(&browser, SITI).await;
    let page = browser.get(&address).await;
    let html = text(&page);
    for shown in [
        "62812****789",
        &id,
        "Code to sign in",
        "On the phone",
        "Read",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    for hidden in [phone(SITI).digits(), SITI] {
        assert!(!address.contains(hidden), "{address}");
        assert!(!html.contains(hidden), "{html}");
    }
    let told = &found(&browser, &format!("phone={SITI}")).await[0];
    assert_eq!(
        (&told["messageId"], &told["outcome"]),
        (&json!(id), &json!("sent"))
    );
    assert!(
        told["deliveredAt"].is_string() && told["readAt"].is_string(),
        "{told}"
    );
    assert!(!told["steps"].as_array().expect("steps").is_empty());
    assert_eq!(find(&browser, &id).await, format!("{PAGE}?messageId={id}"));
}

#[tokio::test(start_paused = true)]
async fn a_code_that_did_not_go_out_is_found_by_its_request() {
    let system = with_siti(with_gateway().await).await;
    system.simulator().play(&Scenario::Unpaired);
    let refused = ask_code(&system, SITI).await;
    assert_eq!(refused.status, 503, "{}", refused.json);
    let request = refused.json["requestId"].as_str().expect("an id");
    let browser = operator(&system).await;
    assert_eq!(
        find(&browser, request).await,
        format!("{PAGE}?requestId={request}")
    );
    let told = &found(&browser, &format!("requestId={request}")).await[0];
    assert_eq!(
        (&told["requestId"], &told["outcome"], &told["phone"]),
        (&json!(request), &json!("not_sent"), &json!("62812****789"))
    );
    assert_eq!(
        found(&browser, "requestId=another").await,
        Vec::<Value>::new()
    );
}

#[tokio::test(start_paused = true)]
async fn a_code_for_a_phone_without_an_account_is_told_as_sent_to_nobody() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, BUDI).await);
    let browser = operator(&system).await;
    let told = &found(&browser, &format!("phone={BUDI}")).await[0];
    assert_eq!(told["outcome"], "nobody");
    let html = text(&browser.get(&find(&browser, BUDI).await).await);
    assert!(html.contains("Not sent: no account"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn many_messages_of_a_phone_come_the_newest_first_on_pages() {
    let system = with_gateway().await;
    let ids: Vec<_> = (0..45).map(|number| format!("3EB0{number:018X}")).collect();
    for id in &ids {
        keep(&system, id).await;
        pass(SECOND).await;
    }
    let browser = operator(&system).await;
    let (mut read, mut pages, mut query) = (Vec::new(), 0, format!("phone={SITI}"));
    loop {
        let reply = browser.get(&format!("{API}?{query}")).await;
        let data = check_ok(&reply);
        let page = data["deliveries"].as_array().expect("a list").iter();
        read.extend(page.map(|told| told["messageId"].as_str().expect("an id").to_owned()));
        pages += 1;
        match data["older"].as_str() {
            Some(older) => query = format!("phone={SITI}&before={older}"),
            None => break,
        }
    }
    let newest_first: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!((read, pages), (newest_first, 3));
    let address = find(&browser, SITI).await;
    let html = text(&browser.get(&address).await);
    assert!(html.contains(&format!("{address}&amp;before=")), "{html}");
}

#[tokio::test(start_paused = true)]
async fn only_one_field_is_looked_for_and_only_what_it_can_be() {
    let browser = operator(&with_gateway().await).await;
    for (query, error) in [
        ("", "INVALID_FIELD"),
        ("phone=08123456789&messageId=3EB0", "INVALID_FIELD"),
        ("phone=0812", "INVALID_PHONE_FORMAT"),
        ("messageId=..%2Fx", "INVALID_FIELD"),
        ("requestId=%3Cb%3E", "INVALID_FIELD"),
        ("phone=08123456789&before=..%2Fx", "INVALID_FIELD"),
    ] {
        let reply = browser.get(&format!("{API}?{query}")).await;
        assert_eq!(
            (reply.status, &reply.json["error"]),
            (400, &json!(error)),
            "{query}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_finds_nothing_stays_in_its_field_and_is_in_no_address() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    for (typed, shown) in [
        ("<script>", "&#60;script&#62;"),
        ("../x", "../x"),
        ("0812", "0812"),
        ("081234567890123456", "081234567890123456"),
        // Phones with a slip, which payments may be called as well.
        ("0812345678O", "0812345678O"),
        ("+62-812-3456-78l9", "+62-812-3456-78l9"),
    ] {
        let refused = find(&browser, typed).await;
        let problem = format!("{PAGE}?problem=NOT_RECOGNISED&typed=");
        let sealed = refused.strip_prefix(&problem).expect("sealed");
        assert!(!sealed.contains(typed), "{refused}");
        let html = text(&browser.get(&refused).await);
        let (_, field) = html.split_once("<input id=\"sought\"").expect("a field");
        let field = field.split('>').next().unwrap_or_default();
        for part in [
            format!("value=\"{shown}\""),
            "aria-invalid=\"true\"".into(),
            "aria-describedby=\"sought-error sought-hint\"".into(),
        ] {
            assert!(field.contains(&part), "{typed}: {part}: {field}");
        }
        assert!(html.contains("id=\"sought-error\""), "{html}");
        let stranger = operator(&system).await;
        let html = text(&stranger.get(&refused).await);
        assert!(!html.contains(&format!("value=\"{shown}\"")), "{html}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_called_nearly_like_a_phone_is_found() {
    let system = super::paying::with_callers().await;
    let browser = operator(&system).await;
    super::paying::post(&system, ("2026112800A", "success"), &super::paying::about()).await;
    let address = find(&browser, "2026112800A").await;
    assert_eq!(address, format!("{PAGE}?paymentId=2026112800A"));
    let html = text(&browser.get(&address).await);
    assert!(html.contains("2026112800A"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_notice_waits_is_not_told_as_ended() {
    let system = super::paying::with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    super::paying::post(&system, ("INV-3", "success"), &super::paying::about()).await;
    let browser = operator(&system).await;
    let address = find(&browser, SITI).await;
    let html = text(&browser.get(&address).await);
    assert!(html.contains("Waits, will be tried again"), "{html}");
    assert!(!html.contains("Not sent"), "{html}");
    assert!(html.contains("<code>needs_pairing</code>"), "{html}");
    let token = csrf(&browser);
    let fields = [("csrf", token.as_str())];
    let path = "/api/admin/outbox/INV-3:success/discard";
    browser.post(path, &fields).await;
    let html = text(&browser.get(&address).await);
    assert!(html.contains("Not sent"), "{html}");
    assert!(!html.contains("will be tried again"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_sealed_phone_opens_nothing_for_another_login_or_when_it_was_changed() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let browser = operator(&system).await;
    let address = find(&browser, SITI).await;
    assert!(text(&browser.get(&address).await).contains("62812****789"));
    let cut = &address[..address.len() - 2];
    for (case, reply) in [
        ("another login", operator(&system).await.get(&address).await),
        ("cut", browser.get(cut).await),
        ("a phone", browser.get(&format!("{PAGE}?who={SITI}")).await),
        (
            "markup",
            browser.get(&format!("{PAGE}?who=%3Cscript%3E")).await,
        ),
    ] {
        let html = text(&reply);
        assert_eq!(reply.status, 200, "{case}");
        assert!(!html.contains("62812****789"), "{case}: {html}");
        assert!(!html.contains("<script>"), "{case}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_for_a_phone_without_a_login_or_from_another_site() {
    let system = with_gateway().await;
    let stranger = Browser::new(&system);
    let query = format!("{API}?phone={SITI}");
    check_problem(&stranger.get(&query).await, 401, "UNAUTHORIZED", json!({}));
    let browser = operator(&system).await;
    let forged = browser.post(FIND, &[("sought", SITI), ("csrf", "0")]).await;
    check_problem(&forged, 403, "CSRF", json!({}));
    let token = csrf(&browser);
    let fields = [("sought", SITI), ("csrf", token.as_str())];
    let elsewhere = [("origin", "https://evil.example")];
    let forged = browser.post_with(FIND, &fields, &elsewhere).await;
    check_problem(&forged, 403, "CSRF", json!({}));
    pass(13 * 60 * MINUTE).await;
    check_problem(&browser.get(&query).await, 401, "UNAUTHORIZED", json!({}));
}

/// The part of a card that is not folded away.
fn card(html: &str) -> &str {
    let (_, card) = html.split_once("<section class=\"panel\"").expect("a card");
    card.split("<details").next().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn that_a_message_is_on_the_phone_stands_on_its_card() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let browser = operator(&system).await;
    let address = find(&browser, SITI).await;
    for (state, told) in [
        ("", ">Sent</p>"),
        ("Delivered", ">Delivered</p>"),
        ("Read", ">Read</p>"),
    ] {
        if !state.is_empty() {
            receipt(&system, state).await;
        }
        let html = text(&browser.get(&address).await);
        let card = card(&html);
        assert!(card.contains(told), "{told}: {card}");
        assert_eq!(card.contains("On the phone"), !state.is_empty(), "{card}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_tried_no_message_is_told_as_that() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, SITI).await);
    let limited = ask_code(&system, SITI).await;
    assert_eq!(limited.status, 429, "{}", limited.json);
    let request = limited.json["requestId"].as_str().expect("an id");
    let browser = operator(&system).await;
    let html = text(&browser.get(&find(&browser, request).await).await);
    assert!(
        html.contains("No message was tried in this request"),
        "{html}"
    );
    assert!(
        html.contains("/admin/dashboard/explain\">"),
        "the way on: {html}"
    );
    let html = text(&browser.get(&find(&browser, BUDI).await).await);
    assert!(html.contains("No message is found by that"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_message_to_nobody_names_no_session_and_no_step() {
    let system = with_siti(with_gateway().await).await;
    check_sent(&ask_code(&system, BUDI).await);
    let browser = operator(&system).await;
    let html = text(&browser.get(&find(&browser, BUDI).await).await);
    assert!(html.contains("Not sent: no account"), "{html}");
    assert!(!html.contains("whatsapp-sessions/system"), "{html}");
    assert!(!html.contains("send: taken"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_found_by_the_number_of_its_payment() {
    let system = super::paying::with_callers().await;
    system.simulator().play(&Scenario::Unpaired);
    super::paying::post(&system, ("INV-3.a", "success"), &super::paying::about()).await;
    let browser = operator(&system).await;
    let address = find(&browser, " INV-3.a").await;
    assert_eq!(address, format!("{PAGE}?paymentId=INV-3.a"));
    let html = text(&browser.get(&address).await);
    for shown in [
        "Payment INV-3.a",
        "Payment arrived",
        "Waits",
        "?messageId=3EB0",
    ] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert!(!html.contains(phone(SITI).digits()), "{html}");
    let html = text(&browser.get(&find(&browser, "INV-4").await).await);
    assert!(html.contains("No payment is called that"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn whoever_was_asked_to_write_first_is_told_of_as_that() {
    const TOLD: &str = "The customer was asked to write first";
    let system = super::open_chat::locked().await;
    let refused = ask_code(&system, SITI).await;
    assert!(refused.json["data"]["openChat"].is_string(), "{refused:?}");
    let browser = operator(&system).await;
    let page = browser.get(&find(&browser, SITI).await).await;
    assert!(text(&page).contains(TOLD), "{}", text(&page));
    let indonesian = operator(&system).await.in_language("id");
    let page = indonesian.get(&find(&indonesian, SITI).await).await;
    assert!(
        text(&page).contains("Pelanggan diminta menulis lebih dahulu"),
        "{}",
        text(&page)
    );
    let explain = browser.get("/admin/dashboard/explain").await;
    let asked = [("sought", SITI), ("purpose", "sso")];
    let explained = browser.submit(&explain, FIND, &asked).await;
    let html = text(&browser.get(way(&explained)).await);
    let (_, last) = html.split_once("Last try").expect("the last try");
    let last = last.split("</div>").next().unwrap_or_default();
    assert!(last.contains(TOLD), "{last}");
    let phone = phone(SITI).to_string();
    check_offered(&system, &browser, (&phone, true)).await;
}

/// Whether the record of the last message says that a chat was offered.
async fn check_offered(system: &TestSystem, browser: &Browser, (phone, offered): (&str, bool)) {
    let records = items(system, "DeliveriesTable").await;
    let records = records.iter().filter(|item| item.contains_key("session"));
    let last = records.max_by_key(|item| item["at"].as_n().expect("a time").clone());
    let last = last.expect("a record");
    assert_eq!(last["phone"].as_s().expect("a phone"), phone);
    let id = last["message_id"].as_s().expect("an id");
    let told = &found(browser, &format!("messageId={id}")).await[0];
    assert_eq!(told["chatOffered"], json!(offered), "{told}");
}

#[tokio::test(start_paused = true)]
async fn where_no_chat_was_offered_nobody_was_asked_to_write_first() {
    let system = with_siti(with_gateway().await).await;
    system.simulator().play(&Scenario::Unpaired);
    let refused = ask_code(&system, SITI).await;
    assert_eq!(refused.json["data"]["openChat"], Value::Null);
    let browser = operator(&system).await;
    let html = text(&browser.get(&find(&browser, SITI).await).await);
    assert!(
        html.contains("Not sent") && !html.contains("write first"),
        "{html}"
    );
    let phone = phone(SITI).to_string();
    check_offered(&system, &browser, (&phone, false)).await;
}
