//! The statements of `template.yaml` allow each function what it does, and nothing else.
use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::simulator::{Scenario, SessionState};
use serde_json::json;
use serde_yaml_ng::Value;
use shared::gateway::chat::ChatHook;
use shared::runtime::custom_resource::ResourceRequest;
use tests::{TestSystem, people};

use super::admin::{LINK_MAKER, use_pages};
use super::replies::{Asker, ask_for_everything, payments};

/// The functions of the template, under their folder names.
fn functions() -> Vec<(String, Value)> {
    let text = include_str!("../../template.yaml");
    let template: Value = serde_yaml_ng::from_str(text).expect("template.yaml is YAML");
    let resources = template["Resources"].as_mapping().expect("resources");
    let functions = resources
        .values()
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    let named = functions.map(|function| {
        let folder = function["Properties"]["CodeUri"]
            .as_str()
            .expect("a folder");
        let name = folder.rsplit('/').next().unwrap_or(folder);
        (name.to_owned(), function.clone())
    });
    named.collect()
}

/// What a function is allowed on the tables, as `UpdateItem UsersTable`.
fn allowed(function: &Value) -> BTreeSet<String> {
    let mut acts = BTreeSet::new();
    for statement in statements(function).filter(|statement| statement["Effect"] == "Allow") {
        let table = table(&statement["Resource"]);
        let table = table.unwrap_or_else(|| panic!("no table: {statement:?}"));
        for action in statement["Action"]
            .as_sequence()
            .expect("a list of actions")
        {
            let action = action
                .as_str()
                .and_then(|action| action.strip_prefix("dynamodb:"));
            let action = action.unwrap_or_else(|| panic!("no act on a table: {statement:?}"));
            acts.insert(format!("{action} {table}"));
        }
    }
    acts
}

fn statements(function: &Value) -> impl Iterator<Item = &Value> {
    let policies = function["Properties"]["Policies"].as_sequence();
    let statements = policies.into_iter().flatten();
    statements.flat_map(|policy| policy["Statement"].as_sequence().into_iter().flatten())
}

/// The table in `!GetAtt UsersTable.Arn`, or the index in `!Sub "${PaymentsTable.Arn}/index/due"`, as `PaymentsTable/index/due`.
fn table(resource: &Value) -> Option<String> {
    let Value::Tagged(tagged) = resource else {
        return None;
    };
    let text = tagged.value.as_str()?;
    if tagged.tag == "GetAtt" {
        return text.strip_suffix(".Arn").map(str::to_owned);
    }
    let (table, index) = text.strip_prefix("${")?.split_once(".Arn}")?;
    (tagged.tag == "Sub" && index.starts_with("/index/")).then(|| format!("{table}{index}"))
}

/// The key rings that a function is allowed.
fn allowed_rings(function: &Value) -> BTreeSet<String> {
    let keys = statements(function)
        .filter(|statement| table(&statement["Resource"]).as_deref() == Some("KeysTable"));
    let mut rings = BTreeSet::new();
    for statement in keys {
        let condition = &statement["Condition"]["ForAllValues:StringEquals"];
        let named = condition["dynamodb:LeadingKeys"].as_sequence();
        let named = named.expect("a statement about keys names their rings");
        rings.extend(named.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    rings
}

/// The only function that makes keys.
const MAKER: &str = "keys-make";

/// What CloudFormation asks, where nobody waits for the answer.
fn unheard() -> ResourceRequest {
    let request = json!({
        "RequestType": "Create", "ResponseURL": "http://127.0.0.1:1/answer", "StackId": "stack",
        "RequestId": "request", "LogicalResourceId": "KeyRings", "ResourceType": "Custom::KeyRings",
    });
    serde_json::from_value(request).expect("a request")
}

/// Makes keys as the deployment does: where there are none, and in a table of before the public halves.
async fn make_keys(asker: &mut Asker) {
    const ALL: [&str; 5] = ["codes", "public", "refresh", "signing", "webhooks"];
    for gone in [&ALL[..], &["public"]] {
        let system = TestSystem::start().await;
        for ring in gone {
            let forget = system.dynamodb().delete_item().table_name("KeysTable");
            let ring = AttributeValue::S((*ring).into());
            forget.key("ring", ring).send().await.expect("forgotten");
        }
        let app = keys_make::App::new(system.backends());
        system.database().forget_calls();
        let told = keys_make::handle(Ok(&app), unheard()).await;
        assert!(told.is_err(), "nobody listens");
        asker.watch(&system, MAKER);
    }
}

/// The function that a schedule calls each minute.
const MONITOR: &str = "session-monitor";

/// Watches a session through its days: one that delivers, one that is down, and one whose gateway dies of a connect.
async fn watch_sessions(asker: &mut Asker) {
    let system = TestSystem::builder().settings(|settings| {
        settings.public_base_url = Some("https://api.example.com".into());
        // Nobody listens there.
        settings.pairing_hook = Some(ChatHook::new("http://127.0.0.1:1/hook"));
    });
    let system = system.build().await;
    people::add_user(&system, "08123456789").await;
    people::sign_in(&system, "08123456789").await;
    let app = session_monitor::App::new(system.backends());
    for scenario in [
        Scenario::Healthy,
        Scenario::Unpaired,
        Scenario::Healthy,
        Scenario::ColdSession,
        Scenario::WhatsappUnreachable { lasts_ms: None },
        Scenario::ColdSession,
    ] {
        system.simulator().play(&scenario);
        if scenario == Scenario::Healthy {
            let paired = SessionState::Online;
            system.simulator().set_state("system", paired).expect("one");
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        system.database().forget_calls();
        let deadline = system.now().plus(Duration::from_secs(60));
        let watched = session_monitor::handle(&app, deadline).await;
        watched.expect("the sessions are known");
        asker.watch(&system, MONITOR);
    }
}

/// The function that a schedule calls each minute for payment notices.
const DELIVERER: &str = "outbox-deliver";

/// Delivers what is due: a bill, its warnings, and what happened; on a session that is well, down, and silent.
async fn deliver_notices(asker: &mut Asker) {
    let system = payments::system(&[payments::shop()]).await;
    payments::later(&system).await;
    let app = outbox_deliver::App::new(system.backends());
    for (scenario, minutes) in [
        (
            Scenario::AckLost {
                sends: 1,
                delivered: false,
                lasts_ms: 60_000,
            },
            3,
        ),
        (Scenario::ColdSession, 2),
        (Scenario::Unpaired, 10),
        (Scenario::Healthy, 90),
        (Scenario::Unpaired, 60),
    ] {
        system.simulator().play(&scenario);
        for _ in 0..minutes {
            tokio::time::advance(Duration::from_secs(60)).await;
            system.database().forget_calls();
            let deadline = system.now().plus(Duration::from_secs(60));
            let delivered = outbox_deliver::handle(&app, deadline).await;
            delivered.expect("the store");
            asker.watch(&system, DELIVERER);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_may_do_what_it_does_and_no_more() {
    let mut done = ask_for_everything().await;
    done.reset_while_down().await;
    make_keys(&mut done).await;
    watch_sessions(&mut done).await;
    deliver_notices(&mut done).await;
    use_pages(&mut done).await;
    let mut complaints = Vec::new();
    for (name, function) in functions() {
        let acts = done.acts.get(&name);
        let acts = acts.unwrap_or_else(|| panic!("{name} is never asked: add it to replies.rs"));
        let allowed = allowed(&function);
        let lacks = acts.difference(&allowed);
        complaints.extend(lacks.map(|act| format!("{name}: allow {act}, which it does")));
        let more = allowed.difference(acts);
        complaints.extend(more.map(|act| format!("{name}: allow no {act}, which it never does")));
        let (allowed, asked) = (allowed_rings(&function), &done.rings[&name]);
        if &allowed != asked {
            complaints.push(format!("{name}: the rings {asked:?}, not {allowed:?}"));
        }
    }
    assert!(complaints.is_empty(), "template.yaml: {complaints:#?}");
}

#[test]
fn whoever_has_a_route_may_read_keys_and_write_none() {
    for (name, function) in functions() {
        let acts = allowed(&function);
        let keys: BTreeSet<_> = acts
            .iter()
            .filter_map(|act| act.strip_suffix(" KeysTable"))
            .collect();
        let has_route = function["Properties"]["Events"].is_mapping();
        let called = [MAKER, LINK_MAKER].contains(&name.as_str());
        assert_eq!(has_route, !called, "{name}: a route or a schedule");
        if has_route {
            // An operator adds a session to the list, which is no ring.
            let writes_list = name == "admin-api";
            let may: BTreeSet<_> = ["GetItem"]
                .into_iter()
                .chain(writes_list.then_some("PutItem"))
                .collect();
            assert!(keys.is_subset(&may), "{name}: {keys:?}");
        }
        if ["auth-jwks", "auth-session"].contains(&name.as_str()) {
            let public = BTreeSet::from(["public".to_owned()]);
            assert_eq!(allowed_rings(&function), public, "{name}: no private key");
        }
    }
}
