//! `/admin/dashboard/audit`: what operators did, and what was refused to them.
use tests::browser::{Browser, text};

use super::admin_api::{csrf, operator, with_gateway};
use super::*;

const PAGE: &str = "/admin/dashboard/audit";

async fn audit(browser: &Browser) -> String {
    text(&browser.get(PAGE).await)
}

/// Posts an act of a form.
async fn act(browser: &Browser, path: &str, fields: &[(&str, &str)]) {
    let token = csrf(browser);
    let fields = [&[("csrf", token.as_str())], fields].concat();
    let done = browser.post(path, &fields).await;
    assert_eq!(done.status, 303, "{path}: {}", text(&done));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_named_as_that_and_who_did_it_stands_first() {
    let system = with_siti(with_gateway().await).await;
    let browser = operator(&system).await;
    let erase = [("phone", SITI), ("confirm", BUDI)];
    act(&browser, "/api/admin/people/erase", &erase).await;
    pass(SECOND).await;
    let session = "/api/admin/whatsapp/sessions/system/disconnect";
    act(&browser, session, &[]).await;
    let html = audit(&browser).await;
    for told in [
        "Did not erase a phone: another phone was typed",
        "Disconnected a session",
    ] {
        assert!(html.contains(told), "{told}: {html}");
    }
    assert!(!html.contains("Erased a phone"), "{html}");
    assert!(
        !html.contains("<table"),
        "a phone shows a table's first columns: {html}"
    );
    let (_, row) = html.split_once("Did not erase a phone").expect("a row");
    let row = row.split("</li>").next().unwrap_or_default();
    assert!(
        row.contains("62812****789") && row.contains("link "),
        "{row}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pairing_link_that_was_made_is_one_entry() {
    let system = with_gateway().await;
    let browser = operator(&system).await;
    let make = "/api/admin/whatsapp/sessions/system/pairinglink";
    act(&browser, make, &[]).await;
    let html = audit(&browser).await;
    assert_eq!(html.matches("Made a pairing link").count(), 1, "{html}");
    let nobody = make.replace("system", "nobody");
    act(&browser, &nobody, &[]).await;
    let html = audit(&browser).await;
    assert!(
        html.contains("Did not make a pairing link: no such session"),
        "{html}"
    );
}

/// Who is signed in, as the foot of every page says.
async fn signed_in(browser: &Browser) -> String {
    let html = audit(browser).await;
    let (_, foot) = html.split_once("class=\"who\"").expect("a foot");
    let (_, who) = foot
        .split_once("<span class=\"quiet-text\">")
        .expect("a name");
    who.split('<').next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn two_who_signed_in_by_links_are_told_apart() {
    let system = with_gateway().await;
    let (one, other) = (operator(&system).await, operator(&system).await);
    let (first, second) = (signed_in(&one).await, signed_in(&other).await);
    assert_ne!(first, second);
    let disconnect = "/api/admin/whatsapp/sessions/system/disconnect";
    act(&one, disconnect, &[]).await;
    let html = audit(&other).await;
    let (_, row) = html.split_once("Disconnected a session").expect("a row");
    let row = row.split("</li>").next().unwrap_or_default();
    let name = |who: &str| who.replace("Signed in by ", "");
    assert!(row.contains(&name(&first)), "{first}: {row}");
    assert!(!row.contains(&name(&second)), "{second}: {row}");
    assert!(html.contains("Used a sign-in link"), "{html}");
    let (_, rows) = html.split_once("id=\"audit\"").expect("rows");
    assert_eq!(
        rows.matches(&name(&first)).count(),
        2,
        "used, acted: {rows}"
    );
}

#[tokio::test(start_paused = true)]
async fn older_days_may_be_looked_at_without_a_promise() {
    let system = with_gateway().await;
    let html = audit(&operator(&system).await).await;
    assert!(html.contains("Look before "), "{html}");
    assert!(!html.contains("Entries before"), "{html}");
}

/// The deeds that a page of the audit shows.
async fn deeds(browser: &Browser, query: &str) -> (Vec<String>, String) {
    let html = text(&browser.get(&format!("{PAGE}?{query}")).await);
    let rows = html.split("<li class=\"row\"").skip(1);
    let heads = rows.map(|row| row.split("</h2>").next().unwrap_or_default());
    let deeds = heads.map(|head| head.rsplit("</span>").next().unwrap_or_default().to_owned());
    (deeds.collect(), html)
}

#[tokio::test(start_paused = true)]
async fn the_audit_is_filtered_by_person_and_by_session() {
    const DISCONNECTED: &str = "Disconnected a session";
    const NO_LINK: &str = "Did not make a pairing link: no such session";
    let system = with_gateway().await;
    let (one, other) = (operator(&system).await, operator(&system).await);
    let name = signed_in(&one).await.replace("Signed in by ", "");
    let by_one = format!("by={}", name.replace(' ', "+"));
    pass(SECOND).await;
    let session = "/api/admin/whatsapp/sessions/system/";
    act(&one, &format!("{session}disconnect"), &[]).await;
    pass(SECOND).await;
    let nobody = session.replace("system", "nobody");
    act(&one, &format!("{nobody}pairinglink"), &[]).await;
    pass(SECOND).await;
    act(&other, &format!("{session}webhook"), &[]).await;
    let (all, html) = deeds(&other, "").await;
    assert!(all.len() >= 4, "{all:?}");
    assert!(
        html.contains("<form class=\"line panel\" method=\"get\""),
        "{html}"
    );
    let (of_one, html) = deeds(&other, &by_one).await;
    assert_eq!(of_one[..2], [NO_LINK, DISCONNECTED], "{of_one:?}");
    assert!(of_one.len() < all.len(), "{of_one:?}");
    assert!(
        html.contains(&format!("<option value=\"{name}\" selected>")),
        "{html}"
    );
    assert!(
        html.contains("Only the entries of this page are searched"),
        "{html}"
    );
    let both = format!("{by_one}&session=system");
    let (of_both, html) = deeds(&other, &both).await;
    assert_eq!(of_both, [DISCONNECTED], "{of_both:?}");
    let refresh = format!(
        "<a href=\"{PAGE}?{}\" data-refresh>",
        both.replace('&', "&#38;")
    );
    assert!(html.contains(&refresh), "{html}");
    let (_, older) = html.split_once("?before=").expect("older ones");
    let older = older
        .split('"')
        .next()
        .unwrap_or_default()
        .replace("&#38;", "&");
    assert!(older.ends_with(&both), "the filter goes along: {older}");
    let (none, html) = deeds(&other, "by=&session=branch-9").await;
    assert_eq!(none, Vec::<String>::new());
    assert!(
        html.contains("None of the entries of this page is of that"),
        "{html}"
    );
    let (none, html) = deeds(&other, "by=%3Cb%3E").await;
    assert!(none.is_empty() && !html.contains("<b>"), "{html}");
    let (all_again, _) = deeds(&other, "by=&session=").await;
    assert_eq!(all_again, all);
    let indonesian = other.on(&system).in_language("id");
    let (_, html) = deeds(&indonesian, &by_one).await;
    assert!(
        html.contains("Hanya entri di halaman ini yang dicari"),
        "{html}"
    );
}
