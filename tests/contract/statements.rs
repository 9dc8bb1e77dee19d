//! The statements of `template.yaml` allow each function what it does, and nothing else.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_yaml_ng::Value;

use super::replies::ask_for_everything;

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
        let table = table.unwrap_or_else(|| panic!("no table by `!GetAtt`: {statement:?}"));
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

/// The table in `!GetAtt UsersTable.Arn`.
fn table(resource: &Value) -> Option<&str> {
    match resource {
        Value::Tagged(tagged) if tagged.tag == "GetAtt" => {
            tagged.value.as_str()?.strip_suffix(".Arn")
        }
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_may_do_what_it_does_and_no_more() {
    let done = ask_for_everything().await.acts;
    for (name, function) in functions() {
        let done = done.get(&name);
        let done = done.unwrap_or_else(|| panic!("{name} is never asked: add it to replies.rs"));
        let allowed = allowed(&function);
        let lacks: Vec<_> = done.difference(&allowed).collect();
        let more: Vec<_> = allowed.difference(done).collect();
        assert!(
            lacks.is_empty(),
            "template.yaml, {name}: allow {lacks:?}, which it does"
        );
        assert!(
            more.is_empty(),
            "template.yaml, {name}: allow no {more:?}, which it never does"
        );
    }
}

/// The key rings behind what an `App` can hold.
const RINGS: [(&str, &[&str]); 4] = [
    ("Codes", &["codes"]),
    ("Logins", &["refresh", "signing"]),
    ("Passwords", &["refresh", "signing"]),
    ("SigningKeys", &["signing"]),
];

#[test]
fn a_function_may_read_the_key_rings_that_its_app_holds() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (function, resource) in functions() {
        let source = repository.join(format!("functions/{function}/src/lib.rs"));
        let source = fs::read_to_string(source).expect("the function's lib.rs");
        let (_, app) = source.split_once("pub struct App {").expect("an App");
        let (app, _) = app.split_once('}').expect("the end of App");
        let held = |field: &str| app.contains(&format!(": {field},"));
        let held: BTreeSet<_> = RINGS
            .iter()
            .filter(|(field, _)| held(field))
            .flat_map(|(_, rings)| rings.iter().copied())
            .collect();
        let keys = statements(&resource)
            .find(|statement| table(&statement["Resource"]) == Some("KeysTable"));
        let keys = keys.map(|statement| {
            &statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        });
        let rings = keys.and_then(Value::as_sequence).into_iter().flatten();
        let allowed: BTreeSet<_> = rings.filter_map(Value::as_str).collect();
        assert_eq!(allowed, held, "{function}: allowed, and held");
    }
}
