//! What the operators' pages take and cost with many sessions and messages.
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use local::simulator::SessionOptions;
use serde_json::json;
use shared::flows::admin::audit::{Audit, AuditEntry, Who};
use shared::flows::admin::links::AdminLinks;
use shared::gateway::SessionToken;
use shared::model::caller::Caller;
use shared::model::payment_caller::{PaymentCaller, Scope, hash_of};
use shared::model::phone::PhoneMark;
use shared::runtime::settings::SessionSettings;
use shared::store::caller_list::CallerListChanges;
use shared::store::deliveries::{Cause, Deliveries, DeliveryItem};
use shared::store::incidents::IncidentKey;
use shared::store::session_list::{ListedSession, SessionListChanges};
use shared::store::whatsapp_sessions::sends::SendRecord;
use shared::store::whatsapp_sessions::{
    REMEMBERED, RecentSend, SeenState, SendEnd, SessionState, TakenMessage, WhatsAppSessions,
};
use tests::browser::Browser;
use tests::{Reply, TestSystem, people};

use crate::report::{Findings, median};

/// How many sessions there are. The last ones are those of customers.
const SESSIONS: usize = 500;
const CUSTOMERS: usize = 50;
/// How many messages are kept, and to how many phones.
const DELIVERIES: u64 = 100_000;
const PHONES: u64 = 2_000;
/// How many notices are in the outbox; every second one has ended unsent.
const NOTICES: u64 = 400;
/// How many incidents and entries of the audit are kept.
const INCIDENTS: u32 = 1_000;
const ENTRIES: u64 = 2_000;
/// How many of the last messages of a session are looked at.
const TAKEN: u64 = 16;
/// How often each page is loaded.
const LOADS: usize = 11;
/// What a page may take, in milliseconds.
const MILLIS_MAX: f64 = 300.0;
/// What a page may have with its style and script, in KiB.
const KIB_MAX: f64 = 60.0;
const KEY: &str = "pay_benchmark";
const MINUTE: Duration = Duration::from_secs(60);

/// What the document has before and behind the table.
const BEGIN: &str = "<!-- Written by `cargo run --release -p budgets -- admin --write`. -->\n";
const END: &str = "<!-- As far as here. -->";

/// Loads each page and asks each route a few times. Needs paused time.
pub async fn measure() -> anyhow::Result<Findings> {
    let system = filled().await?;
    let operator = signed_in(&system).await?;
    let unlisted = system.with_settings(|settings| settings.gateway_admin_token = None);
    let mut findings = Findings::default();
    findings.table("page or route, ms (median), calls, read units, KB");
    let assets = assets(&operator).await?;
    for (name, path) in paths(&operator).await? {
        load(&mut findings, (&system, &operator), (&name, &path, assets)).await?;
    }
    let operator = operator.on(&unlisted);
    let name = format!("`{PAGES}/whatsapp-sessions`, without the gateway's list");
    let path = format!("{PAGES}/whatsapp-sessions");
    load(
        &mut findings,
        (&unlisted, &operator),
        (&name, &path, assets),
    )
    .await?;
    Ok(findings)
}

/// Writes the table into docs/operations.md.
pub fn write(findings: &Findings) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).context("no beginning")?;
    let (_, after) = rest.split_once(END).context("no end")?;
    let table = findings.markdown.trim_end();
    std::fs::write(path, format!("{before}{BEGIN}\n{table}\n\n{END}{after}"))?;
    Ok(())
}

async fn load(
    findings: &mut Findings,
    (system, operator): (&TestSystem, &Browser),
    (name, path, assets): (&str, &str, usize),
) -> anyhow::Result<()> {
    let (mut millis, mut units, mut calls, mut bytes) = (Vec::new(), 0.0, 0, 0);
    for _ in 0..LOADS {
        system.database().forget_calls();
        // Paused time stands still: what passes is the processor's.
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let began = std::time::Instant::now();
        let reply = operator.get(path).await;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(reply.status == 200, "{path}: {}", reply.status);
        let made = system.database().calls();
        units = made.iter().map(|call| call.units).sum();
        calls = made.len();
        bytes = reply.body.len();
    }
    let millis = median(&millis);
    findings.row(&[
        name.to_owned(),
        format!("{millis:.0}"),
        calls.to_string(),
        format!("{units:.1}"),
        bytes.div_ceil(1_024).to_string(),
    ]);
    findings.hold(name, "ms", millis, MILLIS_MAX);
    if path.starts_with(PAGES) {
        let whole = bytes + assets;
        #[expect(clippy::cast_precision_loss, reason = "pages have kilobytes")]
        findings.hold(
            name,
            "KiB with style and script",
            whole as f64 / 1_024.0,
            KIB_MAX,
        );
    }
    Ok(())
}

/// The bytes of the style and the script, which every page has.
async fn assets(operator: &Browser) -> anyhow::Result<usize> {
    let mut bytes = 0;
    for name in ["admin.css", "admin.js"] {
        let reply = operator.get(&format!("/admin/assets/{name}")).await;
        ensure!(reply.status == 200, "{name}: {}", reply.status);
        bytes += reply.body.len();
    }
    Ok(bytes)
}

const PAGES: &str = "/admin/dashboard";
const API: &str = "/api/admin";

/// Each page and each route that reads, by the name that it has in the table.
async fn paths(operator: &Browser) -> anyhow::Result<Vec<(String, String)>> {
    let phone = people::phone(7);
    let sealed = sealed(operator, &phone).await?;
    let message = message_id(7);
    let pages = [
        ("whatsapp-sessions".to_owned(), ""),
        ("whatsapp-sessions?page=10".to_owned(), ""),
        ("whatsapp-sessions/session-2".to_owned(), ""),
        ("incidents".to_owned(), ""),
        ("outbox".to_owned(), ""),
        ("outbox?state=dead".to_owned(), ""),
        (format!("deliveries?who={sealed}"), "deliveries?who="),
        (
            format!("deliveries?messageId={message}"),
            "deliveries?messageId=",
        ),
        (
            "deliveries?requestId=request-7".to_owned(),
            "deliveries?requestId=",
        ),
        (format!("explain?purpose=sso&who={sealed}"), "explain?who="),
        (format!("people?who={sealed}"), "people?who="),
        ("audit".to_owned(), ""),
    ];
    let routes = [
        ("whatsapp/sessions".to_owned(), ""),
        ("whatsapp/sessions/session-2/status".to_owned(), ""),
        ("incidents".to_owned(), ""),
        ("outbox".to_owned(), ""),
        ("outbox?state=dead".to_owned(), ""),
        (format!("deliveries?phone={phone}"), "deliveries?phone="),
        (
            format!("explain?phone={phone}&purpose=sso"),
            "explain?phone=",
        ),
        (format!("people?phone={phone}"), "people?phone="),
    ];
    let named = |under: &str, (path, name): (String, &str)| {
        let name = if name.is_empty() { &path } else { name };
        (format!("`{under}/{name}`"), format!("{under}/{path}"))
    };
    let pages = pages.into_iter().map(|page| named(PAGES, page));
    let routes = routes.into_iter().map(|route| named(API, route));
    Ok(pages.chain(routes).collect())
}

/// The phone as an address of this operator's pages has it.
async fn sealed(operator: &Browser, phone: &str) -> anyhow::Result<String> {
    let page = operator.get(&format!("{PAGES}/deliveries")).await;
    let found = operator
        .submit(&page, "/api/admin/find", &[("sought", phone)])
        .await;
    let way = location(&found)?;
    let (_, sealed) = way.split_once("who=").context("a sealed phone")?;
    Ok(sealed.to_owned())
}

fn location(reply: &Reply) -> anyhow::Result<&str> {
    let way = reply.headers.get("location").context("a way")?;
    Ok(way.to_str()?)
}

async fn signed_in(system: &TestSystem) -> anyhow::Result<Browser> {
    let caller = Caller::with_iam("benchmark", system.now().plus(MINUTE));
    let links = AdminLinks::new(system.backends());
    let link = links.make(&caller, system.now()).await?;
    let browser = Browser::new(system);
    let page = browser.get(&link.path()).await;
    let signed_in = browser.submit(&page, &link.path(), &[]).await;
    ensure!(signed_in.status == 303, "{}", signed_in.status);
    Ok(browser)
}

/// A system with all that the pages show.
async fn filled() -> anyhow::Result<TestSystem> {
    let system = with_sessions().await?;
    keep_deliveries(&system).await?;
    keep_notices(&system).await?;
    keep_incidents(&system).await?;
    let audit = Audit::new(system.backends());
    for number in 0..ENTRIES {
        let at = system.now().minus(MINUTE * u32::try_from(number)?);
        let entry = AuditEntry {
            who: Who::Monitor,
            what: "session-connect",
            whom: Some("system"),
            result: "done",
            caller: &Caller::with_iam("benchmark", at),
        };
        audit.record(entry, at).await?;
    }
    people::add_user(&system, &people::phone(7)).await;
    Ok(system)
}

fn session_name(number: usize) -> String {
    match number {
        0 => "system".to_owned(),
        number => format!("session-{}", number + 1),
    }
}

/// A system whose sessions have sent a while ago. Every tenth one is down.
async fn with_sessions() -> anyhow::Result<TestSystem> {
    let token = |name: &str| format!("the-session-token-of-{name}");
    let names: Vec<_> = (0..SESSIONS).map(session_name).collect();
    let builder = TestSystem::builder().settings(|settings| {
        settings.gateway_admin_token = Some(SessionToken::new("gateway-admin-token"));
    });
    let builder = builder.simulator(|options| {
        let sessions = names.iter();
        let sessions = sessions.map(|name| SessionOptions::new(name, &token(name)));
        options.sessions = sessions.collect();
    });
    let system = builder.build().await;
    let system = system.with_settings(|settings| settings.sessions.truncate(1));
    let listed = names[1..SESSIONS - CUSTOMERS]
        .iter()
        .map(|name| ListedSession {
            session: SessionSettings::new(name, SessionToken::new(token(name))),
            sends: true,
        });
    let list = SessionListChanges::new(system.backends());
    list.write(&list.read().await?, &listed.collect::<Vec<_>>())
        .await?;
    let items = WhatsAppSessions::of(system.backends());
    let now = system.now();
    for (number, name) in names[..SESSIONS - CUSTOMERS].iter().enumerate() {
        let state = match number % 10 {
            9 => SessionState::Down,
            _ => SessionState::Usable,
        };
        items
            .record_state(name, SeenState::beginning(state, now.minus(10 * MINUTE)))
            .await?;
        items.record_send(name, &sent(number, &system)?).await?;
    }
    Ok(system)
}

/// What the sends of the last minutes have shown.
fn sent(number: usize, system: &TestSystem) -> anyhow::Result<SendRecord> {
    let at = system.now().minus(3 * MINUTE);
    let first = u64::try_from(number)? * TAKEN;
    let taken = (first..first + TAKEN).map(|id| TakenMessage {
        id: message_id(id),
        at,
        phone: PhoneMark::from_bytes([0, 0]),
        of_anybody: false,
    });
    let recent = RecentSend {
        at,
        took: Duration::from_millis(400),
        end: SendEnd::Taken,
        requeued_after: None,
    };
    Ok(SendRecord {
        recent: vec![recent; REMEMBERED],
        taken_messages: Some(taken.collect()),
        ..SendRecord::default()
    })
}

fn message_id(number: u64) -> String {
    format!("3EB0{number:018X}")
}

async fn keep_deliveries(system: &TestSystem) -> anyhow::Result<()> {
    let deliveries = Deliveries::of(system.backends());
    for number in 0..DELIVERIES {
        let phone = people::parsed(&people::phone(number % PHONES));
        let request_id = format!("request-{number}");
        let at = system.now().minus(Duration::from_secs(10 * number));
        let delivery = DeliveryItem {
            message_id: &message_id(number),
            purpose: "sso",
            phone: &phone,
            cause: &Cause::request(&request_id),
            session: "system",
            tried: vec!["system"],
            outcome: "sent",
            reason: None,
            steps: vec![("queued", 12), ("sent", 430)],
            chat_offered: false,
            at,
        };
        deliveries.keep(delivery).await?;
        if number < PHONES {
            let message = (&*message_id(number), at);
            deliveries.keep_request(&request_id, message).await?;
        }
        system.database().forget_calls();
    }
    Ok(())
}

/// Notices that wait, and some that have ended unsent.
async fn keep_notices(system: &TestSystem) -> anyhow::Result<()> {
    let list = CallerListChanges::new(system.backends());
    let caller = PaymentCaller {
        name: "benchmark".into(),
        sha256: hash_of(KEY),
        scopes: vec![Scope::Payments],
        daily_cap: None,
        retire_at: None,
    };
    list.write(&list.read().await?, &[caller]).await?;
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("prefer", "respond-async"),
    ];
    for number in 0..NOTICES {
        let body = json!({ "phone": people::phone(number), "amount": 150_000, "currency": "IDR" });
        let path = format!("/api/payments/INV-{number}/success");
        let reply = system.request("POST", &path, &headers, body.to_string());
        let reply = reply.await;
        ensure!(reply.status == 202, "{}", reply.json);
        if number % 2 == 1 {
            end_unsent(system, number).await?;
        }
    }
    Ok(())
}

async fn end_unsent(system: &TestSystem, number: u64) -> anyhow::Result<()> {
    let dead = || AttributeValue::S("dead".into());
    let text = |text: String| AttributeValue::S(text);
    let update = system.dynamodb().update_item().table_name("PaymentsTable");
    update
        .key("payment_id", text(format!("INV-{number}")))
        .key("item", text("notice#success".into()))
        .update_expression("SET #state = :dead, queue = :dead")
        .condition_expression("attribute_exists(queue)")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":dead", dead())
        .send()
        .await
        .context("a notice ends")?;
    Ok(())
}

async fn keep_incidents(system: &TestSystem) -> anyhow::Result<()> {
    for number in 0..INCIDENTS {
        let began = system.now().minus(MINUTE * 10 * (number + 1));
        let name = session_name(usize::try_from(number)? % SESSIONS);
        let count = |number: i64| AttributeValue::N(number.to_string());
        let put = system.dynamodb().put_item().table_name("IncidentsTable");
        put.item("list", AttributeValue::S("past".into()))
            .item(
                "id",
                AttributeValue::S(IncidentKey::new(began, &name).as_str().to_owned()),
            )
            .item("ended", count(began.plus(5 * MINUTE).millis()))
            .item("cause", AttributeValue::S("down".into()))
            .item("connects", count(3))
            .item("restarts", count(0))
            .item("rev", count(1))
            .item(
                "expires_at",
                count(system.now().plus(MINUTE * 60 * 24).seconds()),
            )
            .send()
            .await
            .context("an incident is kept")?;
    }
    Ok(())
}
